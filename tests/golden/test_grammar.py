"""The grammar accepts and refuses what PostgreSQL's does, and builds the same trees."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from server.errors import PgError
from server.sql import ast
from server.sql.grammar_refused import STATEMENTS
from server.sql.lexer import lex
from server.sql.parse import parse
from tests.postgres import Postgres
from tests.raw_parse import RawParser, our_verdict

CORPUS = [line for line in (Path(__file__).parent / "statements.sql").read_text().split("\n") if line]
ENDS_TRANSACTION = re.compile(
    r"(^|;)\s*(commit|end|rollback|abort|begin|start|savepoint|release|prepare)\b", re.IGNORECASE
)
SKIPPED_WHOLE = re.compile(
    r"(^|;)\s*(merge|explain\s.*(execute|declare|refresh|create)|create\s+(schema\s.*create|(temp|local|global)\b)"
    r"|(create|alter)\s+(?!(table|index|unique|role|user|group|schema|unlogged)\b)\w+|(create|alter|drop)\s+user\s+map"
    r"|(drop|comment\s+on)\s+(?!(table|index|view|sequence|schema|column|role|user|group|constraint|type)\b)\w+"
    r"|(grant|revoke)\s.*\bon\s+(foreign|function|procedure|routine|large|parameter)|comment\s+on\s+type"
    rf"|alter\s+table\s+all|{'|'.join(STATEMENTS)})\b",
    re.IGNORECASE,
)
"""Statements that DSQL refuses whole: only their first words are read."""


@pytest.fixture(scope="module")
def raw(postgres: Postgres) -> Iterator[RawParser]:
    if postgres.version != 16:
        pytest.skip("the grammar is PostgreSQL 16's")
    with postgres.connect() as connection:
        yield RawParser(connection)


def test_every_statement_gets_the_verdict_of_postgresql(raw: RawParser) -> None:
    different = [
        (sql, ours, theirs) for sql in CORPUS if (ours := our_verdict(sql)) != (theirs := raw.verdict(sql))
    ]
    assert different == []


def _pieces(sql: str) -> list[str]:
    try:
        tokens = lex(sql)
    except PgError:
        return []
    return [sql[start:end] for start, end in zip(tokens.starts, tokens.ends)][:-1]


def _mutated(chance: random.Random, parts: list[list[str]], words: list[str]) -> str:
    """One statement with up to three tokens removed, replaced, inserted, swapped or spliced in."""
    tokens = list(chance.choice(parts))
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        if not tokens:
            break
        at, kind = chance.randrange(len(tokens)), chance.random()
        if kind < 0.25:
            del tokens[at]
        elif kind < 0.5:
            tokens[at] = chance.choice(words)
        elif kind < 0.75:
            tokens.insert(at, chance.choice(words))
        elif kind < 0.85:
            other = chance.randrange(len(tokens))
            tokens[at], tokens[other] = tokens[other], tokens[at]
        else:
            donor = chance.choice(parts)
            start = chance.randrange(len(donor))
            tokens[at : at + chance.randrange(3)] = donor[start : start + chance.randrange(1, 8)]
    return " ".join(tokens)


def _disagreements(raw: RawParser, seed: int, count: int) -> list[tuple[str, object, object]]:
    """Mutants that only one of the two accepts."""
    chance = random.Random(seed)
    parts = [pieces for pieces in map(_pieces, CORPUS) if pieces]
    words = sorted({word for pieces in parts for word in pieces})
    found = []
    for _ in range(count):
        sql = _mutated(chance, parts, words)
        if ENDS_TRANSACTION.search(sql) or SKIPPED_WHOLE.search(sql):
            continue
        ours, theirs = our_verdict(sql), raw.verdict(sql)
        if (ours is None) != (theirs is None):
            found.append((sql, ours, theirs))
    return found


def test_mutants_are_accepted_when_postgresql_accepts_them(raw: RawParser) -> None:
    assert _disagreements(raw, 7, 8_000) == []


@pytest.mark.slow
def test_many_mutants_are_accepted_when_postgresql_accepts_them(raw: RawParser) -> None:
    assert _disagreements(raw, 11, 100_000) == []


# --- precedence


def _text(expr: object) -> str:
    """The expression with every operation in parentheses."""
    match expr:
        case ast.Literal(kind, text):
            return {"integer": f"({text})", "string": f"'{text}'", "null": "null"}.get(kind, text)
        case ast.Op(name, None, right):
            return f"({name} {_text(right)})"
        case ast.Op(name, left, right):
            return f"({_text(left)} {name} {_text(right)})"
        case ast.BoolExpr("not", (arg,)):
            return f"(not {_text(arg)})"
        case ast.BoolExpr(op, args):
            return "(" + f" {op} ".join(map(_text, args)) + ")"
        case ast.NullTest(arg, negated):
            return f"({_text(arg)} is {'not ' if negated else ''}null)"
        case ast.BooleanTest(arg, value, negated):
            return f"({_text(arg)} is {'not ' if negated else ''}{value})"
        case ast.DistinctTest(left, right, negated):
            return f"({_text(left)} is {'not ' if negated else ''}distinct from {_text(right)})"
        case ast.Between(arg, low, high, symmetric, negated):
            words = f"{'not ' if negated else ''}between {'symmetric ' if symmetric else ''}"
            return f"({_text(arg)} {words}{_text(low)} and {_text(high)})"
        case ast.InList(arg, items, negated):
            return f"({_text(arg)} {'not ' if negated else ''}in ({', '.join(map(_text, items))}))"
        case ast.TypeCast(arg, type_):
            return f"(cast({_text(arg)} as {'.'.join(type_.names)}))"
        case ast.Collate(arg, names):
            return f'({_text(arg)} collate "{names[-1]}")'
    raise AssertionError(expr)


_INFIX = "+ - * / % ^ = < > <= >= <> || & | # << >> and or".split()  # noqa: SIM905
_POSTFIX = (
    " is null",
    " is not null",
    " is true",
    " is not false",
    " is unknown",
    " isnull",
    "::int",
    "::text",
    " in (1, 2)",
    " not in (3)",
    ' collate "C"',
)
_WORDS = ("is distinct from", "is not distinct from", "like", "not like")
_TERNARY = (("between", "and"), ("not between", "and"), ("between symmetric", "and"))


def _random_expression(chance: random.Random) -> str:
    def operand() -> str:
        text = chance.choice(("1", "2", "3", "true", "false", "null", "'4'"))
        text = chance.choice(("", "", "", "- ", "not ", "~ ", "+ ")) + text
        return text + (chance.choice(_POSTFIX) if chance.random() < 0.25 else "")

    text = operand()
    for _ in range(chance.randrange(1, 5)):
        kind = chance.random()
        if kind < 0.12:
            first, second = chance.choice(_TERNARY)
            text += f" {first} {operand()} {second} {operand()}"
        elif kind < 0.2:
            text += f" {chance.choice(_WORDS)} {operand()}"
        else:
            text += f" {chance.choice(_INFIX)} {operand()}"
    return text


def _outcome(connection: "psycopg.Connection[Any]", sql: str) -> object:
    """The value, or the SQLSTATE of the error."""
    try:
        return connection.execute(sql).fetchone()
    except psycopg.Error as error:
        return error.sqlstate


def test_operators_bind_as_in_postgresql(postgres: Postgres) -> None:
    chance = random.Random(3)
    different = []
    values = 0
    with postgres.connect() as connection:
        for _ in range(2_000):
            text = _random_expression(chance)
            theirs = _outcome(connection, f"select {text}")
            try:
                (statement,) = parse(f"select {text}")
            except PgError as error:
                ours: object = error.sqlstate
            else:
                query = statement.statement
                assert isinstance(query, ast.SelectStmt)
                ours = _outcome(connection, f"select {_text(query.targets[0].expr)}")
            values += not isinstance(theirs, str)
            if ours != theirs:
                different.append((text, ours, theirs))
    assert different == []
    assert values > 100
