"""Functions of character strings (varlena.c, oracle_compat.c; chapter 9.4). Case is ASCII's (C locale)."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from server.errors import PgError
from server.sql.casts import as_text
from server.sql.functions import define, sql
from server.sql.sizes import MAX_LENGTH, elements_fit, text_fits, too_long
from server.sql.type_array import Array

_INT4_MAX = (1 << 31) - 1
_AFTER_DIGIT = re.compile(rb"(?<=[0-9])[A-Z]")


def lower(value: str) -> str:
    """ASCII letters only."""
    return value.lower() if value.isascii() else value.encode().lower().decode()


def upper(value: str) -> str:
    """ASCII letters only."""
    return value.upper() if value.isascii() else value.encode().upper().decode()


define("870 lower(text) text", lower)
define("871 upper(text) text", upper)


@sql("872 initcap(text) text")
def initcap(value: str) -> str:
    """Each run of ASCII letters and digits starts with a capital."""
    titled = value.encode().title()
    return _AFTER_DIGIT.sub(lambda found: found[0].lower(), titled).decode()


define(
    """
    1317 length(text) int4
    1381 char_length(text) int4
    1369 character_length(text) int4
    1257 textlen(text) int4
    """,
    len,
    source="len({0})",
)
define(
    """
    1318 length(bpchar) int4
    1372 char_length(bpchar) int4
    1367 character_length(bpchar) int4
    """,
    lambda value: len(value.rstrip(" ")),
)
define(
    """
    1374 octet_length(text) int4
    1375 octet_length(bpchar) int4
    """,
    lambda value: len(value.encode()),
)
define("1811 bit_length(text) int4", lambda value: 8 * len(value.encode()))
define("1258 textcat(text,text) text", lambda left, right: text_fits(left + right))


@sql("2003 textanycat(text,anynonarray) text s", env=True, types=True)
def text_any_concatenated(env: Any, types: Any, left: str, right: Any) -> str:
    """text || anything, cast to text."""
    return text_fits(left + as_text(types[1], right, env))


@sql("2004 anytextcat(anynonarray,text) text s", env=True, types=True)
def any_text_concatenated(env: Any, types: Any, left: Any, right: str) -> str:
    """anything || text."""
    return text_fits(as_text(types[0], left, env) + right)


def slice_bounds(start: int, length: int | None) -> tuple[int, int | None]:
    """0-based bounds of SQL's substring; 22011."""
    begin = max(start, 1)
    if length is None:
        return begin - 1, None
    end = start + length
    if length < 0 and end < start:
        raise PgError("22011", "negative substring length not allowed")
    return begin - 1, max(end, begin) - 1


@sql("""
    883 substr(text,int4) text
    877 substr(text,int4,int4) text
    937 substring(text,int4) text
    936 substring(text,int4,int4) text
    """)
def substring(value: str, start: int, length: int | None = None) -> str:
    """Characters from `start`, counted from 1."""
    begin, end = slice_bounds(start, length)
    return value[begin:end]


@sql("""
    849 position(text,text) int4
    868 strpos(text,text) int4
    """)
def position(value: str, part: str) -> int:
    """1-based place of the first occurrence, 0: none."""
    return value.find(part) + 1


@sql("""
    1405 overlay(text,text,int4) text
    1404 overlay(text,text,int4,int4) text
    """)
def overlay(value: str, new: str, start: int, length: int | None = None) -> str:
    """`length` characters from `start` replaced; 22011."""
    length = len(new) if length is None else length
    if start <= 0:
        raise PgError("22011", "negative substring length not allowed")
    if start + length > _INT4_MAX:
        raise PgError("22003", "integer out of range")
    return substring(value, 1, start - 1) + new + substring(value, start + length)


define("884 btrim(text,text) text", lambda value, chars: value.strip(chars) if chars else value)
define("875 ltrim(text,text) text", lambda value, chars: value.lstrip(chars) if chars else value)
define("876 rtrim(text,text) text", lambda value, chars: value.rstrip(chars) if chars else value)
define("885 btrim(text) text", lambda value: value.strip(" "))
define("881 ltrim(text) text", lambda value: value.lstrip(" "))
define("882 rtrim(text) text", lambda value: value.rstrip(" "))
define("3060 left(text,int4) text", lambda value, count: value[:count])
define(
    "3061 right(text,int4) text",
    lambda value, count: value[-count:] if count > 0 else value[-count:] if count else "",
)


def _padding(value: str, length: int, fill: str) -> str:
    length = max(length, 0)
    if length > MAX_LENGTH:
        raise too_long()
    missing = length - len(value)
    return (fill * (missing // len(fill) + 1))[:missing] if missing > 0 and fill else ""


@sql("""
    873 lpad(text,int4,text) text
    879 lpad(text,int4) text
    """)
def lpad(value: str, length: int, fill: str = " ") -> str:
    """Filled or cut on the right to `length`; 54000."""
    return (
        (_padding(value, length, fill) + value)[: max(length, 0)]
        if len(value) < length
        else value[: max(length, 0)]
    )


@sql("""
    874 rpad(text,int4,text) text
    880 rpad(text,int4) text
    """)
def rpad(value: str, length: int, fill: str = " ") -> str:
    """Filled or cut to `length`; 54000."""
    return (value + _padding(value, length, fill))[: max(length, 0)]


@sql("1622 repeat(text,int4) text")
def repeat(value: str, count: int) -> str:
    """`count` times; 54000."""
    if count > 0 and len(value) * count > MAX_LENGTH:
        raise too_long()
    return value * count


@sql("2087 replace(text,text,text) text")
def replace(value: str, old: str, new: str) -> str:
    """Every occurrence; nothing for an empty `old`."""
    if not value or not old:
        return value
    if len(new) > len(old) and len(value) + value.count(old) * (len(new) - len(old)) > MAX_LENGTH:
        raise too_long()
    return value.replace(old, new)


define("3062 reverse(text) text", lambda value: value[::-1])


@sql("878 translate(text,text,text) text")
def translate(value: str, old: str, new: str) -> str:
    """Characters of `old` become those of `new` at the same place, or go away."""
    table: dict[int, str | None] = {}
    for index, char in enumerate(old):
        table.setdefault(ord(char), new[index] if index < len(new) else None)
    return value.translate(table)


@sql("1620 ascii(text) int4")
def ascii_(value: str) -> int:
    """The code point of the first character."""
    return ord(value[0]) if value else 0


@sql("1621 chr(int4) text")
def chr_(code: int) -> str:
    """The character; 54000 for none."""
    if code < 0:
        raise PgError("22023", "character number must be positive")
    if code == 0:
        raise PgError("54000", "null character not permitted")
    if code > 0x10FFFF:
        raise PgError("54000", f"requested character too large for encoding: {code}")
    if 0xD800 <= code <= 0xDFFF:
        raise PgError("54000", f"requested character not valid for encoding: {code}")
    return chr(code)


define(
    "3696 starts_with(text,text) bool",
    lambda value, prefix: value.startswith(prefix),
    source="{0}.startswith({1})",
)


@sql("2088 split_part(text,text,int4) text")
def split_part(value: str, separator: str, field: int) -> str:
    """Field `field`, counted from 1 or backwards from -1; 22023."""
    if field == 0:
        raise PgError("22023", "field position must not be zero")
    if not value:
        return ""
    fields = value.split(separator) if separator else [value]
    index = field - 1 if field > 0 else len(fields) + field
    return fields[index] if 0 <= index < len(fields) else ""


def _pieces(value: str, separator: str | None) -> list[str]:
    if not value:
        return []
    if separator is None:
        return list(value)
    return value.split(separator) if separator else [value]


@sql("""
    394 string_to_array(text,text) _text called
    376 string_to_array(text,text,text) _text called
    """)
def string_to_array(value: str | None, separator: str | None, null: str | None = None) -> Array | None:
    """Pieces between separators; NULL as separator: characters; pieces equal to `null` are NULL."""
    if value is None:
        return None
    pieces = _pieces(value, separator)
    elements_fit(len(pieces))
    return Array([None if piece == null else piece for piece in pieces])


@sql("""
    6160 string_to_table(text,text) text called set
    6161 string_to_table(text,text,text) text called set
    """)
def string_to_table(
    value: str | None, separator: str | None, null: str | None = None
) -> Iterator[str | None]:
    """string_to_array as rows."""
    pieces = [] if value is None else _pieces(value, separator)
    return iter([None if piece == null else piece for piece in pieces])


_FORMS = ("NFC", "NFD", "NFKC", "NFKD")


def _form(text: str) -> Any:
    if text.upper() not in _FORMS:
        raise PgError("22023", f"invalid normalization form: {text}")
    return text.upper()


@sql("4350 normalize(text,text) text", defaults=("NFC",))
def normalize(value: str, form: str) -> str:
    """Unicode normalization; 22023."""
    return unicodedata.normalize(_form(form), value)


@sql("4351 is_normalized(text,text) bool", defaults=("NFC",))
def is_normalized(value: str, form: str) -> bool:
    """Is it in that form; 22023."""
    return unicodedata.is_normalized(_form(form), value)


define("458 text_larger(text,text) text", max)
define("459 text_smaller(text,text) text", min)
define(
    "1063 bpchar_larger(bpchar,bpchar) bpchar",
    lambda left, right: left if left.rstrip(" ") >= right.rstrip(" ") else right,
)
define(
    "1064 bpchar_smaller(bpchar,bpchar) bpchar",
    lambda left, right: left if left.rstrip(" ") <= right.rstrip(" ") else right,
)
define("2160 text_pattern_lt(text,text) bool", lambda left, right: left < right, source="({0} < {1})")
define("2161 text_pattern_le(text,text) bool", lambda left, right: left <= right, source="({0} <= {1})")
define("2164 text_pattern_gt(text,text) bool", lambda left, right: left > right, source="({0} > {1})")
define("2163 text_pattern_ge(text,text) bool", lambda left, right: left >= right, source="({0} >= {1})")
