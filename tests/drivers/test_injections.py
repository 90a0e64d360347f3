"""Faults on demand and reasons, as applications meet them: retry loops that ran, and proof that they did."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest

from tests.server import Server, running

pytestmark = pytest.mark.slow
MODES = {"plain": (), "workers": ("--workers", "2"), "router": ("--router", "--workers", "2")}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a server at a time."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module", params=MODES)
def served(request: pytest.FixtureRequest, data: Path) -> Iterator[Server]:
    """A server in each of its forms."""
    yield from running("--data", str(data), *MODES[request.param])


@pytest.fixture
def admin(served: Server) -> Iterator[psycopg.Connection[Any]]:
    """The admin's connection, who has an account and no injections."""
    with psycopg.connect(served.dsn, autocommit=True) as connection:
        connection.execute("CALL opendsql.remove_injections()")
        connection.execute("DROP TABLE IF EXISTS account")
        connection.execute("CREATE TABLE account (id int PRIMARY KEY, balance int)")
        connection.execute("INSERT INTO account VALUES (7, 0)")
        yield connection


def inject(admin: psycopg.Connection[Any], arguments: str) -> int:
    row = admin.execute(f"CALL opendsql.inject({arguments})").fetchone()
    assert row is not None
    return int(row[0])


def counted(admin: psycopg.Connection[Any], number: int) -> tuple[int, int]:
    query = "SELECT matched, fired FROM opendsql.injections WHERE id = %s"
    row = admin.execute(query, (number,)).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def balance(admin: psycopg.Connection[Any]) -> int:
    row = admin.execute("SELECT balance FROM account").fetchone()
    assert row is not None
    return int(row[0])


def with_retries(dsn: str, step: Callable[[psycopg.Connection[Any]], object]) -> int:
    """What an application does: begin again after 40001, reconnect after a loss; how often it had to."""
    for attempt in range(10):
        connection = psycopg.connect(dsn)
        try:
            step(connection)
            connection.commit()
            return attempt
        except (psycopg.errors.SerializationFailure, psycopg.OperationalError):
            continue
        finally:
            connection.close()
    raise AssertionError("ten attempts were not enough")


def add_one(connection: psycopg.Connection[Any]) -> None:
    connection.execute("UPDATE account SET balance = balance + 1 WHERE id = 7")


@pytest.mark.parametrize("code", ["OC000", "OC001"])
def test_a_retry_loop_of_psycopg_ran(served: Server, admin: psycopg.Connection[Any], code: str) -> None:
    number = inject(admin, f"'{code}', times => 3, table_name => 'account'")
    assert with_retries(served.dsn, add_one) == 3
    assert counted(admin, number) == (3, 3)
    assert balance(admin) == 1


def test_a_retry_loop_of_asyncpg_ran(served: Server, admin: psycopg.Connection[Any]) -> None:
    asyncio.run(retry_with_asyncpg(served, admin))


async def retry_with_asyncpg(served: Server, admin: psycopg.Connection[Any]) -> None:
    where = {"host": "127.0.0.1", "port": served.port, "user": "admin", "database": "postgres", "ssl": False}
    connection = await asyncpg.connect(**where)
    number = inject(admin, f"'OC000', nth => 2, times => 2, pid => {connection.get_server_pid()}")
    losses = 0
    try:
        for _ in range(2):
            while True:
                try:
                    async with connection.transaction():
                        await connection.execute("UPDATE account SET balance = balance + 1 WHERE id = $1", 7)
                    break
                except asyncpg.SerializationError:
                    losses += 1
    finally:
        await connection.close()
    assert losses == 2
    assert counted(admin, number) == (3, 2), "the last commit finds it used up"
    assert balance(admin) == 2


@pytest.mark.parametrize(("kind", "expected"), [("drop_before_commit", 1), ("drop_after_commit", 2)])
def test_a_connection_drops_and_only_the_data_tells_when(
    served: Server, admin: psycopg.Connection[Any], kind: str, expected: int
) -> None:
    number = inject(admin, f"'{kind}'")
    assert with_retries(served.dsn, add_one) == 1
    assert counted(admin, number) == (1, 1)
    assert balance(admin) == expected, "a retry that does not look counts a committed transaction twice"


def test_a_dropped_connection_has_said_nothing(served: Server, admin: psycopg.Connection[Any]) -> None:
    inject(admin, "'drop_after_commit'")
    with psycopg.connect(served.dsn, autocommit=True) as connection:
        with pytest.raises(psycopg.OperationalError) as raised:
            add_one(connection)
        assert raised.value.sqlstate is None
        assert connection.closed
    assert balance(admin) == 1


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("token_expired", "unable to accept connection, access denied"),
        ("too_many_connections", "Unable to accept connection, too many open connections."),
        ("connection_rate", "Unable to accept connection, rate exceeded."),
        ("waking_up", "unable to accept connection, waking up cluster, please retry later"),
    ],
)
def test_the_next_logins_fail(served: Server, admin: psycopg.Connection[Any], kind: str, text: str) -> None:
    number = inject(admin, f"'{kind}', times => 2")
    for _ in range(2):
        with pytest.raises(psycopg.OperationalError, match=text):
            psycopg.connect(served.dsn)
    with psycopg.connect(served.dsn):
        pass
    assert counted(admin, number) == (2, 2)


@pytest.mark.parametrize("kind", ["size_limit", "row_limit", "age_limit"])
def test_a_limit_is_hit_once(served: Server, admin: psycopg.Connection[Any], kind: str) -> None:
    number = inject(admin, f"'{kind}', role => 'admin', table_name => 'public.account'")
    with psycopg.connect(served.dsn) as connection:
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            add_one(connection)
            connection.commit()
        connection.rollback()
        add_one(connection)
    assert counted(admin, number) == (1, 1)
    assert balance(admin) == 1


def test_statements_become_slow(served: Server, admin: psycopg.Connection[Any]) -> None:
    with psycopg.connect(served.dsn, autocommit=True) as connection:
        pid = connection.info.backend_pid
        number = inject(admin, f"'slow', ms => 30, jitter_ms => 5, times => NULL, pid => {pid}")
        began = time.monotonic()
        for _ in range(3):
            connection.execute("SELECT balance FROM account WHERE id = %s", (7,))
        elapsed_ms = 1000 * (time.monotonic() - began)
    assert elapsed_ms >= 3 * 25  # a timer may be a few milliseconds early
    assert counted(admin, number) == (3, 3)


def test_an_index_job_fails_and_its_retry_does_not(admin: psycopg.Connection[Any]) -> None:
    number = inject(admin, "'index_job_fails', table_name => 'account'")
    results = []
    for _ in range(2):
        job = admin.execute("CREATE INDEX ASYNC ix ON account (balance)").fetchone()
        assert job is not None
        results.append(admin.execute(f"CALL sys.wait_for_job('{job[0]}')").fetchone())
        with suppress(psycopg.errors.SerializationFailure):
            admin.execute("SELECT * FROM account")  # meets the changed table
        admin.execute("DROP INDEX ix")
    assert results == [(False,), (True,)]
    assert counted(admin, number) == (1, 1)


def test_a_conflict_names_its_winner_and_is_kept(served: Server, admin: psycopg.Connection[Any]) -> None:
    with psycopg.connect(served.dsn) as loser:
        pid = loser.info.backend_pid
        add_one(loser)
        add_one(admin)
        found = admin.execute(
            "SELECT rows_written, usename FROM opendsql.transactions WHERE pid = %s",
            (pid,),
        ).fetchone()
        with pytest.raises(psycopg.errors.SerializationFailure) as raised:
            loser.commit()
    assert found == (1, "admin")
    kept = admin.execute(
        "SELECT key, winner_transaction_id, pid, winner_commit_ts > start_ts FROM opendsql.conflicts"
        " ORDER BY conflicted_at DESC LIMIT 1"
    ).fetchone()
    assert kept is not None
    assert (kept[0], *kept[2:]) == ("(id)=(7)", pid, True)
    detail = raised.value.diag.message_detail
    assert detail is not None
    assert detail.startswith(f"Transaction {kept[1]}, which committed at ")
    assert detail.endswith('came first: key (id)=(7) of table "public.account".')


def test_a_suspended_transaction_is_seen_too(tmp_path: Path) -> None:
    options = ("--router", "--suspend-seconds", "0.05", "--data", str(tmp_path))
    for server in running(*options):
        with psycopg.connect(server.dsn, autocommit=True) as admin, psycopg.connect(server.dsn) as idle:
            admin.execute("CREATE TABLE account (id int PRIMARY KEY)")
            idle.execute("INSERT INTO account VALUES (1), (2)")
            state = ""
            while state != "idle in transaction (suspended)":
                row = admin.execute(
                    "SELECT state, rows_written, bytes_written > 0 FROM opendsql.transactions WHERE pid = %s",
                    (idle.info.backend_pid,),
                ).fetchone()
                assert row is not None
                assert row[1:] == (2, True)
                state = row[0]


def test_others_see_their_own_and_inject_nothing(served: Server, admin: psycopg.Connection[Any]) -> None:
    admin.execute("DROP ROLE IF EXISTS app")
    admin.execute("CREATE ROLE app WITH LOGIN")
    with psycopg.connect(served.dsn, user="app", autocommit=True) as app:
        inject(admin, "'OC000'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("CALL opendsql.inject('OC000')")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("CALL opendsql.remove_injections()")
        shown = [
            app.execute(f"SELECT count(*) FROM opendsql.{view}").fetchone()
            for view in ("injections", "hot_keys", "conflicts", "transactions")
        ]
    assert shown == [(0,), (0,), (0,), (1,)]


def test_from_the_command_line(served: Server, data: Path, admin: psycopg.Connection[Any]) -> None:
    def run(*arguments: str) -> list[Any]:
        command = [sys.executable, "-m", "opendsql", "inject", "--data", str(data), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return [json.loads(line) for line in done.stdout.splitlines()]

    (made,) = run("OC000", "--table", "account")
    assert with_retries(served.dsn, add_one) == 1
    (listed,) = run("--list")
    assert (listed["id"], listed["table"], listed["matched"], listed["fired"]) == (
        made["id"],
        "account",
        1,
        1,
    )
    assert run("--remove", str(made["id"])) == [{"removed": 1}]
    assert run("--remove-all") == [{"removed": 0}]


def test_a_server_without_injections_and_reasons() -> None:
    for server in running("--memory", "--no-injections", "--no-conflict-detail"):
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            with pytest.raises(psycopg.errors.FeatureNotSupported, match="takes no injections"):
                connection.execute("CALL opendsql.inject('OC000')")
            assert connection.execute("SHOW opendsql.conflict_detail").fetchone() == ("off",)
