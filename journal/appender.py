"""An owner's own records in order: what waits, what is in flight, what is known to be durable.

One record is in flight at a time; everything decided meanwhile forms the next one (group commit, AR §3.17).
A lost answer is repeated with the very same record until the log says what became of it (J6); a refusal means
that somebody else claimed the journal, and nothing of what waits will ever be appended by this owner (J5).

The durable reservation (AR §3.3) rides on any record: `reserved` is the time up to which this epoch may use
times. It counts only once its record is durable, and the successor finds it in the log.
"""

from collections import deque

import msgspec

from journal.broken import require
from journal.encoding import Sealed, seal
from journal.journal import Tail
from journal.record import Commit, Header, Note, Record, Timestamp

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


class Appender:
    """The writing end of one journal for one epoch."""

    def __init__(self, epoch: int, owner: str, claimed: Tail) -> None:
        """`claimed`: the tail whose record is this epoch's claim."""
        self.epoch = epoch
        self._owner = owner
        self.tail = claimed
        """The last record known to be durable."""
        self.reserved: Timestamp = 0
        """Durable: this epoch may use times up to it."""
        self.last_ts = claimed.last_ts
        """The newest time handed in."""
        self._asked: Timestamp = 0
        self._waiting: deque[Commit | Control] = deque()
        self._flight: tuple[Sealed, list[Commit | Control], Timestamp] | None = None

    @property
    def oldest_pending(self) -> Timestamp:
        """The oldest time that was handed in and is not known to be durable; 0: none."""
        if self._flight is not None:
            for item in self._flight[1]:
                if ts := _time(item):
                    return ts
        for item in self._waiting:
            if ts := _time(item):
                return ts
        return 0

    @property
    def in_flight(self) -> Sealed | None:
        """The record whose answer is awaited."""
        return self._flight[0] if self._flight is not None else None

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
        """The next record to append, or None while one is in flight or nothing waits."""
        if self._flight is not None:
            return None
        reserve = self._asked if self._asked > self.reserved else 0
        if not self._waiting and not reserve:
            return None
        items: list[Commit | Control] = []
        commits: list[Commit] = []
        while self._waiting and len(items) < GROUP:
            item = self._waiting[0]
            if not isinstance(item, Commit):
                if not items:
                    items.append(self._waiting.popleft())
                break
            commits.append(item)
            items.append(self._waiting.popleft())
        control = items[0] if items and not commits else None
        notes = control.notes if isinstance(control, Control) else []
        ts = control.ts if isinstance(control, Control) else 0
        tail = self.tail
        header = Header(tail.position + 1, self.epoch, tail.hash)
        request_id = self.epoch.to_bytes(8, "big") + header.position.to_bytes(8, "big")
        kind = "commits" if commits else "control"
        record = Record(header, kind, request_id, self._owner, commits, reserve, notes, ts)
        sealed = seal(record, tail.last_ts)
        self._flight = (sealed, items, reserve)
        return sealed

    def appended(self, tail: Tail) -> list[Commit | Control]:
        """The record in flight is durable at `tail`; returns what it held. Late answers return nothing."""
        if self._flight is None or tail.hash != self._flight[0].hash:
            return []
        sealed, items, reserve = self._flight
        self._flight = None
        self.tail = Tail(sealed.position, sealed.epoch, sealed.hash, sealed.last_ts)
        self.reserved = max(self.reserved, reserve)
        return items


def _time(item: Commit | Control) -> Timestamp:
    return item.commit_ts if isinstance(item, Commit) else item.ts
