"""The sockets: accepts clients, moves their bytes in and out of connections, times them out, shuts down."""

import asyncio
import datetime
import hmac
import logging
import os
import secrets
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, cast

from journal.broken import Broken
from server.errors import PgError, connection_rate, too_many_connections
from server.pgwire.connection import MESSAGE_LIMIT, Admit, Connection, Counters, Environment
from server.pgwire.session_protocol import Gate, SessionFactory
from server.pgwire.startup import Policy
from server.runtime.rate import Rate
from server.runtime.tls import ALPN, Renewal, ServerTls, Tunnel
from server.session.work import Slice, Wait
from server.sql.limits import Limits as ClusterLimits

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
RENEW_SECONDS = 60.0
LINGER_SECONDS = 5.0
"""How long a connection that we close may take to read its last answer."""
UNANSWERED_MARGIN = 1000
"""Sockets beyond the connection limit that are still told why they are refused."""
_TLS_HANDSHAKE = 0x16


@dataclass(frozen=True, slots=True)
class Limits:
    """What one listener allows; seconds, counts and bytes. None: no limit."""

    connections: int = 10_000
    startup_seconds: float = 60.0
    idle_seconds: float | None = None
    lifetime_seconds: float | None = None
    output_bytes: int = 256 << 10
    """Unsent answers above which a client's work stops until it reads."""
    rate: tuple[float, int] | None = None
    """How many connections per second, and how many at once."""
    message_bytes: int = MESSAGE_LIMIT


def limits_of(limits: ClusterLimits) -> Limits:
    """What the cluster's limits say of connections."""
    return Limits(
        connections=limits.connections,
        lifetime_seconds=limits.connection_age_s,
        rate=(limits.connections_per_s, limits.connection_burst),
        message_bytes=limits.message_bytes,
    )


class Node(Protocol):
    """What the listener's owner provides."""

    @property
    def gate(self) -> Gate: ...

    @property
    def open_session(self) -> SessionFactory: ...

    def cancel(self, process_id: int, secret: bytes) -> None:
        """A cancel request for a session that is not one of this listener's."""
        ...

    def broken(self, error: Broken) -> None:
        """An invariant does not hold: stop the node. Every connection here has been cut."""
        ...


class Listener:
    """All clients of one process, on one port."""

    def __init__(
        self,
        node: Node,
        *,
        limits: Limits | None = None,
        tls: ServerTls | Renewal | None = None,
        tls_required: bool = False,
        counters: Counters | None = None,
        mock_secret: bytes | None = None,
        connect: Callable[[Environment, str, PgError | None], Connection] = Connection,
        admit: Admit = lambda user, options: None,
    ) -> None:
        """`connect` makes a client's connection: one whose session is in this process, or a relay; `admit`: see
        `Environment`. A `Renewal` is asked once a minute; connections that are there keep what they have.
        """
        self.counters = counters or Counters()
        self.limits = limits or Limits()
        self.clients: set[Client] = set()
        self.stopping = False
        self.is_broken = False
        self._node = node
        self._connect = connect
        self._renewal = tls if isinstance(tls, Renewal) else None
        self._tls = tls.first if isinstance(tls, Renewal) else tls
        self._renew_at = 0.0
        self._sessions: dict[int, Client] = {}
        self._server: asyncio.Server | None = None
        self._rate = Rate(*self.limits.rate) if self.limits.rate is not None else None
        self._sweeper: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        policy = Policy(
            gate=node.gate,
            tls_offered=tls is not None,
            tls_required=tls_required,
            random=os.urandom,
            mock_secret=mock_secret or os.urandom(32),
            certificate_hash=self._tls.certificate_hash if self._tls else None,
        )
        self._environment = Environment(
            policy, node.open_session, report_defect, self.counters, admit, self.limits.message_bytes
        )

    async def start(self, host: str, port: int, *, reuse_port: bool = False) -> int:
        """Listen on `host`:`port` (0: any free port); returns the port. Raises OSError if it is taken."""
        loop = asyncio.get_running_loop()
        turns = Turns(loop)
        self._server = await loop.create_server(
            lambda: Client(self, loop, turns), host, port, backlog=1024, reuse_port=reuse_port or None
        )
        self._sweeper = loop.call_later(SWEEP_SECONDS, self._sweep, loop)
        bound: int = self._server.sockets[0].getsockname()[1]
        logger.info("listening host=%s port=%d tls=%s", host, bound, self._tls is not None)
        return bound

    def cancel(self, process_id: int, secret: bytes) -> bool:
        """Cancel what the session runs; whether it is one of this listener's and the secret is right."""
        client = self._sessions.get(process_id)
        session = client.connection.session if client else None
        if session is None or not hmac.compare_digest(session.secret, secret):
            return False
        session.cancel()
        return True

    async def shutdown(self, grace: float = 5.0) -> None:
        """No new connections; idle ones end at once with 57P01, running statements after `grace` seconds."""
        self.stopping = True
        if self._server is not None:
            self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for client in list(self.clients):
            client.stop(now=False)
        if not await self._emptied(grace):
            for client in list(self.clients):
                client.stop(now=True)
            if not await self._emptied(LINGER_SECONDS / 2):
                self.abort()
        logger.info("stopped")

    def abort(self) -> None:
        """Cut every connection, without a word."""
        for client in list(self.clients):
            client.abort()

    # What the clients call

    def opened(self, client: "Client", peer: str, now: float) -> Connection | None:
        """A socket was accepted; None: there are so many that it is to be dropped."""
        self.clients.add(client)
        self._empty.clear()
        self.counters.accepted += 1
        excess = len(self.clients) - self.limits.connections
        refusal = None
        if excess > 0:
            self.counters.refused += 1
            if excess > UNANSWERED_MARGIN:
                return None
            refusal = too_many_connections()
        elif self._rate is not None and not self._rate.take(now):
            self.counters.refused += 1
            refusal = connection_rate()
        return self._connect(self._environment, peer, refusal)

    def entered(self, client: "Client", process_id: int) -> None:
        """The client has a session, which can be cancelled from now on."""
        self._sessions[process_id] = client

    def lost(self, client: "Client", process_id: int | None) -> None:
        """The socket is gone."""
        self.clients.discard(client)
        if process_id is not None:
            self._sessions.pop(process_id, None)
        if not self.clients:
            self._empty.set()

    def forward_cancel(self, process_id: int, secret: bytes) -> None:
        """A cancel request arrived on a connection of its own."""
        if not self.cancel(process_id, secret):
            self._node.cancel(process_id, secret)

    def broken(self, error: Broken) -> None:
        """Nobody may be answered any more."""
        first, self.is_broken, self.stopping = not self.is_broken, True, True
        if self._server is not None:
            self._server.close()
        self.abort()
        if first:
            self._node.broken(error)

    def renew_tls(self) -> None:
        """Look whether new connections are to be shown another certificate."""
        now = datetime.datetime.now(datetime.UTC)
        found = self._renewal.renewed(now) if self._renewal is not None else None
        if found is not None:
            self._tls = found
            policy = replace(self._environment.policy, certificate_hash=found.certificate_hash)
            self._environment = replace(self._environment, policy=policy)

    def tunnel(self) -> Tunnel | None:
        """A new TLS tunnel, where TLS is offered."""
        return Tunnel(self._tls.context) if self._tls is not None else None

    async def _emptied(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._empty.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for client in list(self.clients):
            client.sweep(now, self.limits)
        if now >= self._renew_at:
            self._renew_at = now + RENEW_SECONDS
            self.renew_tls()
        self._sweeper = loop.call_later(SWEEP_SECONDS, self._sweep, loop)


class Turns:
    """Whose work goes on in the loop's next turn: one callback for all of them, as a group's commits are many."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: list[Callable[[], None]] = []

    def add(self, turn: Callable[[], None]) -> None:
        """Call `turn` once, not from here."""
        if not self._due:
            self._loop.call_soon(self._run)
        self._due.append(turn)

    def _run(self) -> None:
        due, self._due = self._due, []
        turns = iter(due)
        try:
            for turn in turns:
                turn()
        finally:
            # One that failed is the loop's to report; the others have their turn all the same.
            for turn in turns:
                self.add(turn)


class Client(asyncio.Protocol):
    """One socket. All it knows of the protocol is when to call the connection again."""

    __slots__ = (
        "_began",
        "_closed_at",
        "_direct",
        "_listener",
        "_loop",
        "_paused",
        "_process_id",
        "_scheduled",
        "_touched",
        "_transport",
        "_tunnel",
        "_turns",
        "_untouched",
        "connection",
    )

    connection: Connection
    _transport: asyncio.Transport

    def __init__(self, listener: Listener, loop: asyncio.AbstractEventLoop, turns: Turns) -> None:
        self._listener = listener
        self._loop = loop
        self._turns = turns
        self._tunnel: Tunnel | None = None
        self._untouched = True
        self._direct = False
        self._paused = False
        self._scheduled = False
        self._process_id: int | None = None
        self._began = self._touched = loop.time()
        self._closed_at: float | None = None

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without inheriting it
        peer = transport.get_extra_info("peername")
        connection = self._listener.opened(self, peer[0] if peer else "[local]", self._began)
        if connection is None or self._listener.stopping:
            self._listener.lost(self, None)
            self._transport.abort()
            return
        self.connection = connection
        self._transport.set_write_buffer_limits(high=self._listener.limits.output_bytes)
        _configure(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        if self._untouched:
            self._untouched = False
            if data[0] == _TLS_HANDSHAKE:
                self._tunnel = self._listener.tunnel()
                self._direct = self._tunnel is not None
        if self._tunnel is not None:
            data = self._decrypt(self._tunnel, data)
            if not data:
                return
        self._listener.counters.bytes_in += len(data)
        try:
            self.connection.receive(data)
        except Broken as error:
            self._listener.broken(error)
            return
        self._settle()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if not hasattr(self, "connection"):
            return
        self._listener.lost(self, self._process_id)
        try:
            self.connection.close()
        except Broken as error:
            self._listener.broken(error)

    def pause_writing(self) -> None:
        self.connection.held = True

    def resume_writing(self) -> None:
        connection = self.connection
        connection.held = False
        if isinstance(connection.waiting, Slice):
            self._schedule()

    # What the listener calls

    def stop(self, now: bool) -> None:
        """End with 57P01, unless a statement runs and may go on a little."""
        if now or self.connection.waiting is None:
            self._end(PgError("57P01", "terminating connection due to administrator command"))

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def sweep(self, now: float, limits: Limits) -> None:
        """Look at the clocks."""
        connection = self.connection
        if self._closed_at is not None:
            if now - self._closed_at > LINGER_SECONDS:
                self.abort()
        elif not connection.entered:
            if now - self._began > limits.startup_seconds:
                self._end(PgError("57014", "canceling authentication due to timeout"))
        elif connection.waiting is not None:
            return
        elif limits.lifetime_seconds is not None and now - self._began > limits.lifetime_seconds:
            # DSQL closes it without a word (dsql-reference §4).
            self._close()
        elif limits.idle_seconds is not None and now - self._touched > limits.idle_seconds:
            self._end(PgError("57P05", "terminating connection due to idle-session timeout"))

    # Between the two

    def _settle(self) -> None:
        """After every call of the connection: write, then see to it that it is called again."""
        connection = self.connection
        data = connection.output()
        if data:
            self._write(data)
        if self._process_id is None and connection.session is not None:
            self._process_id = connection.session.process_id
            self._listener.entered(self, self._process_id)
        if connection.closing:
            self._close()
            return
        waiting = connection.waiting
        if self._paused and not connection.congested:
            self._paused = False
            self._transport.resume_reading()
        if waiting is None:
            self._touched = self._loop.time()
            if self._listener.stopping:
                self.stop(now=True)
            elif connection.upgrade:
                connection.upgrade = False
                self._tunnel = self._listener.tunnel()
            return
        if isinstance(waiting, Wait):
            waiting.callback = self._schedule
        elif not connection.held:
            self._schedule()
        if connection.congested and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _schedule(self) -> None:
        # Not called inline: the one who fires a Wait must not run a session inside its own loop.
        if not self._scheduled:
            self._scheduled = True
            self._turns.add(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        if self._closed_at is not None or self._transport.is_closing():
            return
        try:
            self.connection.turn()
        except Broken as error:
            self._listener.broken(error)
            return
        self._settle()

    def _write(self, data: bytes) -> None:
        self._listener.counters.bytes_out += len(data)
        tunnel = self._tunnel
        self._transport.write(tunnel.send(data) if tunnel is not None else data)

    def _decrypt(self, tunnel: Tunnel, data: bytes) -> bytes:
        established = tunnel.established
        try:
            plain = tunnel.receive(data)
        except ssl.SSLError as error:
            logger.info("tls_failed reason=%s", error.reason)
            self._transport.write(tunnel.outgoing())
            self._close()
            return b""
        self._transport.write(tunnel.outgoing())
        if tunnel.established and not established:
            self.connection.encrypted(tunnel.server_name)
            if self._direct and tunnel.protocol != ALPN:
                missing = "received direct SSL connection request without ALPN protocol negotiation extension"
                self._end(PgError("08P01", missing))
        return plain

    def _end(self, error: PgError) -> None:
        self.connection.terminate(error)
        data = self.connection.output()
        if data and (self._tunnel is None or self._tunnel.established):
            self._write(data)
        self._close()

    def _close(self) -> None:
        cancel = self.connection.cancel
        if cancel is not None:
            self.connection.cancel = None
            self._listener.forward_cancel(*cancel)
        if self._closed_at is None:
            self._closed_at = self._loop.time()
            self._transport.close()


def report_defect(defect: Exception) -> str:
    """Log a defect with its traceback under a new id, which is returned."""
    number = secrets.token_hex(4)
    logger.error("internal_error id=%s", number, exc_info=defect)
    return number


def _configure(connected: socket.socket | None) -> None:
    """Half-open connections are found after two minutes; TCP_NODELAY is the loop's default."""
    if connected is None or connected.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6)):
        option = getattr(socket, name, None)
        if option is not None:
            connected.setsockopt(socket.IPPROTO_TCP, option, value)
