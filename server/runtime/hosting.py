"""Sessions of one process: their process ids, plan caches and number, and what is known of the others'.

    process id    index of the process (7 bits) | running number (24 bits, from 1)
    index         0 the process that writes, 1.. the workers

So a process id names the process that a cancel request is meant for (DESIGN §11).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import msgspec

from server.catalog import privileges
from server.catalog.clusters import Here
from server.catalog.descriptor import Catalog
from server.errors import too_many_connections
from server.runtime.background import Background
from server.runtime.desk import NodeDesk
from server.runtime.page import SharedPage
from server.session import reasons
from server.session.preparing import Plans
from server.session.session import SqlSession
from server.session.work import Wait
from server.sql.limits import Limits
from server.sql.tree import Access
from server.testing.desk import Desk
from server.testing.options import Testing

T = TypeVar("T")

PLAN_CACHES = 64
NUMBER_BITS = 24
_NUMBERS = (1 << NUMBER_BITS) - 1


class Entered(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A session of another process, as far as it is known here."""

    process_id: int
    cluster: int
    user: str
    database: str
    application: str

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings that were told."""
        return {"application_name": self.application}

    @property
    def state(self) -> None:
        """What it does is known to its process only."""
        return None

    @property
    def query_text(self) -> str:
        return ""


class Watcher(Protocol):
    """Told about the sessions of this process."""

    def entered(self, session: Entered) -> None: ...

    def left(self, process_id: int) -> None: ...


@dataclass(slots=True)
class Shared:
    """What a process shares with the others, if there are others."""

    page: SharedPage
    watcher: Watcher


class SessionHost:
    """What the node and a worker have in common. Used on the event loop's thread."""

    def __init__(self, limits: Limits, index: int = 0, here: Here | None = None) -> None:
        self.limits = limits
        self.index = index
        self.sessions: dict[int, SqlSession | Entered] = {}
        """By process id; those of other processes are told by `told_entered`."""
        self.shared: Shared | None = None
        self.desk: Desk = NodeDesk(self.sessions)
        self.here = here or Here()
        self.session_defaults: dict[str, str] = {}
        """What sessions' settings are where it is not DSQL's default."""
        self.begun = 0
        """Transactions begun here; sessions count them, and those open."""
        self.open_transactions = 0
        self.waited = 0
        """In a region: transactions whose time was not complete when they began."""
        self.refused = 0
        """In a region: statements that got 57P03."""
        self._last_number = 0
        self._plans: dict[object, Plans] = {}
        self._background = Background()

    def set_testing(self, testing: Testing) -> None:
        """Before the first session, in the main process."""
        self.node_desk.is_injecting_allowed = testing.injections
        if not testing.conflict_detail:
            self.session_defaults[reasons.SETTING] = "off"

    @property
    def node_desk(self) -> NodeDesk:
        """The node's desk itself, in its main process."""
        assert isinstance(self.desk, NodeDesk)
        return self.desk

    def fresh(self) -> Wait[None] | None:
        """Nothing to wait for: whatever was acknowledged is applied."""
        return None

    def plans(self, key: object) -> Plans:
        """The statement cache that sessions with equal settings share."""
        found = self._plans.get(key)
        if found is None:
            if len(self._plans) >= PLAN_CACHES:
                del self._plans[next(iter(self._plans))]
            found = self._plans[key] = {}
        return found

    def check_privileges(
        self, catalog: Catalog, user: str, needed: tuple[Access, ...], *, then: Catalog | None = None
    ) -> None:
        """PgError 42501 unless the user may do all of it; `then`: as of that catalog, see `privileges.check_past`."""
        if then is not None:
            privileges.check_past(then, catalog, user, needed)
        else:
            privileges.check(catalog, user, needed)

    def sleep(self, seconds: float) -> Wait[None]:
        """Done after that time."""
        wait: Wait[None] = Wait()
        asyncio.get_running_loop().call_later(seconds, wait.finish, None)
        return wait

    def compute(self, step: Callable[[], T]) -> Wait[T]:
        """The result of a long computation, made beside the loop."""
        return self._background.run(step)

    def enter(self, session: SqlSession, process_id: int | None = None) -> int:
        """A session begins; its process id. One that comes back has one. Raises PgError FATAL 53300.

        The limit is over all processes. Two of them that let the last one in at the same moment exceed it
        by one.
        """
        shared = self.shared
        count = len(self.sessions) if shared is None else shared.page.session_count()
        if process_id is None and count >= self.limits.connections:
            raise too_many_connections()
        pid = self._new_process_id() if process_id is None else process_id
        self.sessions[pid] = session
        if shared is not None:
            shared.page.add_sessions(self.index, 1)
            application = session.settings["application_name"]
            shared.watcher.entered(Entered(pid, session.cluster, session.user, session.database, application))
        return pid

    def leave(self, session: SqlSession) -> None:
        """The session has ended."""
        pid = session.process_id
        if self.sessions.pop(pid, None) is not None and self.shared is not None:
            self.shared.page.add_sessions(self.index, -1)
            self.shared.watcher.left(pid)

    def cancel(self, pid: int, secret: bytes) -> None:
        """A cancel request: whoever knows the secret may stop the session's running statement."""
        session = self.sessions.get(pid)
        if isinstance(session, SqlSession) and session.secret == secret:
            session.cancel()

    def reached(self, ts: int) -> None:
        """A session comes that was at this time in another process: storage is one, and it is complete to there."""

    def told_entered(self, session: Entered) -> None:
        """Another process has a new session."""
        self.sessions[session.process_id] = session

    def told_left(self, process_id: int) -> None:
        """A session of another process has ended."""
        self.sessions.pop(process_id, None)

    def _new_process_id(self) -> int:
        base = self.index << NUMBER_BITS
        number = self._last_number
        while True:
            number = number % _NUMBERS + 1
            if base + number not in self.sessions:
                self._last_number = number
                return base + number


def index_of(process_id: int) -> int:
    """The index of the process that a session belongs to."""
    return process_id >> NUMBER_BITS
