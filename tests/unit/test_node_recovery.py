"""Opening a data directory: what the replica and the snapshots must fit, and what is refused."""

import shutil

import pytest

from journal.journal import Damaged
from journal.lmdb_log import LmdbLog
from server.runtime.node import InUse, Node
from server.runtime.snapshots import SnapshotSettings
from server.runtime.stores import Stores, Unrecoverable, snapshot_positions
from server.runtime.waiting import outcome
from storage import lmdb_engine
from storage.lmdb_engine import Trust
from tests.nodes import Clock, flip, key, read, run, write


async def _three(node: Node) -> None:
    for number in range(3):
        await write(node, {"a": b"%d" % number, f"k{number}": b"v"})


async def _read_a(node: Node) -> bytes | None:
    return read(node, "a")


def _stores(data) -> Stores:
    return Stores.open(data, clock=Clock())


def test_what_was_committed_is_there_after_a_clean_stop(tmp_path):
    run(tmp_path, _three)
    stores = _stores(tmp_path)
    assert (stores.replayed, stores.rebuilt_from) == (0, None)
    stores.close()
    assert run(tmp_path, _read_a) == b"2"


def test_a_killed_node_goes_on_where_storage_was(tmp_path):
    run(tmp_path, _three, killed=True)
    stores = _stores(tmp_path)
    assert stores.rebuilt_from is None
    stores.close()
    assert run(tmp_path, _read_a) == b"2"


def test_storage_behind_the_journal_replays(tmp_path):
    run(tmp_path, _three)
    shutil.copytree(tmp_path / "storage", tmp_path / "old")
    run(tmp_path, _three)
    shutil.rmtree(tmp_path / "storage")
    (tmp_path / "old").rename(tmp_path / "storage")
    stores = _stores(tmp_path)
    assert stores.rebuilt_from is None
    assert stores.replayed == 4, "a claim and three commits"
    stores.close()


def test_storage_lost_is_made_again_from_the_journal(tmp_path):
    run(tmp_path, _three)
    shutil.rmtree(tmp_path / "storage")
    stores = _stores(tmp_path)
    assert (stores.rebuilt_from, stores.replayed) == (0, stores.journal.tail.position)
    stores.close()
    assert run(tmp_path, _read_a) == b"2"


def test_storage_of_another_boot_that_was_not_synced_is_made_again(tmp_path):
    run(tmp_path, _three)
    lmdb_engine.write_trust(tmp_path / "storage", Trust(lmdb_engine.FORMAT, "another boot", False))
    stores = _stores(tmp_path)
    assert stores.rebuilt_from == 0
    stores.close()
    assert run(tmp_path, _read_a) == b"2"


def test_storage_that_lmdb_cannot_open_is_made_again(tmp_path):
    run(tmp_path, _three)
    (tmp_path / "storage" / "data.mdb").write_bytes(b"\1" * 16384)
    stores = _stores(tmp_path)
    assert stores.rebuilt_from == 0
    stores.close()


def test_storage_ahead_of_the_journal_is_refused(tmp_path):
    run(tmp_path, _three)
    shutil.copytree(tmp_path / "journal", tmp_path / "old")
    run(tmp_path, _three)
    shutil.rmtree(tmp_path / "journal")
    (tmp_path / "old").rename(tmp_path / "journal")
    with pytest.raises(Unrecoverable, match="acknowledged commits are missing"):
        _stores(tmp_path)
    _stores_can_be_locked_again(tmp_path)


def _stores_can_be_locked_again(data) -> None:
    with pytest.raises(Unrecoverable):
        _stores(data)


def test_storage_of_another_journal_is_made_again(tmp_path):
    run(tmp_path / "one", _three)
    run(tmp_path / "two", _three)
    shutil.rmtree(tmp_path / "one" / "storage")
    shutil.move(tmp_path / "two" / "storage", tmp_path / "one" / "storage")
    stores = _stores(tmp_path / "one")
    assert stores.rebuilt_from == 0
    stores.close()


async def _cut(node: Node) -> None:
    await outcome(node.snapshots.request())


def _with_two_snapshots(data) -> None:
    async def work(node: Node) -> None:
        await _three(node)
        await _cut(node)
        await write(node, {"b": b"1"})
        await _cut(node)
        await write(node, {"c": b"1"})

    run(data, work)


def test_storage_lost_is_made_again_from_the_newest_snapshot(tmp_path):
    _with_two_snapshots(tmp_path)
    newest, older = snapshot_positions(tmp_path / "snapshots")
    shutil.rmtree(tmp_path / "storage")
    stores = _stores(tmp_path)
    assert stores.journal.first == older + 1
    assert stores.rebuilt_from == newest
    assert stores.replayed == stores.journal.tail.position - newest
    stores.close()

    async def work(node: Node) -> list[bytes | None]:
        return [read(node, name) for name in ("a", "b", "c", "k0", "k1", "k2")]

    assert run(tmp_path, work) == [b"2", b"1", b"1", b"v", b"v", b"v"]


def test_storage_of_another_journal_that_ends_where_this_one_is_trimmed(tmp_path):
    async def four(node: Node) -> None:
        await _three(node)
        await write(node, {"d": b"1"})

    run(tmp_path / "two", four)
    _with_two_snapshots(tmp_path / "one")
    newest, older = snapshot_positions(tmp_path / "one" / "snapshots")
    shutil.rmtree(tmp_path / "one" / "storage")
    shutil.move(tmp_path / "two" / "storage", tmp_path / "one" / "storage")
    stores = _stores(tmp_path / "one")
    assert stores.journal.anchor.position == older == 6, "where the other storage ends too"
    assert stores.rebuilt_from == newest
    stores.close()


def test_a_damaged_snapshot_is_passed_over(tmp_path):
    _with_two_snapshots(tmp_path)
    newest, older = snapshot_positions(tmp_path / "snapshots")
    path = tmp_path / "snapshots" / f"{newest:020}.snapshot"
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)
    shutil.rmtree(tmp_path / "storage")
    stores = _stores(tmp_path)
    assert stores.rebuilt_from == older
    stores.close()

    async def work(node: Node) -> bytes | None:
        return read(node, "b")

    assert run(tmp_path, work) == b"1"


def test_without_a_snapshot_a_trimmed_journal_does_not_give_storage_back(tmp_path):
    _with_two_snapshots(tmp_path)
    shutil.rmtree(tmp_path / "storage")
    shutil.rmtree(tmp_path / "snapshots")
    with pytest.raises(Unrecoverable, match="no whole snapshot"):
        _stores(tmp_path)


def test_a_second_process_is_refused(tmp_path):
    stores = _stores(tmp_path)
    with pytest.raises(InUse):
        _stores(tmp_path)
    stores.close()
    _stores(tmp_path).close()


def test_a_flipped_bit_in_the_last_record_is_found(tmp_path):
    run(tmp_path, _three)
    flip(tmp_path, position=5, byte=20)
    with pytest.raises(Damaged):
        _stores(tmp_path)


def test_restarted_servers_refuse_nobody(tmp_path):
    """A transaction that begins at once begins at the floor, and equality is safe (DESIGN §4)."""
    run(tmp_path, _three)

    async def work(node: Node) -> None:
        assert node.committer.adjudicator.floor == node.start_ts()
        await write(node, {"a": b"again"})
        assert read(node, "k0") == b"v"

    run(tmp_path, work)


def test_an_idle_server_refuses_nobody(tmp_path):
    """An hour later nothing that a transaction needs is below a floor or a horizon (DESIGN §4)."""
    clock = Clock()

    async def work(node: Node) -> None:
        await _three(node)
        clock.now += 3600 * 10**9
        begun = node.start_ts()
        assert read(node, "a") == b"2"
        await write(node, {"other": b"1"}, begun)
        assert node.versions.get(key("a"), begun) == b"2"
        await write(node, {"mine": b"1"}, begun)

    run(tmp_path, work, clock=clock)


def test_the_claim_raises_the_epoch(tmp_path):
    async def work(node: Node) -> int:
        return node.epoch

    assert [run(tmp_path, work) for _ in range(3)] == [1, 2, 3]


def test_keep_journal_never_trims(tmp_path):
    async def work(node: Node) -> None:
        for number in range(4):
            await write(node, {"a": b"%d" % number})
            await _cut(node)

    run(tmp_path, work, snapshots=SnapshotSettings(keep_journal=True))
    journal = LmdbLog.open(tmp_path / "journal")
    assert journal.first == 1
    journal.close()
    assert len(snapshot_positions(tmp_path / "snapshots")) == 2
