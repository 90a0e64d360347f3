"""The same objects in a real PostgreSQL and in our server, for tests of what the catalogs say of them."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from tests.postgres import Postgres
from tests.server import Server

DATABASE = "catalog_sample"
SCHEMA = """
CREATE SCHEMA app;
CREATE ROLE reader LOGIN;
CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL DEFAULT 'x', b numeric(10,2) CHECK (b > 0),
    c varchar(20) DEFAULT upper('q'), d timestamptz DEFAULT now(),
    CONSTRAINT ab CHECK (a <> '' OR b IS NULL), UNIQUE (a, b));
CREATE INDEX ASYNC t_c_idx ON t (c) INCLUDE (d);
CREATE TABLE app.nopk (x int, y bigint, "Odd Name" uuid DEFAULT gen_random_uuid(), e char(3),
    f float8 DEFAULT -1.5, g boolean DEFAULT true, i interval, h smallint,
    r real, n numeric, ts timestamp(3));
CREATE TABLE app.made (a int, b bigint GENERATED ALWAYS AS (a * 2) STORED, c varchar(9) NOT NULL
    GENERATED ALWAYS AS (a || '!') STORED);
CREATE TABLE "Weird-T" (k bigint, l date, m time(3), n bytea, PRIMARY KEY (l, k));
CREATE UNIQUE INDEX ASYNC "W idx" ON "Weird-T" (m NULLS FIRST, k);
CREATE INDEX ASYNC ON t (lower(c), (b + 1)) INCLUDE (d) WHERE a <> '' AND b IS NOT NULL;
COMMENT ON TABLE t IS 'the t';
COMMENT ON COLUMN t.b IS 'a "b"';
COMMENT ON INDEX t_c_idx IS 'an index';
COMMENT ON CONSTRAINT ab ON t IS 'a check';
COMMENT ON SCHEMA app IS 'objects of an application';
COMMENT ON ROLE reader IS 'who reads';
GRANT SELECT, INSERT ON t TO reader
"""
"""Statements, separated by semicolons, in DSQL's form."""


@dataclass(frozen=True, slots=True)
class Both:
    """The two servers: libpq connection strings, and where PostgreSQL's programs are."""

    ours: str
    theirs: str
    postgres: Postgres

    def psql(self, dsn: str, command: str) -> list[str]:
        """What psql prints for one command, errors among it."""
        done = subprocess.run(
            [self.postgres.bindir / "psql", "-X", "-d", dsn, "-c", command],
            capture_output=True, text=True, timeout=60, check=False, env={"PGCLIENTENCODING": "UTF8"},
        )  # fmt: skip
        return (done.stdout + done.stderr).splitlines()

    def rows(self, dsn: str, query: str) -> list[tuple[str | None, ...]]:
        """A query's rows as text, in an order of their own."""
        with psycopg.connect(dsn, autocommit=True) as connection:
            result = connection.pgconn.exec_(query.encode())
            assert not result.error_message, result.error_message.decode()
            found = [
                tuple(_text(result.get_value(row, column)) for column in range(result.nfields))
                for row in range(result.ntuples)
            ]
        return sorted(found, key=repr)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode().replace(DATABASE, "postgres")


def create(dsn: str, sql: str) -> None:
    """Run the statements; a DDL that met the end of an index build is tried again, as applications must."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in sql.split(";"):
            while True:
                try:
                    connection.execute(statement)
                    break
                except psycopg.errors.SerializationFailure:
                    continue


@pytest.fixture(scope="module")
def both(server: Server, postgres: Postgres) -> Iterator[Both]:
    """Both servers with SCHEMA in them, owned by a role admin."""
    if postgres.version != 16:
        pytest.skip("the catalogs of another version differ")
    with postgres.connect() as root:
        root.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        root.execute("DROP ROLE IF EXISTS reader")
        root.execute("DROP ROLE IF EXISTS admin")
        root.execute("CREATE ROLE admin SUPERUSER LOGIN")
        root.execute(f"CREATE DATABASE {DATABASE} OWNER admin")
        theirs = f"host={postgres.host} port={postgres.port} user=admin dbname={DATABASE}"
        with psycopg.connect(theirs, autocommit=True) as connection:
            connection.execute("ALTER SCHEMA public OWNER TO admin")
        create(theirs, SCHEMA.replace(" ASYNC", ""))
        create(server.dsn, SCHEMA)
        yield Both(server.dsn, theirs, postgres)
        root.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        root.execute("DROP ROLE reader")
        root.execute("DROP ROLE admin")
