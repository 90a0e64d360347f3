"""Clocks that differ by all that their bounds allow: one region's is ahead, the other one's behind."""

import asyncio
import os
from collections.abc import Iterator

import asyncpg
import pytest

from tests.regions.cluster import EAST, WEST, RegionCluster
from tests.regions.loaded import Loaded

if "OPENDSQL_REGIONS" not in os.environ:
    pytest.skip("takes minutes: make test-regions", allow_module_level=True)

pytestmark = pytest.mark.slow

ERROR_MS = 40
ROUNDS = 40


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegionCluster]:
    data = tmp_path_factory.mktemp("clocks") / "data"
    with RegionCluster(data, "--clock-error", str(ERROR_MS)) as running:
        yield running


@pytest.fixture(scope="module")
def loaded(cluster):
    return Loaded(cluster)


@pytest.mark.parametrize("table", ["bank_east", "bank_west"])
@pytest.mark.parametrize("writer, reader", [(EAST, WEST), (WEST, EAST)])
def test_real_time_order_holds_between_clocks_that_differ(loaded, table, writer, reader):
    async def work():
        first, second = [await asyncpg.connect(loaded.cluster.dsn(region)) for region in (writer, reader)]
        name = f"order_{table}_{writer[:2]}{writer[3]}"
        await first.execute(f"create table {name} (id int primary key, n int not null)")
        await first.execute(f"insert into {name} values (1, 0)")
        if table == "bank_west":
            await asyncio.to_thread(loaded.cluster.move, WEST, name)
        for number in range(1, ROUNDS + 1):
            await first.execute(f"update {name} set n = $1", number)
            assert await second.fetchval(f"select n from {name}") == number
        for each in (first, second):
            await each.close()

    asyncio.run(work())


@pytest.mark.parametrize("lost, other", [(EAST, WEST), (WEST, EAST)])
def test_a_cut_between_clocks_that_differ_loses_nothing(loaded, lost, other):
    async def work():
        async with loaded.load() as running:
            await loaded.command("region", "cut", lost)
            assert f"region {lost} " in await running.refusal(lost)
            await running.commits(other)
            await loaded.command("region", "heal", lost)
            await loaded.whole(running)
        await loaded.check()

    asyncio.run(work())
    assert {each["clock_bound_ms"] for each in loaded.cluster.status()["regions"]} == {float(ERROR_MS)}
