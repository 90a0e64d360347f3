"""Types and casts give PostgreSQL's own answers: text, binary form, SQLSTATE, message, detail and hint."""

import math
import random
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import psycopg
import pytest

import server.catalog.system  # noqa: F401  (registers the casts of the types that it registers)
from server.errors import PgError
from server.sql import types
from server.sql.casts import CASTS
from server.sql.env import Env
from server.sql.zones import Zone, find_zone
from tests.postgres import Postgres
from tests.type_inputs import INPUTS, VALUES
from tests.type_probe import Question, ask_ours, ask_postgres, differences, lookup

Connection = psycopg.Connection[Any]
ZONES = (
    "UTC", "America/New_York", "Europe/Dublin", "America/Santiago", "Australia/Lord_Howe", "EST5EDT", "FOO+3",
    "<+03>-3",
)  # fmt: skip
DATETIMES = ("date", "time", "timetz", "timestamp", "timestamptz")
CAST_TARGETS = [
    *VALUES, "varchar(2)", "bpchar(2)", "numeric(5,1)", "timestamp(0)", "timestamptz(0)", "time(0)",
    "interval(0)", "xid",
]  # fmt: skip


@pytest.fixture
def connection(postgres: Postgres) -> Iterator[Connection]:
    if postgres.version < 16:
        pytest.skip("these answers are PostgreSQL 16's")
    with postgres.connect() as opened:
        yield opened


def zone(name: str) -> Zone:
    found = find_zone(name)
    assert found is not None
    return found


def now() -> int:
    return int((datetime.now(UTC) - datetime(2000, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000)


@pytest.mark.parametrize("name", INPUTS)
def test_texts_are_read_and_printed_as_postgresql_does(connection: Connection, name: str) -> None:
    assert differences(connection, Env(), [Question(name, text) for text in INPUTS[name]]) == []


@pytest.mark.parametrize("order", ["MDY", "DMY", "YMD"])
@pytest.mark.parametrize("style", ["ISO", "SQL", "Postgres", "German"])
def test_date_styles(connection: Connection, style: str, order: str) -> None:
    names = {"MDY": "America/New_York", "DMY": "Asia/Kolkata", "YMD": "Australia/Sydney"}
    connection.execute(f"set datestyle = '{style}, {order}'")
    connection.execute(f"set timezone = '{names[order]}'")
    env = Env(zone(names[order]), style, order, now=now())
    for name in DATETIMES:
        assert differences(connection, env, [Question(name, text) for text in INPUTS[name]]) == []


@pytest.mark.parametrize("style", ["postgres", "postgres_verbose", "sql_standard", "iso_8601"])
def test_interval_styles(connection: Connection, style: str) -> None:
    connection.execute(f"set intervalstyle = '{style}'")
    draw = random.Random(1)
    texts = list(INPUTS["interval"])
    for _ in range(200):
        months, days = (draw.choice([0, 0, draw.randint(-40, 40)]) for _ in range(2))
        us = draw.choice([0, draw.randint(-(10**6), 10**6), draw.randint(-(10**11), 10**11)])
        texts.append(f"{months} mons {days} days {us} us")
    assert (
        differences(connection, Env(intervalstyle=style), [Question("interval", text) for text in texts])
        == []
    )


@pytest.mark.parametrize(
    "name",
    [
        "UTC",
        "America/New_York",
        "Europe/Dublin",
        "America/Santiago",
        "Australia/Lord_Howe",
        "EST5EDT",
        "FOO+3",
        "<+03>-3",
    ],
)
def test_time_zones_at_any_time(connection: Connection, name: str) -> None:
    connection.execute(f"set timezone = '{name}'")
    draw = random.Random(2)
    texts = []
    for _ in range(150):
        ranges = [(-211_813_488 * 10**9, 9_223_371_331 * 10**9), (-3 * 10**15, 4 * 10**15), (0, 10**15)]
        text = types.TIMESTAMP.output(draw.randint(*draw.choice(ranges)), Env())
        texts += [text] if "BC" in text else [text, text + "+00"]
    env = Env(zone(name), now=now())
    assert differences(connection, env, [Question("timestamptz", text) for text in texts]) == []


def doubles() -> list[float]:
    draw = random.Random(3)
    found = [struct.unpack("!d", struct.pack("!Q", draw.getrandbits(64)))[0] for _ in range(600)]
    found += [draw.uniform(-1e6, 1e6) for _ in range(100)] + [
        float(draw.randint(0, 2**70)) for _ in range(200)
    ]
    found += [float(f"1e{power}") for power in range(-30, 60)] + [2.0**power for power in range(-80, 120)]
    return [value for value in found if math.isfinite(value)]


@pytest.mark.parametrize("digits", [1, 0, -5])
def test_floats(connection: Connection, digits: int) -> None:
    connection.execute(f"set extra_float_digits = {digits}")
    draw = random.Random(4)
    questions = [Question("float8", repr(value)) for value in doubles()]
    questions += [Question("float4", repr(v)) for v in doubles() if 1e-44 < abs(v) < 3e38]
    for _ in range(500):
        single = struct.unpack("!f", struct.pack("!I", draw.getrandbits(32)))[0]
        questions.append(Question("float4", repr(single)))
    assert differences(connection, Env(extra_float_digits=digits), questions) == []


def test_numerics(connection: Connection) -> None:
    draw = random.Random(5)
    texts = [f"{draw.randint(-(10**9), 10**9)}e{draw.randint(-60, 60)}" for _ in range(200)]
    for _ in range(400):
        whole, part = draw.randint(0, 10 ** draw.randint(0, 40)), draw.randint(0, 10 ** draw.randint(0, 30))
        texts.append(f"{draw.choice(['', '-'])}{whole}.{part}")
    questions = [Question(name, text) for name in ("numeric", "numeric(10,3)") for text in texts]
    assert differences(connection, Env(), questions) == []


def test_bytea_in_the_escape_format(connection: Connection) -> None:
    connection.execute("set bytea_output = 'escape'")
    questions = [Question("bytea", text) for text in INPUTS["bytea"]]
    assert differences(connection, Env(bytea_output="escape"), questions) == []


@pytest.mark.parametrize("name", ["UTC", "America/New_York"])
def test_every_cast(connection: Connection, name: str) -> None:
    connection.execute(f"set timezone = '{name}'")
    env = Env(zone(name), now=now())
    questions = [Question(s, text, t) for s, texts in VALUES.items() for text in texts for t in CAST_TARGETS]
    wrong = []
    for question, theirs in zip(questions, ask_postgres(connection, questions)):
        ours = ask_ours(env, question)
        if theirs != ours:
            wrong.append((question, theirs, ours))
    assert wrong == []


def test_order_and_equality(connection: Connection) -> None:
    skipped = ("json", "jsonpath", "xid", "int2vector", "oidvector", "regtype", "regclass")
    for name in INPUTS:
        found = types.BY_NAME.get(name.strip('"'))
        if found is None or name in skipped:
            continue
        good = [t for t in INPUTS[name] if len(t) < 1000 and ask_ours(Env(), Question(name, t))[0] == "ok"]
        rows = connection.execute(
            f"select n - 1, dense_rank() over (order by v::{name})"
            " from unnest(%s::text[]) with ordinality u(v, n)",
            (good,),
        ).fetchall()
        key = found.sort_key or (lambda value: value)
        values = [key(found.input(text, -1, Env())) for text in good]
        by_rank = sorted(rows, key=lambda row: row[1])
        for (one, rank), (other, next_rank) in pairwise(by_rank):
            assert (values[one] == values[other]) == (rank == next_rank), (name, good[one], good[other])
            assert not values[other] < values[one], (name, good[one], good[other])


def test_pg_type_and_pg_cast(connection: Connection) -> None:
    columns = (
        "oid, typname, format_type(oid, null), typarray, typcategory, typispreferred, typlen, typbyval,"
        " typalign, typstorage, typtype, typcollation, typelem"
    )
    theirs = {row[0]: row for row in connection.execute(f"select {columns} from pg_type").fetchall()}
    for found in types.BY_OID.values():
        row = theirs[found.oid]
        element = row[12] if found.category == "A" or found.name == "_record" else 0
        assert (
            found.oid, found.name, found.display, found.array_oid, found.category, found.preferred,
            found.length, found.by_value, found.align, found.storage, found.kind, found.collation,
            found.element.oid if found.element and element else 0,
        ) == (*row[:12], element), found  # fmt: skip
    query = (
        "select castsource, casttarget, castcontext, castmethod from pg_cast where castsource <> casttarget"
    )
    known = {row[0:2]: row[2:] for row in connection.execute(query).fetchall()}
    known = {pair: facts for pair, facts in known.items() if set(pair) <= types.BY_OID.keys()}
    methods = {"binary": "b", "function": "f", "io": "i"}
    assert {pair: (cast.context, methods[cast.method]) for pair, cast in CASTS.items()} == known


NAMED = [
    "varchar(3)", "bpchar(5)", "numeric(10,2)", "numeric(3,-2)", "numeric(7)", "timestamp(0)",
    "timestamptz(3)", "time(2)", "timetz(6)", "interval(0)", "interval year", "interval year to month",
    "interval day to second(2)", "interval second(3)", "varchar(3)[]", "int4", "int4[]", "bpchar",
]  # fmt: skip
MISNAMED = [
    "varchar(0)", "bpchar(-1)", "varchar(10485761)", "numeric(0)", "numeric(1001)", "numeric(5,1001)",
    "numeric(1,2,3)", "int4(3)", "text(3)", "nosuch",
]  # fmt: skip
ASSIGNED = [
    ("varchar(3)", "abcd"), ("varchar(3)", "ab   "), ("bpchar(3)", "abcd"), ("bpchar(3)", "a"),
    ("bpchar(2)", "ab   "), ("numeric(3,1)", "99.96"), ("numeric(3,1)", "1.25"), ("varchar(3)[]", "{abcd}"),
    ("timestamp(0)", "2020-01-01 0:0:0.5"), ("interval(1)", "1.25 s"), ("time(0)", "23:59:59.7"),
]  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_names_make_the_same_typmod_and_print_the_same(connection: Connection, name: str) -> None:
    connection.execute(f"create temp table named (c {name})")
    query = (
        "select atttypid, atttypmod, format_type(atttypid, atttypmod), format_type(atttypid, null)"
        " from pg_attribute where attrelid = 'named'::regclass and attnum = 1"
    )
    found, typmod = lookup(name)
    ours = found.oid, typmod, types.format_type(found.oid, typmod), types.format_type(found.oid)
    assert connection.execute(query).fetchone() == ours


@pytest.mark.parametrize("name", MISNAMED)
def test_wrong_names_and_modifiers(connection: Connection, name: str) -> None:
    with pytest.raises(psycopg.Error) as theirs:
        connection.execute(f"select null::{name}")
    with pytest.raises(PgError) as ours:
        lookup(name)
    diagnostics = theirs.value.diag
    assert (ours.value.sqlstate, ours.value.message) == (diagnostics.sqlstate, diagnostics.message_primary)


@pytest.mark.parametrize(("name", "text"), ASSIGNED)
def test_assignment_to_a_column(connection: Connection, name: str, text: str) -> None:
    connection.execute(f"create temp table assigned (c {name})")
    found, typmod = lookup(name)
    base = types.format_type(found.oid, -1)
    try:
        ours = found.output(types.apply_typmod(found, typmod, found.input(text, -1, Env()), False), Env())
    except PgError as error:
        with pytest.raises(psycopg.Error) as theirs:
            connection.execute(
                f"insert into assigned select v::{base} from (values (%s::text)) s (v)", (text,)
            )
        assert (theirs.value.sqlstate, theirs.value.diag.message_primary) == (error.sqlstate, error.message)
        return
    connection.execute(f"insert into assigned select v::{base} from (values (%s::text)) s (v)", (text,))
    assert connection.execute("select format('%s', c) from assigned").fetchone() == (ours,)
