"""A1: of each key that a transaction touches, whoever owned it at commit_ts, by the journals, had voted."""

from journal.record import MARKERS, Acquire, Owned, Release
from tests.sim.checkers.base import Checker, Violation

FOREVER = 1 << 62


class Ownership(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._owned = []
        """[journal, lo, hi, after, until]"""
        self._voters = {}
        self._commits = []
        self._claimed = set()

    def on_record(self, journal, entry):
        record = entry.record
        for note in record.notes:
            if isinstance(note, Owned) and journal not in self._claimed:
                self._owned.append([journal, note.lo, note.hi, note.after, FOREVER])
            elif isinstance(note, Acquire):
                self._owned.append([journal, note.lo, note.hi, note.at, FOREVER])
            elif isinstance(note, Release):
                self._release(journal, note)
        if record.kind == "claim":
            self._claimed.add(journal)
        for commit in record.commits:
            voters = {journal, *self._voters.get(commit.txid, ())}
            for touch in (*commit.writes, *commit.locks):
                if touch.lock and not touch.key.startswith(MARKERS):
                    self._commits.append((touch.key, commit.commit_ts, voters, commit.txid))
                    self._check(*self._commits[-1])

    def on_promise(self, journal, epoch, prepare, upto, ts):
        self._voters.setdefault(prepare.candidate.txid, set()).add(journal)

    def _release(self, journal, note):
        kept = []
        for each in self._owned:
            owner, lo, hi, after, until = each
            if owner != journal or until != FOREVER or hi <= note.lo or note.hi <= lo:
                kept.append(each)
                continue
            kept.append([owner, max(lo, note.lo), min(hi, note.hi), after, note.at])
            if lo < note.lo:
                kept.append([owner, lo, note.lo, after, until])
            if note.hi < hi:
                kept.append([owner, note.hi, hi, after, until])
        self._owned = kept
        for commit in self._commits:
            if note.lo <= commit[0] < note.hi and commit[1] > note.at:
                self._check(*commit)

    def _check(self, key, commit_ts, voters, txid):
        for owner, lo, hi, after, until in self._owned:
            if owner in voters and lo <= key < hi and after < commit_ts <= until:
                return
        raise Violation("A1", f"{key!r} at {commit_ts}: its owner was none of {sorted(voters)}", txid)
