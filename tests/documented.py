"""What stands in the documentation is what runs: the Python of its pages, each block a test module of its own."""

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HANG_S = 240
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TEST = re.compile(r"^def (test_\w+)\(", re.MULTILINE)
_NOTHING_OF_AWS = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null"}


def examples(page: str) -> dict[str, str]:
    """The blocks of a page that are test modules, by the names of their first tests."""
    blocks = _BLOCK.findall((ROOT / "docs" / page).read_text())
    return {found[1]: block for block in blocks if (found := _TEST.search(block)) is not None}


def passes(directory: Path, source: str) -> None:
    """Run a test module in a pytest of its own, with the fixtures of OpenDSQL, warnings being errors."""
    (directory / "test_documented.py").write_text(source)
    plugin = [] if entry_points(group="pytest11", name="opendsql") else ["-p", "opendsql.pytest_plugin"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, "-p", "no:cacheprovider", "-q", "-W", "error", "."],
        cwd=directory,
        env={**os.environ, **_NOTHING_OF_AWS, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
