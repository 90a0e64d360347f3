"""COPY over the wire beside PostgreSQL: the same bytes out; for the same bytes in the same rows or the same error."""

import struct
from collections.abc import Iterator

import pytest
from psycopg import pq

from server.sql.copy_binary import HEADER, SIGNATURE, TRAILER
from tests.differential import Pair
from tests.postgres import Postgres
from tests.server import Server, Wire, empty

pytestmark = pytest.mark.slow

TABLE = (
    "CREATE TABLE poured (id int PRIMARY KEY, name varchar(5) NOT NULL DEFAULT 'none', n numeric(6, 2) CHECK (n > 0),"
    " at timestamptz, flag bool)"
)
EVERY_TYPE = """SELECT i::int2, i::int4, i::int8, (i / 3.0)::numeric, i::float4 / 3, i::float8 / 7, i % 2 = 0,
    'text ' || i, 'v'::varchar(9), 'c'::char(3), '\\x00ff'::bytea, '00000000-0000-0000-0000-00000000000a'::uuid,
    date '2024-02-29' + i::int,
    time '12:34:56.789', timetz '12:34:56+02', timestamp '2024-02-29 12:34', timestamptz '2024-02-29 12:34+01',
    interval '1 mon 2 days 03:04:05', '{"a": [1, 2]}'::json, '{"a": [1, 2]}'::jsonb, ARRAY[i, NULL, 3],
    ARRAY[['a', 'b'], ['c', NULL]], NULL::text, 'poured'::regclass::text, row(i, 'x'), 'infinity'::date, 'NaN'::numeric
    FROM generate_series(-2, 3) i"""


@pytest.fixture(scope="module")
def pair(shared_server: Server, postgres: Postgres) -> Iterator[Pair]:
    empty(shared_server.dsn)
    made = Pair(shared_server.dsn, postgres.dsn)
    for wire in (made.ours, made.theirs):
        assert wire.simple(TABLE)[0].tag == "CREATE TABLE"
    yield made
    made.close()
    empty(shared_server.dsn)


def copied_in(wire: Wire, sql: str, chunks: list[bytes]) -> dict[str, object]:
    """What COPY FROM STDIN says, and what is in the table then; the table is emptied."""
    connection = wire.connection
    connection.send_query(sql.encode())
    said: dict[str, object] = {}
    while (result := connection.get_result()) is not None:
        if result.status == pq.ExecStatus.COPY_IN:
            said["formats"] = [result.binary_tuples, *(result.fformat(n) for n in range(result.nfields))]
            for chunk in chunks:
                connection.put_copy_data(chunk)
            connection.put_copy_end()
        elif result.status == pq.ExecStatus.FATAL_ERROR:
            for field in ("SQLSTATE", "MESSAGE_PRIMARY", "MESSAGE_DETAIL", "STATEMENT_POSITION", "CONTEXT"):
                said[field] = result.error_field(getattr(pq.DiagnosticField, field))
        else:
            said["tag"] = result.command_status
    said["rows"] = wire.simple("SELECT * FROM poured ORDER BY id")[0].rows
    wire.simple("DELETE FROM poured")
    return said


def same_in(pair: Pair, sql: str, *chunks: bytes) -> dict[str, object]:
    ours, theirs = (copied_in(wire, sql, list(chunks)) for wire in (pair.ours, pair.theirs))
    assert ours == theirs
    return ours


def copied_out(wire: Wire, sql: str) -> list[object]:
    """The formats, each piece of data, and the tag of COPY TO STDOUT; or the error."""
    connection = wire.connection
    connection.send_query(sql.encode())
    found: list[object] = []
    while (result := connection.get_result()) is not None:
        if result.status == pq.ExecStatus.COPY_OUT:
            found.append([result.binary_tuples, *(result.fformat(n) for n in range(result.nfields))])
            while (piece := connection.get_copy_data(0))[0] > 0:
                found.append(bytes(piece[1]))
        else:
            found.append(result.command_status or result.error_message.partition(b"\n")[0])
    return found


def row(*fields: bytes | None) -> bytes:
    """A tuple of the binary format."""
    parts = [b"\xff\xff\xff\xff" if each is None else struct.pack("!i", len(each)) + each for each in fields]
    return struct.pack("!h", len(fields)) + b"".join(parts)


def number(value: int) -> bytes:
    return struct.pack("!i", value)


ONE = row(number(1), b"one")
TWO = row(number(2), b"two")
N_1 = struct.pack("!hhHhh", 1, 0, 0, 2, 1)
N_MINUS_1 = struct.pack("!hhHhh", 1, 0, 0x4000, 2, 1)
N_LARGE = struct.pack("!hhHhh", 1, 1, 0, 2, 9)

GOOD = {
    "rows": HEADER + ONE + TWO + TRAILER,
    "no rows": HEADER + TRAILER,
    "no trailer": HEADER + ONE,
    "half a field count": HEADER + ONE + b"\0",
    "an extension": SIGNATURE + struct.pack("!Ii", 0xFFFF & ~1, 3) + b"abc" + ONE + TRAILER,
}
BAD = {
    "nothing": b"",
    "half a signature": SIGNATURE[:5],
    "text": b"1\tone\n",
    "another signature": b"X" + HEADER[1:] + ONE,
    "no flags": SIGNATURE + b"\0\0",
    "no length": SIGNATURE + bytes(6),
    "bad flags before no length": SIGNATURE + struct.pack("!I", 1 << 16),
    "oids": SIGNATURE + struct.pack("!Ii", 1 << 16, 0) + ONE,
    "critical flags": SIGNATURE + struct.pack("!Ii", 1 << 20, 0) + ONE,
    "negative length": SIGNATURE + struct.pack("!Ii", 0, -1) + ONE,
    "short extension": SIGNATURE + struct.pack("!Ii", 0, 9) + b"abc",
    "field count": HEADER + ONE + row(number(2)) + TRAILER,
    "negative field count": HEADER + struct.pack("!h", -2),
    "too many fields": HEADER + row(number(1), b"one", b"two"),
    "cut in a length": HEADER + ONE + TWO[:4],
    "cut in a field": HEADER + ONE + TWO[:8],
    "cut after a field": HEADER + ONE + TWO[:10],
    "field size": HEADER + ONE + struct.pack("!hi", 2, -2),
    "after the trailer": HEADER + ONE + TRAILER + b"\0",
    "row after the trailer": HEADER + ONE + TRAILER + TWO,
    "short integer": HEADER + ONE + row(b"\0\0\1", b"two"),
    "long integer": HEADER + ONE + row(b"\0\0\0\0\1", b"two"),
    "no text": HEADER + ONE + row(number(2), b"\xff"),
    "nul": HEADER + ONE + row(number(2), b"a\0b"),
    "long text": HEADER + ONE + row(number(2), b"sixsix"),
    "null": HEADER + ONE + row(number(2), None),
    "null key": HEADER + row(None, b"one"),
    "duplicate": HEADER + ONE + TWO + ONE + TRAILER,
    "a wrong field before a cut": HEADER + ONE + struct.pack("!hi", 2, 2) + b"ab" + number(9),
    "a null before a wrong field": HEADER + row(number(1), None) + row(b"x", b"two"),
    "a duplicate before a wrong field": HEADER + ONE + ONE + row(b"x", b"two"),
    "a null before the end": HEADER + row(number(1), None) + TRAILER + b"x",
}
DEPENDS_ON_BATCH = {"a duplicate before a wrong field"}
"""PostgreSQL writes a thousand rows at once, we what has come: uniqueness is checked at another time."""


@pytest.mark.parametrize("name", [*GOOD, *BAD])
def test_binary_data(pair: Pair, name: str) -> None:
    data = GOOD.get(name, BAD.get(name, b""))
    sql = "COPY poured (id, name) FROM STDIN (FORMAT binary)"
    said = same_in(pair, sql, data)
    assert ("tag" in said) == (name in GOOD)
    if name not in DEPENDS_ON_BATCH:
        assert same_in(pair, sql, *(data[place : place + 1] for place in range(len(data)))) == said


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("n", N_1),
        ("n", N_MINUS_1),
        ("n", N_LARGE),
        ("n", N_1[:-1]),
        ("n", N_1 + b"\0"),
        ("at", struct.pack("!q", 1 << 40)),
        ("at", struct.pack("!q", 1 << 62)),
        ("at", b"2024"),
        ("flag", b"\2"),
        ("flag", b""),
        ("name", b"past\xc3\xa9"),
        ("name", b"spa  "),
    ],
)
def test_binary_fields(pair: Pair, column: str, field: bytes) -> None:
    data = HEADER + row(number(7), None if column == "" else field) + TRAILER
    same_in(pair, f"COPY poured (id, {column}) FROM STDIN BINARY", data)


@pytest.mark.parametrize(
    "sql",
    [
        f"COPY ({EVERY_TYPE}) TO STDOUT (FORMAT binary)",
        "COPY (SELECT 1 WHERE false) TO STDOUT (FORMAT binary)",
        "COPY (SELECT) TO STDOUT (FORMAT binary)",
        "COPY BINARY poured TO STDOUT",
        "COPY poured (flag, id) TO STDOUT WITH BINARY",
        "COPY poured TO STDOUT (FORMAT binary, DELIMITER ',')",
        "COPY poured TO STDOUT (FORMAT binary, NULL 'x')",
        "COPY poured TO STDOUT (FORMAT binary, HEADER)",
        "COPY poured TO STDOUT (FORMAT binary, HEADER false)",
        "COPY poured TO STDOUT (FORMAT binary, QUOTE '''')",
        "COPY poured TO STDOUT (FORMAT binary, ESCAPE '''')",
        "COPY poured TO STDOUT (FORMAT binary, FORCE_QUOTE *)",
        "COPY poured TO STDOUT (FORMAT binary, FORMAT text)",
        "COPY poured TO STDOUT (FORMAT packed)",
    ],
)
def test_out(pair: Pair, sql: str) -> None:
    fill = "INSERT INTO poured VALUES (1, 'a', 1.5, '2024-01-01 00:00+00', true), (2, 'b', NULL, NULL, false)"
    for wire in (pair.ours, pair.theirs):
        assert wire.simple(fill)[0].tag == "INSERT 0 2"
    ours, theirs = copied_out(pair.ours, sql), copied_out(pair.theirs, sql)
    for wire in (pair.ours, pair.theirs):
        wire.simple("DELETE FROM poured")
    assert ours == theirs


LINES = b"1\tone\n2\ttwo\n3\tthree\n\\N\t\\N\n"


@pytest.mark.parametrize(
    "condition",
    [
        "id > 1",
        "id > 1 AND name <> 'three'",
        "id = 99",
        "id IS NOT NULL AND name LIKE 't%'",
        "n IS NULL AND at IS NULL",
        "name = 'none'",
        "NULL",
        "true",
        "id < 3 AND 6 / (id - 3) < 0",
        "6 / (2 - id) > 0",
        "id",
        "nope > 1",
        "poured.id > 2",
        "other.id > 2",
        "id > 'x'",
        "id > (SELECT 1)",
        "EXISTS (SELECT 1)",
        "count(*) > 1",
        "row_number() OVER () > 1",
        "generate_series(1, 2) > 1",
        "grouping(id) > 1",
        "id > $1",
        "poured IS NOT NULL",
        "now() > '2024-01-01' AND id = 1",
        "upper(name) = 'ONE'",
    ],
)
def test_where(pair: Pair, condition: str) -> None:
    said = same_in(pair, f"COPY poured (id, name) FROM STDIN WHERE {condition}", LINES)
    data = HEADER + ONE + TWO + row(number(3), b"three") + row(None, None) + TRAILER
    same_in(pair, f"COPY poured (id, name) FROM STDIN (FORMAT binary) WHERE {condition}", data)
    assert said.get("SQLSTATE") or said["tag"] in (b"COPY 0", b"COPY 1", b"COPY 2", b"COPY 3")


@pytest.mark.parametrize(
    ("sql", "data"),
    [
        ("COPY poured (id) FROM STDIN WHERE name = 'none' AND id < 3", b"1\n2\n3\n"),
        ("COPY poured (id, n) FROM STDIN WHERE id <> 2", b"1\t1\n2\t-1\n3\t-1\n"),
        ("COPY poured (id, n) FROM STDIN", b"1\t-1\n2\tx\n"),
        ("COPY poured (id, name) FROM STDIN WHERE 1 / id > 0", b"1\t\\N\n0\tx\n"),
        ("COPY poured (id, name) FROM STDIN (FORMAT csv)", b'1,"a\nb"\n2,"c\nd"\nx,e\n'),
        ("COPY poured (id, name) FROM STDIN (FORMAT csv)", b'1,"a\nb"\n2,"c\nd"\n1,e\n'),
        ("COPY poured (id, name) FROM STDIN (FORMAT csv)", b'1,a\n2,"c\n\nd"\n3,\n'),
        ("COPY poured (id, name) FROM STDIN (FORMAT csv)", b'1,"a\nb"\r\n2,"c\nd"\r\nx,e\r\n'),
        ("COPY poured (id, name) FROM STDIN (FORMAT csv)", b'1,"a\r\nb"\r\n2,"c\r\n"\r\nx,e\r\n'),
        ("COPY poured (id, name) FROM STDIN (FORMAT csv, HEADER)", b'id,"na\nme"\n2,"c\nd"\nx,e\n'),
        ("COPY poured (id, name) FROM STDIN", b"1\ta\\\nb\nx\tc\n"),
        ("COPY poured TO STDOUT WHERE id > 1", b""),
        ("COPY poured (id, name) FROM STDIN (FORMAT binary, HEADER match)", b""),
        ("COPY poured (id, name) FROM STDIN (FORMAT binary, FORCE_NULL (id))", b""),
    ],
)
def test_text_data(pair: Pair, sql: str, data: bytes) -> None:
    same_in(pair, sql, data)
