"""Statements over rows in other processes: the same answers as over those of this one, whatever the network does."""

import gc
import weakref
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from pygwire import messages as pg

from server.runtime.node import Node
from server.session.reader import Endurance
from server.session.stacks import ReadWait
from storage import keycode, rowcode
from storage.pushdown import StoredPushdown
from storage.shard import Bounds
from tests import moving, sessions
from tests.remote_reading import BOUNDS, ENDURANCE, MS, Client, Network, Quiet, RemoteHost, Rough


def splits(node: Node) -> list[bytes]:
    """Bounds of three shards: in the middle of the rows of t, and before those of its index."""
    table = next(each for each in node.catalog(1).tables.values() if each.name == "t")
    index = next(each for each in table.indexes)
    middle = keycode.encoder(("int",), start=keycode.prefix(1, table.oid))((150,))
    return sorted([middle, keycode.prefix(1, index.oid)])


SETUP = (
    "CREATE TABLE t (id int PRIMARY KEY, n int, s text, f float8, d date, b bool, long text)",
    "CREATE INDEX ASYNC t_n ON t (n) INCLUDE (s)",
    "CREATE TABLE u (id int PRIMARY KEY, t_id int, v numeric)",
    "CREATE UNIQUE INDEX ASYNC u_t ON u (t_id)",
    "INSERT INTO t SELECT x, x % 17, 's' || x % 5, x / 3.0, date '2020-01-01' + x % 40, x % 2 = 0, "
    "repeat('x', x % 60) FROM generate_series(1, 300) x",
    "INSERT INTO t VALUES (301, NULL, NULL, 'NaN', NULL, NULL, NULL), (302, 1, 'é', '-0', 'infinity', true, '')",
    "INSERT INTO u SELECT x, x * 2, x / 7.0 FROM generate_series(1, 100) x",
)
QUERIES = (
    "SELECT count(*) FROM t",
    "SELECT sum(id), min(f), max(s) FROM t WHERE n > 5",
    "SELECT * FROM t ORDER BY id",
    "SELECT * FROM t ORDER BY id DESC LIMIT 20",
    "SELECT id FROM t ORDER BY id DESC",
    "SELECT id, s FROM t WHERE id BETWEEN 140 AND 160 AND s <> 's3'",
    "SELECT id FROM t WHERE n = 3 OR s = 's1' AND b",
    "SELECT id FROM t WHERE NOT b AND f >= 20 AND f < 25.5",
    "SELECT id FROM t WHERE f = 'NaN' OR f = 0",
    "SELECT id FROM t WHERE f > 99.5",
    "SELECT id FROM t WHERE d IN ('2020-01-02', '2020-01-20', 'infinity') ORDER BY id",
    "SELECT id FROM t WHERE s IS NULL OR s > 's4'",
    "SELECT id FROM t WHERE n IN (1, NULL, 4) AND long IS NOT NULL AND 15 > n",
    "SELECT id FROM t WHERE n = NULL",
    "SELECT id FROM t WHERE n IN (" + ", ".join(map(str, range(-300, 5))) + ") AND s = 's1'",
    "SELECT id FROM t WHERE s = 's1' AND (" + "(n = 1 OR " * 20 + "b" + ")" * 20 + ") AND f > 50",
    "SELECT id FROM t WHERE s = 'none' AND f > '1e400'::text::float8",
    "SELECT n, s FROM t WHERE n = 3 ORDER BY n",
    "SELECT n, long FROM t WHERE n = 3 ORDER BY id",
    "SELECT id FROM t WHERE id IN (3, 299, 150, 151, 7777)",
    "SELECT t.id, u.v FROM t JOIN u ON u.t_id = t.id WHERE t.n < 4 ORDER BY 1",
    "SELECT id, (SELECT v FROM u WHERE u.t_id = t.id) FROM t WHERE id < 40 ORDER BY id",
    "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.t_id = t.id AND u.v > 5) ORDER BY id",
    "SELECT s, count(*) FROM t GROUP BY s ORDER BY s",
    "SELECT max(n) FROM t",
    "SELECT * FROM t WHERE id = 151",
    "SELECT count(*) > 1 FROM sys.jobs WHERE status = 'completed'",
    "SELECT id FROM t LIMIT 3 OFFSET 280",
)
PARTS = (
    "SELECT * FROM t ORDER BY id DESC",
    "SELECT id FROM t WHERE n IN (3, 4, 5, 6)",
    "SELECT id, (SELECT v FROM u WHERE u.t_id = t.id) FROM t WHERE id < 80",
)
WRITES = (
    "BEGIN",
    "INSERT INTO t VALUES (1000, 3, 's1', 1, NULL, true, 'new'), (1001, 3, 's2', 1, NULL, true, 'new')",
    "INSERT INTO t VALUES (150, 3)",
    "ROLLBACK",
    "BEGIN",
    "UPDATE t SET n = n + 1, s = 's9' WHERE n = 3 AND id < 200",
    "DELETE FROM t WHERE s = 's4' AND id > 100",
    "INSERT INTO t (id, n, s) SELECT id + 2000, n, s FROM t WHERE b AND n > 10",
    "INSERT INTO t (id, n) VALUES (5, 5), (3000, 5) ON CONFLICT (id) DO UPDATE SET s = 'again'",
    *QUERIES,
    "SELECT id, s FROM t WHERE s = 's9' FOR UPDATE",
    "COMMIT",
    "INSERT INTO u VALUES (500, 4, 1)",
    "INSERT INTO u VALUES (500, 5000, 1) RETURNING *",
    "UPDATE u SET t_id = 4 WHERE id = 500",
    "COPY u FROM STDIN\n600\t6000\t1.5\n601\t6001\t2.5\n",
    "COPY (SELECT * FROM u WHERE id > 90 ORDER BY id) TO STDOUT",
    "EXPLAIN ANALYZE SELECT count(*) FROM t WHERE n > 1",
    "CREATE TABLE w (a int PRIMARY KEY)",
    "ALTER TABLE w ADD COLUMN c text",
    "DROP TABLE w",
)


def play(tmp_path: Path, steps: Sequence[moving.Step], trouble: Quiet | None) -> list[bytes]:
    """The answers; with `trouble` by sessions that read from shards behind such a network."""
    hosts: list[RemoteHost] = []

    def client(node: Node, user: str) -> moving.Client:
        if trouble is None or not node.catalog(1).tables or len(node.catalog(1).tables) < 2:
            return moving.Client(node, user)
        if not hosts:
            hosts.append(RemoteHost(node, Network(node, splits(node), trouble)))
        return Client(hosts[0], user)  # type: ignore[arg-type]

    waits: list[moving.Step] = [("setup", text) for text in SETUP[:2]]
    waits += [("setup", "\\wait"), *(("setup", text) for text in SETUP[2:4]), ("setup", "\\wait")]
    answers = moving.play(
        tmp_path, [*waits, *(("setup", text) for text in SETUP[4:]), *steps], moving=False, kind=client
    )
    if trouble is not None:
        assert hosts[0].network.questions > len(steps) / 2
        assert not hosts[0].network.open
        assert hosts[0].storage.running == 0
    return answers


@pytest.mark.parametrize("rough", [False, True], ids=["quiet", "rough"])
def test_statements_answer_as_over_rows_of_this_process(tmp_path: Path, rough: bool) -> None:
    masked = [text for text in (*QUERIES, *WRITES, *QUERIES) if not text.startswith("EXPLAIN")]
    steps: list[moving.Step] = [("a", text) for text in masked]
    for number, value in enumerate(("3", "16", None)):
        sql = "SELECT id, s FROM t WHERE n >= $1 AND s IN ('s1', $2) ORDER BY id"
        steps.append(("a", [*sessions.extended(sql, value, "s3"), pg.Sync()]))
        steps.append(("a", [*sessions.extended("SELECT * FROM t WHERE id = $1", value), pg.Sync()]))
        part = sessions.extended(PARTS[number], max_rows=11, portal="p")
        steps += [("a", "BEGIN"), ("a", [*part, pg.Sync()])]
        steps += [("a", [pg.Execute(portal="p", max_rows=9), pg.Sync()])] * 3 + [("a", "ROLLBACK")]
    direct = play(tmp_path / "direct", steps, None)
    remote = play(tmp_path / "remote", steps, Rough() if rough else Quiet())
    for step, before, after in zip(steps[::-1], direct[::-1], remote[::-1]):
        assert after == before, step
    assert len(direct) == len(remote)


PATIENT = Endurance(answer=60_000 * MS, statement=120_000 * MS)


def reading(
    tmp_path: Path,
    work: Callable[[RemoteHost, Client], Awaitable[None]],
    endurance: Endurance = PATIENT,
    bounds: Bounds = BOUNDS,
) -> None:
    """A client that reads from three shards of two replicas over the rows of `SETUP`, whose index is built."""

    async def with_rows(node: Node) -> None:
        first = sessions.Client(node)
        for text in SETUP:
            answers = await first.query(text)
            if "ASYNC" in text:
                await first.query(f"CALL sys.wait_for_job('{answers[0][0]}')")
        host = RemoteHost(node, Network(node, splits(node), Quiet(), bounds), endurance)
        await work(host, Client(host))  # type: ignore[arg-type]
        assert not host.network.open
        assert host.storage.running == 0

    sessions.run(tmp_path, with_rows)


WAITING = (
    "SELECT * FROM t WHERE id = 5",
    "SELECT id FROM t WHERE n > 3",
    "SELECT count(*) FROM t",
    "SELECT (SELECT max(v) FROM u WHERE v > t.id) FROM t WHERE id < 3",
    "INSERT INTO t VALUES (5)",
    "UPDATE t SET n = 1 WHERE s = 's1'",
    "COPY (SELECT * FROM t) TO STDOUT",
)


def test_a_statement_that_waits_for_rows_may_be_cancelled(tmp_path: Path) -> None:
    async def work(host: RemoteHost, client: Client) -> None:
        for sql in WAITING:
            host.network.held = []
            client.begin(pg.Query(query_string=sql))
            assert isinstance(client.connection.waiting, ReadWait)
            host.cancel(client.session.process_id, client.session.secret)
            answers = await client.finish()
            assert answers[-1] == "ERROR 57014 canceling statement due to user request", sql
            assert not host.network.open
            host.network.go_on()
            assert await client.rows("SELECT id FROM t WHERE id = 5") == [("5",)]

    reading(tmp_path, work)


def test_a_connection_that_is_lost_while_it_waits_leaves_nothing(tmp_path: Path) -> None:
    async def work(host: RemoteHost, client: Client) -> None:
        stacks = []
        for sql in WAITING:
            host.network.held = []
            lost = Client(host)  # type: ignore[arg-type]
            lost.begin(pg.Query(query_string=sql))
            assert isinstance(lost.connection.waiting, ReadWait)
            stacks.append(weakref.ref(lost.connection._work.gi_frame.f_locals["made"]))  # type: ignore[union-attr]
            lost.close()
            assert not host.network.open
            host.network.go_on()
        assert await client.rows("SELECT id FROM t WHERE id = 5") == [("5",)]
        gc.collect()
        assert [each() for each in stacks] == [None] * len(stacks)

    reading(tmp_path, work)


def test_other_replicas_answer_for_those_that_are_gone(tmp_path: Path) -> None:
    async def work(host: RemoteHost, client: Client) -> None:
        network = host.network
        network.end("s0a")
        network.end("s1b")
        expected = await sessions.Client(host._node).rows("SELECT * FROM t ORDER BY id")
        assert await client.rows("SELECT * FROM t ORDER BY id") == expected
        network.held = []
        client.begin(pg.Query(query_string="SELECT * FROM t ORDER BY id"))
        network.gone = {"s2a"}
        network.go_on()
        network.gone = {"s0b"}
        rows = [each for each in await client.finish() if isinstance(each, tuple)]
        assert rows == expected
        network.gone = {"s0a", "s0b"}
        hasty = RemoteHost(host._node, network, Endurance(answer=20 * MS, statement=50 * MS))
        told = await Client(hasty).query("SELECT * FROM t WHERE id = 5")  # type: ignore[arg-type]
        assert told == ["ERROR 40001 change conflicts with another transaction (OC000)"]
        assert (hasty.storage.running, hasty.storage.failed) == (0, 1)

    reading(tmp_path, work, ENDURANCE)


def test_many_keys_are_one_question_per_shard(tmp_path: Path) -> None:
    async def work(host: RemoteHost, client: Client) -> None:
        network = host.network
        for sql, questions in (
            ("SELECT id FROM t WHERE id IN (1, 2, 3, 4)", 1),
            ("SELECT id FROM t WHERE id IN (1, 2, 299, 300)", 2),
            ("SELECT id, v FROM u WHERE t_id IN (2, 4, 6)", 2),
        ):
            network.questions = 0
            assert len(await client.rows(sql)) == 1 + sql.count(",") - sql.count("v")
            assert network.questions == questions, sql

    reading(tmp_path, work)


def test_what_constraints_look_up_is_asked_for_in_batches(tmp_path: Path) -> None:
    async def work(host: RemoteHost, client: Client) -> None:
        network = host.network
        for sql, questions in (
            ("INSERT INTO t (id) SELECT x FROM generate_series(5001, 5300) x", 2),
            ("INSERT INTO u SELECT x, x FROM generate_series(5001, 5100) x", 1),
            ("UPDATE u SET id = id + 10000, t_id = id WHERE id IN (5001, 5002, 5003)", 2),
            ("INSERT INTO u SELECT x, x FROM generate_series(1, 5) x ON CONFLICT DO NOTHING", 1),
        ):
            network.questions = 0
            answers = await client.query(sql)
            assert not str(answers[-1]).startswith("ERROR"), answers
            assert network.questions == questions, sql
        (taken,) = await client.query("INSERT INTO u SELECT x, 20000 + x FROM generate_series(90, 120) x")
        assert str(taken).startswith("ERROR 23505")

    reading(tmp_path, work, bounds=Bounds())


def test_conditions_and_columns_go_along(tmp_path: Path) -> None:
    async def work(host: RemoteHost, client: Client) -> None:
        network = host.network
        assert await client.rows("SELECT id FROM t WHERE n = 3 AND d IS NULL") == []
        network.rows = 0
        assert len(await client.rows("SELECT id FROM t WHERE s = 's1' AND f > 50")) == network.rows == 30
        (scan,) = {each.pushed for each in network.messages[-1:]}
        (row, *_) = StoredPushdown().run(
            scan, [(b"k", 1, rowcode.pack([7, 8, "s1", 60.0, 1, True, "x" * 99]))]
        )
        assert rowcode.unpack(row[2]) == [7, None, "s1", 60.0]
        await client.query("BEGIN")
        await client.query("UPDATE t SET s = 's1' WHERE id = 299")
        await client.query("UPDATE t SET s = 's2' WHERE id = 296")
        found = await client.rows("SELECT id FROM t WHERE s = 's1' AND f > 97")
        assert [row[0] for row in found] == ["299"]

    reading(tmp_path, work)
