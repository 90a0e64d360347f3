"""json and jsonb: validation, canonical form, order (PostgreSQL, chapter 8.14)."""

import json
import re
from decimal import Decimal
from typing import Any

from server.errors import PgError
from server.sql import numeric
from server.sql.env import Env
from server.sql.sizes import json_scannable, text_fits
from server.sql.type_io import Io
from server.sql.type_text import decode


class Jsonb:
    """A jsonb value: dict, list, str, Decimal, bool or None inside; equal and ordered as jsonb_cmp does.

    Dicts keep PostgreSQL's key order: shorter keys first, then by bytes.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Jsonb) and self.order() == other.order()

    def __hash__(self) -> int:
        return hash(self.order())

    def __lt__(self, other: "Jsonb") -> bool:
        return self.order() < other.order()

    def __repr__(self) -> str:
        return f"Jsonb({render(self.value)})"

    def order(self) -> tuple[Any, ...]:
        """What comparisons compare; an empty array at the top is less than everything."""
        return (-1,) if self.value == [] and isinstance(self.value, list) else _order(self.value)


def _order(value: Any) -> tuple[Any, ...]:
    if value is None:
        return (0,)
    if isinstance(value, str):
        return 1, value
    if isinstance(value, bool):
        return 3, value
    if isinstance(value, Decimal):
        return 2, value
    if isinstance(value, list):
        return 4, len(value), tuple(_order(item) for item in value)
    return 5, len(value), tuple((key, _order(item)) for key, item in value.items())


def key_order(key: str) -> tuple[int, bytes]:
    """Where a key stands in an object."""
    data = key.encode()
    return len(data), data


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in PostgreSQL's key order; the last of equal keys wins."""
    found = dict(pairs)
    return {key: found[key] for key in sorted(found, key=key_order)}


_MUST_ESCAPE = re.compile(r'["\\\x00-\x1f]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quote(text: str) -> str:
    """A JSON string (escape_json)."""
    if _MUST_ESCAPE.search(text) is None:
        return f'"{text}"'
    return '"' + _MUST_ESCAPE.sub(lambda m: _SHORT.get(m[0]) or f"\\u{ord(m[0]):04x}", text) + '"'


def render(value: Any) -> str:
    """jsonb's text: a blank after each comma and colon."""
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return numeric.render(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(render, value)) + "]"
    return "{" + ", ".join(f"{quote(key)}: {render(item)}" for key, item in value.items()) + "}"


def invalid(detail: str) -> PgError:
    """22P02"""
    return PgError("22P02", "invalid input syntax for type json", detail=detail)


_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NUMBER_START = re.compile(r"-?(?:0|[1-9][0-9]*)?(?:\.[0-9]*)?(?:[eE][+-]?[0-9]*)?")
_WORD = re.compile(r"[A-Za-z0-9_\x80-\U0010ffff]*")
_LITERALS = ("true", "false", "null")


class _Checker:
    """A slow second look at a text that is not valid, to say what PostgreSQL says."""

    def __init__(self, text: str, unescape: bool) -> None:
        self.text = text
        self.unescape = unescape
        self.at = 0
        self.token = ""
        self.kind = ""
        self.advance()

    def advance(self) -> None:
        """Read the next token: its kind is its character, string, number, literal or end."""
        space = _SPACE.match(self.text, self.at)
        start = self.at = space.end() if space else self.at
        char = self.text[start : start + 1]
        if char == "":
            self.kind, self.token = "end", ""
        elif char in "{}[],:":
            self.kind, self.at = char, start + 1
        elif char == '"':
            self.kind = "string"
            self._string()
        elif char in "-0123456789":
            self.kind = "number"
            self._number()
        else:
            word = _WORD.match(self.text, start)
            self.at = max(word.end() if word else start, start + 1)
            self.kind = "literal"
            if self.text[start : self.at] not in _LITERALS:
                raise invalid(f'Token "{self.text[start : self.at]}" is invalid.')
        self.token = self.text[start : self.at]

    def _number(self) -> None:
        start = self.at
        found = _NUMBER.match(self.text, start)
        end = found.end() if found else start
        loose = _NUMBER_START.match(self.text, start)
        wide = loose.end() if loose else start
        word = _WORD.match(self.text, max(end, wide))
        self.at = word.end() if word else end
        if self.at != end or found is None:
            raise invalid(f'Token "{self.text[start : max(self.at, start + 1)]}" is invalid.')

    def _string(self) -> None:
        text, start = self.text, self.at
        at = start + 1
        high = False
        while True:
            char = text[at : at + 1]
            if char == "":
                raise invalid(f'Token "{text[start:]}" is invalid.')
            if char < " ":
                raise invalid(f"Character with value 0x{ord(char):02x} must be escaped.")
            at += 1
            if char == "\\":
                at, high = self._escape(at, start, high)
                continue
            if high:
                raise invalid("Unicode low surrogate must follow a high surrogate.")
            if char == '"':
                self.at = at
                return

    def _escape(self, at: int, start: int, high: bool) -> tuple[int, bool]:
        text = self.text
        char = text[at : at + 1]
        if char == "":
            raise invalid(f'Token "{text[start:]}" is invalid.')
        if char != "u":
            if char not in '"\\/bfnrt':
                raise invalid(f'Escape sequence "\\{char}" is invalid.')
            if high:
                raise invalid("Unicode low surrogate must follow a high surrogate.")
            return at + 1, False
        code = text[at + 1 : at + 5]
        if not re.fullmatch("[0-9a-fA-F]{4}", code):
            raise invalid('"\\u" must be followed by four hexadecimal digits.')
        if not self.unescape:
            return at + 5, False
        return at + 5, self._surrogates(int(code, 16), high)

    def _surrogates(self, code: int, high: bool) -> bool:
        if code == 0:
            raise PgError(
                "22P05", "unsupported Unicode escape sequence", detail="\\u0000 cannot be converted to text."
            )
        if 0xD800 <= code < 0xDC00:
            if high:
                raise invalid("Unicode high surrogate must not follow a high surrogate.")
            return True
        if (0xDC00 <= code < 0xE000) != high:
            raise invalid("Unicode low surrogate must follow a high surrogate.")
        return False

    def fail(self, expected: str) -> PgError:
        if self.kind == "end":
            return invalid("The input string ended unexpectedly.")
        return invalid(f'Expected {expected}, but found "{self.token}".')

    def check(self) -> None:
        """Raises what is wrong with the text, or returns."""
        self._value()
        if self.kind != "end":
            raise self.fail("end of input")

    def _value(self) -> None:
        if self.kind == "{":
            self._object()
        elif self.kind == "[":
            self._array()
        elif self.kind in ("string", "number", "literal"):
            self.advance()
        else:
            raise self.fail("JSON value")

    def _array(self) -> None:
        self.advance()
        if self.kind == "]":
            return self.advance()
        while True:
            self._value()
            if self.kind == "]":
                return self.advance()
            if self.kind != ",":
                raise self.fail('"," or "]"')
            self.advance()

    def _object(self) -> None:
        self.advance()
        if self.kind == "}":
            return self.advance()
        if self.kind != "string":
            raise self.fail('string or "}"')
        while True:
            self.advance()
            if self.kind != ":":
                raise self.fail('":"')
            self.advance()
            self._value()
            if self.kind == "}":
                return self.advance()
            if self.kind != ",":
                raise self.fail('"," or "}"')
            self.advance()
            if self.kind != "string":
                raise self.fail("string")


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _same(text: str) -> str:
    return text


def _integer(text: str) -> Decimal:
    return Decimal(int(text)) if len(text) < 19 else numeric.parse(text)


_validator = json.JSONDecoder(parse_float=_same, parse_int=_same, parse_constant=_no_constant)
_parser = json.JSONDecoder(
    parse_float=numeric.parse,
    parse_int=_integer,
    parse_constant=_no_constant,
    object_pairs_hook=object_of,
)


def _too_deep() -> PgError:
    return PgError("54001", "stack depth limit exceeded")


def parse(text: str) -> Any:
    """The value of a JSON text with exact numbers (22P02, 22P05, 22003, 54000)."""
    json_scannable(text)
    try:
        if "\\u" in text:
            _Checker(text, True).check()
        return _parser.decode(text)
    except ValueError:
        try:
            _Checker(text, True).check()
        except RecursionError:
            raise _too_deep() from None
        raise
    except RecursionError:
        raise _too_deep() from None


def validate(text: str) -> None:
    """Raises 22P02 unless the text is JSON; 54000."""
    text_fits(text)
    try:
        _validator.decode(text)
    except ValueError:
        try:
            _Checker(text, False).check()
        except RecursionError:
            raise _too_deep() from None
    except RecursionError:
        raise _too_deep() from None


def json_in(text: str, typmod: int, env: Env) -> str:
    """The text itself, checked."""
    validate(text)
    return text


def json_out(value: str, env: Env) -> str:
    """The text itself."""
    return value


def _json_recv(data: bytes, typmod: int, env: Env) -> str:
    return json_in(decode(data), typmod, env)


def _json_send(value: str, env: Env) -> bytes:
    return value.encode()


def jsonb_in(text: str, typmod: int, env: Env) -> Jsonb:
    """The value of a JSON text."""
    return Jsonb(parse(text))


def jsonb_out(value: Jsonb, env: Env) -> str:
    """The canonical text."""
    return render(value.value)


def _jsonb_recv(data: bytes, typmod: int, env: Env) -> Jsonb:
    if not data:
        raise PgError("08P01", "insufficient data left in message")
    if data[0] != 1:
        raise PgError("XX000", f"unsupported jsonb version number {data[0]}")
    return jsonb_in(decode(data[1:]), typmod, env)


def _jsonb_send(value: Jsonb, env: Env) -> bytes:
    return b"\x01" + render(value.value).encode()


def _pack(value: Jsonb) -> str:
    return render(value.value)


def _unpack(text: str) -> Jsonb:
    return Jsonb(_parser.decode(text))


JSONS: dict[str, Io] = {
    "json": Io(json_in, json_out, _json_recv, _json_send),
    "jsonb": Io(jsonb_in, jsonb_out, _jsonb_recv, _jsonb_send, None, None, _pack, _unpack),
}
