"""Which query processor serves which session, and the states of those that none serves (DESIGN §3, §10).

                    input                       idle for a while
    AWAY ──▶ HERE: at a query processor ──▶ LEAVING: it was asked for the state ──▶ AWAY
     ▲            │                               │ it stays: it is more than its state
     └── the processor dies                   HERE

A session that is AWAY is some bytes here, and costs no process. Processors are started when there is input for a
session and none runs, or all are full; one without sessions ends after a while. One that dies takes what ran on it:
a session that was idle goes on from its base elsewhere, one that was in a transaction block learns at its next
statement that the transaction is lost (40001), and one whose exchange was under way loses its connection, because
its COMMIT may have been decided, and nobody here knows.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from server.errors import PgError
from server.pgwire import codec
from server.runtime.framing import Messages
from server.runtime.router import messages
from server.runtime.router.relay import Relay
from server.runtime.router.settings import Settings

log = logging.getLogger("opendsql.router")


START_TRIES = 3
"""Processors that end before they take sessions, one after the other, until those who wait are told."""


class Place(enum.Enum):
    """Where a session is."""

    AWAY = enum.auto()
    HERE = enum.auto()
    LEAVING = enum.auto()


@dataclass(frozen=True, slots=True)
class Launched:
    """A process that was started: its number among them, its id of the system, our end of a socket pair."""

    index: int
    pid: int
    socket: socket.socket


class Pool(Protocol):
    """Starts processes."""

    async def launch(self) -> Launched:
        """A new query processor. Raises OSError."""
        ...


class Census(Protocol):
    """The sessions of all processes: the node's."""

    default_cluster: int

    def enter(self, session: Any, process_id: int | None = None) -> int: ...

    def leave(self, session: Any) -> None: ...


class Routed:
    """A client's session, seen from the router."""

    def __init__(
        self, router: Router, relay: Relay, user: str, database: str, options: dict[str, str]
    ) -> None:
        """Raises PgError 53300."""
        self._router = router
        self.relay = relay
        self.user = user
        self.database = database
        self.options = options
        self.cluster = router.census.default_cluster
        self.settings: Mapping[str, str] = {"application_name": options.get("application_name", "")}
        self.secret = os.urandom(4)
        self.place = Place.AWAY
        self.processor: Processor | None = None
        self.pending: list[bytes] = []
        """Input for when the session is HERE again."""
        self.pending_bytes = 0
        self.sent = 0
        self.done = 0
        """Bytes of input: sent to the processor, and done with there."""
        self.is_greeted = False
        self.is_resting = False
        """What the processor said last; see `is_at_rest`."""
        self.is_in_block = False
        self.is_bereft = False
        """AWAY, and what is kept is the base of a session that was in a block."""
        self.is_staying = False
        """It was asked to leave since its last input, and stays."""
        self.kept: bytes | None = None
        """AWAY: the session's state. HERE: its base, if it is known."""
        self.touched = self.asked_at = time.monotonic()
        self.process_id = router.census.enter(self)

    @property
    def is_at_rest(self) -> bool:
        """Whether everything that the client has sent is answered."""
        return self.is_resting and not self.pending and self.sent == self.done

    @property
    def undone_bytes(self) -> int:
        """Input that waits for its turn."""
        return self.pending_bytes + self.sent - self.done

    def pass_on(self, data: bytes) -> None:
        """Input from the client."""
        if self.place is Place.HERE and self.processor is not None:
            self.processor.input(self, data)
            return
        self.pending.append(data)
        self.pending_bytes += len(data)
        if self.place is Place.AWAY:
            self._router.want(self)

    def hold(self, is_held: bool) -> None:
        """The client does not read its answers, or does so again."""
        if self.processor is not None:
            self.processor.talk.send(messages.Hold(self.process_id, is_held))

    def keep(self, data: bytes | None) -> None:
        """Keep this state or base instead of the one before."""
        before, self.kept = self.kept, data
        self._router.kept_bytes += len(data or b"") - len(before or b"")

    def drop(self) -> None:
        """The connection ends: nothing more is to be done."""
        self._router.withdraw(self)
        self.pending.clear()
        self.pending_bytes = 0
        if self.processor is not None:
            self.processor.talk.send(messages.Drop(self.process_id))
            self.processor.forget(self)

    # What is asked of any session

    def cancel(self) -> None:
        """Stop the running statement."""
        if self.processor is not None:
            self.processor.talk.send(messages.Cancel(self.process_id))

    def close(self) -> None:
        """The client is gone."""
        self.drop()
        self.keep(None)
        self._router.census.leave(self)


class Processor:
    """One query-processor process, seen from the router."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self.index = self.pid = 0
        self.sessions: dict[int, Routed] = {}
        self.is_ready = False
        self.is_leaving = False
        self.empty_since = time.monotonic()
        self.talk = Messages(messages.decode_to_router, messages.FRAME_LIMIT, self._receive, self._ended)

    def take(self, routed: Routed) -> None:
        """Serve the session from now on, beginning with the input that waits."""
        routed.place, routed.processor = Place.HERE, self
        routed.sent = routed.done = 0
        routed.is_resting = False
        self.sessions[routed.process_id] = routed
        if not routed.is_greeted:
            routed.is_greeted = True
            who = routed.process_id, routed.secret, routed.user, routed.database, routed.options
            self.talk.send(messages.Enter(*who))
        else:
            assert routed.kept is not None
            kept_s = time.monotonic() - routed.asked_at
            self.talk.send(messages.Resume(routed.process_id, routed.kept, kept_s, routed.is_bereft))
            routed.keep(None)
            routed.is_bereft = False
        if routed.relay.held:
            routed.hold(True)
        self._send_pending(routed)

    def input(self, routed: Routed, data: bytes) -> None:
        """Input from the client."""
        routed.sent += len(data)
        routed.is_staying = False
        routed.touched = time.monotonic()
        self.talk.send(messages.Input(routed.process_id, data))

    def ask(self, routed: Routed) -> None:
        """Ask for the state of a session that is at rest."""
        routed.place, routed.asked_at = Place.LEAVING, time.monotonic()
        self.talk.send(messages.Suspend(routed.process_id))

    def forget(self, routed: Routed) -> None:
        """The session is not here any more."""
        routed.place, routed.processor = Place.AWAY, None
        del self.sessions[routed.process_id]
        if not self.sessions:
            self.empty_since = time.monotonic()

    def leave(self) -> None:
        """End the process, which has no sessions."""
        self.is_leaving = True
        self.talk.send(messages.Leave())

    def _send_pending(self, routed: Routed) -> None:
        pending, routed.pending = routed.pending, []
        routed.pending_bytes = 0
        for data in pending:
            self.input(routed, data)

    def _receive(self, message: messages.ToRouter) -> None:
        if isinstance(message, messages.Ready):
            self.is_ready = True
            self._router.started()
            return
        routed = self.sessions.get(message.session)
        if routed is None:
            return  # its client has left meanwhile
        if isinstance(message, messages.Output):
            self._output(routed, message)
        elif isinstance(message, messages.Suspended):
            self.forget(routed)
            routed.keep(message.state)
            self._router.suspended += 1
            if routed.pending:
                self._router.want(routed)
        elif isinstance(message, messages.Stays):
            routed.place, routed.is_staying = Place.HERE, True
            self._send_pending(routed)
        else:
            self.forget(routed)
            routed.relay.ended(message.data)

    def _output(self, routed: Routed, message: messages.Output) -> None:
        routed.done = message.done
        routed.is_resting, routed.is_in_block = message.is_at_rest, message.is_in_block
        routed.touched = time.monotonic()
        base = message.base
        if base is not None:
            has_room = self._router.kept_bytes + len(base) <= self._router.settings.kept_bytes
            routed.keep(base if base and has_room else None)
        routed.relay.answered(message.data, message.is_part)

    def _ended(self, reason: str) -> None:
        log.info("query processor's socket ended index=%d pid=%d reason=%s", self.index, self.pid, reason)
        self._router.died(self)


class Router:
    """See the module's text. For the event loop's thread."""

    def __init__(self, census: Census, pool: Pool, settings: Settings) -> None:
        self.census = census
        self.settings = settings
        self.kept_bytes = 0
        self.suspended = 0
        """Suspensions so far."""
        self.lost = 0
        """Transactions and running statements lost with their processors."""
        self.is_stopping = False
        self._pool = pool
        self._processors: list[Processor] = []
        """Those that run or start."""
        self._wanting: dict[int, Routed] = {}
        """Sessions with input and without a processor."""
        self._failures = 0
        """Processors that ended before they took sessions, since one did."""
        self._timer: asyncio.TimerHandle | None = None
        self._starts: set[asyncio.Task[None]] = set()

    def enter(self, relay: Relay, user: str, database: str, options: dict[str, str]) -> Routed:
        """A client has logged in. Raises PgError 53300."""
        routed = Routed(self, relay, user, database, options)
        self.want(routed)
        return routed

    def want(self, routed: Routed) -> None:
        """The session needs a processor."""
        self._wanting[routed.process_id] = routed
        self.ready()

    def withdraw(self, routed: Routed) -> None:
        """The session needs none any more."""
        self._wanting.pop(routed.process_id, None)

    def ready(self) -> None:
        """Give processors to those who want one, and start another one if it is needed."""
        usable = [each for each in self._processors if each.is_ready and not each.is_leaving]
        while usable and self._wanting:
            _, routed = self._wanting.popitem()
            min(usable, key=lambda each: len(each.sessions)).take(routed)
        is_full = all(len(each.sessions) >= self.settings.full for each in usable)
        is_starting = any(not each.is_ready for each in self._processors)
        room = self.settings.processors - sum(not each.is_leaving for each in self._processors)
        if (self._wanting or (usable and is_full)) and not is_starting and room > 0 and not self.is_stopping:
            processor = Processor(self)
            self._processors.append(processor)
            task = asyncio.create_task(self._start(processor))
            self._starts.add(task)
            task.add_done_callback(self._starts.discard)

    def started(self) -> None:
        """A processor takes sessions."""
        self._failures = 0
        self.ready()

    def died(self, processor: Processor) -> None:
        """A processor has ended."""
        self._processors.remove(processor)
        if not processor.is_ready:
            self._failures += 1
            if self._failures >= START_TRIES:
                self._failures = 0
                self._refuse()
        for routed in list(processor.sessions.values()):
            was_at_rest = routed.is_at_rest or (routed.place is Place.LEAVING and routed.is_resting)
            processor.forget(routed)
            if not was_at_rest or routed.kept is None:
                self.lost += 1
                routed.relay.lost()
                continue
            routed.is_bereft = routed.is_in_block
            self.lost += routed.is_in_block
            if routed.pending:
                self.want(routed)
        if self._wanting:
            self.ready()

    def status(self) -> list[dict[str, Any]]:
        """The processors: index, process id of the system, sessions."""
        return [
            {"index": each.index, "pid": each.pid, "sessions": len(each.sessions)}
            for each in self._processors
            if each.pid
        ]

    async def _start(self, processor: Processor) -> None:
        loop = asyncio.get_running_loop()
        try:
            launched = await self._pool.launch()
            processor.index, processor.pid = launched.index, launched.pid
            await loop.create_unix_connection(lambda: processor.talk, sock=launched.socket)
        except OSError as error:
            log.error("query processor cannot be started error=%s", error)
            self._processors.remove(processor)
            self._refuse()
            return
        loop.call_later(self.settings.start_s, self._give_up, processor)
        if self._timer is None:
            self._timer = loop.call_later(self._period, self._look, loop)

    def _give_up(self, processor: Processor) -> None:
        if not processor.is_ready and processor in self._processors:
            self._refuse()
            processor.talk.close()

    def _refuse(self) -> None:
        wanting, self._wanting = self._wanting, {}
        for routed in wanting.values():
            error = PgError("57P03", "no query processor can be started", severity="FATAL")
            routed.relay.ended(codec.error_response(error))

    # --- idle sessions and processors ---

    @property
    def _period(self) -> float:
        return max(min(self.settings.idle_s, self.settings.retire_s) / 4, 0.01)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        for processor in self._processors:
            if not processor.sessions:
                if processor.is_ready and now - processor.empty_since > self.settings.retire_s:
                    processor.leave()
                continue
            for routed in processor.sessions.values():
                if self._may_be_asked(routed, now):
                    processor.ask(routed)
        if self._processors:
            self._timer = loop.call_later(self._period, self._look, loop)
        else:
            self._timer = None

    def _may_be_asked(self, routed: Routed, now: float) -> bool:
        return (
            routed.place is Place.HERE
            and routed.is_at_rest
            and not routed.is_staying
            and now - routed.touched > self.settings.idle_s
            and self.kept_bytes < self.settings.kept_bytes
        )
