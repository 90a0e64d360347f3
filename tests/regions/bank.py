"""Money that goes to and fro through both endpoints, written down, and a check of what the database has of it.

A transfer takes from an account and gives to another, of two tables that different regions decide on, and inserts an
entry that carries its number. So the entries say exactly which transfers happened, the balances follow from them, and
their sum never changes, not even for a reader in the middle.
"""

import asyncio
import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import asyncpg

from tests.regions.cluster import HANG_S

TABLES = ("bank_east", "bank_west")
ACCOUNTS = 12
"""Per table."""
MONEY = 1000
REST_S = 0.05
"""Before a client tries again after it was sent away."""
LOST = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.InternalClientError,  # a statement between the server's good-bye and the end of the connection
)
SCHEMA = (
    *(f"create table {table} (id int primary key, balance int not null)" for table in TABLES),
    "create table entries (client int, number int, source text, giver int, target text, taker int, amount int, "
    "primary key (client, number))",
)
Key = tuple[int, int]


@dataclass
class Ledger:
    """What the clients were told of their transfers, by (client, number)."""

    committed: set[Key] = field(default_factory=set)
    refused: set[Key] = field(default_factory=set)
    unknown: set[Key] = field(default_factory=set)
    reasons: dict[str, set[str]] = field(default_factory=dict)
    """Region -> what it said with 57P03."""
    sums: int = 0
    """Readers that found the whole sum."""
    clients: int = 0
    """So many clients have written in it, each under a number of its own."""


async def create(dsn: str) -> None:
    """The tables, full."""
    connection = await asyncpg.connect(dsn)
    for statement in SCHEMA:
        await connection.execute(statement)
    for table in TABLES:
        rows = ", ".join(f"({number}, {MONEY})" for number in range(ACCOUNTS))
        await connection.execute(f"insert into {table} values {rows}")
    await connection.close()


class Bank:
    """The clients; `async with` runs them. Whatever they meet that they must not meet ends the test."""

    def __init__(
        self, dsns: Mapping[str, str], ledger: Ledger, clients: int = 2, is_read: bool = True
    ) -> None:
        """`clients` per region, and one reader in each, who takes no refusal but 57P03."""
        self.ledger = ledger
        self._dsns = dict(dsns)
        self._clients = clients
        self._is_read = is_read
        self._is_stopping = False
        self._commits = dict.fromkeys(self._dsns, 0)
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Bank":
        for region in self._dsns:
            for _ in range(self._clients):
                self._run(self._transfers(region, self.ledger.clients))
                self.ledger.clients += 1
            if self._is_read:
                self._run(self._reads(region))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_stopping = True
        async with asyncio.timeout(HANG_S):
            await asyncio.gather(*self._tasks)

    async def commits(self, region: str, count: int = 10) -> None:
        """Returns when so many more transfers through that region were acknowledged."""
        wanted = self._commits[region] + count
        async with asyncio.timeout(HANG_S):
            while self._commits[region] < wanted:
                self._changed.clear()
                changed = asyncio.ensure_future(self._changed.wait())
                done, _ = await asyncio.wait([changed, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
                for task in done - {changed}:
                    task.result()

    async def refusal(self, region: str) -> str:
        """What the region answers a new statement with 57P03; returns when it does."""
        self.ledger.reasons.pop(region, None)
        async with asyncio.timeout(HANG_S):
            while not self.ledger.reasons.get(region):
                await asyncio.sleep(REST_S)
        return min(self.ledger.reasons[region])

    def _run(self, work: object) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work))  # type: ignore[arg-type]

    # --- clients

    async def _transfers(self, region: str, client: int) -> None:
        choose = random.Random(client)
        number = 0
        while not self._is_stopping:
            connection = await self._connected(region)
            if connection is None:
                continue
            try:
                while not self._is_stopping:
                    number += 1
                    async with asyncio.timeout(HANG_S):
                        await self._transfer(connection, region, (client, number), choose)
            except LOST:
                pass
            finally:
                connection.terminate()

    async def _transfer(
        self, connection: asyncpg.Connection, region: str, key: Key, choose: random.Random
    ) -> None:
        """One attempt; raises when the connection is no good any more."""
        source, target = choose.choice(TABLES), choose.choice(TABLES)
        giver, taker = choose.sample(range(ACCOUNTS), 2)
        amount = choose.randint(1, 9)
        is_committing = False
        try:
            await connection.execute("begin")
            for table, account, change in ((source, giver, -amount), (target, taker, amount)):
                statement = f"update {table} set balance = balance + $2 where id = $1"
                assert await connection.execute(statement, account, change) == "UPDATE 1"
            values = (*key, source, giver, target, taker, amount)
            await connection.execute("insert into entries values ($1, $2, $3, $4, $5, $6, $7)", *values)
            is_committing = True
            await connection.execute("commit")
        except asyncpg.SerializationError:
            self.ledger.refused.add(key)
            await _end(connection)
        except asyncpg.CannotConnectNowError as error:
            self.ledger.refused.add(key)
            self._sent_away(region, error)
            await _end(connection)
            await asyncio.sleep(REST_S)
        except (asyncpg.TransactionResolutionUnknownError, *LOST):
            (self.ledger.unknown if is_committing else self.ledger.refused).add(key)
            raise
        else:
            self.ledger.committed.add(key)
            self._commits[region] += 1
            self._changed.set()

    async def _reads(self, region: str) -> None:
        columns = " + ".join(f"(select sum(balance) from {table})" for table in TABLES)
        while not self._is_stopping:
            connection = await self._connected(region)
            if connection is None:
                continue
            try:
                while not self._is_stopping:
                    try:
                        async with asyncio.timeout(HANG_S):
                            found = await connection.fetchval(f"select {columns}")
                    except asyncpg.CannotConnectNowError as error:
                        self._sent_away(region, error)
                    else:
                        assert found == len(TABLES) * ACCOUNTS * MONEY, found
                        self.ledger.sums += 1
                    await asyncio.sleep(REST_S)
            except LOST:
                pass
            finally:
                connection.terminate()

    async def _connected(self, region: str) -> asyncpg.Connection | None:
        try:
            async with asyncio.timeout(HANG_S):
                return await asyncpg.connect(self._dsns[region])
        except asyncpg.CannotConnectNowError as error:
            self._sent_away(region, error)
        except LOST:
            pass
        await asyncio.sleep(REST_S)
        return None

    def _sent_away(self, region: str, error: asyncpg.PostgresError) -> None:
        self.ledger.reasons.setdefault(region, set()).add(str(error))


async def _end(connection: asyncpg.Connection) -> None:
    if connection.is_in_transaction():
        await connection.execute("rollback")


async def check(dsn: str, ledger: Ledger) -> str:
    """Nothing acknowledged is lost, nothing that was refused is there; the content's hash."""
    connection = await asyncpg.connect(dsn)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        entries = await connection.fetch("select * from entries order by client, number")
        tables = {
            table: dict(await connection.fetch(f"select id, balance from {table} order by id"))
            for table in TABLES
        }
    await connection.close()
    there = {(entry["client"], entry["number"]) for entry in entries}
    lost, undead = ledger.committed - there, there & ledger.refused
    assert not lost, f"acknowledged, and lost: {sorted(lost)[:10]}"
    assert not undead, f"refused, and there: {sorted(undead)[:10]}"
    assert there <= ledger.committed | ledger.unknown
    expected = {table: dict.fromkeys(range(ACCOUNTS), MONEY) for table in TABLES}
    for entry in entries:
        expected[entry["source"]][entry["giver"]] -= entry["amount"]
        expected[entry["target"]][entry["taker"]] += entry["amount"]
    assert tables == expected
    content = repr((tables, [tuple(entry) for entry in entries]))
    return hashlib.sha256(content.encode()).hexdigest()
