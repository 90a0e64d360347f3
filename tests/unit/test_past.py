"""opendsql.as_of beside commits that are under way, and where the versions of then are gone."""

import asyncio
import time

import pytest

from server.errors import PgError
from server.runtime.node import Node
from server.session.past import PastVersions
from server.session.reader import Failure, error
from server.sql.limits import Limits
from storage.mvcc import TooOld
from storage.replica import RETENTION_NS
from tests import sessions
from tests.sessions import Client


def test_a_commit_that_has_its_time_is_waited_for(tmp_path):
    async def work(node: Node) -> None:
        node.committer._others = lambda pending, _waiting: True  # flushes go to the thread
        writer, reader = Client(node), Client(node)
        await writer.query("CREATE TABLE t (id int PRIMARY KEY)")
        writer.begin(*sessions.extended("INSERT INTO t VALUES (1)"), sessions.pg.Sync())
        while not node.committer._flushing:
            await asyncio.sleep(0)
        assert await reader.query("BEGIN READ ONLY") == ["BEGIN"]
        begun = node.start_ts()
        assert (await reader.query("SELECT opendsql.as_of(now()) = now()"))[0] == ("t",)
        assert await reader.rows("SELECT id FROM t") == [("1",)]
        assert node.start_ts() > begun, "it was under way"
        await writer.finish()
        for each in (writer, reader):
            each.close()

    sessions.run(tmp_path, work, clock=time.time_ns)


def test_nobody_is_waited_for_without_need(tmp_path):
    async def work(node: Node) -> None:
        assert node.committer.settled().done
        wait = node.committer.checkpoint()
        settled = node.committer.settled()
        assert not settled.done
        while not wait.done:
            await asyncio.sleep(0)
        assert settled.done

    sessions.run(tmp_path, work)


def test_storage_keeps_the_history(tmp_path):
    """By as much longer as the setting says."""

    async def work(node: Node) -> None:
        assert node.versions.retention_ns == RETENTION_NS + 7 * 10**9

    sessions.run(tmp_path, work, Limits(history_s=7.0))


def test_what_storage_has_let_go_of_is_told_in_postgresqls_words(tmp_path):
    async def work(node: Node) -> None:
        client = Client(node)
        await client.query("CREATE TABLE t (id int PRIMARY KEY, value int)")
        await client.query("INSERT INTO t VALUES (1, 1)")
        moment = (await client.rows("SELECT clock_timestamp()"))[0][0]
        await client.query("UPDATE t SET value = 2")
        await client.query("BEGIN READ ONLY")
        await client.query(f"SELECT opendsql.as_of('{moment}')")
        assert await client.rows("SELECT value FROM t") == [("1",)]
        node.versions.trim_before(time.time_ns())
        assert await client.query("SELECT value FROM t") == ["ERROR 72000 snapshot too old"]
        await client.query("ROLLBACK")
        await client.query("BEGIN READ ONLY")
        assert await client.query(f"SELECT opendsql.as_of('{moment}')") == ["ERROR 72000 snapshot too old"]
        client.close()

    sessions.run(tmp_path, work, clock=time.time_ns)


def test_so_is_what_other_processes_have_let_go_of():
    class Gone:
        is_remote = True

        def get(self, key: bytes, ts: int) -> bytes | None:
            raise error(Failure.TOO_OLD, age_s=400.0, limit_s=300.0)

        def scan(self, *arguments: object) -> object:
            raise TooOld

    for call in (lambda: PastVersions(Gone()).get(b"k", 1), lambda: PastVersions(Gone()).scan(b"", b"k", 1)):
        with pytest.raises(PgError, match="snapshot too old") as raised:
            call()
        assert raised.value.sqlstate == "72000"
