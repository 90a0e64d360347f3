"""What is left of a dropped column in rows that were written before and after."""

from server.sql.limits import Limits
from storage import rowcode
from tests.sessions import Client, run


def stored(node, oid: int) -> list[list[object]]:
    lo = (1).to_bytes(4, "big") + oid.to_bytes(4, "big")
    rows, _more = node.versions.scan(lo, lo + b"\xff", node.start_ts())
    return [rowcode.unpack(row) for row in rows]


def test_its_values_go_when_a_row_is_written(tmp_path):
    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (id int PRIMARY KEY, v numeric(5, 2), w text)")
        await client.query("INSERT INTO t VALUES (1, 1.25, 'x'), (2, 2.5, 'y')")
        await client.query("ALTER TABLE t DROP COLUMN v")
        (oid,) = node.catalog(1).tables
        assert stored(node, oid) == [[1, "1.25", "x"], [2, "2.50", "y"]]
        await client.query("UPDATE t SET w = 'z' WHERE id = 2")
        await client.query("INSERT INTO t VALUES (3, 'new')")
        assert stored(node, oid) == [[1, "1.25", "x"], [2, None, "z"], [3, None, "new"]]
        assert await client.rows("SELECT * FROM t ORDER BY id") == [("1", "x"), ("2", "z"), ("3", "new")]

    run(tmp_path, work)


def test_its_values_count_for_no_limit(tmp_path):
    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (id int PRIMARY KEY, v text, w text)")
        await client.query("INSERT INTO t VALUES (1, repeat('x', 90), '')")
        await client.query("ALTER TABLE t DROP COLUMN v")
        assert await client.query("UPDATE t SET w = repeat('y', 90)") == ["UPDATE 1"]

    run(tmp_path, work, limits=Limits(column_bytes=100, row_bytes=120))


def test_prepared_statements_meet_it(tmp_path):
    """A plan is made anew; columns that are not asked for may go without a word, as in PostgreSQL."""

    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (id int PRIMARY KEY, v int, w text)")
        await client.query("INSERT INTO t VALUES (1, 5, 'x')")
        assert await client.extended("SELECT w FROM t WHERE id = 1") == [("x",), "SELECT 1"]
        assert await client.extended("SELECT v FROM t WHERE id = 1") == [("5",), "SELECT 1"]
        await client.query("ALTER TABLE t DROP COLUMN v")
        assert await client.extended("SELECT w FROM t WHERE id = 1") == [("x",), "SELECT 1"]
        assert await client.extended("SELECT v FROM t WHERE id = 1") == [
            'ERROR 42703 column "v" does not exist'
        ]

    run(tmp_path, work)
