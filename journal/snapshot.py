"""Snapshots: the rows of a replica at one position of the journal, in one file, version 1.

File `<position, 20 digits>.snapshot` in the snapshot directory. It is a sequence of chunks; integers are
unsigned and big-endian.

    +--------+------+-------------------------------------------------------------+
    | offset | size | field of a chunk                                            |
    +--------+------+-------------------------------------------------------------+
    |      0 |    4 | n, length of the body                                       |
    |      4 |    1 | kind: H head, I items, E end                                |
    |      5 |    n | body, msgpack                                               |
    |  5 + n |   32 | BLAKE2b-256 of the hash of the chunk before (zeros before   |
    |        |      | the first), then length, kind and body                      |
    +--------+------+-------------------------------------------------------------+

    head   [format "opendsql snapshot", version, position, epoch, record hash, applied_ts, horizon, created_ns]
    items  [[key, commit_ts, value or nil], ...] in the order in which they were given
    end    [number of items]

A file is complete when it ends with an end chunk whose number is right; the chained hashes leave no way to
drop, repeat or reorder chunks. It is written under a name with the suffix `.writing`, flushed, read back, and
only then renamed; so what carries the final name was whole once, and listing checks that it still is (§7:
trimming rests on it). Times are nanoseconds since 1970: applied_ts is the newest commit_ts inside, reads
below horizon are refused.
"""

import os
import struct
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

import msgspec

from journal.broken import require
from journal.directories import flush_directory
from journal.encoding import HASH_SIZE, NO_HASH
from journal.record import Key, Position, Timestamp

VERSION = 1
KEPT = 2
"""How many snapshots are kept: the journal is trimmed only below the older one (DESIGN §7)."""
CHUNK_BYTES = 256 << 10
"""Items are collected until a chunk holds about this many bytes of keys and values."""

Item: TypeAlias = tuple[Key, Timestamp, bytes | None]

_FORMAT = "opendsql snapshot"
_PREFIX = struct.Struct(">Ic")
_MAX_CHUNK = 1 << 30


class Head(msgspec.Struct, frozen=True, array_like=True):
    """What a snapshot is of."""

    position: Position
    """Everything up to this record is in it, nothing of any later one."""
    epoch: int
    hash: bytes
    """The hash of the record at `position`."""
    applied_ts: Timestamp
    horizon: Timestamp
    created_ns: int


class Snapshot(NamedTuple):
    """A complete, verified file."""

    path: Path
    head: Head
    items: int
    size: int
    """Bytes."""


class SnapshotDamaged(Exception):
    """The file is not a complete snapshot that this program can read."""


class _FileHead(msgspec.Struct, frozen=True, array_like=True):
    format: str
    version: int
    position: int
    epoch: int
    hash: bytes
    applied_ts: int
    horizon: int
    created_ns: int


class _End(msgspec.Struct, frozen=True, array_like=True):
    items: int


_encode = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(_FileHead).decode
_decode_items = msgspec.msgpack.Decoder(list[Item]).decode
_decode_end = msgspec.msgpack.Decoder(_End).decode


class SnapshotWriter:
    """Writes one snapshot in as many steps as its caller likes, who thereby sets the rate."""

    def __init__(self, directory: Path, head: Head) -> None:
        """Begin; an unfinished file of the same position is overwritten. Raises `OSError`, as all methods."""
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / f"{head.position:020}.snapshot"
        self._writing = self._path.with_suffix(".writing")
        self._file: BinaryIO = open(self._writing, "wb")  # noqa: SIM115
        self._hash = NO_HASH
        self._pending: list[Item] = []
        self._pending_bytes = 0
        self._items = 0
        self.bytes_written = 0
        fields = (head.position, head.epoch, head.hash, head.applied_ts, head.horizon, head.created_ns)
        self._chunk(b"H", _encode(_FileHead(_FORMAT, VERSION, *fields)))

    def add(self, items: Iterable[Item]) -> None:
        """Append items."""
        for item in items:
            self._pending.append(item)
            self._items += 1
            self._pending_bytes += len(item[0]) + 16 + len(item[2] or b"")
            if self._pending_bytes >= CHUNK_BYTES:
                self._write_pending()

    def flush(self) -> None:
        """Flush the chunks written so far; called now and then it keeps `finish` short."""
        self._file.flush()
        os.fdatasync(self._file.fileno())

    def finish(self) -> Snapshot:
        """Flush, read back, rename: long work. Raises `SnapshotDamaged` when something else is read back."""
        self._write_pending()
        self._chunk(b"E", _encode(_End(self._items)))
        self._file.flush()
        os.fsync(self._file.fileno())
        os.posix_fadvise(
            self._file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED
        )  # read back the disk, not the cache
        self._file.close()
        written = verify_snapshot(self._writing)
        os.rename(self._writing, self._path)
        flush_directory(self._path.parent)
        return written._replace(path=self._path)

    def abandon(self) -> None:
        """Give up and remove what was written."""
        self._file.close()
        self._writing.unlink(missing_ok=True)

    def _write_pending(self) -> None:
        if self._pending:
            self._chunk(b"I", _encode(self._pending))
            self._pending = []
            self._pending_bytes = 0

    def _chunk(self, kind: bytes, body: bytes) -> None:
        require(len(body) < _MAX_CHUNK, "a chunk of a snapshot is shorter than 1 GiB")
        prefix = _PREFIX.pack(len(body), kind)
        self._hash = _chained(self._hash, prefix, body)
        for part in (prefix, body, self._hash):
            self._file.write(part)
            self.bytes_written += len(part)


def write_snapshot(directory: Path, head: Head, items: Iterable[Item]) -> Snapshot:
    """Write a whole snapshot in one go; raises `OSError`, `SnapshotDamaged`."""
    writer = SnapshotWriter(directory, head)
    try:
        writer.add(items)
        return writer.finish()
    except BaseException:
        writer.abandon()
        raise


def read_snapshot(path: Path) -> tuple[Head, Iterator[Item]]:
    """The head, and the items as they are read; both raise `SnapshotDamaged`."""
    chunks = _chunks(path)
    head = _head(next(chunks, (b"", b"")))

    def items() -> Iterator[Item]:
        count = 0
        for kind, body in chunks:
            try:
                if kind == b"E":
                    end = _decode_end(body)
                    break
                batch = _decode_items(body)
            except msgspec.DecodeError as error:
                raise SnapshotDamaged(str(error)) from error
            count += len(batch)
            yield from batch
        else:
            raise SnapshotDamaged("it ends too early")
        if end.items != count or next(chunks, None) is not None:
            raise SnapshotDamaged("its end does not fit")

    return head, items()


def verify_snapshot(path: Path) -> Snapshot:
    """Read the whole file; raises `SnapshotDamaged`, `OSError`."""
    head, items = read_snapshot(path)
    count = sum(1 for _ in items)
    return Snapshot(path, head, count, path.stat().st_size)


def list_snapshots(directory: Path) -> list[Snapshot]:
    """All whole snapshots, newest first; damaged ones are skipped. Reads every file in full."""
    found = []
    for path in sorted(directory.glob("*.snapshot"), reverse=True):
        try:
            found.append(verify_snapshot(path))
        except SnapshotDamaged:
            continue
    return found


def prune_snapshots(directory: Path, keep: int = KEPT) -> list[Snapshot]:
    """Remove all but the `keep` newest whole snapshots; returns those, newest first.

    Unfinished and damaged files go too, so no writer may be at work. Once there are `keep` of them, the
    journal may be trimmed up to the last one's position.
    """
    kept = list_snapshots(directory)[:keep]
    names = {snapshot.path for snapshot in kept}
    for path in (*directory.glob("*.snapshot"), *directory.glob("*.writing")):
        if path not in names:
            path.unlink()
    return kept


def _chained(before: bytes, prefix: bytes, body: bytes) -> bytes:
    digest = blake2b(before, digest_size=HASH_SIZE)
    digest.update(prefix)
    digest.update(body)
    return digest.digest()


def _chunks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    link = NO_HASH
    with open(path, "rb") as file:
        while prefix := file.read(_PREFIX.size):
            if len(prefix) < _PREFIX.size:
                raise SnapshotDamaged("a torn chunk")
            length, kind = _PREFIX.unpack(prefix)
            if length >= _MAX_CHUNK:
                raise SnapshotDamaged("an impossible length")
            body = file.read(length)
            link = _chained(link, prefix, body)
            if file.read(HASH_SIZE) != link:
                raise SnapshotDamaged("a chunk with a wrong hash")
            yield kind, body


def _head(chunk: tuple[bytes, bytes]) -> Head:
    kind, body = chunk
    try:
        head = _decode_head(body)
    except msgspec.DecodeError as error:
        raise SnapshotDamaged("no head: not a snapshot") from error
    if kind != b"H" or head.format != _FORMAT:
        raise SnapshotDamaged("no head: not a snapshot")
    if head.version != VERSION:
        raise SnapshotDamaged(f"version {head.version}; this program knows version {VERSION}")
    fields = (head.position, head.epoch, head.hash, head.applied_ts, head.horizon, head.created_ns)
    return Head(*fields)
