"""A golden script per limit of dsql-reference §4: limits/*.test, by a server with lower limits.

They are `LOWERED`, or what the script's first line says: `# limits: NAME=VALUE ...`.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.golden.test_scripts import compare, run_script
from tests.server import Server, empty, running

SCRIPTS = sorted((Path(__file__).parent / "limits").glob("*.test"))
LOWERED = (
    "transaction_rows=4 transaction_bytes=1048576 query_memory_bytes=4194304 row_bytes=400000 "
    "column_bytes=300000 key_bytes=102 declared_key_bytes=100 columns_per_key=2 columns_per_table=4 "
    "indexes_per_table=3 schemas=1 tables=2"
)
_OWN = "# limits: "
Servers: TypeAlias = dict[str, Server]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """By their limits, started when they are asked for."""
    with ExitStack() as ends:

        class Started(Servers):
            def __missing__(self, limits: str) -> Server:
                options = [option for limit in limits.split() for option in ("--limit", limit)]
                server = contextmanager(running)("--memory", "--no-conflict-detail", *options)
                self[limits] = ends.enter_context(server)
                return self[limits]

        yield Started()


@pytest.mark.slow
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path, servers: Servers, request: pytest.FixtureRequest) -> None:
    text = path.read_text()
    first = text.partition("\n")[0]
    dsn = servers[first.removeprefix(_OWN) if first.startswith(_OWN) else LOWERED].dsn
    try:
        seen = run_script(text, dsn)
    finally:
        if not first.startswith(_OWN):
            empty(dsn)
    compare(path, text, seen, rewrite=request.config.getoption("--rewrite"))
