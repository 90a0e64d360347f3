"""Query processors read from storage processes, which are killed: no answer is wrong, nothing acknowledged is lost."""

import asyncio
import os

import asyncpg
import pytest

from server.runtime.region import local_requests
from tests.regions.cluster import EAST, REGIONS, WEST, RegionCluster
from tests.regions.loaded import Loaded

if "OPENDSQL_REGIONS" not in os.environ:
    pytest.skip("takes minutes: make test-regions", allow_module_level=True)

pytestmark = pytest.mark.slow

OPTIONS = ("--workers", "1", "--shards", "2", "--replicas", "2")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    with RegionCluster(tmp_path_factory.mktemp("reads") / "data", *OPTIONS) as running:
        yield Loaded(running)


def stores(found):
    """The storage processes of a status, by name."""
    return {each["node"]: each for each in found["parts"] if "storage" in each["roles"]}


def reads(found, region):
    """How many the storage processes of a region have answered."""
    mine = [each for name, each in stores(found).items() if name.startswith(region)]
    return sum(shard["answered"] for each in mine for shard in each["shards"])


def test_replicas_are_killed_under_a_load(loaded):
    cluster = loaded.cluster

    async def killed(running, name):
        starts = stores(await asyncio.to_thread(cluster.status))[name]["starts"]
        await asyncio.to_thread(cluster.ask, local_requests.NodeKill(name))
        for region in REGIONS:
            await running.commits(region)

        def is_back(found):
            mine = stores(found)[name]
            return mine["starts"] > starts and mine["state"] == "serving"

        await asyncio.to_thread(cluster.until, is_back, f"{name} serves again")

    async def work():
        async with loaded.load() as running:
            for name in (f"{EAST}-storage-1-1", f"{WEST}-storage-2-2", f"{EAST}-storage-2-1"):
                await killed(running, name)
            await loaded.whole(running)
        await loaded.check()

    asyncio.run(work())
    for region in REGIONS:
        assert reads(cluster.status(), region) > 0


def test_statements_ask_nobody_of_the_other_region(loaded):
    cluster = loaded.cluster

    async def select():
        connection = await asyncpg.connect(cluster.dsn(EAST))
        try:
            for _number in range(20):
                await connection.fetch("SELECT * FROM bank_east")
        finally:
            await connection.close()

    before = cluster.status()
    asyncio.run(select())
    after = cluster.status()
    assert reads(after, EAST) >= reads(before, EAST) + 20
    assert reads(after, WEST) == reads(before, WEST)
