"""One transaction: a snapshot, a write buffer, and the request that COMMIT sends (DESIGN §5, §6).

Problem. A transaction must see the database as of one moment, plus what it did itself, and nobody else may see
any of it before COMMIT; at COMMIT somebody must be able to decide, from this object alone, whether it conflicts.

Rule. `start_ts` is fixed at BEGIN. Reads go to the replica as of start_ts, overlaid with the buffer. Writes are
post-images, by key; each has the lock class that the conflict matrix needs (AR §1.11). Nothing waits for anybody.

    BEGIN            start_ts = 100
    UPDATE k         buffer: k -> new row, NON_KEY          (the replica still holds k@90)
    SELECT k         -> new row, from the buffer
                     ... another transaction commits k@105 ...
    SELECT k         -> new row still: one snapshot
    COMMIT           request (start 100, writes {k: NON_KEY}) -> 105 > 100: aborted, OC000

A statement must not see what it writes itself (an INSERT ... SELECT from its own table would never end), so a
statement's writes wait in `fresh` and join the buffer at its end. Uniqueness looks at both.

Limits are enforced here because the buffer and the record rest on them (dsql-reference §4): rows at the
statement that crosses the limit, bytes at COMMIT, age at the next statement or COMMIT.

Left out: savepoints. DSQL has none, so an error needs no undo: the whole buffer is dropped.
"""

import time
from bisect import bisect_left
from collections.abc import Collection, Sequence
from copy import copy
from itertools import repeat
from typing import Any, Protocol

from adjudicator.messages import CommitRequest
from journal.record import Lock, LockClass, Write
from server.catalog.descriptor import Catalog, Oid
from server.catalog.store import ROLES, SCHEMAS, TABLES, object_key, version_key
from server.errors import PgError
from server.session.unique import unique_id
from server.sql.foreign_checks import Checks
from server.sql.limits import Limits

Batch = tuple[list[bytes], bytes | None]
Items = tuple[list[tuple[bytes, bytes]], bytes | None]


class Versions(Protocol):
    """The replica's read side, here or elsewhere."""

    @property
    def is_remote(self) -> bool:
        """Whether the rows are in other processes; then `scan_items` takes what is pushed down as its last argument."""

    def get(self, key: bytes, ts: int) -> bytes | None: ...

    def get_many(self, keys: Sequence[bytes], ts: int) -> list[bytes | None]: ...

    def scan(self, lo: bytes, hi: bytes, ts: int, limit: int = 256, reverse: bool = False) -> Batch: ...

    def scan_items(self, lo: bytes, hi: bytes, ts: int, limit: int = 256, reverse: bool = False) -> Items: ...

    def count(self, lo: bytes, hi: bytes, ts: int, limit: int = 4096) -> tuple[int, bytes | None]: ...


class Transaction:
    """See the module's text. `implicit`: it ends with the statement, or at Sync."""

    __slots__ = (
        "_begun",
        "_is_viewed",
        "_keys",
        "catalog",
        "checks",
        "cluster",
        "ddl",
        "dml",
        "fresh",
        "implicit",
        "is_past",
        "limits",
        "locks",
        "now",
        "queries",
        "read_only",
        "roles",
        "row_keys",
        "start_ts",
        "txid",
        "used",
        "versions",
        "writes",
    )

    def __init__(
        self, versions: Versions, catalog: Catalog, start_ts: int, limits: Limits, *, implicit: bool = False
    ) -> None:
        self.versions = versions
        self.catalog = catalog
        self.cluster = catalog.cluster
        self.start_ts = start_ts
        self.limits = limits
        self.implicit = implicit
        self.read_only = False
        self.is_past = False
        """It reads as of a moment before its beginning (server.session.past)."""
        self.queries = 0
        """Statements with a plan that were run in it."""
        self.now = time.time_ns()
        """Wall clock at BEGIN, nanoseconds since 1970: what now() shows."""
        self._begun = time.monotonic()
        self.writes: dict[bytes, Write] = {}
        self.fresh: dict[bytes, Write] = {}
        self.locks: dict[bytes, int] = {}
        self.row_keys: set[bytes] = set()
        """Keys of the table rows written: what the row limit counts."""
        self.used: set[Oid] = set()
        """Tables, and of a user beside admin schemas, whose descriptors this transaction relied on."""
        self.roles: Collection[Oid] = ()
        """Roles that give the user its privileges; admin needs none."""
        self.checks: Checks | None = None
        """What foreign keys still ask of it."""
        self.ddl = False
        self.dml = False
        self._keys: list[bytes] | None = None
        self._is_viewed = False
        """A view shares `writes`, so it is replaced rather than changed."""
        self.txid = b""

    # --- reads: the snapshot, overlaid with the buffer ---

    @property
    def is_remote(self) -> bool:
        """Whether the snapshot is in other processes."""
        return self.versions.is_remote

    def get(self, key: bytes) -> bytes | None:
        """The row at `key`, or None."""
        if self.writes:
            found = self.writes.get(key)
            if found is not None:
                return found.value
        return self.versions.get(key, self.start_ts)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """`get` of each key, all at once."""
        writes = self.writes
        if not writes or writes.keys().isdisjoint(keys):
            return self.versions.get_many(keys, self.start_ts)
        others = [key for key in keys if key not in writes]
        found = dict(zip(others, self.versions.get_many(others, self.start_ts)))
        return [writes[key].value if key in writes else found[key] for key in keys]

    def expect(self, keys: Sequence[bytes]) -> None:
        """The statement will look these keys up one by one: where rows are remote they are read at once now."""
        versions: Any = self.versions
        versions.expect([key for key in keys if key not in self.writes], self.start_ts)

    def current(self, key: bytes) -> bytes | None:
        """As `get`, with what the statement at hand wrote: for uniqueness."""
        if self.fresh or self.writes:
            found = self.fresh.get(key) or self.writes.get(key)
            if found is not None:
                return found.value
        return self.versions.get(key, self.start_ts)

    def scan(self, lo: bytes, hi: bytes, limit: int = 256, reverse: bool = False) -> Batch:
        """Row bytes in key order in [lo, hi) and where to go on: the next lo, or hi when reverse."""
        if not self.writes or not self._overlay(lo, hi):
            return self.versions.scan(lo, hi, self.start_ts, limit, reverse)
        items, more = self.scan_items(lo, hi, limit, reverse)
        return [value for _key, value in items], more

    def scan_items(self, lo: bytes, hi: bytes, limit: int = 256, reverse: bool = False) -> Items:
        """As `scan`, with keys."""
        items, more = self.versions.scan_items(lo, hi, self.start_ts, limit, reverse)
        return self._overlaid(items, more, lo, hi, reverse) if self.writes else (items, more)

    def scan_pushed(self, lo: bytes, hi: bytes, limit: int, reverse: bool, pushed: bytes) -> Items:
        """As `scan_items` of what storage makes of the rows by `pushed`, with all rows that were written here."""
        versions: Any = self.versions
        items, more = versions.scan_items(lo, hi, self.start_ts, limit, reverse, pushed)
        return self._overlaid(items, more, lo, hi, reverse) if self.writes else (items, more)

    def _overlaid(
        self, items: list[tuple[bytes, bytes]], more: bytes | None, lo: bytes, hi: bytes, reverse: bool
    ) -> Items:
        covered_lo, covered_hi = lo, hi
        if more is not None:
            covered_lo, covered_hi = (more, hi) if reverse else (lo, more)
        own = self._overlay(covered_lo, covered_hi)
        if not own:
            return items, more
        merged = dict(items)
        for key in own:
            value = self.writes[key].value
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = value
        return sorted(merged.items(), reverse=reverse), more

    def count(self, lo: bytes, hi: bytes, limit: int = 4096) -> tuple[int, bytes | None]:
        """How many rows lie in [lo, hi); visits at most `limit` keys of the replica."""
        if not self.writes or not self._overlay(lo, hi):
            return self.versions.count(lo, hi, self.start_ts, limit)
        items, more = self.scan_items(lo, hi, limit)
        return len(items), more

    def _overlay(self, lo: bytes, hi: bytes) -> list[bytes]:
        keys = self._keys
        if keys is None:
            keys = self._keys = sorted(self.writes)
        return keys[bisect_left(keys, lo) : bisect_left(keys, hi)]

    # --- writes ---

    def new_row_id(self) -> bytes:
        """16 bytes for the hidden key of a row without a primary key."""
        return unique_id()

    def put(self, key: bytes, value: bytes, lock: int) -> None:
        """Buffer a post-image."""
        self._buffer(key, value, lock)

    def delete(self, key: bytes, lock: int) -> None:
        """Buffer a deletion."""
        self._buffer(key, None, lock)

    def put_row(self, key: bytes, value: bytes, lock: int) -> None:
        """Buffer a table row: `count_row` and `put`. PgError 54000."""
        rows = self.row_keys
        rows.add(key)
        if len(rows) > self.limits.transaction_rows:
            raise PgError("54000", "transaction row limit exceeded")
        self._buffer(key, value, lock)

    def _buffer(self, key: bytes, value: bytes | None, lock: int) -> None:
        if lock != EXCLUSIVE:  # nothing before was stronger than that
            before = self.fresh.get(key) or self.writes.get(key)
            if before is not None and before.lock > lock:
                lock = before.lock
        self.fresh[key] = Write(key, value, lock)

    def are_free(self, keys: list[bytes]) -> bool:
        """Whether no two of these keys are equal and none is taken, also by the statement at hand.

        False may also mean that looking key by key is needed: many other rows lie between them.
        """
        if not keys:
            return True
        wanted = set(keys)
        if len(wanted) != len(keys) or not wanted.isdisjoint(self.fresh):
            return False
        items, more = self.scan_items(min(keys), max(keys) + b"\0", len(keys))
        return more is None and all(key not in wanted for key, _value in items)

    def put_rows(self, keys: list[bytes], values: list[bytes], lock: int) -> None:
        """Buffer new rows, all with the same class: `count_row` and `put` for each. PgError 54000."""
        rows = self.row_keys
        rows.update(keys)
        if len(rows) > self.limits.transaction_rows:
            raise PgError("54000", "transaction row limit exceeded")
        self.fresh.update(zip(keys, map(Write, keys, values, repeat(lock))))

    def count_row(self, key: bytes) -> None:
        """A table row is about to be written: PgError 54000 above the row limit."""
        rows = self.row_keys
        rows.add(key)
        if len(rows) > self.limits.transaction_rows:
            raise PgError("54000", "transaction row limit exceeded")

    def lock(self, key: bytes, lock_class: int) -> None:
        """FOR UPDATE, FOR KEY SHARE, foreign keys: decided at COMMIT, nothing waits."""
        if self.locks.get(key, 0) < lock_class:
            self.locks[key] = lock_class

    def end_statement(self) -> None:
        """What the statement wrote becomes visible to the next one."""
        fresh = self.fresh
        if fresh:
            if not self.writes:
                self.writes = fresh
            elif self._is_viewed:
                self.writes = {**self.writes, **fresh}
            else:
                self.writes.update(fresh)
            self._is_viewed = False
            self.fresh = {}
            self._keys = None

    def view(self) -> "Transaction":
        """The transaction as it is now: a portal that is read in parts doesn't see what is written meanwhile.

        What it locks, the transaction has locked.
        """
        self._is_viewed = True
        return copy(self)

    # --- ends ---

    @property
    def age_s(self) -> float:
        return time.monotonic() - self._begun

    @age_s.setter
    def age_s(self, age_s: float) -> None:
        self._begun = time.monotonic() - age_s

    def check_age(self) -> None:
        """PgError 54000 for a transaction older than the limit; by a monotonic clock, never by start_ts."""
        age = time.monotonic() - self._begun
        limit = self.limits.transaction_age_s
        if age > limit:
            raise PgError(
                "54000",
                f"transaction age limit of {limit:.0f}s exceeded",
                detail=f"Current transaction age {age:.0f}s exceeds {limit:.0f}s",
            )

    @property
    def is_adjudicated(self) -> bool:
        """Whether COMMIT must ask: it wrote or locked something. Otherwise it commits locally (Q6)."""
        return bool(self.writes or self.locks)

    def check_size(self) -> int:
        """The size in bytes: keys, values and an overhead per row and index entry.

        PgError 54000 at COMMIT for a transaction above the size limit.
        """
        writes, locks, limits = self.writes, self.locks, self.limits
        size = (len(writes) + len(locks)) * limits.write_overhead_bytes
        for key, write in writes.items():
            value = write.value
            size += len(key) if value is None else len(key) + len(value)
        if locks:
            size += sum(map(len, locks))
        limit = limits.transaction_bytes
        if size > limit:
            raise size_error(size, limit)
        return size

    def request(self, *, rebase: bool) -> CommitRequest:
        """What COMMIT sends to the adjudicator; `rebase` False makes any newer catalog a reason to abort."""
        self.txid = unique_id()
        locks = self.locks
        writes = list(self.writes.values())
        kept = []
        if locks:
            writes = [
                Write(write.key, write.value, max(write.lock, locks.get(write.key, 0))) for write in writes
            ]
            kept = [Lock(key, lock) for key, lock in locks.items() if key not in self.writes]
        cluster = self.cluster
        if rebase:
            schemas = self.catalog.schemas
            checks = [object_key(cluster, SCHEMAS if oid in schemas else TABLES, oid) for oid in self.used]
            for oid in self.roles:
                checks.append(object_key(cluster, ROLES, oid))
        else:
            checks = [version_key(cluster)]
        return CommitRequest(self.txid, self.start_ts, writes, kept, checks)


def size_error(size: int, limit: int) -> PgError:
    """A transaction of `size` bytes is above the limit."""
    return PgError(
        "54000",
        f"transaction size limit {limit >> 20}mb exceeded",
        detail=f"Current transaction size {-(-size // (1 << 20))}mb > {limit >> 20}mb",
    )


EXCLUSIVE = int(LockClass.EXCLUSIVE)
NON_KEY = int(LockClass.NON_KEY)
KEY_SHARE = int(LockClass.KEY_SHARE)
BLIND = int(LockClass.BLIND)
