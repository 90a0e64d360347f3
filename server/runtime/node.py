"""One process that owns adjudicator, journal and replica, and hosts the sessions (DESIGN §3, §11)."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from adjudicator.adjudicator import Adjudicator
from adjudicator.messages import CommitRequest
from adjudicator.window import Window
from journal.broken import require
from journal.journal import Conflict, Trimmed
from journal.lmdb_log import LmdbLog
from journal.record import Commit
from server.catalog import privileges, store
from server.catalog.descriptor import Catalog
from server.errors import PgError
from server.runtime.committer import Committer
from server.runtime.jobs import JobRunner
from server.session.preparing import Plans
from server.session.session import SqlSession
from server.session.transaction import Transaction, unique_id
from server.session.work import Wait
from server.sql.limits import Limits
from storage.replica import Replica

log = logging.getLogger("opendsql.node")

DEFAULT_CLUSTER = 1
PLAN_CACHES = 64


class InUse(Exception):
    """Another process owns the data directory."""


class Node:
    """The single writer of a data directory. Made and used on the event loop's thread."""

    def __init__(
        self,
        data: Path,
        *,
        limits: Limits | None = None,
        memory: bool = False,
        rebase: bool = True,
        broken: Callable[[BaseException], None],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.data = data
        self.limits = limits or Limits()
        self.memory = memory
        self.rebase = rebase
        """Whether a transaction may go on with a newer catalog that left what it used alone (DESIGN §6.7)."""
        self.default_cluster = DEFAULT_CLUSTER
        self.sessions: dict[int, SqlSession] = {}
        self._clock = clock
        self._next_pid = 1
        self._plans: dict[object, Plans] = {}
        self._catalogs: dict[int, Catalog] = {}
        self.catalog_listeners: list[Callable[[Catalog], None]] = []
        """Told every new catalog: the job runner, worker processes."""
        self._lock = _lock(data)
        self.journal = LmdbLog.open(data / "journal", sync=not memory)
        self.versions = Replica.open(data / "storage")
        self._recover()
        tail = self.journal.tail
        self.epoch = tail.epoch + 1
        self.owner = f"{os.uname().nodename}:{os.getpid()}"
        claimed = self.journal.claim(tail.position, self.epoch, self.owner, unique_id())
        require(not isinstance(claimed, Conflict), "J4: nobody else appends to a locked data directory")
        tail = self.journal.tail
        self.versions.apply([], tail.position, tail.hash, clock())
        self.committer = Committer(
            Adjudicator(Window(floor=tail.last_ts), tail.last_ts),
            self.journal,
            self.versions,
            epoch=self.epoch,
            owner=self.owner,
            clock=clock,
            applied=self._on_applied,
            is_lone=lambda: len(self.sessions) <= 1,
            broken=broken,
        )

    # --- start and end ---

    def _recover(self) -> None:
        """Bring the replica to the journal's tail: go on where it stopped, or rebuild it."""
        replica, journal = self.versions, self.journal
        if replica.needs_rebuild or not self._follows():
            self._rebuild()
        while replica.applied_position < journal.tail.position:
            entries = journal.read(replica.applied_position + 1)
            if isinstance(entries, Trimmed):
                raise RuntimeError(f"journal is trimmed to {entries.first}, storage is at {replica.applied_position}")
            for record, record_hash in entries:
                replica.apply(record.commits, record.header.position, record_hash, self._clock())

    def _follows(self) -> bool:
        """Whether what the replica applied last is that record of this journal."""
        position = self.versions.applied_position
        if position == self.journal.anchor.position:
            return self.versions.applied_hash == self.journal.anchor.hash or position == 0
        if not self.journal.first <= position <= self.journal.tail.position:
            return False
        entries = self.journal.read(position, 1)
        return not isinstance(entries, Trimmed) and entries[0].hash == self.versions.applied_hash

    def _rebuild(self) -> None:
        """From the newest snapshot that the journal still reaches, or from the journal's first record."""
        path = self.data / "storage"
        self.versions.close()
        Replica.wipe(path)
        self.versions = Replica.open(path)
        if self.journal.first > 1:
            raise RuntimeError("the journal's beginning is trimmed and no snapshot was found")

    async def start(self) -> None:
        """Make the default cluster if the directory is new, and read its catalog."""
        if self._load_catalog(DEFAULT_CLUSTER) is None:
            await self.create_cluster(DEFAULT_CLUSTER)
        self.jobs = JobRunner(self)
        self.jobs.start()

    async def create_cluster(self, cluster: int) -> None:
        """A fresh cluster is one commit (DESIGN §8)."""
        import asyncio

        writes = store.bootstrap(cluster)
        request = CommitRequest(unique_id(), self.versions.applied_ts, writes, [])
        wait = self.committer.submit(request, 1024)
        done = asyncio.get_running_loop().create_future()
        wait.callback = lambda: done.set_result(None)
        await done
        wait.value()
        self._load_catalog(cluster)

    def close(self) -> None:
        """Stop: everything appended becomes durable, everything applied is synced."""
        self.committer.close()
        self.versions.sync()
        self.versions.close()
        self.journal.close()
        self._lock.close()

    # --- what sessions ask ---

    def start_ts(self) -> int:
        """The newest time up to which durable records are applied (DESIGN §4)."""
        return self.versions.applied_ts

    def catalog(self, cluster: int) -> Catalog:
        """The catalog in force at `start_ts`."""
        return self._catalogs[cluster]

    def clusters(self) -> list[int]:
        """The clusters whose catalogs are loaded."""
        return list(self._catalogs)

    def plans(self, key: object) -> Plans:
        """The statement cache that sessions with equal settings share."""
        found = self._plans.get(key)
        if found is None:
            if len(self._plans) >= PLAN_CACHES:
                del self._plans[next(iter(self._plans))]
            found = self._plans[key] = {}
        return found

    def submit(self, txn: Transaction) -> Wait[int]:
        """Send a transaction's commit request."""
        return self.committer.submit(txn.request(rebase=self.rebase), txn.size())

    def check_privileges(self, catalog: Catalog, user: str, needed: tuple[tuple[int, str], ...]) -> None:
        """PgError 42501 unless the user may do all of it."""
        privileges.check(catalog, user, needed)

    def enter(self, session: SqlSession) -> int:
        """A session begins; its process id."""
        if len(self.sessions) >= self.limits.connections:
            raise PgError(
                "53300", "Unable to accept connection, too many open connections.", severity="FATAL"
            )
        pid = self._next_pid
        while pid in self.sessions:
            pid = pid % 0x7FFFFFFF + 1
        self._next_pid = pid % 0x7FFFFFFF + 1
        self.sessions[pid] = session
        return pid

    def leave(self, session: SqlSession) -> None:
        self.sessions.pop(session.process_id, None)

    def cancel(self, pid: int, secret: bytes) -> None:
        """A cancel request: whoever knows the secret may stop the session's running statement."""
        session = self.sessions.get(pid)
        if session is not None and session.secret == secret:
            session.cancel()

    # --- catalog ---

    def _load_catalog(self, cluster: int) -> Catalog | None:
        ts = self.versions.applied_ts
        found = store.load(self.versions, cluster, ts, ts)
        if found is not None:
            self._catalogs[cluster] = found
        return found

    def _on_applied(self, commits: list[Commit]) -> None:
        for commit in commits:
            for write in commit.writes:
                if store.is_catalog_key(write.key):
                    self._change_catalog(commit)
                    break

    def _change_catalog(self, commit: Commit) -> None:
        clusters = {int.from_bytes(write.key[:4], "big") for write in commit.writes}
        for cluster in clusters:
            before = self._catalogs.get(cluster)
            if before is None:
                self._load_catalog(cluster)
                continue
            mine = [write for write in commit.writes if int.from_bytes(write.key[:4], "big") == cluster]
            after = store.changed(before, mine, commit.commit_ts)
            if after is not before:
                self._catalogs[cluster] = after
                for listener in self.catalog_listeners:
                    listener(after)


def _lock(data: Path) -> IO[bytes]:
    """The exclusive lock of a data directory; raises InUse."""
    data.mkdir(parents=True, exist_ok=True)
    handle = open(data / "lock", "ab")  # noqa: SIM115 - held for the life of the process
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise InUse(str(data)) from error
    return handle


__all__ = ["DEFAULT_CLUSTER", "InUse", "Mapping", "Node"]
