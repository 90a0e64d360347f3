"""One replica of one shard: where it begins, how it keeps up, and when it serves (DESIGN §8; AR §3.11).

    loading        what it has is of no use: a snapshot of the range, of another replica or of the region's node
    catching up    asks the region's crossbar for what follows its complete time, applies it, asks again
    warming        a few reads of its own
    serving        it goes on asking; one that falls behind answers late or not, never stale

It goes on from its own rows after a restart. The crossbar reads old parts of the journals for it as long as these hold
them; when they do not, the replica is told, wipes what it has and begins at a snapshot again: nobody waits for it
before journals are trimmed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

from journal.crossbar import Item, Mark
from journal.record import Key, Timestamp
from journal.snapshot import SnapshotDamaged
from server.runtime.net.asking import Expired, Failure
from server.runtime.region import snapshots
from server.runtime.region.wire import Fed, FeedWanted
from server.runtime.storage_node.answering import Reads
from server.runtime.storage_node.fetching import Asking, fetch
from server.runtime.waiting import outcome
from storage.lmdb_engine import Unreadable
from storage.pushdown import StoredPushdown
from storage.replica import RETENTION_NS, NoSpace, Replica, StoredRows
from storage.shard import Bounds, Read, Scan, ScanAnswer, Shard

log = logging.getLogger("opendsql.storage")

FEED_S = 2.0
"""The crossbar has so long to answer; then it is asked again."""
RETRY_S = 0.05
LOAD_RETRY_S = 0.2
SPACE_RETRY_S = 0.5
REST_NS = 10 * 10**6
"""While nobody reads, the crossbar need not say more often that nothing was written."""
MARK_NS = 10**9
"""So long after the last step a mark is stored without rows."""
CLOSE_NS = 10**9
"""A replica that is complete to so long before now has caught up."""
WARM_SCANS = 8


class ShardReplica:
    """See the module's text. For the event loop's thread."""

    def __init__(
        self,
        directory: Path,
        lo: Key,
        hi: Key,
        asking: Asking,
        crossbar: str,
        others: Sequence[str],
        *,
        clock: Callable[[], Timestamp],
        retention_ns: int = RETENTION_NS,
    ) -> None:
        """`crossbar`: the node that feeds it; `others`: nodes with replicas of the same range."""
        self.lo = lo
        self.hi = hi
        self.reads = Reads(lo, hi, clock)
        self.loaded = 0
        """Snapshots that it began from in this process."""
        self.fed = 0
        self.is_out_of_space = False
        self.serving = asyncio.Event()
        self.ending: Callable[[], Awaitable[None]] = _nothing
        """Awaited before storage is closed and made again: whoever reads it ends."""
        self.rows: StoredRows | None = None
        self._directory = directory
        self._asking = asking
        self._crossbar = crossbar
        self._others = list(others)
        self._clock = clock
        self._retention_ns = retention_ns
        self._mark: Mark | None = None
        self._marked_at: Timestamp = 0
        self._extra = msgspec.msgpack.encode((lo, hi))
        """Beside the rows: whose they are."""

    @property
    def complete(self) -> Timestamp:
        """Everything at or below it is applied; 0 while it loads."""
        return self.reads.shard.complete if self.reads.shard is not None else 0

    @property
    def state(self) -> str:
        """For operators: where it is on its way."""
        if self.reads.shard is None:
            return "loading"
        return "serving" if self.serving.is_set() else "catching up"

    async def run(self) -> None:
        """Until cancelled. Raises OSError, `Broken`."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._open()
        while True:
            if self.rows is None:
                await self._load()
            self._begin()
            await self._follow()
            log.warning("the journals do not hold what follows here: from a snapshot lo=%s", self.lo.hex())
            self.serving.clear()
            await self.ending()
            self._end()
            Replica.wipe(self._storage)

    def close(self) -> None:
        """Close storage."""
        self._end()

    @property
    def _storage(self) -> Path:
        return self._directory / "storage"

    # --- the beginning

    def _open(self) -> None:
        """Take what an earlier process left, if it is of this range and whole."""
        try:
            replica = self._opened()
        except Unreadable as error:
            log.warning("storage cannot be read reason=%s", error)
            Replica.wipe(self._storage)
            return
        if replica.mark() is not None and replica.extra() == self._extra:
            self.rows = StoredRows(replica)
            return
        replica.close()
        Replica.wipe(self._storage)

    async def _load(self) -> None:
        while True:
            found = await fetch(
                self._directory / "fetched", [*self._others, self._crossbar], self.lo, self.hi, self._asking
            )
            if found is not None:
                try:
                    await _in_thread(self._fill, found.path)
                    break
                except SnapshotDamaged as error:
                    log.warning("a snapshot is damaged reason=%s", error)
            await asyncio.sleep(LOAD_RETRY_S)
        found.path.unlink()
        self.loaded += 1
        self.rows = StoredRows(self._opened())

    def _opened(self) -> Replica:
        """Raises `Unreadable`."""
        return Replica.open(self._storage, retention_ns=self._retention_ns)

    def _fill(self, path: Path) -> None:
        Replica.wipe(self._storage)
        replica = self._opened()
        try:
            snapshots.load(path, replica, self._extra)
        finally:
            replica.close()

    def _begin(self) -> None:
        assert self.rows is not None
        self._mark = self.rows.mark
        # What it is fed is of its range.
        bounds = Bounds(retention=self._retention_ns)
        shard = Shard(self.rows, self.lo, self.hi, bounds, StoredPushdown(), is_only=True)
        self.reads.shard = shard

    def _end(self) -> None:
        self.serving.clear()
        self.reads.give_up()
        rows, self.rows = self.rows, None
        if rows is not None:
            rows.replica.close()

    # --- keeping up

    async def _follow(self) -> None:
        """Returns when nothing can follow."""
        while True:
            fed = await self._ask()
            if fed.is_lost:
                return
            while not self._apply(fed):
                await asyncio.sleep(SPACE_RETRY_S)
            if not self.serving.is_set() and self.complete >= self._clock() - CLOSE_NS:
                self._warm_up()
                self.serving.set()

    async def _ask(self) -> Fed:
        assert self._mark is not None
        while True:
            rest = 0 if self.reads.is_busy or not self.serving.is_set() else REST_NS
            wanted = FeedWanted(self.lo, self.hi, self.complete, self._mark, rest)
            try:
                fed: Fed = await outcome(self._asking.ask(self._crossbar, wanted, FEED_S))
            except Expired:
                continue
            except Failure as error:
                log.debug("not fed error=%r", error)
                await asyncio.sleep(RETRY_S)
                continue
            return fed

    def _apply(self, fed: Fed) -> bool:
        """False: there is no room, it is tried again."""
        shard, now = self.reads.shard, self._clock()
        assert shard is not None
        assert self._mark is not None
        mark = later(self._mark, fed.mark)
        if fed.commits or now - self._marked_at >= MARK_NS:
            items = [Item(commit.commit_ts, 0, 0, 0, commit) for commit in fed.commits]
            try:
                answers = shard.feed(items, fed.complete, mark, now)
            except NoSpace as error:
                if not self.is_out_of_space:
                    log.error("storage has no room error=%s", error)
                self.is_out_of_space = True
                return False
            self.is_out_of_space = False
            self._marked_at = now
        else:
            answers = shard.rise(fed.complete)
        self._mark = mark
        self.fed += 1
        self.reads.deliver(answers)
        return True

    def tick(self) -> None:
        """Refuse reads that waited too long, and let go of what nobody may read any more; about once per second."""
        shard = self.reads.shard
        if shard is None:
            return
        try:
            self.reads.deliver(shard.tick(self._clock()))
        except NoSpace as error:
            log.info("storage has no room to trim error=%s", error)

    def offered(self, lo: Key, hi: Key) -> StoredRows | None:
        """The rows for another replica of the same range; None: it had better ask elsewhere."""
        return self.rows if self.serving.is_set() and (lo, hi) == (self.lo, self.hi) else None

    def _warm_up(self) -> None:
        """Reads as clients do them: what they need first is in memory then."""
        shard = self.reads.shard
        assert shard is not None
        ts, now = shard.complete, self._clock()
        lo: Key | None = self.lo
        for number in range(WARM_SCANS):
            if lo is None:
                return
            found = shard.read(Scan(0, number, ts, lo, self.hi), max(ts, now))
            assert isinstance(found, ScanAnswer)
            keys = tuple(key for key, _ts, _row in found.rows)
            shard.read(Read(0, number, ts, keys), max(ts, now))
            lo = found.following


async def _nothing() -> None:
    pass


async def _in_thread(work: Callable[[Path], None], path: Path) -> None:
    """Cancelled, it still waits until the thread is done: nobody else may open storage before."""
    filling = asyncio.ensure_future(asyncio.to_thread(work, path))
    try:
        await asyncio.shield(filling)
    except asyncio.CancelledError:
        await asyncio.wait([filling])
        raise


def later(before: Mark, mark: Mark) -> Mark:
    """`mark`, unless it lies before `before` in a journal: an earlier mark is as good, a replica never goes back.

    Crossbars that are complete to one time may have read records of no commits to different places.
    """
    positions = dict(mark.positions)
    is_later = all(positions.get(journal, position) >= position for journal, position in before.positions)
    return mark if is_later else before
