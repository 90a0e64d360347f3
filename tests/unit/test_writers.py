"""Which ranges go to the region that writes them, and which stay (server.runtime.region.writers)."""

import pytest

from server.runtime.region import writers
from server.runtime.region.writers import AGE, ENOUGH, GAP, MOST_TABLES, SAMPLES, STAY, Leaving, Writers
from storage import keycode

EAST, WEST = "us-east-1", "us-west-2"
ALL = [(b"", b"\xff\xff")]


def prefix_of(table):
    return keycode.prefix(1, table)


def key(row, table=100):
    return prefix_of(table) + row.to_bytes(4, "big")


def whole(table=100):
    lo = prefix_of(table)
    return lo, keycode.successor(lo)


class Clock:
    """Writes at steps of `GAP`, which are all counted."""

    def __init__(self):
        self.now = 1
        self.writers = Writers(EAST)

    def write(self, region, rows, table=100, others=()):
        for row in rows:
            self.now += GAP
            self.writers.wrote([key(row, table), *others], region, self.now)

    def look(self, owned=ALL):
        return self.writers.leaving(owned, self.now)

    def settle(self, owned=ALL):
        """Known for long enough; what was written before counts no more."""
        self.look(owned)
        self.now += STAY


def known(table=100, owned=ALL):
    clock = Clock()
    clock.write(EAST, [0], table)
    clock.settle(owned)
    return clock


def test_a_table_that_another_region_writes_goes_there_as_a_whole():
    clock = known()
    clock.write(WEST, range(ENOUGH - 1))
    assert clock.look() == []
    clock.write(WEST, [99])
    assert clock.look() == [Leaving(*whole(), WEST)]


def test_a_table_that_this_region_writes_stays():
    clock = known()
    clock.write(EAST, range(SAMPLES))
    assert clock.look() == []


@pytest.mark.parametrize(
    ("west", "east", "goes"), [(4, 1, True), (3, 1, False), (1, 1, False), (1, 4, False)]
)
def test_the_majority_is_clear(west, east, goes):
    clock = known()
    for turn in range(SAMPLES // (west + east)):
        clock.write(WEST, [turn * 7 % 50 for _ in range(west)])
        clock.write(EAST, [turn * 7 % 50 for _ in range(east)])
    assert bool(clock.look()) == goes


def test_nothing_goes_before_it_has_stayed():
    clock = Clock()
    clock.write(WEST, [0])
    clock.look()
    clock.write(WEST, range(ENOUGH))
    clock.now = 1 + GAP + STAY - 1
    assert clock.look() == []
    clock.now += 1
    assert clock.look()


def test_what_comes_back_is_counted_anew_and_stays():
    clock = known()
    clock.write(WEST, range(SAMPLES))
    assert clock.look()
    assert clock.look([]) == []
    assert clock.look(ALL) == []
    clock.write(WEST, range(SAMPLES))
    assert clock.look() == []
    clock.now += STAY
    assert clock.look()


def test_a_burst_counts_as_one_write():
    clock = known()
    for _ in range(10 * ENOUGH):
        clock.writers.wrote([key(1)], WEST, clock.now + GAP)
    clock.now += GAP
    assert clock.look() == []


def test_old_writes_do_not_count():
    clock = known()
    clock.write(WEST, range(ENOUGH))
    clock.now += AGE
    clock.write(WEST, [1])
    assert clock.look() == []


def test_a_part_that_another_region_alone_writes_goes_and_the_rest_stays():
    clock = known()
    for turn in range(SAMPLES // 2):
        clock.write(EAST, [turn % 40])
        clock.write(WEST, [1000 + turn % 40])
    assert clock.look() == [Leaving(key(39) + b"\0", whole()[1], WEST)]


def test_a_part_between_others_ends_where_they_begin():
    clock = known()
    for turn in range(SAMPLES // 3):
        clock.write(EAST, [turn % 10, 5000 + turn % 10])
        clock.write(WEST, [1000 + turn % 10])
    clock.write(WEST, [1001] * 20)
    assert clock.look() == [Leaving(key(9) + b"\0", key(5000), WEST)]


def test_a_part_stays_when_its_commits_write_other_tables_too():
    clock = known()
    for turn in range(SAMPLES // 2):
        clock.write(EAST, [turn % 40])
        clock.write(WEST, [1000 + turn % 40], others=[key(turn, 200)])
    assert [each for each in clock.look() if each.lo.startswith(prefix_of(100))] == []


def test_keys_that_all_write_are_no_part():
    clock = known()
    for turn in range(SAMPLES // 2):
        clock.write(EAST, [turn * 31 % 101])
        clock.write(WEST, [turn * 37 % 101])
    assert clock.look() == []


def test_a_table_is_not_divided_for_ever():
    owned = [(key(100 * part), key(100 * part + 100)) for part in range(writers.MOST_PARTS)]
    clock = known(owned=owned)
    for turn in range(SAMPLES // 2):
        clock.write(EAST, [turn % 40])
        clock.write(WEST, [50 + turn % 40])
    assert clock.look(owned) == []
    fewer = owned[:-1]
    clock.look(fewer)
    clock.settle(fewer)
    for turn in range(SAMPLES // 2):
        clock.write(EAST, [turn % 40])
        clock.write(WEST, [50 + turn % 40])
    assert clock.look(fewer) == [Leaving(key(39) + b"\0", key(100), WEST)]


def test_only_what_is_owned_goes():
    owned = [(key(0), key(10)), (key(20), key(30))]
    clock = known(owned=owned)
    clock.write(WEST, [row for _ in range(ENOUGH) for row in (5, 15, 25)])
    assert clock.look(owned) == [Leaving(*part, WEST) for part in owned]


def test_a_commit_counts_once_for_each_of_its_tables():
    clock = Clock()
    clock.writers.wrote([key(1), key(2), key(1, 200)], WEST, 1)
    clock.settle()
    for _ in range(ENOUGH):
        clock.write(WEST, [1], others=[key(1, 200)])
    assert clock.look() == [Leaving(*whole(), WEST), Leaving(*whole(200), WEST)]


def test_tables_are_bounded_and_forgotten():
    clock = Clock()
    for table in range(100, 100 + 2 * MOST_TABLES):
        clock.write(WEST, [1], table)
    assert len(clock.writers) == MOST_TABLES
    clock.now += 2 * AGE
    assert clock.look() == [] and len(clock.writers) == 0
