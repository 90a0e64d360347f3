"""Ranges that go by themselves to the region that writes them, with whole nodes (server.runtime.region.moving)."""

import asyncio

import pytest

from server.errors import PgError
from server.runtime.region import moving, writers
from tests.region_nodes import EAST, WEST, Nodes
from tests.unit.test_keeping import NEAR, commit, until

KEYS = [NEAR + bytes((number,)) for number in range(10)]
"""Of a table that journal 0 has, which is led from the first region."""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No time passes between two writes of a test, nor between two looks."""
    for name in ("GAP", "STAY"):
        monkeypatch.setattr(writers, name, 0)
    monkeypatch.setattr(moving, "LOOK_S", 0.0)


def run(tmp_path, work, *, follows_writers=True):
    async def all_of_it():
        async with Nodes(tmp_path, follows_writers=follows_writers) as nodes:
            east, west = nodes.nodes[EAST], nodes.nodes[WEST]
            await until(lambda: east.owners[0].is_owner and west.owners[1].is_owner)
            await until(lambda: east.routing.node_of(1, 0) and west.routing.node_of(0, 0))
            await work(nodes, east, west)

    asyncio.run(all_of_it())


async def write(node, times):
    for number in range(times):
        await commit(node, KEYS[number % len(KEYS)], b"1")


def test_what_the_other_region_writes_goes_there_and_its_history_is_known(tmp_path):
    async def work(_nodes, east, west):
        before = west.start_ts()
        while not east.ranges_handed_over:
            await write(west, 4)
        await until(lambda: all(node.routing.journal_of(KEYS[0]) == 1 for node in (east, west)))
        await until(lambda: all(each.floor < before for each in west.owners[1].core.ranges))
        with pytest.raises(PgError, match="OC000"):
            await commit(west, KEYS[0], b"2", start_ts=before)
        await write(east, 4)
        assert east.ranges_handed_over == 1

    run(tmp_path, work)


def test_what_both_regions_write_stays(tmp_path):
    async def work(_nodes, east, west):
        for _turn in range(writers.ENOUGH):
            await write(west, 1)
            await write(east, 1)
        assert east.ranges_handed_over == 0 and east.routing.journal_of(KEYS[0]) == 0

    run(tmp_path, work)


def test_nothing_goes_where_ranges_are_fixed(tmp_path):
    async def work(_nodes, east, west):
        await write(west, 2 * writers.ENOUGH)
        assert east.ranges_handed_over == 0

    run(tmp_path, work, follows_writers=False)


def test_nothing_goes_to_a_region_that_is_out_of_service(tmp_path, monkeypatch):
    async def work(_nodes, east, west):
        monkeypatch.setattr(east.membership, "is_active", lambda region: region == EAST)
        await write(west, 2 * writers.ENOUGH)
        assert east.ranges_handed_over == 0

    run(tmp_path, work)
