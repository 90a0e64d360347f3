"""What is asked of an adjudicator and what it answers."""

from enum import IntEnum
from typing import TypeAlias

import msgspec

from journal.record import Key, Lock, Timestamp, Write


class CommitRequest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One transaction that wants to commit (DESIGN §6.2)."""

    txid: bytes
    """16 bytes, unique for ever."""
    start_ts: Timestamp
    writes: list[Write]
    locks: list[Lock]
    checks: list[Key] = []
    """Catalog markers read by this transaction: a later write of one aborts it (`Reason.SCHEMA`). One-sided
    (AR §3.13): a check is not recorded, so nobody conflicts with it."""
    guards: list[Key] = []
    """One-sided like `checks`, but the answer is `Reason.CONFLICT`: for the backfill of an index."""


class Reason(IntEnum):
    """Why a transaction was aborted."""

    CONFLICT = 1
    """Another transaction committed a conflicting class on `Aborted.key` after start_ts (OC000)."""
    SCHEMA = 2
    """The catalog marker `Aborted.key` was written after start_ts (OC001)."""
    TOO_OLD = 3
    """start_ts lies below the conflict floor: what was committed after it is no longer known (A5, A11)."""
    BUSY = 4
    """Another transaction on `Aborted.key` is being decided, or votes did not agree in time: repeat the commit
    (several adjudicators only, AR §3.6)."""
    MOVED = 5
    """`Aborted.key` is not owned by the adjudicator that was asked: ask the one that does, and repeat."""


class Committed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="committed"):
    """The transaction takes effect at `commit_ts`, provided that its record is appended."""

    commit_ts: Timestamp


class Aborted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="aborted"):
    """The transaction has no effect, and no record with its txid will ever appear (Q5)."""

    reason: Reason
    key: Key
    """The key at fault; empty for `Reason.TOO_OLD`."""
    winner: bytes = b""
    """Who committed on it, the last one of several; empty: not known, or nobody did yet."""
    won_at: Timestamp = 0
    """Its commit_ts; 0: not known exactly any more."""


Verdict: TypeAlias = Committed | Aborted
