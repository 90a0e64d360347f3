"""Injections that refuse clients who have just proved who they are (server.testing.injections)."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Protocol

from server.errors import PgError, connection_rate, too_many_connections, waking_up
from server.pgwire import sigv4
from server.pgwire.connection import Admit
from server.pgwire.startup import CLUSTER_OPTION
from server.session.work import Work
from server.testing.desk import Desk, Match
from server.testing.injections import Event, Fault, Point

EXPIRED_S = 900
"""How long the token had been valid that is said to have expired: DSQL's default."""
_REFUSALS: dict[str, Callable[[], PgError]] = {
    "too_many_connections": too_many_connections,
    "connection_rate": connection_rate,
    "waking_up": waking_up,
}


class Node(Protocol):
    """A process's node."""

    default_cluster: int

    @property
    def desk(self) -> Desk: ...

    def cluster_named(self, cluster_id: str) -> int: ...


def admission(node: Node) -> Admit:
    """What a listener's connections ask before a user may enter."""

    def admit(user: str, options: Mapping[str, str]) -> Work | None:
        desk = node.desk
        if not desk.armed & Point.CONNECT:
            return None
        chosen = options.get(CLUSTER_OPTION)
        cluster = node.default_cluster if chosen is None else node.cluster_named(chosen)
        return _asked(desk, cluster, user)

    return admit


def _asked(desk: Desk, cluster: int, user: str) -> Work:
    wait = desk.ask(Match(Event(Point.CONNECT, cluster, role=user)))
    yield wait
    fault: Fault | None = wait.value()
    if fault is not None:
        raise _error(fault.kind)


def _error(kind: str) -> PgError:
    if kind in _REFUSALS:
        return _REFUSALS[kind]()
    now = datetime.datetime.now(datetime.UTC)
    return sigv4.expired(now - datetime.timedelta(seconds=EXPIRED_S + 1), now, EXPIRED_S)
