"""Lists that grow through both endpoints, and whether what the clients saw is a snapshot isolated history.

Whoever reads a list knows in what order its elements came, so the reads of all clients contradict each other, or the
order of real time, if a transaction was not isolated (tests.sim.elle).
"""

import asyncio
import itertools
import random
import time
from collections.abc import Mapping

import asyncpg

from tests.regions.bank import LOST, REST_S
from tests.regions.cluster import HANG_S
from tests.sim import elle

TABLES = ("lists_east", "lists_west")
LISTS = 3
"""Per table and load."""
LOADS = 50


async def create(dsn: str) -> None:
    """Empty lists, for so many loads."""
    connection = await asyncpg.connect(dsn)
    for table in TABLES:
        await connection.execute(f"create table {table} (id int primary key, elements text not null)")
        await connection.execute(
            f"insert into {table} select g, '' from generate_series(1, {LISTS * LOADS}) g"
        )
    await connection.close()


class History:
    """What all clients of one load saw, of lists of its own: checking takes as long as the lists are."""

    def __init__(self, load: int) -> None:
        """`load`: below `LOADS`, each once."""
        first = load * LISTS + 1
        self.keys = [(table, number) for table in TABLES for number in range(first, first + LISTS)]
        self.txns: list[elle.Txn] = []
        self.elements = itertools.count()
        self.clients = itertools.count()

    def committed(self) -> int:
        """Transactions that were acknowledged."""
        return sum(txn.outcome == "ok" for txn in self.txns)


class Lists:
    """The clients; `async with` runs them."""

    def __init__(self, dsns: Mapping[str, str], history: History, clients: int = 2) -> None:
        """`clients` per region."""
        self.history = history
        self._dsns = dict(dsns)
        self._clients = clients
        self._is_stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Lists":
        loop = asyncio.get_running_loop()
        for region in self._dsns:
            for _ in range(self._clients):
                self._tasks.append(loop.create_task(self._client(region, next(self.history.clients))))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_stopping = True
        async with asyncio.timeout(HANG_S):
            await asyncio.gather(*self._tasks)

    async def _client(self, region: str, client: int) -> None:
        choose = random.Random(client)
        while not self._is_stopping:
            try:
                async with asyncio.timeout(HANG_S):
                    connection = await asyncpg.connect(self._dsns[region])
            except (asyncpg.CannotConnectNowError, *LOST):
                await asyncio.sleep(REST_S)
                continue
            try:
                while not self._is_stopping:
                    async with asyncio.timeout(HANG_S):
                        await self._transaction(connection, choose)
            except LOST:
                pass
            finally:
                connection.terminate()

    async def _transaction(self, connection: asyncpg.Connection, choose: random.Random) -> None:
        """One attempt, written down; raises when the connection is no good any more."""
        ops: list[elle.Read | elle.Append] = []
        began = time.monotonic_ns()
        outcome, is_lost = "fail", None
        is_committing = False
        try:
            await connection.execute("begin")
            for table, number in choose.sample(self.history.keys, choose.randint(1, 3)):
                statement = f"select elements from {table} where id = $1"
                elements = tuple((await connection.fetchval(statement, number)).split())
                ops.append(elle.Read(f"{table}:{number}", elements))
                if choose.random() < 0.5:
                    element = str(next(self.history.elements))
                    ops.append(elle.Append(f"{table}:{number}", element))
                    statement = f"update {table} set elements = $2 where id = $1"
                    await connection.execute(statement, number, " ".join((*elements, element)))
            is_committing = True
            await connection.execute("commit")
            outcome = "ok"
        except (asyncpg.SerializationError, asyncpg.CannotConnectNowError) as error:
            if connection.is_in_transaction():
                await connection.execute("rollback")
            if isinstance(error, asyncpg.CannotConnectNowError):
                await asyncio.sleep(REST_S)
        except (asyncpg.TransactionResolutionUnknownError, *LOST) as error:
            outcome, is_lost = "info" if is_committing else "fail", error
        name = f"T{len(self.history.txns)}"
        self.history.txns.append(elle.Txn(name, tuple(ops), began, time.monotonic_ns(), outcome))
        if is_lost is not None:
            raise is_lost


async def check(dsn: str, history: History) -> None:
    """With one more reader at the end, who saw everything."""
    began = time.monotonic_ns()
    connection = await asyncpg.connect(dsn)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        reads = []
        for table, number in history.keys:
            found = await connection.fetchval(f"select elements from {table} where id = $1", number)
            reads.append(elle.Read(f"{table}:{number}", tuple(found.split())))
    await connection.close()
    final = elle.Txn("final", tuple(reads), began, time.monotonic_ns())
    txns = [*history.txns, final]
    problems = elle.check(txns)
    by_name = {txn.name: txn for txn in txns}
    assert problems == [], [(each.kind, [by_name[name] for name in each.txns]) for each in problems]
