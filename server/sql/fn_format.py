"""concat, format, quoting and other over values of any type (varlena.c, quote.c; chapter 9.4.1)."""

import re
from collections.abc import Sequence
from typing import Any

from server.errors import PgError
from server.sql.casts import as_text
from server.sql.functions import define, sql
from server.sql.keywords import quote_ident as quoted_identifier
from server.sql.sizes import MAX_LENGTH, text_joined, too_long
from server.sql.types import Type

Types = Sequence[Type]


@sql("3058 concat(any) text s called variadic", env=True, types=True)
def concat(env: Any, types: Types, *values: Any) -> str:
    """The texts of all arguments that are not NULL."""
    return text_joined([kind.output(value, env) for kind, value in zip(types, values) if value is not None])


@sql("3059 concat_ws(text,any) text s called variadic", env=True, types=True)
def concat_ws(env: Any, types: Types, separator: str | None, *values: Any) -> str | None:
    """With a separator between those that are not NULL."""
    if separator is None:
        return None
    texts = [kind.output(value, env) for kind, value in zip(types[1:], values) if value is not None]
    return text_joined(texts, separator)


define("1282 quote_ident(text) text", quoted_identifier)
quote_ident = quoted_identifier


@sql("1283 quote_literal(text) text")
def quote_literal(value: str) -> str:
    """A string constant; E'' when there are backslashes."""
    quoted = "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
    return "E" + quoted if "\\" in value else quoted


@sql("1289 quote_nullable(text) text called")
def quote_nullable(value: str | None) -> str:
    """quote_literal, or NULL."""
    return "NULL" if value is None else quote_literal(value)


@sql("1285 quote_literal(anyelement) text s", env=True, types=True)
def quote_any(env: Any, types: Types, value: Any) -> str:
    """The value's text as a string constant."""
    return quote_literal(as_text(types[0], value, env))


@sql("1290 quote_nullable(anyelement) text s called", env=True, types=True)
def quote_any_nullable(env: Any, types: Types, value: Any) -> str:
    """quote_literal, or NULL."""
    return "NULL" if value is None else quote_literal(as_text(types[0], value, env))


_SPECIFIER = re.compile(r"%(?:(\d+)\$)?(-*)(?:(\d+)|(\*)(?:(\d+)\$)?)?(.?)", re.DOTALL)


class _Formatter:
    """One call of format(): the arguments and which is next."""

    def __init__(self, env: Any, types: Types, values: Sequence[Any]) -> None:
        self.env = env
        self.types = types
        self.values = values
        self.next = 0

    def text(self, index: int) -> str | None:
        """The text of argument `index`; 22023 when there are too few."""
        if index >= len(self.values):
            raise PgError("22023", "too few arguments for format()")
        value = self.values[index]
        return None if value is None else self.types[index].output(value, self.env)

    def pick(self, position: str | None) -> int:
        """The argument that a specifier means."""
        if position is not None:
            if int(position) == 0:
                raise PgError("22023", "format specifies argument 0, but arguments are numbered from 1")
            self.next = int(position)
            return self.next - 1
        self.next += 1
        return self.next - 1

    def width(self, found: "re.Match[str]") -> int:
        """The minimum width, negative: left-justified."""
        _, minus, digits, star, star_position, _ = found.groups()
        width = int(digits) if digits else 0
        if star:
            text = self.text(self.pick(star_position))
            width = int(text) if text else 0
        return -abs(width) if minus else width

    def replace(self, found: "re.Match[str]") -> str:
        """The text for one specifier."""
        position, kind = found[1], found[6]
        width = self.width(found)
        if kind == "":
            hint = 'For a single "%" use "%%".'
            raise PgError("22023", "unterminated format() type specifier", hint=hint)
        if kind not in "sIL":
            hint = 'For a single "%" use "%%".'
            raise PgError("22023", f'unrecognized format() type specifier "{kind}"', hint=hint)
        value = self.text(self.pick(position))
        if kind == "I":
            if value is None:
                raise PgError("22004", "null values cannot be formatted as an SQL identifier")
            text = quote_ident(value)
        elif kind == "L":
            text = quote_nullable(value)
        else:
            text = value or ""
        if abs(width) > MAX_LENGTH:
            raise too_long()
        return text.ljust(-width) if width < 0 else text.rjust(width)


@sql("3540 format(text) text s called", env=True, types=True)
@sql("3539 format(text,any) text s called variadic", env=True, types=True)
def format_(env: Any, types: Types, template: str | None, *values: Any) -> str | None:
    """sprintf with %s, %I, %L, positions and widths; 22023, 22004."""
    if template is None:
        return None
    formatter = _Formatter(env, types[1:], values)
    made: list[str] = []
    at = size = 0
    while (start := template.find("%", at)) >= 0:
        made.append(template[at:start])
        if template[start + 1 : start + 2] == "%":
            made.append("%")
            at = start + 2
            continue
        found = _SPECIFIER.match(template, start)
        assert found is not None
        made.append(formatter.replace(found))
        size += len(made[-1])
        if size > MAX_LENGTH:
            raise too_long()
        at = found.end()
    made.append(template[at:])
    return "".join(made)


define("438 num_nulls(any) int4 called variadic", lambda *values: sum(value is None for value in values))
define(
    "440 num_nonnulls(any) int4 called variadic", lambda *values: sum(value is not None for value in values)
)

_HEX = "[0-9a-fA-F]"
_ESCAPE = re.compile(rf"\\(?:(\\)|({_HEX}{{4}})|u({_HEX}{{4}})|U({_HEX}{{8}})|\+({_HEX}{{6}}))|\\")


@sql("6198 unistr(text) text")
def unistr(value: str) -> str:
    r"""\XXXX, \+XXXXXX, \uXXXX, \UXXXXXXXX become characters; 42601, 22P02."""
    made: list[str] = []
    at, pair = 0, 0
    for found in _ESCAPE.finditer(value):
        if pair and found.start() != at:
            raise PgError("42601", "invalid Unicode surrogate pair")
        made.append(value[at : found.start()])
        at = found.end()
        if found[1]:
            if pair:
                raise PgError("42601", "invalid Unicode surrogate pair")
            made.append("\\")
            continue
        digits = found[2] or found[3] or found[4] or found[5]
        if digits is None:
            hint = "Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX."
            raise PgError("42601", "invalid Unicode escape", hint=hint)
        code = int(digits, 16)
        if code == 0 or code > 0x10FFFF:
            raise PgError("22023", f"invalid Unicode code point: {code:04X}")
        if pair:
            if not 0xDC00 <= code < 0xE000:
                raise PgError("42601", "invalid Unicode surrogate pair")
            code, pair = ((pair & 0x3FF) << 10) + 0x10000 + (code & 0x3FF), 0
        elif 0xDC00 <= code < 0xE000:
            raise PgError("42601", "invalid Unicode surrogate pair")
        if 0xD800 <= code < 0xDC00:
            pair = code
        else:
            made.append(chr(code))
    if pair:
        raise PgError("42601", "invalid Unicode surrogate pair")
    made.append(value[at:])
    return "".join(made)
