"""`opendsql node start`: the regions' nodes, a storage node and an adjudicator from a topology's file, with etcd's
members by TLS and clocks that have a bound."""

import asyncio
import itertools
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from server.runtime.clocks.choice import ClockChoice
from server.runtime.region.local_etcd import free_ports
from server.runtime.topology import one_machine
from server.runtime.topology.model import Journal, Node, Topology
from tests.serving_process import PROGRAM, ROOT, opendsql

pytestmark = pytest.mark.timeout(240)

EAST, WEST, WITNESS = "us-east-1", "us-west-2", "us-east-2"
STORE = "us-west-2-store"
ADJUDICATOR = "us-east-1-adjudicator"
HANG_S = 60.0
BOUND_MS = 5.0


@contextmanager
def running(
    command: list[str], log: Path, directory: Path = ROOT, environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """A process in `directory` whose standard error goes to `log`; ended at the end."""
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            command, cwd=directory, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def topology_of(directory: Path) -> Topology:
    """The rows of the second region lie on a storage node; an adjudicator owns the first one's journal."""
    ports = iter(free_ports(12))
    found = one_machine.make("bank", (EAST, WEST), WITNESS, directory, lambda: next(ports))
    secured = [
        Journal(
            each.number,
            each.leader,
            {
                region: url.replace("http://127.0.0.1", "https://localhost")
                for region, url in each.etcd.items()
            },
        )
        for each in found.journals
    ]
    clock = ClockChoice("constant", bound_ms=BOUND_MS)
    store = Node(STORE, WEST, "127.0.0.1", next(ports), ("storage",))
    adjudicator = Node(ADJUDICATOR, EAST, "127.0.0.1", next(ports), ("adjudicator",))
    (shard,) = found.shards
    return replace(
        found,
        nodes=(*found.nodes, store, adjudicator),
        journals=tuple(secured),
        shards=(replace(shard, replicas={**shard.replicas, WEST: (STORE,)}),),
        clock=clock,
    )


def members(topology: Topology, directory: Path, stack: ExitStack) -> None:
    """As docs/regions.md starts them."""
    for journal in topology.journals:
        peers = dict(zip(journal.etcd, (f"https://localhost:{port}" for port in free_ports(3))))
        for region, url in journal.etcd.items():
            certificate = topology.certificates / "etcd" / region
            name = f"journal-{journal.number}-{region}"
            command = ["etcd", "--name", region, "--data-dir", str(directory / name)]
            command += ["--listen-client-urls", f"https://127.0.0.1:{urlsplit(url).port}"]
            command += ["--advertise-client-urls", url, "--initial-advertise-peer-urls", peers[region]]
            command += ["--listen-peer-urls", peers[region].replace("localhost", "127.0.0.1")]
            command += ["--initial-cluster", ",".join(itertools.starmap("{}={}".format, peers.items()))]
            for side in ("", "peer-"):
                command += [
                    f"--{side}cert-file",
                    f"{certificate}.pem",
                    f"--{side}key-file",
                    f"{certificate}.key",
                ]
                command += [f"--{side}client-cert-auth", f"--{side}trusted-ca-file"]
                command += [str(topology.certificates / "ca.pem")]
            stack.enter_context(
                running([*command, "--logger", "zap", "--log-level", "warn"], directory / f"{name}.log")
            )


def node_command(file: Path, node: Node) -> list[str]:
    return [
        *(sys.executable, "-c", PROGRAM, "node", "start", str(file), "--node", node.id),
        *("--data", str(file.parent / node.id)),
    ]


def test_nodes_from_one_file_are_one_database(tmp_path: Path) -> None:
    if shutil.which("etcd") is None:
        pytest.skip("no etcd here (Debian's etcd-server)")
    topology = topology_of(tmp_path)
    file = tmp_path / "topology.toml"
    file.write_text(one_machine.to_toml(topology))
    made = opendsql("topology", "certificates", str(file))
    assert made.returncode == 0, made.stderr
    with ExitStack() as stack:
        members(topology, tmp_path, stack)
        nodes = [
            stack.enter_context(running(node_command(file, node), tmp_path / f"{node.id}.log"))
            for node in topology.nodes
        ]
        for node, process in zip(topology.nodes, nodes):
            assert process.stdout is not None
            line = process.stdout.readline()
            log = (tmp_path / f"{node.id}.log").read_text()[-3000:]
            at = node.id if node.clients is None else f"postgresql://admin@127.0.0.1:{node.clients}/postgres"
            assert line == f"ready {at}\n", log

        asyncio.run(asyncio.wait_for(use(topology), HANG_S))

        first = topology.nodes[0]
        shown = opendsql("status", "--data", str(tmp_path / first.id)).stdout
        assert f"clock_bound_ms        {BOUND_MS}" in shown
        stored = json.loads(opendsql("status", "--json", "--data", str(tmp_path / STORE)).stdout)
        assert stored["state"] == "serving"
        assert stored["shards"][0]["answered"] > 0
        owning = json.loads(opendsql("status", "--json", "--data", str(tmp_path / ADJUDICATOR)).stdout)
        assert owning["state"] == "serving"
        assert owning["journals"][0]["is_owner"] and owning["journals"][0]["committed"] > 0
        again = subprocess.run(
            node_command(file, first), cwd=ROOT, capture_output=True, text=True, timeout=HANG_S
        )
        assert (again.returncode, "in use" in again.stderr) == (3, True)
        for process in nodes:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(HANG_S) for process in nodes] == [0] * len(nodes)
    refused = opendsql("status", "--data", str(tmp_path / first.id))
    assert refused.returncode == 1
    assert "is a region's node's, which does not run" in refused.stderr


async def repeated(connection: asyncpg.Connection, statement: str) -> None:
    """As any client does: where processes have to wait, a region may be taken for lost, and owners change."""
    while True:
        try:
            await connection.execute(statement)
            return
        except asyncpg.SerializationError:
            await asyncio.sleep(0.1)


async def use(topology: Topology) -> None:
    ports = [node.clients for node in topology.nodes if node.clients is not None]
    east, west = [
        await asyncpg.connect(host="127.0.0.1", port=port, user="admin", database="postgres")
        for port in ports
    ]
    await repeated(east, "create table account (id int primary key, balance int)")
    await repeated(west, "insert into account values (1, 100)")
    losing = east.transaction()
    await losing.start()
    await east.execute("update account set balance = balance - 30 where id = 1")
    await repeated(west, "update account set balance = balance - 50 where id = 1")
    with pytest.raises(asyncpg.SerializationError, match="OC000"):
        await losing.commit()
    assert await east.fetchval("select balance from account") == 50
    assert await west.fetchval("select balance from account") == 50
    for connection in (east, west):
        await connection.close()
