"""Who decides on which key, as far as the journals that were read say (AR §1.1, §3.12).

A hint: it may be old, and an owner that is asked about a key that it does not own refuses. So a wrong route
costs a repetition, never an answer.
"""

from collections.abc import Iterable

from journal.crossbar import Announcement
from journal.journal import Entry
from journal.record import Acquire, Checkpoint, Key, Owned, Position, Release


class Routing:
    """See `server.session.coordinator.Routing`. Fed every journal's records, in order per journal."""

    def __init__(self, initial: Iterable[tuple[Key, Key, int]]) -> None:
        """`initial`: (lo, hi, journal) of the ranges that no record names yet; together all keys."""
        self._spans = sorted(initial)
        self._epochs: dict[int, int] = {}
        self._read: dict[int, Position] = {}
        self._places: dict[int, tuple[int, str]] = {}
        """Per journal the epoch and the node of the owner that announced last."""

    @property
    def spans(self) -> list[tuple[Key, Key, int]]:
        """The map: (lo, hi, journal), in order."""
        return list(self._spans)

    def journal_of(self, key: Key) -> int:
        """The journal whose owner decides on `key`."""
        for lo, hi, journal in self._spans:
            if lo <= key < hi:
                return journal
        raise LookupError(key)

    def journals_of(self, lo: Key, hi: Key) -> list[int]:
        """Those whose owners have a part of [lo, hi)."""
        return sorted({journal for start, end, journal in self._spans if start < hi and lo < end})

    def epoch_of(self, journal: int) -> int:
        """The epoch of its present owner."""
        return self._epochs.get(journal, 0)

    def node_of(self, journal: int, epoch: int) -> str | None:
        """Where the owner of `journal` in `epoch` (0: the present one) is; None: not heard of."""
        known = self._places.get(journal)
        return known[1] if known is not None and epoch in (0, known[0]) else None

    def announced(self, node: str, announcement: Announcement) -> None:
        """An owner lives and has told a closed time."""
        journal, epoch = announcement.journal, announcement.epoch
        if epoch >= self._places.get(journal, (0, ""))[0]:
            self._places[journal] = (epoch, node)
        self._epochs[journal] = max(epoch, self._epochs.get(journal, 0))

    def see(self, journal: int, entries: Iterable[Entry]) -> None:
        """Records of `journal`; those that were seen before change nothing."""
        for entry in entries:
            record = entry.record
            if record.header.position <= self._read.get(journal, 0):
                continue
            self._read[journal] = record.header.position
            self._epochs[journal] = max(record.header.epoch, self._epochs.get(journal, 0))
            restates = record.kind == "claim" or any(isinstance(note, Checkpoint) for note in record.notes)
            for note in record.notes:
                if isinstance(note, Acquire) or (restates and isinstance(note, Owned)):
                    self._assign(note.lo, note.hi, journal)
                elif isinstance(note, Release):
                    self._assign(note.lo, note.hi, note.to)

    def _assign(self, lo: Key, hi: Key, journal: int) -> None:
        kept = []
        for start, end, owner in self._spans:
            if start < lo:
                kept.append((start, min(end, lo), owner))
            if end > hi:
                kept.append((max(start, hi), end, owner))
        spans: list[tuple[Key, Key, int]] = []
        for start, end, owner in sorted([*kept, (lo, hi, journal)]):
            if start >= end:
                continue
            if spans and spans[-1][1] == start and spans[-1][2] == owner:
                spans[-1] = (spans[-1][0], end, owner)
            else:
                spans.append((start, end, owner))
        self._spans = spans
