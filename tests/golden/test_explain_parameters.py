"""Statements with parameters, EXPLAIN and COPY above all, fail where PostgreSQL's do, and with its errors."""

import pytest

from tests.differential import Pair
from tests.postgres import Postgres
from tests.server import Server, empty

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pair(shared_server: Server, postgres: Postgres):
    empty(shared_server.dsn)
    made = Pair(shared_server.dsn, postgres.dsn)
    for wire in (made.ours, made.theirs):
        assert wire.simple("CREATE TABLE t (id int PRIMARY KEY, v text)")[0].tag == "CREATE TABLE"
    yield made
    made.close()
    empty(shared_server.dsn)


STATEMENTS = [
    ("EXPLAIN SELECT * FROM t WHERE id = $1", [b"1"]),
    ("EXPLAIN SELECT * FROM t WHERE id = $1", [b"x"]),
    ("EXPLAIN SELECT * FROM t WHERE id = $1", [None]),
    ("EXPLAIN SELECT * FROM t WHERE id = $1", []),
    ("EXPLAIN SELECT * FROM t WHERE id = $2", [b"1", b"2"]),
    ("EXPLAIN SELECT $1", [b"1"]),
    ("EXPLAIN SELECT $1 + $2", [b"1", b"2"]),
    ("EXPLAIN ANALYZE INSERT INTO t VALUES ($1, $2)", [b"1", b"2"]),
    ("EXPLAIN ANALYZE INSERT INTO t VALUES ($1, $2)", [b"1", b"2"]),
    ("EXPLAIN SELECT nope FROM t WHERE id = $1", [b"1"]),
    ("EXPLAIN SELECT * FROM nowhere WHERE id = $1", [b"1"]),
    ("EXPLAIN SELECT 1", [b"1"]),
    ("EXPLAIN (GENERIC_PLAN) SELECT * FROM t WHERE id = $1", [b"1"]),
    ("EXPLAIN (GENERIC_PLAN, ANALYZE) SELECT * FROM t WHERE id = $1", [b"1"]),
    ("COPY (SELECT * FROM t WHERE id = $1) TO STDOUT", []),
    ("COPY (SELECT $2) TO STDOUT", []),
    ("COPY (SELECT nope, $1 FROM t) TO STDOUT", []),
    ("SELECT nope FROM t WHERE id = $1", [b"1"]),
    ("SELECT v FROM t WHERE nope = $1", [b"1"]),
    ("INSERT INTO t SELECT $1, $1", [b"1"]),
    ("SELECT $1 + $2", [b"1", b"2"]),
]


@pytest.mark.parametrize(("sql", "values"), STATEMENTS)
def test_extended(pair: Pair, sql: str, values: list[bytes | None]) -> None:
    ours, theirs = (wire.extended(sql, params=values) for wire in (pair.ours, pair.theirs))
    for name in ("sqlstate", "message", "detail", "position", "columns", "oids", "tag"):
        assert getattr(ours, name) == getattr(theirs, name)


@pytest.mark.parametrize("sql", dict.fromkeys(sql for sql, _values in STATEMENTS))
def test_simple(pair: Pair, sql: str) -> None:
    """A simple query has no parameters."""
    ours, theirs = (wire.simple(sql)[-1] for wire in (pair.ours, pair.theirs))
    for name in ("sqlstate", "message", "detail", "position", "columns", "oids", "tag"):
        assert getattr(ours, name) == getattr(theirs, name)
