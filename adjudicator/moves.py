"""Ranges on their way from one owner to another, so that none is lost or owned twice (AR §3.12).

    journal a    ... Release(R, at, to b) at position p      from here on a decides nothing on R
    journal b    ... Acquire(R, at, from a, p)               from here on b does, above `at`

Both halves are notes in journals, and whoever reads them again (after a take-over, or because the stream is
replayed) must not act twice: `acquired` says per journal up to which release this owner has acted, `taken`
which of its own releases found a taker. A journal may end before it has acquired what was released to it.
Its End is its last word, so whoever released the range then takes it back.
"""

from journal.record import Acquire, Note, Position, Release


class Moves:
    """The moves of one owner; hands back what it must append."""

    def __init__(self, journal: int) -> None:
        self._journal = journal
        self.acquired: dict[int, Position] = {}
        """Per journal, the last release to this one that was acquired or is being acquired."""
        self.released: dict[Position, Release] = {}
        """Releases in this journal that nobody is known to have acquired."""
        self.taken: set[Position] = set()
        """Those that somebody did."""
        self.is_closing = False
        """The End of this journal is on its way: nothing may follow it, so nothing is acquired any more."""
        self._ended: set[int] = set()
        self._pending = 0
        """Releases and acquisitions that are not durable yet."""

    @property
    def is_busy(self) -> bool:
        """Whether anything comes or goes."""
        return bool(self.released) or self._pending > 0

    def may_go_to(self, journal: int) -> bool:
        """Whether a range can be released to `journal`, as far as is known."""
        return journal != self._journal and journal not in self._ended

    def begin(self) -> None:
        """A release is handed to the appender."""
        self._pending += 1

    def durable(self, position: Position, note: Note) -> list[Acquire]:
        """A note of this owner's own is in its journal."""
        if isinstance(note, Release | Acquire):
            self._pending -= 1
        return self.read(self._journal, position, note) if isinstance(note, Release) else []

    def read(self, journal: int, position: Position, note: Note) -> list[Acquire]:
        """A note in any journal, perhaps once more."""
        if isinstance(note, Acquire) and note.source == self._journal:
            self.taken.add(note.position)
            self.released.pop(note.position, None)
        elif isinstance(note, Release) and note.to == self._journal:
            if position > self.acquired.get(journal, 0) and not self.is_closing:
                self.acquired[journal] = position
                return [self._acquire(journal, position, note)]
        elif isinstance(note, Release) and journal == self._journal and position not in self.taken:
            self.released[position] = note
            if note.to in self._ended:
                return self.take_back(note.to)
        return []

    def resume(self, behind: Position) -> None:
        """The stream begins behind position `behind` of this journal: releases up to it have found a taker."""
        for position in [each for each in self.released if each <= behind]:
            del self.released[position]
            self.taken.add(position)

    def end(self, journal: int) -> list[Acquire]:
        """`journal` has ended, and everything in it was read."""
        self._ended.add(journal)
        return self.take_back(journal)

    def take_back(self, ended: int) -> list[Acquire]:
        """F2: what was released to a journal that has ended, and was not acquired, never will be."""
        back = [(position, note) for position, note in sorted(self.released.items()) if note.to == ended]
        for position, _note in back:
            del self.released[position]
            self.taken.add(position)
        return [self._acquire(self._journal, position, note) for position, note in back]

    def _acquire(self, source: int, position: Position, note: Release) -> Acquire:
        self._pending += 1
        return Acquire(note.lo, note.hi, note.at, source, position)
