"""Who imports whom, and where third-party packages, sockets and the loop may be used (DESIGN §2)."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("journal", "adjudicator", "storage", "server", "opendsql")
MAY_IMPORT = {
    "journal": {"journal"},
    "adjudicator": {"adjudicator", "journal"},
    "storage": {"storage", "journal"},
    "server": {"server", "adjudicator", "storage", "journal"},
    "opendsql": {"opendsql", "server"},
}
THIRD_PARTY = {
    "lmdb": ("journal/lmdb_log.py", "storage/lmdb_"),
    "sqlglot": ("server/sql/dialect.py",),
    "msgspec": ("journal/", "adjudicator/", "storage/", "server/"),
    "pygwire": ("server/pgwire/",),
    "cryptography": ("server/runtime/certificates.py",),
    "click": ("server/main.py", "server/cli_", "server/surface.py"),
    "uvloop": ("server/runtime/",),
    "re2": ("server/sql/regex_re2.py",),
    "greenlet": ("server/sql/turns.py", "server/session/stacks.py"),
    "grpc": ("journal/etcd_grpc.py",),
    "botocore": ("server/runtime/backup/s3.py",),
    "pytest": ("opendsql/pytest_plugin.py",),
    "prometheus_client": ("server/runtime/metrics", "server/runtime/region/metrics"),
}
DISTRIBUTIONS = {"re2": "google-re2", "grpc": "grpcio", "prometheus_client": "prometheus-client"}
"""Where the package index has another name for it."""
STANDARD = {
    "asyncio": (
        "server/runtime/",
        "server/cli_",
        "journal/etcd_client.py",
        "journal/etcd_grpc.py",
        "journal/etcd_log.py",
    ),
    "socket": ("server/runtime/", "server/cli_", "opendsql/testing.py"),
    "ssl": ("server/runtime/",),
    "threading": ("server/runtime/",),
    "subprocess": ("server/runtime/", "opendsql/testing.py"),
    "fcntl": ("server/runtime/",),
}
"""Beginnings of the paths that may import them; what is not named may be imported anywhere."""


def modules() -> Iterator[Path]:
    for part in PARTS:
        yield from sorted((ROOT / part).rglob("*.py"))


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every imported module with its line, wherever in the file it is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or ""), node.lineno


def faults(path: str, source: str) -> list[str]:
    """What a module at `path` (from the root) imports and must not."""
    part = path.split("/")[0]
    found = []
    for name, line in imports(ast.parse(source)):
        top = name.split(".")[0]
        if not top:
            found.append(f"{path}:{line}: relative import")
        elif top in PARTS:
            if top not in MAY_IMPORT[part]:
                found.append(f"{path}:{line}: {part} imports {top}")
        elif top in THIRD_PARTY or top in STANDARD:
            places = THIRD_PARTY.get(top) or STANDARD[top]
            if not path.startswith(places):
                found.append(f"{path}:{line}: {top} is not imported here")
        elif top not in sys.stdlib_module_names:
            found.append(f"{path}:{line}: {top} is not a dependency")
    return found


@pytest.mark.parametrize("part", PARTS)
def test_every_module(part):
    found = []
    for path in modules():
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(f"{part}/"):
            found += faults(name, path.read_text())
    assert found == []


def test_what_is_imported_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *chain(*project.get("optional-dependencies", {}).values())]
    declared = {re.split(r"[\[<>=~; ]", each)[0].lower() for each in wanted}
    tops = {name.split(".")[0] for path in modules() for name, _line in imports(ast.parse(path.read_text()))}
    imported = {DISTRIBUTIONS.get(top, top) for top in tops & THIRD_PARTY.keys()}
    assert imported - declared == set()


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("storage/x.py", "from adjudicator.window import Window"),
        ("adjudicator/x.py", "import storage.replica"),
        ("journal/x.py", "def f():\n    from server import main"),
        ("server/session/x.py", "import lmdb"),
        ("journal/etcd_log.py", "import grpc.aio"),
        ("journal/etcd_core.py", "import asyncio"),
        ("server/sql/x.py", "import asyncio"),
        ("server/sql/bind_x.py", "from sqlglot import exp"),
        ("storage/x.py", "from . import replica"),
        ("server/x.py", "import requests"),
    ],
)
def test_a_fault_is_found(path, source):
    assert len(faults(path, source)) == 1


def test_one_machine_does_not_load_grpc():
    """It is an extra, which costs time and memory at the start."""
    source = "import sys, server.main, server.runtime.serving; sys.exit('grpc' in sys.modules)"
    subprocess.run([sys.executable, "-c", source], cwd=ROOT, check=True, timeout=60)


@pytest.mark.parametrize("command", ["cli_operate", "cli_inject", "cli_clusters"])
def test_an_operators_command_loads_neither_sql_nor_what_it_asks(command):
    """It would take seconds on a busy machine."""
    unwanted = "'server.sql.ast', 'server.runtime.region.local_cluster', 'cryptography', 'grpc'"
    source = f"import sys, server.main, server.{command}; sys.exit(bool({{{unwanted}}} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", source], cwd=ROOT, check=True, timeout=60)
