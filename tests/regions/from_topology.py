"""What `opendsql node start` needs of a machine: a topology's file, etcd's members by TLS, and a process per node."""

import itertools
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from server.runtime.clocks.choice import ClockChoice
from server.runtime.region.local_etcd import free_ports
from server.runtime.topology import one_machine
from server.runtime.topology.model import Journal, Node, Topology
from tests.regions.cluster import EAST, WEST, WITNESS
from tests.serving_process import PROGRAM, ROOT

STORE = "us-west-2-store"
ADJUDICATOR = "us-east-1-adjudicator"
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
