"""Every built-in function and operator against PostgreSQL: values as text, or SQLSTATE and message."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

import server.sql.builtins  # noqa: F401  (fills the tables)
from server.sql.functions import (
    AGGREGATE_BY_OID,
    FUNCTION_BY_OID,
    OPERATOR_BY_OID,
    WINDOW_FUNCTION_BY_OID,
    Function,
)
from tests.function_cases import Call, calls, ours, theirs
from tests.postgres import Postgres

CALLS_PER_ENTRY = 6
EVIDENCE_16 = 16
"""The facts are those of PostgreSQL 16, which Aurora DSQL is compatible with."""

DIFFERENT = frozenset(
    [
        "pg_typeof",
        "now",
        "transaction_timestamp",
        "statement_timestamp",
        "clock_timestamp",
        "version",
        "current_user",
        "session_user",
        "current_database",
        "current_schema",
        "current_schemas",
        "current_setting",
        "date_bin",
        "make_interval",
        "convert_from",
        "convert_to",
        "current_query",
        "to_number",
        "tsvector_cmp",
        "get_current_ts_config",
        "ts_debug",
    ]
)
"""Answers that depend on the session; date_bin and make_interval are as later minor releases fixed them; only
UTF8 is known to convert_from and convert_to; to_number has cases of its own; of tsvector_cmp only the sign is known;
names of text search need a catalog here (test_text_search.py)."""


@pytest.fixture(scope="module")
def connection(postgres: Postgres) -> "Iterator[psycopg.Connection[Any]]":
    with postgres.connect() as made:
        made.execute("SET statement_timeout = '10s'")
        made.execute("SET default_text_search_config = 'simple'")
        yield made


def _skipped(call: Call) -> bool:
    """What PostgreSQL 16.2 gets wrong or what grows without end."""
    texts = [text or "" for text in call.texts]
    name = call.entry.name
    if name == "age":
        return len(texts) == 1 or any("infinity" in text for text in texts)
    if name == "right":
        return texts[1] == "-2147483648"
    if name == "date_trunc" and len(texts) == 3:
        return True
    if name == "to_char":
        fields_of_no_calendar = texts[1][:2] in ("DD", "WW") and call.types[0].name == "interval"
        return fields_of_no_calendar or texts[1] == "99V9"
    return name in ("make_timestamp", "make_timestamptz", "make_date") and any(
        len(text) > 9 for text in texts
    )


def _entries() -> list[Function]:
    return [
        entry
        for _, entry in sorted(FUNCTION_BY_OID.items())
        if entry.impl.__module__.startswith("server.sql.")
        and entry.volatility != "v"
        and entry.name not in DIFFERENT
    ]


GROUPS = 8


@pytest.mark.slow
@pytest.mark.parametrize("group", range(GROUPS))
def test_values(connection: "psycopg.Connection[Any]", postgres: Postgres, group: int) -> None:
    if postgres.version != EVIDENCE_16:
        pytest.skip("some values and messages differ before PostgreSQL 16")
    wrong = []
    for entry in _entries()[group::GROUPS]:
        for call in calls(entry, CALLS_PER_ENTRY):
            if _skipped(call):
                continue
            mine, real = ours(call), theirs(connection, call)
            if mine != real:
                wrong.append((call.sql, mine, real))
    assert not wrong


def test_facts_are_those_of_pg_proc(connection: "psycopg.Connection[Any]", postgres: Postgres) -> None:
    if postgres.version != EVIDENCE_16:
        pytest.skip("the facts are those of PostgreSQL 16")
    rows = connection.execute(
        "SELECT oid::int, proname::text, proargtypes::oid[]::int[], prorettype::int, proisstrict,"
        " provolatile::text, provariadic <> 0, proretset, pronargdefaults FROM pg_proc"
    ).fetchall()
    real = {row[0]: tuple(row[1:]) for row in rows}
    wrong = []
    for oid, entry in FUNCTION_BY_OID.items():
        if not entry.impl.__module__.startswith("server.sql."):
            continue
        facts = (
            entry.name,
            [kind.oid for kind in entry.args],
            entry.result.oid,
            entry.strict,
            entry.volatility,
            entry.variadic,
            entry.returns_set,
            entry.defaults,
        )
        if real.get(oid) != facts:
            wrong.append((facts, real.get(oid)))
    for oid, aggregate in {**AGGREGATE_BY_OID, **WINDOW_FUNCTION_BY_OID}.items():
        facts_of = (aggregate.name, [kind.oid for kind in aggregate.args], aggregate.result.oid)
        if real.get(oid, (None,) * 3)[:3] != facts_of:
            wrong.append((facts_of, real.get(oid)))
    assert not wrong


def test_facts_are_those_of_pg_operator(connection: "psycopg.Connection[Any]") -> None:
    rows = connection.execute(
        "SELECT o.oid::int, o.oprname::text, o.oprleft::int, o.oprright::int, o.oprresult::int,"
        " o.oprcode::oid::int, c.oprname::text, n.oprname::text FROM pg_operator o"
        " LEFT JOIN pg_operator c ON c.oid = o.oprcom LEFT JOIN pg_operator n ON n.oid = o.oprnegate"
    ).fetchall()
    real = {row[0]: tuple(row[1:]) for row in rows}
    for oid, entry in OPERATOR_BY_OID.items():
        left = entry.left.oid if entry.left is not None else 0
        facts = (
            entry.name,
            left,
            entry.right.oid,
            entry.result.oid,
            entry.function.oid,
            entry.commutator,
            entry.negator,
        )
        assert real.get(oid) == facts
