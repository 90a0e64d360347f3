"""LIKE and ILIKE for text, char(n), name and bytea (PostgreSQL: like.c, like_match.c; chapter 9.7)."""

import re
from collections.abc import Callable
from functools import lru_cache

from server.errors import PgError
from server.sql.fn_text import lower
from server.sql.functions import define, sql

Matcher = Callable[[str], bool]


MAX_WORK = 8 << 20
"""Characters of a text times those of a part with _ inside that is looked for in it."""


class _Segment:
    """What stands between two % signs: literal text with _ around it, or with _ inside too (`pattern`)."""

    __slots__ = ("after", "before", "length", "literal", "pattern")

    def __init__(self, chars: list[str | None]) -> None:
        self.length = len(chars)
        inner = list(chars)
        while inner and inner[-1] is None:
            inner.pop()
        self.after = len(chars) - len(inner)
        self.before = next((i for i, char in enumerate(inner) if char is not None), 0)
        del inner[: self.before]
        self.literal = "".join(char or "" for char in inner)
        text = "".join("." if char is None else re.escape(char) for char in inner)
        self.pattern = re.compile(text, re.DOTALL) if None in inner else None

    def at(self, value: str, start: int) -> bool:
        """Does it stand there?"""
        if len(value) - start < self.length:
            return False
        if self.pattern is None:
            return value.startswith(self.literal, start + self.before)
        return self.pattern.match(value, start + self.before) is not None

    def find(self, value: str, start: int) -> int:
        """The first place from `start` on, or -1; 54000 when looking for it would take too long."""
        if self.pattern is None:
            place = value.find(self.literal, start + self.before, max(len(value) - self.after, 0))
            fits = place >= 0 and place + len(self.literal) + self.after <= len(value)
            return place - self.before if fits else -1
        if (len(value) - start) * self.length > MAX_WORK:
            raise PgError("54000", "LIKE pattern is too complex")
        found = self.pattern.search(value, start + self.before, max(len(value) - self.after, 0))
        return found.start() - self.before if found else -1


def _split(pattern: str) -> tuple[list[_Segment], bool]:
    """The segments between % signs, and whether a lone escape character ends the pattern."""
    segments: list[list[str | None]] = [[]]
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "%":
            segments.append([])
        elif char == "_":
            segments[-1].append(None)
        elif char == "\\":
            if at == len(pattern):
                return [_Segment(chars) for chars in segments], True
            segments[-1].append(pattern[at])
            at += 1
        else:
            segments[-1].append(char)
    return [_Segment(chars) for chars in segments], False


def _match(segments: list[_Segment], value: str) -> bool:
    """Leftmost places suffice for the inner segments; no backtracking."""
    first, last = segments[0], segments[-1]
    if len(segments) == 1:
        return len(value) == first.length and first.at(value, 0)
    if not first.at(value, 0):
        return False
    position = first.length
    for segment in segments[1:-1]:
        position = segment.find(value, position)
        if position < 0:
            return False
        position += segment.length
    start = len(value) - last.length
    return start >= position and last.at(value, start)


@lru_cache(maxsize=1024)
def matcher(pattern: str) -> Matcher:
    """A predicate for a LIKE pattern whose escape character is the backslash."""
    segments, dangling = _split(pattern)
    if dangling:
        return _dangling(segments)
    first = segments[0]
    if len(segments) == 2 and first.length == len(first.literal) and not segments[1].length:
        prefix = first.literal
        return lambda value: value.startswith(prefix)
    return lambda value: _match(segments, value)


def _dangling(segments: list[_Segment]) -> Matcher:
    """A pattern that ends with a lone escape character: 22025 when matching gets there."""
    reaching = (
        [*segments[:-1], _Segment([]), _Segment([])] if len(segments) > 1 else [*segments, _Segment([])]
    )
    inner = [*segments, _Segment([])]

    def run(value: str) -> bool:
        if _match(inner, value) and len(value) > min(len(value), sum(s.length for s in reaching)):
            raise PgError("22025", "LIKE pattern must not end with escape character")
        return False

    return run


def like(value: str, pattern: str) -> bool:
    """% any string, _ any character, the backslash escapes."""
    return matcher(pattern)(value)


def not_like(value: str, pattern: str) -> bool:
    """NOT LIKE"""
    return not matcher(pattern)(value)


def ilike(value: str, pattern: str) -> bool:
    """LIKE without regard to the case of ASCII letters."""
    return matcher(lower(pattern))(lower(value))


def not_ilike(value: str, pattern: str) -> bool:
    """NOT ILIKE"""
    return not ilike(value, pattern)


define(
    """
    1569 like(text,text) bool
    850 textlike(text,text) bool
    1571 like(name,text) bool
    858 namelike(name,text) bool
    1631 bpcharlike(bpchar,text) bool
    """,
    like,
)
define(
    """
    1570 notlike(text,text) bool
    851 textnlike(text,text) bool
    1572 notlike(name,text) bool
    859 namenlike(name,text) bool
    1632 bpcharnlike(bpchar,text) bool
    """,
    not_like,
)
define(
    """
    1633 texticlike(text,text) bool
    1635 nameiclike(name,text) bool
    1660 bpchariclike(bpchar,text) bool
    """,
    ilike,
)
define(
    """
    1634 texticnlike(text,text) bool
    1636 nameicnlike(name,text) bool
    1661 bpcharicnlike(bpchar,text) bool
    """,
    not_ilike,
)


def bytea_like(value: bytes, pattern: bytes) -> bool:
    """LIKE over bytes."""
    return matcher(pattern.decode("latin-1"))(value.decode("latin-1"))


define(
    """
    2007 like(bytea,bytea) bool
    2005 bytealike(bytea,bytea) bool
    """,
    bytea_like,
)
define(
    """
    2008 notlike(bytea,bytea) bool
    2006 byteanlike(bytea,bytea) bool
    """,
    lambda value, pattern: not bytea_like(value, pattern),
)


@sql("1637 like_escape(text,text) text")
def like_escape(pattern: str, escape: str) -> str:
    """The pattern with the backslash as its escape character; 22025."""
    if not escape:
        return pattern.replace("\\", "\\\\")
    if len(escape) > 1:
        raise PgError("22025", "invalid escape string", hint="Escape string must be empty or one character.")
    if escape == "\\":
        return pattern
    made: list[str] = []
    after_escape = False
    for char in pattern:
        if char == escape and not after_escape:
            made.append("\\")
            after_escape = True
        elif char == "\\":
            made.append("\\" if after_escape else "\\\\")
            after_escape = False
        else:
            made.append(char)
            after_escape = False
    return "".join(made)


@sql("2009 like_escape(bytea,bytea) bytea")
def bytea_like_escape(pattern: bytes, escape: bytes) -> bytes:
    """like_escape over bytes."""
    return like_escape(pattern.decode("latin-1"), escape.decode("latin-1")).encode("latin-1")
