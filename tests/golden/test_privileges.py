"""Privileges: the scripts of privileges/*.sql, run by several roles, answer as PostgreSQL does.

    -- as NAME      who runs what follows, each on a connection of its own; admin in the beginning, which is the
                    superuser postgres there

A script's roles, schemas and tables are its own: nothing is emptied in between.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.differential import read_statements
from tests.users import Users

FILES = sorted((Path(__file__).parent / "privileges").glob("*.sql"))
AS = re.compile(r"^-- as (\w+)$", re.MULTILINE)


def parts(text: str) -> Iterator[tuple[str, int, str]]:
    """(user, number of lines before, text)."""
    pieces = AS.split("-- as admin\n" + text)
    line = -1
    for user, part in zip(pieces[1::2], pieces[2::2], strict=True):
        yield user, line, part
        line += part.count("\n")


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file(path: Path, users: Users) -> None:
    wrong = []
    count = 0
    for user, before, part in parts(path.read_text()):
        for statement in read_statements(part):
            count += 1
            found = users.compare(user, statement)
            if found:
                line = before + statement.line
                wrong.append("\n".join([f"{path.name}:{line}: {user}> {statement.sql}", *found]))
    assert not wrong, "\n\n".join([f"{len(wrong)} of {count} differ", *wrong])
