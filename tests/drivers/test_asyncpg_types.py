"""Every type in binary both ways through asyncpg, from tables and back, compared with PostgreSQL."""

import asyncio
import datetime
import ipaddress
import uuid
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from tests.postgres import Postgres
from tests.server import Server

pytestmark = pytest.mark.slow

UTC = datetime.UTC
EAST = datetime.timezone(datetime.timedelta(hours=-5))
VALUES: dict[str, list[Any]] = {
    "smallint": [0, 1, -1, 32767, -32768],
    "integer": [0, 42, -(2**31), 2**31 - 1],
    "bigint": [0, -(2**63), 2**63 - 1],
    "real": [0.0, 1.5, -2.25, float("inf"), float("-inf")],
    "double precision": [0.0, 0.1, -1e308, 5e-324, float("inf")],
    "numeric": [Decimal("0"), Decimal("1.50"), Decimal("-12345678901234567890.012345"), Decimal("NaN")],
    "boolean": [True, False],
    "text": ["", "plain", "héllo wörld ☃ 𝄞", "x" * 5000, "tab\tline\n"],
    "varchar(10)": ["", "short", "ten chars!"],
    "char(5)": ["ab   ", "abcde"],
    "bytea": [b"", b"\0\1\xff", bytes(range(256))],
    "uuid": [uuid.UUID(int=0), uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")],
    "date": [datetime.date(1, 1, 1), datetime.date(2024, 2, 29), datetime.date(9999, 12, 31)],
    "time": [datetime.time(0, 0), datetime.time(23, 59, 59, 999999)],
    "timetz": [datetime.time(12, 30, tzinfo=UTC), datetime.time(1, 2, 3, 4, EAST)],
    "timestamp": [datetime.datetime(1970, 1, 1), datetime.datetime(2024, 12, 31, 23, 59, 59, 999999)],
    "timestamptz": [
        datetime.datetime(2000, 1, 1, tzinfo=UTC),
        datetime.datetime(1999, 1, 1, 1, 1, 1, 1, UTC),
    ],
    "interval": [
        datetime.timedelta(0),
        datetime.timedelta(days=400, seconds=3),
        datetime.timedelta(microseconds=-1),
    ],
    "json": ['{"a": [1, 2]}', "null"],
    "jsonb": ['{"a": [1, 2], "b": null}', '"x"'],
}


async def connect(port: int, user: str) -> asyncpg.Connection:
    return await asyncpg.connect(host="127.0.0.1", port=port, user=user, database="postgres", ssl=False)


async def round_trip(port: int, user: str, kind: str, values: list[Any]) -> list[Any]:
    """Values through a table, as parameters, as results of expressions, and as an array."""
    connection = await connect(port, user)
    try:
        await connection.execute("DROP TABLE IF EXISTS typed")
        await connection.execute(f"CREATE TABLE typed (id int PRIMARY KEY, v {kind})")
        for number, value in enumerate([*values, None]):
            await connection.execute("INSERT INTO typed VALUES ($1, $2)", number, value)
        stored = [row["v"] for row in await connection.fetch("SELECT v FROM typed ORDER BY id")]
        same = [await connection.fetchval(f"SELECT $1::{kind}", value) for value in values]
        listed = await connection.fetchval(f"SELECT $1::{kind}[]", [*values, None])
        gathered = await connection.fetchval("SELECT array_agg(v ORDER BY id) FROM typed")
        texts = [row["t"] for row in await connection.fetch("SELECT v::text AS t FROM typed ORDER BY id")]
        count = "SELECT count(*) FROM typed WHERE v = $1"
        found = [await connection.fetchval(count, value) for value in values] if kind != "json" else []
        return [stored, same, listed, gathered, texts, found]
    finally:
        await connection.close()


@pytest.mark.parametrize("kind", VALUES)
def test_round_trips(kind: str, server: Server, postgres: Postgres) -> None:
    values = VALUES[kind]
    ours = asyncio.run(round_trip(server.port, "admin", kind, values))
    theirs = asyncio.run(round_trip(postgres.port, postgres.user, kind, values))
    assert repr(ours) == repr(theirs)
    assert repr(ours[0]) == repr([*values, None])


def test_arrays_and_rows(server: Server, postgres: Postgres) -> None:
    async def ask(port: int, user: str) -> list[Any]:
        connection = await connect(port, user)
        try:
            return [
                await connection.fetchval("SELECT $1::int[]", [[1, 2], [3, None]]),
                await connection.fetchval("SELECT $1::text[]", []),
                await connection.fetchval("SELECT ($1::int[])[2][1]", [[1, 2], [3, 4]]),
                await connection.fetchval("SELECT '[0:1]={1,2}'::int[]"),
                await connection.fetchval("SELECT array_agg(x) FROM unnest($1::bigint[]) x", [5, 6, None]),
                await connection.fetchrow("SELECT ROW(1::int, 'x'::text, NULL::date)"),
                await connection.fetchval("SELECT $1::int = ANY($2::int[])", 3, [1, 2, 3]),
                await connection.fetch(
                    "SELECT * FROM unnest($1::int[], $2::text[]) t(a, b)", [1, 2], ["x", "y"]
                ),
            ]
        finally:
            await connection.close()

    ours = asyncio.run(ask(server.port, "admin"))
    assert repr(ours) == repr(asyncio.run(ask(postgres.port, postgres.user)))


QUERIED: dict[str, list[Any]] = {
    "inet": [
        ipaddress.ip_address("127.0.0.1"), ipaddress.ip_interface("10.1.2.3/8"), ipaddress.ip_interface("fe80::1/64"),
    ],
    "cidr": [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::/0"), ipaddress.ip_network("::1/128")],
    "macaddr": ["08:00:2b:01:02:03", "ff:ff:ff:ff:ff:ff"],
    "macaddr8": ["08:00:2b:01:02:03:04:05", "08:00:2b:ff:fe:01:02:03"],
}  # fmt: skip
"""Of types that no column has."""


@pytest.mark.parametrize("kind", QUERIED)
def test_types_of_queries_only(kind: str, server: Server, postgres: Postgres) -> None:
    async def ask(port: int, user: str) -> list[Any]:
        connection = await connect(port, user)
        values = QUERIED[kind]
        try:
            same = [await connection.fetchval(f"SELECT $1::{kind}", value) for value in values]
            listed = await connection.fetchval(f"SELECT $1::{kind}[]", [*values, None])
            query = f"SELECT v FROM unnest($1::{kind}[]) v WHERE v > $2 ORDER BY v DESC"
            return [same, listed, await connection.fetch(query, values, values[0])]
        finally:
            await connection.close()

    ours = asyncio.run(ask(server.port, "admin"))
    assert repr(ours) == repr(asyncio.run(ask(postgres.port, postgres.user)))
    assert ours[0] == QUERIED[kind]


INFERRED = [
    "SELECT $1 + 1",
    "SELECT $1 || 'x'",
    "SELECT $1::date + $2",
    "SELECT * FROM inferred WHERE id = $1 AND v LIKE $2 LIMIT $3 OFFSET $4",
    "INSERT INTO inferred VALUES ($1, $2, $3, $4)",
    "UPDATE inferred SET v = $1, n = n + $2 WHERE id IN ($3, $4)",
    "SELECT coalesce($1, 1.5), CASE WHEN $2 THEN $3 ELSE 2 END",
    "SELECT $1",
    "SELECT id FROM inferred WHERE id = ANY($1) AND at BETWEEN $2 AND $3",
    "SELECT sum(n) FILTER (WHERE id > $1) FROM inferred GROUP BY v HAVING count(*) > $2",
    "SELECT (SELECT v FROM inferred WHERE id = $1), EXISTS (SELECT 1 FROM inferred WHERE at > $2)",
    "VALUES ($1, 1), (2.5, $2)",
    "SELECT $1 UNION SELECT 1",
    "SELECT round($1, 2), substr($2, $3), $4::text::int",
    "SELECT lower($1), $1",
    "SELECT extract(year FROM $1), $2 AT TIME ZONE 'UTC', now() - $3",
    "SELECT $2::int",
    "SELECT $1 = $2",
    "DELETE FROM inferred WHERE (id, v) = ($1, $2) RETURNING n",
    "SELECT * FROM generate_series($1, $2) g",
    "INSERT INTO inferred (id) SELECT $1 RETURNING $2",
    "SELECT $1::int4, $1",
    "SELECT $1 IS NULL",
    "SELECT ARRAY[$1, 2], ARRAY[$2, 'x'], $3 = ANY('{1,2}')",
]


def test_parameter_types_are_inferred_as_postgresql_does(server: Server, postgres: Postgres) -> None:
    async def ask(port: int, user: str) -> list[Any]:
        connection = await connect(port, user)
        columns = "id int PRIMARY KEY, v varchar(9), n numeric, at timestamptz"
        answers: list[Any] = []
        try:
            await connection.execute("DROP TABLE IF EXISTS inferred")
            await connection.execute(f"CREATE TABLE inferred ({columns})")
            for sql in INFERRED:
                try:
                    made = await connection.prepare(sql)
                except asyncpg.PostgresError as error:
                    answers.append((sql, error.sqlstate, str(error)))
                    continue
                parameters = [each.oid for each in made.get_parameters()]
                answers.append(
                    (sql, parameters, [(each.name, each.type.oid) for each in made.get_attributes()])
                )
        finally:
            await connection.close()
        return answers

    ours, theirs = asyncio.run(ask(server.port, "admin")), asyncio.run(ask(postgres.port, postgres.user))
    assert [pair for pair in zip(ours, theirs) if pair[0] != pair[1]] == []
