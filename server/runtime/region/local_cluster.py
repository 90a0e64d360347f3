"""`opendsql cluster`: two regions and a witness on this machine, as far apart as wished, to be broken on purpose.

    this process      supervises, holds the links between the etcd members, answers operators (data/control)
    per journal       one etcd member per region, the witness among them
    per active region one node process (server.runtime.region.serving)

What is killed by an operator as a region stays dead until it is healed; any other process that ends is started again.
"""

import asyncio
import contextlib
import datetime
import logging
import os
import signal
import sys
import time
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from server.runtime.backend import ROOT
from server.runtime.clocks.choice import ClockChoice
from server.runtime.control import ControlSocket, address
from server.runtime.net import faults as net_faults
from server.runtime.net.faults import BadChange, Cut, Faults, Heal, SetRoundTrip
from server.runtime.net.identity import Identity, issue
from server.runtime.operations import Emit, Refused
from server.runtime.region import bound, serving
from server.runtime.region.config import PROMISE_MS, Journal, NodeAddress, NodeConfig, RoundTrip, encode
from server.runtime.region.local_etcd import LocalEtcd, Ports, free_ports
from server.runtime.stores import lock_directory

log = logging.getLogger("opendsql.cluster")

PLAN = "cluster.json"
HOST = "127.0.0.1"
READY_S = 60.0
STOP_S = 9.0
RESTART_S = 0.3
RESTART_MOST_S = 5.0
ASK_S = 5.0
PROMISE_ROUND_TRIPS = 5


class Plan(msgspec.Struct, forbid_unknown_fields=True):
    """What stays the same as long as the data directory does."""

    cluster: str
    regions: list[str]
    witness: str
    client_ports: dict[str, int]
    """Region -> port for clients; 0: any free one each time."""
    node_ports: dict[str, int]
    etcd_ports: dict[str, dict[str, Ports]]
    """Journal -> region -> ports."""
    promise_ms: int = PROMISE_MS
    """Of the owners, for the longest distance that there ever was."""


class Status(msgspec.Struct, tag="status", forbid_unknown_fields=True):
    """Everything that is known of the cluster."""


class RegionChange(msgspec.Struct, tag="region", forbid_unknown_fields=True):
    """`action`: cut, kill or heal; a cut is from all others, or from one of them."""

    action: str
    region: str
    other: str | None = None


class NodeKill(msgspec.Struct, tag="node-kill", forbid_unknown_fields=True):
    """kill -9 of one process, by the name that status shows."""

    node: str


class RoundTripChange(msgspec.Struct, tag="rtt", forbid_unknown_fields=True):
    """From now on all regions are `ms` apart."""

    ms: float


class MoveRange(msgspec.Struct, tag="move", forbid_unknown_fields=True):
    """A table's keys (all keys without one) are decided on in `region` from now on."""

    region: str
    table: str | None = None


Request: TypeAlias = Status | RegionChange | NodeKill | RoundTripChange | MoveRange
decode = msgspec.json.Decoder(Request).decode


@dataclass(slots=True)
class Options:
    """What the command line says."""

    data: Path
    regions: list[str] = field(default_factory=lambda: ["us-east-1", "us-west-2"])
    witness: str = "us-east-2"
    port: int = 5432
    rtt_ms: float = 0.0
    clock_error_ms: float = 0.0
    """One region's clock is so far ahead, the other one's behind; both know that they may be."""
    workers: int = 0
    """Per region, beside the node's own process."""
    metrics: tuple[str, int] | None = None
    """Of the first region's node; the second one's is the next port."""
    silence_s: float = 1.0


class Failed(Exception):
    """The cluster can't be run; the text is for the operator."""


class NodeProcess:
    """One region's node: started, and started again while it is wanted."""

    def __init__(self, config: NodeConfig, directory: Path) -> None:
        self.config = config
        self.directory = directory
        self.process: asyncio.subprocess.Process | None = None
        self.endpoint = ""
        self.is_wanted = True
        self.starts = 0
        self.ready = asyncio.Event()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    def start(self) -> None:
        """Keep it running from now on."""
        self.is_wanted = True
        self._wake.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep())

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()

    async def stop(self) -> None:
        """SIGTERM, and -9 if that takes too long."""
        self.is_wanted = False
        process = self.process
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        rest = RESTART_S
        while True:
            while not self.is_wanted:
                self._wake.clear()
                await self._wake.wait()
            began = time.monotonic()
            await self._run()
            self.ready.clear()
            if self.is_wanted:
                rest = RESTART_S if time.monotonic() - began > 10 else min(2 * rest, RESTART_MOST_S)
                await asyncio.sleep(rest)

    async def _run(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / "node.json"
        path.write_bytes(encode(self.config))
        path.chmod(0o600)
        self.starts += 1
        with (self.directory / "node.log").open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *bound.command(
                    *(sys.executable, "-P", "-m", "server.runtime.region.node_process", str(path))
                ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
                env=_environment(),
                start_new_session=True,
            )
        self.process = process
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                text = line.decode().strip()
                if text.startswith("ready "):
                    self._is_ready_at(text.removeprefix("ready "))
            code = await process.wait()
        except asyncio.CancelledError:
            if process.returncode is None:
                process.kill()
            raise
        if self.is_wanted:
            log.error("node ended node=%s code=%d", self.config.node, code)

    def _is_ready_at(self, endpoint: str) -> None:
        """Clients were told that address: it stays the same when the process is started again."""
        self.endpoint = endpoint
        port = urllib.parse.urlsplit(endpoint).port
        assert port is not None
        self.config = msgspec.structs.replace(self.config, port=port)
        self.ready.set()


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
                f"journal{number}", self.data, self.plan.etcd_ports[str(number)], self.faults, self._longest()
            )
            for number in range(len(self.plan.regions))
        ]
        certificates = self.data / "certificates"
        addresses = [
            NodeAddress(_node(region), region, HOST, self.plan.node_ports[region])
            for region in self.plan.regions
        ]
        identities = [Identity(self.plan.cluster, each.region, each.node) for each in addresses]
        issue(certificates, identities, datetime.datetime.now(datetime.UTC))
        journals = [
            Journal(
                number,
                region,
                {name: member.endpoint for name, member in self.etcd[number].members.items()},
                {name: member.name for name, member in self.etcd[number].members.items()},
            )
            for number, region in enumerate(self.plan.regions)
        ]
        self.nodes = {
            each.region: NodeProcess(
                NodeConfig(
                    cluster=self.plan.cluster,
                    node=each.node,
                    region=each.region,
                    data=str((self.data / each.region / "node").absolute()),
                    host=HOST,
                    port=self.plan.client_ports[each.region],
                    certificates=str(certificates.absolute()),
                    nodes=addresses,
                    regions=self.plan.regions,
                    witness=self.plan.witness,
                    journals=journals,
                    clock=self._clock(each.region),
                    promise_ms=self.plan.promise_ms,
                    workers=options.workers,
                    metrics=_metrics(options, each.region),
                    silence_s=options.silence_s,
                    round_trips=self._round_trips(),
                ),
                self.data / each.region,
            )
            for each in addresses
        }
        self._control = ControlSocket(self.data, self, self._broken, decode)

    async def start(self) -> None:
        """Returns when every region is ready. Raises OSError, `Failed`."""
        await asyncio.gather(*(each.start() for each in self.etcd))
        for node in self.nodes.values():
            node.start()
        try:
            async with asyncio.timeout(READY_S):
                await asyncio.gather(*(node.ready.wait() for node in self.nodes.values()))
        except TimeoutError:
            late = [name for name, node in self.nodes.items() if not node.ready.is_set()]
            raise Failed(f"not ready within {READY_S:.0f} s: {', '.join(late)}; see node.log there") from None
        await self._control.start()

    async def stop(self) -> None:
        """End every process."""
        await self._control.close()
        await asyncio.gather(*(node.stop() for node in self.nodes.values()))
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
        names = list(self.nodes)
        answers = await asyncio.gather(*(self._ask(name, serving.Status()) for name in names))
        regions = []
        for name, (lines, error) in zip(names, answers):
            state = (
                "killed" if name in self.killed else "starting" if not self.nodes[name].is_running else error
            )
            shown = {"region": name, "starts": self.nodes[name].starts}
            regions.append({**shown, **(lines[0] if lines else {"state": state or "not ready"})})
        return {
            "cluster": self.plan.cluster,
            "regions": regions,
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
            if region in self.nodes:
                self.nodes[region].is_wanted = False
                self.nodes[region].kill()
            await asyncio.gather(*(each.kill_member(region) for each in self.etcd))
        elif request.action == "heal":
            self.faults.apply(Heal(region))
            await self._tell_all(Heal(region))
            self.killed.discard(region)
            for each in self.etcd:
                if not each.members[region].is_running:
                    await each.start_member(region)
            if region in self.nodes:
                self.nodes[region].start()
        else:
            raise Refused(f"a region can be cut, killed or healed, not {request.action}")

    async def _kill(self, name: str) -> None:
        for node in self.nodes.values():
            if node.config.node == name:
                node.kill()
                return
        for each in self.etcd:
            for region, member in each.members.items():
                if member.name == name:
                    await each.kill_member(region)
                    await each.start_member(region)
                    return
        names = [node.config.node for node in self.nodes.values()]
        names += [member.name for each in self.etcd for member in each.members.values()]
        raise Refused(f"there is no node {name}: {', '.join(names)}")

    async def _move(self, request: MoveRange) -> None:
        if request.region not in self.plan.regions:
            raise Refused(f"there is no active region {request.region}")
        journal = self.plan.regions.index(request.region)
        errors = []
        for name in self.nodes:
            _lines, error = await self._ask(name, serving.MoveRange(journal, request.table))
            if not error:
                return
            errors.append(error)
        raise Refused("; ".join(dict.fromkeys(errors)))

    async def _tell_all(self, change: net_faults.Change) -> None:
        """Every node injects the same; one that does not answer learns it when it starts."""
        for name, node in self.nodes.items():
            node.config = msgspec.structs.replace(node.config, round_trips=self._round_trips())
            if node.is_running:
                await self._ask(name, serving.Fault(change))

    async def _ask(self, region: str, request: serving.Request) -> tuple[list[Any], str]:
        """A node's answer, and what went wrong."""
        try:
            async with asyncio.timeout(ASK_S):
                return await ask_node(Path(self.nodes[region].config.data), request), ""
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


def _metrics(options: Options, region: str) -> tuple[str, int] | None:
    if options.metrics is None:
        return None
    host, port = options.metrics
    return host, port + options.regions.index(region)


async def ask_node(data: Path, request: serving.Request) -> list[Any]:
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


def plan_of(options: Options) -> Plan:
    """The data directory's plan, made at the first start. Raises `Failed`."""
    path = options.data / PLAN
    regions, witness = options.regions, options.witness
    names = [*regions, witness]
    if len(regions) != 2 or len(set(names)) != 3:
        raise Failed("a cluster has two regions and a witness, with three names")
    if path.exists():
        try:
            plan = msgspec.json.decode(path.read_bytes(), type=Plan)
        except msgspec.DecodeError as error:
            raise Failed(f"{path}: {error}") from error
        if (plan.regions, plan.witness) != (regions, witness):
            raise Failed(f"{options.data} holds the regions {', '.join([*plan.regions, plan.witness])}")
    else:
        ports = iter(free_ports(len(regions) + 3 * len(names) * len(regions)))
        plan = Plan(
            "local",
            regions,
            witness,
            {},
            {region: next(ports) for region in regions},
            {
                str(journal): {name: Ports(next(ports), next(ports), next(ports)) for name in names}
                for journal in range(len(regions))
            },
        )
    plan.promise_ms = max(plan.promise_ms, int(PROMISE_ROUND_TRIPS * options.rtt_ms))
    plan.client_ports = {
        region: options.port + number if options.port else 0 for number, region in enumerate(regions)
    }
    path.write_bytes(msgspec.json.encode(plan))
    return plan


def _node(region: str) -> str:
    return f"{region}-node"


def _environment() -> dict[str, str]:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


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


def names(regions: str) -> Sequence[str]:
    """Regions as the command line lists them."""
    return [name.strip() for name in regions.split(",") if name.strip()]
