"""How far journals may be trimmed, and what a successor still finds in what is kept."""

import pytest

from adjudicator.messages import Committed
from adjudicator.takeover import Takeover
from journal.broken import Broken
from journal.crossbar import Mark
from journal.journal import Tail
from journal.trimming import Trimming
from tests.sim.stage import END, SETTINGS, E, Stage, at


class Kept:
    """A stage whose journals a `Trimming` has seen."""

    def __init__(self):
        self.stage = Stage()
        self.trimming = Trimming()
        self._seen = {0: 0, 1: 0}

    def see(self):
        for journal, seen in self._seen.items():
            for entry in self.stage.logs[journal].read(seen + 1, 10**6):
                self.trimming.see(journal, entry)
                self._seen[journal] = entry.record.header.position

    def mark(self):
        return Mark(tuple((j, log.tail.position) for j, log in self.stage.logs.items()), (0, 0, 0, 0), ())

    def upto(self, journal):
        self.see()
        return self.trimming.upto(journal, [self.mark()])

    def checkpoint(self, journal):
        actor = self.stage.actor(journal)
        self.stage.perform(actor, actor.owner.checkpoint())

    def release(self, source, lo, hi, to):
        actor = self.stage.actor(source)
        self.stage.perform(actor, actor.owner.release(lo, hi, to))


def test_nothing_goes_below_the_last_restatement_or_the_slowest_reader():
    kept = Kept()
    assert isinstance(kept.stage.commit("x", 1990, {b"a": E}), Committed)
    assert kept.upto(0) == 0
    kept.checkpoint(0)
    tail = kept.stage.logs[0].tail.position
    assert kept.upto(0) == tail - 1
    slow = Mark(((0, 2), (1, 9)), (0, 0, 0, 0), ())
    assert kept.trimming.upto(0, [kept.mark(), slow]) == 2


def test_a_release_is_kept_until_it_is_acquired_and_the_acquisition_longer():
    kept = Kept()
    kept.release(0, b"a", b"c", 1)
    released = kept.stage.logs[0].tail.position
    kept.see()
    assert not kept.trimming.may_rebuild_from(kept.mark())
    kept.checkpoint(0)
    kept.stage.settle()
    acquired = kept.stage.logs[1].tail.position
    kept.checkpoint(0)
    kept.checkpoint(1)
    assert kept.upto(0) >= released
    assert kept.upto(1) == acquired - 1
    kept.trimming.trimmed(0, kept.upto(0) + 1)
    assert kept.upto(1) >= acquired


def test_a_mark_that_parts_a_move_is_not_one_to_rebuild_from():
    kept = Kept()
    before = dict(kept.mark().positions)
    kept.release(0, b"a", b"c", 1)
    kept.stage.settle()
    kept.see()
    assert kept.trimming.may_rebuild_from(kept.mark())
    after = dict(kept.mark().positions)
    parted = Mark(((0, before[0]), (1, after[1])), (0, 0, 0, 0), ())
    assert not kept.trimming.may_rebuild_from(parted)


def test_a_successor_that_reads_only_what_is_kept_stays_above_the_reservation():
    kept = Kept()
    stage = kept.stage
    kept.release(1, b"x", END, 0)
    stage.settle()
    kept.checkpoint(0)
    reserved = stage.actor(0).owner.appender.reserved
    log = stage.logs[0]
    log.trim(log.tail.position - 1)
    takeover = Takeover(0, "next", SETTINGS, [(b"", b"m")], anchor=log.anchor)
    takeover.read(log.read(log.first, 10**6))
    claimed = log.append(takeover.claim(b"r" * 16))
    assert isinstance(claimed, Tail)
    owner = takeover.owner_of(claimed)
    assert owner.safe == reserved + SETTINGS.promise
    assert [(each.lo, each.hi) for each in owner.ranges] == [(b"", b"m"), (b"x", END)]
    assert owner.moves.acquired == {1: 3}


def test_a_journal_whose_ranges_are_not_restated_is_not_claimed():
    stage = Stage()
    stage.advance(at(3000))
    stage.settle()
    log = stage.logs[0]
    log.trim(1)
    takeover = Takeover(0, "next", SETTINGS, [], anchor=log.anchor)
    takeover.read(log.read(log.first, 10**6))
    with pytest.raises(Broken, match="J7"):
        takeover.claim(b"r" * 16)


def test_no_checkpoint_while_ranges_move():
    kept = Kept()
    kept.release(0, b"a", b"c", 1)
    position = kept.stage.logs[0].tail.position
    kept.checkpoint(0)
    assert kept.stage.logs[0].tail.position == position


def test_a_release_whose_acquisition_is_not_read_again_is_not_taken_back():
    """Found as seed 40059: the stream began anew behind the acquisition, and then the taker's journal ended."""
    kept = Kept()
    stage = kept.stage
    kept.release(0, b"a", b"c", 1)
    actor = stage.take_over(1)
    stage.advance(at(4000))
    stage.settle()
    stage.settle()
    kept.release(1, b"a", b"c", 0)
    kept.release(1, b"m", END, 0)
    stage.settle()
    kept.see()
    assert kept.trimming.may_rebuild_from(kept.mark())
    successor = stage.take_over(0)
    assert list(successor.owner.moves.released) == [3]
    successor.owner.replayed(at(100), kept.mark())
    assert successor.owner.moves.released == {}
    assert successor.owner.moves.end(actor.owner.journal) == []
