"""`opendsql node`: one process of a region, from its configuration to the ready line and back."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from server.catalog.descriptor import DEFAULT_CLUSTER
from server.runtime import cluster_requests, injection_requests
from server.runtime.admitting import admission
from server.runtime.clocks import choice
from server.runtime.control import ControlSocket
from server.runtime.endpoint import Endpoint
from server.runtime.gate import CatalogGate
from server.runtime.injection_requests import InjectionRequest
from server.runtime.net.asking import Failure, Reply
from server.runtime.net.identity import Identity
from server.runtime.operations import set_password
from server.runtime.reading.region import storage_of
from server.runtime.reading.versions import RemoteVersions
from server.runtime.region import capturing, joining, proving, restoring, wire
from server.runtime.region.config import NodeConfig
from server.runtime.region.edges import Edges
from server.runtime.region.etcd_carrier import EtcdCarrier, EtcdRegister
from server.runtime.region.membership import timing_for
from server.runtime.region.node import RegionNode
from server.runtime.region.place import place_of
from server.runtime.region.requests import ContentHash, Fault, MoveRange, Status
from server.runtime.region.supplying import Supplying
from server.runtime.region.workers import RegionBackend, RegionPool
from server.runtime.requests import (
    CLUSTER_REQUESTS,
    AuditJournal,
    ClusterRequest,
    CutSnapshot,
    Emit,
    ReadJournal,
    Refused,
    SetPassword,
)
from server.runtime.router.router import Router
from server.runtime.serving import address, ready_line
from server.runtime.storage_node.digest import digest_when_complete
from server.runtime.waiting import outcome
from server.session import remote
from server.session.regional import KINDS
from server.session.session import SqlSession
from server.session.work import Wait
from server.sql import refusals

log = logging.getLogger("opendsql.region")

Request: TypeAlias = (
    Status
    | Fault
    | MoveRange
    | ContentHash
    | CutSnapshot
    | ReadJournal
    | AuditJournal
    | SetPassword
    | ClusterRequest
    | InjectionRequest
)


class RegionServer(Endpoint):
    """A node with its listener and transport."""

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(log, config.limits)
        refusals.as_of(config.surface)
        self.config = config
        self.faults = joining.faults_of(config)
        self.transport = joining.transport_of(config, self.faults, self.broken)
        self.started = time.monotonic()
        self.ready_after_s = 0.0
        self.node: RegionNode | None = None
        self.kinds = KINDS
        self.edges = Edges(choice.make(config.clock), config.region, self.broken)
        self.supplying = Supplying(
            self.transport, Path(config.data), lambda: self.node, self.edges.earliest, self.broken
        )
        self._carriers: dict[int, EtcdCarrier] = {}
        self._register: EtcdRegister | None = None
        self.gate = CatalogGate(
            config.auth,
            lambda: self._served().catalog(DEFAULT_CLUSTER),
            config.admin_verifier,
            config.trust,
            named=lambda cluster_id: self._served().catalog(self._served().cluster_named(cluster_id)),
            aliases=config.tls_names,
        )

    # --- what the listener asks

    def open_session(
        self, user: str, database: str, options: Mapping[str, str], out: list[bytes]
    ) -> SqlSession:
        """A session of an authenticated client."""
        return self.kinds.usual(self._served(), user, database, options, out)

    def _served(self) -> RegionNode:
        assert self.node is not None
        return self.node

    # --- start and end

    async def start(self) -> None:
        """Returns when everything accepts connections. Raises OSError, one of `WORLD_ERRORS`."""
        config = self.config
        await self.edges.start()
        self._listen_to_nodes()
        await joining.join(self.transport, config)
        tls = joining.etcd_tls(config)
        await joining.open_journals(config, self._carriers, tls)
        self._register = self._open_register(tls)
        await restoring.restore(Path(config.data), self._carriers, self)
        self.node = RegionNode(
            place_of(config),
            Path(config.data),
            self._carriers,
            self._register,
            self.transport.post,
            latest=self.edges.latest,
            earliest=self.edges.earliest,
            no_time=self.edges.refusal,
            broken=self.broken,
            limits=self.limits,
            timing=timing_for(config.silence_s),
        )
        if config.shards:
            self.node.reads = RemoteVersions(
                storage_of(config, self.transport, self.edges.earliest, self.limits.transaction_age_s)
            )
            self.kinds = remote.KINDS
        await self.node.start()
        await self._listen_to_clients()
        self.control = ControlSocket(Path(config.data), self, self.broken, _decode)
        await self.control.start()
        self.ready_after_s = time.monotonic() - self.started
        if config.metrics is not None:
            await self._publish(*config.metrics)

    async def _publish(self, host: str, port: int) -> None:
        # Imported here: who does not ask for metrics does not wait for their library.
        from server.runtime import metrics_families
        from server.runtime.region import metrics as families

        node, version = self._served(), self.version
        parts = [
            lambda: metrics_families.build(version, self.ready_after_s),
            lambda: families.commits(node),
            lambda: families.journals(node),
            lambda: families.storage(node),
            lambda: families.membership(node),
            lambda: families.clock(self.edges),
            lambda: families.contention(node),
            lambda: metrics_families.transport(self.transport),
        ]
        await self.publish(self.config.node, parts, host, port)

    def _open_register(self, tls: joining.EtcdTls | None) -> EtcdRegister:
        config = self.config
        first = min(config.journals, key=lambda each: each.number)
        near = [first.members[config.region]]
        others = [region for region in config.regions if region != config.region]
        return EtcdRegister(near, config.cluster, config.region, others, tls)

    def _listen_to_nodes(self) -> None:
        """What comes before the node is there is lost, as any message may be."""

        def on_post(kind: type, handler: Callable[[RegionNode, Identity, Any], None]) -> None:
            def handle(source: Identity, message: Any) -> None:
                if self.node is not None:
                    handler(self.node, source, message)

            self.transport.on_post(kind, handle)

        def to_owner(node: RegionNode, source: Identity, message: wire.ToOwnerMessage) -> None:
            node.heard(source.node)
            node.received(wire.from_wire(message))

        for kind in (wire.OwnerPrepare, wire.OwnerVote, wire.OwnerOutcome, wire.OwnerAsk):
            on_post(kind, to_owner)
        on_post(wire.Answered, lambda node, _source, message: node.answered(message))

        def closed(node: RegionNode, source: Identity, message: wire.Closed) -> None:
            node.heard(source.node)
            node.closed(source.node, message.announcement, message.sent)

        on_post(wire.Closed, closed)
        on_post(wire.Recorded, lambda node, _source, message: node.told(message))
        on_post(wire.Alive, lambda node, source, message: node.alive(source.node, message))
        on_post(wire.Needs, lambda node, source, message: node.needs(source.node, message.mark))
        on_post(wire.Owns, lambda node, source, message: node.owns(source.node, message))
        self._answer_nodes()

    def _answer_nodes(self) -> None:
        """Snapshots, for a region that lost what it had; also while this node is starting itself."""
        directory = Path(self.config.data) / "snapshots"

        def offer(_source: Identity, _message: wire.SnapshotWanted, reply: Reply) -> None:
            newest = self.node.keeping.newest if self.node is not None else restoring.newest(directory)
            reply.answer(restoring.offer_of(newest))

        def piece(_source: Identity, message: wire.SnapshotPieceWanted, reply: Reply) -> None:
            reply.answer(restoring.piece_of(directory, message))

        self.transport.on_ask(wire.SnapshotWanted, offer)
        self.transport.on_ask(wire.SnapshotPieceWanted, piece)

    @property
    def others(self) -> list[str]:
        """The other nodes that have snapshots of everything."""
        return [each.node for each in self.config.nodes if each.is_head and each.node != self.config.node]

    def ask(self, node: str, message: object) -> Wait[Any]:
        """Ask another node; fails with a `Failure`."""
        return self.transport.ask(node, message, restoring.ANSWER_S)

    async def _listen_to_clients(self) -> None:
        config = self.config
        node = self._served()
        node.set_testing(config.testing)
        self.admit = admission(node)
        if config.router is not None or config.workers:
            backend = self._backend()
            self._served().serving = backend.serving
            self.backend = backend
        await self.listen(config, Path(config.data))

    def _backend(self) -> RegionBackend:
        node, routing, config = self._served(), self.config.router, self.config
        if routing is None:
            return RegionBackend(node, config.workers, config)
        pool = RegionPool(node, routing.processors, config)
        self.router = Router(node, pool, routing)
        return pool

    async def stop(self) -> None:
        """No new connections; running statements get their grace; then everything is closed."""
        await self.leave()
        await self.supplying.stop()
        if self.node is not None:
            await self.node.stop()
        await self.transport.stop()
        for carrier in self._carriers.values():
            await carrier.close()
        if self._register is not None:
            await self._register.close()
        await self.edges.stop()
        if self.node is not None and self.failure is None:
            self.node.close()

    # --- what operators ask

    async def perform(self, request: Request, emit: Emit) -> None:
        """Raises `Refused`."""
        if isinstance(request, Status):
            await emit(self.status())
        elif isinstance(request, Fault):
            joining.change_faults(self.faults, request.change)
        elif isinstance(request, CutSnapshot):
            await emit(await self._cut_snapshot())
        elif isinstance(request, ContentHash):
            await emit(await self._hash(request))
        elif isinstance(request, ReadJournal) and request.cdc:
            await capturing.capture(await self._up_to_now(), self._carriers, request, emit)
        elif isinstance(request, ReadJournal):
            async for line in proving.records(self._carriers, request):
                await emit(line)
        elif isinstance(request, AuditJournal):
            await emit(await proving.audit(self._carriers, self.edges.latest()))
        elif isinstance(request, SetPassword):
            await self._set_password(request)
        elif isinstance(request, MoveRange):
            await self._move(request)
        elif isinstance(request, CLUSTER_REQUESTS):
            for line in await cluster_requests.answer(self._served(), request):
                await emit(line)
        else:
            node = self._served()
            for line in injection_requests.answer(node, request):
                await emit(line)

    async def _cut_snapshot(self) -> dict[str, Any]:
        """With all that was acknowledged before it was asked for: a backup says so."""
        keeping = (await self._up_to_now()).keeping
        cut = await keeping.cut_snapshot()
        if cut is None:
            raise Refused(keeping.last_error)
        return {
            "path": str(cut.path),
            "position": cut.head.position,
            "rows": cut.items - 1,
            "bytes": cut.size,
        }

    async def _set_password(self, request: SetPassword) -> None:
        """As a session's transaction: not while this region is out of service."""
        await set_password(self._served(), request)

    async def _up_to_now(self) -> RegionNode:
        """The node, when it knows all that was acknowledged so far. Raises PgError 57P03 out of service."""
        node = self._served()
        wait = node.fresh()
        if wait is not None:
            await outcome(wait)
        return node

    async def _hash(self, request: ContentHash) -> dict[str, Any]:
        node, low, high = self._served(), request.low, request.high
        return await digest_when_complete(
            node.versions, low, high, request.ts, lambda: node.following.complete
        )

    async def _move(self, request: MoveRange) -> None:
        node = self._served()
        if request.journal not in node.owners:
            raise Refused(f"there is no journal {request.journal}")
        lo, hi = b"", b"\xff\xff"
        if request.table is not None:
            lo, hi = self._span_of(request.table)
        for start, end, journal in node.routing.spans:
            if start < hi and lo < end and journal != request.journal:
                await self._release(
                    wire.ReleaseWanted(journal, max(lo, start), min(hi, end), request.journal)
                )

    async def _release(self, wanted: wire.ReleaseWanted) -> None:
        """By the owner in this region, wherever it is."""
        node, journal = self._served(), wanted.journal
        if not node.leasing.leads(journal):
            raise Refused(f"journal {journal} is led elsewhere: ask there")
        owning, at = node.owners[journal], node.routing.node_of(journal, 0)
        if owning.is_owner:
            is_begun = owning.release(wanted.lo, wanted.hi, wanted.to)
        else:
            try:
                is_begun = (await outcome(self.ask(at or "", wanted))).is_begun
            except Failure as error:
                raise Refused(f"the owner of journal {journal} does not answer: {error}") from error
        if not is_begun:
            raise Refused(f"journal {journal} does not own that range as a whole")

    def _span_of(self, name: str) -> tuple[bytes, bytes]:
        from storage import keycode

        catalog = self._served().catalog(1)
        for table in catalog.tables.values():
            if table.name == name:
                lo = keycode.prefix(1, table.oid)
                return lo, keycode.successor(lo)
        raise Refused(f"there is no table {name}")

    def status(self) -> dict[str, Any]:
        """For `opendsql status` and tests."""
        node = self._served()
        now = self.edges.earliest()
        membership = node.membership
        value = membership.value
        traffic = self.transport.traffic
        between = [flow for flow in traffic.sent if flow.source != flow.target]
        return {
            "node": self.config.node,
            "region": self.config.region,
            "pid": os.getpid(),
            "version": self.version,
            "endpoint": address(self.config.host, self.port),
            "state": membership.refusal(time.monotonic()) or self.edges.refusal() or "serving",
            "clock": self.config.clock.source,
            "clock_bound_ms": round(self.edges.bound_ns / 1e6, 3),
            "regions": {"epoch": value.epoch, "active": list(value.active)} if value else None,
            "complete": node.following.complete,
            "behind_ms": round((now - node.following.complete) / 1e6, 1),
            "journals": [
                {
                    "journal": journal,
                    "leads_here": node.leasing.leads(journal),
                    "owner": node.routing.node_of(journal, 0) or "",
                    "epoch": node.routing.epoch_of(journal),
                    "read": node.tails.position(journal),
                    "closed_ahead_ms": round((node.following.crossbar.closed(journal) - now) / 1e6, 1),
                    "claims": owning.work.claims,
                    "lead_ms": round(owning.lead / 1e6, 1),
                    "append_ms": round(owning.append_times.p75(time.monotonic_ns()) / 1e6, 1),
                    **_kept(node, journal),
                    "error": node.tails.unreachable.get(journal, ""),
                }
                for journal, owning in sorted(node.owners.items())
            ],
            "ranges_handed_over": node.ranges_handed_over,
            "ranges": [[lo.hex(), hi.hex(), journal] for lo, hi, journal in node.routing.spans],
            "commits": node.coordinating.commits,
            "conflicts": node.coordinating.conflicts,
            "unknown": node.coordinating.unknown,
            "repeated": node.coordinating.repeated,
            "waited": node.waited,
            "deliveries_ms": {
                str(journal): round(ns / 1e6, 1) for journal, ns in node.deliveries.p75(now).items()
            },
            "refused": node.refused,
            "applied": node.versions.applied_position,
            "sessions": len(node.sessions),
            "snapshots_cut": node.keeping.cut,
            "snapshot_error": node.keeping.last_error,
            "workers": self.processes(),
            "router": self.routed(),
            "messages_sent": {
                f"{flow.source}>{flow.target} {flow.name}": traffic.sent[flow].messages for flow in between
            },
            "peers": [each._asdict() for each in self.transport.status()],
            "uptime_s": round(time.monotonic() - self.started, 1),
            "ready_after_s": round(self.ready_after_s, 2),
        }


def _kept(node: RegionNode, journal: int) -> dict[str, Any]:
    """What is kept of a journal, and its room."""
    room = node.keeping.rooms.get(journal)
    found: dict[str, Any] = {"first": node.keeping.first.get(journal, 0)}
    if room is not None:
        is_full = journal in node.keeping.admission.full
        found |= {"used": room.in_use, "size": room.size, "quota": room.quota, "is_full": is_full}
    return found


_decode = msgspec.json.Decoder(Request).decode


def run(config: NodeConfig) -> int:
    """Until a signal; returns the exit code."""
    return joining.run(config, RegionServer, lambda server: ready_line(config.host, server.port))
