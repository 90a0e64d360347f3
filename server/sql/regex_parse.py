"""The parser of PostgreSQL's regular expressions (regcomp.c, regc_lex.c; manual, chapter 9.7.3)."""

import re
from dataclasses import dataclass, field

from server.errors import PgError
from server.sql import regex_chars as chars
from server.sql.regex_chars import Ranges

INFINITY = -1
"""The upper bound of *, + and {m,}."""
_REPEAT_MAX = 255
_NESTING = 100
_ESCAPES = {"a": 7, "b": 8, "B": 92, "e": 27, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_CONSTRAINTS = "AmMyYZ"
_SPACE = " \t\n\r\f\v"


def invalid(reason: str) -> PgError:
    """2201B"""
    return PgError("2201B", f"invalid regular expression: {reason}")


@dataclass(slots=True)
class Flags:
    """Embedded or given options (table 9.24)."""

    ignore_case: bool = False
    dots: bool = False
    """`.` and bracket complements stop at newlines."""
    anchors: bool = False
    """^ and $ match at newlines."""
    expanded: bool = False
    form: str = "advanced"
    """advanced, extended, basic or literal."""

    def set(self, letter: str) -> bool:
        """One option letter; False: there is none of that name."""
        if letter in "ic":
            self.ignore_case = letter == "i"
        elif letter in "nms":
            self.dots = self.anchors = letter != "s"
        elif letter == "p":
            self.dots, self.anchors = True, False
        elif letter == "w":
            self.dots, self.anchors = False, True
        elif letter in "xt":
            self.expanded = letter == "x"
        elif letter in "qbe":
            self.form = {"q": "literal", "b": "basic", "e": "extended"}[letter]
        else:
            return False
        return True


@dataclass(slots=True)
class Set:
    """One character out of a set."""

    members: Ranges


@dataclass(slots=True)
class Constraint:
    """`A` start, `Z` end, `^` and `$` of lines, and m M y Y at words."""

    kind: str


@dataclass(slots=True)
class Look:
    """(?=...), (?!...), (?<=...), (?<!...)."""

    ahead: bool
    negative: bool
    inner: "Alternatives"


@dataclass(slots=True)
class Group:
    """Parentheses; number 0: they capture nothing."""

    number: int
    inner: "Alternatives"


@dataclass(slots=True)
class Reference:
    """A back reference."""

    number: int


Atom = Set | Constraint | Look | Group | Reference


@dataclass(slots=True)
class Piece:
    """An atom and its quantifier; `greedy` None: the atom's own preference."""

    atom: Atom
    low: int = 1
    high: int = 1
    greedy: bool | None = None


@dataclass(slots=True)
class Alternatives:
    """Branches of pieces."""

    branches: list[list[Piece]] = field(default_factory=list)


class Parser:
    """One pass over the pattern."""

    def __init__(self, pattern: str, flags: Flags) -> None:
        self.text = pattern
        self.flags = flags
        self.at = 0
        self.groups = 0
        self.closed: set[int] = set()
        self.referenced: set[int] = set()
        """Groups that a back reference names."""
        self.looks = 0
        self.depth = 0

    def run(self) -> Alternatives:
        """The pattern as a tree; 2201B."""
        if self.flags.form == "advanced":
            self._directors()
        if self.flags.form == "literal":
            return Alternatives([[Piece(self._one(ord(char))) for char in self.text[self.at :]]])
        made = self._alternatives(False)
        if self.at < len(self.text):
            raise invalid("parentheses () not balanced")
        return made

    def _directors(self) -> None:
        """***= , ***: and embedded options."""
        if self.text.startswith("***") and len(self.text) > 3:
            self.at = 4
            if self.text[3] == "=":
                self.flags = Flags(self.flags.ignore_case, form="literal")
                return
            if self.text[3] != ":":
                raise invalid(
                    "invalid regexp (reg version 0.8)"
                    if self.text[3] == "?"
                    else "quantifier operand invalid"
                )
        found = re.compile(r"\(\?([a-zA-Z]+)(\))?").match(self.text, self.at)
        if found:
            if not all(self.flags.set(letter) for letter in found[1]) or not found[2]:
                raise invalid("invalid embedded option")
            self.at = found.end()
            if self.flags.form == "literal":
                self.flags = Flags(self.flags.ignore_case, form="literal")

    def _see(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _one(self, char: int) -> Set:
        members: Ranges = ((char, char),)
        return Set(chars.both_cases(members) if self.flags.ignore_case else members)

    def _alternatives(self, inside: bool) -> Alternatives:
        self.depth += 1
        if self.depth > _NESTING:
            raise invalid("regular expression is too complex")
        made = Alternatives([self._branch(inside)])
        while self.flags.form != "basic" and self._peek() == "|":
            self.at += 1
            made.branches.append(self._branch(inside))
        self.depth -= 1
        return made

    def _branch(self, inside: bool) -> list[Piece]:
        pieces: list[Piece] = []
        start = True
        while True:
            self._skip()
            if self.at >= len(self.text) or self._ends(inside):
                return pieces
            piece = self._basic_piece(start) if self.flags.form == "basic" else self._piece()
            start = start and isinstance(piece.atom, Constraint)
            pieces.append(piece)

    def _ends(self, inside: bool) -> bool:
        if self.flags.form == "basic":
            if self._see("\\)") and not inside:
                raise invalid("parentheses () not balanced")
            return self._see("\\)")
        if self._peek() == ")" and not inside and self.flags.form == "advanced":
            raise invalid("parentheses () not balanced")
        return self._peek() == "|" or (inside and self._peek() == ")")

    def _skip(self) -> None:
        """White space and comments of the expanded form, and (?#...)."""
        while self.at < len(self.text):
            if self.flags.expanded and self._peek() in _SPACE:
                self.at += 1
            elif self.flags.expanded and self._peek() == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.flags.form == "advanced" and self._see("(?#"):
                end = self.text.find(")", self.at)
                self.at = len(self.text) if end < 0 else end + 1
            else:
                return

    def _piece(self) -> Piece:
        atom = self._atom()
        self._skip()
        if isinstance(atom, Constraint | Look):
            return Piece(atom)
        return self._quantified(atom)

    def _quantified(self, atom: Atom) -> Piece:
        char = self._peek()
        if char and char in "*+?":
            self.at += 1
            low, high = {"*": (0, INFINITY), "+": (1, INFINITY), "?": (0, 1)}[char]
            return Piece(atom, low, high, self._greedy())
        if char == "{" and self._starts_bound():
            self.at += 1
            return self._bounds(atom, "}")
        return Piece(atom)

    def _greedy(self) -> bool:
        if self.flags.form == "advanced" and self._peek() == "?":
            self.at += 1
            return False
        return True

    def _starts_bound(self) -> bool:
        at = self.at + 1
        while self.flags.expanded and self.text[at : at + 1] in _SPACE and at < len(self.text):
            at += 1
        return self.text[at : at + 1].isdigit() and self.text[at].isascii()

    def _bounds(self, atom: Atom, closing: str) -> Piece:
        low = high = self._count()
        several = self._peek() == ","
        if several:
            self.at += 1
            high = self._count() if self._peek() and self._peek() in "0123456789" else INFINITY
            if high != INFINITY and low > high:
                raise invalid("invalid repetition count(s)")
        if not self._peek():
            raise invalid("braces {} not balanced")
        if not self._see(closing):
            raise invalid("invalid repetition count(s)")
        self.at += len(closing)
        greedy = self._greedy()
        return Piece(atom, low, high, greedy if several else None)

    def _count(self) -> int:
        found = re.compile(r"[0-9]+").match(self.text, self.at)
        if found is None:
            raise invalid("invalid repetition count(s)" if self._peek() else "braces {} not balanced")
        if len(found[0]) > 3 + len(found[0]) - len(found[0].lstrip("0")) or int(found[0]) > _REPEAT_MAX:
            raise invalid("invalid repetition count(s)")
        self.at = found.end()
        return int(found[0])

    def _atom(self) -> Atom:
        char = self._peek()
        if char in "*+?" or (char == "{" and self._starts_bound()):
            raise invalid("quantifier operand invalid")
        if char == "[":
            return self._bracket()
        if char == "(":
            return self._group()
        self.at += 1
        if char == "\\":
            return self._escape()
        if char == ".":
            return Set(chars.complement(chars.NEWLINE) if self.flags.dots else chars.EVERYTHING)
        if char in "^$":
            return Constraint(char if self.flags.anchors else "A" if char == "^" else "Z")
        return self._one(ord(char))

    def _basic_piece(self, start: bool) -> Piece:
        """A piece of a basic RE, where \\( \\) \\{ \\} are special and * only after an atom."""
        char = self._peek()
        at_end = self.at + 1 == len(self.text) or self.text.startswith("\\)", self.at + 1)
        if (char == "^" and start) or (char == "$" and at_end):
            self.at += 1
            return Piece(Constraint(char if self.flags.anchors else "A" if char == "^" else "Z"))
        atom: Atom
        if char == "[":
            atom = self._bracket()
        elif self._see("\\("):
            self.at += 2
            atom = self._capture()
        elif char == "*" and not start:
            raise invalid("quantifier operand invalid")
        elif char == "\\":
            self.at += 1
            atom = self._basic_escape()
        else:
            self.at += 1
            atom = (
                self._one(ord(char))
                if char != "."
                else Set(chars.complement(chars.NEWLINE) if self.flags.dots else chars.EVERYTHING)
            )
        if isinstance(atom, Constraint):
            return Piece(atom)
        if self._peek() == "*":
            self.at += 1
            return Piece(atom, 0, INFINITY, True)
        if self._see("\\{"):
            self.at += 2
            return self._bounds(atom, "\\}")
        return Piece(atom)

    def _basic_escape(self) -> Atom:
        char = self._peek()
        self.at += 1
        if not char:
            raise invalid("invalid escape \\ sequence")
        if char in "<>":
            return Constraint("m" if char == "<" else "M")
        if char in "{}":
            raise invalid("quantifier operand invalid")
        if char in "123456789":
            return self._reference(int(char))
        return self._one(ord(char))

    def _group(self) -> Atom:
        if self.flags.form == "advanced" and self._see("(?"):
            for opening in ("(?:", "(?=", "(?!", "(?<=", "(?<!"):
                if self._see(opening):
                    self.at += len(opening)
                    if opening == "(?:":
                        return Group(0, self._close(")"))
                    self.looks += 1
                    inner = self._close(")")
                    self.looks -= 1
                    return Look("<" not in opening, "!" in opening, inner)
            raise invalid("quantifier operand invalid")
        self.at += 1
        return self._capture()

    def _capture(self) -> Group:
        number = 0
        if not self.looks:
            self.groups += 1
            number = self.groups
        group = Group(number, self._close("\\)" if self.flags.form == "basic" else ")"))
        self.closed.add(number)
        return group

    def _close(self, closing: str) -> Alternatives:
        inner = self._alternatives(True)
        if not self._see(closing):
            raise invalid("parentheses () not balanced")
        self.at += len(closing)
        return inner

    def _escape(self) -> Atom:
        if self.at >= len(self.text):
            raise invalid("invalid escape \\ sequence")
        char = self._peek()
        if self.flags.form == "extended":
            self.at += 1
            return self._one(ord(char))
        if char in _CONSTRAINTS:
            self.at += 1
            return Constraint(char)
        if char in "123456789":
            found = re.compile("[0-9]+").match(self.text, self.at)
            if found and (len(found[0]) == 1 or int(found[0][:9]) <= self.groups):
                self.at = found.end()
                return self._reference(int(found[0]))
        members = self._shorthand()
        return Set(members) if members is not None else self._one(self._character())

    def _reference(self, number: int) -> Reference:
        if self.looks or number not in self.closed:
            raise invalid("invalid backreference number")
        self.referenced.add(number)
        return Reference(number)

    def _shorthand(self) -> Ranges | None:
        """\\d and its like, after the backslash."""
        char = self._peek()
        members = chars.SHORTHANDS.get(char.lower()) if char.isascii() else None
        if members is None:
            return None
        self.at += 1
        return chars.complement(members) if char.isupper() else members

    def _character(self) -> int:
        """The code point that an escape means; `at` is after the backslash."""
        char = self._peek()
        self.at += 1
        if char in _ESCAPES:
            return _ESCAPES[char]
        if char == "c" and self.at < len(self.text):
            self.at += 1
            return ord(self.text[self.at - 1]) & 31
        digits = {"x": r"[0-9a-fA-F]+", "u": r"[0-9a-fA-F]{4}", "U": r"[0-9a-fA-F]{8}"}.get(char)
        if digits is not None:
            found = re.compile(digits).match(self.text, self.at)
            if found is None or len(found[0].lstrip("0")) > 6 or int(found[0], 16) > 0x10FFFF:
                raise invalid("invalid escape \\ sequence")
            self.at = found.end()
            return int(found[0], 16)
        if char in "01234567":
            found = re.compile("[0-7]{1,3}").match(self.text, self.at - 1)
            assert found is not None
            octal = found[0] if int(found[0], 8) < 256 else found[0][:-1]
            self.at += len(octal) - 1
            return int(octal, 8)
        if char.isalnum() and char.isascii():
            raise invalid("invalid escape \\ sequence")
        return ord(char)

    def _bracket(self) -> Atom:
        """[...] with classes, equivalence classes, collating elements and escapes."""
        for word, kind in (("[[:<:]]", "m"), ("[[:>:]]", "M")):
            if self._see(word):
                self.at += len(word)
                return Constraint(kind)
        self.at += 1
        negated = self._peek() == "^"
        self.at += negated
        pairs: list[tuple[int, int]] = []
        start = self.at
        while self._peek() != "]" or self.at == start:
            if self.at >= len(self.text):
                raise invalid("brackets [] not balanced")
            pairs += self._member(self.at == start)
        self.at += 1
        members = chars.ranges(pairs)
        if self.flags.ignore_case:
            members = chars.both_cases(members)
        if negated:
            members = chars.complement(
                chars.ranges((*members, *chars.NEWLINE)) if self.flags.dots else members
            )
        return Set(members)

    def _member(self, first: bool) -> Ranges:
        if self._peek() == "-" and not first and not self._see("-]"):
            raise invalid("invalid character range")
        low = self._element()
        if not isinstance(low, int):
            return low
        if self._peek() != "-" or self._see("-]"):
            return ((low, low),)
        self.at += 1
        if self.at >= len(self.text):
            raise invalid("brackets [] not balanced")
        high = self._element()
        if not isinstance(high, int) or low > high:
            raise invalid("invalid character range")
        return ((low, high),)

    def _element(self) -> int | Ranges:
        """One code point, or a whole class."""
        for opening in ("[:", "[.", "[="):
            if self._see(opening):
                end = self.text.find(opening[1] + "]", self.at + 2)
                if end < 0:
                    raise invalid("brackets [] not balanced")
                name, self.at = self.text[self.at + 2 : end], end + 2
                if opening == "[:":
                    return self._class(name)
                named = chars.COLLATING.get(name, name)
                if len(named) != 1:
                    raise invalid("invalid collating element")
                return ord(named) if opening == "[." else ((ord(named), ord(named)),)
        char = self._peek()
        self.at += 1
        if char != "\\" or self.flags.form != "advanced":
            return ord(char)
        if self.at >= len(self.text):
            raise invalid("invalid escape \\ sequence")
        members = self._shorthand()
        if members is not None:
            return members
        if self._peek() in _CONSTRAINTS or self._peek() in "123456789":
            raise invalid("invalid escape \\ sequence")
        return self._character()

    def _class(self, name: str) -> Ranges:
        if name not in chars.CLASSES:
            raise invalid("invalid character class")
        if self.flags.ignore_case and name in ("lower", "upper"):
            name = "alpha"
        return chars.CLASSES[name]
