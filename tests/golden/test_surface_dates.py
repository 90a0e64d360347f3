"""`--surface DATE`: surfaces/DATE.txt, written as tests/golden/test_refusals.py says, on a server of that day."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.runtime.node import Node
from server.sql import dates, refusals
from server.sql.refusal import Refusal
from server.sql.refusal_history import HISTORY
from tests.golden.test_refusals import Line, fired, lines
from tests.sessions import Client, run

__all__ = ["fired"]

FILES = sorted((Path(__file__).parent / "surfaces").glob("*.txt"))
SETUP = (
    "CREATE ROLE r WITH LOGIN",
    "CREATE ROLE q",
    "CREATE TABLE t (id int PRIMARY KEY, v int, w text, CONSTRAINT t_check CHECK (v < 100))",
    "CREATE TABLE u (id int PRIMARY KEY)",
)


@pytest.fixture(autouse=True)
def today_again() -> Iterator[None]:
    yield
    refusals.as_of(None)


def answered(tmp_path: Path, path: Path, fired: list[Refusal]) -> list[tuple[Line, Refusal | None]]:
    """The lines of a file as they are answered on its day, and by which refusal."""

    async def work(node: Node) -> list[tuple[Line, Refusal | None]]:
        refusals.as_of(None)
        client = Client(node)
        for statement in SETUP:
            await client.query(statement)
        refusals.as_of(path.stem)
        found: list[tuple[Line, Refusal | None]] = []
        for line in lines(path):
            fired.clear()
            _error, sqlstate, message = (await client.query(line.statement))[-1].split(" ", 2)
            raised = fired[0] if fired else None
            mark = raised.evidence if raised is not None else line.evidence
            found.append((Line(" | ".join((mark, sqlstate, message, line.statement))), raised))
        return found

    return run(tmp_path, work)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_day(path: Path, tmp_path: Path, fired: list[Refusal], request: pytest.FixtureRequest) -> None:
    found = [str(line) for line, _refusal in answered(tmp_path, path, fired)]
    if request.config.getoption("--rewrite"):
        path.write_text("\n".join([path.read_text().splitlines()[0], *found]) + "\n")
    assert found == [str(line) for line in lines(path)]


def test_everything_that_came_later_has_a_line(tmp_path: Path, fired: list[Refusal]) -> None:
    raised = set()
    for path in FILES:
        raised |= {id(refusal) for _line, refusal in answered(tmp_path / path.stem, path, fired)}
    assert [each.text for each in HISTORY if id(each) not in raised] == []


def test_what_came_before_that_day_is_there(tmp_path: Path) -> None:
    async def work(node: Node) -> list[str]:
        refusals.as_of("2026-08-26")
        client = Client(node)
        answers = []
        for statement in (
            "CREATE TABLE p (id int PRIMARY KEY, j jsonb, n numeric(1000, 5) UNIQUE)",
            "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p)",
            "SELECT 1 FROM p, c FOR UPDATE",
            "SELECT 1 FROM p WHERE j IS NULL FOR KEY SHARE",
        ):
            answers += await client.query(statement)
        return answers

    assert run(tmp_path, work) == ["CREATE TABLE", "CREATE TABLE", "SELECT 0", "SELECT 0"]


def test_a_lock_by_the_whole_key_was_always_there(tmp_path: Path) -> None:
    async def work(node: Node) -> list[str]:
        client = Client(node)
        await client.query("CREATE TABLE t (a int, b int, c int, PRIMARY KEY (a, b))")
        refusals.as_of("2025-06-01")
        return await client.query("SELECT c FROM t WHERE a = 1 AND b = 2 AND c > 3 FOR UPDATE")

    assert run(tmp_path, work) == ["SELECT 0"]


@pytest.mark.parametrize("text", ["2026-08", "yesterday", "2026-02-30", "2024-12-02"])
def test_what_is_no_day_of_dsql(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a date|no Aurora DSQL before 2024-12-03"):
        dates.checked(text)
