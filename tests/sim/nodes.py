"""The processes of a cluster: journals, owners and shards. They perform what the cores want done."""

from adjudicator.protocol import Announce, Append, Ask, Outcome, Prepare, Replay, ToCoordinator, Vote
from adjudicator.takeover import Takeover
from journal.crossbar import Crossbar
from journal.journal import Tail
from journal.memory_log import MemoryLog
from storage.shard import Bounds, Scan, Shard
from tests.sim.rows import Filters, MemoryRows
from tests.sim.watch import watch
from tests.sim.world import MS, Process

BOUNDS = Bounds(wait=1000 * MS, ahead=500 * MS, retention=1500 * MS, rows=3)


class JournalNode(Process):
    """A carrier: takes appends from the network, keeps them through crashes, loses answers."""

    def __init__(self, cluster, journal):
        super().__init__(cluster.world, f"journal{journal}", "journals")
        self.cluster = cluster
        self.journal = journal
        self.log = MemoryLog()
        self.entries = []
        """Durable ones, as every reader finds them."""
        self.down_until = 0
        self.first = 1

    def append(self, owner, sealed):
        """An owner's request; the answer goes back over the network."""
        world = self.world
        if self.down_until > world.now:
            return
        result = self.log.append(sealed)
        if isinstance(result, Tail) and result.position > len(self.entries):
            if world.chance.permille(world.faults.carrier):
                self.log = self.log.crash(world.chance.below(2))
                self.down_until = world.now + world.chance.between(5, 200) * MS
                self._publish()
                return
            self.log.sync()
            self._publish()
        world.send(self, owner, owner.appended, sealed, result)

    def read(self, reader, position, limit=64):
        """Durable records from `position` on, nothing when cut off; None when they are trimmed."""
        world = self.world
        if position < self.first:
            return None
        if self.down_until > world.now or world.is_cut(self, reader):
            return []
        return self.entries[position - 1 : position - 1 + limit]

    def trim(self, upto):
        """Drop what nobody needs."""
        if self.down_until <= self.world.now and upto >= self.first:
            self.first = self.log.trim(upto)
            self.cluster.trimming.trimmed(self.journal, self.first)
            return True
        return False

    def _publish(self):
        for entry in self.log.read(len(self.entries) + 1):
            self.entries.append(entry)
            self.world.note(f"{self.name} {entry.hash.hex()}")
            self.cluster.recorded(self.journal, entry)


class Reader:
    """A process's tailer of all journals."""

    def __init__(self, process, cluster, crossbar, mark):
        self._process = process
        self._cluster = cluster
        self.resume(crossbar, mark)

    def resume(self, crossbar, mark):
        """Read on at `mark` (None: at the beginning)."""
        self.crossbar = crossbar
        self._cluster.tell("on_resumed", self._process.name, mark)

    def poll(self):
        """Read what can be read; hands on a part of what is complete. None: it was trimmed meanwhile."""
        for journal, position in self.crossbar.wanted():
            node = self._cluster.journals.get(journal)
            if node is not None and position <= len(node.entries):
                entries = node.read(self._process, position)
                if entries is None:
                    return None
                self._cluster.tell("on_tail", self._process.name, journal, entries)
                self.crossbar.feed(journal, entries)
        items = self.crossbar.take(256)
        self._cluster.tell("on_items", self._process.name, items, self.crossbar.complete)
        return items


class OwnerNode(Process):
    """One process that wants to own, owns, or once owned a journal."""

    def __init__(self, cluster, journal, number, clock, after=0, initial=None):
        super().__init__(cluster.world, f"owner{journal}.{number}", f"o{journal}.{number % 3}")
        self.cluster = cluster
        self.journal = journal
        self.clock = clock
        self.owner = None
        self.reader = None
        self.deaf_until = 0
        self._number = number
        anchor = cluster.journals[journal].log.anchor
        self._takeover = Takeover(journal, self.name, cluster.settings, initial, after, anchor)
        self._arguments = (initial, after)
        self._claim = None
        self._claims = 0
        self._sent = 0
        cluster.world.every(self, 10 * MS, self._turn)

    @property
    def earliest(self):
        return self.clock.earliest(self.world.now)

    # --- claiming

    def _turn(self):
        if self.owner is None:
            self._try_claim()
            return
        owner = self.owner
        items = self.reader.poll() if self.world.now >= self.deaf_until else []
        if items is None:
            self._replay()
            return
        crossbar = self.reader.crossbar
        self.perform(owner.feed(items, crossbar.take_notes(), crossbar.complete, self.earliest))
        self.perform(owner.tick(self.earliest))
        self.cluster.tell("on_owner", owner)
        if not owner.is_stopped and self._sent + 60 * MS < self.world.now:
            for sealed in owner.appender.in_flight:
                self._append(sealed)

    def _try_claim(self):
        if self._claim is not None and self._sent + 80 * MS > self.world.now:
            return
        journal = self.cluster.journals[self.journal]
        if self._claim is not None and len(journal.entries) < self._claim.position:
            self._append(self._claim)
            return
        entries = journal.read(self, self._takeover.next_position, 10**6)
        if entries is None:
            self._takeover = Takeover(
                self.journal, self.name, self.cluster.settings, *self._arguments, journal.log.anchor
            )
            return
        self._takeover.read(entries)
        if self._takeover.next_position <= len(journal.entries):
            return
        if self._takeover.is_ended:
            self.crash()
            return
        self._claims += 1
        request = self._number.to_bytes(8, "big") + self._claims.to_bytes(8, "big")
        self._claim = self._takeover.claim(request)
        self._append(self._claim)

    def _append(self, sealed):
        self._sent = self.world.now
        journal = self.cluster.journals[self.journal]
        self.world.send(self, journal, journal.append, self, sealed)

    def appended(self, sealed, result):
        """The journal's answer."""
        if self.owner is None:
            if self._claim is None or sealed.hash != self._claim.hash:
                return
            if not isinstance(result, Tail):
                self._claim = None
                return
            crossbar, base, mark = self.cluster.kept()
            self.owner = watch(self._takeover.owner_of(result, base, mark), self.cluster.tell)
            self.reader = Reader(self, self.cluster, crossbar, mark)
            self.cluster.claimed(self)
        elif isinstance(result, Tail):
            self.perform(self.owner.appended(result, self.earliest))
        else:
            self.owner.refused(result.tail)

    def _replay(self):
        crossbar, base, mark = self.cluster.kept()
        self.reader.resume(crossbar, mark)
        self.owner.replayed(base, mark)

    # --- performing

    def receive(self, message):
        """A message from the network."""
        owner = self.owner
        if owner is None:
            return
        if isinstance(message, Prepare):
            self.perform(owner.prepare(message, self.earliest))
        elif isinstance(message, Vote):
            self.perform(owner.vote(message, self.earliest))
        elif isinstance(message, Outcome):
            self.perform(owner.outcome(message))
        elif isinstance(message, Ask):
            self.perform(owner.ask(message, self.earliest))

    def perform(self, effects):
        """In order."""
        for effect in effects:
            if isinstance(effect, Append):
                self._append(effect.record)
            elif isinstance(effect, Announce):
                self.cluster.announce(self, effect.announcement)
            elif isinstance(effect, Replay):
                self._replay()
            elif isinstance(effect, ToCoordinator):
                node = self.cluster.query_node(effect.coordinator)
                self.world.send(self, node, node.answered, effect.coordinator, effect.answer)
            else:
                self.cluster.to_owner(self, effect)


class StorageNode(Process):
    """One replica of one shard."""

    def __init__(self, cluster, number, lo, hi, clock, group, snapshot=None):
        cluster.storage_started += 1
        super().__init__(cluster.world, f"shard{number}.{cluster.storage_started}", group)
        self.cluster = cluster
        self.number = number
        self.clock = clock
        self.shard = Shard(MemoryRows(), lo, hi, BOUNDS, Filters())
        self._asked = {}
        crossbar = Crossbar(cluster.first_journals)
        if snapshot is not None:
            self.shard.load(snapshot)
            crossbar = Crossbar([], snapshot.mark)
        self.reader = Reader(self, cluster, crossbar, snapshot.mark if snapshot is not None else None)
        cluster.world.every(self, 8 * MS, self._turn)

    def _turn(self):
        items = self.reader.poll()
        if items is None:
            self.crash()
            self.cluster.restart_storage(self.number)
            return
        crossbar = self.reader.crossbar
        crossbar.take_notes()
        complete = max(crossbar.complete, self.shard.complete)
        answers = self.shard.feed(items, complete)
        closed = {journal: crossbar.closed(journal) for journal in crossbar.journals}
        self.cluster.tell("on_complete", self.name, self.shard, closed)
        answers += self.shard.tick(self.clock.earliest(self.world.now))
        for answer in answers:
            self._answer(answer)
        if (
            self.world.chance.permille(self.world.faults.cuts)
            and crossbar.complete >= self.shard.complete > 0
        ):
            snapshot = self.shard.cut(crossbar.mark())
            self.cluster.tell("on_snapshot", self.shard, snapshot)
            self.cluster.snapshots[self.number] = snapshot

    def read(self, read):
        """A query processor's request."""
        self._asked[read.reader, read.number] = read
        answer = self.shard.read(read, self.clock.earliest(self.world.now))
        if answer is not None:
            self._answer(answer)

    def _answer(self, answer):
        asked = self._asked.pop((answer.reader, answer.number), None)
        if asked is None:
            return
        self.cluster.tell("on_scan" if isinstance(asked, Scan) else "on_read", self.name, asked, answer)
        node = self.cluster.query_node(answer.reader)
        self.world.send(self, node, node.rows, self.number, answer)
