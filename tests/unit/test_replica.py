"""What the replica promises about applying, trimming, space, restarts and snapshots."""

from collections import Counter

import pytest

from journal.broken import Broken
from storage import lmdb_engine
from storage import replica as replica_module
from storage.lmdb_engine import FORMAT, NoSpace, Trust, WrongFormat
from storage.longkey import SHORT
from storage.replica import StoredRows, TooOld
from tests.replicas import apply, commit, opening

SECOND = 10**9
A, B, C = b"\0\0\0\1a", b"\0\0\0\1b", b"\0\0\0\1c"
END = b"\xff"


@pytest.fixture
def opened(tmp_path):
    with opening(tmp_path) as open_one:
        yield open_one


# --- applying


def test_a_fresh_replica_is_empty(opened):
    replica = opened()
    assert (replica.applied_position, replica.applied_hash, replica.applied_ts) == (0, bytes(32), 0)
    assert (replica.horizon, replica.needs_rebuild, replica.extra()) == (0, False, b"")
    assert replica.get(A, 5) is None
    assert replica.scan(b"", END, 5) == ([], None)
    assert replica.count(b"", END, 5) == (0, None)


def test_a_record_of_several_commits_is_read_at_each_of_their_times(opened):
    replica = opened()
    group = [commit(10, {A: b"1", B: b"1"}), commit(20, {A: b"2"}), commit(30, {A: None})]
    replica.apply(group, 1, b"h" * 32, 0, extra=b"catalog 7")
    assert [replica.get(A, ts) for ts in (9, 10, 19, 20, 29, 30, 99)] == [
        None,
        b"1",
        b"1",
        b"2",
        b"2",
        None,
        None,
    ]
    assert (replica.applied_position, replica.applied_hash, replica.applied_ts) == (1, b"h" * 32, 30)
    assert replica.extra() == b"catalog 7"
    assert replica.get_many([B, A, C], 20) == [b"1", b"2", None]


def test_a_claim_moves_the_position_only(opened):
    replica = opened()
    apply(replica, 10, {A: b"1"})
    replica.apply([], 2, b"c" * 32, 0)
    assert (replica.applied_position, replica.applied_hash, replica.applied_ts) == (2, b"c" * 32, 10)


def test_a_record_is_applied_once_and_commits_in_order(opened):
    replica = opened()
    apply(replica, 10, {A: b"1"})
    for group, position in (
        ([commit(11, {A: b"2"})], 1),
        ([commit(10, {A: b"2"})], 2),
        ([commit(12, {}), commit(11, {})], 2),
    ):
        with pytest.raises(Broken):
            replica.apply(group, position, bytes(32), 0)
    assert replica.get(A, 99) == b"1"
    assert replica.applied_position == 1


def test_an_empty_row_is_refused_because_it_would_be_a_tombstone(opened):
    with pytest.raises(Broken):
        apply(opened(), 10, {A: b""})


def test_deleting_what_is_not_there_leaves_no_trace(opened):
    replica = opened()
    apply(replica, 10, {A: None, b"x" * 999: None})
    assert replica.size_estimate(b"", END) == (0, 0, True)


# --- reading


def count_operations(replica):
    """Count the LMDB calls of the replica's current snapshot."""
    counts = Counter()
    replica._transaction()
    get, cursor = replica._get, replica._cursor

    class CountingCursor:
        def __init__(self, real):
            self._real = real

        def __getattr__(self, name):
            counts[name] += 1
            return getattr(self._real, name)

    def counting_get(*arguments):
        counts["get"] += 1
        return get(*arguments)

    replica._get, replica._cursor = counting_get, lambda *arguments: CountingCursor(cursor(*arguments))
    return counts


def test_a_read_never_steps_over_versions(opened):
    """One get for the present; one get and one seek for any past, under a thousand versions."""
    replica = opened()
    for ts in range(1, 1001):
        apply(replica, ts, {A: b"%d" % ts, A + b"\0" * 8: b"n"})
    assert replica.get(A, 1000) == b"1000"
    for ts, expected in ((1000, {"get": 1}), (999, {"get": 1, "set_range": 1, "item": 1})):
        counts = count_operations(replica)
        assert replica.get(A, ts) == b"%d" % ts
        assert counts == expected
    for ts in (1, 2, 500):
        counts = count_operations(replica)
        assert replica.get(A, ts) == b"%d" % ts
        assert counts == {"get": 1, "set_range": 1, "item": 1}
        counts.clear()
        assert replica.scan(A, A + b"\0", ts) == ([b"%d" % ts], None)
        assert counts["set_range"] == 2
        assert not counts["next"] and not counts["prev"]


def test_versions_of_a_key_are_not_mixed_with_those_of_a_longer_one(opened):
    """The longer key is the shorter one and what a time between its versions looks like."""
    replica = opened()
    longer = A + ((1 << 64) - 1 - 15).to_bytes(8, "big")
    for ts in (10, 20, 30):
        apply(replica, ts, {A: b"%d" % ts, longer: b"longer"})
    assert [replica.get(A, ts) for ts in (10, 15, 19, 20, 29)] == [b"10", b"10", b"10", b"20", b"20"]


def test_bounds_longer_than_any_short_key_are_exact(opened):
    replica = opened()
    key = b"x" * SHORT
    apply(replica, 1, {key: b"r"})
    for bound in (key + b"\0", key + b"x" * 500):
        assert replica.scan(b"", bound, 1) == ([b"r"], None)
        assert replica.scan(b"", bound, 1, reverse=True) == ([b"r"], None)
        assert replica.count(b"", bound, 1) == (1, None)
        assert replica.scan(bound, END, 1) == ([], None)
        assert replica.scan(bound, END, 1, reverse=True) == ([], None)
        assert replica.count(bound, END, 1) == (0, None)


def test_a_scan_visits_at_most_its_limit(opened):
    replica = opened()
    keys = [b"k%04d" % i for i in range(2000)]
    apply(replica, 1, dict.fromkeys(keys, b"r"))
    apply(replica, 2, dict.fromkeys(keys[100:1900]))
    rows, rest = replica.scan(b"", END, 2, limit=300)
    assert (len(rows), rest) == (100, keys[300])
    assert replica.scan(rest, END, 2, limit=300) == ([], keys[600])
    assert replica.scan(b"", keys[1950], 2, limit=40, reverse=True) == ([b"r"] * 40, keys[1910])
    assert replica.scan(b"", keys[1910], 2, limit=100, reverse=True) == ([b"r"] * 10, keys[1810])
    assert replica.count(b"", END, 2, limit=300) == (100, keys[300])
    assert replica.scan(b"", END, 1, limit=1999) == ([b"r"] * 1999, keys[1999])
    assert replica.scan(b"", END, 1, limit=2000) == ([b"r"] * 2000, None)
    assert replica.count(b"", END, 1, limit=2000) == (2000, None)


@pytest.mark.parametrize("size", [1, 3, 4, 5, 35, 36, 37, 291, 292, 293, 700])
def test_ranges_end_where_they_should_whatever_the_read_ahead(opened, size):
    replica = opened()
    keys = [b"k%04d" % i for i in range(1000)]
    apply(replica, 1, {key: key for key in keys})
    apply(replica, 2, {keys[500]: b"changed"})
    for ts in (1, 2):
        for first in (0, 1000 - size):
            rows = [b"changed" if ts == 2 and key == keys[500] else key for key in keys[first : first + size]]
            hi = keys[first + size] if first + size < 1000 else END
            assert replica.scan(keys[first], hi, ts, limit=1000) == (rows, None)
            assert replica.scan(keys[first], hi, ts, limit=1000, reverse=True) == (rows[::-1], None)
            assert replica.count(keys[first], hi, ts, limit=1000) == (size, None)
            assert replica.scan(keys[first], hi, ts, limit=size) == (rows, None)
            assert replica.scan(keys[first], hi, ts, limit=size, reverse=True) == (rows[::-1], None)
            assert replica.count(keys[first], hi, ts, limit=size) == (size, None)


def test_a_table_with_short_keys_does_not_pay_for_long_ones(opened):
    replica = opened()
    apply(replica, 1, {b"a" + b"%03d" % i: b"r" for i in range(300)} | {b"b" * 2000: b"long"})
    counts = count_operations(replica)
    assert replica.scan(b"a", b"b", 1) == ([b"r"] * 256, b"a256")
    assert counts["iternext"] == 3
    assert replica.scan(b"b", b"c", 1) == ([b"long"], None)


def test_the_longest_short_key_has_history(opened):
    replica = opened()
    for length in (SHORT, SHORT + 1):
        key = b"x" * length
        apply(replica, length * 10, {key: b"1"})
        apply(replica, length * 10 + 1, {key: b"2"})
        assert replica.get(key, length * 10) == b"1"
        assert replica.get(key, length * 10 + 1) == b"2"


# --- trimming


def test_versions_go_once_nobody_may_need_them(opened):
    replica = opened(retention_ns=300 * SECOND)
    apply(replica, 10, {A: b"1"})
    apply(replica, 20, {A: b"2"})
    apply(replica, 30, {A: b"3"})
    assert replica.trim(300 * SECOND + 19) == 0
    assert replica.horizon == 0 and replica.get(A, 10) == b"1"
    assert replica.trim(300 * SECOND + 20) == 1
    assert replica.horizon == 20
    assert replica.get(A, 20) == b"2", "a read at the horizon is safe"
    for ts in (0, 10, 19):
        for read in (replica.scan, replica.scan_items, replica.count):
            with pytest.raises(TooOld):
                read(b"", END, ts)
        for key in (A, B):
            with pytest.raises(TooOld):
                replica.get(key, ts)


def test_an_idle_or_restarted_replica_refuses_nobody(opened, tmp_path):
    replica = opened()
    apply(replica, 10, {A: b"1"})
    apply(replica, 20, {B: b"1"})
    hour_later = 3600 * SECOND
    replica.trim(hour_later)
    replica.apply([], 3, bytes(32), hour_later)
    replica.close()
    replica = opened()
    assert replica.horizon <= replica.applied_ts == 20
    assert replica.get(A, replica.applied_ts) == b"1"


def test_each_apply_trims_a_few(opened):
    """A backlog shrinks while work goes on, and no apply takes it all."""
    replica = opened(retention_ns=0)
    for ts in range(1, 501):
        apply(replica, ts, {A: b"%d" % ts})
    left = 499
    while left:
        replica.apply([], replica.applied_position + 1, bytes(32), 10_000)
        with replica._engine.writing() as txn:
            before, left = left, txn.stat(replica._engine.history)["entries"]
        assert 0 < before - left <= replica_module.TRIM_LEAST
    assert replica.get(A, 500) == b"500"


def test_trimming_keeps_up_with_updates(opened):
    replica = opened(retention_ns=5)
    for ts in range(1, 2000):
        apply(replica, ts, {A: b"r", B: b"r", C: b"r" if ts % 2 else None}, now=ts)
    with replica._engine.writing() as txn:
        assert txn.stat(replica._engine.history)["entries"] <= 3 * 6


def test_trimming_keeps_up_with_groups_of_commits(opened):
    replica = opened(retention_ns=0)
    for position in range(1, 50):
        group = [commit(position * 100 + i, {A: b"r", B: b"r"}) for i in range(20)]
        replica.apply(group, position, bytes(32), now=position * 100 - 1)
    with replica._engine.writing() as txn:
        assert txn.stat(replica._engine.history)["entries"] <= 2 * 20 * 2


def test_a_tombstone_goes_with_the_version_below_it_but_not_with_a_newer_row_above(opened):
    replica = opened(retention_ns=0)
    apply(replica, 10, {A: b"1", B: b"1"})
    apply(replica, 20, {A: None, B: None})
    apply(replica, 30, {B: b"2"})
    replica.trim(20)
    assert replica.size_estimate(b"", END)[0] == 1
    assert (replica.get(A, 20), replica.get(B, 20), replica.get(B, 30)) == (None, None, b"2")
    apply(replica, 40, {A: b"3"})
    assert replica.get(A, 39) is None
    assert replica._tombstones == 0, "so that a count need not read rows"


def test_a_big_delete_is_trimmed_versions_first(opened):
    """While it goes in pieces, a key written again must not show what was deleted."""
    replica = opened(retention_ns=0)
    keys = [b"k%03d" % i for i in range(200)]
    apply(replica, 10, dict.fromkeys(keys, b"old"))
    apply(replica, 20, dict.fromkeys(keys))
    ts = 30
    while replica.trim(20, limit=1):
        apply(replica, ts, dict.fromkeys(keys, b"new"), now=-1)
        assert replica.get_many(keys, ts - 1) == [None] * 200
        apply(replica, ts + 1, dict.fromkeys(keys), now=-1)
        ts += 10


# --- space


def test_a_full_map_applies_nothing_and_can_be_tried_again(opened):
    replica = opened(map_size=1 << 20)
    apply(replica, 10, {A: b"1"})
    assert 0 < replica.space().map_bytes < 1 << 20
    assert replica.space().disk_bytes > 0
    big = {b"k%d" % i: b"x" * 1000 for i in range(2000)}
    for _ in range(2):
        with pytest.raises(NoSpace):
            apply(replica, 20, {A: b"2", **big})
        assert (replica.get(A, 99), replica.applied_position, replica.applied_ts) == (b"1", 1, 10)
    apply(replica, 20, {A: b"2"})
    assert replica.get(A, 99) == b"2"


def test_reads_pin_no_pages(opened):
    """The file stops growing although every apply is followed by a read."""
    replica = opened(retention_ns=0)
    sizes = []
    for ts in range(1, 601):
        apply(replica, ts, {A: b"x" * 3000}, now=ts)
        replica.scan(b"", END, ts)
        sizes.append(replica.space().map_bytes)
    assert sizes[-1] > sizes[100] - 40 * 4096


# --- restarts


def restarted(opened, tmp_path, trust):
    """The replica as it opens when the last process left `trust`."""
    replica = opened()
    apply(replica, 10, {A: b"1"})
    replica.close()
    lmdb_engine.write_trust(tmp_path / "storage", trust)
    return opened()


def test_a_clean_close_is_trusted_on_any_boot(opened, tmp_path):
    replica = opened()
    apply(replica, 10, {A: b"1"})
    apply(replica, 20, {A: b"2"})
    replica.close()
    assert lmdb_engine.read_trust(tmp_path / "storage").is_synced
    lmdb_engine.write_trust(tmp_path / "storage", Trust(FORMAT, "another boot", True))
    replica = opened()
    assert not replica.needs_rebuild
    assert (replica.applied_position, replica.applied_hash) == (2, (20).to_bytes(32, "big"))
    assert (replica.get(A, 10), replica.get(A, 20)) == (b"1", b"2")


def test_a_killed_process_of_this_boot_goes_on(opened, tmp_path):
    replica = restarted(opened, tmp_path, Trust(FORMAT, lmdb_engine.boot_id(), False))
    assert (replica.needs_rebuild, replica.get(A, 10)) == (False, b"1")


@pytest.mark.parametrize("boot", ["another boot", ""])
def test_a_crashed_machine_needs_a_rebuild(opened, tmp_path, boot):
    replica = restarted(opened, tmp_path, Trust(FORMAT, boot, False))
    assert (replica.needs_rebuild, replica.applied_position, replica.get(A, 10)) == (True, 0, None)


def test_a_kernel_that_does_not_name_its_boot_is_not_trusted(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(lmdb_engine, "boot_id", lambda: "")
    assert restarted(opened, tmp_path, Trust(FORMAT, "", False)).needs_rebuild


def test_an_environment_without_a_word_on_trust_needs_a_rebuild(opened, tmp_path):
    opened().close()
    (tmp_path / "storage" / "trust").write_bytes(b"{torn")
    assert opened().needs_rebuild


@pytest.mark.parametrize("number", [FORMAT - 1, FORMAT + 1])
def test_another_format_is_refused(opened, tmp_path, number):
    with pytest.raises(WrongFormat, match=f"has format {number}, this version reads {FORMAT}"):
        restarted(opened, tmp_path, Trust(number, "", True))


def test_trust_in_what_was_synced_ends_before_the_next_change(opened, tmp_path):
    replica = opened()
    for change in (
        lambda: apply(replica, 10, {A: b"1"}),
        lambda: replica.trim(0),
        lambda: replica.apply([], 9, bytes(32), 0),
    ):
        replica.sync()
        assert lmdb_engine.read_trust(tmp_path / "storage").is_synced
        change()
        assert not lmdb_engine.read_trust(tmp_path / "storage").is_synced


# --- snapshots


def test_a_snapshot_shows_one_time_while_writes_and_trims_go_on(opened):
    replica = opened(retention_ns=0)
    keys = [b"k%03d" % i for i in range(50)]
    apply(replica, 10, dict.fromkeys(keys, b"old"))
    apply(replica, 20, {keys[0]: b"20", keys[1]: None})
    items, seen = replica.snapshot_items(batch=3), []
    ts = 30
    for item in items:
        seen.append(item)
        apply(replica, ts, dict.fromkeys(keys, b"new") | {b"k%03dx" % (ts % 50): b"n"}, now=10**6)
        ts += 1
    assert seen == [(keys[0], 20, b"20"), *((key, 10, b"old") for key in keys[2:])]
    assert replica.horizon <= 20
    replica.trim(10**6)
    assert replica.horizon > 20, "trimming goes on once the snapshot is read"


def test_an_abandoned_snapshot_holds_nothing_back(opened):
    replica = opened(retention_ns=0)
    apply(replica, 10, {A: b"1", B: b"1"})
    items = replica.snapshot_items()
    apply(replica, 20, {A: b"2"}, now=99)
    assert replica.horizon == 0
    del items
    replica.trim(99)
    assert replica.horizon == 20


def test_snapshot_and_tail_make_the_same_replica(opened):
    original, copy = opened("original"), opened("copy")
    apply(original, 10, {A: b"1", B: b"1", b"l" * 1000: b"long"})
    apply(original, 20, {A: b"2", B: None})
    copy.load(list(original.snapshot_items()), 2, original.applied_hash, 20, extra=b"e")
    assert (copy.applied_position, copy.applied_ts, copy.horizon, copy.extra()) == (2, 20, 20, b"e")
    for replica in (original, copy):
        apply(replica, 30, {A: b"3", C: b"3", b"l" * 1000: None})
    for ts in (20, 30):
        assert original.content_hash(ts) == copy.content_hash(ts)
    assert original.content_hash(20) != original.content_hash(30)
    with pytest.raises(TooOld):
        copy.get(A, 19)


def test_a_snapshot_loads_in_any_order_and_only_into_an_empty_replica(opened):
    replica = opened()
    items = [(b"k%05d" % (i * 7919 % 50_000), 5, b"r%d" % i) for i in range(50_000)]
    replica.load(items, 1, bytes(32), 5)
    assert replica.count(b"", END, 5, limit=10**6) == (50_000, None)
    assert replica.get(items[123][0], 5) == b"r123"
    with pytest.raises(Broken):
        replica.load(items, 2, bytes(32), 6)


def test_a_load_that_ends_halfway_is_not_trusted(opened):
    def half():
        yield A, 5, b"r"
        raise RuntimeError("the snapshot could not be read")

    replica = opened()
    with pytest.raises(RuntimeError):
        replica.load(half(), 1, bytes(32), 5)
    replica.release()
    replica._engine.close()
    replica._is_open = False
    replica = opened()
    assert (replica.needs_rebuild, replica.get(A, 5)) == (True, None)


def test_replicas_with_different_pasts_but_the_same_rows_hash_the_same(opened):
    one, two = opened("one"), opened("two", retention_ns=0)
    apply(one, 10, {A: b"1"})
    apply(one, 20, {A: b"2"})
    two.apply([commit(10, {A: b"1"}), commit(20, {A: b"2"})], 1, bytes(32), now=10**6)
    assert (one.horizon, two.horizon) == (0, 20)
    assert one.content_hash(20) == two.content_hash(20)
    two.wipe(two._engine.path / "nothing there")


def test_a_shards_scan_gives_both_orders_and_may_stop_among_deleted_rows(opened):
    replica = opened()
    keys = [b"a%04d" % number for number in range(700)]
    apply(replica, 10, dict.fromkeys(keys, b"r"))
    apply(replica, 20, dict.fromkeys(keys[100:600]))
    rows = StoredRows(replica)
    kept = [(key, 10, b"r") for key in keys[:100] + keys[600:]]
    for reverse, expected in ((False, kept), (True, kept[::-1])):
        found = list(rows.scan(b"a", b"b", 20, reverse))
        assert [row for row in found if row[2]] == expected
        places = [key for key, _ts, value in found if not value]
        assert len(places) >= 2
        for place in places:
            lo, hi = (b"a", place) if reverse else (place, b"b")
            before = [row for row in found[: found.index((place, 0, b""))] if row[2]]
            assert before + [row for row in rows.scan(lo, hi, 20, reverse) if row[2]] == expected
    assert list(rows.visible(20)) == kept
