"""Which operator and function PostgreSQL chooses, and what it says when there is none (chapter 10)."""

import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from server.errors import PgError
from server.sql.functions import AGGREGATES, FUNCTIONS, OPERATORS
from server.sql.resolve import resolve_function, resolve_operator, select_common_type
from server.sql.types import BY_NAME, UNKNOWN
from tests.function_cases import name
from tests.postgres import Postgres

TYPES = [
    "unknown",
    "bool",
    "int2",
    "int4",
    "int8",
    "float4",
    "float8",
    "numeric",
    "text",
    "varchar",
    "bpchar",
    "name",
    "char",
    "bytea",
    "uuid",
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "interval",
    "json",
    "jsonb",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "oid",
    "regclass",
    "_int4",
    "_text",
    "_varchar",
    "int2vector",
    "int4range",
    "numrange",
    "int4multirange",
]
ELSEWHERE = frozenset(
    ["@>", "<@", "&&", "|", "&", "#", "~", "<<", ">>", "@", "@@", "?", "?|", "&<", "&>", "<->"]
)
"""Operators that PostgreSQL also has for types we lack (geometry, networks, bits)."""
ALSO_ELSEWHERE = frozenset(
    [
        "age",
        "unnest",
        "bit_count",
        "get_bit",
        "set_bit",
        "length",
        "substring",
        "abs",
        "area",
        "center",
        "overlay",
        "bit_and",
        "bit_or",
        "bit_xor",
        "min",
        "max",
        "sum",
        "avg",
        "octet_length",
        "bit_length",
        "position",
        "numnode",
        "text",
        "name",
        "int4",
        "int8",
        "money",
        "character_length",
        "char_length",
        "normalize",
        "timezone",
        "json_populate_record",
        "count",
        "generate_series",
    ]
)
"""Functions that PostgreSQL also has for types we lack."""


@pytest.fixture(scope="module")
def connection(postgres: Postgres) -> "Iterator[psycopg.Connection[Any]]":
    if postgres.version != 16:
        pytest.skip("the set of functions is that of PostgreSQL 16")
    with postgres.connect() as made:
        yield made


def literal(kind: str) -> str:
    return "NULL" if kind == "unknown" else f"NULL::{name(BY_NAME[kind])}"


PROBE = """
CREATE OR REPLACE FUNCTION pg_temp.type_of(expression text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE result text; state text; message text; hint text;
BEGIN
  EXECUTE 'PREPARE probe AS SELECT ' || expression;
  SELECT result_types[1]::oid::text INTO result FROM pg_prepared_statements WHERE name = 'probe';
  DEALLOCATE probe;
  RETURN array[result];
EXCEPTION WHEN others THEN
  GET STACKED DIAGNOSTICS state = returned_sqlstate, message = message_text, hint = pg_exception_hint;
  RETURN array[state, message, nullif(hint, '')];
END $$
"""
ASK = "SELECT pg_temp.type_of(e) FROM unnest(%s::text[]) WITH ORDINALITY u (e, n) ORDER BY n"


def theirs(connection: "psycopg.Connection[Any]", expressions: list[str]) -> list[Any]:
    """Of each expression the result's type, or SQLSTATE, message and hint; asked for at once, they are many."""
    connection.execute(PROBE)
    rows = connection.execute(ASK, (expressions,)).fetchall()
    return [int(told[0]) if len(told) == 1 else tuple(told) for (told,) in rows]


@pytest.mark.slow
def test_operators(connection: "psycopg.Connection[Any]") -> None:
    asked: list[tuple[str, Any]] = []
    choice = random.Random(5)
    pairs: list[tuple[str | None, str]] = [(left, right) for left in (None, *TYPES) for right in TYPES]
    for symbol in sorted(set(OPERATORS) - ELSEWHERE):
        for left, right in choice.sample(pairs, 250) if symbol not in "+-=<||" else pairs:
            expression = (
                f"{literal(left)} {symbol} {literal(right)}" if left else f"{symbol} {literal(right)}"
            )
            try:
                mine: Any = resolve_operator(symbol, BY_NAME[left] if left else None, BY_NAME[right])[2].oid
            except PgError as error:
                mine = (error.sqlstate, error.message, error.hint)
            asked.append((expression, mine))
    real = theirs(connection, [expression for expression, _ in asked])
    pairs = [(*ours, told) for ours, told in zip(asked, real) if ours[1] != told]
    assert [pair for pair in pairs if not (isinstance(pair[2], tuple) and pair[2][0] == "42601")] == []


@pytest.mark.slow
def test_functions(connection: "psycopg.Connection[Any]") -> None:
    asked: list[tuple[str, Any]] = []
    choice = random.Random(6)
    for function in sorted(set(FUNCTIONS) | set(AGGREGATES)):
        if function in ALSO_ELSEWHERE or not any(
            entry.impl.__module__.startswith("server.sql.") for entry in FUNCTIONS.get(function, ())
        ):
            continue
        shapes = [tuple(choice.choice(TYPES) for _ in range(choice.randint(0, 3))) for _ in range(12)]
        shapes += [tuple(kind.name for kind in entry.args) for entry in FUNCTIONS.get(function, ())]
        for shape in shapes:
            if any(kind not in TYPES for kind in shape):
                continue
            try:
                matched = resolve_function((function,), [BY_NAME[kind] for kind in shape])
                mine: Any = matched.result.oid
            except PgError as error:
                mine = (error.sqlstate, error.message, error.hint)
            asked.append((f'"{function}"({", ".join(map(literal, shape))})', mine))
    real = theirs(connection, [expression for expression, _ in asked])
    pairs = [(*ours, told) for ours, told in zip(asked, real) if ours[1] != told]
    assert [
        pair for pair in pairs if not (isinstance(pair[2], tuple) and pair[2][0] in ("42809", "42P20"))
    ] == []


@pytest.mark.slow
def test_common_type(connection: "psycopg.Connection[Any]") -> None:
    pairs = [(BY_NAME[left], BY_NAME[right]) for left in TYPES for right in TYPES]
    expressions = [
        f"CASE WHEN true THEN {literal(left.name)} ELSE {literal(right.name)} END" for left, right in pairs
    ]
    wrong = []
    for (left, right), real in zip(pairs, theirs(connection, expressions)):
        try:
            mine: Any = select_common_type([right, left], "CASE").oid
        except PgError as error:
            mine = (error.sqlstate, error.message, error.hint)
        shown = f"CASE types {right.display} and {left.display} cannot be matched"
        same_refusal = isinstance(real, tuple) and real[1] == shown and isinstance(mine, tuple)
        chosen_but_not_castable = isinstance(real, tuple) and real[0] == "42846" and isinstance(mine, int)
        if mine != real and not same_refusal and not chosen_but_not_castable:
            wrong.append((left, right, mine, real))
    assert not wrong


def test_named_arguments_and_defaults() -> None:
    match = resolve_function(("make_interval",), [BY_NAME["int4"], BY_NAME["int4"]], ("days", "hours"))
    assert match.positions == (None, None, None, 0, 1, None, None)
    assert match.defaults == (0, 0, 0, 0, 0.0)
    with pytest.raises(PgError, match=r"function make_interval\(foo => integer\) does not exist"):
        resolve_function(("make_interval",), [BY_NAME["int4"]], ("foo",))


def test_variadic() -> None:
    match = resolve_function(("json_extract_path",), [BY_NAME["json"], UNKNOWN, BY_NAME["text"]])
    assert match.collected == 2
    spread = resolve_function(("json_extract_path",), [BY_NAME["json"], BY_NAME["_text"]], variadic=True)
    assert spread.collected == 0


def test_a_type_name_is_a_cast() -> None:
    assert resolve_function(("int4",), [UNKNOWN]).kind == "coercion"
