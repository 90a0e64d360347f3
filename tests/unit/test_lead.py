"""How far commits are dated ahead: what was measured, and who waits for what (AR §3.3)."""

import asyncio
import time

import pytest

from server.runtime.region import coordinating, owning
from server.runtime.region.lead import AGE, FEW, MS, SLACK, UNREAD, Deliveries, Recent, lead_of
from tests.regions.in_process import Regions
from tests.unit.test_region import A, begin, start_of, until

SECOND = 10**9


def test_the_quartile_is_of_recent_samples_and_passes_over_a_stall():
    recent = Recent()
    assert recent.p75(0) == 0
    for number in range(100):
        recent.add(900 * MS if number % 5 == 0 else 30 * MS, number)
    assert recent.p75(100) == 30 * MS
    for number in range(10):
        recent.add(70 * MS, 2 * AGE + number)
    assert recent.p75(2 * AGE + 10) == 70 * MS


def test_the_slow_first_samples_of_a_cold_process_do_not_decide_alone():
    recent = Recent()
    recent.add(2000 * MS, 0)
    for number in range(1, FEW):
        recent.add(60 * MS, number)
        assert recent.p75(number) == 60 * MS


def test_the_last_sample_counts_until_there_is_a_younger_one():
    recent = Recent()
    recent.add(5 * MS, 0)
    assert recent.p75(100 * AGE) == 5 * MS
    recent.forget()
    assert recent.p75(100 * AGE) == 0


def test_a_closed_time_is_delivered_when_its_position_was_read():
    deliveries = Deliveries()
    deliveries.announced(0, 7, SECOND, 7, SECOND + 3 * MS)
    assert deliveries.p75(SECOND) == {0: 3 * MS}
    deliveries.announced(1, 8, SECOND, 7, SECOND + 3 * MS)
    assert deliveries.p75(SECOND) == {0: 3 * MS}
    deliveries.read(1, 8, SECOND + 40 * MS)
    deliveries.read(1, 9, SECOND + 900 * MS)
    assert deliveries.p75(SECOND) == {0: 3 * MS, 1: 40 * MS}


def test_closed_times_without_a_record_of_their_own_are_no_deliveries():
    deliveries = Deliveries()
    deliveries.announced(0, 8, SECOND, 7, SECOND + MS)
    for _tick in range(100):
        deliveries.announced(0, 8, SECOND, 8, SECOND + MS)
    deliveries.read(0, 8, SECOND + 9 * MS)
    assert deliveries.p75(SECOND) == {0: 9 * MS}


def test_a_region_tells_deliveries_while_it_has_sessions_and_for_a_while_after():
    deliveries = Deliveries()
    deliveries.announced(0, 7, SECOND, 7, SECOND + 3 * MS)
    assert deliveries.told(False, SECOND) == {}
    assert deliveries.told(True, SECOND) == {0: 3 * MS}
    assert deliveries.told(False, SECOND + UNREAD) == {0: 3 * MS}
    assert deliveries.told(False, SECOND + UNREAD + 1) == {}


@pytest.mark.parametrize(
    ("append", "deliveries", "wanted"),
    [
        (60, [30, 20], 90),
        (1, [], 5),
        (60, [900], 150),
    ],
)
def test_a_lead_covers_append_and_delivery_within_its_bound(append, deliveries, wanted):
    lead = lead_of(append * MS, [each * MS for each in deliveries], 5 * MS, 150 * MS)
    assert lead == min(wanted * MS + SLACK, 150 * MS)


def test_no_tick_is_needed_between_a_commit_and_its_answer(monkeypatch):
    """Not for the commit wait, nor for the announcement that the record was waited for."""
    monkeypatch.setattr(owning, "TICK_S", 3600.0)
    monkeypatch.setattr(coordinating, "TICK_S", 3600.0)

    async def work():
        async with Regions() as cluster:
            first, second = await begin(cluster)
            first.owners[0].set_lead(50 * MS)
            commit_ts = await first.commit(start_of(first), (A, b"1"))
            await until(lambda: second.crossbar.closed(0) >= commit_ts)

    asyncio.run(work())


def test_a_lead_that_changes_reaches_the_owner_at_work():
    async def work():
        async with Regions() as cluster:
            first, second = await begin(cluster)
            owner = first.owners[0]
            owner.set_lead(80 * MS)
            assert owner.core.settings.lead == owner.lead == 80 * MS
            begun = time.time_ns()
            assert await second.commit(start_of(second), (A, b"1")) >= begun + 80 * MS

    asyncio.run(work())
