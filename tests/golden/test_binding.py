"""The binder against the real PostgreSQL: column names, types, parameters, and every part of an error."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import pq

from server.errors import PgError
from tests.binding import DDL, bound
from tests.postgres import Postgres

CORPUS = Path(__file__).with_suffix(".sql").with_stem("binding")
FIRST_USER_OID = 16384
Answer = tuple[Any, ...]


def statements() -> list[str]:
    """The corpus, comments left out."""
    lines = CORPUS.read_text().splitlines()
    return [line for line in lines if line.strip() and not line.startswith("--")]


def ours(sql: str) -> Answer:
    """What the binder says: columns and parameters, or the error."""
    try:
        made = bound(sql)
    except PgError as failure:
        return (failure.sqlstate, failure.message, failure.position, failure.detail, failure.hint)
    columns = tuple((column.name, _row_type(column.type.oid), column.typmod) for column in made.columns)
    return (columns, tuple(kind.oid for kind in made.param_types))


def theirs(connection: "psycopg.Connection[Any]", sql: str) -> Answer:
    """What PostgreSQL says to Parse and Describe."""
    raw = connection.pgconn
    result = raw.prepare(b"", sql.encode())
    if result.status == pq.ExecStatus.FATAL_ERROR:
        fields = pq.DiagnosticField

        def text(field: pq.DiagnosticField) -> str | None:
            value = result.error_field(field)
            return value.decode() if value is not None else None

        place = text(fields.STATEMENT_POSITION)
        return (
            text(fields.SQLSTATE),
            text(fields.MESSAGE_PRIMARY),
            int(place) if place else None,
            text(fields.MESSAGE_DETAIL),
            text(fields.MESSAGE_HINT),
        )
    described = raw.describe_prepared(b"")
    columns = tuple(
        (_name(described, index), _row_type(described.ftype(index)), described.fmod(index))
        for index in range(described.nfields)
    )
    return (columns, tuple(described.param_type(index) for index in range(described.nparams)))


def _name(result: Any, index: int) -> str:
    return str((result.fname(index) or b"").decode())


def _row_type(oid: int) -> int:
    """The row types of tables have numbers of their own on each side."""
    return min(oid, FIRST_USER_OID)


@pytest.fixture(scope="module")
def connection(postgres: Postgres) -> Any:
    """PostgreSQL with the binder's tables."""
    with postgres.connect() as connection:
        connection.execute("DROP SCHEMA IF EXISTS binding CASCADE; CREATE SCHEMA IF NOT EXISTS public")
        connection.execute(DDL)  # type: ignore[arg-type]
        yield connection
        connection.execute("DROP TABLE t, u, two, nokey; DROP SCHEMA other CASCADE")


@pytest.mark.parametrize("sql", statements())
def test_as_postgresql(connection: "psycopg.Connection[Any]", sql: str) -> None:
    assert ours(sql) == theirs(connection, sql)
