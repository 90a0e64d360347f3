"""The adjudicator: decides, without waiting for anybody, which transactions commit and at what time.

Problem. Transactions run without locks: each reads one snapshot as of its start_ts and buffers its writes.
Two that changed the same row must not both take effect, or the second would silently undo the first.

Rule. The first committer wins. A transaction that began at s and wants to commit is aborted if, on any key it
touches, a transaction with a conflicting class committed after s; otherwise it commits at a time above every
time given before. The classes (AR §1.11; K is KEY_SHARE, N NON_KEY, E EXCLUSIVE; BLIND touches are ignored):

          K    N    E
     K    -    -    x
     N    -    x    x
     E    x    x    x

    time ->   10      20      30      40
    T1        begin           commit(k)       -> Committed(30): nothing on k after 10
    T2                begin           commit(k) -> Aborted(CONFLICT, k): T1 committed k at 30 > 20
    T3                        begin   commit(k) -> Committed: began at 30, saw T1 (equality is safe)

Who wrote first does not matter, who commits first does; an abort dooms nobody, because only committed
transactions are remembered. Write skew passes (snapshot isolation), unless the reader locked what it read: a
lock is a touch like a write, and a transaction with locks only is decided like any other.

Catalog markers (`checks`) and backfill guards are looked at from one side only: they abort the transaction
that names them, and are never recorded, so a busy table can still be altered (AR §3.13).

The memory is soft state: it holds nothing that the journals do not. Whatever was committed on a range at or
below its floor is not known, and a transaction that began strictly below is refused (A5).

This is the part of an owner that judges and that decides what concerns no other owner; a transaction of
several owners is voted on with the same rules (adjudicator.range_owner). Each rule is a small method, which
the simulation can switch off. A decided transaction counts as committed for all later ones at once, before
its record is durable: if the append is refused, this owner decides nothing more (J5).
Sources: AR §1.6, §2 (A2 to A6), §3.3, §3.15; DESIGN §4, §6.
"""

from collections.abc import Iterable
from typing import NamedTuple

from adjudicator.messages import Aborted, CommitRequest, Committed, Reason, Verdict
from adjudicator.ownership import Range, Ranges
from adjudicator.promises import Promises
from adjudicator.window import Window
from journal.appender import Appender
from journal.broken import require
from journal.record import Commit, Key, Lock, LockClass, Timestamp, Write

_TOO_OLD = Aborted(Reason.TOO_OLD, b"")
_STOPPED = Aborted(Reason.BUSY, b"")


class Settings(NamedTuple):
    """Durations, ns, and bounds."""

    promise: Timestamp = 200 * 10**6
    """T of AR §3.6: 3 to 5 times the worst round trip; the same for all owners, past ones too."""
    reserve: Timestamp = 1000 * 10**6
    """How far ahead times are reserved; renewed at half of it, which is at least `promise`: a schema change is
    dated ahead by that. Nobody's start_ts moves it: a successor starts above it."""
    lead: Timestamp = 0
    """How far commits are dated ahead (AR §3.3)."""
    appends: int = 4
    """Records in flight at once (AR §3.17)."""
    exact_keys: int = 1_000_000
    """Bounds of the conflict memory (`adjudicator.window`)."""
    slots: int = 1 << 20
    outcomes: int = 1 << 20
    """Outcomes that are remembered for whoever lost an answer (AR §3.8)."""
    retention: Timestamp = 310 * 10**9
    """300 s, the longest transaction, its COMMIT's patience, and slack: decisions on older ones are forgotten."""


ALONE = Settings(promise=0, reserve=0, outcomes=0)
"""Of the one owner of everything: it votes for nobody, reserves nothing, and nobody asks it."""


class Adjudicator:
    """Judges transactions on the keys of one owner. `now` is the early edge of its clock, ns."""

    def __init__(self, appender: Appender, safe: Timestamp, base: Timestamp, settings: Settings) -> None:
        """`safe`: everything of earlier epochs lies at or below it; `base`: from where the stream is kept."""
        self.appender = appender
        self.settings = settings
        self.safe = safe
        self.base = base
        self.ranges = Ranges()
        self.window = Window(exact_keys=settings.exact_keys, slots=settings.slots)
        self.promises = Promises()
        self.last_ts = max(appender.last_ts, safe)
        """The newest time given out."""
        self.closed: Timestamp = 0
        """Announced: this owner appends nothing at or below it."""
        self.is_stopped = False

    @property
    def floor(self) -> Timestamp:
        """A transaction that began strictly below it is refused, on some key at least."""
        return max([self.window.floor, *(each.floor for each in self.ranges)])

    def decide(self, request: CommitRequest, now: Timestamp, size: int = 0) -> Verdict:
        """Commit or abort a transaction that concerns this owner alone.

        A commit is remembered, and handed to the appender as about `size` bytes, before this returns; the
        caller tells nobody until its record is durable.
        """
        commit = self._judge(request, request.checks, now)
        if isinstance(commit, Aborted):
            return commit
        self.appender.add(commit, size)
        return Committed(commit.commit_ts)

    def _judge(self, request: CommitRequest, tables: Iterable[Key], now: Timestamp) -> Commit | Aborted:
        """The commit, remembered and to be appended; `tables`: keys of what the checks stand for."""
        if self.is_stopped:
            return _STOPPED
        whole = self.ranges.whole
        if whole is not None:
            floor, after = whole.floor, whole.after
        else:
            keys = [write.key for write in request.writes] + [lock.key for lock in request.locks]
            owned = self._owned([*keys, *request.guards, *tables])
            if isinstance(owned, Aborted):
                return owned
            floor, after = highest(owned)
        start_ts = request.start_ts
        refusal = self._refusal(request, floor)
        if refusal is not None:
            return refusal
        commit_ts = self._next_time(max(now + self.settings.lead, self._not_before(after)), start_ts)
        self._give_out(commit_ts, start_ts)
        self.window.record(request.writes, request.locks, commit_ts, request.txid)
        return Commit(request.txid, start_ts, commit_ts, request.writes, request.locks)

    def _owned(self, keys: list[Key]) -> list[Range] | Aborted:
        """The ranges of `keys`, or that one of them is not owned here; markers lie in no range."""
        owned: list[Range] = []
        for key in keys:
            each = self.ranges.find(key)
            if each is None:
                return Aborted(Reason.MOVED, key)
            owned.append(each)
        return owned

    def _refusal(self, asked: CommitRequest, floor: Timestamp) -> Aborted | None:
        start_ts = asked.start_ts
        window = self.window
        if self._is_too_old(start_ts, floor if floor > window.floor else window.floor):
            return _TOO_OLD
        if asked.checks:
            key = self._changed(asked.checks, start_ts)
            if key is not None:
                return self._lost(Reason.SCHEMA, key, (), start_ts)
        if asked.guards:
            key = window.written(asked.guards, start_ts)
            if key is not None:
                return self._lost(Reason.CONFLICT, key, (), start_ts)
        key = window.conflict(asked.writes, start_ts)
        if key is not None:
            return self._lost(Reason.CONFLICT, key, asked.writes, start_ts)
        if asked.locks:
            key = window.conflict(asked.locks, start_ts)
            if key is not None:
                return self._lost(Reason.CONFLICT, key, asked.locks, start_ts)
        if self.promises.by_candidate:
            key = self._in_doubt(asked)
            if key is not None:
                return Aborted(Reason.BUSY, key)
        return None

    def _lost(
        self, reason: Reason, key: Key, touched: Iterable[Write | Lock], start_ts: Timestamp
    ) -> Aborted:
        """The refusal because of `key`, with who won it. Checks and guards are as much as a NON_KEY touch."""
        lock = max((touch.lock for touch in touched if touch.key == key), default=LockClass.NON_KEY)
        return Aborted(reason, key, *self.window.winner(key, lock, start_ts))

    def _next_time(self, earliest: Timestamp, start_ts: Timestamp) -> Timestamp:
        """A2, A3: above the start, above every time given out, above everything closed."""
        ts = earliest
        if ts <= start_ts:
            ts = start_ts + 1
        if ts <= self.last_ts:
            ts = self.last_ts + 1
        return ts if ts > self.closed else self.closed + 1

    def _give_out(self, commit_ts: Timestamp, start_ts: Timestamp) -> None:
        require(commit_ts > start_ts, "A2: commit_ts > start_ts")
        require(commit_ts > self.last_ts, "A3: commit_ts increases")
        require(commit_ts > self.closed, "A3: commit_ts lies above everything closed")
        self.last_ts = commit_ts

    # --- the rules

    def _is_too_old(self, start_ts: Timestamp, floor: Timestamp) -> bool:
        """A5: what was committed between the start and the floor is not known here (AR §3.5)."""
        return start_ts < floor

    def _changed(self, markers: Iterable[Key], start_ts: Timestamp) -> Key | None:
        """K1: no schema change between the version used and the commit."""
        return self.window.written(markers, start_ts)

    def _in_doubt(self, asked: CommitRequest) -> Key | None:
        """A8: a promise blocks what conflicts with it."""
        return self.promises.blocking(asked)

    def _not_before(self, after: Timestamp) -> Timestamp:
        """A1: the previous owner of a range may have used times up to `after`."""
        return after + 1


def highest(owned: list[Range]) -> tuple[Timestamp, Timestamp]:
    """Floor and `after` that hold for all of these ranges."""
    return max((each.floor for each in owned), default=0), max((each.after for each in owned), default=0)
