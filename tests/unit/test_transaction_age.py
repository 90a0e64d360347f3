"""The age limit, by a clock of ours: 54000 at the next statement or at COMMIT (dsql-reference §4, DESIGN §4)."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from server.runtime.node import Node
from server.session import transaction
from tests.sessions import Client, run

TOO_OLD = "ERROR 54000 transaction age limit of 300s exceeded"
ABORTED = "ERROR 25P02 current transaction is aborted, commands ignored until end of transaction block"


class Time(SimpleNamespace):
    """A stand-in for the module `time`: both clocks stand until `advance`."""

    now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def time_ns(self) -> int:
        return 1_700_000_000 * 10**9 + int(self.now * 10**9)

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(transaction, "time", made)
    return made


def first_lines(answers: list[object]) -> list[object]:
    """Errors without their detail."""
    return [each.split("\n")[0] if isinstance(each, str) else each for each in answers]


def scenario(tmp_path: Path, work: Callable[[Client], Awaitable[None]]) -> None:
    async def main(node: Node) -> None:
        client = Client(node)
        await client.query("CREATE TABLE t (id int PRIMARY KEY)")
        await client.query("BEGIN")
        await client.query("SELECT * FROM t")
        await work(client)

    run(tmp_path, main)


def test_exactly_the_limit_is_young_enough(tmp_path: Path, clock: Time) -> None:
    async def work(client: Client) -> None:
        clock.advance(300)
        assert await client.query("INSERT INTO t VALUES (1)") == ["INSERT 0 1"]
        assert await client.query("COMMIT") == ["COMMIT"]

    scenario(tmp_path, work)


@pytest.mark.parametrize(
    "sql", ["SELECT * FROM t", "SELECT 1", "INSERT INTO t VALUES (1)", "CREATE TABLE u (a int)"]
)
def test_the_next_statement_fails(tmp_path: Path, clock: Time, sql: str) -> None:
    async def work(client: Client) -> None:
        clock.advance(301)
        assert first_lines(await client.query(sql)) == [TOO_OLD]
        assert first_lines(await client.query("SELECT 1")) == [ABORTED]
        assert await client.query("COMMIT") == ["ROLLBACK"]
        assert await client.query("SELECT 1") == [("1",), "SELECT 1"]

    scenario(tmp_path, work)


@pytest.mark.parametrize("before", ["INSERT INTO t VALUES (1)", "SELECT * FROM t FOR UPDATE", "SELECT 1"])
def test_commit_fails(tmp_path: Path, clock: Time, before: str) -> None:
    async def work(client: Client) -> None:
        await client.query(before)
        clock.advance(301)
        assert first_lines(await client.query("COMMIT")) == [TOO_OLD]
        assert client.status == "I"
        assert await client.query("SELECT count(*) FROM t") == [("0",), "SELECT 1"]

    scenario(tmp_path, work)


def test_rollback_succeeds(tmp_path: Path, clock: Time) -> None:
    async def work(client: Client) -> None:
        clock.advance(301)
        assert await client.query("ROLLBACK") == ["ROLLBACK"]

    scenario(tmp_path, work)


def test_a_prepared_statement_fails_too(tmp_path: Path, clock: Time) -> None:
    async def work(client: Client) -> None:
        clock.advance(301)
        assert first_lines(await client.extended("SELECT * FROM t WHERE id = 1")) == [TOO_OLD]

    scenario(tmp_path, work)


def test_an_idle_session_is_not_old(tmp_path: Path, clock: Time) -> None:
    async def work(client: Client) -> None:
        await client.query("COMMIT")
        clock.advance(100_000)
        assert await client.query("INSERT INTO t VALUES (1)") == ["INSERT 0 1"]
        await client.query("BEGIN")
        assert await client.query("SELECT count(*) FROM t") == [("1",), "SELECT 1"]

    scenario(tmp_path, work)
