"""Snapshot files: what is written is read back, what is damaged or unfinished is never taken for one."""

from pathlib import Path

import pytest

from journal.snapshot import (
    Head,
    Item,
    SnapshotDamaged,
    SnapshotWriter,
    list_snapshots,
    prune_snapshots,
    read_snapshot,
    verify_snapshot,
    write_snapshot,
)


def head(position: int) -> Head:
    return Head(position, 3, b"h" * 32, 1000 + position, 900, 5000)


ITEMS: list[Item] = [
    (b"key%04d" % number, number, b"v" * 700 if number % 7 else None) for number in range(2000)
]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = write_snapshot(tmp_path / "snapshots", head(12), iter(ITEMS))
    assert written.path.name == "00000000000000000012.snapshot"
    assert (written.head, written.items, written.size) == (head(12), 2000, written.path.stat().st_size)
    found, items = read_snapshot(written.path)
    assert found == head(12)
    assert list(items) == ITEMS
    assert written.size > 4 * (256 << 10), "several chunks"


def test_an_empty_snapshot(tmp_path: Path) -> None:
    written = write_snapshot(tmp_path, head(0), [])
    assert list(read_snapshot(written.path)[1]) == []


def test_the_writer_goes_in_steps(tmp_path: Path) -> None:
    writer = SnapshotWriter(tmp_path, head(1))
    for at in range(0, 2000, 100):
        writer.add(ITEMS[at : at + 100])
        writer.flush()
    assert writer.bytes_written > 1_000_000
    assert list_snapshots(tmp_path) == []
    writer.finish()
    assert list(read_snapshot(list_snapshots(tmp_path)[0].path)[1]) == ITEMS


def test_an_abandoned_snapshot_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> object:
        yield ITEMS[0]
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        write_snapshot(tmp_path, head(1), failing())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_every_truncation_and_every_flipped_byte_is_found(tmp_path: Path) -> None:
    path = write_snapshot(tmp_path, head(1), ITEMS[:3]).path
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at])
        with pytest.raises(SnapshotDamaged):
            verify_snapshot(path)
        if at % 7 == 0 or at < 120:
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
            with pytest.raises(SnapshotDamaged):
                verify_snapshot(path)
    path.write_bytes(whole + whole)
    with pytest.raises(SnapshotDamaged):
        verify_snapshot(path)
    path.write_bytes(whole)
    assert verify_snapshot(path).items == 3


def test_listing_is_newest_first_and_skips_what_is_damaged_or_unfinished(tmp_path: Path) -> None:
    for position in (5, 70, 600):
        write_snapshot(tmp_path, head(position), ITEMS[:10])
    unfinished = SnapshotWriter(tmp_path, head(7000))
    (tmp_path / "00000000000000000650.snapshot").write_bytes(b"")
    middle = tmp_path / "00000000000000000070.snapshot"
    middle.write_bytes(middle.read_bytes()[:-1])
    assert [snapshot.head.position for snapshot in list_snapshots(tmp_path)] == [600, 5]
    unfinished.abandon()


def test_the_two_newest_whole_ones_are_kept(tmp_path: Path) -> None:
    for position in (1, 2, 3, 4):
        write_snapshot(tmp_path, head(position), ITEMS[:10])
    (tmp_path / "00000000000000000004.snapshot").write_bytes(b"x")
    (tmp_path / "00000000000000000009.writing").write_bytes(b"x")
    assert [snapshot.head.position for snapshot in prune_snapshots(tmp_path)] == [3, 2]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["00000000000000000002.snapshot", "00000000000000000003.snapshot"]
