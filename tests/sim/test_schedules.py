"""Each rule, and a script of events that needs it."""

import pytest

from journal.broken import Broken
from tests.sim.checkers import Violation
from tests.sim.mutants import MUTANTS, switched_off
from tests.sim.schedules import SCHEDULES
from tests.sim.stage import Stage


def test_every_rule_has_a_schedule():
    assert sorted(SCHEDULES) == sorted(MUTANTS)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_the_rules_as_written_hold(name):
    stage = Stage()
    SCHEDULES[name](stage)
    stage.observers.tell("at_end", [stage.shard])


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_rule_switched_off_is_noticed(name):
    stage = Stage()
    with switched_off(name), pytest.raises((Violation, Broken)):
        SCHEDULES[name](stage)
        stage.observers.tell("at_end", [stage.shard])
