"""What a batch of runs must have done: a workload that never does what it is for tests nothing."""

import pytest

from tests.sim.explore import explore
from tests.sim.workloads import KINDS

SEEDS = range(900_000, 900_040)
LEAST = {
    "range split under load": ("ranges moved", 20),
    "journals that come and go": ("journals added", 5),
    "owners replaced": ("take-overs", 50),
    "transactions of several owners": ("votes for others", 300),
    "hot row": ("hot_row committed", 30),
    "schema change under load": ("schema_change committed", 2),
    "those who used the old schema": ("SCHEMA", 10),
    "long readers": ("long_reader committed", 20),
    "readers near the edge of what is kept": ("reads near the edge", 20),
    "readers beyond it": ("reads TOO_OLD", 5),
    "transactions beyond the age limit": ("too old for COMMIT", 5),
    "scans over shards": ("scans", 200),
    "index entries that move": ("indexed committed", 20),
    "journals trimmed": ("trims", 50),
    "snapshots loaded": ("snapshots loaded", 2),
    "power cuts": ("power cuts", 5),
    "disks gone on with": ("disks gone on with", 5),
    "disks given up": ("disks given up", 3),
}


@pytest.fixture(scope="module")
def runs():
    return explore(SEEDS, "general")


def test_no_violations(runs):
    assert runs[0] == []


@pytest.mark.parametrize("what", sorted(LEAST))
def test_the_runs_do(runs, what):
    name, least = LEAST[what]
    assert runs[1].get(name, 0) >= least


def test_every_workload_commits_or_only_reads(runs):
    readers = {"audit", "index_audit", "range_reader"}
    never = {kind.__name__ for kind in KINDS if not runs[1].get(f"{kind.__name__} committed")}
    assert never == readers


def test_conflicts_without_a_conflict_are_few(runs):
    """A11: counted, and bounded over many runs."""
    finished = runs[1]["Committed"] + runs[1]["CONFLICT"]
    assert runs[1]["false CONFLICT"] <= finished // 10
