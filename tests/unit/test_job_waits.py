"""Who waits for the end of a job, and when they are told."""

import pytest

from server.catalog.descriptor import Job
from server.runtime.job_waits import JobWaits


@pytest.fixture
def stored():
    return {}


@pytest.fixture
def waits(stored):
    return JobWaits(lambda cluster, job_id: stored.get((cluster, job_id)))


def job(status):
    return Job("a", "ANALYZE", status, "", 1, "public.t", 0, 0)


def test_an_unknown_job_is_not_waited_for(waits):
    assert waits.wait_for(1, "a", is_submitted=False).value() is False


@pytest.mark.parametrize(("status", "completed"), [("completed", True), ("failed", False)])
def test_the_end_is_told_to_everybody(waits, stored, status, completed):
    stored[1, "a"] = job("processing")
    waiting = [waits.wait_for(1, "a", is_submitted=False) for _ in range(2)]
    waits.look()
    assert not any(wait.done for wait in waiting)
    stored[1, "a"] = job(status)
    waits.look()
    assert [wait.value() for wait in waiting] == [completed] * 2
    assert waits.wait_for(1, "a", is_submitted=True).value() is completed


def test_one_that_was_just_submitted_is_waited_for_before_storage_knows_it(waits, stored):
    wait = waits.wait_for(1, "a", is_submitted=True)
    waits.look()
    assert not wait.done
    stored[1, "a"] = job("submitted")
    waits.look()
    assert not wait.done
    del stored[1, "a"]  # ended, and not kept any longer
    waits.look()
    assert wait.value() is False
