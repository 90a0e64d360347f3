"""Snapshots of a region's replica: files from which it, an owner, or the other region begins (DESIGN §7, AR §3.10).

    data/snapshots/<number>.snapshot     journal.snapshot's file; number = records of all journals up to its mark

The first item has the empty key, which no row has: the crossbar's mark, and the time up to which the rows are complete.
A region's replica has no position of one journal; so `position` in the head is the number, which orders the files.
Whoever loads the rows and reads on at the mark has everything; an owner that reads on at the mark knows of every
commit above the time.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import msgspec

from journal.crossbar import Mark
from journal.encoding import NO_HASH
from journal.record import Key, Position, Timestamp
from journal.snapshot import (
    KEPT,
    Head,
    Item,
    Snapshot,
    SnapshotDamaged,
    SnapshotWriter,
    read_snapshot,
    verify_snapshot,
)
from storage.mvcc import END
from storage.replica import Replica, StoredRows
from storage.shard import Row, Step

PLACE: bytes = b""
"""The key of the first item."""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a snapshot stands among the journals."""

    complete: Timestamp
    mark: Mark


class Found(NamedTuple):
    """A snapshot file, whole when it got its name."""

    path: Path
    place: Place


pack = msgspec.msgpack.Encoder().encode
"""A `Place` as the value of a snapshot's first item."""
_unpack = msgspec.msgpack.Decoder(Place).decode


def number_of(mark: Mark) -> Position:
    """Records of all journals up to `mark`."""
    return sum(position for _journal, position in mark.positions)


def begin(
    directory: Path, replica: Replica, place: Place, now: Timestamp, lo: Key = b"", hi: Key = END
) -> tuple[SnapshotWriter, Iterator[Item]]:
    """A writer, and what it has to be given: the rows of [lo, hi); `place` is where the replica stands now.

    Raises OSError.
    """
    head = Head(number_of(place.mark), 0, NO_HASH, place.complete, place.complete, now)
    first: Item = (PLACE, place.complete, pack(place))
    return SnapshotWriter(directory, head), chain([first], replica.snapshot_items(lo=lo, hi=hi))


def listed(directory: Path) -> list[Found]:
    """Those that can be read, newest first; of each only the beginning is read."""
    found = []
    for path in sorted(directory.glob("*.snapshot"), reverse=True):
        try:
            found.append(Found(path, _place(read_snapshot(path)[1])))
        except SnapshotDamaged:
            continue
    return found


def prune(directory: Path) -> list[Found]:
    """Remove all but the two newest whole ones; those, newest first. Reads each file in full: long work."""
    kept: list[Found] = []
    for each in listed(directory):
        if len(kept) == KEPT or not is_whole(each.path):
            each.path.unlink()
        else:
            kept.append(each)
    for path in directory.glob("*.writing"):
        path.unlink()
    return kept


def is_whole(path: Path) -> bool:
    """Whether every byte is there: long work."""
    try:
        verify_snapshot(path)
    except SnapshotDamaged:
        return False
    return True


def load(path: Path, replica: Replica, extra: bytes | None = None) -> None:
    """Fill an empty replica, and what it keeps beside the rows: long work. Raises `SnapshotDamaged`, OSError."""
    _head, items = read_snapshot(path)
    place = _place(items)
    StoredRows(replica).load(_rows(items), Step(place.complete, place.mark, 0, extra))


def _place(items: Iterator[Item]) -> Place:
    for key, _ts, value in items:
        if key != PLACE or value is None:
            break
        try:
            return _unpack(value)
        except msgspec.DecodeError as error:
            raise SnapshotDamaged(str(error)) from error
    raise SnapshotDamaged("it does not say where it stands")


def _rows(items: Iterator[Item]) -> Iterator[Row]:
    for key, commit_ts, row in items:
        if row is None:
            raise SnapshotDamaged("a row without a value")
        yield key, commit_ts, row


__all__ = [
    "Found",
    "Place",
    "Snapshot",
    "begin",
    "is_whole",
    "listed",
    "load",
    "number_of",
    "pack",
    "prune",
]
