"""Adjudicators in processes of their own: commits by a remote owner, its death and return, leases, cuts, trims."""

import asyncio
import time

import pytest

from journal.crossbar import Mark
from server.errors import PgError
from server.runtime.adjudicator_node.leased import Leased
from server.runtime.region import wire
from tests.region_nodes import EAST, WEST, Nodes
from tests.regions.in_process import HANG_S
from tests.unit.test_keeping import FAR, NEAR, commit, cut_two, trimmed, until

ONE, TWO = f"{EAST}-1", f"{EAST}-2"
FAR_ONE = f"{WEST}-1"


def run(tmp_path, work, **options):
    async def all_of_it():
        async with Nodes(tmp_path, **options) as nodes:
            await work(nodes)

    asyncio.run(all_of_it())


def content(node, *keys):
    ts = node.start_ts()
    return [node.versions.get(key, ts) for key in keys]


async def seen(node, ts):
    await until(lambda: node.start_ts() >= ts)


async def pass_by(node, seconds):
    """Time goes on, as transactions see it."""
    ts = node.start_ts()
    await until(lambda: node.start_ts() >= ts + int(seconds * 10**9))


async def owns(nodes, name, journal):
    await until(lambda: name in nodes.adjudicators and nodes.adjudicators[name].owners[journal].is_owner)


def test_commits_are_decided_by_the_adjudicators_of_both_regions(tmp_path):
    async def work(nodes):
        east, west = nodes.nodes[EAST], nodes.nodes[WEST]
        await owns(nodes, ONE, 0)
        await owns(nodes, FAR_ONE, 1)
        for number, node in enumerate((east, west)):
            ts = await commit(node, NEAR + b"%d" % number, b"near")
            ts = max(ts, await commit(node, FAR + b"%d" % number, b"far"))
        for node in (east, west):
            await seen(node, ts)
            assert (
                content(node, NEAR + b"0", NEAR + b"1", FAR + b"0", FAR + b"1")
                == [b"near"] * 2 + [b"far"] * 2
            )
            assert not any(owning.work.claims for owning in node.owners.values())
            assert {journal: node.routing.node_of(journal, 0) for journal in (0, 1)} == {0: ONE, 1: FAR_ONE}
        begun = east.start_ts()
        await commit(east, NEAR + b"9", b"1", begun)
        with pytest.raises(PgError, match="OC000"):
            await commit(west, NEAR + b"9", b"2", begun)
        assert nodes.adjudicators[ONE].owners[0].work.committed >= 3
        assert east.leads_catalog and not west.leads_catalog

    run(tmp_path, work, adjudicators=1, silence=HANG_S)


def test_another_one_takes_over_from_one_that_died_and_gives_back(tmp_path):
    async def work(nodes):
        east = nodes.nodes[EAST]
        await owns(nodes, ONE, 0)
        await commit(east, NEAR + b"1", b"1")
        await nodes.stop_adjudicator(ONE)
        await owns(nodes, TWO, 0)
        await commit(east, NEAR + b"2", b"2")
        assert nodes.adjudicators[TWO].owners[0].work.takeovers >= 1
        await nodes.start_adjudicator(ONE)
        await owns(nodes, ONE, 0)
        await until(lambda: not nodes.adjudicators[TWO].owners[0].is_owner)
        ts = await commit(east, NEAR + b"3", b"3")
        await seen(east, ts)
        assert content(east, NEAR + b"1", NEAR + b"2", NEAR + b"3") == [b"1", b"2", b"3"]
        assert east.leasing.assigning.moves >= 2

    run(tmp_path, work, adjudicators=2, silence=2.0)


def test_the_node_owns_while_no_adjudicator_lives(tmp_path):
    async def work(nodes):
        east = nodes.nodes[EAST]
        await owns(nodes, ONE, 0)
        epoch = east.routing.epoch_of(0)
        await nodes.stop_adjudicator(ONE)
        await until(lambda: east.owners[0].is_owner)
        await commit(east, NEAR + b"1", b"1")
        await nodes.start_adjudicator(ONE)
        await owns(nodes, ONE, 0)
        await until(lambda: not east.owners[0].is_owner)
        await commit(east, NEAR + b"2", b"2")
        assert east.routing.epoch_of(0) > epoch

    run(tmp_path, work, adjudicators=1, silence=2.0)


def test_without_a_lease_nothing_is_claimed_and_what_is_owned_stays(tmp_path):
    async def work(nodes):
        west = nodes.nodes[WEST]
        await owns(nodes, ONE, 0)
        adjudicator = nodes.adjudicators[ONE]
        await until(lambda: nodes.adjudicators[FAR_ONE].owners[1].is_owner)
        nodes.nodes[EAST].leasing.renew = lambda: None
        await until(lambda: not adjudicator.leased.is_running(time.monotonic()))
        await commit(west, NEAR + b"1", b"1")  # decided in the east all the same
        assert adjudicator.owners[0].is_owner
        other = asyncio.ensure_future(west.owners[0].run())
        await until(lambda: west.owners[0].is_owner and not adjudicator.owners[0].is_owner)
        claims = adjudicator.owners[0].work.claims
        await commit(west, NEAR + b"2", b"2")
        await pass_by(west, 0.5)
        assert adjudicator.owners[0].work.claims == claims
        other.cancel()

    run(tmp_path, work, adjudicators=1, silence=2.0)


def test_the_other_region_takes_the_journals_of_one_that_is_cut_off(tmp_path):
    async def work(nodes):
        west = nodes.nodes[WEST]
        await owns(nodes, ONE, 0)
        await commit(west, NEAR + b"1", b"1")
        nodes.cut(EAST)
        await owns(nodes, FAR_ONE, 0)
        await commit(west, NEAR + b"2", b"2")
        nodes.heal(EAST)
        await owns(nodes, ONE, 0)
        await until(lambda: nodes.register.value.active == (EAST, WEST))
        east = nodes.nodes[EAST]
        ts = await commit(west, NEAR + b"3", b"3")
        await seen(east, ts)
        assert content(east, NEAR + b"1", NEAR + b"2", NEAR + b"3") == [b"1", b"2", b"3"]

    run(tmp_path, work, adjudicators=1, silence=2.0)


def test_a_region_whose_node_died_is_lost_though_its_adjudicator_speaks(tmp_path):
    async def work(nodes):
        west = nodes.nodes[WEST]
        await owns(nodes, ONE, 0)
        await nodes.stop(EAST)
        await until(lambda: nodes.register.value.active == (WEST,))
        await owns(nodes, FAR_ONE, 0)
        await commit(west, NEAR + b"1", b"1")
        await nodes.start(EAST)
        await until(lambda: nodes.register.value.active == (EAST, WEST))
        await owns(nodes, ONE, 0)

    run(tmp_path, work, adjudicators=1, silence=2.0)


def test_the_journal_of_an_adjudicator_is_trimmed_and_its_successor_begins_behind(tmp_path):
    async def work(nodes):
        east = nodes.nodes[EAST]
        await owns(nodes, ONE, 0)
        await owns(nodes, FAR_ONE, 1)
        begun = east.start_ts()
        await commit(east, NEAR + b"1", b"1")
        await trimmed(nodes, EAST, WEST)
        await nodes.stop_adjudicator(ONE)
        adjudicator = await nodes.start_adjudicator(ONE)
        await owns(nodes, ONE, 0)
        core = adjudicator.owners[0].core
        assert core.base == east.keeping.kept().base > 0
        await until(lambda: all(each.floor == core.base for each in core.ranges))
        with pytest.raises(PgError):  # what was trimmed is not known: too old, whatever its keys
            await commit(east, NEAR + b"1", b"2", begun)
        await commit(east, NEAR + b"1", b"3")
        await cut_two(east)

    run(tmp_path, work, adjudicators=1, silence=HANG_S)


def test_an_adjudicator_believes_no_lease_but_of_its_own_regions_node(tmp_path):
    async def work(nodes):
        await owns(nodes, FAR_ONE, 1)
        adjudicator = nodes.adjudicators[ONE]
        for source in (WEST, FAR_ONE, ONE):
            adjudicator.lease(source, wire.Lease((1,), (EAST, WEST)))
            assert not adjudicator.leased.is_wanted(1, time.monotonic())

    run(tmp_path, work, adjudicators=1, silence=HANG_S)


def test_a_range_is_handed_over_by_the_adjudicator_that_owns_it(tmp_path):
    async def work(nodes):
        east = nodes.nodes[EAST]
        await owns(nodes, ONE, 0)
        await owns(nodes, FAR_ONE, 1)
        await commit(east, NEAR + b"1", b"1")
        adjudicator = nodes.adjudicators[ONE]
        assert adjudicator.release(wire.ReleaseWanted(0, NEAR, NEAR + b"\xff", 1)).is_begun
        await until(lambda: east.routing.journal_of(NEAR + b"1") == 1)
        await commit(east, NEAR + b"1", b"2")
        assert not adjudicator.release(wire.ReleaseWanted(0, NEAR, NEAR + b"\xff", 1)).is_begun
        assert not adjudicator.release(wire.ReleaseWanted(7, NEAR, NEAR + b"\xff", 1)).is_begun
        assert not adjudicator.release(wire.ReleaseWanted(0, b"", NEAR, 7)).is_begun

    run(tmp_path, work, adjudicators=1, silence=HANG_S)


def test_a_lease_runs_out():
    leased = Leased([0, 1], 1.0)
    assert not leased.is_running(0.0)
    leased.granted(wire.Lease((1,), (EAST,), 7, Mark(((0, 3), (1, 4)), (5, 0, 3, 0), ((0, 5), (1, 5)))), 10.0)
    assert leased.is_wanted(1, 10.9) and not leased.is_wanted(0, 10.9) and not leased.is_wanted(1, 11.0)
    assert leased.is_active(EAST) and not leased.is_active(WEST)
    assert leased.kept().base == 7 and leased.kept().crossbar.wanted() == [(0, 4), (1, 5)]
