"""Proofs from the log alone: order, one transaction once, first committer wins (AR §2: J, A).

`audit` takes the records as a reader got them (each verified bit by bit by its own hash) and re-checks what
the writers promised, with code that shares nothing with them. A record is one unit that is there whole or not
at all, and a transaction lies within one record; so atomicity is that a txid appears once, with one
post-image per key.

What is proved has an edge: the log is trimmed below its first record. The chain is proved from the hash of
the anchor on; A4 is proved for transactions that began at or above the anchor's last_ts, and for older ones
only against the commits that are kept.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from journal.encoding import NO_HASH
from journal.journal import EMPTY, Entry, Tail
from journal.record import Commit, LockClass, Position, Timestamp


class Finding(NamedTuple):
    """A promise that does not hold."""

    invariant: str
    """`J1`, `J2`, `J4`, `A2`, `A4`, `A9` or `ATOMIC`."""
    position: Position
    txid: bytes
    """The transaction at fault; empty when it is the record."""
    text: str


class Audit(NamedTuple):
    """What was looked at and what was found; proved is what `findings` does not name."""

    findings: list[Finding]
    first: Position
    """The first position that was read; `last + 1` when none was."""
    last: Position
    from_hash: bytes
    """The hash of the record before `first`: whoever trusts it may trust the chain from there."""
    last_hash: bytes
    complete_from: Timestamp
    """A4 is proved in full for transactions that began at or above it."""
    records: int
    commits: int


def audit(entries: Iterable[Entry], anchor: Tail | None = None) -> Audit:
    """Check all records in order; `anchor` is `Log.anchor`, None: take the first record on trust."""
    auditor = Auditor(anchor)
    for entry in entries:
        auditor.add(entry)
    return auditor.result()


class Conflicts:
    """Takes transactions in order of commit_ts, whichever journals they lie in: who was first, and each once."""

    def __init__(self, find: Callable[[str, Position, bytes, str], None]) -> None:
        """`find` is told (invariant, position, txid, text) of what is wrong."""
        self._find = find
        self._transactions: dict[bytes, Position] = {}
        self._last: dict[bytes, list[Timestamp]] = {}
        """Per key the newest commit_ts of KEY_SHARE, NON_KEY, EXCLUSIVE."""

    def add(self, position: Position, commit: Commit) -> None:
        """The next one."""
        txid = commit.txid
        if txid in self._transactions:
            self._find("A9", position, txid, f"also at position {self._transactions[txid]}")
        self._transactions[txid] = position
        touches = [(write.key, write.lock) for write in commit.writes if write.lock]
        touches += [(lock.key, lock.lock) for lock in commit.locks if lock.lock]
        for key, lock in touches:
            for other in _AGAINST[lock]:
                when = self._last.get(key, _NEVER)[other - 1]
                if commit.start_ts < when:
                    text = f"key {key.hex()} was committed at {when}, after start_ts {commit.start_ts}"
                    self._find("A4", position, txid, text)
        for key, lock in touches:
            self._last.setdefault(key, [0, 0, 0])[lock - 1] = commit.commit_ts


class Auditor:
    """Takes one record at a time; its memory grows with the keys and transactions seen."""

    def __init__(self, anchor: Tail | None = None, *, is_only: bool = True) -> None:
        """`is_only`: there are no other journals, so conflicts are judged here (else `Conflicts` does, over all)."""
        self._conflicts = Conflicts(self._find) if is_only else None
        self._findings: list[Finding] = []
        self._anchor = anchor
        self._link = anchor
        self._records = 0
        self._commits = 0

    def add(self, entry: Entry) -> None:
        """Check the next record."""
        record, digest = entry
        header = record.header
        if self._link is None:
            before = Tail(header.position - 1, 0, header.previous, 0)
            self._anchor = self._link = EMPTY if header.position == 1 else before
        link = self._link
        if header.position != link.position + 1:
            self._find("J1", header.position, b"", f"follows position {link.position}")
        if header.previous != link.hash:
            self._find("J1", header.position, b"", "does not name the hash of the record before")
        claims = record.kind == "claim"
        if header.epoch <= link.epoch if claims else (header.epoch != link.epoch and link.epoch != 0):
            self._find("J4", header.position, b"", f"epoch {header.epoch} after epoch {link.epoch}")
        last_ts = link.last_ts
        for commit in record.commits:
            last_ts = self._add_commit(header.position, commit, last_ts)
        if record.ts and record.ts <= last_ts:
            self._find("J2", header.position, b"", f"time {record.ts} after {last_ts}")
        last_ts = max(last_ts, record.ts)
        self._records += 1
        self._link = Tail(header.position, header.epoch, digest, last_ts)

    def result(self) -> Audit:
        """What has been found so far."""
        anchor = self._anchor or EMPTY
        link = self._link or EMPTY
        return Audit(
            list(self._findings),
            anchor.position + 1,
            link.position,
            anchor.hash if self._anchor else NO_HASH,
            link.hash,
            anchor.last_ts,
            self._records,
            self._commits,
        )

    def _find(self, invariant: str, position: Position, txid: bytes, text: str) -> None:
        self._findings.append(Finding(invariant, position, txid, text))

    def _add_commit(self, position: Position, commit: Commit, last_ts: Timestamp) -> Timestamp:
        txid = commit.txid
        self._commits += 1
        if commit.commit_ts <= last_ts:
            self._find("J2", position, txid, f"commit_ts {commit.commit_ts} after {last_ts}")
        if commit.commit_ts <= commit.start_ts:
            self._find("A2", position, txid, f"commit_ts {commit.commit_ts}, start_ts {commit.start_ts}")
        written = {write.key for write in commit.writes}
        if len(written) != len(commit.writes):
            self._find("ATOMIC", position, txid, "writes a key twice")
        if self._conflicts is not None:
            self._conflicts.add(position, commit)
        return max(last_ts, commit.commit_ts)


_NEVER = [0, 0, 0]
_AGAINST: dict[int, tuple[LockClass, ...]] = {
    LockClass.KEY_SHARE: (LockClass.EXCLUSIVE,),
    LockClass.NON_KEY: (LockClass.NON_KEY, LockClass.EXCLUSIVE),
    LockClass.EXCLUSIVE: (LockClass.KEY_SHARE, LockClass.NON_KEY, LockClass.EXCLUSIVE),
}
