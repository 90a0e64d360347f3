"""A table goes by itself to the region that writes it, under writers, and nothing acknowledged is lost."""

import asyncio
import os

import asyncpg
import pytest

from tests.regions.clients import done
from tests.regions.cluster import EAST, HANG_S, REGIONS, WEST, RegionCluster

if "OPENDSQL_REGIONS" not in os.environ:
    pytest.skip("takes half a minute: make test-regions", allow_module_level=True)

pytestmark = pytest.mark.slow

CLIENTS = 3
COMMITS = 10


async def add(connection, row):
    """Repeated until it is acknowledged."""
    await done(connection, "update counted set n = n + 1 where id = $1", row)


async def write(cluster, row, is_enough):
    """How many additions of one client to its row were acknowledged."""
    connection = await asyncpg.connect(cluster.dsn(WEST))
    added = 0
    while not is_enough():
        await add(connection, row)
        added += 1
    await connection.close()
    return added


async def handed_over(cluster):
    while not (await asyncio.to_thread(cluster.region, EAST))["ranges_handed_over"]:
        await asyncio.sleep(0.2)


async def work(cluster):
    east = await asyncpg.connect(cluster.dsn(EAST))
    await east.execute("create table counted (id int primary key, n int not null)")
    await east.execute(f"insert into counted select g, 0 from generate_series(1, {CLIENTS}) g")
    waiting = asyncio.create_task(handed_over(cluster))
    async with asyncio.timeout(3 * HANG_S):
        added = await asyncio.gather(
            *(write(cluster, row, waiting.done) for row in range(1, CLIENTS + 1)), waiting
        )
    west = await asyncpg.connect(cluster.dsn(WEST))
    await add(west, 1)
    before = await asyncio.to_thread(cluster.messages)
    for _ in range(COMMITS):
        await add(west, 1)
    assert await asyncio.to_thread(cluster.messages) == before
    await add(east, 1)
    expected = [added[0] + COMMITS + 2, *added[1:CLIENTS]]
    for each in (west, east):
        assert [row["n"] for row in await each.fetch("select n from counted order by id")] == expected
        await each.close()
    ranges = {region: (await asyncio.to_thread(cluster.region, region))["ranges"] for region in REGIONS}
    assert ranges[EAST] == ranges[WEST] and [journal for _lo, _hi, journal in ranges[EAST] if journal] == [1]


def test_a_table_goes_to_the_region_that_writes_it(tmp_path):
    with RegionCluster(tmp_path / "cluster", "--rtt", "15", follows_writers=True) as cluster:
        asyncio.run(work(cluster))
