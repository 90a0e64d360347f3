"""Polymorphic functions of every shape mean in ours what they mean in PostgreSQL (chapter 38.2.5)."""

import random
from collections.abc import Iterator
from itertools import count
from typing import Any

import psycopg
import pytest

import server.sql.builtins  # noqa: F401  (fills the tables)
from server.errors import PgError
from server.sql.functions import FUNCTIONS, Function
from server.sql.polymorphic import COMPATIBLE, POLYMORPHIC, SIMPLE
from server.sql.resolve import resolve_function
from server.sql.types import BY_NAME, Type
from tests.function_cases import name
from tests.postgres import Postgres

ACTUAL = [
    "unknown", "int4", "int8", "numeric", "text", "date", "_int4", "_int8", "_text", "int4range", "int8range",
    "numrange", "daterange", "int4multirange", "int8multirange", "nummultirange", "_int4range", "int2vector",
]  # fmt: skip
FAMILIES = [sorted(kinds, key=lambda kind: kind.oid) for kinds in (SIMPLE, COMPATIBLE)]
PLAIN = [BY_NAME[each] for each in ("int4", "text", "int4range")]
_numbers = count()


@pytest.fixture(scope="module")
def connection(postgres: Postgres) -> "Iterator[psycopg.Connection[Any]]":
    if postgres.version != 16:
        pytest.skip("messages of other versions differ")
    with postgres.connect() as made:
        yield made


def make(
    connection: "psycopg.Connection[Any]", called: str, args: list[Type], result: Type
) -> Function | None:
    """A function on both sides; None: PostgreSQL refuses it, as its result says nothing."""
    shapes = ", ".join(map(name, args))
    body = "LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    try:
        connection.execute(f"CREATE FUNCTION {called}({shapes}) RETURNS {name(result)} {body}".encode())
    except psycopg.Error:
        return None
    return Function(0, called, tuple(args), result, lambda *given: None)


def theirs(connection: "psycopg.Connection[Any]", call: str) -> Any:
    try:
        connection.execute(f"PREPARE probe AS SELECT {call}".encode())
    except psycopg.Error as error:
        told = error.diag
        return told.sqlstate, told.message_primary, told.message_detail, told.message_hint
    row = connection.execute(
        "SELECT result_types[1]::oid::int FROM pg_prepared_statements WHERE name = 'probe'"
    ).fetchone()
    connection.execute("DEALLOCATE probe")
    return row[0] if row else None


def ours(called: str, types: list[Type]) -> Any:
    try:
        return resolve_function((called,), types).result.oid
    except PgError as error:
        return error.sqlstate, error.message, error.detail, error.hint


def wrong(
    connection: "psycopg.Connection[Any]", choice: random.Random, functions: int, calls: int
) -> list[Any]:
    """What differs between the answers to calls of functions with one to three overloads."""
    found = []
    for _ in range(functions):
        called = f"poly_{next(_numbers)}"
        entries = []
        for _ in range(choice.choice((1, 1, 2, 3))):
            kinds = choice.choice(FAMILIES)
            args = [choice.choice([*kinds, *kinds, *PLAIN]) for _ in range(choice.choice((1, 2, 2, 3)))]
            results = [kind for kind in kinds if not POLYMORPHIC.isdisjoint(args)] + [BY_NAME["int4"]]
            entries.append(make(connection, called, args, choice.choice(results)))
        FUNCTIONS[called] = [entry for entry in entries if entry is not None]
        try:
            for _ in range(calls):
                size = choice.choice([len(entry.args) for entry in FUNCTIONS[called]] or [1])
                types = [BY_NAME[choice.choice(ACTUAL)] for _ in range(size)]
                if choice.random() < 0.5:
                    types = _related(choice, types)
                texts = ["NULL" if kind.name == "unknown" else f"NULL::{name(kind)}" for kind in types]
                real, mine = theirs(connection, f"{called}({', '.join(texts)})"), ours(called, types)
                if real != mine:
                    found.append((FUNCTIONS[called], types, mine, real))
        finally:
            del FUNCTIONS[called]
    return found


def _related(choice: random.Random, types: list[Type]) -> list[Type]:
    """As many types that have to do with one another, so that more calls succeed."""
    family = ["unknown", "int4", "int4", "_int4", "int4range", "int4range", "int4multirange"]
    return [BY_NAME[choice.choice(family)] for _ in types]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_polymorphic_functions(connection: "psycopg.Connection[Any]", seed: int) -> None:
    assert wrong(connection, random.Random(seed), 60, 12) == []
