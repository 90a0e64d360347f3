"""Snapshots cut by themselves, the journal trimmed below them, the replica flushed at rest (DESIGN §7).

    journal   1 ......... 40 ............ 90 ........ 130 (tail)
    snapshots             [40]            [90]
    trimmed   1 ...... 40: below the older one, after it was read back; --keep-journal never trims

A snapshot is cut when 256 MiB were appended since the last one, or 10 minutes after it if anything was. Its
rows are read in slices of the loop that take at most a quarter of its time; flushing, reading back and
checking happen in a thread. The two newest are kept. A snapshot that fails (no space, a bad disk) is given up
and tried again later: it makes restarts quick and is never a reason to stop.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from journal.journal import Tail
from journal.record import Position
from journal.snapshot import KEPT, Head, Item, Snapshot, SnapshotDamaged, SnapshotWriter, verify_snapshot
from server.runtime.committer import Committer
from server.runtime.stores import Stores, snapshot_positions
from server.runtime.waiting import outcome, telling
from server.session.work import Wait

log = logging.getLogger("opendsql.snapshots")

READERS_TICKS = 10
"""Ticks between two looks for reader slots of dead processes (DESIGN §8: 10 s)."""
REST_TICKS = 10
"""Ticks without a commit after which the replica is flushed: then even a machine crash needs no rebuild."""
RETRY_S = 60.0
SLICE_S = 0.002
LONGEST_SLICE_S = 0.010
REST_PER_SLICE = 3
BATCH_ROWS = 64
FLUSH_BYTES = 16 << 20
TRIM_RECORDS = 64


@dataclass(frozen=True, slots=True)
class SnapshotSettings:
    """When a snapshot is due, and whether the journal is trimmed."""

    every_bytes: int = 256 << 20
    every_s: float = 600.0
    keep_journal: bool = False
    tick_s: float = 1.0
    """How often it is looked whether one is due; READERS_TICKS and REST_TICKS count in it."""


class Snapshots:
    """One per node; runs on its loop. Nothing here is on any client's path."""

    def __init__(
        self,
        stores: Stores,
        committer: Committer,
        settings: SnapshotSettings,
        clock: Callable[[], int],
        broken: Callable[[BaseException], None],
        *,
        is_memory: bool = False,
    ) -> None:
        self.stores = stores
        self.settings = settings
        self.cut = 0
        """Snapshots that this process cut."""
        self.last_error = ""
        self._committer = committer
        self._clock = clock
        self._broken = broken
        self._is_memory = is_memory
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[Wait[Snapshot]] = []
        self._wake = asyncio.Event()
        self._verified: set[Path] = set()
        self._not_before = 0.0
        positions = snapshot_positions(stores.snapshots)
        self.last_position: Position = positions[0] if positions else 0
        self._last_at = time.monotonic()
        self._bytes_before = stores.journal.size(self.last_position + 1)

    # --- entry ---

    def start(self) -> None:
        """Begin to look after the stores."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(telling(self._broken))

    async def stop(self) -> None:
        """Give up a snapshot that is being written."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def request(self) -> Wait[Snapshot]:
        """Cut one now (`opendsql snapshot`); the Wait fails with OSError or SnapshotDamaged."""
        wait: Wait[Snapshot] = Wait()
        self._waiting.append(wait)
        self._wake.set()
        return wait

    @property
    def bytes_since(self) -> int:
        """Bytes appended to the journal after the last snapshot."""
        return self._bytes_before + self._committer.appended_bytes

    # --- the loop ---

    async def _run(self) -> None:
        ticks, resting, seen = 0, 0, 0
        while True:
            if self._waiting or self._is_due():
                await self._cut_and_trim()
            try:
                await asyncio.wait_for(self._wake.wait(), self.settings.tick_s)
            except TimeoutError:
                ticks += 1
            self._wake.clear()
            position = self.stores.replica.applied_position
            resting = resting + 1 if position == seen else 0
            seen = position
            if resting == REST_TICKS:
                await self._flush_storage(position)
            if ticks % READERS_TICKS == 0:
                self.stores.replica.check_readers()

    def _is_due(self) -> bool:
        now = time.monotonic()
        if now < self._not_before:
            return False
        if self.bytes_since >= self.settings.every_bytes:
            return True
        if self._is_memory or self.bytes_since == 0:
            return False
        return now - self._last_at >= self.settings.every_s

    async def _cut_and_trim(self) -> None:
        waiting, self._waiting = self._waiting, []
        if self._is_memory and not waiting:
            await outcome(self._committer.checkpoint())
            await self._trim(self.stores.replica.applied_position)
            self._restart_count(self._committer.appended_bytes, self.last_position)
            return
        try:
            await self._restate()
            snapshot = await self._cut()
            await self._trim_below_older()
        except (OSError, SnapshotDamaged) as error:
            self.last_error = str(error)
            self._not_before = time.monotonic() + RETRY_S
            log.error("no snapshot reason=%s", error)
            for wait in waiting:
                wait.fail(error)
            return
        self.last_error = ""
        for wait in waiting:
            wait.finish(snapshot)

    def _restart_count(self, appended_before: int, position: Position) -> None:
        self._bytes_before = -appended_before
        self._last_at = time.monotonic()
        self.last_position = position

    async def _restate(self) -> None:
        """Before the snapshot, so that nothing is left to cut when it is done and no commit followed."""
        if self.stores.stream.restated < self.stores.journal.tail.position:
            await outcome(self._committer.checkpoint())

    async def _cut(self) -> Snapshot:
        """Write all rows as of the applied position, slice by slice, and verify the file."""
        replica = self.stores.replica
        appended = self._committer.appended_bytes
        tail = self._applied_tail()
        head = Head(tail.position, tail.epoch, tail.hash, tail.last_ts, replica.horizon, self._clock())
        items = replica.snapshot_items()
        writer = SnapshotWriter(self.stores.snapshots, head)
        try:
            await write_in_slices(writer, items, replica.release)
            snapshot = await asyncio.to_thread(writer.finish)
        except BaseException:
            writer.abandon()
            raise
        finally:
            items.close()
        self._verified.add(snapshot.path)
        self.cut += 1
        self._restart_count(appended, head.position)
        log.info("snapshot position=%d rows=%d bytes=%d", head.position, snapshot.items, snapshot.size)
        return snapshot

    def _applied_tail(self) -> Tail:
        replica = self.stores.replica
        epoch = self.stores.journal.tail.epoch
        return Tail(replica.applied_position, epoch, replica.applied_hash, replica.applied_ts)

    async def _trim_below_older(self) -> None:
        """Keep two whole snapshots, and the journal from the older one on."""
        whole: list[Position] = []
        for position in snapshot_positions(self.stores.snapshots):
            path = self.stores.snapshots / f"{position:020}.snapshot"
            if len(whole) == KEPT or not await self._is_whole(path):
                path.unlink(missing_ok=True)
                self._verified.discard(path)
            else:
                whole.append(position)
        for path in self.stores.snapshots.glob("*.writing"):
            path.unlink()
        if len(whole) == KEPT:
            await self._trim(whole[-1])

    async def _is_whole(self, path: Path) -> bool:
        if path not in self._verified:
            try:
                await asyncio.to_thread(verify_snapshot, path)
            except SnapshotDamaged as error:
                log.error("snapshot is damaged path=%s reason=%s", path, error)
                return False
            self._verified.add(path)
        return True

    async def _trim(self, upto: Position) -> None:
        if self.settings.keep_journal:
            return
        journal = self.stores.journal
        upto = self.stores.stream.may_trim(upto)
        while journal.first <= upto:
            await outcome(self._committer.between(lambda: journal.trim(upto, TRIM_RECORDS)))
            await asyncio.sleep(0)

    async def _flush_storage(self, position: Position) -> None:
        """Nothing is being written: push the pages out in a thread, then note that they are there."""
        if self._is_memory:
            return
        try:
            await asyncio.to_thread(self.stores.replica.flush_pages)
            if self.stores.replica.applied_position == position:
                self.stores.replica.sync()
        except OSError as error:
            log.error("storage is not flushed reason=%s", error)


async def write_in_slices(writer: SnapshotWriter, items: Iterator[Item], release: Callable[[], None]) -> None:
    """A quarter of the time, also when others keep the loop so busy that every rest grows long.

    `release` lets go of the view of the rows, before each rest.
    """
    flushed = 0
    slice_s = SLICE_S
    begun = time.perf_counter()
    while batch := list(islice(items, BATCH_ROWS)):
        writer.add(batch)
        worked = time.perf_counter() - begun
        if worked < slice_s:
            continue
        release()
        if writer.bytes_written - flushed >= FLUSH_BYTES:
            flushed = writer.bytes_written
            await asyncio.to_thread(writer.flush)
        await asyncio.sleep(worked * REST_PER_SLICE)
        rested = time.perf_counter() - begun - worked
        slice_s = min(max(SLICE_S, rested / REST_PER_SLICE), LONGEST_SLICE_S)
        begun = time.perf_counter()
