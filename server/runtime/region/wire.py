"""What the nodes of several regions say to each other (server.runtime.net carries it).

query processor ── prepare, ask ─────────────▶ owner ── vote ──▶ decider ── outcome ──▶ voters
                ◀── answer ───────────────────
owner           ── recorded, closed ─────────▶ every node
region's node   ── alive ────────────────────▶ every node
                ── needs ────────────────────▶ the other regions' nodes
                ── lease, checkpoint wanted ─▶ its adjudicators, which answer: owns
a node behind   ── snapshot wanted, piece ───▶ a node of the other region, which answers
query processor ── read, scan wanted ────────▶ a storage node of its region, which answers (server.runtime.storage_node)
storage node    ── feed wanted ──────────────▶ its region's node, which answers when more is complete
                ── range wanted, piece ──────▶ a replica of the same shard, or its region's node
"""

from typing import TypeAlias

import msgspec

from adjudicator.protocol import Answer, Ask, Message, Outcome, Prepare, ToCoordinator, ToOwner, Vote
from journal.crossbar import Announcement, Mark
from journal.record import Commit, Key, Timestamp
from server.runtime.net.wire import Vocabulary
from storage.shard import Refused, Row


class OwnerPrepare(msgspec.Struct, frozen=True, array_like=True):
    """To the owner of `journal` in `epoch`."""

    journal: int
    epoch: int
    body: Prepare


class OwnerVote(msgspec.Struct, frozen=True, array_like=True):
    """To the decider."""

    journal: int
    epoch: int
    body: Vote


class OwnerOutcome(msgspec.Struct, frozen=True, array_like=True):
    """To a voter; epoch 0: whoever owns the journal now."""

    journal: int
    epoch: int
    body: Outcome


class OwnerAsk(msgspec.Struct, frozen=True, array_like=True):
    """To the present owner of the decider's journal."""

    journal: int
    epoch: int
    body: Ask


class Answered(msgspec.Struct, frozen=True, array_like=True):
    """To the query processor."""

    coordinator: int
    answer: Answer


class Closed(msgspec.Struct, frozen=True, array_like=True):
    """A closed time of a journal whose owner is at the sender."""

    announcement: Announcement
    sent: Timestamp = 0
    """By the sender's clock; 0: not said."""


class Recorded(msgspec.Struct, frozen=True, array_like=True):
    """A record that its owner at the sender knows to be durable: it need not be asked for."""

    journal: int
    data: bytes
    """As the journal holds it, with its hash."""


class Alive(msgspec.Struct, frozen=True, array_like=True):
    """The sender is there and, as far as it knows, its region serves."""

    is_serving: bool
    deliveries: dict[int, int] = {}
    """By journal: ns that records took from their owner until they counted at the sender (upper quartile); none where
    nobody reads."""


class Needs(msgspec.Struct, frozen=True, array_like=True):
    """What lies behind the mark is needed by nobody at the sender."""

    mark: Mark


class Lease(msgspec.Struct, frozen=True, array_like=True):
    """To an adjudicator of the sender's region: what it is to own, until it is told otherwise or not at all."""

    journals: tuple[int, ...]
    active: tuple[str, ...]
    """The regions in service."""
    base: Timestamp = 0
    mark: Mark | None = None
    """From there the stream is kept, above `base`; None: from the beginning."""


class Owns(msgspec.Struct, frozen=True, array_like=True):
    """To the node of the sender's region: the journals whose owner is at the sender."""

    journals: tuple[int, ...]


class CheckpointWanted(msgspec.Struct, frozen=True, array_like=True):
    """To the owner of `journal`: restate what a successor must know, so that the journal can be trimmed."""

    journal: int


class ReleaseWanted(msgspec.Struct, frozen=True, array_like=True):
    """A question to the owner of `journal`: hand [lo, hi) to the owner of journal `to`."""

    journal: int
    lo: Key
    hi: Key
    to: int


class Released(msgspec.Struct, frozen=True, array_like=True):
    """The answer; false: that range is not owned there as a whole."""

    is_begun: bool


class SnapshotWanted(msgspec.Struct, frozen=True, array_like=True):
    """A question: which is your newest snapshot?"""


class SnapshotOffer(msgspec.Struct, frozen=True, array_like=True):
    """The answer."""

    number: int
    size: int
    """Bytes; 0: there is none."""


class SnapshotPieceWanted(msgspec.Struct, frozen=True, array_like=True):
    """A question for a part of that file."""

    number: int
    offset: int


class SnapshotPiece(msgspec.Struct, frozen=True, array_like=True):
    """The answer; empty when the file is gone."""

    data: bytes


class ReadWanted(msgspec.Struct, frozen=True, array_like=True):
    """A question for rows of one shard, by their keys, as of `ts`."""

    ts: Timestamp
    keys: tuple[Key, ...]
    """At least one."""


class ReadFound(msgspec.Struct, frozen=True, array_like=True):
    """The answer. An answer's bytes are bounded: the rows of the first keys, at least of one; the rest is asked for
    anew."""

    rows: tuple[bytes | None, ...]
    refused: Refused | None = None


class ScanWanted(msgspec.Struct, frozen=True, array_like=True):
    """A question for the rows of [lo, hi), a part of one shard, as of `ts`."""

    ts: Timestamp
    lo: Key
    hi: Key
    limit: int = 0
    """Rows wanted at most; 0: all."""
    reverse: bool = False
    """From `hi` downwards."""
    pushed: bytes = b""
    """What to do with the rows (`storage.shard.Pushdown`); empty: nothing."""


class ScanFound(msgspec.Struct, frozen=True, array_like=True):
    """The answer: the first rows, in the order that was asked for."""

    rows: tuple[Row, ...]
    following: Key | None = None
    """Where the scan goes on: the next `lo`, in reverse the next `hi`; None: all was looked at."""
    refused: Refused | None = None


class FeedWanted(msgspec.Struct, frozen=True, array_like=True):
    """A question of a replica: what was written in [lo, hi) above `complete`?"""

    lo: Key
    hi: Key
    complete: Timestamp
    mark: Mark
    """Of a time at or below `complete`: from where the journals are read if it lies far behind."""
    rest: int = 0
    """ns: an answer without rows is wanted when so much more is complete."""


class Fed(msgspec.Struct, frozen=True, array_like=True):
    """The answer: everything up to `complete`, which is above the one that was asked for."""

    commits: list[Commit]
    """Their writes in the range, without locks, in the order of the stream."""
    complete: Timestamp
    mark: Mark
    is_lost: bool = False
    """Nothing can follow: the journals do not hold it any more. The replica begins anew, from a snapshot."""


class RangeWanted(msgspec.Struct, frozen=True, array_like=True):
    """A question for a snapshot of the rows of [lo, hi); a `SnapshotOffer` answers once it is written."""

    lo: Key
    hi: Key


class RangePieceWanted(msgspec.Struct, frozen=True, array_like=True):
    """A question for a part of that file; a `SnapshotPiece` answers."""

    lo: Key
    hi: Key
    number: int
    offset: int


ToOwnerMessage: TypeAlias = OwnerPrepare | OwnerVote | OwnerOutcome | OwnerAsk

VOCABULARY = Vocabulary(
    {
        "prepare": OwnerPrepare,
        "vote": OwnerVote,
        "outcome": OwnerOutcome,
        "inquiry": OwnerAsk,
        "decision": Answered,
        "closed": Closed,
        "recorded": Recorded,
        "alive": Alive,
        "needs": Needs,
        "lease": Lease,
        "owns": Owns,
        "checkpoint_wanted": CheckpointWanted,
        "release_wanted": ReleaseWanted,
        "released": Released,
        "snapshot_wanted": SnapshotWanted,
        "snapshot_offer": SnapshotOffer,
        "snapshot_piece_wanted": SnapshotPieceWanted,
        "snapshot_piece": SnapshotPiece,
        "read_wanted": ReadWanted,
        "read_found": ReadFound,
        "scan_wanted": ScanWanted,
        "scan_found": ScanFound,
        "feed_wanted": FeedWanted,
        "fed": Fed,
        "range_wanted": RangeWanted,
        "range_piece_wanted": RangePieceWanted,
    }
)

_KINDS: dict[type, type[OwnerPrepare] | type[OwnerVote] | type[OwnerOutcome] | type[OwnerAsk]] = {
    Prepare: OwnerPrepare,
    Vote: OwnerVote,
    Outcome: OwnerOutcome,
    Ask: OwnerAsk,
}


def to_owner(effect: ToOwner) -> ToOwnerMessage:
    """The message for the wire."""
    make = _KINDS[type(effect.message)]
    return make(effect.journal, effect.epoch, effect.message)  # type: ignore[arg-type]


def from_wire(message: ToOwnerMessage) -> ToOwner:
    """The effect that it was."""
    body: Message = message.body
    return ToOwner(message.journal, message.epoch, body)


def answered(effect: ToCoordinator) -> Answered:
    """The message for the wire."""
    return Answered(effect.coordinator, effect.answer)
