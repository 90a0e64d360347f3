"""Answers do not depend on whether there is an index: of expressions, of some rows, or of both."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sessions import Client, run

TABLE = "CREATE TABLE t (id int PRIMARY KEY, a int, b int, s text, k boolean, n numeric)"
INDEXES = (
    "CREATE INDEX ASYNC i1 ON t ((a + b), s)",
    "CREATE INDEX ASYNC i2 ON t (lower(s) NULLS FIRST, a)",
    "CREATE INDEX ASYNC i3 ON t (a) WHERE k",
    "CREATE INDEX ASYNC i4 ON t (b, n) INCLUDE (a) WHERE a > 1",
    "CREATE INDEX ASYNC i5 ON t (upper(s)) WHERE n IS NOT NULL AND (a = 1 OR b <= 2)",
    "CREATE UNIQUE INDEX ASYNC i6 ON t (id, (a % 3)) WHERE s <> 'x'",
    "CREATE INDEX ASYNC i7 ON t ((a > b), k) WHERE a IN (1, 2) OR s IS NULL",
)
NUMBER = st.one_of(st.integers(0, 4).map(str), st.integers(0, 4).map(str), st.just("NULL"))
TEXT = st.sampled_from(["'x'", "'X'", "'y'", "'Yy'", "''", "NULL"])
FLAG = st.sampled_from(["true", "false", "NULL"])
DECIMAL = st.sampled_from(["1.5", "2", "0", "NULL"])
ROWS = st.lists(st.tuples(NUMBER, NUMBER, TEXT, FLAG, DECIMAL), min_size=5, max_size=40)
OP = st.sampled_from(["=", "<", "<=", ">", ">=", "<>"])
INTEGER = st.sampled_from(["a", "b", "a + b", "a % 3", "b + a"])
STRING = st.sampled_from(["s", "lower(s)", "upper(s)"])
ATOMS = st.one_of(
    st.builds("{} {} {}".format, INTEGER, OP, NUMBER),
    st.builds("{} {} {}".format, NUMBER, OP, INTEGER),
    st.builds("{} IN ({}, {})".format, INTEGER, NUMBER, NUMBER),
    st.builds("{} {} {}".format, STRING, OP, TEXT),
    st.builds("{} LIKE {}".format, STRING, st.sampled_from(["'y%'", "'Y'", "'%'"])),
    st.builds("n {} {}".format, OP, DECIMAL),
    st.builds("{} IS {}NULL".format, st.one_of(INTEGER, STRING, st.just("n")), st.sampled_from(["", "NOT "])),
    st.sampled_from(["k", "NOT k", "k = false", "k IS TRUE", "a > b", "NOT a > b", "(a > b) IS NOT TRUE"]),
)


def _joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.lists(parts, min_size=2, max_size=3)
    return st.one_of(
        st.builds(" AND ".join, lists).map("({})".format),
        st.builds(" AND ".join, lists).map("({})".format),
        st.builds(" OR ".join, lists).map("({})".format),
        st.builds("NOT ({})".format, parts),
    )


CONDITIONS = st.recursive(ATOMS, _joined, max_leaves=5)
ORDERS = st.sampled_from(
    [
        "id",
        "lower(s) NULLS FIRST, a, id",
        "a + b, s, id",
        "a DESC, id",
        "b, n, id",
        "upper(s) DESC, id",
        "a > b, k, id",
    ]
)
QUERIES = st.one_of(
    st.builds("SELECT * FROM t WHERE {} ORDER BY {}".format, CONDITIONS, ORDERS),
    st.builds("SELECT id FROM t WHERE {} ORDER BY {} LIMIT 3".format, CONDITIONS, ORDERS),
    st.builds("SELECT a + b, lower(s) FROM t WHERE {} ORDER BY id".format, CONDITIONS),
    st.builds("SELECT count(*), min(lower(s)), max(a + b), min(a) FROM t WHERE {}".format, CONDITIONS),
    st.builds("SELECT count(*) FROM t WHERE {}".format, CONDITIONS),
    st.builds("SELECT x.id, y.id FROM t x JOIN t y ON {} = {} AND {} WHERE {} ORDER BY 1, 2".format,
        st.sampled_from(["lower(y.s)", "y.a + y.b"]), st.sampled_from(["lower(x.s)", "x.a"]),
        st.builds("y.a {} x.b".format, OP), st.sampled_from(["x.k", "y.k", "y.a = 1", "y.a IN (1, 2)"])),
)  # fmt: skip


@given(ROWS, st.lists(QUERIES, min_size=20, max_size=40))
@settings(max_examples=15, deadline=None)
def test_answers_are_those_without_the_indexes(rows, queries):
    async def work(node):
        client = Client(node)
        await client.query(TABLE)
        for index in INDEXES:
            await client.query(f"CALL sys.wait_for_job('{(await client.rows(index))[0][0]}')")
        values = ", ".join(f"({number}, {', '.join(row)})" for number, row in enumerate(rows))
        assert await client.query(f"INSERT INTO t VALUES {values}") == [f"INSERT 0 {len(rows)}"]
        with_indexes = [await client.query(query) for query in queries]
        again = [await client.query(query) for query in reversed(queries)]
        for number in range(1, len(INDEXES) + 1):
            assert await client.query(f"DROP INDEX i{number}") == ["DROP INDEX"]
        without = [await client.query(query) for query in queries]
        for query, one, other in zip(queries, with_indexes, without):
            assert one == other, query
        assert again[::-1] == without

    with tempfile.TemporaryDirectory() as data:
        run(Path(data), work)
