"""Whole clusters from seeds: fresh ones, and the same one twice."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import which
from zlib import crc32

import pytest

from tests.sim.explore import explore, run

ROOT = Path(__file__).parents[2]


def fresh():
    """Other seeds whenever the code is another, the same ones for the same code."""
    parts = [
        *(ROOT / "adjudicator").glob("*.py"),
        *(ROOT / "journal").glob("*.py"),
        ROOT / "storage/shard.py",
    ]
    return crc32(b"".join(path.read_bytes() for path in sorted(parts)))


def test_fresh_seeds():
    first = fresh()
    found, counts, skews = explore(range(first, first + 20))
    assert found == []
    assert counts["Committed"] > 200
    assert counts["CONFLICT"] > 20
    assert skews > 0, "a run that never sees write skew does not test snapshot isolation"


def test_a_seed_gives_the_same_run_whatever_the_hash_seed():
    script = "from tests.sim.explore import run; print(run(7)[0].world.trace())"
    traces = []
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        traces.append(done.stdout)
    assert traces[0] == traces[1]


def test_a_seed_gives_the_same_run_on_another_python():
    script = "from tests.sim.explore import run; print(run(7)[0].world.trace())"
    mine = f"{run(7)[0].world.trace()}\n"
    version = f"python3.{sys.version_info.minor}"
    others = [each for each in ("python3.11", "python3.12", "python3.13", "python3.14") if each != version]
    for other in others:
        path = which(other)
        if path is None or subprocess.run([path, "-c", "import msgspec"], capture_output=True).returncode:
            continue
        done = subprocess.run([path, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout == mine
        return
    pytest.skip("no second Python with msgspec")
