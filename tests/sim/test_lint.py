"""Cores and simulation have no clock, no chance and no order that depends on a hash seed."""

import ast

import pytest

from tests.unit.test_imports import ROOT, imports

CORES = [
    "journal/appender.py",
    "journal/crossbar.py",
    "journal/encoding.py",
    "journal/journal.py",
    "journal/memory_log.py",
    "journal/record.py",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "adjudicator").glob("*.py")),
    "storage/shard.py",
    "server/session/coordinator.py",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests/sim").rglob("*.py")),
]
BANNED = {"time", "random", "asyncio", "socket", "threading", "secrets", "datetime", "uuid"}
ALLOWED = {"tests/sim/__main__.py": {"time"}}
"""The command line reports how long it took."""


def set_iterations(tree):
    """Loops over what is plainly a set: a display, a comprehension, a call, or a union of such."""
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.comprehension) and is_set(node.iter):
            yield node.iter.lineno


def is_set(node):
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in ("set", "frozenset")
    return isinstance(node, ast.BinOp) and (is_set(node.left) or is_set(node.right))


@pytest.mark.parametrize("name", CORES)
def test_cores_are_deterministic(name):
    tree = ast.parse((ROOT / name).read_text())
    tops = {module.split(".")[0] for module, _line in imports(tree)}
    assert tops & (BANNED - ALLOWED.get(name, set())) == set()
    assert list(set_iterations(tree)) == []
    calls = [
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    assert "hash" not in calls
    assert "id" not in calls


@pytest.mark.parametrize(
    "source", ["for x in {1, 2}: f(x)", "[x for x in set(y)]", "for x in set(a) | b: f(x)"]
)
def test_a_loop_over_a_set_is_found(source):
    assert len(list(set_iterations(ast.parse(source)))) == 1
