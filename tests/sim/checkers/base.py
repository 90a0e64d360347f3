"""What a checker may look at, and the history of everything that was appended."""

from bisect import bisect_right, insort
from collections.abc import Iterator, Sequence
from operator import itemgetter

from adjudicator.messages import Aborted, CommitRequest
from adjudicator.protocol import Candidate, Prepare
from adjudicator.range_owner import RangeOwner
from journal.crossbar import Announcement, Item, Mark
from journal.journal import Entry
from journal.record import MARKERS, Commit
from server.session.coordinator import Result, WriteSet
from storage.shard import Read, ReadAnswer, Scan, ScanAnswer, Shard, Snapshot
from tests.sim.logged import Logged
from tests.sim.workloads import Range

Touched = tuple[int, int, int, bytes]
"""(commit_ts, start_ts, class, txid)."""
Step = tuple[int, int, int, int]
"""(time, journal, position, number in the record)."""
CONFLICTS = frozenset({(1, 3), (3, 1), (2, 2), (2, 3), (3, 2), (3, 3)})
"""Pairs of lock classes (AR §1.11)."""


class Violation(Exception):
    """An invariant does not hold."""

    def __init__(self, invariant: str, text: str, *txids: bytes) -> None:
        super().__init__(f"{invariant}: {text}")
        self.invariant = invariant
        self.txids = txids


class History:
    """Everything in all journals, as an all-seeing reader has it."""

    def __init__(self) -> None:
        self.commits: dict[bytes, tuple[int, Commit]] = {}
        self.epochs: dict[bytes, int] = {}
        """txid -> the epoch that appended it."""
        self.versions: dict[bytes, list[tuple[int, bytes | None]]] = {}
        self.touches: dict[bytes, list[Touched]] = {}
        """Per key, markers too, in order of time."""
        self.stream: list[Step] = []
        """What a reader of all journals gets, in order."""
        self.entries: dict[int, list[Entry]] = {}
        self.write_sets: dict[bytes, WriteSet] = {}
        self.now = 0
        """True time of the newest record."""

    def ask(self, write_set: WriteSet) -> None:
        """A transaction asks to be committed."""
        self.write_sets[write_set.txid] = write_set

    def add(self, journal: int, entry: Entry) -> None:
        """A record is durable."""
        record = entry.record
        position = record.header.position
        self.entries.setdefault(journal, []).append(entry)
        if record.ts:
            insort(self.stream, (record.ts, journal, position, 0))
        for number, commit in enumerate(record.commits):
            insort(self.stream, (commit.commit_ts, journal, position, number))
            self.commits.setdefault(commit.txid, (journal, commit))
            self.epochs.setdefault(commit.txid, record.header.epoch)
            for touch in (*commit.writes, *commit.locks):
                if touch.lock:
                    touched = (commit.commit_ts, commit.start_ts, touch.lock, commit.txid)
                    insort(self.touches.setdefault(touch.key, []), touched)
            for write in commit.writes:
                if not write.key.startswith(MARKERS):
                    insort(
                        self.versions.setdefault(write.key, []),
                        (commit.commit_ts, write.value),
                        key=itemgetter(0),
                    )

    def value(self, key: bytes, ts: int) -> bytes | None:
        return self.version(key, ts)[1]

    def version(self, key: bytes, ts: int) -> tuple[int, bytes | None]:
        """(commit_ts, value) of `key` as of `ts`; (0, None) when there is none."""
        versions = self.versions.get(key, [])
        index = bisect_right(versions, ts, key=itemgetter(0))
        return versions[index - 1] if index else (0, None)

    def rows(self, lo: bytes, hi: bytes, ts: int) -> list[tuple[bytes, int, bytes]]:
        """The rows of [lo, hi) as of `ts`: (key, commit_ts, value), in key order."""
        rows = []
        for key in sorted(self.versions):
            if lo <= key < hi:
                commit_ts, value = self.version(key, ts)
                if value is not None:
                    rows.append((key, commit_ts, value))
        return rows

    def conflicting(self, key: bytes, lock: int, after: int, upto: int = 1 << 62) -> Iterator[bytes]:
        """The transactions that committed a class on `key` against `lock` in (after, upto]."""
        for commit_ts, _start_ts, other, txid in reversed(self.touches.get(key, [])):
            if commit_ts <= after:
                return
            if commit_ts <= upto and (lock, other) in CONFLICTS:
                yield txid


class Checker:
    """Overrides what it needs; raises `Violation`."""

    def __init__(self, history: History) -> None:
        self.history = history

    def on_commit(self, write_set: WriteSet) -> None: ...
    def on_record(self, journal: int, entry: Entry) -> None: ...
    def on_promise(self, journal: int, epoch: int, prepare: Prepare, upto: int, ts: int) -> None: ...
    def on_judgement(self, owner: RangeOwner, asked: CommitRequest, refusal: Aborted | None) -> None: ...
    def on_attempt(self, journal: int, epoch: int, candidate: Candidate) -> None: ...
    def on_decision(self, journal: int, epoch: int, candidate: Candidate, commit_ts: int) -> None: ...
    def on_outcome(self, journal: int, epoch: int, candidate: Candidate) -> None: ...
    def on_owner(self, owner: RangeOwner) -> None: ...
    def on_resumed(self, name: str, mark: Mark | None) -> None: ...
    def on_items(self, name: str, items: Sequence[Item], complete: int) -> None: ...
    def on_tail(self, name: str, journal: int, entries: Sequence[Entry]) -> None: ...
    def on_trim(self, journal: int, first: int, marks: Sequence[Mark]) -> None: ...
    def on_snapshot(self, shard: Shard, snapshot: Snapshot) -> None: ...
    def on_transaction(self, logged: Logged) -> None: ...
    def on_announce(self, announcement: Announcement) -> None: ...
    def on_complete(self, name: str, shard: Shard, closed: dict[int, int]) -> None: ...
    def on_read(self, name: str, read: Read, answer: ReadAnswer) -> None: ...
    def on_scan(self, name: str, scan: Scan, answer: ScanAnswer) -> None: ...
    def on_range(
        self, client: str, start_ts: int, request: Range, rows: list[tuple[bytes, int, bytes]]
    ) -> None: ...
    def on_age(self, txid: bytes, age: int) -> None: ...
    def on_told(self, client: str, start_ts: int, is_bounded: bool) -> None: ...
    def on_begin(self, client: str, start_ts: int, at: int, is_bounded: bool) -> None: ...
    def on_result(self, client: str, txid: bytes, result: Result, at: int, is_bounded: bool) -> None: ...
    def on_observation(
        self, kind: str, client: str, start_ts: int, values: dict[bytes, bytes | None]
    ) -> None: ...
    def at_end(self, shards: list[Shard]) -> None: ...


HOOKS = tuple(name for name in vars(Checker) if name.startswith(("on_", "at_")))


class Observers:
    """Hands every event to the checkers that ask for it."""

    def __init__(self, classes) -> None:  # type: ignore[no-untyped-def]
        self.history = History()
        self.checkers = [each(self.history) for each in classes]
        self._hooks = {
            hook: [
                getattr(each, hook)
                for each in self.checkers
                if getattr(type(each), hook) is not getattr(Checker, hook)
            ]
            for hook in HOOKS
        }
        self._hooks["on_commit"].insert(0, self.history.ask)
        self._hooks["on_record"].insert(0, self.history.add)

    def tell(self, hook: str, *args) -> None:  # type: ignore[no-untyped-def]
        for method in self._hooks[hook]:
            method(*args)

    def checker(self, kind):  # type: ignore[no-untyped-def]
        return next(each for each in self.checkers if isinstance(each, kind))
