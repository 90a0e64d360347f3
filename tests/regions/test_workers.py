"""Query processors in processes of their own, in both regions: one database, whichever process a client meets."""

import asyncio
import os
import signal

import asyncpg
import pytest

from server.runtime.requests import ListClusters
from tests.regions.cluster import EAST, HANG_S, REGIONS, WEST, RegionCluster

pytestmark = pytest.mark.slow

PROCESSES = [(region, index) for region in REGIONS for index in (0, 1)]
"""Region, and 0 for the node's own process, 1 for its worker."""
ROUNDS = 40


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with RegionCluster(tmp_path_factory.mktemp("workers") / "data", "--workers", "1") as running:
        yield running


async def connect(cluster, region, index, settings=None):
    """The kernel chooses the process, so it takes a few tries; and a killed one must be back first."""
    async with asyncio.timeout(HANG_S):
        while True:
            connection = await asyncpg.connect(cluster.dsn(region), server_settings=settings)
            if connection.get_server_pid() >> 24 == index:
                return connection
            await connection.close()
            await asyncio.sleep(0.01)


def with_all(cluster, use):
    """Run `use` with a connection to every process."""

    async def work():
        connections = {each: await connect(cluster, *each) for each in PROCESSES}
        try:
            async with asyncio.timeout(2 * HANG_S):
                await use(connections)
        finally:
            for connection in connections.values():
                connection.terminate()

    asyncio.run(work())


def test_a_commit_is_seen_by_every_later_begin_in_any_process(cluster):
    async def use(connections):
        await connections[WEST, 1].execute("create table seen (id int primary key, process text)")
        for number in range(ROUNDS):
            writer = PROCESSES[number % len(PROCESSES)]
            await connections[writer].execute("insert into seen values ($1, $2)", number, str(writer))
            for connection in connections.values():
                assert await connection.fetchval("select process from seen where id = $1", number) == str(
                    writer
                )

    with_all(cluster, use)


def test_a_schema_change_is_in_force_in_every_process_when_its_commit_returns(cluster):
    async def use(connections):
        for number, changer in enumerate(PROCESSES):
            await connections[changer].execute(f"create table changed{number} (id int primary key)")
            for connection in connections.values():
                assert await connection.fetchval(f"select count(*) from changed{number}") == 0

    with_all(cluster, use)


def test_workers_of_two_regions_conflict(cluster):
    async def use(connections):
        east, west = connections[EAST, 1], connections[WEST, 1]
        await east.execute("create table hot (id int primary key, n int)")
        await east.execute("insert into hot values (1, 0)")
        transactions = [each.transaction() for each in (east, west)]
        for transaction in transactions:
            await transaction.start()
        for each in (east, west):
            await each.execute("update hot set n = n + 1 where id = 1")
        outcomes = await asyncio.gather(*(each.commit() for each in transactions), return_exceptions=True)
        losers = [each for each in outcomes if each is not None]
        assert len(losers) == 1 and isinstance(losers[0], asyncpg.SerializationError)
        assert "OC000" in str(losers[0])
        assert await connections[WEST, 0].fetchval("select n from hot where id = 1") == 1

    with_all(cluster, use)


def test_each_region_has_its_own_id_of_a_cluster_in_every_process(cluster):
    async def use(connections):
        ids = {EAST: await connections[EAST, 1].fetchval("call opendsql.new_cluster()")}
        async with asyncio.timeout(HANG_S):
            while len(lines := cluster.ask(ListClusters(), WEST)) < 2:
                await asyncio.sleep(0.01)
        line = lines[1]
        assert line["peers"] == ids
        ids[WEST] = line["id"]
        for number, (region, index) in enumerate(PROCESSES):
            (foreign,) = [each for name, each in ids.items() if name != region]
            with pytest.raises(asyncpg.PostgresConnectionError, match="access denied"):
                await connect(cluster, region, index, {"amzn-cluster-id": foreign})
            connection = await connect(cluster, region, index, {"amzn-cluster-id": ids[region]})
            if number == 0:
                await connection.execute("create table own (id int primary key)")
            assert await connection.fetchval("select count(*) from own") == number
            await connection.execute("insert into own values ($1)", number)
            await connection.close()
        await connections[WEST, 1].execute(f"call opendsql.drop_cluster('{ids[WEST]}')")

    with_all(cluster, use)


def test_a_worker_that_is_killed_costs_its_own_connections_and_comes_back(cluster):
    before = cluster.region(EAST)["workers"][0]["pid"]

    async def use(connections):
        os.kill(before, signal.SIGKILL)
        with pytest.raises((asyncpg.PostgresConnectionError, ConnectionError)):
            await connections[EAST, 1].fetchval("select 1")
        assert await connections[EAST, 0].fetchval("select 1") == 1
        again = await connect(cluster, EAST, 1)
        assert await again.fetchval("select 1") == 1
        again.terminate()

    with_all(cluster, use)
    assert cluster.region(EAST)["workers"][0]["pid"] != before


def test_workers_of_a_region_that_is_cut_off_answer_nobody_and_say_why(cluster):
    async def use(connections):
        cluster.command("region", "cut", WEST)
        for index in (0, 1):
            with pytest.raises(asyncpg.CannotConnectNowError, match=WEST):
                while True:
                    await connections[WEST, index].fetchval("select 1")
        cluster.command("region", "heal", WEST)
        for index in (0, 1):
            while True:
                try:
                    assert await connections[WEST, index].fetchval("select 1") == 1
                    break
                except asyncpg.CannotConnectNowError:
                    continue

    with_all(cluster, use)
    cluster.until_whole()
