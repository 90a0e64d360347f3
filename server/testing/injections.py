"""Faults on demand: which of them is due where. A core without clock, I/O or randomness of its own.

An injection belongs to a point, waits for events there that match it, and fires at the `nth` of them and those that
follow, `times` in all; or, with a `probability`, at each that its own seeded dice choose. Of several that are due
at one event the oldest fires; the others stay due.

    point       events
    COMMIT      transactions that wrote or locked something: what is decided
    STATEMENT   queries and changes of rows, when they begin
    CONNECT     logins
    JOB         builds of indexes
"""

from collections.abc import Callable, Iterable
from enum import IntFlag
from typing import NamedTuple

import msgspec

from server.errors import PgError

MOST = 100
"""Injections at a time."""


class Point(IntFlag):
    """Where injections wait; a sum of them says where any does."""

    COMMIT = 1
    STATEMENT = 2
    CONNECT = 4
    JOB = 8


class Kind(NamedTuple):
    """A sort of fault."""

    name: str
    point: Point
    description: str
    by_table: bool = True
    """Whether its events are about tables."""
    by_session: bool = True
    only_writes: bool = False
    """Of statements, those that change rows."""
    delays: bool = False


_COMMIT, _STATEMENT, _CONNECT, _JOB = Point.COMMIT, Point.STATEMENT, Point.CONNECT, Point.JOB
KINDS = {
    kind.name: kind
    for kind in (
        Kind("OC000", _COMMIT, "COMMIT fails as if another transaction had changed the same row"),
        Kind("OC001", _COMMIT, "COMMIT fails as if the schema had been changed"),
        Kind("drop_before_commit", _COMMIT, "the connection ends, and the transaction has no effect"),
        Kind("drop_after_commit", _COMMIT, "the connection ends, and the transaction has taken effect"),
        Kind("size_limit", _COMMIT, "COMMIT fails as if the transaction were above 10 MiB"),
        Kind("row_limit", _STATEMENT, "a change fails as if it were that of row 3,001", only_writes=True),
        Kind("age_limit", _STATEMENT, "a statement fails as if its transaction were above five minutes old"),
        Kind("slow", _STATEMENT, "a statement takes longer", delays=True),
        Kind("token_expired", _CONNECT, "a login fails with an expired token", False, False),
        Kind("too_many_connections", _CONNECT, "a login fails with 53300", False, False),
        Kind("connection_rate", _CONNECT, "a login fails with 53400", False, False),
        Kind("waking_up", _CONNECT, "a login fails as while an inactive cluster wakes up", False, False),
        Kind("index_job_fails", _JOB, "an index becomes invalid instead of valid", by_session=False),
    )
}


class Injection(msgspec.Struct, array_like=True):
    """One of them, and how often it has matched and fired. What is None or empty does not restrict."""

    kind: str
    cluster: int
    nth: int = 1
    times: int | None = 1
    probability: float | None = None
    seed: int | None = None
    process_id: int | None = None
    role: str | None = None
    table: str | None = None
    """A table's name, or schema.name."""
    ms: float = 0.0
    """`slow`: how much longer."""
    jitter_ms: float = 0.0
    """And up to so much more, by the seeded dice."""
    created: int = 0
    """Nanoseconds since 1970."""
    id: int = 0
    matched: int = 0
    fired: int = 0

    @property
    def is_used_up(self) -> bool:
        """Whether it has fired as often as it may."""
        return self.times is not None and self.fired >= self.times


class Event(msgspec.Struct, frozen=True, array_like=True):
    """Something that happens at a point."""

    point: int
    cluster: int
    process_id: int = 0
    role: str = ""
    tables: tuple[str, ...] = ()
    """Each as schema.name."""
    writes: bool = False


class Fault(msgspec.Struct, frozen=True, array_like=True):
    """What is to happen: the injection's kind and number; `ms` of delay."""

    kind: str
    injection: int
    ms: float = 0.0


class Injector:
    """All injections of a node."""

    def __init__(self, dice: Callable[[int], Callable[[], float]]) -> None:
        """`dice` makes a source of numbers in [0, 1) from a seed."""
        self._dice = dice
        self._injections: dict[int, Injection] = {}
        self._throws: dict[int, Callable[[], float]] = {}
        self._last = 0

    @property
    def armed(self) -> int:
        """The points at which something waits."""
        mask = 0
        for each in self._injections.values():
            if not each.is_used_up:
                mask |= KINDS[each.kind].point
        return mask

    def add(self, injection: Injection) -> int:
        """Its number. Raises PgError."""
        check(injection)
        if len(self._injections) >= MOST:
            raise PgError("54000", f"more than {MOST} injections are not allowed")
        self._last += 1
        injection.id = self._last
        self._injections[injection.id] = injection
        self._throws[injection.id] = self._dice(injection.seed or 0)
        return injection.id

    def remove(self, cluster: int, number: int | None) -> int:
        """Remove one, or all of a cluster (None); how many there were."""
        gone = [each.id for each in self.all(cluster) if number is None or each.id == number]
        for each in gone:
            del self._injections[each], self._throws[each]
        return len(gone)

    def all(self, cluster: int) -> list[Injection]:
        """Those of a cluster, the oldest first."""
        return [each for each in self._injections.values() if each.cluster == cluster]

    def match(self, event: Event) -> Fault | None:
        """What is to happen at this event."""
        fault = None
        for each in self._injections.values():
            if each.is_used_up or not _matches(each, event):
                continue
            each.matched += 1
            if self._is_due(each) and fault is None:
                each.fired += 1
                fault = Fault(each.kind, each.id, self._delay(each))
        return fault

    def _is_due(self, injection: Injection) -> bool:
        if injection.probability is not None:
            return self._throws[injection.id]() < injection.probability
        return injection.matched >= injection.nth

    def _delay(self, injection: Injection) -> float:
        if not injection.jitter_ms:
            return injection.ms
        return injection.ms + injection.jitter_ms * self._throws[injection.id]()


def _matches(injection: Injection, event: Event) -> bool:
    kind = KINDS[injection.kind]
    if kind.point != event.point or injection.cluster != event.cluster:
        return False
    if kind.only_writes and not event.writes:
        return False
    if injection.process_id is not None and injection.process_id != event.process_id:
        return False
    if injection.role is not None and injection.role != event.role:
        return False
    return injection.table is None or _is_among(injection.table, event.tables)


def _is_among(table: str, names: Iterable[str]) -> bool:
    return any(name == table or name.partition(".")[2] == table for name in names)


def _is_probability(value: float | None) -> bool:
    return value is None or 0 < value <= 1


def check(injection: Injection) -> None:
    """PgError 22023 for an injection that makes no sense."""
    kind = KINDS.get(injection.kind)
    if kind is None:
        raise PgError(
            "22023", f'unknown kind of injection "{injection.kind}"', hint=f"Kinds: {', '.join(KINDS)}."
        )
    wrong = [
        (injection.nth < 1, "nth must be at least 1"),
        (injection.times is not None and injection.times < 1, "times must be at least 1"),
        (not _is_probability(injection.probability), "probability must be above 0 and at most 1"),
        (injection.probability is not None and injection.nth != 1, "nth and probability exclude each other"),
        (injection.table is not None and not kind.by_table, f"{kind.name} has no table"),
        (injection.process_id is not None and not kind.by_session, f"{kind.name} has no session"),
        (injection.role is not None and kind.point == Point.JOB, f"{kind.name} has no role"),
        (kind.delays and injection.ms + injection.jitter_ms <= 0, f"{kind.name} needs ms or jitter_ms"),
        (not kind.delays and bool(injection.ms or injection.jitter_ms), f"{kind.name} takes no time"),
        (min(injection.ms, injection.jitter_ms) < 0, "ms and jitter_ms must not be negative"),
        (injection.ms + injection.jitter_ms > 3_600_000, "ms and jitter_ms together exceed an hour"),
    ]
    for is_wrong, text in wrong:
        if is_wrong:
            raise PgError("22023", text)
