"""A storage shard: answers at once, late, or not at all, and never what is stale."""

import pytest

from journal.broken import Broken
from journal.crossbar import Item, Mark
from journal.record import Commit, Write
from storage.shard import Bounds, Damaged, Read, Refused, Shard
from tests.sim.rows import MemoryRows

MARK = Mark((), (0, 0, 0, 0), ())


def shard(**bounds: int) -> Shard:
    return Shard(MemoryRows(), b"a", b"n", Bounds(**bounds) if bounds else None)


def item(ts: int, **rows: str | None) -> Item:
    writes = [Write(k.encode(), v.encode() if v is not None else None, 2) for k, v in rows.items()]
    return Item(ts, 0, ts, 0, Commit(ts.to_bytes(16, "big"), ts - 1, ts, writes, []))


def read(ts: int, *keys: bytes, number: int = 1) -> Read:
    return Read(7, number, ts, keys)


def test_a_read_sees_its_time() -> None:
    replica = shard()
    replica.feed([item(10, a="1", b="1"), item(20, a="2", b=None)], 25)
    for ts, rows in ((5, (None, None)), (10, (b"1", b"1")), (19, (b"1", b"1")), (20, (b"2", None))):
        answer = replica.read(read(ts, b"a", b"b"), 30)
        assert answer is not None
        assert answer.rows == rows


def test_a_read_waits_until_its_time_is_complete() -> None:
    replica = shard()
    replica.feed([item(10, a="1")], 15)
    assert replica.read(read(20, b"a"), 30) is None
    assert replica.feed([], 19) == []
    answers = replica.feed([item(20, a="2")], 20)
    assert [(each.reader, each.number, each.rows) for each in answers] == [(7, 1, (b"2",))]
    assert replica.feed([], 30) == []


def test_a_read_that_waits_too_long_or_lies_far_ahead_is_refused() -> None:
    replica = shard(wait=100, ahead=50)
    assert replica.read(read(1000, b"a"), 900) is not None
    assert replica.read(read(940, b"a"), 900) is None
    assert replica.tick(1000) == []
    assert [each.refused for each in replica.tick(1001)] == [Refused.LATE]
    assert replica.tick(1002) == []


def test_what_is_trimmed_is_refused_below_the_horizon_only() -> None:
    replica = shard(retention=100)
    replica.feed([item(10, a="1"), item(20, a="2"), item(30, a="3")], 1000)
    replica.tick(125)
    assert replica.horizon == 20
    below, at_horizon = replica.read(read(19, b"a"), 125), replica.read(read(20, b"a"), 125)
    assert below is not None
    assert at_horizon is not None
    assert below.refused == Refused.TOO_OLD
    assert at_horizon.rows == (b"2",)


def test_only_its_range_is_kept() -> None:
    replica = shard()
    replica.feed([item(10, a="1", z="1")], 10)
    assert [key for key, _ts, _value in replica.rows.visible(10)] == [b"a"]


def test_what_comes_at_a_complete_time_breaks() -> None:
    replica = shard()
    replica.feed([], 10)
    with pytest.raises(Broken, match="S4"):
        replica.feed([item(10, a="1")], 11)
    with pytest.raises(Broken, match="X2"):
        replica.feed([], 9)


def test_a_shard_from_a_snapshot_equals_one_that_read_everything() -> None:
    whole, rebuilt = shard(), shard()
    whole.feed([item(10, a="1", b="1"), item(20, b=None, c="2")], 22)
    rebuilt.load(whole.cut(MARK))
    for replica in (whole, rebuilt):
        replica.feed([item(30, a="3")], 35)
    assert whole.content_hash(35) == rebuilt.content_hash(35)
    early = rebuilt.read(read(21, b"a"), 40)
    assert early is not None
    assert early.refused == Refused.TOO_OLD


def test_a_damaged_snapshot_is_not_loaded() -> None:
    whole, rebuilt = shard(), shard()
    whole.feed([item(10, a="1")], 10)
    snapshot = whole.cut(MARK)
    with pytest.raises(Damaged):
        rebuilt.load(snapshot._replace(rows=((b"a", 10, b"2"),)))
