"""Reads of a region's query processors, answered when they are complete, refused when late, never stale (AR §1.3).

A read may only wait as long as a shard waits (`storage.shard.Bounds`), and only so many may wait at a time: who comes
then is refused as one that came too late, and asks another replica.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from journal.record import Key, Timestamp
from server.runtime.region.wire import ReadFound, ReadWanted, ScanFound, ScanWanted
from storage import pushdown
from storage.shard import Answered, Read, Refused, Request, Scan, ScanAnswer, Shard

MOST_WAITING = 4096
WAITING_BYTES = 64 << 20
"""Of the keys of waiting reads."""
READ_AGAIN_S = 1.0


class Answering(Protocol):
    """The way back to who asked."""

    def answer(self, message: object) -> object: ...

    def refuse(self, reason: str) -> None: ...


class Reads:
    """The readers of one shard. For the event loop's thread."""

    def __init__(self, lo: Key, hi: Key, clock: Callable[[], Timestamp]) -> None:
        self.lo = lo
        self.hi = hi
        self.shard: Shard | None = None
        """None: nothing can be answered yet."""
        self.answered = 0
        self.refused = 0
        self._clock = clock
        self._numbers = 0
        self._waiting: dict[int, tuple[Answering, int]] = {}
        self._waiting_bytes = 0
        self._last = -READ_AGAIN_S

    @property
    def waiting(self) -> int:
        """Reads that are not answered yet."""
        return len(self._waiting)

    @property
    def is_busy(self) -> bool:
        """Whether somebody read just now."""
        return asyncio.get_running_loop().time() - self._last < READ_AGAIN_S

    def read(self, wanted: ReadWanted, reply: Answering) -> None:
        """Rows by their keys, all of this shard."""
        self._numbers += 1
        size = sum(map(len, wanted.keys))
        self._take(Read(0, self._numbers, wanted.ts, wanted.keys), size, reply)

    def scan(self, wanted: ScanWanted, reply: Answering) -> None:
        """A part of this shard."""
        try:
            if wanted.pushed:
                pushdown.check(wanted.pushed)
        except pushdown.BadRequest as error:
            self.refused += 1
            reply.refuse(f"what is pushed down is not known here: {error}")
            return
        self._numbers += 1
        scan = Scan(
            0, self._numbers, wanted.ts, wanted.lo, wanted.hi, wanted.limit, wanted.pushed, wanted.reverse
        )
        self._take(scan, len(wanted.lo) + len(wanted.hi) + len(wanted.pushed), reply)

    def deliver(self, answers: Iterable[Answered]) -> None:
        """What the shard has to say to those that waited."""
        for answer in answers:
            waiting = self._waiting.pop(answer.number, None)
            if waiting is not None:
                reply, size = waiting
                self._waiting_bytes -= size
                self._send(answer, reply)

    def give_up(self) -> None:
        """The shard is gone: whoever waits asks elsewhere."""
        self.shard = None
        waiting, self._waiting, self._waiting_bytes = self._waiting, {}, 0
        for reply, _size in waiting.values():
            self.refused += 1
            reply.refuse("the replica begins anew")

    def _take(self, request: Request, size: int, reply: Answering) -> None:
        self._last = asyncio.get_running_loop().time()
        shard = self.shard
        if shard is None or (request.ts > shard.complete and not self._may_wait(size)):
            self.refused += 1
            is_scan = isinstance(request, Scan)
            reply.answer(ScanFound((), None, Refused.LATE) if is_scan else ReadFound((), Refused.LATE))
            return
        answer = shard.read(request, self._clock())
        if answer is not None:
            self._send(answer, reply)
        else:
            self._waiting[request.number] = reply, size
            self._waiting_bytes += size

    def _may_wait(self, size: int) -> bool:
        return len(self._waiting) < MOST_WAITING and self._waiting_bytes + size <= WAITING_BYTES

    def _send(self, answer: Answered, reply: Answering) -> None:
        if answer.refused is None:
            self.answered += 1
        else:
            self.refused += 1
        if isinstance(answer, ScanAnswer):
            reply.answer(ScanFound(answer.rows, answer.following, answer.refused))
        else:
            reply.answer(ReadFound(answer.rows, answer.refused))


def shard_of(shards: Iterable[Reads], wanted: ReadWanted | ScanWanted) -> Reads | None:
    """The one that has all of it."""
    for each in shards:
        if isinstance(wanted, ScanWanted):
            if each.lo <= wanted.lo and wanted.hi <= each.hi:
                return each
        elif wanted.keys and all(each.lo <= key < each.hi for key in wanted.keys):
            return each
    return None
