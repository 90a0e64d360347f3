"""Regions in one process: journals in memory that they share, cut off at will; messages by direct call."""

import asyncio
import itertools
import time

from adjudicator.messages import CommitRequest
from adjudicator.range_owner import Settings
from journal.crossbar import Crossbar
from journal.encoding import decode
from journal.journal import Conflict, Tail
from journal.memory_log import MemoryLog
from journal.record import MARKERS, Commit, Lock, LockClass, Write
from server.runtime.region.carrier import Room, Unreachable
from server.runtime.region.coordinating import Coordinating
from server.runtime.region.owning import Kept, Owning
from server.runtime.region.routing import Routing
from server.runtime.region.tails import Follower, Tails
from server.session.coordinator import Patience
from server.session.unique import unique_id

MS = 10**6
STRIDE = 1 << 40
HANG_S = 30.0
EXCLUSIVE = int(LockClass.EXCLUSIVE)


class SharedLog:
    """One journal that all regions reach, unless they are cut off."""

    def __init__(self):
        self.log = MemoryLog()
        self.cut = set()
        self.fence = 0
        self.lost_answers = 0
        """So many answers of appends that took effect are lost."""
        self.appends = 0
        self.commits = 0
        """Transactions in them."""
        self.quota = 1 << 30
        self.size = 0
        self.in_use = 0
        self.compacted = 0
        self.relieved = 0
        self._changed = asyncio.Event()

    def seen_from(self, region):
        return RegionLog(self, region)

    def wake(self):
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self):
        await self._changed.wait()


class RegionLog:
    """`server.runtime.region.carrier.Carrier` for one region."""

    def __init__(self, shared, region):
        self._shared = shared
        self._region = region

    async def _reach(self):
        await asyncio.sleep(0)
        if self._region in self._shared.cut:
            raise Unreachable("no quorum")

    async def anchor(self):
        await self._reach()
        return self._shared.log.anchor

    async def fence(self, epoch):
        await self._reach()
        shared = self._shared
        if epoch <= max(shared.fence, shared.log.tail.epoch):
            return Conflict(shared.log.tail._replace(epoch=shared.fence))
        shared.fence = epoch
        return shared.log.tail

    async def lead(self):
        """Every region is as near."""
        return True

    async def give_up_lead(self):
        """Nothing to do."""

    async def append(self, record):
        await self._reach()
        if record.epoch < self._shared.fence:
            tail = self._shared.log.tail
            return Conflict(tail._replace(epoch=self._shared.fence))
        shared = self._shared
        result = shared.log.append(record)
        shared.log.sync()
        shared.wake()
        if isinstance(result, Tail):
            shared.appends += 1
            shared.commits += len(decode(record.data)[0].commits)
            if shared.lost_answers:
                shared.lost_answers -= 1
                raise Unreachable("the answer was lost")
        assert isinstance(result, Tail | Conflict)
        return result

    async def read(self, first, limit=256):
        await self._reach()
        return self._shared.log.read(first, limit)

    async def changed(self, position):
        await self._reach()
        if self._shared.log.durable <= position:
            await self._shared.wait()

    async def trim(self, upto):
        await self._reach()
        return self._shared.log.trim(upto)

    async def measure(self):
        await self._reach()
        shared = self._shared
        return Room(shared.size, shared.in_use, shared.quota, shared.size * 2 >= shared.quota)

    async def compact(self):
        await self._reach()
        self._shared.compacted += 1

    async def relieve(self, missing):
        self._shared.relieved += 1
        self._shared.size = self._shared.in_use
        return await self.measure()


class Region:
    """One region's shells."""

    def __init__(self, cluster, name, number, first_journals):
        self.cluster = cluster
        self.name = name
        self.number = number
        self.journals = first_journals
        carriers = {journal: log.seen_from(name) for journal, log in cluster.logs.items()}
        self.routing = Routing([(lo, hi, journal) for lo, hi, journal in cluster.initial])
        self.tails = Tails(carriers, self.routing.see, {}, cluster.broken)
        self.owners = {}
        self.carriers = carriers
        self.coordinating = Coordinating(
            self.routing,
            self.to_owner,
            time.time_ns,
            first_number=number * STRIDE,
            patience=Patience(),
        )
        self.commits = []
        self.crossbar = Crossbar(first_journals)
        self.follower = Follower(self.crossbar, self._progressed, self._lost)
        self.tasks = {}
        self._waiting = []

    def start(self):
        self.tails.start()
        self.tails.follow(self.follower)

    async def stop(self):
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        await self.tails.stop()

    def own(self, journal):
        """Claim a journal."""
        initial = [(lo, hi) for lo, hi, owner in self.cluster.initial if owner == journal]
        owning = Owning(
            journal,
            self.name,
            self.carriers[journal],
            self.tails,
            self,
            settings=Settings(promise=200 * MS, reserve=1000 * MS, lead=0, slots=1 << 10),
            initial=initial,
            kept=lambda: Kept(Crossbar(self.journals), 0, None),
            earliest=time.time_ns,
            broken=self.cluster.broken,
        )
        self.owners[journal] = owning
        self.tasks[journal] = asyncio.get_running_loop().create_task(owning.run())
        return owning

    # --- Sending

    def to_owner(self, effect):
        node = self.routing.node_of(effect.journal, effect.epoch)
        if node is not None:
            self.cluster.deliver(self.name, node, "receive", effect)

    def to_coordinator(self, effect):
        region = self.cluster.regions[effect.coordinator // STRIDE]
        self.cluster.deliver(self.name, region.name, "answered", effect)

    def announce(self, announcement):
        for region in self.cluster.regions:
            self.cluster.deliver(self.name, region.name, "announced", (self.name, announcement))

    def recorded(self, journal, data):
        for region in self.cluster.regions:
            if region.name != self.name:
                self.cluster.deliver(self.name, region.name, "told", (journal, data))

    # --- receiving

    def told(self, told):
        self.tails.told(*told)

    def receive(self, effect):
        owning = self.owners.get(effect.journal)
        if owning is not None and owning.core is not None and effect.epoch in (0, owning.core.epoch):
            owning.receive(effect.message)

    def answered(self, effect):
        self.coordinating.answered(effect.coordinator, effect.answer)

    def announced(self, told):
        node, announcement = told
        self.routing.announced(node, announcement)
        self.tails.announce(announcement)

    # --- the stream

    def _progressed(self):
        while items := self.crossbar.take(64):
            self.commits += [item.content for item in items if isinstance(item.content, Commit)]
        self.crossbar.take_notes()
        self.tails.feed(self.follower)
        for ts, event in list(self._waiting):
            if self.crossbar.complete >= ts:
                self._waiting.remove((ts, event))
                event.set()

    def _lost(self):
        raise AssertionError("nothing is trimmed here")

    async def complete_to(self, ts):
        event = asyncio.Event()
        self._waiting.append((ts, event))
        self._progressed()
        await asyncio.wait_for(event.wait(), HANG_S)

    async def commit(self, start_ts, *writes, checks=(), locks=()):
        """commit_ts; PgError."""
        request = CommitRequest(
            unique_id(),
            start_ts,
            [Write(key, value, EXCLUSIVE) for key, value in writes],
            [Lock(key, EXCLUSIVE) for key in locks],
            list(checks),
        )
        wait = self.coordinating.submit(request)
        if not wait.done:
            event = asyncio.Event()
            wait.callback = event.set
            await asyncio.wait_for(event.wait(), HANG_S)
        return wait.value()


class Regions:
    """All of them."""

    def __init__(self, names=("a", "b"), journals=2, split=b"\x00\x00\x00\x01\x00\x00\x50\x00"):
        self.logs = {journal: SharedLog() for journal in range(journals)}
        spans = [(b"", split, 0), (split, MARKERS[:2], 1)] if journals == 2 else [(b"", MARKERS[:2], 0)]
        self.initial = spans
        self.failures = []
        self.messages = itertools.count()
        self.cuts = set()
        self.regions = [Region(self, name, number, list(self.logs)) for number, name in enumerate(names)]

    async def __aenter__(self):
        for region in self.regions:
            region.start()
        return self

    async def __aexit__(self, *_):
        for region in self.regions:
            await region.stop()
        assert self.failures == []

    def broken(self, error):
        self.failures.append(error)

    def cut(self, name):
        """The region reaches nobody any more."""
        self.cuts.add(name)
        for log in self.logs.values():
            log.cut.add(name)

    def heal(self, name):
        self.cuts.discard(name)
        for log in self.logs.values():
            log.cut.discard(name)

    def deliver(self, source, target, method, argument):
        if source != target and self.cuts & {source, target}:
            return
        region = next(each for each in self.regions if each.name == target)
        asyncio.get_running_loop().call_soon(getattr(region, method), argument)
