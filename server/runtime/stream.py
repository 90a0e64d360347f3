"""One machine's journal: how it is claimed, and how what is durable comes into the replica (DESIGN §6, §8).

    Takeover ─▶ claim ─▶ RangeOwner, of all keys           durable record ─▶ Crossbar ─▶ Shard ─▶ LMDB
                                                                         one lane   all keys

The same cores as with many adjudicators (adjudicator.range_owner, journal.crossbar, storage.shard), with one
range, one journal and one shard. Nobody announces closed times: the stream is complete up to its newest
commit, which is the time at which transactions begin (DESIGN §4).
"""

from typing import NamedTuple

from adjudicator.adjudicator import ALONE
from adjudicator.range_owner import RangeOwner
from adjudicator.takeover import Takeover
from journal.broken import require
from journal.crossbar import Crossbar, Item, Mark
from journal.encoding import Sealed, decode
from journal.journal import Entry, Tail
from journal.lmdb_log import LmdbLog
from journal.record import TOP, Note, Position, Timestamp
from journal.trimming import Trimming
from server.session.unique import unique_id
from storage.replica import Replica, StoredRows
from storage.shard import Bounds, Shard

JOURNAL = 0
"""The number of the only journal."""
_ALL = 1 << 30
_LAST_NUMBER = 1 << 32


class Part(NamedTuple):
    """What one record adds to the stream."""

    items: list[Item]
    notes: list[tuple[int, Position, Note]]
    complete: Timestamp


class Stream:
    """Feeds a replica; for one thread."""

    def __init__(self, replica: Replica) -> None:
        """Goes on where the replica stands."""
        self.replica = replica
        bounds = Bounds(retention=replica.retention_ns)
        self.shard = Shard(StoredRows(replica), b"", TOP, bounds, is_only=True)
        self.trimming = Trimming()
        self._crossbar = Crossbar([JOURNAL], self.shard.rows.mark)
        self._part: Part | None = None
        """Taken from the crossbar and not applied yet."""

    @property
    def next_position(self) -> Position:
        """Of the record that is wanted."""
        return dict(self._crossbar.wanted())[JOURNAL]

    def follow(self, entry: Entry, now: Timestamp, extra: bytes | None = None) -> Part:
        """Apply the next durable record, with `extra` beside the rows; visible when it returns.

        Raises `NoSpace`, `OSError`: then nothing of it is in, and the same call may be made again.
        """
        crossbar = self._crossbar
        if self._part is None:
            self.trimming.see(JOURNAL, entry)
            crossbar.feed(JOURNAL, [entry])
            items = crossbar.take(_ALL)
            self._part = Part(items, crossbar.take_notes(), crossbar.complete)
        part = self._part
        self.shard.feed(part.items, part.complete, crossbar.mark(), now, extra)
        self._part = None
        return part

    @property
    def restated(self) -> Position:
        """The last record that tells a successor all it must know."""
        return self.trimming.restated(JOURNAL)

    def may_trim(self, upto: Position) -> Position:
        """The last position that may go when a snapshot holds everything up to `upto` (J7)."""
        return self.trimming.upto(JOURNAL, [Mark(((JOURNAL, upto),), (0, 0, 0, 0), ())])


def mark_at(tail: Tail) -> Mark:
    """Where a reader stands that has everything up to `tail`."""
    last = (tail.last_ts, JOURNAL, tail.position, _LAST_NUMBER)
    places, closed, hashes = (JOURNAL, tail.position), (JOURNAL, tail.last_ts), (JOURNAL, tail.hash)
    return Mark((places,), last, (closed,), (hashes,))


def claim(journal: LmdbLog, name: str, landmarks: list[tuple[Tail, Entry]]) -> tuple[RangeOwner, Entry]:
    """Take the journal over; the owner, and the record that made it so, which is durable.

    `landmarks`: the journal's, as it stands.

    What was committed before is not read again: every transaction begins at the newest of it or later, and one
    that began before is refused (A5). So of the old records only those count that hold more than commits.
    """
    anchor = landmarks[0][0] if landmarks else journal.anchor
    takeover = Takeover(JOURNAL, name, ALONE, [(b"", TOP)], anchor=anchor)
    for before, entry in landmarks:
        takeover.pass_over(before)
        takeover.read([entry])
    takeover.pass_over(journal.tail)
    sealed = takeover.claim(unique_id())
    claimed = append(journal, sealed)
    journal.sync()
    record, digest = decode(sealed.data)
    return takeover.owner_of(claimed, claimed.last_ts, mark_at(claimed)), Entry(record, digest)


def append(journal: LmdbLog, sealed: Sealed) -> Tail:
    """Append to a journal that nobody else can have claimed meanwhile."""
    result = journal.append(sealed)
    require(isinstance(result, Tail), "J4: nobody else appends to a locked data directory")
    assert isinstance(result, Tail)
    return result
