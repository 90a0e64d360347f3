"""Who commits: the class matrix, first committer wins, times, catalog checks, the bounded memory."""

import pytest

from adjudicator.adjudicator import Adjudicator, Settings
from adjudicator.messages import Aborted, CommitRequest, Committed, Reason, Verdict
from adjudicator.protocol import Candidate, Prepare
from adjudicator.window import Window
from journal.broken import Broken
from journal.record import Commit, Lock, LockClass, Write
from tests.owners import alone, applied, read

B, K, N, E = LockClass
SECOND = 10**9


def asked(
    start_ts: int, *writes: tuple[bytes, int], locks: tuple[tuple[bytes, int], ...] = ()
) -> CommitRequest:
    return CommitRequest(
        b"t" * 16,
        start_ts,
        [Write(key, b"row", lock) for key, lock in writes],
        [Lock(*lock) for lock in locks],
    )


def judged(adjudicator: Adjudicator, request: CommitRequest, now: int) -> Verdict:
    """The verdict without its winner, which has tests of its own."""
    verdict = adjudicator.decide(request, now)
    return Aborted(verdict.reason, verdict.key) if isinstance(verdict, Aborted) else verdict


def decide(adjudicator: Adjudicator, now: int, start_ts: int, *writes: tuple[bytes, int]) -> Verdict:
    return judged(adjudicator, asked(start_ts, *writes), now)


@pytest.mark.parametrize(
    ("first", "second", "conflicts"),
    [
        (K, K, False), (K, N, False), (K, E, True),
        (N, K, False), (N, N, True), (N, E, True),
        (E, K, True), (E, N, True), (E, E, True),
        (B, E, False), (E, B, False), (B, B, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("blurred", [False, True])
@pytest.mark.parametrize("as_lock", [False, True])
def test_the_matrix_of_classes(
    first: int, second: int, conflicts: bool, blurred: bool, as_lock: bool
) -> None:
    adjudicator = alone(exact_keys=0 if blurred else 100, slots=64)
    winner = asked(5, locks=((b"k", first),)) if as_lock else asked(5, (b"k", first))
    assert judged(adjudicator, winner, 10) == Committed(10)
    applied(adjudicator, 10)
    loser = asked(5, (b"k", second)) if as_lock else asked(5, locks=((b"k", second),))
    verdict = judged(adjudicator, loser, 20)
    assert verdict == (Aborted(Reason.CONFLICT, b"k") if conflicts else Committed(20))


def test_who_commits_first_wins_whoever_began_first() -> None:
    adjudicator = alone()
    assert decide(adjudicator, 30, 20, (b"k", N)) == Committed(30)
    assert decide(adjudicator, 40, 10, (b"k", N)) == Aborted(Reason.CONFLICT, b"k")
    assert decide(adjudicator, 50, 29, (b"k", N)) == Aborted(Reason.CONFLICT, b"k")
    assert decide(adjudicator, 60, 30, (b"k", N)) == Committed(60)


def test_an_abort_dooms_nobody() -> None:
    adjudicator = alone()
    decide(adjudicator, 10, 5, (b"k", E))
    assert isinstance(decide(adjudicator, 20, 5, (b"other", E), (b"k", E)), Aborted)
    assert decide(adjudicator, 30, 5, (b"other", E)) == Committed(30)


def test_write_skew_passes_and_a_lock_prevents_it() -> None:
    adjudicator = alone()
    decide(adjudicator, 10, 5, (b"a", N))
    assert isinstance(decide(adjudicator, 11, 5, (b"b", N)), Committed)
    judged(adjudicator, asked(20, (b"a", N), locks=((b"b", E),)), 30)
    verdict = judged(adjudicator, asked(20, (b"b", N), locks=((b"a", E),)), 31)
    assert verdict == Aborted(Reason.CONFLICT, b"b")


def test_a_transaction_of_locks_only_is_decided_and_remembered() -> None:
    adjudicator = alone()
    assert judged(adjudicator, asked(5, locks=((b"k", E),)), 10) == Committed(10)
    assert decide(adjudicator, 20, 5, (b"k", N)) == Aborted(Reason.CONFLICT, b"k")
    assert judged(adjudicator, asked(5, locks=((b"k", E),)), 30) == Aborted(Reason.CONFLICT, b"k")


def test_commit_times_lie_above_everything_given_out_begun_and_closed() -> None:
    adjudicator = alone(last_ts=100)
    assert decide(adjudicator, 50, 7, (b"a", E)) == Committed(101)
    assert decide(adjudicator, 50, 200, (b"b", E)) == Committed(201)
    assert decide(adjudicator, 300, 200, (b"c", E)) == Committed(300)
    adjudicator.closed = 400
    assert decide(adjudicator, 300, 200, (b"d", E)) == Committed(401)
    assert decide(adjudicator, 401, 200, (b"e", E)) == Committed(402)


@pytest.mark.parametrize("field", ["checks", "guards"])
@pytest.mark.parametrize("blurred", [False, True])
def test_checks_and_guards_are_one_sided(field: str, blurred: bool) -> None:
    reason = Reason.SCHEMA if field == "checks" else Reason.CONFLICT
    adjudicator = alone(exact_keys=0 if blurred else 100, slots=64)
    reader = asked(5, (b"row", N))
    setattr_request = CommitRequest(reader.txid, 5, reader.writes, [], **{field: [b"marker"]})
    assert judged(adjudicator, setattr_request, 10) == Committed(10)
    assert decide(adjudicator, 20, 5, (b"marker", E)) == Committed(20)
    applied(adjudicator, 20)
    later = CommitRequest(b"u" * 16, 19, [Write(b"x", b"row", E)], [], **{field: [b"other", b"marker"]})
    assert judged(adjudicator, later, 30) == Aborted(reason, b"marker")
    since = CommitRequest(b"v" * 16, 20, [Write(b"x", b"row", E)], [], **{field: [b"marker"]})
    assert isinstance(judged(adjudicator, since, 40), Committed)


def test_a_schema_change_is_named_before_a_conflict() -> None:
    adjudicator = alone()
    decide(adjudicator, 10, 5, (b"version", E))
    request = CommitRequest(b"t" * 16, 5, [Write(b"version", b"2", E)], [], checks=[b"version"])
    assert judged(adjudicator, request, 20) == Aborted(Reason.SCHEMA, b"version")


def test_strictly_below_the_floor_is_too_old_and_equality_is_safe() -> None:
    adjudicator = alone(100)
    assert decide(adjudicator, 200, 99, (b"k", E)) == Aborted(Reason.TOO_OLD, b"")
    assert decide(adjudicator, 200, 100, (b"k", E)) == Committed(200)


def test_a_restart_remembers_what_the_journal_holds() -> None:
    before = alone()
    decide(before, 10, 5, (b"a", E))
    before.decide(asked(5, locks=((b"b", K),)), 20)
    after = alone(3, 20)
    read(
        after,
        Commit(b"1" * 16, 5, 10, [Write(b"a", b"row", E)], []),
        Commit(b"2" * 16, 5, 20, [], [Lock(b"b", K)]),
    )
    for adjudicator in (before, after):
        assert decide(adjudicator, 1, 9, (b"a", N)) == Aborted(Reason.CONFLICT, b"a")
        assert decide(adjudicator, 1, 9, (b"b", E)) == Aborted(Reason.CONFLICT, b"b")
        assert decide(adjudicator, 1, 19, (b"c", E)) == Committed(21)


def test_a_time_is_above_the_start_and_everything_given_out_and_closed() -> None:
    adjudicator = alone(last_ts=20)
    adjudicator.closed = 30
    for commit_ts, start_ts, rule in ((50, 50, "A2"), (20, 5, "A3"), (30, 5, "A3")):
        with pytest.raises(Broken, match=rule):
            adjudicator._give_out(commit_ts, start_ts)


def test_one_just_restarted_without_any_history_refuses_nobody_who_begins_now() -> None:
    adjudicator = alone(500, 500)
    assert decide(adjudicator, 600, 500, (b"k", E)) == Committed(600)


@pytest.mark.parametrize("slots", [0, 64])
def test_an_hour_without_commits_refuses_nobody(slots: int) -> None:
    hour = 3600 * SECOND
    adjudicator = alone(slots=slots)
    decide(adjudicator, SECOND, 0, (b"k", E))
    applied(adjudicator, SECOND)
    assert decide(adjudicator, hour, SECOND, (b"k", E)) == Committed(hour)
    applied(adjudicator, hour)
    assert decide(adjudicator, hour + 1, SECOND, (b"other", E)) == Committed(hour + 1)
    assert decide(adjudicator, hour + 2, hour, (b"k", E)) == Committed(hour + 2)


def test_too_many_keys_move_to_the_blurred_tier_and_are_not_forgotten() -> None:
    adjudicator = alone(exact_keys=10, slots=1 << 12)
    window = adjudicator.window
    for number in range(1, 101):
        decide(adjudicator, number, number - 1, (b"k%d" % number, E))
        applied(adjudicator, number)
    assert len(window) == 10
    assert (window.early, window.forgotten, window.floor) == (90, 0, 0)
    for number in range(2, 101):
        assert decide(adjudicator, 200, number - 1, (b"k%d" % number, N)) == Aborted(
            Reason.CONFLICT, b"k%d" % number
        )


def test_without_a_blurred_tier_the_floor_rises_and_is_counted() -> None:
    adjudicator = alone(exact_keys=10, slots=0)
    window = adjudicator.window
    for number in range(1, 101):
        decide(adjudicator, number, number - 1, (b"k%d" % number, E))
        applied(adjudicator, number)
    assert (window.floor, window.forgotten) == (90, 90)
    assert decide(adjudicator, 200, 89, (b"new", E)) == Aborted(Reason.TOO_OLD, b"")
    assert isinstance(decide(adjudicator, 200, 90, (b"new", E)), Committed)


def test_the_floor_never_passes_what_is_applied() -> None:
    adjudicator = alone(exact_keys=0, slots=0)
    window = adjudicator.window
    for number in range(1, 11):
        decide(adjudicator, number, 0, (b"k%d" % number, E))
    applied(adjudicator, 4)
    assert (window.floor, len(window)) == (4, 6)
    with pytest.raises(Broken, match="A6"):
        window.raise_floor(3)


def test_old_commits_leave_the_exact_tier_a_few_at_a_time() -> None:
    adjudicator = alone()
    window = adjudicator.window = Window(exact_ns=60 * SECOND)
    for number in range(1, 1001):
        decide(adjudicator, number, 0, (b"k%d" % number, E))
    applied(adjudicator, 1000)
    assert len(window) == 1000
    decide(adjudicator, 100 * SECOND, 0, (b"new", E))
    applied(adjudicator, 100 * SECOND)
    assert 900 < len(window) < 1001
    for _ in range(20):
        applied(adjudicator, 100 * SECOND)
    assert len(window) == 1
    assert window.early == 0


def test_a_key_that_was_touched_again_stays_exact() -> None:
    adjudicator = alone(exact_keys=1, slots=0)
    window = adjudicator.window
    decide(adjudicator, 1, 0, (b"k", E))
    decide(adjudicator, 2, 1, (b"k", E))
    applied(adjudicator, 2)
    assert window.floor == 1
    assert decide(adjudicator, 3, 1, (b"k", E)) == Aborted(Reason.CONFLICT, b"k")


def test_what_was_committed_later_elsewhere_is_not_forgotten_for_what_commits_now() -> None:
    """Two KEY SHARE locks: the owner's own commit lies below the one that it learned."""
    adjudicator = alone()
    adjudicator.window.record([], [Lock(b"k", K)], 500)
    assert judged(adjudicator, asked(5, locks=((b"k", K),)), 400) == Committed(400)
    assert decide(adjudicator, 600, 450, (b"k", E)) == Aborted(Reason.CONFLICT, b"k")


def test_keys_that_are_not_owned_are_refused() -> None:
    adjudicator = alone()
    adjudicator.ranges.remove(b"m", b"p")
    assert decide(adjudicator, 10, 5, (b"a", E), (b"x", E)) == Committed(10)
    assert decide(adjudicator, 20, 15, (b"a", E), (b"n", E)) == Aborted(Reason.MOVED, b"n")
    guarded = CommitRequest(b"g" * 16, 15, [], [Lock(b"a", E)], [], [b"o"])
    assert judged(adjudicator, guarded, 20) == Aborted(Reason.MOVED, b"o")
    checked = CommitRequest(b"c" * 16, 15, [], [Lock(b"a", E)], [b"m"], [])
    assert judged(adjudicator, checked, 20) == Aborted(Reason.MOVED, b"m")


def test_floors_and_times_are_those_of_the_ranges_touched() -> None:
    adjudicator = alone()
    adjudicator.ranges.remove(b"m", b"\xff\xff")
    adjudicator.ranges.add(b"m", b"\xff\xff", 300, 200)
    assert adjudicator.ranges.whole is None
    assert decide(adjudicator, 10, 5, (b"a", E)) == Committed(10)
    assert decide(adjudicator, 20, 199, (b"a", N), (b"n", E)) == Aborted(Reason.TOO_OLD, b"")
    assert decide(adjudicator, 20, 200, (b"a", N), (b"n", E)) == Committed(301)


def promised(adjudicator: Adjudicator, *touches: tuple[bytes, int], upto: int) -> Candidate:
    candidate = Candidate(b"p" * 16, 1, 7, 1)
    prepare = Prepare(candidate, 5, 9, (0, 7), [Lock(*touch) for touch in touches])
    adjudicator.promises.add(prepare, upto)
    return candidate


def test_a_promise_in_doubt_blocks_who_began_before_its_end() -> None:
    adjudicator = alone()
    candidate = promised(adjudicator, (b"k", E), (b"version", E), upto=100)
    assert decide(adjudicator, 50, 40, (b"k", N)) == Aborted(Reason.BUSY, b"k")
    assert decide(adjudicator, 50, 40, (b"other", N)) == Committed(50)
    request = CommitRequest(b"c" * 16, 40, [Write(b"x", b"row", E)], [], checks=[b"version"])
    assert judged(adjudicator, request, 60) == Aborted(Reason.BUSY, b"version")
    assert decide(adjudicator, 110, 100, (b"k", N)) == Committed(110)
    adjudicator.promises.end(candidate)
    assert decide(adjudicator, 120, 110, (b"k", N)) == Committed(120)


def test_an_owner_that_was_superseded_decides_nothing() -> None:
    adjudicator = alone(settings=Settings())
    adjudicator.is_stopped = True
    assert decide(adjudicator, 10, 5, (b"k", E)) == Aborted(Reason.BUSY, b"")
    assert adjudicator.appender.next() is None


def test_a_lone_owner_needs_no_reservation_and_appends_nothing_by_itself() -> None:
    adjudicator = alone(last_ts=5)
    effects = adjudicator.tick(10**12)
    assert adjudicator.appender.next() is None
    assert [type(effect).__name__ for effect in effects] == ["Announce"]
    assert decide(adjudicator, 10**12, 5, (b"k", E)) == Committed(10**12)
    sealed = adjudicator.appender.next()
    assert sealed is not None
    assert (sealed.position, sealed.first_ts, adjudicator.appender.next()) == (1, 10**12, None)


def test_commits_of_a_round_are_one_record_up_to_its_bytes() -> None:
    adjudicator = alone()
    for number in range(5):
        adjudicator.decide(asked(number, (b"k%d" % number, E)), 10, size=10 << 20)
    records = []
    while adjudicator.appender.next() is not None:
        records.append(len(adjudicator.appender.newest.record.commits))
    assert records == [3]
    assert adjudicator.appender.oldest_pending == 10


# --- who won


def committed(window: Window, txid: bytes, commit_ts: int, *touches: tuple[bytes, int]) -> None:
    window.record([], [Lock(*each) for each in touches], commit_ts, txid)


def test_a_refusal_names_the_last_one_that_conflicts() -> None:
    adjudicator = alone()
    committed(adjudicator.window, b"first", 10, (b"k", E))
    committed(adjudicator.window, b"second", 20, (b"k", N), (b"l", N))
    committed(adjudicator.window, b"third", 30, (b"k", K))
    refused = {lock: adjudicator.decide(asked(5, (b"k", lock)), 40) for lock in (K, N, E)}
    assert refused[K] == Aborted(Reason.CONFLICT, b"k", b"first", 10)
    assert refused[N] == Aborted(Reason.CONFLICT, b"k", b"second", 20)
    assert refused[E] == Aborted(Reason.CONFLICT, b"k", b"third", 30)


def test_a_check_and_a_guard_name_who_wrote() -> None:
    adjudicator = alone()
    committed(adjudicator.window, b"writer", 10, (b"k", E))
    by_check = CommitRequest(b"t" * 16, 5, [], [], [b"k"])
    by_guard = CommitRequest(b"t" * 16, 5, [], [], [], [b"k"])
    assert adjudicator.decide(by_check, 40) == Aborted(Reason.SCHEMA, b"k", b"writer", 10)
    assert adjudicator.decide(by_guard, 40) == Aborted(Reason.CONFLICT, b"k", b"writer", 10)


def test_a_winner_of_the_same_time_on_another_key_is_not_taken_for_it() -> None:
    """Two owners may give out the same time."""
    window = Window()
    committed(window, b"new", 50, (b"n", N))
    committed(window, b"late a", 20, (b"a", N))
    committed(window, b"late b", 20, (b"b", N))
    assert window.winner(b"a", N, 5) == (b"late a", 20)
    assert window.winner(b"b", N, 5) == (b"late b", 20)
    assert window.winner(b"n", N, 5) == (b"new", 50)


def test_who_left_the_exact_tier_is_not_named() -> None:
    adjudicator = alone(exact_keys=0, slots=64)
    committed(adjudicator.window, b"old", 10, (b"k", N))
    applied(adjudicator, 10)
    assert adjudicator.decide(asked(5, (b"k", N)), 40) == Aborted(Reason.CONFLICT, b"k")
