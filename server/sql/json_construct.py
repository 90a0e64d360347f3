"""What SQL/JSON's constructors and IS JSON compute (PostgreSQL 16, chapter 9.16.1; jsonfuncs.c, json.c)."""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from server.errors import PgError
from server.sql.aggregate_json import Collected, array_final, array_step, object_final, object_step
from server.sql.fn_json_make import json_text, json_value
from server.sql.functions import Aggregate, Function
from server.sql.sizes import text_joined
from server.sql.type_json import Jsonb
from server.sql.type_text import decode
from server.sql.types import ANY, BOOL, JSON, JSONB, TEXT, Type

CLAUSES: dict[Function, str] = {}
"""What stands behind the arguments of each function here when it is written as SQL."""


def as_sql(function: Function, args: Sequence[str]) -> str:
    """A call of one of these functions in its own syntax."""
    clauses = CLAUSES[function]
    if function.name == "is_json":
        return f"({args[0]}{clauses})"
    items = args
    if function.name == "json_object":
        items = [f"{key} : {value}" for key, value in zip(args[::2], args[1::2])]
    return f"{function.name.upper()}({', '.join(items)}{clauses})"


@lru_cache(64)
def object_function(jsonb: bool, absent: bool, unique: bool) -> Function:
    """JSON_OBJECT: keys and values in turn."""
    step, final = object_step(jsonb, absent, unique), object_final(jsonb)

    def run(env: Any, kinds: Sequence[Type], *given: Any) -> Any:
        state = Collected(())
        for at in range(0, len(given), 2):
            if given[at + 1] is None and absent and not unique:
                continue
            if given[at] is None and jsonb:
                raise PgError("22023", f"argument {at + 1}: key must not be null")
            state.types = kinds[at : at + 2]
            step(state, env, given[at], given[at + 1])
        if not jsonb:
            return "{" + text_joined(state.items, ", ") + "}"
        state.is_begun = True
        return final(state, env)

    clauses = (" ABSENT ON NULL" if absent else "") + (" WITH UNIQUE KEYS" if unique else "")
    return _function("json_object", run, JSONB if jsonb else JSON, clauses)


@lru_cache(64)
def array_function(jsonb: bool, absent: bool) -> Function:
    """JSON_ARRAY of values."""

    def run(env: Any, kinds: Sequence[Type], *given: Any) -> Any:
        kept = [(kind, value) for kind, value in zip(kinds, given) if value is not None or not absent]
        if jsonb:
            return Jsonb([json_value(kind, value, env) for kind, value in kept])
        return "[" + ", ".join(json_text(kind, value, env) for kind, value in kept) + "]"

    return _function("json_array", run, JSONB if jsonb else JSON, "" if absent else " NULL ON NULL")


def _function(name: str, run: Any, result: Type, clauses: str) -> Function:
    made = Function(
        0, name, (ANY,), result, run, strict=False, volatility="s", needs_env=True, needs_types=True
    )
    CLAUSES[made] = f"{clauses} RETURNING {result.name}"
    return made


@lru_cache(64)
def array_aggregate(jsonb: bool, absent: bool) -> Aggregate:
    """JSON_ARRAYAGG; NULL without rows."""
    return _aggregate("json_arrayagg", (ANY,), array_step(jsonb, absent), array_final(jsonb), jsonb)


@lru_cache(64)
def object_aggregate(jsonb: bool, absent: bool, unique: bool) -> Aggregate:
    """JSON_OBJECTAGG; NULL without rows."""
    step = object_step(jsonb, absent, unique)
    return _aggregate("json_objectagg", (ANY, ANY), step, object_final(jsonb), jsonb)


def _aggregate(name: str, args: tuple[Type, ...], step: Any, final: Any, jsonb: bool) -> Aggregate:
    begin: Any = Collected
    return Aggregate(
        0, name, args, JSONB if jsonb else JSON, begin, step, final, strict_step=False, needs_env=True,
        needs_types=True,
    )  # fmt: skip


# --- IS JSON -----------------------------------------------------------------------------------------------

_BRACKETS = {"{": "object", "[": "array"}


def _without_duplicates(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError


def is_json(value: Any, kind: str, unique: bool, env: Any) -> bool:
    """IS JSON [VALUE|ARRAY|OBJECT|SCALAR] [WITH UNIQUE KEYS] of a text, json, jsonb or bytea; 22021."""
    if isinstance(value, Jsonb):
        held = value.value
        found = "object" if isinstance(held, dict) else "array" if isinstance(held, list) else "scalar"
        return kind in ("value", found)
    text = decode(value) if isinstance(value, bytes) else str(value)
    try:
        JSON.input(text, -1, env)
        if unique:
            json.loads(text, object_pairs_hook=_without_duplicates, parse_float=str, parse_int=str)
    except (PgError, ValueError):
        return False
    return kind in ("value", _BRACKETS.get(text.strip(" \t\n\r")[0], "scalar"))


@lru_cache(16)
def is_json_function(kind: str, unique: bool) -> Function:
    """The function behind one form of IS JSON."""
    made = Function(
        0, "is_json", (TEXT,), BOOL, lambda env, value: is_json(value, kind, unique, env), needs_env=True
    )
    words = "" if kind == "value" else f" {kind.upper()}"
    CLAUSES[made] = f" IS JSON{words}{' WITH UNIQUE KEYS' if unique else ''}"
    return made
