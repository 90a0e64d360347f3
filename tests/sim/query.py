"""Query processors and their clients: transactions as generators that ask for reads and a commit."""

from adjudicator.messages import Reason
from server.session.coordinator import Coordinator, Patience, Unknown, WriteSet
from storage.shard import Read, Refused
from tests.sim.world import MS, Process

PATIENCE = Patience(answer=150 * MS, backoff=6 * MS, attempts=8, unknown=3000 * MS)
STRIDE = 1_000_000


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
        self._reads = {}
        self._coordinators = {}
        self._routing = cluster.routing()
        self._generation = 0
        self.start()

    # --- life

    def start(self):
        """Begin, or come back after a crash: open transactions are gone, sessions are not."""
        self.is_alive = True
        self._generation += 1
        self._reads = {}
        self._coordinators = {}
        self.world.every(self, 10 * MS, self._turn)
        for client in self.clients:
            self._think(client)

    def add(self, client):
        self.clients.append(client)
        self._think(client)

    @property
    def is_idle(self):
        return not self._reads and not self._coordinators

    @property
    def earliest(self):
        return self.clock.earliest(self.world.now)

    def _turn(self):
        world = self.world
        if world.chance.permille(10_000 * MS // world.faults.stale):
            self._routing = self.cluster.routing()
        for number, (coordinator, _client, _transaction) in list(self._coordinators.items()):
            self._send(coordinator.tick(self.earliest))
            self._finish(number)
        for number, (read, _client, _transaction, since, tries) in list(self._reads.items()):
            if number in self._reads and since + 200 * MS < world.now:
                self._again(number, read, tries)

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
        transaction = client.next_transaction(start_ts)
        self._step(client, transaction, None, first=True)

    def _start_ts(self, client):
        return max(self.clock.latest(self.world.now), client.last_ts)

    def _step(self, client, transaction, value, first=False):
        """Resume the generator with `value`; do what it asks for."""
        try:
            request = next(transaction.steps) if first else transaction.steps.send(value)
        except StopIteration:
            self._think(client)
            return
        if isinstance(request, WriteSet):
            self._commit(client, transaction, request)
        elif isinstance(request, int):
            self.world.post(request, self._resume, client, transaction, self._generation)
        else:
            self._read(client, transaction, request)

    def _resume(self, client, transaction, generation):
        if self.is_alive and generation == self._generation:
            self._step(client, transaction, None)

    # --- reading

    def _read(self, client, transaction, keys):
        parts = {}
        for key in keys:
            parts.setdefault(self.cluster.span_of(key), []).append(key)
        transaction.rows = {}
        transaction.missing = len(parts)
        for span in sorted(parts):
            self._next += 1
            number = self._next
            read = Read(self.number, number, transaction.start_ts, tuple(parts[span]))
            self._reads[number] = (read, client, transaction, self.world.now, 0)
            self._ask(read)

    def _ask(self, read):
        node = self.world.chance.pick(self.cluster.replicas(read.keys[0]))
        self.world.send(self, node, node.read, read)

    def _again(self, number, read, tries):
        _read, client, transaction, _since, _tries = self._reads[number]
        if tries >= 4:
            self._fail(client, transaction)
            return
        self._reads[number] = (read, client, transaction, self.world.now, tries + 1)
        self._ask(read)

    def asked(self, answer):
        """The request behind an answer, for the checkers."""
        found = self._reads.get(answer.number)
        return found[0] if found is not None else None

    def rows(self, answer):
        """A shard's answer."""
        found = self._reads.get(answer.number)
        if found is None:
            return
        read, client, transaction, _since, tries = found
        if answer.refused is not None:
            if answer.refused == Refused.TOO_OLD or tries >= 4:
                self._fail(client, transaction)
            return
        del self._reads[answer.number]
        transaction.rows.update(zip(read.keys, answer.rows))
        transaction.missing -= 1
        if transaction.missing == 0:
            self._step(client, transaction, transaction.rows)

    def _fail(self, client, transaction):
        """The statement fails; the client rolls back and goes on."""
        for number in [n for n, found in self._reads.items() if found[2] is transaction]:
            del self._reads[number]
        transaction.steps.close()
        self._think(client)

    # --- committing

    def _commit(self, client, transaction, write_set):
        self.cluster.tell("on_commit", write_set)
        self._next += 1
        number = (self.number + 1) * STRIDE + self._next
        coordinator = Coordinator(number, write_set, self, PATIENCE)
        self._coordinators[number] = (coordinator, client, transaction)
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
        coordinator, client, transaction = self._coordinators[number]
        result = coordinator.result
        if result is None:
            return
        del self._coordinators[number]
        self.cluster.count(result)
        txid = coordinator.write_set.txid
        if not isinstance(result, Unknown):
            is_bounded = self.cluster.is_bounded
            self.cluster.tell("on_result", client.name, txid, result, self.world.now, is_bounded)
        client.last_ts = max(client.last_ts, coordinator.commit_ts)
        self._step(client, transaction, result)
