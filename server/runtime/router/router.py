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

A processor that has become old is replaced (server.runtime.router.renewal): another one is started, and then every
session of the old one leaves it with the end of its exchange, which no client notices.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import time
from dataclasses import dataclass
from typing import Any, Protocol

from server.errors import PgError
from server.pgwire import codec
from server.runtime.router.counts import Counts
from server.runtime.router.processor import Processor
from server.runtime.router.relay import Relay
from server.runtime.router.renewal import Act, Renewal
from server.runtime.router.routed import Place, Routed
from server.runtime.router.settings import Settings

log = logging.getLogger("opendsql.router")


START_TRIES = 3
"""Processors that end before they take sessions, one after the other, until those who wait are told."""


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

    def cluster_named(self, cluster_id: str) -> int: ...

    def enter(self, session: Any, process_id: int | None = None) -> int: ...

    def leave(self, session: Any) -> None: ...


class Router:
    """See the module's text. For the event loop's thread."""

    def __init__(self, census: Census, pool: Pool, settings: Settings) -> None:
        self.census = census
        self.settings = settings
        self.kept_bytes = 0
        self.sessions = 0
        """Of all clients."""
        self.counts = Counts()
        self.is_stopping = False
        self._pool = pool
        self._processors: list[Processor] = []
        """Those that run or start."""
        self._wanting: dict[int, Routed] = {}
        """Sessions with input and without a processor."""
        self._renewal: Renewal[Processor] = Renewal(settings, random.random)
        self._failures = 0
        """Processors that ended before they took sessions, since one did."""
        self._timer: asyncio.TimerHandle | None = None
        self._starts: set[asyncio.Task[None]] = set()

    def enter(self, relay: Relay, user: str, database: str, options: dict[str, str]) -> Routed:
        """A client has logged in. Raises PgError 53300."""
        routed = Routed(self, relay, user, database, options)
        self.sessions += 1
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
        running = [each for each in self._processors if not (each.is_leaving or each.is_draining)]
        usable = [each for each in running if each.is_ready]
        while usable and self._wanting:
            _, routed = self._wanting.popitem()
            min(usable, key=lambda each: len(each.sessions)).take(routed)
        is_full = all(len(each.sessions) >= self.settings.full for each in usable)
        is_starting = len(usable) < len(running)
        has_room = len(running) < self.settings.processors
        if (self._wanting or (usable and is_full)) and not is_starting and has_room and not self.is_stopping:
            self._launch()

    def started(self, processor: Processor) -> None:
        """A processor takes sessions."""
        self._failures = 0
        self.counts.started += 1
        processor.renew_at = self._renewal.due(time.monotonic())
        self.ready()
        self._renew()

    def died(self, processor: Processor) -> None:
        """A processor has ended."""
        self._processors.remove(processor)
        if processor.is_ready:
            self.counts.died += not (processor.is_leaving or self.is_stopping)
        else:
            self._failures += 1
            self.counts.failed_starts += 1
            if self._failures >= START_TRIES:
                self._failures = 0
                self._refuse()
        for routed in list(processor.sessions.values()):
            was_at_rest = routed.is_at_rest or (routed.place is Place.LEAVING and routed.is_resting)
            processor.forget(routed)
            if not was_at_rest or routed.kept is None:
                self.counts.lost_connections += 1
                routed.relay.lost()
                continue
            routed.is_bereft = routed.is_in_block
            self.counts.lost_transactions += routed.is_in_block
            if routed.pending:
                self.want(routed)
        if self._wanting:
            self.ready()

    def status(self) -> dict[int, dict[str, Any]]:
        """The processors, by index: state and sessions."""
        return {
            each.index: {"state": each.state, "sessions": len(each.sessions)}
            for each in self._processors
            if each.pid
        }

    @property
    def places(self) -> dict[str, int]:
        """How many sessions are where."""
        here = sum(len(each.sessions) for each in self._processors)
        return {"here": here, "away": self.sessions - here, "waiting": len(self._wanting)}

    def _launch(self) -> Processor:
        processor = Processor(self)
        self._processors.append(processor)
        task = asyncio.create_task(self._start(processor))
        self._starts.add(task)
        task.add_done_callback(self._starts.discard)
        return processor

    async def _start(self, processor: Processor) -> None:
        loop = asyncio.get_running_loop()
        try:
            launched = await self._pool.launch()
            processor.index, processor.pid = launched.index, launched.pid
            await loop.create_unix_connection(lambda: processor.talk, sock=launched.socket)
        except OSError as error:
            log.error("query processor cannot be started error=%s", error)
            self.counts.failed_starts += 1
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
        self.counts.refused += len(wanting)
        for routed in wanting.values():
            error = PgError("57P03", "no query processor can be started", severity="FATAL")
            routed.relay.ended(codec.error_response(error))

    # --- idle sessions and processors ---

    @property
    def _period(self) -> float:
        settings = self.settings
        return max(min(settings.idle_s, settings.retire_s, settings.renew_s) / 4, 0.01)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        for processor in self._processors:
            if not processor.sessions:
                if self._may_retire(processor, now):
                    self.counts.retired += 1
                    processor.leave()
                continue
            for routed in processor.sessions.values():
                if now - routed.touched > self.settings.idle_s and routed.may_be_asked:
                    processor.ask(routed)
        self._renew()
        if self._processors:
            self._timer = loop.call_later(self._period, self._look, loop)
        else:
            self._timer = None

    def _may_retire(self, processor: Processor, now: float) -> bool:
        is_serving = processor.is_ready and not (processor.is_leaving or processor.is_draining)
        return is_serving and now - processor.empty_since > self.settings.retire_s

    # --- renewal

    def renew_later(self) -> None:
        """A processor that is drained has no sessions any more; their input comes first."""
        asyncio.get_running_loop().call_soon(self._renew)

    def _renew(self) -> None:
        now = time.monotonic()
        while not self.is_stopping and (step := self._renewal.step(now, self._processors)) is not None:
            processor = step.processor
            if step.act is Act.START:
                self._renewal.successor = self._launch()
            elif step.act is Act.DRAIN:
                processor.drain()
            elif step.act is Act.END:
                self.counts.renewed += 1
                processor.leave()
            else:
                self.counts.put_off += 1
                processor.is_draining = False
                processor.renew_at = self._renewal.due(now)
                self.ready()
