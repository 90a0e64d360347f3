"""An owner's own records in order: what waits, what is in flight, what is known to be durable.

A few records may be in flight at once, each naming the one before; everything decided meanwhile forms the next
(group commit, AR §3.17). That one was taken proves that those before it were. A lost answer is repeated with
the very same record until the log says what became of it (J6). A refusal by a higher epoch means that somebody
else claimed the journal, and nothing of what waits will ever be appended by this owner (J5); any other means
that a record overtook the one before it, and both are sent again.

The durable reservation (AR §3.3) rides on any record: `reserved` is the time up to which this epoch may use
times. It counts only once its record is durable, and the successor finds it in the log.
"""

from collections import deque
from typing import NamedTuple

import msgspec

from journal.broken import require
from journal.encoding import Sealed, seal
from journal.journal import Entry, Tail
from journal.record import Checkpoint, Commit, Header, Note, Record, Timestamp

GROUP_COMMITS = 1024
GROUP_BYTES = 24 << 20
"""A record stays well under `encoding.MAX_RECORD`: at most this, and then the commit that crosses it."""


class Control(msgspec.Struct, frozen=True, gc=False):
    """Notes that become a control record of their own."""

    notes: list[Note]
    ts: Timestamp = 0


def claim_record(
    tail: Tail, epoch: int, owner: str, request_id: bytes, notes: list[Note], reserved: Timestamp
) -> Sealed:
    """A claim that repeats what a trim could lose: the ranges, and the reservation in force (AR §3.12)."""
    header = Header(tail.position + 1, epoch, tail.hash)
    return seal(Record(header, "claim", request_id, owner, [], reserved, notes), tail.last_ts)


class _Flight(NamedTuple):
    sealed: Sealed
    entry: Entry
    reserve: Timestamp


class Appender:
    """The writing end of one journal for one epoch."""

    def __init__(self, epoch: int, owner: str, claimed: Tail, depth: int = 1) -> None:
        """`claimed`: the tail whose record is this epoch's claim; `depth`: records in flight at most."""
        self.epoch = epoch
        self._owner = owner
        self.tail = claimed
        """The last record known to be durable."""
        self.reserved: Timestamp = 0
        """Durable: this epoch may use times up to it."""
        self.last_ts = claimed.last_ts
        """The newest time handed in."""
        self._asked: Timestamp = 0
        self._depth = depth
        self._waiting: deque[list[Commit] | Control] = deque()
        """Each becomes a record."""
        self._open: list[Commit] | None = None
        """The last one that waits, while it takes more commits."""
        self._open_bytes = 0
        self._flights: deque[_Flight] = deque()

    @property
    def oldest_pending(self) -> Timestamp:
        """The oldest time that was handed in and is not known to be durable; 0: none."""
        for flight in self._flights:
            if flight.sealed.first_ts:
                return flight.sealed.first_ts
        for item in self._waiting:
            if ts := item.ts if isinstance(item, Control) else item[0].commit_ts:
                return ts
        return 0

    @property
    def in_flight(self) -> list[Sealed]:
        """The records whose answers are awaited, in order."""
        return [flight.sealed for flight in self._flights]

    @property
    def newest(self) -> Entry:
        """What a reader will find where the record lies that `next` gave last, which is in flight."""
        return self._flights[-1].entry

    @property
    def reserving(self) -> Timestamp:
        """The highest reservation asked for, durable or not."""
        return max(self._asked, self.reserved)

    def add(self, commit: Commit, size: int = 0) -> None:
        """Hand in the next commit, of about `size` bytes; raises `Broken` unless its time is the newest (J2)."""
        ts = commit.commit_ts
        require(ts > self.last_ts, "J2: an owner hands in increasing times")
        self.last_ts = ts
        group = self._open
        if group is None:
            group = self._open = []
            self._open_bytes = 0
            self._waiting.append(group)
        group.append(commit)
        self._open_bytes += size
        if self._open_bytes >= GROUP_BYTES or len(group) >= GROUP_COMMITS:
            self._open = None

    def add_control(self, control: Control) -> None:
        """Hand in notes, behind all commits so far; raises `Broken` unless their time is the newest (J2)."""
        if control.ts:
            require(control.ts > self.last_ts, "J2: an owner hands in increasing times")
            self.last_ts = control.ts
        self._open = None
        self._waiting.append(control)

    def reserve(self, upto: Timestamp) -> None:
        """Ask for times up to `upto`; a record is written for it if none is due."""
        self._asked = max(self._asked, upto)

    def next(self) -> Sealed | None:
        """The next record to append, or None while enough are in flight or nothing waits."""
        if len(self._flights) >= self._depth:
            return None
        reserve = self._asked if self._asked > self._reserve_in_flight() else 0
        if not self._waiting and not reserve:
            return None
        item = self._waiting.popleft() if self._waiting else Control([])
        if item is self._open:
            self._open = None
        before = self._before()
        header = Header(before.position + 1, self.epoch, before.hash)
        request_id = self.epoch.to_bytes(8, "big") + header.position.to_bytes(8, "big")
        if isinstance(item, Control):
            if item.notes and isinstance(item.notes[0], Checkpoint):
                reserve = max(reserve, self._reserve_in_flight())
            record = Record(header, "control", request_id, self._owner, [], reserve, item.notes, item.ts)
        else:
            record = Record(header, "commits", request_id, self._owner, item, reserve)
        sealed = seal(record, before.last_ts)
        self._flights.append(_Flight(sealed, Entry(record, sealed.hash), reserve))
        return sealed

    def appended(self, tail: Tail) -> list[Record]:
        """The record at `tail` is durable, and so are those before it: these, in order. Late answers: none."""
        if all(flight.sealed.hash != tail.hash for flight in self._flights):
            return []
        records: list[Record] = []
        while self.tail.hash != tail.hash:
            sealed, entry, reserve = self._flights.popleft()
            self.tail = _tail_at(sealed)
            self.reserved = max(self.reserved, reserve)
            records.append(entry.record)
        return records

    def _before(self) -> Tail:
        """The record that the next one follows."""
        return _tail_at(self._flights[-1].sealed) if self._flights else self.tail

    def _reserve_in_flight(self) -> Timestamp:
        return max([self.reserved, *(flight.reserve for flight in self._flights)])


def _tail_at(sealed: Sealed) -> Tail:
    return Tail(sealed.position, sealed.epoch, sealed.hash, sealed.last_ts)
