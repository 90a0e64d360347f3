"""`opendsql node`: one process of a region, from its configuration to the ready line and back."""

import asyncio
import importlib.metadata
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from journal.broken import Broken
from journal.etcd_client import Tls
from journal.journal import LogError
from server.runtime import process
from server.runtime.clocks import choice
from server.runtime.control import ControlSocket
from server.runtime.endpoint import Endpoint
from server.runtime.gate import CatalogGate
from server.runtime.net import faults as net_faults
from server.runtime.net.asking import Reply
from server.runtime.net.faults import BadChange, Faults
from server.runtime.net.identity import Identity, load_issued
from server.runtime.net.transport import Address, Transport
from server.runtime.operations import CutSnapshot, Emit, Refused
from server.runtime.region import restoring, wire
from server.runtime.region.carrier import Unreachable
from server.runtime.region.config import NodeConfig
from server.runtime.region.edges import Edges
from server.runtime.region.etcd_carrier import EtcdCarrier, EtcdRegister
from server.runtime.region.membership import timing_for
from server.runtime.region.node import Place, RegionNode, initial_ranges
from server.runtime.region.requests import Fault, MoveRange, Status
from server.runtime.region.workers import RegionBackend, RegionPool
from server.runtime.router.router import Router
from server.runtime.serving import address, ready_line
from server.runtime.stores import lock_directory
from server.session.regional import RegionSession
from server.session.session import SqlSession
from server.session.work import Wait
from server.sql.limits import Limits

log = logging.getLogger("opendsql.region")

OPEN_RETRY_S = 0.2


Request: TypeAlias = Status | Fault | MoveRange | CutSnapshot


class RegionServer(Endpoint):
    """A node with its listener and transport."""

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(log, Limits())
        self.config = config
        self.faults = Faults((*config.regions, config.witness))
        for each in config.round_trips:
            self.faults.apply(net_faults.SetRoundTrip(each.a, each.b, each.ms))
        me = Identity(config.cluster, config.region, config.node)
        self.transport = Transport(
            me,
            wire.VOCABULARY,
            load_issued(Path(config.certificates), config.node),
            faults=self.faults,
            broken=self.broken,
        )
        self.started = time.monotonic()
        self.ready_after_s = 0.0
        self.node: RegionNode | None = None
        self.edges = Edges(choice.make(config.clock), config.region, self.broken)
        self._carriers: dict[int, EtcdCarrier] = {}
        self._register: EtcdRegister | None = None
        self._etcd_tls = _etcd_tls(config)
        self.gate = CatalogGate(
            config.auth, lambda: self._served().catalog(1), config.admin_verifier, config.trust
        )

    # --- what the listener asks

    def open_session(
        self, user: str, database: str, options: Mapping[str, str], out: list[bytes]
    ) -> SqlSession:
        """A session of an authenticated client."""
        return RegionSession(self._served(), user, database, options, out)

    def unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What a callback of the loop raised: timers and deferred calls have no task that could tell."""
        error = context.get("exception")
        if isinstance(error, Broken | LogError):
            self.broken(error)
        else:
            loop.default_exception_handler(context)

    def _served(self) -> RegionNode:
        assert self.node is not None
        return self.node

    # --- start and end

    async def start(self) -> None:
        """Returns when everything accepts connections. Raises OSError, one of `WORLD_ERRORS`."""
        config = self.config
        mine = next(each for each in config.nodes if each.node == config.node)
        await self.edges.start()
        await self.transport.start(config.listen or mine.host, mine.port)
        self._listen_to_nodes()
        self.transport.connect(
            Address(Identity(config.cluster, each.region, each.node), each.host, each.port)
            for each in config.nodes
        )
        await self._open_journals()
        await restoring.restore(Path(config.data), self._carriers, self)
        assert self._register is not None
        names = [each.node for each in config.nodes]
        place = Place(
            config.node,
            config.region,
            names.index(config.node),
            tuple(config.regions),
            {each.node: each.region for each in config.nodes},
            {each.number: each.region for each in config.journals},
            tuple(config.ranges) or initial_ranges({each.number: each.region for each in config.journals}),
            max((each.ms for each in config.round_trips), default=0.0) / 1000,
            config.promise_ms,
        )
        self.node = RegionNode(
            place,
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

        node, version = self._served(), importlib.metadata.version("opendsql")
        parts = [
            lambda: metrics_families.build(version, self.ready_after_s),
            lambda: families.commits(node),
            lambda: families.journals(node),
            lambda: families.storage(node),
            lambda: families.membership(node),
            lambda: metrics_families.connections(self.counters),
            lambda: metrics_families.transport(self.transport),
        ]
        await self.publish(self.config.node, parts, host, port)

    async def _open_journals(self) -> None:
        config = self.config
        for journal in config.journals:
            near = [journal.members[config.region]]
            while journal.number not in self._carriers:
                try:
                    carrier = await EtcdCarrier.open(
                        near, journal.number, self._etcd_tls, everywhere=list(journal.members.values())
                    )
                    carrier.member = journal.names[config.region]
                    others = [each for each in config.regions if each != config.region]
                    carrier.others = [journal.names[each] for each in (config.witness, *others)]
                    self._carriers[journal.number] = carrier
                except Unreachable as error:
                    log.info("journal is not reached yet journal=%d error=%s", journal.number, error)
                    await asyncio.sleep(OPEN_RETRY_S)
        first = min(config.journals, key=lambda each: each.number)
        near = [first.members[config.region]]
        others = [region for region in config.regions if region != config.region]
        self._register = EtcdRegister(near, config.cluster, config.region, others, self._etcd_tls)

    def _listen_to_nodes(self) -> None:
        """What comes before the node is there is lost, as any message may be."""

        def on_post(kind: type, handler: Callable[[RegionNode, Identity, Any], None]) -> None:
            def handle(source: Identity, message: Any) -> None:
                if self.node is not None:
                    handler(self.node, source, message)

            self.transport.on_post(kind, handle)

        def to_owner(node: RegionNode, source: Identity, message: wire.ToOwnerMessage) -> None:
            node.heard(source.region)
            node.received(wire.from_wire(message))

        for kind in (wire.OwnerPrepare, wire.OwnerVote, wire.OwnerOutcome, wire.OwnerAsk):
            on_post(kind, to_owner)
        on_post(wire.Answered, lambda node, _source, message: node.answered(message))

        def closed(node: RegionNode, source: Identity, message: wire.Closed) -> None:
            node.heard(source.region)
            node.closed(source.node, message.announcement, message.sent)

        on_post(wire.Closed, closed)
        on_post(wire.Recorded, lambda node, _source, message: node.told(message))
        on_post(wire.Alive, lambda node, source, message: node.alive(source.node, message))
        on_post(wire.Needs, lambda node, source, message: node.needs(source.node, message.mark))
        self._answer_nodes()

    def _answer_nodes(self) -> None:
        """Snapshots, for a region that lost what it had."""

        def offer(_source: Identity, _message: wire.SnapshotWanted, reply: Reply) -> None:
            reply.answer(restoring.offer_of(self.node.keeping.newest if self.node is not None else None))

        def piece(_source: Identity, message: wire.SnapshotPieceWanted, reply: Reply) -> None:
            reply.answer(restoring.piece_of(Path(self.config.data) / "snapshots", message))

        self.transport.on_ask(wire.SnapshotWanted, offer)
        self.transport.on_ask(wire.SnapshotPieceWanted, piece)

    @property
    def others(self) -> list[str]:
        """The other nodes."""
        return [each.node for each in self.config.nodes if each.node != self.config.node]

    def ask(self, node: str, message: object) -> Wait[Any]:
        """Ask another node; fails with a `Failure`."""
        return self.transport.ask(node, message, restoring.ANSWER_S)

    async def _listen_to_clients(self) -> None:
        config = self.config
        if config.router is not None or config.workers:
            backend = self._backend()
            self._served().serving = backend.serving
            self.backend = backend
        await self.listen(config, Path(config.data))

    def _backend(self) -> RegionBackend:
        node, routing, clock = self._served(), self.config.router, self.config.clock
        if routing is None:
            return RegionBackend(node, self.config.workers, clock)
        pool = RegionPool(node, routing.processors, clock)
        self.router = Router(node, pool, routing)
        return pool

    async def stop(self) -> None:
        """No new connections; running statements get their grace; then everything is closed."""
        await self.leave()
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
            try:
                self.faults.apply(request.change)
            except BadChange as error:
                raise Refused(str(error)) from error
        elif isinstance(request, CutSnapshot):
            await emit(await self._cut_snapshot())
        else:
            self._move(request)

    async def _cut_snapshot(self) -> dict[str, Any]:
        keeping = self._served().keeping
        cut = await keeping.cut_snapshot()
        if cut is None:
            raise Refused(keeping.last_error)
        return {
            "path": str(cut.path),
            "position": cut.head.position,
            "rows": cut.items - 1,
            "bytes": cut.size,
        }

    def _move(self, request: MoveRange) -> None:
        node = self._served()
        if request.journal not in node.owners:
            raise Refused(f"there is no journal {request.journal}")
        lo, hi = b"", b"\xff\xff"
        if request.table is not None:
            lo, hi = self._span_of(request.table)
        for start, end, journal in node.routing.spans:
            if start < hi and lo < end and journal != request.journal:
                owner = node.owners[journal]
                if not owner.is_owner:
                    raise Refused(f"journal {journal} is led elsewhere: ask there")
                if not owner.release(max(lo, start), min(hi, end), request.journal):
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
                    "leads_here": owning.is_owner,
                    "epoch": node.routing.epoch_of(journal),
                    "read": node.tails.position(journal),
                    "closed_ahead_ms": round((node.following.crossbar.closed(journal) - now) / 1e6, 1),
                    "claims": owning.claims,
                    "lead_ms": round(owning.lead / 1e6, 1),
                    "append_ms": round(owning.append_times.p75(time.monotonic_ns()) / 1e6, 1),
                    **_kept(node, journal),
                    "error": node.tails.unreachable.get(journal, ""),
                }
                for journal, owning in sorted(node.owners.items())
            ],
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
        found |= {"used": room.in_use, "size": room.size, "quota": room.quota, "is_full": room.is_full}
    return found


_decode = msgspec.json.Decoder(Request).decode


def _etcd_tls(config: NodeConfig) -> Tls | None:
    """What the node shows to etcd's members and believes of them; None: the journals are reached in clear."""
    if not config.etcd_tls:
        return None
    directory = Path(config.certificates)
    key, certificate = (directory / "nodes" / f"{config.node}.{kind}" for kind in ("key", "pem"))
    return Tls((directory / "ca.pem").read_bytes(), key.read_bytes(), certificate.read_bytes())


async def serve(config: NodeConfig) -> int:
    """Run until a signal; returns the exit code."""
    data = Path(config.data)
    data.mkdir(parents=True, exist_ok=True)
    with lock_directory(data):
        server = RegionServer(config)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stopped.set)
        loop.set_exception_handler(server.unhandled)
        starting = loop.create_task(server.start())
        stopping = loop.create_task(server.stopped.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            process.tune()
            print(ready_line(config.host, server.port), flush=True)  # noqa: T201 - the contract of DESIGN §12
            await server.stopped.wait()
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await server.stop()
        return 0 if server.failure is None else 1


def run(config: NodeConfig) -> int:
    """`serve` on uvloop."""
    import uvloop

    try:
        return uvloop.run(serve(config))
    except (Broken, LogError) as error:
        log.critical("node stops error=%r", error)
        return 1
