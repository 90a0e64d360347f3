"""The journal in memory, with the faults of a disk: for tests and simulation only.

It keeps the timing of `journal.lmdb_log`: an append makes everything before it durable, `sync` the rest.
`crash` ends it as a power cut would and returns what comes up afterwards.
"""

from journal.appender import claim_record
from journal.broken import require
from journal.encoding import Sealed, Undecodable, decode, open_frame
from journal.journal import EMPTY, Conflict, Damaged, Entry, Fence, FlushFailed, Tail, Trimmed
from journal.record import Position


class MemoryLog:
    """A `journal.journal.Log` whose disk is a list."""

    def __init__(self, anchor: Tail = EMPTY, records: list[bytes] | None = None) -> None:
        """Open over what a disk holds: `records` follow `anchor`. Raises `Damaged`."""
        self._anchor = anchor
        self._records = list(records or [])
        self._failed = False
        self._fails_next = False
        tail = anchor
        for position, data in enumerate(self._records, anchor.position + 1):
            tail = _following(tail, position, data)
        self._fence = Fence(tail)
        self.durable: Position = tail.position

    @property
    def first(self) -> Position:
        """The oldest position that is kept (tail + 1 when there is none)."""
        return self._anchor.position + 1

    @property
    def anchor(self) -> Tail:
        """The record just below `first`."""
        return self._anchor

    @property
    def tail(self) -> Tail:
        """The last record appended."""
        return self._fence.tail

    def claim(self, expected: Position, epoch: int, owner: str, request_id: bytes) -> Tail | Conflict:
        """Take the log over, durably."""
        tail = self.tail
        if expected != tail.position:
            return self._claimed(expected + 1, epoch, request_id) or Conflict(tail)
        result = self.append(claim_record(tail, epoch, owner, request_id, [], 0))
        if isinstance(result, Tail):
            self.sync()
        return result

    def append(self, record: Sealed) -> Tail | Conflict:
        """Append; afterwards everything before it is durable."""
        self._enter()
        if self._fence.refuses(record):
            if self._stored(record.position) == record.data:
                return Tail(record.position, record.epoch, record.hash, record.last_ts)
            return Conflict(self.tail)
        tail = self._fence.next_tail(record)
        self._records.append(record.data)
        self._flush()
        self._fence.tail = tail
        self.durable = tail.position - 1
        return tail

    def sync(self) -> None:
        """Make everything appended durable."""
        self._enter()
        if self.durable != self.tail.position:
            self._flush()
            self.durable = self.tail.position

    def read(self, first: Position, limit: int = 256) -> list[Entry] | Trimmed:
        """Durable records from `first` on, at most `limit`; raises `Damaged`."""
        if first < self.first:
            return Trimmed(self.first)
        entries: list[Entry] = []
        for position in range(first, min(first + limit, self.durable + 1)):
            data = self._stored(position)
            try:
                entries.append(Entry(*decode(data)))
            except Undecodable as error:
                raise Damaged(position, str(error)) from error
        return entries

    def trim(self, upto: Position, limit: int = 1024) -> Position:
        """Drop up to `limit` durable records at positions <= `upto`; returns the new `first`."""
        self._enter()
        require(upto <= self.durable, "J7: only durable records are trimmed")
        last = min(upto, self._anchor.position + limit)
        if last > self._anchor.position:
            tail = _following(None, last, self._stored(last))
            del self._records[: last - self._anchor.position]
            self._anchor = tail
            self._flush()
            self.durable = self.tail.position
        return self.first

    def close(self) -> None:
        """Nothing to release."""

    def fail_next_flush(self) -> None:
        """The next flush raises `FlushFailed`; what it wrote may survive a crash."""
        self._fails_next = True

    def crash(self, keep: int = 0) -> "MemoryLog":
        """Cut the power: of what was not durable the first `keep` records survive."""
        self._failed = True
        survivors = self.durable - self._anchor.position + keep
        return MemoryLog(self._anchor, self._records[:survivors])

    def flip_bit(self, position: Position, bit: int) -> None:
        """Damage a stored record."""
        data = bytearray(self._stored(position))
        data[bit // 8] ^= 1 << bit % 8
        self._records[position - self.first] = bytes(data)

    def _enter(self) -> None:
        if self._failed:
            raise FlushFailed("an earlier write or flush of this journal failed")

    def _flush(self) -> None:
        if self._fails_next:
            self._failed = True
            raise FlushFailed("injected")

    def _stored(self, position: Position) -> bytes:
        index = position - self.first
        return self._records[index] if 0 <= index < len(self._records) else b""

    def _claimed(self, position: Position, epoch: int, request_id: bytes) -> Tail | None:
        data = self._stored(position)
        if not data:
            return None
        frame = open_frame(data)
        if not frame.is_claim_of(epoch, request_id):
            return None
        return Tail(position, epoch, frame.hash, frame.last_ts)


def _following(before: Tail | None, position: Position, data: bytes) -> Tail:
    try:
        frame = open_frame(data)
    except Undecodable as error:
        raise Damaged(position, str(error)) from error
    if frame.position != position or (before is not None and frame.previous != before.hash):
        raise Damaged(position, "it does not follow the record before")
    return Tail(position, frame.epoch, frame.hash, frame.last_ts)
