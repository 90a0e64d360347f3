"""The node's desk in its main process (server.testing.desk), and its stand-in in the others.

session ── lost, ask ──▶ NodeDesk                                in the main process
session ── lost, ask ──▶ RemoteDesk ── frames ──▶ NodeDesk       in any other
                             ▲ armed: a word of the shared page, which is written before `inject` is answered
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

from server.errors import PgError
from server.runtime.page import SharedPage
from server.session.session import SqlSession
from server.session.work import Wait
from server.testing.conflicts import ConflictLog, Lost
from server.testing.desk import Inject, Match, Observe, Observed, Remove, Request, Running, Settle
from server.testing.injections import Event, Fault, Injection, Injector

SEEDS = 1 << 31


class NodeDesk:
    """See the module's text. For the event loop's thread."""

    def __init__(self, sessions: Mapping[int, Any]) -> None:
        self.armed = 0
        """Points at which injections wait; 0: nobody needs to ask."""
        self.is_injecting_allowed = True
        self.page: SharedPage | None = None
        self.elsewhere: Callable[[], Wait[list[Running]]] | None = None
        """Open transactions of the node's other processes."""
        self.suspended: Callable[[], Iterable[Running]] = tuple
        """Open transactions of sessions that are in no process."""
        self.settled: Callable[[], Wait[Any]] | None = None
        """What has a time is visible. None: a transaction's start_ts says so already."""
        self._sessions = sessions
        self.conflicts = ConflictLog()
        self._injector = Injector(lambda seed: random.Random(seed).random)

    def lost(self, lost: Lost) -> None:
        """A commit was refused."""
        self.conflicts.add(lost)

    def ask(self, request: Request) -> Wait[Any]:
        """The answer to a request; fails with PgError."""
        wait: Wait[Any] = Wait()
        if isinstance(request, Settle):
            if self.settled is not None:
                return self.settled()
            wait.finish(None)
            return wait
        if isinstance(request, Observe):
            self._observe(request.cluster, wait)
            return wait
        try:
            wait.finish(self._answer(request))
        except PgError as error:
            wait.fail(error)
        return wait

    def match(self, event: Event) -> Fault | None:
        """What is to happen at this event, of the main process itself."""
        fault = self._injector.match(event)
        self._arm()
        return fault

    def inject(self, injection: Injection) -> int:
        """The number of a new injection. Raises PgError."""
        if not self.is_injecting_allowed:
            raise PgError("0A000", "this server takes no injections", hint="It runs with --no-injections.")
        if injection.seed is None:
            injection.seed = random.randrange(SEEDS)
        injection.created = time.time_ns()
        number = self._injector.add(injection)
        self._arm()
        return number

    def remove(self, cluster: int, number: int | None) -> int:
        """How many injections were removed."""
        removed = self._injector.remove(cluster, number)
        self._arm()
        return removed

    def injections(self, cluster: int) -> list[Injection]:
        """Those of a cluster, the oldest first."""
        return self._injector.all(cluster)

    def _answer(self, request: Match | Inject | Remove) -> Fault | int | None:
        if isinstance(request, Match):
            return self.match(request.event)
        if isinstance(request, Inject):
            return self.inject(request.injection)
        return self.remove(request.cluster, request.number)

    def _arm(self) -> None:
        self.armed = self._injector.armed
        if self.page is not None:
            self.page.armed = self.armed

    def _observe(self, cluster: int, wait: Wait[Any]) -> None:
        if self.elsewhere is None:
            self._observed(cluster, wait, None)
            return
        others = self.elsewhere()
        others.callback = partial(self._observed, cluster, wait, others)
        if others.done:
            others.callback()

    def _observed(self, cluster: int, wait: Wait[Any], others: Wait[list[Running]] | None) -> None:
        running = [*running_of(self._sessions), *self.suspended(), *(others.value() if others else ())]
        wait.finish(
            Observed(
                self.conflicts.losses(cluster),
                self.conflicts.hot_keys(cluster),
                [each for each in running if each.cluster == cluster],
                self._injector.all(cluster),
            )
        )


class Asking(Protocol):
    """The way to the main process."""

    def lost(self, lost: Lost) -> None: ...

    def ask(self, request: Request) -> Wait[Any]: ...


class RemoteDesk:
    """The desk, as a process sees it that is not the main one."""

    def __init__(self, page: SharedPage, link: Asking) -> None:
        self._page = page
        self.lost = link.lost
        self.ask = link.ask

    @property
    def armed(self) -> int:
        """As `NodeDesk.armed`."""
        return self._page.armed


def running_of(sessions: Mapping[int, Any]) -> Iterator[Running]:
    """The open transactions of this process."""
    for session in list(sessions.values()):
        if isinstance(session, SqlSession) and session.txn is not None:
            txn = session.txn
            yield Running(
                session.cluster,
                session.process_id,
                session.user,
                session.settings["application_name"],
                state_of(session),
                txn.now,
                txn.start_ts,
                len(txn.row_keys),
                sum(len(key) + len(write.value or b"") for key, write in txn.writes.items()),
                len(txn.locks),
            )


def state_of(session: SqlSession) -> str:
    """As pg_stat_activity has it."""
    if session.status == b"E":
        return "idle in transaction (aborted)"
    is_implicit = session.txn is not None and session.txn.implicit
    return "active" if is_implicit or session.copying or session.ctx is not None else "idle in transaction"
