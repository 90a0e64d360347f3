"""Adjudicators as processes of their own: the bank goes on when they are killed, and they get their journals back."""

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest

from server.runtime.region import local_requests
from tests.regions.cluster import EAST, REGIONS, WEST, RegionCluster
from tests.regions.loaded import Loaded

pytestmark = pytest.mark.slow

LONG = pytest.mark.skipif("OPENDSQL_REGIONS" not in os.environ, reason="takes minutes: make test-regions")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    with RegionCluster(tmp_path_factory.mktemp("adjudicators") / "data", "--adjudicators", "1") as running:
        yield Loaded(running)


def name_of(region: str) -> str:
    return f"{region}-adjudicator-1"


def owners(found: dict[str, Any]) -> list[set[str]]:
    """Per journal: who owns it, as the nodes of both regions say."""
    return [
        {each["owner"] for each in seen} for seen in zip(*(each["journals"] for each in found["regions"]))
    ]


def is_home(found: dict[str, Any]) -> bool:
    """Every journal is owned by its adjudicator."""
    return (
        all("journals" in each for each in [*found["regions"], *found["parts"]])
        and owners(found) == [{name_of(EAST)}, {name_of(WEST)}]
        and all(
            part["journals"][number]["is_owner"]
            for number, part in enumerate(sorted(found["parts"], key=lambda each: each["node"]))
        )
    )


async def until_home(loaded: Loaded) -> dict[str, Any]:
    return await asyncio.to_thread(loaded.cluster.until, is_home, "the adjudicators own the journals")


async def kill(loaded: Loaded, node: str) -> None:
    """`opendsql node kill` without the time that a command takes to start."""
    await asyncio.to_thread(loaded.cluster.ask, local_requests.NodeKill(node))


def test_an_adjudicator_is_killed_and_gets_its_journal_back(loaded):
    async def work():
        await until_home(loaded)
        async with loaded.load() as running:
            await kill(loaded, name_of(EAST))
            for region in REGIONS:
                await running.commits(region)
            await until_home(loaded)
            await loaded.whole(running)
        await loaded.check()

    asyncio.run(work())
    found = loaded.cluster.status()
    assert {each["node"]: each["starts"] for each in found["parts"]} == {name_of(EAST): 2, name_of(WEST): 1}
    assert all(sum(each["committed"] for each in part["journals"]) for part in found["parts"])


@LONG
@pytest.mark.parametrize("region", REGIONS)
def test_a_regions_node_is_killed_while_its_adjudicator_lives(loaded, region):
    async def work():
        async with loaded.load() as running:
            await kill(loaded, f"{region}-node")
            await loaded.whole(running)
            await until_home(loaded)
        await loaded.check()

    asyncio.run(work())


@LONG
@pytest.mark.parametrize("action", ["cut", "kill"])
def test_a_region_with_its_adjudicator_is_lost_and_comes_back(loaded, action):
    async def work():
        async with loaded.load() as running:
            await asyncio.to_thread(loaded.cluster.change, action, EAST)
            await running.commits(WEST)
            await asyncio.to_thread(loaded.cluster.change, "heal", EAST)
            await loaded.whole(running)
            await until_home(loaded)
        await loaded.check()

    asyncio.run(work())
