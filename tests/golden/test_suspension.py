"""The golden scripts, plainly and with every session moved at every boundary: the same bytes (DESIGN §10, P2)."""

import re
from pathlib import Path

import pytest

from tests import moving
from tests.golden.test_scripts import SCRIPTS, STATEMENT

WANDERING = re.compile(r"pg_stat_activity|pg_backend_pid", re.IGNORECASE)


def steps_of(text: str) -> list[moving.Step]:
    """What the sessions of a script say."""
    steps: list[moving.Step] = []
    for block in re.split(r"\n{2,}", text.strip("\n")):
        lines = [line for line in block.partition("\n----")[0].splitlines() if not line.startswith("#")]
        place = 0
        while place < len(lines):
            found = STATEMENT.fullmatch(lines[place])
            assert found is not None
            place += 1
            rest = []
            while place < len(lines) and lines[place].startswith("  "):
                rest.append(lines[place][2:])
                place += 1
            said = found[2]
            if re.search(r"\bfrom stdin\b", said, re.IGNORECASE):
                said += "\n" + "".join(each.replace("\\t", "\t") + "\n" for each in rest)
            else:
                said = "\n".join([said, *rest])
            steps.append((found[1], said))
    return steps


def is_alike(path: Path) -> bool:
    """Whether two runs of a script give the same answers: winners of conflicts have other ids and times in each."""
    return path.stem != "reasons"


@pytest.mark.slow
@pytest.mark.parametrize("path", [*filter(is_alike, SCRIPTS)], ids=lambda path: path.stem)
def test_script(path: Path, tmp_path: Path) -> None:
    text = path.read_text()
    assert not WANDERING.search(text)
    steps = steps_of(text)
    rebase = "# server: strict\n" not in text
    moves = []

    def watch(clients: dict[str, moving.Client]) -> None:
        moves.append(sum(client.moves for client in clients.values()))

    plain = moving.play(tmp_path / "plain", steps, moving=False, rebase=rebase)
    moved = moving.play(tmp_path / "moved", steps, moving=True, rebase=rebase, watch=watch)
    for step, before, after in zip(steps, plain, moved, strict=False):
        assert after == before, step
    assert len(plain) == len(moved)
    assert moves[0] > 0
