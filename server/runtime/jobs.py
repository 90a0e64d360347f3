"""Asynchronous jobs: building an index while writes go on, validating a constraint, removing what was dropped
(dsql-reference §6).

Building (AR §3.14). CREATE INDEX ASYNC commits the index in state building; by the catalog check every later
commit maintains it. So only rows committed before need an entry. The job reads the table at one time per
chunk, writes the missing entries, and names every row that it read as a guard: if one of them was written
meanwhile, the chunk is aborted and read again. It then checks the whole index at one time, and a last commit
makes it valid, which moves the catalog's version like any DDL. A duplicate makes it invalid: it goes on
rejecting duplicates until it is dropped.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, Protocol

import msgspec

from adjudicator.messages import CommitRequest
from journal.broken import require
from journal.record import LockClass, Write
from server.catalog import clusters, store
from server.catalog.ddl_index import ANALYSIS, VALIDATION, make_job
from server.catalog.descriptor import Catalog, Check, ForeignKey, Index, Job, Oid, Statistics, Table
from server.errors import PgError
from server.runtime.activity import Activity
from server.runtime.job_waits import JobWaits, is_ended
from server.runtime.validating import Validator, find_constraint, validated
from server.runtime.waiting import Turns, outcome, telling
from server.session.transaction import Transaction
from server.session.unique import unique_id
from server.session.work import Wait
from server.sql.access import PREFIX_LENGTH, Entry, IndexAccess, Row, TableAccess
from server.sql.limits import Limits
from server.sql.row_writer import entry_size
from server.testing.desk import Desk, Match
from server.testing.injections import Event, Point
from storage import keycode, rowcode
from storage.mvcc import Versions

log = logging.getLogger("opendsql.jobs")

CHUNK_ROWS = 256
"""Rows read between two turns of the loop, and rows per transaction: well below 3,000 (dsql-reference §4)."""
_EPOCH_US = 946_684_800_000_000
EXCLUSIVE, BLIND = int(LockClass.EXCLUSIVE), int(LockClass.BLIND)
DUPLICATE = "23505", "Found duplicate key while validating index for UCVs"
TOO_LARGE = "54000", "key size too large"
SKIPPED = "Skipped job for nonexistent table."
COUNTED_ROWS = 4096
"""Rows that ANALYZE counts between two turns of the loop: they are not decoded."""
RETRY_S = 1.0
"""After a commit was refused for want of space."""


class Unfit(Exception):
    """The rows can't have this index."""

    def __init__(self, sqlstate: str, details: str) -> None:
        super().__init__(details)
        self.sqlstate, self.details = sqlstate, details


class Missing(Exception):
    """A row has lost its entry while the index was built."""


class Violated(Exception):
    """A row breaks the constraint that is validated; the text says which."""


class Gone(Exception):
    """What the job works on was dropped."""


class Submitting(Protocol):
    """Where jobs commit."""

    def submit(self, request: CommitRequest, size: int) -> Wait[int]: ...


class JobHost(Protocol):
    """What jobs ask of the node that they run in."""

    limits: Limits

    @property
    def versions(self) -> Versions: ...

    @property
    def committer(self) -> Submitting: ...

    @property
    def catalog_listeners(self) -> list[Callable[[Catalog], None]]: ...

    def catalog(self, cluster: int) -> Catalog: ...

    def clusters(self) -> list[int]: ...

    @property
    def desk(self) -> Desk: ...

    def fresh(self) -> Wait[None] | None: ...

    def start_ts(self) -> int: ...


class JobRunner:
    """Runs one job after the other; wakes up when the catalog changes.

    A job that lacks room is left for later, and the next one goes on: a DROP may make the room.
    """

    def __init__(self, node: JobHost, broken: Callable[[BaseException], None]) -> None:
        self._node = node
        self._broken = broken
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._waits = JobWaits(self.find)
        self.completed = 0
        self.activity = Activity()
        """Told by the node what it applies."""
        self._is_look_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._alarm: asyncio.TimerHandle | None = None
        """Wakes the loop when the first of those that wait for their time may be tried."""
        self.looks = 0
        """How often tables were looked for that have changed much."""
        node.catalog_listeners.append(lambda _catalog: self._wake.set())

    def start(self) -> None:
        """Begin with what an earlier process left unfinished."""
        self._is_look_due = False
        self._wake.set()
        self._look_later()
        self._task = asyncio.get_running_loop().create_task(self._run())
        # It never ends by itself: without it every CALL sys.wait_for_job would wait in vain.
        self._task.add_done_callback(telling(self._broken))

    async def stop(self) -> None:
        """Stop between two transactions; the job goes on with the next start."""
        for timer in (self._timer, self._alarm):
            if timer is not None:
                timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wait_for(self, cluster: int, job_id: str, is_submitted: bool = False) -> Wait[bool]:
        """Done when the job has ended: True if it completed, False if it failed or is unknown.

        `is_submitted`: whoever asks has committed it; in a region storage may learn of that later than the client.
        """
        return self._waits.wait_for(cluster, job_id, is_submitted)

    def look(self) -> None:
        """Storage has moved on: who waits for a job that has ended, also in another region, is told."""
        self._waits.look()

    def find(self, cluster: int, job_id: str) -> Job | None:
        return store.find_job(self._node.versions, cluster, job_id, self._node.start_ts())

    def jobs(self, cluster: int) -> Iterator[Job]:
        """All jobs of a cluster, oldest first."""
        return iter(store.read_jobs(self._node.versions, cluster, self._node.start_ts()))

    def statistics(self, cluster: int) -> dict[Oid, Statistics]:
        """What ANALYZE found out about a cluster's tables."""
        return store.read_statistics(self._node.versions, cluster, self._node.start_ts())

    # --- the loop ---

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            known = self._node.clusters()
            if self._is_look_due:
                self.activity.forget_others(known)
            for cluster in known:
                if self._is_look_due:
                    await self._attempt("analyses", self._submit_analyses(cluster))
                await self._attempt("jobs", self._run_cluster(cluster))
            if self._is_look_due:
                self._is_look_due = False
                self.looks += 1
                self._look_later()
            await self._attempt("removal", self._remove_dropped())

    async def _attempt(self, what: str, work: Coroutine[Any, Any, None]) -> bool:
        """Do it; False if it was refused, as for want of room: it is tried again after a while."""
        try:
            await work
        except PgError as error:
            log.error("%s wait error=%s", what, error.message)
            self._wake_in(RETRY_S)
            return False
        return True

    def _wake_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        at = loop.time() + seconds
        if self._alarm is not None and loop.time() < self._alarm.when() <= at:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = loop.call_at(at, self._wake.set)

    def _look_later(self) -> None:
        """Tables that have changed much become jobs, now and then."""
        interval_s = self._node.limits.analyze_interval_s
        if interval_s:
            self._timer = asyncio.get_running_loop().call_later(interval_s, self._look_at_tables)

    def _look_at_tables(self) -> None:
        if self.activity.is_empty:
            self._look_later()
        else:
            self._is_look_due = True
            self._wake.set()

    async def _run_cluster(self, cluster: int) -> None:
        await self._now()
        for job in self.jobs(cluster):
            if is_ended(job) or not self._is_due(job):
                continue
            if await self._attempt(job.job_id, self._perform(cluster, job)):
                self.completed += 1
                await self._now()
                self.look()

    def _is_due(self, job: Job) -> bool:
        """Whether it may start; else the runner is woken when it may."""
        if job.status == "processing" or job.is_prompt:
            return True
        left_s = self._node.limits.job_start_s - (_now_us() - job.start_time) / 1e6
        if left_s > 0:
            self._wake_in(left_s)
        return left_s <= 0

    async def _perform(self, cluster: int, job: Job) -> None:
        await self._forget_old(cluster)
        job = await self._update(cluster, job, "processing", "")
        try:
            if job.job_type == "INDEX_BUILD":
                await self._build(cluster, job)
                await self._let_fail(cluster, job)
                await self._activate(cluster, job, "valid")
                await self._update(cluster, job, "completed", "")
            elif job.job_type == VALIDATION:
                await self._validate(cluster, job)
                await self._update(cluster, job, "completed", "")
            elif job.job_type == ANALYSIS:
                await self._analyze(cluster, job)
            elif job.job_type == "DROP":
                await self._remove(cluster, job.object_oid)
                await self._forget_statistics(cluster, job.object_oid)
                gone = msgspec.structs.replace(job, object_name="")
                await self._update(cluster, gone, "completed", "")
        except Unfit as reason:
            await self._activate(cluster, job, "invalid")
            failed = msgspec.structs.replace(job, sqlstate=reason.sqlstate)
            await self._update(cluster, failed, "failed", reason.details)
        except Violated as reason:
            await self._update(cluster, job, "failed", str(reason))
        except Gone:
            details = f'relation "{job.object_name}" does not exist'
            if job.job_type == ANALYSIS:
                details = SKIPPED
            await self._update(cluster, msgspec.structs.replace(job, object_name=""), "completed", details)

    async def _update(self, cluster: int, job: Job, status: str, details: str) -> Job:
        job = msgspec.structs.replace(job, status=status, details=details, update_time=_now_us())
        key = store.job_key(cluster, job.job_id)
        await self._commit(await self._now(), [Write(key, store.encode(job), BLIND)], [], [])
        return job

    async def _forget_old(self, cluster: int) -> None:
        """A job runs: those that ended long ago go."""
        oldest = _now_us() - int(self._node.limits.job_retention_s * 1e6)
        old = [
            Write(store.job_key(cluster, job.job_id), None, BLIND)
            for job in self.jobs(cluster)
            if is_ended(job) and (job.update_time or job.start_time) < oldest
        ]
        for start in range(0, len(old), CHUNK_ROWS):
            await self._commit(await self._now(), old[start : start + CHUNK_ROWS], [], [])

    async def _now(self) -> int:
        """A time at which everything committed before is seen, as when a session begins; raises PgError."""
        wait = self._node.fresh()
        if wait is not None:
            await outcome(wait)
        return self._node.start_ts()

    async def _commit(
        self, start_ts: int, writes: list[Write], checks: list[bytes], guards: list[bytes]
    ) -> None:
        """Commit a transaction of the job; raises PgError 40001 when it lost."""
        request = CommitRequest(unique_id(), start_ts, writes, [], checks, guards)
        size = sum(len(write.key) + len(write.value or b"") for write in writes)
        await outcome(self._node.committer.submit(request, size))

    # --- INDEX_BUILD ---

    def _target(self, cluster: int, job: Job) -> tuple[Catalog, Table, Index]:
        return self._target_in(self._node.catalog(cluster), job)

    def _target_in(self, catalog: Catalog, job: Job) -> tuple[Catalog, Table, Index]:
        table = catalog.tables.get(job.table_oid)
        index = next((each for each in table.indexes if each.oid == job.object_oid), None) if table else None
        if table is None or index is None:
            raise Gone
        return catalog, table, index

    async def _build(self, cluster: int, job: Job) -> None:
        """Fill the index, and again if a writer took a row's entry with that of another one of the same key."""
        while True:
            try:
                await self._fill(cluster, job)
                return
            except Missing:
                await asyncio.sleep(0)

    async def _fill(self, cluster: int, job: Job) -> None:
        place: bytes | None = keycode.prefix(cluster, job.table_oid)
        while place is not None:
            place = await self._build_chunk(cluster, job, place)
            await asyncio.sleep(0)
        await self._check_entries(cluster, job)

    async def _check_entries(self, cluster: int, job: Job) -> None:
        """Every row has its entry; raises `Missing`, `Unfit` or `Gone`."""
        place: bytes | None = keycode.prefix(cluster, job.table_oid)
        begun = -math.inf
        while place is not None:
            if not self._may_read_on(begun):
                start_ts, begun = await self._now(), time.monotonic()
                # As of that time too: rows that are written after DROP INDEX have no entry.
                _catalog, table, index = self._target(cluster, job)
                rows, entries = TableAccess(table, cluster), IndexAccess(table, index, cluster)
            place = await self._validate_chunk(index, rows, entries, start_ts, place)
            await asyncio.sleep(0)

    async def _build_chunk(self, cluster: int, job: Job, place: bytes) -> bytes | None:
        """Give the rows from `place` on their missing entries; where to go on. Repeats it on a conflict.

        Of duplicates the first one gets the entry: the validation that follows finds the others.
        """
        while True:
            start_ts = await self._now()
            _catalog, table, index = self._target(cluster, job)
            rows, entries = TableAccess(table, cluster), IndexAccess(table, index, cluster)
            versions = self._node.versions
            items, more = versions.scan_items(place, rows.hi, start_ts, CHUNK_ROWS)
            writes: dict[bytes, Write] = {}
            guards: list[bytes] = []
            turns = Turns()
            for key, raw in items:
                await turns.give()
                entry = _entry(entries, rows.unpack(raw), key)
                if entry is None:
                    continue
                if entry_size(entry, key) > self._node.limits.key_bytes:
                    raise Unfit(*TOO_LARGE)
                if versions.get(entry.key, start_ts) is None and entry.key not in writes:
                    lock = EXCLUSIVE if entry.exclusive else BLIND
                    writes[entry.key] = Write(entry.key, entry.value, lock)
                    guards.append(key)
            if not writes:
                return more
            checks = [store.table_key(cluster, table.oid)]
            try:
                await self._commit(start_ts, list(writes.values()), checks, guards)
            except PgError as error:
                if error.sqlstate != "40001":
                    raise
                await asyncio.sleep(0)
                continue
            return more

    async def _validate_chunk(
        self, index: Index, rows: TableAccess, entries: IndexAccess, start_ts: int, place: bytes
    ) -> bytes | None:
        versions = self._node.versions
        items, more = versions.scan_items(place, rows.hi, start_ts, CHUNK_ROWS)
        turns = Turns()
        for key, raw in items:
            await turns.give()
            entry = _entry(entries, rows.unpack(raw), key)
            if entry is None:
                continue
            there = versions.get(entry.key, start_ts)
            if there is None:
                require(index.unique, "K3: a building index is maintained by every commit")
                raise Missing
            if _points_elsewhere(there, entry.value):
                raise Unfit(*DUPLICATE)
        return more

    async def _let_fail(self, cluster: int, job: Job) -> None:
        """Raises `Unfit` when an injection says so."""
        desk = self._node.desk
        if not desk.armed & Point.JOB:
            return
        catalog, table, index = self._target(cluster, job)
        name = f"{catalog.schemas[table.schema_oid].name}.{table.name}"
        if await outcome(desk.ask(Match(Event(Point.JOB, cluster, tables=(name,))))) is not None:
            raise Unfit(*(DUPLICATE if index.unique else TOO_LARGE))

    async def _activate(self, cluster: int, job: Job, state: str) -> None:
        """The last commit: the index changes its state, and the catalog its version."""

        def change(catalog: Catalog) -> Table:
            _catalog, table, index = self._target_in(catalog, job)
            changed = msgspec.structs.replace(index, state=state)
            indexes = tuple(changed if each.oid == index.oid else each for each in table.indexes)
            return msgspec.structs.replace(table, indexes=indexes)

        with suppress(Gone):
            await self._change_table(cluster, change)

    async def _change_table(self, cluster: int, change: Callable[[Catalog], Table]) -> None:
        """Commit a change of a table's descriptor, which moves the catalog's version. Repeats it on a conflict."""
        while True:
            start_ts = await self._now()
            catalog = self._node.catalog(cluster)
            table = change(catalog)
            writes = [
                Write(store.table_key(cluster, table.oid), store.encode(table), EXCLUSIVE),
                Write(store.version_key(cluster), store.encode_version(catalog.next_oid), EXCLUSIVE),
            ]
            try:
                await self._commit(start_ts, writes, [], [])
                return
            except PgError as error:
                if error.sqlstate != "40001":
                    raise

    # --- CONSTRAINT_VALIDATION ---

    async def _validate(self, cluster: int, job: Job) -> None:
        """Look at every row, and make the constraint valid; raises `Violated` (server/runtime/validating.py)."""
        await self._now()
        _table, constraint = _constraint(self._node.catalog(cluster), job)
        if constraint.validated:
            return
        since: int | None = 0
        while since is not None:
            since = await self._look_at_rows(cluster, job, since)
        await self._change_table(
            cluster, lambda catalog: validated(_constraint(catalog, job)[0], job.object_oid)
        )

    async def _look_at_rows(self, cluster: int, job: Job, since: int) -> int | None:
        """One pass over the rows that were written above `since`; None: as of one time, else of which the first was."""
        place: bytes | None = keycode.prefix(cluster, job.table_oid)
        first = start_ts = await self._now()
        begun = time.monotonic()
        known: tuple[Catalog, Validator] | None = None
        while place is not None:
            if not self._may_read_on(begun):
                start_ts, begun = await self._now(), time.monotonic()
            catalog = self._node.catalog(cluster)
            table, constraint = _constraint(catalog, job)
            if known is None or known[0] is not catalog:
                known = catalog, Validator(catalog, table, constraint)
            txn = Transaction(self._node.versions, catalog, start_ts, self._node.limits)
            place = await self._look_at_chunk(known[1], txn, place, since)
            await asyncio.sleep(0)
        return None if start_ts == first else first

    async def _look_at_chunk(
        self, validator: Validator, txn: Transaction, place: bytes, since: int
    ) -> bytes | None:
        """The rows from `place` on; where to go on. Raises `Violated`."""
        hi = keycode.successor(place[:PREFIX_LENGTH])
        items, more = self._node.versions.scan_stamped(place, hi, txn.start_ts, CHUNK_ROWS)
        turns = Turns()
        try:
            for is_broken in validator.broken(txn, (raw for _key, at, raw in items if at > since)):
                if is_broken:
                    raise Violated(validator.error)
                await turns.give()
        except PgError as error:
            raise Violated(error.message) from error
        return more

    def _may_read_on(self, begun: float) -> bool:
        """Whether what was superseded since then is still there to be read."""
        return time.monotonic() - begun <= self._node.limits.transaction_age_s / 2

    # --- ANALYZE ---

    async def _submit_analyses(self, cluster: int) -> None:
        """Jobs for the tables that have changed enough (dsql-reference §6: after writes)."""
        await self._now()
        catalog = self._node.catalog(cluster)
        writes = []
        for table in self.activity.due(catalog, self.statistics(cluster)):
            name = f"{catalog.schemas[table.schema_oid].name}.{table.name}"
            job = make_job(unique_id(), ANALYSIS, table.oid, name, table.oid, time.time_ns())
            writes.append(Write(store.job_key(cluster, job.job_id), store.encode(job), BLIND))
        for start in range(0, len(writes), CHUNK_ROWS):
            await self._commit(await self._now(), writes[start : start + CHUNK_ROWS], [], [])

    async def _analyze(self, cluster: int, job: Job) -> None:
        """Count the table's rows, each piece as of a time of its own, and say so in one commit with the job's end."""
        count, place = 0, keycode.prefix(cluster, job.object_oid)
        hi: bytes = keycode.successor(place)
        more: bytes | None = place
        while more is not None:
            start_ts = await self._now()
            if job.object_oid not in self._node.catalog(cluster).tables:
                raise Gone
            found, more = self._node.versions.count(more, hi, start_ts, COUNTED_ROWS)
            count += found
            await asyncio.sleep(0)
        found_out = Statistics(count, _now_us())
        job = msgspec.structs.replace(job, status="completed", update_time=_now_us())
        writes = [
            Write(store.statistics_key(cluster, job.object_oid), store.encode(found_out), BLIND),
            Write(store.job_key(cluster, job.job_id), store.encode(job), BLIND),
        ]
        try:  # the table is still there: what a DROP's job forgets must not come back
            await self._commit(await self._now(), writes, [store.table_key(cluster, job.object_oid)], [])
        except PgError as error:
            if error.sqlstate != "40001":
                raise
            await self._analyze(cluster, job)

    async def _forget_statistics(self, cluster: int, oid: Oid) -> None:
        start_ts = await self._now()
        key = store.statistics_key(cluster, oid)
        if self._node.versions.get(key, start_ts) is not None:
            await self._commit(start_ts, [Write(key, None, BLIND)], [], [])

    # --- DROP ---

    async def _remove_dropped(self) -> None:
        """Remove the rows of clusters that were dropped, and then what says so."""
        await self._now()
        versions, ts = self._node.versions, self._node.start_ts()
        dropped = [each for each in clusters.every(versions, ts) if each[1].is_deleting]
        for cluster_id, cluster in dropped:
            await self._remove_below(cluster.number.to_bytes(4, "big"))
            start_ts = await self._now()
            await self._commit(start_ts, clusters.removal(versions, start_ts, cluster_id), [], [])
            self.look()

    async def _remove(self, cluster: int, oid: int) -> None:
        """Delete everything below a dropped table's or index's prefix."""
        await self._remove_below(keycode.prefix(cluster, oid))

    async def _remove_below(self, lo: bytes) -> None:
        hi = keycode.successor(lo)
        place: bytes | None = lo
        while place is not None:
            start_ts = await self._now()
            items, place = self._node.versions.scan_items(place, hi, start_ts, CHUNK_ROWS)
            if items:
                await self._commit(start_ts, [_deletion(key) for key, _value in items], [], [])
            await asyncio.sleep(0)


def _constraint(catalog: Catalog, job: Job) -> tuple[Table, Check | ForeignKey]:
    """What a validation is about; raises `Gone`."""
    table = catalog.tables.get(job.table_oid)
    constraint = find_constraint(table, job.object_oid) if table is not None else None
    if table is None or constraint is None:
        raise Gone
    return table, constraint


def _now_us() -> int:
    return time.time_ns() // 1000 - _EPOCH_US


def _deletion(key: bytes) -> Write:
    """Of a row that nobody uses any more; who used the catalog's loses."""
    return Write(key, None, EXCLUSIVE if store.is_catalog_key(key) else BLIND)


def _entry(entries: IndexAccess, row: Row, key: bytes) -> Entry | None:
    """The row's entry; `Unfit` where the index's expressions can't be computed of the row."""
    try:
        return entries.entry(row, key)
    except PgError as error:
        raise Unfit(error.sqlstate, error.message) from error


def _points_elsewhere(there: bytes | None, value: bytes) -> bool:
    return there is not None and rowcode.unpack(there)[0] != rowcode.unpack(value)[0]
