"""Directed schedules: for each rule the shortest script of events in which its absence does harm.

With the rules as written every script ends without a violation; with its rule switched off, none does.
Times are milliseconds. A stage begins at 2000; owners have reserved times up to about 3000.
"""

from adjudicator.messages import Aborted, Committed, Reason
from adjudicator.protocol import Answer, Ask, Candidate, Outcome, ToOwner, Vote
from adjudicator.takeover import Takeover
from adjudicator.window import Window
from journal.journal import Tail
from journal.memory_log import MemoryLog
from journal.record import Write
from server.session.coordinator import Coordinator, WriteSet
from server.session.reader import Reader
from storage.shard import Bounds, Shard
from tests.sim.chance import Chance
from tests.sim.disk import Disk
from tests.sim.rows import MemoryRows
from tests.sim.stage import END, MARKER, MS, SETTINGS, E, Stage, at

SCHEDULES = {}


def schedule(*rules):
    """Registers a script for the rules whose absence it shows."""

    def register(script):
        for rule in rules:
            SCHEDULES[rule] = script
        return script

    return register


def began_before_takeover(stage: Stage):
    """Y commits, the owner is replaced, X began before Y and comes to the successor."""
    stage.advance(at(2020))
    assert isinstance(stage.commit("y", 2010, {b"a": E}), Committed)
    stage.take_over(0)
    stage.advance(at(4000))
    stage.tick(stage.actor(0))
    return stage.commit("x", 2005, {b"a": E})


@schedule("floor")
def floor(stage):
    began_before_takeover(stage)


@schedule("vote-reservation")
def zombie_votes_late(stage):
    """A superseded owner votes for X above its reservation; the successor has committed Z there."""
    zombie = stage.actor(0)
    stage.take_over(0)
    stage.advance(at(4000))
    stage.settle()
    prepares = stage.prepares("x", 3980, {b"a": E, b"n": E}, decider=1)
    assert isinstance(stage.commit("z", 3990, {b"a": E}), Committed)
    stage.advance(at(4001))
    votes = stage.hand(zombie, prepares[0])
    stage.deliver([*votes, ToOwner(1, 0, prepares[1])])


@schedule("promise-blocks")
def conflicting_vote(stage):
    """Owner 0 promised to X; Y wants the same key before X is decided."""
    prepares = stage.prepares("x", 1990, {b"a": E, b"n": E}, decider=1)
    votes = stage.hand(stage.actor(0), prepares[0])
    stage.commit("y", 1991, {b"a": E})
    stage.deliver([*votes, ToOwner(1, 0, prepares[1])])


@schedule("in-doubt")
def outcome_lost(stage):
    """X is in journal 1; owner 0 voted for it, hears nothing, and its promise runs out."""
    prepares = stage.prepares("x", 1990, {b"a": E, b"n": E}, decider=1)
    votes = stage.hand(stage.actor(0), prepares[0])
    stage.hand(stage.actor(1), prepares[1])
    stage.hand(stage.actor(1), votes[0].message)
    assert isinstance(stage.verdict("x"), Committed)
    stage.advance(at(2500))
    stage.feed(stage.actor(0), [0])
    stage.commit("y", 1991, {b"a": E})


@schedule("promised-time")
def decided_too_late(stage):
    """Owner 0's promise to X ran out and Y went ahead; the decider gets round to X only now."""
    prepares = stage.prepares("x", 1990, {b"a": E, b"n": E}, decider=1)
    votes = stage.hand(stage.actor(0), prepares[0])
    stage.advance(at(2500))
    stage.settle()
    assert isinstance(stage.commit("y", 2010, {b"a": E}), Committed)
    stage.advance(at(2600))
    stage.deliver([*votes, ToOwner(1, 0, prepares[1])])


@schedule("close-reservation")
def zombie_closes(stage):
    """A superseded owner announces the time on its clock, above what it had reserved."""
    zombie = stage.actor(0)
    stage.take_over(0)
    stage.advance(at(4000))
    stage.settle()
    assert isinstance(stage.commit("z", 3990, {b"a": E}), Committed)
    stage.advance(at(5000))
    stage.tick(zombie)


@schedule("close-pending")
def closed_over_flight(stage):
    """X is decided and its append is under way when the owner announces."""
    actor = stage.actor(0)
    actor.held = []
    stage.commit("x", 1990, {b"a": E})
    stage.advance(at(2100))
    stage.tick(actor)
    stage.release_appends(actor)


@schedule("all-journals")
def history_elsewhere(stage):
    """X wrote a key of owner 0 but lies in journal 1; owner 0 is replaced and rebuilt."""
    assert isinstance(stage.commit("x", 1990, {b"a": E, b"n": E}, decider=1), Committed)
    stage.take_over(0)
    stage.advance(at(4000))
    stage.settle()
    stage.settle()
    verdict = stage.commit("y", 1991, {b"a": E})
    assert verdict == Aborted(Reason.CONFLICT, b"a")


@schedule("rebuild-complete")
def trusted_too_early(stage):
    """X was decided with a vote of the old owner; the successor has not seen journal 1 yet."""
    assert isinstance(stage.commit("x", 1990, {b"a": E, b"n": E}, decider=1), Committed)
    stage.take_over(0)
    stage.advance(at(4000))
    stage.tick(stage.actor(0))
    stage.feed(stage.actor(0), [0])
    stage.commit("y", 1991, {b"a": E})


@schedule("vote-epoch")
def decided_by_successor(stage):
    """The old decider gives X up and frees the promise; copies of its messages reach the new one."""
    zombie = stage.actor(1)
    old = stage.current[1]
    stage.take_over(1)
    stage.advance(at(4000))
    stage.settle()
    prepares = stage.prepares("x", 3990, {b"a": E, b"n": E}, decider=1, epoch=old)
    votes = stage.hand(stage.actor(0), prepares[0])
    stage.deliver(stage.hand(zombie, prepares[1]))
    stage.commit("y", 3991, {b"a": E})
    stage.hand(stage.actor(1), prepares[1])
    assert isinstance(votes[0].message, Vote)
    stage.hand(stage.actor(1), votes[0].message)


@schedule("lock-record")
def locks_alone(stage):
    """X only locked a row: told that it committed, it must be in a journal for the next owner to know."""
    verdict = stage.commit("x", 1990, {}, locks=((b"a", E),))
    assert isinstance(verdict, Committed)
    stage.observers.tell("on_result", "c", b"x".rjust(16, b"\0"), verdict, stage.now + MS, True)


@schedule("safe-time")
def successor_too_low(stage):
    """The old owner's vote, within its reservation, decides X above a time that the successor already used."""
    zombie = stage.actor(0)
    stage.take_over(0)
    stage.advance(at(2100))
    stage.settle()
    stage.settle()
    prepares = stage.prepares("x", 2050, {b"a": E, b"n": E}, decider=1)
    stage.commit("z", 2060, {b"a": E})
    votes = stage.hand(zombie, prepares[0])
    stage.deliver([*votes, ToOwner(1, 0, prepares[1])])


@schedule("safe-records")
def committed_above_the_reservation(stage):
    """After an idle hour Y commits far above what owner 0 reserved; X, which began before, meets a successor."""
    hour = 3600 * 1000
    stage.advance(at(hour))
    assert stage.actor(0).owner.appender.reserved < at(hour) - 10**12
    assert isinstance(stage.commit("y", hour - 1, {b"a": E}), Committed)
    zombie = stage.actor(0)
    stage.take_over(0)
    stage.advance(at(hour + 100))
    stage.tick(stage.actor(0))
    stage.commit("x", hour - 20, {b"a": E})
    late = stage.prepares("z", hour - 1, {b"b": E}, epoch=zombie.owner.epoch)
    stage.deliver(stage.hand(zombie, late[0]))
    assert stage.verdict("z") is None, "its journal refuses whatever a zombie decides"


@schedule("adopt-position")
def announced_ahead(stage):
    """An announcement overtakes the record that it follows."""
    stage.commit("x", 1990, {b"a": E})
    stage.advance(at(2050))
    for actor in stage.present():
        stage.tick(actor)
    stage.feed_shard([1])
    stage.read(b"a", at(2040))


@schedule("set-change")
def journal_added(stage):
    """A reader is complete beyond the time at which a journal was added, without having it."""
    stage.logs[2] = MemoryLog()
    first = stage.actor(0)
    stage.perform(first, first.owner.change_set(2, True, stage.now))
    assert isinstance(stage.logs[0].tail, Tail)
    added = stage.logs[0].tail.last_ts
    takeover = Takeover(2, "owner", SETTINGS, [(b"\xf1", b"\xf2")], after=added)
    claimed = stage.logs[2].append(takeover.claim(b"n" * 16))
    assert isinstance(claimed, Tail)
    stage.logs[2].sync()
    stage.observers.tell("on_record", 2, stage.logs[2].read(1)[0])
    stage.enter(takeover.owner_of(claimed))
    stage.current[2] = 1
    stage.advance(at(2400))
    stage.tick(stage.actor(2), announce=False)
    stage.tick(stage.actor(2), announce=False)
    stage.advance(at(2600))
    stage.tick(stage.actor(0))
    stage.tick(stage.actor(1))
    stage.feed_shard()
    stage.commit("x", 2590, {b"\xf1a": E})
    assert isinstance(stage.verdict("x"), Committed)


@schedule("read-complete")
def stale_read(stage):
    """A client reads at a time that the shard has not reached, and a commit below it follows."""
    stage.read(b"a", at(2100))
    stage.advance(at(2050))
    stage.commit("x", 1990, {b"a": E})


@schedule("read-horizon")
def trimmed_read(stage):
    """The version that an old reader needs is gone."""
    stage.shard = Shard(MemoryRows(), b"", END, Bounds(retention=at(100)))
    stage.crossbar = type(stage.crossbar)([0, 1])
    stage.commit("x", 1990, {b"a": E})
    stage.advance(at(2100))
    stage.settle()
    stage.commit("y", 2090, {b"a": E})
    stage.advance(at(2900))
    stage.settle()
    stage.shard.tick(stage.now)
    stage.read(b"a", at(2050))


class Fixed:
    """Routing of a stage."""

    def __init__(self, stage):
        self.stage = stage

    def journal_of(self, key):
        return self.stage.journal_of(key)

    def journals_of(self, lo, hi):
        return sorted(self.stage.current)

    def epoch_of(self, journal):
        return self.stage.current[journal]


@schedule("commit-wait")
def acknowledged_early(stage):
    """The commit is dated ahead of the client's clock."""
    coordinator = Coordinator(9, write_set("x", 1990), Fixed(stage))
    stage.observers.tell("on_commit", coordinator.write_set)
    coordinator.begin(stage.now)
    stage.deliver(coordinator.begin(stage.now))
    stage.advance(at(1999))
    verdict = stage.verdict("x")
    candidate = Candidate(b"x".rjust(16, b"\0"), coordinator.attempt, 0, stage.current[0])
    coordinator.answer(Answer(candidate, verdict), stage.now)
    if coordinator.result is not None:
        stage.observers.tell("on_result", "c", candidate.txid, coordinator.result, stage.now, True)


@schedule("dead-first")
def repeated_in_doubt(stage):
    """The append is slow, the coordinator hears nothing."""
    actor = stage.actor(0)
    actor.held = []
    coordinator = Coordinator(9, write_set("x", 1990), Fixed(stage))
    stage.observers.tell("on_commit", coordinator.write_set)
    stage.deliver(coordinator.begin(stage.now))
    stage.advance(at(2900))
    messages = coordinator.tick(stage.now)
    stage.deliver(messages)
    verdict = stage.verdict("x")
    if verdict is not None:
        candidate = messages[0].message.candidate
        coordinator.answer(Answer(candidate, verdict), stage.now)
    if coordinator.result is not None:
        stage.observers.tell("on_result", "c", b"x".rjust(16, b"\0"), coordinator.result, stage.now, True)
    stage.release_appends(actor)


def write_set(name, start):
    return WriteSet(name.encode().rjust(16, b"\0"), at(start), [Write(b"a", b"v", E)])


def move(stage, lo, hi, source, to):
    """The range goes from one owner to the other; nobody has read its history again yet."""
    stage.perform(stage.actor(source), stage.actor(source).owner.release(lo, hi, to))
    target = stage.actor(to)
    target.crossbar.feed(source, stage.logs[source].read(dict(target.crossbar.wanted())[source], 10**6))
    notes = target.crossbar.take_notes()
    stage.perform(target, target.owner.feed([], notes, 0, stage.now))


@schedule("release-time")
def moved_under_promise(stage):
    """Owner 0 promised to X and hands the range over before X is decided."""
    prepares = stage.prepares("x", 1990, {b"a": E, b"n": E}, decider=1)
    votes = stage.hand(stage.actor(0), prepares[0])
    move(stage, b"", b"c", 0, 1)
    stage.advance(at(2001))
    stage.settle()
    stage.commit("y", 1991, {b"a": E})
    stage.deliver([*votes, ToOwner(1, 0, prepares[1])])


@schedule("release-learned")
def moved_below_outcome(stage):
    """X was decided by owner 1 with a promise of owner 0 that has ended; then the range moves (seed 10)."""
    assert isinstance(stage.commit("x", 1990, {b"a": E, b"p": E}, decider=1), Committed)
    actor = stage.actor(0)
    stage.perform(actor, actor.owner.release(b"", b"c", 1))


@schedule("end-free")
def ended_while_acquiring(stage):
    """Journal 1 is about to acquire a range when it ends (found by the F2 check)."""
    first, second = stage.actor(0), stage.actor(1)
    stage.perform(second, second.owner.release(b"m", END, 0))
    stage.settle()
    stage.perform(first, first.owner.release(b"", b"c", 1))
    second.held = []
    stage.feed(second)
    stage.perform(second, second.owner.end(stage.now))
    stage.release_appends(second)
    stage.perform(second, second.owner.tick(stage.now))
    stage.advance(at(2300))
    stage.settle()
    stage.settle()
    if second.owner.is_ended:
        del stage.current[1]
    stage.check_owned()


@schedule("end-closes")
def acquired_behind_the_end(stage):
    """The end is in flight when the owner hears of a range released to it (found as seed 10058)."""
    first, second = stage.actor(0), stage.actor(1)
    stage.perform(second, second.owner.release(b"m", END, 0))
    stage.settle()
    second.held = []
    stage.perform(second, second.owner.end(stage.now))
    stage.perform(first, first.owner.release(b"", b"c", 1))
    stage.feed(second)
    stage.release_appends(second)
    stage.advance(at(2300))
    stage.settle()
    stage.settle()
    del stage.current[1]
    stage.check_owned()


@schedule("missed-floor")
def replayed_from_later(stage):
    """Owner 0 slept; what it has not read of journal 1 is trimmed, and the stream begins anew behind it."""
    first = stage.actor(0)
    prepares = stage.prepares("x", 1990, {b"a": E, b"n": E}, decider=1)
    votes = stage.hand(first, prepares[0])
    stage.hand(stage.actor(1), prepares[1])
    stage.hand(stage.actor(1), votes[0].message)
    assert isinstance(stage.verdict("x"), Committed)
    stage.advance(at(2300))
    for actor in stage.present():
        stage.tick(actor)
    stage.feed_shard()
    first.crossbar = type(first.crossbar)([], stage.crossbar.mark())
    first.owner.replayed(stage.crossbar.complete)
    stage.feed(first)
    stage.commit("y", 1991, {b"a": E})


@schedule("take-back")
def released_to_an_ended_journal(stage):
    """Owner 0 hands a range to journal 1, which ends without having heard of it (found by the F2 check)."""
    first, second = stage.actor(0), stage.actor(1)
    stage.perform(second, second.owner.release(b"m", END, 0))
    stage.settle()
    stage.perform(first, first.owner.release(b"", b"c", 1))
    stage.perform(second, second.owner.end(stage.now))
    stage.advance(at(2300))
    stage.settle()
    stage.settle()
    stage.check_owned()


@schedule("remove-time")
def removed_at_its_end(stage):
    """The journal's end and its removal get the same time (found as seed 350)."""
    first, second = stage.actor(0), stage.actor(1)
    stage.perform(second, second.owner.release(b"m", END, 0))
    stage.settle()
    stage.perform(second, second.owner.end(at(2010)))
    stage.perform(first, first.owner.change_set(1, False, at(1990), stage.logs[1].tail.last_ts))
    stage.advance(at(2400))
    stage.tick(first)
    stage.feed_shard()


@schedule("dead-memory")
def delivered_once_more(stage):
    """X was given up, its client told so; then the network delivers its messages again."""
    first, second = stage.actor(0), stage.actor(1)
    other = stage.prepares("p", 1990, {b"n": E, b"b": E}, decider=0)
    stage.hand(second, other[1])
    prepares = stage.prepares("x", 1991, {b"a": E, b"n": E}, decider=1)
    votes = stage.hand(first, prepares[0])
    stage.deliver(stage.hand(second, prepares[1]))
    assert stage.verdict("x") == Aborted(Reason.BUSY, b"n")
    told = Aborted(Reason.CONFLICT, b"n")
    stage.observers.tell("on_result", "c", prepares[0].candidate.txid, told, stage.now, True)
    second.owner.outcome(Outcome(other[1].candidate, 0))
    stage.hand(second, prepares[1])
    stage.hand(second, votes[0].message)


@schedule("acquire-floor")
def moved_without_floor(stage):
    """Z changed the range before it moved; X, older than Z, comes to the new owner at once."""
    stage.commit("z", 1990, {b"a": E})
    move(stage, b"", b"c", 0, 1)
    stage.advance(at(2010))
    stage.commit("x", 1991, {b"a": E})


@schedule("acquire-history")
def moved_without_history(stage):
    """The same, after the new owner has read on."""
    stage.commit("z", 1990, {b"a": E})
    stage.advance(at(2010))
    stage.settle()
    move(stage, b"", b"c", 0, 1)
    stage.advance(at(2300))
    stage.settle()
    stage.settle()
    assert stage.commit("x", 1991, {b"a": E}) == Aborted(Reason.CONFLICT, b"a")


@schedule("marker-check")
def schema_changed(stage):
    """X began before the schema change and commits after it."""
    assert isinstance(stage.commit("ddl", 1990, {b"cat": E}, marker=(b"", END)), Committed)
    stage.advance(at(2600))
    assert stage.commit("x", 1991, {b"a": E}, checks=(b"a",)) == Aborted(Reason.SCHEMA, MARKER)


@schedule("marker-time")
def schema_changed_in_doubt(stage):
    """The schema change comes while X, which used the old schema, is being decided."""
    prepares = stage.prepares("x", 1990, {b"a": E, b"n": E}, decider=1, checks=(b"a",))
    votes = stage.hand(stage.actor(0), prepares[0])
    assert isinstance(stage.commit("ddl", 1991, {b"cat": E}, marker=(b"", b"m"), decider=0), Committed)
    stage.advance(at(2010))
    stage.deliver([*votes, ToOwner(1, 0, prepares[1])])
    assert isinstance(stage.verdict("x"), Committed)


@schedule("marker-decided")
def schema_changed_below_its_users(stage):
    """X, which used the old schema, was decided ahead of the clock, so its promise is over (seed 5037)."""
    stage.advance(at(2900))
    assert isinstance(stage.commit("x", 1990, {b"a": E}, checks=(b"a",)), Committed)
    stage.advance(at(2100))
    stage.commit("ddl", 1991, {b"ncat": E}, marker=(b"", END), decider=1)


class OneShard:
    """The places of a stage."""

    def __init__(self, stage):
        self.stage = stage

    def shard_of(self, key):
        return 0

    def pieces(self, lo, hi):
        return [(lo, hi, 0)]

    def replicas(self, shard):
        return [0]

    def deliver(self, reader, asked):
        """The stage's shard answers at once."""
        for _replica, request in asked:
            answer = self.stage.shard.read(request, self.stage.now)
            if answer is not None:
                self.stage.observers.tell("on_read", "shard", request, answer)
                reader.answer(0, answer, self.stage.now)


@schedule("read-past")
def told_ahead_of_time(stage):
    """Commits are dated ahead and complete; X began on a fast clock, Y begins afterwards on a slow one."""
    places = OneShard(stage)
    stage.advance(at(2050))
    stage.settle()
    stage.advance(at(2020))
    reader = Reader(1, at(2040), places)
    places.deliver(reader, reader.get([b"a"], stage.now))
    if reader.found(stage.now) is not None:
        stage.observers.tell("on_told", "x", reader.start_ts, True)
    stage.observers.tell("on_begin", "y", at(2030), stage.now, True)


@schedule("one-start")
def second_statement_later(stage):
    """X reads a key, Z writes it, X reads it again."""
    places = OneShard(stage)
    reader = Reader(1, at(1999), places)
    places.deliver(reader, reader.get([b"a"], stage.now))
    assert isinstance(stage.commit("z", 1998, {b"a": E}), Committed)
    stage.advance(at(2100))
    stage.settle()
    places.deliver(reader, reader.get([b"a"], stage.now))


@schedule("checkpoint-reserved")
def restated_before_reserving(stage):
    """A successor restates its ranges before it has reserved anything, and its claim is trimmed (seed 5033)."""
    actor = stage.take_over(0)
    before = stage.logs[0].tail.position
    stage.perform(actor, actor.owner.checkpoint())
    position = stage.logs[0].tail.position
    if position > before:
        stage.logs[0].trim(before)
        stage.observers.tell("on_trim", 0, position, [])


@schedule("denied-unread")
def asked_about_what_was_trimmed(stage):
    """X's record is trimmed when a successor is asked about X (seed 18 of replays)."""
    assert isinstance(stage.commit("x", 1990, {b"a": E}), Committed)
    candidate = Candidate(b"x".rjust(16, b"\0"), 1, 0, stage.current[0])
    actor = stage.actor(0)
    stage.perform(actor, actor.owner.checkpoint())
    log = stage.logs[0]
    log.trim(log.tail.position - 1)
    takeover = Takeover(0, "next", SETTINGS, anchor=log.anchor)
    takeover.read(log.read(log.first, 10**6))
    claimed = log.append(takeover.claim(b"n" * 16))
    assert isinstance(claimed, Tail)
    successor = takeover.owner_of(claimed)
    for effect in successor.ask(Ask(candidate, 9, at(1990)), stage.now):
        told = effect.answer.verdict
        stage.observers.tell("on_result", "c", candidate.txid, told, stage.now, True)


@schedule("disk-trust")
def power_cut(stage):
    """A replica that never synced loses its power: what comes up is neither what it wrote nor what was before."""
    disk = Disk()
    stage.shard = Shard(disk.open(), b"", END)
    stage.crossbar = type(stage.crossbar)([0, 1])
    for number in range(20):
        verdict = stage.commit(f"x{number}", 1990, {b"a%d" % number: E})
        assert isinstance(verdict, Committed)
    stage.advance(at(2100))
    for actor in stage.present():
        stage.tick(actor)
    disk.change()
    stage.feed_shard(mark=True)
    disk.cut_power(Chance(5))
    rows = disk.open()
    stage.shard = Shard(rows, b"", END)
    stage.crossbar = type(stage.crossbar)([0, 1], rows.mark)
    stage.advance(at(2200))
    stage.settle()
    for number in range(20):
        stage.read(b"a%d" % number, at(2050))


def commits_to_forget(stage, slots):
    """An owner that remembers one touch exactly sees several; then Y, which began before them, comes."""
    actor = stage.actor(0)
    actor.owner.window = Window(exact_keys=1, slots=slots)
    for name in "abcdef":
        stage.commit(name, 1990, {name.encode(): E})
    stage.advance(at(2200))
    stage.settle()
    stage.settle()
    return stage.commit("y", 1991, {b"a": E})


@schedule("window-blurred")
def remembered_by_hash(stage):
    assert commits_to_forget(stage, 64) == Aborted(Reason.CONFLICT, b"a")


@schedule("window-floor")
def forgotten_above_the_start(stage):
    assert commits_to_forget(stage, 0) == Aborted(Reason.TOO_OLD, b"")
