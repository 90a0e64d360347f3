"""`opendsql node start`: the regions' nodes, a storage node and an adjudicator from a topology's file, with etcd's
members by TLS and clocks that have a bound."""

import asyncio
import json
import shutil
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import pytest

from server.runtime.topology import one_machine
from server.runtime.topology.model import Topology
from tests.regions.clients import done
from tests.regions.from_topology import (
    ADJUDICATOR,
    BOUND_MS,
    STORE,
    members,
    node_command,
    running,
    topology_of,
)
from tests.serving_process import ROOT, opendsql

pytestmark = pytest.mark.timeout(240)

HANG_S = 60.0


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


async def use(topology: Topology) -> None:
    ports = [node.clients for node in topology.nodes if node.clients is not None]
    east, west = [
        await asyncpg.connect(host="127.0.0.1", port=port, user="admin", database="postgres")
        for port in ports
    ]
    await done(east, "create table account (id int primary key, balance int)")
    await done(west, "insert into account values (1, 100)")
    losing = east.transaction()
    await losing.start()
    await east.execute("update account set balance = balance - 30 where id = 1")
    await done(west, "update account set balance = balance - 50 where id = 1")
    with pytest.raises(asyncpg.SerializationError, match="OC000"):
        await losing.commit()
    assert await east.fetchval("select balance from account") == 50
    assert await west.fetchval("select balance from account") == 50
    for connection in (east, west):
        await connection.close()
