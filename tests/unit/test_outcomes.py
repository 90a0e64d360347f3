"""What an owner remembers for whoever lost an answer: bounded, and never a guess about what it forgot."""

from adjudicator.adjudicator import Settings
from adjudicator.messages import Aborted, Committed, Reason
from adjudicator.outcomes import Outcomes
from adjudicator.protocol import Answer, Ask, Candidate, ToCoordinator
from adjudicator.range_owner import RangeOwner
from tests.owners import alone


def txid(number: int) -> bytes:
    return number.to_bytes(16, "big")


def asked(owner: RangeOwner, number: int, epoch: int, start_ts: int = 5) -> list[Committed | Aborted]:
    """What it answers about a transaction of `epoch`."""
    effects = owner.ask(Ask(Candidate(txid(number), 1, 0, epoch), 9, start_ts), 10)
    answers = [effect.answer for effect in effects if isinstance(effect, ToCoordinator)]
    assert all(isinstance(answer, Answer) for answer in answers)
    return [answer.verdict for answer in answers]


def test_the_oldest_go_first_by_time_and_by_number() -> None:
    outcomes = Outcomes(3)
    for number in range(1, 4):
        outcomes.add(txid(number), number)
    outcomes.forget(2)
    assert [outcomes.get(txid(number)) for number in (1, 2, 3)] == [None, 2, 3]
    assert outcomes.gone_upto == 1
    for number in range(4, 7):
        outcomes.add(txid(number), number)
    assert (len(outcomes), outcomes.get(txid(3)), outcomes.get(txid(4))) == (3, None, 4)
    assert outcomes.gone_upto == 3


def test_what_is_unknown_is_dead_only_if_all_is_known() -> None:
    owner = alone(settings=Settings())
    owner.epoch = 3
    owner.outcomes.add(txid(1), 7)
    assert asked(owner, 1, 2) == [Committed(7)]
    assert asked(owner, 2, 2) == [Aborted(Reason.BUSY, b"")]
    owner.outcomes.skipped(6)
    assert asked(owner, 1, 2) == [Committed(7)]
    assert asked(owner, 2, 2) == [], "it may be in a record that was not read"
    assert asked(owner, 2, 2, start_ts=6) == [Aborted(Reason.BUSY, b"")], (
        "its record would lie above, and was read"
    )
    assert asked(owner, 2, 3) == [Aborted(Reason.BUSY, b"")], "of its own epoch it knows what it decided"


def test_without_memory_nothing_is_kept_or_claimed() -> None:
    outcomes = Outcomes(0)
    outcomes.add(txid(1), 1)
    assert (len(outcomes), outcomes.get(txid(1)), outcomes.gone_upto) == (0, None, 1)
