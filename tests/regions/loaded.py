"""Both loads on one cluster while it is broken, and what must be true when it is whole again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.regions import bank, lists
from tests.regions.cluster import EAST, REGIONS, WEST, RegionCluster


class Loaded:
    """A cluster with the tables of both loads, of which each region decides on some."""

    def __init__(self, cluster: RegionCluster) -> None:
        self.cluster = cluster
        self.ledger = bank.Ledger()
        self.loads = 0
        self.histories: list[lists.History] = []
        """Those that are not checked yet."""
        asyncio.run(self._create())
        for table in ("bank_west", "lists_west"):
            cluster.move(WEST, table)

    async def _create(self) -> None:
        await bank.create(self.cluster.dsn(EAST))
        await lists.create(self.cluster.dsn(EAST))

    @contextlib.asynccontextmanager
    async def load(self) -> AsyncIterator[bank.Bank]:
        """Clients in both regions, which have begun to commit."""
        dsns = self.cluster.dsns
        history = lists.History(self.loads)
        self.loads += 1
        self.histories.append(history)
        async with bank.Bank(dsns, self.ledger) as running, lists.Lists(dsns, history):
            for region in REGIONS:
                await running.commits(region)
            yield running

    async def whole(self, running: bank.Bank) -> None:
        """Returns when everything is in service again by itself, and both regions commit."""
        await asyncio.to_thread(self.cluster.until_whole)
        for region in REGIONS:
            await running.commits(region)

    async def command(self, *arguments: str) -> None:
        """An operator's command, beside the load."""
        await asyncio.to_thread(self.cluster.command, *arguments)

    async def check(self) -> None:
        """Both replicas have what was acknowledged and nothing else; nobody saw what snapshot isolation forbids."""
        assert self.ledger.sums and any(history.committed() for history in self.histories)
        hashes = {await bank.check(self.cluster.dsn(region), self.ledger) for region in REGIONS}
        assert len(hashes) == 1, hashes
        for history in self.histories:
            for region in REGIONS:
                await lists.check(self.cluster.dsn(region), history)
        self.histories.clear()
