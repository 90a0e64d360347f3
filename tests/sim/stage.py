"""A stage for directed schedules: real cores, no network; the script says what is delivered and when."""

from adjudicator.messages import Aborted
from adjudicator.ownership import covers
from adjudicator.protocol import (
    Announce,
    Answer,
    Append,
    Ask,
    Candidate,
    Check,
    Marker,
    Outcome,
    Prepare,
    Replay,
    ToCoordinator,
    ToOwner,
    Vote,
)
from adjudicator.range_owner import Settings
from adjudicator.takeover import Takeover
from journal.crossbar import Crossbar
from journal.journal import Tail
from journal.memory_log import MemoryLog
from journal.record import MARKERS, Lock, LockClass, Write
from server.session.coordinator import WriteSet
from storage.shard import Read, Shard
from tests.sim.checkers import ALL, Drift, Observers, Violation
from tests.sim.rows import MemoryRows
from tests.sim.watch import watch

MS = 10**6
END = b"\xf0"
E, N, K = LockClass.EXCLUSIVE, LockClass.NON_KEY, LockClass.KEY_SHARE
MARKER = MARKERS + b"t"
SETTINGS = Settings()


def at(ms):
    """Milliseconds of virtual time as a timestamp."""
    return ms * MS


class Actor:
    """One owner, with its own reader of the journals."""

    def __init__(self, owner, journals):
        self.owner = owner
        self.journals = journals
        self.crossbar = Crossbar(journals)
        self.held = None
        """Appends wait here while the script holds them: a list."""


class Stage:
    """Journal 0 owns [b"", b"m"), journal 1 [b"m", END)."""

    def __init__(self, ranges=((b"", b"m"), (b"m", END))):
        self.observers = Observers(ALL)
        self.observers.checker(Drift).error = at(10_000)
        self.now = at(1000)
        self.logs = {}
        self.actors = {}
        self.current = {}
        self.announced = []
        self.answers = {}
        self.requests = 0
        self.crossbar = Crossbar(list(range(len(ranges))))
        self.shard = Shard(MemoryRows(), b"", END)
        self.journals = list(range(len(ranges)))
        for journal, span in enumerate(ranges):
            self.logs[journal] = MemoryLog()
            self.take_over(journal, [span])
        self.advance(at(2000))
        self.settle()

    # --- time and the journals

    def advance(self, now):
        """Time passes; nobody does anything."""
        self.now = now

    def settle(self):
        """Everybody ticks, hears everything and reads everything, twice."""
        for _ in range(2):
            for actor in self.present():
                self.tick(actor)
            self.read_journals()

    def read_journals(self):
        for actor in self.present():
            self.feed(actor)
        self.feed_shard()

    def present(self):
        return [self.actors[journal, epoch] for journal, epoch in sorted(self.current.items())]

    def actor(self, journal):
        return self.actors[journal, self.current[journal]]

    def take_over(self, journal, initial=None):
        """A new owner claims `journal`; the old one goes on as a zombie."""
        takeover = Takeover(journal, "owner", SETTINGS, initial)
        log = self.logs[journal]
        takeover.read(log.read(1, 10**6))
        self.requests += 1
        sealed = takeover.claim(self.requests.to_bytes(16, "big"))
        claimed = log.append(sealed)
        assert isinstance(claimed, Tail)
        log.sync()
        self.observers.tell("on_record", journal, log.read(claimed.position)[0])
        actor = self.enter(takeover.owner_of(claimed))
        self.current[journal] = claimed.epoch
        return actor

    def enter(self, owner):
        """An owner comes on stage, and is listened to."""
        actor = Actor(watch(owner, self.observers.tell), self.journals)
        self.actors[owner.journal, owner.epoch] = actor
        return actor

    def tick(self, actor, announce=True):
        """The owner's timer."""
        announced = len(self.announced)
        self.perform(actor, actor.owner.tick(self.now))
        if not announce:
            del self.announced[announced:]

    def feed(self, actor, journals=None):
        """The owner reads the journals to their ends, and every announcement made so far."""
        items, complete = self._stream(actor.crossbar, journals)
        notes = actor.crossbar.take_notes()
        self.perform(actor, actor.owner.feed(items, notes, complete, self.now))
        self.observers.tell("on_owner", actor.owner)

    def feed_shard(self, journals=None, mark=False):
        """The shard reads on; `mark`: it keeps the place with its rows."""
        items, complete = self._stream(self.crossbar, journals)
        complete = max(complete, self.shard.complete)
        self.shard.feed(items, complete, self.crossbar.mark() if mark else None)
        closed = {journal: self.crossbar.closed(journal) for journal in self.crossbar.journals}
        self.observers.tell("on_complete", "shard", self.shard, closed)

    def read(self, key, ts):
        """What a client reads; None when it must wait."""
        read = Read(0, 0, ts, (key,))
        answer = self.shard.read(read, self.now)
        if answer is not None:
            self.observers.tell("on_read", "shard", read, answer)
        return answer

    def _stream(self, crossbar, journals):
        for _ in range(2):
            for journal, position in crossbar.wanted():
                if journals is None or journal in journals:
                    crossbar.feed(journal, self.logs[journal].read(position, 10**6))
            for announcement in self.announced:
                crossbar.announce(announcement)
        return crossbar.take(10**6), crossbar.complete

    def check_owned(self):
        """F2: every key has an owner, once what is under way has arrived."""
        pieces = [(each.lo, each.hi) for actor in self.present() for each in actor.owner.ranges]
        if not covers(pieces, b"", END):
            raise Violation("F2", f"keys without an owner: there are {sorted(pieces)}")

    # --- messages

    def perform(self, actor, effects):
        """Appends and announcements happen; messages come back for the script to deliver."""
        messages = []
        for effect in effects:
            if isinstance(effect, Append):
                if actor.held is not None:
                    actor.held.append(effect.record)
                else:
                    messages += self.append(actor, effect.record)
            elif isinstance(effect, Announce):
                self.announced.append(effect.announcement)
                self.observers.tell("on_announce", effect.announcement)
            elif isinstance(effect, Replay):
                actor.crossbar = Crossbar(actor.journals)
                actor.owner.replayed(0)
            elif isinstance(effect, ToCoordinator):
                self._answered(effect.answer)
            else:
                messages.append(effect)
        return messages

    def append(self, actor, sealed):
        """One append reaches the journal."""
        journal = actor.owner.journal
        log = self.logs[journal]
        result = log.append(sealed)
        if not isinstance(result, Tail):
            actor.owner.refused(result.tail)
            return []
        log.sync()
        self.observers.tell("on_record", journal, log.read(result.position)[0])
        return self.perform(actor, actor.owner.appended(result, self.now))

    def release_appends(self, actor):
        """What was held reaches the journal."""
        records, actor.held = actor.held or [], None
        messages = []
        for record in records:
            messages += self.append(actor, record)
        return messages

    def hand(self, actor, message):
        """Deliver one message; returns what the owner sends."""
        owner = actor.owner
        if isinstance(message, Prepare):
            effects = owner.prepare(message, self.now)
        elif isinstance(message, Vote):
            effects = owner.vote(message, self.now)
        elif isinstance(message, Outcome):
            effects = owner.outcome(message)
        else:
            assert isinstance(message, Ask)
            effects = owner.ask(message, self.now)
        return self.perform(actor, effects)

    def deliver(self, messages):
        """Deliver messages and all that follow from them."""
        queue = list(messages)
        while queue:
            effect = queue.pop(0)
            epoch = effect.epoch or self.current[effect.journal]
            queue += self.hand(self.actors[effect.journal, epoch], effect.message)

    # --- transactions

    def prepares(
        self, name, start, touches, decider=None, epoch=None, locks=(), checks=(), marker=None, attempt=1
    ):
        """The Prepare of each participant, by journal; `touches`: key -> class, `start` in ms."""
        txid = name.encode().rjust(16, b"\0")
        every = [*touches, *(key for key, _ in locks), *checks]
        journals = sorted({self.journal_of(key) for key in every} | (set(self.current) if marker else set()))
        decider = journals[0] if decider is None else decider
        candidate = Candidate(txid, attempt, decider, epoch or self.current[decider])
        writes = [Write(key, name.encode(), lock) for key, lock in touches.items()]
        locked = [Lock(key, lock) for key, lock in locks]
        markers = [Marker(MARKER, marker[0], marker[1])] if marker else []
        all_checks = [Check(MARKER, key) for key in checks]
        self.observers.tell("on_commit", WriteSet(txid, at(start), writes, locked, all_checks, [], markers))
        return {
            journal: Prepare(
                candidate,
                at(start),
                9,
                tuple(journals),
                [Lock(e.key, e.lock) for e in (*writes, *locked) if self.journal_of(e.key) == journal],
                [check for check in all_checks if self.journal_of(check.key) == journal],
                [],
                markers,
                writes if journal == decider else [],
                locked if journal == decider else [],
            )
            for journal in journals
        }

    def journal_of(self, key):
        for actor in self.present():
            if actor.owner.ranges.find(key) is not None:
                return actor.owner.journal
        raise KeyError(key)

    def commit(self, name, start, touches, **options):
        """A whole commit without any fault; its verdict."""
        prepares = self.prepares(name, start, touches, **options)
        for journal, prepare in prepares.items():
            self.deliver([ToOwner(journal, self.current[journal], prepare)])
        return self.verdict(name)

    def verdict(self, name):
        """The decider's answer, or None; without who won (`answers` has it)."""
        found = self.answers.get(name.encode().rjust(16, b"\0"))
        return Aborted(found.reason, found.key) if isinstance(found, Aborted) else found

    def _answered(self, answer: Answer):
        self.answers[answer.candidate.txid] = answer.verdict
