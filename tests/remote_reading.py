"""Sessions that read from storage processes: shards over a node's rows, and a network that delays and loses."""

import asyncio
import random
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from journal.record import MARKERS
from server.runtime.net.asking import Ended, Lost, Question
from server.runtime.net.traffic import Loss
from server.runtime.node import Node
from server.runtime.reading.places import ShardMap
from server.runtime.reading.running import Storage
from server.runtime.reading.versions import RemoteVersions
from server.runtime.region.config import ShardPlaces
from server.runtime.region.wire import ReadFound, ReadWanted, ScanFound, ScanWanted
from server.session import suspending
from server.session.reader import Endurance
from server.session.stacks import OnStack
from storage.pushdown import StoredPushdown
from storage.replica import StoredRows
from storage.shard import Bounds, Read, Refused, Scan, Shard
from tests import moving

MS = 10**6
BOUNDS = Bounds(rows=7, answer_bytes=2000)
ENDURANCE = Endurance(answer=20 * MS, statement=20_000 * MS, pieces=2)


class Quiet:
    """A network without troubles: everybody answers in the same turn of the loop."""

    loss = refusal = dead = 0.0
    delay_s = 0.0

    def __init__(self, seed: int = 1) -> None:
        self.chance = random.Random(seed)


class Rough(Quiet):
    """Answers late and in another order, lost, or refused; now and then a replica that is gone."""

    loss, refusal, dead = 0.02, 0.05, 0.05
    delay_s = 0.003


class Asked(Question):
    """A question that may be withdrawn."""

    def __init__(self, network: "Network") -> None:
        super().__init__()
        self._network = network

    def withdraw(self) -> None:
        self._network.open.discard(self)
        self.abandon()


class Network:
    """The way to the replicas of some shards over one node's rows: an `Asker`."""

    def __init__(self, node: Node, splits: Sequence[bytes], trouble: Quiet, bounds: Bounds = BOUNDS) -> None:
        self.trouble = trouble
        self.questions = 0
        self.messages: list[Any] = []
        """The last ones."""
        self.rows = 0
        """That were answered."""
        self.open: set[Question] = set()
        self.held: list[Any] | None = None
        """Not None: nobody is answered; what would be."""
        ends = [b"", *splits, None]
        self.places = [
            ShardPlaces(lo or b"", hi, (f"s{number}a", f"s{number}b"))
            for number, (lo, hi) in enumerate(pairwise(ends))
        ]
        rows = StoredRows(node.versions)
        self.shards = {
            replica: Shard(
                rows, place.lo, MARKERS if place.hi is None else place.hi, bounds, StoredPushdown()
            )
            for place in self.places
            for replica in place.replicas
        }
        self.gone: set[str] = set()

    def is_connected(self, to: str) -> bool:
        return to not in self.gone

    def ask(self, to: str, message: Any, patience_s: float) -> Question:
        self.questions += 1
        self.messages = [*self.messages[-99:], message]
        question = Asked(self)
        chance, trouble = self.trouble.chance, self.trouble
        if to in self.gone or chance.random() < trouble.dead:
            question.fail(Lost(Loss.UNREACHABLE))
            return question
        self.open.add(question)
        if self.held is not None:
            self.held.append((to, message, question))
        elif chance.random() >= trouble.loss:
            self._answer_later(to, message, question)
        return question

    def go_on(self) -> None:
        """Answer what was held back, and hold no more."""
        held, self.held = self.held or [], None
        for each in held:
            self._answer_later(*each)

    def end(self, to: str) -> None:
        """The process is gone; what it was asked for is not answered."""
        self.gone.add(to)

    def _answer_later(self, to: str, message: Any, question: Question) -> None:
        delay = self.trouble.chance.random() * self.trouble.delay_s
        asyncio.get_running_loop().call_later(delay, self._answer, to, message, question)

    def _answer(self, to: str, message: Any, question: Question) -> None:
        if question.done:
            return
        self.open.discard(question)
        if to in self.gone:
            question.fail(Ended("gone"))
            return
        refused = Refused.LATE if self.trouble.chance.random() < self.trouble.refusal else None
        question.finish(self.found(to, message, refused))

    def found(self, to: str, message: Any, refused: Refused | None) -> Any:
        """What a storage node says."""
        shard = self.shards[to]
        if isinstance(message, ReadWanted):
            assert all(shard.lo <= key < shard.hi for key in message.keys)
            answer = shard.read(Read(0, 1, message.ts, message.keys), time.time_ns())
            assert answer is not None
            self.rows += len(answer.rows)
            return ReadFound(answer.rows, refused or answer.refused)  # type: ignore[arg-type]
        assert isinstance(message, ScanWanted)
        assert shard.lo <= message.lo and message.hi <= shard.hi
        span = (message.lo, message.hi)
        scan = Scan(0, 1, message.ts, *span, message.limit, message.pushed, message.reverse)
        answer = shard.read(scan, time.time_ns())
        self.rows += len(answer.rows)  # type: ignore[union-attr]
        return ScanFound(answer.rows, answer.following, refused or answer.refused)  # type: ignore[union-attr, arg-type]


class RemoteHost(moving.Elsewhere):
    """A query processor before the node, whose rows it reads from shards."""

    def __init__(self, node: Node, network: Network, endurance: Endurance = ENDURANCE) -> None:
        super().__init__(node)
        self.session_defaults = node.session_defaults
        self.network = network
        self.storage = Storage(
            network,
            ShardMap(network.places, network.is_connected),
            earliest=time.time_ns,
            call_later=lambda seconds, step: asyncio.get_running_loop().call_later(seconds, step),
            age_limit_s=300.0,
            endurance=endurance,
        )
        self.reads: Any = RemoteVersions(self.storage)


class Client(moving.Client):
    """A client whose session reads from shards."""

    kind = OnStack


class RemoteBereft(OnStack, suspending.Bereft):
    """One whose transaction was lost."""


class Moving(moving.Moving):
    """A client whose session moves between hosts that read from shards."""

    kind = OnStack
    kinds = suspending.Kinds(OnStack, RemoteBereft)
