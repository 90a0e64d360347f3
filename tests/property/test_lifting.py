"""Both ways to lex agree; lifted literals put back give the same statement."""

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import PgError
from server.sql import ast
from server.sql.lexer import Tokens, lex, lex_exact
from server.sql.parse import NotLiftable, parse, parse_lifted
from server.sql.scanner import MARKERS, Lifted, lift

CORPUS = [
    line for line in (Path(__file__).parents[1] / "golden" / "statements.sql").read_text().split("\n") if line
]
FRAGMENTS = st.sampled_from(
    [
        "'",
        "''",
        '"',
        "$",
        "$$",
        "$a$",
        "--",
        "/*",
        "*/",
        "\n",
        " ",
        "\\",
        "e'",
        "E'",
        "u&'",
        'u&"',
        "b'",
        "n'",
        "x",
        "a1",
        "1",
        "1.",
        ".",
        "..",
        ".5",
        "e5",
        "0x",
        "_",
        "+",
        "-",
        "@",
        "<",
        ">",
        "=",
        ":",
        "::",
        ";",
        ",",
        "(",
        ")",
        "[",
        "$1",
        "é",
        "{#",
        "#}",
        "not",
        "in",
        "select",
        "uescape '!'",
        "\t",
        "\r",
        "?",
        "&",
    ]
)


def outcome(function: Any, sql: str) -> Tokens | tuple[str, str, int | None]:
    try:
        result: Tokens = function(sql)
    except PgError as error:
        return error.sqlstate, error.message, error.position
    return result


@given(st.lists(FRAGMENTS, max_size=14))
def test_both_ways_to_lex_agree(pieces: list[str]) -> None:
    sql = "".join(pieces)
    assert outcome(lex, sql) == outcome(lex_exact, sql)


def restored(node: Any, literals: list[tuple[str, str]], first: int) -> Any:
    """The tree with the literals in place of the lifted parameters, minus signs folded in as `parse` does."""
    if isinstance(node, ast.ParamRef) and node.lifted:
        kind, text = literals[node.number - first - 1]
        name = {"s": "string", "n": "float"}.get(kind, "integer")
        return ast.Literal(name, str(int(text)) if kind == "i" else text, node.at)
    if isinstance(node, tuple):
        return tuple(restored(item, literals, first) for item in node)
    if not is_dataclass(node) or isinstance(node, type):
        return node
    changes = {f.name: restored(getattr(node, f.name), literals, first) for f in fields(node)}
    node = replace(node, **changes)
    if (
        isinstance(node, ast.Op)
        and node.name == "-"
        and node.left is None
        and isinstance(node.right, ast.Literal)
    ):
        value = node.right
        if value.kind in ("integer", "float"):
            text = value.text[1:] if value.text.startswith("-") else "-" + value.text
            return ast.Literal(value.kind, text, node.at)
    return node


def check(lifted: Lifted) -> bool:
    """True when the statement was liftable; then its tree and its key are right."""
    try:
        statement = parse_lifted(lifted)
    except (NotLiftable, PgError):
        return False
    (plain,) = parse(lifted.sql)
    assert restored(statement.statement, lifted.literals, plain.parameters) == plain.statement
    assert statement.parameters == plain.parameters
    assert sum(lifted.key.count(marker) for marker in MARKERS.values()) == len(lifted.literals)
    return True


def test_lifted_literals_put_back_give_the_statement() -> None:
    assert sum(check(found) for found in map(lift, CORPUS) if found is not None) > 100


@given(st.lists(FRAGMENTS, max_size=10))
def test_whatever_is_lifted_is_what_the_lexer_sees(pieces: list[str]) -> None:
    lifted = lift("select " + "".join(pieces))
    if lifted is not None:
        check(lifted)


@pytest.mark.parametrize(
    ("sql", "key", "literals"),
    [
        ("select a from t where b = 5", "select a from t where b = \0i", [("i", "5")]),
        (
            "select 3000000000, 1.5, 'it''s'",
            "select \0I, \0n, \0s",
            [("I", "3000000000"), ("n", "1.5"), ("s", "it's")],
        ),
        ('select "a1" from t1 where c=.5', 'select "a1" from t1 where c=\0n', [("n", ".5")]),
        (
            "insert into t values (1,'x'),(2,null)",
            "insert into t values (\0i,\0s),(\0i,null)",
            [("i", "1"), ("s", "x"), ("i", "2")],
        ),
        ("select $1, 1_0, a.b1", "select $1, 1_0, a.b1", []),
    ],
)
def test_keys(sql: str, key: str, literals: list[tuple[str, str]]) -> None:
    found = lift(sql)
    assert found is not None
    assert (found.key, found.literals) == (key, literals)


@pytest.mark.parametrize(
    "sql",
    [
        "begin",
        "select 1; select 2",
        "select 1 -- x",
        "select /* x */ 1",
        "select e'a'",
        "select u&'a'",
        "select b'0'",
        "select $$a$$",
        "select 'a' 'b'",
        "select 'a'\n'b'",
        "select 'a",
        'select "a',
        "select ''''''''a'",
        "select '\0s'' ",
        "select \0i",
        'select "\0i"',
        "select n'a'",
    ],
)
def test_left_to_the_lexer(sql: str) -> None:
    assert lift(sql) is None


@pytest.mark.parametrize(
    "sql",
    [
        "select 1 order by 1",
        "select a from t group by 1",
        "select distinct on (1) a from t",
        "select interval '1 day'",
        "select date '2020-01-01'",
        "select a::numeric(3, 1)",
        "select -2147483648",
        "select -9223372036854775808",
        "select a from t group by a + 1",
        "select extract('epoch' from a)",
        "select f(a order by 1)",
    ],
)
def test_constants_stay(sql: str) -> None:
    found = lift(sql)
    assert found is not None
    with pytest.raises(NotLiftable):
        parse_lifted(found)


def test_lifted_numbers_follow_the_clients() -> None:
    found = lift("select $2 + 7, $1 limit 3")
    assert found is not None
    statement = parse_lifted(found)
    assert statement.parameters == 2
    query = statement.statement
    assert isinstance(query, ast.SelectStmt)
    assert query.limit == ast.ParamRef(4, 24, True)
