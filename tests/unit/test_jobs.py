"""Index builds while rows are written, interrupted at each commit, and of rows that can't have the index."""

import asyncio

import pytest

from journal.record import Write
from server.catalog import store
from server.catalog.descriptor import Job
from server.errors import PgError
from server.runtime import job_work, jobs, waiting
from server.runtime.cluster_requests import answer
from server.runtime.job_work import JobWork
from server.runtime.requests import DropCluster, ListClusters
from server.session.transaction import Transaction
from server.sql.limits import Limits
from storage import keycode
from tests.job_stops import jobs_that_stop
from tests.nodes import until
from tests.property.test_index_entries import check
from tests.sessions import Client, run

DUPLICATE = "Found duplicate key while validating index for UCVs"


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(job_work, "CHUNK_ROWS", 4)


def checked(node) -> int:
    """The number of rows, all of them with their entries."""
    return check(Transaction(node.versions, node.catalog(1), node.start_ts(), Limits()))


async def create(client: Client, statement: str) -> str:
    ((job,), tag) = await client.query(statement)
    assert tag == "CREATE INDEX"
    return job


async def wait(client: Client, job: str) -> str:
    (answer,) = await client.rows(f"CALL sys.wait_for_job('{job}')")
    return answer[0]


async def state(client: Client, index: str) -> str:
    return (await client.rows(f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{index}'::regclass"))[0][
        0
    ]


def between(monkeypatch, statements: list[str], client_of):
    """Run the next statement before each chunk of the build: from a session of its own, to its end."""
    build = JobWork._build_chunk

    async def chunk(self, cluster, job, place):
        if statements:
            await client_of().query(statements.pop(0))
        return await build(self, cluster, job, place)

    monkeypatch.setattr(JobWork, "_build_chunk", chunk)


@pytest.mark.parametrize("unique", ["", "UNIQUE"])
def test_rows_written_while_it_is_built(tmp_path, monkeypatch, unique):
    async def work(node):
        client, writer = Client(node), Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int, c text)")
        await client.query("INSERT INTO t SELECT i, i * 10, 'x' FROM generate_series(1, 20) i")
        statements = [
            "UPDATE t SET b = b + 1000 WHERE a IN (1, 19)",
            "DELETE FROM t WHERE a IN (2, 18)",
            "INSERT INTO t VALUES (0, 5, 'y'), (99, 6, 'y'), (98, NULL, 'y')",
            "UPDATE t SET a = 100 WHERE a = 17",
            "UPDATE t SET a = -1, b = NULL WHERE a = 16",
            "UPDATE t SET b = b - 1",
        ]
        between(monkeypatch, statements, lambda: writer)
        kind = f"CREATE {unique} INDEX ASYNC i ON t (b NULLS FIRST) INCLUDE (c)"
        assert await wait(client, await create(client, kind)) == "t"
        assert statements == []
        assert (await state(client, "i"), checked(node)) == ("t", 21)
        first = (await client.rows("SELECT b FROM t ORDER BY b NULLS FIRST LIMIT 3"))[:3]
        assert first == [(None,), (None,), ("4",)]

    run(tmp_path, work)


def test_a_transaction_from_before_the_index_cannot_commit(tmp_path):
    async def work(node):
        client, other = Client(node), Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        await other.query("BEGIN")
        await other.query("INSERT INTO t VALUES (1, 1)")
        assert await wait(client, await create(client, "CREATE INDEX ASYNC i ON t (b)")) == "t"
        changed = "ERROR 40001 schema has been updated by another transaction (OC001)"
        assert await other.query("COMMIT") == [changed]
        assert checked(node) == 0

    run(tmp_path, work)


def test_duplicates_make_it_invalid_and_stay_refused(tmp_path):
    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int, c int)")
        await client.query("INSERT INTO t VALUES (1, 5, 0), (2, 5, 0), (3, 6, 0), (4, NULL, 0), (5, NULL, 0)")
        job = await create(client, "CREATE UNIQUE INDEX ASYNC i ON t (b) INCLUDE (c)")
        assert await wait(client, job) == "f"
        assert await state(client, "i") == "f"
        shown = f"SELECT status, details FROM sys.jobs WHERE job_id = '{job}'"
        assert await client.rows(shown) == [("failed", DUPLICATE)]
        refused = 'ERROR 23505 duplicate key value violates unique constraint "i"'
        assert await client.query("INSERT INTO t VALUES (9, 5, 0)") == [refused]
        assert await client.query("UPDATE t SET c = 1") == ["UPDATE 5"]
        for one_of_two in ("DELETE FROM t WHERE a = 2", "UPDATE t SET b = 7 WHERE a = 2"):
            await client.query("BEGIN")
            await client.query(one_of_two)
            assert await client.query("INSERT INTO t VALUES (9, 5, 0)") == [refused], one_of_two
            await client.query("ROLLBACK")
        await client.query("DELETE FROM t WHERE a = 2")
        assert checked(node) == 4
        assert await client.query("DROP INDEX i") == ["DROP INDEX"]
        assert await client.query("INSERT INTO t VALUES (9, 5, 0)") == ["INSERT 0 1"]

    run(tmp_path, work)


def test_a_duplicate_inserted_while_it_is_built(tmp_path, monkeypatch):
    """The new row has the key's entry before the old one is read; the old one goes, the new one keeps it."""

    async def work(node):
        client, writer = Client(node), Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        await client.query("INSERT INTO t SELECT i, i FROM generate_series(1, 12) i")
        statements = ["INSERT INTO t VALUES (0, 12)", "DELETE FROM t WHERE a = 12"]
        between(monkeypatch, statements, lambda: writer)
        assert await wait(client, await create(client, "CREATE UNIQUE INDEX ASYNC i ON t (b)")) == "t"
        assert (await state(client, "i"), checked(node)) == ("t", 12)

    run(tmp_path, work)


def test_a_key_that_is_too_large_makes_it_invalid(tmp_path):
    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b text)")
        await client.query("INSERT INTO t VALUES (1, repeat('x', 3000))")
        job = await create(client, "CREATE INDEX ASYNC i ON t (b)")
        assert await wait(client, job) == "f"
        details = await client.rows(f"SELECT details FROM sys.jobs WHERE job_id = '{job}'")
        assert (await state(client, "i"), details) == ("f", [("key size too large",)])
        assert await client.query("INSERT INTO t VALUES (2, repeat('x', 3000))") == [
            "ERROR 54000 key size too large"
        ]

    run(tmp_path, work)


@pytest.mark.parametrize("dropped", ["DROP TABLE t", "DROP INDEX i"])
def test_what_is_built_is_dropped(tmp_path, monkeypatch, dropped):
    async def work(node):
        client, other = Client(node), Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        await client.query("INSERT INTO t SELECT i, i FROM generate_series(1, 12) i")
        table = next(iter(node.catalog(1).tables))
        between(monkeypatch, ["SELECT 1", dropped], lambda: other)
        job = await create(client, "CREATE INDEX ASYNC i ON t (b)")
        index = table_index = next(iter(node.catalog(1).tables.values())).indexes[0].oid
        assert await wait(client, job) == "t"
        ended = "SELECT count(*) FROM sys.jobs WHERE status NOT IN ('completed', 'failed')"
        while await client.rows(ended) != [("0",)]:
            await asyncio.sleep(0.001)
        assert table_index == index
        gone = [index, table] if dropped == "DROP TABLE t" else [index]
        for oid in gone:
            lo = (1).to_bytes(4, "big") + oid.to_bytes(4, "big")
            assert node.versions.scan(lo, lo + b"\xff", node.start_ts()) == ([], None)
        if dropped == "DROP TABLE t":
            await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
            assert await client.query("SELECT * FROM t") == ["SELECT 0"]

    run(tmp_path, work)


@pytest.mark.parametrize("statements", [["DROP TABLE t"], ["DROP INDEX i", "INSERT INTO t VALUES (99, 99)"]])
def test_what_is_checked_is_dropped(tmp_path, monkeypatch, statements):
    """A check that takes long goes on as of a later time, at which rows without entries may be right."""
    left = list(statements)

    async def work(node):
        client, writer = Client(node), Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        await client.query("INSERT INTO t SELECT i, i FROM generate_series(1, 12) i")
        check_chunk = JobWork._validate_chunk

        async def chunk(self, *arguments):
            while left:
                await writer.query(left.pop(0))
            return await check_chunk(self, *arguments)

        monkeypatch.setattr(JobWork, "_validate_chunk", chunk)
        monkeypatch.setattr(JobWork, "_may_read_on", lambda self, begun: begun > 0 and bool(left))
        job = await create(client, "CREATE INDEX ASYNC i ON t (b)")
        assert await wait(client, job) == "t"
        details = await client.rows(f"SELECT details FROM sys.jobs WHERE job_id = '{job}'")
        assert (details, left) == ([('relation "public.i" does not exist',)], [])

    run(tmp_path, work)


@pytest.mark.parametrize("commits", range(6))
@pytest.mark.parametrize("unique", ["", "UNIQUE"])
def test_a_crash_before_any_commit_of_the_job(tmp_path, commits, unique):
    """The job goes on with the next start, whatever it had done."""
    found = []

    async def before(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        await client.query("INSERT INTO t SELECT i, i FROM generate_series(1, 8) i")
        with jobs_that_stop(commits) as have_stopped:
            found.append(await create(client, f"CREATE {unique} INDEX ASYNC i ON t (b)"))
            await until(lambda: have_stopped() or node.jobs.completed)

    async def after(node):
        client = Client(node)
        assert await wait(client, found[0]) == "t"
        assert (await state(client, "i"), checked(node)) == ("t", 8)

    run(tmp_path, before, memory=False, killed=True)
    run(tmp_path, after, memory=False)


@pytest.fixture
def held(monkeypatch):
    """Builds of the indexes of these names stand still until they are taken out."""
    names: set[str] = set()
    build = JobWork._build_chunk

    async def chunk(self, cluster, job, place):
        await until(lambda: job.object_name.removeprefix("public.") not in names)
        return await build(self, cluster, job, place)

    monkeypatch.setattr(JobWork, "_build_chunk", chunk)
    return names


def test_a_long_job_holds_nobody_up(tmp_path, held):
    """The others run beside it, in its cluster and elsewhere."""

    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        await client.query("CREATE TABLE u (a int PRIMARY KEY)")
        held.add("long")
        long = await create(client, "CREATE INDEX ASYNC long ON t (b)")
        assert await wait(client, await create(client, "CREATE INDEX ASYNC short ON t (b)")) == "t"
        assert await client.query("ANALYZE t") == ["ANALYZE"]
        assert await client.query("DROP TABLE u") == ["DROP TABLE"]
        (made,) = [each[0] for each in await client.rows("CALL opendsql.new_cluster()")]
        await answer(node, DropCluster(made))
        dropped = "SELECT count(*) FROM sys.jobs WHERE job_type = 'DROP' AND status = 'completed'"
        while await client.rows(dropped) != [("1",)] or len(await answer(node, ListClusters())) > 1:
            await asyncio.sleep(0.001)
        assert (await state(client, "short"), await state(client, "long")) == ("t", "f")
        held.clear()
        assert await wait(client, long) == "t"

    run(tmp_path, work)


def test_so_many_jobs_run_at_a_time(tmp_path, monkeypatch, held):
    """One more waits until one of them has ended; for those that a statement waits for there is room beside."""
    monkeypatch.setattr(jobs, "CONCURRENT", 2)

    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        held.update(("i1", "i2"))
        names = [await create(client, f"CREATE INDEX ASYNC i{n} ON t (b)") for n in (1, 2, 3)]
        assert await client.query("ANALYZE t") == ["ANALYZE"]
        shown = "SELECT object_name, status FROM sys.jobs WHERE job_type = 'INDEX_BUILD' ORDER BY 1"
        assert [status for _name, status in await client.rows(shown)] == ["processing"] * 2 + ["submitted"]
        held.remove("i1")
        assert [await wait(client, names[n]) for n in (0, 2)] == ["t", "t"]
        held.clear()
        assert await wait(client, names[1]) == "t"

    run(tmp_path, work)


def test_a_cluster_with_a_job_is_removed_when_the_job_has_ended(tmp_path, held):
    """What the job still wrote is removed with the rest."""

    async def work(node):
        client = Client(node)
        (made,) = [each[0] for each in await client.rows("CALL opendsql.new_cluster()")]
        number = node.cluster_named(made)
        other = Client(node, options=f"-c amzn-cluster-id={made}")
        await other.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        await other.query("INSERT INTO t SELECT i, i FROM generate_series(1, 12) i")
        held.add("i")
        await create(other, "CREATE INDEX ASYNC i ON t (b)")
        await until(lambda: any(job.status == "processing" for job in node.jobs.jobs(number)))
        await answer(node, DropCluster(made))
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        assert await wait(client, await create(client, "CREATE INDEX ASYNC other ON t (b)")) == "t"
        assert len(await answer(node, ListClusters())) == 2
        held.clear()
        while len(await answer(node, ListClusters())) > 1:
            await asyncio.sleep(0.001)
        lo = number.to_bytes(4, "big")
        assert node.versions.scan(lo, lo + b"\xff", node.start_ts()) == ([], None)

    run(tmp_path, work)


def test_a_full_disk_delays_the_job(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "RETRY_S", 0.001)
    commit = JobWork._commit
    refused = []

    async def full(self, *args):
        if len(refused) < 3:
            refused.append(1)
            raise PgError("53100", "Current cluster size exceeds cluster size limit.")
        await commit(self, *args)

    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        await client.query("INSERT INTO t VALUES (1, 1)")
        monkeypatch.setattr(JobWork, "_commit", full)
        assert await wait(client, await create(client, "CREATE INDEX ASYNC i ON t (b)")) == "t"
        assert (await state(client, "i"), checked(node)) == ("t", 1)

    run(tmp_path, work)


def test_a_full_cluster_delays_only_what_needs_room(tmp_path, monkeypatch):
    """The index waits; another cluster's jobs run, and so does the DROP that makes room for it."""
    monkeypatch.setattr(jobs, "RETRY_S", 0.001)

    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE big (a int PRIMARY KEY, v bytea)")
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        await client.query("INSERT INTO t SELECT i, i FROM generate_series(1, 12) i")
        fill = "INSERT INTO big SELECT i, decode(repeat('00', 1000), 'hex') FROM generate_series(1, 50) i"
        assert await client.query(fill) == ["INSERT 0 50"]
        (made,) = [each[0] for each in await client.rows("CALL opendsql.new_cluster()")]
        job = await create(client, "CREATE INDEX ASYNC i ON t (b)")
        other = Client(node, options=f"-c amzn-cluster-id={made}")
        await other.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        await other.query("INSERT INTO t VALUES (1, 1)")
        assert await wait(other, await create(other, "CREATE INDEX ASYNC i ON t (b)")) == "t"
        shown = f"SELECT status FROM sys.jobs WHERE job_id = '{job}'"
        assert (await client.rows(shown), await state(client, "i")) == ([("processing",)], "f")
        assert await client.query("DROP TABLE big") == ["DROP TABLE"]
        assert await wait(client, job) == "t"
        assert (await state(client, "i"), checked(node)) == ("t", 12)

    run(tmp_path, work, limits=Limits(cluster_bytes=20_000))


def test_others_have_turns_within_a_chunk(tmp_path, monkeypatch):
    """By the time that the rows take: here after every one, when it is filled and when it is validated."""
    monkeypatch.setattr(job_work, "CHUNK_ROWS", 1000)
    monkeypatch.setattr(waiting, "SLICE_S", -1.0)
    seen, turns = [], [0]
    entry = job_work._entry

    def watched(*args):
        seen.append(turns[0])
        return entry(*args)

    async def count():
        while True:
            turns[0] += 1
            await asyncio.sleep(0)

    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        await client.query("INSERT INTO t SELECT i, i FROM generate_series(1, 50) i")
        monkeypatch.setattr(job_work, "_entry", watched)
        counting = asyncio.get_running_loop().create_task(count())
        assert await wait(client, await create(client, "CREATE INDEX ASYNC i ON t (b)")) == "t"
        counting.cancel()
        assert len(seen) == len(set(seen)) == 100

    run(tmp_path, work)


def test_a_defect_in_a_job_ends_the_node(tmp_path, monkeypatch):
    """Nobody waits for ever for a runner that is gone."""
    from tests.nodes import Failures
    from tests.nodes import run as run_node

    failures = Failures()

    async def work(node):
        client = Client(node)

        async def breaks(*_):
            raise ZeroDivisionError

        monkeypatch.setattr(JobWork, "perform", breaks)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        await client.query("CREATE INDEX ASYNC i ON t (b)")
        await until(lambda: failures)

    run_node(tmp_path, work, failures, memory=True)
    assert [type(each) for each in failures] == [ZeroDivisionError]


def test_a_row_written_between_its_reading_and_the_commit(tmp_path, monkeypatch):
    """The job names what it read as guards: an entry must not come back that the writer has moved."""

    async def work(node):
        client, writer = Client(node), Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        await client.query("INSERT INTO t SELECT i, i FROM generate_series(1, 8) i")
        statements = ["UPDATE t SET b = 100 WHERE a = 1", "DELETE FROM t WHERE a = 2"]
        commit = JobWork._commit

        async def late(self, start_ts, writes, checks, guards):
            if guards and statements:
                await writer.query(statements.pop(0))
            await commit(self, start_ts, writes, checks, guards)

        monkeypatch.setattr(JobWork, "_commit", late)
        assert await wait(client, await create(client, "CREATE INDEX ASYNC i ON t (b)")) == "t"
        assert statements == []
        assert checked(node) == 7

    run(tmp_path, work)


def test_a_duplicate_that_goes_while_it_is_built(tmp_path, monkeypatch):
    """The row that had the entry goes, and the other one is given it by another pass."""

    async def work(node):
        client, writer = Client(node), Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        await client.query("INSERT INTO t SELECT i, greatest(i, 2) FROM generate_series(1, 12) i")
        between(monkeypatch, ["SELECT 1", "DELETE FROM t WHERE a = 1"], lambda: writer)
        assert await wait(client, await create(client, "CREATE UNIQUE INDEX ASYNC i ON t (b)")) == "t"
        assert (await state(client, "i"), checked(node)) == ("t", 11)

    run(tmp_path, work)


def test_a_job_starts_after_the_time_that_was_set(tmp_path):
    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        job = await create(client, "CREATE INDEX ASYNC i ON t (b)")
        assert await wait(client, job) == "t"
        found = node.jobs.find(1, job)
        assert found.update_time - found.start_time >= 200_000

    run(tmp_path, work, limits=Limits(job_start_s=0.2))


def test_rows_of_tables_are_no_jobs():
    """The last byte of a table's oid may be that of the space of jobs."""
    job = store.encode(Job("a" * 26, "INDEX_BUILD", "submitted", "", 0, "i", 0, None))
    ended = store.encode(Job("a" * 26, "INDEX_BUILD", "completed", "", 0, "i", 0, 1))
    key = store.job_key(1, "a" * 26)
    written = [(key, job), (key, ended), (key, None), (keycode.prefix(1, 0x4100 + store.JOBS) + b"a", job)]
    found = [store.is_submitted_job(Write(key, value, 3)) for key, value in written]
    assert found == [True, False, False, False]
