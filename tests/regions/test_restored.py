"""A cluster under load is backed up, and what was acknowledged before is in new databases: of regions, of serve."""

import asyncio
import os

import asyncpg
import pytest

from server.runtime.region import local_requests
from tests.regions.clients import done
from tests.regions.cluster import EAST, REGIONS, WEST, RegionCluster
from tests.regions.loaded import Loaded
from tests.serving_process import ServeProcess, opendsql

if "OPENDSQL_REGIONS" not in os.environ:
    pytest.skip("takes minutes: make test-regions", allow_module_level=True)

pytestmark = pytest.mark.slow

SUM = "select (select sum(balance) from bank_east) + (select sum(balance) from bank_west)"


@pytest.fixture(scope="module")
def backup(cluster, tmp_path_factory):
    """A place with a backup of the cluster, and the transfers acknowledged before it was begun."""
    place = tmp_path_factory.mktemp("backups") / "place"
    loaded = Loaded(cluster)

    async def work():
        async with loaded.load() as running:
            for region in REGIONS:
                await running.commits(region)
            before = set(loaded.ledger.committed)
            made = await asyncio.to_thread(opendsql, "backup", "create", place, "--data", cluster.data)
            assert made.returncode == 0, made.stderr
            await running.commits(EAST)
        return before

    return place, asyncio.run(work()), loaded.ledger


async def check(dsn, before, ledger):
    """All of `before`, nothing that was refused, and no transfer by half."""
    connection = await asyncpg.connect(dsn)
    try:
        entries = {tuple(row) for row in await connection.fetch("select client, number from entries")}
        assert before <= entries
        assert entries <= ledger.committed | ledger.unknown
        assert await connection.fetchval(SUM) == 24_000
    finally:
        await connection.close()


def test_new_regions_begin_from_it(backup, tmp_path):
    place, before, ledger = backup
    data = tmp_path / "data"
    restored = opendsql("restore", place, "--data", data, "--cluster")
    assert restored.returncode == 0, restored.stderr
    with RegionCluster(data) as cluster:
        for region in REGIONS:
            asyncio.run(check(cluster.dsn(region), before, ledger))
        asyncio.run(writes(cluster))
        # It is a cluster like any other: what is killed comes back with everything.
        cluster.command("region", "kill", WEST)
        cluster.command("region", "heal", WEST)
        cluster.until_whole()
        asyncio.run(seen(cluster))


async def writes(cluster):
    for region in REGIONS:
        connection = await asyncpg.connect(cluster.dsn(region))
        insert = "insert into entries values ($1, 0, 'x', 0, 'x', 0, 0)"
        await done(connection, insert, 10_000 + REGIONS.index(region))
        await connection.close()


async def seen(cluster):
    for region in REGIONS:
        connection = await asyncpg.connect(cluster.dsn(region))
        assert await connection.fetchval("select count(*) from entries where client >= 10000") == 2
        await connection.close()


def test_serve_begins_from_it_and_other_regions_from_serves(backup, tmp_path):
    place, before, ledger = backup
    restored = opendsql("restore", place, "--data", tmp_path / "serve")
    assert restored.returncode == 0, restored.stderr
    with ServeProcess(tmp_path / "serve") as server:
        asyncio.run(check(server.dsn(), before, ledger))
        again = opendsql("backup", "create", tmp_path / "again", "--data", tmp_path / "serve")
        assert again.returncode == 0, again.stderr
    restored = opendsql("restore", tmp_path / "again", "--data", tmp_path / "data", "--cluster")
    assert restored.returncode == 0, restored.stderr
    with RegionCluster(tmp_path / "data") as cluster:
        for region in REGIONS:
            asyncio.run(check(cluster.dsn(region), before, ledger))


def test_what_holds_something_is_refused(backup, cluster):
    place, _before, _ledger = backup
    for options in ((), ("--cluster",)):
        refused = opendsql("restore", place, "--data", cluster.data, *options)
        assert (refused.returncode, "is not empty" in refused.stderr) == (1, True)
    assert local_requests.PLAN in refused.stderr
