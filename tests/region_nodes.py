"""Whole nodes of two regions in one process: journals in memory that they share, messages by direct call."""

import asyncio
import time

from adjudicator.ownership import TOP
from server.runtime.region import wire
from server.runtime.region.carrier import Unreachable
from server.runtime.region.keeping import KeepingSettings
from server.runtime.region.membership import Confirmed
from server.runtime.region.node import Place, RegionNode
from server.runtime.region.restoring import offer_of, piece_of, restore
from server.session.transaction import unique_id
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
    """One node per region, named as its region. An asynchronous context manager."""

    def __init__(self, data, keeping=None):
        self.data = data
        self.logs = {0: SharedLog(), 1: SharedLog()}
        self.register = SharedValue()
        self.failures = []
        self.nodes = {}
        self.keeping = keeping or KeepingSettings(every_bytes=1 << 40, tick_s=0.02)

    async def __aenter__(self):
        await asyncio.gather(*(self.start(region) for region in (EAST, WEST)))
        return self

    async def __aexit__(self, *_):
        for region in list(self.nodes):
            await self.stop(region)
        assert self.failures == []

    async def start(self, region):
        """From whatever its directory holds."""
        carriers = {journal: log.seen_from(region) for journal, log in self.logs.items()}
        (self.data / region).mkdir(exist_ok=True)
        async with asyncio.timeout(HANG_S):
            await restore(self.data / region, carriers, Asking(self, region))
            place = Place(
                region,
                region,
                (EAST, WEST).index(region),
                (EAST, WEST),
                {EAST: EAST, WEST: WEST},
                {0: EAST, 1: WEST},
                ((b"", SPLIT, 0), (SPLIT, TOP, 1)),
            )
            node = RegionNode(
                place,
                self.data / region,
                carriers,
                self.register.seen_from(region),
                lambda to, message: asyncio.get_running_loop().call_soon(self.deliver, region, to, message),
                latest=time.time_ns,
                earliest=time.time_ns,
                broken=self.failures.append,
                keeping=self.keeping,
            )
            self.nodes[region] = node
            await node.start()
        return node

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
        node = self.nodes.get(to)
        if node is None or {source, to} & self.register.cut:
            return
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
