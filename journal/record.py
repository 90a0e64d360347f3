"""The vocabulary that every part shares: what stands on the log (DESIGN §2, AR §3.9).

Keys are whole, order-preserving bytes (`storage.keycode` gives them meaning; to the journal a key is bytes).
Timestamps are integers, nanoseconds since 1970 (DESIGN §4).
"""

from enum import IntEnum
from typing import TypeAlias

import msgspec

Key: TypeAlias = bytes
Timestamp: TypeAlias = int
Position: TypeAlias = int


TOP: Key = b"\xff\xff"
"""Above every key of a row; what stands there is not owned and not stored."""
MARKERS: Key = b"\xff\xffmarker/"
"""Begins the keys of catalog markers (AR §3.13): they lie in no range, every owner looks after its own copy."""


class LockClass(IntEnum):
    """How a transaction touches a key, for the matrix of AR §1.11 (dsql-reference §5.2)."""

    BLIND = 0
    """A write nobody can conflict with: an entry of a non-unique index, which follows its row."""
    KEY_SHARE = 1
    """FOR KEY SHARE: the row must go on existing with its key."""
    NON_KEY = 2
    """UPDATE of columns outside every unique key."""
    EXCLUSIVE = 3
    """INSERT, DELETE, UPDATE of key columns, FOR UPDATE, and every entry of a unique index."""


class Write(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The post-image of one key."""

    key: Key
    value: bytes | None
    """The encoded row, or None: the key is deleted."""
    lock: int
    """A `LockClass`."""


class Lock(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A key that was locked, not written."""

    key: Key
    lock: int


class Commit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One committed transaction, whole; a transaction with locks only has no writes (DESIGN §6.2)."""

    txid: bytes
    """16 bytes, unique for ever."""
    start_ts: Timestamp
    commit_ts: Timestamp
    writes: list[Write]
    locks: list[Lock]


class Header(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the chain is made of: one per record."""

    position: Position
    """Dense, from 1."""
    epoch: int
    previous: bytes
    """The hash of the record before, 32 bytes; zeros before the first."""


class Owned(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="owned"):
    """In a claim: the keys [lo, hi) belong to this journal, for times above `after` (AR §3.12)."""

    lo: Key
    hi: Key
    after: Timestamp


class Adopted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="adopted"):
    """In a claim: everything that `journal` released to this one up to `position` was acquired."""

    journal: int
    position: Position


class Checkpoint(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="checkpoint"):
    """The notes behind it restate the ranges, as a claim's do, so that what lies before can be trimmed."""


class Release(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="release"):
    """This journal's owner decides nothing on [lo, hi) above `at` any more; journal `to` may (AR §3.12)."""

    lo: Key
    hi: Key
    at: Timestamp
    to: int


class Acquire(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="acquire"):
    """This journal's owner decides on [lo, hi) at times above `at`: the other half of a `Release`."""

    lo: Key
    hi: Key
    at: Timestamp
    source: int
    """The journal of the release."""
    position: Position
    """Where in `source` the release stands."""


class SetChange(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="set"):
    """From the record's time on, `journal` is or is no longer one of those that a reader must have (AR §3.4)."""

    journal: int
    is_added: bool


class End(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="end"):
    """Nothing follows in this journal above the record's time."""


Note: TypeAlias = Checkpoint | Owned | Adopted | Release | Acquire | SetChange | End


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One position of the log: a claim, a group of commits in order of commit_ts, or control notes."""

    header: Header
    kind: str
    """`claim` (the owner of epoch `header.epoch` begins), `commits`, or `control` (several journals)."""
    request_id: bytes
    """16 bytes; a retried append carries the same one and is stored once (J6)."""
    owner: str
    commits: list[Commit]
    reserved: Timestamp = 0
    """The owner may use times up to it, for commits, votes and announcements (AR §3.3); 0: no change."""
    notes: list[Note] = []
    """In a claim and in a control record."""
    ts: Timestamp = 0
    """The time of a control record that takes effect in time (`SetChange`, `End`); else 0."""


def restates(record: Record) -> bool:
    """Whether a successor that reads the journal from here on learns all ranges and the reservation (J7)."""
    return record.kind == "claim" or any(isinstance(note, Checkpoint) for note in record.notes)
