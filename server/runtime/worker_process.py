"""The process of one worker: `python -m server.runtime.worker_process SOCKET PAGE LIMIT`, started by main.

SOCKET and PAGE are inherited descriptors: one end of a socket pair, which nobody else can reach, and the
shared page. LIMIT is the largest frame in bytes. The end of the socket is the end of main, and of this process.
"""

import asyncio
import datetime
import logging
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from journal.broken import Broken
from server.pgwire.connection import Counters
from server.runtime import build, frames, process, tls
from server.runtime.admitting import admission
from server.runtime.clocks.interval import NoTime
from server.runtime.described import Described
from server.runtime.framing import Messages
from server.runtime.gate import CatalogGate
from server.runtime.listener import Listener, limits_of
from server.runtime.page import SharedPage
from server.runtime.region.worker import RegionWorkerNode, edges_of
from server.runtime.reporting import Reporter
from server.runtime.warming import warm
from server.runtime.worker import Link, WorkerNode
from server.session.session import SqlSession

log = logging.getLogger("opendsql.worker")

STOP_GRACE_S = 5.0


class Worker:
    """A listener with the sessions of one process. `stopped` is set when it is to end, now or with grace."""

    def __init__(
        self, config: frames.Configure, page: SharedPage, socket_frames: Messages, link: Link
    ) -> None:
        self._config = config
        self._frames = socket_frames
        self._link = link
        self.node: WorkerNode
        if config.regional:
            edges = edges_of(config.regional, self._time_lost)
            self.node = RegionWorkerNode(config, page, link, edges, self.broken)
        else:
            self.node = WorkerNode(config, page, link)
        self.gate = CatalogGate(
            config.auth,
            lambda: self.node.catalog(config.default_cluster),
            config.admin_verifier,
            config.trust,
            named=lambda cluster_id: self.node.catalog(self.node.cluster_named(cluster_id)),
            aliases=config.tls_names,
        )
        self.stopped = asyncio.Event()
        self.failed = False
        self.grace_s = STOP_GRACE_S
        names = tls.names_of(config.host, config.tls_names)
        now = datetime.datetime.now(datetime.UTC)
        counters = Counters()
        self.listener = Listener(
            self,
            limits=limits_of(config.limits),
            tls=tls.Renewal(Path(config.data) / "tls", names, now, makes=False),
            tls_required=config.tls_required,
            counters=counters,
            mock_secret=config.mock_secret,
            admit=admission(self.node),
        )
        self._reporter = Reporter(socket_frames, self.node, counters)

    async def run(self) -> int:
        """Serve until told to stop or main is gone; the exit code."""
        await self.node.start()
        await warm(self.node)
        await self.listener.start(self._config.host, self._config.port, reuse_port=True)
        process.tune()
        self._frames.send(frames.Accepting(build.version()))
        self._reporter.start()
        await self.stopped.wait()
        if self.failed:
            return 1
        await self.listener.shutdown(self.grace_s)
        self._reporter.tell()
        await self.node.stop()
        self.node.close()
        return 0

    def receive(self, message: frames.ToWorker) -> None:
        """Something from main."""
        try:
            if self.node.told(message):
                return
        except Broken as error:
            self.broken(error)
            return
        if isinstance(message, frames.Cancel):
            self.listener.cancel(message.process_id, message.secret)
        elif isinstance(message, frames.Stop):
            self.grace_s = message.grace_s
            self.stopped.set()

    def fail(self, reason: str) -> None:
        """Answer nobody any more and end."""
        if not self.failed:
            self.failed = True
            log.info("worker ends index=%d reason=%s", self._config.index, reason)
            self.listener.stopping = True
            self.listener.abort()
            self.stopped.set()

    # What the listener asks of its node

    def open_session(
        self, user: str, database: str, options: Mapping[str, str], out: list[bytes]
    ) -> SqlSession:
        """A session of an authenticated client."""
        return self.node.kinds.usual(self.node, user, database, options, out)

    def _time_lost(self, error: NoTime) -> None:
        self.fail(f"the time is not known: {error}")

    def cancel(self, process_id: int, secret: bytes) -> None:
        """A cancel request for a session of another process."""
        self._link.cancel(process_id, secret)

    def broken(self, error: BaseException) -> None:
        """An invariant is broken: answer nobody, end the process; main starts another one."""
        log.critical("worker stops error=%r", error, exc_info=error)
        self.fail("broken invariant")


async def run(descriptor: int, page: int, limit: int) -> int:
    """The worker's life; its exit code."""
    loop = asyncio.get_running_loop()
    life = Described()
    connected = socket.socket(fileno=descriptor)
    connected.setblocking(False)
    _, socket_frames = await loop.create_unix_connection(
        lambda: Messages(frames.decode_to_worker, limit, life.receive, life.ended), sock=connected
    )
    config = await life.configured
    if config is None:
        return 1
    worker = Worker(config, SharedPage(page), socket_frames, Link(socket_frames))
    loop.add_signal_handler(signal.SIGTERM, worker.stopped.set)
    life.begin(worker.receive, worker.fail)
    return await worker.run()


def main() -> None:
    """The process."""
    import uvloop

    process.log_to_stderr()
    # An interrupt from the terminal reaches every process; main decides when the workers stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    descriptor, page, limit = map(int, sys.argv[1:4])
    sys.exit(uvloop.run(run(descriptor, page, limit)))


if __name__ == "__main__":
    main()
