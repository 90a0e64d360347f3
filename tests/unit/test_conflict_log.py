"""What is kept of conflicts, in bounded memory (server.testing.conflicts)."""

import pytest

from server.testing import conflicts
from server.testing.conflicts import ConflictLog, Lost, Place


def lost(key: str | None, at: int = 1, cluster: int = 1, injection: int | None = None) -> Lost:
    place = Place("public", "t", None, key)
    return Lost(at, cluster, "OC000", place, 1, "admin", "", 0, "aa", "bb", 1, injection)


def hot(log: ConflictLog) -> list[tuple[str | None, int, int, int]]:
    return [(each.place.key, each.conflicts, each.over, each.last) for each in log.hot_keys(1)]


def test_the_oldest_conflicts_go_first() -> None:
    log = ConflictLog(kept=3)
    for at in range(5):
        log.add(lost("a", at))
    assert [each.at for each in log.losses(1)] == [2, 3, 4]


def test_the_most_contended_key_comes_first() -> None:
    log = ConflictLog()
    for at, key in enumerate("abcbb"):
        log.add(lost(key, at))
    assert hot(log) == [("b", 3, 0, 4), ("a", 1, 0, 0), ("c", 1, 0, 2)]


def test_what_has_no_key_or_is_not_real_heats_none() -> None:
    log = ConflictLog()
    log.add(lost(None))
    log.add(lost("a", injection=1))
    assert (len(log.losses(1)), hot(log)) == (2, [])


def test_a_new_key_takes_the_place_of_the_coldest_and_says_by_how_much_it_may_be_wrong() -> None:
    log = ConflictLog(keys=2)
    for at, key in enumerate("aaabbc"):
        log.add(lost(key, at))
    assert hot(log) == [("a", 3, 0, 2), ("c", 3, 2, 5)]


def test_of_equally_cold_keys_the_one_that_came_first_goes() -> None:
    log = ConflictLog(keys=3)
    for at, key in enumerate("aabccdef"):
        log.add(lost(key, at))
    assert hot(log) == [("e", 3, 2, 6), ("f", 3, 2, 7), ("d", 2, 1, 5)]


def test_a_key_that_is_lost_often_is_among_the_kept_ones() -> None:
    """More than one conflict in `keys` is enough, whatever else comes (Space-Saving's guarantee)."""
    log = ConflictLog(keys=10)
    for number in range(1000):
        log.add(lost("hot" if number % 9 == 0 else f"cold {number}"))
    found = {key: (conflicts, over) for key, conflicts, over, _last in hot(log)}
    conflicts, over = found["hot"]
    assert conflicts - over <= 112 <= conflicts


def test_clusters_are_apart() -> None:
    log = ConflictLog()
    log.add(lost("a", cluster=2))
    assert (log.losses(1), hot(log)) == ([], [])
    assert len(log.hot_keys(2)) == 1


def test_tables_are_counted_since_the_start_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflicts, "TABLES", 2)
    log = ConflictLog(kept=1)
    for key in ("a", None, "b"):
        log.add(lost(key))
    log.add(lost("a", injection=1))
    log.add(lost("a", cluster=2))
    log.add(lost("a", cluster=3))
    assert log.by_table() == {(1, "public.t"): 3, (2, "public.t"): 1, (3, ""): 1}
