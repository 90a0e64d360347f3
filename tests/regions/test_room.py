"""Journals that fill up: new transactions are refused before etcd would, and taken again without anybody's help."""

import asyncio
import itertools
import os
import time

import asyncpg
import pytest

from tests.regions.clients import seen
from tests.regions.cluster import EAST, HANG_S, REGIONS, WEST, RegionCluster

if "OPENDSQL_REGIONS" not in os.environ:
    pytest.skip("takes minutes: make test-regions", allow_module_level=True)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

QUOTA_MIB = 64
COLUMN = 900_000
"""Characters of a column, of at most a MiB."""
ROWS = 8
"""Per table: what is live stays small."""
LARGE = 10
"""Such rows in a transaction of nearly 10 MiB: a record of as many pieces."""
TABLES = {EAST: "filled_east", WEST: "filled_west"}


class Load:
    """Clients that insert rows into their region's table until they are stopped."""

    def __init__(self, cluster, regions=REGIONS):
        self.cluster = cluster
        self.regions = regions
        self.committed = dict.fromkeys(REGIONS, 0)
        self.refused = dict.fromkeys(REGIONS, 0)
        self.after_refusal = dict.fromkeys(REGIONS, 0)
        """Commits since the last refusal."""
        self.changed = asyncio.Event()

    async def __aenter__(self):
        self.tasks = [asyncio.ensure_future(self._run(each)) for each in self.regions]
        return self

    async def __aexit__(self, kind, *_):
        for task in self.tasks:
            task.cancel()
        for each in await asyncio.gather(*self.tasks, return_exceptions=True):
            if kind is None and not isinstance(each, asyncio.CancelledError):
                raise each

    async def until(self, holds):
        """Returns when it holds; what a client met is raised here."""
        async with asyncio.timeout(10 * HANG_S):
            while not holds(self):
                self.changed.clear()
                waiting = asyncio.ensure_future(self.changed.wait())
                done, _ = await asyncio.wait([waiting, *self.tasks], return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                for task in self.tasks:
                    if task in done:
                        task.result()

    async def _run(self, region):
        connection = await asyncpg.connect(self.cluster.dsn(region))
        statement = (
            f"insert into {TABLES[region]} values ($1, $2) on conflict (id) do update set filling = $2"
        )
        try:
            for number in itertools.count():
                try:
                    await connection.execute(statement, number % ROWS, "x" * COLUMN)
                except asyncpg.DiskFullError:
                    self.refused[region] += 1
                    self.after_refusal[region] = 0
                    await asyncio.sleep(0.05)
                except (asyncpg.SerializationError, asyncpg.CannotConnectNowError):
                    continue  # a journal is being taken over
                else:
                    self.committed[region] += 1
                    self.after_refusal[region] += 1
                self.changed.set()
        finally:
            connection.terminate()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Of small journals, one of which each region decides on a table of."""
    data = tmp_path_factory.mktemp("room") / "data"
    with RegionCluster(data, "--quota", str(QUOTA_MIB)) as running:
        asyncio.run(create(running))
        running.move(WEST, TABLES[WEST])
        yield running


async def create(cluster):
    connection = await asyncpg.connect(cluster.dsn(EAST))
    for table in TABLES.values():
        await connection.execute(f"create table {table} (id int primary key, filling text)")
    await connection.close()


def alarms(cluster):
    """What etcd said of space in its logs."""
    return [
        str(path)
        for path in cluster.data.glob("*/journal*.log")
        if "NOSPACE" in path.read_text(errors="replace") or "no space" in path.read_text(errors="replace")
    ]


async def again(load, region):
    """Commits are taken again after refusals, without anybody's help."""
    await load.until(lambda load: load.refused[region] > 0)
    await load.until(lambda load: load.after_refusal[region] > 4)


def test_both_journals_fill_up_and_are_relieved(small):
    async def work():
        async with Load(small) as load:
            await asyncio.gather(*(again(load, region) for region in REGIONS))

    asyncio.run(work())
    assert not alarms(small)
    small.until(
        lambda found: all(
            not journal["is_full"] for region in found["regions"] for journal in region["journals"]
        ),
        "nothing is full",
    )


def test_a_region_alone_is_not_stopped_by_one_that_is_away(small):
    small.change("kill", WEST)
    small.until(
        lambda found: found["regions"][0]["journals"][1]["leads_here"], "the other region leads both journals"
    )

    async def work():
        async with Load(small, [EAST]) as load:
            for _ in range(2):
                load.refused[EAST] = 0
                await again(load, EAST)

    asyncio.run(work())
    assert not alarms(small)
    small.change("heal", WEST)
    small.until_whole()
    asyncio.run(both_see_the_same(small))


async def both_see_the_same(cluster):
    counts = []
    for region in REGIONS:
        connection = await asyncpg.connect(cluster.dsn(region))
        counts.append([await seen(connection, f"select count(*) from {table}") for table in TABLES.values()])
        await connection.close()
    assert counts[0] == counts[1]


def test_transactions_of_nearly_ten_mebibytes_are_read_in_both_regions(small):
    async def work():
        east, west = [await asyncpg.connect(small.dsn(region)) for region in REGIONS]
        await east.execute("create table large (id int primary key, filling text)")
        for number, (writer, reader) in enumerate(((east, west), (west, east))):
            await large(writer, LARGE * number)
            rows = "select count(*), sum(length(filling))::bigint from large where id >= $1"
            found = await reader.fetchrow(rows, LARGE * number)
            assert tuple(found) == (LARGE, LARGE * COLUMN)
        for each in (east, west):
            await each.close()

    asyncio.run(work())
    assert not alarms(small)


async def large(connection, first):
    """One transaction; where there is no room it is tried again."""
    limit = time.monotonic() + 10 * HANG_S
    while True:
        try:
            async with connection.transaction():
                for number in range(LARGE):
                    await connection.execute(
                        "insert into large values ($1, $2)", first + number, chr(97 + number) * COLUMN
                    )
            return
        except (asyncpg.DiskFullError, asyncpg.SerializationError):
            assert time.monotonic() < limit
            await asyncio.sleep(0.1)
