"""`opendsql cluster --router`: in both regions sessions outlive the processes that serve them."""

import asyncio
import contextlib
import os
import signal

import asyncpg
import psycopg
import pytest

from tests.regions import bank
from tests.regions.cluster import EAST, HANG_S, LOOK_S, REGIONS, WEST, RegionCluster

pytestmark = pytest.mark.slow
LONG = pytest.mark.skipif("OPENDSQL_REGIONS" not in os.environ, reason="takes minutes: make test-regions")

SOON = ("--suspend-seconds", "0.1", "--retire-seconds", "0.2", "--renew-seconds", "2")
"""An idle session leaves at once, its processor soon after; who works meets a new one all the time."""
START_S = 3 * HANG_S
"""A process that starts is two seconds of work, and many others may want the cores."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with RegionCluster(tmp_path_factory.mktemp("router") / "data", "--router", *SOON) as running:
        yield running


def routed(cluster, region):
    """What that region's router counts."""
    return cluster.region(region)["router"]


async def alone(cluster):
    """Until no query processor runs in any region; one that starts just now ends after that."""
    async with asyncio.timeout(START_S):
        while any(each["workers"] for each in (await asyncio.to_thread(cluster.status))["regions"]):
            await asyncio.sleep(LOOK_S)


def with_clients(cluster, *regions):
    """Connections of asyncpg to these regions."""

    @contextlib.asynccontextmanager
    async def connected():
        connections = [await asyncpg.connect(cluster.dsn(region)) for region in regions]
        try:
            yield connections
        finally:
            for connection in connections:
                connection.terminate()

    return connected()


async def thinking_after(cluster, connection, statement):
    """A transaction that has run a statement, when no process serves it any more."""
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(statement)
    await alone(cluster)
    return transaction


def test_a_transaction_goes_on_in_another_process_with_its_snapshot(cluster):
    async def work():
        async with with_clients(cluster, EAST, WEST) as (east, west):
            await east.execute("create table paused (id int primary key, n int)")
            await east.execute("insert into paused values (1, 0), (2, 0)")
            thinking = west.transaction()
            await thinking.start()
            assert await west.execute("update paused set n = n + 1 where id = 1") == "UPDATE 1"
            before = routed(cluster, WEST)
            await alone(cluster)
            assert routed(cluster, WEST)["away"] == 1
            await east.execute("update paused set n = 7 where id = 2")
            await alone(cluster)
            assert await west.fetch("select id, n from paused order by id") == [(1, 1), (2, 0)]
            await alone(cluster)
            await thinking.commit()
            assert await east.fetch("select id, n from paused order by id") == [(1, 1), (2, 7)]
            after = routed(cluster, WEST)
            assert [after[each] - before[each] for each in ("entered", "lost_transactions")] == [0, 0]
            assert after["moved"] - before["moved"] >= 2

    asyncio.run(work())


@LONG
def test_transactions_of_two_drivers_in_two_regions_conflict_after_a_pause(cluster):
    with psycopg.connect(cluster.dsn(WEST), autocommit=True) as west:

        async def work():
            async with with_clients(cluster, EAST) as (east,):
                await east.execute("create table contended (id int primary key, n int)")
                await east.execute("insert into contended values (1, 0)")
                transaction = east.transaction()
                await transaction.start()
                west.execute("begin")
                await east.execute("update contended set n = 1")
                west.execute("update contended set n = 2")
                await alone(cluster)
                west.execute("commit")
                await alone(cluster)
                with pytest.raises(asyncpg.SerializationError, match="OC000"):
                    await transaction.commit()

        asyncio.run(work())
        assert west.execute("select n from contended").fetchall() == [(2,)]


@LONG
def test_a_killed_processor_costs_open_transactions_and_nobody_who_was_idle(cluster):
    async def work():
        async with with_clients(cluster, EAST, EAST, EAST) as (idle, thinking, reading):
            await idle.execute("create table kept (id int primary key)")
            await idle.execute("set timezone = 'Asia/Tokyo'")
            transaction = await thinking_after(cluster, thinking, "insert into kept values (1)")
            staying = reading.transaction()
            await staying.start()
            cursor = await reading.cursor("select * from generate_series(1, 1000000)")
            await cursor.fetch(1)  # its rows are at its processor, so it stays there
            before = routed(cluster, EAST)
            for each in cluster.region(EAST)["workers"]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each["pid"], signal.SIGKILL)
            async with asyncio.timeout(START_S):
                while (await asyncio.to_thread(routed, cluster, EAST))["died"] == before["died"]:
                    await asyncio.sleep(LOOK_S)
            with pytest.raises(asyncpg.SerializationError, match="transaction was lost"):
                await reading.fetchval("select 1")
            await staying.rollback()
            assert await reading.fetchval("select 1") == 1
            assert await idle.fetchval("show timezone") == "Asia/Tokyo"
            await transaction.commit()
            assert await idle.fetch("select id from kept") == [(1,)]
            after = routed(cluster, EAST)
            lost = [after[each] - before[each] for each in ("lost_transactions", "lost_connections")]
            assert lost == [1, 0]

    asyncio.run(work())


@LONG
def test_suspended_sessions_of_a_region_that_is_cut_off_are_told_why_and_live_on(cluster):
    async def work():
        async with with_clients(cluster, WEST, WEST, EAST) as (thinking, idle, east):
            await east.execute("create table severed (id int primary key, n int)")
            await east.execute("insert into severed values (1, 0)")
            await idle.execute("set timezone = 'Asia/Tokyo'")
            transaction = await thinking_after(cluster, thinking, "update severed set n = n + 1")
            await asyncio.to_thread(cluster.command, "region", "cut", WEST)
            await asyncio.to_thread(
                cluster.until, lambda found: found["regions"][1]["state"] != "serving", "it is cut off"
            )
            for statement in ("select n from severed", "update severed set n = n + 1"):
                with pytest.raises(asyncpg.CannotConnectNowError, match=WEST):
                    await idle.execute(statement)
            with pytest.raises(asyncpg.CannotConnectNowError, match=WEST):
                await thinking.fetch("select n from severed")
            await transaction.rollback()
            await asyncio.to_thread(cluster.command, "region", "heal", WEST)
            await asyncio.to_thread(cluster.until_whole)
            assert await idle.fetchval("show timezone") == "Asia/Tokyo"
            assert await thinking.fetchval("select n from severed") == 0
            assert await east.execute("update severed set n = 5") == "UPDATE 1"
            assert await thinking.fetchval("select n from severed") == 5

    asyncio.run(work())


@LONG
def test_nobody_notices_that_processors_are_renewed_under_load(cluster):
    async def work():
        await bank.create(cluster.dsn(EAST))
        ledger = bank.Ledger()
        async with bank.Bank(cluster.dsns, ledger) as running:
            for region in REGIONS:
                await running.commits(region)
            before = {region: routed(cluster, region) for region in REGIONS}
            for region in REGIONS:
                await _until_renewed(cluster, region, before[region]["renewed"])
            for region in REGIONS:
                await running.commits(region)
            after = {region: routed(cluster, region) for region in REGIONS}
        for region in REGIONS:
            for event in ("entered", "lost_transactions", "lost_connections", "refused", "put_off"):
                assert after[region][event] == before[region][event], (region, event)
        assert not ledger.unknown
        assert len({await bank.check(cluster.dsn(region), ledger) for region in REGIONS}) == 1

    asyncio.run(work())


async def _until_renewed(cluster, region, before):
    async with asyncio.timeout(START_S):
        while (await asyncio.to_thread(routed, cluster, region))["renewed"] <= before:
            await asyncio.sleep(LOOK_S)
