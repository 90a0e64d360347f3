"""A storage shard: answers at once, late, or not at all, and never what is stale."""

from collections.abc import Iterable, Iterator

import pytest

from journal.broken import Broken
from journal.crossbar import Item, Mark
from journal.record import Commit, Write
from storage.shard import Bounds, Damaged, Read, Refused, Row, Scan, ScanAnswer, Shard
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


def test_a_time_that_is_complete_without_rows_answers_too() -> None:
    replica = shard()
    replica.feed([item(10, a="1")], 15)
    assert replica.read(read(20, b"a"), 30) is None
    assert replica.waiting == 1
    assert replica.rise(19) == []
    assert [each.rows for each in replica.rise(20)] == [(b"1",)]
    assert (replica.complete, replica.rows.complete, replica.waiting) == (20, 15, 0)
    with pytest.raises(Broken, match="S4"):
        replica.feed([item(20, a="2")], 21)


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


class Containing:
    """Pushes down: values that contain the given bytes; `#`: how many rows there are."""

    def run(self, pushed: bytes, rows: Iterable[Row]) -> Iterator[Row]:
        if pushed == b"#":
            counted = list(rows)
            if counted:
                yield (counted[0][0], 0, b"%d" % len(counted))
            return
        for row in rows:
            if pushed in row[2]:
                yield row


def scanned(replica: Shard, ts: int, lo: bytes, hi: bytes, limit: int = 0, pushed: bytes = b"") -> ScanAnswer:
    answer = replica.read(Scan(7, 1, ts, lo, hi, limit, pushed), 100)
    assert isinstance(answer, ScanAnswer)
    return answer


def test_a_scan_gives_the_rows_of_its_time_in_order_and_of_this_shard_only() -> None:
    replica = Shard(MemoryRows(), b"b", b"d")
    replica.feed([item(10, c="1", b="1", d="1"), item(20, c=None, b="2")], 30)
    assert scanned(replica, 10, b"a", b"z").rows == ((b"b", 10, b"1"), (b"c", 10, b"1"))
    assert scanned(replica, 20, b"a", b"z") == ScanAnswer(7, 1, ((b"b", 20, b"2"),))


def test_a_scan_that_is_cut_says_where_to_go_on() -> None:
    replica = Shard(MemoryRows(), b"a", b"n", Bounds(rows=3), Containing())
    replica.feed([item(10, a="x", b="y", c="x", d="y", e="x")], 30)
    first = scanned(replica, 10, b"a", b"n", limit=2)
    assert ([key for key, _ts, _value in first.rows], first.following) == ([b"a", b"b"], b"b\0")
    bounded = scanned(replica, 10, b"a", b"n", pushed=b"y")
    assert ([key for key, _ts, _value in bounded.rows], bounded.following) == ([b"b"], b"c\0")
    rest = scanned(replica, 10, b"c\0", b"n", limit=1, pushed=b"x")
    assert ([key for key, _ts, _value in rest.rows], rest.following) == ([b"e"], b"e\0")
    assert scanned(replica, 10, b"e\0", b"n", limit=1, pushed=b"x") == ScanAnswer(7, 1, ())
    assert scanned(replica, 10, b"d", b"n", pushed=b"#").rows == ((b"d", 0, b"2"),)


def test_a_scan_waits_and_is_refused_like_a_read() -> None:
    replica = shard(wait=100, ahead=50, retention=100)
    replica.feed([item(10, a="1"), item(20, a="2")], 200)
    assert replica.read(Scan(7, 1, 300, b"a", b"b"), 200) == ScanAnswer(7, 1, (), None, Refused.TOO_NEW)
    assert replica.read(Scan(7, 2, 210, b"a", b"b"), 200) is None
    assert replica.feed([], 210) == [ScanAnswer(7, 2, ((b"a", 20, b"2"),))]
    replica.tick(130)
    assert replica.read(Scan(7, 3, 19, b"a", b"b"), 200) == ScanAnswer(7, 3, (), None, Refused.TOO_OLD)


def test_a_scan_in_reverse_begins_at_the_end_and_says_where_to_go_on() -> None:
    replica = Shard(MemoryRows(), b"a", b"n", Bounds(rows=3), Containing())
    replica.feed([item(10, a="x", b="y", c="x", d="y", e="x")], 30)

    def back(hi: bytes, limit: int = 0, pushed: bytes = b"") -> tuple[list[bytes], bytes | None]:
        answer = replica.read(Scan(7, 1, 10, b"a", hi, limit, pushed, True), 100)
        assert isinstance(answer, ScanAnswer)
        return [key for key, _ts, _value in answer.rows], answer.following

    assert back(b"n", limit=2) == ([b"e", b"d"], b"d")
    assert back(b"n") == ([b"e", b"d", b"c"], b"c")
    assert back(b"n", pushed=b"y") == ([b"d"], b"c")
    assert back(b"c") == ([b"b", b"a"], None)


def test_an_answer_ends_where_it_has_looked_at_enough_bytes() -> None:
    replica = Shard(MemoryRows(), b"a", b"n", Bounds(answer_bytes=100), Containing())
    replica.feed([item(10, a="x" * 60, b="y" * 60, c="z" * 600, d="x")], 30)
    first = replica.read(read(10, b"a", b"b", b"c"), 100)
    assert first is not None
    assert first.rows == (b"x" * 60, b"y" * 60)
    alone = replica.read(read(10, b"c", b"d"), 100)
    assert alone is not None
    assert alone.rows == (b"z" * 600,)
    scan = scanned(replica, 10, b"a", b"n")
    assert ([key for key, _ts, _value in scan.rows], scan.following) == ([b"a", b"b"], b"b\0")
    assert scanned(replica, 10, b"b\0", b"n", pushed=b"q") == ScanAnswer(7, 1, (), b"c\0")


class Sparse(MemoryRows):  # type: ignore[misc]  # the simulation is not typed
    """Says after each row that many keys without one follow."""

    def scan(self, lo: bytes, hi: bytes, ts: int, reverse: bool = False) -> Iterator[Row]:
        for row in super().scan(lo, hi, ts, reverse):
            yield row
            yield (row[0] if reverse else row[0] + b"~"), 0, b""


@pytest.mark.parametrize(("reverse", "place"), [(False, b"a~"), (True, b"c")], ids=["forward", "reverse"])
def test_keys_without_a_row_are_looked_at_too(reverse: bool, place: bytes) -> None:
    replica = Shard(Sparse(), b"a", b"n", Bounds(rows=50))
    replica.feed([item(10, a="1", b="1", c="1")], 30)
    answer = replica.read(Scan(7, 1, 10, b"a", b"n", reverse=reverse), 100)
    assert isinstance(answer, ScanAnswer)
    assert (len(answer.rows), answer.following) == (1, place)
