"""Stored expressions as text: what pg_get_expr prints for the same DEFAULT or CHECK, plain and pretty."""

from typing import Any

import psycopg
import pytest

from server.sql import tree
from server.sql.bind import bind_scalar
from server.sql.deparse import deparse
from server.sql.env import Env
from server.sql.parse import parse_expression
from server.sql.types import BY_OID
from tests.binding import CATALOG, DDL, T, U
from tests.postgres import Postgres

CHECKS = [
    "a > 0",
    "a > 0 AND b <> 'x'",
    "ROW(a, b) IS NOT NULL OR ROW(a, b) IS NULL OR a IS DISTINCT FROM NULL",
    "ROW(a, b) IS DISTINCT FROM NULL AND NULL IS NOT DISTINCT FROM ROW(a, b)",
    "a > 0 AND (b <> 'x' OR f) AND NOT f",
    "(a > 0 OR a < -5) AND a IS NOT NULL",
    "NOT (a > 0 AND f)",
    "c >= 0",
    "c >= 0.5 AND c < 1e3",
    "g > a",
    "g > 5",
    "a + g * 2 - 1 > 0",
    "(a + 1) * 2 > 0",
    "a - (g - 1) > 0",
    "a - g - 1 > 0",
    "-a < 0",
    "a % 2 = 0",
    "a IN (1, 2, 3)",
    "a NOT IN (1, 2)",
    "b IN ('x', 'y')",
    "e IN ('x', 'y')",
    "a = ANY (ARRAY[1, 2])",
    "a BETWEEN 1 AND 10",
    "b LIKE 'a%'",
    "b ~ '^[a-z]+$'",
    "b = 'it''s' OR b = E'back\\\\slash'",
    "length(b) > 3",
    "upper(b) = b",
    "lower(e) = 'x'",
    "coalesce(a, 0) > 0",
    "coalesce(b, e, 'x') <> ''",
    "nullif(a, 0) > 1",
    "greatest(a, g) > 0 AND least(a, 1) < 5",
    "CASE WHEN a > 1 THEN f ELSE false END",
    "CASE a WHEN 1 THEN true WHEN 2 THEN f END",
    "CASE WHEN a > 1 THEN CASE WHEN f THEN true ELSE false END ELSE false END",
    "a::text = b",
    "a::bigint > 5",
    "b::integer > 5",
    "c::integer = 5",
    "b::varchar(3) = e",
    "e::text = 'abc'",
    "d > '2020-01-01'",
    "d > timestamptz '2020-01-01 00:00:00+00'",
    "d::date > date '2020-01-01'",
    "d > CURRENT_TIMESTAMP",
    "f IS TRUE",
    "f IS NOT FALSE AND f IS NOT UNKNOWN",
    "a IS DISTINCT FROM g",
    "a IS NOT DISTINCT FROM 5",
    "b || 'x' <> 'yx'",
    "extract(year FROM d) > 2000",
    "(d AT TIME ZONE 'UTC') > '2020-01-01'",
    "f",
    "NOT f",
    "a IS NULL OR b IS NOT NULL",
    "abs(a) > 0 AND (a + 1) IS NOT NULL",
]
DEFAULTS = [
    ("a", "0"),
    ("a", "-1"),
    ("a", "1 + 2"),
    ("a", "'5'"),
    ("a", "2.6"),
    ("g", "0"),
    ("g", "99999999999"),
    ("c", "0"),
    ("c", "1.5"),
    ("c", "-1.5"),
    ("b", "'x'"),
    ("b", "'it''s'"),
    ("b", "upper('x')"),
    ("b", "5"),
    ("b", "NULL"),
    ("b", "'a' || 'b'"),
    ("e", "'x'"),
    ("e", "'x'::varchar(2)"),
    ("e", "'abc'::text"),
    ("f", "true"),
    ("f", "NOT false"),
    ("d", "now()"),
    ("d", "CURRENT_TIMESTAMP"),
    ("d", "CURRENT_TIMESTAMP(3)"),
    ("d", "now() + interval '1 day'"),
    ("d", "'2020-01-01 00:00+00'"),
    ("d", "CURRENT_DATE"),
    ("b", "CASE WHEN true THEN 'x' ELSE 'y' END"),
]
DEFAULTS_OF_U = [
    ("score", "0"),
    ("score", "0.5"),
    ("score", "'-1.5'"),
    ("tags", "'{}'"),
    ("tags", "ARRAY[]::text[]"),
    ("tags", "ARRAY['a', 'b']"),
    ("j", "'{}'"),
    ("j", "'{\"a\": 1}'::jsonb"),
    ("day", "CURRENT_DATE"),
    ("day", "'2020-01-01'"),
    ("day", "now()"),
    ("s", "5"),
    ("s", "-5"),
]


def bound_default(table: Any, name: str, text: str) -> tree.Expr:
    """The default expression under its column's type."""
    column = next(column for column in table.columns if column.name == name)
    target = (BY_OID[column.type_oid], column.typmod)
    return bind_scalar(parse_expression(text), None, Env(), CATALOG, target, f"default:{name}")


@pytest.fixture(scope="module")
def connection(postgres: Postgres) -> Any:
    """PostgreSQL with the tables."""
    with postgres.connect() as connection:
        connection.execute(DDL)  # type: ignore[arg-type]
        yield connection
        connection.execute("DROP TABLE t, u, two, nokey; DROP SCHEMA other CASCADE")


def printed(connection: "psycopg.Connection[Any]", query: str) -> tuple[str, str]:
    """The two texts that a query of one row gives."""
    row = connection.execute(query).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return row[0], row[1]


@pytest.mark.parametrize("text", CHECKS)
def test_check(connection: "psycopg.Connection[Any]", text: str) -> None:
    connection.execute(f"ALTER TABLE t ADD CONSTRAINT probe CHECK ({text}) NOT VALID")  # type: ignore[call-overload]
    expected = printed(
        connection,
        "SELECT pg_get_expr(conbin, conrelid), pg_get_expr(conbin, conrelid, true) "
        "FROM pg_constraint WHERE conname = 'probe'",
    )
    connection.execute("ALTER TABLE t DROP CONSTRAINT probe")
    made = bind_scalar(parse_expression(text), T, Env(), CATALOG, None, "check")
    assert (deparse(made, T), deparse(made, T, pretty=True)) == expected


@pytest.mark.parametrize(
    ("table", "name", "text"), [("t", *one) for one in DEFAULTS] + [("u", *one) for one in DEFAULTS_OF_U]
)
def test_default(connection: "psycopg.Connection[Any]", table: str, name: str, text: str) -> None:
    connection.execute(f"ALTER TABLE {table} ALTER {name} SET DEFAULT {text}")  # type: ignore[call-overload]
    found = connection.execute(
        "SELECT pg_get_expr(adbin, adrelid), pg_get_expr(adbin, adrelid, true) FROM pg_attrdef "
        f"JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum WHERE adrelid = '{table}'::regclass "
        f"AND attname = '{name}'"  # type: ignore[arg-type]
    ).fetchone()
    if text == "NULL":
        assert found is None
        return
    made = bound_default({"t": T, "u": U}[table], name, text)
    assert (deparse(made, None), deparse(made, None, pretty=True)) == found
