"""How a process of a region gets to the other nodes and to the journals, and how long it runs; for all roles."""

import asyncio
import faulthandler
import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from journal.broken import Broken
from journal.etcd_client import Tls, TlsSource
from journal.journal import LogError
from server.runtime import build, certificates, process
from server.runtime.net.faults import BadChange, Change, Faults, SetRoundTrip
from server.runtime.net.identity import Identity, NodeTls, load_issued
from server.runtime.net.transport import Address, Transport
from server.runtime.region import wire
from server.runtime.region.carrier import Unreachable
from server.runtime.region.config import STORAGE_ALONE, NodeAddress, NodeConfig
from server.runtime.region.etcd_carrier import EtcdCarrier
from server.runtime.requests import Refused
from server.runtime.stores import lock_directory

log = logging.getLogger("opendsql.region")

OPEN_RETRY_S = 0.2
END_S = 20.0
"""A process that has not ended so long after it began to is ended hard, as by kill -9, and says where it stood: whoever
starts it again waits for its end."""
LOOK_S = 60.0
"""Between two looks whether the certificates were renewed."""


class Server(Protocol):
    """A process."""

    stopped: asyncio.Event
    failure: BaseException | None

    async def start(self) -> None:
        """Returns when it does what it is for."""

    async def stop(self) -> None:
        """End everything."""

    def broken(self, error: BaseException) -> None:
        """An invariant is broken or a journal failed: end the process."""


def faults_of(config: NodeConfig) -> Faults:
    """What is done to messages on purpose from the start."""
    faults = Faults((*config.regions, config.witness))
    for each in config.round_trips:
        faults.apply(SetRoundTrip(each.a, each.b, each.ms))
    return faults


def change_faults(faults: Faults, change: Change) -> None:
    """As an operator asks. Raises `Refused`."""
    try:
        faults.apply(change)
    except BadChange as error:
        raise Refused(str(error)) from error


def transport_of(config: NodeConfig, faults: Faults, broken: Callable[[BaseException], None]) -> Transport:
    """To all other nodes, with the certificate of this one. Raises OSError, ValueError."""
    me = Identity(config.cluster, config.region, config.node)
    issued = load_issued(Path(config.certificates), config.node)
    return Transport(me, wire.VOCABULARY, issued, faults=faults, broken=broken, build=build.version())


async def join(transport: Transport, config: NodeConfig) -> None:
    """Listen to the nodes that this one speaks with, and keep connections to them. Raises OSError for a taken port."""
    mine = next(each for each in config.nodes if each.node == config.node)
    await transport.start(config.listen or mine.host, mine.port)
    transport.connect(
        Address(Identity(config.cluster, each.region, each.node), each.host, each.port)
        for each in peers_of(config)
    )


def peers_of(config: NodeConfig) -> list[NodeAddress]:
    """All others; but a storage node speaks with its region's node and the replicas of its shards alone."""
    mine = next(each for each in config.nodes if each.node == config.node)
    sharing = {node for each in config.shards if config.node in each.replicas for node in each.replicas}

    def is_peer(other: NodeAddress) -> bool:
        if STORAGE_ALONE not in (mine.roles, other.roles):
            return True
        is_head = mine.is_head or other.is_head
        return mine.region == other.region and (is_head or other.node in sharing)

    return [each for each in config.nodes if each.node != config.node and is_peer(each)]


async def open_journals(
    config: NodeConfig, carriers: dict[int, EtcdCarrier], tls: Tls | TlsSource | None
) -> None:
    """Fill `carriers`; returns when each journal's member in this region was reached."""
    for journal in config.journals:
        near = [journal.members[config.region]]
        while journal.number not in carriers:
            try:
                everywhere = list(journal.members.values())
                carrier = await EtcdCarrier.open(
                    near, journal.number, tls, everywhere=everywhere, quota=journal.quota_mib << 20
                )
            except Unreachable as error:
                log.info("journal is not reached yet journal=%d error=%s", journal.number, error)
                await asyncio.sleep(OPEN_RETRY_S)
                continue
            carrier.member = journal.names[config.region]
            others = [each for each in config.regions if each != config.region]
            carrier.others = [journal.names[each] for each in (config.witness, *others)]
            carriers[journal.number] = carrier


class EtcdTls:
    """A `TlsSource`: what the node shows to etcd's members, from files that may be renewed."""

    def __init__(self, authority: Path, certificate: Path, key: Path, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds. Raises OSError."""
        self._files = (authority, key, certificate)
        self._clock = clock
        self._looked_at = clock()
        self._stamp = certificates.stamp(self._files)
        self._tls = self._read()

    def __call__(self) -> Tls:
        now = self._clock()
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self._look()
        return self._tls

    def _look(self) -> None:
        try:
            found = certificates.stamp(self._files)
            if found == self._stamp:
                return
            # gRPC takes what does not match without a word, and then no connection comes about.
            NodeTls(self._files[0], self._files[2], self._files[1])
            self._tls = self._read()
        except OSError as error:
            log.error("certificates for etcd are not renewed error=%s", error)
            return
        self._stamp = found
        log.info("certificates for etcd renewed file=%s", self._files[2])

    def _read(self) -> Tls:
        return Tls(*(path.read_bytes() for path in self._files))


def etcd_tls(config: NodeConfig) -> EtcdTls | None:
    """What the node shows to etcd's members and believes of them; None: the journals are reached in clear."""
    if not config.etcd_tls:
        return None
    directory = Path(config.certificates)
    key, certificate = (directory / "nodes" / f"{config.node}.{kind}" for kind in ("key", "pem"))
    return EtcdTls(directory / "ca.pem", certificate, key, time.monotonic)


def run(config: NodeConfig, make: Callable[[NodeConfig], Server], ready: Callable[[Any], str]) -> int:
    """`serve` on uvloop; 1 if an invariant is broken or a journal failed before the process had started."""
    import uvloop

    try:
        return uvloop.run(serve(config, make, ready))
    except (Broken, LogError) as error:
        log.critical("node stops error=%r", error)
        return 1


async def serve(config: NodeConfig, make: Callable[[NodeConfig], Server], ready: Callable[[Any], str]) -> int:
    """Run until a signal; returns the exit code. `ready` says what is printed once the process has started."""
    data = Path(config.data)
    data.mkdir(parents=True, exist_ok=True)
    with lock_directory(data):
        server = make(config)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stopped.set)
        loop.set_exception_handler(_unhandled(server))
        starting = loop.create_task(server.start())
        stopping = loop.create_task(server.stopped.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            process.tune()
            print(ready(server), flush=True)  # noqa: T201 - the contract of DESIGN §12
            await server.stopped.wait()
        faulthandler.dump_traceback_later(END_S, exit=True)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await server.stop()
        return 0 if server.failure is None else 1


def _unhandled(server: Server) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What a callback of the loop raised: timers and deferred calls have no task that could tell."""
        error = context.get("exception")
        if isinstance(error, Broken | LogError):
            server.broken(error)
        else:
            loop.default_exception_handler(context)

    return handle
