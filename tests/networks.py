"""Several nodes of one cluster in one loop, joined by real sockets, for tests of what passes between them."""

import asyncio
import datetime
import functools
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from server.runtime.net import identity
from server.runtime.net.faults import Change, Faults
from server.runtime.net.identity import Identity, NodeTls
from server.runtime.net.sharing import Settings
from server.runtime.net.transport import Address, Transport
from server.runtime.net.wire import Vocabulary
from tests.nodes import Failures

REGIONS = ("east", "west", "witness")
FAST = Settings(ping_s=0.02, rest_s=0.002, rest_most_s=0.02, frame_bytes=1 << 20, queue_bytes=8 << 20)
PATIENT = 30.0


class Note(msgspec.Struct, frozen=True, array_like=True):
    """Wants no answer."""

    number: int
    text: bytes = b""


class Sum(msgspec.Struct, frozen=True, array_like=True):
    """A question."""

    a: int
    b: int


class Total(msgspec.Struct, frozen=True, array_like=True):
    """Its answer."""

    value: int
    padding: bytes = b""


VOCABULARY = {"note": Note, "sum": Sum, "total": Total}


@functools.cache
def certificates(cluster: str = "bank") -> Path:
    """A directory with certificates of this cluster's nodes a and b (east), c (west) and x (west)."""
    directory = Path(tempfile.mkdtemp(prefix="opendsql-net-"))
    nodes = [("east", "a"), ("east", "b"), ("west", "c"), ("west", "x")]
    wanted = [Identity(cluster, region, node) for region, node in nodes]
    identity.issue(directory, wanted, datetime.datetime.now(datetime.UTC))
    return directory


def tls(node: str, cluster: str = "bank") -> NodeTls:
    return identity.load_issued(certificates(cluster), node)


class Party:
    """A node that remembers what it heard, and adds numbers."""

    def __init__(
        self, region: str, node: str, settings: Settings = FAST, vocabulary: dict[str, type] | None = None
    ):
        self.heard: list[Any] = []
        self.failures = Failures()
        self.changes: list[tuple[str, bool]] = []
        self.transport = Transport(
            Identity("bank", region, node),
            Vocabulary(vocabulary or VOCABULARY),
            tls(node),
            faults=Faults(REGIONS),
            broken=self.failures,
            settings=settings,
            changed=lambda node, is_up: self.changes.append((node, is_up)),
        )
        self.transport.on_post(Note, lambda sender, note: self.heard.append((sender.node, note)))
        self.transport.on_ask(Sum, lambda _sender, question, reply: reply.answer(total(question)))
        self.port = 0

    @property
    def address(self) -> Address:
        return Address(self.transport.me, "127.0.0.1", self.port)


def total(question: Sum) -> Total:
    return Total(question.a + question.b)


def between(
    parties: Callable[[], list[Party]], work: Callable[..., Awaitable[None]], loop: Any = None
) -> None:
    """Connect the parties to each other, do `work(*parties)`, stop them."""

    async def main() -> None:
        made = parties()
        for party in made:
            party.port = await party.transport.start("127.0.0.1", 0)
        for party in made:
            party.transport.connect([other.address for other in made])
        try:
            await connected(*made)
            await work(*made)
        finally:
            for party in made:
                await party.transport.stop()
        assert [party.failures for party in made] == [[] for _ in made]

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


async def connected(*parties: Party) -> None:
    """Until every one can send to every other one."""
    for party in parties:
        for other in parties:
            while other is not party and not party.transport.is_connected(other.transport.me.node):
                await asyncio.sleep(0.001)


def inject(change: Change, *parties: Party) -> None:
    """Tell all of them of a fault."""
    for party in parties:
        party.transport.faults.apply(change)
