"""A storage node's process: replicas of shards of its region, and nothing else (started by server.runtime.region).

region's node ── fed ─────────▶ replicas (server.runtime.storage_node.replica), each on LMDB of its own
query processors ── read, scan ─▶ answers; other replicas ── range wanted ─▶ a snapshot to begin from
"""

import asyncio
import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from journal.record import MARKERS, Key, Timestamp
from server.runtime.clocks import choice
from server.runtime.control import ControlSocket
from server.runtime.net.asking import Question, Reply
from server.runtime.net.identity import Identity
from server.runtime.region import joining, wire
from server.runtime.region.config import NodeConfig
from server.runtime.region.edges import Edges
from server.runtime.region.requests import ContentHash, Fault, Status
from server.runtime.requests import Emit, Refused
from server.runtime.service import Service
from server.runtime.storage_node.answering import shard_of
from server.runtime.storage_node.digest import digest_when_complete
from server.runtime.storage_node.offering import NOTHING, Offering
from server.runtime.storage_node.replica import ShardReplica
from server.runtime.waiting import telling
from storage.mvcc import Versions
from storage.replica import RETENTION_NS

log = logging.getLogger("opendsql.storage")

TICK_S = 1.0

Request: TypeAlias = Status | Fault | ContentHash
_decode = msgspec.json.Decoder(Request).decode


class StorageServer(Service):
    """Replicas with their transport; no client connects to it."""

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(log)
        self.config = config
        self.started = time.monotonic()
        self.ready_after_s = 0.0
        self.faults = joining.faults_of(config)
        self.transport = joining.transport_of(config, self.faults, self.broken)
        self.edges = Edges(choice.make(config.clock), config.region, self.broken)
        data = Path(config.data)
        head = next(each.node for each in config.nodes if each.is_head and each.region == config.region)
        self.replicas = [
            ShardReplica(
                data / "shards" / str(number),
                shard.lo,
                MARKERS if shard.hi is None else shard.hi,
                self,
                head,
                [node for node in shard.replicas if node not in (config.node, head)],
                clock=self.edges.earliest,
                retention_ns=RETENTION_NS + config.limits.history_ns,
            )
            for number, shard in enumerate(config.shards)
            if config.node in shard.replicas
        ]
        self.offerings = [
            Offering(data / "ranges" / str(number), replica.offered, self.edges.earliest, self.broken)
            for number, replica in enumerate(self.replicas)
        ]
        for replica, offering in zip(self.replicas, self.offerings, strict=True):
            replica.ending = offering.stop
        self._kept = {
            str(number) for number, each in enumerate(config.shards) if config.node in each.replicas
        }
        self._tasks: list[asyncio.Task[None]] = []

    # --- start and end

    async def start(self) -> None:
        """Returns when every replica serves. Raises OSError, one of `WORLD_ERRORS`."""
        await self.edges.start()
        self._remove_others()
        self._listen_to_nodes()
        await joining.join(self.transport, self.config)
        self.control = ControlSocket(Path(self.config.data), self, self.broken, _decode)
        await self.control.start()
        if self.config.metrics is not None:
            await self._publish(*self.config.metrics)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(each.run()) for each in self.replicas]
        self._tasks.append(loop.create_task(self._tick()))
        for task in self._tasks:
            task.add_done_callback(telling(self.broken))
        await asyncio.gather(*(each.serving.wait() for each in self.replicas))
        self.ready_after_s = time.monotonic() - self.started

    async def stop(self) -> None:
        """Answer nobody any more, and close storage."""
        await self.leave()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(each.stop() for each in self.offerings))
        await self.transport.stop()
        await self.edges.stop()
        if self.failure is None:
            for replica in self.replicas:
                replica.close()

    def _remove_others(self) -> None:
        """What is left of shards that this node had and has no more."""
        shards = Path(self.config.data) / "shards"
        for each in shards.iterdir() if shards.exists() else ():
            if each.name not in self._kept:
                shutil.rmtree(each)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for replica in self.replicas:
                replica.tick()

    async def _publish(self, host: str, port: int) -> None:
        # Imported here: who does not ask for metrics does not wait for their library.
        from server.runtime import metrics_families
        from server.runtime.region import metrics_storage as families

        parts = [
            lambda: metrics_families.build(self.version, self.ready_after_s),
            lambda: families.replicas(self.replicas, self.edges.earliest()),
            lambda: metrics_families.transport(self.transport),
        ]
        await self.publish(self.config.node, parts, host, port)

    # --- what nodes ask

    def ask(self, node: str, message: object, patience_s: float) -> Question:
        """`server.runtime.storage_node.fetching.Asking`."""
        return self.transport.ask(node, message, patience_s)

    def _listen_to_nodes(self) -> None:
        def read(source: Identity, message: Any, reply: Reply) -> None:
            reads = shard_of((each.reads for each in self.replicas), message)
            if source.region != self.config.region:
                reply.refuse(f"{source.node} is of region {source.region}")
            elif reads is None:
                reply.refuse("no shard here has all of these keys")
            elif isinstance(message, wire.ReadWanted):
                reads.read(message, reply)
            else:
                reads.scan(message, reply)

        def offer(_source: Identity, message: wire.RangeWanted, reply: Reply) -> None:
            mine = self._offering_of(message)
            if mine is not None:
                mine.wanted(message, reply)
            else:
                reply.answer(NOTHING)

        def piece(_source: Identity, message: wire.RangePieceWanted, reply: Reply) -> None:
            mine = self._offering_of(message)
            if mine is not None:
                mine.piece(message, reply)
            else:
                reply.answer(wire.SnapshotPiece(b""))

        self.transport.on_ask(wire.ReadWanted, read)
        self.transport.on_ask(wire.ScanWanted, read)
        self.transport.on_ask(wire.RangeWanted, offer)
        self.transport.on_ask(wire.RangePieceWanted, piece)

    def _offering_of(self, message: wire.RangeWanted | wire.RangePieceWanted) -> Offering | None:
        """The one for that range."""
        for replica, offering in zip(self.replicas, self.offerings, strict=True):
            if (replica.lo, replica.hi) == (message.lo, message.hi):
                return offering
        return None

    # --- what operators ask

    async def perform(self, request: Request, emit: Emit) -> None:
        """Raises `Refused`."""
        if isinstance(request, Status):
            await emit(self.status())
        elif isinstance(request, ContentHash):
            for replica in self.replicas:
                if replica.rows is None:
                    raise Refused("a replica is being loaded")
                lo, hi = max(request.low, replica.lo), min(request.high, replica.hi)
                if lo < hi:
                    await emit(await _hash(replica, replica.rows.replica, lo, hi, request.ts))
        else:
            joining.change_faults(self.faults, request.change)

    def status(self) -> dict[str, Any]:
        """For `opendsql status` and tests."""
        states = [each.state for each in self.replicas]
        worst = next((state for state in ("loading", "catching up") if state in states), "serving")
        return {
            "node": self.config.node,
            "region": self.config.region,
            "pid": os.getpid(),
            "version": self.version,
            "state": self.edges.refusal() or worst,
            "shards": [_status_of(each, self.edges.earliest()) for each in self.replicas],
            "peers": [each._asdict() for each in self.transport.status()],
            "uptime_s": round(time.monotonic() - self.started, 1),
            "ready_after_s": round(self.ready_after_s, 2),
        }


async def _hash(replica: ShardReplica, versions: Versions, lo: Key, hi: Key, ts: Timestamp) -> dict[str, Any]:
    return await digest_when_complete(versions, lo, hi, ts, lambda: replica.complete)


def _status_of(replica: ShardReplica, now: int) -> dict[str, Any]:
    reads = replica.reads
    return {
        "low": replica.lo.hex(),
        "high": replica.hi.hex(),
        "state": "no room" if replica.is_out_of_space else replica.state,
        "complete": replica.complete,
        "behind_ms": round((now - replica.complete) / 1e6, 1) if replica.complete else None,
        "horizon": replica.rows.horizon if replica.rows is not None else 0,
        "answered": reads.answered,
        "waiting": reads.waiting,
        "refused": reads.refused,
        "fed": replica.fed,
        "loaded": replica.loaded,
    }


def run(config: NodeConfig) -> int:
    """Until a signal; returns the exit code."""
    return joining.run(config, StorageServer, lambda _server: f"ready {config.node}")
