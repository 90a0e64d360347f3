"""Random expressions with ranges answer as PostgreSQL's do (tests/random_ranges.py); a failure prints the statement."""

import pytest

from tests.differential import Pair, Statement
from tests.postgres import Postgres
from tests.random_ranges import Generator
from tests.server import Server

STATEMENTS = 150


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_ranges(seed: int, shared_server: Server, postgres: Postgres) -> None:
    if postgres.version != 16:
        pytest.skip("range_agg of multiranges is PostgreSQL 16's")
    generator = Generator(seed)
    pair = Pair(shared_server.dsn, postgres.dsn)
    try:
        for _ in range(STATEMENTS):
            sql = generator.statement()
            found = pair.compare(Statement(sql, 0))
            assert not found, "\n".join([f"seed {seed}: {sql}", *found])
    finally:
        pair.close()
