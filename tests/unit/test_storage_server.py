"""A storage node with its connections: fed by the region's node, asked by it, looked at by operators."""

import asyncio
import datetime
import time

import pytest

from journal.record import MARKERS
from server.runtime.clocks.choice import ClockChoice
from server.runtime.net.asking import Refused
from server.runtime.net.identity import Identity, issue
from server.runtime.region import joining, requests, wire
from server.runtime.region.config import STORAGE_ALONE, NodeAddress, NodeConfig, ShardPlaces
from server.runtime.region.local_etcd import free_ports
from server.runtime.region.metrics_storage import replicas
from server.runtime.region.supplying import Supplying
from server.runtime.requests import Refused as NotDone
from server.runtime.storage_node import offering
from server.runtime.storage_node.digest import digest
from server.runtime.storage_node.offering import NOTHING, Offering
from server.runtime.storage_node.serving import StorageServer
from server.runtime.waiting import outcome
from storage.replica import Replica, StoredRows
from tests.region_nodes import EAST, SPLIT, WEST, Nodes
from tests.regions.in_process import HANG_S
from tests.storage_nodes import Reply
from tests.unit.test_keeping import FAR, NEAR, commit, until

STORE, FOREIGN = "us-east-1-storage-1-1", "us-west-2-storage-1-1"


def config(tmp_path, node, addresses):
    region = WEST if node == FOREIGN else EAST
    return NodeConfig(
        cluster="local",
        node=node,
        region=region,
        data=str(tmp_path / f"{node}-process"),
        host="127.0.0.1",
        port=0,
        certificates=str(tmp_path / "certificates"),
        nodes=addresses,
        regions=[EAST, WEST],
        witness="us-east-2",
        journals=[],
        clock=ClockChoice("shared", directory=tmp_path),
        shards=[ShardPlaces(b"", SPLIT, (STORE,)), ShardPlaces(SPLIT, None, (STORE,))],
    )


class Running:
    """The region's node of `Nodes` with a transport, and a storage node with both shards."""

    def __init__(self, tmp_path, nodes):
        ports = iter(free_ports(3))
        addresses = [
            NodeAddress(EAST, EAST, "127.0.0.1", next(ports)),
            NodeAddress(STORE, EAST, "127.0.0.1", next(ports), STORAGE_ALONE),
        ]
        identities = [Identity("local", each.region, each.node) for each in addresses]
        issue(tmp_path / "certificates", identities, datetime.datetime.now(datetime.UTC))
        self.failures = []
        self.head = config(tmp_path, EAST, addresses)
        self.transport = joining.transport_of(self.head, joining.faults_of(self.head), self.failures.append)
        self.supplying = Supplying(
            self.transport, tmp_path / "head", lambda: nodes.nodes[EAST], time.time_ns, self.failures.append
        )
        (tmp_path / f"{STORE}-process").mkdir(exist_ok=True)
        self.server = StorageServer(config(tmp_path, STORE, addresses))

    async def __aenter__(self):
        await joining.join(self.transport, self.head)
        async with asyncio.timeout(HANG_S):
            await self.server.start()
        await until(lambda: self.transport.is_connected(STORE))
        return self

    async def __aexit__(self, *_):
        await self.server.stop()
        await self.supplying.stop()
        await self.transport.stop()
        assert self.failures == []
        assert self.server.failure is None

    async def ask(self, message):
        return await outcome(self.transport.ask(STORE, message, HANG_S))

    async def operate(self, request):
        lines = []

        async def emit(line):
            lines.append(line)

        await self.server.perform(request, emit)
        return lines


def run(tmp_path, work):
    async def all_of_it():
        async with Nodes(tmp_path) as nodes, Running(tmp_path, nodes) as running:
            await work(nodes.nodes[EAST], running)

    asyncio.run(all_of_it())


def test_it_answers_its_region_and_says_how_it_is(tmp_path):
    async def work(east, running):
        ts = await commit(east, NEAR + b"1", b"1")
        ts = max(ts, await commit(east, FAR + b"2", b"2"))
        assert await running.ask(wire.ReadWanted(ts, (NEAR + b"1", NEAR + b"2"))) == wire.ReadFound(
            (b"1", None)
        )
        found = await running.ask(wire.ScanWanted(ts, FAR, MARKERS))
        assert [(key, row) for key, _ts, row in found.rows] == [(FAR + b"2", b"2")]
        assert (await running.ask(wire.RangeWanted(NEAR, FAR))) == NOTHING
        assert (await running.ask(wire.RangePieceWanted(NEAR, FAR, 1, 0))) == wire.SnapshotPiece(b"")
        for outside in (wire.ReadWanted(ts, (NEAR, FAR)), wire.ScanWanted(ts, NEAR, FAR)):
            with pytest.raises(Refused, match="no shard here"):
                await running.ask(outside)
        (status,) = await running.operate(requests.Status())
        assert status["state"] == "serving"
        assert [(each["low"], each["answered"]) for each in status["shards"]] == [("", 1), (SPLIT.hex(), 1)]
        hashes = await running.operate(requests.ContentHash(ts))
        for found, (lo, hi) in zip(hashes, ((b"", SPLIT), (SPLIT, MARKERS)), strict=True):
            assert found["hash"] == (await digest(east.versions, lo, hi, ts)).hash
        families = {each.name: each for each in replicas(running.server.replicas, time.time_ns())}
        answered = families["opendsql_shard_reads_answered"].samples
        assert [(each.labels["shard"], each.value) for each in answered] == [("", 1.0), (SPLIT.hex(), 1.0)]

    run(tmp_path, work)


def test_it_says_which_build_it_is_also_when_another_was_installed_since(tmp_path, monkeypatch):
    async def work(_east, running):
        (before,) = await running.operate(requests.Status())
        monkeypatch.setattr("importlib.metadata.version", lambda _name: "another")
        (status,) = await running.operate(requests.Status())
        assert status["version"] == before["version"] != "another"

    run(tmp_path, work)


def test_a_hash_of_a_time_that_does_not_come_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("server.runtime.storage_node.digest.WAIT_S", 0.01)

    async def work(_east, running):
        with pytest.raises(NotDone, match="complete to"):
            await running.operate(requests.ContentHash(time.time_ns() + 10**12))

    run(tmp_path, work)


def test_what_it_has_no_more_is_removed(tmp_path):
    old = tmp_path / f"{STORE}-process" / "shards" / "7"
    old.mkdir(parents=True)

    async def work(_east, running):
        assert not old.exists()
        assert sorted(each.name for each in old.parent.iterdir()) == ["0", "1"]

    run(tmp_path, work)


def test_rows_do_not_cross_regions_for_a_replica(tmp_path):
    class Heard:
        me = Identity("local", EAST, EAST)

        def __init__(self):
            self.handlers = {}

        def on_ask(self, kind, handler):
            self.handlers[kind] = handler

    async def work():
        transport = Heard()
        supplying = Supplying(transport, tmp_path, lambda: None, time.time_ns, pytest.fail)
        for message in (wire.RangeWanted(b"", SPLIT), wire.RangePieceWanted(b"", SPLIT, 1, 0)):
            reply = Reply()
            transport.handlers[type(message)](Identity("local", WEST, FOREIGN), message, reply)
            assert isinstance(reply.wait.error, Refused)
            reply = Reply()
            transport.handlers[type(message)](Identity("local", EAST, STORE), message, reply)
            assert reply.wait.error is None
        await supplying.stop()

    asyncio.run(work())


def test_a_snapshot_is_not_replaced_under_its_reader_and_not_kept_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(offering, "FRESH_S", 0.0)
    monkeypatch.setattr(offering, "KEPT_S", 0.05)

    async def offered(made):
        reply = Reply()
        made.wanted(wire.RangeWanted(b"", SPLIT), reply)
        async with asyncio.timeout(HANG_S):
            return await outcome(reply.wait)

    async def work(east, _running):
        await commit(east, NEAR + b"1", b"1")
        rows = StoredRows(Replica.open(tmp_path / "rows"))
        made = Offering(tmp_path / "ranges", lambda _lo, _hi: rows, time.time_ns, pytest.fail)
        assert await offered(made) == NOTHING
        made = Offering(tmp_path / "ranges", lambda _lo, _hi: east.following.rows, time.time_ns, pytest.fail)
        first = await offered(made)
        assert await offered(made) == first
        assert made.written == 1
        await until(lambda: not list((tmp_path / "ranges").iterdir()))
        assert (await offered(made)).size
        assert made.written == 2
        rows.replica.close()

    run(tmp_path, work)
