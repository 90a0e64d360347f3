"""A regular expression as the tree that PostgreSQL dissects matches with (regcomp.c: parse, parseqatom).

Every node knows its language in RE2's syntax. Nodes over back references, look-around, \\m and \\M, which RE2
has not, know a superset of theirs and are marked INEXACT: matching verifies them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from server.sql import regex_chars as chars
from server.sql.regex_parse import (
    INFINITY,
    Alternatives,
    Atom,
    Constraint,
    Group,
    Look,
    Piece,
    Reference,
    Set,
    invalid,
)
from server.sql.regex_re2 import Program

LONGER, SHORTER, MIXED, CAPTURES, REFERENCES, INEXACT = 1, 2, 4, 8, 16, 32
_PREFERENCE = LONGER | SHORTER
_MESSY = MIXED | CAPTURES | REFERENCES | INEXACT
_DEPTH = 120
_RE2_REPEAT = 1000
_SOURCE = 200_000
_EXACT = {
    "A": r"\A",
    "Z": r"\z",
    "^": "(?m:^)",
    "$": "(?m:$)",
    "y": r"\b",
    "Y": r"\B",
    "m": r"\b",
    "M": r"\b",
}


def _up(flags: int) -> int:
    """What a parent inherits: a clash of preferences becomes MIXED."""
    mixed = MIXED if flags & LONGER and flags & SHORTER else 0
    return (flags & ~_PREFERENCE) | mixed


def _combine(one: int, other: int) -> int:
    return _up(one | other) | ((one & _PREFERENCE) or (other & _PREFERENCE))


@dataclass(frozen=True, slots=True)
class Source:
    """RE2 syntax, and the largest product of the repetition counts nested in it."""

    text: str = ""
    repeats: int = 1

    def repeated(self, low: int, high: int) -> "Source":
        """x{low,high}; RE2 allows at most 1,000 repetitions in all, beyond that they are written out."""
        if (low, high) == (1, 1):
            return self
        if high == 0:
            return Source()
        body = f"(?:{self.text})"
        suffix = {(0, INFINITY): "*", (1, INFINITY): "+", (0, 1): "?"}.get((low, high))
        if suffix:
            return Source(body + suffix, self.repeats)
        count = max(low, high)
        if self.repeats * count <= _RE2_REPEAT:
            bounds = f"{low}" if low == high else f"{low}," if high == INFINITY else f"{low},{high}"
            return Source(f"{body}{{{bounds}}}", self.repeats * count)
        text = body * low + (body + "*" if high == INFINITY else (body + "?") * (high - low))
        return Source(_checked(text), self.repeats)


def _checked(text: str) -> str:
    if len(text) > _SOURCE:
        raise invalid("regular expression is too complex")
    return text


def _joined(sources: Sequence[Source], separator: str = "") -> Source:
    if len(sources) == 1:
        return sources[0]
    text = separator.join(f"(?:{s.text})" for s in sources if s.text or separator)
    return Source(_checked(text), max((s.repeats for s in sources), default=1))


@dataclass(slots=True)
class Node:
    """One step of a dissection.

    op: `=` a plain language, `.` a concatenation of two, `|` alternatives, `*` an iteration, `(` a capture,
    `b` a back reference, `c` a constraint to verify.
    """

    op: str
    flags: int
    source: Source
    children: "list[Node]" = field(default_factory=list)
    number: int = 0
    low: int = 1
    high: int = 1
    constraint: Look | Constraint | None = None
    depth: int = 0
    captures: tuple[int, ...] = ()
    """The numbers of the captures in it."""
    _program: Program | None = None

    def __post_init__(self) -> None:
        self.depth = 1 + max((child.depth for child in self.children), default=0)
        own = (self.number,) if self.op == "(" else ()
        self.captures = own + tuple(number for child in self.children for number in child.captures)
        if self.depth > _DEPTH:
            raise invalid("regular expression is too complex")

    @property
    def program(self) -> Program:
        """The language, compiled at its first use."""
        if self._program is None:
            self._program = Program(self.source.text)
        return self._program


class Builder:
    """Trees for patterns; `groups` are the languages of the captures that back references name."""

    def __init__(self, captures: bool = True, referenced: Collection[int] = ()) -> None:
        self.captures = captures
        self.referenced = referenced
        self.level = 0
        self.groups: dict[int, Source] = {}

    def alternatives(self, given: Alternatives) -> Node:
        """parse()"""
        nodes = [self._branch(branch) for branch in given.branches]
        if len(nodes) == 1:
            return nodes[0]
        flags = LONGER
        for node in nodes:
            flags |= _up(flags | node.flags)
        source = _joined([node.source for node in nodes], "|")
        return Node("|", flags, source, nodes) if flags & _MESSY else Node("=", flags, source)

    def _branch(self, pieces: Sequence[Piece]) -> Node:
        """parsebranch() with parseqatom(): a plain prefix, a messy piece, the rest."""
        sources: list[Source] = []
        flags = 0
        for index, piece in enumerate(pieces):
            atom = self._atom(pieces, index)
            if piece.high == 0:
                continue
            preference = 0 if piece.greedy is None else LONGER if piece.greedy else SHORTER
            both = flags | preference | atom.flags
            if atom.op not in "(b" and not _up(both) & _MESSY:
                sources.append(atom.source.repeated(piece.low, piece.high))
                flags = both
                continue
            made = self._quantified(piece, atom, preference)
            if index + 1 < len(pieces):
                self.level += 1
                if self.level > _DEPTH:
                    raise invalid("regular expression is too complex")
                rest = self._branch(pieces[index + 1 :])
                self.level -= 1
                start = _combine(preference, atom.flags)
                made = _concatenation(start | _combine(start, rest.flags), made, rest)
            if not sources:
                return made
            prefix = Node("=", flags, _joined(sources))
            return _concatenation(flags | _combine(flags, made.flags), prefix, made)
        return Node("=", flags, _joined(sources))

    def _atom(self, pieces: Sequence[Piece], index: int) -> Node:
        atom = pieces[index].atom
        if isinstance(atom, Set):
            return Node("=", 0, Source(chars.source(atom.members)))
        if isinstance(atom, Constraint):
            source = Source(_EXACT[atom.kind])
            if atom.kind not in "mM" or _beside_word(pieces, index, atom.kind):
                return Node("=", 0, source)
            return Node("c", INEXACT, source, constraint=atom)
        if isinstance(atom, Look):
            return Node("c", INEXACT, Source(), constraint=atom)
        if isinstance(atom, Reference):
            return Node("b", REFERENCES | INEXACT, self.groups[atom.number], number=atom.number)
        inner = self.alternatives(atom.inner)
        if not atom.number:
            return inner
        if atom.number in self.referenced:
            self.groups[atom.number] = Builder(False)._unconstrained(atom.inner, self.groups)
        if not self.captures:
            return inner
        return Node("(", inner.flags | CAPTURES, inner.source, [inner], atom.number)

    def _unconstrained(self, inner: Alternatives, groups: dict[int, Source]) -> Source:
        """A group's language without its constraints: what a reference to it may match."""
        self.groups = groups
        return self.alternatives(_without_constraints(inner)).source

    def _quantified(self, piece: Piece, atom: Node, preference: int) -> Node:
        low, high = piece.low, piece.high
        own = atom.flags & (LONGER | SHORTER | MIXED)
        flags = _combine(preference, atom.flags)
        source = atom.source.repeated(low, high)
        if atom.op == "b":
            return Node("b", atom.flags | flags, source, number=atom.number, low=low, high=high)
        if (low, high) == (1, 1) and (not preference or not own or preference == own):
            return atom
        if not atom.flags & (CAPTURES | REFERENCES | INEXACT):
            return Node("=", flags, source)
        if low > 0 and not atom.flags & REFERENCES:
            return _concatenation(flags, self._before_last(piece, atom, flags), atom)
        return Node("*", flags, source, [atom], low=low, high=high)

    def _before_last(self, piece: Piece, atom: Node, flags: int) -> Node:
        """x{m-1,n-1}, whose captures nobody sees."""
        low, high = piece.low - 1, piece.high if piece.high == INFINITY else piece.high - 1
        source = atom.source.repeated(low, high)
        if high == 0 or not atom.flags & INEXACT:
            return Node("=", flags & _PREFERENCE, source)
        plain = Builder(False)
        plain.groups = self.groups
        bare = plain._atom([Piece(piece.atom)], 0)
        return Node("*", (flags & _PREFERENCE) | INEXACT, source, [bare], low=low, high=high)


def _concatenation(flags: int, left: Node, right: Node) -> Node:
    return Node(".", flags, _joined([left.source, right.source]), [left, right])


def _beside_word(pieces: Sequence[Piece], index: int, kind: str) -> bool:
    """Must what follows \\m begin (what precedes \\M end) with a word character? \\b means the same then."""
    beside = pieces[index + 1 :] if kind == "m" else list(pieces[:index])[::-1]
    return _begins_with_word(beside, kind == "M")


def _begins_with_word(pieces: Sequence[Piece], backwards: bool) -> bool:
    for piece in pieces:
        atom = piece.atom
        if isinstance(atom, Set):
            return piece.low > 0 and chars.within(atom.members, chars.WORD)
        if isinstance(atom, Group):
            return piece.low > 0 and all(
                _begins_with_word(branch[::-1] if backwards else branch, backwards)
                for branch in atom.inner.branches
            )
        return False
    return False


def _without_constraints(given: Alternatives) -> Alternatives:
    def bare(atom: Atom) -> Atom:
        return Group(0, _without_constraints(atom.inner)) if isinstance(atom, Group) else atom

    return Alternatives(
        [
            [
                Piece(bare(piece.atom), piece.low, piece.high, piece.greedy)
                for piece in branch
                if not isinstance(piece.atom, Constraint | Look)
            ]
            for branch in given.branches
        ]
    )
