"""The witness, a region, a link, any single process is lost under loads through both endpoints."""

import asyncio
import os

import pytest

from tests.regions.cluster import EAST, REGIONS, WEST, WITNESS
from tests.regions.loaded import Loaded

if "OPENDSQL_REGIONS" not in os.environ:
    pytest.skip("takes minutes: make test-regions", allow_module_level=True)

pytestmark = pytest.mark.slow

MEMBERS = [f"journal{number}-{region}" for number in range(2) for region in (*REGIONS, WITNESS)]


@pytest.fixture(scope="module")
def loaded(cluster):
    return Loaded(cluster)


@pytest.mark.parametrize("action", ["cut", "kill"])
def test_without_the_witness_both_regions_go_on(loaded, action):
    async def work():
        async with loaded.load() as running:
            await loaded.command("region", action, WITNESS)
            for region in REGIONS:
                await running.commits(region)
            await loaded.command("region", "heal", WITNESS)
            await loaded.whole(running)
        await loaded.check()

    asyncio.run(work())


@pytest.mark.parametrize("action", ["cut", "kill"])
@pytest.mark.parametrize("lost, other", [(EAST, WEST), (WEST, EAST)])
def test_without_one_region_the_other_one_goes_on(loaded, lost, other, action):
    async def work():
        async with loaded.load() as running:
            await loaded.command("region", action, lost)
            if action == "cut":
                assert f"region {lost} " in await running.refusal(lost)
            await running.commits(other)
            await loaded.command("region", "heal", lost)
            await loaded.whole(running)
        await loaded.check()

    asyncio.run(work())


@pytest.mark.parametrize("rounds", [1, 2])
def test_without_their_link_one_of_two_regions_goes_on(loaded, rounds):
    async def work():
        async with loaded.load() as running:
            await loaded.command("region", "cut", EAST, "--from", WEST)
            going_on = [asyncio.ensure_future(out_of_service(running, each)) for each in REGIONS]
            done, others = await asyncio.wait(going_on, return_when=asyncio.FIRST_COMPLETED)
            for each in others:
                each.cancel()
            lost = next(iter(done)).result()
            await running.commits(next(each for each in REGIONS if each != lost))
            await loaded.command("region", "heal", EAST)
            await loaded.whole(running)
        await loaded.check()

    asyncio.run(work())


async def out_of_service(running, region):
    assert f"region {region} " in await running.refusal(region)
    return region


@pytest.mark.parametrize("name", [f"{region}-node" for region in REGIONS] + MEMBERS)
def test_any_process_is_killed_and_comes_back(loaded, name):
    async def work():
        async with loaded.load() as running:
            await loaded.command("node", "kill", name)
            await loaded.whole(running)
        await loaded.check()

    asyncio.run(work())
