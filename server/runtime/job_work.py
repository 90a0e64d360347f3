"""What asynchronous jobs do: building an index while writes go on, validating a constraint, counting rows, removing
what was dropped (dsql-reference §6). When they do it: server/runtime/jobs.py.

Building (AR §3.14). CREATE INDEX ASYNC commits the index in state building; by the catalog check every later
commit maintains it. So only rows committed before need an entry. The job reads the table at one time per
chunk, writes the missing entries, and names every row that it read as a guard: if one of them was written
meanwhile, the chunk is aborted and read again. It then checks the whole index at one time, and a last commit
makes it valid, which moves the catalog's version like any DDL. A duplicate makes it invalid: it goes on
rejecting duplicates until it is dropped.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import msgspec

from adjudicator.messages import CommitRequest
from journal.broken import require
from journal.record import LockClass, Write
from server.catalog import clusters, store
from server.catalog.ddl_index import ANALYSIS, VALIDATION, make_job
from server.catalog.descriptor import Catalog, Check, ForeignKey, Index, Job, Oid, Statistics, Table
from server.errors import PgError
from server.runtime.activity import Activity
from server.runtime.job_waits import is_ended
from server.runtime.validating import Validator, find_constraint, validated
from server.runtime.waiting import Turns, outcome
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

CHUNK_ROWS = 256
"""Rows read between two turns of the loop, and rows per transaction: well below 3,000 (dsql-reference §4)."""
_EPOCH_US = 946_684_800_000_000
EXCLUSIVE, BLIND = int(LockClass.EXCLUSIVE), int(LockClass.BLIND)
DUPLICATE = "23505", "Found duplicate key while validating index for UCVs"
TOO_LARGE = "54000", "key size too large"
SKIPPED = "Skipped job for nonexistent table."
COUNTED_ROWS = 4096
"""Rows that ANALYZE counts between two turns of the loop: they are not decoded."""


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


@dataclass(frozen=True, slots=True)
class Aim:
    """A time, and the index that is built as it is then: rows that are written after DROP INDEX have no entry."""

    start_ts: int
    table: Table
    index: Index
    rows: TableAccess
    entries: IndexAccess


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


class JobWork:
    """Does what jobs are about, each transaction as of a time of its own.

    Several calls may be under way, of different jobs: each commit checks what it relies on, as everybody's does.
    """

    def __init__(self, host: JobHost) -> None:
        self._node = host
        self.activity = Activity()
        """Told by the node what it applies."""

    async def perform(self, cluster: int, job: Job) -> None:
        """From where it stands to its end; raises PgError when it is refused, as for want of room."""
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
        job = msgspec.structs.replace(job, status=status, details=details, update_time=now_us())
        key = store.job_key(cluster, job.job_id)
        await self._commit(await self.now(), [Write(key, store.encode(job), BLIND)], [], [])
        return job

    async def _forget_old(self, cluster: int) -> None:
        """A job runs: those that ended long ago go."""
        oldest = now_us() - int(self._node.limits.job_retention_s * 1e6)
        old = [
            Write(store.job_key(cluster, job.job_id), None, BLIND)
            for job in store.read_jobs(self._node.versions, cluster, self._node.start_ts())
            if is_ended(job) and (job.update_time or job.start_time) < oldest
        ]
        for start in range(0, len(old), CHUNK_ROWS):
            await self._commit(await self.now(), old[start : start + CHUNK_ROWS], [], [])

    async def now(self) -> int:
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

    async def _aim(self, cluster: int, job: Job) -> Aim:
        start_ts = await self.now()
        _catalog, table, index = self._target(cluster, job)
        return Aim(start_ts, table, index, TableAccess(table, cluster), IndexAccess(table, index, cluster))

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
                aim, begun = await self._aim(cluster, job), time.monotonic()
            place = await self._validate_chunk(aim, place)
            await asyncio.sleep(0)

    async def _build_chunk(self, cluster: int, job: Job, place: bytes) -> bytes | None:
        """Give the rows from `place` on their missing entries; where to go on. Repeats it on a conflict.

        Of duplicates the first one gets the entry: the validation that follows finds the others.
        """
        while True:
            aim = await self._aim(cluster, job)
            versions, rows, start_ts = self._node.versions, aim.rows, aim.start_ts
            items, more = versions.scan_items(place, rows.hi, start_ts, CHUNK_ROWS)
            writes: dict[bytes, Write] = {}
            guards: list[bytes] = []
            turns = Turns()
            for key, raw in items:
                await turns.give()
                entry = _entry(aim.entries, rows.unpack(raw), key)
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
            checks = [store.table_key(cluster, aim.table.oid)]
            try:
                await self._commit(start_ts, list(writes.values()), checks, guards)
            except PgError as error:
                if error.sqlstate != "40001":
                    raise
                await asyncio.sleep(0)
                continue
            return more

    async def _validate_chunk(self, aim: Aim, place: bytes) -> bytes | None:
        versions, rows, start_ts = self._node.versions, aim.rows, aim.start_ts
        items, more = versions.scan_items(place, rows.hi, start_ts, CHUNK_ROWS)
        turns = Turns()
        for key, raw in items:
            await turns.give()
            entry = _entry(aim.entries, rows.unpack(raw), key)
            if entry is None:
                continue
            there = versions.get(entry.key, start_ts)
            if there is None:
                require(aim.index.unique, "K3: a building index is maintained by every commit")
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
            start_ts = await self.now()
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
        await self.now()
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
        first = start_ts = await self.now()
        begun = time.monotonic()
        known: tuple[Catalog, Validator] | None = None
        while place is not None:
            if not self._may_read_on(begun):
                start_ts, begun = await self.now(), time.monotonic()
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

    async def submit_analyses(self, cluster: int) -> None:
        """Jobs for the tables that have changed enough (dsql-reference §6: after writes)."""
        await self.now()
        catalog = self._node.catalog(cluster)
        writes = []
        known = store.read_statistics(self._node.versions, cluster, self._node.start_ts())
        for table in self.activity.due(catalog, known):
            name = f"{catalog.schemas[table.schema_oid].name}.{table.name}"
            job = make_job(unique_id(), ANALYSIS, table.oid, name, table.oid, time.time_ns())
            writes.append(Write(store.job_key(cluster, job.job_id), store.encode(job), BLIND))
        for start in range(0, len(writes), CHUNK_ROWS):
            await self._commit(await self.now(), writes[start : start + CHUNK_ROWS], [], [])

    async def _analyze(self, cluster: int, job: Job) -> None:
        """Count the table's rows, each piece as of a time of its own, and say so in one commit with the job's end."""
        count, place = 0, keycode.prefix(cluster, job.object_oid)
        hi: bytes = keycode.successor(place)
        more: bytes | None = place
        while more is not None:
            start_ts = await self.now()
            if job.object_oid not in self._node.catalog(cluster).tables:
                raise Gone
            found, more = self._node.versions.count(more, hi, start_ts, COUNTED_ROWS)
            count += found
            await asyncio.sleep(0)
        found_out = Statistics(count, now_us())
        job = msgspec.structs.replace(job, status="completed", update_time=now_us())
        writes = [
            Write(store.statistics_key(cluster, job.object_oid), store.encode(found_out), BLIND),
            Write(store.job_key(cluster, job.job_id), store.encode(job), BLIND),
        ]
        try:  # the table is still there: what a DROP's job forgets must not come back
            await self._commit(await self.now(), writes, [store.table_key(cluster, job.object_oid)], [])
        except PgError as error:
            if error.sqlstate != "40001":
                raise
            await self._analyze(cluster, job)

    async def _forget_statistics(self, cluster: int, oid: Oid) -> None:
        start_ts = await self.now()
        key = store.statistics_key(cluster, oid)
        if self._node.versions.get(key, start_ts) is not None:
            await self._commit(start_ts, [Write(key, None, BLIND)], [], [])

    # --- DROP ---

    def dropped_clusters(self) -> dict[int, list[str]]:
        """Those whose rows are still there: by number the ids."""
        return clusters.dropped(self._node.versions, self._node.start_ts())

    async def remove_cluster(self, number: int, ids: list[str]) -> None:
        """Remove the rows of one that was dropped, and then what says so."""
        await self._remove_below(number.to_bytes(4, "big"))
        start_ts = await self.now()
        await self._commit(start_ts, clusters.removal(self._node.versions, start_ts, ids), [], [])

    async def _remove(self, cluster: int, oid: int) -> None:
        """Delete everything below a dropped table's or index's prefix."""
        await self._remove_below(keycode.prefix(cluster, oid))

    async def _remove_below(self, lo: bytes) -> None:
        hi = keycode.successor(lo)
        place: bytes | None = lo
        while place is not None:
            start_ts = await self.now()
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


def now_us() -> int:
    """As `Job.start_time` counts: microseconds since 2000."""
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
