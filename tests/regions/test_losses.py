"""A region is cut off, and everything is killed, under a load through both endpoints."""

import asyncio

import pytest

from tests.regions import bank
from tests.regions.cluster import EAST, WEST, RegionCluster

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ledgers(cluster: RegionCluster) -> list[bank.Ledger]:
    """Of every load on the cluster so far."""
    asyncio.run(bank.create(cluster.dsn(EAST)))
    cluster.move(WEST, "bank_west")
    return []


def in_thread(work, *arguments):
    """What blocks, beside the load."""
    return asyncio.to_thread(work, *arguments)


def merged(ledgers):
    return bank.Ledger(
        *(set().union(*sets) for sets in zip(*((e.committed, e.refused, e.unknown) for e in ledgers)))
    )


def test_the_cut_side_says_so_and_the_other_one_goes_on(cluster, ledgers):
    async def work():
        async with bank.Bank(cluster.dsns, "cut") as running:
            ledgers.append(running.ledger)
            for region in (EAST, WEST):
                await running.commits(region)
            await in_thread(cluster.command, "region", "cut", EAST)
            assert EAST in await running.refusal(EAST)
            await running.commits(WEST)
            await in_thread(cluster.command, "region", "heal", EAST)
            for region in (EAST, WEST):
                await running.commits(region)
            await in_thread(cluster.until_whole)
        hashes = {await bank.check(dsn, running.ledger) for dsn in cluster.dsns.values()}
        assert len(hashes) == 1

    asyncio.run(work())
