"""Reads under way: what the cores ask for (server.session.reader) is asked of storage nodes, and their answers told.

    Running.perform ── ReadWanted, ScanWanted ──▶ storage node
    core.answer     ◀── ReadFound, ScanFound ────
                    ◀── every `TICK_S`: whom nobody has answered asks another replica

A question that fails (the node is gone, the connection ended) is to the core what a refusal is: it asks elsewhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from journal.record import Timestamp
from server.runtime.net.asking import Question
from server.runtime.reading.places import ShardMap
from server.runtime.region.wire import ReadFound, ReadWanted, ScanFound, ScanWanted
from server.session.reader import Endurance, Reader, ToReplica, error
from server.session.stacks import ReadWait, stack
from storage.shard import Answered, Read, ReadAnswer, Refused, Request, ScanAnswer

TICK_S = 0.025
ENDURANCE = Endurance(pieces=4)
"""A scan holds as many answers at most (`storage.shard.Bounds.answer_bytes`)."""
PATIENCE_S = 5.5
"""A replica lets a read wait for 5 s (`storage.shard.Bounds.wait`)."""


class Asker(Protocol):
    """The way to other nodes (server.runtime.net.transport)."""

    def ask(self, to: str, message: Any, patience_s: float) -> Question: ...

    def is_connected(self, to: str) -> bool: ...


class Storage:
    """The storage nodes of a region, as one process reads from them. For the event loop's thread."""

    def __init__(
        self,
        asker: Asker,
        shards: ShardMap,
        *,
        earliest: Callable[[], Timestamp],
        call_later: Callable[[float, Callable[[], None]], Any],
        age_limit_s: float,
        endurance: Endurance = ENDURANCE,
    ) -> None:
        """`earliest`: the early edge of the clock. `age_limit_s`: of transactions, for the words of an error."""
        self.shards = shards
        self.earliest = earliest
        self.asked = 0
        """Questions, those that were repeated included."""
        self.failed = 0
        """Reads that were given up."""
        self._asker = asker
        self._call_later = call_later
        self._age_limit_s = age_limit_s
        self._endurance = endurance
        self._running: set[Running] = set()
        self._is_ticking = False

    @property
    def running(self) -> int:
        """Reads that have questions out."""
        return len(self._running)

    def begin(self, start_ts: Timestamp) -> Running:
        """A read of a transaction that began at `start_ts`."""
        return Running(self, Reader(0, start_ts, self.shards, self._endurance))

    def ask(self, replica: int, request: Request) -> Question:
        """Send a question."""
        self.asked += 1
        return self._asker.ask(self.shards.nodes[replica], _wanted(request), PATIENCE_S)

    def error_of(self, reader: Reader) -> Exception:
        """What the client is told."""
        self.failed += 1
        assert reader.failure is not None
        return error(reader.failure, (self.earliest() - reader.start_ts) / 1e9, self._age_limit_s)

    def watch(self, running: Running) -> None:
        """It has questions out."""
        self._running.add(running)
        if not self._is_ticking:
            self._is_ticking = True
            self._call_later(TICK_S, self._tick)

    def forget(self, running: Running) -> None:
        """It has none any more."""
        self._running.discard(running)

    def _tick(self) -> None:
        for running in list(self._running):
            running.tick()
        self._is_ticking = bool(self._running)
        if self._is_ticking:
            self._call_later(TICK_S, self._tick)


class Running:
    """One read: a core, the questions that it has out, and the stack that waits for it."""

    __slots__ = ("_questions", "_storage", "_wait", "reader")

    def __init__(self, storage: Storage, reader: Reader) -> None:
        self.reader = reader
        self._storage = storage
        self._questions: dict[Question, Request] = {}
        self._wait: ReadWait | None = None

    def perform(self, effects: Sequence[ToReplica]) -> None:
        """Ask what the core wants asked."""
        pending = deque(effects)
        while pending:
            replica, request = pending.popleft()
            question = self._storage.ask(replica, request)
            if question.done:
                pending.extend(self._told(replica, question, request))
            else:
                self._questions[question] = request
                question.callback = partial(self._answered, replica, question)
        if self._questions:
            self._storage.watch(self)

    def until_ready(self) -> None:
        """Leave the stack until the core has something to say. Raises PgError, `Abandoned`."""
        reader = self.reader
        while not reader.is_ready(self.now()):
            self._storage.watch(self)
            self._wait = wait = ReadWait()
            try:
                stack().leave(wait)
                wait.value()
            finally:
                self._wait = None
        if reader.failure is not None:
            raise self._storage.error_of(reader)

    def now(self) -> Timestamp:
        """The early edge of the clock."""
        return self._storage.earliest()

    def tick(self) -> None:
        """Time has passed."""
        self.perform(self.reader.tick(self.now()))
        self._look()

    def close(self) -> None:
        """Nobody wants the rest."""
        questions, self._questions = self._questions, {}
        for question in questions:
            question.withdraw()
        self._storage.forget(self)

    def _answered(self, replica: int, question: Question) -> None:
        request = self._questions.pop(question)
        self.perform(self._told(replica, question, request))
        self._look()

    def _told(self, replica: int, question: Question, request: Request) -> list[ToReplica]:
        message = _found(question, request)
        if message.refused is None:
            self._withdraw(request.number)
        return self.reader.answer(replica, message, self.now())

    def _withdraw(self, number: int) -> None:
        """The first answer counts."""
        for question in [each for each, request in self._questions.items() if request.number == number]:
            del self._questions[question]
            question.withdraw()

    def _look(self) -> None:
        if not self._questions and self._wait is None:
            self._storage.forget(self)
        if self._wait is not None and self.reader.is_ready(self.now()):
            wait, self._wait = self._wait, None
            if not wait.done:
                wait.finish(None)


def _wanted(request: Request) -> ReadWanted | ScanWanted:
    if isinstance(request, Read):
        return ReadWanted(request.ts, request.keys)
    span = (request.lo, request.hi)
    return ScanWanted(request.ts, *span, request.limit, request.reverse, request.pushed)


def _found(question: Question, request: Request) -> Answered:
    """The answer as the core has it; whatever else came of the question may be had from another replica."""
    message = question.result if question.error is None else None
    if isinstance(request, Read):
        if isinstance(message, ReadFound):
            return ReadAnswer(request.reader, request.number, message.rows, message.refused)
        return ReadAnswer(request.reader, request.number, (), Refused.LATE)
    if isinstance(message, ScanFound):
        return ScanAnswer(request.reader, request.number, message.rows, message.following, message.refused)
    return ScanAnswer(request.reader, request.number, (), None, Refused.LATE)
