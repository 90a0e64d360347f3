"""Every query of selects.sql answers as PostgreSQL does, over several sets of rows."""

from collections import Counter
from pathlib import Path

import pytest

from tests.postgres import Postgres
from tests.selecting import answer, expected, fill, load, make_data

QUERIES = [
    line
    for line in (Path(__file__).parent / "selects.sql").read_text().splitlines()
    if line and not line.startswith("--")
]


@pytest.mark.parametrize("seed", [1, 2])
def test_queries_answer_as_postgresql_does(postgres: Postgres, seed: int) -> None:
    data = make_data(seed)
    reads = load(data)
    wrong = []
    with postgres.connect() as connection:
        fill(connection, data)
        for line in QUERIES:
            ordered, sql = line.startswith("order:"), line.removeprefix("order:").strip()
            ours, theirs = answer(sql, reads), expected(sql, connection)
            if not ordered and isinstance(ours, list) and isinstance(theirs, list):
                ours, theirs = Counter(ours), Counter(theirs)
            if ours != theirs:
                wrong.append(f"{sql}\n  ours   {ours}\n  theirs {theirs}")
    assert not wrong, "\n".join([f"{len(wrong)} of {len(QUERIES)}", *wrong])
