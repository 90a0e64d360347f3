"""Taking a journal over: claim first, then trust nothing that the claim does not prove (AR §3.5).

Liveness (who should try) is not decided here; any number may try at any time. The steps:

    1. read the journal to its tail: the newest time, the highest reservation U, the ranges, what was decided
    2. claim: a conditional append behind that tail; refused when something follows: read on, try again
    3. from now on the old epoch appends nothing. It may still vote, within its reservation: no vote of it is
       above U, no transaction decided with such a vote above U + T, T the length of a promise
    4. so `safe` = max(U, newest time) + T: all new times lie above it, and transactions that began below it
       are refused until the stream of all journals (not this one alone: a transaction on these keys may lie in
       the journal of another decider) has been read up to it

Two take-overs in quick succession work: a claim repeats U and the ranges, so the second finds them.
"""

from adjudicator.adjudicator import Settings
from adjudicator.outcomes import Outcomes
from adjudicator.range_owner import RangeOwner
from journal.appender import Appender, claim_record
from journal.broken import require
from journal.crossbar import Mark
from journal.encoding import Sealed
from journal.journal import EMPTY, Entry, Tail
from journal.record import Acquire, Adopted, End, Key, Note, Owned, Position, Release, Timestamp, restates


class Takeover:
    """One process's attempt to become the owner of a journal."""

    def __init__(
        self,
        journal: int,
        owner: str,
        settings: Settings,
        initial: list[tuple[Key, Key]] | None = None,
        after: Timestamp = 0,
        anchor: Tail = EMPTY,
    ) -> None:
        """`initial`: ranges of a journal that is empty; `after`: the time at which it was added to the set;
        `anchor`: what stands before the oldest record that is kept."""
        self.journal = journal
        self.owner = owner
        self.settings = settings
        self.tail: Tail = anchor
        self._is_told = anchor == EMPTY
        self.reserved: Timestamp = after
        self.outcomes = Outcomes(settings.outcomes)
        self.outcomes.skipped(anchor.last_ts)
        self.is_ended = False
        """The journal has an `End`: there is nothing to own."""
        self._owned = dict.fromkeys(initial or [], after)
        self._acquired: dict[int, Position] = {}
        self._released: dict[Position, Release] = {}
        self._taken: set[Position] = set()

    @property
    def next_position(self) -> Position:
        """Where to read on."""
        return self.tail.position + 1

    @property
    def is_told(self) -> bool:
        """Whether what was read restates the ranges; a copy of the journal that lags behind a trim may not."""
        return self._is_told

    def read(self, entries: list[Entry]) -> None:
        """The journal's records, in order, from the oldest that is kept."""
        for record, digest in entries:
            header = record.header
            require(header.position == self.tail.position + 1, "J1: a journal is read without gaps")
            last_ts = record.commits[-1].commit_ts if record.commits else record.ts
            last_ts = max(last_ts, self.tail.last_ts)
            self.tail = Tail(header.position, header.epoch, digest, last_ts)
            self.reserved = max(self.reserved, record.reserved)
            for commit in record.commits:
                self.outcomes.add(commit.txid, commit.commit_ts)
            if restates(record):
                self._owned = {}
                self._is_told = True
            for note in record.notes:
                self._take_in(header.position, note)

    def pass_over(self, tail: Tail) -> None:
        """Records up to `tail` hold commits and nothing else, and were proved otherwise: they need no reading."""
        if tail.position > self.tail.position:
            self.tail = tail
            self.outcomes.skipped(tail.last_ts)

    def claim(self, request_id: bytes, epoch: int = 0) -> Sealed:
        """The record whose acceptance makes this process the owner; `request_id`: 16 bytes, used once.

        `epoch`: at least this one, where the carrier was told already to refuse lower ones.
        """
        require(self._is_told, "J7: what is kept of a journal restates its ranges and its reservation")
        require(not self.is_ended, "X3: nothing follows the end of a journal")
        notes: list[Note] = [Owned(lo, hi, after) for (lo, hi), after in sorted(self._owned.items())]
        notes += [Adopted(journal, position) for journal, position in sorted(self._acquired.items())]
        return claim_record(
            self.tail, max(self.tail.epoch + 1, epoch), self.owner, request_id, notes, self.reserved
        )

    def owner_of(self, claimed: Tail, base: Timestamp = 0, mark: Mark | None = None) -> RangeOwner:
        """The new owner, once `claim` was accepted at `claimed`.

        Its stream begins above `base`, at `mark` (`journal.trimming` allowed it; None: at the beginning).
        Releases before the mark were acquired, in records that are not read again.
        """
        require(claimed.position == self.tail.position + 1, "J1: the claim follows what was read")
        safe = self._safe()
        appender = Appender(claimed.epoch, self.owner, claimed, self.settings.appends)
        owner = RangeOwner(self.journal, appender, safe, base, self.settings)
        for (lo, hi), after in sorted(self._owned.items()):
            owner.ranges.add(lo, hi, max(safe, after), self._floor(max(safe, after)))
        owner.outcomes = self.outcomes
        owner.moves.acquired = dict(self._acquired)
        owner.moves.released = dict(self._released)
        owner.moves.taken = set(self._taken)
        owner.replayed(base, mark)
        return owner

    def _take_in(self, position: Position, note: Note) -> None:
        if isinstance(note, Owned):
            self._owned[note.lo, note.hi] = note.after
        elif isinstance(note, Adopted):
            self._acquired[note.journal] = note.position
        elif isinstance(note, Acquire):
            self._owned[note.lo, note.hi] = note.at
            if note.source == self.journal:
                self._released.pop(note.position, None)
                self._taken.add(note.position)
            else:
                self._acquired[note.source] = note.position
        elif isinstance(note, End):
            self.is_ended = True
        elif isinstance(note, Release):
            self._released[position] = note
            self._cut(note.lo, note.hi)

    def _cut(self, lo: Key, hi: Key) -> None:
        kept: dict[tuple[Key, Key], Timestamp] = {}
        for (start, end), after in self._owned.items():
            if end <= lo or hi <= start:
                kept[start, end] = after
                continue
            if start < lo:
                kept[start, lo] = after
            if end > hi:
                kept[hi, end] = after
        self._owned = kept

    def _safe(self) -> Timestamp:
        """F1: above every time that an earlier epoch used, voted for or promised."""
        return max(self.reserved, self.tail.last_ts) + self.settings.promise

    def _floor(self, after: Timestamp) -> Timestamp:
        """What was committed at or below `after` is not known yet."""
        return after
