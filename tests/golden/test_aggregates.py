"""Every aggregate against PostgreSQL, over random rows with NULLs and edge values; templates of to_date."""

import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from server.errors import PgError
from server.sql.functions import AGGREGATE_BY_OID, FUNCTIONS, Aggregate
from server.sql.resolve import resolve_function
from server.sql.types import BY_NAME, Type
from tests.function_cases import ENV, VALUES, Call, argument_types, name, ours, render, theirs
from tests.postgres import Postgres

ROUNDS = 6
FRACTIONS = {"float8": ("0", "0.5", "0.3", "1"), "_float8": ("{0,1,0.5}",)}
Row = list[str | None]


@pytest.fixture(scope="module")
def connection(postgres: Postgres) -> "Iterator[psycopg.Connection[Any]]":
    if postgres.version != 16:
        pytest.skip("the set of aggregates is that of PostgreSQL 16")
    with postgres.connect() as made:
        yield made


def literal(kind: Type, text: str | None) -> str:
    quoted = "NULL" if text is None else "'" + text.replace("'", "''") + "'"
    return f"{quoted}::{name(kind)}"


def statement(entry: Aggregate, types: tuple[Type, ...], rows: list[Row], direct: Row) -> str:
    """The aggregate over VALUES in SQL."""
    columns = [f"c{index}" for index in range(len(types))]
    if not types:
        source = f"generate_series(1, {len(rows)})"
    elif rows:
        tuples = ", ".join("(" + ", ".join(map(literal, types, row)) + ")" for row in rows)
        source = f"(VALUES {tuples}) v({', '.join(columns)})"
    else:
        empty = ", ".join(f"NULL::{name(kind)} AS {column}" for kind, column in zip(types, columns))
        source = f"(SELECT {empty} WHERE false) v"
    if entry.kind == "o":
        call = f"{entry.name}({', '.join(map(literal, types, direct))})"
        return f"SELECT {call} WITHIN GROUP (ORDER BY {columns[entry.direct_args]}) FROM {source}"
    return f"SELECT {entry.name}({', '.join(columns) or '*'}) FROM {source}"


def real(connection: "psycopg.Connection[Any]", text: str) -> Any:
    try:
        cursor = connection.cursor()
        cursor.execute(text.encode())
        assert cursor.pgresult is not None
        value = cursor.pgresult.get_value(0, 0)
        return None if value is None else value.decode()
    except psycopg.Error as error:
        return error.diag.sqlstate, error.diag.message_primary


def mine(entry: Aggregate, types: tuple[Type, ...], rows: list[Row], direct: Row) -> Any:
    """The same by the entry."""
    first = entry.direct_args
    values = [[None if t is None else k.input(t, -1, ENV) for k, t in zip(types, row)] for row in rows]
    if entry.kind == "o":
        key = types[first].sort_key or (lambda value: value)
        values = sorted(
            (row[first:] for row in values if row[first] is not None), key=lambda row: key(row[0])
        )
    try:
        state = entry.init(types) if entry.needs_types else entry.init()  # type: ignore[call-arg]
        for row in values:
            if not (entry.strict_step and None in row):
                state = entry.step(state, ENV, *row) if entry.needs_env else entry.step(state, *row)
        given = [kind.input(text, -1, ENV) for kind, text in zip(types, direct) if text is not None]
        result = resolve_function((entry.name,), types).result
        return render(result, entry.final(state, ENV, *given))
    except PgError as error:
        return error.sqlstate, error.message


@pytest.mark.slow
@pytest.mark.parametrize(
    "oid",
    sorted(oid for oid, entry in AGGREGATE_BY_OID.items() if entry.kind != "h"),  # those: sql/aggregates.sql
)
def test_aggregate(connection: "psycopg.Connection[Any]", oid: int) -> None:
    entry = AGGREGATE_BY_OID[oid]
    wrong = []
    for number in range(ROUNDS):
        choice = random.Random(f"{oid}/{number}")
        for types in argument_types(entry):  # type: ignore[arg-type]
            pools: list[list[str | None]] = [list(VALUES[kind.name]) for kind in types]
            if number % 2:
                pools = [
                    [text for text in pool if "nf" not in str(text) and "NaN" not in str(text)]
                    for pool in pools
                ]
            if number % 3 == 0:
                pools = [[*pool, None] for pool in pools]
            count = choice.choice((0, 1, 2, 3, 6))
            rows: list[Row] = [[choice.choice(pool) for pool in pools] for _ in range(count)]
            direct: Row = [choice.choice(FRACTIONS[kind.name]) for kind in types[: entry.direct_args]]
            text = statement(entry, types, rows, direct)
            got, wanted = mine(entry, types, rows, direct), real(connection, text)
            if got != wanted:
                wrong.append((text, got, wanted))
    assert not wrong


TIMES = [
    ("2024-02-29", "YYYY-MM-DD"),
    ("29 Feb 2024", "DD Mon YYYY"),
    ("20240229", "YYYYMMDD"),
    ("2024-02-30", "YYYY-MM-DD"),
    ("2000/JUN/5", "YYYY/MON/DD"),
    ("12:30 PM", "HH12:MI AM"),
    ("13:30 PM", "HH12:MI AM"),
    ("2024 061", "YYYY DDD"),
    ("2024-03-01 12:34:56.789", "YYYY-MM-DD HH24:MI:SS.MS"),
    ("99-1-1", "YY-MM-DD"),
    ("24-1-1", "YY-MM-DD"),
    ("2024-09", "IYYY-IW"),
    ("2451545", "J"),
    ("  2024  -  01 - 02", "YYYY-MM-DD"),
    ("January 8, 1999", "Month DD, YYYY"),
    ("abc", "YYYY"),
    ("2024-xx-01", "YYYY-MM-DD"),
    ("2024-13-01", "YYYY-MM-DD"),
    ("44-03-15 BC", "YYYY-MM-DD BC"),
    ("2024-01-02 03:04:05 -08", "YYYY-MM-DD HH24:MI:SS TZH"),
    ("1,999", "Y,YYY"),
    ("XII", "RM"),
    ("3661", "SSSS"),
    ("15th 2024-05", "DDth YYYY-MM"),
    ("", "YYYY"),
    ("2024-1-1 25:00", "YYYY-MM-DD HH24:MI"),
    ("20", "CC"),
]
NUMBERS = [
    ("12,454.8-", "99G999D9S"),
    ("-34,338,492", "99G999G999"),
    ("123", "999"),
    ("<123>", "999PR"),
    ("1.5", "9.9"),
    ("$1,234.50", "L9,999.99"),
    ("abc", "999"),
    (" 12 ", "9999"),
    ("-12.3", "S99.9"),
    ("1234.56", "9999"),
]


@pytest.mark.parametrize("function", ["to_date", "to_timestamp", "to_number"])
def test_templates(connection: "psycopg.Connection[Any]", function: str) -> None:
    entry = next(one for one in FUNCTIONS[function] if len(one.args) == 2)
    for texts in NUMBERS if function == "to_number" else TIMES:
        call = Call(entry, entry.args, texts)
        assert (texts, ours(call)) == (texts, theirs(connection, call))


def test_variadic_any_takes_an_array(connection: "psycopg.Connection[Any]") -> None:
    array = BY_NAME["_text"]
    match = resolve_function(("concat_ws",), [BY_NAME["text"], array], variadic=True)
    value = match.entry.impl(ENV, (BY_NAME["text"], array), "-", array.input("{a,NULL,b}", -1, ENV))  # type: ignore[union-attr]
    assert value == "a-b" == real(connection, "SELECT concat_ws('-', VARIADIC '{a,NULL,b}'::text[])")


def test_the_random_sequence_is_postgresqls(connection: "psycopg.Connection[Any]") -> None:
    FUNCTIONS["setseed"][0].impl(0.5)
    ours_ = [FUNCTIONS["random"][0].impl() for _ in range(3)]
    connection.execute("SELECT setseed(0.5)")
    assert ours_ == [connection.execute("SELECT random()").fetchone()[0] for _ in range(3)]  # type: ignore[index]
