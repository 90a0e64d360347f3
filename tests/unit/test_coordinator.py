"""The query processor's side of a commit: what it asks, repeats, and tells the client."""

from adjudicator.messages import Aborted, Committed, Reason
from adjudicator.protocol import Answer, Ask, Candidate, Check, Marker, Prepare, ToOwner
from journal.record import Key, Lock, LockClass, Write
from server.session.coordinator import Coordinator, Patience, Unknown, WriteSet

E = LockClass.EXCLUSIVE
PATIENCE = Patience(answer=100, backoff=10, attempts=3, unknown=1000)


class Halves:
    """Journal 1 decides below b"m", journal 2 above."""

    epochs = {1: 4, 2: 5}  # noqa: RUF012

    def journal_of(self, key: Key) -> int:
        return 1 if key < b"m" else 2

    def journals_of(self, lo: Key, hi: Key) -> list[int]:
        return [1, 2]

    def epoch_of(self, journal: int) -> int:
        return self.epochs[journal]


def coordinator(*keys: bytes, **more: list) -> Coordinator:  # type: ignore[type-arg]
    writes = [Write(key, b"v", E) for key in keys]
    return Coordinator(9, WriteSet(bytes(16), 50, writes, **more), Halves(), PATIENCE)


def candidate(attempt: int, journal: int = 1) -> Candidate:
    return Candidate(bytes(16), attempt, journal, Halves.epochs[journal])


def prepares(effects: list[ToOwner]) -> dict[int, Prepare]:
    found = {}
    for effect in effects:
        assert isinstance(effect.message, Prepare)
        assert effect.epoch == Halves.epochs[effect.journal]
        found[effect.journal] = effect.message
    return found


def test_each_owner_gets_its_keys_and_the_decider_everything() -> None:
    lock = Lock(b"y", LockClass.KEY_SHARE)
    asked = prepares(coordinator(b"a", b"b", b"x", locks=[lock], checks=[Check(b"t", b"x")]).begin(100))
    assert [touch.key for touch in asked[1].touches] == [b"a", b"b"]
    assert [touch.key for touch in asked[2].touches] == [b"x", b"y"]
    assert (asked[1].checks, asked[2].checks) == ([], [Check(b"t", b"x")])
    decider = asked[1].candidate.journal
    assert [len(asked[journal].writes) for journal in (1, 2)] == [3 * (j == decider) for j in (1, 2)]
    assert asked[decider].locks == [lock]
    assert asked[1].candidate == asked[2].candidate == candidate(1, decider)
    assert asked[1].participants == (1, 2)


def test_a_schema_change_asks_every_owner_of_the_table() -> None:
    asked = prepares(coordinator(b"a", markers=[Marker(b"t", b"a", b"z")]).begin(100))
    assert sorted(asked) == [1, 2]


def test_the_client_is_told_when_the_clock_is_past_commit_ts() -> None:
    commit = coordinator(b"a")
    commit.begin(100)
    commit.answer(Answer(candidate(1), Committed(130)), 110)
    assert commit.result is None
    commit.tick(129)
    assert commit.result is None
    commit.tick(130)
    assert commit.result == Committed(130)


def test_busy_is_repeated_as_a_new_candidate_and_then_given_up() -> None:
    commit = coordinator(b"a")
    commit.begin(100)
    now = 100
    for attempt in (1, 2):
        assert commit.answer(Answer(candidate(attempt), Aborted(Reason.BUSY, b"a")), now) == []
        assert commit.result is None
        now += 60
        assert prepares(commit.tick(now))[1].candidate == candidate(attempt + 1)
    commit.answer(Answer(candidate(3), Aborted(Reason.BUSY, b"a")), now)
    assert commit.result == Aborted(Reason.CONFLICT, b"a")


def test_an_answer_to_an_earlier_candidate_means_nothing() -> None:
    commit = coordinator(b"a")
    commit.begin(100)
    commit.answer(Answer(candidate(1), Aborted(Reason.BUSY, b"a")), 100)
    commit.tick(160)
    commit.answer(Answer(candidate(1), Aborted(Reason.CONFLICT, b"a")), 160)
    assert commit.result is None


def test_silence_is_a_question_and_never_a_repetition() -> None:
    commit = coordinator(b"a")
    commit.begin(100)
    assert commit.tick(199) == []
    for now in (200, 300, 400):
        assert commit.tick(now) == [ToOwner(1, 4, Ask(candidate(1), 9, commit.write_set.start_ts))]
    commit.tick(1101)
    assert commit.result == Unknown()


def test_a_conflict_is_final() -> None:
    commit = coordinator(b"a")
    commit.begin(100)
    commit.answer(Answer(candidate(1), Aborted(Reason.CONFLICT, b"a")), 100)
    assert commit.result == Aborted(Reason.CONFLICT, b"a")
    assert commit.tick(500) == []


def test_an_owner_in_another_region_decides_though_it_has_fewer_keys() -> None:
    """It has all votes half a round trip sooner than one that is here."""

    def decider(far: set[int], *keys: bytes, **more: list) -> int:  # type: ignore[type-arg]
        writes = WriteSet(bytes(16), 50, [Write(key, b"v", E) for key in keys], **more)
        asked = Coordinator(9, writes, Halves(), PATIENCE, far.__contains__).begin(100)
        return prepares(asked)[1].candidate.journal

    assert decider(set(), b"a", b"b", b"x") == decider({1, 2}, b"a", b"b", b"x") == 1
    assert decider({2}, b"a", b"b", b"x") == 2
    assert decider({2}, b"a", markers=[Marker(b"t", b"a", b"z")]) == 1
