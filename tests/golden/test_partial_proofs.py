"""A query's conditions prove a partial index's predicate exactly where PostgreSQL's planner finds so."""

import random

import psycopg
import pytest

from server.catalog.descriptor import Catalog, Column, Table
from server.sql import types
from server.sql.bind import bind_scalar
from server.sql.env import Env
from server.sql.implication import implies
from server.sql.index_parts import canonical
from server.sql.parse import parse_expression
from server.sql.plan_walk import conjuncts
from tests.postgres import Postgres

COLUMNS = {
    "a": ("int", types.INT4), "b": ("int", types.INT4), "g": ("bigint", types.INT8), "n": ("numeric", types.NUMERIC),
    "s": ("text", types.TEXT), "v": ("varchar", types.VARCHAR), "k": ("boolean", types.BOOL),
    "d": ("date", types.DATE), "f": ("float8", types.FLOAT8),
}  # fmt: skip
TABLE = Table(16384, 2200, "t", 10, tuple(Column(name, kind.oid) for name, (_, kind) in COLUMNS.items()))
CATALOG = Catalog(1, 0, 0, {}, {}, {}, {}, {}, {}, {})

CHOSEN = {
    "a > 5": [
        "a > 5", "a > 6", "a > 4", "a >= 5", "a >= 6", "a = 6", "a = 5", "a <> 5", "a < 5", "5 < a",
        "6 <= a", "a IN (6, 7)", "a IN (5, 7)", "a = ANY ('{6,7}')", "a = ANY ('{}')", "a BETWEEN 6 AND 9",
        "NOT a <= 5", "NOT a > 5", "a > 5 AND b = 1", "a > 5 OR b = 1", "a > 6 OR a = 8", "a > NULL",
        "a = 7::bigint", "a > 5.5", "a > 5::numeric", "a + 0 > 5", "b > 5", "a IS NOT NULL",
        "a > 6 AND a IS NULL", "(a > 7 OR a = 6) AND k",
    ],
    "a >= 5": ["a > 5", "a >= 5", "a = 5", "a = 4", "a > 4", "NOT a < 5", "a IN (5, 6)"],
    "a <> 5": [
        "a <> 5", "a > 5", "a >= 5", "a < 5", "a <= 4", "a = 4", "a = 5", "NOT a = 5", "a NOT IN (5, 6)",
        "a <> 6",
    ],
    "a = 5": ["a = 5", "a = 6", "a IN (5)", "a IN (5, 6)", "5 = a", "a >= 5 AND a <= 5", "a = 5::smallint"],
    "a IN (1, 2, 3)": [
        "a = 1", "a = 4", "a IN (1, 2)", "a IN (3, 4)", "a = 1 OR a = 2", "a < 4 AND a > 0",
        "a IN (1, 2, 3)",
    ],
    "a NOT IN (1, 2)": [
        "a = 3", "a > 2", "a <> 1", "a <> 1 AND a <> 2", "a NOT IN (1, 2)", "a NOT IN (1, 2, 3)",
    ],
    "a IS NOT NULL": [
        "a = 1", "a IS NOT NULL", "a + b = 1", "a = ANY ('{1,2}')", "a <> ALL ('{1,2}')", "a <> ALL ('{}')",
        "coalesce(a, b) = 1", "a IS DISTINCT FROM 1", "NOT (a IS NULL)", "b IS NOT NULL", "a IS NULL",
        "a::text = '1'", "a = b", "abs(a) < b", "(a = 1) IS TRUE", "a = 1 OR a = 2", "a = 1 OR b = 2",
        "lower(a::text) = 'x' AND k", "a::bigint > 3", "NOT (a = 1)",
    ],
    "a IS NULL": [
        "a IS NULL", "NOT (a IS NOT NULL)", "a IS NOT NULL", "b IS NULL", "a IS NULL AND b = 1",
        "a IS NULL OR b = 1",
    ],
    "k": [
        "k", "k = true", "k = false", "NOT k", "k IS TRUE", "k AND a = 1", "k <> false", "NOT k = false",
        "k IS NOT NULL", "k OR a = 1",
    ],
    "NOT k": ["NOT k", "k = false", "k <> true", "k", "k IS FALSE", "k IS NOT TRUE"],
    "k IS TRUE": ["k", "k IS TRUE", "k = true"],
    "s = 'x'": [
        "s = 'x'", "s = 'y'", "s IN ('x')", "s::varchar = 'x'", "'x' = s", "s >= 'x' AND s <= 'x'",
        "s LIKE 'x'",
    ],
    "v = 'x'": ["v = 'x'", "v::text = 'x'", "v = 'x'::varchar", "v > 'w'", "v IN ('x', 'y')"],
    "s LIKE 'a%'": ["s LIKE 'a%'", "s LIKE 'ab%'", "s = 'abc'", "s >= 'a'"],
    "s <> ''": ["s <> ''", "s > ''", "s = 'x'", "s >= 'a'", "s IS NOT NULL", "s < 'a'"],
    "s IS NOT NULL AND a > 1": [
        "s = 'x' AND a = 2", "s = 'x'", "a = 2", "a = 2 AND s > 'c' AND k", "s LIKE 'x%' AND a > 1",
    ],
    "a > 1 OR b > 1": [
        "a > 1", "b > 2", "a = 1", "a > 1 OR b > 1", "b > 1 OR a > 1", "a > 5 AND b < 0", "a > 2 OR b > 3",
        "a > 0 OR b > 3",
    ],
    "a > 1 OR s IS NOT NULL": ["s = 'q'", "a = 3 OR s = 'q'", "a = 1 OR s = 'q'"],
    "n > 10": [
        "n > 10", "n > 10.0", "n > 10.5", "n >= 10.01", "n = 11", "n > 9.99", "n > 11::int",
        "n > 11::bigint",
    ],
    "g < 100": [
        "g < 100", "g < 50::int", "g <= 99", "g = 5", "g < 101", "g < 100::bigint", "g < 10000000000",
    ],
    "d >= '2024-01-01'": [
        "d >= '2024-01-01'", "d > '2024-01-01'", "d = '2024-05-05'", "d > '2023-12-31'",
        "d > timestamp '2024-01-02'", "d > timestamptz '2024-01-02 00:00Z'",
        "d BETWEEN '2024-01-01' AND '2024-02-01'",
    ],
    "f < 1.5": [
        "f < 1.5", "f < 1", "f <= 1.4", "f = 'NaN'", "f < 'NaN'", "f < 2", "f < 1.5::numeric",
        "f = 1::float4",
    ],
    "f > 1e300": ["f = 'NaN'", "f = 'Infinity'", "f > 1e300"],
    "lower(s) = 'x'": ["lower(s) = 'x'", "lower(s) = 'y'", "lower(s) IN ('x')", "upper(s) = 'x'"],
    "lower(s) IS NOT NULL": ["lower(s) = 'x'", "s = 'x'", "lower(s) > 'a'", "upper(lower(s)) = 'X'"],
    "a + 1 > 2": ["a + 1 > 2", "a + 1 > 3", "a > 1", "1 + a > 2", "a + 1 = 5"],
    "a < b": ["a < b", "b > a", "a <= b", "a = b", "b >= a", "a < 3 AND b > 5"],
    "a <= b": ["a < b", "a = b", "b = a", "b > a", "a <= b", "a <> b"],
    "a <> b": ["a < b", "b < a", "a <> b", "b <> a", "a = b"],
    "a > 1 AND (b = 1 OR k)": [
        "a = 2 AND b = 1", "a = 2 AND k", "a > 3 AND (k OR b = 1)", "a = 2", "a = 2 AND (b = 1 OR NOT k)",
    ],
    "coalesce(a, 0) = 0": ["coalesce(a, 0) = 0", "a IS NULL", "a = 0", "coalesce(a, 1) = 0"],
    "(n * 1.0)::text > '2'": [
        "(n * 1.0)::text > '2'", "(n * 1.00)::text > '2'", "(n * 1.0)::text = '3'", "(n * 1.00)::text = '3'",
    ],
    "1 / (f + 0.0::float8) > 0": [
        "1 / (f + 0.0::float8) > 0", "1 / (f + '-0'::float8) > 0", "1 / (f + '-0'::float8) > 1",
    ],
    "d + interval '1 month' > timestamp '2024-03-01'": [
        "d + interval '1 month' > timestamp '2024-03-01'", "d + interval '30 days' > timestamp '2024-03-01'",
        "d + interval '1 month' > timestamp '2024-03-02'",
    ],
    "n > 10.0": ["n > 10", "n > 10.00", "n = 10.00", "n >= 10.00"],
    "true": ["a = 1"],
    "a % 2 = 0": ["a % 2 = 0", "a % 2 = 1", "a = 2", "a % 2 IN (0)"],
}  # fmt: skip


def prove(condition: str, predicate: str) -> bool:
    bound = [
        canonical(bind_scalar(parse_expression(text), TABLE, Env(), CATALOG, None, "check"), 0)
        for text in (condition, predicate)
    ]
    return implies(conjuncts(bound[0]), bound[1])


def atom(chosen: random.Random) -> str:
    column = chosen.choice(["a", "a", "b", "g", "n"])
    value = chosen.randint(1, 4)
    kind = chosen.random()
    if kind < 0.1:
        return f"{column} IS NOT NULL"
    if kind < 0.15:
        return f"{column} IS NULL"
    if kind < 0.25:
        return f"{column} IN ({value}, {chosen.randint(1, 4)})"
    if kind < 0.3:
        return f"{column} NOT IN ({value}, {chosen.randint(1, 4)})"
    if kind < 0.35:
        return chosen.choice(["k", "NOT k", "k = true"])
    op = chosen.choice(["=", "<>", "<", "<=", ">", ">="])
    return f"{value} {op} {column}" if kind < 0.45 else f"{column} {op} {value}"


def condition(chosen: random.Random, depth: int) -> str:
    roll = chosen.random()
    if depth == 0 or roll < 0.4:
        return atom(chosen)
    if roll < 0.5:
        return f"NOT ({condition(chosen, depth - 1)})"
    word = chosen.choice([" AND ", " OR "])
    return "(" + word.join(condition(chosen, depth - 1) for _ in range(chosen.randint(2, 3))) + ")"


def random_pairs(seed: int) -> dict[str, list[str]]:
    chosen = random.Random(seed)
    return {condition(chosen, 1): [condition(chosen, 2) for _ in range(40)] for _ in range(60)}


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [CHOSEN, random_pairs(1), random_pairs(2)], ids=["chosen", "1", "2"])
def test_as_postgres_proves(pairs: dict[str, list[str]], postgres: Postgres) -> None:
    postgres.reset()
    wrong, proved = [], 0
    with postgres.connect() as connection:
        columns = ", ".join(f"{name} {kind}" for name, (kind, _) in COLUMNS.items())
        connection.execute(f"CREATE TABLE t ({columns})")
        connection.execute("SET enable_seqscan = off")
        for predicate, conditions in pairs.items():
            connection.execute(f"CREATE INDEX i ON t (a) WHERE {predicate}")
            for each in conditions:
                theirs = planned(connection, each)
                if theirs is None:
                    continue
                proved += theirs
                if prove(each, predicate) != theirs:
                    wrong.append(f"{each}  =>  {predicate}: PostgreSQL says {theirs}")
            connection.execute("DROP INDEX i")
    assert not wrong, "\n".join(wrong)
    assert proved > 20


def planned(connection: "psycopg.Connection[tuple[str]]", condition: str) -> bool | None:
    """Whether PostgreSQL's plan has the index; None: it saw that there are no rows."""
    plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN SELECT * FROM t WHERE {condition}"))
    return None if "One-Time Filter" in plan else " on i " in plan or " using i " in plan
