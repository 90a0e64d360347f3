"""PostgreSQL's regular expressions (manual, chapter 9.7.3), matched in bounded time (DESIGN §11).

RE2 finds where a match begins and ends; where captures, mixed preferences, back references or look-around ask
for more, the match is dissected as PostgreSQL does it. A few plain shapes, for which Python's `re` gives the
same answer in linear time, take that.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from server.errors import PgError
from server.sql import regex_chars as chars
from server.sql.regex_match import LookTest, Matcher, Span
from server.sql.regex_parse import INFINITY, Alternatives, Constraint, Flags, Parser, Set, invalid
from server.sql.regex_re2 import Effort
from server.sql.regex_tree import INEXACT, SHORTER, Builder

MAX_PATTERN = 10_000
"""Longer patterns are refused (DESIGN §11: limits on unbounded scalar work)."""
MAX_SUBJECT = 4 << 20
_PLAIN_WIDTH = 64


class Found:
    """One match in a text: spans[0] is all of it, then the captures, in characters; (-1, -1): no part of it."""

    __slots__ = ("spans", "text")

    def __init__(self, text: str, spans: list[Span]) -> None:
        self.text = text
        self.spans = spans

    def start(self, group: int = 0) -> int:
        """Offset of the first character; -1."""
        return self.spans[group][0]

    def end(self, group: int = 0) -> int:
        """Offset after the last character; -1."""
        return self.spans[group][1]

    def __getitem__(self, group: int) -> str | None:
        start, end = self.spans[group]
        return self.text[start:end] if start >= 0 else None

    def groups(self) -> list[str | None]:
        """What the captures hold."""
        return [self[group] for group in range(1, len(self.spans))]


class _Text:
    """A text as UTF-8, and its byte offsets as character offsets."""

    __slots__ = ("_byte", "_char", "ascii", "data")

    def __init__(self, value: str) -> None:
        self.data = value.encode()
        self.ascii = len(self.data) == len(value)
        self._byte = self._char = 0

    def chars(self, spans: list[Span]) -> list[Span]:
        """Spans of one match; matches come in ascending order."""
        if self.ascii:
            return spans
        start = spans[0][0]
        self._char += len(self.data[self._byte : start].decode())
        self._byte = start
        first = self._char
        known = {-1: -1, start: first}
        for span in spans:
            for at in span:
                if at not in known:
                    known[at] = first + len(self.data[start:at].decode())
        return [(known[a], known[b]) for a, b in spans]

    def byte(self, char: int) -> int:
        """The offset of a character."""
        if self.ascii:
            return char
        return len(self.data.decode()[:char].encode())

    def after(self, at: int) -> int:
        """The offset of the next character."""
        at += 1
        while at < len(self.data) and self.data[at] & 0xC0 == 0x80:
            at += 1
        return at


class Regex:
    """A compiled pattern."""

    __slots__ = ("_fold", "_looks", "_plain", "_tree", "groups")

    def __init__(self, pattern: str, flags: Flags) -> None:
        parser = Parser(pattern, flags)
        parsed = parser.run()
        self._fold = parser.flags.ignore_case
        self.groups = parser.groups
        self._looks: dict[int, LookTest] = {}
        self._tree = Builder(True, parser.referenced).alternatives(parsed)
        plain = _plain(parsed) if not self.groups else None
        self._plain = re.compile(plain) if plain is not None else None
        if self._plain is None:
            _ = self._tree.program

    def matches(self, value: str) -> bool:
        """Is there a match?"""
        if self._plain is not None:
            return self._plain.search(value) is not None
        data = _checked(value).encode()
        if self._tree.flags & INEXACT:
            return self._matcher(data, Effort()).find(0) is not None
        return self._tree.program.search(data, 0)[0] >= 0

    def search(self, value: str) -> Found | None:
        """The first match."""
        return next(self.finditer(value), None)

    def finditer(self, value: str, start: int = 0, sliced: bool = False) -> Iterator[Found]:
        """The matches from character `start` on; after an empty one the search goes on one further.

        `sliced`: whoever takes them lets others work meanwhile, so only a single match is limited in time.
        """
        _checked(value)
        if self._plain is not None:
            return self._plainly(self._plain, value, start, sliced)
        return self._each(value, start, sliced)

    def replaced(self, value: str, new: str, count: int) -> str | None:
        """The first `count` matches (0: all) replaced by a fixed text; None: not that simple."""
        if self._plain is None:
            return None
        return self._plain.sub(lambda _: new, value, count)

    def split(self, value: str) -> list[str] | None:
        """The pieces between matches; None: not that simple."""
        if self._plain is None or self._plain.match("") is not None:
            return None
        return self._plain.split(value)

    def _plainly(self, plain: "re.Pattern[str]", value: str, start: int, sliced: bool) -> Iterator[Found]:
        effort = Effort()
        for found in plain.finditer(value, start):
            if not sliced:
                effort.step()
            yield Found(value, [found.span()])

    def _each(self, value: str, start: int, sliced: bool) -> Iterator[Found]:
        text = _Text(value)
        effort = Effort()
        at = text.byte(start)
        simple = self._tree.op == "=" and not self._tree.flags & SHORTER and not self.groups
        while at <= len(text.data):
            effort.step(len(text.data) - at)
            spans: list[Span] | None
            if simple:
                spans = [self._tree.program.search(text.data, at)]
                if spans[0][0] < 0:
                    return
            else:
                spans = self._matcher(text.data, effort).find(at)
                if spans is None:
                    return
            begin, end = spans[0]
            yield Found(value, text.chars(spans))
            at = end if end > begin else text.after(end)
            if sliced:
                effort = Effort()

    def _matcher(self, data: bytes, effort: Effort) -> Matcher:
        return Matcher(self._tree, self.groups, self._fold, data, effort, self._looks)


def _checked(value: str) -> str:
    """54000 for subjects beyond the limit."""
    if len(value) > MAX_SUBJECT:
        raise PgError("54000", "string is too long for a regular expression")
    return value


def _plain(parsed: Alternatives) -> str | None:
    """Python's syntax for a sequence of sets of fixed length whose last may repeat, perhaps after ^.

    Nothing in it can be divided in two ways, so `re` neither backtracks nor differs from POSIX.
    """
    if len(parsed.branches) != 1:
        return None
    pieces = parsed.branches[0]
    made: list[str] = []
    width = 0
    for index, piece in enumerate(pieces):
        atom = piece.atom
        if isinstance(atom, Constraint) and atom.kind == "A" and not index:
            made.append(r"\A")
            continue
        if not isinstance(atom, Set) or not atom.members or piece.greedy is False:
            return None
        last = index == len(pieces) - 1
        width += max(piece.low, 0 if piece.high == INFINITY else piece.high)
        if width > _PLAIN_WIDTH or (piece.low != piece.high and not last):
            return None
        made.append(chars.python_source(atom.members))
        if piece.low != piece.high or piece.low != 1:
            made.append(f"{{{piece.low},{'' if piece.high == INFINITY else piece.high}}}")
    return "".join(made)


@lru_cache(maxsize=512)
def compiled(pattern: str, options: str = "") -> Regex:
    """The pattern under option letters; 2201B, 22023."""
    flags = Flags()
    for letter in options:
        if not flags.set(letter):
            raise PgError("22023", f'invalid regular expression option: "{letter}"')
    if len(pattern) > MAX_PATTERN:
        raise invalid("regular expression is too complex")
    return Regex(pattern, flags)
