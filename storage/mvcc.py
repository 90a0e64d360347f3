"""Versions of rows, and what a read at a time sees.

Every write of a key is a version with the commit_ts of its transaction; a delete is a version without a row,
a tombstone. A read at `ts` sees, per key, the newest version with commit_ts <= ts. The question is where the
versions stand, so that the common read is one step and no read walks over versions that it does not want.

    current    one entry per key: its newest version
    history    the older versions, per key the newest first: key + (2^64-1 - commit_ts)

    time   10          20          30            read at 25 of `a`
    a      v1 -------- v2 -------- (deleted)     current a: (30, tombstone), too new
    b      v1 ----------------------------      history: seek a + ~25, lands on a + ~20: v2

    current:  a -> 30               history:  a ~20 -> 20 v2
              b -> 10 v1                      a ~10 -> 10 v1

So a read of the present is one get; a read of the past is one get and one seek, however many versions lie
above or below. A scan goes over `current` (a key stays there, as a tombstone if need be, as long as anyone
may see it), and asks history only for the keys that changed after ts.

When ts >= applied_ts, everything in `current` is visible and no time is compared at all. That is the state in
which a statement finds the replica unless something committed since its BEGIN.

Old versions go (storage.replica). The horizon is the highest commit_ts that superseded a version that is
gone; a read strictly below it might need that version and raises `TooOld`. At the horizon itself the
superseding version is the one to see, so equality is safe.

A process keeps one LMDB read transaction, from which the state (position, times, horizon) is read together
with the rows. It is dropped before each apply and taken again at the next read, so that no page stays pinned
across an apply. No cursor outlives a call: a scan returns the key at which to go on, and the next call seeks
it. Both kinds of read are safe on one thread only. That the replica is complete to `ts` is the caller's
business: start_ts comes from applied_ts on one machine, and a read waits for its time in regions (DESIGN §4).
"""

import struct
from bisect import bisect_left
from collections.abc import Sequence
from hashlib import blake2b
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from storage import longkey
from storage.lmdb_engine import Database, Engine, Transaction
from storage.longkey import SHORT

Pair = tuple[bytes, bytes]
"""A whole key and a version: commit_ts (8 bytes) + row."""

COMPLEMENT = bytes(range(255, -1, -1))
"""`stamp.translate(COMPLEMENT)` is 2^64-1 - stamp: newest first."""
FIRST_CHUNK = 4
"""Keys read before a range has shown that it holds more; each further chunk is `GROWTH` times as long."""
GROWTH = 8
END = b"\xff" * 4096
"""Above every key: DSQL's end near 2,000 bytes (dsql-reference §4)."""
_BOUND = SHORT + 1
"""A longer bound says no more about keys of at most `SHORT` bytes."""
_header = itemgetter(slice(0, 8))
_key = itemgetter(0)


class TooOld(Exception):
    """A read below the trim horizon: a version that it needs may be gone (AR §1.13, §2 S1)."""


class State(NamedTuple):
    """What the environment holds, written in the transaction that made it so."""

    position: int = 0
    record_hash: bytes = bytes(32)
    applied_ts: int = 0
    """The newest commit_ts applied."""
    horizon: int = 0
    tombstones: int = 0
    """In `current` and `long`: a count may skip the rows' bytes when there are none."""
    has_long: bool = False
    complete: int = 0
    """Everything at or below it is applied: `applied_ts`, or what was closed above it."""


_STATE = struct.Struct(">Q32sQQQ?Q")


def read_state(txn: Transaction, meta: Database) -> State:
    """The state of this snapshot; that of an empty replica when there is none."""
    stored = txn.get(b"state", db=meta)
    return State() if stored is None else State(*_STATE.unpack(stored))


def write_state(txn: Transaction, meta: Database, state: State) -> None:
    """Make `state` the state of what the transaction writes."""
    txn.put(b"state", _STATE.pack(*state), db=meta)


def history_key(key: bytes, stamp: bytes) -> bytes:
    """Where the version of `stamp` (8 bytes) of a key, or of a long key's path, is in history."""
    return len(key).to_bytes(2, "big") + key + stamp.translate(COMPLEMENT)


class Versions:
    """Reads as of a time, from one environment; `Replica` and `Reader` add how it moves on."""

    applied_position: int
    """The journal's position up to which everything is in; 0: nothing. Of several journals the first one's."""
    applied_hash: bytes
    """The hash of the record there."""
    applied_ts: int
    horizon: int
    complete: int
    is_remote = False
    """The rows are in this process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._txn: Transaction | None = None
        self._renew()

    # --- one key

    def get(self, key: bytes, ts: int) -> bytes | None:
        """The row of `key` as of `ts` (ns), or None. Raises `TooOld` when ts < horizon."""
        if self._txn is None:
            self._renew()
        if 0 < len(key) <= SHORT:
            version = self._get(key)
        else:
            version = self._get(longkey.path(key), None, self._engine.long)
        if ts < self.applied_ts:
            return self._row_before(key, version, ts)
        if version is None:
            return None
        return version[8:] or None

    def get_many(self, keys: Sequence[bytes], ts: int) -> list[bytes | None]:
        """`get` of each key, in the order given."""
        get = self.get
        return [get(key, ts) for key in keys]

    def _row_before(self, key: bytes, newest: bytes | None, ts: int) -> bytes | None:
        self._refuse_below_horizon(ts)
        stamp = ts.to_bytes(8, "big")
        if newest is not None and newest[:8] > stamp:
            newest = self._older(key, stamp)
        return None if newest is None else newest[8:] or None

    def _older(self, key: bytes, stamp: bytes) -> bytes | None:
        """The newest version at or before `stamp` in history: one seek."""
        if 0 < len(key) <= SHORT:
            database, wanted = self._engine.history, history_key(key, stamp)
        else:
            database, wanted = self._engine.long_history, history_key(longkey.path(key), stamp)
        cursor = self._cursor(database)
        if cursor.set_range(wanted):
            found, version = cursor.item()
            if found[:-8] == wanted[:-8]:
                return version
        return None

    def _refuse_below_horizon(self, ts: int) -> None:
        if ts < self.horizon:
            raise TooOld(f"read at {ts}, horizon {self.horizon}")

    # --- a range

    def scan(
        self, lo: bytes, hi: bytes, ts: int, limit: int = 256, reverse: bool = False
    ) -> tuple[list[bytes], bytes | None]:
        """Rows in key order (or its reverse) in [lo, hi) as of `ts`, and where to go on.

        That place is the next call's `lo`, or its `hi` when reverse; None says that this was the end. At most
        `limit` keys are visited, so fewer rows than `limit`, even none, may come with a place to go on.
        Raises `TooOld`.
        """
        versions, rest = self._versions(lo, hi, ts, limit if reverse else min(limit, FIRST_CHUNK), reverse)
        rows = [version[8:] for _, version in versions]
        left = limit - FIRST_CHUNK
        if reverse or rest is None or left <= 0:
            return rows, rest
        if self._may_hold_long(rest, hi):
            versions, rest = self._versions(rest, hi, ts, left, False)
            rows += [version[8:] for _, version in versions]
            return rows, rest
        return rows, self._scan_on(rows, rest, hi, ts, left)

    def _scan_on(self, rows: list[bytes], lo: bytes, hi: bytes, ts: int, limit: int) -> bytes | None:
        """Add the rows of at most `limit` short keys from `lo` on; keys are read only where chunks end."""
        cursor = self._cursor()
        stamp = ts.to_bytes(8, "big") if ts < self.applied_ts else None
        size = FIRST_CHUNK
        while limit > 0:
            cursor.set_range(lo)
            size = min(size * GROWTH, limit)
            chunk = list(islice(cursor.iternext(False, True), size))
            is_inside = len(chunk) == size and cursor.key() < hi
            if is_inside and (stamp is None or max(map(_header, chunk)) <= stamp):
                fresh = [version[8:] for version in chunk]
                rows += filter(None, fresh) if b"" in fresh else fresh
            else:
                versions, rest = self._versions(lo, hi, ts, size, False)
                rows += [version[8:] for _, version in versions]
                if not is_inside:
                    return rest
            limit -= size
            if not cursor.next() or (lo := cursor.key()) >= hi:
                return None
        return lo

    def scan_items(
        self, lo: bytes, hi: bytes, ts: int, limit: int = 256, reverse: bool = False
    ) -> tuple[list[Pair], bytes | None]:
        """As `scan`, with whole keys: (key, row)."""
        versions, rest = self._versions(lo, hi, ts, limit, reverse)
        return [(key, version[8:]) for key, version in versions], rest

    def scan_stamped(
        self, lo: bytes, hi: bytes, ts: int, limit: int = 256, reverse: bool = False
    ) -> tuple[list[tuple[bytes, int, bytes]], bytes | None]:
        """As `scan_items`, with the time each row was written: (key, commit_ts, row)."""
        versions, rest = self._versions(lo, hi, ts, limit, reverse)
        return [(key, int.from_bytes(each[:8], "big"), each[8:]) for key, each in versions], rest

    def count(self, lo: bytes, hi: bytes, ts: int, limit: int = 4096) -> tuple[int, bytes | None]:
        """How many rows of [lo, hi) are visible at `ts` among the first `limit` keys, and where to go on."""
        if self._txn is None:
            self._renew()
        if ts < self.applied_ts or self._tombstones or self._may_hold_long(lo, hi):
            versions, rest = self._versions(lo, hi, ts, limit, False)
            return len(versions), rest
        cursor = self._cursor()
        if not (cursor.set_range(lo[:_BOUND]) if lo else cursor.first()):
            return 0, None
        counted, size = 0, FIRST_CHUNK
        while counted < limit:
            size = min(size * GROWTH, limit - counted)
            keys = list(islice(cursor.iternext(True, False), size))
            if keys[-1] >= hi:
                return counted + bisect_left(keys, hi), None
            counted += len(keys)
            if len(keys) < size or not cursor.next():
                return counted, None
        return (counted, rest) if (rest := cursor.key()) < hi else (counted, None)

    def size_estimate(self, lo: bytes, hi: bytes, limit: int = 1024) -> tuple[int, int, bool]:
        """Keys of [lo, hi), bytes with their newest versions, and whether `limit` did not cut them."""
        pairs, rest = self._newest(lo, hi, limit, False)
        return len(pairs), sum(len(key) + len(version) for key, version in pairs), rest is None

    def _versions(
        self, lo: bytes, hi: bytes, ts: int, limit: int, reverse: bool
    ) -> tuple[list[Pair], bytes | None]:
        """The visible versions that hold a row, among the first `limit` keys, and where to go on."""
        pairs, rest = self._newest(lo, hi, limit, reverse)
        if ts >= self.applied_ts:
            return [pair for pair in pairs if len(pair[1]) > 8], rest
        self._refuse_below_horizon(ts)
        stamp = ts.to_bytes(8, "big")
        visible = []
        for key, version in pairs:
            if version[:8] <= stamp:
                if len(version) > 8:
                    visible.append((key, version))
            elif (older := self._older(key, stamp)) is not None and len(older) > 8:
                visible.append((key, older))
        return visible, rest

    def _newest(self, lo: bytes, hi: bytes, limit: int, reverse: bool) -> tuple[list[Pair], bytes | None]:
        """The newest versions of the first `limit` keys of [lo, hi), and where to go on."""
        if self._txn is None:
            self._renew()
        if lo >= hi or limit <= 0:
            return [], None
        pairs, rest = self._short(lo, hi, limit, reverse)
        if not self._may_hold_long(lo, hi):
            return pairs, rest
        walk = longkey.descend if reverse else longkey.ascend
        assert self._txn is not None
        others = list(islice(walk(self._txn, self._engine.long, lo, hi), limit + 1))
        if not others:
            return pairs, rest
        merged = sorted(pairs + others, key=_key, reverse=reverse)
        if len(merged) <= limit:
            return merged, rest
        if reverse:
            return merged[:limit], merged[limit - 1][0]
        following = merged[limit][0]
        return merged[:limit], following if rest is None else min(rest, following)

    def _short(self, lo: bytes, hi: bytes, limit: int, reverse: bool) -> tuple[list[Pair], bytes | None]:
        """`_newest` of the keys in `current`."""
        cursor = self._cursor()
        pairs: list[Pair] = []
        if reverse:
            if not (cursor.prev() if cursor.set_range(hi[:_BOUND]) else cursor.last()):
                return pairs, None
            items = cursor.iterprev()
        else:
            if not (cursor.set_range(lo[:_BOUND]) if lo else cursor.first()):
                return pairs, None
            items = cursor.iternext()
        size = FIRST_CHUNK
        while len(pairs) < limit:
            size = min(size, limit - len(pairs))
            chunk = list(islice(items, size))
            if chunk and (chunk[-1][0] < lo if reverse else chunk[-1][0] >= hi):
                return pairs + _inside(chunk, lo, hi, reverse), None
            pairs += chunk
            if len(chunk) < size:
                return pairs, None
            size *= GROWTH
        if reverse:
            return pairs, pairs[-1][0] if cursor.prev() and cursor.key() >= lo else None
        return pairs, cursor.key() if cursor.next() and cursor.key() < hi else None

    def _may_hold_long(self, lo: bytes, hi: bytes) -> bool:
        return self._has_long and longkey.may_hold(self._transaction(), self._engine.long, lo, hi)

    # --- the snapshot

    def release(self) -> None:
        """Let go of the LMDB snapshot, so that its pages may be used again; the next read takes a new one."""
        if self._txn is not None:
            self._txn.abort()
            self._txn = None

    def content_hash(self, ts: int) -> bytes:
        """BLAKE2b of every (key, row) visible at `ts`: equal for replicas that hold the same (AR §2 S3)."""
        digest = blake2b(digest_size=32)
        lo: bytes | None = b""
        while lo is not None:
            items, lo = self.scan_items(lo, END, ts, 1024)
            for pair in items:
                for part in pair:
                    digest.update(len(part).to_bytes(4, "big") + part)
        return digest.digest()

    def extra(self) -> bytes:
        """The bytes that the last `apply` or `load` that had any left beside the state, in this snapshot."""
        return self._transaction().get(b"extra", b"", self._engine.meta)

    def _transaction(self) -> Transaction:
        if self._txn is None:
            self._renew()
        assert self._txn is not None
        return self._txn

    def _renew(self) -> None:
        """Take a snapshot and the state of that very snapshot."""
        txn = self._txn = self._engine.env.begin(db=self._engine.current)
        self._get = txn.get
        self._cursor = txn.cursor
        self._adopt(read_state(txn, self._engine.meta))

    def _adopt(self, state: State) -> None:
        self.applied_position, self.applied_hash, self.applied_ts, self.horizon = state[:4]
        self._tombstones, self._has_long, self.complete = state[4:]


def _inside(chunk: list[Pair], lo: bytes, hi: bytes, reverse: bool) -> list[Pair]:
    """The leading pairs of a chunk that are in [lo, hi)."""
    if reverse:
        return [pair for pair in chunk if pair[0] >= lo]
    return chunk[: bisect_left(chunk, hi, key=_key)]
