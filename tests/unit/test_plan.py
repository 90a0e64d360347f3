"""What a plan reads and when: key lookups, ranges, early stops, streaming, cancel, memory, locks."""

import pytest

from server.errors import PgError
from server.sql import tree
from server.sql.access import access
from server.sql.bind import bind
from server.sql.context import Context
from server.sql.env import Env
from server.sql.parse import parse
from server.sql.plan import plan_query
from server.sql.types import BYTEA, INT4, INT8, RECORD
from storage import rowcode
from tests.selecting import CATALOG, Reads, load, make_data, plan

READS = load(make_data(7, 600))


def reads() -> Reads:
    """The same rows with fresh counters."""
    made = Reads()
    made.keys, made.values = READS.keys, READS.values
    return made


def run(sql: str, txn: Reads | None = None, *params: object) -> list[tuple[object, ...]]:
    return plan(sql, *([INT4] * len(params))).rows(Context(txn or reads(), params, Env(), CATALOG))


def test_a_whole_key_is_one_get() -> None:
    made = plan("select x, s from a where id = $1 and y > 0", INT4)
    txn = reads()
    assert made.point is not None
    made.point(Context(txn, (5,), Env(), CATALOG))
    assert (txn.gets, txn.seen) == (1, 0)
    assert made.point(Context(txn, (None,), Env(), CATALOG)) == []
    assert txn.gets == 1


def test_a_bigint_parameter_finds_an_integer_key() -> None:
    made = plan("select id from a where id = $1", INT8)
    assert made.point is not None
    assert made.point(Context(reads(), (1 << 40,), Env(), CATALOG)) == []


def test_a_unique_index_is_two_gets() -> None:
    made = plan("select x, c from b where v = 'v7'")
    txn = reads()
    assert made.point is not None
    made.point(Context(txn, (), Env(), CATALOG))
    assert txn.seen == 0 and txn.gets <= 2


@pytest.mark.parametrize(
    ("sql", "most"),
    [
        ("select * from a where id in (1, 2, 3, 4)", 4),
        ("select id from a where id >= 10 and id < 30", 20),
        ("select id from a order by id limit 3", 16),
        ("select id from a order by id desc limit 3", 16),
        ("select max(id) from a", 16),
        ("select min(x) from a", 16),
        ("select x, k from b where x = 3", 3),
        ("select 1 from a limit 1", 16),
        ("select * from (select id as z, x from a) s where z = 5", 1),
        ("with w as (select id as z, x from a) select * from w where z + 0 = 5 limit 0", 0),
        ("select exists (select 1 from a)", 16),
    ],
)
def test_no_more_is_read_than_needed(sql: str, most: int) -> None:
    txn = reads()
    run(sql, txn)
    assert txn.seen + txn.gets <= most


def test_an_index_that_has_all_columns_is_enough() -> None:
    txn = reads()
    run("select x, y from a where x = 3", txn)
    assert txn.gets == 0
    run("select x, s from a where x = 3", txn)
    assert txn.gets > 0


def test_a_join_by_key_looks_up_one_row_each() -> None:
    txn = reads()
    run("select b.v from a join b on b.x = a.x and b.k = a.y where a.id = 4", txn)
    assert txn.seen <= 1 and txn.gets <= 2


def test_functions_in_from_stream() -> None:
    assert run("select g from generate_series(1, 1000000000) g limit 3") == [(1,), (2,), (3,)]


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from generate_series(1, 1000000000)",
        "select sum(g) from generate_series(1, 1000000000) g where g % 2 = 0",
        "select count(*) from a a1, a a2, a a3",
        "select a1.id from a a1, a a2, a a3 where a1.id + a2.id = -1",
        "with recursive r as (select 1 as n union all select 1 from r) select count(*) from r where n > 1",
        "select g from generate_series(1, 1000000000) g order by g limit 5",
    ],
)
def test_long_statements_give_turns_and_can_be_cancelled(sql: str) -> None:
    context = Context(reads(), (), Env(), CATALOG)
    turns = 0
    with pytest.raises(PgError) as caught:
        for _ in plan(sql).run(context):
            turns += 1
            if turns == 50:
                context.cancelled = True
            assert turns < 200
    assert caught.value.sqlstate == "57014"


@pytest.mark.parametrize(
    "sql",
    [
        "select g from generate_series(1, 1000000000) g order by g",
        "select distinct g from generate_series(1, 1000000000) g",
        "select g, count(*) from generate_series(1, 1000000000) g group by g",
        "select 1 from c left join generate_series(1, 1000000000) g on c.p = g",
        "select g, rank() over (order by g) from generate_series(1, 1000000000) g",
        "select 1 intersect select g from generate_series(1, 1000000000) g",
        "with w as (select g from generate_series(1, 1000000000) g) select count(*) from w w1, w w2",
    ],
)
def test_what_is_held_is_limited(sql: str) -> None:
    context = Context(reads(), (), Env(), CATALOG, memory_limit=1 << 20)
    with pytest.raises(PgError) as caught:
        plan(sql).rows(context)
    assert caught.value.sqlstate == "54000"
    assert caught.value.message == "query requires more than allowed temp space of 1024 KB to execute"


def test_memory_is_given_back_when_a_statement_is_abandoned() -> None:
    context = Context(reads(), (), Env(), CATALOG)
    rows = plan("select a.id from a join b on a.x = b.x order by a.y").run(context)
    while not next(rows):
        pass
    assert context.memory > 0
    rows.close()  # type: ignore[attr-defined]
    assert context.memory == 0


def test_row_locks_are_taken_on_what_is_returned() -> None:
    [parsed] = parse("select id from a where x = 3 order by id limit 2 for update")
    bound = bind(parsed.statement, CATALOG, Env(), [])
    assert isinstance(bound.statement, tree.Query)
    txn = reads()
    rows = plan_query(bound.statement, CATALOG).rows(Context(txn, (), Env(), CATALOG))
    assert len(rows) == 2
    keys = plan_query(bound.statement, CATALOG)
    assert [lock for _, lock in txn.locked] == [3, 3]
    assert len({key for key, _ in txn.locked}) == 2
    assert keys.columns[0].name == "id"


def test_extra_columns_carry_key_and_row() -> None:
    [parsed] = parse("select x + 1 from a where id = 5 or id = 7")
    bound = bind(parsed.statement, CATALOG, Env(), [])
    assert isinstance(bound.statement, tree.Query)
    rel = bound.statement.rels[0].id
    extra = [tree.Var(BYTEA, rel, -2), tree.Var(RECORD, rel, -3)]
    txn = reads()
    for _, key, row in plan_query(bound.statement, CATALOG, extra).rows(Context(txn, (), Env(), CATALOG)):
        assert txn.get(key) is not None
        assert row[0] in (5, 7) and len(row) == 8


def test_columns_added_later_are_null() -> None:
    made = access(CATALOG.tables[16430], 1)
    txn = Reads()
    txn.put(made.key([1, None]), rowcode.pack([1]))
    txn.sort()
    assert run("select id, x from e", txn) == [(1, None)]
    assert run("select id, x from e where id = 1", txn) == [(1, None)]
    assert run("select e from e", txn) == [((1, None),)]


def test_case_guards_what_it_does_not_choose() -> None:
    assert run("select case when id < 0 then 1 / (id - id) else 0 end from a limit 1") == [(0,)]


def test_a_subquery_without_outer_columns_runs_once() -> None:
    txn = reads()
    run("select id, (select count(*) from b where k >= 0) from a", txn)
    assert txn.seen < 700


def test_deep_expressions_compile() -> None:
    total = " + ".join(["1"] * 100)
    assert run(f"select x + {total} from a where id = 4 or id = 4 limit 1") is not None
    assert len(run(f"select n + {total} from a where id in (4, 5, 6)")) == len(
        run("select 1 from a where id in (4, 5, 6)")
    )
    nested = "case when id < 0 then 0 else " * 60 + "1" + " end" * 60
    assert run(f"select {nested} from a limit 1") == [(1,)]
    wide = "case id " + " ".join(f"when -{i} then {i}" for i in range(1, 400)) + " else 7 end"
    assert run(f"select {wide} from a limit 1") == [(7,)]


def test_sleeping_is_left_to_the_driver() -> None:
    context = Context(reads(), (), Env(), CATALOG)
    assert plan("select pg_sleep(g) from generate_series(1, 3) g").rows(context) == [("",)] * 3
    assert context.pause == 6.0


@pytest.mark.parametrize(
    ("tail", "parameters", "found", "locked"),
    [
        ("for update", (), 1, 1),
        ("and y > 100 for update", (), 0, 0),
        ("limit 1", (), 1, 0),
        ("limit $2", (2,), 1, 0),
        ("limit $2 for update", (0,), 0, 0),
        ("order by x limit null offset $2", (1,), 0, 0),
        ("limit all offset 0 for key share", (), 1, 1),
    ],
)
def test_locks_and_limits_keep_a_lookup_by_key_straight(
    tail: str, parameters: tuple[int, ...], found: int, locked: int
) -> None:
    txn = reads()
    key = run("select id from a limit 1")[0][0]
    made = plan(f"select id from a where id = $1 {tail}", INT4, *([INT8] * len(parameters)))
    assert made.point is not None
    assert len(made.point(Context(txn, (key, *parameters), Env(), CATALOG))) == found
    assert len(txn.locked) == locked


def test_a_negative_limit_is_refused_before_anything_is_read() -> None:
    made, txn = plan("select id from a where id = 1 limit $1", INT8), reads()
    with pytest.raises(PgError, match="LIMIT must not be negative"):
        made.rows(Context(txn, (-1,), Env(), CATALOG))
    assert txn.gets == 0


@pytest.mark.parametrize(
    ("sql", "times"),
    [
        ("select pg_sleep(1), id from a order by y limit 3", 3),
        ("select pg_sleep(1) from a limit 2", 2),
        ("select x, pg_sleep(1) from a group by x order by x limit 2", 2),
        ("select pg_sleep(1), row_number() over (order by id) from a order by y limit 2", 2),
        ("select pg_sleep(a.x - a.x + 1) from a, b where a.x = b.x order by a.y limit 4 offset 1", 4),
        ("select (select pg_sleep(1)::text || a.id) from a order by y limit 1", 1),
    ],
)
def test_volatile_targets_wait_for_order_and_limit(sql: str, times: int) -> None:
    context = Context(reads(), (), Env(), CATALOG)
    assert len(plan(sql).rows(context)) == times
    assert context.pause == times


@pytest.mark.parametrize(
    ("condition", "most"),
    [("v like 'v1%'", 12), ("v ^@ 'v19'", 2), ("v like 'v\\_%'", 1), ("v like 'v7'", 1), ("v like '%'", 100)],
)
def test_a_constant_pattern_reads_a_range_of_an_index(condition: str, most: int) -> None:
    txn = reads()
    assert run(f"select v from b where {condition}", txn) is not None
    assert txn.seen + txn.gets <= most


@pytest.mark.parametrize(
    "sql",
    [
        "select max(x) from a",
        "select min(x), max(x) + 1 from a having min(x) is not null",
        "select min(v), max(v) from b",
        "select max(id) from a",
        "select max(k) from b where x = 3",
        "select (select max(x) from a) from e where id < 3",
    ],
)
def test_min_and_max_come_from_the_end_of_an_index(sql: str) -> None:
    txn = reads()
    run(sql, txn)
    assert txn.seen + txn.gets <= 48


@pytest.mark.parametrize(
    "sql", ["select max(x), count(*) from a", "select max(n) from a", "select max(x + 1) from a"]
)
def test_other_aggregates_read_every_row(sql: str) -> None:
    txn = reads()
    run(sql, txn)
    assert txn.seen == 600
