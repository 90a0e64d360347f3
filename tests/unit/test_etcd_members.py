"""Which member of an etcd cluster is asked, and for how long."""

import pytest

from journal.etcd_members import Attempts, Endpoints


def test_another_member_is_asked_while_one_rests():
    endpoints = Endpoints(3)
    assert endpoints.pick(0.0) == 0
    endpoints.failed(0, 10.0)
    assert endpoints.pick(10.5) == 1
    endpoints.failed(1, 10.5)
    endpoints.failed(2, 11.0)
    assert endpoints.pick(11.5) == 0, "the one that rested longest"
    assert endpoints.pick(12.6) == 0
    endpoints.failed(0, 12.6)
    endpoints.answered(1)
    assert endpoints.pick(12.7) == 1


def test_an_attempt_ends_after_a_few_times_what_answers_take():
    attempts = Attempts(2.0)
    assert attempts.limit(100) == 2.0, "nothing is known yet"
    attempts.answered(0.02)
    assert attempts.limit(0) == Attempts.LEAST_S
    assert attempts.limit(1 << 20) == Attempts.LEAST_S + 1, "a large request takes longer"
    attempts.answered(0.3)
    assert attempts.limit(0) == pytest.approx(1.2)
    for _ in range(100):
        attempts.answered(0.02)
    assert attempts.limit(0) == Attempts.LEAST_S


def test_when_one_after_the_other_is_lost_each_is_given_more():
    attempts = Attempts(2.0)
    attempts.answered(0.02)
    for _ in range(Attempts.ENOUGH):
        attempts.lost()
    assert attempts.limit(0) == Attempts.LEAST_S, "an election is over in that time"
    attempts.lost()
    assert attempts.limit(0) == 2 * Attempts.LEAST_S
    for _ in range(100):
        attempts.lost()
    assert attempts.limit(0) == 2.0
    attempts.answered(0.02)
    assert attempts.limit(0) == Attempts.LEAST_S


def test_whoever_wants_less_gets_less():
    attempts = Attempts(0.1)
    attempts.answered(0.02)
    assert attempts.limit(0) == 0.1
