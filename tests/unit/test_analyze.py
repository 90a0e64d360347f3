"""ANALYZE as a statement and by itself: jobs that count rows, beside the catalog."""

import asyncio

import pytest

from journal.record import Commit, LockClass, Write
from server.catalog import store
from server.catalog.descriptor import Statistics, Table
from server.runtime import job_work
from server.runtime.activity import Activity
from server.runtime.job_work import JobWork
from server.sql.limits import Limits
from storage import keycode
from tests.nodes import until
from tests.sessions import Client, run

QUICK = Limits(analyze_interval_s=0.02)
"""It looks for tables that have changed all the time."""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(job_work, "COUNTED_ROWS", 4)


async def reltuples(client: Client, name: str) -> str:
    return (await client.rows(f"SELECT reltuples FROM pg_class WHERE oid = '{name}'::regclass"))[0][0]


async def analyses(client: Client) -> list[tuple[str, str, str]]:
    shown = "SELECT status, details, object_name FROM sys.jobs WHERE job_type = 'ANALYZE' ORDER BY start_time"
    return await client.rows(shown)


def test_the_statement_waits_for_its_job(tmp_path):
    async def work(node):
        client, other = Client(node), Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int UNIQUE)")
        await client.query("INSERT INTO t SELECT i, i FROM generate_series(1, 21) i")
        await other.query("BEGIN")
        await other.query("SELECT 1 FROM t")
        assert (await reltuples(client, "t"), await reltuples(client, "t_b_key")) == ("-1", "-1")
        assert await client.query("ANALYZE t") == ["ANALYZE"]
        assert (await reltuples(client, "t"), await reltuples(client, "t_b_key")) == ("21", "21")
        assert await analyses(client) == [("completed", "", "public.t")]
        assert await other.query("COMMIT") == ["COMMIT"]  # it changes nothing in the catalog

    run(tmp_path, work, limits=Limits(job_start_s=1e6))


def test_what_it_found_survives_a_restart(tmp_path):
    async def before(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY)")
        await client.query("INSERT INTO t VALUES (1), (2)")
        await client.query("ANALYZE t")

    async def after(node):
        assert await reltuples(Client(node), "t") == "2"

    run(tmp_path, before, memory=False, killed=True)
    run(tmp_path, after, memory=False)


def test_it_needs_to_own_the_table(tmp_path):
    """Else PostgreSQL's warning, and nothing is done."""

    async def work(node):
        admin = Client(node)
        await admin.query("CREATE ROLE r WITH LOGIN")
        await admin.query("CREATE TABLE t (a int PRIMARY KEY)")
        client = Client(node, "r")
        warning = 'WARNING 01000 permission denied to analyze "t", skipping'
        assert await client.query("ANALYZE t") == [warning, "ANALYZE"]
        assert await analyses(admin) == []

    run(tmp_path, work)


def test_tables_are_analyzed_after_writes(tmp_path):
    """More than 50 rows and a tenth of those that there were: PostgreSQL's autovacuum."""

    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        await client.query("CREATE TABLE quiet (a int PRIMARY KEY)")
        await client.query("INSERT INTO t SELECT i, i FROM generate_series(1, 50) i")
        await client.query("INSERT INTO quiet SELECT i FROM generate_series(1, 50) i")
        looks = node.jobs.looks
        await until(lambda: node.jobs.looks > looks + 1)
        assert await analyses(client) == []
        await client.query("UPDATE t SET b = 0 WHERE a = 1")
        await until(lambda: node.jobs.completed == 1)
        assert (await reltuples(client, "t"), await reltuples(client, "quiet")) == ("50", "-1")
        await client.query(
            "INSERT INTO t SELECT i, i FROM generate_series(51, 105) i"
        )  # 50 + 5 are not enough
        looks = node.jobs.looks
        await until(lambda: node.jobs.looks > looks + 1)
        assert len(await analyses(client)) == 1
        await client.query("DELETE FROM t WHERE a = 105")
        await until(lambda: node.jobs.completed == 2)
        assert await reltuples(client, "t") == "104"
        assert await analyses(client) == [("completed", "", "public.t")] * 2

    run(tmp_path, work, limits=QUICK)


def test_it_can_be_switched_off(tmp_path):
    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY)")
        await client.query("INSERT INTO t SELECT i FROM generate_series(1, 100) i")
        await client.query("CREATE INDEX ASYNC i ON t (a)")
        await until(lambda: node.jobs.completed == 1)
        assert await analyses(client) == []
        assert await client.query("ANALYZE t") == ["ANALYZE"]

    run(tmp_path, work, limits=Limits(analyze_interval_s=0))


def test_a_table_that_is_dropped_meanwhile(tmp_path, monkeypatch):
    """Its job is skipped, and what was known of it goes with its rows."""
    now = JobWork.now
    statements = ["SELECT 1", "DROP TABLE t"]

    async def work(node):
        client, other = Client(node), Client(node)

        async def paused(self):
            if statements and any(job.status == "processing" for job in self._node.jobs.jobs(1)):
                await other.query(statements.pop(0))
            return await now(self)

        await client.query("CREATE TABLE t (a int PRIMARY KEY)")
        await client.query("INSERT INTO t SELECT i FROM generate_series(1, 20) i")
        await client.query("ANALYZE t")
        assert len(node.jobs.statistics(1)) == 1
        monkeypatch.setattr(JobWork, "now", paused)
        assert await client.query("ANALYZE t") == ["ANALYZE"]
        assert statements == []
        ended = "SELECT count(*) FROM sys.jobs WHERE status NOT IN ('completed', 'failed')"
        while await client.rows(ended) != [("0",)]:
            await asyncio.sleep(0.001)
        skipped = ("completed", "Skipped job for nonexistent table.", None)
        assert sorted(await analyses(client), key=str)[-1] == skipped
        assert node.jobs.statistics(1) == {}

    run(tmp_path, work)


def test_whose_writes_are_counted():
    """A core: keys of indexes, of the catalog and of other clusters are nobody's."""
    activity = Activity()
    table = Table(20_000, 2200, "t", 10, ())
    catalog = store.make(7, 1, 30_000, {table.oid: table}, {}, {})
    lock = int(LockClass.EXCLUSIVE)

    def written(cluster: int, oid: int, count: int) -> None:
        prefix = keycode.prefix(cluster, oid)
        writes = [Write(prefix + bytes([n]), b"", lock) for n in range(count)]
        activity.note([Commit(b"t" * 16, 1, 2, writes, [])])

    cluster = catalog.cluster
    assert activity.is_empty
    written(cluster, table.oid, 50)
    written(cluster, 99_999, 60)
    written(cluster, 3, 60)
    written(cluster + 1, table.oid, 60)
    assert activity.due(catalog, {}) == []
    written(cluster, table.oid, 1)
    assert activity.due(catalog, {table.oid: Statistics(10, 0)}) == []
    written(cluster, table.oid, 1)
    assert activity.due(catalog, {table.oid: Statistics(10, 0)}) == [table]
    assert activity.due(catalog, {}) == []
    assert not activity.is_empty  # the other cluster's


def test_what_was_written_in_clusters_that_are_gone_is_forgotten():
    activity = Activity()
    keys = [keycode.prefix(cluster, 16400) + b"k" for cluster in (0, 1, 2)]
    activity.note([Commit(b"t" * 16, 1, 2, [Write(key, b"", LockClass.BLIND) for key in keys], [])])
    activity.forget_others([1, 3])
    assert not activity.is_empty
    activity.forget_others([3])
    assert activity.is_empty


def test_every_look_forgets_what_is_no_cluster(tmp_path):
    """The directory's own rows are cluster 0's, which has no catalog."""

    async def work(node):
        client = Client(node)
        await client.rows("CALL opendsql.new_cluster()")
        assert not node.jobs.work.activity.is_empty
        await until(lambda: node.jobs.looks > 0)
        await until(lambda: node.jobs.work.activity.is_empty)

    run(tmp_path, work, limits=QUICK)
