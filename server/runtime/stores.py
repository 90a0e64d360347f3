"""A data directory's lock, journal and replica, opened and brought to the same position (DESIGN §7, §8).

    data/lock        held by the one process that writes
    data/journal     the database (journal.lmdb_log)
    data/storage     the replica, which can always be made again (storage.replica)
    data/snapshots   where making it again starts, once the journal's beginning is trimmed (journal.snapshot)

Recovery. The replica says which record it applied last, by position and hash. If the journal holds that
record, the ones after it are applied. If not, or if a machine crash left the replica in doubt, it is wiped
and made again from the newest whole snapshot that the journal reaches, else from record 1.

A replica or a snapshot that is *ahead* of the journal is another matter: only durable records are applied, so
records that were acknowledged are missing, and nobody may be served as if they had never been.
"""

import fcntl
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from journal import lmdb_log
from journal.journal import Entry, LogError, Tail, Trimmed
from journal.lmdb_log import LmdbLog
from journal.record import Key, Position, Timestamp
from journal.snapshot import Item, SnapshotDamaged, read_snapshot
from server.runtime.stream import JOURNAL, Stream, mark_at
from storage import replica as storage
from storage.lmdb_engine import Unreadable, WrongFormat
from storage.replica import NoSpace, Replica

log = logging.getLogger("opendsql.stores")


class InUse(Exception):
    """Another process owns the data directory."""


class Unrecoverable(Exception):
    """Journal, snapshots and storage together do not give back what was acknowledged."""


WORLD_ERRORS = (LogError, NoSpace, WrongFormat, Unreadable, Unrecoverable, SnapshotDamaged)
"""What may be wrong with a data directory: one line for the operator and exit code 1, no traceback."""


class Stores:
    """The open stores of a directory. `replica` is at the journal's tail once `open` returns."""

    def __init__(
        self,
        data: Path,
        lock: IO[bytes],
        journal: LmdbLog,
        storage_map: int,
        retention_ns: int = storage.RETENTION_NS,
    ) -> None:
        self.data = data
        self.journal = journal
        self.snapshots = data / "snapshots"
        self._lock = lock
        self._storage_map = storage_map
        self._retention_ns = retention_ns
        self.rebuilt_from: Position | None = None
        """The replica was made again: from the snapshot at this position, 0 from the journal alone."""
        self.replayed = 0
        """Records applied by recovery."""
        self.replica = self._open_replica()
        self.stream = Stream(self.replica)
        self.landmarks: list[tuple[Tail, Entry]] = []
        """`LmdbLog.landmarks` when it was opened: a walk of a second or so over 256 MiB of records."""

    @classmethod
    def open(
        cls,
        data: Path,
        *,
        clock: Callable[[], int],
        sync: bool = True,
        journal_map: int = lmdb_log.MAP_SIZE,
        storage_map: int = storage.MAP_SIZE,
        retention_ns: int = storage.RETENTION_NS,
    ) -> "Stores":
        """Lock, open and recover. Raises `InUse`, one of `WORLD_ERRORS`, `OSError`.

        `clock` gives ns since 1970. Below the newest snapshot the journal's chain is not proved again: every
        record is checked when it is read, and `audit` proves it all. `retention_ns`: as `Replica.open`.
        """
        lock = lock_directory(data)
        try:
            newest = max(snapshot_positions(data / "snapshots"), default=0)
            journal = LmdbLog.open(data / "journal", sync=sync, map_size=journal_map, verify_from=newest)
        except BaseException:
            lock.close()
            raise
        stores = None
        try:
            stores = cls(data, lock, journal, storage_map, retention_ns)
            stores._recover(clock)
        except BaseException:
            if stores is not None:
                stores.replica.close()
            journal.close()
            lock.close()
            raise
        return stores

    def disk_bytes(self) -> int:
        """The size of the disk that the directory is on."""
        disk = os.statvfs(self.data)
        return disk.f_blocks * disk.f_frsize

    def close(self) -> None:
        """Sync and close everything; the lock last."""
        self.replica.close()
        self.journal.close()
        self._lock.close()

    def _open_replica(self) -> Replica:
        path = self.data / "storage"
        sizes = {"map_size": self._storage_map, "retention_ns": self._retention_ns}
        try:
            return Replica.open(path, **sizes)
        except Unreadable as error:
            log.warning("storage is made again reason=%s", error)
            Replica.wipe(path)
            replica = Replica.open(path, **sizes)
            replica.needs_rebuild = True
            return replica

    def _recover(self, clock: Callable[[], int]) -> None:
        journal, replica = self.journal, self.replica
        position = replica.applied_position
        self._refuse_ahead("storage", position)
        is_empty = position == 0 < journal.tail.position
        if is_empty or replica.needs_rebuild or not self._follows(position, replica.applied_hash):
            self._rebuild()
        stream = self.stream = Stream(self.replica)
        self.landmarks = journal.landmarks()
        for _before, entry in self.landmarks:
            stream.trimming.see(JOURNAL, entry)
        while stream.next_position <= journal.tail.position:
            entries = journal.read(stream.next_position)
            if isinstance(entries, Trimmed):
                raise Unrecoverable(f"the journal begins at {entries.first}, after what storage holds")
            for entry in entries:
                stream.follow(entry, clock())
                self.replayed += 1

    def _follows(self, position: Position, record_hash: bytes) -> bool:
        """Whether the journal holds this record, or was trimmed right after it."""
        anchor = self.journal.anchor
        if position == anchor.position:
            return record_hash == anchor.hash
        entries = self.journal.read(position, 1) if position else Trimmed(1)
        return not isinstance(entries, Trimmed) and bool(entries) and entries[0].hash == record_hash

    def _rebuild(self) -> None:
        """An empty replica, or one loaded from the newest snapshot that is whole and of this journal."""
        for path in sorted(self.snapshots.glob("*.snapshot"), reverse=True):
            self._empty()
            try:
                if self._load(path):
                    return
            except SnapshotDamaged as error:
                log.warning("snapshot is passed over path=%s reason=%s", path, error)
        self._empty()
        if self.journal.first > 1:
            raise Unrecoverable(
                f"the journal begins at record {self.journal.first} and no whole snapshot reaches it"
            )
        self.rebuilt_from = 0

    def _load(self, path: Path) -> bool:
        head, items = read_snapshot(path)
        self._refuse_ahead(f"snapshot {path}", head.position)
        if not self._follows(head.position, head.hash):
            log.warning("snapshot is passed over path=%s reason=not of this journal", path)
            return False
        mark = mark_at(Tail(head.position, head.epoch, head.hash, head.applied_ts))
        self.replica.load(_rows(items), head.position, head.hash, head.applied_ts, mark=mark)
        self.rebuilt_from = head.position
        return True

    def _empty(self) -> None:
        """Wipe: also what a damaged snapshot left behind."""
        path = self.data / "storage"
        self.replica.close()
        Replica.wipe(path)
        self.replica = self._open_replica()

    def _refuse_ahead(self, what: str, position: Position) -> None:
        tail = self.journal.tail.position
        if position > tail:
            raise Unrecoverable(
                f"the journal ends at record {tail} but {what} has record {position}:"
                " acknowledged commits are missing"
            )


def lock_directory(data: Path) -> IO[bytes]:
    """The exclusive lock of a data directory, held until it is closed; raises `InUse`."""
    data.mkdir(parents=True, exist_ok=True)
    handle = open(data / "lock", "ab")  # noqa: SIM115 - held for the life of the process
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise InUse(str(data)) from error
    return handle


def snapshot_positions(directory: Path) -> list[Position]:
    """Positions of the snapshot files by their names, newest first; the files are not read."""
    names = (path.stem for path in directory.glob("*.snapshot"))
    return sorted((int(name) for name in names if name.isdecimal()), reverse=True)


def _rows(items: Iterable[Item]) -> Iterator[tuple[Key, Timestamp, bytes]]:
    for key, commit_ts, row in items:
        if row is None:
            raise SnapshotDamaged("a row without a value")
        yield key, commit_ts, row
