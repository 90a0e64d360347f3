"""The storage replica: applies the log to LMDB and answers reads as of a time."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from journal.record import Commit

RETENTION_NS = 310 * 10**9
"""300 s, the longest transaction (dsql-reference §4), and 10 s of slack."""
MAP_SIZE = 1 << 40


class TooOld(Exception):
    """A read below the trim horizon: versions that it would need may be gone (AR §1.13)."""


class NoSpace(Exception):
    """The map or the disk is full; nothing of the group was applied, and it may be applied again later."""


class Space(NamedTuple):
    """Bytes left."""

    map_bytes: int
    disk_bytes: int


class Versions:
    """The read side, common to `Replica` and `Reader`."""

    applied_position: int
    applied_hash: bytes
    applied_ts: int
    horizon: int
    extra: bytes

    def get(self, key: bytes, ts: int) -> bytes | None:
        """The row of `key` as of `ts`, or None. Raises `TooOld` when ts < horizon."""
        raise NotImplementedError

    def get_many(self, keys: Sequence[bytes], ts: int) -> list[bytes | None]:
        raise NotImplementedError

    def scan(
        self, lo: bytes, hi: bytes, ts: int, limit: int = 256, reverse: bool = False
    ) -> tuple[list[bytes], bytes | None]:
        """Rows in key order in [lo, hi) and where to go on (the next lo, or hi when reverse); None: the end.

        Visits at most `limit` keys, so it may return fewer rows, even none, and yet a place to go on.
        """
        raise NotImplementedError

    def scan_items(
        self, lo: bytes, hi: bytes, ts: int, limit: int = 256, reverse: bool = False
    ) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
        """As `scan`, with whole keys."""
        raise NotImplementedError

    def count(self, lo: bytes, hi: bytes, ts: int, limit: int = 4096) -> tuple[int, bytes | None]:
        """How many rows; visits at most `limit` keys."""
        raise NotImplementedError

    def release(self) -> None:
        """Let go of the LMDB snapshot; the next read takes a new one."""
        raise NotImplementedError

    def content_hash(self, ts: int) -> bytes:
        """Hash of all rows as of `ts`, whatever the physical layout."""
        raise NotImplementedError


class Replica(Versions):
    needs_rebuild: bool
    """The environment found could not be trusted: it was wiped; load a snapshot and replay."""

    @classmethod
    def open(
        cls, path: Path | str, *, map_size: int = MAP_SIZE, retention_ns: int = RETENTION_NS
    ) -> "Replica":
        raise NotImplementedError

    def apply(
        self,
        commits: Sequence[Commit],
        position: int,
        record_hash: bytes,
        now: int,
        extra: bytes | None = None,
    ) -> None:
        """Apply one record's commits (none: a claim) in one LMDB transaction. Raises `NoSpace`."""
        raise NotImplementedError

    def trim(self, now: int, limit: int = 256) -> int:
        """Trim at most about `limit` old versions; how many went. For idle times; `apply` trims by itself."""
        raise NotImplementedError

    def snapshot_items(self, batch: int = 256) -> Iterator[tuple[bytes, int, bytes]]:
        """(key, commit_ts, row) of every row visible at applied_ts, in key order."""
        raise NotImplementedError

    def load(
        self,
        items: Iterable[tuple[bytes, int, bytes]],
        position: int,
        record_hash: bytes,
        ts: int,
        extra: bytes = b"",
    ) -> None:
        """Fill an empty replica from a snapshot cut at `position` and `ts`."""
        raise NotImplementedError

    def space(self) -> Space:
        raise NotImplementedError

    def sync(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    @staticmethod
    def wipe(path: Path | str) -> None:
        raise NotImplementedError


class Reader(Versions):
    """The same reads from another process, on the same environment."""

    @classmethod
    def open(cls, path: Path | str, *, map_size: int = MAP_SIZE) -> "Reader":
        raise NotImplementedError

    def refresh(self) -> tuple[int, int, bytes]:
        """Renew the LMDB snapshot: (applied_ts, applied_position, extra) read from that one snapshot."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError
