"""What SQL/JSON's constructors and IS JSON compute (PostgreSQL 16, chapter 9.16.1; jsonfuncs.c, json.c)."""

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from server.errors import PgError
from server.sql.fn_json_make import json_text, json_value, key_text
from server.sql.functions import Aggregate, Function
from server.sql.type_array import Array
from server.sql.type_json import Jsonb, object_of, quote
from server.sql.type_record import Record
from server.sql.types import ANY, BOOL, JSON, JSONB, TEXT, Type

Pair = tuple[str, Type, Any]
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


def _key(kind: Type, value: Any, env: Any) -> str:
    if value is None:
        raise PgError("22004", "null value not allowed for object key")
    return key_text(kind, value, env)


def _object(pairs: Iterable[Pair], env: Any, jsonb: bool, unique: bool, spaced: bool = False) -> Any:
    seen: set[str] = set()
    texts, values = [], []
    for key, kind, value in pairs:
        if unique and key in seen:
            raise PgError("22030", f'duplicate JSON object key value: "{key}"')
        seen.add(key)
        if jsonb:
            values.append((key, json_value(kind, value, env)))
        else:
            texts.append(f"{quote(key)} : {json_text(kind, value, env)}")
    if jsonb:
        return Jsonb(object_of(values))
    return ("{ " + ", ".join(texts) + " }") if spaced else ("{" + ", ".join(texts) + "}")


@lru_cache(64)
def object_function(jsonb: bool, absent: bool, unique: bool) -> Function:
    """JSON_OBJECT: keys and values in turn."""

    def run(env: Any, kinds: Sequence[Type], *given: Any) -> Any:
        pairs = []
        for at in range(0, len(given), 2):
            key = _key(kinds[at], given[at], env)
            if given[at + 1] is not None or not absent:
                pairs.append((key, kinds[at + 1], given[at + 1]))
        return _object(pairs, env, jsonb, unique)

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


def _typed(*kinds: Any) -> tuple[Any, list[Any]]:
    return kinds[0], []


@lru_cache(64)
def array_aggregate(jsonb: bool, absent: bool) -> Aggregate:
    """JSON_ARRAYAGG; NULL without rows."""

    def step(state: tuple[Any, list[Any]], env: Any, value: Any) -> Any:
        (kind,), items = state
        if value is None and absent:
            return state
        if jsonb:
            items.append(json_value(kind, value, env))
        else:
            nested = "\n " if items and isinstance(value, (Array, Record)) else ""
            items.append(nested + json_text(kind, value, env))
        return state

    def final(state: tuple[Any, list[Any]] | None, env: Any) -> Any:
        if state is None or not state[1]:
            return None
        return Jsonb(list(state[1])) if jsonb else "[" + ", ".join(state[1]) + "]"

    return _aggregate("json_arrayagg", (ANY,), step, final, jsonb)


@lru_cache(64)
def object_aggregate(jsonb: bool, absent: bool, unique: bool) -> Aggregate:
    """JSON_OBJECTAGG; NULL without rows."""

    def step(state: tuple[Any, list[Any]], env: Any, key: Any, value: Any) -> Any:
        kinds, pairs = state
        name = _key(kinds[0], key, env)
        if value is not None or not absent:
            if unique and any(name == known for known, _kind, _value in pairs):
                raise PgError("22030", f'duplicate JSON object key value: "{name}"')
            pairs.append((name, kinds[1], value))
        return state

    def final(state: tuple[Any, list[Any]] | None, env: Any) -> Any:
        return _object(state[1], env, jsonb, False, True) if state is not None and state[1] else None

    return _aggregate("json_objectagg", (ANY, ANY), step, final, jsonb)


def _aggregate(name: str, args: tuple[Type, ...], step: Any, final: Any, jsonb: bool) -> Aggregate:
    return Aggregate(
        0, name, args, JSONB if jsonb else JSON, _typed, step, final, strict_step=False, needs_env=True,
        needs_types=True,
    )  # fmt: skip


# --- IS JSON -----------------------------------------------------------------------------------------------

_BRACKETS = {"{": "object", "[": "array"}


def _without_duplicates(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError


def is_json(value: Any, kind: str, unique: bool, env: Any) -> bool:
    """IS JSON [VALUE|ARRAY|OBJECT|SCALAR] [WITH UNIQUE KEYS] of a text, json, jsonb or bytea."""
    if isinstance(value, Jsonb):
        held = value.value
        found = "object" if isinstance(held, dict) else "array" if isinstance(held, list) else "scalar"
        return kind in ("value", found)
    try:
        text = value.decode() if isinstance(value, bytes) else str(value)
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
