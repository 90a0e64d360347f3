"""S7: after any statements each row has exactly its entries in every index, inside the transaction and after it."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from server.session.transaction import Transaction
from server.sql.access import IndexAccess, TableAccess
from server.sql.limits import Limits
from storage import rowcode
from tests.sessions import Client, run

TABLES = (
    "CREATE TABLE keyed (a int, b text, c int UNIQUE, d int, e int, f text, PRIMARY KEY (b, a), "
    "UNIQUE NULLS NOT DISTINCT (d))",
    "CREATE TABLE hidden (a int, b text, c int UNIQUE, d int, e int, f text, UNIQUE (d, e) INCLUDE (f))",
)
INDEXES = (
    "CREATE INDEX ASYNC ON {} (e NULLS FIRST, f) INCLUDE (a)",
    "CREATE UNIQUE INDEX ASYNC ON {} (f, c) INCLUDE (d, b)",
    "CREATE INDEX ASYNC whole_{0} ON {0} ((a + c), upper(f) NULLS FIRST, e) INCLUDE (b)",
    "CREATE UNIQUE INDEX ASYNC some_{0} ON {0} (upper(b), (a + e)) WHERE c > 1 AND f IS NOT NULL",
    "CREATE INDEX ASYNC few_{0} ON {0} (d) WHERE e IN (1, 2) OR b = 'x'",
)
HELD: dict[str, Callable[[list[Any]], bool]] = {
    "some": lambda row: row[2] is not None and row[2] > 1 and row[5] is not None,
    "few": lambda row: row[4] in (1, 2) or row[1] == "x",
}
"""By the name of a partial index: which rows it holds."""
KEYS: dict[str, Callable[[list[Any]], list[Any]]] = {
    "whole": lambda row: [
        None if row[2] is None else row[0] + row[2], None if row[5] is None else row[5].upper(), row[4]
    ],
    "some": lambda row: [row[1].upper(), None if row[4] is None else row[0] + row[4]],
    "few": lambda row: [row[3]],
}  # fmt: skip
"""By the name of an index: what its keys are."""
NUMBERS = st.integers(0, 4).map(str)
VALUES = st.one_of(NUMBERS, st.just("NULL"))
TEXTS = st.sampled_from(["'x'", "'xy'", "''", "'x' || 'y'"])
ROWS = st.tuples(NUMBERS, TEXTS, VALUES, VALUES, VALUES, st.one_of(TEXTS, st.just("NULL")))
CONDITIONS = st.one_of(
    st.just("true"),
    st.builds("a = {} AND b = {}".format, NUMBERS, TEXTS),
    st.builds("{} <= {}".format, st.sampled_from("acde"), NUMBERS),
)
SETS = st.one_of(
    st.builds("{} = {}".format, st.sampled_from("cde"), VALUES),
    st.builds("a = {}".format, NUMBERS),
    st.builds("a = a + 1, f = {}".format, TEXTS),
    st.builds("b = {}".format, TEXTS),
    st.just("c = d, d = c"),
    st.just("e = e"),
)


def _insert(rows, conflict):
    return "INSERT INTO {} VALUES " + ", ".join(f"({', '.join(row)})" for row in rows) + conflict


INSERTS = st.builds(
    _insert,
    st.lists(ROWS, min_size=1, max_size=3),
    st.sampled_from(["", " ON CONFLICT DO NOTHING", " ON CONFLICT (c) DO UPDATE SET e = excluded.e, a = 7"]),
)
STATEMENTS = st.one_of(
    INSERTS,
    INSERTS,
    st.builds("UPDATE {{}} SET {} WHERE {}".format, SETS, CONDITIONS),
    st.builds("DELETE FROM {{}} WHERE {}".format, CONDITIONS),
)
SCRIPTS = st.lists(
    st.tuples(
        st.lists(STATEMENTS, min_size=1, max_size=4), st.sampled_from(["COMMIT", "COMMIT", "ROLLBACK"])
    ),
    min_size=1,
    max_size=4,
)


def check(txn: Transaction) -> int:
    """Compare every index with the rows; the number of rows."""
    count = 0
    for table in txn.catalog.tables.values():
        reach = TableAccess(table, txn.cluster)
        items, more = txn.scan_items(reach.lo, reach.hi, 10_000)
        assert more is None
        rows = [(key, reach.unpack(raw)) for key, raw in items]
        count += len(rows)
        for key, row in rows:
            assert not reach.key_columns or key == reach.key(row)
        for index in table.indexes:
            entries = IndexAccess(table, index, txn.cluster)
            kind = index.name.partition("_")[0]
            held = [(key, row) for key, row in rows if HELD.get(kind, lambda _row: True)(row)]
            made = [entry for key, row in rows if (entry := entries.entry(row, key)) is not None]
            assert len(made) == len(held), index.name
            if kind in KEYS:
                wanted = [KEYS[kind](row) for _key, row in held]
                assert [rowcode.unpack(entry.value)[1 : len(index.keys) + 1] for entry in made] == wanted
            expected = {entry.key: entry.value for entry in made}
            assert len(expected) == len(made), f"{index.name} holds two rows for one key"
            found, more = txn.scan_items(entries.lo, entries.hi, 10_000)
            assert more is None
            assert dict(found) == expected, index.name
    return count


@given(SCRIPTS)
@settings(max_examples=25, deadline=None)
def test_rows_and_entries_agree(script):
    async def work(node):
        client = Client(node)
        for name, table in zip(("keyed", "hidden"), TABLES):
            await client.query(table)
            for index in INDEXES:
                ((job,), _tag) = await client.query(index.format(name))
                assert await client.rows(f"CALL sys.wait_for_job('{job}')") == [("t",)]
        for statements, end in script:
            await client.query("BEGIN")
            for statement in statements:
                for name in ("keyed", "hidden"):
                    await client.query(statement.format(name))
                    if client.status == "T":
                        check(client.session.txn)
                    else:
                        await client.query("ROLLBACK; BEGIN")
            await client.query(end)
            check(Transaction(node.versions, node.catalog(1), node.start_ts(), Limits()))

    with tempfile.TemporaryDirectory() as data:
        run(Path(data), work)
