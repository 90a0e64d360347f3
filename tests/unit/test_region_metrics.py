"""Metrics of a region's node: every series from the start, and the numbers of what happened."""

import asyncio

import pytest

from server.errors import PgError
from server.runtime.clocks.interval import Interval, NoTime
from server.runtime.region import metrics as families
from server.runtime.region.edges import Edges
from server.testing.conflicts import Lost, Place
from tests.region_nodes import EAST, WEST, Nodes
from tests.unit.test_keeping import FAR, NEAR, commit, cut_two, until
from tests.unit.test_metrics import series, value


def found_of(node):
    parts = (families.commits, families.journals, families.storage, families.membership)
    return series(*(lambda part=part: part(node) for part in parts))


def run(tmp_path, work):
    async def all_of_it():
        async with Nodes(tmp_path) as nodes:
            await work(nodes)

    asyncio.run(all_of_it())


def test_what_never_happened_is_zero(tmp_path):
    async def work(nodes):
        found = found_of(nodes.nodes[EAST])
        for name in ("conflicts_total", "commits_unknown_total", "begins_refused_total", "snapshot_failing"):
            assert value(found, name) == 0
        for name in ("feed_behind_answers_total", "feed_lost_total"):
            assert value(found, name) == 0
        assert not nodes.nodes[EAST].is_feeding, "there is nobody to feed"
        for journal in ("0", "1"):
            for name in (
                "journal_full",
                "journal_unreachable",
                "journal_quota_bytes",
                "journal_lead_seconds",
            ):
                assert value(found, name, journal=journal) >= 0
        for region in (EAST, WEST):
            assert value(found, "region_active", region=region) == 1

    run(tmp_path, work)


def test_numbers_are_those_of_what_happened(tmp_path):
    async def work(nodes):
        east = nodes.nodes[EAST]
        await until(lambda: east.owners[0].is_owner and nodes.nodes[WEST].owners[1].is_owner)
        before = found_of(east)
        begun = east.start_ts()
        await commit(east, NEAR + b"1", b"1")
        with pytest.raises(PgError, match="OC000"):
            await commit(east, NEAR + b"1", b"2", start_ts=begun)
        await cut_two(east)
        nodes.logs[1].size = nodes.logs[1].in_use = nodes.logs[1].quota  # nobody can relieve it
        await until(lambda: east.keeping.admission.full)
        with pytest.raises(PgError, match="exceeds"):
            await commit(east, FAR + b"1", b"1")
        found = found_of(east)
        rose = {
            name: value(found, name) - value(before, name)
            for name in ("commits_total", "conflicts_total", "snapshots_cut_total")
        }
        assert rose == {"commits_total": 1, "conflicts_total": 1, "snapshots_cut_total": 2}
        assert [value(found, "journal_owned", journal=each) for each in ("0", "1")] == [1, 0]
        assert [value(found, "journal_full", journal=each) for each in ("0", "1")] == [0, 1]
        assert value(found, "journal_position", journal="0") == east.tails.position(0)
        assert value(found, "journal_append_seconds", journal="0") > 0
        assert [value(found, "journal_claims_total", journal=each) for each in ("0", "1")] == [1, 0]
        assert [value(found, "journal_takeovers_total", journal=each) for each in ("0", "1")] == [0, 0]
        done = value(found, "journal_committed_total", journal="0") - value(
            before, "journal_committed_total", journal="0"
        )
        assert done == 1
        assert value(found, "journal_refused_total", journal="0") >= 1
        for section in ("claim", "adjudicate", "append"):
            assert value(found, "journal_busy_seconds_total", journal="0", section=section) > 0
            assert value(found, "journal_busy_seconds_total", journal="1", section=section) == 0
        assert value(found, "serving") == 1
        assert value(found, "commits_without_room_total") == 1
        assert value(found, "busy_seconds_total", section="apply") > 0

    run(tmp_path, work)


def test_lost_commits_by_table_and_key(tmp_path):
    async def work(nodes):
        east = nodes.nodes[EAST]
        east.desk.lost(
            Lost(1, 1, "OC000", Place("bank", "account", None, "(id)=(7)"), 1, "admin", "", 0, "aa", "bb", 1)
        )
        found = series(lambda: families.contention(east))
        assert value(found, "table_conflicts_total", cluster="1", table="bank.account") == 1
        key = {"cluster": "1", "table": "bank.account", "key": "(id)=(7)"}
        assert value(found, "hot_key_conflicts", **key) == 1

    run(tmp_path, work)


def test_the_bound_of_the_clock_is_told_also_when_the_time_is_not_known():
    clock = Fickle()
    edges = Edges(clock, EAST, lambda _error: None)
    assert edges.latest() == 30
    found = series(lambda: families.clock(edges))
    assert (value(found, "clock_known"), value(found, "clock_bound_seconds")) == (1, 10e-9)
    clock.is_lost = True
    found = series(lambda: families.clock(edges))
    assert (value(found, "clock_known"), value(found, "clock_bound_seconds")) == (0, 10e-9)


class Fickle:
    """A clock that may lose the time."""

    is_lost = False

    def now(self):
        if self.is_lost:
            raise NoTime("lost")
        return Interval(10, 30)
