"""A1: whoever votes on a key owns it, by the journals, for every time that the vote speaks of."""

from journal.record import Acquire, Owned, Release
from tests.sim.checkers.base import Checker, Violation

FOREVER = 1 << 62


class Ownership(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._owned = []
        """[journal, lo, hi, after, until]"""
        self._votes = []
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

    def on_promise(self, journal, epoch, prepare, upto, ts):
        for touch in prepare.touches:
            self._check(journal, touch.key, ts, upto, prepare.candidate.txid)
            self._votes.append((journal, touch.key, ts, upto, prepare.candidate.txid))

    def _release(self, journal, note):
        for lo, hi, after in self._cut(journal, note):
            self._owned.append([journal, lo, hi, after, note.at])
        for vote in self._votes:
            if vote[0] == journal and note.lo <= vote[1] < note.hi:
                self._check(*vote)

    def _cut(self, journal, note):
        kept, gone = [], []
        for each in self._owned:
            owner, lo, hi, after, until = each
            if owner != journal or until != FOREVER or hi <= note.lo or note.hi <= lo:
                kept.append(each)
                continue
            gone.append((max(lo, note.lo), min(hi, note.hi), after))
            if lo < note.lo:
                kept.append([owner, lo, note.lo, after, until])
            if note.hi < hi:
                kept.append([owner, note.hi, hi, after, until])
        self._owned = kept
        return gone

    def _check(self, journal, key, ts, upto, txid):
        for owner, lo, hi, after, until in self._owned:
            if owner == journal and lo <= key < hi and after < ts and upto <= until:
                return
        raise Violation("A1", f"journal {journal} voted {ts} to {upto} on {key!r} without owning it", txid)
