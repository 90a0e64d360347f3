"""What sessions tell and ask of the node's desk: conflicts, injections, what runs. The desk is in the node's main
process; sessions of other processes ask it by frames (server.runtime.frames)."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import msgspec

from server.session.work import Wait
from server.testing.conflicts import HotKey, Lost
from server.testing.injections import Event, Injection


class Running(msgspec.Struct, frozen=True, array_like=True):
    """An open transaction."""

    cluster: int
    process_id: int
    user: str
    application: str
    state: str
    """As in pg_stat_activity, and `idle in transaction (suspended)`: no process serves the session at the moment."""
    begun: int
    """Nanoseconds since 1970, as now() shows it."""
    start_ts: int
    rows: int
    bytes: int
    locks: int


class Observed(msgspec.Struct, frozen=True, array_like=True):
    """All of one cluster, at one moment of the desk's process."""

    losses: list[Lost]
    hot_keys: list[HotKey]
    running: list[Running]
    injections: list[Injection]


NOTHING = Observed([], [], [], [])


class Match(msgspec.Struct, frozen=True, array_like=True, tag="match"):
    """Something happens where injections wait: a `Fault` or None answers."""

    event: Event


class Inject(msgspec.Struct, frozen=True, array_like=True, tag="inject"):
    """Its number answers."""

    injection: Injection


class Remove(msgspec.Struct, frozen=True, array_like=True, tag="remove"):
    """One injection, or all of a cluster (None): how many there were answers."""

    cluster: int
    number: int | None


class Observe(msgspec.Struct, frozen=True, array_like=True, tag="observe"):
    """`Observed` answers."""

    cluster: int


class Settle(msgspec.Struct, frozen=True, array_like=True, tag="settle"):
    """Nothing answers, once every commit that the node has decided so far is visible."""


Request: TypeAlias = Match | Inject | Remove | Observe | Settle


class Desk(Protocol):
    """The node's desk, here or in another process."""

    @property
    def armed(self) -> int:
        """The points at which injections wait; 0: nobody needs to ask."""
        ...

    def lost(self, lost: Lost) -> None:
        """A commit was refused."""
        ...

    def ask(self, request: Request) -> Wait[Any]:
        """The answer to a request; fails with PgError."""
        ...
