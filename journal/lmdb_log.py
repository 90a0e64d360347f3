"""The journal in one LMDB environment: positions are keys, one LMDB transaction holds one record (a group).

On disk. The directory holds LMDB's `data.mdb` and `lock.mdb`. In the one unnamed database:

    key, 8 bytes, big-endian     value
    0                            anchor: msgpack [format, position, epoch, hash, last_ts] of the newest
                                 trimmed record; zeros while nothing was trimmed
    position >= 1                the record (journal.encoding)

Durable. LMDB writes pages copy-on-write, flushes them, then writes one of two meta pages that points at them.
The environment is opened `metasync=False`: the meta page is written but not flushed. Therefore

    append n     write pages n   FLUSH   write meta n              durable = n - 1
    append n+1   write pages n+1 FLUSH   write meta n+1            durable = n      (the flush carried meta n)
    sync                         FLUSH                             durable = n + 1

The two meta pages alternate, and LMDB reuses only pages that were freed before the newest but one
transaction. So while meta n is not yet flushed, meta n-1 is whole and so is everything that it points at: a
power cut undoes at most the records beyond `durable`. tests/crash/test_power_cut.py cuts after every write
and flush.

Calls. One thread at a time calls `claim`, `append`, `sync`, `trim`; `tail`, `durable` and `read` may be used
from another one meanwhile. LMDB releases the interpreter lock while it writes and flushes.

    lone commit, inline:    tail = log.append(record); log.sync()          # two flushes, no hand-over
    under load, threaded:   tail = await run(log.append, record)           # one flush per group; afterwards
                            acknowledge everything <= log.durable          # ... the groups before this one
                            if nothing waits: await run(log.sync)          # ... and this one too

`run` hands over to one worker thread (an executor with max_workers=1); the next record may be sealed from the
returned tail. A `Conflict` means another owner. `FlushFailed` ends the node: nothing is retried, the log
refuses every further call, and only reopening tells what is there. `Full` is raised before anything was
written; the caller refuses new writes earlier, by `space()`."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import lmdb
import msgspec

from journal.appender import claim_record
from journal.broken import require
from journal.directories import flush_directory
from journal.encoding import Frame, Head, Sealed, Undecodable, read_head
from journal.journal import (
    EMPTY,
    Conflict,
    Damaged,
    Entry,
    Fence,
    FlushFailed,
    Full,
    LogError,
    Tail,
    Trimmed,
    checked,
    framed,
)
from journal.record import Position, restates

FORMAT = 2
"""2: claims say which keys they are about."""
MAP_SIZE = 1 << 40
"""Bytes of address space; the file is sparse and grows as it is written."""
READ_BYTES = 8 << 20
"""A read ends after the record with which it has returned this many bytes."""

_ANCHOR_KEY = bytes(8)
_SMALLEST_MAP = 1 << 30


class _Anchor(msgspec.Struct, frozen=True, array_like=True):
    format: int
    position: int
    epoch: int
    hash: bytes
    last_ts: int


def _key(position: Position) -> bytes:
    return position.to_bytes(8, "big")


def _anchor_bytes(tail: Tail) -> bytes:
    return msgspec.msgpack.encode(_Anchor(FORMAT, *tail))


def _open_environment(path: Path, map_size: int, sync: bool) -> lmdb.Environment:
    """Open LMDB at `path`, with a smaller map where the address space refuses `map_size`."""
    while True:
        try:
            return lmdb.open(str(path), map_size=map_size, metasync=False, sync=sync)
        except lmdb.MemoryError:
            if map_size <= _SMALLEST_MAP:
                raise
            map_size //= 2


def _create(path: Path, sync: bool) -> None:
    """Make an empty journal that is either wholly there after a power cut or not at all."""
    making = path / "creating"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    environment = _open_environment(making, _SMALLEST_MAP, sync)
    with environment.begin(write=True) as transaction:
        transaction.put(_ANCHOR_KEY, _anchor_bytes(EMPTY))
    environment.sync(True)
    environment.close()
    os.rename(making / "data.mdb", path / "data.mdb")
    flush_directory(path)
    flush_directory(path.parent)
    shutil.rmtree(making)


class LmdbLog:
    """The `journal.journal.Log` on this machine's disk."""

    def __init__(self, path: Path, environment: lmdb.Environment, map_size: int, synced: bool) -> None:
        self._path = path
        self._environment = environment
        self._map_size = map_size
        self._page_size = int(environment.stat()["psize"])
        self._synced = synced
        self._failed = False
        self._busy = False
        self._anchor = EMPTY
        self._fence = Fence(EMPTY)
        self.durable: Position = 0

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        map_size: int = MAP_SIZE,
        sync: bool = True,
        verify_from: Position = 0,
    ) -> "LmdbLog":
        """Open or create the journal in directory `path`, sync it, and prove the chain from `verify_from` on.

        `sync=False` never flushes (for --memory): everything appended counts as durable at once.
        Raises `Damaged` (also for a file that is no journal of this format), `FlushFailed`, `OSError`.
        """
        directory = Path(path)
        directory.mkdir(parents=True, exist_ok=True)
        try:
            if not (directory / "data.mdb").exists():
                _create(directory, sync)
            environment = _open_environment(directory, map_size, sync)
            environment.sync(True)
        except (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError) as error:
            raise Damaged(0, str(error)) from error
        except lmdb.Error as error:
            raise FlushFailed(str(error)) from error
        log = cls(directory, environment, int(environment.info()["map_size"]), sync)
        try:
            log._load(verify_from)
        except LogError:
            environment.close()
            raise
        return log

    @property
    def first(self) -> Position:
        """The oldest position that is kept (tail + 1 when there is none)."""
        return self._anchor.position + 1

    @property
    def anchor(self) -> Tail:
        """The record just below `first`, from which the chain is proved."""
        return self._anchor

    @property
    def tail(self) -> Tail:
        """The last record appended; the next one gets `tail.position + 1` and names `tail.hash`."""
        return self._fence.tail

    def claim(self, expected: Position, epoch: int, owner: str, request_id: bytes) -> Tail | Conflict:
        """Take the log over: append a claim after `expected` with a higher epoch, and make it durable."""
        tail = self.tail
        if expected != tail.position:
            return self._claimed(expected + 1, epoch, request_id) or Conflict(tail)
        result = self.append(claim_record(tail, epoch, owner, request_id, [], 0))
        if isinstance(result, Tail):
            self.sync()
        return result

    def append(self, record: Sealed) -> Tail | Conflict:
        """Write `record` in one LMDB transaction; afterwards everything before it is durable.

        The same record again changes nothing and answers the same (J6). Raises `Full`, `FlushFailed`.
        """
        self._enter()
        try:
            if self._fence.refuses(record):
                return self._answer_to_refused(record)
            tail = self._fence.next_tail(record)
            self._write(record)
            self._fence.tail = tail
            self.durable = tail.position - 1 if self._synced else tail.position
            return tail
        finally:
            self._busy = False

    def sync(self) -> None:
        """Make everything appended durable: one flush, none when it already is. Raises `FlushFailed`."""
        self._enter()
        try:
            position = self._fence.tail.position
            if self.durable == position:
                return
            try:
                self._environment.sync(True)
            except lmdb.Error as error:
                self._fail(error)
            self.durable = position
        finally:
            self._busy = False

    def read(self, first: Position, limit: int = 256) -> list[Entry] | Trimmed:
        """Durable records from `first` on, at most `limit` and about 8 MiB; raises `Damaged`."""
        durable = self.durable
        entries: list[Entry] = []
        size = 0
        with self._environment.begin() as transaction:
            oldest = self._read_anchor(transaction).position + 1
            if first < oldest:
                return Trimmed(oldest)
            for position in range(first, min(first + limit, durable + 1)):
                data = transaction.get(_key(position))
                if data is None:
                    raise Damaged(position, "it is missing")
                entries.append(checked(position, data, entries[-1].hash if entries else None))
                size += len(data)
                if size >= READ_BYTES:
                    break
        return entries

    def trim(self, upto: Position, limit: int = 1024) -> Position:
        """Drop up to `limit` durable records at positions <= `upto`; returns the new `first`.

        One transaction. The caller repeats until `first > upto` and never names a position that a consumer or
        a snapshot needs (J7).
        """
        self._enter()
        try:
            require(upto <= self.durable, "J7: only durable records are trimmed")
            last = min(upto, self._anchor.position + limit)
            if last <= self._anchor.position:
                return self.first
            appended = self._fence.tail.position
            try:
                with self._environment.begin(write=True) as transaction:
                    frame = framed(last, transaction.get(_key(last)))
                    for position in range(self._anchor.position + 1, last + 1):
                        transaction.delete(_key(position))
                    anchor = Tail(last, frame.epoch, frame.hash, frame.last_ts)
                    transaction.put(_ANCHOR_KEY, _anchor_bytes(anchor))
            except lmdb.Error as error:
                self._fail(error)
            self._anchor = anchor
            self.durable = appended
            return self.first
        finally:
            self._busy = False

    def verify(self, first: Position = 0) -> Tail:
        """Walk the chain from `first` (or the oldest kept record) to the tail; raises `Damaged`."""
        link = self._anchor
        for frame in self._frames(max(first, self.first)):
            if frame.position == link.position + 1 and frame.previous != link.hash:
                raise Damaged(frame.position, "it does not name the hash of the record before")
            link = Tail(frame.position, frame.epoch, frame.hash, frame.last_ts)
        return link

    def landmarks(self) -> list[tuple[Tail, Entry]]:
        """The newest record that restates the ranges, and those behind it that hold more than commits.

        Each with the record before it. Of the others only the heads are looked at, so that a successor need not
        read what has no news for it. Nothing when no record restates them. Raises `Damaged`.
        """
        found: list[tuple[Tail, Entry]] = []
        waiting: Entry | None = None
        with self._environment.begin(buffers=True) as transaction, transaction.cursor() as cursor:
            stands = cursor.last()
            while stands and (position := int.from_bytes(cursor.key(), "big")) > 0:
                head = _head(position, cursor.value())
                if waiting is not None:
                    before = Tail(position, head.epoch, waiting.record.header.previous, head.last_ts)
                    found.append((before, waiting))
                    if restates(waiting.record):
                        return found[::-1]
                waiting = None if head.is_plain else checked(position, bytes(cursor.value()), None)
                stands = cursor.prev()
        if waiting is not None and restates(waiting.record):
            found.append((self._anchor, waiting))
            return found[::-1]
        return []

    def size(self, first: Position = 0) -> int:
        """Bytes of the records from `first` on; reads no record."""
        total = 0
        with self._environment.begin(buffers=True) as transaction, transaction.cursor() as cursor:
            found = cursor.set_range(_key(max(first, self.first)))
            while found:
                total += len(cursor.value())
                found = cursor.next()
        return total

    def space(self) -> int:
        """Bytes that can certainly still be written: the lesser of what map and disk have left."""
        used = (int(self._environment.info()["last_pgno"]) + 1) * self._page_size
        disk = os.statvfs(self._path)
        return min(self._map_size - used, disk.f_bavail * disk.f_frsize)

    def close(self) -> None:
        """Release the files; what is not durable yet is not made durable."""
        self._environment.close()

    def _enter(self) -> None:
        require(not self._busy, "one thread at a time changes a journal")
        if self._failed:
            raise FlushFailed("an earlier write or flush of this journal failed")
        self._busy = True

    def _fail(self, error: lmdb.Error) -> None:
        self._failed = True
        raise FlushFailed(str(error)) from error

    def _write(self, record: Sealed) -> None:
        transaction = self._environment.begin(write=True)
        try:
            added = transaction.put(_key(record.position), record.data, overwrite=False, append=True)
        except lmdb.MapFullError as error:
            transaction.abort()
            raise Full(f"no room for a record of {len(record.data)} bytes") from error
        except lmdb.Error as error:
            transaction.abort()
            self._fail(error)
        require(added, "J1: a position is written once")
        try:
            transaction.commit()
        except lmdb.Error as error:
            self._fail(error)

    def _answer_to_refused(self, record: Sealed) -> Tail | Conflict:
        with self._environment.begin() as transaction:
            data = transaction.get(_key(record.position)) if record.position > 0 else None
        if data is not None and data == record.data:
            return Tail(record.position, record.epoch, record.hash, record.last_ts)
        return Conflict(self._fence.tail)

    def _claimed(self, position: Position, epoch: int, request_id: bytes) -> Tail | None:
        """The claim at `position` if it is this very one, whose answer was lost (J6)."""
        with self._environment.begin() as transaction:
            data = transaction.get(_key(position)) if position > 0 else None
        if data is None:
            return None
        frame = framed(position, data)
        if not frame.is_claim_of(epoch, request_id):
            return None
        return Tail(position, epoch, frame.hash, frame.last_ts)

    def _load(self, verify_from: Position) -> None:
        try:
            with self._environment.begin() as transaction:
                self._anchor = self._read_anchor(transaction)
                with transaction.cursor() as cursor:
                    last = int.from_bytes(cursor.key(), "big") if cursor.last() else 0
            tail = self.verify(max(verify_from, 0) if verify_from <= last else last)
        except lmdb.Error as error:
            raise Damaged(0, str(error)) from error
        self._fence = Fence(tail)
        self.durable = tail.position

    def _read_anchor(self, transaction: lmdb.Transaction) -> Tail:
        data = transaction.get(_ANCHOR_KEY)
        try:
            anchor = msgspec.msgpack.decode(data or b"", type=_Anchor)
        except msgspec.DecodeError as error:
            raise Damaged(0, "no anchor: not a journal") from error
        if anchor.format != FORMAT:
            raise Damaged(0, f"format {anchor.format}; this program knows format {FORMAT}")
        return Tail(anchor.position, anchor.epoch, anchor.hash, anchor.last_ts)

    def _frames(self, first: Position) -> Iterator[Frame]:
        with self._environment.begin() as transaction, transaction.cursor() as cursor:
            found = cursor.set_range(_key(first))
            expected = first
            while found:
                if cursor.key() != _key(expected):
                    raise Damaged(expected, "it is missing")
                yield framed(expected, cursor.value())
                expected += 1
                found = cursor.next()


def _head(position: Position, data: bytes | memoryview) -> Head:
    try:
        head = read_head(data)
    except Undecodable as error:
        raise Damaged(position, str(error)) from error
    if head.position != position:
        raise Damaged(position, f"it says that it is record {head.position}")
    return head
