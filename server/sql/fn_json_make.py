"""json and jsonb: making and changing (PostgreSQL: json.c, jsonb.c, jsonfuncs.c; chapter 9.16)."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from server.errors import PgError
from server.sql.env import Env
from server.sql.fn_json import Piece, path_index, pieces
from server.sql.functions import define, sql
from server.sql.type_array import Array
from server.sql.type_json import Jsonb, object_of, parse, quote, render
from server.sql.type_record import Record
from server.sql.types import JSON, JSONB, Type, is_row

Types = Sequence[Type]
_NUMBERS = frozenset(("int2", "int4", "int8", "float4", "float8", "numeric"))
_DATES = frozenset(("date", "timestamp", "timestamptz"))
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_SHORT_ZONE = re.compile(r"([+-]\d\d)(?= BC|$)")


def date_text(kind: Type, value: Any, env: Any) -> str:
    """A date or timestamp in ISO 8601 with a T, whatever DateStyle says."""
    text = kind.output(value, Env(zone=env.zone))
    if kind.name == "timestamptz":
        text = _SHORT_ZONE.sub(r"\1:00", text, count=1)
    return text.replace(" ", "T", 1) if kind.name != "date" else text


def json_text(kind: Type, value: Any, env: Any) -> str:
    """The value as JSON text (datum_to_json); NULL is null."""
    if value is None:
        return "null"
    if kind.name == "bool":
        return "true" if value else "false"
    if kind.name in _NUMBERS:
        text = kind.output(value, env)
        return text if _NUMBER.fullmatch(text) else quote(text)
    if kind is JSON:
        return str(value)
    if kind is JSONB:
        return render(value.value)
    if isinstance(value, Array):
        return _array_text(kind, value, env)
    if isinstance(value, Record):
        return row_text(value, env)
    return quote(date_text(kind, value, env) if kind.name in _DATES else kind.output(value, env))


def row_text(row: Record, env: Any, between: str = ",") -> str:
    """A row as an object of its fields (composite_to_json)."""
    fields = zip(row.names, row.fields, row)
    return (
        "{" + between.join(f"{quote(name)}:{json_text(kind, item, env)}" for name, kind, item in fields) + "}"
    )


def _array_text(kind: Type, value: Array, env: Any, between: str = ",") -> str:
    element = kind.element
    assert element is not None
    texts = [json_text(element, item, env) for item in value.elements]
    if not value.dims:
        return "[]"
    for level, size in enumerate(reversed(value.dims)):
        joint = between if level == len(value.dims) - 1 else ","
        texts = ["[" + joint.join(texts[i : i + size]) + "]" for i in range(0, len(texts), size)]
    return texts[0]


def json_value(kind: Type, value: Any, env: Any) -> Any:
    """The value as jsonb holds it (datum_to_jsonb)."""
    if value is None or kind.name == "bool":
        return value
    if kind.name in _NUMBERS:
        text = kind.output(value, env)
        return parse(text) if _NUMBER.fullmatch(text) else text
    if kind is JSON:
        return parse(value)
    if kind is JSONB:
        return value.value
    if isinstance(value, Array) and kind.element is not None:
        element = kind.element
        return _nested([json_value(element, item, env) for item in value.elements], value.dims)
    if isinstance(value, Record):
        fields = zip(value.names, value.fields, value)
        return object_of([(name, json_value(field, item, env)) for name, field, item in fields])
    text = date_text(kind, value, env) if kind.name in _DATES else kind.output(value, env)
    return text


def _nested(values: list[Any], dims: Sequence[int]) -> list[Any]:
    if not dims:
        return []
    for size in reversed(dims[1:]):
        values = [values[i : i + size] for i in range(0, len(values), size)]
    return values


define(
    "3176 to_json(anyelement) json s",
    lambda env, types, value: json_text(types[0], value, env),
    env=True,
    types=True,
)
define(
    "3787 to_jsonb(anyelement) jsonb s",
    lambda env, types, value: Jsonb(json_value(types[0], value, env)),
    env=True,
    types=True,
)
define(
    "3153 array_to_json(anyarray) json s",
    lambda env, types, value: _array_text(types[0], value, env),
    env=True,
    types=True,
)


define("3155 row_to_json(record) json s", lambda env, row: row_text(row, env), env=True)
define(
    "3156 row_to_json(record,bool) json s",
    lambda env, row, pretty: row_text(row, env, ",\n " if pretty else ","),
    env=True,
)


@sql("3154 array_to_json(anyarray,bool) json s", env=True, types=True)
def array_to_json(env: Any, types: Types, value: Array, pretty: bool) -> str:
    """With line feeds between the elements of the first dimension."""
    return _array_text(types[0], value, env, ",\n " if pretty else ",")


def key_text(kind: Type, value: Any, env: Any) -> str:
    """An object's key; 22023 for what is no scalar."""
    if kind.element is not None or is_row(kind) or kind.name in ("json", "jsonb"):
        raise PgError("22023", "key value must be scalar, not array, composite, or json")
    if kind.name == "bool":
        return "true" if value else "false"
    return date_text(kind, value, env) if kind.name in _DATES else str(kind.output(value, env))


def _check_even(values: Sequence[Any], name: str) -> None:
    if len(values) % 2:
        hint = f"The arguments of {name}() must consist of alternating keys and values."
        raise PgError("22023", "argument list must have even number of elements", hint=hint)


@sql("3201 json_build_object() json s called", env=True, types=True)
@sql("3200 json_build_object(any) json s called variadic", env=True, types=True)
def json_build_object(env: Any, types: Types, *values: Any) -> str:
    """22023, 22004"""
    _check_even(values, "json_build_object")
    made = []
    for index in range(0, len(values), 2):
        if values[index] is None:
            raise PgError("22004", "null value not allowed for object key")
        key = quote(key_text(types[index], values[index], env))
        made.append(f"{key} : {json_text(types[index + 1], values[index + 1], env)}")
    return "{" + ", ".join(made) + "}"


@sql("3199 json_build_array() json s called", env=True, types=True)
@sql("3198 json_build_array(any) json s called variadic", env=True, types=True)
def json_build_array(env: Any, types: Types, *values: Any) -> str:
    """[1, "a"]"""
    return "[" + ", ".join(json_text(kind, value, env) for kind, value in zip(types, values)) + "]"


@sql("3274 jsonb_build_object() jsonb s called", env=True, types=True)
@sql("3273 jsonb_build_object(any) jsonb s called variadic", env=True, types=True)
def jsonb_build_object(env: Any, types: Types, *values: Any) -> Jsonb:
    """22023"""
    _check_even(values, "jsonb_build_object")
    pairs = []
    for index in range(0, len(values), 2):
        if values[index] is None:
            raise PgError("22023", f"argument {index + 1}: key must not be null")
        key = key_text(types[index], values[index], env)
        pairs.append((key, json_value(types[index + 1], values[index + 1], env)))
    return Jsonb(object_of(pairs))


@sql("3272 jsonb_build_array() jsonb s called", env=True, types=True)
@sql("3271 jsonb_build_array(any) jsonb s called variadic", env=True, types=True)
def jsonb_build_array(env: Any, types: Types, *values: Any) -> Jsonb:
    """[1, "a"]"""
    return Jsonb([json_value(kind, value, env) for kind, value in zip(types, values)])


def _text_pairs(array: Array) -> list[tuple[Any, Any]]:
    """Keys and values of a one-dimensional array, or of one with two columns; 2202E, 22004."""
    if len(array.dims) > 2:
        raise PgError("2202E", "wrong number of array subscripts")
    if len(array.dims) == 2 and array.dims[1] != 2:
        raise PgError("2202E", "array must have two columns")
    if len(array.elements) % 2:
        raise PgError("2202E", "array must have even number of elements")
    return _checked_pairs(list(zip(array.elements[::2], array.elements[1::2])))


def _checked_pairs(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    if any(key is None for key, _ in pairs):
        raise PgError("22004", "null value not allowed for object key")
    return pairs


def _two_arrays(keys: Array, values: Array) -> list[tuple[Any, Any]]:
    if len(keys.dims) > 1 or len(keys.dims) != len(values.dims):
        raise PgError("2202E", "wrong number of array subscripts")
    if len(keys.elements) != len(values.elements):
        raise PgError("2202E", "mismatched array dimensions")
    return _checked_pairs(list(zip(keys.elements, values.elements)))


def _json_object(pairs: list[tuple[Any, Any]]) -> str:
    return "{" + ", ".join(f"{quote(k)} : {'null' if v is None else quote(v)}" for k, v in pairs) + "}"


define("3202 json_object(_text) json", lambda array: _json_object(_text_pairs(array)))
define("3203 json_object(_text,_text) json", lambda keys, values: _json_object(_two_arrays(keys, values)))
define("3263 jsonb_object(_text) jsonb", lambda array: Jsonb(object_of(_text_pairs(array))))
define(
    "3264 jsonb_object(_text,_text) jsonb", lambda keys, values: Jsonb(object_of(_two_arrays(keys, values)))
)

# --- changing -------------------------------------------------------------------------------------------


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _piece_without_nulls(piece: Piece) -> str:
    if piece.kind == "object":
        kept = [f"{quote(k)}:{_piece_without_nulls(p)}" for k, p in piece.items if p.kind != "null"]
        return "{" + ",".join(kept) + "}"
    if piece.kind == "array":
        return "[" + ",".join(_piece_without_nulls(item) for item in piece.items) + "]"
    return quote(piece.value) if piece.kind == "string" else piece.text


define("3262 jsonb_strip_nulls(jsonb) jsonb", lambda value: Jsonb(_without_nulls(value.value)))
define("3261 json_strip_nulls(json) json", lambda text: _piece_without_nulls(pieces(text)))


@sql("3301 jsonb_concat(jsonb,jsonb) jsonb")
def concat(left: Jsonb, right: Jsonb) -> Jsonb:
    """Objects merge, arrays join, anything else becomes an array first; 22023."""
    first, second = left.value, right.value
    if isinstance(first, dict) and isinstance(second, dict):
        return Jsonb(object_of([*first.items(), *second.items()]))
    as_lists = [value if isinstance(value, list) else [value] for value in (first, second)]
    return Jsonb(as_lists[0] + as_lists[1])


def _refuse_scalar(value: Any, message: str) -> None:
    if not isinstance(value, (dict, list)):
        raise PgError("22023", message)


@sql("3302 jsonb_delete(jsonb,text) jsonb")
def delete_key(value: Jsonb, key: str) -> Jsonb:
    """Without the key, or without the elements that are that string; 22023."""
    held = value.value
    _refuse_scalar(held, "cannot delete from scalar")
    if isinstance(held, dict):
        return Jsonb({name: item for name, item in held.items() if name != key})
    return Jsonb([item for item in held if not (isinstance(item, str) and item == key)])


@sql("3343 jsonb_delete(from_json:jsonb,path_elems:_text) jsonb variadic")
def delete_keys(value: Jsonb, keys: Array) -> Jsonb:
    """Without all of the keys; 22023, 2202E."""
    if len(keys.dims) > 1:
        raise PgError("2202E", "wrong number of array subscripts")
    _refuse_scalar(value.value, "cannot delete from scalar")
    for key in keys.elements:
        if key is not None:
            value = delete_key(value, key)
    return value


@sql("3303 jsonb_delete(jsonb,int4) jsonb")
def delete_element(value: Jsonb, index: int) -> Jsonb:
    """Without the element; negative indexes count from the end; 22023."""
    held = value.value
    _refuse_scalar(held, "cannot delete from scalar")
    if isinstance(held, dict):
        raise PgError("22023", "cannot delete from object using integer index")
    position = index + len(held) if index < 0 else index
    return Jsonb([item for at, item in enumerate(held) if at != position])


class _PathChange:
    """setPath of jsonfuncs.c: one change along a path."""

    def __init__(self, path: Sequence[Any], change: Callable[[Any, Any], Any]) -> None:
        self.path = path
        self.change = change
        """(container copy, key or index; None: past the end) changes the container in place."""

    def run(self, value: Any, level: int = 0) -> Any:
        """The value with the change made."""
        step = self.path[level]
        if step is None:
            raise PgError("22004", f"path element at position {level + 1} is null")
        last = level == len(self.path) - 1
        if isinstance(value, dict):
            if last:
                held = dict(value)
                self.change(held, step)
                return object_of(list(held.items()))
            if step not in value:
                return value
            return {key: self.run(item, level + 1) if key == step else item for key, item in value.items()}
        if isinstance(value, list):
            index = path_index(step)
            if index is None:
                raise PgError("22P02", f'path element at position {level + 1} is not an integer: "{step}"')
            copy = list(value)
            if last:
                self.change(copy, index)
            else:
                position = index + len(copy) if index < 0 else index
                if 0 <= position < len(copy):
                    copy[position] = self.run(copy[position], level + 1)
            return copy
        return value


def _path(value: Any, path: Array, message: str) -> bool:
    """False: nothing to do."""
    if len(path.dims) > 1:
        raise PgError("2202E", "wrong number of array subscripts")
    _refuse_scalar(value, message)
    return bool(path.elements)


def _position(items: list[Any], index: int) -> int:
    """Where an index lies: below 0 before the first, at the length past the last."""
    return max(index + len(items), -1) if index < 0 else min(index, len(items))


@sql(
    "3305 jsonb_set(jsonb_in:jsonb,path:_text,replacement:jsonb,create_if_missing:bool) jsonb",
    defaults=(True,),
)
def jsonb_set(value: Jsonb, path: Array, new: Jsonb, create: bool = True) -> Jsonb:
    """The item at the path replaced or, with `create`, added; 22023, 22004, 22P02."""

    def change(held: Any, step: Any) -> None:
        if isinstance(held, dict):
            if create or step in held:
                held[step] = new.value
            return
        at = _position(held, step)
        if 0 <= at < len(held):
            held[at] = new.value
        elif create:
            held.insert(max(at, 0), new.value)

    if not _path(value.value, path, "cannot set path in scalar") or (not value.value and not create):
        return value
    return Jsonb(_PathChange(path.elements, change).run(value.value))


@sql(
    "3579 jsonb_insert(jsonb_in:jsonb,path:_text,replacement:jsonb,insert_after:bool) jsonb",
    defaults=(False,),
)
def jsonb_insert(value: Jsonb, path: Array, new: Jsonb, after: bool = False) -> Jsonb:
    """A new key, or an element before (or after) the one at the path; 22023."""

    def change(held: Any, step: Any) -> None:
        if isinstance(held, dict):
            if step in held:
                hint = "Try using the function jsonb_set to replace key value."
                raise PgError("22023", "cannot replace existing key", hint=hint)
            held[step] = new.value
            return
        at = _position(held, step)
        held.insert(max(at + (after and 0 <= at < len(held)), 0), new.value)

    if not _path(value.value, path, "cannot set path in scalar"):
        return value
    return Jsonb(_PathChange(path.elements, change).run(value.value))


_TREATMENTS = (
    'null_value_treatment must be "delete_key", "return_target", "use_json_null", or "raise_exception"'
)


@sql(
    "5054 jsonb_set_lax(jsonb_in:jsonb,path:_text,replacement:jsonb,create_if_missing:bool,"
    "null_value_treatment:text) jsonb called",
    defaults=(True, "use_json_null"),
)
def jsonb_set_lax(
    value: Jsonb | None, path: Array | None, new: Jsonb | None, create: bool | None, treatment: str | None
) -> Jsonb | None:
    """jsonb_set whose new value may be NULL; 22004, 22023."""
    if value is None or path is None or create is None:
        return None
    if treatment is None:
        raise PgError("22023", _TREATMENTS)
    if new is not None:
        return jsonb_set(value, path, new, create)
    if treatment == "raise_exception":
        detail = 'Exception was raised because null_value_treatment is "raise_exception".'
        hint = (
            "To avoid, either change the null_value_treatment argument or "
            "ensure that an SQL NULL is not passed."
        )
        raise PgError("22004", "JSON value must not be null", detail=detail, hint=hint)
    if treatment == "use_json_null":
        return jsonb_set(value, path, Jsonb(None), create)
    if treatment == "delete_key":
        return delete_path(value, path)
    if treatment == "return_target":
        return value
    raise PgError("22023", _TREATMENTS)


@sql("3304 jsonb_delete_path(jsonb,_text) jsonb")
def delete_path(value: Jsonb, path: Array) -> Jsonb:
    """Without the item at the path; 22023, 22004, 22P02."""

    def change(held: Any, step: Any) -> None:
        if isinstance(held, dict):
            held.pop(step, None)
            return
        at = step + len(held) if step < 0 else step
        if 0 <= at < len(held):
            del held[at]

    if not _path(value.value, path, "cannot delete path in scalar") or not value.value:
        return value
    return Jsonb(_PathChange(path.elements, change).run(value.value))


@sql("3306 jsonb_pretty(jsonb) text")
def pretty(value: Jsonb) -> str:
    """One item a line, indented by four blanks."""
    return _pretty(value.value, 0)


def _pretty(value: Any, level: int) -> str:
    if not isinstance(value, (dict, list)):
        return render(value)
    inner, outer = "\n" + "    " * (level + 1), "\n" + "    " * level
    if isinstance(value, dict):
        items = [f"{quote(key)}: {_pretty(item, level + 1)}" for key, item in value.items()]
        opening, closing = "{", "}"
    else:
        items = [_pretty(item, level + 1) for item in value]
        opening, closing = "[", "]"
    return opening + ",".join(inner + item for item in items) + outer + closing
