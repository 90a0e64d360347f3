"""RE2: languages matched in time linear in the text (google-re2 is imported here only)."""

import time

import re2
from re2 import _re2

from server.errors import PgError

WORK = 16 << 20
"""Instructions of a program times bytes of text: RE2's worst case is about 10 ns each."""
CPU_S = 0.1
"""Processor time that one call of a function may spend on matching in all."""
_MEMORY = 8 << 20
_PROGRAM = 20_000
_FROM_START = _re2.RE2.Anchor.ANCHOR_START
_WHOLE = _re2.RE2.Anchor.ANCHOR_BOTH
_ANYWHERE = _re2.RE2.Anchor.UNANCHORED


def too_complex() -> PgError:
    """2201B: matching would take too long."""
    return PgError("2201B", "regular expression failed: regular expression is too complex")


class Effort:
    """The processor time of one call, looked at every 64 steps or 64 kB; 2201B when it is used up."""

    __slots__ = ("_end", "_steps")

    def __init__(self) -> None:
        self._steps = 0
        self._end = 0.0

    def step(self, size: int = 0) -> None:
        """Count a step over `size` bytes."""
        self._steps += 1 + (size >> 10)
        if self._steps >= 64:
            self._steps = 0
            now = time.thread_time()
            if not self._end:
                self._end = now + CPU_S
            elif now > self._end:
                raise too_complex()


def _options() -> "re2.Options":
    made = re2.Options()
    made.longest_match = True
    made.never_capture = True
    made.log_errors = False
    made.max_mem = _MEMORY
    return made


_OPTIONS = _options()


class Program:
    """One compiled language over UTF-8; offsets are bytes. Constraints see the text around the range.

    The module's own Python layer over this class costs twice the match itself, so it is left out.
    """

    __slots__ = ("_match", "_most")

    def __init__(self, source: str) -> None:
        program = _re2.RE2(source.encode(), _OPTIONS)
        if not program.ok() or program.ProgramSize() > _PROGRAM:
            raise PgError("2201B", "invalid regular expression: regular expression is too complex")
        self._match = program.Match
        self._most = WORK // (program.ProgramSize() + 1)

    def longest(self, data: bytes, begin: int, limit: int) -> int:
        """The end of the longest match from `begin` that ends at `limit` or before; -1: none."""
        if limit - begin > self._most:
            raise too_complex()
        return self._match(_FROM_START, data, begin, limit)[0][1]  # type: ignore[no-any-return]

    def whole(self, data: bytes, begin: int, end: int) -> bool:
        """Does the range match?"""
        if end - begin > self._most:
            raise too_complex()
        return self._match(_WHOLE, data, begin, end)[0][0] >= 0  # type: ignore[no-any-return]

    def search(self, data: bytes, begin: int) -> tuple[int, int]:
        """The leftmost longest match at or after `begin`; (-1, -1): none.

        RE2 also finds empty matches inside a character; they do not count.
        """
        size = len(data)
        if size - begin > self._most:
            raise too_complex()
        found: tuple[int, int] = self._match(_ANYWHERE, data, begin, size)[0]
        while -1 < found[0] < size and data[found[0]] & 0xC0 == 0x80:
            found = self._match(_ANYWHERE, data, found[0] + 1, size)[0]
        return found

    def shortest(self, data: bytes, begin: int, low: int, high: int, effort: Effort) -> int:
        """The first end from `low` to `high` of a match from `begin`; -1: none.

        The longest match up to a limit tells whether there is one; the limit doubles, then halves.
        """
        if self.longest(data, begin, low) == low:
            return low
        below, step = low, 1
        while True:
            effort.step(below - begin)
            if below >= high:
                return -1
            end = self.longest(data, begin, min(below + step, high))
            if end > below:
                break
            below = min(below + step, high)
            step *= 2
        while end - below > 1:
            effort.step(end - begin)
            middle = (below + end) // 2
            found = self.longest(data, begin, middle)
            if found > below:
                end = found
            else:
                below = middle
        return end
