"""DDL, ON CONFLICT and COPY's options: tags, notices, errors and chosen names are PostgreSQL's."""

from pathlib import Path

import pytest

from tests.postgres import Postgres
from tests.server import Answer, Wire
from tests.sessions import Client, run

STATEMENTS = [line for line in (Path(__file__).parent / "ddl.sql").read_text().splitlines() if line]


def _shown(answers: list[Answer]) -> list[object]:
    shown: list[object] = []
    for answer in answers:
        if answer.sqlstate:
            shown.append(f"ERROR {answer.sqlstate} {answer.message}")
            continue
        shown += [tuple(None if value is None else value.decode() for value in row) for row in answer.rows]
        shown.append(answer.tag)
    return shown


def _theirs(wire: Wire, statement: str) -> list[object]:
    wire.notices.clear()
    answers = _shown(wire.simple(statement))
    return [f"{severity} {sqlstate} {message}" for severity, sqlstate, message in wire.notices] + answers


async def _ours(client: Client, statement: str) -> list[object]:
    """CREATE INDEX is asynchronous here, and is waited for."""
    if not statement.startswith("create index"):
        return await client.query(statement)
    answers = await client.query(statement.replace("index", "index async"))
    if isinstance(answers[0], tuple):
        (job,) = answers.pop(0)
        await client.query(f"CALL sys.wait_for_job('{job}')")
    return answers


@pytest.mark.slow
def test_ddl(postgres: Postgres, tmp_path: Path) -> None:
    found = []

    async def work(node):
        client = Client(node)
        wire.simple("create schema ddl; set search_path = ddl")
        await client.query("create schema ddl")
        await client.query("set search_path = ddl")
        for statement in STATEMENTS:
            theirs, ours = _theirs(wire, statement), await _ours(client, statement)
            if ours != theirs:
                found.append((statement, theirs, ours))

    wire = Wire(postgres.dsn)
    try:
        run(tmp_path, work)
    finally:
        wire.simple("drop schema ddl cascade; drop role if exists r1, r2")
        wire.close()
    assert found == []
