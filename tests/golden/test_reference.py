"""What an application sees of Aurora DSQL, row by row: reference/*.test, a file per table of dsql-reference.

    # observed | rows modified per transaction      how it is known, and a row of the table
    # see tests/golden/limits/transaction_rows.test  what proves it elsewhere: a file, or FILE::TEST
    a> INSERT ...                                    statements and answers, as in tests/golden/scripts
    ----

A row has statements of its own, or something to see, or it is absent, and then a line says why. How it is known:
the words of the refusals (server.sql.refusal), and `absent` for what OpenDSQL has nothing of.
`pytest tests/golden --rewrite` records the answers. rows.txt lists all rows, so that none is lost unnoticed.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from server.sql.refusal import ASSUMED, DOCUMENTED, OBSERVED, OURS
from tests.golden.test_scripts import compare, run_script
from tests.server import Server, empty

HERE = Path(__file__).parent / "reference"
ROOT = HERE.parents[2]
TABLES = sorted(HERE.glob("*.test"))
ABSENT = "absent"
KNOWN = {OBSERVED, DOCUMENTED, ASSUMED, OURS, ABSENT}
_HEADING = re.compile(r"# (\w+) \| (.+)")
_SEE = re.compile(r"# see (\S+?)(?:::(\w+))?")


@dataclass(frozen=True)
class Row:
    """A block of a file that begins with a heading."""

    table: str
    evidence: str
    name: str
    comments: tuple[str, ...]
    has_statements: bool

    def __str__(self) -> str:
        return f"{self.table} | {self.evidence} | {self.name}"


def rows_of(path: Path) -> list[Row]:
    """The rows of a file; every block but its title and its setup is one."""
    found = []
    for block in re.split(r"\n{2,}", path.read_text().strip("\n"))[1:]:
        lines = block.partition("\n----")[0].splitlines()
        if lines[0] == "# setup":
            continue
        heading = _HEADING.fullmatch(lines[0])
        assert heading is not None, f"{path.name}: {lines[0]}"
        comments = tuple(line for line in lines[1:] if line.startswith("#"))
        found.append(Row(path.stem, heading[1], heading[2], comments, len(lines) > 1 + len(comments)))
    return found


ROWS = [row for path in TABLES for row in rows_of(path)]


@pytest.mark.slow
@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_table(path: Path, shared_server: Server, request: pytest.FixtureRequest) -> None:
    empty(shared_server.dsn)
    try:
        seen = run_script(path.read_text(), shared_server.dsn)
    finally:
        empty(shared_server.dsn)
    compare(path, path.read_text(), seen, rewrite=request.config.getoption("--rewrite"))


def test_no_row_is_lost() -> None:
    listed = (HERE / "rows.txt").read_text().splitlines()
    assert [str(row) for row in ROWS] == listed
    assert len({(row.table, row.name) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_is_proved(row: Row) -> None:
    assert row.evidence in KNOWN
    places = [found for line in row.comments if (found := _SEE.fullmatch(line)) is not None]
    assert row.has_statements or places or (row.evidence == ABSENT and row.comments)
    for place in places:
        file = ROOT / place[1]
        assert file.is_file(), place[1]
        assert not place[2] or re.search(rf"^(?:async )?def {place[2]}\(", file.read_text(), re.MULTILINE)
