"""The listener with real sockets and real drivers: psql, libpq through psycopg, asyncpg, and rude clients."""

import asyncio
import contextlib
import datetime
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psycopg
import pytest
from pygwire import messages as pg

from server.pgwire.scram import make_verifier
from server.runtime import listener as listener_module
from server.runtime.listener import Limits
from server.runtime.tls import ServerTls, open_directory
from tests.canned import PASSWORD_SALT, CannedNode
from tests.running_listener import RunningListener

ENTER = pg.StartupMessage(params={"user": "admin", "database": "postgres"}).to_wire()
READY = b"Z\0\0\0\5I"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningListener]:
    with RunningListener() as running:
        yield running


@pytest.fixture(scope="module")
def tls_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def tls(tls_directory: Path) -> ServerTls:
    return open_directory(tls_directory, [], datetime.datetime.now(datetime.UTC))


@pytest.fixture(scope="module")
def secure(tls: ServerTls) -> Iterator[RunningListener]:
    node = CannedNode({"admin": make_verifier("secret", PASSWORD_SALT)})
    with RunningListener(node, tls=tls, tls_required=True) as running:
        yield running


@pytest.fixture
def quick_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "SWEEP_SECONDS", 0.02)


def plain(server: RunningListener, data: bytes = ENTER) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    client.sendall(data)
    return client


def until(client: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        piece = client.recv(65536)
        assert piece, data
        data += piece
    return data


def rest(client: socket.socket) -> bytes:
    """Everything up to the server's end of the connection."""
    data = b""
    with client, contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65536):
            data += piece
    return data


def psql(dsn: str, sql: str) -> subprocess.CompletedProcess[str]:
    command = ["psql", "-X", "-At", "-d", dsn, "-c", sql]
    environment = {**os.environ, "PGPASSWORD": "secret"}
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment, check=False)


# Drivers


def test_psql(server: RunningListener) -> None:
    assert psql(server.dsn(), "hello").stdout == "hello\n"
    failed = psql(server.dsn(), "fail")
    assert (failed.returncode, failed.stderr) == (1, "ERROR:  division by zero\n")


def test_psycopg_simple_and_extended(server: RunningListener) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        assert connection.execute("hello").fetchone() == ("hello",)
        assert connection.execute("hello", prepare=True).fetchone() == ("hello",)
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("fail")
        with pytest.raises(psycopg.errors.InternalError_, match=r"^internal error [0-9a-f]{8}$"):
            connection.execute("defect")
        with connection.cursor() as cursor, cursor.copy("copy in") as copy:
            copy.write(b"1\n2\n")
        with connection.cursor() as cursor, cursor.copy("copy out") as copy:
            assert list(copy) == [b"1\n", b"2\n"]


def test_psycopg_pipeline(server: RunningListener) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection, connection.pipeline():
        cursors = [connection.execute(f"row{n}") for n in range(500)]
        assert [cursor.fetchone() for cursor in cursors] == [(f"row{n}",) for n in range(500)]


def test_asyncpg(server: RunningListener) -> None:
    async def talk() -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=server.port, user="admin", database="postgres", ssl=False
        )
        try:
            assert await connection.fetchval("hello") == "hello"
            assert await connection.execute("begin") == "BEGIN"
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.fetch("fail")
        finally:
            await connection.close(timeout=5)

    asyncio.run(talk())


def test_cancel(server: RunningListener) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        # Not connection.cancel(): it would hold the interpreter's lock while our own thread has to answer.
        request = pg.CancelRequest(process_id=connection.pgconn.backend_pid, secret_key=b"\1\2\3\4")
        assert rest(plain(server, request.to_wire())) == b""
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("forever")
        assert connection.execute("a").fetchone() == ("a",)


def test_a_cancel_with_a_wrong_secret_or_of_another_process_cancels_nothing(server: RunningListener) -> None:
    with psycopg.connect(server.dsn()) as connection:
        process = connection.pgconn.backend_pid
        for target in (process, 99):
            rest(plain(server, pg.CancelRequest(process_id=target, secret_key=b"xxxx").to_wire()))
        session = next(s for s in server.node.sessions if s.process_id == process)
        assert not session.cancelled
    assert server.node.cancels == [(process, b"xxxx"), (99, b"xxxx")]


# TLS


def test_psql_sslmode_require_and_verify_full(secure: RunningListener, tls_directory: Path) -> None:
    assert psql(secure.dsn(sslmode="require"), "hello").stdout == "hello\n"
    verified = secure.dsn(sslmode="verify-full", sslrootcert=tls_directory / "ca.pem", host="localhost")
    assert psql(verified, "hello").stdout == "hello\n"


def test_plain_is_refused_where_tls_is_required(secure: RunningListener) -> None:
    refused = psql(secure.dsn(), "hello")
    assert 'no pg_hba.conf entry for host "127.0.0.1"' in refused.stderr
    assert "no encryption" in refused.stderr


def test_channel_binding_and_a_wrong_password(secure: RunningListener) -> None:
    dsn = secure.dsn(sslmode="require", channel_binding="require")
    with psycopg.connect(dsn, password="secret") as connection:
        assert connection.pgconn.ssl_in_use
    with pytest.raises(psycopg.OperationalError, match='password authentication failed for user "admin"'):
        psycopg.connect(dsn, password="wrong")


def direct(secure: RunningListener, tls_directory: Path, protocols: list[str]) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(tls_directory / "ca.pem"))
    if protocols:
        context.set_alpn_protocols(protocols)
    client = socket.create_connection(("127.0.0.1", secure.port), timeout=20)
    return context.wrap_socket(client, server_hostname="localhost")


def test_direct_tls(secure: RunningListener, tls_directory: Path) -> None:
    with direct(secure, tls_directory, ["postgresql"]) as client:
        assert client.selected_alpn_protocol() == "postgresql"
        client.sendall(ENTER)
        assert b"SCRAM-SHA-256-PLUS" in client.recv(1000)


def test_direct_tls_without_the_protocol_name_is_refused(
    secure: RunningListener, tls_directory: Path
) -> None:
    with direct(secure, tls_directory, []) as client:
        assert b"without ALPN protocol negotiation extension" in client.recv(1000)


def test_large_answers_through_tls(secure: RunningListener) -> None:
    with psycopg.connect(secure.dsn(sslmode="require"), password="secret", autocommit=True) as connection:
        rows = connection.execute("rows 2000 1000").fetchall()
        assert len(rows) == 2000


@pytest.mark.parametrize(
    "data",
    [b"\x16\x03\x01\x00\x05hello", b"\x16garbage" * 10, b"\x16\x03\x01\x00\x00"],
    ids=["record", "noise", "empty"],
)
def test_bad_tls_is_closed(secure: RunningListener, data: bytes) -> None:
    client = plain(secure, data)
    client.shutdown(socket.SHUT_WR)
    rest(client)
    assert psql(secure.dsn(sslmode="require"), "hello").stdout == "hello\n"


# Rude clients


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 100,
        ENTER + b"Q\0\0\0\1",
        ENTER + b"\x01\0\0\0\4",
        ENTER + b"Q\x7f\xff\xff\xff",
        b"\0\0\x27\x11\0\3\0\0",
    ],
    ids=["http", "noise", "short", "unknown type", "too long", "startup too long"],
)
def test_malformed_input_ends_only_its_connection(server: RunningListener, data: bytes) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as other:
        assert b"08P01" in rest(plain(server, data))
        assert other.execute("a").fetchone() == ("a",)


def test_a_client_that_does_not_read_is_bounded_and_harms_nobody() -> None:
    limits = Limits(output_bytes=64 << 10)
    with RunningListener(limits=limits) as server:
        deaf = plain(server, ENTER + pg.Query(query_string="rows 10000000 1000").to_wire())
        deaf.recv(1)
        with psycopg.connect(server.dsn(), autocommit=True) as other:
            while not server.call(lambda: held(server)):
                assert other.execute("a").fetchone() == ("a",)
            sent = server.call(lambda: server.listener.counters.bytes_out)
            for _ in range(50):
                assert other.execute("a").fetchone() == ("a",)
            assert server.call(lambda: server.listener.counters.bytes_out) - sent < 10_000
            assert server.call(lambda: unsent(server)) < 400_000
        assert len(deaf.recv(65536)) > 0
        deaf.close()


def held(server: RunningListener) -> bool:
    return any(client.connection.held for client in server.listener.clients)


def unsent(server: RunningListener) -> int:
    return sum(
        client._transport.get_write_buffer_size() + sum(map(len, client.connection.out))
        for client in server.listener.clients
    )


def test_a_slow_reader_gets_everything(server: RunningListener) -> None:
    client = plain(server, ENTER + pg.Query(query_string="rows 3000 1000").to_wire())
    data = until(client, b"C\0\0\0\x0dSELECT 1\0" + READY)
    assert data.count(b"x" * 1000) == 3000
    client.close()


def test_input_beyond_a_waiting_statement_is_not_buffered_without_bound() -> None:
    with RunningListener() as server:
        client = plain(server, ENTER + pg.Query(query_string="wait").to_wire())
        client.setblocking(False)
        pipelined = pg.Query(query_string="a" * 10_000).to_wire() * 10
        with psycopg.connect(server.dsn(), autocommit=True) as other:
            blocked = 0
            while blocked < 50:
                try:
                    client.send(pipelined)
                    blocked = 0
                except BlockingIOError:
                    blocked += 1
                other.execute("a")
        buffered = server.call(lambda: max(c.connection.buffered for c in server.listener.clients))
        assert buffered < 2 << 20
        server.call(lambda: server.node.sessions[0].waits[0].finish("x"))
        client.setblocking(True)
        client.shutdown(socket.SHUT_WR)
        client.close()


def test_a_client_that_vanishes_closes_its_session() -> None:
    with RunningListener() as server:
        client = plain(server, ENTER + pg.Query(query_string="wait").to_wire())
        client.recv(1)
        client.close()
        with psycopg.connect(server.dsn(), autocommit=True) as other:
            while server.call(lambda: len(server.listener.clients)) > 1:
                other.execute("a")
        assert server.node.sessions[0].closed == 1
        server.call(lambda: server.node.sessions[0].waits[0].finish("late"))


# Limits and endings


def test_the_connection_limit() -> None:
    with RunningListener(limits=Limits(connections=1)) as server, psycopg.connect(server.dsn()):
        with pytest.raises(psycopg.OperationalError, match=r"too many open connections\."):
            psycopg.connect(server.dsn())
        assert server.listener.counters.refused == 1


@pytest.mark.usefixtures("quick_sweep")
def test_an_unauthenticated_connection_is_ended() -> None:
    with RunningListener(limits=Limits(startup_seconds=0.0)) as server:
        assert b"canceling authentication due to timeout" in rest(plain(server, b"\0"))


@pytest.mark.usefixtures("quick_sweep")
def test_an_idle_connection_is_ended() -> None:
    with RunningListener(limits=Limits(idle_seconds=0.0)) as server:
        assert b"57P05" in rest(plain(server))


@pytest.mark.usefixtures("quick_sweep")
def test_an_old_connection_is_closed_without_a_word() -> None:
    with RunningListener(limits=Limits(lifetime_seconds=0.0)) as server:
        assert rest(plain(server)).endswith(READY)


def test_shutdown_ends_idle_connections_at_once() -> None:
    with RunningListener() as server:
        client = plain(server)
        until(client, READY)
        server.run(server.listener.shutdown(20.0))
        assert b"57P01\0Mterminating connection due to administrator command\0" in rest(client)
        with pytest.raises(OSError):
            plain(server).recv(1)


def test_shutdown_lets_a_statement_finish() -> None:
    with RunningListener() as server:
        client = plain(server, ENTER + pg.Query(query_string="wait").to_wire())
        until(client, READY)

        async def stop() -> None:
            stopping = asyncio.ensure_future(server.listener.shutdown(20.0))
            await asyncio.sleep(0)
            server.node.sessions[0].waits[0].finish("done")
            await stopping

        server.run(stop())
        answer = rest(client)
        assert b"done" in answer
        assert b"57P01" in answer


def test_shutdown_ends_a_statement_after_its_grace() -> None:
    with RunningListener() as server:
        client = plain(server, ENTER + pg.Query(query_string="wait").to_wire())
        until(client, READY)
        server.run(server.listener.shutdown(0.01))
        assert b"57P01" in rest(client)
        assert server.node.sessions[0].closed == 1


def test_a_broken_invariant_stops_everything() -> None:
    with RunningListener() as server:
        other = plain(server)
        until(other, READY)
        assert not rest(plain(server, ENTER + pg.Query(query_string="broken").to_wire())).endswith(READY * 2)
        assert rest(other) == b""
        assert [str(error) for error in server.node.failures] == ["test"]
