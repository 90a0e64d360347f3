"""The witness, a region, a link, any single process is lost under loads through both endpoints."""

import asyncio
import contextlib
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


@contextlib.asynccontextmanager
async def lost(loaded, action, region, *options):
    """The region is cut or killed, and healed in any case: the next test begins with a whole cluster."""
    await loaded.command("region", action, region, *options)
    try:
        yield
    finally:
        await loaded.command("region", "heal", region)


@pytest.mark.parametrize("action", ["cut", "kill"])
def test_without_the_witness_both_regions_go_on(loaded, action):
    async def work():
        async with loaded.load() as running:
            async with lost(loaded, action, WITNESS):
                for region in REGIONS:
                    await running.commits(region)
            await loaded.whole(running)
        await loaded.check()

    asyncio.run(work())


@pytest.mark.parametrize("action", ["cut", "kill"])
@pytest.mark.parametrize("away, other", [(EAST, WEST), (WEST, EAST)])
def test_without_one_region_the_other_one_goes_on(loaded, away, other, action):
    async def work():
        async with loaded.load() as running:
            async with lost(loaded, action, away):
                if action == "cut":
                    assert f"region {away} " in await running.refusal(away)
                await running.commits(other)
            await loaded.whole(running)
        await loaded.check()

    asyncio.run(work())


@pytest.mark.parametrize("rounds", [1, 2])
def test_without_their_link_one_of_two_regions_goes_on(loaded, rounds):
    """Both may be out of service for a moment, until one of them has made itself the only one."""

    async def work():
        async with loaded.load() as running:
            async with lost(loaded, "cut", EAST, "--from", WEST):
                await first(running.refusal(region) for region in REGIONS)
                going_on = await first(commits(running, region) for region in REGIONS)
                (other,) = set(REGIONS) - {going_on}
                assert f"region {other} " in await running.refusal(other)
                await running.commits(going_on)
            await loaded.whole(running)
        await loaded.check()

    asyncio.run(work())


async def first(attempts):
    """What the first of them gives."""
    tasks = [asyncio.ensure_future(each) for each in attempts]
    done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for each in others:
        each.cancel()
    return next(iter(done)).result()


async def commits(running, region):
    await running.commits(region)
    return region


@pytest.mark.parametrize("name", [f"{region}-node" for region in REGIONS] + MEMBERS)
def test_any_process_is_killed_and_comes_back(loaded, name):
    async def work():
        async with loaded.load() as running:
            await loaded.command("node", "kill", name)
            await loaded.whole(running)
        await loaded.check()

    asyncio.run(work())
