"""Random queries over random rows full of NULLs answer as PostgreSQL does."""

import random
from collections import Counter

import pytest

from tests.postgres import Postgres
from tests.selecting import answer, expected, fill, load, make_data

COLUMNS = {
    "a": ("id", "x", "y", "s", "n", "b"),
    "b": ("x", "k", "v", "c", "d"),
    "c": ("p", "q", "t"),
    "e": ("id", "x"),
}
INTEGERS = {"a": ("id", "x", "y"), "b": ("x", "k"), "c": ("p", "q"), "e": ("id", "x")}


class Maker:
    """Random queries, reproducible by their seed."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)
        self.count = 0

    def number(self, scope: list[tuple[str, str]], depth: int = 0) -> str:
        """An integer expression over the tables in scope, as (alias, table)."""
        roll = self.pick.random()
        if roll < 0.6 or depth > 2:
            alias, table = self.pick.choice(scope)
            return f"{alias}.{self.pick.choice(INTEGERS[table])}"
        if roll < 0.8:
            return str(self.pick.randrange(7))
        left, right = self.number(scope, depth + 1), self.number(scope, depth + 1)
        return self.pick.choice(
            [
                f"({left} + {right})",
                f"coalesce({left}, {right})",
                f"nullif({left}, {right})",
                f"greatest({left}, {right})",
                f"case when {self.condition(scope, 3)} then {left} else {right} end",
            ]
        )

    def condition(self, scope: list[tuple[str, str]], depth: int = 0) -> str:
        """A boolean expression."""
        roll = self.pick.random()
        if depth < 3 and roll < 0.35:
            left, right = self.condition(scope, depth + 1), self.condition(scope, depth + 1)
            return self.pick.choice([f"({left} and {right})", f"({left} or {right})", f"not ({left})"])
        if depth < 2 and roll < 0.5:
            return self.subquery(scope)
        value = self.number(scope, depth + 1)
        operator = self.pick.choice(["=", "=", "=", "<>", "<", "<=", ">", ">="])
        return self.pick.choice(
            [
                f"{value} {operator} {self.number(scope, depth + 1)}",
                f"{value} {operator} {self.pick.randrange(7)}",
                f"{value} is {self.pick.choice(['', 'not '])}null",
                f"{value} in (1, {self.number(scope, 3)}, 3)",
                f"{value} between 1 and {self.pick.randrange(1, 9)}",
                f"{value} is distinct from {self.number(scope, 3)}",
            ]
        )

    def subquery(self, scope: list[tuple[str, str]]) -> str:
        """EXISTS, IN, a comparison with a scalar or quantified subquery, correlated or not."""
        alias, table = self.table()
        inner = [(alias, table)]
        both = inner + (scope if self.pick.random() < 0.6 else [])
        where = self.condition(both, 2)
        column = f"{alias}.{self.pick.choice(INTEGERS[table])}"
        value = self.number(scope, 3)
        source = f"from {table} {alias} where {where}"
        negated = self.pick.choice(["", "not "])
        return self.pick.choice(
            [
                f"{negated}exists (select 1 {source})",
                f"{value} {negated}in (select {column} {source})",
                f"{value} < (select max({column}) {source})",
                f"{value} >= all (select {column} {source})",
                f"{value} = any (select {column} {source})",
            ]
        )

    def table(self) -> tuple[str, str]:
        """A fresh alias of a table."""
        self.count += 1
        return f"t{self.count}", self.pick.choice(["a", "a", "b", "b", "c", "e"])

    def source(self) -> tuple[str, list[tuple[str, str]]]:
        """FROM and its tables."""
        alias, table = self.table()
        text, scope = f"{table} {alias}", [(alias, table)]
        for _ in range(self.pick.choice([0, 0, 1, 1, 2])):
            alias, table = self.table()
            kind = self.pick.choice(["join", "left join", "right join", "full join", "join", "left join"])
            own = [(alias, table)]
            left = self.number(scope, 3)
            condition = f"{left} = {self.number(own, 3)}"
            if kind != "full join" and self.pick.random() < 0.5:
                condition += f" and {self.condition([*scope, *own], 3)}"
            text, scope = f"{text} {kind} {table} {alias} on {condition}", [*scope, *own]
        return text, scope

    def query(self) -> str:
        """A whole SELECT."""
        text, scope = self.source()
        where = f" where {self.condition(scope)}" if self.pick.random() < 0.7 else ""
        roll = self.pick.random()
        if roll < 0.3:
            key = self.number(scope, 3)
            key = self.pick.choice([key, self.number(scope, 1)])
            made = f"count(*), sum({self.number(scope, 3)}), min({key})"
            return f"select {key}, {made} from {text}{where} group by {key}"
        if roll < 0.4:
            made = f"count(*), sum({self.number(scope, 2)}), max({self.number(scope, 3)})"
            return f"select {made} from {text}{where}"
        targets = [self.number(scope) for _ in range(2)]
        alias, table = self.pick.choice(scope)
        targets.append(f"{alias}.{self.pick.choice(COLUMNS[table])}")
        if self.pick.random() < 0.2:
            targets.append(f"row_number() over (partition by {targets[0]} order by {targets[1]}) > 0")
        distinct = "distinct " if self.pick.random() < 0.2 else ""
        return f"select {distinct}{', '.join(targets)} from {text}{where}"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_queries_answer_as_postgresql_does(postgres: Postgres, seed: int) -> None:
    data = make_data(seed, 25)
    data["e"] = [[str(i), str(i % 4) if i % 3 else None] for i in range(0, 12, 2)]
    reads = load(data)
    maker = Maker(seed)
    wrong = []
    with postgres.connect() as connection:
        fill(connection, data)
        for _ in range(150):
            sql = maker.query()
            ours, theirs = answer(sql, reads), expected(sql, connection)
            if isinstance(ours, list) and isinstance(theirs, list):
                ours, theirs = Counter(ours), Counter(theirs)
            if ours != theirs:
                wrong.append(f"{sql}\n  ours   {ours}\n  theirs {theirs}")
    assert not wrong, "\n".join([str(len(wrong)), *wrong[:5]])
