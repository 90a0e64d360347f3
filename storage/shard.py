"""A storage shard: which reads it may answer, and when (DESIGN §3, AR §1.3, §1.4, §3.11).

A shard keeps the versions of one key range and is fed by a crossbar. A read at t is answered only when the
shard is complete to t: everything at or below t has been applied. Until then the read waits; it is never
answered with what happens to be there. A read below the trim horizon might need a version that is gone, one
far above the clock would wait for ever: both are refused, and so is one that waited too long. So a reader
gets the right answer at once, or late, or an error, and never a stale answer.

    applied      10    20    30                      complete 35
    read at 25   answered at once
    read at 40   waits ... 40 applied, complete 41   answered

A read names keys, a scan a part of the range, in key order or its reverse. Answers are bounded: a scan's in rows
given, and in rows and bytes looked at, and its `following` says where to go on; a read's in bytes, and it has
the rows of the first keys then. What is pushed down (a filter, a count) travels as bytes that nobody here
understands: the `Pushdown` given to the shard does.

All writes of a transaction in this shard are applied in one step, and `complete` rises only afterwards (S2).
A snapshot is what is visible at `complete`, with the crossbar's mark from which the tail goes on; a shard
loaded from it and fed the tail equals one that read everything (S5). Where versions stand is the business of
`Rows`; `storage.replica` has them on LMDB.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from hashlib import blake2b
from itertools import islice
from typing import NamedTuple, Protocol, TypeAlias

from journal.broken import require
from journal.crossbar import Item, Mark
from journal.record import Commit, Key, Timestamp

Row = tuple[Key, Timestamp, bytes]
"""(key, commit_ts, value)."""
UNSEEN = 64
"""Rows for which keys without one count, at which a scan has looked in one go."""


class Step(NamedTuple):
    """What is stored together with the versions of a part of the stream, all of it or nothing."""

    complete: Timestamp
    """Everything at or below it is applied."""
    mark: Mark | None = None
    """From where the stream goes on."""
    now: Timestamp = 0
    """What was superseded long before it may be dropped on this occasion."""
    extra: bytes | None = None
    """Of the caller; None: what was there stays."""


class Rows(Protocol):
    """Versions of rows, and how far they go."""

    @property
    def complete(self) -> Timestamp:
        """As of the last step."""

    @property
    def mark(self) -> Mark | None:
        """Of the last step that had one."""

    @property
    def horizon(self) -> Timestamp:
        """The highest time at which a version was superseded that is gone."""

    def apply(self, commits: Sequence[Commit], step: Step) -> None:
        """Add the versions of these transactions, in order of commit_ts; if it raises, nothing is in."""

    def load(self, rows: Iterable[Row], step: Step) -> None:
        """Fill what is empty with the rows of a snapshot; older versions are not there: a new horizon."""

    def get(self, key: Key, ts: Timestamp) -> bytes | None:
        """The row of `key` as of `ts`."""

    def scan(self, lo: Key, hi: Key, ts: Timestamp, reverse: bool = False) -> Iterable[Row]:
        """The rows of [lo, hi) as of `ts`, in key order or its reverse; read as far as the caller goes.

        One with an empty value is no row. It stands for many keys without one, so that the caller may stop there:
        its key is where a scan would go on, the next `lo`, in reverse the next `hi`.
        """

    def visible(self, ts: Timestamp) -> Iterable[Row]:
        """Every row as of `ts`, in key order, with the time it was written."""

    def trim(self, before: Timestamp) -> Timestamp:
        """Drop versions that were superseded at or below `before`, the oldest first, perhaps not all; `horizon`."""


class Pushdown(Protocol):
    """What a shard does for its readers on the way; stateless."""

    def run(self, pushed: bytes, rows: Iterable[Row]) -> Iterable[Row]:
        """What becomes of `rows`: takes them in order and one at a time, gives in order as soon as it can."""


class Read(NamedTuple):
    """Keys of this shard, as of a time."""

    reader: int
    """Where the answer goes."""
    number: int
    """Chosen by the reader."""
    ts: Timestamp
    keys: tuple[Key, ...]


class Scan(NamedTuple):
    """The rows of [lo, hi), a part of this shard, as of a time, in key order."""

    reader: int
    number: int
    ts: Timestamp
    lo: Key
    hi: Key
    limit: int = 0
    """Rows wanted at most; 0: all."""
    pushed: bytes = b""
    """What to do with the rows; empty: nothing."""
    reverse: bool = False
    """From `hi` downwards."""


class Refused(IntEnum):
    """Why a read is not answered; all but TOO_OLD may be repeated."""

    TOO_OLD = 1
    TOO_NEW = 2
    LATE = 3


class ReadAnswer(NamedTuple):
    """The rows in the order of the keys, perhaps of the first keys only, of one at least; or a refusal."""

    reader: int
    number: int
    rows: tuple[bytes | None, ...]
    refused: Refused | None = None


class ScanAnswer(NamedTuple):
    """The first rows of a scan, or a refusal."""

    reader: int
    number: int
    rows: tuple[Row, ...]
    following: Key | None = None
    """What lies at or above it was not looked at, in reverse what lies below it; None: all was."""
    refused: Refused | None = None


Request: TypeAlias = Read | Scan
Answered: TypeAlias = ReadAnswer | ScanAnswer


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
    rows: int = 1024
    """Rows that one scan looks at before it answers with what it has."""
    answer_bytes: int = 1 << 20
    """Of keys and values that one request looks at before that; the last row may lie beyond it."""


class Shard:
    """One replica of one shard. Synchronous; `now` is the early edge of its clock, ns."""

    def __init__(
        self,
        rows: Rows,
        lo: Key,
        hi: Key,
        bounds: Bounds | None = None,
        pushdown: Pushdown | None = None,
        is_only: bool = False,
    ) -> None:
        """Holds the keys [lo, hi); without `pushdown` every scan gets the rows as they are.

        `is_only`: nobody writes other keys, so that none need be left out.
        """
        self.rows = rows
        self.lo = lo
        self.hi = hi
        self.bounds = bounds if bounds is not None else Bounds()
        self._is_only = is_only
        self._pushdown = pushdown
        self._waiting: list[tuple[Request, Timestamp]] = []
        self._risen: Timestamp = 0

    @property
    def complete(self) -> Timestamp:
        """Everything at or below it is applied."""
        return max(self.rows.complete, self._risen)

    @property
    def waiting(self) -> int:
        """Reads that are not answered yet."""
        return len(self._waiting)

    @property
    def horizon(self) -> Timestamp:
        """A read strictly below it is refused."""
        return self.rows.horizon

    def feed(
        self,
        items: Sequence[Item],
        complete: Timestamp,
        mark: Mark | None = None,
        now: Timestamp = 0,
        extra: bytes | None = None,
    ) -> list[Answered]:
        """Apply the next part of the stream, then answer the reads that it completes.

        `mark`: from where the stream goes on, and `extra`: bytes of the caller; both are stored with the rows.
        What `rows` raises for want of space may be met by the same call later.
        """
        before = self.complete
        require(complete >= before, "X2: complete never goes back")
        commits = [content for item in items if isinstance(content := item[4], Commit)]
        require(
            not commits or commits[0].commit_ts > before, "S4: nothing is applied at or below a complete time"
        )
        if not self._is_only:
            commits = [part for commit in commits if (part := self._part(commit)) is not None]
        self.rows.apply(commits, Step(complete, mark, now, extra))
        return self._completed()

    def rise(self, complete: Timestamp) -> list[Answered]:
        """Nothing follows at or below `complete`; stored with the next part. Answers as `feed` does."""
        self._risen = max(self._risen, complete)
        return self._completed()

    def _completed(self) -> list[Answered]:
        """The answers to reads that waited for what is complete now."""
        if not self._waiting:
            return []
        ready = [read for read, _since in self._waiting if self._is_complete(read.ts)]
        if ready:
            self._waiting = [each for each in self._waiting if not self._is_complete(each[0].ts)]
        return [self._answer(read) for read in ready]

    def read(self, read: Request, now: Timestamp) -> Answered | None:
        """Answer now, or None: the answer comes from `feed` or `tick`."""
        if read.ts > now + self.bounds.ahead:
            return _refusal(read, Refused.TOO_NEW)
        if not self._is_complete(read.ts):
            self._waiting.append((read, now))
            return None
        return self._answer(read)

    def tick(self, now: Timestamp) -> list[Answered]:
        """Refuse the reads that waited too long, and drop versions that nobody may read any more."""
        before = min(now - self.bounds.retention, self.complete)
        if before > 0:
            self.rows.trim(before)
        late = [read for read, since in self._waiting if since + self.bounds.wait < now]
        if late:
            self._waiting = [each for each in self._waiting if each[0] not in late]
        return [_refusal(read, Refused.LATE) for read in late]

    def cut(self, mark: Mark) -> Snapshot:
        """What is visible at `complete`; `mark` is the crossbar's, at the same moment."""
        rows = tuple(self.rows.visible(self.complete))
        return Snapshot(self.complete, self.complete, mark, rows, _digest(self.complete, rows))

    def load(self, snapshot: Snapshot) -> None:
        """Begin as `snapshot`; raises `Damaged`. Older times can't be read: their versions were not cut."""
        require(self.complete == 0, "S5: a snapshot is loaded into an empty shard")
        if _digest(snapshot.complete, snapshot.rows) != snapshot.digest:
            raise Damaged(f"snapshot at {snapshot.complete}")
        self.rows.load(snapshot.rows, Step(snapshot.complete, snapshot.mark))

    def content_hash(self, ts: Timestamp) -> bytes:
        """Equal for replicas that are complete to `ts` (S3)."""
        return _digest(ts, tuple(self.rows.visible(ts)))

    def _part(self, commit: Commit) -> Commit | None:
        """What a transaction wrote in this shard."""
        writes = [write for write in commit.writes if self.lo <= write.key < self.hi]
        return Commit(commit.txid, commit.start_ts, commit.commit_ts, writes, []) if writes else None

    def _answer(self, read: Request) -> Answered:
        if self._is_below_horizon(read.ts):
            return _refusal(read, Refused.TOO_OLD)
        if isinstance(read, Scan):
            return self._scan(read)
        return self._get(read)

    def _get(self, read: Read) -> ReadAnswer:
        rows: list[bytes | None] = []
        left = self.bounds.answer_bytes
        for key in read.keys:
            rows.append(row := self.rows.get(key, read.ts))
            left -= len(key) + len(row or b"")
            if left <= 0:
                break
        return ReadAnswer(read.reader, read.number, tuple(rows))

    def _scan(self, scan: Scan) -> ScanAnswer:
        look = _Look(self.bounds, scan.reverse)
        lo, hi = max(scan.lo, self.lo), min(scan.hi, self.hi)
        given: Iterable[Row] = look.rows(self.rows.scan(lo, hi, scan.ts, scan.reverse))
        if self._pushdown is not None and scan.pushed:
            given = self._pushdown.run(scan.pushed, given)
        answer = tuple(islice(given, scan.limit or None))
        is_cut = look.is_over or (scan.limit > 0 and len(answer) == scan.limit)
        return ScanAnswer(scan.reader, scan.number, answer, look.place if is_cut else None)

    # --- the rules

    def _is_complete(self, ts: Timestamp) -> bool:
        """S1: never a stale answer."""
        return self.complete >= ts

    def _is_below_horizon(self, ts: Timestamp) -> bool:
        """S1: a version that the read needs may be gone; at the horizon itself none is missing."""
        return ts < self.horizon


class _Look:
    """How far one scan has looked."""

    def __init__(self, bounds: Bounds, reverse: bool) -> None:
        self.place: Key | None = None
        """Where to go on."""
        self._rows, self._bytes = bounds.rows, bounds.answer_bytes
        self._reverse = reverse

    @property
    def is_over(self) -> bool:
        """Whether it may look at nothing more."""
        return self._rows <= 0 or self._bytes <= 0

    def rows(self, found: Iterable[Row]) -> Iterator[Row]:
        """The rows, as many as it may look at."""
        for row in found:
            key, _ts, value = row
            self._rows -= 1 if value else UNSEEN
            self._bytes -= len(key) + len(value)
            self.place = key if self._reverse or not value else key + b"\0"
            if value:
                yield row
            if self.is_over:
                return


def _refusal(read: Request, why: Refused) -> Answered:
    if isinstance(read, Scan):
        return ScanAnswer(read.reader, read.number, (), None, why)
    return ReadAnswer(read.reader, read.number, (), why)


def _digest(ts: Timestamp, rows: tuple[Row, ...]) -> bytes:
    digest = blake2b(ts.to_bytes(8, "big"), digest_size=32)
    for key, commit_ts, value in rows:
        for part in (key, commit_ts.to_bytes(8, "big"), value):
            digest.update(len(part).to_bytes(4, "big") + part)
    return digest.digest()
