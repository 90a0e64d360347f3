"""One process that owns adjudicator, journal and replica, and hosts the sessions (DESIGN §3, §11)."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from adjudicator.messages import CommitRequest
from journal import lmdb_log
from journal.record import Commit
from server.catalog import clusters, store
from server.catalog.descriptor import DEFAULT_CLUSTER, Catalog
from server.runtime.catalogs import Catalogs
from server.runtime.committer import APPLY_GIVE_UP_S, RESERVE_BYTES, Committer
from server.runtime.hosting import SessionHost
from server.runtime.jobs import JobRunner
from server.runtime.page import encode_catalog_versions
from server.runtime.snapshots import Snapshots, SnapshotSettings
from server.runtime.stores import InUse, Stores
from server.runtime.stream import claim
from server.runtime.waiting import outcome
from server.session.transaction import Transaction
from server.session.unique import unique_id
from server.session.work import Wait
from server.sql.limits import Limits
from storage import replica as storage

log = logging.getLogger("opendsql.node")


@dataclass(frozen=True, slots=True)
class Space:
    """Sizes of the two maps, and what is kept free in them and on the disk (DESIGN §8); bytes, seconds."""

    journal_map: int = lmdb_log.MAP_SIZE
    storage_map: int = storage.MAP_SIZE
    reserve: int = RESERVE_BYTES
    """At most a quarter of the disk, for a container's small /dev/shm."""
    apply_give_up_s: float = APPLY_GIVE_UP_S


class Node(SessionHost):
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
        space: Space | None = None,
        snapshots: SnapshotSettings | None = None,
    ) -> None:
        super().__init__(limits or Limits())
        space = space or Space()
        self.data = data
        self.memory = memory
        self.rebase = rebase
        """Whether a transaction may go on with a newer catalog that left what it used alone (DESIGN §6.7)."""
        self.default_cluster = DEFAULT_CLUSTER
        self._clock = clock
        self._begun_before = 0
        """Transactions begun at the commit pipeline's last round."""
        self._catalog_commits: list[Commit] = []
        """Those of the record being applied that write catalog rows."""
        self._catalog_versions: dict[int, int] = {}
        """By cluster: the commit_ts of the last change since this process began."""
        self.stores = Stores.open(
            data,
            clock=clock,
            sync=not memory,
            journal_map=space.journal_map,
            storage_map=space.storage_map,
            retention_ns=storage.RETENTION_NS + self.limits.history_ns,
        )
        self.journal = self.stores.journal
        self.versions = self.reads = self.stores.replica
        self._catalogs = Catalogs(self.versions)
        self.owner = f"{os.uname().nodename}:{os.getpid()}"
        begun = time.perf_counter()
        owner, claimed = claim(self.journal, self.owner, self.stores.landmarks)
        self.claim_s = time.perf_counter() - begun
        self.epoch = owner.epoch
        self.stores.stream.follow(claimed, clock(), encode_catalog_versions({}))
        self.committer = Committer(
            owner,
            self.journal,
            self.stores.stream,
            clock=clock,
            applying=self._on_applying,
            applied=self._on_applied,
            others=self._others_run,
            broken=broken,
            cluster_bytes=self.limits.cluster_bytes,
            reserve_bytes=min(space.reserve, self.stores.disk_bytes() // 4),
            apply_give_up_s=space.apply_give_up_s,
        )
        self.node_desk.settled = self.committer.settled
        settings = snapshots or SnapshotSettings()
        self.snapshots = Snapshots(self.stores, self.committer, settings, clock, broken, is_memory=memory)
        self.jobs = JobRunner(self, broken)

    # --- start and end ---

    async def start(self) -> None:
        """Make the default cluster if the directory is new, and read its catalog."""
        if not clusters.is_registered(self.versions, self.versions.applied_ts):
            await self._found()
        self._catalogs.load_all(self.versions.applied_ts)
        self.jobs.start()
        self.snapshots.start()

    async def _found(self) -> None:
        """Make the default cluster; one that is there gets an id, which older releases did not give it."""
        writes = clusters.founding(clusters.make_ids(self.here, os.urandom), self._clock())
        if self._catalogs.load(DEFAULT_CLUSTER, self.versions.applied_ts) is None:
            writes += store.bootstrap(DEFAULT_CLUSTER)
        request = CommitRequest(unique_id(), self.versions.applied_ts, writes, [])
        await outcome(self.committer.submit(request, 1024))

    async def stop(self) -> None:
        """End what runs in the background, between two transactions."""
        await self.jobs.stop()
        await self.snapshots.stop()

    def close(self) -> None:
        """Stop: everything appended becomes durable, everything applied is synced."""
        self.committer.close()
        self.stores.close()

    def _others_run(self, pending: int, waiting: int) -> bool:
        """Whether sessions beyond the `waiting` ones have something open, or did more than ask to commit."""
        begun, self._begun_before = self.begun - self._begun_before, self.begun
        return begun > pending or self.open_transactions > waiting

    # --- what sessions ask ---

    def start_ts(self) -> int:
        """The newest time up to which durable records are applied (DESIGN §4)."""
        return self.versions.applied_ts

    def catalog(self, cluster: int) -> Catalog:
        """The catalog in force at `start_ts`."""
        return self._catalogs.get(cluster)

    def cluster_named(self, cluster_id: str) -> int:
        """The number of the cluster of that id. PgError FATAL 08006."""
        return clusters.number_of(self.versions, self.start_ts(), cluster_id, self.here.region)

    def clusters(self) -> list[int]:
        """The clusters whose catalogs are loaded."""
        return self._catalogs.clusters()

    @property
    def catalog_listeners(self) -> list[Callable[[Catalog], None]]:
        """Told every new catalog: the job runner."""
        return self._catalogs.listeners

    def submit(self, txn: Transaction, size: int) -> Wait[int]:
        """Send a transaction's commit request; `size` is what it counts for its limit."""
        return self.committer.submit(txn.request(rebase=self.rebase), size)

    # --- catalog ---

    def _on_applying(self, commits: list[Commit]) -> bytes | None:
        """What the replica keeps beside the rows for the workers: the catalogs' versions, if they change."""
        found = self._catalog_commits = store.catalog_commits(commits)
        if not found:
            return None
        for commit in found:
            for write in commit.writes:
                if store.is_version_key(write.key):
                    store.note_version(self._catalog_versions, write, commit.commit_ts)
        return encode_catalog_versions(self._catalog_versions)

    def _on_applied(self, commits: list[Commit]) -> None:
        if self.shared is not None:
            self.shared.page.position = self.versions.applied_position
        self._catalogs.applied(self._catalog_commits)
        self.jobs.work.activity.note(commits)


__all__ = ["InUse", "Mapping", "Node", "Space"]
