"""Whole nodes of two regions in one process: journals in memory that they share, messages by direct call."""

import asyncio
import time

from adjudicator.ownership import TOP
from server.runtime.adjudicator_node.node import AdjudicatorNode
from server.runtime.region import wire
from server.runtime.region.carrier import Unreachable
from server.runtime.region.keeping import KeepingSettings
from server.runtime.region.membership import Confirmed, timing_for
from server.runtime.region.node import RegionNode
from server.runtime.region.place import Place
from server.runtime.region.restoring import offer_of, piece_of, restore
from server.session.unique import unique_id
from server.session.work import Wait
from tests.regions.in_process import HANG_S, SharedLog

EAST, WEST = "us-east-1", "us-west-2"
SPLIT = b"\x00\x00\x00\x01\x00\x00\x50\x00"


class SharedValue:
    """The regions' value, in memory."""

    def __init__(self):
        self.value = None

        self.signs = {}
        self.cut = set()

    def seen_from(self, region):
        return RegionRegister(self, region)


class RegionRegister:
    """`server.runtime.region.node.Register` for one region."""

    def __init__(self, shared, region):
        self._shared = shared
        self._region = region

    async def confirm(self):
        await asyncio.sleep(0)
        if self._region in self._shared.cut:
            raise Unreachable("no quorum")
        signs = self._shared.signs
        signs[self._region] = unique_id()
        return Confirmed(
            self._shared.value, {each: sign for each, sign in signs.items() if each != self._region}
        )

    async def replace(self, old, new):
        if self._shared.value == old:
            self._shared.value = new


class Nodes:
    """One node per region, named as its region, and adjudicators if wished. An asynchronous context manager."""

    def __init__(self, data, keeping=None, adjudicators=0, silence=1.0, *, follows_writers=False):
        self.data = data
        self.follows_writers = follows_writers
        self.logs = {0: SharedLog(), 1: SharedLog()}
        self.register = SharedValue()
        self.failures = []
        self.nodes = {}
        self.adjudicators = {}
        self.silence = silence
        self.regions = {region: region for region in (EAST, WEST)}
        """Of all nodes."""
        for region in (EAST, WEST):
            self.regions |= {f"{region}-{number}": region for number in range(1, adjudicators + 1)}
        self.keeping = keeping or KeepingSettings(every_bytes=1 << 40, tick_s=0.02)

    async def __aenter__(self):
        for name in self.regions:
            if name not in (EAST, WEST):
                await self.start_adjudicator(name)
        await asyncio.gather(*(self.start(region) for region in (EAST, WEST)))
        return self

    async def __aexit__(self, *_):
        for region in list(self.nodes):
            await self.stop(region)
        for name in list(self.adjudicators):
            await self.stop_adjudicator(name)
        assert self.failures == []

    async def start(self, region):
        """From whatever its directory holds."""
        carriers = {journal: log.seen_from(region) for journal, log in self.logs.items()}
        (self.data / region).mkdir(exist_ok=True)
        async with asyncio.timeout(HANG_S):
            await restore(self.data / region, carriers, Asking(self, region))
            node = RegionNode(
                self.place(region),
                self.data / region,
                carriers,
                self.register.seen_from(region),
                lambda to, message: asyncio.get_running_loop().call_soon(self.deliver, region, to, message),
                latest=time.time_ns,
                earliest=time.time_ns,
                broken=self.failures.append,
                keeping=self.keeping,
                timing=timing_for(self.silence),
            )
            self.nodes[region] = node
            await node.start()
        return node

    def place(self, name):
        roles = {each: ("adjudicator",) for each in self.regions if each not in (EAST, WEST)}
        return Place(
            name,
            self.regions[name],
            list(self.regions).index(name),
            (EAST, WEST),
            self.regions,
            {0: EAST, 1: WEST},
            ((b"", SPLIT, 0), (SPLIT, TOP, 1)),
            roles=roles,
            follows_writers=self.follows_writers,
        )

    async def start_adjudicator(self, name):
        """A new process of that name."""
        carriers = {journal: log.seen_from(self.regions[name]) for journal, log in self.logs.items()}
        node = AdjudicatorNode(
            self.place(name),
            carriers,
            lambda to, message: asyncio.get_running_loop().call_soon(self.deliver, name, to, message),
            earliest=time.time_ns,
            broken=self.failures.append,
            lease_s=self.silence,
        )
        self.adjudicators[name] = node
        await node.start()
        return node

    async def stop_adjudicator(self, name):
        """It says nothing any more, as after kill -9."""
        await self.adjudicators.pop(name).stop()

    async def stop(self, region):
        """As a stop on request; the others go on."""
        node = self.nodes.pop(region)
        await node.stop()
        node.close()

    def cut(self, region):
        """It reaches nobody any more."""
        for each in (self.register, *self.logs.values()):
            each.cut.add(region)

    def heal(self, region):
        for each in (self.register, *self.logs.values()):
            each.cut.discard(region)

    def deliver(self, source, to, message):
        """A message arrives, if somebody is there."""
        regions = {self.regions[source], self.regions[to]}
        if len(regions) > 1 and regions & self.register.cut:
            return
        if to in self.adjudicators:
            self._tell_adjudicator(self.adjudicators[to], source, message)
        elif to in self.nodes:
            self._tell(self.nodes[to], source, message)

    def _tell(self, node, source, message):
        node.heard(source)
        if isinstance(message, wire.ToOwnerMessage):
            node.received(wire.from_wire(message))
        elif isinstance(message, wire.Answered):
            node.answered(message)
        elif isinstance(message, wire.Closed):
            node.closed(source, message.announcement, message.sent)
        elif isinstance(message, wire.Recorded):
            node.told(message)
        elif isinstance(message, wire.Alive):
            node.alive(source, message)
        elif isinstance(message, wire.Needs):
            node.needs(source, message.mark)
        elif isinstance(message, wire.Owns):
            node.owns(source, message)

    def _tell_adjudicator(self, node, source, message):
        if isinstance(message, wire.ToOwnerMessage):
            node.received(wire.from_wire(message))
        elif isinstance(message, wire.Closed):
            node.closed(source, message.announcement)
        elif isinstance(message, wire.Recorded):
            node.told(message)
        elif isinstance(message, wire.Alive):
            node.alive(source, message)
        elif isinstance(message, wire.Lease):
            node.lease(source, message)
        elif isinstance(message, wire.CheckpointWanted):
            node.checkpoint(source, message)
        else:
            raise AssertionError(f"an adjudicator is told {message}")


class Asking:
    """`server.runtime.region.restoring.Asking`: the other node answers at once."""

    def __init__(self, nodes, region):
        self._nodes = nodes
        self.others = [each for each in (EAST, WEST) if each != region]

    def ask(self, node, message):
        wait = Wait()
        other = self._nodes.nodes.get(node)
        if isinstance(message, wire.SnapshotWanted):
            wait.finish(offer_of(other.keeping.newest if other is not None else None))
        else:
            wait.finish(piece_of(self._nodes.data / node / "snapshots", message))
        return wait
