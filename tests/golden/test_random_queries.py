"""Random statements answer as PostgreSQL does (tests/random_queries.py); a failure prints what repeats it."""

import pytest

from tests.differential import Pair, Statement
from tests.postgres import Postgres
from tests.random_queries import INDEXES, SCHEMA, Generator
from tests.server import Server, empty

STATEMENTS = 150


def parts(script: str) -> list[str]:
    return [each.strip() for each in script.split(";") if each.strip()]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
def test_random_statements(seed: int, shared_server: Server, postgres: Postgres) -> None:
    empty(shared_server.dsn)
    postgres.reset()
    generator = Generator(seed)
    pair = Pair(shared_server.dsn, postgres.dsn)
    try:
        for sql in parts(SCHEMA) + generator.rows() + (parts(INDEXES) if seed % 2 else []):
            assert pair.compare(Statement(sql, 0)) == [], f"seed {seed}: {sql}"
        # an index that became valid moves the catalog on: one OC001, then none
        for name in ("p", "q", "r"):
            pair.ours.simple(f"SELECT 1 FROM {name}")
        for _ in range(STATEMENTS):
            changes = generator.random.random() < 0.15
            sql = generator.modification() if changes else generator.statement()
            found = pair.compare(Statement(sql, 0, differs={"detail", "hint", "position"}))
            assert not found, "\n".join([f"seed {seed}: {sql}", *found])
    finally:
        pair.close()
