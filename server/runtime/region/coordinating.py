"""COMMIT with several adjudicators: from a session's request to the owners and back (server.session.coordinator).

What a session asks for names catalog rows; owners know ranges of keys. So a row of the catalog that a transaction
relied on becomes a check at an owner of the table's rows, and one that it writes becomes a marker that every such
owner must accept (AR §3.13):

    relied on table 16384, wrote its key k      Check(marker of 16384, k)
    relied on it only                           Check(marker of 16384, its first key)
    altered table 16384                         Marker(marker of 16384, the table's rows), and the row's own key
    relied on, or changed, a role               the same with the role's own row for the rows of a table
"""

import asyncio
import math
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from adjudicator.messages import Aborted, CommitRequest, Committed
from adjudicator.protocol import Answer, Check, Marker, ToOwner
from journal.record import MARKERS, Key, Timestamp
from server.catalog.store import TABLES, is_catalog_key
from server.errors import PgError
from server.runtime.refusals import refusal
from server.session.coordinator import Coordinator, Patience, Routing, Unknown, WriteSet
from server.session.work import Wait
from storage import keycode

TICK_S = 0.005
"""Between looks at who is to be asked or repeated; an acknowledgement has a timer of its own."""
MOST_PENDING = 16_384
"""Commits of this process under way; more are refused."""


def write_set(request: CommitRequest) -> WriteSet:
    """What the owners are asked, from what the session asks."""
    touched: dict[Key, Key] = {}
    markers: list[Marker] = []
    for write in request.writes:
        touched.setdefault(write.key[:8], write.key)
        if is_catalog_key(write.key):
            lo, hi = _span(write.key)
            markers.append(Marker(MARKERS + write.key, lo, hi))
    for lock in request.locks:
        touched.setdefault(lock.key[:8], lock.key)
    checks = []
    for key in request.checks:
        lo, _hi = _span(key)
        checks.append(Check(MARKERS + key, touched.get(lo, lo)))
    return WriteSet(
        request.txid, request.start_ts, request.writes, request.locks, checks, request.guards, markers
    )


def _span(key: Key) -> tuple[Key, Key]:
    """The keys whose owners look after a catalog row: the table's own rows, or the row itself."""
    if key[4:8] == TABLES.to_bytes(4, "big"):
        lo = key[:4] + key[8:12]
        return lo, keycode.successor(lo)
    return key, key + b"\0"


class _Pending(NamedTuple):
    coordinator: Coordinator
    wait: Wait[int]


class Coordinating:
    """The commits of this process. For the event loop's thread."""

    def __init__(
        self,
        routing: Routing,
        send: Callable[[ToOwner], None],
        earliest: Callable[[], Timestamp],
        *,
        first_number: int,
        patience: Patience,
        is_far: Callable[[int], bool] = lambda _journal: False,
    ) -> None:
        """Numbers from `first_number` on are this process's own, and name it in answers."""
        self._routing = routing
        self._send = send
        self._earliest = earliest
        self._patience = patience
        self._is_far = is_far
        self._last_number = first_number
        self._pending: dict[int, _Pending] = {}
        self._is_ticking = False
        self.commits = 0
        self.conflicts = 0
        self.unknown = 0
        self.repeated = 0
        """Attempts beyond the first of their transaction."""

    def __len__(self) -> int:
        return len(self._pending)

    def submit(self, request: CommitRequest) -> Wait[int]:
        """The Wait gives commit_ts, or fails with PgError: true for ever, or FATAL when nobody could say."""
        wait: Wait[int] = Wait()
        if len(self._pending) >= MOST_PENDING:
            wait.fail(PgError("53000", "too many transactions are being committed"))
            return wait
        self._last_number += 1
        number = self._last_number
        coordinator = Coordinator(number, write_set(request), self._routing, self._patience, self._is_far)
        self._pending[number] = _Pending(coordinator, wait)
        self._forward(coordinator.begin(self._earliest()))
        self._finish(number)
        self._tick_later()
        return wait

    def answered(self, number: int, answer: Answer) -> None:
        """An owner's word; late ones say nothing."""
        pending = self._pending.get(number)
        if pending is not None:
            self._forward(pending.coordinator.answer(answer, self._earliest()))
            self._finish(number)
            self._acknowledge_later(number)

    def _forward(self, effects: list[ToOwner]) -> None:
        for effect in effects:
            self._send(effect)

    def _acknowledge_later(self, number: int) -> None:
        """Commit wait ends when the clock's early edge passes commit_ts, not at the next tick (AR §3.2)."""
        pending = self._pending.get(number)
        if pending is not None and (commit_ts := pending.coordinator.commit_ts):
            wait_ms = math.ceil((commit_ts - self._earliest()) / 10**6)  # a loop's timers are as fine as that
            asyncio.get_running_loop().call_later(wait_ms / 1000, self._acknowledge, number)

    def _acknowledge(self, number: int) -> None:
        pending = self._pending.get(number)
        if pending is not None:
            self._forward(pending.coordinator.tick(self._earliest()))
            self._finish(number)
            self._acknowledge_later(number)

    def _tick_later(self) -> None:
        if not self._is_ticking and self._pending:
            self._is_ticking = True
            asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        self._is_ticking = False
        now = self._earliest()
        for number, pending in list(self._pending.items()):
            if pending.coordinator.commit_ts:
                continue
            self._forward(pending.coordinator.tick(now))
            self._finish(number)
        self._tick_later()

    def _finish(self, number: int) -> None:
        pending = self._pending.get(number)
        if pending is None or (result := pending.coordinator.result) is None:
            return
        del self._pending[number]
        self.repeated += pending.coordinator.attempt - 1
        if isinstance(result, Committed):
            self.commits += 1
            pending.wait.finish(result.commit_ts)
        elif isinstance(result, Aborted):
            self.conflicts += 1
            pending.wait.fail(refusal(msgspec.structs.replace(result, key=_row(result.key))))
        else:
            assert isinstance(result, Unknown)
            self.unknown += 1
            pending.wait.fail(PgError("08007", "transaction resolution unknown", severity="FATAL"))


def _row(key: Key) -> Key:
    """The catalog row behind a marker."""
    return key.removeprefix(MARKERS)
