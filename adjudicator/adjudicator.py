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

The memory is soft state: it holds nothing that the journal does not. After a restart `recover` is fed the
journal's commits; whatever is older than what it was fed lies at or below the floor, and a transaction that
began strictly below the floor is refused (A5), for its conflicts are unknown.

A decided transaction counts as committed for all later ones at once, before its record is durable. If the
append then fails, the node ends and nobody was told; a new one starts from the journal.

Left out: several adjudicators (votes, promises, reservations) come with the regions (AR §3.3 to §3.6).
Sources: AR §1.6, §2 (A2 to A6), §3.15; DESIGN §4, §6.
"""

from adjudicator.messages import Aborted, CommitRequest, Committed, Reason, Verdict
from adjudicator.window import Window
from journal.broken import require
from journal.record import Commit, Timestamp

_TOO_OLD = Aborted(Reason.TOO_OLD, b"")


class Adjudicator:
    """Owns all keys of one journal. Synchronous; `now` comes in as an argument, in nanoseconds since 1970."""

    def __init__(self, window: Window | None = None, last_ts: Timestamp = 0) -> None:
        """`last_ts`: no commit at or below it (the newest commit_ts of the journal)."""
        self.window = window if window is not None else Window()
        self.last_ts = max(last_ts, self.window.floor)
        """The newest commit_ts given out."""
        self.closed: Timestamp = 0
        """No commit at or below it will ever be decided."""

    @property
    def floor(self) -> Timestamp:
        """Transactions that began strictly below it are refused."""
        return self.window.floor

    def decide(self, request: CommitRequest, now: Timestamp) -> Verdict:
        """Commit or abort `request`; a commit is remembered before this returns."""
        start_ts = request.start_ts
        window = self.window
        if start_ts < window.floor:
            return _TOO_OLD
        if request.checks:
            key = window.written(request.checks, start_ts)
            if key is not None:
                return Aborted(Reason.SCHEMA, key)
        if request.guards:
            key = window.written(request.guards, start_ts)
            if key is not None:
                return Aborted(Reason.CONFLICT, key)
        key = window.conflict(request.writes, start_ts)
        if key is None and request.locks:
            key = window.conflict(request.locks, start_ts)
        if key is not None:
            return Aborted(Reason.CONFLICT, key)
        commit_ts = max(now, self.last_ts + 1, start_ts + 1, self.closed + 1)
        self._give_out(commit_ts, start_ts)
        window.record(request.writes, request.locks, commit_ts)
        return Committed(commit_ts)

    def close(self, upto: Timestamp) -> None:
        """Promise that nothing will be committed at or below `upto`; earlier promises stand."""
        self.closed = max(self.closed, upto)

    def applied(self, applied_ts: Timestamp) -> None:
        """The replica has applied everything up to `applied_ts`: old commits may leave the exact memory."""
        require(applied_ts <= self.last_ts, "A6: nothing is applied that was not decided")
        self.window.age(applied_ts)

    def recover(self, commit: Commit) -> None:
        """Remember a commit read from the journal, in the journal's order, before anything is decided."""
        self._give_out(commit.commit_ts, commit.start_ts)
        self.window.record(commit.writes, commit.locks, commit.commit_ts)

    def _give_out(self, commit_ts: Timestamp, start_ts: Timestamp) -> None:
        require(commit_ts > start_ts, "A2: commit_ts > start_ts")
        require(commit_ts > self.last_ts, "A3: commit_ts increases")
        require(commit_ts > self.closed, "A3: commit_ts lies above everything closed")
        self.last_ts = commit_ts
