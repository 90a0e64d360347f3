"""The two edges of a node's clock, and what becomes of the node when the time is not known (DESIGN §4).

    early edge   owners date by it, and a commit is acknowledged once it has passed commit_ts
    late edge    a transaction waits until its region is complete to it

Without time (`NoTime`) both edges stand still. That is safe for the early one: a moment that has passed stays
passed. The late one says too little then, so `refusal` is asked before, and no transaction begins. A region that
stands still holds the other one up, which waits for its closed times; so it ends after `LOST_S`, the other region goes
on without it, and when it is started again it waits until its time is known.
"""

import asyncio
import logging
from collections.abc import Callable

from journal.record import Timestamp
from server.runtime.clocks.interval import Clock, Interval, NoTime
from server.runtime.clocks.sources import ChronyClock, ClockBoundClock

log = logging.getLogger("opendsql.region")

LOST_S = 2.0
"""A node without time for so long ends."""
LOOK_S = 0.25


class Edges:
    """One clock. For the event loop's thread."""

    def __init__(self, clock: Clock, region: str, lost: Callable[[NoTime], None]) -> None:
        """`lost`: the time is unknown for too long."""
        self._clock = clock
        self._region = region
        self._lost = lost
        self._last = Interval(0, 0)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when the time is known."""
        if isinstance(self._clock, ClockBoundClock | ChronyClock):
            self._clock.start()
            reason = self.refusal()
            if reason is not None:
                log.warning("the time is waited for reason=%s", reason)
            await self._clock.wait()
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if isinstance(self._clock, ClockBoundClock | ChronyClock):
            await self._clock.stop()

    def earliest(self) -> Timestamp:
        """The true time is not before it."""
        return self._now().earliest

    def latest(self) -> Timestamp:
        """The true time was not after it when `refusal` last said None."""
        return self._now().latest

    def refusal(self) -> str | None:
        """Why no transaction may begin, or None: it may."""
        try:
            self._last = self._clock.now()
        except NoTime as error:
            return f"region {self._region} does not know the time: {error}"
        return None

    @property
    def bound_ns(self) -> int:
        """How far either edge is from the middle of what is known."""
        return (self._last.latest - self._last.earliest) // 2

    def _now(self) -> Interval:
        self.refusal()
        return self._last

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        known_at = loop.time()
        while True:
            try:
                self._last = self._clock.now()
                known_at = loop.time()
            except NoTime as error:
                if loop.time() - known_at > LOST_S:
                    self._lost(error)
                    return
            await asyncio.sleep(LOOK_S)
