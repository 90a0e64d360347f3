"""The model of how parts scale (docs/scaling.md) does what its arithmetic says, with the real cores."""

import pytest

from tests.bench.scaling.arithmetic import limits
from tests.bench.scaling.costs import Costs
from tests.bench.scaling.model import Sizes, World

COSTS = Costs(
    statements=200.0,
    coordinate=10.0,
    decide=50.0,
    vote=50.0,
    gather=100.0,
    encode=5.0,
    message=50.0,
    record=30.0,
    decode=5.0,
    merge=5.0,
    learn=5.0,
    route=2.0,
    apply=10.0,
    read=10.0,
)
"""In the proportions of measured ones, and slower: a run is short."""
MS = 50


def run(sizes, costs=COSTS, cross=0.0, reads=0):
    return World(costs, sizes, cross=cross, reads=reads).run(MS)


@pytest.mark.parametrize(
    ("sizes", "cross", "reads", "kind"),
    [
        (Sizes(2, 2, 2), 0.0, 1, "query processor"),
        (Sizes(8, 1, 2), 0.0, 1, "adjudicator"),
        (Sizes(8, 2, 2), 1.0, 1, "adjudicator"),
        (Sizes(8, 4, 1), 0.0, 4, "shard"),
    ],
    ids=["queries", "owners-alone", "owners-together", "shards"],
)
def test_the_first_bottleneck_is_the_computed_one(sizes, cross, reads, kind):
    found, computed = run(sizes, cross=cross, reads=reads), limits(COSTS, sizes, cross, reads)
    assert found.bottleneck == kind == min(computed, key=lambda each: computed[each])
    assert found.per_s == pytest.approx(computed[kind], rel=0.25)


def test_two_owners_decide_nearly_twice_what_one_does_and_less_than_one_if_all_keys_are_of_both():
    one, two, crossing = run(Sizes(8, 1, 2)), run(Sizes(8, 2, 2)), run(Sizes(8, 2, 2), cross=1.0)
    assert 1.6 * one.per_s < two.per_s < 2.1 * one.per_s
    assert crossing.per_s < one.per_s


def test_a_crossbar_that_limits_is_not_relieved_by_a_second_one():
    costs = COSTS._replace(decode=150.0, statements=50.0, learn=0.0, merge=50.0)
    owners = COSTS._replace(decode=0.0)
    assert (
        limits(costs, Sizes(16, 8, 8), 0.0, 0)["crossbar"]
        < limits(owners, Sizes(16, 8, 8), 0.0, 0)["crossbar"]
    )
    one, two = run(Sizes(16, 1, 2, 1), costs), run(Sizes(16, 1, 2, 2), costs)
    assert one.busy["crossbar"] > 0.95
    assert two.per_s == pytest.approx(one.per_s, rel=0.1)


def test_the_same_seed_gives_the_same_run():
    assert run(Sizes(2, 2, 2), cross=0.5, reads=1) == run(Sizes(2, 2, 2), cross=0.5, reads=1)
