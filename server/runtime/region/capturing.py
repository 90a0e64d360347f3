"""A region's journals as one stream of DSQL's CDC records (server.runtime.change_capture).

    journals ──▶ Tails ──▶ a Crossbar of the reader's own ──▶ commits in order of time, of all regions
                              begins behind a time: per journal at its first record later than that
                              full: it reads no further until the reader has taken what is there

What one region prints is what any other prints, as far as both have come, but for the cluster's id, which is its own.
A commit is printed when its time has passed and storage here has it, since what was there before is read from storage.
A region that may not serve prints nothing.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping

from journal.crossbar import Crossbar, Item, Mark
from journal.journal import Tail
from journal.record import Commit, Timestamp
from server.errors import PgError
from server.runtime.change_capture import Capture, beginning, first_after, trimmed
from server.runtime.region.carrier import Carrier, Unreachable
from server.runtime.region.node import RegionNode
from server.runtime.region.tails import Follower
from server.runtime.requests import Emit, ReadJournal, Refused

TAKEN = 256
LOOK_S = 0.005
"""Between two looks whether a time has passed."""
IDLE_S = 0.5
_LAST = 1 << 62


async def capture(
    node: RegionNode, carriers: Mapping[int, Carrier], request: ReadJournal, emit: Emit
) -> None:
    """To what has been committed by now, or as long as it is followed. Raises `Refused`."""
    if request.start is not None:
        raise Refused("records are counted per journal: --position or --since says where the changes begin")
    sent = Capture(node.versions, request, emit, node.here.region)
    until = node.start_ts()
    try:
        anchors = {journal: await carrier.anchor() for journal, carrier in sorted(carriers.items())}
        oldest = max(anchor.last_ts for anchor in anchors.values())
        after = beginning(request, until, oldest, time.time_ns())
        mark = await _mark(node, carriers, anchors, after)
    except Unreachable as error:
        raise Refused(f"a journal cannot be reached: {error}") from error
    await sent.reached(after)
    await _Reader(node, mark, sent).run(_LAST if request.follow else until)


async def _mark(
    node: RegionNode, carriers: Mapping[int, Carrier], anchors: Mapping[int, Tail], after: Timestamp
) -> Mark:
    """Behind `after` in every journal."""
    positions = []
    for journal, carrier in sorted(carriers.items()):
        first, end = anchors[journal].position + 1, node.tails.position(journal) + 1
        positions.append((journal, await first_after(carrier.read, first, end, after) - 1))
    closed = tuple((journal, after) for journal in anchors)
    return Mark(tuple(positions), (after, _LAST, _LAST, _LAST), closed)


class _Reader:
    """One reader of all journals."""

    def __init__(self, node: RegionNode, mark: Mark, sent: Capture) -> None:
        self._node = node
        self._sent = sent
        self._crossbar = Crossbar([], mark)
        self._has_come = asyncio.Event()
        self._is_lost = False
        self._follower = Follower(self._crossbar, self._has_come.set, self._lose)

    async def run(self, until: Timestamp) -> None:
        """To `until`. Raises `Refused`."""
        crossbar, tails = self._crossbar, self._node.tails
        tails.follow(self._follower)
        try:
            while True:
                self._has_come.clear()
                crossbar.take_notes()
                items = crossbar.take(TAKEN)
                await self._send([item for item in items if item.ts <= until])
                if crossbar.complete >= until:
                    return
                if self._is_lost:
                    raise trimmed(None)
                tails.feed(self._follower)
                if not items:
                    await self._wait()
        finally:
            tails.leave(self._follower)

    async def _send(self, items: list[Item]) -> None:
        for item in items:
            await self._until_passed(item.ts)
            if isinstance(item.content, Commit):
                await self._sent.commit(item.content)
        if items:
            await self._sent.reached(items[-1].ts)

    async def _until_passed(self, ts: Timestamp) -> None:
        while self._node.start_ts() < ts:
            self._refuse()
            await asyncio.sleep(LOOK_S)

    async def _wait(self) -> None:
        self._refuse()
        with contextlib.suppress(TimeoutError):
            # Not wait_for, which may lose a cancellation that comes together with what it waits for.
            async with asyncio.timeout(IDLE_S):
                await self._has_come.wait()

    def _refuse(self) -> None:
        """What is asked of a region that may not serve is refused, as to its clients."""
        reason = self._node.refusal()
        if reason is not None:
            raise PgError("57P03", reason)

    def _lose(self) -> None:
        self._is_lost = True
        self._has_come.set()
