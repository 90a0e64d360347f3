"""Subqueries in expressions give the others a turn, can be cancelled, and leave nothing behind."""

import pytest
from pygwire import messages as pg

from server.session.work import SLICE
from tests.sessions import Client, run

LONG = "SELECT count(*) FROM generate_series(1, 1000000000)"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT ({LONG})",
        f"SELECT ({LONG} y WHERE y <> x) FROM generate_series(1, 2) x",
        f"SELECT ({LONG}) FROM t WHERE a = 1",
        f"SELECT 1 WHERE EXISTS ({LONG} y HAVING count(*) = 0)",
        f"SELECT 1 WHERE 5 IN ({LONG})",
        f"SELECT 1 WHERE 5 > ALL ({LONG} y WHERE y > 3)",
        f"SELECT ARRAY({LONG})",
        f"SELECT (SELECT ({LONG}))",
        f"SELECT x FROM generate_series(1, 3) x ORDER BY ({LONG} y WHERE y <> x)",
        f"SELECT sum(({LONG} y WHERE y <> x)) FROM generate_series(1, 3) x",
        f"INSERT INTO t VALUES (2, ({LONG}))",
        f"UPDATE t SET b = ({LONG})",
        f"UPDATE t SET b = ({LONG}) WHERE a = 1",
        f"UPDATE t SET b = 0 RETURNING ({LONG})",
        f"DELETE FROM t WHERE b = ({LONG})",
        f"COPY (SELECT ({LONG})) TO STDOUT",
        f"WITH w AS (INSERT INTO t VALUES (3, ({LONG})) RETURNING b) SELECT * FROM w",
    ],
)
def test_a_subquery_without_end_gives_turns(tmp_path, sql):
    async def work(node):
        client, other = Client(node), Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b bigint)")
        await client.query("INSERT INTO t VALUES (1, 1)")
        client.begin(pg.Query(query_string=sql))
        for _turn in range(3):
            assert client.connection.waiting is SLICE
            assert await other.rows("SELECT b, (SELECT a) FROM t WHERE a = 1") == [("1", "1")]
            client.connection.turn()
        node.cancel(client.session.process_id, client.session.secret)
        assert (await client.finish())[-1] == "ERROR 57014 canceling statement due to user request"
        assert await client.rows("SELECT (SELECT max(a) FROM t)") == [("1",)]

    run(tmp_path, work)


def test_a_connection_that_is_gone_leaves_no_stack(tmp_path):
    async def work(node):
        client, other = Client(node), Client(node)
        client.begin(pg.Query(query_string=f"SELECT ({LONG})"))
        context = client.session.ctx
        assert context is not None and context.turn is not None
        client.close()
        assert context.turn is None
        assert await other.rows("SELECT (SELECT 1)") == [("1",)]

    run(tmp_path, work)


def test_a_portal_keeps_its_stack_between_messages(tmp_path):
    async def work(node):
        client = Client(node)
        await client.query("BEGIN")
        sql = "SELECT x, (SELECT count(*) FROM generate_series(1, x)) FROM generate_series(1, 600) x"
        first = await client.send(
            pg.Parse(query=sql), pg.Bind(portal="p"), pg.Execute(portal="p", max_rows=2), pg.Sync()
        )
        assert first == [("1", "1"), ("2", "2"), "s"]
        assert await client.rows("SELECT (SELECT 7)") == [("7",)]
        rest = await client.send(pg.Execute(portal="p"), pg.Sync())
        assert rest[:-1] == [(str(x), str(x)) for x in range(3, 601)]

    run(tmp_path, work)


def test_numbers_are_as_precise_in_a_subquery(tmp_path):
    async def work(node):
        client = Client(node)
        thirds = "1::numeric(40, 30) / 3 * 123456789012345678901234567890"
        plain = await client.rows(f"SELECT {thirds} FROM generate_series(1, 1)")
        assert await client.rows(f"SELECT (SELECT {thirds} * x) FROM generate_series(1, 1) x") == plain

    run(tmp_path, work)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 WHERE '' IN (SELECT repeat('x', 100000) || x FROM generate_series(1, 100000000) x)",
        "SELECT 1 WHERE '' > ALL (SELECT repeat('x', 100000) || x FROM generate_series(1, 100000000) x)",
        "SELECT ARRAY(SELECT repeat('x', 100000) || x FROM generate_series(1, 100000000) x)",
    ],
)
def test_what_a_subquery_gathers_is_bounded(tmp_path, sql):
    async def work(node):
        client = Client(node)
        (answer,) = await client.query(sql)
        assert answer == "ERROR 54000 query requires more than allowed temp space of 131072 KB to execute"

    run(tmp_path, work)
