"""Which injection fires where: the rules, without a server (server.testing.injections)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from server.errors import PgError
from server.testing.injections import KINDS, MOST, Event, Injection, Injector, Point


def dice(seed: int) -> Callable[[], float]:
    """Throws that a test can foresee: 0.0, 0.1, 0.2 ... from the seed on."""
    throws: Iterator[int] = iter(range(seed, 1000))
    return lambda: next(throws) % 10 / 10


def injector(*injections: Injection) -> Injector:
    made = Injector(dice)
    for each in injections:
        made.add(each)
    return made


def commit(process_id: int = 1, role: str = "app", *tables: str, cluster: int = 1) -> Event:
    return Event(Point.COMMIT, cluster, process_id, role, tables, True)


def fired(made: Injector, *events: Event) -> list[str | None]:
    faults = [made.match(event) for event in events]
    return [None if fault is None else fault.kind for fault in faults]


def counts(made: Injector) -> list[tuple[int, int]]:
    return [(each.matched, each.fired) for each in made.all(1)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1, 0, 0, 0, 0]),
        ({"nth": 3}, [0, 0, 1, 0, 0]),
        ({"nth": 2, "times": 2}, [0, 1, 1, 0, 0]),
        ({"times": None}, [1, 1, 1, 1, 1]),
        ({"nth": 4, "times": None}, [0, 0, 0, 1, 1]),
        ({"probability": 0.2, "seed": 8, "times": None}, [0, 0, 1, 1, 0]),
        ({"probability": 0.2, "seed": 8, "times": 1}, [0, 0, 1, 0, 0]),
    ],
    ids=["first", "third", "second and third", "all", "from the fourth on", "dice", "dice once"],
)
def test_which_of_the_events_fire(options: dict[str, Any], expected: list[int]) -> None:
    made = injector(Injection("OC000", 1, **options))
    assert [int(kind is not None) for kind in fired(made, *[commit()] * 5)] == expected
    assert made.all(1)[0].fired == sum(expected)


def test_the_same_seed_is_the_same_choice() -> None:
    from random import Random

    def choices(seed: int) -> list[str | None]:
        made = Injector(lambda given: Random(given).random)
        made.add(Injection("OC000", 1, times=None, probability=0.5, seed=seed))
        return fired(made, *[commit()] * 40)

    assert choices(1) == choices(1) != choices(2)


@pytest.mark.parametrize(
    ("restriction", "event", "is_meant"),
    [
        ({"process_id": 1}, commit(1), True),
        ({"process_id": 1}, commit(2), False),
        ({"role": "app"}, commit(1, "app"), True),
        ({"role": "app"}, commit(1, "other"), False),
        ({"table": "t"}, commit(1, "app", "public.u", "s.t"), True),
        ({"table": "s.t"}, commit(1, "app", "s.t"), True),
        ({"table": "s.t"}, commit(1, "app", "public.t"), False),
        ({}, commit(cluster=2), False),
        ({}, Event(Point.STATEMENT, 1), False),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_an_injection_is_restricted_to(
    restriction: dict[str, Any], event: Event, is_meant: bool
) -> None:
    made = injector(Injection("OC000", 1, **restriction))
    assert fired(made, event) == (["OC000"] if is_meant else [None])
    assert counts(made) == [(1, 1) if is_meant else (0, 0)], "what is not meant is not counted"


def test_the_row_limit_is_that_of_changes() -> None:
    made = injector(Injection("row_limit", 1))
    reading = Event(Point.STATEMENT, 1, 1, "app", ("public.t",), False)
    assert fired(made, reading, Event(Point.STATEMENT, 1, 1, "app", ("public.t",), True)) == [
        None,
        "row_limit",
    ]


def test_of_several_that_are_due_the_oldest_fires_and_the_others_stay_due() -> None:
    made = injector(Injection("OC001", 1), Injection("OC000", 1))
    assert fired(made, commit(), commit(), commit()) == ["OC001", "OC000", None]
    assert counts(made) == [(1, 1), (2, 1)]


def test_a_delay_has_its_jitter_from_the_dice() -> None:
    made = injector(Injection("slow", 1, times=None, seed=3, ms=100.0, jitter_ms=50.0))
    event = Event(Point.STATEMENT, 1)
    delays = [fault.ms for fault in (made.match(event), made.match(event)) if fault is not None]
    assert delays == [100 + 50 * 0.3, 100 + 50 * 0.4]


def test_nobody_needs_to_ask_when_nothing_waits() -> None:
    made = injector()
    assert made.armed == 0
    made.add(Injection("OC000", 1))
    made.add(Injection("slow", 1, ms=1.0))
    assert made.armed == Point.COMMIT | Point.STATEMENT
    made.match(commit())
    assert made.armed == Point.STATEMENT, "the other one is used up"
    made.remove(1, None)
    assert made.armed == 0


def test_removing_is_of_ones_own_cluster() -> None:
    made = injector(Injection("OC000", 1), Injection("OC000", 2), Injection("OC001", 1))
    assert made.remove(2, 1) == 0
    assert made.remove(1, 1) == 1
    assert made.remove(1, None) == 1
    assert [each.id for each in made.all(2)] == [2]


def test_there_is_a_bound() -> None:
    made = injector(*[Injection("OC000", 1) for _ in range(MOST)])
    with pytest.raises(PgError) as raised:
        made.add(Injection("OC000", 1))
    assert raised.value.sqlstate == "54000"
    made.remove(1, 1)
    assert made.add(Injection("OC000", 1)) == MOST + 1, "numbers are not used again"


@pytest.mark.parametrize(
    "injection",
    [
        Injection("oc000", 1),
        Injection("OC000", 1, nth=0),
        Injection("OC000", 1, times=0),
        Injection("OC000", 1, probability=0.0),
        Injection("OC000", 1, probability=1.1),
        Injection("OC000", 1, probability=0.5, nth=2),
        Injection("OC000", 1, ms=1.0),
        Injection("slow", 1),
        Injection("slow", 1, ms=-1.0, jitter_ms=2.0),
        Injection("slow", 1, ms=4e6),
        Injection("token_expired", 1, table="t"),
        Injection("token_expired", 1, process_id=1),
        Injection("index_job_fails", 1, role="app"),
    ],
    ids=lambda injection: f"{injection.kind} {injection.nth} {injection.times} {injection.ms}",
)
def test_what_makes_no_sense_is_refused(injection: Injection) -> None:
    with pytest.raises(PgError) as raised:
        injector(injection)
    assert raised.value.sqlstate == "22023"


def test_every_kind_says_what_it_does() -> None:
    assert all(kind.description and name == kind.name for name, kind in KINDS.items())
