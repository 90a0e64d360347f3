"""`opendsql serve --workers 2` as real processes: one database, whichever process a client meets."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lmdb
import psycopg
import pytest

from tests.serving_process import ServeProcess, opendsql

pytestmark = pytest.mark.slow

WORKERS = 2
LIMIT_S = 30.0
Connection = psycopg.Connection[Any]


class Workers(ServeProcess):
    """A server whose clients know which process serves them."""

    def connect(self, index: int | None = None, **options: Any) -> Connection:
        """A connection to process `index`: the kernel chooses, so it takes a few tries."""
        for _ in range(300):
            connection: Connection = psycopg.connect(self.dsn(), autocommit=True, **options)
            if index is None or process_of(connection) == index:
                return connection
            connection.close()
        raise AssertionError(f"no connection to process {index} in 300 tries")

    def worker_pids(self) -> list[int]:
        """The processes that main has started, oldest first."""
        found = []
        for path in Path("/proc").iterdir():
            if path.name.isdecimal():
                try:
                    parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
                except OSError:
                    continue
                if parent == self.process.pid:
                    found.append(int(path.name))
        return sorted(found)


def process_of(connection: Connection) -> int:
    """0: main; 1..: a worker."""
    return connection.info.backend_pid >> 24


def until(condition: Callable[[], object]) -> None:
    """Ask again until it holds."""
    limit = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    with Workers(tmp_path_factory.mktemp("workers") / "data", "--workers", str(WORKERS)) as running:
        yield running
        assert running.stop() == 0
        assert running.stderr == ""


@pytest.fixture
def table(server: Workers, request: pytest.FixtureRequest) -> str:
    """A table of the test's own: k 1..3, v 0."""
    name = request.node.name.split("[")[0]
    with server.connect() as connection:
        connection.execute(f"create table {name} (k int primary key, v int)")
        connection.execute(f"insert into {name} values (1, 0), (2, 0), (3, 0)")
    return name


def test_200_connections_are_spread_and_see_one_database(server, table):
    connections = [server.connect() for _ in range(200)]
    assert {process_of(each) for each in connections} == {0, 1, 2}
    assert len({each.info.backend_pid for each in connections}) == 200
    for value, each in enumerate(connections, 10):
        each.execute(f"insert into {table} values (%s, 1)", (value,))
    for each in connections:
        assert each.execute(f"select count(*) from {table} where v = 1").fetchone() == (200,)
    seen = "select count(*) from pg_stat_activity"
    for index in range(WORKERS + 1):
        one = next(each for each in connections if process_of(each) == index)
        until(lambda one=one: one.execute(seen).fetchone() >= (200,))
    for each in connections:
        each.close()
    with server.connect(1) as one:
        until(lambda: one.execute(seen).fetchone() == (1,))


@pytest.mark.parametrize("winner", [0, 1, 2])
def test_the_first_committer_wins_in_whatever_process(server, winner):
    name = f"conflict_{winner}"
    with server.connect(winner) as first, server.connect(1 if winner != 1 else 2) as second:
        first.execute(f"create table {name} (k int primary key, v int)")
        first.execute(f"insert into {name} values (1, 0)")
        for connection in (second, first):
            connection.execute("begin")
            connection.execute(f"update {name} set v = v + 1 where k = 1")
        first.execute("commit")
        with pytest.raises(psycopg.errors.SerializationFailure, match=r"\(OC000\)"):
            second.execute("commit")
        assert second.execute(f"select v from {name}").fetchall() == [(1,)]


@pytest.mark.parametrize(("writer", "reader"), [(1, 2), (2, 1), (0, 1), (1, 0)])
def test_an_acknowledged_commit_is_seen_by_the_next_statement_everywhere(server, writer, reader):
    name = f"seen_{writer}_{reader}"
    with server.connect(writer) as here, server.connect(reader) as there:
        here.execute(f"create table {name} (k int primary key, v int)")
        here.execute(f"insert into {name} values (1, 0)")
        for value in range(1, 200):
            here.execute(f"update {name} set v = {value} where k = 1")
            assert there.execute(f"select v from {name} where k = 1").fetchall() == [(value,)]


def test_a_snapshot_stands_while_others_commit(server, table):
    with server.connect(1) as reader, server.connect(2) as writer:
        reader.execute("begin")
        assert reader.execute(f"select sum(v) from {table}").fetchone() == (0,)
        for _ in range(20):
            writer.execute(f"update {table} set v = v + 1")
            assert reader.execute(f"select sum(v) from {table}").fetchone() == (0,)
        reader.execute("commit")
        assert reader.execute(f"select sum(v) from {table}").fetchone() == (60,)


def test_a_schema_change_in_another_process(server, table):
    with server.connect(1) as one, server.connect(2) as two:
        one.execute(f"create table {table}_other (k int primary key)")
        one.execute("begin")
        one.execute(f"update {table} set v = 1 where k = 1")
        two.execute(f"alter table {table} add column w int")
        with pytest.raises(psycopg.errors.SerializationFailure, match=r"\(OC001\)"):
            one.execute("commit")
        assert one.execute(f"select * from {table} where k = 1").fetchall() == [(1, 0, None)]
        two.execute("begin")
        two.execute(f"select * from {table}")
        one.execute(f"drop table {table}")
        with pytest.raises(psycopg.errors.SerializationFailure, match=r"\(OC001\)"):
            two.execute("commit")


def test_a_schema_change_that_does_not_concern_a_transaction(server, table):
    with server.connect(1) as one, server.connect(2) as two:
        two.execute(f"create table {table}_other (k int primary key)")
        one.execute("begin")
        one.execute(f"update {table} set v = 1 where k = 1")
        two.execute(f"alter table {table}_other add column w int")
        one.execute("commit")
        assert two.execute(f"select v from {table} where k = 1").fetchall() == [(1,)]


def test_an_index_is_built_and_awaited_from_a_worker(server, table):
    with server.connect(1) as one, server.connect(2) as two:
        (job,) = one.execute(f"create index async on {table} (v)").fetchone()
        assert one.execute(f"call sys.wait_for_job('{job}')").fetchone() == (True,)
        status = two.execute("select status from sys.jobs where job_id = %s", (job,))
        assert status.fetchall() == [("completed",)]
        valid = f"select indisvalid from pg_index where indexrelid = '{table}_v_idx'::regclass"
        assert two.execute(valid).fetchone() == (True,)
        assert two.execute(f"select count(*) from {table} where v = 0").fetchone() == (3,)


def test_copy_through_a_worker(server, table):
    with server.connect(1) as one, server.connect(2) as two:
        with one.cursor().copy(f"copy {table} from stdin") as copy:
            copy.write("".join(f"{k}\t{k}\n" for k in range(1000, 3900)))
        with two.cursor().copy(f"copy (select k from {table} where k >= 1000) to stdout") as copy:
            rows = [int(row[0]) for row in copy.rows()]
        assert rows == list(range(1000, 3900))


def test_a_large_transaction_and_one_that_is_too_large(server):
    with server.connect(1) as one, server.connect(2) as two:
        one.execute("create table large (k int primary key, v text)")
        one.execute("begin")
        for k in range(9):
            one.execute("insert into large values (%s, %s)", (k, "x" * 1_000_000))
        one.execute("commit")
        assert two.execute("select sum(length(v)) from large").fetchone() == (9_000_000,)
        one.execute("begin")
        for k in range(10, 22):
            one.execute("insert into large values (%s, %s)", (k, "x" * 1_000_000))
        with pytest.raises(psycopg.Error, match="transaction size limit 10mb exceeded"):
            one.execute("commit")


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_cancel_request_that_arrives_at_any_process(server, index):
    """The kernel chooses where a request arrives: eight times, so hardly ever always at the right one."""
    with server.connect(index) as connection, server.connect(index) as neighbour:
        pid = connection.info.backend_pid
        for count in range(1_000_000_000, 1_000_000_008):
            failures: list[BaseException] = []

            def run(failures: list[BaseException] = failures, count: int = count) -> None:
                try:
                    connection.execute(f"select count(*) from generate_series(1, {count})")
                except psycopg.Error as error:
                    failures.append(error)

            running = threading.Thread(target=run, daemon=True)
            running.start()
            shown = f"select 1 from pg_stat_activity where pid = {pid} and query like '%{count}%'"
            until(lambda shown=shown: neighbour.execute(shown).fetchone())
            connection.cancel()
            running.join(LIMIT_S)
            assert isinstance(failures[0], psycopg.errors.QueryCanceled)


def test_an_idle_worker_pins_no_pages(server, table):
    with server.connect(1) as one:
        one.execute("begin")
        one.execute(f"select * from {table}")
        workers = server.worker_pids()
        environment = lmdb.open(str(server.data / "storage"), readonly=True, create=False, max_dbs=6)
        try:
            # pid, thread, txnid: "-" is a reader without a snapshot
            def held() -> list[str]:
                rows = [line.split() for line in environment.readers().splitlines()[1:]]
                return [row[2] for row in rows if int(row[0]) in workers]

            assert held()
            until(lambda: set(held()) == {"-"})
        finally:
            environment.close()
        one.execute(f"select * from {table}")


def test_a_worker_that_is_killed_is_replaced_and_the_others_go_on(tmp_path):
    with Workers(tmp_path / "data", "--workers", str(WORKERS)) as server:
        lost, other, main = (server.connect(index) for index in (1, 2, 0))
        main.execute("create table t (k int primary key)")
        lost.execute("insert into t values (1)")
        lost.execute("begin")
        lost.execute("insert into t values (2)")
        victim = server.worker_pids()[0]
        os.kill(victim, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            lost.execute("commit")
        for connection in (other, main):
            assert connection.execute("select * from t").fetchall() == [(1,)]
        until(lambda: f"worker ended index=1 pid={victim} code=-9" in server.stderr)
        for connection in (other, main):
            count = "select count(*) from pg_stat_activity"
            until(lambda c=connection, count=count: c.execute(count).fetchone() == (2,))
        other.execute("insert into t values (3)")
        until(lambda: len(server.worker_pids()) == WORKERS)

        def again() -> bool:
            with psycopg.connect(server.dsn(), autocommit=True) as fresh:
                rows = fresh.execute("select * from t order by k").fetchall()
                assert rows == [(1,), (3,)]
                return process_of(fresh) == 1

        until(again)
        for connection in (lost, other, main):
            connection.close()
        assert server.stop() == 0


def test_workers_end_with_main_and_the_data_stays(tmp_path):
    with Workers(tmp_path / "data", "--workers", str(WORKERS)) as server:
        with server.connect(1) as one:
            one.execute("create table t (k int primary key)")
        workers = server.worker_pids()
        acknowledged = []
        with server.connect(2) as two:
            for value in range(50):
                two.execute("insert into t values (%s)", (value,))
                acknowledged.append((value,))
            server.kill()
            until(lambda: not any(map(is_running, workers)))
            with pytest.raises(psycopg.OperationalError):
                two.execute("select 1")
    with (
        Workers(tmp_path / "data", "--workers", "1") as server,
        server.connect(1) as connection,
    ):
        assert connection.execute("select k from t order by k").fetchall() == acknowledged


def test_stop_reaches_every_process(tmp_path):
    with Workers(tmp_path / "data", "--workers", str(WORKERS)) as server:
        idle, busy = server.connect(1), server.connect(2)
        workers = server.worker_pids()
        busy.pgconn.send_query(b"select count(*) from generate_series(1, 1000000000)")
        assert server.stop() == 0
        result = busy.pgconn.get_result()
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"57P01"
        with pytest.raises(psycopg.errors.AdminShutdown):
            idle.execute("select 1")
        assert not any(map(is_running, workers))
        assert server.stderr == ""
        busy.close()
        idle.close()


def test_passwords_and_tls_in_a_worker(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    options = ("--workers", "1", "--auth", "password", "--password-file", str(secret))
    with Workers(tmp_path / "data", *options) as server:
        with server.connect(1, password="open sesame") as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        with server.connect(1, password="open sesame", sslmode="require") as connection:
            assert connection.pgconn.ssl_in_use
        for _ in range(12):  # so that a worker hardly ever is not among those who refuse
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                server.connect(password="wrong")
        for pid in server.worker_pids():
            assert b"SCRAM" not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_status_counts_every_process(server):
    with server.connect(1), server.connect(2), server.connect(0):

        def counted() -> bool:
            status = json.loads(opendsql("status", "--data", server.data, "--json").stdout)
            assert [worker["pid"] for worker in status["workers"]] == server.worker_pids()
            return status["sessions"] == 3 and [each["sessions"] for each in status["workers"]] == [1, 1]

        until(counted)


def test_workers_that_cannot_start(tmp_path):
    patch = "import server.runtime.process as process; process.ROOT = '/nonexistent'"
    server = ServeProcess(tmp_path / "data", "--workers", "2", patch=patch)
    server.start()
    code, stderr = server.ended()
    assert server.process.stdout.read() == ""
    server.process.stdout.close()
    assert code == 1
    assert "opendsql: a worker ended before it accepted connections\n" in stderr


def test_a_port_is_not_taken_twice(server, tmp_path):
    ended = opendsql("serve", "--port", server.port, "--workers", "1", "--data", tmp_path / "data")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr == f"opendsql: port in use: 127.0.0.1:{server.port}\n"
