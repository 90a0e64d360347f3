"""The process of one query processor: `python -m server.runtime.router.query_processor NODE PAGE LIMIT ROUTER`.

The first three are as a worker's (server.runtime.worker_process): the node's socket, the shared page, the largest
frame in bytes. ROUTER is the descriptor of the router's socket. Either socket's end is the end of this process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from journal.broken import Broken
from server.errors import PgError
from server.pgwire import codec
from server.pgwire.connection import Connection, Counters, Environment
from server.pgwire.startup import Policy
from server.runtime import build, frames, process
from server.runtime.clocks.interval import NoTime
from server.runtime.described import Described
from server.runtime.framing import Messages
from server.runtime.gate import CatalogGate
from server.runtime.listener import report_defect
from server.runtime.page import SharedPage
from server.runtime.reporting import Reporter
from server.runtime.router import hosts, messages
from server.runtime.warming import warm
from server.runtime.worker import Link
from server.session import suspending
from server.session.session import SqlSession
from server.session.work import Slice, Wait

log = logging.getLogger("opendsql.processor")

T = TypeVar("T")

GOODBYE_S = 1.0
"""How long the router may take beyond the grace of statements to end the clients' connections itself."""
DONE_BYTES = 64 << 10
"""Input that may be done with before the router is told so, though there is nothing to answer."""
BASE_LIMIT = 1 << 20
"""Bytes of a base above which the router is given none: the connection ends if this process dies."""


class Seat:
    """One session in this process: as the listener's client, but its bytes come from the router."""

    def __init__(self, owner: QueryProcessor, process_id: int, connection: Connection) -> None:
        self.connection = connection
        self._owner = owner
        self._process_id = process_id
        self._received = 0
        self._told = 0
        self._known: suspending.Known | None = None
        self._early: list[bytes] | None = None
        """Input that waits for `prepare`."""
        self._is_scheduled = False

    def prepare(self, wait: Wait[None]) -> None:
        """Look at no input before `wait` is done."""
        self._early = []
        wait.callback = partial(self._prepared, wait)

    def receive(self, data: bytes) -> None:
        """Input from the client."""
        if self._early is not None:
            self._early.append(data)
            return
        self._received += len(data)
        self._call(partial(self.connection.receive, data))

    def hold(self, is_held: bool) -> None:
        """The client does not read, or does so again."""
        self.connection.held = is_held
        if not is_held and isinstance(self.connection.waiting, Slice):
            self._schedule()

    def suspend(self) -> bytes | None:
        """The session's state, if it may go; it is then closed here."""
        session = self.connection.session
        if self._early is not None or not suspending.may_suspend(self.connection):
            return None
        assert isinstance(session, SqlSession)
        try:
            state = suspending.suspend(session)
        except suspending.TooLarge:
            return None
        self.connection.close()
        return state

    def settle(self) -> None:
        """After every call of the connection: tell the router, and see to it that it is called again."""
        connection = self.connection
        data = connection.output()
        done = self._received - connection.buffered
        is_at_rest = connection.is_at_rest
        if data or is_at_rest or done - self._told > DONE_BYTES:
            self._told = done
            self._send(data, done, is_at_rest)
        if connection.closing:
            self._owner.closed(self._process_id)
            return
        waiting = connection.waiting
        if isinstance(waiting, Wait):
            waiting.callback = self._schedule
        elif waiting is not None and not connection.held:
            self._schedule()

    def _send(self, data: bytes, done: int, is_at_rest: bool) -> None:
        send, session = self._owner.talk.send, self._process_id
        place = 0
        while len(data) - place > messages.PIECE:
            piece = data[place : place + messages.PIECE]
            send(messages.Output(session, piece, True, done, False, False, None))
            place += messages.PIECE
        base = self._base() if is_at_rest else None
        running = self.connection.session
        is_in_block = running is not None and running.status != b"I"
        rest = data[place:] if place else data
        send(messages.Output(session, rest, False, done, is_at_rest, is_in_block, base))

    def _base(self) -> bytes | None:
        """What the router is to know of the session, if it is not what it knows; empty: nothing."""
        session = self.connection.session
        assert isinstance(session, SqlSession)
        if self._known is not None and self._known.is_true_of(session):
            return None
        self._known = suspending.Known(session)
        try:
            base = suspending.base(session)
        except suspending.TooLarge:
            return b""
        return base if len(base) <= BASE_LIMIT else b""

    def _prepared(self, wait: Wait[None]) -> None:
        early, self._early = self._early or [], None
        if not self.connection.closing:
            wait.value()
            for data in early:
                self.receive(data)

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._is_scheduled = False
        if not self.connection.closing:
            self._call(self.connection.turn)

    def _call(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Broken as error:
            self._owner.broken(error)
            return
        self.settle()


class QueryProcessor:
    """The sessions of this process. `stopped` is set when it is to end."""

    def __init__(self, config: frames.Configure, page: SharedPage, link: Link) -> None:
        self.node = hosts.make(config, page, link, self._time_lost, self.broken)
        self.seats: dict[int, Seat] = {}
        self.stopped = asyncio.Event()
        self.failed = False
        self._is_stopping = False
        gate = CatalogGate(config.auth, lambda: self.node.catalog(config.default_cluster), None)
        policy = Policy(gate, False, False, os.urandom, config.mock_secret)
        self.counters = Counters()
        self._environment = Environment(
            policy,
            self._open_session,
            report_defect,
            self.counters,
            message_limit=config.limits.message_bytes,
        )
        self.talk = Messages(messages.decode_to_processor, messages.FRAME_LIMIT, self._receive, self.fail)
        self.talk.congested = partial(self._hold_all, True)
        self.talk.resumed = partial(self._hold_all, False)

    def told(self, message: frames.ToWorker) -> None:
        """Something from the node."""
        try:
            if self.node.told(message):
                return
        except Broken as error:
            self.broken(error)
            return
        if isinstance(message, frames.Stop):
            self._is_stopping = True
            asyncio.get_running_loop().call_later(message.grace_s + GOODBYE_S, self.stopped.set)
            self._look()

    def fail(self, reason: str) -> None:
        """Answer nobody any more and end."""
        if not self.stopped.is_set():
            log.info("query processor ends reason=%s", reason)
            self.failed = True
            self.stopped.set()

    def broken(self, error: BaseException) -> None:
        """An invariant is broken: answer nobody, end the process."""
        log.critical("query processor stops error=%r", error, exc_info=error)
        self.talk.close()
        self.fail("broken invariant")

    def _time_lost(self, error: NoTime) -> None:
        self.fail(f"the time is not known: {error}")

    def closed(self, process_id: int) -> None:
        """A session has ended."""
        self.seats.pop(process_id).connection.close()
        self.node.told_left(process_id)
        self.talk.send(messages.Closed(process_id, b""))
        self._look()

    def _look(self) -> None:
        if self._is_stopping and not self.seats:
            self.stopped.set()

    def _receive(self, message: messages.ToProcessor) -> None:
        if isinstance(message, messages.Input):
            seat = self.seats.get(message.session)
            if seat is not None:
                seat.receive(message.data)
        elif isinstance(message, messages.Enter):
            who = message.session, message.secret, None
            known = self.node, message.user, message.database, message.options
            make = partial(self.node.kinds.usual, *known, known=who)
            self._seat(message.session, make, message.user)
        elif isinstance(message, messages.Resume):
            make = partial(self._resumed, message)
            self._seat(message.session, make, None)
        elif isinstance(message, messages.Leave):
            self.stopped.set()
        elif message.session in self.seats:
            self._about(message, self.seats[message.session])

    def _about(
        self, message: messages.Suspend | messages.Hold | messages.Cancel | messages.Drop, seat: Seat
    ) -> None:
        if isinstance(message, messages.Hold):
            seat.hold(message.is_held)
        elif isinstance(message, messages.Cancel):
            session = seat.connection.session
            if session is not None:
                session.cancel()
        elif isinstance(message, messages.Drop):
            del self.seats[message.session]
            seat.connection.close()
            self.node.told_left(message.session)
            self._look()
        else:
            state = seat.suspend()
            if state is None:
                self.talk.send(messages.Stays(message.session))
            else:
                del self.seats[message.session]
                self.talk.send(messages.Suspended(message.session, state))

    def _resumed(self, message: messages.Resume, out: list[bytes]) -> SqlSession:
        return suspending.resume(
            self.node,
            message.state,
            out,
            message.kept_s,
            is_bereft=message.is_bereft,
            kinds=self.node.kinds,
        )

    def _seat(self, process_id: int, make: Callable[[list[bytes]], SqlSession], greeted: str | None) -> None:
        try:
            connection = Connection.resumed(self._environment, make, greeted)
        except PgError as error:
            error.severity = "FATAL"
            self.talk.send(messages.Closed(process_id, codec.error_response(error)))
            return
        except suspending.UnknownVersion as failure:
            gone = PgError("57P02", f"the session cannot be resumed: {failure}", severity="FATAL")
            self.talk.send(messages.Closed(process_id, codec.error_response(gone)))
            return
        seat = self.seats[process_id] = Seat(self, process_id, connection)
        session = connection.session
        step = suspending.long_texts(session) if isinstance(session, SqlSession) else None
        if step is not None:
            seat.prepare(self.node.compute(step))
        if greeted is not None:
            seat.settle()

    def _hold_all(self, is_held: bool) -> None:
        for seat in self.seats.values():
            seat.hold(is_held)

    def _open_session(
        self, user: str, database: str, options: dict[str, str], out: list[bytes]
    ) -> SqlSession:
        raise PgError("08P01", "clients log in at the router", severity="FATAL")


async def run(node: int, page: int, limit: int, router: int) -> int:
    """The process's life, which ends here if it got as far as to serve; else its exit code."""
    loop = asyncio.get_running_loop()
    life = Described()
    nodes_end, routers_end = socket.socket(fileno=node), socket.socket(fileno=router)
    for each in (nodes_end, routers_end):
        each.setblocking(False)
    _, node_frames = await loop.create_unix_connection(
        lambda: Messages(frames.decode_to_worker, limit, life.receive, life.ended), sock=nodes_end
    )
    config = await life.configured
    if config is None:
        return 1
    processor = QueryProcessor(config, SharedPage(page), Link(node_frames))
    life.begin(processor.told, processor.fail)
    await processor.node.start()
    await warm(processor.node)
    await loop.create_unix_connection(lambda: processor.talk, sock=routers_end)
    process.tune()
    node_frames.send(frames.Accepting(build.version()))
    processor.talk.send(messages.Ready())
    reporter = Reporter(node_frames, processor.node, processor.counters)
    reporter.start()
    await processor.stopped.wait()
    reporter.tell()
    await asyncio.sleep(0)  # what was sent in this turn leaves
    if not processor.failed:
        processor.node.close()
    # Both sockets end together with the process, so that whoever sees an end finds no process that still runs.
    os._exit(int(processor.failed))


def main() -> None:
    """The process."""
    import uvloop

    process.log_to_stderr()
    # Whoever started it decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    node, page, limit, router = map(int, sys.argv[1:5])
    sys.exit(uvloop.run(run(node, page, limit, router)))


if __name__ == "__main__":
    main()
