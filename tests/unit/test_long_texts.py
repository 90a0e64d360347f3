"""Long texts are parsed, bound and planned beside the loop: others are served, and a cancel is heard."""

import pytest
from pygwire import messages as pg

from server.runtime.waiting import outcome
from server.session.planning import LONG_SHAPE, LONG_TEXT
from server.session.work import SLICE, Wait
from tests.sessions import Client, run

MEMBERS = ",".join(map(str, range(LONG_TEXT // 2)))
STATEMENTS = {
    "list": f"SELECT count(*) FROM t WHERE a IN ({MEMBERS})",
    "shape": f"SELECT count(*) FROM t WHERE a IN ({','.join(map(str, range(LONG_SHAPE // 4)))})",
    "array": f"SELECT count(*) FROM t WHERE a = ANY (ARRAY[{MEMBERS}])",
    "values": f"SELECT min(x) FROM (VALUES {','.join(f'({n})' for n in range(1, LONG_TEXT // 4))}) v(x)",
    "conditions": f"SELECT count(*) FROM t WHERE {' OR '.join(f'a = {n}' for n in range(LONG_TEXT // 4))}",
}


async def filled(node):
    client = Client(node)
    await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
    await client.query("INSERT INTO t VALUES (1, 1)")
    return client


@pytest.mark.parametrize("name", STATEMENTS)
@pytest.mark.parametrize("extended", [False, True])
def test_others_are_served_while_a_long_text_is_planned(tmp_path, name, extended):
    async def work(node):
        client, other = await filled(node), Client(node)
        sql = STATEMENTS[name]
        if extended:
            client.begin(pg.Parse(query=sql), pg.Bind(), pg.Execute(), pg.Sync())
        else:
            client.begin(pg.Query(query_string=sql))
        assert isinstance(client.connection.waiting, Wait)
        assert await other.rows("SELECT b FROM t WHERE a = 1") == [("1",)]
        assert ("1",) in await client.finish()
        assert await client.rows(sql) == [("1",)]

    run(tmp_path, work)


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("name", STATEMENTS)
@pytest.mark.parametrize("form", ["EXPLAIN {}", "EXPLAIN (ANALYZE, FORMAT json) {}", "COPY ({}) TO STDOUT"])
def test_others_are_served_while_what_is_explained_or_copied_is_planned(tmp_path, form, name, extended):
    """The text is parsed beside the loop; so is all that is made of it then."""

    async def work(node):
        client, other = await filled(node), Client(node)
        sql = form.format(STATEMENTS[name])
        sent = (
            [pg.Parse(query=sql), pg.Bind(), pg.Execute(), pg.Sync()]
            if extended
            else [pg.Query(query_string=sql)]
        )
        await client.query("SELECT 1")
        await other.query("CREATE TABLE u (a int)")  # what the text meant before has to be found out too
        client.begin(*sent)
        waits = 0
        while (waiting := client.connection.waiting) is not None:
            if isinstance(waiting, Wait):
                waits += 1
                assert await other.rows("SELECT b FROM t WHERE a = 1") == [("1",)]
                await outcome(waiting)
            client.connection.turn()
            client._data += client.connection.output()
        assert waits >= 3
        answers = client._decode(client._data)
        assert answers[-1] in ("EXPLAIN", "COPY 1"), answers

    run(tmp_path, work)


@pytest.mark.parametrize("extended", [False, True])
def test_a_cancel_ends_the_wait_for_a_plan(tmp_path, extended):
    async def work(node):
        client = await filled(node)
        sql = STATEMENTS["shape"]
        client.begin(*([pg.Parse(query=sql), pg.Sync()] if extended else [pg.Query(query_string=sql)]))
        assert isinstance(client.connection.waiting, Wait)
        node.cancel(client.session.process_id, client.session.secret)
        assert (await client.finish())[-1] == "ERROR 57014 canceling statement due to user request"
        assert await client.rows(sql) == [("1",)]

    run(tmp_path, work)


def test_a_connection_may_go_while_its_plan_is_made(tmp_path):
    async def work(node):
        client, other = await filled(node), Client(node)
        client.begin(pg.Query(query_string=STATEMENTS["shape"]))
        waiting = client.connection.waiting
        assert isinstance(waiting, Wait)
        client.close()
        assert waiting.done and waiting.callback is None
        assert await other.rows(STATEMENTS["list"]) == [("1",)]

    run(tmp_path, work)


@pytest.mark.parametrize("extended", [False, True])
def test_a_table_that_changes_while_the_text_is_parsed_is_read_as_it_is_then(tmp_path, extended):
    async def work(node):
        client, other = await filled(node), Client(node)
        sql = f"SELECT * FROM t WHERE a IN ({MEMBERS})"
        client.begin(
            *(
                [pg.Parse(query=sql), pg.Bind(), pg.Execute(), pg.Sync()]
                if extended
                else [pg.Query(query_string=sql)]
            )
        )
        assert await other.query("ALTER TABLE t ADD COLUMN c int") == ["ALTER TABLE"]
        assert "schema has been updated" in (await client.finish())[-1]
        assert await client.rows(sql) == [("1", "1", None)]

    run(tmp_path, work)


def test_a_long_prepared_statement_is_bound_again_when_its_table_has_changed(tmp_path):
    async def work(node):
        client, other = await filled(node), Client(node)
        await client.send(pg.Parse(query=STATEMENTS["list"], statement="s"), pg.Sync())
        await other.query("CREATE TABLE u (a int PRIMARY KEY)")
        client.begin(pg.Bind(statement="s"), pg.Execute(), pg.Sync())
        assert isinstance(client.connection.waiting, Wait)
        assert ("1",) in await client.finish()

    run(tmp_path, work)


def test_errors_of_long_texts_have_their_positions(tmp_path):
    async def work(node):
        client = await filled(node)
        found = await client.query(f"SELECT count(*) FROM t WHERE a IN ({MEMBERS}) AND nothing = 1")
        assert found[-1].startswith('ERROR 42703 column "nothing" does not exist')
        found = await client.query(f"SELECT count(*) FROM t WHERE a IN ({MEMBERS}")
        assert found[-1].startswith("ERROR 42601 syntax error at end of input")

    run(tmp_path, work)


def test_the_statements_of_a_script_give_turns(tmp_path):
    async def work(node):
        client, other = await filled(node), Client(node)
        client.begin(
            pg.Query(query_string=";".join(f"SELECT b + {n} FROM t WHERE a = 1" for n in range(3000)))
        )
        while isinstance(waiting := client.connection.waiting, Wait):
            await outcome(waiting)
            client.connection.turn()
        for _ in range(3):
            assert client.connection.waiting is SLICE
            assert await other.rows("SELECT b FROM t WHERE a = 1") == [("1",)]
            client.connection.turn()
        found = await client.finish()
        assert found.count("SELECT 1") == 3000

    run(tmp_path, work)
