"""Seeded random statements over small random tables, for the comparison with PostgreSQL.

Expressions are well typed by construction most of the time; what PostgreSQL refuses must be refused alike. Where
SQL leaves the order of evaluation open (which of two errors is raised first), generated errors are avoided: no
division, no overflow, no casts that can fail.
"""

import random
from dataclasses import dataclass

TYPES = ("int", "bigint", "numeric", "text", "bool", "date", "float8")

SCHEMA = """
CREATE TABLE p (id int PRIMARY KEY, a int, b bigint, n numeric(8,2), s text, k bool, d date, f float8);
CREATE TABLE q (a int, s text, n numeric, d date, k bool, PRIMARY KEY (a, s));
CREATE TABLE r (x int, y int, s varchar(5), b bigint);
"""
INDEXES = """
CREATE INDEX ASYNC p_a ON p (a);
CREATE INDEX ASYNC p_s_a ON p (s, a) INCLUDE (n);
CREATE INDEX ASYNC p_d ON p (d NULLS FIRST);
CREATE INDEX ASYNC q_n ON q (n);
CREATE UNIQUE INDEX ASYNC q_all ON q (s, a, d);
CREATE INDEX ASYNC r_x_y ON r (x, y);
CREATE INDEX ASYNC r_s ON r (s);
CREATE INDEX ASYNC p_lower ON p (lower(s), a);
CREATE INDEX ASYNC p_sum ON p ((a + b), (k IS NULL)) WHERE n IS NOT NULL;
CREATE INDEX ASYNC p_true ON p (n) WHERE k;
CREATE UNIQUE INDEX ASYNC p_few ON p (id) INCLUDE (a) WHERE a > 2 OR s = 'a';
CREATE INDEX ASYNC q_low ON q (a) WHERE a <= 5 AND s > 'a';
CREATE INDEX ASYNC r_text ON r ((s || 'x')) WHERE y IS NOT NULL;
"""
COLUMNS = {
    "p": {
        "id": "int", "a": "int", "b": "bigint", "n": "numeric", "s": "text", "k": "bool", "d": "date", "f": "float8",
    },
    "q": {"a": "int", "s": "text", "n": "numeric", "d": "date", "k": "bool"},
    "r": {"x": "int", "y": "int", "s": "text", "b": "bigint"},
}  # fmt: skip


@dataclass
class Item:
    """A FROM item: its alias and the types of its columns."""

    alias: str
    columns: dict[str, str]


class Generator:
    """Makes statements. The same seed makes the same statements."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.counter = 0

    # --- values ---

    def literal(self, kind: str) -> str:
        """A constant, now and then NULL."""
        chosen = self.random
        if chosen.random() < 0.06:
            return f"NULL::{kind}"
        if kind == "int":
            return str(chosen.randint(-3, 9))
        if kind == "bigint":
            return f"{chosen.randint(-3, 9)}::bigint"
        if kind == "numeric":
            return chosen.choice(["1.50", "0.00", "-2.25", "3.00", "2.50", "10.12"]) + "::numeric"
        if kind == "text":
            return chosen.choice(["'a'", "'b'", "'ab'", "''", "'B'", "'a b'", "'é'", "'zz'"])
        if kind == "bool":
            return chosen.choice(["true", "false"])
        if kind == "date":
            return f"date '2024-0{chosen.randint(1, 4)}-1{chosen.randint(0, 3)}'"
        return chosen.choice(["0.5", "1.25", "-3", "2e1"]) + "::float8"

    def value(self, kind: str, nullable: bool = True) -> str:
        """A constant for a table."""
        text = self.literal(kind)
        while text.startswith("NULL") and not nullable:
            text = self.literal(kind)
        return text

    def rows(self) -> list[str]:
        """INSERT statements that fill the three tables."""
        chosen = self.random
        made = []
        for place in range(chosen.randint(8, 25)):
            values = [str(place)] + [self.value(kind) for name, kind in COLUMNS["p"].items() if name != "id"]
            made.append(f"INSERT INTO p VALUES ({', '.join(values)})")
        for _ in range(chosen.randint(5, 20)):
            values = [self.value(kind, name not in ("a", "s")) for name, kind in COLUMNS["q"].items()]
            made.append(f"INSERT INTO q VALUES ({', '.join(values)}) ON CONFLICT DO NOTHING")
        for _ in range(chosen.randint(0, 20)):
            made.append(f"INSERT INTO r VALUES ({', '.join(self.value(k) for k in COLUMNS['r'].values())})")
        return made

    # --- expressions ---

    def column(self, kind: str, items: list[Item]) -> str | None:
        found = [
            f"{item.alias}.{name}" for item in items for name, own in item.columns.items() if own == kind
        ]
        return self.random.choice(found) if found else None

    def expr(self, kind: str, items: list[Item], depth: int = 2) -> str:
        """An expression of a type over the columns of `items`."""
        chosen = self.random
        if depth <= 0 or chosen.random() < 0.35:
            column = self.column(kind, items) if chosen.random() < 0.8 else None
            return column or self.literal(kind)
        roll = chosen.random()
        if roll < 0.1:
            whens = " ".join(
                f"WHEN {self.condition(items, depth - 1)} THEN {self.expr(kind, items, depth - 1)}"
                for _ in range(chosen.randint(1, 2))
            )
            other = f" ELSE {self.expr(kind, items, depth - 1)}" if chosen.random() < 0.7 else ""
            return f"CASE {whens}{other} END"
        if roll < 0.2:
            function = chosen.choice(["coalesce", "greatest", "least", "nullif"])
            args = [self.expr(kind, items, depth - 1) for _ in range(2)]
            return f"{function}({', '.join(args)})"
        if roll < 0.25 and depth > 1:
            return self.scalar_subquery(kind, items)
        return getattr(self, "_" + kind)(items, depth - 1)

    def _int(self, items: list[Item], depth: int) -> str:
        one, two = (lambda: self.expr("int", items, depth)), (lambda: self.expr("text", items, depth))
        return self.random.choice(
            [
                lambda: f"({one()} + {one()})",
                lambda: f"({one()} - {one()})",
                lambda: f"({one()} % 7)",
                lambda: f"abs({one()})",
                lambda: f"length({two()})",
                lambda: f"(- {one()})",
                lambda: f"extract(month FROM {self.expr('date', items, depth)})::int",
                lambda: f"({self.expr('date', items, depth)} - {self.expr('date', items, depth)})",
                lambda: f"({self.condition(items, depth)})::int",
                lambda: f"sign({one()})::int",
                lambda: f"position({two()} IN {two()})",
                lambda: f"(ARRAY[{one()}, {one()}])[{one()}]",
            ]
        )()

    def _bigint(self, items: list[Item], depth: int) -> str:
        one = lambda: self.expr("bigint", items, depth)  # noqa: E731
        return self.random.choice(
            [
                lambda: f"({one()} + {self.expr('int', items, depth)})",
                lambda: f"({one()} * 2)",
                lambda: f"{self.expr('int', items, depth)}::bigint",
                lambda: f"mod({one()}, 5)",
            ]
        )()

    def _numeric(self, items: list[Item], depth: int) -> str:
        one = lambda: self.expr("numeric", items, depth)  # noqa: E731
        return self.random.choice(
            [
                lambda: f"({one()} + {one()})",
                lambda: f"({one()} * {one()})",
                lambda: f"({one()} - {self.expr('int', items, depth)})",
                lambda: f"round({one()}, 1)",
                lambda: f"trunc({one()})",
                lambda: f"({one()} / 4)",
                lambda: f"{self.expr('int', items, depth)}::numeric",
                lambda: f"ceil({one()})",
                lambda: f"({one()} % 3)",
            ]
        )()

    def _text(self, items: list[Item], depth: int) -> str:
        one = lambda: self.expr("text", items, depth)  # noqa: E731
        return self.random.choice(
            [
                lambda: f"({one()} || {one()})",
                lambda: f"upper({one()})",
                lambda: f"lower({one()})",
                lambda: f"substr({one()}, {self.random.randint(1, 3)})",
                lambda: f"left({one()}, {self.random.randint(-1, 2)})",
                lambda: f"replace({one()}, 'a', {one()})",
                lambda: f"{self.expr('int', items, depth)}::text",
                lambda: f"{self.expr('numeric', items, depth)}::text",
                lambda: f"{self.expr('date', items, depth)}::text",
                lambda: (
                    f"concat({one()}, {self.expr('int', items, depth)}, {self.expr('bool', items, depth)})"
                ),
                lambda: f"trim({one()})",
                lambda: f"reverse({one()})",
                lambda: f"to_char({self.expr('date', items, depth)}, 'YYYY-MM')",
                lambda: f"split_part({one()}, 'a', 1)",
                lambda: f"concat_ws('-', {one()}, {one()})",
            ]
        )()

    def _bool(self, items: list[Item], depth: int) -> str:
        return f"({self.condition(items, depth)})"

    def _date(self, items: list[Item], depth: int) -> str:
        one = lambda: self.expr("date", items, depth)  # noqa: E731
        return self.random.choice(
            [
                lambda: f"({one()} + {self.expr('int', items, depth)})",
                lambda: f"date_trunc('month', {one()})::date",
                lambda: f"({one()} + interval '1 month')::date",
            ]
        )()

    def _float8(self, items: list[Item], depth: int) -> str:
        one = lambda: self.expr("float8", items, depth)  # noqa: E731
        return self.random.choice(
            [
                lambda: f"({one()} + {one()})",
                lambda: f"({one()} * 2)",
                lambda: f"abs({one()})",
                lambda: f"{self.expr('int', items, depth)}::float8",
                lambda: f"{self.expr('numeric', items, depth)}::float8",
                lambda: f"floor({one()})",
            ]
        )()

    def condition(self, items: list[Item], depth: int = 2) -> str:
        """A boolean expression."""
        chosen = self.random
        kind = chosen.choice(TYPES)
        one = lambda: self.expr(kind, items, depth - 1)  # noqa: E731
        choices = [
            lambda: f"{one()} {chosen.choice(['=', '<>', '<', '<=', '>', '>='])} {one()}",
            lambda: f"{one()} {chosen.choice(['=', '<', '>='])} {self.literal(kind)}",
            lambda: f"{one()} IS {chosen.choice(['', 'NOT '])}NULL",
            lambda: f"{one()} {chosen.choice(['', 'NOT '])}BETWEEN {one()} AND {one()}",
            lambda: (
                f"{one()} {chosen.choice(['', 'NOT '])}IN ({self.literal(kind)}, {self.literal(kind)}, {one()})"
            ),
            lambda: f"{one()} IS {chosen.choice(['', 'NOT '])}DISTINCT FROM {one()}",
            lambda: (
                f"{self.expr('text', items, depth - 1)} {chosen.choice(['', 'NOT '])}LIKE {self.pattern()}"
            ),
            lambda: f"{one()} = ANY (ARRAY[{self.literal(kind)}, {self.literal(kind)}])",
        ]
        if depth > 0:
            choices += [
                lambda: f"({self.condition(items, depth - 1)} AND {self.condition(items, depth - 1)})",
                lambda: f"({self.condition(items, depth - 1)} OR {self.condition(items, depth - 1)})",
                lambda: f"NOT ({self.condition(items, depth - 1)})",
                lambda: (
                    f"({self.condition(items, depth - 1)}) IS {chosen.choice(['TRUE', 'NOT FALSE', 'UNKNOWN'])}"
                ),
            ]
        if depth > 1:
            choices += [lambda: self.subquery_condition(kind, items)] * 2
        return chosen.choice(choices)()

    def pattern(self) -> str:
        return self.random.choice(["'a%'", "'%b'", "'_'", "'%'", "''", "'a_%'", "'%a%b%'"])

    # --- subqueries ---

    def table(self) -> Item:
        name = self.random.choice(list(COLUMNS))
        self.counter += 1
        return Item(f"{name}{self.counter}", COLUMNS[name])

    def scalar_subquery(self, kind: str, outer: list[Item]) -> str:
        item = self.table()
        name = item.alias[0]
        inner = self.expr(kind, [item], 1)
        function = self.random.choice(["min", "max"])
        if kind == "bool":
            function = self.random.choice(["bool_and", "bool_or"])
        where = self.condition([item, *outer], 1)
        return f"(SELECT {function}({inner}) FROM {name} AS {item.alias} WHERE {where})"

    def subquery_condition(self, kind: str, outer: list[Item]) -> str:
        chosen = self.random
        item = self.table()
        source = f"FROM {item.alias[0]} AS {item.alias} WHERE {self.condition([item, *outer], 1)}"
        roll = chosen.random()
        if roll < 0.4:
            return f"{chosen.choice(['', 'NOT '])}EXISTS (SELECT 1 {source})"
        query = f"(SELECT {self.expr(kind, [item], 1)} {source})"
        if roll < 0.8:
            return f"{self.expr(kind, outer, 1)} {chosen.choice(['', 'NOT '])}IN {query}"
        return f"{self.expr(kind, outer, 1)} {chosen.choice(['=', '<', '>'])} {chosen.choice(['ANY', 'ALL'])} {query}"

    def derived(self, depth: int) -> tuple[str, Item]:
        """A subquery in FROM."""
        self.counter += 1
        alias = f"v{self.counter}"
        query, columns = self.query(depth - 1, alias)
        return f"({query}) AS {alias}", Item(alias, columns)

    def source(self, depth: int) -> tuple[str, Item]:
        roll = self.random.random()
        if depth > 0 and roll < 0.2:
            return self.derived(depth)
        if roll < 0.25:
            self.counter += 1
            alias = f"g{self.counter}"
            return f"generate_series({self.random.randint(-1, 2)}, 4) AS {alias}(z)", Item(
                alias, {"z": "int"}
            )
        if roll < 0.3:
            self.counter += 1
            alias = f"w{self.counter}"
            rows = ", ".join(f"({self.literal('int')}, {self.literal('text')})" for _ in range(3))
            return f"(VALUES {rows}) AS {alias}(i, t)", Item(alias, {"i": "int", "t": "text"})
        item = self.table()
        return f"{item.alias[0]} AS {item.alias}", item

    def from_(self, depth: int) -> tuple[str, list[Item]]:
        """A FROM clause."""
        chosen = self.random
        text, first = self.source(depth)
        items = [first]
        while len(items) < 4 and chosen.random() < 0.45:
            more, item = self.source(depth)
            if chosen.random() < 0.1:
                kind = "JOIN LATERAL"
                self.counter += 1
                alias = f"l{self.counter}"
                inner = self.table()
                where = self.condition([inner, *items], 1)
                columns = {"m": "int"}
                if chosen.random() < 0.5:
                    kind = "LEFT JOIN LATERAL"
                expr = self.expr("int", [inner, *items], 1)
                order = f"ORDER BY {expr}, {self.all_columns([inner])} LIMIT {chosen.randint(1, 2)}"
                query = f"SELECT {expr} AS m FROM {inner.alias[0]} AS {inner.alias} WHERE {where} {order}"
                text = f"{text} {kind} ({query}) AS {alias} ON true"
                items.append(Item(alias, columns))
                continue
            items.append(item)
            kind = chosen.choice(
                ["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN", ","]
            )
            if kind in (",", "CROSS JOIN"):
                text = f"{text} CROSS JOIN {more}"
            else:
                text = f"{text} {kind} {more} ON {self.join_condition(items[:-1], item, kind == 'FULL JOIN')}"
        return text, items

    def join_condition(self, left: list[Item], right: Item, full: bool) -> str:
        pairs = [
            (f"{item.alias}.{a}", f"{right.alias}.{b}")
            for item in left
            for a, one in item.columns.items()
            for b, two in right.columns.items()
            if one == two and one != "bool"
        ]
        if not pairs:
            return "true" if full else self.condition([*left, right], 1)
        a, b = self.random.choice(pairs)
        text = f"{a} = {b}"
        if not full and self.random.random() < 0.3:
            return self.condition([*left, right], 1)
        if not full and self.random.random() < 0.3:
            text += f" AND {self.condition([*left, right], 1)}"
        return text

    def all_columns(self, items: list[Item]) -> str:
        return ", ".join(f"{item.alias}.{name}" for item in items for name in item.columns)

    # --- queries ---

    def query(self, depth: int = 2, alias: str = "c") -> tuple[str, dict[str, str]]:
        """A query and the columns that it has."""
        roll = self.random.random()
        if depth > 0 and roll < 0.1:
            return self.set_operation(depth)
        if roll < 0.35:
            return self.grouped(depth)
        if roll < 0.45:
            return self.windowed(depth)
        return self.plain(depth)

    def targets(self, kinds: list[str], items: list[Item]) -> str:
        return ", ".join(f"{self.expr(kind, items)} AS c{place}" for place, kind in enumerate(kinds))

    def kinds(self) -> list[str]:
        return [self.random.choice(TYPES) for _ in range(self.random.randint(1, 4))]

    def plain(self, depth: int) -> tuple[str, dict[str, str]]:
        chosen = self.random
        text, items = self.from_(depth)
        kinds = self.kinds()
        distinct = "DISTINCT " if chosen.random() < 0.2 else ""
        where = f" WHERE {self.condition(items)}" if chosen.random() < 0.7 else ""
        query = f"SELECT {distinct}{self.targets(kinds, items)} FROM {text}{where}"
        return query + self.order(kinds), {f"c{place}": kind for place, kind in enumerate(kinds)}

    def order(self, kinds: list[str]) -> str:
        """ORDER BY every column, so that LIMIT is determined."""
        chosen = self.random
        if chosen.random() < 0.5:
            return ""
        keys = []
        for place in chosen.sample(range(1, len(kinds) + 1), len(kinds)):
            keys.append(
                f"{place}{chosen.choice(['', ' ASC', ' DESC'])}{chosen.choice(['', ' NULLS FIRST', ' NULLS LAST'])}"
            )
        limit = f" LIMIT {chosen.randint(0, 6)}" if chosen.random() < 0.5 else ""
        offset = f" OFFSET {chosen.randint(0, 3)}" if chosen.random() < 0.3 else ""
        return f" ORDER BY {', '.join(keys)}{limit}{offset}"

    def aggregate(self, kind: str, items: list[Item]) -> str:
        chosen = self.random
        arg = lambda of: self.expr(of, items, 1)  # noqa: E731
        distinct = "DISTINCT " if chosen.random() < 0.2 else ""
        filtered = f" FILTER (WHERE {self.condition(items, 1)})" if chosen.random() < 0.15 else ""
        if kind == "bigint":
            call = chosen.choice(
                ["count(*)", f"count({distinct}{arg(chosen.choice(TYPES))})", f"sum({distinct}{arg('int')})"]
            )
        elif kind == "numeric":
            call = chosen.choice(
                [
                    f"sum({distinct}{arg('numeric')})",
                    f"avg({arg('int')})",
                    f"sum({arg('bigint')})",
                    f"max({arg('numeric')})",
                ]
            )
        elif kind == "bool":
            call = chosen.choice([f"bool_and({arg('bool')})", f"bool_or({arg('bool')})"])
        elif kind == "text" and chosen.random() < 0.3:
            value = arg("text")
            call = f"string_agg({value}, ',' ORDER BY {value} NULLS FIRST)"
        else:
            call = f"{chosen.choice(['min', 'max'])}({arg(kind)})"
        return call + filtered

    def group_key(self, kind: str, items: list[Item]) -> str:
        """An expression that reads a column: PostgreSQL does not sort by constant keys of grouping sets."""
        for _ in range(20):
            found = self.expr(kind, items, 1)
            if any(f"{item.alias}." in found for item in items):
                return f"coalesce({found}, {self.literal(kind)})" if "CASE" in found else found
        name = next(iter(items[0].columns))
        return (
            f"({items[0].alias}.{name} IS NULL)::text::{kind}"
            if kind == "text"
            else f"{items[0].alias}.{name}"
        )

    def grouped(self, depth: int) -> tuple[str, dict[str, str]]:
        chosen = self.random
        text, items = self.from_(depth)
        where = f" WHERE {self.condition(items)}" if chosen.random() < 0.4 else ""
        group_kinds = [chosen.choice(TYPES) for _ in range(chosen.randint(0, 2))]
        keys = [self.group_key(kind, items) for kind in group_kinds]
        kinds = [chosen.choice(TYPES) for _ in range(chosen.randint(1, 3))]
        calls = [self.aggregate(kind, items) for kind in kinds]
        targets = ", ".join(f"{expr} AS c{place}" for place, expr in enumerate([*keys, *calls]))
        group = ""
        numbers = [str(place + 1) for place in range(len(keys))]
        if keys:
            shape = chosen.choice(["{}", "{}", "{}", "ROLLUP ({})", "CUBE ({})", "GROUPING SETS (({}), ())"])
            group = " GROUP BY " + (shape.format(", ".join(numbers if shape == "{}" else keys)))
        having = (
            f" HAVING {self.aggregate('bigint', items)} > {chosen.randint(0, 2)}"
            if chosen.random() < 0.2
            else ""
        )
        every = [*group_kinds, *kinds]
        query = f"SELECT {targets} FROM {text}{where}{group}{having}{self.order(every)}"
        return query, {f"c{place}": kind for place, kind in enumerate(every)}

    def windowed(self, depth: int) -> tuple[str, dict[str, str]]:
        chosen = self.random
        item = self.table()
        name = item.alias[0]
        order = self.all_columns([item])
        partition = (
            f"PARTITION BY {self.expr(chosen.choice(TYPES), [item], 1)} " if chosen.random() < 0.6 else ""
        )
        frame = chosen.choice(
            [
                "",
                "",
                " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
                " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
                " ROWS 2 PRECEDING",
            ]
        )
        kind = chosen.choice(["int", "text", "numeric", "date"])
        value = self.expr(kind, [item], 1)
        call, result = chosen.choice(
            [("row_number()", "bigint"), ("rank()", "bigint"), (f"lag({value})", kind), (f"lead({value}, 2)", kind),
             (f"first_value({value})", kind), (f"max({value})", kind), ("count(*)", "bigint"),
             (f"count({value})", "bigint")]
        )  # fmt: skip
        if "row_number" in call or "rank" in call or "lag" in call or "lead" in call:
            frame = ""
        window = f"{partition}ORDER BY {order}{frame}"
        targets = f"{call} OVER ({window}) AS c0, {self.expr('int', [item], 1)} AS c1"
        query = f"SELECT {targets} FROM {name} AS {item.alias}"
        return query + self.order([result, "int"]), {"c0": result, "c1": "int"}

    def set_operation(self, depth: int) -> tuple[str, dict[str, str]]:
        chosen = self.random
        kinds = self.kinds()
        parts = []
        for _ in range(chosen.randint(2, 3)):
            text, items = self.from_(depth - 1)
            parts.append(f"SELECT {self.targets(kinds, items)} FROM {text} WHERE {self.condition(items, 1)}")
        query = parts[0]
        for part in parts[1:]:
            operator = chosen.choice(
                ["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"]
            )
            query = f"{query} {operator} {part}"
        return query + self.order(kinds), {f"c{place}": kind for place, kind in enumerate(kinds)}

    def statement(self) -> str:
        """A query, now and then with WITH."""
        self.counter = 0
        if self.random.random() < 0.12:
            query, columns = self.query(1)
            item = Item("cte", columns)
            kinds = self.kinds()
            where = self.condition([item], 1)
            other = self.table()
            text = f"cte, {other.alias[0]} AS {other.alias}" if self.random.random() < 0.5 else "cte"
            items = [item, other] if "," in text else [item]
            hint = self.random.choice(["", "MATERIALIZED ", "NOT MATERIALIZED "])
            return (
                f"WITH cte AS {hint}({query}) SELECT {self.targets(kinds, items)} FROM {text} WHERE {where}"
            )
        return self.query()[0]

    def modification(self) -> str:
        """INSERT, UPDATE or DELETE with RETURNING."""
        chosen = self.random
        self.counter = 0
        name = chosen.choice(["p", "r"])
        target = Item(name, COLUMNS[name])
        roll = chosen.random()
        if roll < 0.4:
            column = chosen.choice([each for each in target.columns if each != "id"])
            kind = target.columns[column]
            value = f"left({self.expr(kind, [target])}, 3)" if kind == "text" else self.expr(kind, [target])
            if kind == "numeric":
                value = f"least(greatest({value}, -1000), 1000)"
            return f"UPDATE {name} SET {column} = {value} WHERE {self.condition([target])} RETURNING *"
        if roll < 0.55:
            other = self.table()
            return (
                f"DELETE FROM {name} USING {other.alias[0]} AS {other.alias} WHERE "
                f"{self.join_condition([target], other, True)} AND {self.literal('int')} > 5 "
                f"AND {self.condition([target, other], 1)} RETURNING {name}.*"
            )
        if roll < 0.7:
            return f"DELETE FROM {name} WHERE {self.condition([target])} AND {self.condition([target], 1)} RETURNING *"
        if name == "r":
            return f"INSERT INTO r SELECT {self.expr('int', [target])}, y, s, b FROM r LIMIT 0"
        values = [str(chosen.randint(0, 40))] + [
            self.value(k) for n, k in target.columns.items() if n != "id"
        ]
        action = chosen.choice(
            ["", "ON CONFLICT DO NOTHING", "ON CONFLICT (id) DO UPDATE SET a = excluded.a + p.a, s = excluded.s",
             "ON CONFLICT (id) DO UPDATE SET k = NOT p.k WHERE p.a > 2"]
        )  # fmt: skip
        return f"INSERT INTO p VALUES ({', '.join(values)}) {action} RETURNING *"
