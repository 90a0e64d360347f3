"""What nodes take between two measurements of a journal's carrier never fills it."""

import random
from types import SimpleNamespace

import pytest

from server.runtime.region.admission import FIXED_BYTES, TOP, Admission, cost_of
from server.runtime.region.carrier import Room

MIB = 1 << 20
QUOTA = 128 * MIB
LARGEST = 10 * MIB


def room(size, quota=QUOTA):
    return Room(size, size, quota, size * 2 >= quota)


def admission(nodes=2, size=0, journals=(0,)):
    told = []
    made = Admission(nodes, LARGEST, lambda: told.append(True))
    made.measuring()
    made.measured(dict.fromkeys(journals, room(size)))
    return made, told


def ask(made, size, journal=0):
    return made.may_take(size, lambda: [b"key"], lambda _key: journal)


@pytest.mark.parametrize("nodes", [1, 2, 3])
def test_nodes_that_measure_when_they_like_never_fill_the_quota(nodes):
    chance = random.Random(nodes)
    used, pending = 0, []
    made = [admission(nodes)[0] for _ in range(nodes)]
    for _ in range(4_000):
        node = chance.randrange(nodes)
        what = chance.random()
        if what < 0.6:
            size = chance.choice([10, 5_000, 200_000, LARGEST])
            if ask(made[node], size):
                wait = SimpleNamespace(done=False)
                made[node].take(wait, size)
                pending.append((wait, cost_of(size)))
        elif what < 0.8 and pending:
            wait, cost = pending.pop(chance.randrange(len(pending)))
            used += cost if chance.random() < 0.9 else 0
            wait.done = True
        elif what < 0.9:
            made[node].measuring()
        else:
            made[node].measuring()
            made[node].measured({0: room(used)})
        if chance.random() < 0.001:
            used = 0
        assert used + sum(cost for _wait, cost in pending) <= QUOTA * TOP // 16


def test_a_transaction_counts_until_a_measurement_begins_after_its_end():
    made, _told = admission(nodes=1)
    wait = SimpleNamespace(done=False)
    made.take(wait, LARGEST)
    assert not ask(made, LARGEST)
    made.measuring()
    wait.done = True
    made.measured({0: room(0)})
    assert not ask(made, LARGEST), "it ended while the measurement ran, which may not have seen it"
    made.measuring()
    made.measured({0: room(0)})
    assert ask(made, LARGEST)


def test_another_journal_takes_what_a_full_one_does_not():
    made, _told = admission(journals=(0, 1))
    made.measuring()
    made.measured({0: room(0), 1: room(QUOTA * 3 // 4)})
    assert made.full == {1}
    assert ask(made, 100, 0) and not ask(made, 100, 1)
    assert made.refused == 1 and made.has_refused


def test_a_measurement_is_due_when_much_was_taken_or_something_refused():
    made, told = admission()
    made.take(SimpleNamespace(done=True), QUOTA // 64 - 2 * FIXED_BYTES)
    assert not told
    made.take(SimpleNamespace(done=True), QUOTA // 64)
    assert told == [True]
    assert not ask(made, LARGEST) and told == [True, True]


def test_nothing_is_refused_before_the_first_measurement():
    made = Admission(2, LARGEST, lambda: None)
    assert ask(made, 10 * MIB)
