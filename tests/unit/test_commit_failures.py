"""A flush that fails ends the node before anybody is told anything; groups are applied in order."""

import threading

import pytest

from journal.journal import FlushFailed
from journal.lmdb_log import LmdbLog
from server.runtime.node import Node
from tests.nodes import Failures, key, read, run, submit, until, write


@pytest.mark.parametrize("call", ["append", "sync"])
@pytest.mark.parametrize("crowded", [False, True])
def test_nobody_is_answered_after_a_failed_flush(tmp_path, monkeypatch, call, crowded):
    failures = Failures()

    async def work(node: Node) -> None:
        await write(node, {"before": b"1"})
        node.open_transactions = 10 if crowded else 0

        def fails(*_: object) -> None:
            raise FlushFailed("injected")

        monkeypatch.setattr(LmdbLog, call, fails)
        waits = [submit(node, {f"k{number}": b"1"}) for number in range(3)]
        await until(lambda: failures)
        later = submit(node, {"later": b"1"})
        assert not any(wait.done for wait in [*waits, later])
        assert node.committer.stopped
        assert (read(node, "before"), read(node, "k0")) == (b"1", None)

    run(tmp_path, work, failures)
    assert [type(each) for each in failures] == [FlushFailed]
    monkeypatch.undo()

    async def after(node: Node) -> None:
        """What was appended may be there or not; it is whole, and the node goes on."""
        assert read(node, "before") == b"1"
        assert node.versions.get(key("later"), node.start_ts()) is None
        await write(node, {"after": b"1"})
        assert read(node, "after") == b"1"

    run(tmp_path, after)


def test_groups_are_applied_in_order_when_the_next_one_is_flushed_inline(tmp_path):
    """Clients may disconnect while their commits are flushed: what follows them is then flushed inline."""

    gates = {1: threading.Event(), 2: threading.Event()}

    async def work(node: Node) -> None:
        append, begin = node.journal.append, node.journal.tail.position

        def gated(record):
            gate = gates.get(record.position - begin)
            assert gate is None or gate.wait(60)
            return append(record)

        node.journal.append = gated
        node.open_transactions = 10
        first = submit(node, {"k": b"1"}, node.start_ts())
        await until(lambda: node.committer._flushing)
        second = submit(node, {"l": b"2"})
        gates[1].set()
        await until(lambda: node.committer._appended is not None and node.committer._flushing)
        assert not first.done
        node.open_transactions = 0
        third = submit(node, {"m": b"3"})
        gates[2].set()
        await until(lambda: third.done)
        assert first.result is not None and second.result is not None and third.result is not None
        assert first.result < second.result < third.result
        assert [read(node, name) for name in "klm"] == [b"1", b"2", b"3"]

    run(tmp_path, work)
