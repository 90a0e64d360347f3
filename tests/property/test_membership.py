"""= ANY and <> ALL of an array are searched in a set from the second row on; each answer is that of a comparison."""

import pytest

from tests.sessions import Client, run

COLUMNS = "v int, n numeric, f float8, s text, b char(5), u interval, j jsonb, d date"
ROWS = """
    INSERT INTO t SELECT x, nullif(x % 50, 17), CASE WHEN x % 7 = 0 THEN 'NaN'::numeric ELSE x * 1.50 END,
      CASE WHEN x % 5 = 0 THEN 'NaN'::float8 WHEN x % 4 = 0 THEN '-0'::float8 ELSE x END, 's' || x,
      'b' || x % 3, x * interval '1 day', to_jsonb(x), date '2024-01-01' + x
    FROM generate_series(1, 120) x"""
ARRAYS = [
    ("v", "SELECT x FROM generate_series(20, 40) x"),
    ("v", "SELECT nullif(x, 25) FROM generate_series(20, 40) x"),
    ("v", "SELECT x::bigint FROM generate_series(20, 40) x"),
    ("v", "SELECT x FROM generate_series(20, 22) x"),
    ("v", "SELECT x FROM generate_series(1, 0) x"),
    ("n", "SELECT CASE WHEN x = 9 THEN 'NaN'::numeric ELSE x * 1.5000 END FROM generate_series(1, 30) x"),
    (
        "f",
        "SELECT CASE WHEN x = 9 THEN 'NaN' WHEN x = 3 THEN 0 ELSE x::float8 END FROM generate_series(1, 30) x",
    ),
    ("s", "SELECT 's' || x FROM generate_series(5, 30) x"),
    ("b", "SELECT ('b' || x)::char(5) FROM generate_series(2, 30) x"),
    ("u", "SELECT x * interval '24 hours' FROM generate_series(2, 30) x"),
    ("j", "SELECT to_jsonb(x) FROM generate_series(2, 30) x"),
    ("d", "SELECT date '2024-01-01' + x FROM generate_series(2, 30) x"),
]


@pytest.mark.parametrize("column, array", ARRAYS)
def test_a_set_finds_what_comparisons_find(tmp_path, column, array):
    async def work(node):
        client = Client(node)
        await client.query(f"CREATE TABLE t (a int PRIMARY KEY, {COLUMNS})")
        assert await client.query(ROWS) == ["INSERT 0 120"]
        for member, row_by_row in (
            (f"{column} = ANY (ARRAY({array}))", f"{column} IN (SELECT * FROM ({array} OFFSET 0) q)"),
            (f"{column} <> ALL (ARRAY({array}))", f"{column} NOT IN (SELECT * FROM ({array} OFFSET 0) q)"),
        ):
            expected = await client.rows(f"SELECT a, {row_by_row} FROM t ORDER BY a")
            assert await client.rows(f"SELECT a, {member} FROM t ORDER BY a") == expected
            where = f"SELECT a, true FROM t WHERE {member} ORDER BY a"
            assert await client.rows(where) == [row for row in expected if row[1] == "t"]

    run(tmp_path, work)


def test_arrays_that_differ_by_row_are_each_searched(tmp_path):
    async def work(node):
        client = Client(node)
        found = await client.rows(
            "SELECT x, 12 = ANY (array_agg(y)), 12 <> ALL (array_agg(y))"
            " FROM generate_series(1, 3) x, generate_series(1, 12) y WHERE y <= 9 + x GROUP BY x ORDER BY x"
        )
        assert found == [("1", "f", "t"), ("2", "f", "t"), ("3", "t", "f")]

    run(tmp_path, work)


def test_a_long_array_costs_no_comparison_per_element_and_row(tmp_path):
    """20,000 rows against 20,000 elements: 400 million comparisons would take minutes."""

    async def work(node):
        client = Client(node)
        sql = (
            "SELECT count(*) FROM generate_series(1, 20000) x"
            " WHERE -x = ANY (ARRAY(SELECT y FROM generate_series(1, 20000) y))"
        )
        assert await client.rows(sql) == [("0",)]

    run(tmp_path, work)
