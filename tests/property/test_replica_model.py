"""A replica answers as a list of versions would, for keys of every length, through trims and restarts."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from storage.replica import Replica, TooOld
from tests.replicas import apply

BASES = [b"", b"a", b"\xff" * 490, b"k" * 484, b"k" * 485, b"k" * 970, b"k" * 1455, b"k" * 2000]
TAILS = st.binary(max_size=3) | st.sampled_from(
    [b"", b"\0", b"\xff", b"k", b"k" * 20, b"\xff" * 100, b"\0" * 16]
)
KEYS = st.builds(lambda base, tail: base + tail, st.sampled_from(BASES), TAILS)
ROWS = st.none() | st.binary(min_size=1, max_size=4)
STEPS = st.lists(st.dictionaries(KEYS, ROWS, max_size=6), min_size=1, max_size=12)
LAST = b"\xff" * 3000
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


class Model:
    """All versions ever, in a list."""

    def __init__(self) -> None:
        self.versions: list[tuple[bytes, int, bytes | None]] = []

    def rows(self, ts: int) -> dict[bytes, bytes]:
        seen: dict[bytes, bytes | None] = {}
        for key, commit_ts, row in self.versions:
            if commit_ts <= ts:
                seen[key] = row
        return {key: row for key, row in sorted(seen.items()) if row is not None}


def scan_all(replica: Replica, lo: bytes, hi: bytes, ts: int, limit: int, reverse: bool) -> list[bytes]:
    rows: list[bytes] = []
    while True:
        found, rest = replica.scan(lo, hi, ts, limit, reverse)
        assert len(found) <= limit
        rows += found
        if rest is None:
            return rows
        assert lo < rest < hi or (not reverse and lo == rest)
        lo, hi = (lo, rest) if reverse else (rest, hi)


def check(replica: Replica, model: Model, ts: int, lo: bytes, hi: bytes, limit: int) -> None:
    rows = model.rows(ts)
    for key in {key for key, _, _ in model.versions} | {lo, hi}:
        assert replica.get(key, ts) == rows.get(key)
    within = {key: row for key, row in rows.items() if lo <= key < hi}
    assert scan_all(replica, lo, hi, ts, limit, False) == list(within.values())
    assert scan_all(replica, lo, hi, ts, limit, True) == list(within.values())[::-1]
    for reverse in (False, True):
        items = replica.scan_items(lo, hi, ts, 10_000, reverse)
        assert items == (sorted(within.items(), reverse=reverse), None)
    counted, at = 0, lo
    while at is not None:
        more, at = replica.count(at, hi, ts, limit)
        counted += more
    assert counted == len(within)


@settings(max_examples=120, deadline=None)
@given(STEPS, KEYS, KEYS, st.integers(1, 9), st.integers(0, 13))
def test_reads_as_a_sorted_list(steps, a, b, limit, trimmed_to):
    model = Model()
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        replica = Replica.open(Path(directory) / "storage", retention_ns=0)
        for step, writes in enumerate(steps, 1):
            apply(replica, step, writes)
            model.versions += [(key, step, row) for key, row in writes.items()]
        for lo, hi in ((b"", LAST), (min(a, b), max(a, b))):
            for ts in range(len(steps) + 2):
                check(replica, model, ts, lo, hi, limit)
        while replica.trim(trimmed_to):
            pass
        replica.close()
        replica = Replica.open(Path(directory) / "storage", retention_ns=0)
        assert replica.horizon <= min(trimmed_to, replica.applied_ts)
        for ts in range(replica.horizon, len(steps) + 2):
            check(replica, model, ts, b"", LAST, limit)
        for ts in range(replica.horizon):
            for read in (replica.get, lambda key, ts: replica.scan(key, LAST, ts)):
                try:
                    read(a, ts)
                except TooOld:
                    continue
                raise AssertionError("a read below the horizon was answered")
        rows = model.rows(len(steps))
        snapshot = list(replica.snapshot_items(limit))
        assert [(key, row) for key, _, row in snapshot] == list(rows.items())
        copy = Replica.open(Path(directory) / "copy")
        copy.load(snapshot, replica.applied_position, replica.applied_hash, replica.applied_ts)
        check(copy, model, len(steps), b"", LAST, limit)
        assert copy.content_hash(len(steps)) == replica.content_hash(len(steps))
        replica.close()
        copy.close()


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_everything_deleted_and_trimmed_leaves_nothing(steps):
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        replica = Replica.open(Path(directory) / "storage", retention_ns=0)
        for step, writes in enumerate(steps, 1):
            apply(replica, step, writes)
        end = len(steps) + 1
        apply(replica, end, {key: None for writes in steps for key in writes})
        while replica.trim(end):
            pass
        engine = replica._engine
        with engine.writing() as txn:
            for database in (engine.current, engine.history, engine.long, engine.long_history, engine.trim):
                assert txn.stat(database)["entries"] == 0
        assert replica._tombstones == 0
        replica.close()
