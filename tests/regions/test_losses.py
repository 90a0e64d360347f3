"""A region is cut off, and everything is killed, under loads through both endpoints."""

import asyncio

import pytest

from tests.regions.cluster import EAST, REGIONS, WEST
from tests.regions.loaded import Loaded

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def loaded(cluster):
    return Loaded(cluster)


def test_the_cut_side_says_so_and_the_other_one_goes_on(loaded):
    async def work():
        async with loaded.load() as running:
            await loaded.command("region", "cut", EAST)
            assert f"region {EAST} " in await running.refusal(EAST)
            await running.commits(WEST)
            await loaded.command("region", "heal", EAST)
            await loaded.whole(running)
        await loaded.check()

    asyncio.run(work())


def test_everything_is_killed_and_starts_again(loaded):
    async def work():
        async with loaded.load() as running:
            await asyncio.to_thread(loaded.cluster.kill)
        await asyncio.to_thread(loaded.cluster.start)
        async with loaded.load() as running:
            await loaded.whole(running)
        await loaded.check()

    asyncio.run(work())
    assert all(each["starts"] == 1 for each in loaded.cluster.status()["regions"])


def test_a_session_of_a_region_that_is_killed_and_healed_finds_it_at_the_same_address(loaded):
    async def work():
        async with loaded.load() as running:
            await loaded.command("node", "kill", f"{WEST}-node")
            await loaded.whole(running)
        await loaded.check()

    endpoints = [each["endpoint"] for each in loaded.cluster.status()["regions"]]
    asyncio.run(work())
    after = loaded.cluster.status()["regions"]
    assert [each["endpoint"] for each in after] == endpoints == [loaded.cluster.endpoints[r] for r in REGIONS]
    assert after[REGIONS.index(WEST)]["starts"] == 2
