"""A shard answers alike, whether its rows lie in memory or in LMDB, and after it was opened again."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journal.crossbar import Item, Mark
from journal.record import Commit, Write
from storage.replica import Replica, StoredRows
from storage.shard import Bounds, Read, ReadAnswer, Refused, Rows, Scan, ScanAnswer, Shard
from tests.sim.rows import MemoryRows

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
LONG = b"c" * 600
KEYS = [b"a", b"b", b"c", LONG, LONG + b"x", b"d", b"\xff\xf0"]
VALUES = st.one_of(st.none(), st.sampled_from([b"1", b"2", b"long" * 50]))
WRITES = st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=4)
PARTS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), WRITES), max_size=4),
        st.integers(0, 3),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)
"""Of each part of the stream: (time after the last one, journal, writes), what is closed beyond, whether to trim."""
SPANS = st.sampled_from([(b"", b"\xff\xff"), (b"b", b"d")])


def stream(parts: list[Any]) -> list[tuple[list[Item], int, Mark, bool]]:
    """Items in order of (time, journal); transactions of one time touch different keys."""
    ts, found = 0, []
    positions = [0, 0]
    for commits, closed, trims in parts:
        items: list[Item] = []
        taken: set[bytes] = set()
        ts += 1
        for number, (later, journal, writes) in enumerate(commits):
            is_tie = later == 0 and items and items[-1].journal < journal and not taken & writes.keys()
            if not is_tie:
                ts += max(later, 1)
                taken = set()
            taken |= writes.keys()
            positions[journal] += 1
            commit = Commit(
                b"%016d" % number, ts - 1, ts, [Write(key, value, 3) for key, value in writes.items()], []
            )
            items.append(Item(ts, journal, positions[journal], 0, commit))
        ts += closed
        places = tuple(enumerate(positions))
        found.append((items, ts, Mark(places, items[-1][:4] if items else (0, 0, 0, 0), ()), trims))
    return found


def rows_of(shard: Shard, ts: int, lo: bytes = b"", hi: bytes = b"\xff\xff") -> list[Any]:
    """Every row by scans, as far as their bounds let each go."""
    found: list[Any] = []
    following: bytes | None = lo
    while following is not None:
        answer = shard.read(Scan(0, 0, ts, following, hi), ts)
        assert isinstance(answer, ScanAnswer)
        if answer.refused is not None:
            return [answer.refused]
        found += answer.rows
        following = answer.following
    return found


def same(one: Shard, two: Shard) -> None:
    """At every time that neither has trimmed."""
    assert one.complete == two.complete
    for ts in range(one.complete + 1):
        read = Read(0, 0, ts, tuple(KEYS))
        first, second = one.read(read, ts), two.read(read, ts)
        assert isinstance(first, ReadAnswer)
        assert isinstance(second, ReadAnswer)
        if Refused.TOO_OLD in (first.refused, second.refused):
            assert ts < max(one.horizon, two.horizon)
            continue
        inside = [place for place, key in enumerate(KEYS) if one.lo <= key < one.hi]
        assert [first.rows[place] for place in inside] == [second.rows[place] for place in inside]
        assert rows_of(one, ts) == rows_of(two, ts)
    assert one.content_hash(one.complete) == two.content_hash(two.complete)


@settings(max_examples=120, deadline=None)
@given(PARTS, SPANS, st.integers(0, 6))
def test_rows_in_memory_and_in_lmdb_agree(
    parts: list[Any], span: tuple[bytes, bytes], retention: int
) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        path = Path(directory) / "storage"
        bounds = Bounds(retention=retention, ahead=1000, rows=3)
        memory = Shard(MemoryRows(), *span, bounds)
        replica = Replica.open(path, retention_ns=retention)
        stored = Shard(StoredRows(replica), *span, bounds)
        for items, complete, mark, trims in stream(parts):
            for shard in (memory, stored):
                shard.feed(items, complete, mark, complete)
                if trims:
                    shard.tick(complete)
            assert stored.rows.mark == memory.rows.mark == mark
        same(memory, stored)
        snapshot = stored.cut(mark)
        replica.close()
        again = Shard(StoredRows(Replica.open(path, retention_ns=retention)), *span, bounds)
        assert again.rows.mark == mark
        same(memory, again)
        again.rows.replica.close()
        copies: list[Rows] = [MemoryRows(), StoredRows(Replica.open(Path(directory) / "copy"))]
        for rows in copies:
            copy = Shard(rows, *span, bounds)
            copy.load(snapshot)
            assert (copy.complete, copy.horizon, rows.mark) == (complete, complete, mark)
            assert rows_of(copy, complete) == rows_of(memory, complete)
        copies[1].replica.close()


def test_nothing_of_a_step_is_in_when_it_fails() -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        replica = Replica.open(Path(directory) / "storage")
        shard = Shard(StoredRows(replica), b"", b"\xff\xff")
        good = Commit(b"g" * 16, 5, 10, [Write(b"a", b"1", 3)], [])
        bad = Commit(b"b" * 16, 5, 20, [Write(b"b", b"1", 3), Write(b"c", b"", 3)], [])
        shard.feed([Item(10, 0, 1, 0, good)], 12, Mark(((0, 1),), (10, 0, 1, 0), ()))
        with pytest.raises(BaseException, match="tombstone"):
            shard.feed([Item(20, 0, 2, 0, bad)], 20, Mark(((0, 2),), (20, 0, 2, 0), ()))
        assert (shard.complete, shard.rows.mark.positions) == (12, ((0, 1),))
        assert [row[0] for row in shard.rows.visible(99)] == [b"a"]
        replica.close()
