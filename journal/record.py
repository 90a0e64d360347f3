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


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One position of the log: a claim, or a group of commits in order of commit_ts."""

    header: Header
    kind: str
    """`claim` (the owner of epoch `header.epoch` begins) or `commits`."""
    request_id: bytes
    """16 bytes; a retried append carries the same one and is stored once (J6)."""
    owner: str
    commits: list[Commit]
