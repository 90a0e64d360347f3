"""A region's node: adjudicators, storage and sessions of one process, of the same database as the other region's.

    BEGIN     complete to the clock's late edge? ──yes──▶ start_ts = complete, catalog of the same moment
                └─no─▶ wait; after `PATIENCE_S`, or out of service: 57P03, never a stale answer
    read      the replica here, by a direct call
    COMMIT    coordinating ──▶ the owners of the keys, here or in the other region ──▶ answer, once the clock's early
              edge has passed commit_ts

Statements never leave the region; only COMMIT does. A read's time is complete without waiting as long as owners date
commits and closed times ahead by what the journals and messages take (`lead`, AR §3.3).
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from adjudicator.messages import CommitRequest
from adjudicator.protocol import ToOwner
from journal.crossbar import Announcement, Mark
from journal.journal import Entry
from journal.record import Commit, Key, Timestamp
from server.catalog import clusters, store
from server.catalog.descriptor import DEFAULT_CLUSTER, Catalog
from server.errors import PgError
from server.runtime import cluster_size
from server.runtime.catalogs import Catalogs
from server.runtime.hosting import SessionHost
from server.runtime.jobs import JobRunner
from server.runtime.page import encode_catalog_versions
from server.runtime.region import wire
from server.runtime.region.carrier import Carrier, Unreachable
from server.runtime.region.coordinating import Coordinating
from server.runtime.region.feeding import Feeding
from server.runtime.region.following import Following
from server.runtime.region.keeping import Keeping, KeepingSettings
from server.runtime.region.lead import Deliveries
from server.runtime.region.leasing import ALIVE_S, Leasing
from server.runtime.region.membership import Confirmed, Membership, Timing, Value
from server.runtime.region.owners import Owners
from server.runtime.region.place import NUMBERS_PER_NODE, Place, patience_for
from server.runtime.region.routing import Routing
from server.runtime.region.tails import Behind, Tails
from server.runtime.waiting import outcome, telling
from server.session.transaction import Transaction, Versions
from server.session.unique import unique_id
from server.session.work import Wait
from server.sql.limits import Limits
from storage.replica import RETENTION_NS, Replica

log = logging.getLogger("opendsql.region")

CONFIRM_S = 0.25
PATIENCE_S = 4.0
"""How long a statement waits until its time is complete."""
RETRY_S = 0.1
LOOK_S = 0.001


class Register(Protocol):
    """The regions' shared value (AR §3.18)."""

    async def confirm(self) -> Confirmed:
        """Write a sign of life and read the value and the other regions' signs. Raises `Unreachable`."""

    async def replace(self, old: Value | None, new: Value) -> None:
        """Compare and set. Raises `Unreachable`."""


class RegionNode(SessionHost):
    """See the module's text. A `server.session.host.Host`. For the event loop's thread."""

    reads: Versions
    """What its own sessions read: its storage, or the region's storage nodes."""

    def __init__(
        self,
        place: Place,
        data: Path,
        carriers: Mapping[int, Carrier],
        register: Register,
        post: Callable[[str, object], object],
        *,
        latest: Callable[[], Timestamp],
        earliest: Callable[[], Timestamp],
        broken: Callable[[BaseException], None],
        no_time: Callable[[], str | None] = lambda: None,
        limits: Limits | None = None,
        rebase: bool = True,
        timing: Timing | None = None,
        keeping: KeepingSettings | None = None,
    ) -> None:
        """`post(node, message)` sends to another node, perhaps in vain; the clock's edges are in ns, and `no_time`
        says why they are not to be relied on."""
        super().__init__(limits or Limits(), here=clusters.Here(place.region, place.regions))
        self.place = place
        self.data = data
        self.rebase = rebase
        self.default_cluster = DEFAULT_CLUSTER
        self.broken = broken
        self._post = post
        self._latest = latest
        self._earliest = earliest
        self._no_time = no_time
        self._register = register
        self.membership = Membership(place.region, place.regions, timing)
        self.routing = Routing(place.initial)
        self._carriers = carriers
        self.tails = Tails(carriers, self._seen, {}, broken)
        retention_ns = RETENTION_NS + self.limits.history_ns
        self.versions = self.reads = Replica.open(data / "storage", retention_ns=retention_ns)
        self.catalogs = Catalogs(self.versions)
        self.following = self._follow()
        self._feeding: Feeding | None = None
        self._owners = self._own()
        self.owners = self._owners.by_journal
        self.leasing = Leasing(
            place,
            self.membership,
            post,
            owned=lambda: self._owners.owned,
            kept=lambda: self.keeping.kept(),
        )
        self.coordinating = self._coordinate()
        self.keeping = self._keep(keeping)
        self.jobs = JobRunner(self, broken)
        self._is_running_jobs = False
        self._waiting: list[tuple[Timestamp, Wait[None]]] = []
        self._granted: Timestamp = 0
        self._catalog_commits: deque[Commit] = deque()
        self._catalog_versions: dict[int, Timestamp] = {}
        """By cluster: the commit_ts of the last change since this process began."""
        self._is_first_step = True
        self.serving: Callable[[str | None], None] = lambda _reason: None
        """Told now and then why no transaction may begin here."""
        self._is_looking = False
        """A look at the clock is due: somebody waits until its early edge has come far enough."""
        self._tasks: list[asyncio.Task[None]] = []
        self.waited = 0
        """Transactions whose time was not complete when they began."""
        self.deliveries = Deliveries()
        self._reported: dict[str, dict[int, int]] = {}
        """By node: how long closed times take until they count there."""
        self.refused = 0
        """Statements that got 57P03."""

    def _follow(self) -> Following:
        return Following(
            self.versions,
            self.tails,
            list(self.place.journals),
            clock=self._earliest,
            applying=self._applying,
            applied=self._applied,
            progressed=self._progressed,
            lost=lambda: self.broken(Behind()),
        )

    def _coordinate(self) -> Coordinating:
        return Coordinating(
            self.routing,
            self._owners.to_owner,
            self._earliest,
            first_number=self.place.number * NUMBERS_PER_NODE,
            patience=patience_for(self.place.round_trip_s),
            is_far=self._is_far,
        )

    def _is_far(self, journal: int) -> bool:
        node = self.routing.node_of(journal, 0)
        return node is not None and self.place.nodes[node] != self.place.region

    def _keep(self, settings: KeepingSettings | None) -> Keeping:
        return Keeping(
            self.data / "snapshots",
            list(self.place.journals),
            self.following,
            self._carriers,
            leads=self.leasing.leads,
            checkpoint=self._checkpoint,
            nodes=len(self.place.regions),
            largest=self.limits.transaction_bytes,
            others=self._others_in_service,
            tell=self._tell_needs,
            clock=self._earliest,
            settings=settings,
        )

    def _own(self) -> Owners:
        return Owners(
            self.place,
            self._carriers,
            self.tails,
            self.routing,
            self._post,
            kept=lambda: self.keeping.kept(),
            earliest=self._earliest,
            answered=self.answered,
            closed=lambda announcement: self.closed(self.place.node, announcement),
            broken=self.broken,
        )

    # --- start and end

    async def start(self) -> None:
        """Returns when this region serves and its default cluster is there."""
        self.tails.start()
        self.following.start()
        loop = asyncio.get_running_loop()
        loops = [self._confirm(), self._live(), self._give_leads_up(), self.keeping.run()]
        loops += [self._owners.own(journal, self.leasing.is_mine) for journal in self.owners]
        self._tasks = [loop.create_task(each) for each in loops]
        for task in self._tasks:
            task.add_done_callback(telling(self.broken))
        await self._until_served()
        while not clusters.is_registered(self.versions, self.start_ts()):
            if self.leads_catalog or self.catalogs.load(DEFAULT_CLUSTER, self.start_ts()) is not None:
                await self._found()  # where it is there, whoever leads may be of an older release
            await asyncio.sleep(RETRY_S)
        self.catalogs.load_all(self.start_ts())
        self._tasks.append(loop.create_task(self._run_jobs()))

    async def stop(self) -> None:
        """End what runs here; the journals go on without this node."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._is_running_jobs:
            await self.jobs.stop()
        await self.tails.stop()

    def close(self) -> None:
        """Close storage."""
        self.versions.close()

    @property
    def feeding(self) -> Feeding:
        """What feeds the region's storage nodes, from the first question of one on."""
        if self._feeding is None:
            following = self.following
            complete = max(following.crossbar.complete, following.shard.complete)
            self._feeding = Feeding(following, self.tails, complete)
            following.taken = self._feeding.taken
        return self._feeding

    @property
    def is_feeding(self) -> bool:
        """Whether a storage node has asked yet."""
        return self._feeding is not None

    @property
    def leads_catalog(self) -> bool:
        """Whether the owner of the first journal is in this region: the one that makes clusters and runs jobs."""
        return self.leasing.leads(min(self.owners))

    async def _until_served(self) -> None:
        while True:
            try:
                wait = self.fresh()
                if wait is not None:
                    await outcome(wait)
                self.waited = self.refused = 0  # of clients, of whom none is here yet
                return
            except PgError:
                await asyncio.sleep(RETRY_S)

    async def _found(self) -> None:
        """Make the default cluster; one that is there gets an id, which older releases did not give it."""
        writes = clusters.founding(clusters.make_ids(self.here, os.urandom), self._earliest())
        if self.catalogs.load(DEFAULT_CLUSTER, self.start_ts()) is None:
            writes += store.bootstrap(DEFAULT_CLUSTER)
        request = CommitRequest(unique_id(), self.start_ts(), writes, [])
        try:
            await outcome(self.coordinating.submit(request))
        except PgError as error:
            log.info("the cluster is not made yet error=%s", error.message)

    async def _run_jobs(self) -> None:
        """Asynchronous jobs run in one region at a time."""
        while True:
            if self.leads_catalog and not self._is_running_jobs:
                self._is_running_jobs = True
                self.jobs.start()
            elif self._is_running_jobs and not self.leads_catalog:
                self._is_running_jobs = False
                await self.jobs.stop()
            await asyncio.sleep(RETRY_S)

    # --- what sessions ask

    def refusal(self) -> str | None:
        """Why no transaction may begin here, or None: it may."""
        return self.membership.refusal(time.monotonic()) or self._no_time()

    def fresh(self) -> Wait[None] | None:
        """Before a transaction begins: None, or what it has to wait for. Raises PgError 57P03."""
        reason = self.refusal()
        if reason is not None:
            self.refused += 1
            raise PgError("57P03", reason)
        wanted = self._latest()
        if self.following.complete >= wanted and self._earliest() >= wanted:
            self._grant(wanted)
            return None
        self.waited += 1
        wait: Wait[None] = Wait()
        self._waiting.append((wanted, wait))
        asyncio.get_running_loop().call_later(PATIENCE_S, self._give_up, wait)
        return wait

    @property
    def ranges_handed_over(self) -> int:
        """By owners in this process, to the region that writes them."""
        return sum(each.handed_over for each in self.owners.values())

    def start_ts(self) -> Timestamp:
        """Everything up to it is applied here, and it has passed on every clock.

        Storage may be complete to a time ahead of the clock (`lead`): what a transaction saw there, one that begins
        later in the other region might not see yet (AR §2 H3).
        """
        return self._granted

    def cluster_named(self, cluster_id: str) -> int:
        """The number of the cluster of that id, also of one that has just been made. PgError FATAL 08006."""
        self._grant(self._passed())
        return clusters.number_of(self.versions, self.start_ts(), cluster_id, self.here.region)

    def catalog(self, cluster: int) -> Catalog:
        """The catalog in force at `start_ts`."""
        return self.catalogs.get(cluster)

    def clusters(self) -> list[int]:
        """The clusters whose catalogs are loaded."""
        return self.catalogs.clusters()

    @property
    def catalog_listeners(self) -> list[Callable[[Catalog], None]]:
        """Told every new catalog."""
        return self.catalogs.listeners

    @property
    def committer(self) -> RegionNode:
        """Where jobs commit."""
        return self

    def submit(self, txn: Transaction | CommitRequest, size: int) -> Wait[int]:
        """Commit; the Wait gives commit_ts or fails with PgError."""
        request = txn.request(rebase=self.rebase) if isinstance(txn, Transaction) else txn
        if (reason := self.refusal()) is not None:
            return _refused(PgError("57P03", reason))  # before anything was asked: nothing was done
        admission = self.keeping.admission
        is_too_large = cluster_size.is_too_large(
            request, self.versions.cluster_bytes, self.limits.cluster_bytes
        )
        if is_too_large or not admission.may_take(size, lambda: _touched(request), self.routing.journal_of):
            return _refused(PgError("53100", cluster_size.TEXT))
        submitted = self.coordinating.submit(request)
        admission.take(submitted, size)
        return submitted

    def _seen(self, journal: int, entries: list[Entry]) -> None:
        self.routing.see(journal, entries)
        self.keeping.see(journal, entries)
        self.deliveries.read(journal, entries[-1].record.header.position, self._latest())

    def _applying(self, commits: list[Commit]) -> bytes | None:
        """What the replica keeps beside the rows for the workers: the catalogs' versions, if they change."""
        is_first, self._is_first_step = self._is_first_step, False
        found = store.catalog_commits(commits)
        for commit in found:
            for write in commit.writes:
                if store.is_version_key(write.key):
                    store.note_version(self._catalog_versions, write, commit.commit_ts)
        return encode_catalog_versions(self._catalog_versions) if found or is_first else None

    def _applied(self, commits: list[Commit]) -> None:
        """The catalog in force is that of `start_ts`: its changes wait until that has come so far."""
        if self.shared is not None:
            self.shared.page.position += 1
        self._catalog_commits += store.catalog_commits(commits)
        self.jobs.work.activity.note(commits)

    def _passed(self) -> Timestamp:
        """Everything up to it is applied, and it has passed on every clock."""
        return min(self.following.complete, self._earliest())

    def _grant(self, ts: Timestamp) -> None:
        """Transactions may begin at `ts`, to which storage is complete."""
        self._granted = max(self._granted, ts)
        while self._catalog_commits and self._catalog_commits[0].commit_ts <= self._granted:
            self.catalogs.applied([self._catalog_commits.popleft()])
        self.jobs.look()

    def _progressed(self) -> None:
        if self._feeding is not None:
            self._feeding.progressed()
        if self.shared is not None:
            self.shared.page.complete = self.following.complete
        passed = self._passed()
        self._grant(passed)
        if not self._waiting:
            return
        if not self._is_looking and self._earliest() < self.following.complete:
            self._is_looking = True
            asyncio.get_running_loop().call_later(LOOK_S, self._look)
        ready = [wait for ts, wait in self._waiting if ts <= passed]
        if ready:
            self._waiting = [each for each in self._waiting if each[0] > passed]
            for wait in ready:
                if not wait.done:
                    wait.finish(None)

    def _look(self) -> None:
        self._is_looking = False
        self._progressed()

    def _give_up(self, wait: Wait[None]) -> None:
        if wait.done:
            return
        self._waiting = [each for each in self._waiting if each[1] is not wait]
        self.refused += 1
        behind_s = (self._latest() - self.following.complete) / 1e9
        silent = ", ".join(f"journal {journal}: {why}" for journal, why in self.tails.unreachable.items())
        reason = f"region {self.place.region} is {behind_s:.1f} s behind" + (f" ({silent})" if silent else "")
        wait.fail(PgError("57P03", self.membership.refusal(time.monotonic()) or reason))

    # --- what other nodes say

    def heard(self, node: str) -> None:
        """Something came from that node. A region lives as long as the node does that speaks for it."""
        region = self.place.nodes[node]
        if region != self.place.region and self.place.is_head(node):
            self.membership.heard(region, time.monotonic())
        self.leasing.heard(node)

    def received(self, effect: ToOwner) -> None:
        """A message for an owner here."""
        self._owners.received(effect)

    def owns(self, source: str, message: wire.Owns) -> None:
        """What an adjudicator of this region has."""
        self.leasing.told(source, message)

    def answered(self, message: wire.Answered) -> None:
        """An owner's answer to a commit of this node."""
        self.coordinating.answered(message.coordinator, message.answer)

    def alive(self, source: str, message: wire.Alive) -> None:
        """Another node lives."""
        self.heard(source)
        self._reported[source] = message.deliveries

    def needs(self, source: str, mark: Mark) -> None:
        """What another node needs of the journals."""
        self.keeping.heard(source, mark)

    def told(self, message: wire.Recorded) -> None:
        """A record, from its owner's node."""
        self.tails.told(message.journal, message.data)

    def closed(self, node: str, announcement: Announcement, sent: Timestamp = 0) -> None:
        """A closed time; `sent` by the clock of its owner."""
        self.routing.announced(node, announcement)
        if sent:
            journal, position = announcement.journal, announcement.position
            self.deliveries.announced(journal, position, sent, self.tails.position(journal), self._latest())
        self.tails.announce(announcement)

    # --- membership and ownership

    def _others_in_service(self) -> list[str]:
        """A region that is out of service begins from a snapshot when it must (server.runtime.region.restoring)."""
        nodes = self.place.nodes
        return [node for node in self.place.other_heads if self.membership.is_active(nodes[node])]

    async def _confirm(self) -> None:
        while True:
            asked_at = time.monotonic()
            try:
                found = await self._register.confirm()
                self.membership.confirmed(found.value, asked_at, found.signs)
                is_complete = self.following.complete >= self._earliest() - 2 * 10**9
                proposal = self.membership.proposal(time.monotonic(), is_complete)
                if proposal is not None:
                    log.warning("regions change from=%s to=%s", self.membership.value, proposal)
                    await self._register.replace(self.membership.value, proposal)
                    continue
            except Unreachable as error:
                log.info("the regions' value cannot be confirmed error=%s", error)
            await asyncio.sleep(max(0.0, asked_at + CONFIRM_S - time.monotonic()))

    async def _live(self) -> None:
        while True:
            is_serving = self.membership.refusal(time.monotonic()) is None
            message = wire.Alive(is_serving, self._told_deliveries())
            self._owners.post_all(message)
            self.leasing.renew()
            self.serving(self.refusal())
            self._owners.set_leads(self._served())
            self._owners.moving.look(self.membership.is_active)
            await asyncio.sleep(ALIVE_S)

    async def _give_leads_up(self) -> None:
        """While this region, which was in service, is out of it (AR §3.18).

        If only the link to the other region is cut, the carrier's leader here goes on with the witness's vote, and
        the other region finds no leader: its own member does not reach this one.
        """
        while True:
            if self.membership.value is not None and self.membership.refusal(time.monotonic()) is not None:
                await asyncio.gather(*(each.give_up_lead() for each in self._carriers.values()))
            await asyncio.sleep(CONFIRM_S)

    def _told_deliveries(self) -> dict[int, int]:
        further = self._fed_within
        return {
            journal: ns + further
            for journal, ns in self.deliveries.told(bool(self.sessions), self._latest()).items()
        }

    def _served(self) -> list[dict[int, int]]:
        """What the nodes in service say of deliveries; what is appended here has its way to storage nodes alone."""
        nodes = self.place.nodes
        told = [told for node, told in self._reported.items() if self.membership.is_active(nodes[node])]
        return [*told, dict.fromkeys(self.place.journals, self._fed_within)]

    @property
    def _fed_within(self) -> int:
        """ns beyond the node's own reading until the region's storage nodes have what it has."""
        return self._feeding.delay if self._feeding is not None else 0

    def _checkpoint(self, journal: int) -> None:
        """Of the owner in this region, wherever it is."""
        if self.owners[journal].is_owner:
            self.owners[journal].checkpoint()
        elif (node := self.routing.node_of(journal, 0)) is not None:
            self._post(node, wire.CheckpointWanted(journal))

    def _tell_needs(self, mark: Mark) -> None:
        """Owners of this region are told first from where to rebuild: what lies before may go soon."""
        self.leasing.renew()
        for node in self.place.other_heads:
            self._post(node, wire.Needs(mark))


def _touched(request: CommitRequest) -> list[Key]:
    return [*(write.key for write in request.writes), *(lock.key for lock in request.locks)]


def _refused(error: PgError) -> Wait[int]:
    wait: Wait[int] = Wait()
    wait.fail(error)
    return wait
