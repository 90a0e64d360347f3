"""Injections that refuse clients who have just proved who they are (server.testing.injections)."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from server.errors import PgError, connection_rate, too_many_connections
from server.pgwire import sigv4
from server.session.work import Work
from server.testing.desk import Desk, Match
from server.testing.injections import Event, Fault, Point

EXPIRED_S = 900
"""How long the token had been valid that is said to have expired: DSQL's default."""


def admission(desk: Callable[[], Desk], cluster: int) -> Callable[[str], Work | None]:
    """What a listener's connections ask before a user may enter; `desk` gives the node's."""

    def admit(user: str) -> Work | None:
        return _asked(desk(), cluster, user) if desk().armed & Point.CONNECT else None

    return admit


def _asked(desk: Desk, cluster: int, user: str) -> Work:
    wait = desk.ask(Match(Event(Point.CONNECT, cluster, role=user)))
    yield wait
    fault: Fault | None = wait.value()
    if fault is not None:
        raise _error(fault.kind)


def _error(kind: str) -> PgError:
    if kind == "too_many_connections":
        return too_many_connections()
    if kind == "connection_rate":
        return connection_rate()
    now = datetime.datetime.now(datetime.UTC)
    return sigv4.expired(now - datetime.timedelta(seconds=EXPIRED_S + 1), now, EXPIRED_S)
