"""Whole clusters from seeds: fresh ones, those that once found something, and the same one twice."""

import os
import subprocess
import sys
from shutil import which

import pytest

from tests.sim.checkers import WriteSkew
from tests.sim.cluster import Cluster
from tests.sim.explore import explore, run
from tests.sim.faults import Faults
from tests.sim.profiles import PROFILES, of_seed
from tests.sim.table import ROOT, digest
from tests.sim.workloads import skew

PIECES = 10
SEEDS = 10
"""Per piece."""
FOUND = {
    "released-below-what-others-decided": ("general", 10),
    "ended-and-removed-at-one-time": ("general", 350),
    "resumed-behind-an-end-1": ("general", 216),
    "resumed-behind-an-end-2": ("general", 270),
    "resumed-behind-an-end-3": ("general", 318),
    "resumed-behind-an-end-4": ("general", 328),
    "resumed-behind-an-end-5": ("general", 371),
    "acquired-behind-an-end-1": ("general", 10058),
    "acquired-behind-an-end-2": ("general", 87),
    "acquired-behind-an-end-3": ("general", 30019),
    "rebuilt-from-between-a-move": ("general", 30051),
    "replayed-behind-an-acquisition": ("general", 40059),
    "restated-before-reserving": ("general", 5033),
    "schema-changed-below-its-users": ("general", 5037),
    "denied-what-was-trimmed": ("replays", 18),
}
"""They found it when they were fresh (docs/simulation.md)."""


@pytest.mark.parametrize("piece", range(PIECES))
def test_fresh_seeds(piece):
    """Other seeds whenever the code is another, the same ones for the same code."""
    first = digest() + piece * SEEDS
    found, counts, _skews = explore(range(first, first + SEEDS))
    assert found == []
    assert counts["Committed"] > 100
    assert counts["CONFLICT"] > 10


@pytest.mark.parametrize("name", sorted(FOUND))
def test_seeds_that_found_something(name):
    profile, seed = FOUND[name]
    assert explore([seed], profile)[0] == []


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_runs_of_each_kind_hold_and_do_something(name):
    found, counts, _skews = explore(range(2), name)
    assert found == []
    assert counts["Committed"] > 10


def test_seeds_take_turns_with_the_kinds_of_runs():
    assert {of_seed(seed) for seed in range(20)} == set(PROFILES)
    assert [of_seed(seed) for seed in range(0, 20, 2)] == ["general"] * 10


def test_write_skew_is_seen():
    """A simulation in which it never happens would not tell snapshot isolation from serializability."""
    cluster = Cluster(1, faults=Faults(), kinds=(skew,)).run()
    assert cluster.observers.checker(WriteSkew).seen > 0


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
