"""The rows of a region's storage nodes as transactions read them: `server.session.transaction.Versions`.

    first part of a scan, few rows wanted    one shard after the other, that many rows
    any other part                           all shards at once; what is not taken yet is kept for the next part,
                                             and each shard's next answer is under way while this one is worked on

A scan that is gone on with is found by where it stands, so that nothing of it is seen outside: whoever asks for
that part gets it, of whichever of two equal scans it was. What is left at the end of the call is let go.
"""

from __future__ import annotations

from collections.abc import Sequence

from journal.record import Key, Timestamp
from server.runtime.reading.running import Running, Storage
from server.session.stacks import stack
from server.session.transaction import Batch, Items
from storage.pushdown import COUNT
from storage.shard import Row

FEW = 256
"""Rows: who wants fewer may need one shard only."""
MOST_SCANS = 16
"""Of one call, kept to go on with."""


class _Unknown:
    """In the place of a row of which nothing is known."""


_UNKNOWN = _Unknown()


class _Scan:
    """One scan, with rows that have come and were not wanted yet."""

    __slots__ = ("rest", "running")

    def __init__(self, running: Running) -> None:
        self.running = running
        self.rest: list[Row] = []

    @property
    def is_over(self) -> bool:
        return not self.rest and self.running.reader.is_exhausted

    def take(self, limit: int) -> list[Row]:
        """The next rows: as many as are there, of those that come first one at least, unless it is over."""
        running, rows = self.running, self.rest
        while not rows and not running.reader.is_exhausted:
            running.until_ready()
            rows, effects = running.reader.take(running.now())
            running.perform(effects)
        self.rest = rows[limit:]
        return rows[:limit]

    def close(self) -> None:
        self.running.close()


class RemoteVersions:
    """See the module's text. Its calls are made on a stack that can be left (server.session.stacks)."""

    is_remote = True
    """What is pushed down goes along."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def get(self, key: Key, ts: Timestamp) -> bytes | None:
        """The row of `key` as of `ts`. Raises PgError, as all do."""
        found = stack().expected.get((key, ts), _UNKNOWN)
        return self.get_many([key], ts)[0] if isinstance(found, _Unknown) else found

    def expect(self, keys: Sequence[Key], ts: Timestamp) -> None:
        """Read what the call at hand will `get` one by one, instead of what was expected before."""
        found = self.get_many(keys, ts)
        stack().expected = {(key, ts): row for key, row in zip(keys, found)}

    def get_many(self, keys: Sequence[Key], ts: Timestamp) -> list[bytes | None]:
        """`get` of each key, of all shards at once."""
        if not keys:
            return []
        running = self._storage.begin(ts)
        try:
            running.perform(running.reader.get(list(dict.fromkeys(keys)), running.now()))
            running.until_ready()
            found = running.reader.found(running.now())
            assert found is not None
            return [found[key] for key in keys]
        finally:
            running.close()

    def scan(self, lo: Key, hi: Key, ts: Timestamp, limit: int = 256, reverse: bool = False) -> Batch:
        """Rows in key order (or its reverse) in [lo, hi), and where to go on: the next `lo`, or `hi` when reverse."""
        rows, more = self._part(lo, hi, ts, limit, reverse, b"")
        return [value for _key, _ts, value in rows], more

    def scan_items(
        self,
        lo: Key,
        hi: Key,
        ts: Timestamp,
        limit: int = 256,
        reverse: bool = False,
        pushed: bytes = b"",
    ) -> Items:
        """As `scan`, with keys, of what `pushed` makes of the rows (storage.pushdown)."""
        rows, more = self._part(lo, hi, ts, limit, reverse, pushed)
        return [(key, value) for key, _ts, value in rows], more

    def count(self, lo: Key, hi: Key, ts: Timestamp, limit: int = 4096) -> tuple[int, bytes | None]:
        """How many rows lie in [lo, hi): all of them, counted where they are."""
        running = self._storage.begin(ts)
        scan = _Scan(running)
        total = 0
        try:
            running.perform(running.reader.scan(lo, hi, running.now(), pushed=COUNT))
            while not scan.is_over:
                total += sum(int(value) for _key, _ts, value in scan.take(limit))
        finally:
            scan.close()
        return total, None

    def _part(
        self, lo: Key, hi: Key, ts: Timestamp, limit: int, reverse: bool, pushed: bytes
    ) -> tuple[list[Row], bytes | None]:
        kept = stack().kept
        scan = kept.pop((lo, hi, ts, reverse, pushed), None)
        if not isinstance(scan, _Scan):
            if limit < FEW:
                return self._first_rows(lo, hi, ts, limit, reverse, pushed)
            running = self._storage.begin(ts)
            running.perform(running.reader.scan(lo, hi, running.now(), 0, pushed, reverse))
            scan = _Scan(running)
        try:
            rows = scan.take(limit)
        except BaseException:
            scan.close()
            raise
        if scan.is_over:
            scan.close()
            return rows, None
        more = _after(rows, reverse)
        while len(kept) >= MOST_SCANS:
            kept.pop(next(iter(kept))).close()
        kept[(lo, more, ts, reverse, pushed) if reverse else (more, hi, ts, reverse, pushed)] = scan
        return rows, more

    def _first_rows(
        self, lo: Key, hi: Key, ts: Timestamp, limit: int, reverse: bool, pushed: bytes
    ) -> tuple[list[Row], bytes | None]:
        running = self._storage.begin(ts)
        scan = _Scan(running)
        rows: list[Row] = []
        try:
            running.perform(running.reader.scan(lo, hi, running.now(), limit, pushed, reverse))
            while not scan.is_over:
                rows += scan.take(limit)
        finally:
            scan.close()
        return rows, _after(rows, reverse) if len(rows) == limit else None


def _after(rows: Sequence[Row], reverse: bool) -> bytes:
    """Where the scan goes on behind these rows."""
    return rows[-1][0] if reverse else rows[-1][0] + b"\0"
