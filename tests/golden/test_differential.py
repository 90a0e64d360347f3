"""Every statement of sql/*.sql answers as PostgreSQL does: rows, names, types, tags, errors and positions."""

from pathlib import Path

import pytest

from tests.differential import Pair, read_statements
from tests.postgres import Postgres
from tests.server import Server, empty

FILES = sorted((Path(__file__).parent / "sql").glob("*.sql"))


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file(path: Path, shared_server: Server, postgres: Postgres) -> None:
    empty(shared_server.dsn)
    postgres.reset()
    pair = Pair(shared_server.dsn, postgres.dsn)
    wrong = []
    statements = read_statements(path.read_text())
    for statement in statements:
        found = pair.compare(statement)
        if found:
            wrong.append("\n".join([f"{path.name}:{statement.line}: {statement.sql}", *found]))
    pair.close()
    assert not wrong, "\n\n".join([f"{len(wrong)} of {len(statements)} differ", *wrong])
