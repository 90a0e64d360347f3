"""Snapshots by themselves: when one is due, what it holds, and how far the journal is trimmed."""

import pytest

from journal.journal import Trimmed
from journal.snapshot import read_snapshot
from server.runtime.node import Node
from server.runtime.snapshots import SnapshotSettings
from server.runtime.stores import snapshot_positions
from server.runtime.waiting import outcome
from storage.lmdb_engine import read_trust
from tests.nodes import key, read, run, until, write

QUICK = SnapshotSettings(every_bytes=4096, tick_s=0.001)


async def _fill(node: Node, rounds: int) -> None:
    for number in range(rounds):
        await write(node, {"a": b"%d" % number, f"k{number}": b"x" * 500})


def test_they_are_cut_after_so_many_bytes_and_two_are_kept(tmp_path):
    async def work(node: Node) -> None:
        for count in range(1, 5):
            await _fill(node, 10)
            await until(lambda count=count: node.snapshots.cut >= count)
        await until(lambda: node.journal.first > 1)
        await outcome(node.snapshots.request())

    run(tmp_path, work, snapshots=QUICK)
    assert len(snapshot_positions(tmp_path / "snapshots")) == 2


def test_they_are_cut_after_so_long_if_anything_was_committed(tmp_path):
    async def work(node: Node) -> int:
        await until(lambda: node.snapshots.cut == 1)
        await node.snapshots.stop()
        return node.snapshots.bytes_since

    settings = SnapshotSettings(every_s=0.0, tick_s=0.001)
    assert run(tmp_path, work, snapshots=settings) == 0, "nothing came after it, so there is no second one"


def test_one_holds_the_rows_of_one_moment_while_commits_go_on(tmp_path):
    async def work(node: Node) -> None:
        await _fill(node, 300)
        begun = node.start_ts()
        wait = node.snapshots.request()
        await until(lambda: list((tmp_path / "snapshots").glob("*.writing")))
        for number in range(20):
            await write(node, {f"k{number}": None, f"new{number}": b"x"})
        cut = await outcome(wait)
        head, items = read_snapshot(cut.path)
        assert head.applied_ts == begun
        rows = {name: row for name, _ts, row in items}
        expected = {key(f"k{number}"): b"x" * 500 for number in range(300)} | {key("a"): b"299"}
        assert {name: row for name, row in rows.items() if name[:8] == key("")} == expected

    run(tmp_path, work)


def test_the_journal_is_trimmed_below_the_older_one_only(tmp_path):
    async def work(node: Node) -> None:
        await _fill(node, 5)
        first = await outcome(node.snapshots.request())
        assert node.journal.first == 1, "with one snapshot nothing is trimmed"
        await _fill(node, 5)
        second = await outcome(node.snapshots.request())
        assert node.journal.first == first.head.position + 1
        await _fill(node, 5)
        await outcome(node.snapshots.request())
        assert node.journal.first == second.head.position + 1
        assert node.journal.read(1) == Trimmed(second.head.position + 1)
        assert read(node, "a") == b"4"

    run(tmp_path, work)


def test_an_older_one_that_is_damaged_does_not_count(tmp_path):
    """It is read back before the journal is trimmed below it (DESIGN §7)."""

    async def first(node: Node) -> None:
        await _fill(node, 5)
        await outcome(node.snapshots.request())

    async def second(node: Node) -> None:
        await _fill(node, 5)
        await outcome(node.snapshots.request())
        assert node.journal.first == 1

    run(tmp_path, first)
    (path,) = (tmp_path / "snapshots").glob("*.snapshot")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    run(tmp_path, second)
    assert len(snapshot_positions(tmp_path / "snapshots")) == 1


def test_one_that_cannot_be_written_is_given_up(tmp_path):
    async def work(node: Node) -> None:
        (tmp_path / "snapshots").write_bytes(b"in the way")
        with pytest.raises(OSError, match="snapshots"):
            await outcome(node.snapshots.request())
        await write(node, {"a": b"1"})
        assert node.snapshots.last_error

    run(tmp_path, work)


def test_storage_at_rest_is_flushed(tmp_path):
    """Then not even a crash of the machine makes it necessary to build it again."""

    async def work(node: Node) -> None:
        await write(node, {"a": b"1"})
        assert not read_trust(tmp_path / "storage").is_synced
        await until(lambda: read_trust(tmp_path / "storage").is_synced)

    run(tmp_path, work, killed=True, snapshots=SnapshotSettings(tick_s=0.001))


def test_in_memory_the_journal_is_trimmed_without_snapshots(tmp_path):
    async def work(node: Node) -> None:
        await _fill(node, 20)
        await until(lambda: node.journal.first > 10)
        assert read(node, "a") == b"19"

    run(tmp_path, work, memory=True, snapshots=QUICK)
    assert snapshot_positions(tmp_path / "snapshots") == []
