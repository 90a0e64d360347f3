"""Which regions live: one value, compare-and-set, and a region that fails closed."""

from hypothesis import given
from hypothesis import strategies as st

from server.runtime.region.membership import Membership, Timing, Value

TIMING = Timing(confirmed=2.0, silence=1.0, settled=2.0, returning=0.5)
BOTH = ("a", "b")


class Store:
    """The shared value."""

    def __init__(self):
        self.value = None
        self.signs = {}

    def replace(self, old, new):
        if self.value == old:
            self.value = new


def pair():
    return {name: Membership(name, BOTH, TIMING) for name in BOTH}


def beat(store, regions, now, *, hear=True, reach=("a", "b"), complete=True):
    """One round of both regions; `reach`: those that reach the majority."""
    for name, region in regions.items():
        if hear:
            region.heard("b" if name == "a" else "a", now)
        if name in reach:
            store.signs[name] = str(now).encode()
            others = {other: sign for other, sign in store.signs.items() if other != name}
            region.confirmed(store.value, now, others)
            proposal = region.proposal(now, complete)
            if proposal is not None:
                store.replace(region.value, proposal)


def run(store, regions, start, seconds, **how):
    now = start
    while now < start + seconds:
        beat(store, regions, now, **how)
        now = round(now + 0.25, 2)
    return now


def serving(regions, now):
    return [name for name, region in regions.items() if region.refusal(now) is None]


def test_both_regions_serve_once_the_value_is_there():
    store, regions = Store(), pair()
    assert serving(regions, 0.0) == []
    now = run(store, regions, 0.0, 1.0)
    assert store.value == Value(1, BOTH)
    assert serving(regions, now) == ["a", "b"]
    assert [regions["a"].owner_of(each) for each in BOTH] == ["a", "b"]


def test_a_region_that_reaches_no_majority_stops_by_itself_and_the_other_goes_on_alone():
    store, regions = Store(), pair()
    now = run(store, regions, 0.0, 3.0)
    now = run(store, regions, now, 4.0, hear=False, reach=("b",))
    assert store.value == Value(2, ("b",))
    assert serving(regions, now) == ["b"]
    assert "lost the majority" in regions["a"].refusal(now)
    assert regions["b"].owner_of("a") == "b"


def test_when_only_the_link_between_them_fails_one_of_them_goes_on():
    store, regions = Store(), pair()
    now = run(store, regions, 0.0, 3.0)
    now = run(store, regions, now, 4.0, hear=False)
    assert len(store.value.active) == 1
    assert serving(regions, now) == list(store.value.active)


def test_a_region_that_was_out_is_back_when_it_is_heard_and_complete():
    store, regions = Store(), pair()
    now = run(store, regions, 0.0, 3.0)
    now = run(store, regions, now, 4.0, hear=False, reach=("b",))
    now = run(store, regions, now, 2.0, complete=False)
    assert serving(regions, now) == ["b"]
    assert "catching up" in regions["a"].refusal(now)
    now = run(store, regions, now, 2.0)
    assert store.value == Value(3, BOTH)
    assert serving(regions, now) == ["a", "b"]


def test_when_the_region_that_went_on_alone_fails_too_the_other_one_does():
    store, regions = Store(), pair()
    now = run(store, regions, 0.0, 3.0)
    now = run(store, regions, now, 4.0, hear=False)
    (alone,) = store.value.active
    out = "ab".replace(alone, "")
    now = run(store, regions, now, 2.0, hear=False, reach=(out,), complete=False)
    assert store.value == Value(2, (alone,)), "it may still answer"
    now = run(store, regions, now, 2.0, hear=False, reach=(out,), complete=False)
    assert store.value == Value(3, (out,))
    assert serving(regions, now) == [out]
    now = run(store, regions, now, 3.0)
    assert store.value == Value(4, BOTH)


def test_a_region_that_is_out_waits_for_one_that_confirms_or_is_heard():
    store, regions = Store(), pair()
    now = run(store, regions, 0.0, 3.0)
    now = run(store, regions, now, 4.0, hear=False)
    (alone,) = store.value.active
    now = run(store, regions, now, 20.0, hear=False)
    assert store.value == Value(2, (alone,)), "it confirms"
    now = run(store, regions, now, 20.0, reach=("ab".replace(alone, ""),), complete=False)
    assert store.value == Value(2, (alone,)), "it is heard"


def test_a_bad_link_does_not_make_them_throw_each_other_out_in_turns():
    store, regions = Store(), pair()
    now = run(store, regions, 0.0, 3.0)
    epochs = []
    for _ in range(10):
        now = run(store, regions, now, 1.5, hear=False)
        now = run(store, regions, now, 1.0)
        epochs.append(store.value.epoch)
    assert epochs[-1] - epochs[0] <= 12


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["a", "b", "ab", ""]), st.booleans()), max_size=60))
def test_a_region_that_was_put_out_serves_no_longer_than_a_confirmation_lasts(rounds):
    store, regions = Store(), pair()
    now = run(store, regions, 0.0, 1.0)
    changed_at, value = now, store.value
    for hear, reach, complete in rounds:
        beat(store, regions, now, hear=hear, reach=tuple(reach), complete=complete)
        if store.value != value:
            changed_at, value = now, store.value
        assert value.active, "somebody is always in"
        now = round(now + 0.25, 2)
        for name in serving(regions, now):
            assert name in value.active or now < changed_at + TIMING.confirmed
