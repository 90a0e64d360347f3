"""The map of ranges, as the journals tell it."""

from journal.crossbar import Announcement
from journal.journal import Entry
from journal.record import Acquire, Checkpoint, Header, Owned, Record, Release
from server.runtime.region.routing import Routing

END = b"\xff\xff"


def entry(position, epoch, *notes, kind="control"):
    return Entry(
        Record(Header(position, epoch, bytes(32)), kind, bytes(16), "o", [], 0, list(notes)), bytes(32)
    )


def test_a_released_range_belongs_to_the_other_journal_at_once():
    routing = Routing([(b"", END, 0)])
    routing.see(0, [entry(1, 1, Owned(b"", END, 0), kind="claim"), entry(2, 1, Release(b"k", b"m", 9, 1))])
    assert routing.spans == [(b"", b"k", 0), (b"k", b"m", 1), (b"m", END, 0)]
    assert [routing.journal_of(key) for key in (b"a", b"k", b"l", b"m")] == [0, 1, 1, 0]
    assert routing.journals_of(b"a", b"z") == [0, 1]
    routing.see(1, [entry(2, 1, Acquire(b"k", b"m", 9, 0, 2))])
    assert routing.spans == [(b"", b"k", 0), (b"k", b"m", 1), (b"m", END, 0)]
    routing.see(1, [entry(3, 1, Release(b"k", b"m", 20, 0))])
    assert routing.spans == [(b"", END, 0)]


def test_what_was_seen_before_changes_nothing():
    routing = Routing([(b"", END, 0)])
    first = entry(2, 1, Release(b"k", b"m", 9, 1))
    routing.see(0, [first])
    routing.see(1, [entry(5, 1, Release(b"k", b"m", 20, 0))])
    routing.see(0, [first])
    assert routing.spans == [(b"", END, 0)]


def test_an_owner_restates_its_ranges_in_a_claim_and_in_a_checkpoint():
    for kind, notes in (("claim", []), ("control", [Checkpoint()])):
        routing = Routing([(b"", END, 0)])
        routing.see(1, [entry(7, 3, *notes, Owned(b"k", END, 5), kind=kind)])
        assert routing.spans == [(b"", b"k", 0), (b"k", END, 1)]
        assert routing.epoch_of(1) == 3


def test_owners_are_where_they_announce_from_and_an_older_one_is_not_heard():
    routing = Routing([(b"", END, 0)])
    assert routing.node_of(0, 0) is None
    routing.announced("a", Announcement(0, 1, 4, 10))
    routing.announced("b", Announcement(0, 2, 6, 20))
    routing.announced("a", Announcement(0, 1, 4, 30))
    assert routing.node_of(0, 0) == "b"
    assert routing.node_of(0, 2) == "b"
    assert routing.node_of(0, 1) is None
    assert routing.epoch_of(0) == 2
