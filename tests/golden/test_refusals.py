"""Refusals, one per line: tests/golden/refusals/*.txt, a file per table of dsql-reference.

    observed | 0A000 | unsupported statement: Truncate | TRUNCATE t

How the text is known, SQLSTATE, text, and the statement (or several, as one simple query). The first word is that of
the table of refusals, or where PostgreSQL's own error is the answer, of the reference. `pytest --rewrite` records.
"""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pygwire import messages as pg

from server.runtime.node import Node
from server.sql import ast_walk, refusals
from server.sql.parse import parse
from server.sql.refusal import ASSUMED, DOCUMENTED, OBSERVED, OURS, Refusal
from tests.sessions import Client, extended, run

FILES = sorted((Path(__file__).parent / "refusals").glob("*.txt"))
SETUP = (
    "CREATE SCHEMA s",
    "CREATE ROLE r WITH LOGIN",
    "CREATE ROLE q",
    "CREATE TABLE t (id int PRIMARY KEY, v int, w text, j jsonb, CONSTRAINT t_check CHECK (v < 100))",
    "CREATE TABLE u (id int PRIMARY KEY)",
    "CREATE TABLE filled (id int PRIMARY KEY)",
    "INSERT INTO filled VALUES (1)",
    "CREATE INDEX ASYNC ON t (v)",
)
ABORTED = "ERROR 25P02 current transaction is aborted, commands ignored until end of transaction block"


class Line:
    """One line of a file."""

    def __init__(self, text: str) -> None:
        self.evidence, self.sqlstate, self.message, self.statement = text.split(" | ", 3)

    @property
    def error(self) -> str:
        return f"ERROR {self.sqlstate} {self.message}"

    def __str__(self) -> str:
        return " | ".join((self.evidence, self.sqlstate, self.message, self.statement))


def lines(path: Path) -> list[Line]:
    return [Line(text) for text in path.read_text().splitlines() if text and not text.startswith("#")]


LINES = [line for path in FILES for line in lines(path)]


async def ready(node: Node) -> Client:
    """A client of a node that has what the statements speak of."""
    client = Client(node)
    for statement in SETUP:
        answers = await client.query(statement)
    (job,) = answers[0]
    await client.query(f"CALL sys.wait_for_job('{job}')")
    return client


@pytest.fixture
def fired(monkeypatch: pytest.MonkeyPatch) -> list[Refusal]:
    """The refusals that were raised, in order."""
    found: list[Refusal] = []
    error = Refusal.error

    def recorded(self: Refusal, shown: str = "") -> Any:
        found.append(self)
        return error(self, shown)

    monkeypatch.setattr(Refusal, "error", recorded)
    return found


def each(tmp_path: Path, check: Callable[[Client, Line], Awaitable[list[str]]]) -> None:
    """Every line, all on one node: what `check` finds wrong fails the test, and so does a changed catalog."""

    async def work(node: Node) -> list[str]:
        client = await ready(node)
        catalog = node.catalog(node.default_cluster)
        wrong = []
        for line in LINES:
            wrong += [f"{line}: {what}" for what in await check(client, line)]
            if node.catalog(node.default_cluster) is not catalog or client.status != "I":
                wrong.append(f"{line}: left something behind")
        return wrong

    assert run(tmp_path, work) == []


def parts(statement: str) -> list[str]:
    return [parsed.text for parsed in parse(statement)] if "; " in statement else [statement]


def differs(seen: object, wanted: object) -> list[str]:
    return [] if seen == wanted else [f"{seen}"]


def test_outside_a_block(tmp_path: Path, fired: list[Refusal], request: pytest.FixtureRequest) -> None:
    """The error and its mark; nothing else happens, and the session goes on."""
    recorded: list[str] = []

    async def check(client: Client, line: Line) -> list[str]:
        fired.clear()
        answers = await client.query(line.statement)
        marks = [refusal.evidence for refusal in fired] or [line.evidence]
        _error, sqlstate, message = answers[-1].split(" ", 2)
        recorded.append(" | ".join((marks[0], sqlstate, message, line.statement)))
        if request.config.getoption("--rewrite"):
            return []
        after = await client.query("SELECT 1")
        return differs(recorded[-1], str(line)) + differs(after, [("1",), "SELECT 1"])

    each(tmp_path, check)
    if request.config.getoption("--rewrite"):
        rest = iter(recorded)
        for path in FILES:
            kept = [
                next(rest) if text and not text.startswith("#") else text
                for text in path.read_text().splitlines()
            ]
            path.write_text("\n".join(kept) + "\n")


def test_in_a_block(tmp_path: Path) -> None:
    """It aborts the block, 25P02 outranks it, COMMIT answers ROLLBACK; a syntax error outranks 25P02."""

    async def check(client: Client, line: Line) -> list[str]:
        await client.query("BEGIN")
        first = await client.query(line.statement)
        status = client.status
        again = await client.query(line.statement)
        end = await client.query("COMMIT")
        wanted = line.error if line.sqlstate == "42601" else ABORTED
        if line.statement.startswith(("COMMIT AND", "ROLLBACK AND")):
            wanted = line.error
        return (
            differs(first[-1], line.error)
            + differs(status, "E")
            + differs(again, [wanted])
            + differs(end, ["ROLLBACK"])
        )

    each(tmp_path, check)


def test_in_the_extended_protocol(tmp_path: Path) -> None:
    async def check(client: Client, line: Line) -> list[str]:
        sent: list[pg.PGMessage] = []
        for statement in parts(line.statement):
            sent += extended(statement)
        answers = await client.send(*sent, pg.Sync())
        after = await client.extended("SELECT 1")
        return differs(answers[-1], line.error) + differs(after, [("1",), "SELECT 1"])

    each(tmp_path, check)


def test_marks_are_those_of_the_reference() -> None:
    assert {line.evidence for line in LINES} <= {OBSERVED, DOCUMENTED, ASSUMED, OURS}
    ours = [line for line in LINES if (line.evidence == OURS) != line.message.startswith("OpenDSQL ")]
    assert [str(line) for line in ours] == []


def shapes(statement: str) -> Iterator[tuple[int, str | None]]:
    """Which refusals the nodes of a statement have, and of which kind these nodes are."""
    for parsed in parse(statement):
        for node in ast_walk.walk(parsed.statement):
            refusal = refusals.find(node)
            if refusal is not None:
                yield id(refusal), refusals.kind_of(node) if refusal.kinds else None


def test_every_refusal_has_a_line(tmp_path: Path, fired: list[Refusal]) -> None:
    """Every entry of the table was raised, and for every kind of node that it names."""
    raised: set[int] = set()
    kinds: set[tuple[int, str | None]] = set()

    async def check(client: Client, line: Line) -> list[str]:
        fired.clear()
        await client.query(line.statement)
        if fired:
            raised.add(id(fired[0]))
            kinds.update(shape for shape in shapes(line.statement) if shape[0] == id(fired[0]))
        return []

    each(tmp_path, check)
    assert [refusal.text for refusal in refusals.TABLE if id(refusal) not in raised] == []
    missing = [
        (refusal.text, kind)
        for refusal in refusals.TABLE
        for kind in refusal.kinds
        if refusal.unless is None and (id(refusal), kind) not in kinds
    ]
    assert missing == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'CREATE TRIGGER', 'TRUNCATE t', 'SAVEPOINT s'",
        'SELECT 1 AS "LISTEN", 2 AS truncate, 3 AS savepoint -- VACUUM',
        "/* CREATE EXTENSION x; */ SELECT $$ DO $$ AS prepare",
        "DROP TRIGGER IF EXISTS x ON t",
        "DROP TRIGGER IF EXISTS x ON nosuchtable CASCADE",
        "ALTER TABLE t DISABLE TRIGGER ALL",
        "ALTER TABLE t ENABLE TRIGGER USER",
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE; COMMIT AND NO CHAIN",
        "DEALLOCATE ALL",
        "DEALLOCATE PREPARE ALL",
        "SET CONSTRAINTS ALL DEFERRED",
        "ANALYZE t",
        "COMMENT ON TABLE t IS 'x'",
        "ALTER INDEX t_v_idx RENAME TO other",
        "CREATE TABLE x (v text STORAGE external) WITHOUT OIDS",
    ],
)
def test_what_only_looks_like_it(tmp_path: Path, sql: str) -> None:
    async def work(node: Node) -> list[Any]:
        return await (await ready(node)).query(sql)

    answers = run(tmp_path, work)
    assert [answer for answer in answers if str(answer).startswith("ERROR")] == []


def test_what_dsql_supports_says_since_when() -> None:
    later = [refusal for refusal in refusals.TABLE if refusal.evidence == OURS and refusal.since]
    assert {refusal.error().detail for refusal in later} == {
        f"Aurora DSQL supports it since {refusal.since}." for refusal in later
    }
    assert [each.text for each in refusals.TABLE if each.evidence != OURS and each.error().detail] == []


def test_analyze_in_a_block(tmp_path: Path) -> None:
    """Not a refusal of the feature, so PostgreSQL's code (dsql-reference §1.8)."""

    async def work(node: Node) -> list[Any]:
        client = await ready(node)
        await client.query("BEGIN")
        return await client.query("ANALYZE t") + await client.query("COMMIT")

    assert run(tmp_path, work) == ["ERROR 25001 ANALYZE cannot run inside a transaction block", "ROLLBACK"]
