"""`opendsql serve`: one region in one process, from the data directory to the ready line and back."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import importlib.metadata
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from journal.broken import Broken
from server.pgwire.connection import Connection, Counters
from server.pgwire.sigv4 import Trust
from server.runtime import process, tls
from server.runtime.backend import Backend, Front
from server.runtime.control import ControlSocket
from server.runtime.gate import CatalogGate
from server.runtime.listener import Limits as ListenerLimits
from server.runtime.listener import Listener
from server.runtime.node import Node
from server.runtime.operations import Facts, Operations
from server.runtime.router.pool import ProcessorPool
from server.runtime.router.relay import Relay
from server.runtime.router.router import Router
from server.runtime.router.router import Settings as Routing
from server.runtime.snapshots import SnapshotSettings
from server.runtime.stores import WORLD_ERRORS
from server.session.session import SqlSession
from server.sql.limits import Limits

if TYPE_CHECKING:
    from server.runtime.metrics import MetricsServer

log = logging.getLogger("opendsql.serve")

STOP_GRACE_S = 5.0
FLUSH_GRACE_S = 1.5


@dataclass(slots=True)
class Options:
    """What the command line says."""

    host: str = "127.0.0.1"
    port: int = 5432
    data: Path = Path("data")
    memory: bool = False
    auth: str = "trust"
    tls_required: bool = False
    tls_names: tuple[str, ...] = ()
    """Host names and addresses in the server's certificate beyond its own."""
    admin_verifier: str | None = None
    trust: Trust | None = None
    """Whose tokens are accepted (--auth iam)."""
    rebase: bool = True
    limits: Limits = field(default_factory=Limits)
    snapshots: SnapshotSettings = field(default_factory=SnapshotSettings)
    workers: int = 0
    """Further processes that accept connections."""
    metrics: tuple[str, int] | None = None
    """Host and port for Prometheus."""
    router: Routing | None = None
    """This process accepts all connections, and hands their sessions to query processors that come and go."""


class Server:
    """The node and its listener. `stopped` is set when it is to end; `failure` tells why it must."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.stopped = asyncio.Event()
        self.failure: BaseException | None = None
        self.counters = Counters()
        self.node = Node(
            options.data,
            limits=options.limits,
            memory=options.memory,
            rebase=options.rebase,
            snapshots=options.snapshots,
            broken=self.broken,
        )
        self.gate = CatalogGate(
            options.auth,
            lambda: self.node.catalog(self.node.default_cluster),
            options.admin_verifier,
            options.trust,
        )
        self.mock_secret = os.urandom(32)
        self.backend: Backend | None = None
        self.router: Router | None = None
        if options.router is not None:
            pool = ProcessorPool(self.node, options.data, options.router.processors, self._cancel_here)
            self.backend = pool
            self.router = Router(self.node, pool, options.router)
        elif options.workers:
            self.backend = Backend(self.node, options.data, options.workers, self._cancel_here)
        self.listener: Listener | None = None
        self.control: ControlSocket | None = None
        self.metrics: MetricsServer | None = None
        self.port = 0
        self.start_s = 0.0
        """How long it took until clients were served."""

    def open_session(
        self, user: str, database: str, options: Mapping[str, str], out: list[bytes]
    ) -> SqlSession:
        """A session of an authenticated client."""
        return SqlSession(self.node, user, database, options, out)

    def cancel(self, process_id: int, secret: bytes) -> None:
        """A cancel request for a session that is not one of the listener's."""
        if self.backend is not None:
            self.backend.cancel(process_id, secret)

    def _cancel_here(self, process_id: int, secret: bytes) -> None:
        if self.listener is not None:
            self.listener.cancel(process_id, secret)

    def broken(self, error: BaseException) -> None:
        """An invariant is broken or the journal failed: answer nobody, end the process."""
        if self.failure is None:
            self.failure = error
            log.critical("node stops error=%r", error, exc_info=not isinstance(error, WORLD_ERRORS) and error)
        if self.listener is not None:
            self.listener.stopping = True
            self.listener.abort()
        if self.backend is not None:
            self.backend.abort()
        self.stopped.set()

    async def start(self) -> None:
        """Open everything and listen; raises OSError when a port is taken."""
        begun = time.monotonic()
        await self.node.start()
        now = datetime.datetime.now(datetime.UTC)
        names = tls.names_of(self.options.host, self.options.tls_names)
        server_tls = tls.open_directory(self.options.data / "tls", names, now)
        limits = self.options.limits
        self.listener = Listener(
            self,
            limits=ListenerLimits(connections=limits.connections, lifetime_seconds=limits.connection_age_s),
            tls=server_tls,
            tls_required=self.options.tls_required,
            counters=self.counters,
            mock_secret=self.mock_secret,
            connect=Connection if self.router is None else partial(Relay, self.router),
        )
        await self._listen(self.listener)
        facts = Facts(address(self.options.host, self.port), time.monotonic(), self.counters)
        if self.router is not None:
            facts.workers = self.router.status
        elif self.backend is not None:
            facts.workers = self.backend.status
        operations = Operations(self.node.journal, self.node.stores, self.node, facts)
        self.control = ControlSocket(self.options.data, operations, self.broken)
        await self.control.start()
        self.start_s = time.monotonic() - begun
        if self.options.metrics is not None:
            await self._publish(*self.options.metrics)

    async def _publish(self, host: str, port: int) -> None:
        # Imported here: who does not ask for metrics does not wait for their library.
        from server.runtime import metrics, metrics_families

        node, version = self.node, importlib.metadata.version("opendsql")
        parts = [
            lambda: metrics_families.build(version, self.start_s),
            lambda: metrics_families.pipeline(node),
            lambda: metrics_families.upkeep(node),
            lambda: metrics_families.connections(self.counters),
        ]
        server = metrics.MetricsServer(metrics.Exposition(f"{os.uname().nodename}:{self.port}", parts))
        try:
            await server.start(host, port)
        except OSError as error:
            error.filename = f"{host}:{port}"  # which of the two ports it is
            raise
        self.metrics = server

    async def _listen(self, listener: Listener) -> None:
        options, backend = self.options, self.backend
        if backend is None:
            self.port = await listener.start(options.host, options.port)
            return
        if self.router is None:
            await require_free(options.host, options.port)
        self.port = await listener.start(options.host, options.port, reuse_port=self.router is None)
        await backend.start(
            Front(
                options.host,
                self.port,
                options.auth,
                options.tls_required,
                options.tls_names,
                options.admin_verifier,
                self.mock_secret,
                options.trust,
            )
        )

    async def stop(self) -> None:
        """No new connections; running statements get their grace; then everything is closed."""
        if self.router is not None:
            self.router.is_stopping = True
        if self.listener is not None and self.failure is None:
            ends = [self.listener.shutdown(STOP_GRACE_S)]
            if self.backend is not None:
                ends.append(self.backend.stop(STOP_GRACE_S))
            await asyncio.gather(*ends)
        if self.control is not None:
            await self.control.close()
        if self.metrics is not None:
            await self.metrics.stop()
        await self.node.stop()
        if self.failure is None:
            self.node.committer.close()
            if await self._flush_storage():
                self.node.close()

    async def _flush_storage(self) -> bool:
        """Whether storage reached the disk in time; if not, it is left as a kill would leave it."""
        flushed = asyncio.Event()
        loop = asyncio.get_running_loop()

        def flush() -> None:
            self.node.versions.flush_pages()
            with contextlib.suppress(RuntimeError):  # the loop ended while the disk was still writing
                loop.call_soon_threadsafe(flushed.set)

        # Not an executor's thread: the process would wait for it to end.
        threading.Thread(target=flush, daemon=True).start()
        try:
            await asyncio.wait_for(flushed.wait(), FLUSH_GRACE_S)
        except TimeoutError:
            log.warning("storage was not flushed in time")
            return False
        return True


async def serve(options: Options) -> int:
    """Run until a signal; returns the exit code."""
    server = Server(options)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stopped.set)
    await server.start()
    process.tune()
    print(ready_line(options.host, server.port), flush=True)  # noqa: T201 - the contract of DESIGN §12
    await server.stopped.wait()
    await server.stop()
    return 0 if server.failure is None else 1


async def require_free(host: str, port: int) -> None:
    """OSError when somebody listens there: a port that is shared by processes could be taken twice."""
    if port:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
        server.close()
        await server.wait_closed()


def ready_line(host: str, port: int) -> str:
    """What tells a script that the server answers queries."""
    return f"ready {address(host, port)}"


def address(host: str, port: int) -> str:
    """Where a client on this machine connects to, without a password."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host
    shown = f"[{shown}]" if ":" in shown else shown
    return f"postgresql://admin@{shown}:{port}/postgres"


@contextlib.contextmanager
def memory_directory() -> Iterator[Path]:
    """A private directory in memory, gone afterwards."""
    base = "/dev/shm" if Path("/dev/shm").is_dir() else None
    path = Path(tempfile.mkdtemp(prefix=f"opendsql-{os.getpid()}-", dir=base))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def run(options: Options) -> int:
    """`serve` on uvloop."""
    import uvloop

    try:
        return uvloop.run(serve(options))
    except Broken as error:
        log.critical("node stops error=%r", error)
        return 1


__all__ = ["Options", "Server", "memory_directory", "ready_line", "run", "sys"]
