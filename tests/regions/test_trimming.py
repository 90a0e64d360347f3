"""Journals of real regions are trimmed, and a region that lost or missed what is gone begins from a snapshot."""

import asyncio
import contextlib
import shutil
import time

import asyncpg
import pytest

from server.runtime.region import local_cluster
from server.runtime.requests import CutSnapshot
from tests.regions.clients import done, seen
from tests.regions.cluster import EAST, HANG_S, WEST

pytestmark = pytest.mark.slow


@contextlib.asynccontextmanager
async def connected(cluster, *regions):
    connections = [await asyncpg.connect(cluster.dsn(region)) for region in regions]
    try:
        async with asyncio.timeout(4 * HANG_S):
            yield connections
    finally:
        for each in connections:
            each.terminate()


async def cut(cluster, region):
    """A snapshot of that region's node, with a mark beyond the last one's."""
    while True:
        try:
            return (await local_cluster.ask_node(cluster.data / region / "node", CutSnapshot()))[0]
        except local_cluster.Refused:
            await asyncio.sleep(0.1)


async def trimmed(cluster, *regions):
    """Returns when every journal begins later than it did."""
    before = first(cluster, regions[0])
    for _ in range(2):
        for region in regions:
            await cut(cluster, region)
        await asyncio.sleep(1.5)  # a mark is stored once a second: the next snapshot is to be another one
    limit = time.monotonic() + HANG_S
    while not all(now > then for now, then in zip(first(cluster, regions[0]), before)):
        assert time.monotonic() < limit, cluster.region(regions[0])
        await asyncio.sleep(0.1)


def first(cluster, region):
    return [journal["first"] for journal in cluster.region(region)["journals"]]


def use(cluster, work, *regions):
    async def connect():
        async with connected(cluster, *regions) as connections:
            await work(*connections)

    asyncio.run(connect())


def test_journals_are_trimmed_while_both_regions_commit(cluster):
    async def work(east, west):
        await east.execute("create table kept (id int primary key, region text)")
        for number in range(20):
            await done(east, "insert into kept values ($1, 'east')", number)
            await done(west, "insert into kept values ($1, 'west')", 100 + number)
        await trimmed(cluster, EAST, WEST)
        await done(west, "insert into kept values (200, 'west')")
        assert await seen(east, "select count(*) from kept") == 41

    use(cluster, work, EAST, WEST)


def test_a_region_that_lost_its_storage_and_snapshots_fetches_one(cluster):
    cluster.command("region", "kill", WEST)
    node = cluster.data / WEST / "node"
    shutil.rmtree(node / "storage")
    shutil.rmtree(node / "snapshots")
    cluster.command("region", "heal", WEST)
    cluster.until_whole()
    assert "snapshot fetched" in (cluster.data / WEST / "node.log").read_text()

    async def work(east, west):
        assert await seen(west, "select count(*) from kept") == 41
        await done(west, "insert into kept values (300, 'west')")
        assert await seen(east, "select count(*) from kept") == 42

    use(cluster, work, EAST, WEST)


def test_a_region_cut_off_while_journals_were_trimmed_begins_anew(cluster):
    starts = cluster.region(WEST)["starts"]
    cluster.command("region", "cut", WEST)
    cluster.until(
        lambda found: found["regions"][0]["journals"][1]["leads_here"], "the other region leads both journals"
    )

    missed = [journal["read"] + 1 for journal in cluster.region(WEST)["journals"]]

    async def alone(east):
        await done(east, "insert into kept values (400, 'east')")
        limit = time.monotonic() + HANG_S
        while not all(now > wanted for now, wanted in zip(first(cluster, EAST), missed)):
            assert time.monotonic() < limit, (first(cluster, EAST), missed)
            await trimmed(cluster, EAST)

    use(cluster, alone, EAST)
    cluster.command("region", "heal", WEST)
    cluster.until_whole()
    assert cluster.region(WEST)["starts"] > starts

    async def together(east, west):
        await done(west, "insert into kept values (500, 'west')")
        for each in (east, west):
            assert await seen(each, "select count(*) from kept") == 44

    use(cluster, together, EAST, WEST)
