"""The journal: one dense, fenced, hash-chained sequence of records that is the database.

Problem. Everything else in the system may be lost and rebuilt; the log may not. Two processes may both
believe that they own it (the first one slept through its own replacement), an answer may be lost after the
append took effect, and a reader must be able to tell a hole from an end.

Rule. An append names the position that it expects to follow. The log accepts it when that is its tail, and
only then; a claim of ownership is itself a record. So whoever appends after a claim without having read it
has the wrong position and is refused, without leases and without clocks (AR §1.14, §3.21). The epoch, which
every record carries, is the second belt.

    position     1          2          3          4
                 claim e1   commits    commits    claim e2
                 (A)        (A)        (A)        (B)
    A wakes up:  append(expected 3, epoch 1)  ->  Conflict(tail 4, epoch 2): A is no longer the owner (J5)
    B goes on:   append(expected 4, epoch 2)  ->  position 5

A lost answer is resolved by reading: the record at the expected position either carries our request id, or it
is somebody else's. Appending the very same record again finds it in place and changes nothing (J6).

Durable. `tail` is what was appended, `durable` the last position that no crash can take away. Readers see
only durable records: nothing beyond is acknowledged, applied to an answer, fed to a consumer, or a reason to
trim.

Left out. There is no batching, no waiting and no thread here: a carrier (`journal.lmdb_log`,
`journal.memory_log`) performs what `Fence` allows; `journal.appender` puts an owner's records in order, and
`journal.crossbar` makes one order out of several journals.
Source of the interface: AR §3.21; invariants J1 to J6: AR §2.
"""

from typing import NamedTuple, Protocol, TypeAlias

from journal.broken import require
from journal.encoding import NO_HASH, Frame, Sealed, Undecodable, decode, open_frame
from journal.record import Position, Record, Timestamp


class Tail(NamedTuple):
    """The last record of a log, or the point before its first."""

    position: Position
    epoch: int
    hash: bytes
    last_ts: Timestamp
    """The newest commit_ts up to and including `position`; 0 before the first commit."""


EMPTY = Tail(0, 0, NO_HASH, 0)


class Conflict(NamedTuple):
    """An append or a claim that was refused, with the tail that it did not know of."""

    tail: Tail


class Ambiguous(NamedTuple):
    """The answer was lost: read on and look for the request id. A local carrier never says so."""

    request_id: bytes


Outcome: TypeAlias = Tail | Conflict | Ambiguous


class Trimmed(NamedTuple):
    """These positions are gone; `first` is the oldest that is kept."""

    first: Position


class Entry(NamedTuple):
    """A record as it was read, with its verified hash."""

    record: Record
    hash: bytes


class LogError(Exception):
    """The world, not our reasoning, failed the log."""


class Damaged(LogError):
    """The record at `position` is not what was written there, or does not follow the one before."""

    def __init__(self, position: Position, why: str) -> None:
        super().__init__(f"journal record {position} is damaged: {why}")
        self.position = position


class FlushFailed(LogError):
    """A write or a flush failed: nobody knows what is on disk. The node ends, reopens and reads again."""


class Full(LogError):
    """The log has no room for this record; nothing was written and the log goes on."""


class Log(Protocol):
    """A carrier of the journal. One thread at a time calls `claim`, `append`, `sync` and `trim`."""

    @property
    def first(self) -> Position:
        """The oldest position that is kept (tail + 1 when there is none)."""

    @property
    def anchor(self) -> Tail:
        """The record just below `first`, from which the chain is proved."""

    @property
    def tail(self) -> Tail:
        """The last record appended; the next one gets `tail.position + 1` and names `tail.hash`."""

    @property
    def durable(self) -> Position:
        """The last position that survives any crash."""

    def claim(self, expected: Position, epoch: int, owner: str, request_id: bytes) -> Outcome:
        """Take the log over: append a claim after `expected` with a higher epoch, and make it durable."""

    def append(self, record: Sealed) -> Outcome:
        """Append after position `record.position - 1`; raises `Full`, `FlushFailed`."""

    def sync(self) -> None:
        """Make everything appended durable; raises `FlushFailed`."""

    def read(self, first: Position, limit: int = 256) -> list[Entry] | Trimmed:
        """Durable records from `first` on, at most `limit`; none at the end. Raises `Damaged`."""

    def trim(self, upto: Position, limit: int = 1024) -> Position:
        """Drop up to `limit` durable records at positions <= `upto`; returns the new `first`."""

    def close(self) -> None:
        """Release the carrier's files."""


class Fence:
    """Decides what may follow the tail; shared by all local carriers."""

    def __init__(self, tail: Tail) -> None:
        self.tail = tail

    def refuses(self, record: Sealed) -> bool:
        """Whether `record` was made without knowledge of the tail (J1, J4, J5)."""
        tail = self.tail
        if record.position != tail.position + 1 or record.previous != tail.hash:
            return True
        if record.claim:
            return record.epoch <= tail.epoch
        return record.epoch != tail.epoch

    def next_tail(self, record: Sealed) -> Tail:
        """What the tail will be once `record`, which was not refused, is in place; raises `Broken`."""
        tail = self.tail
        require(record.position == tail.position + 1, "J1: positions are dense")
        require(record.previous == tail.hash, "J1: a record names the hash of the record before")
        if record.claim:
            require(record.epoch > tail.epoch, "J4: epochs increase")
        else:
            require(record.epoch == tail.epoch, "J4: a record carries the epoch in force")
        if record.first_ts:
            require(record.first_ts > tail.last_ts, "J2: commit_ts increases with position")
        else:
            require(
                record.last_ts == tail.last_ts, "J2: a record without a time carries the newest commit_ts"
            )
        return Tail(record.position, record.epoch, record.hash, record.last_ts)


def framed(position: Position, data: bytes | None) -> Frame:
    """The fixed part of what is stored at `position`; raises `Damaged`."""
    if data is None:
        raise Damaged(position, "it is missing")
    try:
        frame = open_frame(data)
    except Undecodable as error:
        raise Damaged(position, str(error)) from error
    if frame.position != position:
        raise Damaged(position, f"it says that it is record {frame.position}")
    return frame


def checked(position: Position, data: bytes, previous: bytes | None) -> Entry:
    """The record stored at `position`, behind one with the hash `previous` if that is known; raises `Damaged`."""
    try:
        record, digest = decode(data)
    except Undecodable as error:
        raise Damaged(position, str(error)) from error
    if record.header.position != position:
        raise Damaged(position, f"it says that it is record {record.header.position}")
    if previous is not None and record.header.previous != previous:
        raise Damaged(position, "it does not name the hash of the record before")
    return Entry(record, digest)
