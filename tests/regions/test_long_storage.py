"""Storage processes are lost under a load: their rows come back, equal to those of the others."""

import asyncio
import os
import shutil

import pytest

from server.runtime.region import local_requests, requests
from server.runtime.region.local_cluster import ask_node
from tests.regions import bank
from tests.regions.cluster import EAST, REGIONS, WEST, RegionCluster

if "OPENDSQL_REGIONS" not in os.environ:
    pytest.skip("takes minutes: make test-regions", allow_module_level=True)

pytestmark = pytest.mark.slow

SHARDS, REPLICAS = 2, 2


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    options = "--shards", str(SHARDS), "--replicas", str(REPLICAS)
    with RegionCluster(tmp_path_factory.mktemp("storage") / "data", *options) as running:
        asyncio.run(bank.create(running.dsn(EAST)))
        yield running


@pytest.fixture(scope="module")
def ledger():
    return bank.Ledger()


def part(found, name):
    return next(each for each in found["parts"] if each["node"] == name)


def directory(cluster, name):
    region = name.rsplit("-", 3)[0]
    return cluster.data / region / name / "node"


async def until_serving(cluster, starts):
    """The first status in which every storage process serves and those named were started so often."""

    def holds(found):
        stores = [each for each in found["parts"] if "storage" in each["roles"]]
        return all(each["state"] == "serving" for each in stores) and all(
            part(found, name)["starts"] >= count for name, count in starts.items()
        )

    return await asyncio.to_thread(cluster.until, holds, f"storage serves, started {starts}")


async def killed(cluster, running, *names):
    """They are killed at once and come back, while both regions commit; the status then."""
    before = await asyncio.to_thread(cluster.status)
    starts = {name: part(before, name)["starts"] + 1 for name in names}
    for name in names:
        await asyncio.to_thread(cluster.ask, local_requests.NodeKill(name))
    found = await until_serving(cluster, starts)
    for region in REGIONS:
        await running.commits(region)
    return found


async def check(cluster, ledger):
    """The bank is right in both regions, and each replica has what its region's node has of its range."""
    hashes = {await bank.check(cluster.dsn(region), ledger) for region in REGIONS}
    assert len(hashes) == 1
    for region in REGIONS:
        head = cluster.data / region / "node"
        ts = (await ask_node(head, requests.Status()))[0]["complete"]
        seen = {}
        for shard in range(1, SHARDS + 1):
            for number in range(1, REPLICAS + 1):
                name = f"{region}-storage-{shard}-{number}"
                (mine,) = await ask_node(directory(cluster, name), requests.ContentHash(ts))
                low, high = bytes.fromhex(mine["low"]), bytes.fromhex(mine["high"])
                assert (await ask_node(head, requests.ContentHash(ts, low, high)))[0] == mine
                seen.setdefault(shard, mine)
                assert seen[shard] == mine
        assert all(each["rows"] for each in seen.values())


def test_a_process_that_was_killed_comes_back_with_its_rows(cluster, ledger):
    async def work():
        async with bank.Bank(cluster.dsns, ledger) as running:
            names = f"{EAST}-storage-1-1", f"{WEST}-storage-2-2"
            found = await killed(cluster, running, *names)
            assert [part(found, name)["shards"][0]["loaded"] for name in names] == [0, 0]
        await check(cluster, ledger)

    asyncio.run(work())


def test_all_replicas_of_a_shard_are_killed_at_once(cluster, ledger):
    async def work():
        # A read that finds nobody to answer it for long is told 40001, as clients of transfers may be at any time.
        async with bank.Bank(cluster.dsns, ledger, is_read=False) as running:
            await killed(cluster, running, f"{EAST}-storage-2-1", f"{EAST}-storage-2-2")
        await check(cluster, ledger)

    asyncio.run(work())


def test_a_process_that_lost_everything_begins_from_the_other_replica(cluster, ledger):
    async def work():
        name = f"{WEST}-storage-2-1"
        async with bank.Bank(cluster.dsns, ledger) as running:
            shutil.rmtree(directory(cluster, name) / "shards")
            found = await killed(cluster, running, name)
            (shard,) = part(found, name)["shards"]
            assert shard["loaded"] == 1
        await check(cluster, ledger)

    asyncio.run(work())


def test_a_region_that_was_cut_off_has_the_same_rows_again(cluster, ledger):
    async def work():
        async with bank.Bank(cluster.dsns, ledger) as running:
            await asyncio.to_thread(cluster.change, "cut", WEST)
            await running.refusal(WEST)
            await running.commits(EAST)
            await asyncio.to_thread(cluster.change, "heal", WEST)
            await asyncio.to_thread(cluster.until_whole)
            await until_serving(cluster, {})
            for region in REGIONS:
                await running.commits(region)
        await check(cluster, ledger)

    asyncio.run(work())


def test_everything_is_killed_and_started_again(cluster, ledger):
    async def work():
        async with bank.Bank(cluster.dsns, ledger) as running:
            for region in REGIONS:
                await running.commits(region)
        await asyncio.to_thread(cluster.kill)
        await asyncio.to_thread(cluster.start)
        await asyncio.to_thread(cluster.until_whole)
        await until_serving(cluster, {})
        await check(cluster, ledger)

    asyncio.run(work())
