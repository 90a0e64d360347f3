"""Functions of types that are not here are refused in words of their own, and none is forgotten."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import server.catalog.information  # noqa: F401  (fills the tables)
from server.catalog import names
from server.errors import PgError
from server.runtime.node import Node
from server.sql import lacking
from server.sql.functions import AGGREGATES, FUNCTIONS
from tests.postgres import Postgres
from tests.sessions import Client, run

_TYPES = [
    *("tsvector", "tsquery", "regconfig", "regdictionary", "anyrange", "anymultirange", "anycompatiblerange"),
    *("anycompatiblemultirange", "xml", "bit", "varbit"),
]
_FACTS = """
SELECT DISTINCT proname FROM pg_proc p
WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind IN ('f', 'a', 'w')
  AND EXISTS (SELECT FROM unnest(proargtypes::oid[] || prorettype || coalesce(proallargtypes, '{}')) AS of
              JOIN pg_type t ON t.oid = of WHERE typname = ANY (%s) OR typtype IN ('r', 'm'))
  AND NOT EXISTS (SELECT FROM unnest(proargtypes::oid[] || prorettype) AS of
                  WHERE of IN ('cstring'::regtype, 'internal'::regtype))
  AND NOT EXISTS (SELECT FROM pg_operator WHERE oprcode = p.oid)
  AND NOT EXISTS (SELECT FROM pg_amproc WHERE amproc = p.oid)
  AND NOT EXISTS (SELECT FROM pg_cast WHERE castfunc = p.oid)
  AND NOT EXISTS (SELECT FROM pg_aggregate WHERE p.oid IN (aggtransfn, aggfinalfn, aggcombinefn))
  AND NOT EXISTS (SELECT FROM pg_range WHERE p.oid IN (rngcanonical, rngsubdiff))
  AND NOT EXISTS (SELECT FROM pg_type WHERE typsend = p.oid)
"""


@pytest.fixture(scope="module")
def connection(postgres: Postgres) -> "Iterator[psycopg.Connection[Any]]":
    with postgres.connect() as made:
        yield made


def test_every_function_of_such_a_type_is_named(connection: "psycopg.Connection[Any]") -> None:
    found = {name for (name,) in connection.execute(_FACTS, [_TYPES]).fetchall()}
    assert sorted(found - set(lacking.FUNCTIONS) - set(FUNCTIONS) - set(AGGREGATES) - _FOR_OPERATORS) == []
    assert sorted(set(lacking.FUNCTIONS) & (set(FUNCTIONS) | set(AGGREGATES))) == []


_FOR_OPERATORS = {"xmlconcat2", "text"}
"""Of operators and constructs, though pg_operator does not say so."""


def test_what_is_lacking_is_refused(tmp_path: Path) -> None:
    async def work(node: Node) -> None:
        client = Client(node)
        for name, family in lacking.FUNCTIONS.items():
            for call in (f'"{name}"(NULL)', f'pg_catalog."{name}"(NULL, 1)'):
                answer = await client.query(f"SELECT {call}")
                assert answer == [f"ERROR 0A000 OpenDSQL does not support {family} yet"], call
        assert (await client.query("SELECT public.to_tsvector('a')"))[0].startswith("ERROR 42883")

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        ("to_tsvector('english', 'x')", "english"),
        ("pg_catalog.to_tsquery('German', 'x')", "german"),
        ("to_tsvector('\"German\".x', 'x')", "German.x"),
        ("plainto_tsquery('english'::regconfig, 'x')", "english"),
        ("jsonb_to_tsvector('french', '{}', '[]')", "french"),
    ],
)
def test_only_one_configuration_exists(tmp_path: Path, call: str, shown: str) -> None:
    """GOLD, PGREST: 42704, also where literals are lifted or bound."""
    error = f'ERROR 42704 text search configuration "{shown}" does not exist'

    async def work(node: Node) -> None:
        client = Client(node)
        for _ in range(2):
            assert await client.query(f"SELECT {call}") == [error]
            assert await client.extended(f"SELECT {call}") == [error]
        simple = await client.query(
            "SELECT to_tsvector('Simple', 'x'), to_tsvector('pg_catalog.simple', 'x')"
        )
        assert simple == [("'x':1", "'x':1"), "SELECT 1"]
        assert await client.query("SELECT to_tsvector('a b c', 'x')") == ["ERROR 42602 invalid name syntax"]

    run(tmp_path, work)


def test_a_configuration_that_is_missing_is_told_as_by_postgresql(
    connection: "psycopg.Connection[Any]",
) -> None:
    statement = "SELECT to_tsvector('nothing', 'x')"
    with pytest.raises(psycopg.errors.UndefinedObject) as theirs:
        connection.execute(statement)
    with pytest.raises(PgError) as ours:
        names.reg_input(None, "regconfig", "nothing")
    assert ours.value.message == theirs.value.diag.message_primary
