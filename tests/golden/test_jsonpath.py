"""jsonpath against PostgreSQL: random paths, right and wrong, as text and over random documents.

JSON_PATHS=n takes n times as many. Known to differ: an error that quotes half a character of several bytes, which
PostgreSQL cuts; templates with ISO weeks of years in the millions, where PostgreSQL's arithmetic overflows.
"""

import os
import re
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import psycopg
import pytest

import server.sql.builtins  # noqa: F401  (fills the tables)
from server.errors import PgError
from server.sql.context import Context
from server.sql.env import Env
from server.sql.functions import FUNCTION_BY_OID, FUNCTIONS, Function
from server.sql.types import BY_NAME
from server.sql.zones import find_zone
from tests.json_paths import VARIABLES, Paths, datetime_path, document
from tests.postgres import Postgres

Connection = psycopg.Connection[Any]
MANY = int(os.environ.get("JSON_PATHS", "1"))
NAMES = tuple(f"jsonb_path_{name}" for name in ("query", "exists", "match", "query_array", "query_first"))
ZONED = tuple(f"{name}_tz" for name in NAMES)
JSONB, JSONPATH = BY_NAME["jsonb"], BY_NAME["jsonpath"]
CUT = re.compile("[.][0-9_eE]*é")
"""Numbers of which an error quotes half the character behind them."""
ASK = """
create function pg_temp.ask(expression text) returns text[] language plpgsql as $$
declare state text; message text; more text; hint text; found text[];
begin
  execute 'select array_agg(x::text) from ' || expression || ' x' into found;
  return '{ok}'::text[] || coalesce(found, '{}');
exception when others then
  get stacked diagnostics state = returned_sqlstate, message = message_text, more = pg_exception_detail,
    hint = pg_exception_hint;
  return array[state, message, more, hint];
end $$;
"""


@pytest.fixture(scope="module")
def connection(postgres: Postgres) -> Iterator[Connection]:
    if postgres.version < 16:
        pytest.skip("these answers are PostgreSQL 16's")
    with postgres.connect() as opened:
        opened.execute(ASK)
        yield opened


def theirs(connection: Connection, expressions: Sequence[str]) -> list[tuple[str | None, ...]]:
    """PostgreSQL's rows after "ok", or SQLSTATE, message, DETAIL and HINT, for each expression of FROM."""
    asked = "select pg_temp.ask(e) from unnest(%s::text[]) with ordinality u(e, n) order by n"
    return [tuple(row[0]) for row in connection.execute(asked, (list(expressions),)).fetchall()]


def failed(error: PgError) -> tuple[str | None, ...]:
    return error.sqlstate, error.message, error.detail or "", error.hint or ""


def quoted(text: str) -> str:
    return str(psycopg.sql.Literal(text).as_string())


def ours(env: Env, entry: Function, target: str, path: str, *rest: Any) -> tuple[str | None, ...]:
    """The same answer of ours."""
    context = Context(None, env=env)  # type: ignore[arg-type]
    try:
        got = entry.impl(context, JSONB.input(target, -1, env), JSONPATH.input(path, -1, env), *rest)
        values = list(got) if entry.returns_set else [got]
        return "ok", *(None if value is None else entry.result.output(value, env) for value in values)
    except PgError as error:
        return failed(error)


def shown(answer: tuple[str | None, ...]) -> tuple[str | None, ...]:
    """Booleans as one side prints them."""
    return tuple({"t": "true", "f": "false"}.get(each or "", each or None) for each in answer)


def test_texts(connection: Connection) -> None:
    """The canonical text of what is right, the error of what is not."""
    draw = Random(1)
    paths = Paths(draw)
    texts = [paths.path(draw.randrange(1, 5)) for _ in range(250 * MANY)]
    spoilt = (paths.spoilt(draw.randrange(1, 4)) for _ in range(600 * MANY))
    texts += [text for text in spoilt if not CUT.search(text)]
    env = Env()
    wrong = []
    expected = theirs(connection, [f"cast({quoted(text)} as jsonpath)" for text in texts])
    for text, real in zip(texts, expected, strict=True):
        try:
            mine: tuple[str | None, ...] = "ok", JSONPATH.output(JSONPATH.input(text, -1, env), env)
        except PgError as error:
            mine = failed(error)
        if mine != real:
            wrong.append((text, mine, real))
    assert wrong == []
    assert 200 * MANY < sum(real[0] == "ok" for real in expected) < 600 * MANY


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_evaluation(connection: Connection, zone: str) -> None:
    """Every function over random documents: rows, or the error."""
    draw = Random(zone)
    paths = Paths(draw)
    connection.execute(f"set timezone = '{zone}'")
    now = connection.execute("select extract(epoch from now() - '2000-01-01 00:00:00+00')::bigint").fetchone()
    found = find_zone(zone)
    assert found is not None and now is not None
    env = Env(found, now=now[0] * 1_000_000)
    cases, expressions = [], []
    for _ in range(700 * MANY):
        name = draw.choice((*NAMES[:1] * 4, *NAMES, *ZONED))
        target, path = document(draw, draw.randrange(1, 5)), paths.path(draw.randrange(1, 5))
        if draw.random() < 0.15:
            target, path = datetime_path(draw)
        variables = draw.choice(VARIABLES if draw.random() < 0.1 else VARIABLES[:2])
        silent = draw.random() < 0.3
        cases.append((name, target, path, variables, silent))
        expressions.append(f"{name}({quoted(target)}, {quoted(path)}, {quoted(variables)}, {silent})")
    wrong = []
    expected = theirs(connection, expressions)
    for case, real in zip(cases, expected, strict=True):
        name, target, path, variables, silent = case
        mine = ours(env, FUNCTIONS[name][0], target, path, JSONB.input(variables, -1, env), silent)
        if shown(mine) != shown(real):
            wrong.append((case, mine, real))
    assert wrong == []
    assert sum(real[0] == "ok" and len(real) > 1 for real in expected) > 200 * MANY


@pytest.mark.parametrize(("operator", "oid"), [("@?", 4010), ("@@", 4011)])
def test_operators(connection: Connection, operator: str, oid: int) -> None:
    """They are silent, and names of variables stand for null."""
    draw = Random(operator)
    paths = Paths(draw)
    cases = [(document(draw, 3), paths.path(3)) for _ in range(200 * MANY)]
    expected = theirs(
        connection,
        [f"(values ({quoted(target)}::jsonb {operator} {quoted(path)}))" for target, path in cases],
    )
    wrong = []
    for (target, path), real in zip(cases, expected, strict=True):
        mine = ours(Env(), FUNCTION_BY_OID[oid], target, path)
        if shown(mine) != shown(tuple((each or "").strip("()") or None for each in real)):
            wrong.append((target, path, mine, real))
    assert wrong == []


def test_datetimes(connection: Connection) -> None:
    """.datetime() with templates."""
    draw = Random(7)
    cases = [datetime_path(draw) for _ in range(700 * MANY)]
    connection.execute("set timezone = 'UTC'")
    expected = theirs(connection, [f"jsonb_path_query({quoted(t)}, {quoted(p)})" for t, p in cases])
    empty = JSONB.input("{}", -1, Env())
    wrong = []
    for (target, path), real in zip(cases, expected, strict=True):
        mine = ours(Env(), FUNCTIONS["jsonb_path_query"][0], target, path, empty, False)
        if mine != real:
            wrong.append((target, path, mine, real))
    assert wrong == []
    assert sum(real[0] == "ok" for real in expected) > 100 * MANY
