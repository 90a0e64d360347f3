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
from journal.journal import Tail
from journal.record import Checkpoint, Commit, Header, Note, Position, Record, Timestamp

GROUP = 256
"""Commits in one record at most."""


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
    items: list[Commit | Control]
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
        self._waiting: deque[Commit | Control] = deque()
        self._flights: deque[_Flight] = deque()

    @property
    def oldest_pending(self) -> Timestamp:
        """The oldest time that was handed in and is not known to be durable; 0: none."""
        for flight in self._flights:
            for item in flight.items:
                if ts := _time(item):
                    return ts
        for item in self._waiting:
            if ts := _time(item):
                return ts
        return 0

    @property
    def in_flight(self) -> list[Sealed]:
        """The records whose answers are awaited, in order."""
        return [flight.sealed for flight in self._flights]

    @property
    def reserving(self) -> Timestamp:
        """The highest reservation asked for, durable or not."""
        return max(self._asked, self.reserved)

    def add(self, item: Commit | Control) -> None:
        """Hand in the next commit or control notes; raises `Broken` unless its time is the newest (J2)."""
        ts = _time(item)
        if ts:
            require(ts > self.last_ts, "J2: an owner hands in increasing times")
            self.last_ts = ts
        self._waiting.append(item)

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
        items = self._group()
        commits = [item for item in items if isinstance(item, Commit)]
        control = items[0] if items and not commits else None
        notes = control.notes if isinstance(control, Control) else []
        ts = control.ts if isinstance(control, Control) else 0
        if notes and isinstance(notes[0], Checkpoint):
            reserve = max(reserve, self._reserve_in_flight())
        before = self._before()
        header = Header(before.position + 1, self.epoch, before.hash)
        request_id = self.epoch.to_bytes(8, "big") + header.position.to_bytes(8, "big")
        kind = "commits" if commits else "control"
        record = Record(header, kind, request_id, self._owner, commits, reserve, notes, ts)
        sealed = seal(record, before.last_ts)
        self._flights.append(_Flight(sealed, items, reserve))
        return sealed

    def appended(self, tail: Tail) -> list[tuple[Position, Commit | Control]]:
        """The record at `tail` is durable, and so are those before it; what they held, with its position.

        Late answers return nothing.
        """
        if all(flight.sealed.hash != tail.hash for flight in self._flights):
            return []
        held: list[tuple[Position, Commit | Control]] = []
        while self.tail.hash != tail.hash:
            sealed, items, reserve = self._flights.popleft()
            self.tail = Tail(sealed.position, sealed.epoch, sealed.hash, sealed.last_ts)
            self.reserved = max(self.reserved, reserve)
            held += [(sealed.position, item) for item in items]
        return held

    def _group(self) -> list[Commit | Control]:
        """What the next record holds: commits that follow each other, or one control item."""
        items: list[Commit | Control] = []
        while self._waiting and len(items) < GROUP:
            if not isinstance(self._waiting[0], Commit):
                return items or [self._waiting.popleft()]
            items.append(self._waiting.popleft())
        return items

    def _before(self) -> Tail:
        """The record that the next one follows."""
        if not self._flights:
            return self.tail
        sealed = self._flights[-1].sealed
        return Tail(sealed.position, sealed.epoch, sealed.hash, sealed.last_ts)

    def _reserve_in_flight(self) -> Timestamp:
        return max([self.reserved, *(flight.reserve for flight in self._flights)])


def _time(item: Commit | Control) -> Timestamp:
    return item.commit_ts if isinstance(item, Commit) else item.ts
