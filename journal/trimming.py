"""How far each of several journals may be trimmed (J7).

Below a position of a journal everything can go once

    every reader resumes behind it: snapshots of all shards, and the mark from which owners rebuild;
    a later record, a claim or a checkpoint, repeats the ranges and the reservation in force, for a successor
    that reads only what is kept would otherwise not know how high its predecessor may have voted;
    no release stands there that nobody has acquired; and no acquisition whose release is kept, or its giver's
    successor would believe the range on its way.
"""

from collections.abc import Sequence

from journal.crossbar import Mark
from journal.journal import Entry
from journal.record import Acquire, Position, Release, restates


class Trimming:
    """Sees every record of every journal, once and in order per journal."""

    def __init__(self) -> None:
        self._restated: dict[int, Position] = {}
        self._open: dict[tuple[int, Position], None] = {}
        """Releases (journal, position) that were not acquired."""
        self._taken: dict[tuple[int, Position], None] = {}
        """Releases whose acquisition was seen first."""
        self._acquisitions: dict[tuple[int, Position], tuple[int, Position]] = {}
        """(journal, position) -> the release."""
        self._kept_from: dict[int, Position] = {}

    def may_rebuild_from(self, mark: Mark) -> bool:
        """Whether owners may rebuild from `mark`: every move lies wholly before it or wholly behind it.

        Not while a release waits for its acquisition, and not when `mark` parts the two.
        """
        if self._open:
            return False
        positions = dict(mark.positions)
        return not any(
            position <= positions.get(owner, position) and released > positions.get(source, released)
            for (owner, position), (source, released) in self._acquisitions.items()
        )

    def see(self, journal: int, entry: Entry) -> None:
        """The next record of `journal`."""
        record = entry.record
        position = record.header.position
        if restates(record):
            self._restated[journal] = position
        for note in record.notes:
            if isinstance(note, Release):
                if self._taken.pop((journal, position), self) is self:
                    self._open[journal, position] = None
            elif isinstance(note, Acquire):
                release = (note.source, note.position)
                self._acquisitions[journal, position] = release
                if self._open.pop(release, self) is self:
                    self._taken[release] = None

    def restated(self, journal: int) -> Position:
        """The last position of `journal` that restates its ranges; 0: none was seen."""
        return self._restated.get(journal, 0)

    def upto(self, journal: int, marks: Sequence[Mark]) -> Position:
        """The last position of `journal` that may go; `marks`: where readers resume."""
        bounds = [self._restated.get(journal, 1) - 1]
        bounds += [dict(mark.positions).get(journal, 0) for mark in marks]
        bounds += [position - 1 for owner, position in self._open if owner == journal]
        for (owner, position), (source, released) in self._acquisitions.items():
            if owner == journal and released >= self._kept_from.get(source, 1):
                bounds.append(position - 1)
        return min(bounds)

    def trimmed(self, journal: int, first: Position) -> None:
        """`journal` is kept from `first` on."""
        self._kept_from[journal] = first
        for place in [each for each in self._acquisitions if each[0] == journal and each[1] < first]:
            del self._acquisitions[place]
