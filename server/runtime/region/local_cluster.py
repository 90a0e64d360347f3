"""`opendsql cluster`: two regions and a witness on this machine, as far apart as wished, to be broken on purpose.

    this process      supervises, holds the links between the etcd members, answers operators (data/control)
    per journal       one etcd member per region, the witness among them
    per active region one node process (server.runtime.region.serving), and what was asked for beside it

What is killed by an operator as a region stays dead until it is healed; any other process that ends is started again.
"""

import asyncio
import contextlib
import datetime
import logging
import signal
from pathlib import Path
from typing import Any

import msgspec

from journal.journal import LogError
from journal.snapshot import SnapshotDamaged
from server.runtime.backup.regions import BEGIN, found_node
from server.runtime.clocks.choice import ClockChoice
from server.runtime.control import ControlSocket, address
from server.runtime.net import faults as net_faults
from server.runtime.net.faults import BadChange, Cut, Faults, Heal, SetRoundTrip
from server.runtime.net.identity import Identity, issue
from server.runtime.region import local_plan, requests
from server.runtime.region.config import Journal, NodeAddress, NodeConfig, RoundTrip
from server.runtime.region.local_etcd import LocalEtcd
from server.runtime.region.local_plan import HOST, Failed, Options, leader_of, names, plan_of
from server.runtime.region.local_process import NodeProcess
from server.runtime.region.local_requests import (
    MoveRange,
    NodeKill,
    RegionChange,
    Request,
    RoundTripChange,
    Status,
    decode,
)
from server.runtime.requests import Emit, Refused
from server.runtime.stores import lock_directory

log = logging.getLogger("opendsql.cluster")

READY_S = 60.0
ASK_S = 5.0

__all__ = ["Failed", "LocalCluster", "Options", "names", "plan_of", "run"]


class LocalCluster:
    """All processes of a cluster on this machine."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.data = options.data
        self.stopped = asyncio.Event()
        self.plan = plan_of(options)
        self.regions = [*self.plan.regions, self.plan.witness]
        self.faults = Faults(tuple(self.regions))
        if options.rtt_ms:
            self._set_round_trip(options.rtt_ms)
        self.killed: set[str] = set()
        self.etcd = [
            LocalEtcd(
                f"journal{number}",
                self.data,
                self.plan.etcd_ports[str(number)],
                self.faults,
                self._longest(),
                options.quota_mib,
            )
            for number in range(len(self.plan.etcd_ports))
        ]
        self._certificates = self.data / "certificates"
        addresses = local_plan.addresses(self.plan, options)
        identities = [Identity(self.plan.cluster, each.region, each.node) for each in addresses]
        issue(self._certificates, identities, datetime.datetime.now(datetime.UTC))
        self.nodes = {
            each.region: NodeProcess(self._config(each, addresses), self.data / each.region)
            for each in addresses
            if each.is_head
        }
        self.parts = {
            each.node: NodeProcess(self._config(each, addresses), self.data / each.region / each.node)
            for each in addresses
            if not each.is_head
        }
        """The processes beside the regions' nodes, by name."""
        self._control = ControlSocket(self.data, self, self._broken, decode)

    def _config(self, address: NodeAddress, addresses: list[NodeAddress]) -> NodeConfig:
        """What that node is told."""
        plan, options = self.plan, self.options
        directory = self.data / address.region / ("" if address.is_head else address.node)
        return NodeConfig(
            cluster=plan.cluster,
            node=address.node,
            region=address.region,
            data=str((directory / "node").absolute()),
            host=HOST,
            port=plan.client_ports[address.region] if address.is_head else 0,
            certificates=str(self._certificates.absolute()),
            nodes=addresses,
            regions=plan.regions,
            witness=plan.witness,
            journals=self._journals(),
            shards=local_plan.shards_of(plan, options, address.region),
            clock=self._clock(address.region),
            promise_ms=plan.promise_ms,
            workers=options.workers if address.is_head else 0,
            router=options.router if address.is_head else None,
            metrics=_metrics(options, addresses.index(address)),
            silence_s=options.silence_s,
            follows_writers=options.follows_writers,
            testing=options.testing,
            limits=options.limits,
            surface=options.surface,
            round_trips=self._round_trips(),
        )

    def _journals(self) -> list[Journal]:
        return [
            Journal(
                number,
                leader_of(self.plan, number),
                {name: member.endpoint for name, member in each.members.items()},
                {name: member.name for name, member in each.members.items()},
                self.options.quota_mib,
            )
            for number, each in enumerate(self.etcd)
        ]

    @property
    def processes(self) -> dict[str, NodeProcess]:
        """All of ours, by the name that status shows."""
        return {node.config.node: node for node in [*self.nodes.values(), *self.parts.values()]}

    async def start(self) -> None:
        """Returns when every process is ready. Raises OSError, `Failed`."""
        await asyncio.gather(*(each.start() for each in self.etcd))
        leaders = (leader_of(self.plan, number) for number in range(len(self.etcd)))
        await asyncio.gather(*(each.lead(region) for each, region in zip(self.etcd, leaders)))
        await self._begin()
        processes = self.processes
        for node in processes.values():
            node.start()
        try:
            async with asyncio.timeout(READY_S):
                await asyncio.gather(*(node.ready.wait() for node in processes.values()))
        except TimeoutError:
            late = [name for name, node in processes.items() if not node.ready.is_set()]
            raise Failed(f"not ready within {READY_S:.0f} s: {', '.join(late)}; see node.log there") from None
        await self._control.start()

    async def _begin(self) -> None:
        """From what `opendsql restore --cluster` has left, before any node reads the journals. Raises `Failed`."""
        path = self.data / BEGIN
        if not path.exists():
            return
        config = next(iter(self.nodes.values())).config
        try:
            if not (Path(config.data) / "snapshots").exists():
                await found_node(config, path)
        except (Refused, LogError, SnapshotDamaged) as error:
            raise Failed(f"{path}: {error}") from error
        path.unlink()

    async def stop(self) -> None:
        """End every process."""
        await self._control.close()
        await asyncio.gather(*(node.stop() for node in self.processes.values()))
        await asyncio.gather(*(each.stop() for each in self.etcd))

    # --- what operators ask

    async def perform(self, request: Request, emit: Emit) -> None:
        """Raises `Refused`."""
        if isinstance(request, Status):
            await emit(await self.status())
        elif isinstance(request, RegionChange):
            await self._change_region(request)
        elif isinstance(request, NodeKill):
            await self._kill(request.node)
        elif isinstance(request, RoundTripChange):
            self._set_round_trip(request.ms)
            for each in self._round_trips():
                await self._tell_all(SetRoundTrip(each.a, each.b, each.ms))
        else:
            await self._move(request)

    async def status(self) -> dict[str, Any]:
        """Of every region, and of the etcd members."""
        regions = await asyncio.gather(*(self._status_of(node) for node in self.nodes.values()))
        parts = await asyncio.gather(*(self._status_of(node) for node in self.parts.values()))
        return {
            "cluster": self.plan.cluster,
            "regions": regions,
            "parts": parts,
            "witness": self.plan.witness,
            "cuts": sorted(
                f"{a}>{b}" for a in self.regions for b in self.regions if self.faults.is_cut(a, b)
            ),
            "etcd": [
                {"node": member.name, "region": region, "is_running": member.is_running, "pid": member.pid}
                for each in self.etcd
                for region, member in each.members.items()
            ],
        }

    async def _status_of(self, node: NodeProcess) -> dict[str, Any]:
        config = node.config
        lines, error = await self._ask(node, requests.Status())
        state = "killed" if config.region in self.killed else "starting" if not node.is_running else error
        shown = {
            "node": config.node,
            "region": config.region,
            "roles": next(each.roles for each in config.nodes if each.node == config.node),
            "starts": node.starts,
        }
        return {**shown, **(lines[0] if lines else {"state": state or "not ready"})}

    def _ours_in(self, region: str) -> list[NodeProcess]:
        return [node for node in self.processes.values() if node.config.region == region]

    async def _change_region(self, request: RegionChange) -> None:
        region = request.region
        for name in (region, request.other or region):
            if name not in self.regions:
                raise Refused(f"there is no region {name}: {', '.join(self.regions)}")
        if request.action == "cut":
            cut = Cut(region, request.other)
            self.faults.apply(cut)
            await self._tell_all(cut)
        elif request.action == "kill":
            self.killed.add(region)
            for node in self._ours_in(region):
                node.is_wanted = False
                node.kill()
            await asyncio.gather(*(each.kill_member(region) for each in self.etcd))
        elif request.action == "heal":
            self.faults.apply(Heal(region))
            await self._tell_all(Heal(region))
            self.killed.discard(region)
            for each in self.etcd:
                if not each.members[region].is_running:
                    await each.start_member(region)
            for node in self._ours_in(region):
                node.start()
        else:
            raise Refused(f"a region can be cut, killed or healed, not {request.action}")

    async def _kill(self, name: str) -> None:
        processes = self.processes
        if name in processes:
            processes[name].kill()
            return
        for each in self.etcd:
            for region, member in each.members.items():
                if member.name == name:
                    await each.kill_member(region)
                    await each.start_member(region)
                    return
        names = [*processes, *(member.name for each in self.etcd for member in each.members.values())]
        raise Refused(f"there is no node {name}: {', '.join(names)}")

    async def _move(self, request: MoveRange) -> None:
        if request.region not in self.plan.regions:
            raise Refused(f"there is no active region {request.region}")
        journal = self._journal_for(request)
        errors = []
        for node in self.nodes.values():
            _lines, error = await self._ask(node, requests.MoveRange(journal, request.table))
            if not error:
                return
            errors.append(error)
        raise Refused("; ".join(dict.fromkeys(errors)))

    def _journal_for(self, request: MoveRange) -> int:
        """The first that is led from the region, or the one that was asked for. Raises `Refused`."""
        led = [each for each in range(len(self.etcd)) if leader_of(self.plan, each) == request.region]
        if request.journal is None:
            return led[0]
        if request.journal not in led:
            raise Refused(f"journals led from {request.region}: {', '.join(map(str, led))}")
        return request.journal

    async def _tell_all(self, change: net_faults.Change) -> None:
        """Every node injects the same; one that does not answer learns it when it starts."""
        for node in self.processes.values():
            node.config = msgspec.structs.replace(node.config, round_trips=self._round_trips())
            if node.is_running:
                await self._ask(node, requests.Fault(change))

    async def _ask(self, node: NodeProcess, request: msgspec.Struct) -> tuple[list[Any], str]:
        """A node's answer, and what went wrong."""
        try:
            async with asyncio.timeout(ASK_S):
                return await ask_node(Path(node.config.data), request), ""
        except (OSError, Refused) as error:
            return [], str(error) or type(error).__name__

    def _clock(self, region: str) -> ClockChoice:
        """The machine's, which all share; or one that is wrong on purpose."""
        error = self.options.clock_error_ms
        if not error:
            return ClockChoice("shared", directory=self.data.absolute())
        is_first = self.plan.regions.index(region) == 0
        return ClockChoice("constant", bound_ms=error, error_ms=error if is_first else -error)

    # --- distances

    def _set_round_trip(self, ms: float) -> None:
        try:
            for number, a in enumerate(self.regions):
                for b in self.regions[number + 1 :]:
                    self.faults.apply(SetRoundTrip(a, b, ms))
        except BadChange as error:
            raise Refused(str(error)) from error

    def _round_trips(self) -> list[RoundTrip]:
        return [
            RoundTrip(a, b, 2000 * self.faults.delay_s(a, b))
            for number, a in enumerate(self.regions)
            for b in self.regions[number + 1 :]
        ]

    def _longest(self) -> int:
        return int(max((each.ms for each in self._round_trips()), default=0))

    def _broken(self, error: BaseException) -> None:
        log.critical("control socket failed error=%r", error)
        self.stopped.set()


def _metrics(options: Options, number: int) -> tuple[str, int] | None:
    if options.metrics is None:
        return None
    host, port = options.metrics
    return host, port + number


async def ask_node(data: Path, request: msgspec.Struct) -> list[Any]:
    """What a node's control socket answers. Raises OSError, `Refused`."""
    with address(data) as path:
        reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(msgspec.json.encode(request) + b"\n")
        lines = []
        while line := await reader.readline():
            answer = msgspec.json.decode(line)
            if "error" in answer:
                raise Refused(answer["error"])
            if "end" in answer:
                break
            lines.append(answer["line"])
        return lines
    finally:
        writer.close()


async def serve(options: Options) -> int:
    """Run until a signal; returns the exit code."""
    options.data.mkdir(parents=True, exist_ok=True)
    with lock_directory(options.data):
        cluster = LocalCluster(options)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, cluster.stopped.set)
        starting = loop.create_task(cluster.start())
        stopping = loop.create_task(cluster.stopped.wait())
        try:
            await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                for region, node in cluster.nodes.items():
                    print(f"ready {region} {node.endpoint}", flush=True)  # noqa: T201 - DESIGN §12
                await stopping
        finally:
            for task in (starting, stopping):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(starting, stopping, return_exceptions=True)
            await cluster.stop()
    return 0


def run(options: Options) -> int:
    """`serve` on uvloop."""
    import uvloop

    return uvloop.run(serve(options))
