"""`opendsql node` for an adjudicator: from its configuration to the ready line and back."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from server.runtime.adjudicator_node.node import AdjudicatorNode
from server.runtime.clocks import choice
from server.runtime.control import ControlSocket
from server.runtime.net.asking import Reply
from server.runtime.net.identity import Identity
from server.runtime.region import joining, wire
from server.runtime.region.config import NodeConfig
from server.runtime.region.edges import Edges
from server.runtime.region.etcd_carrier import EtcdCarrier
from server.runtime.region.place import place_of
from server.runtime.region.requests import Fault, Status
from server.runtime.requests import Emit
from server.runtime.service import Service

log = logging.getLogger("opendsql.adjudicator")

Request: TypeAlias = Status | Fault


class AdjudicatorServer(Service):
    """An adjudicator with its transport; no client connects to it."""

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(log)
        self.config = config
        self.faults = joining.faults_of(config)
        self.transport = joining.transport_of(config, self.faults, self.broken)
        self.edges = Edges(choice.make(config.clock), config.region, self.broken)
        self.node: AdjudicatorNode | None = None
        self.started = time.monotonic()
        self.ready_after_s = 0.0
        self._carriers: dict[int, EtcdCarrier] = {}

    async def start(self) -> None:
        """Returns when it reads the journals and may be told to own some. Raises OSError, one of `WORLD_ERRORS`."""
        config = self.config
        await self.edges.start()
        self._listen_to_nodes()
        await joining.join(self.transport, config)
        await joining.open_journals(config, self._carriers, joining.etcd_tls(config))
        self.node = AdjudicatorNode(
            place_of(config),
            self._carriers,
            self.transport.post,
            earliest=self.edges.earliest,
            broken=self.broken,
            lease_s=config.silence_s,
        )
        await self.node.start()
        self.control = ControlSocket(Path(config.data), self, self.broken, _decode)
        await self.control.start()
        self.ready_after_s = time.monotonic() - self.started
        if config.metrics is not None:
            await self._publish(*config.metrics)

    async def stop(self) -> None:
        """End what runs here; the journals go on with another owner."""
        await self.leave()
        if self.node is not None:
            await self.node.stop()
        await self.transport.stop()
        for carrier in self._carriers.values():
            await carrier.close()
        await self.edges.stop()

    def _listen_to_nodes(self) -> None:
        """What comes before the node is there is lost, as any message may be."""

        def on_post(kind: type, handler: Callable[[AdjudicatorNode, str, Any], None]) -> None:
            def handle(source: Identity, message: Any) -> None:
                if self.node is not None:
                    handler(self.node, source.node, message)

            self.transport.on_post(kind, handle)

        def release(_source: Identity, message: wire.ReleaseWanted, reply: Reply) -> None:
            reply.answer(self.node.release(message) if self.node is not None else wire.Released(False))

        for kind in (wire.OwnerPrepare, wire.OwnerVote, wire.OwnerOutcome, wire.OwnerAsk):
            on_post(kind, lambda node, _source, message: node.received(wire.from_wire(message)))
        on_post(wire.Closed, lambda node, source, message: node.closed(source, message.announcement))
        on_post(wire.Recorded, lambda node, _source, message: node.told(message))
        on_post(wire.Alive, lambda node, source, message: node.alive(source, message))
        on_post(wire.Lease, lambda node, source, message: node.lease(source, message))
        on_post(wire.CheckpointWanted, lambda node, source, message: node.checkpoint(source, message))
        self.transport.on_ask(wire.ReleaseWanted, release)

    async def _publish(self, host: str, port: int) -> None:
        # Imported here: who does not ask for metrics does not wait for their library.
        from server.runtime import metrics_families
        from server.runtime.region import metrics, metrics_owners

        node, version = self._running(), self.version
        parts = [
            lambda: metrics_families.build(version, self.ready_after_s),
            metrics.process,
            lambda: metrics_owners.owners(node.owners),
            lambda: metrics.tails(node.tails, sorted(node.owners)),
            lambda: metrics_families.transport(self.transport),
        ]
        await self.publish(self.config.node, parts, host, port)

    def _running(self) -> AdjudicatorNode:
        assert self.node is not None
        return self.node

    # --- what operators ask

    async def perform(self, request: Request, emit: Emit) -> None:
        """Raises `Refused`."""
        if isinstance(request, Status):
            await emit(self.status())
        else:
            joining.change_faults(self.faults, request.change)

    def status(self) -> dict[str, Any]:
        """For `opendsql status` and tests."""
        node, now = self._running(), time.monotonic()
        return {
            "node": self.config.node,
            "region": self.config.region,
            "pid": os.getpid(),
            "state": self.edges.refusal()
            or ("serving" if node.leased.is_running(now) else "waits for its lease"),
            "clock_bound_ms": round(self.edges.bound_ns / 1e6, 3),
            "journals": [_owner(node, journal) for journal in sorted(node.owners)],
            "ranges_handed_over": sum(each.handed_over for each in node.owners.values()),
            "peers": [each._asdict() for each in self.transport.status()],
            "version": self.version,
            "uptime_s": round(now - self.started, 1),
            "ready_after_s": round(self.ready_after_s, 2),
        }


def _owner(node: AdjudicatorNode, journal: int) -> dict[str, Any]:
    owning = node.owners[journal]
    return {
        "journal": journal,
        "is_owner": owning.is_owner,
        "owner": node.routing.node_of(journal, 0) or "",
        "epoch": node.routing.epoch_of(journal),
        "read": node.tails.position(journal),
        "claims": owning.work.claims,
        "takeovers": owning.work.takeovers,
        "committed": owning.work.committed,
        "lead_ms": round(owning.lead / 1e6, 1),
        "append_ms": round(owning.append_times.p75(time.monotonic_ns()) / 1e6, 1),
        "error": node.tails.unreachable.get(journal, ""),
    }


_decode = msgspec.json.Decoder(Request).decode


def run(config: NodeConfig) -> int:
    """Until a signal; returns the exit code."""
    return joining.run(config, AdjudicatorServer, lambda _server: f"ready {config.node}")
