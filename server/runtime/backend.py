"""The worker processes of a node, and what the node does for them (DESIGN §8, §11).

    main ── exec ──▶ worker 1..N, each with one end of a socket pair and the shared page
         ◀── commits, waits for jobs, cancel requests, sessions that enter and leave ──

Workers are exec'ed, never forked with an environment open. A worker that ends takes its connections with it
and is started again, at a bounded rate. Their sockets end with this process, and they with their sockets.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from adjudicator.messages import CommitRequest
from journal.broken import require
from server.errors import PgError
from server.pgwire.sigv4 import Trust
from server.runtime import frames
from server.runtime.census import Census
from server.runtime.desk import NodeDesk
from server.runtime.framing import Messages
from server.runtime.hosting import Entered, Shared, index_of
from server.runtime.page import SharedPage
from server.runtime.process import environment
from server.runtime.reporting import Reports, added, at_its_end
from server.session.reasons import Refusal
from server.session.work import Wait
from server.sql import dates
from server.sql.limits import Limits
from server.testing.desk import Desk, Observed
from server.testing.injections import Fault

log = logging.getLogger("opendsql.backend")

PENDING_BYTES = 64 << 20
"""Commits of one worker in the pipeline above which no more of its requests are read."""
START_LIMIT_S = 60.0
SETTLED_S = 30.0
RESTART_S, RESTART_MOST_S = 0.5, 30.0
"""Rest before a restart; doubled each time that a worker did not live `SETTLED_S`."""
KILL_S = 0.5
"""How long a worker that was told to stop may take beyond its grace and the time to say good-bye."""
GOODBYE_S = 2.5


@dataclass(frozen=True, slots=True)
class Front:
    """What a worker's listener is to be like."""

    host: str
    port: int
    auth: str
    tls_required: bool
    tls_names: tuple[str, ...]
    admin_verifier: str | None
    mock_secret: bytes
    trust: Trust | None = None


class Committing(Protocol):
    """What takes a worker's commits."""

    def submit(self, request: CommitRequest, size: int) -> Wait[int]: ...


class Waiting(Protocol):
    """What a worker waits for with the jobs' node."""

    def wait_for(self, cluster: int, job_id: str, is_submitted: bool = False) -> Wait[bool]: ...


class ReadElsewhere(Protocol):
    """The replica that the workers read."""

    @property
    def applied_position(self) -> int: ...

    def check_readers(self) -> int: ...


class Main(Protocol):
    """The node behind the workers: one machine's, or a region's."""

    limits: Limits
    default_cluster: int
    rebase: bool
    shared: Shared | None

    @property
    def sessions(self) -> Mapping[int, Any]: ...

    @property
    def desk(self) -> Desk: ...

    @property
    def session_defaults(self) -> dict[str, str]: ...

    @property
    def committer(self) -> Committing: ...

    @property
    def jobs(self) -> Waiting: ...

    @property
    def versions(self) -> ReadElsewhere: ...

    def told_entered(self, session: Entered) -> None: ...

    def told_left(self, process_id: int) -> None: ...


class WorkerFailed(OSError):
    """A worker ended before it accepted connections."""


class Peer:
    """One worker process, seen from main."""

    def __init__(self, index: int, node: Main, backend: Backend, limit: int) -> None:
        self.index = index
        self.sessions: set[int] = set()
        self.accepting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.process: asyncio.subprocess.Process | None = None
        self.reports = Reports()
        self.version = ""
        self.start_s = 0.0
        """From its start until it took clients."""
        self._began = time.monotonic()
        self.frames = Messages(frames.decode_to_main, limit, self._receive, self._ended)
        self.frames.congested = lambda: self._ended("it does not read")
        self._node = node
        self._backend = backend
        self._pending_bytes = 0
        self._is_held = False

    def kill(self) -> None:
        """End the process without a word."""
        self.frames.close()
        if self.process is not None and self.process.returncode is None:
            self.process.kill()

    def _receive(self, message: frames.ToMain) -> None:
        if isinstance(message, frames.Submit):
            self._submit(message)
        elif isinstance(message, frames.WaitForJob):
            self._wait_for_job(message)
        elif isinstance(message, frames.Cancel):
            self._backend.cancel(message.process_id, message.secret)
        elif isinstance(message, Entered):
            self.sessions.add(message.process_id)
            self._node.told_entered(message)
            self._backend.tell(message, self)
        elif isinstance(message, frames.Left):
            self.sessions.discard(message.process_id)
            self._node.told_left(message.process_id)
            self._backend.tell(message, self)
        elif isinstance(message, frames.ConflictLost):
            self._node.desk.lost(message.lost)
        elif isinstance(message, frames.Asked):
            self._ask(message)
        elif isinstance(message, frames.RunningAre):
            self._backend.census.told(message.number, self.index, message.running)
        elif isinstance(message, frames.Report):
            self.reports.take(message, time.monotonic())
        elif not self.accepting.done():
            self.version, self.start_s = message.version, time.monotonic() - self._began
            self._backend.started(self)
            self.accepting.set_result(None)

    def _submit(self, message: frames.Submit) -> None:
        self._pending_bytes += message.size
        if self._pending_bytes > PENDING_BYTES and not self._is_held:
            self._is_held = True
            self.frames.hold()
        wait = self._node.committer.submit(message.request, message.size)
        wait.callback = partial(self._decided, message.number, message.size, wait)

    def _decided(self, number: int, size: int, wait: Wait[int]) -> None:
        self._pending_bytes -= size
        if self._is_held and self._pending_bytes <= PENDING_BYTES // 2:
            self._is_held = False
            self.frames.go_on()
        error = wait.error
        if error is None:
            self.frames.send(frames.Committed(number, wait.value()))
            return
        require(isinstance(error, PgError), "a commit is refused with an error for the client")
        assert isinstance(error, PgError)
        self.frames.send(_refused(number, error))

    def _wait_for_job(self, message: frames.WaitForJob) -> None:
        wait = self._node.jobs.wait_for(message.cluster, message.job_id, message.is_submitted)
        answer = partial(self._job_ended, message.number, wait)
        if wait.done:
            answer()
        else:
            wait.callback = answer

    def _job_ended(self, number: int, wait: Wait[bool]) -> None:
        self.frames.send(frames.JobEnded(number, wait.value()))

    def _ask(self, message: frames.Asked) -> None:
        wait = self._node.desk.ask(message.request)
        answer = partial(self._told, message.number, wait)
        if wait.done:
            answer()
        else:
            wait.callback = answer

    def _told(self, number: int, wait: Wait[Any]) -> None:
        if isinstance(wait.error, PgError):
            self.frames.send(_refused(number, wait.error))
            return
        found = wait.value()
        self.frames.send(
            frames.Told(
                number,
                fault=found if isinstance(found, Fault) else None,
                count=found if isinstance(found, int) else None,
                observed=found if isinstance(found, Observed) else None,
            )
        )

    def _ended(self, reason: str) -> None:
        log.info("worker's socket ended index=%d reason=%s", self.index, reason)
        if not self.accepting.done():
            self.accepting.set_exception(WorkerFailed("a worker ended before it accepted connections"))
        if not self._backend.is_stopping:
            self.kill()


class Backend:
    """Starts, serves, restarts and stops the workers of a node."""

    MODULE = "server.runtime.worker_process"
    """What a process runs."""

    def __init__(
        self, node: Main, data: Path, count: int, cancel_here: Callable[[int, bytes], object]
    ) -> None:
        self._node = node
        self._data = data
        self._count = count
        self._cancel_here = cancel_here
        self._limit = node.limits.transaction_bytes + frames.OVERHEAD
        self._page = SharedPage.create()
        self._peers: dict[int, Peer] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._front: Front | None = None
        self.is_stopping = False
        self.starts = 0
        """Processes that took clients so far."""
        self.start_s = 0.0
        """How long they took until then, together."""
        self.ended = Reports().last
        """What those counted that are gone."""
        node.shared = Shared(self._page, self)
        self.census = Census(self.tell)
        assert isinstance(node.desk, NodeDesk)
        node.desk.page = self._page
        node.desk.elsewhere = lambda: self.census.ask(self._accepting())

    async def start(self, front: Front) -> None:
        """Returns when all workers accept connections. Raises `WorkerFailed`, OSError."""
        self._front = front
        self._page.position = self._node.versions.applied_position
        peers = [await self._spawn(index) for index in range(1, self._count + 1)]
        try:
            await asyncio.wait_for(asyncio.gather(*(peer.accepting for peer in peers)), START_LIMIT_S)
        except TimeoutError:
            raise WorkerFailed(f"a worker did not accept connections in {START_LIMIT_S:.0f} s") from None
        self._keepers = [asyncio.create_task(self._keep(peer)) for peer in peers]

    async def stop(self, grace_s: float) -> None:
        """Running statements get `grace_s` seconds; returns when every worker is gone."""
        self.is_stopping = True
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self.tell(frames.Stop(grace_s))
        processes = [peer.process for peer in self._peers.values() if peer.process is not None]
        if processes:
            ends = [asyncio.ensure_future(process.wait()) for process in processes]
            await asyncio.wait(ends, timeout=grace_s + GOODBYE_S + KILL_S)
        self.abort()

    def abort(self) -> None:
        """Let no worker answer anybody any more."""
        self.is_stopping = True
        for peer in self._peers.values():
            peer.kill()

    def cancel(self, process_id: int, secret: bytes) -> None:
        """A cancel request for a session of any process but the one where it arrived."""
        index = index_of(process_id)
        if index == 0:
            self._cancel_here(process_id, secret)
        elif index in self._peers:
            self._peers[index].frames.send(frames.Cancel(process_id, secret))

    def tell(self, message: frames.ToWorker, source: Peer | None = None) -> None:
        """Send to every worker, but not to the one it comes from."""
        for peer in self._peers.values():
            if peer is not source:
                peer.frames.send(message)

    def _accepting(self) -> list[int]:
        """The processes that can answer: one that only starts has no sessions yet."""
        return [index for index, peer in self._peers.items() if peer.accepting.done()]

    def started(self, peer: Peer) -> None:
        """A process takes clients."""
        self.starts += 1
        self.start_s += peer.start_s

    @property
    def reports(self) -> list[frames.Report]:
        """What the processes that run count."""
        return [peer.reports.last for peer in self._peers.values()]

    def status(self) -> list[dict[str, Any]]:
        """The processes; `sessions` of a query processor the router knows."""
        return [
            {
                "index": index,
                "pid": peer.process.pid,
                "state": "serving" if peer.accepting.done() else "starting",
                "sessions": len(peer.sessions),
                "transactions": peer.reports.last.open_transactions,
                "busy": round(peer.reports.busy_share, 3),
                "busy_s": round(peer.reports.last.busy_s, 3),
                "version": peer.version,
                "start_s": round(peer.start_s, 2),
            }
            for index, peer in sorted(self._peers.items())
            if peer.process is not None
        ]

    # What the node tells of its own sessions

    def entered(self, session: Entered) -> None:
        self.tell(session)

    def left(self, process_id: int) -> None:
        self.tell(frames.Left(process_id))

    # --- processes ---

    async def _spawn(self, index: int, *more: int) -> Peer:
        """Start process `index`, which also inherits the descriptors `more`."""
        peer = Peer(index, self._node, self, self._limit)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            try:
                peer.process = await self._execute(theirs.fileno(), more)
            except BaseException:
                ours.close()
                raise
        await asyncio.get_running_loop().create_unix_connection(lambda: peer.frames, sock=ours)
        peer.frames.send(self._configuration(index))
        for session in self._node.sessions.values():
            peer.frames.send(_identity(session))
        self._peers[index] = peer
        return peer

    async def _execute(self, descriptor: int, more: tuple[int, ...]) -> asyncio.subprocess.Process:
        numbers = (descriptor, self._page.descriptor)
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", self.MODULE),
            *map(str, (*numbers, self._limit, *more)),
            pass_fds=(*numbers, *more),
            env=environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
        )

    def _configuration(self, index: int) -> frames.Configure:
        front = self._front
        assert front is not None
        return frames.Configure(
            index=index,
            default_cluster=self._node.default_cluster,
            data=str(self._data.absolute()),
            host=front.host,
            port=front.port,
            auth=front.auth,
            tls_required=front.tls_required,
            tls_names=front.tls_names,
            admin_verifier=front.admin_verifier,
            trust=front.trust,
            mock_secret=front.mock_secret,
            rebase=self._node.rebase,
            limits=self._node.limits,
            surface=dates.day(),
            session_defaults=self._node.session_defaults,
        )

    async def _keep(self, peer: Peer) -> None:
        """Start the worker again whenever it has ended."""
        loop = asyncio.get_running_loop()
        rest = RESTART_S / 2
        while True:
            began = loop.time()
            assert peer.process is not None
            code = await peer.process.wait()
            self._forget(peer)
            log.error("worker ended index=%d pid=%d code=%d", peer.index, peer.process.pid, code)
            rest = RESTART_S if loop.time() - began > SETTLED_S else min(2 * rest, RESTART_MOST_S)
            peer = await self._spawn_again(peer.index, rest)

    async def _spawn_again(self, index: int, rest: float) -> Peer:
        while True:
            await asyncio.sleep(rest)
            try:
                peer = await self._spawn(index)
            except OSError as error:
                log.error("worker cannot be started index=%d error=%s", index, error)
                rest = min(2 * rest, RESTART_MOST_S)
                continue
            # Whoever waits for the first workers to accept is not there any more.
            peer.accepting.add_done_callback(lambda done: done.exception())
            return peer

    def _forget(self, peer: Peer) -> None:
        peer.frames.close()
        del self._peers[peer.index]
        self.census.gone(peer.index)
        self.ended = added(self.ended, at_its_end(peer.reports.last))
        self._page.clear_sessions(peer.index)
        self._node.versions.check_readers()
        for process_id in peer.sessions:
            self._node.told_left(process_id)
            self.tell(frames.Left(process_id))


def _refused(number: int, error: PgError) -> frames.Refused:
    verdict = error.verdict if isinstance(error, Refusal) else None
    return frames.Refused(
        number, error.sqlstate, error.message, error.severity, error.detail, error.hint, verdict
    )


def _identity(session: Any) -> Entered:
    if isinstance(session, Entered):
        return session
    application = session.settings["application_name"]
    return Entered(session.process_id, session.cluster, session.user, session.database, application)
