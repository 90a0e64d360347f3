"""Each checker on a corrupted world: what it is there for, it finds, and the same world uncorrupted passes."""

from types import SimpleNamespace

import pytest

from adjudicator.messages import Aborted, CommitRequest, Committed, Reason
from adjudicator.protocol import Candidate, Prepare
from adjudicator.range_owner import Settings
from journal.crossbar import Announcement, Item, Mark
from journal.journal import Entry
from journal.record import MARKERS, Commit, Header, Lock, LockClass, Owned, Record, SetChange, Write
from server.session.coordinator import WriteSet
from storage.shard import Read, ReadAnswer, Scan, ScanAnswer, Shard
from tests.sim.checkers import ALL, Drift, Observers, TrueAborts, Violation
from tests.sim.checkers.client_history import check
from tests.sim.logged import Logged
from tests.sim.rows import MemoryRows
from tests.sim.workloads import BY_COLOUR, ROWS, UNIQUE, Range

E, N, K, BLIND = LockClass.EXCLUSIVE, LockClass.NON_KEY, LockClass.KEY_SHARE, LockClass.BLIND
MS = 10**6


def txid(name):
    return name.encode().rjust(16, b"\0")


def commit(name, start, ts, *writes, locks=()):
    """`writes`: (key, value) or (key, value, class)."""
    listed = [Write(each[0], each[1], each[2] if len(each) > 2 else N) for each in writes]
    return Commit(txid(name), start, ts, listed, [Lock(*lock) for lock in locks])


class Seen:
    """What all checkers were told."""

    def __init__(self):
        self.observers = Observers(ALL)
        self.observers.checker(Drift).error = 1000 * MS
        self.positions = {}
        self.hashes = {}

    def __call__(self, hook, *args):
        self.observers.tell(hook, *args)

    def record(self, journal, *commits, epoch=1, kind=None, notes=(), reserved=0, ts=0, request=None):
        position = self.positions.get(journal, 0) + 1
        self.positions[journal] = position
        for each in commits:
            if each.txid not in self.observers.history.write_sets:
                self(
                    "on_commit", WriteSet(each.txid, each.start_ts, each.writes, each.locks or [Lock(b"", E)])
                )
        kind = kind or ("commits" if commits else "control")
        request = request or position.to_bytes(16, "big")
        header = Header(position, epoch, self.hashes.get(journal, bytes(32)))
        record = Record(header, kind, request, "o", list(commits), reserved, list(notes), ts)
        self.hashes[journal] = bytes([journal]) * 24 + position.to_bytes(8, "big")
        entry = Entry(record, self.hashes[journal])
        self("on_record", journal, entry)
        return entry

    def claim(self, journal, epoch=1, reserved=0, lo=b"", hi=b"\xff"):
        return self.record(journal, epoch=epoch, kind="claim", reserved=reserved, notes=[Owned(lo, hi, 0)])


@pytest.fixture
def seen():
    """Journal 0, claimed, with times reserved up to 1,000."""
    seen = Seen()
    seen.claim(0)
    seen.record(0, reserved=1000)
    return seen


def owner(**more):
    """Of journal 0 in epoch 1, with everything read."""
    ranges = [SimpleNamespace(lo=b"", hi=b"\xff", after=0, floor=0)]
    window = SimpleNamespace(floor=0, blurred_upto=0)
    settings = Settings(slots=4)
    fields = {
        "journal": 0,
        "epoch": 1,
        "complete": 0,
        "ranges": ranges,
        "window": window,
        "settings": settings,
    }
    return SimpleNamespace(**{**fields, **more})


def asked(name, start, *touches, checks=()):
    return CommitRequest(
        txid(name), start, [Write(key, b"", lock) for key, lock in touches], [], list(checks)
    )


def found(invariant):
    return pytest.raises(Violation, match=f"^{invariant}:")


# --- conflict memory, promises, refusals


def test_a6_a_forgotten_commit(seen):
    seen.record(0, commit("x", 10, 20, (b"a", b"1")))
    seen("on_owner", owner(complete=20))
    seen("on_judgement", owner(), asked("y", 20, (b"a", N)), None)
    seen("on_judgement", owner(), asked("y", 15, (b"a", K)), None)
    seen("on_judgement", owner(), asked("y", 15, (b"b", E)), None)
    seen("on_judgement", owner(), asked("y", 15, (b"a", N)), Aborted(Reason.CONFLICT, b"a"))
    with found("A6"):
        seen("on_judgement", owner(), asked("z", 15, (b"a", N)), None)


def test_a6_a_floor_that_falls_too_early(seen):
    def with_floor(floor, complete, after=100):
        ranges = [SimpleNamespace(lo=b"a", hi=b"m", after=after, floor=floor)]
        return owner(ranges=ranges, complete=complete)

    seen("on_owner", with_floor(100, 50))
    seen("on_owner", with_floor(0, 100))
    seen("on_owner", with_floor(200, 100, after=200))
    with found("A6"):
        seen("on_owner", with_floor(0, 199, after=200))


def test_a6_a_window_that_lowers_its_floor(seen):
    seen("on_owner", owner(window=SimpleNamespace(floor=10, blurred_upto=0)))
    with found("A6"):
        seen("on_owner", owner(window=SimpleNamespace(floor=9, blurred_upto=0)))


def promised(seen, name, start, upto, *touches, attempt=1):
    candidate = Candidate(txid(name), attempt, 1, 1)
    prepare = Prepare(candidate, start, 9, (0, 1), [Lock(*touch) for touch in touches])
    seen("on_promise", 0, 1, prepare, upto, upto - 100)
    return candidate


ENDINGS = {
    "outcome": lambda seen, x: seen("on_outcome", 0, 1, x),
    "decision": lambda seen, x: seen("on_decision", 0, 1, x, 0),
    "later attempt": lambda seen, x: seen("on_attempt", 0, 1, x._replace(attempt=2)),
    "stream": lambda seen, x: seen("on_owner", owner(complete=200)),
}


@pytest.mark.parametrize("ending", [None, *ENDINGS])
def test_a8_a_promise_blocks_until_it_has_ended(seen, ending):
    x = promised(seen, "x", 50, 200, (b"a", N))
    seen("on_judgement", owner(), asked("y", 200, (b"a", N)), None)
    seen("on_judgement", owner(), asked("y", 60, (b"a", N)), Aborted(Reason.BUSY, b"a"))
    seen("on_judgement", owner(), asked("y", 60, (b"a", K)), None)
    if ending is not None:
        ENDINGS[ending](seen, x)
        seen("on_judgement", owner(), asked("y", 60, (b"a", N)), None)
        return
    with found("A8"):
        seen("on_judgement", owner(), asked("y", 60, (b"a", N)), None)


def test_a8_a_commit_on_what_is_promised(seen):
    promised(seen, "x", 50, 200, (b"a", E))
    seen.record(0, commit("early", 40, 45, (b"a", b"1")))
    seen.record(0, commit("other", 60, 70, (b"b", b"1")))
    with found("A8"):
        seen.record(0, commit("y", 60, 80, (b"a", b"1")))


def test_a11_refusals_for_nothing(seen):
    seen.record(0, commit("x", 10, 20, (b"a", b"1")))
    refused = Aborted(Reason.CONFLICT, b"a")
    seen("on_judgement", owner(), asked("y", 15, (b"a", N)), refused)
    for start, lock in ((20, N), (15, K)):
        with found("A11"):
            seen("on_judgement", owner(), asked("z", start, (b"a", lock)), refused)


def test_a11_a_decision_that_is_not_durable_and_a_shared_slot_are_reasons(seen):
    seen("on_commit", WriteSet(txid("x"), 10, [Write(b"a", b"", N)]))
    seen("on_decision", 0, 1, Candidate(txid("x"), 1, 0, 1), 20)
    seen("on_judgement", owner(), asked("y", 15, (b"a", N)), Aborted(Reason.CONFLICT, b"a"))
    seen.record(0, commit("w", 10, 30, (b"b", b"1")))
    blurred = owner(window=SimpleNamespace(floor=0, blurred_upto=30), settings=Settings(slots=1))
    seen("on_judgement", blurred, asked("v", 25, (b"c", N)), Aborted(Reason.CONFLICT, b"c"))
    with found("A11"):
        seen("on_judgement", owner(), asked("v", 25, (b"c", N)), Aborted(Reason.CONFLICT, b"c"))


def test_a11_too_old_and_schema_have_reasons_too(seen):
    floor = owner(window=SimpleNamespace(floor=16, blurred_upto=0))
    seen("on_judgement", floor, asked("y", 15, (b"a", N)), Aborted(Reason.TOO_OLD, b""))
    with found("A11"):
        seen("on_judgement", owner(), asked("y", 15, (b"a", N)), Aborted(Reason.TOO_OLD, b""))
    marker = MARKERS + b"t"
    changed = asked("z", 15, (b"a", N), checks=[marker])
    with found("A11"):
        seen("on_judgement", owner(), changed, Aborted(Reason.SCHEMA, marker))
    seen.record(0, commit("ddl", 10, 20, (marker, b"", E)))
    seen("on_judgement", owner(), changed, Aborted(Reason.SCHEMA, marker))


def test_a11_a_winner_that_did_not_win(seen):
    seen.record(0, commit("x", 10, 20, (b"a", b"1", N)))
    lost = asked("y", 15, (b"a", N))
    seen("on_judgement", owner(), lost, Aborted(Reason.CONFLICT, b"a", txid("x"), 20))
    for winner, won_at in (("y", 20), ("x", 21)):
        with found("A11"):
            seen("on_judgement", owner(), lost, Aborted(Reason.CONFLICT, b"a", txid(winner), won_at))


def test_a11_false_conflicts_are_counted_and_bounded(seen):
    for number in range(28):
        seen("on_commit", WriteSet(txid(str(number)), 10, [Write(b"a", b"", N)]))
        seen("on_result", "c", txid(str(number)), Aborted(Reason.CONFLICT, b"a"), 50, True)
        if number == 25:
            seen("at_end", [])
    assert seen.observers.checker(TrueAborts).false_aborts == 28
    with found("A11"):
        seen("at_end", [])


def test_q5_an_abort_that_was_none(seen):
    seen("on_commit", WriteSet(txid("x"), 10, [Write(b"a", b"", N)]))
    seen("on_result", "c", txid("x"), Aborted(Reason.CONFLICT, b"a"), 50, True)
    with found("Q5"):
        seen.record(0, commit("x", 10, 20, (b"a", b"1")))


def test_q6_nothing_to_judge(seen):
    with found("Q6"):
        seen("on_commit", WriteSet(txid("x"), 10, []))


def test_q2_too_old_to_be_judged(seen):
    seen("on_age", txid("x"), 1500 * MS)
    with found("Q2"):
        seen("on_age", txid("x"), 1500 * MS + 1)


# --- journals and the stream


def test_j6_one_request_twice(seen):
    seen.record(0, request=b"r" * 16)
    with found("J6"):
        seen.record(0, request=b"r" * 16)


def test_j8_other_bytes_at_a_position(seen):
    entry = seen.record(0, commit("x", 10, 20, (b"a", b"1")))
    seen("on_tail", "reader", 0, [entry])
    with found("J8"):
        seen("on_tail", "reader", 0, [entry._replace(hash=bytes(32))])


def items(*entries):
    found = [
        Item(each.commit_ts, 0, entry.record.header.position, number, each)
        for entry in entries
        for number, each in enumerate(entry.record.commits)
    ]
    return found


def test_x1_the_stream_is_everything_in_order_and_once(seen):
    first = seen.record(0, commit("x", 10, 20, (b"a", b"1")), commit("y", 10, 25, (b"b", b"1")))
    second = seen.record(0, commit("z", 10, 30, (b"c", b"1")))
    seen("on_items", "good", items(first), 29)
    seen("on_items", "good", items(second), 30)
    for name, wrong, complete in (
        ("doubled", items(first, first), 29),
        ("unordered", items(second, first), 30),
        ("lost", items(first)[:1], 25),
        ("passed over", [], 20),
    ):
        with found("X1"):
            seen("on_items", name, wrong, complete)


def test_x1_a_reader_that_resumes_gets_what_follows_its_mark(seen):
    first = seen.record(0, commit("x", 10, 20, (b"a", b"1")))
    second = seen.record(0, commit("z", 10, 30, (b"c", b"1")))
    seen("on_resumed", "reader", Mark(((0, 3),), items(first)[0][:4], ((0, 20),)))
    seen("on_items", "reader", items(second), 30)
    seen("on_resumed", "reader", Mark(((0, 3),), items(first)[0][:4], ((0, 20),)))
    with found("X1"):
        seen("on_items", "reader", items(first, second), 30)


def test_x2_x3_complete_over_the_journals_that_count(seen):
    shard = SimpleNamespace(complete=50)
    seen.record(0, notes=[SetChange(1, True)], ts=50)
    seen("on_complete", "s", shard, {0: 50})
    shard.complete = 51
    with found("X3"):
        seen("on_complete", "s", shard, {0: 51})
    with found("X2"):
        seen("on_complete", "other", SimpleNamespace(complete=52), {0: 52, 1: 50})
    with found("X2"):
        seen("on_complete", "s", SimpleNamespace(complete=49), {0: 51, 1: 60})
    started = SimpleNamespace(complete=51)
    seen("on_complete", "restarted", started, {0: 10, 1: 10})
    started.complete = 52
    with found("X2"):
        seen("on_complete", "restarted", started, {0: 52, 1: 51})
    seen("on_announce", Announcement(0, 1, seen.positions[0], 51))
    with found("A3"):
        seen.record(0, commit("x", 10, 51, (b"a", b"1")))


def test_c3_times_that_run_away():
    seen = Seen()
    seen.observers.history.now = 100 * MS
    drift = seen.observers.checker(Drift)
    drift.error, drift.settings = 10 * MS, Settings(promise=5 * MS, reserve=50 * MS, lead=0)
    seen.claim(0)
    seen.record(0, reserved=160 * MS)
    seen.record(0, commit("x", 10, 114 * MS, (b"a", b"1")), reserved=165 * MS)
    with found("C3"):
        seen.record(0, commit("y", 10, 117 * MS, (b"b", b"1")))
    with found("C3"):
        seen.record(0, reserved=170 * MS)


def test_j7_what_is_trimmed_is_restated_and_read(seen):
    checkpoint = seen.record(0, notes=[])
    position = checkpoint.record.header.position
    with found("J7"):
        seen("on_trim", 0, position, [])
    restated = seen.claim(0, epoch=2, reserved=1000).record.header.position
    seen("on_trim", 0, restated, [Mark(((0, restated - 1),), (0, 0, 0, 0), ())])
    with found("J7"):
        seen("on_trim", 0, restated, [Mark(((0, restated - 2),), (0, 0, 0, 0), ())])
    forgetful = seen.claim(0, epoch=3, reserved=999).record.header.position
    with found("J7"):
        seen("on_trim", 0, forgetful, [])
    narrow = seen.claim(0, epoch=4, reserved=1000, hi=b"m").record.header.position
    seen("on_trim", 0, narrow, [])


# --- shards, snapshots, indexes


def shard_of(seen, *commits):
    """A shard that applied exactly `commits`."""
    shard = Shard(MemoryRows(), b"a", b"m")
    shard.feed([Item(each.commit_ts, 0, 3, 0, each) for each in commits], 40)
    return shard


def test_s5_snapshots_equal_a_replay(seen):
    x, y = commit("x", 10, 20, (b"a", b"1")), commit("y", 10, 30, (b"b", b"1"))
    late = commit("z", 10, 50, (b"c", b"1"))
    position = seen.record(0, x, y).record.header.position
    seen.record(0, late)
    good = Mark(((0, position),), (30, 0, position, 1), ((0, 40),))
    seen("on_snapshot", shard_of(seen, x, y), shard_of(seen, x, y).cut(good))
    with found("S5"):
        seen("on_snapshot", shard_of(seen, x), shard_of(seen, x).cut(good))
    for wrong in (((0, position + 1),), ((0, position - 1),)):
        last = (0, 0, 0, 0) if wrong[0][1] < position else (30, 0, position, 1)
        with found("S5"):
            seen("on_snapshot", shard_of(seen, x, y), shard_of(seen, x, y).cut(Mark(wrong, last, ((0, 40),))))


def test_s3_a_shard_that_lost_a_row(seen):
    x = commit("x", 10, 20, (b"a", b"1"))
    seen.record(0, x)
    seen("at_end", [shard_of(seen, x)])
    with found("S3"):
        seen("at_end", [shard_of(seen)])


def test_s1_s4_a_scan_that_leaves_a_row_out(seen):
    seen.record(0, commit("x", 10, 20, (b"a", b"1"), (b"b", b"2")))
    scan = Scan(7, 1, 25, b"a", b"m")
    rows = ((b"a", 20, b"1"), (b"b", 20, b"2"))
    seen("on_scan", "s", scan, ScanAnswer(7, 1, rows))
    seen("on_scan", "s", scan, ScanAnswer(7, 1, rows[:1], b"a\0"))
    with found("S1"):
        seen("on_scan", "s", scan, ScanAnswer(7, 1, rows[:1]))
    with found("S4"):
        seen.record(0, commit("y", 10, 24, (b"c", b"1")))


def test_h1_a_phantom(seen):
    seen.record(0, commit("x", 10, 20, (b"a", b"1"), (b"b", b"2")))
    rows = [(b"a", 20, b"1"), (b"b", 20, b"2")]
    seen("on_range", "c", 25, Range(b"a", b"m"), rows)
    seen("on_range", "c", 25, Range(b"a", b"m", 1), rows[:1])
    seen("on_range", "c", 25, Range(b"a", b"m", 0, b"2"), rows[1:])
    seen("on_range", "c", 25, Range(b"a", b"m", 0, b"#"), [(b"a", 0, b"1"), (b"b", 0, b"1")])
    for request, wrong in (
        (Range(b"a", b"m"), rows[1:]),
        (Range(b"a", b"m"), rows[::-1]),
        (Range(b"a", b"m", 1), rows),
        (Range(b"a", b"m", 0, b"#"), [(b"a", 0, b"1")]),
    ):
        with found("H1"):
            seen("on_range", "c", 25, request, wrong)
    with found("H1"):
        seen("on_observation", "phantom", "c", 25, {})


def test_q1_two_times_in_one_transaction(seen):
    seen("on_read", "s", Read(7, 1, 25, ()), ReadAnswer(7, 1, ()))
    with found("Q1"):
        seen("on_scan", "s", Scan(7, 2, 26, b"a", b"m"), ScanAnswer(7, 2, ()))


def test_h3_what_was_told_is_seen_by_whoever_begins_later(seen):
    seen("on_told", "c", 25, False)
    seen("on_begin", "d", 24, 30, True)
    seen("on_told", "c", 25, True)
    seen("on_begin", "d", 25, 30, True)
    with found("H3"):
        seen("on_begin", "d", 24, 30, True)


def index(**values):
    row = {ROWS[0]: b"red/3/t", BY_COLOUR + b"red/" + ROWS[0]: ROWS[0], UNIQUE + b"3": ROWS[0]}
    return {**row, getattr(values["key"], "key", values["key"]): values["value"]} if values else row


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (ROWS[0], None),
        (ROWS[0], b"green/3/t"),
        (ROWS[1], b"green/3/t"),
        (UNIQUE + b"3", None),
        (UNIQUE + b"4", ROWS[0]),
        (BY_COLOUR + b"red/" + ROWS[0], None),
    ],
)
def test_s7_entries_without_rows_and_rows_without_entries(seen, key, value):
    seen("on_observation", "index", "c", 25, index())
    with found("S7"):
        seen("on_observation", "index", "c", 25, index(key=key, value=value))
    seen.record(0, commit("x", 10, 20, *[(k, v, E) for k, v in index().items()]))
    seen("at_end", [])
    seen.record(0, commit("y", 20, 30, (key, value, E)))
    with found("S7"):
        seen("at_end", [])


# --- from the clients' logs alone


def logged(name, start, reads=None, writes=None, commit_ts=0):
    return Logged(name, "k", start, start, start + 1, reads or {}, writes or {}, commit_ts)


LOG = [
    logged("w", 10, {b"a": None}, {b"a": b"1"}, 20),
    logged("r", 20, {b"a": b"1"}),
    logged("d", 25, {b"a": b"1"}, {b"a": None}, 30),
    logged("s", 29, {b"a": b"1"}),
    logged("t", 30, {b"a": None}),
]


def test_h1_a_log_that_is_snapshot_isolated_passes():
    check(LOG)
    check([*LOG, logged("u", 31, {}, {b"a": b"9"}, None), logged("v", 40, {b"a": b"9"})])
    check([*LOG, logged("u", 31, {}, {b"a": b"9"}, None), logged("v", 40, {b"a": None})])


@pytest.mark.parametrize(
    "wrong",
    [
        logged("x", 19, {b"a": b"1"}),
        logged("x", 21, {b"a": None}),
        logged("x", 35, {b"a": b"1"}),
        logged("x", 19, {}, {b"a": b"2"}, 25),
        logged("x", 35, {b"a": b"never"}),
    ],
)
def test_h1_a_read_of_another_time_and_a_lost_update(wrong):
    with found("H1"):
        check([*LOG, wrong])


def test_h2_the_lists_as_clients_saw_them(seen):
    seen("on_transaction", logged("c", 10, {b"d-l": None}, {b"d-l": b"1"}, 20))
    seen("on_transaction", logged("d", 12, {b"d-l": None}, {b"d-l": b"2"}, 30))
    shard = Shard(MemoryRows(), b"", b"\xff")
    shard.feed([Item(30, 0, 3, 0, commit("d", 12, 30, (b"d-l", b"1,2")))], 30)
    checker = next(each for each in seen.observers.checkers if type(each).__name__ == "ListAppend")
    with found("H2"):
        checker.at_end([shard])


def test_q4_j3_acknowledgements(seen):
    seen.record(0, commit("x", 10, 20, (b"a", b"1")))
    seen("on_result", "c", txid("x"), Committed(20), 20, True)
    with found("Q4"):
        seen("on_result", "c", txid("x"), Committed(20), 19, True)
    with found("J3"):
        seen("on_result", "c", txid("x"), Committed(21), 30, True)
    with found("J3"):
        seen("on_result", "c", txid("y"), Committed(21), 30, True)
