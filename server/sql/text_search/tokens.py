"""The default parser of text search: a text as tokens (PostgreSQL, chapter 12.5), in bounded time."""

import re
from collections.abc import Iterator

from server.sql.text_search.effort import Effort
from server.sql.text_search.states import BEYOND, END, NUMBER_OF, STATES, TABLE, Rule

_BASE, _PATH_FIRST = STATES["base"], STATES["path_first"]
_HOST, _PATHS = NUMBER_OF["host"], (NUMBER_OF["url_path"], NUMBER_OF["file"])


def _others(ascii_class: str) -> str:
    """What else is in ASCII: [^...] of it is the class and all beyond ASCII, of which `re` is slow to make a range."""
    return re.escape("".join(chr(code) for code in range(128) if not re.match(f"[{ascii_class}]", chr(code))))


_LETTER = f"[^{_others('A-Za-z')}]"
_BEYOND = r"[^\x00-\x7f]"
_NO_MORE = f"(?![^{_others('A-Za-z0-9._@:/-')}])"
_NO_PART = f"(?![^{_others('A-Za-z0-9-')}])"
_PLAIN = re.compile(
    rf"""
    [A-Za-z]+(?:(?P<asciiword>{_NO_MORE})
               |(?P<numword>[0-9][A-Za-z0-9]*{_NO_MORE})
               |(?P<word>{_BEYOND}{_LETTER}*{_NO_PART}))
    |(?P<uint>[0-9]+(?![^{_others("A-Za-z0-9._@/-")}]))
    |(?P<blank>[{_others("A-Za-z0-9<+&~/.-")}][{_others("A-Za-z0-9<+&/-")}]*)
    |(?P<foreign>{_BEYOND}{_LETTER}*{_NO_PART})
    """,
    re.VERBOSE,
)
"""What the rules make one token of, whatever stands around it: nearly all of a usual text."""
_PLAIN_TYPES = {name: NUMBER_OF["word" if name == "foreign" else name] for name in _PLAIN.groupindex}

_Place = tuple[int, int, int, int]
"""Position, length of the token so far, state, and the rule that remembered it."""


class Tokens:
    """The tokens of one text, one after the other: (type, text)."""

    __slots__ = ("_effort", "_ignoring", "_length", "_places", "_position", "_sought", "_state", "_text")

    def __init__(self, text: str, effort: Effort, position: int = 0) -> None:
        self._text = text
        self._effort = effort
        self._position, self._length, self._state = position, 0, _BASE
        self._places: list[_Place] = []
        self._sought = self._ignoring = False

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while (found := self._next()) is not None:
            yield found

    def _next(self) -> tuple[int, str] | None:
        start = self._position
        if start >= len(self._text):
            return None
        if self._state == _BASE and not self._ignoring and (plain := _PLAIN.match(self._text, start)):
            self._position = plain.end()
            self._effort.spend(1)
            assert plain.lastgroup is not None
            return _PLAIN_TYPES[plain.lastgroup], plain[0]
        rule = self._walk()
        if rule is None:
            return None
        length, self._length = self._length, 0
        self._forget(rule)
        self._state = rule.target
        return rule.token, self._text[start : start + length]

    def _walk(self) -> Rule | None:
        """Up to the rule that ends a token; None: the text ended first."""
        text, size, spend = self._text, len(self._text), self._effort.spend
        after = -1
        while True:
            at = self._position
            if at < size:
                code = ord(text[at])
                column = code if code < 128 else BEYOND
            else:
                column = END
            rule = self._rule(column, after)
            after = -1
            spend(1)
            if rule.special:
                self._special(rule.special)
            act = rule.act
            if act == "=":
                return rule
            if act == "<":
                self._position, self._length, self._state, after = self._places.pop()
                if self._position >= size:
                    return None
                continue
            if act == "+":
                self._places.append((self._position, self._length, self._state, rule.place))
            elif act == "*":
                _, _, self._state, after = self._places.pop()
            if rule.forget:
                self._forget(rule)
            if rule.target >= 0:
                self._state = rule.target
            if act == "@":
                continue
            if self._position >= size:
                return None
            self._position += 1
            self._length += 1

    def _rule(self, column: int, after: int) -> Rule:
        """The first rule behind the place `after` that holds."""
        for rule in TABLE[self._state][column]:
            if rule.place > after and (not rule.test or self._holds(rule.test)):
                return rule
        raise AssertionError("every state has a rule for every character")

    def _forget(self, rule: Rule) -> None:
        if rule.forget == "!":
            self._places.clear()
        elif rule.forget:
            self._places.pop()

    def _holds(self, test: str) -> bool:
        if test == "ignored":
            return self._ignoring
        if test == "sought":
            sought, self._sought = self._sought, False
            return sought
        inner = Tokens(self._text, self._effort, self._position)
        if test == "host":
            inner._sought = True
        else:
            inner._places.append((self._position, 0, _BASE, -1))
            inner._state = _PATH_FIRST
        found = inner._next()
        if found is None or (found[0] != _HOST if test == "host" else found[0] not in _PATHS):
            return False
        self._position += len(found[1])
        self._length += len(found[1])
        return True

    def _special(self, special: str) -> None:
        if special == "tag":
            start = self._position - self._length
            self._mark(self._text[start : self._position].lower() if self._length < 9 else "")
            return
        self._position -= self._length
        if special == "start":
            self._length = 0
        self._sought = self._sought or special == "host"

    def _mark(self, tag: str) -> None:
        if tag in ("<script", "<style"):
            self._ignoring = True
        elif tag in ("</script", "</style"):
            self._ignoring = False


def tokens(text: str, effort: Effort) -> Iterator[tuple[int, str]]:
    """(type, text) of every token; PgError 54000 where that takes too many steps."""
    return iter(Tokens(text, effort))
