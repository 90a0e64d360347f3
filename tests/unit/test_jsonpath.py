"""A jsonpath over much gives turns, can be cancelled, and is bounded where nobody can give one (DESIGN §11)."""

from pathlib import Path
from typing import Any

import pytest
from pygwire import messages as pg

import server.sql.builtins  # noqa: F401  (fills the tables)
from server.errors import PgError
from server.runtime.node import Node
from server.session.work import SLICE
from server.sql.context import Context
from server.sql.env import Env
from server.sql.functions import FUNCTIONS
from server.sql.jsonpath.lexer import MAX_PIECES
from server.sql.jsonpath.parse import parse
from server.sql.jsonpath.tree import render
from server.sql.type_json import Jsonb
from server.sql.types import BY_NAME
from tests.sessions import Client, run

NUMBERS = "'[' || repeat('1, ', 2000) || '1]'"
PAIRS = "$[*] ? (@ == $[*] && $[*] > 1)"
CALLS = [
    f"SELECT jsonb_path_exists(({NUMBERS})::jsonb, '{PAIRS}')",
    f"SELECT ({NUMBERS})::jsonb @? '{PAIRS}'",
    f"SELECT jsonb_path_query(({NUMBERS})::jsonb, '{PAIRS}')",
    f"SELECT * FROM jsonb_path_query(({NUMBERS})::jsonb, '{PAIRS}')",
    f"SELECT 1 WHERE ({NUMBERS})::jsonb @? '{PAIRS}'",
    f"SELECT 1 WHERE ({NUMBERS})::jsonb @? ANY (ARRAY['{PAIRS}']::jsonpath[])",
    f"INSERT INTO t VALUES (2, jsonb_path_query_first(({NUMBERS})::jsonb, '{PAIRS}'))",
    f"UPDATE t SET j = jsonb_path_query_array(({NUMBERS})::jsonb, '{PAIRS}')",
    f"SELECT a FROM t WHERE a = 1 AND ({NUMBERS})::jsonb @@ '$ ? (exists({PAIRS}))'",
    f"SELECT (SELECT jsonb_path_match(({NUMBERS})::jsonb, 'exists({PAIRS})'))",
]


@pytest.mark.parametrize("sql", CALLS)
def test_a_path_that_takes_long_gives_turns(tmp_path: Path, sql: str) -> None:
    async def work(node: Node) -> None:
        client, other = Client(node), Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, j jsonb)")
        await client.query("INSERT INTO t VALUES (1, '1')")
        client.begin(pg.Query(query_string=sql))
        for _turn in range(3):
            assert client.connection.waiting is SLICE
            assert await other.rows("SELECT j FROM t WHERE a = 1") == [("1",)]
            client.connection.turn()
        node.cancel(client.session.process_id, client.session.secret)
        assert (await client.finish())[-1] == "ERROR 57014 canceling statement due to user request"

    run(tmp_path, work)


def test_an_index_and_a_check_may_ask_a_path(tmp_path: Path) -> None:
    """There nobody gives turns."""

    async def work(node: Node) -> None:
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, j jsonb CHECK (j @? '$.a'))")
        index = "CREATE INDEX ASYNC i ON t ((jsonb_path_query_first(j, '$.a') ->> 0)) WHERE j @@ '$.a > 1'"
        assert (await client.query(index))[-1] == "CREATE INDEX"
        assert await client.query("""INSERT INTO t VALUES (1, '{"a": 2}')""") == ["INSERT 0 1"]
        (answer,) = await client.query("""INSERT INTO t VALUES (2, '{"b": 2}')""")
        assert answer.startswith("ERROR 23514")
        assert await client.rows("SELECT a FROM t WHERE j @@ '$.a > 1'") == [("1",)]

    run(tmp_path, work)


def ask(name: str, target: Any, path: str) -> Any:
    context = Context(None, env=Env())  # type: ignore[arg-type]
    found = FUNCTIONS[name][0].impl(context, Jsonb(target), parse(path), Jsonb({}), False)
    return list(found) if name == "jsonb_path_query" else found


def nested(depth: int) -> Any:
    value: Any = "x" * 1000
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("name", "target", "path", "sqlstate"),
    [
        ("jsonb_path_exists", [None] * 2000, "$[*] ? (@ == $[*] && $[*] == 1)", "54000"),
        ("jsonb_path_query", [[None] * 2000] * 2000, "$[*][*]", "54000"),
        ("jsonb_path_query_array", nested(50_000), "$.**", "54000"),
        ("jsonb_path_query_array", [nested(1)] * 60_000, "$", "54000"),
    ],
)
def test_without_turns_there_is_an_end(name: str, target: Any, path: str, sqlstate: str) -> None:
    with pytest.raises(PgError) as caught:
        ask(name, target, path)
    assert caught.value.sqlstate == sqlstate


def test_depth_of_a_document_is_no_matter() -> None:
    assert ask("jsonb_path_query", nested(50_000), "$.**{last}") == [Jsonb("x" * 1000)]


@pytest.mark.parametrize(
    ("path", "sqlstate"),
    [
        ("(" * 5_000 + "$" + ")" * 5_000, "54001"),
        ("$" + " + $" * 5_000, "54001"),
        ("- " * 5_000 + "$", "54001"),
        ("$[" * 5_000 + "0" + "]" * 5_000, "54001"),
        ("$" + ".a" * MAX_PIECES, "54000"),
        ('"' + "\\n" * MAX_PIECES + '"', "54000"),
        ('"' + "a" * (1 << 20) + '"', "54000"),
    ],
)
def test_paths_are_bounded(path: str, sqlstate: str) -> None:
    jsonpath = BY_NAME["jsonpath"]
    with pytest.raises(PgError) as caught:
        jsonpath.output(jsonpath.input(path, -1, Env()), Env())
    assert caught.value.sqlstate == sqlstate


def test_many_steps_are_no_depth() -> None:
    path = parse("$" + ".a" * 5_000)
    assert render(path) == "$" + '."a"' * 5_000
    target: Any = "x"
    for _ in range(5_000):
        target = {"a": target}
    assert ask("jsonb_path_query", target, "$" + ".a" * 5_000) == [Jsonb("x")]


def test_what_evaluation_can_not_follow_is_refused() -> None:
    with pytest.raises(PgError) as caught:
        ask("jsonb_path_exists", 1, "$" + "[0]" * 5_000)
    assert caught.value.sqlstate == "54001"
