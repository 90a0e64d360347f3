"""The pipeline: who wins, what is durable before it is visible, and steps between two flushes."""

import pytest

from adjudicator.messages import Reason
from journal.broken import Broken
from journal.lmdb_log import LmdbLog
from journal.record import Commit
from server.errors import PgError
from server.runtime.node import Node
from server.runtime.refusals import Refusal
from server.runtime.waiting import outcome
from storage.replica import Replica
from tests.nodes import Failures, read, run, submit, until, write


def _crowd(node: Node) -> None:
    """Others have something to do meanwhile, so that flushes go to the thread."""
    node.committer._others = lambda pending, _waiting: True


@pytest.mark.parametrize("crowded", [False, True])
def test_nothing_is_visible_or_answered_before_it_is_durable(tmp_path, monkeypatch, crowded):
    async def work(node: Node) -> None:
        if crowded:
            _crowd(node)
        applied: list[tuple[int, int]] = []
        tell = node.committer._applied

        def look(commits: list[Commit]) -> None:
            applied.append((node.versions.applied_position, node.journal.durable))
            tell(commits)

        monkeypatch.setattr(node.committer, "_applied", look)
        waits = []
        for number in range(50):
            waits.append(submit(node, {f"k{number}": b"1"}))
            if number % 7 == 0:
                await outcome(waits[-1])
                assert read(node, f"k{number}") == b"1"
        times = [await outcome(wait) for wait in waits]
        assert times == sorted(times)
        assert all(position <= durable for position, durable in applied)
        assert len(applied) < 50, "commits that arrive together share a record"

    run(tmp_path, work)


@pytest.mark.parametrize("crowded", [False, True])
def test_the_first_committer_wins(tmp_path, crowded):
    async def work(node: Node) -> None:
        if crowded:
            _crowd(node)
        begun = node.start_ts()
        winner, loser = submit(node, {"a": b"1"}, begun), submit(node, {"a": b"2"}, begun)
        await outcome(winner)
        with pytest.raises(Refusal, match="OC000") as raised:
            await outcome(loser)
        assert raised.value.sqlstate == "40001"
        assert raised.value.verdict.reason is Reason.CONFLICT
        assert read(node, "a") == b"1"
        await write(node, {"a": b"3"})
        assert (node.committer.conflicts, node.journal.tail.position) == (1, 4)

    run(tmp_path, work)


def test_a_transaction_older_than_the_restart_is_refused(tmp_path):
    async def work(node: Node) -> int:
        begun = node.start_ts()
        await write(node, {"a": b"1"})
        return begun

    begun = run(tmp_path, work)

    async def after(node: Node) -> None:
        with pytest.raises(PgError, match="OC000"):
            await write(node, {"b": b"1"}, begun)

    run(tmp_path, after)


def test_steps_take_their_turn_between_flushes(tmp_path):
    """Also a step that changes nothing must not make an unflushed group count as durable."""

    async def work(node: Node) -> None:
        _crowd(node)
        waits = []
        for number in range(20):
            waits.append(submit(node, {f"k{number}": b"1"}))
            step = node.committer.between(lambda: node.journal.trim(0))
            assert await outcome(step) == 1
        for wait in waits:
            await outcome(wait)
        await outcome(node.committer.between(lambda: node.journal.trim(5)))
        assert node.journal.first == 6
        await write(node, {"after": b"1"})

    run(tmp_path, work)


def test_a_broken_invariant_stops_before_anybody_is_answered(tmp_path, monkeypatch):
    failures = Failures()

    async def work(node: Node) -> None:
        def breaks(*_: object) -> None:
            raise Broken("injected")

        monkeypatch.setattr(Replica, "apply", breaks)
        wait = submit(node, {"a": b"1"})
        await until(lambda: failures)
        assert not wait.done
        assert node.committer.stopped

    run(tmp_path, work, failures)
    assert [type(each) for each in failures] == [Broken]


def test_what_was_appended_is_durable_after_close(tmp_path):
    async def work(node: Node) -> None:
        _crowd(node)
        submit(node, {"a": b"1"})
        await until(lambda: node.journal.tail.position == 3)

    run(tmp_path, work)
    journal = LmdbLog.open(tmp_path / "journal")
    assert journal.tail.position == 3
    journal.close()
