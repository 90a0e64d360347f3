"""`opendsql serve --router`: sessions outlive the processes that serve them, seen through drivers."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest

from tests.drivers.test_workers import Workers, is_running, until
from tests.golden.test_scripts import SCRIPTS, run_script
from tests.server import empty
from tests.serving_process import opendsql

pytestmark = pytest.mark.slow

SOON = ("--no-conflict-detail", "--router", "--suspend-seconds", "0", "--retire-seconds", "0")
LATE = ("--router", "--suspend-seconds", "1000", "--retire-seconds", "1000")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """Whoever is idle is suspended at once, and so are the processes."""
    with Workers(tmp_path_factory.mktemp("router") / "data", *SOON, "--workers", "2") as running:
        yield running
        assert running.stop() == 0
        assert running.stderr == ""


@pytest.fixture(scope="module")
def staying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """Sessions and processes stay, unless they are killed."""
    with Workers(tmp_path_factory.mktemp("staying") / "data", *LATE, "--workers", "1") as running:
        yield running
        assert running.stop() == 0


def talk(
    server: Workers, work: Callable[..., Awaitable[None]], count: int = 1, limit_s: float = 60.0
) -> None:
    """`work` with connections of asyncpg."""

    async def main() -> None:
        connections = [await asyncpg.connect(server.dsn()) for _ in range(count)]
        try:
            await asyncio.wait_for(work(*connections), limit_s)
        finally:
            for connection in connections:
                connection.terminate()

    asyncio.run(main())


async def alone(server: Workers) -> None:
    """Until no query processor runs."""
    await asyncio.to_thread(until, lambda: not server.worker_pids())


def kill(server: Workers) -> None:
    """kill -9 every query processor."""
    victims = server.worker_pids()
    assert victims
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(map(is_running, victims)) and not set(victims) & set(server.worker_pids()))


def test_nobody_runs_when_nobody_works(server):
    with server.connect() as connection:
        assert connection.execute("select 1").fetchone() == (1,)
        until(lambda: not server.worker_pids())
        assert connection.execute("select pg_backend_pid()").fetchone() == (connection.info.backend_pid,)
        until(lambda: not server.worker_pids())
        assert (status(server)["sessions"], status(server)["workers"]) == (1, [])


def test_an_interactive_transaction_costs_no_process_while_its_user_thinks(server):
    async def work(one: asyncpg.Connection, two: asyncpg.Connection) -> None:
        await one.execute("create table accounts (id int primary key, balance int)")
        await one.execute("insert into accounts values (1, 100), (2, 0)")
        moved = await one.prepare("update accounts set balance = balance + $1 where id = $2")
        async with one.transaction():
            began = await one.fetchval("select now()")
            await one.execute("set local timezone = 'Asia/Tokyo'")
            await moved.fetch(-30, 1)
            await alone(server)
            await two.execute("insert into accounts values (3, 1)")
            await alone(server)
            assert await one.fetchval("show timezone") == "Asia/Tokyo"
            assert await one.fetchval("select now()") == began
            await alone(server)
            rows = await one.fetch("select balance from accounts order by id")
            assert [row["balance"] for row in rows] == [70, 0]
            await moved.fetch(30, 2)
            await alone(server)
        assert await one.fetchval("show timezone") == "UTC"
        await alone(server)
        total = await two.fetch("select balance from accounts order by id")
        assert [row["balance"] for row in total] == [70, 30, 1]

    talk(server, work, 2)


def test_a_conflict_is_found_after_a_pause(server):
    async def work(one: asyncpg.Connection, two: asyncpg.Connection) -> None:
        await one.execute("create table contended (k int primary key, v int)")
        await one.execute("insert into contended values (1, 0)")
        transaction = one.transaction()
        await transaction.start()
        await one.execute("update contended set v = 1")
        await alone(server)
        await two.execute("update contended set v = 2")
        await alone(server)
        with pytest.raises(asyncpg.SerializationError, match="OC000"):
            await transaction.commit()
        assert await one.fetchval("select v from contended") == 2

    talk(server, work, 2)


def test_a_killed_processor_costs_its_open_transactions_and_no_idle_session(staying):
    async def work(*connections: asyncpg.Connection) -> None:
        idle, reading, committing, _leaving = connections
        await idle.execute("create table lost (k int primary key)")
        await idle.execute("set timezone = 'Asia/Tokyo'")
        statement = await idle.prepare("select k from lost where k >= $1 order by k")
        assert await statement.fetch(0) == []
        transactions = [each.transaction() for each in connections[1:]]
        for number, (each, transaction) in enumerate(zip(connections[1:], transactions)):
            await transaction.start()
            await each.execute("set local timezone = 'Europe/Berlin'")
            await each.execute(f"insert into lost values ({number})")
        kept = await reading.prepare("select 7 + $1::int")
        assert await kept.fetch(0)  # without it no Sync was sent yet
        await asyncio.to_thread(kill, staying)
        assert await statement.fetch(0) == []
        assert await idle.fetchval("show timezone") == "Asia/Tokyo"
        with pytest.raises(asyncpg.SerializationError, match="transaction was lost"):
            await reading.fetch("select * from lost")
        with pytest.raises(asyncpg.InFailedSQLTransactionError):
            await reading.fetch("select * from lost")
        await transactions[0].rollback()
        assert await reading.fetchval("show timezone") == "UTC"
        assert await kept.fetchval(1) == 8
        with pytest.raises(asyncpg.SerializationError, match="transaction was lost"):
            await transactions[1].commit()
        assert not committing.is_in_transaction()
        await transactions[2].rollback()
        for each in connections:
            async with each.transaction():
                await each.execute("delete from lost")
            assert await each.fetch("select * from lost") == []

    talk(staying, work, 4)


def test_whose_statement_runs_in_a_killed_processor_loses_the_connection(staying):
    running = staying.connect()
    with staying.connect() as idle:
        running.pgconn.send_query(b"select count(*) from generate_series(1, 1000000000)")
        shown = "select 1 from pg_stat_activity where query like '%1000000000%' and pid <> pg_backend_pid()"
        until(lambda: idle.execute(shown).fetchone())
        kill(staying)
        result = running.pgconn.get_result()
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"57P02"
        assert idle.execute("select 1").fetchone() == (1,)
    running.close()


def test_a_suspended_session_survives_the_death_of_any_processor(tmp_path):
    with Workers(tmp_path / "data", *SOON) as server:
        two = server.connect()
        with server.connect() as one:
            one.execute("begin")
            one.execute("create table survived (k int primary key)")
            until(lambda: not server.worker_pids())
            two.pgconn.send_query(b"select count(*) from generate_series(1, 1000000000)")
            until(lambda: [worker["sessions"] for worker in status(server)["workers"]] == [1])
            kill(server)
            assert two.pgconn.get_result().error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"57P02"
            one.execute("commit")
            assert one.execute("select * from survived").fetchall() == []
        two.close()
        assert server.stop() == 0


def status(server: Workers) -> Any:
    """What `opendsql status` says."""
    return json.loads(opendsql("status", "--data", server.data, "--json").stdout)


def test_cancel_requests_reach_the_session_wherever_it_is(server):
    with server.connect() as connection, server.connect() as neighbour:
        connection.cancel()  # it is idle, and nowhere
        failures: list[psycopg.Error] = []

        def run() -> None:
            try:
                connection.execute("select count(*) from generate_series(1, 1000000001)")
            except psycopg.Error as error:
                failures.append(error)

        running = threading.Thread(target=run, daemon=True)
        running.start()
        shown = "select 1 from pg_stat_activity where query like '%1000000001%' and pid <> pg_backend_pid()"
        until(lambda: neighbour.execute(shown).fetchone())
        connection.cancel()
        running.join(30)
        assert isinstance(failures[0], psycopg.errors.QueryCanceled)
        assert connection.execute("select 1").fetchone() == (1,)


def test_much_in_and_much_out(server):
    with server.connect() as connection:
        connection.execute("create table much (k int primary key, v text)")
        for part in range(3):
            with connection.cursor().copy("copy much from stdin") as copy:
                for k in range(part * 900, part * 900 + 900):
                    copy.write(f"{k}\t{'x' * 2000}\n")
        rows = connection.execute("select a.k, b.v from much a, much b where b.k < 20").fetchall()
        assert len(rows) == 20 * 2700
        with connection.cursor().copy("copy much to stdout") as copy:
            assert sum(1 for _ in copy.rows()) == 2700


def test_a_client_that_does_not_read_stops_its_statement_and_nobody_else(server):
    with server.connect() as other, socket.create_connection(("127.0.0.1", server.port)) as client:
        body = b"\0\3\0\0user\0admin\0database\0postgres\0\0"
        client.sendall((len(body) + 4).to_bytes(4, "big") + body)
        query = b"select repeat('x', 1000) from generate_series(1, 300000)\0"
        client.sendall(b"Q" + (len(query) + 4).to_bytes(4, "big") + query)
        for _ in range(20):
            assert other.execute("select count(*) from generate_series(1, 10000)").fetchone() == (10000,)
        assert memory_of(server.process.pid) < 600 << 20
        received = 0
        while received < 300_000_000:
            data = client.recv(1 << 20)
            assert data
            received += len(data)
        while not data.endswith(b"Z\0\0\0\5I"):
            data = data[-6:] + client.recv(1 << 20)


def memory_of(pid: int) -> int:
    """Resident bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_refusals_at_log_in(server):
    with pytest.raises(psycopg.OperationalError, match='role "nobody" does not exist'):
        psycopg.connect(server.dsn("nobody"))
    with pytest.raises(psycopg.OperationalError, match="invalid value for parameter"):
        server.connect(options="-c datestyle=nonsense")


def test_a_session_that_stays_is_left_alone(server):
    """A portal with rows is no state; its session goes on where it is."""
    with server.connect() as connection:
        connection.execute("create table stays (k int primary key)")
        connection.execute("insert into stays values (1), (2), (3)")

        async def work(one: asyncpg.Connection) -> None:
            async with one.transaction():
                cursor = await one.cursor("select k from stays order by k")
                seen = [row["k"] for row in await cursor.fetch(1)]
                (pid,) = server.worker_pids()
                for _ in range(10):
                    connection.execute("select 1")
                assert pid in server.worker_pids()
                seen += [row["k"] for row in await cursor.fetch(5)]
                assert seen == [1, 2, 3]
            await alone(server)

        talk(server, work)


def test_passwords_and_tls_are_the_router_s(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    options = (*SOON, "--auth", "password", "--password-file", str(secret))
    with Workers(tmp_path / "data", *options) as server:
        with server.connect(password="open sesame", sslmode="require") as connection:
            assert connection.pgconn.ssl_in_use
            connection.execute("begin")
            until(lambda: not server.worker_pids())
            assert connection.execute("select 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            server.connect(password="wrong")
        assert server.stop() == 0


def test_stop_gives_running_statements_their_grace(tmp_path):
    with Workers(tmp_path / "data", *SOON) as server:
        idle, busy = server.connect(), server.connect()
        until(lambda: not server.worker_pids())
        busy.pgconn.send_query(b"select count(*) from generate_series(1, 1000000000)")
        until(lambda: [worker["sessions"] for worker in status(server)["workers"]] == [1])
        assert server.stop() == 0
        result = busy.pgconn.get_result()
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"57P01"
        with pytest.raises(psycopg.errors.AdminShutdown):
            idle.execute("select 1")
        assert server.stderr == ""
        for connection in (busy, idle):
            with contextlib.suppress(psycopg.Error):
                connection.close()


def test_a_processor_that_cannot_start_is_told(tmp_path):
    patch = "import server.runtime.process as process; process.ROOT = '/nonexistent'"
    with Workers(tmp_path / "data", *SOON, patch=patch) as server:
        with pytest.raises(psycopg.OperationalError, match="no query processor can be started"):
            server.connect()
        assert server.stop() == 0


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_golden_scripts(path: Path, server: Workers, request: pytest.FixtureRequest) -> None:
    """As recorded, though every session is suspended between all its statements."""
    text = path.read_text()
    if re.search("^# server: strict$", text, re.MULTILINE):
        strict: Any = request.getfixturevalue("strict")
        server = strict
    dsn = f"{server.dsn()}&gssencmode=disable"
    empty(dsn)
    try:
        assert run_script(text, dsn) == text
    finally:
        empty(dsn)


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Workers]:
    with Workers(tmp_path / "data", *SOON, "--no-rebase") as running:
        yield running


RENEWED = ("--router", "--suspend-seconds", "1000", "--retire-seconds", "1000", "--renew-seconds", "0.2")


def test_processors_are_renewed_and_no_client_notices(tmp_path):
    """Under load, and for sessions that are idle inside a transaction meanwhile."""

    async def work(thinking: asyncpg.Connection, *busy: asyncpg.Connection) -> None:
        await thinking.execute("create table renewed (k int primary key, n int)")
        await thinking.execute("insert into renewed values (0, 0), (1, 0), (2, 0)")
        seen: set[int] = set()
        transaction = thinking.transaction()
        await transaction.start()
        await thinking.execute("update renewed set n = n + 1 where k = 0")

        async def transfer(number: int, connection: asyncpg.Connection) -> None:
            increased = await connection.prepare("update renewed set n = n + 1 where k = $1 returning n")
            count = 0
            while len(seen) < 3:
                async with connection.transaction():
                    count += 1
                    assert await increased.fetchval(number) == count
                seen.update(server.worker_pids())

        await asyncio.gather(*(transfer(number, each) for number, each in enumerate(busy, 1)))
        await thinking.execute("update renewed set n = n + 1 where k = 0")
        await transaction.commit()
        assert await busy[0].fetchval("select n from renewed where k = 0") == 2

    with Workers(tmp_path / "data", *RENEWED) as server:
        talk(server, work, 3, 120.0)
        assert server.stop() == 0
        assert server.stderr == ""
