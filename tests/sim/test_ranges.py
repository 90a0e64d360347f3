"""Ranges and journals that come and go while commits go on: what the simulation found, as short scripts."""

from adjudicator.messages import Aborted, Committed, Reason
from adjudicator.ownership import covers
from journal.encoding import decode
from journal.record import Acquire, End
from tests.sim.stage import END, E, Stage, at


def notes(stage: Stage, journal: int) -> list:
    return [note for entry in stage.logs[journal].read(1, 10**6) for note in entry.record.notes]


def spans(stage: Stage) -> list[tuple[int, bytes, bytes]]:
    return [(a.owner.journal, each.lo, each.hi) for a in stage.present() for each in a.owner.ranges]


def release(stage: Stage, source: int, lo: bytes, hi: bytes, to: int) -> None:
    actor = stage.actor(source)
    stage.perform(actor, actor.owner.release(lo, hi, to))


def end(stage: Stage, journal: int) -> None:
    actor = stage.actor(journal)
    stage.perform(actor, actor.owner.end(stage.now))


def test_a_range_is_split_moved_and_merged_while_commits_go_on():
    stage = Stage()
    assert isinstance(stage.commit("w", 1990, {b"b": E}), Committed)
    release(stage, 0, b"a", b"c", 1)
    stage.settle()
    assert spans(stage) == [(0, b"", b"a"), (0, b"c", b"m"), (1, b"a", b"c"), (1, b"m", END)]
    stage.advance(at(2300))
    stage.settle()
    assert stage.commit("x", 1991, {b"b": E}) == Aborted(Reason.CONFLICT, b"b")
    lost = stage.answers[b"x".rjust(16, b"\0")]
    assert lost.winner == b"w".rjust(16, b"\0"), "the owner that got the range has read who won"
    assert lost.won_at == stage.answers[lost.winner].commit_ts
    assert isinstance(stage.commit("y", 2250, {b"b": E, b"d": E}), Committed)
    stage.advance(at(2500))
    stage.settle()
    release(stage, 1, b"a", b"c", 0)
    stage.settle()
    assert covers([(lo, hi) for journal, lo, hi in spans(stage) if journal == 0], b"", b"m")
    stage.observers.tell("at_end", [stage.shard])


def test_an_owner_refuses_keys_that_it_has_released():
    stage = Stage()
    prepares = stage.prepares("x", 1990, {b"b": E})
    release(stage, 0, b"a", b"c", 1)
    stage.hand(stage.actor(0), prepares[0])
    assert stage.verdict("x") == Aborted(Reason.MOVED, b"b")


def test_a_successor_knows_the_ranges_that_came_and_went():
    stage = Stage()
    release(stage, 0, b"a", b"c", 1)
    stage.settle()
    before = spans(stage)
    for journal in (0, 1, 1):
        stage.take_over(journal)
    stage.advance(at(5000))
    stage.settle()
    stage.settle()
    assert spans(stage) == before
    assert isinstance(stage.commit("x", 4990, {b"b": E, b"d": E}), Committed)


def test_a_range_released_to_a_journal_that_has_ended_comes_back():
    stage = Stage(((b"", b"m"), (b"m", b"t"), (b"t", END)))
    release(stage, 1, b"m", b"t", 0)
    stage.settle()
    stage.advance(at(2300))
    release(stage, 0, b"a", b"c", 1)
    end(stage, 1)
    assert End() in notes(stage, 1)
    stage.advance(at(2600))
    stage.settle()
    stage.settle()
    assert covers([(lo, hi) for _journal, lo, hi in spans(stage)], b"", END)
    stage.take_over(0)
    stage.advance(at(4000))
    stage.settle()
    assert covers([(lo, hi) for _journal, lo, hi in spans(stage)], b"", END)
    assert len([note for note in notes(stage, 0) if isinstance(note, Acquire)]) == 2


def test_a_journal_does_not_end_while_it_acquires_or_releases():
    stage = Stage()
    release(stage, 1, b"m", END, 0)
    end(stage, 1)
    assert End() not in notes(stage, 1)
    actor = stage.actor(0)
    actor.held = []
    stage.feed(actor)
    end(stage, 0)
    assert [decode(sealed.data)[0].notes for sealed in actor.held] == [[Acquire(b"m", END, at(200), 1, 3)]]
    stage.release_appends(actor)
    stage.settle()
    end(stage, 1)
    assert End() in notes(stage, 1)


def test_a_journal_is_removed_above_the_time_of_its_end():
    stage = Stage()
    release(stage, 1, b"m", END, 0)
    stage.settle()
    end(stage, 1)
    ended = stage.logs[1].tail.last_ts
    root = stage.actor(0)
    stage.perform(root, root.owner.change_set(1, False, at(1), ended))
    assert stage.logs[0].tail.last_ts > ended
    stage.advance(at(2400))
    stage.tick(root)
    stage.feed_shard()
    assert stage.crossbar.journals == [0]
    assert stage.shard.complete == at(2400)
