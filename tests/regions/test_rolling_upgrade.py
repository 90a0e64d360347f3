"""One region after the other is given another build, while money goes on moving through both endpoints."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from server.runtime.region.local_cluster import ask_node
from server.runtime.region.requests import MoveRange, Status
from server.runtime.requests import AuditJournal, Refused
from server.runtime.topology import one_machine
from server.runtime.topology.model import Node, Topology
from tests.regions import bank
from tests.regions.cluster import EAST, WEST
from tests.regions.from_topology import members, node_command, running, topology_of
from tests.serving_process import ROOT, opendsql

if "OPENDSQL_REGIONS" not in os.environ:
    pytest.skip("takes minutes: make test-regions", allow_module_level=True)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

HANG_S = 120.0
LOOK_S = 0.1
NEXT = "0.1.0.post7"
"""The version of the build that is rolled out."""
PACKAGES = ("opendsql", "journal", "adjudicator", "storage", "server")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory into which a wheel of this tree is installed, as another version."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    project = (ROOT / "pyproject.toml").read_text()
    assert project.count('\nversion = "') == 1
    before, rest = project.split('\nversion = "', 1)
    (source / "pyproject.toml").write_text(f'{before}\nversion = "{NEXT}"{rest[rest.index(chr(10)) :]}')
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-build-isolation", "--target", str(target), str(source)]
    subprocess.run(command, check=True, timeout=HANG_S)
    return target


class Cluster:
    """The nodes of a topology, started and stopped by region; each of its first ones has an endpoint."""

    def __init__(self, topology: Topology, file: Path, stack: ExitStack) -> None:
        self.topology = topology
        self.data = file.parent
        self._file = file
        self._stack = stack
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self.dsns = {
            node.region: f"postgresql://admin@127.0.0.1:{node.clients}/postgres?sslmode=disable"
            for node in topology.nodes
            if node.clients is not None
        }

    def of(self, region: str) -> list[Node]:
        return [node for node in self.topology.nodes if node.region == region]

    def start(self, *regions: str, build: Path | None = None) -> None:
        """All of their nodes, from this tree or from the installed `build`; returns when they are ready."""
        nodes = [node for region in regions for node in self.of(region)]
        environment, directory = dict(os.environ), ROOT
        if build is not None:
            environment["PYTHONPATH"], directory = str(build), self.data
        for node in nodes:
            self._processes[node.id] = self._stack.enter_context(
                running(node_command(self._file, node), self._log(node), directory, environment)
            )
        for node in nodes:
            stdout = self._processes[node.id].stdout
            assert stdout is not None
            assert stdout.readline().startswith("ready "), self._log(node).read_text()[-3000:]

    def stop(self, region: str) -> None:
        """As an operator does; returns when its processes have ended."""
        processes = [self._processes[node.id] for node in self.of(region)]
        for process in processes:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(HANG_S) for process in processes] == [0] * len(processes)

    async def until(self, node: Node, holds: Callable[[dict[str, Any]], bool]) -> None:
        """Returns when it holds for the node's status."""
        limit = time.monotonic() + HANG_S
        while not holds(found := (await ask_node(self.data / node.id, Status()))[0]):
            assert time.monotonic() < limit, found
            await asyncio.sleep(LOOK_S)

    async def move(self, region: str, journal: int, table: str) -> None:
        """Also a range that has just come from elsewhere."""
        limit = time.monotonic() + HANG_S
        while True:
            try:
                await ask_node(self.data / self.of(region)[0].id, MoveRange(journal, table))
                return
            except Refused as error:
                assert time.monotonic() < limit, error
                await asyncio.sleep(LOOK_S)

    def _log(self, node: Node) -> Path:
        return self.data / f"{node.id}.log"


def is_whole(found: dict[str, Any]) -> bool:
    """Of a region's node: both regions are in service."""
    return bool(found["state"] == "serving" and len(found["regions"]["active"]) == 2)


async def roll(cluster: Cluster, running: bank.Bank, region: str, other: str, build: Path) -> None:
    """Both go on with transfers; those in `region` lose their connections and come back."""
    await asyncio.to_thread(cluster.stop, region)
    await running.commits(other)
    await asyncio.to_thread(cluster.start, region, build=build)
    for each in (region, other):
        await cluster.until(cluster.of(each)[0], is_whole)
    for each in (region, other):
        await running.commits(each)
    new = {node.id for node in cluster.of(region)}
    for node in cluster.of(region):
        await cluster.until(node, lambda found: bool(found["version"] == NEXT))
    await cluster.until(
        cluster.of(other)[0],
        lambda found: {peer["build"] for peer in found["peers"] if peer["node"] in new} == {NEXT},
    )


def test_nodes_of_two_builds_are_one_cluster_and_nothing_is_lost(tmp_path: Path, installed: Path) -> None:
    if shutil.which("etcd") is None:
        pytest.skip("no etcd here (Debian's etcd-server)")
    topology, file = topology_of(tmp_path), tmp_path / "topology.toml"
    file.write_text(one_machine.to_toml(topology))
    assert opendsql("topology", "certificates", file).returncode == 0
    ledger = bank.Ledger()

    async def work(cluster: Cluster) -> None:
        await bank.create(cluster.dsns[EAST])
        await cluster.move(EAST, 1, "bank_west")
        async with bank.Bank(cluster.dsns, ledger) as load:
            for region in (EAST, WEST):
                await load.commits(region)
            await roll(cluster, load, EAST, WEST, installed)
            await roll(cluster, load, WEST, EAST, installed)
        hashes = {await bank.check(dsn, ledger) for dsn in cluster.dsns.values()}
        assert len(hashes) == 1 and ledger.sums
        for region in (EAST, WEST):
            (proved,) = await ask_node(tmp_path / cluster.of(region)[0].id, AuditJournal())
            assert proved["ok"] and proved["commits"], proved

    with ExitStack() as stack:
        members(topology, tmp_path, stack)
        cluster = Cluster(topology, file, stack)
        cluster.start(EAST, WEST)
        asyncio.run(work(cluster))
