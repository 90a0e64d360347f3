"""The true time lies in the interval, whatever oscillator and wall clock do within what was declared."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from server.runtime.clocks.interval import PPB, IntervalClock, Monotonic, NoTime, Reading

START = 1_700_000_000 * PPB
MS = 1_000_000


class Step(NamedTuple):
    """Time passes while the oscillator gains `rate_ppb`; then perhaps the source is read, or the clock."""

    passes: int
    rate: float
    """-1 to 1 of what was declared."""
    reads: bool
    bound: int
    error: float
    """-1 to 1 of the bound."""
    drift_ppb: int
    marker: int


steps = st.builds(
    Step,
    st.integers(0, 30 * PPB),
    st.floats(-1, 1),
    st.booleans(),
    st.integers(0, 20 * MS),
    st.floats(-1, 1),
    st.integers(0, 1_000_000),
    st.just(0),
)
lies = steps.flatmap(
    lambda step: st.builds(step._replace, error=st.floats(-50, 50), marker=st.integers(0, 2))
)


def simulate(history: list[Step], limit: int, check) -> IntervalClock:
    """Run the history; `check(truth, interval or None)` at each step. Declared is one drift for the whole run."""
    clock, truth, at = IntervalClock(limit), START, 12345
    drift = max((step.drift_ppb for step in history), default=0)
    for step in history:
        truth += step.passes
        rate = int(step.rate * drift)
        gained = abs(step.passes * rate) // PPB
        at += step.passes + (gained if rate > 0 else -gained)
        if step.reads:
            clock.add(Reading(at, truth + int(step.error * step.bound), step.bound, drift, None, step.marker))
        try:
            found = clock.now(at)
        except NoTime:
            found = None
        check(truth, found)
    return clock


@given(st.lists(steps, max_size=40), st.integers(0, 100 * MS))
def test_the_truth_lies_within(history, limit):
    last = (0, 0)

    def check(truth, found):
        nonlocal last
        if found is None:
            return
        assert found.earliest <= truth <= found.latest
        assert found.earliest >= last[0] and found.latest >= last[1]
        last = found

    clock = simulate(history, limit, check)
    assert clock.disputes == 0, "true readings never contradict each other"


@given(st.lists(steps, min_size=1, max_size=40))
def test_there_is_a_time_from_the_first_reading_on(history):
    seen = []
    simulate(history, PPB * PPB, lambda _truth, found: seen.append(found))
    first = next((place for place, step in enumerate(history) if step.reads), len(history))
    assert [found is not None for found in seen] == [place >= first for place in range(len(history))]


@given(st.lists(lies, max_size=40))
def test_nothing_goes_back_even_when_the_source_lies(history):
    last = (0, 0)

    def check(_truth, found):
        nonlocal last
        if found is not None:
            assert last[0] <= found.earliest <= found.latest
            assert last[1] <= found.latest
            last = found

    simulate(history, 100 * MS, check)


@given(st.lists(st.tuples(st.integers(0, 10**18), st.integers(0, 10**9)), max_size=30))
def test_monotonic_never_hands_out_what_it_knows_to_be_wrong(intervals):
    clock, last = Monotonic(), (0, 0)
    for earliest, width in intervals:
        try:
            found = clock.next(earliest, earliest + width)
        except NoTime:
            assert last[0] > earliest + width
            continue
        assert found == (max(earliest, last[0]), max(earliest + width, last[1]))
        last = found
