"""Commits through two endpoints of one database: order, conflicts, schema changes, moves, and what crosses regions."""

import asyncio
import contextlib

import asyncpg
import pytest

from server.runtime.region.local_requests import MoveRange, NodeKill, RegionChange
from server.runtime.requests import Refused
from tests.regions.clients import done, repeated, seen
from tests.regions.cluster import COMMIT_MESSAGES, EAST, HANG_S, REGIONS, WEST
from tests.serving_process import opendsql

pytestmark = pytest.mark.slow

ROUNDS = 40
COMMITS = 20


@contextlib.asynccontextmanager
async def connected(cluster):
    """One connection per region."""
    east, west = [await asyncpg.connect(cluster.dsn(region)) for region in REGIONS]
    try:
        async with asyncio.timeout(2 * HANG_S):
            yield east, west
    finally:
        for each in (east, west):
            each.terminate()


@pytest.fixture(scope="module")
def shop(cluster):
    """A table whose keys the first region decides on, and one that the second does."""

    async def create():
        async with connected(cluster) as (east, _west):
            await east.execute("create table near (id int primary key, n int not null)")
            await east.execute("create table far (id int primary key, n int not null)")
            for table in ("near", "far"):
                await east.execute(f"insert into {table} values (1, 0), (2, 0), (3, 0)")

    asyncio.run(create())
    cluster.move(WEST, "far")
    return cluster


@pytest.mark.parametrize("table", ["near", "far"])
def test_what_was_acknowledged_here_is_seen_by_whoever_begins_later_there_under_load(shop, table):
    async def chase(writer, reader, number):
        for expected in range(1, ROUNDS + 1):
            await done(writer, f"update {table} set n = $2 where id = $1", number, expected)
            assert await seen(reader, f"select n from {table} where id = $1", number) == expected

    async def work():
        async with connected(shop) as (east, west), connected(shop) as (other_east, other_west):
            await done(east, f"update {table} set n = 0 where id < 3")
            await asyncio.gather(chase(east, west, 1), chase(other_west, other_east, 2))

    asyncio.run(work())


def test_of_two_who_write_one_row_in_two_regions_one_wins(shop):
    async def work():
        async with connected(shop) as (east, west):
            for table in ("near", "far"):
                before = await seen(east, f"select n from {table} where id = 3")
                for each in (east, west):
                    await each.execute("begin")
                    await each.execute(f"update {table} set n = n + 1 where id = 3")
                results = await asyncio.gather(
                    *(each.execute("commit") for each in (east, west)), return_exceptions=True
                )
                errors = [each for each in results if isinstance(each, BaseException)]
                assert len(errors) == 1 and errors[0].sqlstate == "40001" and "OC000" in str(errors[0]), (
                    results
                )
                assert await seen(west, f"select n from {table} where id = 3") == before + 1

    asyncio.run(work())


def test_a_table_that_one_region_alters_is_not_written_as_it_was_in_the_other(shop):
    async def work():
        async with connected(shop) as (east, west):
            await east.execute("create table altered (id int primary key)")
            await seen(west, "select count(*) from altered")
            await west.execute("begin")
            await west.execute("insert into altered values (1)")
            await east.execute("alter table altered add column note text")
            with pytest.raises(asyncpg.SerializationError, match="OC001"):
                await west.execute("commit")
            assert await done(west, "insert into altered values (1, 'new')") == "INSERT 0 1"
            assert await seen(east, "select note from altered") == "new"

    asyncio.run(work())


def test_an_index_is_built_for_the_region_that_does_not_lead(shop):
    async def work():
        async with connected(shop) as (east, west):
            await east.execute("create table indexed (id int primary key, n int)")
            await done(west, "insert into indexed select g, g % 7 from generate_series(1, 200) g")
            job = await seen(west, "create index async indexed_n on indexed (n)")
            async with asyncio.timeout(HANG_S):
                await west.execute(f"call sys.wait_for_job('{job}')")
            for each in (east, west):
                plan = await repeated(each.fetch, "explain select id from indexed where n = 3")
                assert "indexed_n" in str(plan)
                assert len(await each.fetch("select id from indexed where n = 3")) == 29
            await done(east, "insert into indexed values (1000, 3)")
            assert len(await west.fetch("select id from indexed where n = 3")) == 30

    asyncio.run(work())


def test_a_constraint_is_validated_for_the_region_that_does_not_lead(shop):
    """Its rows come from both; ANALYZE, a job too, is waited for by the statement."""

    async def work():
        async with connected(shop) as (east, west):
            await east.execute("create table checked (id int primary key, n int)")
            await done(west, "insert into checked select g, g % 7 from generate_series(1, 200) g")
            await done(east, "insert into checked values (1000, 7)")
            await done(west, "alter table checked add constraint below check (n < 7) not valid")
            for expected in (False, True):
                job = await repeated(west.fetchval, "alter table async checked validate constraint below")
                async with asyncio.timeout(HANG_S):
                    assert await west.fetchval(f"call sys.wait_for_job('{job}')") == expected
                valid = "select convalidated from pg_constraint where conname = 'below'"
                assert [await repeated(each.fetchval, valid) for each in (east, west)] == [expected, expected]
                await done(west, "delete from checked where n = 7")
            async with asyncio.timeout(HANG_S):
                assert await done(west, "analyze checked") == "ANALYZE"
            rows = "select reltuples from pg_class where relname = 'checked'"
            assert [await repeated(each.fetchval, rows) for each in (east, west)] == [200, 200]

    asyncio.run(work())


def test_statements_and_read_only_transactions_stay_in_their_region(shop):
    async def work():
        async with connected(shop) as (east, west):
            before = await asyncio.to_thread(shop.messages)
            for each in (east, west):
                for _ in range(COMMITS):
                    await each.fetch("select * from near")
                    async with each.transaction(isolation="repeatable_read", readonly=True):
                        await each.fetch("select sum(near.n + far.n) from near join far using (id)")
                await each.execute("begin")
                await each.execute("update near set n = n + 1")
                await each.execute("update far set n = n + 1")
                await each.execute("rollback")
            assert await asyncio.to_thread(shop.messages) == before

    asyncio.run(work())


@pytest.mark.parametrize("table, is_here", [("near", True), ("far", False)])
def test_a_commit_asks_another_region_once_and_only_for_what_it_decides_on(shop, table, is_here):
    async def work():
        async with connected(shop) as (east, _west):
            before = await asyncio.to_thread(settled, shop)
            for number in range(COMMITS):
                await east.execute(f"update {table} set n = $1 where id = 1", number)
            after = await asyncio.to_thread(settled, shop)
            commits, repeated, *messages = (new - old for new, old in zip(after, before))
            assert commits == COMMITS
            counts = dict(zip(COMMIT_MESSAGES, messages))
            if is_here:
                assert set(counts.values()) == {0}
            else:
                # A candidate that found its owner busy or silent is asked about, or tried, again.
                assert COMMITS <= counts["prepare"] <= COMMITS + repeated + counts["inquiry"]
                assert counts["decision"] <= counts["prepare"] + counts["inquiry"]
                assert counts["vote"] == counts["outcome"] == 0
                assert counts["prepare"] + counts["inquiry"] <= 2 * COMMITS

    asyncio.run(work())


def settled(cluster):
    """Commits and repetitions of the first region's coordinator, and the messages of COMMITs."""
    region = cluster.region(EAST)
    return [region["commits"], region["repeated"], *cluster.messages().values()]


def test_a_transaction_over_tables_of_both_owners_is_voted_on_and_whole(shop):
    async def work():
        async with connected(shop) as (east, west):
            before = await asyncio.to_thread(shop.messages)
            for number in range(COMMITS):
                for each in (east, west):
                    async with each.transaction():
                        for table in ("near", "far"):
                            await each.execute(f"update {table} set n = $1 where id = 1", 1000 + number)
                    for reader in (east, west):
                        rows = await reader.fetch(
                            "select near.n, far.n as m from near join far using (id) where id = 1"
                        )
                        assert [tuple(row) for row in rows] == [(1000 + number, 1000 + number)]
            after = await asyncio.to_thread(shop.messages)
            assert after["vote"] - before["vote"] >= 2 * COMMITS

    asyncio.run(work())


def test_a_table_moves_while_commits_go_on(shop):
    async def work():
        async with connected(shop) as (east, west):
            await east.execute("create table moving (id int primary key, n int not null)")
            await done(east, "insert into moving values (1, 0), (2, 0)")
            is_moving = True
            counts = {}

            async def count(connection, number):
                counts[number] = 0
                while is_moving:
                    await done(connection, "update moving set n = n + 1 where id = $1", number)
                    counts[number] += 1

            tasks = [asyncio.ensure_future(count(each, number)) for number, each in ((1, east), (2, west))]
            for region in (WEST, EAST, WEST):
                await asyncio.to_thread(shop.move, region, "moving")
                reached = [count + 3 for count in counts.values()]
                async with asyncio.timeout(HANG_S):
                    while any(count < least for count, least in zip(counts.values(), reached)):
                        await asyncio.sleep(0.01)
            is_moving = False
            await asyncio.gather(*tasks)
            rows = dict(await west.fetch("select id, n from moving"))
            assert rows == counts
            assert dict(await east.fetch("select id, n from moving")) == counts

    asyncio.run(work())


def test_what_there_is_not_is_refused_by_name(shop):
    done = opendsql("region", "cut", EAST, "--from", "nowhere", "--data", shop.data)
    assert done.returncode == 1 and "nowhere" in done.stderr, done
    for request in (
        RegionChange("cut", "nowhere"),
        RegionChange("break", EAST),
        NodeKill("nowhere"),
        MoveRange("nowhere"),
        MoveRange(WEST, "nowhere"),
    ):
        with pytest.raises(Refused):
            shop.ask(request)
    assert shop.status()["cuts"] == []
