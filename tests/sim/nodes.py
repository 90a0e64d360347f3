"""The processes of a cluster: journals, owners and shards. They perform what the cores want done."""

from typing import NamedTuple
from zlib import crc32

from adjudicator.protocol import Announce, Append, Ask, Outcome, Prepare, Replay, ToCoordinator, Vote
from adjudicator.takeover import Takeover
from journal.crossbar import Crossbar
from journal.journal import Tail
from journal.memory_log import MemoryLog
from storage.shard import Bounds, Damaged, Scan, Shard
from tests.sim.rows import Filters
from tests.sim.world import MS, Process

BOUNDS = Bounds(wait=1000 * MS, ahead=500 * MS, retention=1500 * MS, rows=3, answer_bytes=40)


READ = 64
"""Records in one answer of a member."""


class JournalNode(Process):
    """A carrier's leader: takes appends from the network, keeps them through crashes, loses answers."""

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


class Part(NamedTuple):
    """What a member says of one journal."""

    entries: list
    """Those asked for that it has, `READ` at most."""
    tail: int
    """The last position that it has."""
    anchor: Tail | None = None
    """What was asked for is trimmed: all up to this one."""


class Member(Process):
    """One of the three members that carry the journals, each in a region; it may lag behind what is durable."""

    def __init__(self, cluster, number):
        super().__init__(cluster.world, f"member{number}", f"j{number}")
        self.cluster = cluster
        self._known = {}

    def read(self, process, answer, number, wanted):
        """A reader's request for [(journal, position)]; the parts go to `answer`, a method of `process`."""
        parts = [
            (journal, self._part(self.cluster.journals[journal], position)) for journal, position in wanted
        ]
        self.world.send(self, process, answer, number, parts)

    def _part(self, journal, position):
        known = self._known.get(journal.journal, 0)
        if not self.world.is_cut(journal, self) and not self.world.chance.permille(100):
            known = self._known[journal.journal] = len(journal.entries)
        if position < journal.first:
            return Part([], known, journal.log.anchor)
        return Part(journal.entries[position - 1 : min(known, position - 1 + READ)], known)


class Asking:
    """One process's requests to the members: one at a time, to another one when it was not answered."""

    def __init__(self, process, cluster):
        self._process = process
        self._cluster = cluster
        self._number = 0
        self._since = 0
        self.is_waiting = False

    def ask(self, answer, wanted):
        """Nothing while a request is out and not late."""
        now = self._process.world.now
        if self.is_waiting and now < self._since + 60 * MS:
            return
        self.is_waiting = True
        self._number += 1
        self._since = now
        members = self._cluster.members
        member = members[(crc32(self._process.group.encode()) + self._number // 8) % 3]
        if self._process.world.is_cut(self._process, member):
            member = members[self._number % 3]
        self._process.world.send(
            self._process, member, member.read, self._process, answer, self._number, wanted
        )

    def answers(self, number):
        """Whether this answers what is asked now."""
        if not self.is_waiting or number != self._number:
            return False
        self.is_waiting = False
        return True


class Reader:
    """A process's tailer of all journals."""

    def __init__(self, process, cluster, crossbar, mark):
        self._process = process
        self._cluster = cluster
        self._asking = Asking(process, cluster)
        self.resume(crossbar, mark)

    def resume(self, crossbar, mark):
        """Read on at `mark` (None: at the beginning)."""
        self.crossbar = crossbar
        self._asking.is_waiting = False
        self._is_trimmed = False
        self._told = 0
        self._cluster.tell("on_resumed", self._process.name, mark)

    def poll(self):
        """Ask for what follows; hands on a part of what is complete. None: it was trimmed meanwhile.

        Nothing is asked for when there is nothing: members tell their readers that something came.
        """
        if self._is_trimmed:
            return None
        journals = self._cluster.journals
        wanted = [
            (journal, position)
            for journal, position in self.crossbar.wanted()
            if journal in journals and position <= len(journals[journal].entries)
        ]
        if wanted:
            self._asking.ask(self.arrived, wanted)
        items = self.crossbar.take(256)
        if items or self.crossbar.complete != self._told:
            self._told = self.crossbar.complete
            self._cluster.tell("on_items", self._process.name, items, self._told)
        return items

    def arrived(self, number, parts):
        """A member's answer."""
        if not self._asking.answers(number):
            return
        for journal, part in parts:
            if part.anchor is not None:
                self._is_trimmed = True
                return
            if part.entries:
                self._cluster.tell("on_tail", self._process.name, journal, part.entries)
                self.crossbar.feed(journal, part.entries)


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
        self._takeover = Takeover(journal, self.name, cluster.settings, initial, after)
        self._arguments = (initial, after)
        self._asking = Asking(self, cluster)
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
        """Read to the tail, as far as a member knows it, and claim; a claim without an answer is repeated."""
        if self._claim is None:
            self._asking.ask(self.learned, [(self.journal, self._takeover.next_position)])
        elif self._sent + 80 * MS <= self.world.now:
            self._append(self._claim)

    def learned(self, number, parts):
        """A member's answer: a part of the journal."""
        if not self._asking.answers(number) or self.owner is not None or self._claim is not None:
            return
        part = parts[0][1]
        if part.anchor is not None:
            settings = self.cluster.settings
            self._takeover = Takeover(self.journal, self.name, settings, *self._arguments, part.anchor)
        else:
            self._takeover.read(part.entries)
        if part.anchor is not None or self._takeover.next_position <= part.tail:
            self._try_claim()
        elif self._takeover.is_ended:
            self.crash()
        elif self._takeover.is_told:
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
            self.owner = self.cluster.listen(self._takeover.owner_of(result, base, mark))
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


class Store(Process):
    """Where snapshots are kept: the newest of each shard."""

    def __init__(self, cluster):
        super().__init__(cluster.world, "store", "store")
        self.cluster = cluster
        self.kept = {}

    def put(self, number, snapshot):
        """From a replica."""
        before = self.kept.get(number // 2)
        if before is None or before.complete < snapshot.complete:
            self.kept[number // 2] = snapshot

    def get(self, node):
        """A replica that starts; what it gets may be damaged on the way."""
        snapshot = self.kept.get(node.number // 2)
        if snapshot is not None and snapshot.rows and self.world.chance.permille(self.world.faults.damage):
            snapshot = snapshot._replace(rows=snapshot.rows[:-1])
        self.world.send(self, node, node.loaded, snapshot)


class StorageNode(Process):
    """One replica of one shard: goes on from its disk, else from a snapshot, else (`reads_all`) from nothing."""

    def __init__(self, cluster, number, lo, hi, clock, group, disk, reads_all):
        cluster.storage_started += 1
        super().__init__(cluster.world, f"shard{number}.{cluster.storage_started}", group)
        self.cluster = cluster
        self.number = number
        self.clock = clock
        self.disk = disk
        rows = disk.open()
        self.shard = Shard(rows, lo, hi, BOUNDS, Filters())
        self._asked = {}
        self._is_loading = rows.mark is None and not reads_all
        self._load_asked = -(10**9)
        self._told = -1
        crossbar = Crossbar(cluster.first_journals) if rows.mark is None else Crossbar([], rows.mark)
        self.reader = Reader(self, cluster, crossbar, rows.mark)
        cluster.world.every(self, 8 * MS, self._turn)

    def _load(self):
        """Ask for a snapshot, again when none comes."""
        if self.world.now >= self._load_asked + 60 * MS:
            self._load_asked = self.world.now
            store = self.cluster.store
            self.world.send(self, store, store.get, self)

    def loaded(self, snapshot):
        """A snapshot, or None: there is none yet, so nothing is trimmed either."""
        if not self._is_loading:
            return
        if snapshot is not None:
            self.disk.change()
            try:
                self.shard.load(snapshot)
            except Damaged:
                self.cluster.reached("damaged snapshots")
                return
            self.cluster.reached("snapshots loaded")
            self.reader.resume(Crossbar([], snapshot.mark), snapshot.mark)
        self._is_loading = False

    def _turn(self):
        if self._is_loading:
            self._load()
            return
        items = self.reader.poll()
        if items is None:
            self.crash()
            self.disk.wipe()
            self.cluster.restart_storage(self.number)
            return
        crossbar = self.reader.crossbar
        crossbar.take_notes()
        complete = max(crossbar.complete, self.shard.complete)
        self.disk.change()
        is_due = bool(items) or self.shard.rows.mark is None
        answers = self.shard.feed(items, complete, crossbar.mark() if is_due else None)
        if complete != self._told:
            self._told = complete
            closed = {journal: crossbar.closed(journal) for journal in crossbar.journals}
            self.cluster.tell("on_complete", self.name, self.shard, closed)
        answers += self.shard.tick(self.clock.earliest(self.world.now))
        for answer in answers:
            self._answer(answer)
        chance = self.world.chance
        if chance.permille(self.world.faults.cuts) and crossbar.complete >= self.shard.complete > 0:
            snapshot = self.shard.cut(crossbar.mark())
            self.cluster.tell("on_snapshot", self.shard, snapshot)
            self.world.send(self, self.cluster.store, self.cluster.store.put, self.number, snapshot)
        if chance.permille(3):
            self.disk.sync()

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
