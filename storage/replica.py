"""The storage replica: it follows the log, keeps what a reader may still need, and lets go of the rest.

    journal ──record──▶ apply(commits, position, hash, now)
                          one LMDB transaction: rows, old versions, what to trim, the state
                        ──▶ visible, all keys of a transaction at once (AR §2 S2)

**Applying.** A record's commits come in order of commit_ts, above everything applied. Each write replaces the
newest version of its key; the version before moves to history (storage.mvcc), and a note goes to `trim`,
under the commit_ts that superseded it. Position and hash of the record are in the same LMDB transaction as
the rows, so that a process that is killed goes on exactly where it was. When the map or the disk is full,
`NoSpace` is raised and nothing of the record is in; it may be applied again.

**Trimming.** A transaction lives 300 s at most (dsql-reference §4), so a version that was superseded longer
ago than that and a slack is needed by nobody. Notes are read in order of time, from the oldest:

    trim      (10, 0): a~5 b~2      superseded at 10
              (20, 0): a~10         superseded at 20, by a delete: with a's tombstone
    cutoff 15: a~5 and b~2 go, horizon = 10: reads at 10 and above never needed them
    cutoff 25: a~10 goes, and a's tombstone if it still is a's newest version; horizon = 20

Each apply trims at most about twice what it superseded itself, so that the work is spread, never stands
still, and a backlog shrinks. A note names the version before the tombstone before it: a tombstone must not go
while an older version could still be found below it.

**Starting.** LMDB runs without sync. An environment that cannot be trusted (storage.lmdb_engine) is wiped by
`open`, which says so by `needs_rebuild`; the caller loads a snapshot and replays the journal after it. The
caller also wipes and loads when the journal does not hold (applied_position, applied_hash).

**Snapshots** hold the versions visible at applied_ts and nothing older: after a restart every transaction
begins at or above that time, so the horizon of a loaded replica is the snapshot's time. They are read batch
by batch while applying goes on: MVCC shows the same rows at the same time throughout, and trimming stops
below that time for as long.

Left out: waiting until the replica is complete to a time (DESIGN §4) belongs to the caller, which knows the
closed times of the journals.
"""

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from journal.broken import require
from journal.crossbar import Mark
from journal.record import Commit, Key, Position, Timestamp, Write
from storage import lmdb_engine, longkey
from storage.lmdb_engine import FORMAT, MAP_SIZE, Cursor, Engine, NoSpace, Space, Transaction
from storage.longkey import SHORT
from storage.mvcc import END, State, TooOld, Versions, history_key, write_state
from storage.shard import Row, Step
from storage.sizes import CLUSTER, STAMP, Growth, Sizes, replaced
from storage.trust import Trust

__all__ = ["MAP_SIZE", "RETENTION_NS", "NoSpace", "Reader", "Replica", "Space", "TooOld"]

RETENTION_NS = 310 * 10**9
"""300 s, the longest transaction (dsql-reference §4), and 10 s of slack."""
TRIM_LEAST = 8
"""Versions that an apply may trim even if it supersedes none."""
SCAN_FIRST, SCAN_MOST = 32, 256
"""Keys that a shard's scan looks at in one go, at first and later: many want few rows."""
NOTE_ITEMS = 64
"""Versions in one note of `trim`, so that a note is a bounded piece of work."""
LOAD_BATCH = 20_000
"""Rows of a snapshot per LMDB transaction."""

SnapshotItem = Row
"""(whole key, commit_ts, row): journal.snapshot writes and reads these."""

# What a note names, by the first byte of each item.
_VERSION, _LONG_VERSION, _TOMBSTONE, _LONG_TOMBSTONE = b"v", b"V", b"t", b"T"
_pack_note = msgspec.msgpack.Encoder().encode
_unpack_note = msgspec.msgpack.Decoder(list[bytes]).decode
_pack_mark = msgspec.msgpack.Encoder().encode
_unpack_mark = msgspec.msgpack.Decoder(Mark).decode


class Replica(Versions):
    """The one writer of an environment, and a reader of it. Synchronous; for one thread."""

    needs_rebuild: bool
    """What stood in the directory could not be trusted and was wiped: load a snapshot and replay."""

    @classmethod
    def open(
        cls, path: Path | str, *, map_size: int = MAP_SIZE, retention_ns: int = RETENTION_NS
    ) -> "Replica":
        """Open or make the environment in a directory of its own, whose lock the caller holds.

        Raises `lmdb_engine.WrongFormat`. Empty (applied_position 0) when new, or when `needs_rebuild`.
        """
        path = Path(path)
        boot = lmdb_engine.boot_id()
        exists = (path / "data.mdb").exists()
        is_trusted = exists and lmdb_engine.is_trusted(path, boot)
        if exists and not is_trusted:
            lmdb_engine.wipe(path)
        if not is_trusted:
            lmdb_engine.write_trust(path, Trust(FORMAT, boot, False))
        replica = cls(Engine(path, map_size=map_size))
        replica.needs_rebuild = exists and not is_trusted
        replica._boot = boot
        replica.retention_ns = retention_ns
        return replica

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.needs_rebuild = False
        self._boot = ""
        self.retention_ns = RETENTION_NS
        """How long a version is kept after it was superseded."""
        self._is_synced = True
        self._is_open = True
        self._held: list[Timestamp] = []
        """Times at which snapshots are being read: nothing that they see is trimmed."""
        self._sizes = Sizes(engine, self._transaction())

    def apply(
        self,
        commits: Sequence[Commit],
        position: int,
        record_hash: bytes,
        now: int,
        extra: bytes | None = None,
        complete: Timestamp = 0,
        mark: Mark | None = None,
    ) -> None:
        """Apply commits up to this record (none: a claim), visible when it returns. Raises `NoSpace`.

        `now` (ns since 1970) only decides what may be trimmed. `extra` is kept beside the state, for
        `extra()` and `Reader.refresh`, as is `mark`. `complete` may lie above the newest commit. Microseconds:
        about 12, and 3 to 10 per write.
        """
        is_further = position > self.applied_position or (
            mark is not None and position == self.applied_position
        )
        require(is_further, "a record is applied once, in order (X1)")
        self._begin_change()
        with self._engine.writing() as txn:
            group = _Group(self._engine, txn, self._state())
            for commit in commits:
                group.apply(commit)
            group.trim(self._cutoff(now), 2 * group.superseded + TRIM_LEAST)
            state = group.state(position, record_hash, complete)
            write_state(txn, self._engine.meta, state)
            self._sizes.write(txn, group.growth)
            if extra is not None:
                txn.put(b"extra", extra, db=self._engine.meta)
            if mark is not None:
                txn.put(b"mark", _pack_mark(mark), db=self._engine.meta)
        self._adopt(state)
        self._sizes.adopt(group.growth)

    def trim(self, now: int, limit: int = 256) -> int:
        """Trim about `limit` old versions, for idle times; how many went. Raises `NoSpace`."""
        return self.trim_before(self._cutoff(now), limit)

    def trim_before(self, cutoff: Timestamp, limit: int = 256) -> int:
        """Trim about `limit` versions that were superseded at or below `cutoff`; how many went."""
        cutoff = min([cutoff, *self._held])
        self._begin_change()
        with self._engine.writing() as txn:
            group = _Group(self._engine, txn, self._state())
            trimmed = group.trim(cutoff, limit)
            state = group.state(self.applied_position, self.applied_hash)
            write_state(txn, self._engine.meta, state)
        self._adopt(state)
        return trimmed

    def snapshot_items(
        self, batch: int = 256, lo: bytes = b"", hi: bytes = END
    ) -> Generator[SnapshotItem, None, None]:
        """Every row of [lo, hi) visible at the applied_ts of this call, in key order, whatever is applied meanwhile.

        Each batch seeks anew; no LMDB snapshot is held between batches when the caller applies or releases.
        Trimming is held back until the iterator ends, is closed or dropped. Read position, hash and time with
        this call.
        """
        items = self._items_at(self.applied_ts, batch, lo, hi)
        next(items)
        return items

    def _items_at(
        self, ts: Timestamp, batch: int, lo: bytes, hi: bytes
    ) -> Generator[SnapshotItem, None, None]:
        self._held.append(ts)
        try:
            yield b"", 0, b""  # taken by snapshot_items: from here on the time is held
            following: bytes | None = lo
            while following is not None:
                versions, following = self._versions(following, hi, ts, batch, False)
                for key, version in versions:
                    yield key, int.from_bytes(version[:8], "big"), version[8:]
        finally:
            self._held.remove(ts)

    def load(
        self,
        items: Iterable[SnapshotItem],
        position: int,
        record_hash: bytes,
        ts: Timestamp,
        extra: bytes = b"",
        mark: Mark | None = None,
    ) -> None:
        """Fill an empty replica from a snapshot cut at `position` and `ts`; ts becomes its horizon too.

        Fastest when keys ascend. A process killed on the way leaves an environment that `open` does not
        trust.
        """
        require(self.applied_position == 0, "a snapshot is loaded into an empty replica")
        lmdb_engine.write_trust(self._engine.path, Trust(FORMAT, "", False))
        self.release()
        remaining = iter(items)
        last, has_long = b"", False
        growth: Growth = defaultdict(int)
        while batch := list(islice(remaining, LOAD_BATCH)):
            with self._engine.writing() as txn:
                last, found_long = _load_batch(self._engine, txn, batch, last)
            has_long = has_long or found_long
            for key, _commit_ts, row in batch:
                growth[key[:CLUSTER]] += len(key) + STAMP + len(row)
        with self._engine.writing() as txn:
            state = State(position, record_hash, ts, ts, 0, has_long, ts)
            write_state(txn, self._engine.meta, state)
            self._sizes.write(txn, growth)
            if mark is not None:
                txn.put(b"mark", _pack_mark(mark), db=self._engine.meta)
            txn.put(b"extra", extra, db=self._engine.meta)
        self._adopt(state)
        self._sizes.adopt(growth)
        lmdb_engine.write_trust(self._engine.path, Trust(FORMAT, self._boot, False))
        self._is_synced = False
        self.needs_rebuild = False

    def cluster_bytes(self, cluster: bytes) -> int:
        """What the rows of the cluster with this number (4 bytes BE) occupy, as `storage.sizes` counts it."""
        return self._sizes.of(cluster)

    def space(self) -> Space:
        """Bytes left in the map and on the disk, for refusing writes in time (DESIGN §8)."""
        return self._engine.space()

    def check_readers(self) -> int:
        """Free the LMDB reader slots of processes that died; every 10 s (DESIGN §8)."""
        return self._engine.check_readers()

    def flush_pages(self) -> None:
        """Push what was written to the disk, from any thread: a `sync` right after it is short."""
        self._engine.flush_pages()

    def sync(self) -> None:
        """Flush to the disk: until the next apply, even a crash of the machine needs no rebuild."""
        self._engine.sync()
        lmdb_engine.write_trust(self._engine.path, Trust(FORMAT, self._boot, True))
        self._is_synced = True

    def close(self) -> None:
        """Sync and close; a second time nothing."""
        if self._is_open:
            self.sync()
            self.release()
            self._engine.close()
            self._is_open = False

    @staticmethod
    def wipe(path: Path | str) -> None:
        """Remove the environment in `path`, which nothing has open."""
        lmdb_engine.wipe(Path(path))

    def mark(self) -> Mark | None:
        """Of the last `apply` or `load` that had one."""
        packed = self._transaction().get(b"mark", None, self._engine.meta)
        return None if packed is None else _unpack_mark(packed)

    def _state(self) -> State:
        return State(
            self.applied_position,
            self.applied_hash,
            self.applied_ts,
            self.horizon,
            self._tombstones,
            self._has_long,
            self.complete,
        )

    def _cutoff(self, now: int) -> Timestamp:
        """Versions superseded at or before this time may go."""
        return min([now - self.retention_ns, *self._held])

    def _begin_change(self) -> None:
        self.release()
        if self._is_synced:
            lmdb_engine.write_trust(self._engine.path, Trust(FORMAT, self._boot, False))
            self._is_synced = False


class StoredRows:
    """A replica's versions as `storage.shard.Rows`: each step is one LMDB transaction. Raises `NoSpace`.

    Reads of the process itself go to the replica directly.
    """

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self._mark = replica.mark()

    @property
    def complete(self) -> Timestamp:
        return self.replica.complete

    @property
    def mark(self) -> Mark | None:
        return self._mark

    @property
    def horizon(self) -> Timestamp:
        return self.replica.horizon

    def apply(self, commits: Sequence[Commit], step: Step) -> None:
        replica, mark = self.replica, step.mark
        position, record_hash = replica.applied_position, replica.applied_hash
        if mark is not None:
            position, record_hash = _place(mark)
        elif not commits and step.complete == replica.complete and step.extra is None:
            return
        replica.apply(commits, position, record_hash, step.now, step.extra, step.complete, mark)
        if mark is not None:
            self._mark = mark

    def load(self, rows: Iterable[Row], step: Step) -> None:
        mark = step.mark
        position, record_hash = _place(mark) if mark is not None else (0, bytes(32))
        self.replica.load(rows, position, record_hash, step.complete, step.extra or b"", mark)
        self._mark = mark

    def get(self, key: Key, ts: Timestamp) -> bytes | None:
        return self.replica.get(key, ts)

    def scan(self, lo: Key, hi: Key, ts: Timestamp, reverse: bool = False) -> Iterator[Row]:
        following: Key | None = hi if reverse else lo
        size = SCAN_FIRST
        while following is not None:
            lo, hi = (lo, following) if reverse else (following, hi)
            rows, following = self.replica.scan_stamped(lo, hi, ts, size, reverse)
            yield from rows
            if following is not None and len(rows) <= size // 2:
                yield following, 0, b""
            size = min(2 * size, SCAN_MOST)

    def visible(self, ts: Timestamp) -> Iterator[Row]:
        return (row for row in self.scan(b"", END, ts) if row[2])

    def trim(self, before: Timestamp) -> Timestamp:
        self.replica.trim_before(before)
        return self.replica.horizon


def _place(mark: Mark) -> tuple[Position, bytes]:
    """Where the first journal of `mark` stands."""
    if not mark.positions:
        return 0, bytes(32)
    journal, position = mark.positions[0]
    return position, dict(mark.hashes).get(journal, bytes(32))


class Reader(Versions):
    """The same reads in another process, on the same environment, opened read-only.

    A read renews a released snapshot by itself; `refresh` moves on to the newest one. `applied_ts` of a
    snapshot is the time of its own rows, so a start_ts from `refresh` is complete in it and in every later
    one.
    """

    @classmethod
    def open(
        cls, path: Path | str, *, map_size: int = MAP_SIZE, taken: Callable[[], None] | None = None
    ) -> "Reader":
        """`path` and `map_size` as the replica's, which exists.

        `taken` is called for each snapshot taken, so that its owner sees to it that it is released.
        """
        return cls(Engine(Path(path), map_size=map_size, readonly=True), taken)

    def __init__(self, engine: Engine, taken: Callable[[], None] | None = None) -> None:
        self._taken = taken
        super().__init__(engine)

    def refresh(self) -> tuple[Timestamp, int, bytes]:
        """Take the newest LMDB snapshot: (applied_ts, applied_position, extra), all from that one."""
        self.release()
        self._renew()
        return self.applied_ts, self.applied_position, self.extra()

    def close(self) -> None:
        self.release()
        self._engine.close()

    def _renew(self) -> None:
        super()._renew()
        if self._taken is not None:
            self._taken()


class _Group:
    """What one LMDB transaction changes, and the state that follows from it."""

    def __init__(self, engine: Engine, txn: Transaction, state: State) -> None:
        self._engine = engine
        self._txn = txn
        self.superseded = 0
        self.growth: Growth = defaultdict(int)
        """What clusters occupy more, or less."""
        self._applied_ts = state.applied_ts
        self._horizon = state.horizon
        self._tombstones = state.tombstones
        self._has_long = state.has_long
        self._complete = state.complete
        self._noted = b""
        """The time of the last note, and how many there are: journals may hold commits of the same time."""
        self._sequence = 0

    def state(self, position: int, record_hash: bytes, complete: Timestamp = 0) -> State:
        """What the environment then holds, having applied the record at `position`."""
        applied_ts, upto = self._applied_ts, max(self._applied_ts, self._complete, complete)
        return State(position, record_hash, applied_ts, self._horizon, self._tombstones, self._has_long, upto)

    def apply(self, commit: Commit) -> None:
        """Put every write of a commit in, and the note of what it superseded."""
        commit_ts = commit.commit_ts
        require(commit_ts >= self._applied_ts, "commits are applied in order of commit_ts (X1)")
        stamp = commit_ts.to_bytes(8, "big")
        replace, put, history = self._txn.replace, self._txn.put, self._engine.history
        growth = self.growth
        note: list[bytes] = []
        for write in commit.writes:
            key, value = write.key, write.value
            if not value or not 0 < len(key) <= SHORT:
                self._apply_seldom(write, stamp, note)
                continue
            version = stamp + value
            old = replace(key, version)
            if old is None:
                growth[key[:CLUSTER]] += len(key) + len(version)
            else:
                require(old[:8] < stamp, "a version is newer than those before it (S4)")
                older = history_key(key, old[:8])
                put(older, old, db=history)
                note.append(_VERSION + older)
                replaced(growth, key, old, version)
                if len(old) == 8:
                    self._tombstones -= 1
        if note:
            self._write_note(stamp, note)
        self._applied_ts = commit_ts

    def _apply_seldom(self, write: Write, stamp: bytes, note: list[bytes]) -> None:
        """A delete, or a write of a key that does not fit."""
        key, value = write.key, write.value
        require(value is None or value, "a row is never empty: no bytes mean a tombstone")
        is_short = 0 < len(key) <= SHORT
        engine, txn = self._engine, self._txn
        stored = key if is_short else longkey.path(key)
        database = engine.current if is_short else engine.long
        old = txn.get(stored, None, database)
        if value is None and (old is None or len(old) == 8):
            return
        if old is None and not is_short:
            longkey.join(txn, engine.long, key)
            self._has_long = True
        version = stamp + (value or b"")
        txn.put(stored, version, db=database)
        replaced(self.growth, key, old, version)
        if old is not None:
            require(old[:8] < stamp, "a version is newer than those before it (S4)")
            older = history_key(stored, old[:8])
            txn.put(older, old, db=engine.history if is_short else engine.long_history)
            note.append((_VERSION if is_short else _LONG_VERSION) + older)
            self._tombstones -= len(old) == 8
        if value is None:
            note.append((_TOMBSTONE if is_short else _LONG_TOMBSTONE) + key)
            self._tombstones += 1

    def _write_note(self, stamp: bytes, note: list[bytes]) -> None:
        self.superseded += len(note)
        if stamp != self._noted:
            self._noted, self._sequence = stamp, 0
        for start in range(0, len(note), NOTE_ITEMS):
            name = stamp + self._sequence.to_bytes(4, "big")
            self._txn.put(name, _pack_note(note[start : start + NOTE_ITEMS]), db=self._engine.trim)
            self._sequence += 1

    def trim(self, cutoff: Timestamp, limit: int) -> int:
        """Let go of what was superseded up to `cutoff`, note by note, until `limit` is met; how many went."""
        cursor = self._txn.cursor(self._engine.trim)
        trimmed = 0
        while trimmed < limit and cursor.first():
            stamp = cursor.key()[:8]
            superseding_ts = int.from_bytes(stamp, "big")
            if superseding_ts > cutoff:
                break
            trimmed += self._trim_note(cursor, stamp)
            require(superseding_ts <= self._applied_ts, "the horizon is not above the applied time")
            self._horizon = max(self._horizon, superseding_ts)
        return trimmed

    def _trim_note(self, cursor: Cursor, stamp: bytes) -> int:
        engine, txn = self._engine, self._txn
        items = _unpack_note(cursor.value())
        cursor.delete()
        for item in items:
            kind, name = item[:1], item[1:]
            if kind == _VERSION:
                txn.delete(name, db=engine.history)
            elif kind == _LONG_VERSION:
                txn.delete(name, db=engine.long_history)
            elif kind == _TOMBSTONE:
                if txn.get(name) == stamp:
                    txn.delete(name)
                    self._tombstones -= 1
            elif txn.get(longkey.path(name), None, engine.long) == stamp:
                txn.delete(longkey.path(name), db=engine.long)
                longkey.prune(txn, engine.long, name)
                self._tombstones -= 1
        return len(items)


def _load_batch(
    engine: Engine, txn: Transaction, batch: list[SnapshotItem], last: bytes
) -> tuple[bytes, bool]:
    """Put rows of a snapshot in: the greatest short key so far, and whether a long key was among them."""
    pairs = []
    has_long, ascends = False, True
    for key, commit_ts, row in batch:
        if 0 < len(key) <= SHORT:
            ascends = ascends and key > last
            last = max(last, key)
            pairs.append((key, commit_ts.to_bytes(8, "big") + row))
        else:
            has_long = True
            longkey.join(txn, engine.long, key)
            txn.put(longkey.path(key), commit_ts.to_bytes(8, "big") + row, db=engine.long)
    txn.cursor(engine.current).putmulti(pairs, append=ascends)
    return last, has_long
