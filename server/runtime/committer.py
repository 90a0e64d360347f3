"""The commit pipeline: decide, append, make durable, apply, answer (DESIGN §6, §7, §11).

One round takes every commit that arrived during the last flush and makes one record of the winners. Losers
are answered at once. A record's commits are applied and answered when it is durable: after the flush of the
next record, which carries its meta page, or after a sync of its own when nothing follows.

    requests   a b      c d e          f
    append     [a b] -> [c d e] -----> [f] -> sync
    durable            -  a b           c d e    f
    answered               a b           c d e    f

The flush runs inline when nobody but the committing sessions has anything to do (a hand-over to a thread and
back costs two wake-ups of about 50 microseconds, and all of them come back as one group), else in one thread, so
that the others' statements go on.
"""

import asyncio
import errno
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter, thread_time
from typing import Any, NamedTuple, Protocol, TypeVar

from adjudicator.messages import CommitRequest, Committed
from adjudicator.protocol import Append, Effect
from adjudicator.range_owner import RangeOwner
from journal.appender import GROUP_BYTES, GROUP_COMMITS
from journal.broken import require
from journal.encoding import Sealed
from journal.journal import Entry, Tail
from journal.lmdb_log import LmdbLog
from journal.record import Commit, Position, restates
from server.errors import PgError
from server.runtime import cluster_size
from server.runtime.busy import Busy
from server.runtime.refusals import refusal
from server.runtime.stream import Stream, append
from server.session.work import Wait
from server.sql.limits import Limits
from storage.replica import NoSpace

log = logging.getLogger("opendsql.committer")

T = TypeVar("T")

RESERVE_BYTES = 256 << 20
"""Below this much free map or disk new writes are refused, so that everything durable can be applied."""
SPACE_CHECK_BYTES = 4 << 20
APPLY_RETRY_S = 0.5
APPLY_GIVE_UP_S = 30.0
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


Pending = tuple[CommitRequest, Wait[int], int]
"""A request that waits to be decided, who is told, and its size."""


class Group(NamedTuple):
    """A record on its way: what is applied and who is answered once it is durable."""

    sealed: Sealed
    entry: Entry
    waits: list[Wait[int]]
    """One per commit."""


class Applied(Protocol):
    """Told, in order, what became visible."""

    def __call__(self, commits: list[Commit]) -> None: ...


class Applying(Protocol):
    """Told, in order, what is about to become visible; perhaps again, when there was no space for it.

    Gives what the replica is to keep beside the rows (`Replica.apply`'s extra)."""

    def __call__(self, commits: list[Commit]) -> bytes | None: ...


class Committer:
    """Owns adjudicator and journal of this process. All methods run on the event loop's thread."""

    def __init__(
        self,
        adjudicator: RangeOwner,
        journal: LmdbLog,
        stream: Stream,
        *,
        clock: Callable[[], int],
        applying: Applying,
        applied: Applied,
        others: Callable[[int, int], bool],
        broken: Callable[[BaseException], None],
        cluster_bytes: int = Limits().cluster_bytes,
        reserve_bytes: int = RESERVE_BYTES,
        apply_give_up_s: float = APPLY_GIVE_UP_S,
    ) -> None:
        self.adjudicator = adjudicator
        self.journal = journal
        self.stream = stream
        self._clock = clock
        self._applying = applying
        self._applied = applied
        self._others = others
        self._broken = broken
        self._cluster_bytes = cluster_bytes
        self._reserve_bytes = reserve_bytes
        self._check_bytes = min(SPACE_CHECK_BYTES, reserve_bytes // 4)
        self._apply_give_up_s = apply_give_up_s
        self._pending: deque[Pending] = deque()
        self._steps: deque[tuple[Callable[[], Any], Wait[Any]]] = deque()
        """Other calls of the journal, that wait for their turn in the flush thread."""
        self._sealed: deque[Group] = deque()
        """Ready to be appended."""
        self._checkpoints: deque[Wait[Position]] = deque()
        self._appended: Group | None = None
        """Appended and not yet durable."""
        self._to_apply: deque[Group] = deque()
        self._made = self._visible = 0
        """Groups so far."""
        self._settling: deque[tuple[int, Wait[None]]] = deque()
        """Who waits for so many groups to be visible."""
        self._scheduled = False
        self._flushing = False
        self._retry: asyncio.TimerHandle | None = None
        self._retry_since = 0.0
        self._unchecked_bytes = self._check_bytes
        self.is_full = False
        self.stopped = False
        self.groups = 0
        self.commits = 0
        self.conflicts = 0
        self.appended_bytes = 0
        self.busy = Busy()
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    # --- entry ---

    def submit(self, request: CommitRequest, size: int) -> Wait[int]:
        """Decide and, if it wins, make durable and visible; the Wait gives commit_ts or fails with PgError.

        `size` is the request's size in bytes, as counted for the transaction's limit.
        """
        wait: Wait[int] = Wait()
        self._pending.append((request, wait, size))
        self._again()
        return wait

    def between(self, step: Callable[[], T]) -> Wait[T]:
        """Let the flush thread make another, short call of the journal (`trim`) between two flushes."""
        wait: Wait[T] = Wait()
        self._steps.append((step, wait))
        self._again()
        return wait

    def settled(self) -> Wait[None]:
        """Done when every commit that has a time by now is visible."""
        wait: Wait[None] = Wait()
        if self._visible == self._made:
            wait.finish(None)
        else:
            self._settling.append((self._made, wait))
        return wait

    def checkpoint(self) -> Wait[Position]:
        """Restate in the journal what a successor must know, so that what lies before can be trimmed (J7)."""
        wait: Wait[Position] = Wait()
        self._checkpoints.append(wait)
        self._perform(self.adjudicator.checkpoint())
        self._again()
        return wait

    @property
    def is_waiting_for_space(self) -> bool:
        """Whether something durable could not be applied yet."""
        return self._retry is not None

    def close(self) -> None:
        """Stop taking commits; whatever was appended is made durable. A second time nothing."""
        if self.stopped:
            return
        self.stopped = True
        self._thread.shutdown(wait=True)
        self.journal.sync()

    # --- rounds ---

    def _round(self) -> None:
        self._scheduled = False
        if self._flushing or self.stopped:
            return
        if self._steps:
            self._step_in_thread(*self._steps.popleft())
            return
        self._flush(self._others_run())

    def _others_run(self) -> bool:
        """Whether somebody beside the sessions that wait for an answer has work."""
        groups = [*self._to_apply, *([self._appended] if self._appended is not None else [])]
        waiting = len(self._pending) + sum(len(group.waits) for group in groups)
        return self._others(len(self._pending), waiting)

    def _flush(self, others: bool) -> None:
        try:
            group = self._decide()
            if group is None and self._appended is None:
                return
            if others:
                self._flush_in_thread(group)
            else:
                self._flush_inline(group)
        except BaseException as error:
            self._stop(error)

    def _decide(self) -> Group | None:
        """Let the adjudicator decide what waits; the winners' record, or None."""
        if self._sealed:
            return self._sealed.popleft()
        if not self._pending:
            return None
        begun, now = perf_counter(), self._clock()
        waits: list[Wait[int]] = []
        size = 0
        while self._pending and len(waits) < GROUP_COMMITS and size < GROUP_BYTES:
            request, wait, request_size = self._pending.popleft()
            if self._refuse_when_full(request_size) or self._is_too_large(request):
                wait.fail(PgError("53100", cluster_size.TEXT))
                continue
            verdict = self.adjudicator.decide(request, now, request_size)
            if not isinstance(verdict, Committed):
                self.conflicts += 1
                self.busy.conflicted(verdict.key)
                wait.fail(refusal(verdict))
                continue
            waits.append(wait)
            size += request_size
        self.busy.decided(begun)
        appender = self.adjudicator.appender
        sealed = appender.next()
        if sealed is None:
            return None
        self._made += 1
        return Group(sealed, appender.newest, waits)

    def _flush_inline(self, group: Group | None) -> None:
        done = []
        begun, begun_cpu = perf_counter(), thread_time()
        if group is not None:
            self._append(group.sealed)
            done.append(group)
        self.journal.sync()
        self.busy.flushed_inline(begun, begun_cpu)
        if self._appended is not None:
            done.insert(0, self._appended)
            self._appended = None
        self._finish(done)
        self._again()

    def _flush_in_thread(self, group: Group | None) -> None:
        self._flushing = True

        def step() -> None:
            begun = perf_counter()
            if group is None:
                self.journal.sync()
            else:
                self._append(group.sealed)
            self.busy.flushed(begun)

        future = self._loop.run_in_executor(self._thread, step)
        future.add_done_callback(lambda done: self._flushed(group, done))

    def _flushed(self, group: Group | None, future: "asyncio.Future[None]") -> None:
        """The thread is back: start its next step, if others go on meanwhile; apply and answer what became durable.

        Without others nobody has anything to do before the answers are out: they come first, and the next round
        finds all of them back.
        """
        self._flushing = False
        error = future.exception()
        if error is not None:
            self._stop(error)
            return
        durable = self.journal.durable
        groups = [each for each in (self._appended, group) if each is not None]
        done = [each for each in groups if each.sealed.position <= durable]
        require(len(groups) - len(done) <= 1, "a group is durable once the next one is appended")
        self._appended = groups[-1] if len(done) < len(groups) else None
        self._became_durable(done)
        if not self._steps and not self.stopped and self._others_run():
            self._flush(others=True)
        try:
            self._finish([])
        except BaseException as failure:
            self._stop(failure)
        self._again()

    def _step_in_thread(self, step: Callable[[], Any], wait: Wait[Any]) -> None:
        self._flushing = True
        future = self._loop.run_in_executor(self._thread, step)

        def stepped(done: "asyncio.Future[Any]") -> None:
            self._flushed(None, done)
            if done.exception() is None:
                wait.finish(done.result())

        future.add_done_callback(stepped)

    def _again(self) -> None:
        waits = self._pending or self._steps or self._sealed or self._appended is not None
        if waits and not self._flushing and not self._scheduled:
            self._scheduled = True
            # Two turns of the loop later: the clients that were just answered come back meanwhile, into one group.
            later = self._loop.call_soon
            later(later, later, self._round)

    def _append(self, sealed: Sealed) -> None:
        append(self.journal, sealed)
        self.appended_bytes += len(sealed.data)

    # --- after durable ---

    def _became_durable(self, groups: list[Group]) -> None:
        self._to_apply.extend(groups)
        if groups:
            sealed = groups[-1].sealed
            tail = Tail(sealed.position, sealed.epoch, sealed.hash, sealed.last_ts)
            self._perform(self.adjudicator.appended(tail, self._clock()))

    def _perform(self, effects: list[Effect]) -> None:
        """Of the one owner of everything nothing else is to be told to anybody."""
        for effect in effects:
            if isinstance(effect, Append):
                self._made += 1
                self._sealed.append(Group(effect.record, effect.entry, []))

    def _finish(self, groups: list[Group]) -> None:
        self._became_durable(groups)
        if self._retry is None:
            self._apply()

    def _apply(self) -> None:
        while self._to_apply:
            sealed, entry, waits = self._to_apply[0]
            commits = entry.record.commits
            begun = perf_counter()
            now = self._clock()
            try:
                part = self.stream.follow(entry, now, self._applying(commits))
            except NoSpace:
                self._apply_later()
                return
            except OSError as error:
                if error.errno not in _NO_SPACE:
                    raise
                self._apply_later()
                return
            self._to_apply.popleft()
            self.groups += 1
            self.commits += len(commits)
            self._perform(self.adjudicator.feed(*part, now))
            self._applied(commits)
            self.busy.applied(begun, len(commits))
            for wait, commit in zip(waits, commits):
                wait.finish(commit.commit_ts)
            self._visible += 1
            while self._settling and self._settling[0][0] <= self._visible:
                self._settling.popleft()[1].finish(None)
            if self._checkpoints and restates(entry.record):
                self._checkpoints.popleft().finish(sealed.position)

    def _apply_later(self) -> None:
        """No room to apply what is durable: start_ts stays; whoever waits too long loses the connection."""
        self.is_full = True
        if self._retry_since == 0.0:
            self._retry_since = self._loop.time()
            log.error("applying waits for space position=%d", self._to_apply[0].sealed.position)
        elif self._loop.time() - self._retry_since > self._apply_give_up_s:
            for group in self._to_apply:
                for wait in group.waits:
                    if not wait.done:
                        wait.fail(PgError("XX000", "server unavailable", severity="FATAL"))
        self._retry = self._loop.call_later(APPLY_RETRY_S, self._apply_again)

    def _apply_again(self) -> None:
        self._retry = None
        try:
            self._apply()
        except BaseException as error:
            self._stop(error)
            return
        if self._retry is None:
            self._retry_since = 0.0
            self._unchecked_bytes = self._check_bytes

    # --- space ---

    def _refuse_when_full(self, size: int) -> bool:
        """53100 is given only before the append, while the reserve can still take everything durable."""
        self._unchecked_bytes += size
        if self._unchecked_bytes >= self._check_bytes or self.is_full:
            self._unchecked_bytes = 0
            self.is_full = self._retry is not None or self.free_bytes() < self._reserve_bytes
        return self.is_full

    def _is_too_large(self, request: CommitRequest) -> bool:
        bytes_of = self.stream.replica.cluster_bytes
        return cluster_size.is_too_large(request, bytes_of, self._cluster_bytes)

    def free_bytes(self) -> int:
        """The least room of journal and storage, in map or on disk."""
        return min(self.journal.space(), *self.stream.replica.space())

    def _stop(self, error: BaseException) -> None:
        if not self.stopped:
            self.stopped = True
            self._broken(error)
