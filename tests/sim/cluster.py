"""A whole cluster of real cores, its faults and its controller."""

from adjudicator.messages import Aborted
from adjudicator.ownership import covers
from adjudicator.range_owner import Settings
from journal.crossbar import Crossbar
from journal.record import Acquire, End, SetChange
from journal.trimming import Trimming
from tests.sim.checkers import ALL, Drift, Observers, Violation
from tests.sim.clock import SimClock
from tests.sim.disk import Disk
from tests.sim.faults import drawn
from tests.sim.nodes import JournalNode, Member, OwnerNode, StorageNode, Store
from tests.sim.query import AGE, PATIENCE, STRIDE, QueryNode, RoutingTable
from tests.sim.watch import watch
from tests.sim.workloads import HI, KINDS, LO, Client
from tests.sim.world import MS, World

FIRST_SPANS = ((LO, b"h", 0), (b"h", b"q", 1), (b"q", HI, 2))
DRIFTED = 50 * MS
"""A clock drifts off by less between two corrections."""
SHARDS = ((LO, b"k"), (b"k", HI))
SPLITS = (b"b", b"c", b"e", b"h", b"k", b"l", b"n", b"q", b"t", b"u", b"w")


class Cluster:
    """Three journals, two shards of two replicas, two query processors; whatever the seed adds."""

    def __init__(self, seed, faults=None, kinds=KINDS, classes=ALL, keeps_timeline=False):
        """`faults`: those to use, else drawn from the seed; `kinds`: what clients do."""
        self.world = World(seed, None)
        self.chance = self.world.chance.fork()
        self.world.faults = faults if faults is not None else drawn(self.chance)
        if keeps_timeline:
            self.world.timeline = []
        self.kinds = kinds
        self.observers = Observers(classes)
        self.tell = self.observers.tell
        self.is_open = True
        self.counts = {}
        faults = self.world.faults
        self.settings = Settings(
            promise=100 * MS,
            reserve=300 * MS,
            lead=faults.lead,
            appends=faults.appends,
            exact_keys=faults.exact_keys,
            slots=faults.slots,
            retention=AGE + PATIENCE.unknown + 200 * MS,
        )
        drift = self.observers.checker(Drift)
        drift.settings, drift.error = self.settings, 2 * max(faults.offset, faults.bound) + DRIFTED
        self.first_journals = [0, 1, 2]
        self.store = Store(self)
        self.members = [Member(self, number) for number in range(3)]
        self.trimming = Trimming()
        self.base = None
        self._keeper = Crossbar(self.first_journals)
        self._marks = []
        self.journals = {}
        self.owners = {}
        self.present = {}
        self.spans = list(FIRST_SPANS)
        self.ended = {}
        self.removed = []
        self._started = 0
        self.storage_started = 0
        self._after = {}
        self._clocks = []
        for lo, hi, journal in FIRST_SPANS:
            self.journals[journal] = JournalNode(self, journal)
            self.start_owner(journal, initial=[(lo, hi)])
        self.storage = []
        for lo, hi in SHARDS:
            for replica in range(2):
                number = len(self.storage)
                self.storage.append(
                    StorageNode(self, number, lo, hi, self.clock(), f"s{replica}", Disk(), True)
                )
        self.query = [QueryNode(self, number, self.clock(), f"q{number}") for number in range(2)]
        for number in range(8):
            self.query[number % 2].add(Client(self, number, self.chance.fork()))
        self._schedule_faults()

    # --- what processes ask of their surroundings

    def clock(self):
        faults = self.world.faults
        clock = SimClock(faults.bound, self.chance.between(-faults.offset, faults.offset))
        self._clocks.append(clock)
        return clock

    @property
    def is_bounded(self):
        """Whether clocks keep their bound in this run."""
        return self.world.faults.offset <= self.world.faults.bound

    def listen(self, owner):
        """Everything that `owner` judges is told to the checkers."""
        return watch(owner, self._judged)

    def _judged(self, hook, *args):
        if hook == "on_promise":
            self.reached("votes for others" if args[2].candidate.journal != args[0] else "own votes")
        self.tell(hook, *args)

    def count(self, result, kind):
        name = type(result).__name__
        if name == "Committed":
            self.reached(f"{kind} committed")
        if isinstance(result, Aborted):
            name = result.reason.name
        self.reached(name)

    def reached(self, name):
        self.counts[name] = self.counts.get(name, 0) + 1

    def routing(self):
        epochs = {journal: node.owner.epoch for journal, node in self.present.items()}
        return RoutingTable(self.spans, epochs)

    def query_node(self, number):
        return self.query[number // STRIDE - 1 if number >= STRIDE else number]

    def to_owner(self, source, effect):
        """A message to the owner of an epoch, 0: to the present one; it may reach the wrong one, or both."""
        world, chance = self.world, self.world.chance
        present = self.present.get(effect.journal)
        named = self.owners.get((effect.journal, effect.epoch)) if effect.epoch else present
        targets = [present if chance.permille(world.faults.misrouted) else named]
        if chance.permille(world.faults.copied) and targets != [present]:
            targets.append(present)
        for target in targets:
            if target is not None:
                world.send(source, target, target.receive, effect.message)

    def span_of(self, key):
        return next(number for number, (lo, hi) in enumerate(SHARDS) if lo <= key < hi)

    def pieces(self, lo, hi):
        spans = [(max(lo, start), min(hi, end), number) for number, (start, end) in enumerate(SHARDS)]
        return [each for each in spans if each[0] < each[1]]

    def announce(self, source, announcement):
        self.tell("on_announce", announcement)
        self._keeper.announce(announcement)
        world = self.world
        for node in [*self.storage, *(self.present[journal] for journal in sorted(self.present))]:
            if node.reader is not None and world.chance.permille(700):
                world.send(source, node, self._announced, node, announcement)

    def _announced(self, node, announcement):
        if node.reader is not None:
            node.reader.crossbar.announce(announcement)

    # --- what the all-seeing controller knows

    def recorded(self, journal, entry):
        """A record became durable."""
        if self.world.timeline is not None:
            for commit in entry.record.commits:
                self.world.note(f"   committed {commit.txid.hex()}", commit)
            for note in entry.record.notes:
                self.world.note(f"   journal {journal} epoch {entry.record.header.epoch}", note)
        self.observers.history.now = self.world.now
        self.tell("on_record", journal, entry)
        self.trimming.see(journal, entry)
        if entry.record.kind == "claim" and entry.record.header.epoch > 1:
            self.reached("take-overs")
        for note in entry.record.notes:
            if isinstance(note, Acquire):
                self.reached("ranges moved")
                self._moved(note.lo, note.hi, journal)
            elif isinstance(note, SetChange) and note.is_added:
                self.reached("journals added")
                self._after[note.journal] = entry.record.ts
                self.start_owner(note.journal, after=entry.record.ts)
            elif isinstance(note, End):
                self.ended[journal] = entry.record.ts
            elif isinstance(note, SetChange):
                self.reached("journals removed")
                self.removed.append(note.journal)

    def _moved(self, lo, hi, journal):
        kept = []
        for start, end, owner in self.spans:
            if start < lo:
                kept.append((start, min(end, lo), owner))
            if end > hi:
                kept.append((max(start, hi), end, owner))
        self.spans = sorted([*kept, (lo, hi, journal)])

    def start_owner(self, journal, after=0, initial=None):
        if journal not in self.journals:
            self.journals[journal] = JournalNode(self, journal)
        self._started += 1
        return OwnerNode(self, journal, self._started, self.clock(), after, initial)

    def claimed(self, node):
        key = (node.journal, node.owner.epoch)
        self.owners[key] = node
        present = self.present.get(node.journal)
        if present is None or present.owner.epoch < node.owner.epoch:
            self.present[node.journal] = node

    # --- what is kept of the journals

    def kept(self):
        """A reader from the oldest place that is kept, the time of that place, and its mark."""
        if self.base is None:
            return Crossbar(self.first_journals), 0, None
        complete, mark = self.base
        return Crossbar([], mark), complete, mark

    def _trim(self):
        """Checkpoints, a later place from which to rebuild, and then what nobody needs goes."""
        keeper = self._keeper
        for journal, position in keeper.wanted():
            node = self.journals.get(journal)
            if node is not None:
                keeper.feed(journal, node.entries[position - 1 :])
        keeper.take(10**9)
        keeper.take_notes()
        self._marks.append((keeper.complete, keeper.mark()))
        for journal in sorted(self.present):
            node = self.present[journal]
            if node.is_alive and self.chance.permille(500):
                node.perform(node.owner.checkpoint())
        old = [each for each in self._marks if each[0] < keeper.complete - self.world.faults.kept]
        if old and self.trimming.may_rebuild_from(old[-1][1]):
            self.base = old[-1]
        snapshots = [self.store.kept.get(span) for span in range(len(SHARDS))]
        if self.base is None or None in snapshots:
            return
        marks = [self.base[1], *(snapshot.mark for snapshot in snapshots)]
        for journal in sorted(self.journals):
            upto = self.trimming.upto(journal, marks)
            if upto >= self.journals[journal].first:
                self.reached("trims")
                if self.journals[journal].trim(upto):
                    self.tell("on_trim", journal, self.journals[journal].first, marks)

    # --- faults

    def _schedule_faults(self):
        faults = self.world.faults
        for period, action in (
            (faults.takeover, self._take_over),
            (faults.deaf, self._deafen),
            (faults.crash, self._crash_owner),
            (faults.pause, self._pause),
            (faults.cut, self._cut),
            (faults.storage, self._crash_storage),
            (faults.query, self._crash_query),
            (faults.move, self._move),
            (faults.journals, self._change_journals),
            (faults.trim, self._trim),
            (faults.clock, self._disturb_clock),
        ):
            if period:
                self.world.post(period, self._again, period, action)

    def _again(self, period, action):
        if self.is_open:
            if 0 in self.present:
                action()
            self.world.post(period // 2 + self.chance.below(period), self._again, period, action)

    def _journal(self):
        return self.chance.pick([j for j in sorted(self.present) if j not in self.ended])

    def _replace(self, journal):
        self.start_owner(journal, self._after.get(journal, 0), self._initial(journal))

    def _initial(self, journal):
        return [(lo, hi) for lo, hi, owner in FIRST_SPANS if owner == journal]

    def _take_over(self):
        journal = self._journal()
        node = self.present[journal]
        if self.chance.permille(self.world.faults.severed):
            self._sever(node)
        elif self.chance.permille(500):
            self._isolate(node.group)
        if self.chance.permille(300):
            node.paused_until = self.world.now + self.chance.between(50, 900) * MS
        self._replace(journal)
        if self.chance.permille(self.world.faults.twice):
            self.world.post(self.chance.between(1, 60) * MS, self._replace, journal)

    def _sever(self, node):
        until = self.world.now + self.chance.between(200, 1500) * MS
        self.world.cuts[node.group, "journals"] = self.world.cuts["journals", node.group] = until

    def _deafen(self):
        self.present[self._journal()].deaf_until = self.world.now + self.chance.between(100, 1500) * MS

    def _crash_owner(self):
        journal = self._journal()
        self.present[journal].crash()
        self.world.post(self.chance.between(20, 400) * MS, self._replace, journal)

    def _pause(self):
        nodes = [*self.storage, *self.members, *(self.present[j] for j in sorted(self.present))]
        node = self.chance.pick(nodes)
        node.paused_until = self.world.now + self.chance.between(20, 700) * MS
        if isinstance(node, OwnerNode) and self.chance.permille(self.world.faults.relieved):
            late = self.chance.between(0, 80) * MS
            self.world.post(node.paused_until + late - self.world.now, self._replace, node.journal)

    def _groups(self):
        nodes = [*self.storage, *self.query, *(self.present[j] for j in sorted(self.present))]
        return sorted({node.group for node in [*nodes, *self.members, self.store]} | {"journals"})

    def _isolate(self, group):
        until = self.world.now + self.chance.between(50, 800) * MS
        for other in self._groups():
            self.world.cuts[group, other] = until
            self.world.cuts[other, group] = until

    def _cut(self):
        groups = self._groups()
        if self.chance.permille(300):
            self._isolate(self.chance.pick(groups))
            return
        until = self.world.now + self.chance.between(50, 800) * MS
        self.world.cuts[self.chance.pick(groups), self.chance.pick(groups)] = until

    def _crash_storage(self):
        number = self.chance.below(len(self.storage))
        node = self.storage[number]
        node.crash()
        if self.chance.permille(200):
            node.disk.sync()
            self.reached("replicas stopped")
        if self.chance.permille(500):
            node.disk.cut_power(self.chance)
            self.reached("power cuts")
        self.restart_storage(number)

    def restart_storage(self, number):
        """A new process in the place of a dead one."""
        old = self.storage[number]
        may_read_all = all(node.first == 1 for node in self.journals.values())
        reads_all = may_read_all and self.chance.permille(300)
        bounds = (old.shard.lo, old.shard.hi)
        self.storage[number] = StorageNode(self, number, *bounds, old.clock, old.group, old.disk, reads_all)
        self.reached("disks gone on with" if self.storage[number].shard.complete else "disks given up")

    def _crash_query(self):
        node = self.chance.pick(self.query)
        if node.is_alive:
            node.crash()
            self.world.post(self.chance.between(10, 300) * MS, node.start)

    def _move(self):
        journal = self._journal()
        node = self.present[journal]
        mine = [(lo, hi) for lo, hi, owner in self.spans if owner == journal]
        others = [j for j in sorted(self.present) if j != journal and j not in self.ended]
        if not mine or not others or not node.is_alive:
            return
        lo, hi = self.chance.pick(mine)
        inside = [split for split in SPLITS if lo < split < hi]
        if inside and self.chance.permille(700):
            split = self.chance.pick(inside)
            lo, hi = (lo, split) if self.chance.permille(500) else (split, hi)
        node.perform(node.owner.release(lo, hi, self.chance.pick(others)))

    def _change_journals(self):
        root = self.present.get(0)
        if root is None or not root.is_alive:
            return
        number = max(self.journals) + 1
        for journal in sorted(self.ended):
            if journal not in self.removed:
                self._remove(root, journal)
                return
        live = [j for j in sorted(self.present) if j not in self.ended]
        if len(live) < 5 and self.chance.permille(600) and not (set(self._after) - set(self.present)):
            root.perform(root.owner.change_set(number, True, root.earliest))
        elif len(live) > 2:
            self._retire(self.chance.pick(live[1:]))

    def _retire(self, journal):
        node = self.present[journal]
        if not node.is_alive:
            return
        for lo, hi, owner in self.spans:
            if owner == journal:
                node.perform(node.owner.release(lo, hi, 0))
        self.world.post(300 * MS, self._end, journal)

    def _end(self, journal):
        node = self.present[journal]
        if node.is_alive and self.is_open:
            node.perform(node.owner.end(node.earliest))

    def _remove(self, root, journal):
        root.perform(root.owner.change_set(journal, False, root.earliest, self.ended[journal]))

    def _disturb_clock(self):
        faults = self.world.faults
        offset = self.chance.between(-faults.offset, faults.offset)
        drift = 0 if self.is_bounded else self.chance.between(-5000, 5000)
        self.chance.pick(self._clocks).correct(self.world.now, offset, drift)

    # --- a whole run

    def run(self, duration=4000 * MS, grace=5000 * MS):
        """Traffic and faults, then silence until everything has ended; raises `Violation`.

        What begins late is given up before the end, by whatever clock (`query.PATIENCE`).
        """
        world = self.world
        world.run(world.now + duration)
        self._heal()
        world.run(world.now + grace)
        self._check_quiet()
        self.tell("at_end", [node.shard for node in self.storage])
        return self

    def _heal(self):
        self.is_open = False
        world = self.world
        world.cuts = {}
        world.faults = world.faults._replace(loss=0, slow=0, carrier=0)
        for node in self.query:
            if not node.is_alive:
                node.start()
        for journal in sorted(self.present):
            node = self.present[journal]
            node.paused_until = min(node.paused_until, world.now)
            if journal not in self.ended:
                self._replace(journal)
        for node in [*self.storage, *self.members]:
            node.paused_until = min(node.paused_until, world.now)

    def _check_quiet(self):
        """A10: nothing is left over, and everybody is complete."""
        for node in self.query:
            if not node.is_idle:
                raise Violation("A10", f"{node.name} still has work")
        for journal, node in sorted(self.present.items()):
            if journal in self.ended:
                continue
            if len(node.owner.promises) or len(node.owner.coordination):
                raise Violation("A10", f"{node.name} holds promises or candidates")
            if any(each.floor > node.owner.base for each in node.owner.ranges):
                raise Violation("F2", f"{node.name} is not rebuilt")
        pieces = [
            (each.lo, each.hi)
            for journal in sorted(self.present)
            if journal not in self.ended
            for each in self.present[journal].owner.ranges
        ]
        if not covers(pieces, LO, HI):
            raise Violation("F2", f"keys without an owner: there are {sorted(pieces)}")
        for node in self.storage:
            if node.shard.complete < self.world.now - 1500 * MS:
                raise Violation("F2", f"{node.name} is complete to {node.shard.complete} only")
