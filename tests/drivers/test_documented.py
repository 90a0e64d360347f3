"""The examples of docs/testing.md, run as they stand there: drivers, SQLAlchemy, Django, and AWS's adapters."""

from pathlib import Path

import pytest

from tests.documented import examples, passes

pytestmark = pytest.mark.slow
EXAMPLES = examples("testing.md")
PSYCOPG_ALONE = """

def transfer_with_retries(db):
    while True:
        try:
            return db.execute("INSERT INTO account VALUES (1, 100)")
        except psycopg.errors.SerializationFailure:
            pass
"""
"""The application that the first example speaks of."""


def test_there_is_one_for_each() -> None:
    assert sorted(EXAMPLES) == [
        "test_with_asyncpg",
        "test_with_aws_dialect",
        "test_with_django",
        "test_with_psycopg",
        "test_with_sqlalchemy",
    ]


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_passes(name: str, tmp_path: Path) -> None:
    passes(tmp_path, EXAMPLES[name] + (PSYCOPG_ALONE if name == "test_with_psycopg" else ""))


@pytest.mark.parametrize("name", ["test_with_sqlalchemy", "test_with_django"])
def test_it_fails_without_its_retries(name: str, tmp_path: Path) -> None:
    """The fault is met, and nothing but the example's loop gets over it."""
    source = EXAMPLES[name].replace('sqlstate != "40001"', "sqlstate")
    with pytest.raises(AssertionError, match=r"change conflicts with another transaction \(OC000\)"):
        passes(tmp_path, source)
