"""Replicas of shards beside whole nodes of regions, in one process: questions by direct call."""

import asyncio
import time

from journal.record import MARKERS
from server.runtime.net.asking import Ended, Expired, Refused
from server.runtime.region import wire
from server.runtime.region.wire import FeedWanted
from server.runtime.storage_node.offering import Offering
from server.runtime.storage_node.replica import ShardReplica
from server.session.work import Wait
from tests.region_nodes import EAST
from tests.regions.in_process import HANG_S

PATIENCE_S = 0.3


class Reply:
    """The way back of one question."""

    def __init__(self):
        self.wait = Wait()
        self.withdrawn = None

    def answer(self, message):
        if not self.wait.done:
            self.wait.finish(message)

    def expire(self):
        """Whoever asked waits no longer."""
        if not self.wait.done:
            if self.withdrawn is not None:
                self.withdrawn()
            self.wait.fail(Expired("no answer in time"))

    def refuse(self, reason):
        if not self.wait.done:
            self.wait.fail(Refused(reason))


class StorageNodes:
    """Storage nodes of the eastern region of `Nodes`; each has one replica. An asynchronous context manager."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.replicas = {}
        self.offering = {}
        self.failures = []
        self.questions = []
        """(node, message), as they were asked."""
        self._tasks = {}
        self._ranges = {}

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for name in list(self.replicas):
            await self.kill(name)
        for offering in self.offering.values():
            await offering.stop()
        assert self.failures == []

    def offer_from_head(self):
        """The region's node has a snapshot of any range."""
        head = self.nodes.nodes[EAST]

        def rows(_lo, _hi):
            return head.following.shard.rows

        self.offering[EAST] = self._offering(EAST, rows)

    def _offering(self, name, rows):
        directory = self.nodes.data / f"{name}-ranges"
        return Offering(directory, rows, time.time_ns, self.failures.append)

    def start(self, name, lo=b"", hi=MARKERS, others=()):
        """From whatever its directory holds; the replica."""
        replica = ShardReplica(
            self.nodes.data / name, lo, hi, Asking(self, name), EAST, others, clock=time.time_ns
        )
        self.replicas[name] = replica
        self.offering[name] = self._offering(name, lambda a, b: replica.offered(a, b))
        replica.ending = self.offering[name].stop
        self._tasks[name] = asyncio.get_running_loop().create_task(replica.run())
        return replica

    async def kill(self, name):
        """What it has applied is there when it comes back."""
        task, replica = self._tasks.pop(name), self.replicas.pop(name)
        task.cancel()
        results = await asyncio.gather(task, return_exceptions=True)
        await self.offering.pop(name).stop()
        replica.close()
        assert isinstance(results[0], asyncio.CancelledError), results

    async def started(self, name, lo, hi, others=()):
        """`start`, and it serves."""
        replica = self.start(name, lo, hi, others)
        await self.serving(name)
        return replica

    async def serving(self, name):
        async with asyncio.timeout(HANG_S):
            await self.replicas[name].serving.wait()

    async def until_complete(self, name, ts):
        async with asyncio.timeout(HANG_S):
            while self.replicas[name].complete < ts:
                await asyncio.sleep(0.002)

    def asked(self, source, node, message):
        """A question of `source`."""
        self.questions.append((node, message))
        reply = Reply()
        if node == EAST and isinstance(message, FeedWanted):
            head = self.nodes.nodes.get(EAST)
            if head is None:
                asyncio.get_running_loop().call_soon(reply.wait.fail, Ended("gone"))
            else:
                head.feeding.ask(source, message, reply)
                asyncio.get_running_loop().call_later(PATIENCE_S, reply.expire)
        elif (offering := self.offering.get(node)) is None:
            asyncio.get_running_loop().call_soon(reply.wait.fail, Ended("gone"))
        elif isinstance(message, wire.RangeWanted):
            offering.wanted(message, reply)
        else:
            offering.piece(message, reply)
        return reply.wait


class Asking:
    """`server.runtime.storage_node.fetching.Asking`."""

    def __init__(self, nodes, source):
        self._nodes = nodes
        self._source = source

    def ask(self, node, message, _patience_s):
        return self._nodes.asked(self._source, node, message)


__all__ = ["Reply", "StorageNodes"]
