"""Disk full: 53100 before the append, never a false answer after it (DESIGN §8)."""

import errno

import pytest

from journal.journal import FlushFailed
from server.errors import PgError
from server.runtime import committer
from server.runtime.node import Node, Space
from server.runtime.waiting import outcome
from storage.replica import NoSpace
from tests.nodes import Failures, read, run, submit, until, write

MIB = 1 << 20


async def _fill_until_refused(node: Node) -> tuple[int, PgError]:
    for number in range(10_000):
        try:
            await write(node, {f"k{number}": b"x" * 20_000})
        except PgError as error:
            return number, error
    raise AssertionError("never refused")


@pytest.mark.parametrize("full", ["journal", "storage"])
def test_writes_are_refused_while_the_reserve_is_whole(tmp_path, full):
    maps = {"journal_map": 64 * MIB, "storage_map": 64 * MIB, f"{full}_map": 8 * MIB}

    async def work(node: Node) -> int:
        written, error = await _fill_until_refused(node)
        assert error.sqlstate == "53100"
        assert error.severity == "ERROR"
        assert node.versions.applied_position == node.journal.tail.position
        assert read(node, "k0") == b"x" * 20_000
        with pytest.raises(PgError, match="size limit"):
            await write(node, {"another": b"1"})
        return written

    written = run(tmp_path, work, space=Space(**maps, reserve=2 * MIB))
    assert written > 50

    async def after(node: Node) -> None:
        assert read(node, f"k{written - 1}") is not None
        assert read(node, f"k{written}") is None
        await write(node, {"another": b"1"})

    run(tmp_path, after, space=Space(journal_map=128 * MIB, storage_map=128 * MIB, reserve=2 * MIB))


def test_what_is_durable_waits_for_space_and_is_applied(tmp_path, monkeypatch):
    monkeypatch.setattr(committer, "APPLY_RETRY_S", 0.001)
    failing = [NoSpace("full"), OSError(errno.ENOSPC, "full"), NoSpace("full")]

    async def work(node: Node) -> None:
        apply = node.versions.apply

        def refuse(*arguments: object) -> None:
            if failing:
                raise failing.pop()
            apply(*arguments)

        monkeypatch.setattr(node.versions, "apply", refuse)
        before = node.start_ts()
        wait = submit(node, {"a": b"1"})
        await until(lambda: node.committer.is_waiting_for_space)
        assert node.start_ts() == before
        assert read(node, "a") is None
        assert not wait.done
        with pytest.raises(PgError, match="size limit"):
            await write(node, {"b": b"1"})
        assert await outcome(wait) == node.start_ts() > before
        assert read(node, "a") == b"1"
        await write(node, {"b": b"1"})

    run(tmp_path, work)


def test_who_waits_too_long_loses_the_connection(tmp_path, monkeypatch):
    """The commit is durable: nobody may be told that it failed. It is there after a restart with space."""
    monkeypatch.setattr(committer, "APPLY_RETRY_S", 0.001)

    async def work(node: Node) -> None:
        monkeypatch.setattr(node.versions, "apply", _no_space)
        with pytest.raises(PgError) as raised:
            await write(node, {"a": b"1"})
        assert (raised.value.severity, raised.value.sqlstate) == ("FATAL", "XX000")
        assert read(node, "a") is None

    async def after(node: Node) -> None:
        assert read(node, "a") == b"1"

    run(tmp_path, work, killed=True, space=Space(apply_give_up_s=0.0))
    monkeypatch.undo()
    run(tmp_path, after)


def _no_space(*_: object) -> None:
    raise NoSpace("full")


def test_a_storage_map_that_is_really_full(tmp_path, monkeypatch):
    """Without a reserve, LMDB itself says no, and the record is in the replica wholly or not at all."""
    monkeypatch.setattr(committer, "APPLY_RETRY_S", 0.001)

    async def work(node: Node) -> int:
        number, error = await _fill_until_refused(node)
        assert error.severity == "FATAL"
        assert node.versions.applied_position == node.journal.tail.position - 1
        return number

    number = run(
        tmp_path, work, killed=True, space=Space(storage_map=2 * MIB, reserve=0, apply_give_up_s=0.0)
    )

    async def after(node: Node) -> bytes | None:
        return read(node, f"k{number}")

    assert run(tmp_path, after) == b"x" * 20_000


@pytest.mark.parametrize("call", ["append", "sync"])
def test_a_failed_flush_ends_the_node_and_answers_nobody(tmp_path, monkeypatch, call):
    failures = Failures()

    async def work(node: Node) -> None:
        def fail(*_: object) -> None:
            raise FlushFailed("disk error")

        monkeypatch.setattr(node.journal, call, fail)
        first, second = submit(node, {"a": b"1"}), submit(node, {"b": b"1"})
        await until(lambda: failures)
        third = submit(node, {"c": b"1"})
        await until(lambda: node.committer.stopped)
        assert not (first.done or second.done or third.done)

    run(tmp_path, work, failures)
    assert [type(each) for each in failures] == [FlushFailed]
