"""The simulation too has no clock, no effects and no order that depends on a hash seed."""

import ast

import pytest

from tests.purity import findings
from tests.unit.test_imports import ROOT

MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "tests/sim").rglob("*.py")
    if not path.name.startswith("test_")
)
SHELL = {
    "tests/sim/__main__.py": {"sys", "time", "concurrent.futures"},
    "tests/sim/table.py": {"time", "concurrent.futures", "multiprocessing", "pathlib"},
}
"""The command line and the search report how long they took."""


@pytest.mark.parametrize("name", MODULES)
def test_the_simulation_is_deterministic(name):
    allowed = {f"import {module}" for module in SHELL.get(name, ())}
    found = findings(ast.parse((ROOT / name).read_text()))
    assert [each for each in found if each.split(": ")[1] not in allowed] == []
