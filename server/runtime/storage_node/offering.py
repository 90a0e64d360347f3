"""Snapshots of a range for whoever begins there: written when one is asked for, read in pieces, gone after a while.

A replica of the shard offers its own rows, the region's node those of its replica that lie in the range. The file is
that of server.runtime.region.snapshots: its first item says to which time it is complete, and the crossbar's mark.
"""

import asyncio
import logging
import shutil
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Protocol, TypeAlias

from journal.record import Key, Timestamp
from journal.snapshot import SnapshotDamaged
from server.runtime.region import restoring, snapshots, wire
from server.runtime.snapshots import write_in_slices
from server.runtime.waiting import telling
from storage.replica import StoredRows

log = logging.getLogger("opendsql.storage")

FRESH_S = 30.0
"""So long after it was written it is offered again."""
READING_S = 10.0
"""So long after a piece was asked for, more may be."""
KEPT_S = 120.0
"""So long after the last piece was asked for it is removed."""
MOST_RANGES = 64
NOTHING = wire.SnapshotOffer(0, 0)

Range: TypeAlias = tuple[Key, Key]


class Answering(Protocol):
    """The way back to who asked."""

    def answer(self, message: object) -> object: ...


class _Written:
    """A file that may be asked for."""

    def __init__(self, offer: wire.SnapshotOffer, now: float) -> None:
        self.offer = offer
        self.at = now
        self.used = now

    def is_offered(self, now: float) -> bool:
        """Whether it is new enough, or being read: it is not replaced under its reader."""
        return now - self.at < FRESH_S or now - self.used < READING_S


class Offering:
    """See the module's text. For the event loop's thread."""

    def __init__(
        self,
        directory: Path,
        rows: Callable[[Key, Key], StoredRows | None],
        clock: Callable[[], Timestamp],
        broken: Callable[[BaseException], None],
    ) -> None:
        """`rows` has those of a range, if they are all here; what is left in `directory` of earlier is removed."""
        self.written = 0
        self._directory = directory
        self._rows = rows
        self._clock = clock
        self._broken = broken
        self._files: dict[Range, _Written] = {}
        self._asking: dict[Range, list[Answering]] = {}
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        shutil.rmtree(directory, ignore_errors=True)

    def wanted(self, message: wire.RangeWanted, reply: Answering) -> None:
        """An offer: at once, or when the file is written."""
        key = message.lo, message.hi
        loop = asyncio.get_running_loop()
        file = self._files.get(key)
        if file is not None and file.is_offered(loop.time()):
            reply.answer(file.offer)
        elif key in self._asking:
            self._asking[key].append(reply)
        elif self._rows(*key) is None or len(self._asking) + len(self._files) >= MOST_RANGES:
            reply.answer(NOTHING)
        else:
            self._asking[key] = [reply]
            task = loop.create_task(self._write(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(telling(self._broken))

    def piece(self, message: wire.RangePieceWanted, reply: Answering) -> None:
        """A part of a file; empty when it is gone."""
        file = self._files.get((message.lo, message.hi))
        if file is None:
            reply.answer(wire.SnapshotPiece(b""))
            return
        file.used = asyncio.get_running_loop().time()
        wanted = wire.SnapshotPieceWanted(message.number, message.offset)
        reply.answer(restoring.piece_of(self._place(message.lo, message.hi), wanted))

    async def stop(self) -> None:
        """Give up what is being written."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write(self, key: Range) -> None:
        offer = NOTHING
        try:
            async with self._turn:
                offer = await self._cut(key)
        except (OSError, SnapshotDamaged) as error:
            log.error("no snapshot of a range reason=%s", error)
        finally:
            for reply in self._asking.pop(key):
                reply.answer(offer)

    async def _cut(self, key: Range) -> wire.SnapshotOffer:
        rows = self._rows(*key)
        if rows is None or (mark := rows.mark) is None:
            return NOTHING
        replica = rows.replica
        place = snapshots.Place(rows.complete, mark)
        directory = self._place(*key)
        shutil.rmtree(directory, ignore_errors=True)
        writer, items = snapshots.begin(directory, replica, place, self._clock(), *key)
        try:
            await write_in_slices(writer, items, replica.release)
            written = await asyncio.to_thread(writer.finish)
        except BaseException:
            writer.abandon()
            raise
        offer = wire.SnapshotOffer(written.head.position, written.size)
        loop = asyncio.get_running_loop()
        self._files[key] = _Written(offer, loop.time())
        self.written += 1
        loop.call_later(KEPT_S, self._look_after, key)
        log.info("snapshot of a range complete=%d rows=%d", place.complete, written.items - 1)
        return offer

    def _look_after(self, key: Range) -> None:
        """Remove the file if nobody reads it any more."""
        file = self._files.get(key)
        if file is None or key in self._asking:
            return
        loop = asyncio.get_running_loop()
        left = file.used + KEPT_S - loop.time()
        if left > 0:
            loop.call_later(left, self._look_after, key)
        else:
            del self._files[key]
            shutil.rmtree(self._place(*key), ignore_errors=True)

    def _place(self, lo: Key, hi: Key) -> Path:
        name = blake2b(len(lo).to_bytes(4, "big") + lo + hi, digest_size=16).hexdigest()
        return self._directory / name
