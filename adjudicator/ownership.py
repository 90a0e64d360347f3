"""Which keys an adjudicator owns, from what time on, and what it knows about them (AR §3.12).

Each owned range has two times. `after`: the previous owner (of the range, or of the journal before a
take-over) may have decided or promised up to it, so this one votes and decides above it only. `floor`: what
was committed at or below it is not known yet, so a transaction that began below is refused; it falls when the
stream of all journals has been read up to `after` (AR §3.5). A split is the release of a part; neighbours with
the same times are merged.
"""

from bisect import bisect_right
from collections.abc import Iterator

import msgspec

from journal.broken import require
from journal.record import TOP, Key, Timestamp


class Range(msgspec.Struct, gc=False):
    """The keys [lo, hi)."""

    lo: Key
    hi: Key
    after: Timestamp
    floor: Timestamp


class Ranges:
    """The ranges of one owner, disjoint and in order."""

    def __init__(self) -> None:
        self._ranges: list[Range] = []
        self.whole: Range | None = None
        """The one range that holds all keys, if it does: then no key need be looked for."""

    def __iter__(self) -> Iterator[Range]:
        return iter(self._ranges)

    def __len__(self) -> int:
        return len(self._ranges)

    def find(self, key: Key) -> Range | None:
        """The range that holds `key`."""
        index = bisect_right(self._ranges, key, key=_lo) - 1
        if index >= 0 and key < self._ranges[index].hi:
            return self._ranges[index]
        return None

    def overlapping(self, lo: Key, hi: Key) -> list[Range]:
        """The ranges that share a key with [lo, hi)."""
        return [each for each in self._ranges if each.lo < hi and lo < each.hi]

    def add(self, lo: Key, hi: Key, after: Timestamp, floor: Timestamp) -> None:
        """Own [lo, hi) from now on; raises `Broken` when a part is owned already (A1)."""
        require(not self.overlapping(lo, hi), "A1: a key is owned once")
        self._ranges.append(Range(lo, hi, after, floor))
        self._tidy()

    def remove(self, lo: Key, hi: Key) -> bool:
        """Own [lo, hi) no more, and split what lies around it; False when it was not owned as a whole."""
        if not covers([(each.lo, each.hi) for each in self._ranges], lo, hi):
            return False
        kept: list[Range] = []
        for each in self._ranges:
            if each.lo < lo:
                kept.append(Range(each.lo, min(each.hi, lo), each.after, each.floor))
            if each.hi > hi:
                kept.append(Range(max(each.lo, hi), each.hi, each.after, each.floor))
        self._ranges = kept
        self._tidy()
        return True

    def rebuilt(self, each: Range, floor: Timestamp) -> None:
        """Everything above `floor` is known of this range (A6: the only way down)."""
        each.floor = floor

    def _tidy(self) -> None:
        self._ranges.sort(key=_lo)
        merged: list[Range] = []
        for each in self._ranges:
            last = merged[-1] if merged else None
            if last and last.hi == each.lo and (last.after, last.floor) == (each.after, each.floor):
                last.hi = each.hi
            else:
                merged.append(each)
        self._ranges = merged
        is_whole = len(merged) == 1 and merged[0].lo == b"" and merged[0].hi >= TOP
        self.whole = merged[0] if is_whole else None


def covers(pieces: list[tuple[Key, Key]], lo: Key, hi: Key) -> bool:
    """Whether the union of `pieces` holds every key of [lo, hi)."""
    for start, end in sorted(pieces):
        if start > lo:
            return False
        lo = max(lo, end)
        if lo >= hi:
            return True
    return lo >= hi


def _lo(each: Range) -> Key:
    return each.lo


__all__ = ["TOP", "Range", "Ranges", "covers"]
