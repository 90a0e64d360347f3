"""POSIX advanced regular expressions as Python's `re` (PostgreSQL, chapter 9.7.3).

Python's matcher takes the first alternative that fits, POSIX the longest match; patterns whose alternatives
are prefixes of each other can therefore match shorter here.
"""

import re
from functools import lru_cache

from server.errors import PgError

MAX_PATTERN = 10_000
"""Longer patterns are refused (DESIGN §11: limits on unbounded scalar work)."""
MAX_SUBJECT = 4 << 20
_REPEAT_MAX = 255
_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": " \\t\\n\\r\\f\\v",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_SHORTHANDS = {"d": "0-9", "s": " \\t\\n\\r\\f\\v", "w": "0-9A-Za-z_"}
_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "B": "\\",
    "e": "\033",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "0": "\0",
}
_WORD = "[0-9A-Za-z_]"
_CONSTRAINTS = {
    "A": r"\A",
    "m": f"(?<!{_WORD})(?={_WORD})",
    "M": f"(?<={_WORD})(?!{_WORD})",
    "y": f"(?:(?<!{_WORD})(?={_WORD})|(?<={_WORD})(?!{_WORD}))",
    "Y": f"(?:(?<!{_WORD})(?!{_WORD})|(?<={_WORD})(?={_WORD}))",
    "Z": r"\Z",
}
_COLLATING = {
    "space": " ",
    "tab": "\t",
    "newline": "\n",
    "hyphen": "-",
    "period": ".",
    "comma": ",",
    "NUL": "\0",
}


def invalid(reason: str) -> PgError:
    """2201B"""
    return PgError("2201B", f"invalid regular expression: {reason}")


class Flags:
    """Embedded or given options: i, n (newline-sensitive), p, w, x, q, b, e."""

    __slots__ = ("anchors", "basic", "dots", "expanded", "ignore_case", "literal")

    def __init__(self) -> None:
        self.ignore_case = False
        self.dots = False
        """`.` and bracket complements stop at newlines."""
        self.anchors = False
        """^ and $ match at newlines."""
        self.expanded = False
        self.literal = False
        self.basic = False

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
            self.literal, self.basic = letter == "q", letter == "b"
        else:
            return False
        return True


class _Translator:
    """One pass over the pattern."""

    def __init__(self, pattern: str, flags: Flags) -> None:
        self.text = pattern
        self.flags = flags
        self.at = 0
        self.groups = 0
        self.open: list[int] = []
        self.closed: set[int] = set()

    def run(self) -> str:
        """The pattern for `re`; 2201B."""
        self._directors()
        if self.flags.literal:
            return re.escape(self.text[self.at :])
        made = self._alternatives(0)
        if self.at < len(self.text):
            raise invalid("parentheses () not balanced")
        return made

    def _directors(self) -> None:
        """***= , ***: and embedded options."""
        if self.text.startswith("***="):
            self.at, self.flags.literal = 4, True
            return
        if self.text.startswith("***:"):
            self.at = 4
        elif self.text.startswith("***"):
            raise invalid("quantifier operand invalid")
        found = re.compile(r"\(\?([a-zA-Z]+)\)").match(self.text, self.at)
        if found:
            for letter in found[1]:
                if not self.flags.set(letter):
                    raise invalid("invalid embedded option")
            self.at = found.end()

    def _alternatives(self, depth: int) -> str:
        branches = [self._branch(depth)]
        while self.text[self.at : self.at + 1] == "|":
            self.at += 1
            branches.append(self._branch(depth))
        return "|".join(branches)

    def _branch(self, depth: int) -> str:
        parts: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "|" or (char == ")" and depth):
                break
            if self.flags.expanded and self._skip_expanded():
                continue
            parts.append(self._piece(depth))
        return "".join(parts)

    def _skip_expanded(self) -> bool:
        char = self.text[self.at]
        if char in " \t\n\r\f\v":
            self.at += 1
            return True
        if char == "#":
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end + 1
            return True
        return False

    def _piece(self, depth: int) -> str:
        atom, quantifiable = self._atom(depth)
        if not atom:
            return ""
        quantifier = self._quantifier()
        if not quantifier:
            return atom
        if not quantifiable:
            raise invalid("quantifier operand invalid")
        if self._quantifier():
            raise invalid("quantifier operand invalid")
        return (
            f"(?:{atom}){quantifier}"
            if len(atom) > 1 and not atom.startswith(("(", "["))
            else atom + quantifier
        )

    def _quantifier(self) -> str:
        rest = self.text[self.at : self.at + 1]
        if rest and rest in "*+?":
            self.at += 1
            made = rest
        elif rest == "{" and self.text[self.at + 1 : self.at + 2].isdigit():
            made = self._bounds()
        else:
            return ""
        if self.text[self.at : self.at + 1] == "?":
            self.at += 1
            made += "?"
        return made

    def _bounds(self) -> str:
        found = re.compile(r"\{(\d+)(,(\d*))?\}").match(self.text, self.at)
        if found is None:
            end = self.text.find("}", self.at)
            raise invalid("braces {} not balanced" if end < 0 else "invalid repetition count(s)")
        low, high = int(found[1]), int(found[3]) if found[3] else None
        if low > _REPEAT_MAX or (high is not None and (high > _REPEAT_MAX or high < low)):
            raise invalid("invalid repetition count(s)")
        self.at = found.end()
        return found[0]

    def _atom(self, depth: int) -> tuple[str, bool]:
        """The translation, and whether a quantifier may follow."""
        char = self.text[self.at]
        if char in "*+?" or (char == "{" and self.text[self.at + 1 : self.at + 2].isdigit()):
            raise invalid("quantifier operand invalid")
        if char == "[":
            word = self.text[self.at : self.at + 7]
            if word in ("[[:<:]]", "[[:>:]]"):
                self.at += 7
                return _CONSTRAINTS["m" if word[3] == "<" else "M"], False
            return self._bracket(), True
        if char == "(":
            return self._group(depth)
        self.at += 1
        if char == "\\":
            return self._escape()
        if char == ".":
            return ("[^\\n]" if self.flags.dots else "[\\s\\S]"), True
        if char == "^":
            return ("(?:^)" if not self.flags.anchors else "(?m:^)"), False
        if char == "$":
            return (r"\Z" if not self.flags.anchors else "(?m:$)"), False
        return re.escape(char), True

    def _group(self, depth: int) -> tuple[str, bool]:
        for opening in ("(?:", "(?=", "(?!", "(?<=", "(?<!"):
            if self.text.startswith(opening, self.at):
                self.at += len(opening)
                return self._close(opening, depth, 0)
        if self.text.startswith("(?#", self.at):
            end = self.text.find(")", self.at)
            if end < 0:
                raise invalid("parentheses () not balanced")
            self.at = end + 1
            return "", False
        if self.text.startswith("(?", self.at):
            raise invalid("quantifier operand invalid")
        self.at += 1
        self.groups += 1
        return self._close("(", depth, self.groups)

    def _close(self, opening: str, depth: int, number: int) -> tuple[str, bool]:
        inner = self._alternatives(depth + 1)
        if self.text[self.at : self.at + 1] != ")":
            raise invalid("parentheses () not balanced")
        self.at += 1
        if number:
            self.closed.add(number)
        return f"{opening}{inner})", opening in ("(", "(?:")

    def _escape(self) -> tuple[str, bool]:
        if self.at >= len(self.text):
            raise invalid("invalid escape \\ sequence")
        char = self.text[self.at]
        self.at += 1
        if char.lower() in _SHORTHANDS and char in "dswDSW":
            return f"[{'^' if char.isupper() else ''}{_SHORTHANDS[char.lower()]}]", True
        if char in _CONSTRAINTS:
            return _CONSTRAINTS[char], False
        if char in "123456789":
            number = int(char)
            while self.text[self.at : self.at + 1].isdigit() and number * 10 <= self.groups:
                number = number * 10 + int(self.text[self.at])
                self.at += 1
            if number not in self.closed:
                raise invalid("invalid backreference number")
            return f"(?:\\{number})", True
        return re.escape(self._character(char)), True

    def _character(self, char: str) -> str:
        """The character that an escape means."""
        if char in _ESCAPES:
            return _ESCAPES[char]
        if char == "c" and self.at < len(self.text):
            self.at += 1
            return chr(ord(self.text[self.at - 1]) & 31)
        digits = {"x": r"[0-9a-fA-F]{1,8}", "u": r"[0-9a-fA-F]{4}", "U": r"[0-9a-fA-F]{8}"}.get(char)
        if digits is not None:
            found = re.compile(digits).match(self.text, self.at)
            if found is None or int(found[0], 16) > 0x10FFFF:
                raise invalid("invalid escape \\ sequence")
            self.at = found.end()
            return chr(int(found[0], 16))
        if char.isalnum() and char.isascii():
            raise invalid("invalid escape \\ sequence")
        return char

    def _bracket(self) -> str:
        """[...] with classes, equivalence classes, collating elements and escapes."""
        self.at += 1
        negated = self.text[self.at : self.at + 1] == "^"
        self.at += negated
        parts: list[str] = []
        first = True
        while True:
            if self.at >= len(self.text):
                raise invalid("brackets [] not balanced")
            if self.text[self.at] == "]" and not first:
                self.at += 1
                break
            first = False
            parts.append(self._member())
        body = "".join(parts)
        if negated:
            return f"[^{body}{chr(92)}n]" if self.flags.dots else f"[^{body}]"
        return f"[{body}]"

    def _member(self) -> str:
        start, whole = self._element()
        if whole:
            return start
        if self.text[self.at : self.at + 1] == "-" and self.text[self.at + 1 : self.at + 2] not in ("]", ""):
            self.at += 1
            end, whole = self._element()
            if whole or ord(start) > ord(end):
                raise invalid("invalid character range")
            return f"{re.escape(start)}-{re.escape(end)}"
        return re.escape(start)

    def _element(self) -> tuple[str, bool]:
        """(one character, False), or (a set's body, True)."""
        for opening in ("[:", "[.", "[="):
            if self.text.startswith(opening, self.at):
                end = self.text.find(opening[1] + "]", self.at + 2)
                if end < 0:
                    raise invalid("brackets [] not balanced")
                name, self.at = self.text[self.at + 2 : end], end + 2
                if opening == "[:":
                    return self._class(name)
                named = _COLLATING.get(name, name)
                if len(named) != 1:
                    raise invalid("invalid collating element")
                return named, False
        char = self.text[self.at]
        self.at += 1
        if char == "\\":
            if self.at >= len(self.text):
                raise invalid("invalid escape \\ sequence")
            escaped = self.text[self.at]
            self.at += 1
            if escaped in _SHORTHANDS:
                return _SHORTHANDS[escaped], True
            return self._character(escaped), False
        return char, False

    def _class(self, name: str) -> tuple[str, bool]:
        if name not in _CLASSES:
            raise invalid("invalid character class")
        if self.flags.ignore_case and name in ("lower", "upper"):
            name = "alpha"
        return _CLASSES[name], True


@lru_cache(maxsize=512)
def compiled(pattern: str, options: str = "") -> "re.Pattern[str]":
    """The pattern under option letters; 2201B, 22023."""
    flags = Flags()
    for letter in options:
        if not flags.set(letter):
            raise PgError("22023", f'invalid regular expression option: "{letter}"')
    if len(pattern) > MAX_PATTERN:
        raise invalid("regular expression is too complex")
    try:
        source = _Translator(pattern, flags).run()
        return re.compile(source, re.IGNORECASE if flags.ignore_case else 0)
    except RecursionError:
        raise invalid("regular expression is too complex") from None
    except (re.error, OverflowError):
        raise invalid("quantifier operand invalid") from None


def check_subject(value: str) -> str:
    """54000 for subjects beyond the limit."""
    if len(value) > MAX_SUBJECT:
        raise PgError("54000", "string is too long for a regular expression")
    return value
