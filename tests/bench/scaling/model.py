"""A region in virtual time: the real cores, each step charged what it was measured to cost.

    client ─▶ query processor ─▶ shard reads ─▶ Coordinator ─▶ RangeOwner ─▶ journal ─┬▶ answer
                                                                 ▲   closed times     ├▶ Crossbar ─▶ Shard
                                                                 └── every other owner's records ◀──┘

Each process is one core that does one thing after the other; a message takes `HOP`, an append `APPEND` of waiting and
`FLUSH` of the journal's own time. Nothing is random but the keys, which come from the seed: the same numbers give the
same run. Clients are closed loops: the next transaction begins when the last one was answered.
"""

import heapq
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from adjudicator.protocol import Announce, Append, Outcome, Prepare, ToCoordinator, ToOwner, Vote
from journal.crossbar import Crossbar, Item
from journal.encoding import Sealed
from journal.journal import Entry, Tail
from journal.record import Commit, Write
from server.session.coordinator import Coordinator, WriteSet
from storage.shard import Read, Shard
from tests.bench.scaling.costs import BASE, VALUE, Costs, owner
from tests.sim.rows import MemoryRows

US = 1000
MS = 10**6
HOP = 50 * US
APPEND = 1500 * US
FLUSH = 300 * US
TICK = 5 * MS
SLOTS = 8
"""Parts of the key space; owners and shards have as many of them each as all others."""
CLIENTS = 16
"""Per query processor."""


class Sizes(NamedTuple):
    """How many there are of each."""

    queries: int = 1
    owners: int = 1
    shards: int = 1
    crossbars: int = 1


class Found(NamedTuple):
    """What a run showed."""

    per_s: float
    p50_ms: float
    p99_ms: float
    busy: dict[str, float]
    """The busiest process of each kind: its share of the time."""

    @property
    def bottleneck(self) -> str:
        """The kind of which a process is busiest."""
        return max(self.busy, key=lambda kind: self.busy[kind])


class Process:
    """One core: what it is given is done in order."""

    def __init__(self, world: "World", kind: str) -> None:
        self.world = world
        self.kind = kind
        self.busy = 0
        self._free = 0
        world.processes.append(self)

    def work(self, us: float, then: Callable[..., None], *arguments: Any) -> None:
        """`then` when this has had `us` of the core."""
        self.charge(us)
        self.world.at(self._free, then, *arguments)

    def charge(self, us: float) -> None:
        """What follows comes so much later."""
        begun = max(self._free, self.world.now)
        self._free = begun + int(us * US)
        self.busy += max(0, min(self._free, self.world.end) - max(begun, self.world.begin))

    def take(self, us: float, then: Callable[..., None], *arguments: Any) -> None:
        """As `work`, for what came as a message."""
        self.work(self.world.costs.message + us, then, *arguments)

    def send(self, then: Callable[..., None], *arguments: Any) -> None:
        """A message, once what was charged is done; its receiver is charged when it takes it."""
        self.charge(self.world.costs.message)
        self.world.at(max(self._free, self.world.now) + HOP, then, *arguments)


class World:
    """Time, and everything in it."""

    def __init__(
        self, costs: Costs, sizes: Sizes, *, cross: float, reads: int, seed: int = 1, warm_ms: int = 150
    ) -> None:
        """`cross`: the share of transactions with keys of two owners; `reads`: rows that each reads first.

        The first `warm_ms` do not count: many times what a transaction takes.
        """
        self.costs = costs
        self.sizes = sizes
        self.cross = cross
        self.reads = reads
        self.chance = random.Random(seed)
        self.now = BASE
        self.processes: list[Process] = []
        self.begin = self.end = BASE + warm_ms * MS
        self.latencies: list[int] = []
        self._events: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0
        self.journals = [Journal(self, number) for number in range(sizes.owners)]
        self.owners = [Owner(self, number) for number in range(sizes.owners)]
        self.crossbars = [Merging(self) for _ in range(sizes.crossbars)]
        self.shards = [Storing(self, number) for number in range(sizes.shards)]
        self.queries = [Query(self, number) for number in range(sizes.queries)]

    def at(self, when: int, then: Callable[..., None], *arguments: Any) -> None:
        """Call it then."""
        self._count += 1
        heapq.heappush(self._events, (when, self._count, then, arguments))

    def run(self, ms: int) -> Found:
        """So many virtual milliseconds after a beginning that does not count."""
        self.end = self.begin + ms * MS
        for each in self.owners:
            each.tick()
        for client in range(CLIENTS * len(self.queries)):
            begun = BASE + self.chance.randrange((self.begin - BASE) // 4)
            self.at(begun, self.queries[client % len(self.queries)].begin, client)
        while self._events and self._events[0][0] <= self.end:
            self.now, _, then, arguments = heapq.heappop(self._events)
            then(*arguments)
        return self._found(ms)

    def _found(self, ms: int) -> Found:
        busy: dict[str, float] = {}
        for each in self.processes:
            busy[each.kind] = max(busy.get(each.kind, 0.0), each.busy / (ms * MS))
        times = sorted(self.latencies)
        p50, p99 = (times[int(len(times) * part)] / MS if times else 0.0 for part in (0.5, 0.99))
        return Found(len(times) / ms * 1000, p50, p99, busy)

    @property
    def complete(self) -> int:
        """Up to which every shard has applied: transactions that begin there need not wait, as with a lead."""
        return max(BASE, min(each.core.complete for each in self.shards))

    def owner_of(self, slot: int) -> int:
        return slot * self.sizes.owners // SLOTS

    def shard_of(self, slot: int) -> int:
        return slot * self.sizes.shards // SLOTS


def key_of(slot: int, number: int) -> bytes:
    """The first byte says where it lies."""
    return bytes([slot]) + number.to_bytes(8, "big")


def span(first: int, last: int) -> tuple[bytes, bytes]:
    """Of slots."""
    return bytes([first]), bytes([last])


class Journal(Process):
    """Durable after a wait, one record after the other; then everybody who reads it is told."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world, "journal")
        self.number = number

    def append(self, sealed: Sealed, entry: Entry) -> None:
        """From its owner."""
        self.work(FLUSH / US, self._flushed, sealed, entry)

    def _flushed(self, sealed: Sealed, entry: Entry) -> None:
        world = self.world
        tail = Tail(sealed.position, sealed.epoch, sealed.hash, sealed.last_ts)
        world.at(world.now + APPEND, world.owners[self.number].appended, tail)
        for each in [*world.crossbars, *(other for other in world.owners if other.number != self.number)]:
            world.at(world.now + APPEND + HOP, each.arrived, self.number, entry)


class Following(Process):
    """What merges all journals: the crossbar of shards, or an owner that learns of others' commits."""

    def __init__(self, world: World, kind: str) -> None:
        super().__init__(world, kind)
        self.crossbar = Crossbar(list(range(world.sizes.owners)))

    def arrived(self, journal: int, entry: Entry) -> None:
        """The next record of a journal."""
        self.work(self.cost_of(journal, len(entry.record.commits)), self._read, journal, entry)

    def _read(self, journal: int, entry: Entry) -> None:
        self.crossbar.feed(journal, [entry])
        self.progressed()

    def cost_of(self, journal: int, commits: int) -> float:
        raise NotImplementedError

    def progressed(self) -> None:
        raise NotImplementedError

    def announced(self, effect: Announce) -> None:
        """A closed time."""
        self.take(0.0, self._closed, effect)

    def _closed(self, effect: Announce) -> None:
        self.crossbar.announce(effect.announcement)
        self.progressed()


class Owner(Following):
    """An adjudicator and its journal."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world, "adjudicator")
        self.number = number
        slots = [slot for slot in range(SLOTS) if world.owner_of(slot) == number]
        self.core = owner(number, *span(slots[0], slots[-1] + 1))
        self._own: list[Entry] = []

    def cost_of(self, journal: int, commits: int) -> float:
        costs = self.world.costs
        if journal == self.number:
            return costs.merge * commits
        return (costs.decode + costs.merge + costs.learn) * commits

    def progressed(self) -> None:
        items = self.crossbar.take(1 << 20)
        self.perform(
            self.core.feed(items, self.crossbar.take_notes(), self.crossbar.complete, self.world.now)
        )

    def tick(self) -> None:
        """Every few ms."""
        self.work(0.0, self._announce)
        self.world.at(self.world.now + TICK, self.tick)

    def receive(self, message: Any) -> None:
        """Costs first, then the core."""
        costs = self.world.costs
        if isinstance(message, Prepare):
            is_alone = len(message.participants) == 1
            self.take(costs.decide if is_alone else costs.vote, self._do, self.core.prepare, message)
        elif isinstance(message, Vote):
            self.take(max(costs.gather - costs.vote, 0.0), self._do, self.core.vote, message)
        elif isinstance(message, Outcome):
            self.take(0.0, self._hear, message)  # part of `vote`
        else:
            self.take(costs.vote, self._do, self.core.ask, message)

    def _do(self, method: Callable[..., list[Any]], message: Any) -> None:
        self.perform(method(message, self.world.now))

    def _hear(self, message: Outcome) -> None:
        self.perform(self.core.outcome(message))

    def appended(self, tail: Tail) -> None:
        """A record of its own is durable."""
        self.take(0.0, self._appended, tail)

    def _appended(self, tail: Tail) -> None:
        self.perform(self.core.appended(tail, self.world.now))
        mine = self._own.pop(0)
        self.arrived(self.number, mine)
        self._announce()

    def _announce(self) -> None:
        self.perform(self.core.tick(self.world.now))

    def perform(self, effects: list[Any]) -> None:
        """What the core wants done."""
        world, costs = self.world, self.world.costs
        for effect in effects:
            if isinstance(effect, Append):
                self.charge(costs.record + costs.encode * len(effect.entry.record.commits))
                self._own.append(effect.entry)
                self.send(world.journals[self.number].append, effect.record, effect.entry)
            elif isinstance(effect, ToOwner):
                self.send(world.owners[effect.journal].receive, effect.message)
            elif isinstance(effect, ToCoordinator):
                query = world.queries[effect.coordinator % len(world.queries)]
                self.send(query.answered, effect.coordinator, effect.answer)
            elif isinstance(effect, Announce):
                self.crossbar.announce(effect.announcement)
                for each in [*world.crossbars, *world.owners]:
                    if each is not self:
                        self.send(each.announced, effect)


class Merging(Following):
    """A crossbar process: all journals as one stream, of which each shard that asks gets its part."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "crossbar")
        self._parts: dict[int, list[Item]] = {}
        """By shard: what it has not got."""
        self._fed: dict[int, int] = {}
        self._asking: set[int] = set()

    def cost_of(self, journal: int, commits: int) -> float:
        return (self.world.costs.decode + self.world.costs.merge) * commits

    def serve(self, shard: int) -> None:
        """It is one of those that this one feeds."""
        self._parts[shard], self._fed[shard] = [], 0
        self._asking.add(shard)

    def asked(self, shard: int) -> None:
        """A shard has applied what it got."""
        self.take(0.0, self._asked, shard)

    def _asked(self, shard: int) -> None:
        self._asking.add(shard)
        self._feed()

    def progressed(self) -> None:
        world = self.world
        routed = 0
        for item in self.crossbar.take(1 << 20):
            if isinstance(item.content, Commit):
                for number in {world.shard_of(write.key[0]) for write in item.content.writes}:
                    if number in self._parts:
                        self._parts[number].append(item)
                        routed += 1
        self.crossbar.take_notes()
        self.charge(world.costs.route * routed)
        self._feed()

    def _feed(self) -> None:
        complete = self.crossbar.complete
        for number in sorted(self._asking):
            if complete > self._fed[number]:
                self._asking.remove(number)
                self._fed[number] = complete
                items, self._parts[number] = self._parts[number], []
                self.send(self.world.shards[number].fed, items, complete)


class Storing(Process):
    """A shard's replica."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world, "shard")
        self.number = number
        slots = [slot for slot in range(SLOTS) if world.shard_of(slot) == number]
        self.lo, self.hi = span(slots[0], slots[-1] + 1)
        self.core = Shard(MemoryRows(), self.lo, self.hi)
        self._crossbar = world.crossbars[number % len(world.crossbars)]
        self._crossbar.serve(number)

    def fed(self, items: list[Item], complete: int) -> None:
        """A part of the stream."""
        rows = sum(self.lo <= write.key < self.hi for item in items for write in _writes(item))
        self.take(self.world.costs.apply * rows, self._apply, items, complete)

    def _apply(self, items: list[Item], complete: int) -> None:
        for answer in self.core.feed(items, complete):
            self._answer(answer)
        self.send(self._crossbar.asked, self.number)

    def read(self, wanted: Read) -> None:
        """From a query processor."""
        self.take(self.world.costs.read * len(wanted.keys), self._read, wanted)

    def _read(self, wanted: Read) -> None:
        answer = self.core.read(wanted, self.world.now)
        if answer is not None:
            self._answer(answer)

    def _answer(self, answer: Any) -> None:
        query = self.world.queries[answer.reader % len(self.world.queries)]
        self.send(query.found, answer.reader)


class Query(Process):
    """A query processor and its clients."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world, "query processor")
        self.number = number
        self._begun: dict[int, int] = {}
        self._waits: dict[int, int] = {}
        self._keys: dict[int, list[bytes]] = {}
        self._commits: dict[int, Coordinator] = {}
        self._transactions = 0

    def begin(self, client: int) -> None:
        """The client's next transaction: its statements, of which the reads go to shards."""
        world, chance = self.world, self.world.chance
        self._begun[client] = world.now
        slots = self._slots()
        self._keys[client] = [key_of(slot, chance.getrandbits(40)) for slot in slots]
        self._waits[client] = world.reads
        self.work(world.costs.statements, self._read, client, slots[0], world.complete)

    def _slots(self) -> list[int]:
        world, chance = self.world, self.world.chance
        first = chance.randrange(SLOTS)
        if chance.random() >= world.cross or world.sizes.owners == 1:
            return [first, first]
        others = [slot for slot in range(SLOTS) if world.owner_of(slot) != world.owner_of(first)]
        return [first, chance.choice(others)]

    def _read(self, client: int, slot: int, ts: int) -> None:
        world = self.world
        if not world.reads:
            self._commit(client, ts)
        for number in range(world.reads):
            wanted = Read(client, number, ts, (key_of(slot, world.chance.getrandbits(40)),))
            self.send(world.shards[world.shard_of(slot)].read, wanted)

    def found(self, client: int) -> None:
        """One row."""
        self.take(0.0, self._found, client)

    def _found(self, client: int) -> None:
        self._waits[client] -= 1
        if not self._waits[client]:
            self._commit(client, self.world.complete)

    def _commit(self, client: int, start_ts: int) -> None:
        self._transactions += 1
        txid = self._transactions.to_bytes(12, "big") + client.to_bytes(4, "big")
        writes = [Write(key, VALUE, 1) for key in self._keys[client]]
        core = self._commits[client] = Coordinator(client, WriteSet(txid, start_ts, writes), Map(self.world))
        effects = core.begin(self.world.now)
        self.charge(self.world.costs.coordinate * len(effects))
        self._ask(effects)

    def _ask(self, effects: list[ToOwner]) -> None:
        for effect in effects:
            self.send(self.world.owners[effect.journal].receive, effect.message)

    def answered(self, client: int, answer: Any) -> None:
        """The decider's word."""
        self.take(0.0, self._answered, client, answer)

    def _answered(self, client: int, answer: Any) -> None:
        core = self._commits[client]
        self._ask(core.answer(answer, self.world.now))
        self._look(client, core)

    def _look(self, client: int, core: Coordinator) -> None:
        if self._commits.get(client) is not core:
            return
        if core.result is None:
            self._ask(core.tick(self.world.now))
        if core.result is None:
            self.world.at(self.world.now + MS, self._look, client, core)
            return
        del self._commits[client]
        if self.world.now >= self.world.begin:
            self.world.latencies.append(self.world.now - self._begun[client])
        self.begin(client)


class Map:
    """Who owns what: nothing moves."""

    def __init__(self, world: World) -> None:
        self._world = world

    def journal_of(self, key: bytes) -> int:
        return self._world.owner_of(key[0])

    def journals_of(self, lo: bytes, hi: bytes) -> list[int]:
        return list(range(self._world.sizes.owners))

    def epoch_of(self, journal: int) -> int:
        return 1


def _writes(item: Item) -> list[Write]:
    return item.content.writes if isinstance(item.content, Commit) else []
