"""J7: what is trimmed is in every snapshot, was read by all who rebuild, and is restated in what is kept."""

from journal.record import Acquire, Checkpoint, Owned, Release
from tests.sim.checkers.base import Checker, Violation


class Trims(Checker):
    def on_trim(self, journal, first, marks):
        for mark in marks:
            position = dict(mark.positions).get(journal, first)
            if position < first - 1:
                raise Violation(
                    "J7", f"journal {journal} is kept from {first}, a reader resumes at {position}"
                )
        entries = self.history.entries[journal]
        everything, kept = _state(entries), _state(entries[first - 1 :])
        if everything != kept:
            raise Violation("J7", f"journal {journal} from {first} says {kept}, it said {everything}")


def _state(entries):
    """What a successor learns: the reservation, and the ranges as pieces of keys."""
    reserved = 0
    owned = {}
    for record, _hash in entries:
        if record.kind == "claim" or any(isinstance(note, Checkpoint) for note in record.notes):
            owned = {}
        reserved = max(reserved, record.reserved)
        for note in record.notes:
            if isinstance(note, Owned | Acquire):
                owned[note.lo] = note.hi
            elif isinstance(note, Release):
                owned = _without(owned, note.lo, note.hi)
    return reserved, _merged(owned)


def _without(owned, lo, hi):
    left = {}
    for start, end in owned.items():
        if start < lo:
            left[start] = min(end, lo)
        if end > hi:
            left[max(start, hi)] = end
    return left


def _merged(owned):
    merged = []
    for lo, hi in sorted(owned.items()):
        if merged and merged[-1][1] == lo:
            merged[-1] = (merged[-1][0], hi)
        else:
            merged.append((lo, hi))
    return merged
