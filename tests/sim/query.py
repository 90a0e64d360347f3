"""Query processors and their clients: transactions as generators that ask for reads and a commit."""

from adjudicator.messages import Reason
from server.session.coordinator import Coordinator, Patience, Unknown, WriteSet
from server.session.reader import Endurance, Reader
from tests.sim.logged import Logged
from tests.sim.workloads import Range
from tests.sim.world import MS, Process

ENDURANCE = Endurance(answer=150 * MS, statement=900 * MS, pieces=2)
PATIENCE = Patience(answer=150 * MS, backoff=6 * MS, attempts=8, unknown=3000 * MS)
AGE = 1500 * MS
"""The longest transaction here, instead of 300 s (Q2)."""
STRIDE = 1_000_000
EDGE = 1200 * MS
"""Reads that are older are near the end of what shards keep (`nodes.BOUNDS`)."""


class RoutingTable:
    """A copy of the map of ranges, as old as its last refresh."""

    def __init__(self, spans, epochs):
        self._spans = list(spans)
        self._epochs = dict(epochs)

    def journal_of(self, key):
        return next(journal for lo, hi, journal in self._spans if lo <= key < hi)

    def journals_of(self, lo, hi):
        return sorted({journal for start, end, journal in self._spans if start < hi and lo < end})

    def epoch_of(self, journal):
        return self._epochs.get(journal, 1)


class QueryNode(Process):
    """Runs transactions one after the other for each of its clients."""

    def __init__(self, cluster, number, clock, group):
        super().__init__(cluster.world, f"query{number}", group)
        self.cluster = cluster
        self.number = number
        self.clock = clock
        self.clients = []
        self._next = 0
        self._reading = {}
        """The reader's address -> (transaction, what it reads)."""
        self._coordinators = {}
        self._routing = cluster.routing()
        self._generation = 0
        self.start()

    # --- life

    def start(self):
        """Begin, or come back after a crash: open transactions are gone, sessions are not."""
        self.is_alive = True
        self._generation += 1
        self._reading = {}
        for coordinator, transaction in self._coordinators.values():
            self._log(transaction, coordinator.write_set, None)
        self._coordinators = {}
        self.world.every(self, 10 * MS, self._turn)
        for client in self.clients:
            self._think(client)

    def add(self, client):
        self.clients.append(client)
        self._think(client)

    @property
    def is_idle(self):
        return not self._reading and not self._coordinators

    @property
    def earliest(self):
        return self.clock.earliest(self.world.now)

    def _turn(self):
        world = self.world
        if world.chance.permille(10_000 * MS // world.faults.stale):
            self._routing = self.cluster.routing()
        for number, (coordinator, _transaction) in list(self._coordinators.items()):
            self._send(coordinator.tick(self.earliest))
            self._finish(number)
        for source, (transaction, _request) in list(self._reading.items()):
            self._ask(transaction.reader.tick(self.earliest))
            self._advance(source)

    def epoch_of(self, journal):
        """Routing for coordinators, always through the table of the moment."""
        return self._routing.epoch_of(journal)

    def journal_of(self, key):
        return self._routing.journal_of(key)

    def journals_of(self, lo, hi):
        return self._routing.journals_of(lo, hi)

    # --- transactions

    def _think(self, client):
        pause = self.world.chance.between(2, 40) * MS
        self.world.post(pause, self._begin, client, self._generation)

    def _begin(self, client, generation):
        if not self.is_alive or generation != self._generation or not self.cluster.is_open:
            return
        now = self.world.now
        start_ts = self._start_ts(client)
        is_bounded = self.cluster.is_bounded
        self.cluster.tell("on_begin", client.name, start_ts, now, is_bounded)
        transaction = client.next_transaction(start_ts, now)
        self._next += 1
        source = (self.number + 1) * STRIDE + self._next
        transaction.reader = Reader(source, start_ts, self, ENDURANCE)
        self._step(transaction, None, first=True)

    def _start_ts(self, client):
        return max(self.clock.latest(self.world.now), client.last_ts)

    def _step(self, transaction, value, first=False):
        """Resume the generator with `value`; do what it asks for."""
        try:
            request = next(transaction.steps) if first else transaction.steps.send(value)
        except StopIteration:
            if not transaction.is_logged:
                self._log(transaction, None, 0)
            self._think(transaction.client)
            return
        if isinstance(request, WriteSet):
            self._commit(transaction, request)
        elif isinstance(request, int):
            self.world.post(request, self._resume, transaction, self._generation)
        else:
            self._read(transaction, request)

    def _resume(self, transaction, generation):
        if self.is_alive and generation == self._generation:
            self._step(transaction, None)

    def _log(self, transaction, write_set, commit_ts):
        """What the client can say of it."""
        transaction.is_logged = True
        writes = {each.key: each.value for each in write_set.writes} if write_set is not None else {}
        client, reads = transaction.client.name, transaction.reads
        times = (transaction.start_ts, transaction.began, self.world.now)
        self.cluster.tell(
            "on_transaction", Logged(client, transaction.kind, *times, reads, writes, commit_ts)
        )

    # --- reading

    def shard_of(self, key):
        """Places for readers."""
        return self.cluster.span_of(key)

    def pieces(self, lo, hi):
        return self.cluster.pieces(lo, hi)

    def replicas(self, shard):
        numbers = [2 * shard, 2 * shard + 1]
        return numbers if self.world.chance.permille(500) else numbers[::-1]

    def _read(self, transaction, request):
        reader, now = transaction.reader, self.earliest
        transaction.rows = []
        if isinstance(request, Range):
            span, how = (request.lo, request.hi), (request.limit, request.pushed, request.reverse)
            asked = reader.scan(*span, now, *how)
        else:
            asked = reader.get(list(request), now)
        self._reading[reader.source] = (transaction, request)
        self._ask(asked)

    def _ask(self, asked):
        for replica, request in asked:
            node = self.cluster.storage[replica]
            self.world.send(self, node, node.read, request)

    def rows(self, replica, answer):
        """A shard's answer."""
        found = self._reading.get(answer.reader)
        if found is not None:
            self._ask(found[0].reader.answer(replica, answer, self.earliest))
            self._advance(answer.reader)

    def _advance(self, source):
        """Go on with what is there; the transaction goes on when its statement has everything."""
        transaction, request = self._reading[source]
        reader, now = transaction.reader, self.earliest
        if reader.failure is not None:
            del self._reading[source]
            self._fail(transaction)
        elif isinstance(request, Range):
            rows, asked = reader.take(now)
            transaction.rows += rows
            self._ask(asked)
            if reader.is_exhausted:
                del self._reading[source]
                self._scanned(transaction, request)
        elif (found := reader.found(now)) is not None:
            del self._reading[source]
            self._told(transaction)
            transaction.reads.update(found)
            self._step(transaction, found)

    def _scanned(self, transaction, request):
        self._told(transaction)
        rows = transaction.rows
        self.cluster.reached("scans")
        if not request.pushed:
            transaction.reads.update((key, value) for key, _ts, value in rows)
        self.cluster.tell("on_range", transaction.client.name, transaction.start_ts, request, rows)
        self._step(transaction, rows)

    def _told(self, transaction):
        """A statement's rows reach the client."""
        start_ts, is_bounded = transaction.start_ts, self.cluster.is_bounded
        self.cluster.tell("on_told", transaction.client.name, start_ts, is_bounded)
        if self.world.now - transaction.began > EDGE:
            self.cluster.reached("reads near the edge")

    def _fail(self, transaction):
        """The statement fails; the client rolls back and goes on."""
        self.cluster.reached(f"reads {transaction.reader.failure.name}")
        transaction.steps.close()
        self._log(transaction, None, 0)
        self._think(transaction.client)

    # --- committing

    def _commit(self, transaction, write_set):
        age = self.world.now - transaction.began
        if age > AGE:
            self.cluster.reached("too old for COMMIT")
            transaction.steps.close()
            self._log(transaction, None, 0)
            self._think(transaction.client)
            return
        self.cluster.tell("on_commit", write_set)
        self.cluster.tell("on_age", write_set.txid, age)
        self._next += 1
        number = (self.number + 1) * STRIDE + self._next
        coordinator = Coordinator(number, write_set, self, PATIENCE)
        self._coordinators[number] = (coordinator, transaction)
        self._send(coordinator.begin(self.earliest))

    def _send(self, messages):
        for effect in messages:
            self.cluster.to_owner(self, effect)

    def answered(self, number, answer):
        """An owner's answer."""
        found = self._coordinators.get(number)
        if found is None:
            return
        if getattr(answer.verdict, "reason", None) == Reason.MOVED:
            self._routing = self.cluster.routing()
        self._send(found[0].answer(answer, self.earliest))
        self._finish(number)

    def _finish(self, number):
        coordinator, transaction = self._coordinators[number]
        result = coordinator.result
        if result is None:
            return
        del self._coordinators[number]
        client = transaction.client
        self.cluster.count(result, transaction.kind)
        write_set = coordinator.write_set
        if isinstance(result, Unknown):
            self._log(transaction, write_set, None)
        else:
            is_bounded = self.cluster.is_bounded
            self.cluster.tell("on_result", client.name, write_set.txid, result, self.world.now, is_bounded)
            self._log(transaction, write_set, coordinator.commit_ts)
        client.last_ts = max(client.last_ts, coordinator.commit_ts)
        self._step(transaction, result)
