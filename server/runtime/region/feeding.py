"""The region's crossbar: the journals are merged once, and each replica of a shard is fed what concerns it (DESIGN §3).

    Tails ──▶ Crossbar of Following ──parts──▶ window ──range, above `complete`──▶ replicas that stand in it
          └─▶ Crossbar of one replica, from its mark ─────────────────────────────▶ a replica that lies before it

A replica asks for what follows its complete time, and asks again when it has applied the answer: so it is never sent
more than it takes, and says itself from where it goes on. All that came out of any crossbar up to a complete time is
the same (X1, X2), so the window and a crossbar of the replica's own give the same commits, and it changes between
them at any complete time. One whose mark lies before what the journals hold is told so, and begins anew from a
snapshot. Bounded: the window, an answer, and the parts that are taken for a replica which lies behind.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import NamedTuple, Protocol

import msgspec

from journal.crossbar import Crossbar, Mark
from journal.record import Commit, Key, Timestamp
from server.runtime.region.following import Part, part_of
from server.runtime.region.lead import Recent
from server.runtime.region.tails import Follower, Tails
from server.runtime.region.wire import Fed, FeedWanted

WINDOW_BYTES = 32 << 20
WINDOW_COMMITS = 50_000
FED_BYTES = 2 << 20
"""Keys and values in one answer; what is of one time is not cut."""
FED_MOST_BYTES = 11 << 20
"""More does not fit into a message."""
FED_COMMITS = 1024
BEHIND_PART = 32
"""Items taken at once for a replica that lies behind."""
MOST_BEHIND = 64
"""Replicas that are fed from before the window at a time."""
IDLE_S = 30.0
"""One that has not asked for so long is forgotten."""


class Source(Protocol):
    """What merges the journals here."""

    @property
    def crossbar(self) -> Crossbar: ...


class Answering(Protocol):
    """The way back to who asked."""

    withdrawn: Callable[[], None] | None

    def answer(self, message: object) -> object: ...

    def refuse(self, reason: str) -> None: ...


class _Asked(NamedTuple):
    wanted: FeedWanted
    reply: Answering


class _Window:
    """The newest parts of the stream, in order."""

    def __init__(self, complete: Timestamp) -> None:
        self.parts: deque[Part] = deque()
        self.before: Timestamp = complete
        """What lies at or below it is not here."""
        self._sizes: deque[int] = deque()
        self._bytes = 0
        self._commits = 0

    def add(self, part: Part) -> None:
        size = sum(map(_size, part.commits))
        self.parts.append(part)
        self._sizes.append(size)
        self._bytes += size
        self._commits += len(part.commits)
        while (self._bytes > WINDOW_BYTES or self._commits > WINDOW_COMMITS) and len(self.parts) > 1:
            self.drop()

    def above(self, complete: Timestamp) -> list[Part]:
        """The parts that go beyond it, in order."""
        newest_first = takewhile(lambda part: part.complete > complete, reversed(self.parts))
        return list(newest_first)[::-1]

    def drop(self) -> None:
        """Forget the oldest part."""
        part = self.parts.popleft()
        self.before = part.complete
        self._bytes -= self._sizes.popleft()
        self._commits -= len(part.commits)


class _Behind:
    """A replica that is fed from before the window: a crossbar of its own, and what came out of it."""

    def __init__(self, wanted: FeedWanted, progressed: Callable[[], None], lost: Callable[[], None]) -> None:
        self.follower = Follower(Crossbar([], wanted.mark), progressed, lost)
        self.parts: deque[Part] = deque()
        self.complete: Timestamp = wanted.complete
        """Of the last answer."""
        self.asked: _Asked | None = None
        self.is_lost = False
        self.forget: asyncio.TimerHandle | None = None

    def take(self) -> None:
        """Have parts above `complete`, if there are any."""
        while self.parts and self.parts[0].complete <= self.complete:
            self.parts.popleft()
        crossbar = self.follower.crossbar
        crossbar.take_notes()
        while not self.parts:
            items = crossbar.take(BEHIND_PART)
            part = part_of(items, crossbar)
            if part.complete > self.complete:
                self.parts.append(part)
            elif not items:
                return


class Feeding:
    """Feeds the replicas of the region's storage nodes. For the event loop's thread."""

    def __init__(self, source: Source, tails: Tails, complete: Timestamp) -> None:
        """`complete`: to which `source` has come; what follows is handed to `taken`."""
        self.behind_answers = 0
        """Answers from before the window."""
        self.lost = 0
        """Replicas that were told to begin anew."""
        self.applied = Recent()
        """How long rows take from here until a replica has applied them and says so."""
        self._sent: dict[tuple[str, Key], tuple[Timestamp, int]] = {}
        """The last answer with rows: complete to when, sent when (monotonic, ns)."""
        self._source = source
        self._tails = tails
        self._window = _Window(complete)
        self._looked_at = complete
        """Up to here was looked whether those that wait get anything."""
        self._waiting: dict[tuple[str, Key], _Asked] = {}
        self._behind: dict[tuple[str, Key], _Behind] = {}

    @property
    def complete(self) -> Timestamp:
        """Of the stream here."""
        return max(self._source.crossbar.complete, self._window.before)

    @property
    def delay(self) -> int:
        """ns that three of four parts with rows took lately until they were applied, as `applied` says."""
        return self.applied.p75(time.monotonic_ns())

    def taken(self, part: Part) -> None:
        """The next part of the stream, before it is applied here."""
        self._window.add(part)
        self.progressed()

    def progressed(self) -> None:
        """More is complete."""
        complete = self.complete
        if complete == self._looked_at:
            return
        self._looked_at = complete
        for key, (wanted, reply) in list(self._waiting.items()):
            if complete > wanted.complete:
                self._try(key, wanted, reply)

    def ask(self, node: str, wanted: FeedWanted, reply: Answering) -> None:
        """A question of a replica on `node`; one that it asked before is not answered any more."""
        key = node, wanted.lo
        self._waiting.pop(key, None)
        sent = self._sent.pop(key, None)
        if sent is not None and sent[0] == wanted.complete:
            now = time.monotonic_ns()
            self.applied.add(now - sent[1], now)
        if wanted.complete >= self._window.before:
            self._leave(key)
            self._try(key, wanted, reply)
            return
        behind = self._behind.get(key)
        if behind is None or behind.complete != wanted.complete:
            self._leave(key)
            if len(self._behind) >= MOST_BEHIND:
                reply.refuse("too many replicas lie behind")
                return
            behind = self._enter(key, wanted)
        if behind.forget is not None:
            behind.forget.cancel()
        behind.forget = asyncio.get_running_loop().call_later(IDLE_S, self._leave, key)
        behind.asked = _Asked(wanted, reply)
        self._go_on(key)

    # --- within the window

    def _try(self, key: tuple[str, Key], wanted: FeedWanted, reply: Answering) -> None:
        fed = self._found(wanted)
        if fed is None:
            self._waiting[key] = _Asked(wanted, reply)
            reply.withdrawn = lambda: self._withdraw(key, reply)
            return
        self._waiting.pop(key, None)
        if fed.commits:
            self._sent[key] = fed.complete, time.monotonic_ns()
        self._send(reply, fed)

    def _found(self, wanted: FeedWanted) -> Fed | None:
        """The answer; None: there is nothing to say yet."""
        complete = self.complete
        if complete <= wanted.complete:
            return None
        parts = self._window.above(wanted.complete)
        is_rested = complete - wanted.complete >= wanted.rest
        if not is_rested and not any(part.commits for part in parts):
            return None
        fed = _fed(wanted, parts, complete, self._source.crossbar.mark())
        return fed if is_rested or fed.commits or fed.is_lost else None

    def _withdraw(self, key: tuple[str, Key], reply: Answering) -> None:
        asked = self._waiting.get(key)
        if asked is not None and asked.reply is reply:
            del self._waiting[key]

    def _send(self, reply: Answering, fed: Fed) -> None:
        self.lost += fed.is_lost
        reply.withdrawn = None
        reply.answer(fed)

    # --- before it

    def _enter(self, key: tuple[str, Key], wanted: FeedWanted) -> _Behind:
        behind = _Behind(wanted, lambda: self._go_on(key), lambda: self._lose(key))
        self._behind[key] = behind
        self._tails.follow(behind.follower)
        return behind

    def _leave(self, key: tuple[str, Key]) -> None:
        behind = self._behind.pop(key, None)
        if behind is not None:
            self._tails.leave(behind.follower)
            if behind.forget is not None:
                behind.forget.cancel()

    def _lose(self, key: tuple[str, Key]) -> None:
        if (behind := self._behind.get(key)) is not None:
            behind.is_lost = True
            self._go_on(key)

    def _go_on(self, key: tuple[str, Key]) -> None:
        behind = self._behind.get(key)
        if behind is None or behind.asked is None:
            return
        wanted, reply = behind.asked
        behind.take()
        if behind.parts:
            last = behind.parts[-1]
            fed = _fed(wanted, behind.parts, last.complete, last.mark)
        elif behind.is_lost:
            fed = Fed([], wanted.complete, wanted.mark, True)
        else:
            self._tails.feed(behind.follower)
            return
        behind.asked = None
        behind.complete = fed.complete
        self.behind_answers += 1
        self._send(reply, fed)
        if fed.is_lost:
            self._leave(key)


def _fed(wanted: FeedWanted, parts: Iterable[Part], complete: Timestamp, mark: Mark) -> Fed:
    """What `wanted` asks for of `parts`, which together go up to `complete` and `mark`: a beginning if it is much."""
    commits: list[Commit] = []
    size = looked_at = 0
    passed = wanted.complete, wanted.mark
    for part in parts:
        for commit in part.commits:
            if commit.commit_ts <= wanted.complete:
                continue
            if (size >= FED_BYTES or looked_at >= FED_COMMITS) and commit.commit_ts > passed[0]:
                return Fed(commits, *passed)
            looked_at += 1
            mine = within(commit, wanted.lo, wanted.hi)
            if mine is not None:
                commits.append(mine)
                size += _size(mine)
                if size > FED_MOST_BYTES:
                    return Fed([], wanted.complete, wanted.mark, True)
            passed = commit.commit_ts, passed[1]
        passed = part.complete, part.mark
    return Fed(commits, complete, mark)


def within(commit: Commit, lo: Key, hi: Key) -> Commit | None:
    """What of it lies in [lo, hi), without locks; None: nothing."""
    writes = [write for write in commit.writes if lo <= write.key < hi]
    return msgspec.structs.replace(commit, writes=writes, locks=[]) if writes else None


def _size(commit: Commit) -> int:
    return sum(len(write.key) + len(write.value or b"") for write in commit.writes)
