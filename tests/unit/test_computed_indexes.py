"""Expression and partial indexes: what their text means for ever, and which literals a plan holds for."""

import copy
from decimal import Decimal

import msgspec
import pytest

from server.catalog.descriptor import Column, ForeignKey, Index, IndexKey, Table
from server.sql import tree, types
from server.sql.access import access
from server.sql.foreign_keys import _path
from server.sql.type_record import record_class
from tests.sessions import Client, run


async def made(node, *statements):
    client = Client(node)
    for statement in statements:
        rows = await client.rows(statement)
        if "ASYNC" in statement:
            await client.query(f"CALL sys.wait_for_job('{rows[0][0]}')")
    return client


TABLE = (
    "CREATE TABLE t (id int PRIMARY KEY, state text, n int, at timestamptz)",
    "CREATE INDEX ASYNC t_open ON t (n) WHERE state = 'open'",
    "CREATE INDEX ASYNC t_sum ON t ((n + 100))",
    "INSERT INTO t VALUES (1, 'open', 1), (2, 'open', 2), (3, 'done', 2), (4, 'done', 1)",
)


def test_a_plan_holds_for_the_literals_that_decide_and_for_all_others(tmp_path):
    async def work(node):
        client = await made(node, *TABLE)
        await client.rows("SELECT 1 FROM t")
        plans = client.session.plans
        counts, answers = [], []
        for state, n in (("open", 1), ("open", 2), ("done", 1), ("done", 2), ("open", 2)):
            answers.append(await client.rows(f"SELECT id FROM t WHERE state = '{state}' AND n = {n}"))
            counts.append(len(plans))
        for added, total in ((100, 101), (100, 102), (101, 102), (100, 102)):
            answers.append(await client.rows(f"SELECT id FROM t WHERE n + {added} = {total} ORDER BY id"))
            counts.append(len(plans))
        return [count - counts[0] for count in counts], answers

    counts, answers = run(tmp_path, work)
    assert counts[:5] == [0, 0, 1, 1, 1]
    assert counts[5:] == [3, 3, 4, 4]
    two = [("2",), ("3",)]
    assert answers == [
        [("1",)],
        [("2",)],
        [("4",)],
        [("3",)],
        [("2",)],
        [("1",), ("4",)],
        two,
        [("1",), ("4",)],
        two,
    ]


def test_nothing_is_known_of_a_parameter(tmp_path):
    async def work(node):
        client = await made(node, *TABLE)
        sql = "SELECT id FROM t WHERE state = $1 AND n = $2"
        return [await client.extended(sql, state, "2") for state in ("open", "done", "open")]

    found = [[each for each in answer if isinstance(each, tuple)] for answer in run(tmp_path, work)]
    assert found == [[("2",)], [("3",)], [("2",)]]


def test_a_literal_of_the_predicate_is_read_once(tmp_path):
    """Under the settings of the session that made the index."""

    async def work(node):
        client = await made(
            node,
            TABLE[0],
            "SET timezone = 'America/New_York'",
            "SET datestyle = 'SQL, DMY'",
            "CREATE INDEX ASYNC t_at ON t (n) WHERE at >= '02/03/2024 00:00'",
            "SET timezone = 'Asia/Tokyo'",
            "INSERT INTO t VALUES (1, 'x', 1, '2024-03-02 04:59Z'), (2, 'x', 1, '2024-03-02 05:00Z')",
            "SET timezone = 'UTC'",
            "SET datestyle = 'ISO, MDY'",
        )
        shown = await client.rows("SELECT indexdef FROM pg_indexes WHERE indexname = 't_at'")
        plan = await client.rows("EXPLAIN SELECT id FROM t WHERE at >= '2024-03-02 05:00Z' AND n = 1")
        found = await client.rows("SELECT id FROM t WHERE at >= '2024-03-02 05:00Z' AND n = 1")
        return shown, plan[0][0], found

    shown, plan, found = run(tmp_path, work)
    assert shown[0][0].endswith("WHERE (at >= '2024-03-02 05:00:00+00'::timestamp with time zone)")
    assert plan.startswith("Index Scan using t_at")
    assert found == [("2",)]


def test_catalogs_of_before_have_plain_indexes():
    index = {"oid": 7, "name": "i", "keys": [{"column": 1, "nulls_first": False}]}
    columns = [{"name": "a", "type_oid": types.INT4.oid}]
    row = {"oid": 5, "schema_oid": 2200, "name": "t", "owner": 10, "columns": columns, "indexes": [index]}
    table = msgspec.msgpack.decode(msgspec.msgpack.encode(row), type=Table)
    assert table.indexes == (Index(7, "i", (IndexKey(1),)),)
    assert table.indexes[0].predicate is None and table.indexes[0].keys[0].expression is None


def test_only_plain_unique_indexes_have_key_columns():
    columns = tuple(Column(name, types.INT4.oid) for name in "abcd")
    indexes = (
        Index(7, "plain", (IndexKey(1),), unique=True),
        Index(8, "partial", (IndexKey(2),), unique=True, predicate="(a > 1)"),
        Index(9, "mixed", (IndexKey(3), IndexKey(0, expression="(a + d)")), unique=True),
        Index(10, "not unique", (IndexKey(4),)),
    )
    table = Table(5, 2200, "t", 10, columns, indexes=indexes)
    assert access(table, 1).unique_columns == {0}


@pytest.mark.parametrize(
    ("predicate", "serves"),
    [(None, True), ("(p IS NOT NULL)", True), ("(p > 1)", False), ("((p IS NOT NULL) OR (q = 1))", True)],
)
def test_children_are_found_by_a_partial_index_that_has_them_all(predicate, serves):
    columns = (Column("id", types.INT4.oid), Column("p", types.INT4.oid), Column("q", types.INT4.oid))
    primary = Index(6, "key", (IndexKey(1),), unique=True, primary=True)
    parent = Table(5, 2200, "parent", 10, columns, primary_key=primary)
    child = Table(7, 2200, "t", 10, columns, indexes=(Index(8, "i", (IndexKey(2),), predicate=predicate),))
    key = ForeignKey(9, "fk", (2,), 5, (1,), 6)
    assert (_path(access(child, 1), key, parent) is not None) == serves


async def indexed(node, columns, *indexes):
    return await made(node, f"CREATE TABLE w ({columns})", *(f"CREATE INDEX ASYNC ON w {i}" for i in indexes))


CONSTANTS = [
    (types.NUMERIC, Decimal("1.0"), Decimal("1.00")),
    (types.NUMERIC, Decimal("NaN"), Decimal(0)),
    (types.FLOAT8, 0.0, -0.0),
    (types.FLOAT8, float("nan"), 1.0),
    (types.INTERVAL, types.Interval(1, 0, 0), types.Interval(0, 30, 0)),
    (types.JSONB, types.Jsonb(Decimal("1.0")), types.Jsonb(Decimal("1.00"))),
    (types.array_of(types.NUMERIC), types.Array([Decimal("1.0")]), types.Array([Decimal("1.00")])),
    (types.array_of(types.INTERVAL), types.Array([types.Interval(1, 0, 0)]), types.Array([None])),
    (types.RECORD, record_class((types.INT2,))((1,)), record_class((types.INT4,))((1,))),
    (types.TEXT, "x", "y"),
    (types.BOOL, True, None),
]


@pytest.mark.parametrize(("kind", "value", "other"), CONSTANTS)
def test_constants_are_equal_where_they_are_the_same(kind, value, other):
    const, copied = tree.Const(kind, value), tree.Const(kind, copy.deepcopy(value))
    assert const == copied and hash(const) == hash(copied)
    assert const != tree.Const(kind, other)
    assert const != tree.Const(kind, value, 5)
    assert const != tree.Const(types.UNKNOWN, value)


def test_an_index_serves_its_own_constants_only(tmp_path):
    """1.0 and 1.00 are `=`, but what is made of them is not."""

    async def work(node):
        indexes = ("(((x * 1.0)::text))", "(id) WHERE (x * 1.0)::text = '2.0'")
        client = await indexed(node, "id int PRIMARY KEY, x numeric, at timestamp", *indexes)
        await client.rows("CREATE INDEX ASYNC ON w ((at + interval '1 month'))")
        await client.rows("INSERT INTO w VALUES (1, 2, '2024-01-01')")
        conditions = (
            "(x * 1.00)::text = '2.00'",
            "(x * 1.0)::text = '2.0'",
            "(x * 1.00)::text = '2.0'",
            "at + interval '30 days' = '2024-01-31'",
            "at + interval '1 month' = '2024-02-01'",
        )
        found = [await client.rows(f"SELECT id FROM w WHERE {each}") for each in conditions]
        grouped = "SELECT (x * 1.0)::text, (x * {})::text FROM w GROUP BY (x * 1.0)::text"
        same = await client.rows(grouped.format("1.0"))
        return found, same, await client.query(grouped.format("1.00"))

    found, same, refused = run(tmp_path, work)
    assert found == [[("1",)], [("1",)], [], [("1",)], [("1",)]]
    assert same == [("2.0", "2.0")]
    assert any("42803" in str(each) for each in refused)


def test_an_entry_with_a_computed_key_has_no_whole_row(tmp_path):
    async def work(node):
        client = await indexed(node, "id int PRIMARY KEY, name text, n int", "(name, lower(name))")
        await client.rows("INSERT INTO w VALUES (1, 'a', 5)")
        row = await client.rows("SELECT w FROM w WHERE name = 'a'")
        return row, await client.rows("EXPLAIN SELECT name FROM w WHERE name = 'a'")

    row, plan = run(tmp_path, work)
    assert row == [("(1,a,5)",)]
    assert plan[0][0].startswith("Index Only Scan")


@pytest.mark.parametrize(
    ("predicate", "condition", "plans"),
    [
        ("name IS NOT NULL", "name = '{0}' AND n = {0}", 0),
        ("lower(name) IS NOT NULL", "lower(name) = '{0}' AND n = {0}", 0),
        ("n + 1 IS NOT NULL", "n + {0} = 2", 3),
        ("n IS NOT NULL", "id = 1 AND n <> ALL ('{{{0}}}')", 3),
        ("name IS NOT NULL AND n = 1", "name = '{0}' AND n = 1", 1),
        ("name IS NOT NULL AND n = 1", "name = 'a' AND n = {0}", 3),
    ],
)
def test_that_a_value_is_there_is_known_of_any_literal(tmp_path, predicate, condition, plans):
    async def work(node):
        client = await indexed(node, "id int PRIMARY KEY, name text, n int", f"(id) WHERE {predicate}")
        for number in (1, 2, 3):
            await client.rows(f"SELECT id FROM w WHERE {condition.format(number)}")
        return [key for key in client.session.plans if "\0=" in key]

    assert len(run(tmp_path, work)) == plans


@pytest.mark.parametrize(
    ("key", "condition", "serves", "lifted", "rows"),
    [
        ("name", "name LIKE 'ab%'", True, 0, "1"),
        ("lower(name)", "lower(name) LIKE 'ab%'", True, 0, "13"),
        ("lower(name)", "lower(name) ^@ 'ab'", True, 0, "13"),
        ("lower(name)", "upper(name) LIKE 'AB%'", False, 1, "13"),
        ("(left(name, 3))", "left(name, 3) LIKE 'ab%'", True, 0, "1"),
        ("(left(name, 3))", "left(name, 2) LIKE 'ab%'", False, 0, "1"),
        ("lower(name)", "lower(name) LIKE '%b'", False, 1, "2"),
    ],
)
def test_the_beginning_of_a_pattern_bounds_a_computed_key(tmp_path, key, condition, serves, lifted, rows):
    """The plan then has the pattern, that other statements have lifted out of them."""

    async def work(node):
        client = await indexed(node, "id int PRIMARY KEY, name text", f"({key})")
        await client.rows("INSERT INTO w VALUES (1, 'abc'), (2, 'b'), (3, 'Abd')")
        query = f"SELECT id FROM w WHERE {condition}"
        plan = await client.rows(f"EXPLAIN {query}")
        found = await client.rows(f"{query} ORDER BY id")
        plans = [each.lifted for text, each in client.session.plans.items() if text.startswith("SELECT id")]
        return plan, found, plans

    plan, found, plans = run(tmp_path, work)
    assert any("Index Cond" in line for (line,) in plan) == serves
    assert plans == [lifted]
    assert found == [(each,) for each in rows]
