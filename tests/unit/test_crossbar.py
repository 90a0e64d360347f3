"""The crossbar: one order out of many journals, and how far it is complete; what an appender puts in order."""

import pytest

from journal.appender import Appender, Control, claim_record
from journal.broken import Broken
from journal.crossbar import FOREVER, Announcement, Crossbar
from journal.encoding import decode
from journal.journal import Conflict, Entry, Tail
from journal.memory_log import MemoryLog
from journal.record import Commit, End, Release, SetChange


class Source:
    """A journal with its owner, appending at once."""

    def __init__(self, number: int, epoch: int = 1) -> None:
        self.number = number
        self.log = MemoryLog()
        self.claim(epoch)

    def claim(self, epoch: int) -> None:
        sealed = claim_record(self.log.tail, epoch, "o", bytes(16), [], 0)
        tail = self.log.append(sealed)
        assert isinstance(tail, Tail)
        self.log.sync()
        self.appender = Appender(epoch, "o", tail)

    def write(self, *items: Commit | Control) -> None:
        for item in items:
            if isinstance(item, Control):
                self.appender.add_control(item)
            else:
                self.appender.add(item)
        while (sealed := self.appender.next()) is not None:
            tail = self.log.append(sealed)
            self.log.sync()
            assert isinstance(tail, Tail)
            self.appender.appended(tail)

    def read(self, first: int = 1) -> list[Entry]:
        entries = self.log.read(first)
        assert isinstance(entries, list)
        return entries

    def closes(self, closed: int, position: int | None = None) -> Announcement:
        behind = self.log.tail.position if position is None else position
        return Announcement(self.number, self.appender.epoch, behind, closed)


def at(ts: int) -> Commit:
    return Commit(ts.to_bytes(16, "big"), ts - 1, ts, [], [])


def times(crossbar: Crossbar, limit: int = 1024) -> list[int]:
    return [item.ts for item in crossbar.take(limit)]


def test_items_come_out_in_order_up_to_the_smallest_closed_time() -> None:
    a, b = Source(0), Source(1)
    a.write(at(10), at(30))
    b.write(at(20), at(40))
    crossbar = Crossbar([0, 1])
    crossbar.feed(1, b.read())
    assert times(crossbar) == []
    crossbar.feed(0, a.read())
    assert times(crossbar) == [10, 20, 30]
    assert crossbar.complete == 30
    crossbar.announce(a.closes(45))
    assert times(crossbar) == [40]
    assert crossbar.complete == 40


def test_a_closed_time_waits_for_its_position() -> None:
    a = Source(0)
    a.write(at(10))
    crossbar = Crossbar([0])
    crossbar.announce(a.closes(50))
    assert times(crossbar) == []
    assert crossbar.complete == 0
    crossbar.feed(0, a.read())
    assert times(crossbar) == [10]
    assert crossbar.complete == 50


def test_a_record_at_a_closed_time_breaks() -> None:
    a = Source(0)
    crossbar = Crossbar([0])
    crossbar.feed(0, a.read())
    crossbar.announce(a.closes(10))
    a.write(at(10))
    with pytest.raises(Broken, match="X2"):
        crossbar.feed(0, a.read(2))


def test_a_gap_breaks() -> None:
    a = Source(0)
    a.write(at(10))
    with pytest.raises(Broken, match="X1"):
        Crossbar([0]).feed(0, a.read(2))


def test_a_journal_is_added_and_removed_in_band() -> None:
    a, b = Source(0), Source(7)
    a.write(at(10), Control([SetChange(7, True)], 20), at(30))
    b.write(at(25), Control([End()], 26))
    a.write(Control([SetChange(7, False)], 40), at(50))
    crossbar = Crossbar([0])
    crossbar.feed(0, a.read())
    assert times(crossbar) == [10, 20]
    assert crossbar.complete == 20
    assert crossbar.journals == [0, 7]
    crossbar.feed(7, b.read())
    assert crossbar.closed(7) == FOREVER
    assert times(crossbar) == [25, 26, 30, 40, 50]
    assert crossbar.journals == [0]


def test_a_reader_that_does_not_take_is_not_given_more() -> None:
    a, b = Source(0), Source(1)
    a.write(*[at(ts) for ts in range(1, 4200)])
    crossbar = Crossbar([0, 1])
    while (0, (position := dict(crossbar.wanted()).get(0, 0))) in crossbar.wanted():
        crossbar.feed(0, a.read(position)[:1])
    assert [journal for journal, _ in crossbar.wanted()] == [1]
    crossbar.feed(1, b.read())
    crossbar.announce(b.closes(9999))
    assert len(times(crossbar)) == 1024
    assert 0 in dict(crossbar.wanted())


def test_resuming_at_a_mark_loses_nothing_and_doubles_nothing() -> None:
    a, b = Source(0), Source(1)
    a.write(at(10), at(30), at(50))
    b.write(at(20), at(40), at(60))
    for taken in range(6):
        first = Crossbar([0, 1])
        for source in (a, b):
            first.feed(source.number, source.read())
            first.announce(source.closes(70))
        seen = times(first, taken)
        second = Crossbar([], first.mark())
        assert second.complete <= first.complete
        for source in (a, b):
            second.feed(source.number, source.read(dict(second.wanted())[source.number]))
            second.announce(source.closes(70))
        assert seen + times(second) == [10, 20, 30, 40, 50, 60]


def test_a_journal_that_ended_is_still_ended_after_a_resume() -> None:
    a, b = Source(0), Source(1)
    a.write(at(10), Control([SetChange(1, False)], 40), at(50))
    b.write(at(20), Control([End()], 30))
    first = Crossbar([0, 1])
    first.feed(1, b.read())
    first.feed(0, a.read())
    for taken in range(5):
        mark = first.mark()
        second = Crossbar([], mark)
        for source in (a, b):
            if source.number in dict(second.wanted()):
                second.feed(source.number, source.read(dict(second.wanted())[source.number]))
        assert times(second) == [10, 20, 30, 40, 50][taken:]
        assert second.journals == [0]
        first.take(1)


def test_notes_without_a_time_are_handed_on_at_once() -> None:
    a, b = Source(0), Source(1)
    a.write(Control([Release(b"a", b"b", 99, 1)]))
    crossbar = Crossbar([0, 1])
    crossbar.feed(0, a.read())
    crossbar.feed(1, b.read())
    assert crossbar.take_notes() == [(0, 2, Release(b"a", b"b", 99, 1))]
    assert crossbar.take_notes() == []


def test_a_reservation_counts_when_it_is_durable_and_rides_on_commits() -> None:
    a = Source(0)
    a.appender.reserve(500)
    a.appender.add(at(10))
    sealed = a.appender.next()
    assert sealed is not None
    assert a.appender.reserved == 0
    assert a.appender.oldest_pending == 10
    record, _hash = decode(sealed.data)
    assert (record.kind, record.reserved) == ("commits", 500)
    tail = a.log.append(sealed)
    assert isinstance(tail, Tail)
    assert a.appender.next() is None
    assert len(a.appender.appended(tail)) == 1
    assert a.appender.appended(tail) == []
    assert (a.appender.reserved, a.appender.oldest_pending) == (500, 0)


def test_records_in_flight_follow_each_other() -> None:
    a = Source(0)
    appender = Appender(1, "o", a.log.tail, depth=2)
    for ts in (10, 20, 30):
        appender.add(at(ts))
        appender.next()
    first, second = appender.in_flight
    assert (first.position, second.position, second.previous) == (2, 3, first.hash)
    overtaken = a.log.append(second)
    assert isinstance(overtaken, Conflict)
    assert overtaken.tail.epoch == 1
    answers = [a.log.append(first), a.log.append(second)]
    a.log.sync()
    assert isinstance(answers[1], Tail)
    assert [
        (record.header.position, [commit.commit_ts for commit in record.commits])
        for record in appender.appended(answers[1])
    ] == [(2, [10]), (3, [20])]
    assert isinstance(answers[0], Tail)
    assert appender.appended(answers[0]) == []
    third = appender.next()
    assert third is not None
    assert (third.first_ts, appender.oldest_pending) == (30, 30)


def test_a_superseded_owner_is_refused() -> None:
    a = Source(0)
    old = a.appender
    old.add(at(10))
    sealed = old.next()
    assert sealed is not None
    a.claim(2)
    assert isinstance(a.log.append(sealed), Conflict)
    a.write(at(20))
    assert [entry.record.header.epoch for entry in a.read()] == [1, 2, 2]


def test_what_follows_a_mark_must_name_the_record_there() -> None:
    a, b = Source(0), Source(0)
    a.write(at(10))
    b.write(at(11))
    first = Crossbar([0])
    first.feed(0, a.read())
    assert times(first) == [10]
    mark = first.mark()
    assert mark.hashes == ((0, a.log.tail.hash),)
    b.write(at(20))
    with pytest.raises(Broken, match="J1"):
        Crossbar([], mark).feed(0, b.read(3))
    a.write(at(20))
    second = Crossbar([], mark)
    second.feed(0, a.read(3))
    assert times(second) == [20]


def test_a_mark_within_a_record_names_no_hash() -> None:
    a = Source(0)
    a.appender.add(at(10))
    a.appender.add(at(20))
    a.write(at(30))
    crossbar = Crossbar([0])
    crossbar.feed(0, a.read())
    assert times(crossbar, 2) == [10, 20]
    assert (crossbar.mark().positions, crossbar.mark().hashes) == (((0, 1),), ())
    resumed = Crossbar([], crossbar.mark())
    resumed.feed(0, a.read(2))
    assert times(resumed) == [30]
