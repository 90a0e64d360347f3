"""The adjudicator against a plain list of everything that ever committed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from adjudicator.messages import Aborted, CommitRequest, Committed, Reason
from journal.audit import audit
from journal.encoding import NO_HASH, decode, seal
from journal.journal import Entry
from journal.record import Commit, Header, Lock, LockClass, Record, Write
from tests.owners import alone, applied, read

CONFLICTS = {
    frozenset({LockClass.KEY_SHARE, LockClass.EXCLUSIVE}),
    frozenset({LockClass.NON_KEY}),
    frozenset({LockClass.NON_KEY, LockClass.EXCLUSIVE}),
    frozenset({LockClass.EXCLUSIVE}),
}

keys = st.sampled_from([b"a", b"b", b"c", b"d", b"e"])
touches = st.lists(st.tuples(keys, st.sampled_from(LockClass)), max_size=4, unique_by=lambda touch: touch[0])
transactions = st.tuples(
    touches,
    touches,
    st.lists(keys, max_size=1),
    st.lists(keys, max_size=1),
    st.integers(0, 12),
    st.integers(0, 6),
    st.integers(0, 3),
)


def touched(commit: Commit) -> list[tuple[bytes, int]]:
    return [(touch.key, touch.lock) for touch in (*commit.writes, *commit.locks)]


def expected(request: CommitRequest, history: list[Commit]) -> Reason | None:
    """What snapshot isolation says, from first principles."""
    later = [pair for commit in history if commit.commit_ts > request.start_ts for pair in touched(commit)]
    changed = {key for key, lock in later if lock >= LockClass.NON_KEY}
    if changed & set(request.checks):
        return Reason.SCHEMA
    if changed & set(request.guards):
        return Reason.CONFLICT
    mine = [(touch.key, touch.lock) for touch in (*request.writes, *request.locks)]
    for key, lock in mine:
        if any(other == key and frozenset({lock, theirs}) in CONFLICTS for other, theirs in later):
            return Reason.CONFLICT
    return None


@settings(max_examples=300, deadline=None)
@given(st.lists(transactions, max_size=30), st.sampled_from([0, 1, 5, 100]), st.sampled_from([0, 1, 2, 4096]))
def test_verdicts_are_those_of_snapshot_isolation(
    script: list[tuple[list, list, list, list, int, int, int]],  # type: ignore[type-arg]
    exact_keys: int,
    slots: int,
) -> None:
    """Every commit is allowed; every abort has a cause, unless memory was too small to remember exactly."""
    adjudicator = alone(exact_keys=exact_keys, slots=slots)
    window = adjudicator.window
    history: list[Commit] = []
    entries: list[Entry] = []
    now = 20
    for number, (writes, locks, checks, guards, age, step, ages) in enumerate(script):
        now += step
        start_ts = max(0, now - age)
        request = CommitRequest(
            number.to_bytes(16, "big"),
            start_ts,
            [Write(key, b"", lock) for key, lock in writes],
            [Lock(key, lock) for key, lock in locks],
            checks,
            guards,
        )
        floor = window.floor
        verdict = adjudicator.decide(request, now)
        should = expected(request, history)
        if isinstance(verdict, Committed):
            assert should is None
            assert start_ts >= floor
            previous = entries[-1].hash if entries else NO_HASH
            commit = Commit(request.txid, start_ts, verdict.commit_ts, request.writes, request.locks)
            history.append(commit)
            header = Header(
                number + 1 if not entries else entries[-1].record.header.position + 1, 1, previous
            )
            entries.append(Entry(*decode(seal(Record(header, "commits", bytes(16), "o", [commit])).data)))
        elif verdict.reason == Reason.TOO_OLD:
            assert start_ts < floor <= (history[-1].commit_ts if history else 0)
        elif window.blurred_upto <= start_ts or slots == 4096:
            assert should == verdict.reason
        else:
            assert isinstance(verdict, Aborted)
        if ages and history:
            applied(adjudicator, history[-1].commit_ts)
    assert audit(entries).findings == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(touches, st.integers(0, 8)), max_size=20), touches, st.integers(0, 30))
def test_recovery_from_the_journal_decides_like_the_one_that_stopped(
    script: list[tuple[list, int]],  # type: ignore[type-arg]
    probe: list[tuple[bytes, int]],
    probe_start: int,
) -> None:
    before, after = alone(), alone(last_ts=20)
    commits: list[Commit] = []
    for number, (writes, age) in enumerate(script):
        request = CommitRequest(
            bytes(16), max(0, number - age), [Write(k, b"", lock) for k, lock in writes], []
        )
        verdict = before.decide(request, number)
        if isinstance(verdict, Committed):
            commits.append(Commit(request.txid, request.start_ts, verdict.commit_ts, request.writes, []))
    if commits:
        read(after, *commits)
    request = CommitRequest(bytes(16), probe_start, [Write(key, b"", lock) for key, lock in probe], [])
    assert before.decide(request, 99) == after.decide(request, 99)
