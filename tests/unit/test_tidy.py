"""How large modules and functions may be, and what cores never touch (DESIGN §3)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.purity import findings
from tests.unit.test_imports import ROOT, modules

MODULE_LINES = 600
FUNCTION_LINES = 70
TABLES = {"server/sql/ast.py", "server/sql/tree.py"}
"""Modules that only declare: plain node types, one after the other."""
CORES = (
    "adjudicator/",
    "journal/appender.py",
    "journal/audit.py",
    "journal/broken.py",
    "journal/crossbar.py",
    "journal/encoding.py",
    "journal/etcd_core.py",
    "journal/etcd_members.py",
    "journal/journal.py",
    "journal/memory_log.py",
    "journal/record.py",
    "journal/trimming.py",
    "server/runtime/region/assigning.py",
    "server/session/coordinator.py",
    "server/session/reader.py",
    "server/testing/conflicts.py",
    "server/testing/injections.py",
    "storage/keycode.py",
    "storage/longkey.py",
    "storage/mvcc.py",
    "storage/rowcode.py",
    "storage/shard.py",
    "storage/trust.py",
)
"""Rules without effects: tests/purity.py says what they must not do."""
EDGE = "server/pgwire/connection.py"
"""The one place that catches `Exception`: a defect fails one transaction (style: kinds of errors)."""

SOURCES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in modules()}
TREES = {name: ast.parse(source) for name, source in SOURCES.items()}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_modules_are_short():
    lines = {name: source.count("\n") for name, source in SOURCES.items() if name not in TABLES}
    assert {name: count for name, count in lines.items() if count > MODULE_LINES} == {}


def test_functions_are_short():
    found = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in TREES.items()
        for node in functions(tree)
        if (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES
    ]
    assert found == []


def test_every_module_says_what_it_is():
    assert [name for name, tree in TREES.items() if not ast.get_docstring(tree)] == []


def test_public_classes_of_the_stores_say_what_they_are():
    found = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in TREES.items()
        if name.startswith(("journal/", "adjudicator/", "storage/", "server/runtime/"))
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert found == []


@pytest.mark.parametrize("name", [name for name in SOURCES if name.startswith(CORES)])
def test_cores_have_no_clock_disk_or_chance(name):
    assert findings(TREES[name]) == []


def test_cores_exist():
    missing = [core for core in CORES if not any(name.startswith(core) for name in SOURCES)]
    assert missing == []


def test_exception_is_caught_in_one_place():
    found = [
        f"{name}:{node.lineno}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
        and name != EDGE
    ]
    assert found == []


def test_nothing_is_left_to_do():
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert [name for name, source in SOURCES.items() if marks.search(source)] == []


def test_no_module_is_a_drawer():
    drawers = {"utils.py", "helpers.py", "common.py", "misc.py", "util.py"}
    assert [name for name in SOURCES if Path(name).name in drawers] == []


def test_paths_named_in_the_architecture_exist():
    page = ROOT / "ARCHITECTURE.md"
    text = page.read_text() if page.exists() else ""
    named = set(
        re.findall(r"`((?:journal|adjudicator|storage|server|tests|docker|opendsql)/[\w./-]*)`", text)
    )
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
