"""What passes between query processors and several adjudicators, and what an adjudicator wants done.

Messages may be lost, doubled, late and out of order; each is safe to receive at any time. A candidate names
one attempt to commit one transaction, and the owner and epoch that alone may decide it (AR §3.6): a repeated
commit is a new candidate, and its query processor makes one only when it knows that the last one is dead.
"""

from typing import NamedTuple, TypeAlias

import msgspec

from adjudicator.messages import Aborted, Committed
from journal.crossbar import Announcement
from journal.encoding import Sealed
from journal.journal import Entry
from journal.record import Key, Lock, Timestamp, Write


class Candidate(NamedTuple):
    """One attempt to commit one transaction."""

    txid: bytes
    attempt: int
    journal: int
    """Of the decider: its record is appended there and nowhere else."""
    epoch: int
    """Of the decider: the only one that may decide it, and release its promises early."""


class Check(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The transaction relies on a catalog marker; whoever owns `key` looks at it (AR §3.13)."""

    marker: Key
    key: Key
    """Any key of the table that the marker stands for."""


class Marker(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A schema change writes `marker` with every owner of a part of [lo, hi), the keys of its table."""

    marker: Key
    lo: Key
    hi: Key


class Prepare(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """To every participant: may this transaction commit? Each gets the part that it owns."""

    candidate: Candidate
    start_ts: Timestamp
    coordinator: int
    """The query processor that wants the answer."""
    participants: tuple[int, ...]
    """Journals of all owners asked, the decider's among them."""
    touches: list[Lock]
    checks: list[Check] = []
    guards: list[Key] = []
    markers: list[Marker] = []
    writes: list[Write] = []
    """The whole transaction, to the decider only; `locks` too."""
    locks: list[Lock] = []


class Vote(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """To the decider: a time, and the promise that nothing conflicting is committed up to `upto`; or why not."""

    candidate: Candidate
    journal: int
    epoch: int
    """Of the voter: where the outcome is sent."""
    ts: Timestamp = 0
    upto: Timestamp = 0
    refusal: Aborted | None = None
    covered: list[tuple[Key, Key]] = []
    """The owned parts of the markers' tables."""


class Outcome(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """To the voters: the candidate took effect at `commit_ts`, or (0) never will."""

    candidate: Candidate
    commit_ts: Timestamp


class Ask(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """To the present owner of the decider's journal: what became of this candidate (AR §3.8)?"""

    candidate: Candidate
    coordinator: int
    start_ts: Timestamp
    """A record of it lies above: who knows of everything above may say that there is none."""


class Answer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """To the query processor: final for this candidate. `Aborted` is true of it for ever (Q5)."""

    candidate: Candidate
    verdict: Committed | Aborted


Message: TypeAlias = Prepare | Vote | Outcome | Ask


class ToOwner(NamedTuple):
    """Effect: send to the owner of `journal` in `epoch`, that one and no other; 0: its present owner."""

    journal: int
    epoch: int
    message: Message


class ToCoordinator(NamedTuple):
    """Effect: send to a query processor."""

    coordinator: int
    answer: Answer


class Append(NamedTuple):
    """Effect: append, and repeat the same until the log has given an answer."""

    record: Sealed
    entry: Entry
    """The same as a reader of the journal finds it."""


class Announce(NamedTuple):
    """Effect: tell every reader of the journals."""

    announcement: Announcement


class Replay(NamedTuple):
    """Effect: feed the stream of all journals again, from the oldest that is kept, before anything else, and
    say `RangeOwner.replayed`."""


Effect: TypeAlias = ToOwner | ToCoordinator | Append | Announce | Replay
