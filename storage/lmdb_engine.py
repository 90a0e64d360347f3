"""The LMDB environment of a replica: databases, the two counters of trust, and space (format on disk).

    directory     data.mdb, lock.mdb   LMDB's own; opened without sync (storage is rebuilt from the journal)
                  trust                one line of JSON, written whole and fsynced (storage.trust)
    database      key -> value
    `current`     key (1..501 bytes) -> commit_ts (8 bytes BE) + row; no row: a tombstone
    `history`     key length (2 bytes BE) + key + (2^64-1 - commit_ts, 8 bytes BE) -> commit_ts + row
    `long`        as `current`, for the other keys, by their path (storage.longkey)
    `long_history` path length (2 bytes BE) + path + (2^64-1 - commit_ts, 8 bytes BE) -> commit_ts + row
    `trim`        superseding commit_ts (8 bytes BE) + sequence (4 bytes BE) -> what may go (storage.replica)
    `meta`        `state` -> storage.mvcc.State; `mark` -> msgpack of journal.crossbar.Mark; `extra` -> bytes of
                  the caller; `size` + cluster -> what its rows occupy (storage.sizes)

The length before a key in `history` keeps the versions of `a` from standing between those of `a` + 8 bytes,
so that one seek always lands on the right version.

LMDB without sync survives a crash of the process (the kernel has the pages) but not of the machine: then
pages may be missing, and even opening the file may fail inside LMDB. So whether to trust the environment is
written beside it: it is trusted when this boot of the machine wrote it, or when it was synced after its last
change.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

import lmdb

from journal.directories import flush_directory
from storage.trust import Trust

Transaction: TypeAlias = "lmdb.Transaction[bytes]"
Cursor: TypeAlias = "lmdb.Cursor[bytes]"
Database: TypeAlias = "lmdb._Database"

FORMAT = 2
"""Of everything under the directory; another number is refused."""
MAP_SIZE = 1 << 40
"""Sparse: address space, not disk (DESIGN §8)."""
MAX_READERS = 4096
_UNREADABLE = (lmdb.InvalidError, lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.VersionMismatchError)
DATABASES = ("current", "history", "long", "long_history", "trim", "meta")


class NoSpace(Exception):
    """The map or the disk is full; the transaction had no effect and may be run again later (DESIGN §8)."""


class WrongFormat(Exception):
    """The directory was written by a version of OpenDSQL with another format."""


class Unreadable(Exception):
    """LMDB cannot open the environment: what is there is not whole. Wipe it and make it again."""


class Space(NamedTuple):
    """Bytes left, in LMDB's map (a lower bound: pages freed inside the file come on top) and on its disk."""

    map_bytes: int
    disk_bytes: int


class Engine:
    """One open environment. `readonly` for any process but the one that holds the data directory's lock.

    Opening raises `NoSpace`, `Unreadable`.
    """

    def __init__(self, path: Path, *, map_size: int = MAP_SIZE, readonly: bool = False) -> None:
        self.path = path
        if not readonly:
            path.mkdir(parents=True, exist_ok=True)
        try:
            self.env = lmdb.open(
                str(path),
                map_size=map_size,
                readonly=readonly,
                create=not readonly,
                sync=False,
                metasync=False,
                writemap=False,
                max_readers=MAX_READERS,
                max_dbs=len(DATABASES),
                max_spare_txns=4,
            )
            self.env.reader_check()
            self.current, self.history, self.long, self.long_history, self.trim, self.meta = (
                self.env.open_db(name.encode(), create=not readonly) for name in DATABASES
            )
        except (lmdb.MapFullError, lmdb.DiskError) as error:
            raise NoSpace(str(error)) from error
        except _UNREADABLE as error:
            raise Unreadable(str(error)) from error

    @contextlib.contextmanager
    def writing(self) -> Iterator[Transaction]:
        """One write transaction, all or nothing; its default database is `current`. Raises `NoSpace`."""
        try:
            with self.env.begin(db=self.current, write=True) as txn:
                yield txn
        except (lmdb.MapFullError, lmdb.DiskError) as error:
            raise NoSpace(str(error)) from error

    def space(self) -> Space:
        """What is left; a few microseconds, one system call."""
        info = self.env.info()
        used = (info["last_pgno"] + 1) * os.sysconf("SC_PAGE_SIZE")
        disk = os.statvfs(self.path)
        return Space(max(0, info["map_size"] - used), disk.f_bavail * disk.f_frsize)

    def check_readers(self) -> int:
        """Free the reader slots of processes that died; how many (DESIGN §8: every 10 s)."""
        return self.env.reader_check()

    def flush_pages(self) -> None:
        """Push the file's pages to the disk, without LMDB, so from any thread. Raises `OSError`."""
        descriptor = os.open(self.path / "data.mdb", os.O_RDONLY)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def sync(self) -> None:
        """Flush everything to the disk; milliseconds or more."""
        self.env.sync(True)

    def close(self) -> None:
        self.env.close()


def read_trust(path: Path) -> Trust | None:
    """What stands beside the environment; None for a directory that holds none, or an unreadable line."""
    try:
        fields = json.loads((path / "trust").read_bytes())
        return Trust(fields["format"], fields["boot_id"], fields["is_synced"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def write_trust(path: Path, trust: Trust) -> None:
    """Replace the line, durable before return."""
    path.mkdir(parents=True, exist_ok=True)
    fresh = path / "trust.new"
    with fresh.open("wb") as file:
        file.write(json.dumps(trust._asdict()).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path / "trust")
    flush_directory(path)


def boot_id() -> str:
    """Names this boot of the machine; empty where the kernel does not tell, which is never trusted."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def is_trusted(path: Path, current_boot: str) -> bool:
    """Whether the environment in `path` is whole. Raises `WrongFormat`."""
    trust = read_trust(path)
    if trust is None:
        return False
    if trust.format != FORMAT:
        raise WrongFormat(f"{path} has format {trust.format}, this version reads {FORMAT}")
    return trust.holds(current_boot)


def wipe(path: Path) -> None:
    """Remove the environment. Nothing may have it open."""
    shutil.rmtree(path, ignore_errors=True)
