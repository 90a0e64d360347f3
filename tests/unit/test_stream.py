"""The one journal of a machine: what a claim reads of it, what its replica follows, how far it may be trimmed."""

import pytest

from adjudicator.messages import CommitRequest, Committed
from journal.appender import Control
from journal.broken import Broken
from journal.journal import Damaged, Entry, Tail
from journal.lmdb_log import LmdbLog
from journal.record import TOP, Checkpoint, Commit, LockClass, Owned, Write
from server.runtime.node import Node
from server.runtime.snapshots import SnapshotSettings
from server.runtime.stream import Stream, append, claim
from server.runtime.waiting import outcome
from storage.lmdb_engine import NoSpace
from storage.replica import Replica
from tests.nodes import Clock, read, run, until, write

E = LockClass.EXCLUSIVE


@pytest.fixture
def journal(tmp_path):
    log = LmdbLog.open(tmp_path / "journal")
    yield log
    log.close()


def commit(journal: LmdbLog, owner, count: int, start: int) -> list[Entry]:
    """Records of one commit each, appended by `owner`."""
    entries = []
    for number in range(start, start + count):
        request = CommitRequest(number.to_bytes(16, "big"), number - 1, [Write(b"k", b"%d" % number, E)], [])
        assert owner.decide(request, number) == Committed(number)
        sealed = owner.appender.next()
        entries.append(owner.appender.newest)
        owner.appended(append(journal, sealed), number)
    journal.sync()
    return entries


def test_a_claim_reads_what_holds_more_than_commits(journal):
    first, claimed = claim(journal, "one", journal.landmarks())
    assert claimed.record.notes == [Owned(b"", TOP, 0)]
    commit(journal, first, 20, 100)
    (effect,) = first.checkpoint()
    first.appended(append(journal, effect.record), 0)
    commit(journal, first, 20, 200)
    landmarks = journal.landmarks()
    assert [(before.position, before.last_ts, entry.record.notes) for before, entry in landmarks] == [
        (21, 119, [Checkpoint(), Owned(b"", TOP, 0)])
    ]
    second, claimed = claim(journal, "two", journal.landmarks())
    assert (second.epoch, claimed.record.header.position, claimed.record.notes) == (
        2,
        43,
        [Owned(b"", TOP, 0)],
    )
    assert (second.floor, second.last_ts, second.ranges.whole.after) == (219, 219, 219)
    commit(journal, second, 1, 220)
    assert [before.position for before, _entry in journal.landmarks()] == [42]
    assert journal.verify().position == 44


def test_records_with_news_behind_the_restatement_are_read_too(journal):
    owner, _claimed = claim(journal, "one", journal.landmarks())
    commit(journal, owner, 3, 100)
    owner.appender.add_control(Control([], 110))
    owner.last_ts = 110
    append(journal, owner.appender.next())
    owner.appender.reserve(500)
    sealed = owner.appender.next()
    append(journal, sealed)
    journal.sync()
    assert [(before.position, entry.record.reserved) for before, entry in journal.landmarks()] == [
        (0, 0), (4, 0), (5, 500),
    ]  # fmt: skip
    successor, _claimed = claim(journal, "two", journal.landmarks())
    assert successor.safe == 500
    assert isinstance(successor.decide(CommitRequest(b"t" * 16, 500, [], []), 1), Committed)
    assert successor.last_ts == 501


def test_a_journal_without_its_ranges_is_not_claimed(journal):
    owner, _claimed = claim(journal, "one", journal.landmarks())
    commit(journal, owner, 3, 100)
    journal.trim(2)
    assert journal.landmarks() == []
    with pytest.raises(Broken, match="J7"):
        claim(journal, "two", journal.landmarks())


def test_another_format_is_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as older:
        older.setattr("journal.lmdb_log.FORMAT", 1)
        LmdbLog.open(tmp_path / "journal").close()
    with pytest.raises(Damaged, match="format 1; this program knows format 2"):
        LmdbLog.open(tmp_path / "journal")


def test_nothing_is_trimmed_that_a_successor_needs(journal, tmp_path):
    replica = Replica.open(tmp_path / "storage")
    stream = Stream(replica)
    owner, claimed = claim(journal, "one", journal.landmarks())
    for entry in [claimed, *commit(journal, owner, 5, 100)]:
        stream.follow(entry, 0)
    assert (stream.may_trim(6), stream.restated, stream.next_position) == (0, 1, 7)
    (effect,) = owner.checkpoint()
    append(journal, effect.record)
    stream.follow(effect.entry, 0)
    assert (stream.may_trim(6), stream.may_trim(3), stream.restated) == (6, 3, 7)
    assert (replica.applied_position, replica.applied_hash) == (7, effect.entry.hash)
    assert replica.mark().positions == ((0, 7),)
    replica.close()


def test_a_record_that_found_no_room_is_applied_by_the_next_call(journal, tmp_path, monkeypatch):
    replica = Replica.open(tmp_path / "storage")
    stream = Stream(replica)
    owner, claimed = claim(journal, "one", journal.landmarks())
    stream.follow(claimed, 0)
    (entry,) = commit(journal, owner, 1, 100)
    with monkeypatch.context() as full:
        full.setattr(replica, "apply", _no_space)
        for _ in range(2):
            with pytest.raises(NoSpace):
                stream.follow(entry, 0)
    assert (replica.complete, replica.get(b"k", 100)) == (0, None)
    part = stream.follow(entry, 0, b"extra")
    assert ([item.ts for item in part.items], part.complete) == ([100], 100)
    assert (replica.complete, replica.get(b"k", 100), replica.extra()) == (100, b"100", b"extra")
    with pytest.raises(Broken, match="X1"):
        stream.follow(_gap(entry), 0)
    replica.close()


def _no_space(*_: object) -> None:
    raise NoSpace("full")


def _gap(entry: Entry) -> Entry:
    """A record two positions further."""
    record = entry.record
    header = type(record.header)(record.header.position + 2, record.header.epoch, entry.hash)
    return Entry(
        type(record)(header, "commits", bytes(16), "o", [Commit(bytes(16), 1, 200, [], [])]), bytes(32)
    )


def test_an_idle_server_appends_nothing_and_a_commit_after_an_hour_one_record(tmp_path):
    clock = Clock()

    async def work(node: Node) -> None:
        await write(node, {"a": b"1"})
        tail = node.journal.tail.position
        ticks = 0

        def count() -> int:
            nonlocal ticks
            ticks += 1
            return ticks

        await until(lambda: count() > 50)
        assert node.journal.tail.position == tail
        clock.now += 3600 * 10**9
        assert await write(node, {"b": b"1"}) == clock.now
        assert node.journal.tail.position == tail + 1

    run(tmp_path, work, clock=clock, snapshots=SnapshotSettings(tick_s=0.001))


def test_commit_times_stay_with_the_clock_whatever_restarts(tmp_path):
    clock = Clock()

    async def work(node: Node) -> int:
        clock.now += 10
        return await write(node, {"a": b"1"})

    for _ in range(4):
        assert run(tmp_path, work, killed=True, clock=clock) == clock.now


def test_a_second_snapshot_without_commits_appends_nothing(tmp_path):
    async def work(node: Node) -> None:
        await write(node, {"a": b"1"})
        await outcome(node.snapshots.request())
        tail = node.journal.tail
        assert isinstance(tail, Tail)
        assert node.versions.applied_position == tail.position
        await outcome(node.snapshots.request())
        assert node.journal.tail == tail
        assert read(node, "a") == b"1"

    run(tmp_path, work)
