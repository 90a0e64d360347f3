"""A storage shard: which reads it may answer, and when (DESIGN §3, AR §1.3, §1.4, §3.11).

A shard keeps the versions of one key range and is fed by a crossbar. A read at t is answered only when the
shard is complete to t: everything at or below t has been applied. Until then the read waits; it is never
answered with what happens to be there. A read below the trim horizon might need a version that is gone, one
far above the clock would wait for ever: both are refused, and so is one that waited too long. So a reader
gets the right answer at once, or late, or an error, and never a stale answer.

    applied      10    20    30                      complete 35
    read at 25   answered at once
    read at 40   waits ... 40 applied, complete 41   answered

All writes of a transaction in this shard are applied in one step, and `complete` rises only afterwards (S2).
A snapshot is what is visible at `complete`, with the crossbar's mark from which the tail goes on; a shard
loaded from it and fed the tail equals one that read everything (S5). Where versions stand is the business of
`Rows`; `storage.replica` has them on LMDB.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from hashlib import blake2b
from typing import NamedTuple, Protocol

from journal.broken import require
from journal.crossbar import Item, Mark
from journal.record import Commit, Key, Timestamp, Write

Row = tuple[Key, Timestamp, bytes]
"""(key, commit_ts, value)."""


class Rows(Protocol):
    """Versions of rows; nothing here knows what is complete."""

    def apply(self, commit_ts: Timestamp, writes: Sequence[Write]) -> None:
        """Add the versions of one transaction."""

    def get(self, key: Key, ts: Timestamp) -> bytes | None:
        """The row of `key` as of `ts`."""

    def visible(self, ts: Timestamp) -> Iterable[Row]:
        """Every row as of `ts`, in key order, with the time it was written."""

    def trim(self, before: Timestamp) -> Timestamp:
        """Drop versions that were superseded at or below `before`; the highest superseding time, 0: none."""


class Read(NamedTuple):
    """Keys of this shard, as of a time."""

    reader: int
    """Where the answer goes."""
    number: int
    """Chosen by the reader."""
    ts: Timestamp
    keys: tuple[Key, ...]


class Refused(IntEnum):
    """Why a read is not answered; all but TOO_OLD may be repeated."""

    TOO_OLD = 1
    TOO_NEW = 2
    LATE = 3


class ReadAnswer(NamedTuple):
    """The rows in the order of the keys, or a refusal."""

    reader: int
    number: int
    rows: tuple[bytes | None, ...]
    refused: Refused | None = None


class Snapshot(NamedTuple):
    """A shard at a complete time."""

    complete: Timestamp
    horizon: Timestamp
    mark: Mark
    rows: tuple[Row, ...]
    digest: bytes


class Damaged(Exception):
    """The snapshot's rows are not those that were cut."""


class Bounds(NamedTuple):
    """Durations, ns."""

    wait: Timestamp = 5 * 10**9
    """A read waits no longer."""
    ahead: Timestamp = 2 * 10**9
    """A read further above the clock is refused at once."""
    retention: Timestamp = 310 * 10**9
    """Versions superseded for longer may go."""


class Shard:
    """One replica of one shard. Synchronous; `now` is the early edge of its clock, ns."""

    def __init__(self, rows: Rows, lo: Key, hi: Key, bounds: Bounds | None = None) -> None:
        """Holds the keys [lo, hi)."""
        self.rows = rows
        self.lo = lo
        self.hi = hi
        self.bounds = bounds if bounds is not None else Bounds()
        self.complete: Timestamp = 0
        """Everything at or below it is applied."""
        self.horizon: Timestamp = 0
        """A read strictly below it is refused."""
        self._waiting: list[tuple[Read, Timestamp]] = []

    def feed(self, items: Sequence[Item], complete: Timestamp) -> list[ReadAnswer]:
        """Apply the next part of the stream, then answer the reads that it completes."""
        for item in items:
            if isinstance(item.content, Commit):
                self._apply(item.content)
        require(complete >= self.complete, "X2: complete never goes back")
        self.complete = complete
        ready = [read for read, _since in self._waiting if self._is_complete(read.ts)]
        if ready:
            self._waiting = [each for each in self._waiting if not self._is_complete(each[0].ts)]
        return [self._answer(read) for read in ready]

    def read(self, read: Read, now: Timestamp) -> ReadAnswer | None:
        """Answer now, or None: the answer comes from `feed` or `tick`."""
        if read.ts > now + self.bounds.ahead:
            return ReadAnswer(read.reader, read.number, (), Refused.TOO_NEW)
        if not self._is_complete(read.ts):
            self._waiting.append((read, now))
            return None
        return self._answer(read)

    def tick(self, now: Timestamp) -> list[ReadAnswer]:
        """Refuse the reads that waited too long, and drop versions that nobody may read any more."""
        before = min(now - self.bounds.retention, self.complete)
        if before > 0:
            self.horizon = max(self.horizon, self.rows.trim(before))
        late = [read for read, since in self._waiting if since + self.bounds.wait < now]
        if late:
            self._waiting = [each for each in self._waiting if each[0] not in late]
        return [ReadAnswer(read.reader, read.number, (), Refused.LATE) for read in late]

    def cut(self, mark: Mark) -> Snapshot:
        """What is visible at `complete`; `mark` is the crossbar's, at the same moment."""
        rows = tuple(self.rows.visible(self.complete))
        return Snapshot(self.complete, self.complete, mark, rows, _digest(self.complete, rows))

    def load(self, snapshot: Snapshot) -> None:
        """Begin as `snapshot`; raises `Damaged`. Older times can't be read: their versions were not cut."""
        require(self.complete == 0, "S5: a snapshot is loaded into an empty shard")
        if _digest(snapshot.complete, snapshot.rows) != snapshot.digest:
            raise Damaged(f"snapshot at {snapshot.complete}")
        for key, commit_ts, value in snapshot.rows:
            self.rows.apply(commit_ts, [Write(key, value, 0)])
        self.complete = snapshot.complete
        self.horizon = snapshot.horizon

    def content_hash(self, ts: Timestamp) -> bytes:
        """Equal for replicas that are complete to `ts` (S3)."""
        return _digest(ts, tuple(self.rows.visible(ts)))

    def _apply(self, commit: Commit) -> None:
        require(commit.commit_ts > self.complete, "S4: nothing is applied at or below a complete time")
        writes = [write for write in commit.writes if self.lo <= write.key < self.hi]
        if writes:
            self.rows.apply(commit.commit_ts, writes)

    def _answer(self, read: Read) -> ReadAnswer:
        if self._is_below_horizon(read.ts):
            return ReadAnswer(read.reader, read.number, (), Refused.TOO_OLD)
        rows = tuple(self.rows.get(key, read.ts) for key in read.keys)
        return ReadAnswer(read.reader, read.number, rows)

    # --- the rules

    def _is_complete(self, ts: Timestamp) -> bool:
        """S1: never a stale answer."""
        return self.complete >= ts

    def _is_below_horizon(self, ts: Timestamp) -> bool:
        """S1: a version that the read needs may be gone; at the horizon itself none is missing."""
        return ts < self.horizon


def _digest(ts: Timestamp, rows: tuple[Row, ...]) -> bytes:
    digest = blake2b(ts.to_bytes(8, "big"), digest_size=32)
    for key, commit_ts, value in rows:
        for part in (key, commit_ts.to_bytes(8, "big"), value):
            digest.update(len(part).to_bytes(4, "big") + part)
    return digest.digest()
