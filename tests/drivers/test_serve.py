"""`opendsql serve` as a process: ready line, stop, exit codes, what ends it (DESIGN §12)."""

import os
import signal
import socket
import sqlite3
from pathlib import Path

import psycopg
import pytest

from tests.nodes import flip
from tests.serving_process import ServeProcess, opendsql

pytestmark = pytest.mark.slow


def test_ready_stop_and_start_again(tmp_path):
    data = tmp_path / "data"
    with ServeProcess(data) as server:
        connection = psycopg.connect(server.dsn(), autocommit=True)
        connection.execute("create table t (a int primary key)")
        connection.execute("insert into t values (1)")
        assert server.stop() == 0
        with pytest.raises(psycopg.errors.AdminShutdown):
            connection.execute("select 1")
        connection.close()
        assert server.stderr == ""
    assert not (data / "control").exists()
    with ServeProcess(data) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            assert connection.execute("select a from t").fetchall() == [(1,)]
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(10) == 0


def test_a_running_statement_gets_its_grace_and_no_more(tmp_path):
    """SIGTERM is over within 10 s, which `stop` asserts."""
    with ServeProcess(tmp_path / "data") as server:
        connection = psycopg.connect(server.dsn(), autocommit=True)
        connection.pgconn.send_query(b"select count(*) from generate_series(1, 1000000000)")
        assert server.stop() == 0
        result = connection.pgconn.get_result()
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"57P01"
        connection.close()


def test_a_data_directory_in_use(tmp_path):
    with ServeProcess(tmp_path / "data"):
        second = ServeProcess(tmp_path / "data")
        second._stderr = tmp_path / "second"
        second.start()
        code, stderr = second.ended()
        second.process.stdout.close()
    assert code == 3
    assert stderr == f"opendsql: data directory in use: {tmp_path / 'data'}\n"


def test_a_port_in_use(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = opendsql("serve", "--port", port, "--data", tmp_path / "data")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr == f"opendsql: port in use: 127.0.0.1:{port}\n"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--host", "0.0.0.0"), "not a loopback address"),
        (("--auth", "password"), "--password-file"),
        (("--port", "70000"), "70000"),
        (("--nonsense",), "--nonsense"),
        (("--tls-name", "db.example", "--tls-name", "a b"), "'a b' is neither a host name nor an address"),
    ],
)
def test_usage(tmp_path, arguments, word):
    ended = opendsql("serve", "--data", tmp_path / "data", *arguments, environment={"OPENDSQL_PASSWORD": ""})
    assert (ended.returncode, ended.stdout) == (2, "")
    assert word in ended.stderr
    assert not (tmp_path / "data").exists()


def test_a_client_verifies_the_names_that_it_was_told(tmp_path):
    """Another name makes another certificate of the same authority, which is all that clients have to know."""
    data = tmp_path / "data"

    def connect(server: ServeProcess, host: str) -> None:
        psycopg.connect(
            host=host,
            hostaddr="127.0.0.1",
            port=server.port,
            user="admin",
            dbname="postgres",
            sslmode="verify-full",
            sslrootcert=str(tmp_path / "ca.pem"),
        ).close()

    with ServeProcess(data, "--tls-name", "DB.example", "--tls-name", "10.1.2.3", "--workers", "1") as server:
        (tmp_path / "ca.pem").write_bytes((data / "tls" / "ca.pem").read_bytes())
        for _ in range(8):
            for host in ("db.example", "localhost"):
                connect(server, host)
        with pytest.raises(psycopg.OperationalError, match=r"other\.example"):
            connect(server, "other.example")
        assert server.stop() == 0
    with ServeProcess(data, "--tls-name", "other.example") as server:
        connect(server, "other.example")
        with pytest.raises(psycopg.OperationalError, match=r"db\.example"):
            connect(server, "db.example")


def _one_line(data: Path) -> str:
    """What a server says that cannot start on `data`."""
    ended = opendsql("serve", "--port", 0, "--data", data)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("opendsql: ")
    assert ended.stderr.count("\n") == 1, "one line, no traceback"
    return ended.stderr


def test_a_damaged_journal_is_never_served(tmp_path):
    data = tmp_path / "data"
    with ServeProcess(data) as server, psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("create table t (a int primary key)")
        connection.execute("insert into t values (1)")
        server.kill()
    flip(data, position=4, byte=80)
    assert "journal record 4 is damaged" in _one_line(data)
    audit = opendsql("audit", "--data", data)
    assert audit.returncode == 1
    assert "record 4" in audit.stdout + audit.stderr


def test_something_else_in_the_journals_place(tmp_path):
    (tmp_path / "journal").mkdir()
    sqlite3.connect(tmp_path / "journal" / "data.mdb").execute("create table t (a)").connection.close()
    assert "journal record 0 is damaged" in _one_line(tmp_path)


def test_a_data_directory_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    assert "file" in _one_line(tmp_path / "file")


def test_memory_leaves_nothing_behind(tmp_path):
    with ServeProcess(tmp_path / "data", "--memory") as server:
        assert (tmp_path / "data").exists()
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("create table t (a int primary key)")
            connection.execute("insert into t values (1)")
        assert server.stop() == 0
    assert not (tmp_path / "data").exists()


BREAK = """
from journal.broken import Broken
from journal.record import Commit
from storage import replica
apply = replica.Replica.apply
def broken(self, commits, *rest):
    if any(b"poison" in (write.value or b"") for commit in commits for write in commit.writes):
        {raises}
    apply(self, commits, *rest)
replica.Replica.apply = broken
"""


@pytest.mark.parametrize(
    ("raises", "word"),
    [
        ("raise Broken('injected')", "Broken('injected')"),
        ("from journal.journal import FlushFailed; raise FlushFailed('disk')", "FlushFailed('disk')"),
    ],
)
def test_a_broken_node_answers_nobody_and_ends(tmp_path, raises, word):
    data = tmp_path / "data"
    with ServeProcess(data, patch=BREAK.format(raises=raises)) as server:
        with (
            psycopg.connect(server.dsn(), autocommit=True) as connection,
            psycopg.connect(server.dsn(), autocommit=True) as witness,
        ):
            connection.execute("create table t (a text primary key)")
            for each in (connection, witness):
                with pytest.raises(psycopg.OperationalError) as raised:
                    each.execute("insert into t values ('poison')")
                assert raised.value.sqlstate is None, "the connection was lost, there was no answer"
        code, stderr = server.ended()
    assert code == 1
    assert word in stderr
    with ServeProcess(data) as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("select count(*) from t").fetchall() == [(1,)], "it was durable"


def test_logs_go_to_stderr(tmp_path):
    with ServeProcess(tmp_path / "data", environment={**os.environ, "OPENDSQL_LOG": "info"}) as server:
        server.process.terminate()
        assert server.process.stdout.read() == ""
        assert "listening" in server.stderr
