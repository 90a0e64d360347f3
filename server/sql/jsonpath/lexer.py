"""The words of a jsonpath (PostgreSQL, chapter 8.14.7): what is one is the longest match, as in PostgreSQL."""

import re
from typing import NamedTuple

from server.errors import PgError
from server.sql.sizes import scannable

MAX_PIECES = 1 << 14
"""Tokens and escapes of one path: it is read in one go."""
_SPECIAL = r"?%$.\[\]{}()|&!=<>@#,*:\-+/"
_BLANKS = re.compile(r"[ \t\n\r\f]+")
_OTHER = re.compile(rf'[^{_SPECIAL}\\" \t\n\r\f]+')
_IS_SPECIAL = re.compile(rf"[{_SPECIAL}]")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_OPERATORS = ("&&", "||", "**", "<=", "==", "<>", "!=", ">=")

_DIGITS = "[0-9](?:_?[0-9])*"
_INTEGER = "(?:0|[1-9](?:_?[0-9])*)"
_DECIMAL = rf"(?:{_INTEGER}\.(?:{_DIGITS})?|\.{_DIGITS})"
_REAL = rf"(?:{_DECIMAL}|{_INTEGER})[Ee][-+]?{_DIGITS}"
_JUNK = rf'[^{_SPECIAL}\\" \t\n\r\f]'
_RULES = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("numeric", _REAL),
        ("numeric", _DECIMAL),
        ("int", _INTEGER),
        ("int", "0[xX][0-9A-Fa-f](?:_?[0-9A-Fa-f])*"),
        ("int", "0[oO][0-7](?:_?[0-7])*"),
        ("int", "0[bB][01](?:_?[01])*"),
        ("invalid numeric literal", rf"(?:{_DECIMAL}|{_INTEGER})[Ee][-+]"),
        ("trailing junk after numeric literal", _INTEGER + _JUNK),
        ("trailing junk after numeric literal", _DECIMAL + _JUNK),
        ("trailing junk after numeric literal", _REAL + _JUNK),
    )
)
_MAY_BE_NUMBER = re.compile(r"\.?[0-9]")
_KEYWORDS = frozenset(
    (
        *("is", "to", "abs", "lax", "flag", "last", "size", "type", "with", "floor", "double", "exists"),
        *("starts", "strict", "ceiling", "unknown", "datetime", "keyvalue", "like_regex"),
    )
)
_LOWER_KEYWORDS = frozenset(("null", "true", "false"))
"""Only in lower case."""
_CODE = r"\\u(?:[0-9A-Fa-f]{4}|\{[0-9A-Fa-f]{1,6}\})"
_CODES = re.compile(f"(?:{_CODE})+")
_BAD_CODES = re.compile(rf"(?:{_CODE})*\\u(?:\{{[0-9A-Fa-f]{{0,6}}|[0-9A-Fa-f]{{0,3}})")
_EACH_CODE = re.compile(r"[0-9A-Fa-f]+")
_HEX = re.compile(r"\\x[0-9A-Fa-f]{2}")
_BAD_HEX = re.compile(r"\\x[0-9A-Fa-f]?")
_QUOTED = re.compile(r'[^\\"]+')
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class Token(NamedTuple):
    """One word: its kind is a keyword, an operator, end, ident, string, variable, numeric or int."""

    kind: str
    value: str
    """The text of names, strings and numbers."""
    shown: str
    """What an error at this token quotes; '' stands for the end of the input."""


def syntax_error(message: str, shown: str) -> PgError:
    """42601"""
    where = f'at or near "{shown}"' if shown else "at end"
    return PgError("42601", f"{message} {where} of jsonpath input")


def _invalid(detail: str) -> PgError:
    return PgError("22P02", "invalid input syntax for type jsonpath", detail=detail)


_HIGH_AFTER_HIGH = "Unicode high surrogate must not follow a high surrogate."
_LOW_WITHOUT_HIGH = "Unicode low surrogate must follow a high surrogate."


def _character(code: int) -> str:
    """22P05 for \\u0000, 42601 beyond Unicode."""
    if code == 0:
        detail = "\\u0000 cannot be converted to text."
        raise PgError("22P05", "unsupported Unicode escape sequence", detail=detail)
    if code > 0x10FFFF:
        raise PgError("42601", "invalid Unicode code point")
    return chr(code)


def _characters(run: str) -> str:
    """What a run of \\u escapes stands for; 22P02 for surrogates without their other half."""
    made = []
    high = 0
    for digits in _EACH_CODE.findall(run.replace("\\u", "\\")):
        code = int(digits, 16)
        if 0xD800 <= code <= 0xDBFF:
            if high:
                raise _invalid(_HIGH_AFTER_HIGH)
            high = code
            continue
        if (0xDC00 <= code <= 0xDFFF) != bool(high):
            raise _invalid(_LOW_WITHOUT_HIGH)
        if high:
            code = 0x10000 + ((high & 0x3FF) << 10) + (code & 0x3FF)
            high = 0
        made.append(_character(code))
    if high:
        raise _invalid(_LOW_WITHOUT_HIGH)
    return "".join(made)


class Lexer:
    """Gives one token after the other; errors come when they are reached."""

    def __init__(self, text: str) -> None:
        scannable(len(text))
        self.text = text
        self.at = 0
        self._pieces = 0

    def next(self) -> Token:
        """The next token. Raises 42601, 22P02, 22P05, 54000."""
        self._count()
        self._skip()
        text, at = self.text, self.at
        if at >= len(text):
            return Token("end", "", "")
        char = text[at]
        if char == '"':
            return self._string("string", at + 1)
        if char == "$":
            return self._dollar()
        if char == "\\":
            return self._name()
        if _MAY_BE_NUMBER.match(text, at) is not None:
            number = self._number()
            if number is not None:
                return number
        if _IS_SPECIAL.match(char) is None:
            return self._name()
        found = next((op for op in _OPERATORS if text.startswith(op, at)), char)
        self.at = at + len(found)
        return Token("!=" if found == "<>" else found, "", found)

    def _count(self) -> None:
        self._pieces += 1
        if self._pieces > MAX_PIECES:
            raise PgError("54000", "jsonpath is too long")

    def _skip(self) -> None:
        """Over blanks and comments."""
        while True:
            blank = _BLANKS.match(self.text, self.at)
            if blank is not None:
                self.at = blank.end()
            elif self.text.startswith("/*", self.at):
                self._comment()
            else:
                return

    def _comment(self) -> None:
        found = _COMMENT.match(self.text, self.at)
        if found is None:
            raise syntax_error("unexpected end of comment", "")
        self.at = found.end()

    def _dollar(self) -> Token:
        at = self.at + 1
        if self.text.startswith('"', at):
            return self._string("variable", at + 1)
        name = _OTHER.match(self.text, at)
        if name is None:
            self.at = at
            return Token("$", "", "$")
        self.at = name.end()
        return Token("variable", name[0], "$" + name[0])

    def _number(self) -> Token | None:
        """A number, unless a name that begins like one is longer: in bytes, of which junk takes a single one."""
        best, kind = _OTHER.match(self.text, self.at), ""
        longest = best.end() if best is not None else self.at
        for rule, pattern in reversed(_RULES):
            found = pattern.match(self.text, self.at)
            if found is not None and found.end() >= longest + (not found[0].isascii()):
                longest, kind = found.end(), rule
        if not kind:
            return None
        word = self.text[self.at : longest]
        if kind not in ("numeric", "int"):
            raise syntax_error(kind, word)
        self.at = longest
        return Token(kind, word, word)

    def _string(self, kind: str, at: int) -> Token:
        made = []
        self.at = at
        while True:
            self._count()
            plain = _QUOTED.match(self.text, self.at)
            if plain is not None:
                made.append(plain[0])
                self.at = plain.end()
            char = self.text[self.at : self.at + 1]
            if char == "":
                raise syntax_error("unterminated quoted string", "")
            if char == '"':
                self.at += 1
                return Token(kind, "".join(made), '"')
            made.append(self._escape())

    def _name(self) -> Token:
        """A name without quotes, perhaps a keyword.

        A comment ends it and it is forgotten, as PostgreSQL does: what follows the comment is the next token.
        """
        made = []
        while True:
            self._count()
            plain = _OTHER.match(self.text, self.at)
            if plain is not None:
                made.append(plain[0])
                self.at = plain.end()
            if not self.text.startswith("\\", self.at):
                break
            made.append(self._escape())
        if self.text.startswith("/*", self.at):
            self._comment()
            return self.next()
        blank = _BLANKS.match(self.text, self.at)
        if blank is not None:
            self.at = blank.end()
        name = "".join(made)
        lower = name.lower() if name.isascii() else name
        if name in _LOWER_KEYWORDS or lower in _KEYWORDS:
            return Token(lower, name, blank[0] if blank else "")
        return Token("ident", name, blank[0] if blank else "")

    def _escape(self) -> str:
        """What the backslash and what follows it stand for."""
        text, at = self.text, self.at
        if text.startswith("\\u", at):
            good, bad = _CODES.match(text, at), _BAD_CODES.match(text, at)
            if bad is not None and (good is None or bad.end() > good.end()):
                raise syntax_error("invalid Unicode escape sequence", bad[0])
            assert good is not None
            self.at = good.end()
            return _characters(good[0])
        if text.startswith("\\x", at):
            found = _HEX.match(text, at)
            if found is None:
                wrong = _BAD_HEX.match(text, at)
                raise syntax_error("invalid hexadecimal character sequence", wrong[0] if wrong else "")
            self.at = found.end()
            return _character(int(found[0][2:], 16))
        char = text[at + 1 : at + 2]
        if char in ("", "\n"):
            raise syntax_error("unexpected end after backslash", "\\")
        self.at = at + 2
        return _SHORT.get(char, char)
