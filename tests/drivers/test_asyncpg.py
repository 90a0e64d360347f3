"""asyncpg against a real server: pool, prepared statements, transactions, cursors, COPY, cancellation, restart."""

import asyncio
import datetime
import decimal
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.server import Server, start

pytestmark = pytest.mark.slow

HANG_S = 60.0


class DsqlConnection(asyncpg.Connection):
    """As an application does for DSQL, which refuses advisory locks, UNLISTEN and CLOSE ALL."""

    def get_reset_query(self) -> str:
        return "RESET ALL"


def options(server: Server) -> dict[str, Any]:
    """Arguments of asyncpg.connect."""
    return {"host": "127.0.0.1", "port": server.port, "user": "admin", "database": "postgres", "ssl": False}


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(**options(server))
    try:
        yield connection
    finally:
        await connection.close()


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run it, with an end even when the server hangs."""
    asyncio.run(asyncio.wait_for(main(), HANG_S))  # type: ignore[arg-type]


async def retried(connection: asyncpg.Connection, work: Callable[[], Awaitable[Any]]) -> int:
    """Run `work` in a transaction until it commits; how often it had to be repeated."""
    repeated = 0
    while True:
        try:
            async with connection.transaction():
                await work()
            return repeated
        except asyncpg.SerializationError:
            repeated += 1
            await asyncio.sleep(0)


def test_pool(server: Server) -> None:
    async def main() -> None:
        pool = asyncpg.create_pool(**options(server), min_size=2, max_size=8, connection_class=DsqlConnection)
        async with pool:
            await pool.execute("CREATE TABLE pooled (id int PRIMARY KEY, v text)")

            async def one(number: int) -> None:
                async with pool.acquire() as connection:
                    await connection.execute("SET application_name = 'x'")
                    await connection.execute("INSERT INTO pooled VALUES ($1, $2)", number, str(number))
                    found = await connection.fetchval("SELECT v FROM pooled WHERE id = $1", number)
                    assert found == str(number)

            await asyncio.gather(*map(one, range(100)))
            assert await pool.fetchval("SELECT count(*) FROM pooled") == 100
            assert await pool.fetchval("SHOW application_name") == ""

    run(main)


def test_prepared_statements(server: Server) -> None:
    async def main() -> None:
        async with connected(server) as connection:
            await connection.execute("CREATE TABLE prep (id int PRIMARY KEY, v text, n numeric(8, 2))")
            insert = await connection.prepare("INSERT INTO prep VALUES ($1, $2, $3) RETURNING id")
            assert [each.name for each in insert.get_parameters()] == ["int4", "text", "numeric"]
            assert [each.name for each in insert.get_attributes()] == ["id"]
            for number in range(5):
                assert await insert.fetchval(number, f"v{number}", number) == number
            await insert.fetch(5, "v5", 5)
            assert insert.get_statusmsg() == "INSERT 0 1"
            select = await connection.prepare("SELECT id, v FROM prep WHERE id = ANY($1) ORDER BY id")
            assert [tuple(row) for row in await select.fetch([1, 3, 9])] == [(1, "v1"), (3, "v3")]
            rows = [(number, "many") for number in range(100, 200)]
            await connection.executemany("INSERT INTO prep (id, v) VALUES ($1, $2)", rows)
            assert await connection.fetchval("SELECT count(*) FROM prep WHERE v = 'many'") == 100
            with pytest.raises(asyncpg.DataError):
                await connection.fetch("SELECT $1::int", "text")
            with pytest.raises(asyncpg.UniqueViolationError) as failed:
                await insert.fetchval(1, "again", 1)
            assert (failed.value.table_name, failed.value.constraint_name) == ("prep", "prep_pkey")
            assert await connection.fetchval("SELECT 1") == 1

    run(main)


def test_prepared_statements_outlive_a_schema_change(server: Server) -> None:
    """asyncpg prepares again by itself when the result's shape changed."""

    async def main() -> None:
        async with connected(server) as connection:
            await connection.execute("CREATE TABLE shaped (id int PRIMARY KEY)")
            await connection.execute("INSERT INTO shaped VALUES (1)")
            for name in ("a", "b"):
                before = await connection.fetch("SELECT * FROM shaped WHERE id = 1")
                await connection.execute(f"ALTER TABLE shaped ADD COLUMN {name} int")
                after = await connection.fetch("SELECT * FROM shaped WHERE id = 1")
                assert list(after[0].keys()) == [*before[0].keys(), name]

    run(main)


def test_a_failed_executemany_leaves_nothing(server: Server) -> None:
    async def main() -> None:
        async with connected(server) as connection:
            await connection.execute("CREATE TABLE batch (id int PRIMARY KEY)")
            with pytest.raises(asyncpg.UniqueViolationError):
                await connection.executemany("INSERT INTO batch VALUES ($1)", [(1,), (2,), (1,)])
            assert await connection.fetchval("SELECT count(*) FROM batch") == 0

    run(main)


def test_contended_counter_is_exact(server: Server) -> None:
    """Eight connections add 25 each to one row, as read, compute, write: every conflict is repeated."""
    workers, rounds = 8, 25

    async def main() -> None:
        async with connected(server) as connection:
            await connection.execute("CREATE TABLE counter (id int PRIMARY KEY, n int)")
            await connection.execute("INSERT INTO counter VALUES (1, 0)")

        async def work() -> int:
            repeated = 0
            async with connected(server) as connection:

                async def add() -> None:
                    value = await connection.fetchval("SELECT n FROM counter WHERE id = 1")
                    await connection.execute("UPDATE counter SET n = $1 WHERE id = 1", value + 1)

                for _ in range(rounds):
                    repeated += await retried(connection, add)
            return repeated

        repeated = sum(await asyncio.gather(*(work() for _ in range(workers))))
        assert repeated > 0
        async with connected(server) as connection:
            assert await connection.fetchval("SELECT n FROM counter") == workers * rounds

    run(main)


def test_transfers_keep_the_sum(server: Server) -> None:
    async def main() -> None:
        async with connected(server) as connection:
            await connection.execute("CREATE TABLE bank (id int PRIMARY KEY, balance int NOT NULL)")
            await connection.execute("INSERT INTO bank SELECT n, 100 FROM generate_series(0, 9) n")
        stop = asyncio.Event()

        async def transfer(worker: int) -> None:
            async with connected(server) as connection:
                for number in range(30):
                    one, two = (worker + number) % 10, (worker * 3 + number * 7 + 1) % 10
                    if one != two:
                        await retried(connection, lambda one=one, two=two: move(connection, one, two))  # type: ignore[misc]

        async def move(connection: asyncpg.Connection, one: int, two: int) -> None:
            balance = await connection.fetchval("SELECT balance FROM bank WHERE id = $1", one)
            await connection.execute("UPDATE bank SET balance = $2 WHERE id = $1", one, balance - 1)
            await connection.execute("UPDATE bank SET balance = balance + 1 WHERE id = $1", two)

        async def watch() -> int:
            seen = 0
            async with connected(server) as connection:
                while not stop.is_set():
                    assert await connection.fetchval("SELECT sum(balance) FROM bank") == 1000
                    seen += 1
            return seen

        watching = asyncio.ensure_future(watch())
        await asyncio.gather(*map(transfer, range(6)))
        stop.set()
        assert await watching > 0

    run(main)


def test_transactions(server: Server) -> None:
    async def main() -> None:
        async with connected(server) as connection, connected(server) as other:
            await connection.execute("CREATE TABLE blocks (id int PRIMARY KEY)")
            async with connection.transaction():
                await connection.execute("INSERT INTO blocks VALUES (1)")
                assert await other.fetchval("SELECT count(*) FROM blocks") == 0
            assert await other.fetchval("SELECT count(*) FROM blocks") == 1
            with pytest.raises(ZeroDivisionError):
                async with connection.transaction():
                    await connection.execute("INSERT INTO blocks VALUES (2)")
                    raise ZeroDivisionError
            assert await other.fetchval("SELECT count(*) FROM blocks") == 1
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                async with connection.transaction(readonly=True):
                    assert await connection.fetchval("SELECT count(*) FROM blocks") == 1
                    await connection.execute("INSERT INTO blocks VALUES (3)")
            message = "Unsupported isolation level: SERIALIZABLE"
            with pytest.raises(asyncpg.FeatureNotSupportedError, match=message):
                await connection.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
            with pytest.raises(asyncpg.FeatureNotSupportedError, match="SAVEPOINT"):
                async with connection.transaction(), connection.transaction():
                    pass
            transaction = connection.transaction()
            await transaction.start()
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.fetchval("SELECT 1 / 0")
            with pytest.raises(asyncpg.InFailedSQLTransactionError):
                await connection.fetchval("SELECT 1")
            await transaction.rollback()
            assert await connection.fetchval("SELECT 1") == 1

    run(main)


def test_cursors(server: Server) -> None:
    async def main() -> None:
        async with connected(server) as connection:
            await connection.execute("CREATE TABLE many (id int PRIMARY KEY, v text)")
            await connection.execute("INSERT INTO many SELECT n, 'v' || n FROM generate_series(1, 1000) n")
            async with connection.transaction():
                ordered = connection.cursor("SELECT id FROM many ORDER BY id", prefetch=7)
                assert [row["id"] async for row in ordered] == list(range(1, 1001))
                one = await connection.cursor("SELECT id FROM many WHERE id > $1 ORDER BY id", 10)
                two = await connection.cursor("SELECT v FROM many ORDER BY id DESC")
                assert [row["id"] for row in await one.fetch(3)] == [11, 12, 13]
                assert (await two.fetchrow())["v"] == "v1000"
                await connection.execute("INSERT INTO many VALUES (15000, 'later')")
                await connection.execute("DELETE FROM many WHERE id = 15")
                assert [row["id"] for row in await one.fetch(2)] == [14, 15]
                assert [row["v"] for row in await two.fetch(2)] == ["v999", "v998"]
                assert len(await one.fetch(100000)) == 985
                assert await one.fetch(1) == []

    run(main)


def test_copy_in(server: Server, tmp_path: Path) -> None:
    async def main() -> None:
        async with connected(server) as connection:
            await connection.execute("CREATE TABLE copied (id int PRIMARY KEY, v text, n numeric)")
            source = tmp_path / "in"
            source.write_text('id,v,n\n1,"a ""b"", c",1.5\n2,,\n3,"",7\n')
            tag = await connection.copy_to_table("copied", source=str(source), format="csv", header=True)
            assert tag == "COPY 3"
            rows = await connection.fetch("SELECT * FROM copied ORDER BY id")
            assert [row["v"] for row in rows] == ['a "b", c', None, ""]
            source.write_text("".join(f"{n}\tsome text {n}\t{n}.25\n" for n in range(10, 3010)))
            assert await connection.copy_to_table("copied", source=str(source)) == "COPY 3000"
            found = await connection.fetchval("SELECT sum(n) FROM copied WHERE id >= 10")
            assert found == sum(range(10, 3010)) + 750
            source.write_text("".join(f"{n}\tx\t1\n" for n in range(5000, 8001)))
            with pytest.raises(asyncpg.ProgramLimitExceededError, match="transaction row limit exceeded"):
                await connection.copy_to_table("copied", source=str(source))
            source.write_text("9000\tx\t1\nnine\tx\t1\n")
            with pytest.raises(asyncpg.InvalidTextRepresentationError) as failed:
                await connection.copy_to_table("copied", source=str(source))
            assert failed.value.context == 'COPY copied, line 2, column id: "nine"'
            assert await connection.fetchval("SELECT count(*) FROM copied") == 3003

    run(main)


def test_copy_of_records_is_binary(server: Server, tmp_path: Path) -> None:
    """copy_records_to_table sends the binary format; what copy_from_table writes can be read again."""

    async def main() -> None:
        async with connected(server) as connection:
            await connection.execute(
                "CREATE TABLE records (id int PRIMARY KEY, v text, n numeric, at timestamptz, u uuid, f float8, d date)"
            )
            moment = datetime.datetime(2024, 2, 29, 12, 34, 56, 789, datetime.UTC)
            records = [
                (
                    n,
                    None if n % 7 == 0 else "v\t" * (n % 90),
                    decimal.Decimal(n) / 8,
                    moment,
                    uuid.UUID(int=n),
                    n / 3,
                    None,
                )
                for n in range(3000)
            ]
            assert await connection.copy_records_to_table("records", records=records) == "COPY 3000"
            assert list(map(tuple, await connection.fetch("SELECT * FROM records ORDER BY id"))) == records
            out = tmp_path / "out"
            assert (
                await connection.copy_from_table("records", output=str(out), format="binary") == "COPY 3000"
            )
            query = "SELECT id, v FROM records WHERE id < $1 ORDER BY id"
            await connection.copy_from_query(query, 2, output=str(tmp_path / "two"), format="binary")
            assert (tmp_path / "two").read_bytes()[19:] == bytes.fromhex(
                "0002 00000004 00000000 ffffffff 0002 00000004 00000001 00000002 7609 ffff"
            )
            await connection.execute("DELETE FROM records")
            tag = await connection.copy_to_table("records", source=str(out), format="binary")
            assert tag == "COPY 3000"
            assert list(map(tuple, await connection.fetch("SELECT * FROM records ORDER BY id"))) == records
            await connection.execute("DELETE FROM records")
            tag = await connection.copy_records_to_table(
                "records", records=[(n,) for n in range(10)], columns=["id"], where="id % 2 = 1"
            )
            assert tag == "COPY 5"
            with pytest.raises(asyncpg.UniqueViolationError) as failed:
                await connection.copy_records_to_table("records", records=[(2,), (3,)], columns=["id"])
            assert failed.value.context == "COPY records, line 2"
            assert await connection.fetchval("SELECT sum(id) FROM records") == 25

    run(main)


def test_copy_out(server: Server, tmp_path: Path) -> None:
    async def main() -> None:
        async with connected(server) as connection:
            await connection.execute("CREATE TABLE given (id int PRIMARY KEY, v text, n numeric)")
            await connection.execute(
                "INSERT INTO given VALUES (1, 'a \"b\", c', 1.5), (2, NULL, NULL), (3, '', 7)"
            )
            out = tmp_path / "out"
            assert await connection.copy_from_table("given", output=str(out)) == "COPY 3"
            assert out.read_text() == '1\ta "b", c\t1.5\n2\t\\N\t\\N\n3\t\t7\n'
            query = "SELECT v, n FROM given WHERE id <= $1 ORDER BY id"
            await connection.copy_from_query(query, 2, output=str(out), format="csv")
            assert out.read_text() == '"a ""b"", c",1.5\n,\n'

    run(main)


def test_an_index_is_complete_though_rows_changed_while_it_was_built(server: Server) -> None:
    """Writers insert, move and delete rows during the builds; then index and table tell the same."""

    async def main() -> None:
        async with connected(server) as connection:
            await connection.execute("CREATE TABLE busy (id int PRIMARY KEY, a int NOT NULL, b int NOT NULL)")
            for start in range(0, 9000, 3000):
                await connection.execute(
                    "INSERT INTO busy SELECT n, n % 50, n FROM generate_series($1::int, $2::int) n",
                    start,
                    start + 2999,
                )
        built = asyncio.Event()

        async def change(worker: int) -> int:
            done = 0
            async with connected(server) as connection:
                while not built.is_set():
                    key = (worker * 2003 + done * 37) % 9000
                    for sql in (
                        f"UPDATE busy SET a = a + 1 WHERE id = {key}",
                        f"DELETE FROM busy WHERE id = {key + 1}",
                        f"INSERT INTO busy VALUES ({key + 1}, 7, {key + 1}) ON CONFLICT DO NOTHING",
                        f"UPDATE busy SET id = id + 100000, b = b + 100000 WHERE id = {key + 2}",
                    ):
                        try:
                            await connection.execute(sql)
                            done += 1
                        except (asyncpg.SerializationError, asyncpg.UniqueViolationError):
                            pass
            return done

        async def build() -> None:
            async with connected(server) as connection:
                for index in ("INDEX ASYNC busy_a ON busy (a)", "UNIQUE INDEX ASYNC busy_b ON busy (b)"):
                    job = await connection.fetchval(f"CREATE {index}")
                    assert (await connection.fetchrow(f"CALL sys.wait_for_job('{job}')"))[0] is True
            built.set()

        *changes, _none = await asyncio.gather(*(change(worker) for worker in range(4)), build())
        assert all(changes)
        async with connected(server) as connection:
            rows = await retried_fetch(connection, "SELECT id, a, b FROM busy WHERE id >= 0")
            for column in (1, 2):
                name = "ab"[column - 1]
                found = await connection.fetch(f"SELECT id, {name} FROM busy WHERE {name} >= 0")
                assert sorted(map(tuple, found)) == sorted((row[0], row[column]) for row in rows)
                plan = await connection.fetch(f"EXPLAIN SELECT id, {name} FROM busy WHERE {name} = 1")
                assert f"busy_{name}" in str(plan)

    run(main)


async def retried_fetch(connection: asyncpg.Connection, sql: str) -> list[Any]:
    """The rows, also when the catalog moved on since the connection's last statement."""
    try:
        return list(await connection.fetch(sql))
    except asyncpg.SerializationError:
        return list(await connection.fetch(sql))


def test_two_hundred_connections(server: Server) -> None:
    async def main() -> None:
        async with connected(server) as connection:
            await connection.execute("CREATE TABLE crowd (id int PRIMARY KEY, v int)")

        async def one(number: int) -> None:
            nonlocal here
            async with connected(server) as connection:
                await connection.execute("INSERT INTO crowd VALUES ($1, $1 * 2)", number)
                here += 1
                if here == 200:
                    together.set()
                await together.wait()
                assert await connection.fetchval("SELECT v FROM crowd WHERE id = $1", number) == number * 2

        here = 0
        together = asyncio.Event()
        await asyncio.gather(*map(one, range(200)))
        async with connected(server) as connection:
            assert await connection.fetchval("SELECT count(*) FROM crowd") == 200

    run(main)


@pytest.mark.parametrize(
    "sql", ["SELECT count(*) FROM generate_series(1, 1000000000)", "SELECT pg_sleep(1000)"]
)
def test_timeouts_cancel_the_statement(server: Server, sql: str) -> None:
    async def main() -> None:
        async with connected(server) as connection:
            with pytest.raises(asyncio.TimeoutError):
                await connection.fetchval(sql, timeout=0.2)
            assert await connection.fetchval("SELECT 1") == 1

    run(main)


def test_statement_errors_have_their_fields(server: Server) -> None:
    async def main() -> None:
        async with connected(server) as connection:
            await connection.execute(
                "CREATE TABLE checked (id int PRIMARY KEY, n int CONSTRAINT small CHECK (n < 10))"
            )
            with pytest.raises(asyncpg.CheckViolationError) as check:
                await connection.execute("INSERT INTO checked VALUES (1, 10)")
            error = check.value
            assert (error.schema_name, error.table_name, error.constraint_name) == (
                "public",
                "checked",
                "small",
            )
            assert error.detail == "Failing row contains (1, 10)."
            with pytest.raises(asyncpg.NotNullViolationError) as null:
                await connection.execute("INSERT INTO checked (n) VALUES (1)")
            assert (null.value.table_name, null.value.column_name) == ("checked", "id")
            with pytest.raises(asyncpg.PostgresSyntaxError) as syntax:
                await connection.execute("SELECT 1 FRM checked x y")
            assert syntax.value.position == "14"

    run(main)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def fetch_when_back(pool: asyncpg.Pool, sql: str) -> Any:
    """A pool drops its broken connections one by one."""
    while True:
        try:
            return await pool.fetchval(sql)
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.AdminShutdownError, OSError):
            continue


def test_a_pool_survives_a_restart(tmp_path: Path) -> None:
    """The server is stopped and started again with the same data: rows are there, the pool reconnects."""
    arguments = ("--data", str(tmp_path / "data"), "--port", str(free_port()))
    servers = [start(*arguments)]

    async def main() -> None:
        made = asyncpg.create_pool(
            **options(servers[0]), min_size=0, max_size=2, connection_class=DsqlConnection
        )
        async with made as pool:
            await pool.execute("CREATE TABLE kept (id int PRIMARY KEY, v text)")
            await pool.execute("INSERT INTO kept VALUES (1, 'still here')")
            assert await asyncio.to_thread(servers[0].stop) == 0
            servers.append(await asyncio.to_thread(start, *arguments))
            assert await fetch_when_back(pool, "SELECT v FROM kept WHERE id = 1") == "still here"

    try:
        run(main)
    finally:
        if servers[-1].process.poll() is None:
            servers[-1].stop()
        for server in servers:
            server.close()
