"""A real server of ours as a subprocess, and a blocking client that hides nothing of the protocol's answers."""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psycopg
import pytest
from psycopg import pq

ROOT = Path(__file__).parent.parent
READY_LIMIT_S = 60.0
STOP_LIMIT_S = 15.0


@dataclass(slots=True)
class Server:
    """A running `opendsql serve`. `stop` ends it; `kill` does so without warning."""

    port: int
    process: "subprocess.Popen[str]"
    stderr: IO[str]

    @property
    def errors(self) -> str:
        """What it has logged."""
        self.stderr.seek(0)
        return self.stderr.read()

    @property
    def dsn(self) -> str:
        """A libpq connection string; TLS off."""
        return (
            f"host=127.0.0.1 port={self.port} user=admin dbname=postgres sslmode=disable gssencmode=disable"
        )

    def connect(self, **options: Any) -> "psycopg.Connection[Any]":
        """A new autocommit connection."""
        return psycopg.connect(self.dsn, autocommit=True, **options)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        try:
            return self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def close(self) -> None:
        """Close the pipes of a server that has ended."""
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.stderr.close()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()


def start(*options: str) -> Server:
    """Start `opendsql serve` on a free port (or the one in `options`) and wait for its ready line."""
    command = [sys.executable, "-m", "opendsql", "serve", *options]
    if "--port" not in options:
        command += ["--port", "0"]
    stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 - read after the process ends
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True
    )
    assert process.stdout is not None
    hung = threading.Timer(READY_LIMIT_S, process.kill)
    hung.start()
    line = process.stdout.readline()
    hung.cancel()
    server = Server(0, process, stderr)
    if not line.startswith("ready "):
        process.kill()
        process.stdout.close()
        errors = server.errors
        stderr.close()
        raise RuntimeError(f"no server: {line}{errors}")
    server.port = int(line.rsplit(":", 1)[1].split("/")[0])
    return server


def running(*options: str) -> Iterator[Server]:
    """The body of a fixture: a server that is stopped at the end and has then logged nothing."""
    server = start(*options)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
        errors = server.errors
        server.close()
    assert not errors and server.process.returncode == 0, errors


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    """One server in memory for the whole session; see `server`."""
    yield from running("--memory", "--no-conflict-detail")


@pytest.fixture(scope="module")
def server(shared_server: Server) -> Iterator[Server]:
    """The shared server, emptied of what the module made."""
    yield shared_server
    empty(shared_server.dsn)


@pytest.fixture(scope="session")
def strict_server() -> Iterator[Server]:
    """A server that gives OC001 for any newer catalog."""
    yield from running("--memory", "--no-rebase", "--no-conflict-detail")


def empty(dsn: str) -> None:
    """Drop every table, schema and role that a test made."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'sys', 'opendsql')"
        ).fetchall()
        for schema, table in tables:
            connection.execute(f'DROP TABLE "{schema}"."{table}" CASCADE')
        schemas = connection.execute(
            "SELECT nspname FROM pg_namespace"
            " WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'sys', 'opendsql', 'public', 'pg_toast')"
        ).fetchall()
        for (schema,) in schemas:
            connection.execute(f'DROP SCHEMA "{schema}" CASCADE')
        for (role,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolname <> 'admin'").fetchall():
            connection.execute(f'DROP ROLE "{role}"')


class Answer:
    """One result of a statement: its rows, tag or error, as text."""

    __slots__ = ("columns", "detail", "hint", "message", "oids", "position", "rows", "sqlstate", "tag")

    def __init__(self, result: pq.abc.PGresult) -> None:
        failed = result.status == pq.ExecStatus.FATAL_ERROR
        self.columns = [(result.fname(n) or b"").decode() for n in range(result.nfields)]
        self.oids = [result.ftype(n) for n in range(result.nfields)]
        self.rows = [
            tuple(result.get_value(row, column) for column in range(result.nfields))
            for row in range(result.ntuples)
        ]
        self.tag = (result.command_status or b"").decode()
        self.sqlstate = _field(result, pq.DiagnosticField.SQLSTATE) if failed else ""
        self.message = _field(result, pq.DiagnosticField.MESSAGE_PRIMARY) if failed else ""
        self.detail = _field(result, pq.DiagnosticField.MESSAGE_DETAIL) if failed else ""
        self.hint = _field(result, pq.DiagnosticField.MESSAGE_HINT) if failed else ""
        self.position = _field(result, pq.DiagnosticField.STATEMENT_POSITION) if failed else ""


def _field(result: pq.abc.PGresult, which: pq.DiagnosticField) -> str:
    return (result.error_field(which) or b"").decode()


class Wire:
    """A libpq connection below psycopg's conveniences. `notices` collects (severity, SQLSTATE, message)."""

    def __init__(self, dsn: str) -> None:
        self.connection = pq.PGconn.connect(dsn.encode())
        if self.connection.status != pq.ConnStatus.OK:
            raise RuntimeError(self.connection.error_message.decode())
        self.notices: list[tuple[str, str, str]] = []
        self.connection.notice_handler = self._notice

    def _notice(self, result: pq.abc.PGresult) -> None:
        fields = (
            pq.DiagnosticField.SEVERITY,
            pq.DiagnosticField.SQLSTATE,
            pq.DiagnosticField.MESSAGE_PRIMARY,
        )
        severity, sqlstate, message = (_field(result, which) for which in fields)
        self.notices.append((severity, sqlstate, message))

    def simple(self, sql: str, copy: bytes = b"") -> list[Answer]:
        """Everything that one Query message is answered with; `copy` is what COPY FROM STDIN reads."""
        connection = self.connection
        connection.send_query(sql.encode())
        return self._answers(copy)

    def extended(self, sql: str, binary: bool = False, params: list[bytes | None] | None = None) -> Answer:
        """Parse, Bind, Describe, Execute, Sync; results as text or binary."""
        self.connection.send_query_params(sql.encode(), params or [], result_format=int(binary))
        return self._answers(b"")[-1]

    def _answers(self, copy: bytes) -> list[Answer]:
        connection = self.connection
        answers = []
        while (result := connection.get_result()) is not None:
            if result.status == pq.ExecStatus.COPY_IN:
                connection.put_copy_data(copy)
                connection.put_copy_end()
            elif result.status == pq.ExecStatus.COPY_OUT:
                answers.append(self._copied(result))
            else:
                answers.append(Answer(result))
        return answers

    def _copied(self, result: pq.abc.PGresult) -> Answer:
        answer = Answer(result)
        answer.columns, answer.oids = [], []
        while True:
            size, data = self.connection.get_copy_data(0)
            if size <= 0:
                return answer
            answer.rows.append((bytes(data),))

    def close(self) -> None:
        self.connection.finish()
