"""What an operator can ask of a data directory, whether a server runs on it or not (DESIGN §12).

Each operation emits JSON objects. With a server they run in its process, behind the control socket
(server.runtime.control); without one the command runs them itself, holding the directory's lock. Records are
read in a thread, rows are looked up on the loop, in slices.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from adjudicator.messages import CommitRequest
from journal import lines
from journal.audit import Audit, Auditor, Finding
from journal.journal import Damaged, Entry, LogError, Trimmed
from journal.lmdb_log import LmdbLog
from journal.record import LockClass, Position, Timestamp, Write
from journal.snapshot import SnapshotDamaged
from server.catalog import store
from server.catalog.descriptor import DEFAULT_CLUSTER, Catalog
from server.errors import PgError
from server.pgwire.connection import Counters
from server.runtime import cluster_requests, injection_requests
from server.runtime.change_capture import FOLLOW_S, READ_RECORDS, SLICE_S, capture
from server.runtime.change_feed import ChangeFeed
from server.runtime.job_work import Submitting
from server.runtime.node import Node
from server.runtime.requests import (
    CLUSTER_REQUESTS,
    AuditJournal,
    CutSnapshot,
    Emit,
    ReadJournal,
    Refused,
    Request,
    SetPassword,
    Status,
)
from server.runtime.stores import Stores, snapshot_positions
from server.runtime.stream import JOURNAL
from server.runtime.waiting import Turns, outcome
from server.session.unique import unique_id
from server.session.work import Wait

PASSWORD_TRIES = 10
AGAIN_S = 0.05
"""Longer by so much before each further try: what came first may have a time that is still to come."""


class Committing(Protocol):
    """A node that can change its catalog."""

    def fresh(self) -> Wait[None] | None:
        """Before a transaction begins: None, or what it has to wait for. Raises PgError 57P03."""

    def start_ts(self) -> Timestamp:
        """At which a transaction begins."""

    def catalog(self, cluster: int) -> Catalog:
        """The one in force at `start_ts`."""

    @property
    def committer(self) -> Submitting:
        """Where its transactions go."""


@dataclass(slots=True)
class Facts:
    """What only a serving process knows."""

    endpoint: str
    started: float
    counters: Callable[[], Counters]
    """Of all connections."""
    workers: Callable[[], list[dict[str, Any]]] = list
    router: Callable[[], dict[str, int]] = dict
    version: str = ""
    start_s: float = 0.0


class Operations:
    """The operations on one open directory. `node` and `facts` are there when the process has them."""

    def __init__(
        self,
        journal: LmdbLog,
        stores: Stores | None = None,
        node: Node | None = None,
        facts: Facts | None = None,
    ) -> None:
        self._journal = journal
        self._stores = stores
        self._node = node
        self._facts = facts

    async def perform(self, request: Request, emit: Emit) -> None:
        """Do what is asked. Raises `Refused`, `PgError`, `OSError`, `LogError`."""
        if isinstance(request, Status):
            await emit(await self.status())
        elif isinstance(request, CutSnapshot):
            await emit(await self._cut_snapshot())
        elif isinstance(request, SetPassword):
            await set_password(self._node_of("password"), request)
        elif isinstance(request, ReadJournal):
            await self._read_journal(request, emit)
        elif isinstance(request, AuditJournal):
            await emit(await self._audit())
        elif isinstance(request, CLUSTER_REQUESTS):
            for line in await cluster_requests.answer(self._node_of("this"), request):
                await emit(line)
        else:
            await self._inject(request, emit)

    # --- status ---

    async def status(self) -> dict[str, Any]:
        """Everything worth a look, in one object."""
        stores = self._stores_of("status")
        journal, replica = stores.journal, stores.replica
        tail = journal.tail
        size = await asyncio.to_thread(journal.size)
        space = replica.space()
        found: dict[str, Any] = {
            "state": "stopped" if self._facts is None else "running",
            "data": str(stores.data.absolute()),
            "epoch": tail.epoch,
            "start_ts": replica.applied_ts,
            "applied_position": replica.applied_position,
            "storage_horizon": replica.horizon,
            "journal": {
                "first": journal.first,
                "tail": tail.position,
                "durable": journal.durable,
                "last_ts": tail.last_ts,
                "bytes": size,
            },
            "free_bytes": {
                "journal": journal.space(),
                "storage_map": space.map_bytes,
                "storage_disk": space.disk_bytes,
            },
            "snapshots": snapshot_positions(stores.snapshots),
        }
        if self._node is not None:
            found |= self._node_status(self._node)
        if self._facts is not None:
            found |= _serving_status(self._facts)
        return found

    def _node_status(self, node: Node) -> dict[str, Any]:
        committer, snapshots = node.committer, node.snapshots
        jobs = Counter(job.status for cluster in node.clusters() for job in node.jobs.jobs(cluster))
        return {
            "sessions": len(node.sessions),
            "commits": committer.commits,
            "conflicts": committer.conflicts,
            "groups": committer.groups,
            "window_floor": committer.adjudicator.floor,
            "out_of_space": committer.is_full,
            "apply_waits_for_space": committer.is_waiting_for_space,
            "snapshots_cut": snapshots.cut,
            "snapshot_error": snapshots.last_error,
            "bytes_since_snapshot": snapshots.bytes_since,
            "jobs": dict(jobs),
        }

    # --- snapshot ---

    async def _cut_snapshot(self) -> dict[str, Any]:
        try:
            cut = await outcome(self._node_of("snapshot").snapshots.request())
        except SnapshotDamaged as error:
            raise Refused(f"the snapshot was not read back as written: {error}") from error
        return {"path": str(cut.path), "position": cut.head.position, "rows": cut.items, "bytes": cut.size}

    # --- faults on demand ---

    async def _inject(self, request: injection_requests.InjectionRequest, emit: Emit) -> None:
        if self._facts is None or self._node is None:
            raise Refused("inject needs a running server")
        for line in injection_requests.answer(self._node, request):
            await emit(line)

    # --- the journal ---

    async def _read_journal(self, request: ReadJournal, emit: Emit) -> None:
        if request.journal not in (None, JOURNAL):
            raise Refused(f"there is one journal here, number {JOURNAL}")
        if request.cdc:
            await capture(self._journal, self._stores_of("journal").replica, request, emit)
            return
        feed = None if request.records else ChangeFeed(self._stores_of("journal").replica)
        position = request.start if request.start is not None else self._journal.first
        turns = Turns(SLICE_S)
        while True:
            entries = await self._entries(position)
            if not entries:
                if not request.follow:
                    return
                await asyncio.sleep(FOLLOW_S)
                continue
            for entry in entries:
                for line in (lines.record_object(entry),) if feed is None else feed.lines(entry):
                    await emit(line)
                    await turns.give()
            position = entries[-1].record.header.position + 1

    async def _entries(self, position: Position) -> list[Entry]:
        """Durable records that are also applied, so that storage knows the time before them."""
        end = self._stores.replica.applied_position if self._stores is not None else self._journal.durable
        if position > end:
            return []
        entries = await asyncio.to_thread(self._journal.read, position, min(READ_RECORDS, end - position + 1))
        if isinstance(entries, Trimmed):
            raise Refused(f"the journal begins at record {entries.first}")
        return entries

    async def _audit(self) -> dict[str, Any]:
        journal = self._journal
        audited = await asyncio.to_thread(audit_journal, journal)
        return audit_object(*audited)

    def _stores_of(self, what: str) -> Stores:
        if self._stores is None:
            raise Refused(f"{what} needs the storage")
        return self._stores

    def _node_of(self, what: str) -> Node:
        if self._node is None:
            raise Refused(f"{what} needs a node")
        return self._node


async def set_password(node: Committing, request: SetPassword) -> None:
    """One catalog commit, like any DDL; tried again when another one came first. Raises PgError 57P03."""
    for attempt in range(PASSWORD_TRIES):
        await asyncio.sleep(AGAIN_S * attempt)
        wait = node.fresh()
        if wait is not None:
            await outcome(wait)
        try:
            await _write_verifier(node, request)
            return
        except PgError as error:
            if error.sqlstate != "40001" or attempt == PASSWORD_TRIES - 1:
                raise


async def _write_verifier(node: Committing, request: SetPassword) -> None:
    start_ts = node.start_ts()
    catalog = node.catalog(DEFAULT_CLUSTER)
    oid = catalog.role_names.get(request.role)
    if oid is None:
        raise Refused(f'role "{request.role}" does not exist')
    role = msgspec.structs.replace(catalog.roles[oid], verifier=request.verifier)
    writes = [
        (store.object_key(DEFAULT_CLUSTER, store.ROLES, oid), store.encode(role)),
        (store.version_key(DEFAULT_CLUSTER), store.encode_version(catalog.next_oid)),
    ]
    exclusive = int(LockClass.EXCLUSIVE)
    commit = [Write(key, value, exclusive) for key, value in writes]
    size = sum(len(key) + len(value) for key, value in writes)
    await outcome(node.committer.submit(CommitRequest(unique_id(), start_ts, commit, []), size))


def audit_journal(journal: LmdbLog) -> tuple[Audit, LogError | None]:
    """Re-check the whole log; a record that cannot be read ends it. For any thread."""
    auditor = Auditor(journal.anchor)
    position, last = journal.first, journal.durable
    try:
        while position <= last:
            entries = journal.read(position, min(READ_RECORDS, last - position + 1))
            if isinstance(entries, Trimmed):
                # It was trimmed meanwhile: what is left is proved from its new beginning on.
                auditor, position = Auditor(journal.anchor), entries.first
                continue
            for entry in entries:
                auditor.add(entry)
            position = entries[-1].record.header.position + 1
    except Damaged as error:
        return auditor.result(), error
    return auditor.result(), None


def audit_object(audit: Audit, damage: LogError | None) -> dict[str, Any]:
    """What was proved, and the findings; `ok` is whether there are none."""
    findings = list(audit.findings)
    if damage is not None:
        position = damage.position if isinstance(damage, Damaged) else 0
        findings.append(Finding("J1", position, b"", str(damage)))
    return {
        "ok": not findings,
        "first": audit.first,
        "last": audit.last,
        "from_hash": audit.from_hash.hex(),
        "last_hash": audit.last_hash.hex(),
        "complete_from": audit.complete_from,
        "records": audit.records,
        "commits": audit.commits,
        "findings": [lines.finding_object(each) for each in findings],
    }


def _serving_status(facts: Facts) -> dict[str, Any]:
    counters = facts.counters()
    return {
        "version": facts.version,
        "endpoint": facts.endpoint,
        "uptime_s": round(time.monotonic() - facts.started, 1),
        "ready_after_s": round(facts.start_s, 2),
        "internal_errors": counters.internal_errors,
        "connections": msgspec.to_builtins(counters),
        "workers": facts.workers(),
        "router": facts.router(),
    }
