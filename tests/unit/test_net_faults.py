"""Faults between regions as data: who is cut from whom, how far they are, what heals."""

import msgspec
import pytest

from server.runtime.net.faults import BadChange, Change, Cut, Faults, Heal, SetRoundTrip

REGIONS = ("a", "b", "w")


def after(*changes: Change) -> Faults:
    faults = Faults(REGIONS)
    for change in changes:
        faults.apply(change)
    return faults


@pytest.mark.parametrize(
    ("changes", "cuts"),
    [
        ([Cut("a", "b")], ["ab", "ba"]),
        ([Cut("a", "b", one_way=True)], ["ab"]),
        ([Cut("a")], ["ab", "aw", "ba", "wa"]),
        ([Cut("a", one_way=True)], ["ab", "aw"]),
        ([Cut("a"), Heal("a", "b")], ["aw", "wa"]),
        ([Cut("a"), Heal("b", "a")], ["aw", "wa"]),
        ([Cut("a"), Cut("b", "w"), Heal("a")], ["bw", "wb"]),
        ([Cut("a"), Cut("b", "w"), Heal()], []),
    ],
)
def test_cuts(changes, cuts):
    faults = after(*changes)
    assert faults.cuts() == [tuple(pair) for pair in cuts]
    for source in REGIONS:
        for target in REGIONS:
            assert faults.is_cut(source, target) == (source + target in cuts)
            either = source + target in cuts or target + source in cuts
            assert faults.may_connect(source, target) != either


def test_half_of_a_round_trip_on_each_way():
    faults = after(SetRoundTrip("a", "b", 60.0), SetRoundTrip("a", "b", 15.0))
    assert (faults.delay_s("a", "b"), faults.delay_s("b", "a")) == (0.0075, 0.0075)
    assert (faults.delay_s("a", "a"), faults.delay_s("a", "w")) == (0.0, 0.0)
    assert faults.round_trips_ms() == {("a", "b"): 15.0, ("b", "a"): 15.0}


@pytest.mark.parametrize(
    "change",
    [Cut("c"), Cut("a", "c"), Heal("c"), Heal("a", "c"), SetRoundTrip("a", "c", 1.0)]
    + [SetRoundTrip("a", "b", ms) for ms in (-1.0, 60_001.0, float("nan"))],
)
def test_what_cannot_be_is_refused_and_changes_nothing(change):
    faults = after(Cut("a", "b"))
    with pytest.raises(BadChange):
        faults.apply(change)
    assert faults.cuts() == [("a", "b"), ("b", "a")]
    assert faults.round_trips_ms() == {}


@pytest.mark.parametrize("change", [Cut("a", one_way=True), Heal(), SetRoundTrip("a", "b", 15.0)])
def test_a_change_travels_as_json(change):
    assert msgspec.json.decode(msgspec.json.encode(change), type=Change) == change
