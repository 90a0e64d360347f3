"""ALTER TABLE ASYNC ... VALIDATE CONSTRAINT while rows are written, interrupted at each commit, and of broken rows."""

import asyncio

import pytest

from server.runtime import job_work, waiting
from server.runtime.job_work import JobWork
from server.runtime.validating import Validator
from tests.job_stops import jobs_that_stop
from tests.nodes import until
from tests.sessions import Client, run

SMALL = 'check constraint "small" of relation "t" is violated by some row'
BROKEN = 'insert or update on table "t" violates foreign key constraint "ref"'


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(job_work, "CHUNK_ROWS", 4)


async def setup(client: Client) -> None:
    """20 rows, of which 13 breaks `small` and 17 breaks `ref`."""
    await client.query("CREATE TABLE p (id int PRIMARY KEY)")
    await client.query("CREATE TABLE t (id int PRIMARY KEY, v int, p int)")
    await client.query("INSERT INTO p SELECT n FROM generate_series(0, 4) n")
    await client.query("INSERT INTO t SELECT n, n * 7 % 20, n % 5 FROM generate_series(1, 20) n")
    await client.query("UPDATE t SET v = 100 WHERE id = 13")
    await client.query("UPDATE t SET p = 9 WHERE id = 17")
    added = "ALTER TABLE t ADD CONSTRAINT small CHECK (v < 20) NOT VALID, "
    added += "ADD CONSTRAINT ref FOREIGN KEY (p) REFERENCES p NOT VALID"
    assert await client.query(added) == ["ALTER TABLE"]


async def submit(client: Client, name: str) -> str:
    ((job,), tag) = await client.query(f"ALTER TABLE ASYNC t VALIDATE CONSTRAINT {name}")
    assert tag == "ALTER TABLE"
    return job


async def ended(client: Client, job: str) -> tuple[str, str, str]:
    """What the wait answers, and the job's status and details."""
    (answer,) = await client.rows(f"CALL sys.wait_for_job('{job}')")
    shown = f"SELECT status, details FROM sys.jobs WHERE job_id = '{job}'"
    (row,) = await client.rows(shown)
    return (answer[0], *row)


async def valid(client: Client) -> dict[str, str]:
    found = (
        "SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 't'::regclass AND contype <> 'p'"
    )
    return dict(await client.rows(found))


def between(monkeypatch, statements: list[str], writer):
    """Run the next statement before each piece that is read, to its end."""
    now = JobWork.now

    async def paused(self):
        if statements and any(job.status == "processing" for job in self._node.jobs.jobs(1)):
            await writer().query(statements.pop(0))
        return await now(self)

    monkeypatch.setattr(JobWork, "now", paused)


@pytest.mark.parametrize(("name", "details"), [("small", SMALL), ("ref", BROKEN)])
def test_broken_rows_fail_it(tmp_path, name, details):
    async def work(node):
        client = Client(node)
        await setup(client)
        assert await ended(client, await submit(client, name)) == ("f", "failed", details)
        assert await valid(client) == {"small": "f", "ref": "f"}
        assert await client.query("UPDATE t SET v = 1, p = 1 WHERE id IN (13, 17)") == ["UPDATE 2"]
        assert await ended(client, await submit(client, name)) == ("t", "completed", "")
        assert (await valid(client))[name] == "t"
        assert await ended(client, await submit(client, name)) == ("t", "completed", "")
        facts = "SELECT job_type, class_id, object_id = c.oid, object_name FROM sys.jobs, pg_constraint c"
        assert set(await client.rows(f"{facts} WHERE conname = '{name}'")) == {
            ("CONSTRAINT_VALIDATION", "2606", "t", f"public.{name}")
        }

    run(tmp_path, work)


@pytest.mark.parametrize("name", ["small", "ref"])
def test_it_gives_oc001_to_who_uses_the_table(tmp_path, monkeypatch, name):
    async def work(node):
        client, other = Client(node), Client(node)
        await setup(client)
        await client.query("DELETE FROM t WHERE id IN (13, 17)")
        statements = ["SELECT 1 FROM t", "BEGIN", "UPDATE t SET v = 5 WHERE id = 2"]
        between(monkeypatch, statements, lambda: other)
        assert await ended(client, await submit(client, name)) == ("t", "completed", "")
        changed = "ERROR 40001 schema has been updated by another transaction (OC001)"
        assert (await other.query("COMMIT"), statements) == ([changed], [])
        assert (await valid(client))[name] == "t"

    run(tmp_path, work)


MOVES = ["SELECT 1 FROM t", "SELECT 2 FROM t", "SELECT 3 FROM t", "UPDATE t SET id = -17 WHERE id = 17"]
"""The row that breaks `ref` moves from before the job's place to behind it; PostgreSQL lets it."""


def test_a_row_that_moves_past_the_job(tmp_path, monkeypatch):
    """It is found where it was when the pass began."""

    async def work(node):
        client, writer = Client(node), Client(node)
        await setup(client)
        chunk = JobWork._look_at_chunk
        statements, seen = list(MOVES), []

        def watched(self, validator, txn, place, since):
            if statements:
                asyncio.get_running_loop().create_task(writer.query(statements.pop(0)))
            seen.append(since)
            return chunk(self, validator, txn, place, since)

        monkeypatch.setattr(JobWork, "_look_at_chunk", watched)
        assert await ended(client, await submit(client, "ref")) == ("f", "failed", BROKEN)
        assert (await client.rows("SELECT id FROM t WHERE p = 9"), set(seen)) == ([("-17",)], {0})

    run(tmp_path, work)


def test_a_row_that_moves_past_a_job_that_takes_long(tmp_path, monkeypatch):
    """Every piece is of another time, as in a pass that takes minutes: it is found by the next pass."""
    passes = []
    read_on = JobWork._may_read_on

    async def work(node):
        client, writer = Client(node), Client(node)
        await setup(client)
        rows = JobWork._look_at_rows

        async def counted(self, cluster, job, since):
            passes.append(since)
            return await rows(self, cluster, job, since)

        monkeypatch.setattr(JobWork, "_look_at_rows", counted)
        monkeypatch.setattr(
            JobWork, "_may_read_on", lambda self, begun: len(passes) > 1 and read_on(self, begun)
        )
        between(monkeypatch, list(MOVES), lambda: writer)
        assert await ended(client, await submit(client, "ref")) == ("f", "failed", BROKEN)
        assert await client.rows("SELECT id FROM t WHERE p = 9") == [("-17",)]
        assert len(passes) == 2 and passes[1] > passes[0] == 0

    run(tmp_path, work)


def test_others_have_turns_within_a_chunk(tmp_path, monkeypatch):
    """By the time that the rows take: here after every one."""
    monkeypatch.setattr(job_work, "CHUNK_ROWS", 1000)
    monkeypatch.setattr(waiting, "SLICE_S", -1.0)
    seen, turns = [], [0]
    broken = Validator.broken

    def watched(self, txn, rows):
        for is_broken in broken(self, txn, rows):
            seen.append(turns[0])
            yield is_broken

    async def count():
        while True:
            turns[0] += 1
            await asyncio.sleep(0)

    async def work(node):
        client = Client(node)
        await setup(client)
        await client.query("DELETE FROM t WHERE id IN (13, 17)")
        monkeypatch.setattr(Validator, "broken", watched)
        counting = asyncio.get_running_loop().create_task(count())
        assert await ended(client, await submit(client, "ref")) == ("t", "completed", "")
        counting.cancel()
        assert len(seen) == len(set(seen)) == 18

    run(tmp_path, work)


def test_writers_while_it_runs(tmp_path, monkeypatch):
    """Whatever they do, no row breaks the constraints once they are valid."""

    async def work(node):
        client, writer = Client(node), Client(node)
        await setup(client)
        await client.query("DELETE FROM t WHERE id IN (13, 17)")
        statements = [
            "INSERT INTO t VALUES (0, 1, 1), (99, 2, 2)",
            "INSERT INTO t VALUES (-1, 20, 1)",
            "UPDATE t SET id = id + 1000 WHERE id < 5",
            "INSERT INTO t VALUES (-1, 1, 77)",
            "DELETE FROM p WHERE id = 4",
            "UPDATE t SET v = 30 WHERE id = 20",
            "DELETE FROM t WHERE p = 4",
            "DELETE FROM p WHERE id = 4",
        ]
        between(monkeypatch, statements, lambda: writer)
        for name in ("small", "ref"):
            assert await ended(client, await submit(client, name)) == ("t", "completed", "")
        assert statements == []
        assert await client.rows("SELECT count(*) FROM t WHERE v >= 20 OR p NOT IN (SELECT id FROM p)") == [
            ("0",)
        ]
        assert await valid(client) == {"small": "t", "ref": "t"}

    run(tmp_path, work)


@pytest.mark.parametrize(
    "statement", ["DROP TABLE t", "ALTER TABLE t DROP CONSTRAINT small", "ALTER TABLE t DROP COLUMN v"]
)
def test_what_is_validated_is_dropped(tmp_path, monkeypatch, statement):
    async def work(node):
        client, other = Client(node), Client(node)
        await setup(client)
        between(monkeypatch, ["SELECT 1", statement], lambda: other)
        job = await submit(client, "small")
        assert await ended(client, job) == ("t", "completed", 'relation "public.small" does not exist')
        assert await client.rows(f"SELECT object_name FROM sys.jobs WHERE job_id = '{job}'") == [(None,)]

    run(tmp_path, work)


@pytest.mark.parametrize("commits", range(3))
def test_a_crash_before_any_commit_of_the_job(tmp_path, commits):
    """The job goes on with the next start, whatever it had done."""
    found = []

    async def before(node):
        client = Client(node)
        await setup(client)
        await client.query("DELETE FROM t WHERE id IN (13, 17)")
        with jobs_that_stop(commits) as have_stopped:
            found.append(await submit(client, "ref"))
            await until(lambda: have_stopped() or node.jobs.completed)

    async def after(node):
        client = Client(node)
        assert await ended(client, found[0]) == ("t", "completed", "")
        assert await valid(client) == {"small": "f", "ref": "t"}

    run(tmp_path, before, memory=False, killed=True)
    run(tmp_path, after, memory=False)


def test_an_error_of_the_expression_fails_it(tmp_path):
    async def work(node):
        client = Client(node)
        await setup(client)
        await client.query("ALTER TABLE t ADD CONSTRAINT zero CHECK (1 / (id - 5) < 9) NOT VALID")
        assert await ended(client, await submit(client, "zero")) == ("f", "failed", "division by zero")

    run(tmp_path, work)


def test_it_is_ddl(tmp_path):
    """One per transaction, and not with DML, though it only leaves a job."""

    async def work(node):
        client = Client(node)
        await setup(client)
        validate = "ALTER TABLE ASYNC t VALIDATE CONSTRAINT small"
        await client.query("BEGIN")
        await client.query(validate)
        refused = "ERROR 0A000 ddl and dml are not supported in the same transaction"
        assert await client.query("DELETE FROM t") == [refused]
        await client.query("ROLLBACK")
        await client.query("BEGIN")
        await client.query(validate)
        refused = "ERROR 0A000 multiple ddl statements not supported in a transaction"
        assert await client.query(validate) == [refused]
        await client.query("ROLLBACK")
        assert await client.rows("SELECT count(*) FROM sys.jobs") == [("0",)]

    run(tmp_path, work)
