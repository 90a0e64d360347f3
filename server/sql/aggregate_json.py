"""Aggregates that make json and jsonb (PostgreSQL, chapter 9.21, table 9.60); SQL/JSON's constructors use the same."""

from collections.abc import Callable
from typing import Any

from server.errors import PgError
from server.sql.aggregates import define
from server.sql.fn_json_make import json_text, json_value, key_text
from server.sql.sizes import elements_fit, text_joined
from server.sql.type_array import Array
from server.sql.type_json import Jsonb, object_of, quote
from server.sql.type_record import Record

Step = Callable[..., "Collected"]
Final = Callable[["Collected | None", Any], Any]


class Collected:
    """What has come so far: texts or values, of objects with their keys."""

    __slots__ = ("is_begun", "is_double", "items", "keys", "types")

    def __init__(self, types: Any) -> None:
        self.types = types
        self.items: list[Any] = []
        self.keys: set[str] = set()
        """Those that may not come again."""
        self.is_begun = False
        """There was a row, perhaps one that is left out."""
        self.is_double = False


def duplicate(key: str, jsonb: bool) -> PgError:
    """22030: a key that may stand once came again; jsonb does not know any more which."""
    message = "duplicate JSON object key value"
    return PgError("22030", message if jsonb else f"{message}: {quote(key)}")


def array_step(jsonb: bool, absent: bool) -> Step:
    """An element more; `absent`: no NULLs."""

    def step(state: Collected, env: Any, value: Any) -> Collected:
        state.is_begun = True
        if value is None and absent:
            return state
        elements_fit(len(state.items) + 1)
        if jsonb:
            state.items.append(json_value(state.types[0], value, env))
        else:
            nested = "\n " if state.items and isinstance(value, (Array, Record)) else ""
            state.items.append(nested + json_text(state.types[0], value, env))
        return state

    return step


def array_final(jsonb: bool) -> Final:
    """The array; NULL without rows."""

    def final(state: Collected | None, env: Any) -> Any:
        if state is None or not state.is_begun:
            return None
        return Jsonb(list(state.items)) if jsonb else "[" + text_joined(state.items, ", ") + "]"

    return final


def object_step(jsonb: bool, absent: bool, unique: bool) -> Step:
    """A pair more. Raises 22023 or 22004 for a NULL key, 22030 for one that came before, if it is left out too."""

    def step(state: Collected, env: Any, key: Any, value: Any) -> Collected:
        state.is_begun = True
        if key is None and jsonb:
            raise PgError("22023", "field name must not be null")
        if key is None:
            raise PgError("22004", "null value not allowed for object key")
        is_left_out = absent and value is None
        if is_left_out and not unique:
            return state
        name = key_text(state.types[0], key, env)
        if unique and name in state.keys:
            if not jsonb:
                raise duplicate(name, jsonb)
            state.is_double = True
        if unique:
            state.keys.add(name)
        if is_left_out:
            return state
        elements_fit(len(state.items) + 1)
        if jsonb:
            state.items.append((name, json_value(state.types[1], value, env)))
        else:
            state.items.append(f"{quote(name)} : {json_text(state.types[1], value, env)}")
        return state

    return step


def object_final(jsonb: bool) -> Final:
    """The object; NULL without rows. 22030"""

    def final(state: Collected | None, env: Any) -> Any:
        if state is None or not state.is_begun:
            return None
        if state.is_double:
            raise duplicate("", True)
        return Jsonb(object_of(state.items)) if jsonb else "{ " + text_joined(state.items, ", ") + " }"

    return final


_OPTIONS: dict[str, Any] = {"init": Collected, "strict": False, "env": True, "types": True}
_ARRAYS = (
    ("3175 json_agg(anyelement) json s", False, False),
    ("6276 json_agg_strict(anyelement) json s", False, True),
    ("3267 jsonb_agg(anyelement) jsonb s", True, False),
    ("6284 jsonb_agg_strict(anyelement) jsonb s", True, True),
)
"""Facts, whether it is jsonb, whether NULLs are left out."""
_OBJECTS = (
    ("3197 json_object_agg(any,any) json s", False, False, False),
    ("6280 json_object_agg_strict(any,any) json s", False, True, False),
    ("6281 json_object_agg_unique(any,any) json s", False, False, True),
    ("6282 json_object_agg_unique_strict(any,any) json s", False, True, True),
    ("3270 jsonb_object_agg(any,any) jsonb", True, False, False),
    ("6288 jsonb_object_agg_strict(any,any) jsonb", True, True, False),
    ("6289 jsonb_object_agg_unique(any,any) jsonb", True, False, True),
    ("6290 jsonb_object_agg_unique_strict(any,any) jsonb", True, True, True),
)
"""And whether keys are unique."""

for _facts, _jsonb, _absent in _ARRAYS:
    define(_facts, array_step(_jsonb, _absent), final=array_final(_jsonb), **_OPTIONS)
for _facts, _jsonb, _absent, _unique in _OBJECTS:
    define(_facts, object_step(_jsonb, _absent, _unique), final=object_final(_jsonb), **_OPTIONS)
