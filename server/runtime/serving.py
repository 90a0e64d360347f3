"""`opendsql serve`: one region in one process, from the data directory to the ready line and back."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from journal.broken import Broken
from server.pgwire.sigv4 import Trust
from server.runtime import process
from server.runtime.admitting import admission
from server.runtime.backend import Backend
from server.runtime.control import ControlSocket
from server.runtime.endpoint import Endpoint
from server.runtime.gate import CatalogGate
from server.runtime.node import Node
from server.runtime.operations import Facts, Operations
from server.runtime.router.pool import ProcessorPool
from server.runtime.router.router import Router
from server.runtime.router.settings import Settings as Routing
from server.runtime.snapshots import SnapshotSettings
from server.session.session import SqlSession
from server.sql import refusals
from server.sql.limits import Limits
from server.testing.options import Testing

log = logging.getLogger("opendsql.serve")

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
    surface: str | None = None
    """The day whose DSQL it is; None: the newest."""
    snapshots: SnapshotSettings = field(default_factory=SnapshotSettings)
    workers: int = 0
    """Further processes that accept connections."""
    metrics: tuple[str, int] | None = None
    """Host and port for Prometheus."""
    testing: Testing = field(default_factory=Testing)
    while_stdin: bool = False
    """Stop when standard input ends: when whoever started the server is gone."""
    router: Routing | None = None
    """This process accepts all connections, and hands their sessions to query processors that come and go."""


class Server(Endpoint):
    """The node and its listener."""

    def __init__(self, options: Options) -> None:
        super().__init__(log, options.limits)
        refusals.as_of(options.surface)
        self.options = options
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
            named=lambda cluster_id: self.node.catalog(self.node.cluster_named(cluster_id)),
            aliases=options.tls_names,
        )
        self.node.set_testing(options.testing)
        self.admit = admission(self.node)
        if options.router is not None:
            pool = ProcessorPool(self.node, options.data, options.router.processors, self.cancel_here)
            self.backend = pool
            self.router = Router(self.node, pool, options.router)
        elif options.workers:
            self.backend = Backend(self.node, options.data, options.workers, self.cancel_here)
        self.start_s = 0.0
        """How long it took until clients were served."""

    def open_session(
        self, user: str, database: str, options: Mapping[str, str], out: list[bytes]
    ) -> SqlSession:
        """A session of an authenticated client."""
        return SqlSession(self.node, user, database, options, out)

    async def start(self) -> None:
        """Open everything and listen; raises OSError when a port is taken."""
        begun = time.monotonic()
        await self.node.start()
        await self.listen(self.options, self.options.data)
        endpoint = address(self.options.host, self.port)
        start_s = time.monotonic() - begun
        facts = Facts(endpoint, begun, self.connections, self.processes, self.routed, self.version, start_s)
        operations = Operations(self.node.journal, self.node.stores, self.node, facts)
        self.control = ControlSocket(self.options.data, operations, self.broken)
        await self.control.start()
        self.start_s = time.monotonic() - begun
        if self.options.metrics is not None:
            await self._publish(*self.options.metrics)

    async def _publish(self, host: str, port: int) -> None:
        # Imported here: who does not ask for metrics does not wait for their library.
        from server.runtime import metrics_families

        node, version = self.node, self.version
        parts = [
            lambda: metrics_families.build(version, self.start_s),
            lambda: metrics_families.pipeline(node),
            lambda: metrics_families.upkeep(node),
            lambda: metrics_families.contention(node.desk, node.clusters()),
        ]
        await self.publish(f"{os.uname().nodename}:{self.port}", parts, host, port)

    async def stop(self) -> None:
        """No new connections; running statements get their grace; then everything is closed."""
        await self.leave()
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
    if options.while_stdin:
        _watch_stdin(loop, server.stopped.set)
    await server.start()
    process.tune()
    print(ready_line(options.host, server.port), flush=True)  # noqa: T201 - the contract of DESIGN §12
    await server.stopped.wait()
    await server.stop()
    return 0 if server.failure is None else 1


def _watch_stdin(loop: asyncio.AbstractEventLoop, ended: Callable[[], None]) -> None:
    def read() -> None:
        while os.read(0, 1 << 16):
            pass
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            loop.call_soon_threadsafe(ended)

    # Not an executor's thread: the process would wait for it to end.
    threading.Thread(target=read, daemon=True).start()


def ready_line(host: str, port: int) -> str:
    """What tells a script that the server answers queries."""
    return f"ready {address(host, port)}"


def address(host: str, port: int) -> str:
    """Where a client on this machine connects to, without a password."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host
    shown = f"[{shown}]" if ":" in shown else shown
    return f"postgresql://admin@{shown}:{port}/postgres"


@contextlib.contextmanager
def memory_directory(wanted: Path | None = None) -> Iterator[Path]:
    """A private directory in memory, gone afterwards; or the one that is `wanted`, empty or new: FileExistsError."""
    if wanted is not None:
        wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(wanted.iterdir()):
            raise FileExistsError(errno.EEXIST, "what --memory uses must be empty", str(wanted))
        try:
            yield wanted
        finally:
            shutil.rmtree(wanted, ignore_errors=True)
        return
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
