"""A transaction's reads from several shards: whom it asks, in what order rows come out, when it gives up."""

import pytest

from journal.record import Key
from server.session.reader import Endurance, Failure, Reader, ToReplica, error
from storage.shard import Read, ReadAnswer, Refused, Row, Scan, ScanAnswer

ENDURANCE = Endurance(answer=100, statement=1000, pieces=2)


class Thirds:
    """Shards [a, h), [h, p) and [p, z) with replicas 0 and 1, 10 and 11, 20 and 21."""

    bounds = (b"a", b"h", b"p", b"z")

    def shard_of(self, key: Key) -> int:
        return max(shard for shard in range(3) if self.bounds[shard] <= key)

    def pieces(self, lo: Key, hi: Key) -> list[tuple[Key, Key, int]]:
        pieces = []
        for shard in range(3):
            start, end = max(lo, self.bounds[shard]), min(hi, self.bounds[shard + 1])
            if start < end:
                pieces.append((start, end, shard))
        return pieces

    def replicas(self, shard: int) -> list[int]:
        return [10 * shard, 10 * shard + 1]


def reader(start_ts: int = 50) -> Reader:
    return Reader(7, start_ts, Thirds(), ENDURANCE)


def rows(*keys: str) -> tuple[Row, ...]:
    return tuple((key.encode(), 10, b"v") for key in keys)


def keys(taken: tuple[list[Row], list[ToReplica]]) -> str:
    return "".join(key.decode() for key, _ts, _value in taken[0])


def answer(to: ToReplica, *keys: str, following: str | None = None) -> tuple[int, ScanAnswer]:
    following_key = following.encode() if following is not None else None
    return to.replica, ScanAnswer(7, to.request.number, rows(*keys), following_key)


def test_keys_are_asked_of_their_shards_at_the_one_start_ts() -> None:
    mine = reader()
    asked = mine.get([b"q", b"b", b"c"], 60)
    assert asked == [ToReplica(0, Read(7, 1, 50, (b"b", b"c"))), ToReplica(20, Read(7, 2, 50, (b"q",)))]
    mine.answer(20, ReadAnswer(7, 2, (b"3",)), 61)
    assert mine.found(61) is None
    mine.answer(0, ReadAnswer(7, 1, (b"1", None)), 62)
    assert mine.found(62) == {b"b": b"1", b"c": None, b"q": b"3"}
    assert mine.get([b"b"], 900) == [ToReplica(0, Read(7, 3, 50, (b"b",)))]


def test_rows_of_several_shards_come_out_in_order_whatever_the_order_of_answers() -> None:
    mine = reader()
    first, second = mine.scan(b"b", b"y", 60)
    assert first == ToReplica(0, Scan(7, 1, 50, b"b", b"h"))
    assert second == ToReplica(10, Scan(7, 2, 50, b"h", b"p"))
    assert mine.answer(*answer(second, "h", "k"), 61) == []
    assert mine.take(61) == ([], [])
    assert mine.answer(*answer(first, "c", "d"), 62) == []
    taken = mine.take(62)
    assert keys(taken) == "cdhk"
    assert taken[1] == [ToReplica(20, Scan(7, 3, 50, b"p", b"y"))]
    assert not mine.is_exhausted
    mine.answer(*answer(taken[1][0]), 63)
    assert (mine.take(63), mine.is_exhausted) == (([], []), True)


def test_a_part_is_asked_for_when_the_one_before_was_taken() -> None:
    mine = reader()
    (first,) = mine.scan(b"a", b"h", 60)
    assert mine.answer(*answer(first, "a", "b", following="c"), 61) == []
    assert mine.tick(999) == []
    taken = mine.take(62)
    assert (keys(taken), taken[1]) == ("ab", [ToReplica(0, Scan(7, 2, 50, b"c", b"h"))])
    assert mine.answer(*answer(taken[1][0], following="e"), 63) == [ToReplica(0, Scan(7, 3, 50, b"e", b"h"))]


def test_it_says_when_there_is_something_to_take() -> None:
    mine = reader()
    first, second = mine.scan(b"b", b"y", 60)
    mine.answer(*answer(second, "h"), 61)
    assert not mine.is_ready(61)
    mine.answer(*answer(first, "c"), 62)
    assert not mine.is_ready(49)
    assert mine.is_ready(62)
    (third,) = mine.take(62)[1]
    assert not mine.is_ready(63)
    mine.answer(*answer(third), 63)
    assert mine.is_ready(63)
    mine.get([b"b", b"q"], 70)
    mine.answer(0, ReadAnswer(7, 4, (b"1",)), 71)
    assert not mine.is_ready(71)
    mine.answer(20, ReadAnswer(7, 5, (b"1",)), 71)
    assert mine.is_ready(71)
    mine.get([b"b"], 80)
    mine.tick(1081)
    assert mine.is_ready(1081)


def test_in_reverse_order_the_last_shard_comes_first() -> None:
    mine = reader()
    first, second = mine.scan(b"b", b"y", 60, reverse=True)
    assert first == ToReplica(20, Scan(7, 1, 50, b"p", b"y", reverse=True))
    assert second == ToReplica(10, Scan(7, 2, 50, b"h", b"p", reverse=True))
    mine.answer(*answer(second, "k", "h"), 61)
    mine.answer(*answer(first, "w", "t", following="t"), 61)
    rows, more = mine.take(61)
    assert ([key for key, _ts, _value in rows], more) == (
        [b"w", b"t"],
        [ToReplica(20, Scan(7, 3, 50, b"p", b"t", reverse=True))],
    )
    mine.answer(*answer(more[0], "q", following="p"), 62)
    rows, more = mine.take(62)
    assert ([key for key, _ts, _value in rows], len(more)) == ([b"q", b"k", b"h"], 1)
    mine.answer(*answer(more[0]), 63)
    assert (mine.take(63), mine.is_exhausted) == (([], []), True)


def test_what_an_answer_has_left_out_is_asked_for_anew() -> None:
    mine = reader()
    mine.get([b"b", b"c", b"d"], 60)
    (rest,) = mine.answer(0, ReadAnswer(7, 1, (b"1", None)), 61)
    assert rest == ToReplica(0, Read(7, 2, 50, (b"d",)))
    assert mine.found(61) is None
    mine.answer(0, ReadAnswer(7, 2, (b"3",)), 62)
    assert mine.found(62) == {b"b": b"1", b"c": None, b"d": b"3"}


def test_a_scan_that_gets_answers_may_take_longer_than_one_of_them() -> None:
    mine = reader()
    (first,) = mine.scan(b"a", b"h", 60)
    mine.answer(*answer(first, "a", following="b"), 1000)
    (second,) = mine.take(1000)[1]
    assert len(mine.tick(1900)) == 1
    assert mine.failure is None
    mine.answer(*answer(second, "b"), 1950)
    assert keys(mine.take(1950)) == "b"


def test_a_limit_goes_along_and_later_shards_are_asked_only_when_needed() -> None:
    mine = reader()
    (first,) = mine.scan(b"a", b"z", 60, limit=3, pushed=b"f")
    assert first.request == Scan(7, 1, 50, b"a", b"h", 3, b"f")
    mine.answer(*answer(first, "a", "b"), 61)
    taken = mine.take(61)
    assert (keys(taken), taken[1]) == ("ab", [ToReplica(10, Scan(7, 2, 50, b"h", b"p", 1, b"f"))])
    mine.answer(*answer(taken[1][0], "h", following="i"), 62)
    assert (keys(mine.take(62)), mine.is_exhausted) == ("h", True)


def test_silence_is_followed_by_another_replica_and_the_first_answer_counts() -> None:
    mine = reader()
    (first,) = mine.get([b"b"], 60)
    assert mine.tick(160) == []
    (second,) = mine.tick(161)
    assert (second.replica, second.request) == (1, first.request)
    assert mine.answer(0, ReadAnswer(7, 1, (b"1",)), 170) == []
    assert mine.answer(1, ReadAnswer(7, 1, (b"2",)), 171) == []
    assert mine.found(171) == {b"b": b"1"}


def test_nobody_in_time() -> None:
    mine = reader()
    mine.get([b"b"], 60)
    assert mine.tick(1061) == []
    assert (mine.failure, mine.found(1061)) == (Failure.UNANSWERED, None)
    assert mine.answer(0, ReadAnswer(7, 1, (b"1",)), 1062) == []


def test_too_old_for_one_replica_is_asked_of_the_others_and_never_of_it_again() -> None:
    mine = reader()
    (first,) = mine.get([b"b"], 60)
    (second,) = mine.answer(0, ReadAnswer(7, 1, (), Refused.TOO_OLD), 61)
    assert (second.replica, second.request) == (1, first.request)
    assert mine.answer(0, ReadAnswer(7, 1, (), Refused.TOO_OLD), 62) == []
    assert [each.replica for each in mine.tick(200)] == [1]
    assert mine.answer(1, ReadAnswer(7, 1, (), Refused.TOO_OLD), 201) == []
    assert mine.failure == Failure.TOO_OLD


def test_a_replica_that_is_late_or_behind_is_passed_over_and_then_waited_for() -> None:
    mine = reader()
    mine.scan(b"a", b"h", 60)
    (second,) = mine.answer(0, ScanAnswer(7, 1, (), None, Refused.LATE), 61)
    assert second.replica == 1
    assert mine.answer(1, ScanAnswer(7, 1, (), None, Refused.TOO_NEW), 62) == []
    assert [each.replica for each in mine.tick(163)] == [0]


def test_rows_are_told_when_start_ts_is_past_on_the_early_edge() -> None:
    mine = reader(start_ts=100)
    (first,) = mine.scan(b"a", b"h", 60)
    mine.answer(*answer(first, "a"), 61)
    assert (mine.take(99), mine.is_exhausted) == (([], []), False)
    assert keys(mine.take(100)) == "a"
    (to,) = reader(start_ts=100).get([b"b"], 60)
    other = reader(start_ts=100)
    other.get([b"b"], 60)
    other.answer(to.replica, ReadAnswer(7, 1, (b"1",)), 70)
    assert (other.found(99), other.found(100)) == (None, {b"b": b"1"})


@pytest.mark.parametrize(
    ("failure", "age", "sqlstate", "text"),
    [
        (Failure.TOO_OLD, 301.0, "54000", "transaction age limit of 300s exceeded"),
        (Failure.TOO_OLD, 20.0, "40001", "change conflicts with another transaction (OC000)"),
        (Failure.UNANSWERED, 301.0, "40001", "change conflicts with another transaction (OC000)"),
    ],
)
def test_what_a_client_is_told(failure: Failure, age: float, sqlstate: str, text: str) -> None:
    told = error(failure, age, 300.0)
    assert (told.sqlstate, told.message) == (sqlstate, text)
