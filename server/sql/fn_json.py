"""json and jsonb: reading (PostgreSQL: jsonfuncs.c, jsonb_op.c; chapter 9.16). A json value is its text."""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from server.errors import PgError
from server.sql.functions import define, sql
from server.sql.type_array import Array
from server.sql.type_json import Jsonb, parse, render


class Piece:
    """Part of a json text: its kind, its text, and what it holds when it is an object or array."""

    __slots__ = ("items", "kind", "text", "value")

    def __init__(self, kind: str, text: str, value: Any = None, items: Any = None) -> None:
        self.kind = kind
        self.text = text
        self.value = value
        """The string, unescaped."""
        self.items: Any = items
        """Pairs (key, Piece) or Pieces."""


_SPACES = " \t\n\r"
_scan = json.decoder.scanstring  # type: ignore[attr-defined]


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACES:
        at += 1
    return at


def pieces(text: str) -> Piece:
    """The json text, which is valid, taken apart without losing its spelling."""
    if "\\u" in text:
        parse(text)
    return _piece(text, _skip(text, 0))[0]


def _piece(text: str, at: int) -> tuple[Piece, int]:
    char = text[at]
    if char == '"':
        value, end = _scan(text, at + 1, True)
        return Piece("string", text[at:end], value), end
    if char == "{":
        return _object(text, at)
    if char == "[":
        return _array(text, at)
    end = at
    while end < len(text) and text[end] not in ",]} \t\n\r":
        end += 1
    word = text[at:end]
    kind = {"true": "boolean", "false": "boolean", "null": "null"}.get(word, "number")
    return Piece(kind, word), end


def _object(text: str, start: int) -> tuple[Piece, int]:
    items: list[tuple[str, Piece]] = []
    at = _skip(text, start + 1)
    while text[at] != "}":
        at = _skip(text, at + 1) if text[at] == "," else at
        key, at = _scan(text, at + 1, True)
        at = _skip(text, _skip(text, at) + 1)
        piece, at = _piece(text, at)
        items.append((key, piece))
        at = _skip(text, at)
    return Piece("object", text[start : at + 1], None, items), at + 1


def _array(text: str, start: int) -> tuple[Piece, int]:
    items: list[Piece] = []
    at = _skip(text, start + 1)
    while text[at] != "]":
        at = _skip(text, at + 1) if text[at] == "," else at
        piece, at = _piece(text, at)
        items.append(piece)
        at = _skip(text, at)
    return Piece("array", text[start : at + 1], None, items), at + 1


def piece_text(piece: Piece | None) -> str | None:
    """As ->> gives it: strings unescaped, null as NULL."""
    if piece is None or piece.kind == "null":
        return None
    text: str = piece.value if piece.kind == "string" else piece.text
    return text


def _child(piece: Piece, key: str) -> Piece | None:
    found = None
    for name, item in piece.items:
        if name == key:
            found = item
    return found


def _element(items: Sequence[Any], index: int) -> Any:
    if -len(items) <= index < len(items):
        return items[index]
    return None


def kind_of(value: Any) -> str:
    """jsonb_typeof"""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, Decimal):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def value_text(value: Any) -> str | None:
    """As ->> gives it."""
    if value is None:
        return None
    return value if isinstance(value, str) else render(value)


# --- fields and elements --------------------------------------------------------------------------------


@sql("3947 json_object_field(from_json:json,field_name:text) json")
def json_field(text: str, key: str) -> str | None:
    """json -> text"""
    piece = pieces(text)
    found = _child(piece, key) if piece.kind == "object" else None
    return found.text if found else None


@sql("3948 json_object_field_text(from_json:json,field_name:text) text")
def json_field_text(text: str, key: str) -> str | None:
    """json ->> text"""
    piece = pieces(text)
    return piece_text(_child(piece, key)) if piece.kind == "object" else None


@sql("3949 json_array_element(from_json:json,element_index:int4) json")
def json_element(text: str, index: int) -> str | None:
    """json -> integer"""
    piece = pieces(text)
    found = _element(piece.items, index) if piece.kind == "array" else None
    return found.text if found else None


@sql("3950 json_array_element_text(from_json:json,element_index:int4) text")
def json_element_text(text: str, index: int) -> str | None:
    """json ->> integer"""
    piece = pieces(text)
    return piece_text(_element(piece.items, index)) if piece.kind == "array" else None


_MISSING = object()


def _get(value: Any, key: str) -> Any:
    return value.get(key, _MISSING) if isinstance(value, dict) else _MISSING


def _at(value: Any, index: int) -> Any:
    if isinstance(value, list) and -len(value) <= index < len(value):
        return value[index]
    if not isinstance(value, (list, dict)) and index in (0, -1):
        return value
    return _MISSING


def _boxed(found: Any) -> Jsonb | None:
    return None if found is _MISSING else Jsonb(found)


def _unboxed(found: Any) -> str | None:
    return None if found is _MISSING else value_text(found)


define(
    "3478 jsonb_object_field(from_json:jsonb,field_name:text) jsonb",
    lambda value, key: _boxed(_get(value.value, key)),
)
define(
    "3214 jsonb_object_field_text(from_json:jsonb,field_name:text) text",
    lambda value, key: _unboxed(_get(value.value, key)),
)
define(
    "3215 jsonb_array_element(from_json:jsonb,element_index:int4) jsonb",
    lambda value, index: _boxed(_at(value.value, index)),
)
define(
    "3216 jsonb_array_element_text(from_json:jsonb,element_index:int4) text",
    lambda value, index: _unboxed(_at(value.value, index)),
)


def path_index(step: str) -> int | None:
    """A path step as an array index; None: it is no integer."""
    text = step.lstrip(" \t\n\r\v\f")
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()):
        return None
    index = int(text)
    return index if -(1 << 31) < index < 1 << 31 else None


def _json_path(text: str, path: Array) -> Piece | None:
    found: Piece | None = pieces(text)
    for step in path.elements:
        if found is None or step is None:
            return None
        if found.kind == "object":
            found = _child(found, step)
        elif found.kind == "array":
            index = path_index(step)
            found = _element(found.items, index) if index is not None else None
        else:
            return None
    return found


@sql("3951 json_extract_path(from_json:json,path_elems:_text) json variadic")
def json_path(text: str, path: Array) -> str | None:
    """json #> text[]"""
    found = _json_path(text, path)
    return found.text if found else None


@sql("3953 json_extract_path_text(from_json:json,path_elems:_text) text variadic")
def json_path_text(text: str, path: Array) -> str | None:
    """json #>> text[]"""
    return piece_text(_json_path(text, path))


def element_at(value: Jsonb, path: Sequence[str | None]) -> Jsonb | None:
    """jsonb #> text[]"""
    return _boxed(_jsonb_path(value.value, path))


def _jsonb_path(value: Any, path: Sequence[str | None]) -> Any:
    for step in path:
        if step is None:
            return _MISSING
        if isinstance(value, dict):
            value = value.get(step, _MISSING)
        elif isinstance(value, list):
            index = path_index(step)
            value = _MISSING if index is None else _at(value, index)
        else:
            return _MISSING
        if value is _MISSING:
            return value
    return value


define(
    "3217 jsonb_extract_path(from_json:jsonb,path_elems:_text) jsonb variadic",
    lambda value, path: _boxed(_jsonb_path(value.value, path.elements)),
)
define(
    "3940 jsonb_extract_path_text(from_json:jsonb,path_elems:_text) text variadic",
    lambda value, path: _unboxed(_jsonb_path(value.value, path.elements)),
)

# --- expansion ------------------------------------------------------------------------------------------


def _refuse(kind: str, name: str, wanted: str) -> PgError:
    """22023: the wrong kind of value."""
    if wanted == "array":
        what = "an array from a scalar" if kind not in ("array", "object") else "an array from an object"
        what = "elements from a scalar" if kind not in ("array", "object") else "elements from an object"
        return PgError("22023", f"cannot extract {what}")
    noun = "an array" if kind == "array" else "a scalar"
    return PgError("22023", f"cannot call {name} on {noun}")


def _jsonb_pairs(value: Jsonb, name: str) -> Any:
    if not isinstance(value.value, dict):
        if name == "jsonb_object_keys":
            raise _refuse(kind_of(value.value), name, "object")
        raise PgError("22023", f"cannot call {name} on a non-object")
    return value.value.items()


def _json_pairs(text: str, name: str) -> list[tuple[str, Piece]]:
    piece = pieces(text)
    if piece.kind != "object":
        if name == "json_object_keys":
            raise _refuse(piece.kind, name, "object")
        shown = "an array" if piece.kind == "array" else "a scalar"
        message = f"cannot deconstruct {shown}" + (" as an object" if piece.kind == "array" else "")
        raise PgError("22023", message)
    items: list[tuple[str, Piece]] = piece.items
    return items


def _json_items(text: str, name: str) -> list[Piece]:
    piece = pieces(text)
    if piece.kind != "array":
        raise PgError(
            "22023", f"cannot call {name} on a {'scalar' if piece.kind != 'object' else 'non-array'}"
        )
    items: list[Piece] = piece.items
    return items


def _jsonb_items(value: Jsonb) -> list[Any]:
    if not isinstance(value.value, list):
        kind = "an object" if isinstance(value.value, dict) else "a scalar"
        raise PgError("22023", f"cannot extract elements from {kind}")
    return value.value


@sql("3957 json_object_keys(json) text set")
def json_keys(text: str) -> Iterator[str]:
    """22023"""
    return iter([key for key, _ in _json_pairs(text, "json_object_keys")])


define(
    "3931 jsonb_object_keys(jsonb) text set",
    lambda value: iter([key for key, _ in _jsonb_pairs(value, "jsonb_object_keys")]),
)
define(
    "3958 json_each(from_json:json) record set",
    lambda text: iter([(key, item.text) for key, item in _json_pairs(text, "json_each")]),
    out="key text,value json",
)
define(
    "3959 json_each_text(from_json:json) record set",
    lambda text: iter([(key, piece_text(item)) for key, item in _json_pairs(text, "json_each_text")]),
    out="key text,value text",
)
define(
    "3208 jsonb_each(from_json:jsonb) record set",
    lambda value: iter([(k, Jsonb(v)) for k, v in _jsonb_pairs(value, "jsonb_each")]),
    out="key text,value jsonb",
)
define(
    "3932 jsonb_each_text(from_json:jsonb) record set",
    lambda value: iter([(k, value_text(v)) for k, v in _jsonb_pairs(value, "jsonb_each_text")]),
    out="key text,value text",
)
define(
    "3955 json_array_elements(from_json:json) json set",
    lambda text: iter([p.text for p in _json_items(text, "json_array_elements")]),
    out="value json",
)
define(
    "3969 json_array_elements_text(from_json:json) text set",
    lambda text: iter([piece_text(p) for p in _json_items(text, "json_array_elements_text")]),
    out="value text",
)
define(
    "3219 jsonb_array_elements(from_json:jsonb) jsonb set",
    lambda value: iter([Jsonb(item) for item in _jsonb_items(value)]),
    out="value jsonb",
)
define(
    "3465 jsonb_array_elements_text(from_json:jsonb) text set",
    lambda value: iter([value_text(item) for item in _jsonb_items(value)]),
    out="value text",
)


@sql("3956 json_array_length(json) int4")
def json_length(text: str) -> int:
    """22023"""
    piece = pieces(text)
    if piece.kind != "array":
        noun = "a non-array" if piece.kind == "object" else "a scalar"
        raise PgError("22023", f"cannot get array length of {noun}")
    return len(piece.items)


@sql("3207 jsonb_array_length(jsonb) int4")
def jsonb_length(value: Jsonb) -> int:
    """22023"""
    if not isinstance(value.value, list):
        noun = "a non-array" if isinstance(value.value, dict) else "a scalar"
        raise PgError("22023", f"cannot get array length of {noun}")
    return len(value.value)


define("3968 json_typeof(json) text", lambda text: pieces(text).kind)
define("3210 jsonb_typeof(jsonb) text", lambda value: kind_of(value.value))

# --- containment and existence --------------------------------------------------------------------------


def contains(whole: Any, part: Any, top: bool = True) -> bool:
    """jsonb @>: structure and values of `part` are in `whole`; an array at the top contains a scalar."""
    if isinstance(whole, dict):
        return isinstance(part, dict) and all(
            key in whole and contains(whole[key], item, False) for key, item in part.items()
        )
    if isinstance(whole, list):
        if isinstance(part, list):
            return all(any(contains(held, item, False) for held in whole) for item in part)
        return top and not isinstance(part, dict) and any(same(held, part) for held in whole)
    return same(whole, part)


def same(left: Any, right: Any) -> bool:
    """Equal scalars of the same kind."""
    return kind_of(left) == kind_of(right) and bool(left == right)


define("4046 jsonb_contains(jsonb,jsonb) bool", lambda whole, part: contains(whole.value, part.value))
define("4050 jsonb_contained(jsonb,jsonb) bool", lambda part, whole: contains(whole.value, part.value))


def exists(value: Any, key: str) -> bool:
    """jsonb ?: a key, an element that is a string, or the string itself."""
    if isinstance(value, (dict, list)):
        return key in value
    return bool(value == key) if isinstance(value, str) else False


define("4047 jsonb_exists(jsonb,text) bool", lambda value, key: exists(value.value, key))
define(
    "4048 jsonb_exists_any(jsonb,_text) bool",
    lambda value, keys: any(key is not None and exists(value.value, key) for key in keys.elements),
)
define(
    "4049 jsonb_exists_all(jsonb,_text) bool",
    lambda value, keys: all(key is None or exists(value.value, key) for key in keys.elements),
)
