"""Concurrent clients that write down what was acknowledged, and a check of what a restarted server has of it.

Each transaction of a client inserts one to five rows that carry its number, moves money between two accounts
and writes its number into the client's counter. So whatever was committed must be there whole: all its rows
or none, the same sum of money, the counter at the last transaction that is there.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import asyncpg
import psycopg

CLIENTS = 6
ACCOUNTS = 8
MONEY = 1000

SCHEMA = (
    "create table entries (client int, number int, part int, note text, primary key (client, number, part))",
    "create table accounts (id int primary key, balance int not null)",
    "create table counters (client int primary key, number int not null)",
)
LOST = (OSError, asyncpg.InterfaceError, asyncpg.ConnectionDoesNotExistError, psycopg.OperationalError)
"""The connection is gone. (Of psycopg's, serialization failures are caught before.)"""


@dataclass
class Ledger:
    """(client, number) of every transaction that was tried, by what the client was told, with its rows."""

    committed: dict[tuple[int, int], int] = field(default_factory=dict)
    refused: dict[tuple[int, int], int] = field(default_factory=dict)
    unknown: dict[tuple[int, int], int] = field(default_factory=dict)


async def create(dsn: str) -> None:
    """The tables, and what every client starts from."""
    connection = await asyncpg.connect(dsn)
    for statement in SCHEMA:
        await connection.execute(statement)
    accounts = [(number, MONEY) for number in range(ACCOUNTS)]
    await connection.executemany("insert into accounts values ($1, $2)", accounts)
    await connection.executemany("insert into counters values ($1, $2)", [(n, 0) for n in range(CLIENTS)])
    await connection.close()


async def run(
    dsn: str, choose: random.Random, numbers: list[int], ledger: Ledger, told: Callable[[], None]
) -> None:
    """Load from all clients until the server is gone; `told` is called after every acknowledged commit."""
    drivers = [_AsyncpgClient, _AsyncpgClient, _PsycopgClient]
    clients = [drivers[n % len(drivers)](n, dsn, random.Random(choose.random())) for n in range(CLIENTS)]
    await asyncio.gather(*(_client(client, numbers, ledger, told) for client in clients))


async def _client(client: "_Client", numbers: list[int], ledger: Ledger, told: Callable[[], None]) -> None:
    try:
        await client.connect()
    except LOST:
        return
    while True:
        numbers[client.number] += 1
        key = client.number, numbers[client.number]
        parts = client.choose.randint(1, 5)
        try:
            await client.transaction(key[1], parts)
        except (asyncpg.SerializationError, psycopg.errors.SerializationFailure):
            ledger.refused[key] = parts
            continue
        except LOST:
            ledger.unknown[key] = parts
            await client.close()
            return
        ledger.committed[key] = parts
        told()


async def check(dsn: str, ledger: Ledger) -> None:
    """Nothing lost, nothing half applied, nothing that was refused; unknown ones become known."""
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("select client, number, count(*) from entries group by client, number")
    found = {(row[0], row[1]): row[2] for row in rows}
    money = await connection.fetchval("select sum(balance) from accounts")
    counters = dict(await connection.fetch("select client, number from counters"))
    await connection.close()
    for key, parts in ledger.unknown.items():
        if key in found:
            ledger.committed[key] = parts
    ledger.unknown.clear()
    differences = sorted(found.items() ^ ledger.committed.items())
    assert differences == [], f"there, or acknowledged, but not both: {differences[:10]}"
    assert money == ACCOUNTS * MONEY
    for client, number in counters.items():
        assert number == max((each for owner, each in found if owner == client), default=0)


class _Client:
    """One connection and its choices; subclasses differ in the driver."""

    def __init__(self, number: int, dsn: str, choose: random.Random) -> None:
        self.number = number
        self.dsn = dsn
        self.choose = choose

    def statements(self, number: int, parts: int) -> list[tuple[str, tuple[object, ...]]]:
        """What one transaction does; $n stands for the parameters."""
        giver, taker = self.choose.sample(range(ACCOUNTS), 2)
        amount = self.choose.randint(1, 50)
        found: list[tuple[str, tuple[object, ...]]] = []
        for part in range(parts):
            note = "x" * self.choose.randint(0, 300)
            found.append(("insert into entries values ($1, $2, $3, $4)", (self.number, number, part, note)))
        found.append(("update accounts set balance = balance - $1 where id = $2", (amount, giver)))
        found.append(("update accounts set balance = balance + $1 where id = $2", (amount, taker)))
        found.append(("update counters set number = $1 where client = $2", (number, self.number)))
        return found

    async def connect(self) -> None:
        raise NotImplementedError

    async def transaction(self, number: int, parts: int) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


class _AsyncpgClient(_Client):
    async def connect(self) -> None:
        self.connection = await asyncpg.connect(self.dsn)

    async def transaction(self, number: int, parts: int) -> None:
        async with self.connection.transaction():
            for statement, values in self.statements(number, parts):
                await self.connection.execute(statement, *values)

    async def close(self) -> None:
        self.connection.terminate()


class _PsycopgClient(_Client):
    async def connect(self) -> None:
        self.connection = await psycopg.AsyncConnection.connect(self.dsn)

    async def transaction(self, number: int, parts: int) -> None:
        try:
            for statement, values in self.statements(number, parts):
                for place in range(len(values), 0, -1):
                    statement = statement.replace(f"${place}", "%s")
                await self.connection.execute(statement, values)
            await self.connection.commit()
        except psycopg.errors.SerializationFailure:
            await self.connection.rollback()
            raise

    async def close(self) -> None:
        await self.connection.close()
