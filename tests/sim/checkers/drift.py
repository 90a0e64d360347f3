"""C3: no time runs away from the clocks; take-overs, moves and schema changes date ahead once each, and
nothing else does.

A commit's time is bounded by the clocks, a transaction's start, the safe time of an owner, or the time at
which a range was handed over; that of a schema change by this and the length of a promise to a user of the old
schema; a reservation by this and its own length.
"""

from adjudicator.range_owner import Settings
from journal.record import MARKERS, Acquire, SetChange
from tests.sim.checkers.base import Checker, Violation

SLACK = 10**6
"""Times are pushed by one."""


class Drift(Checker):
    def __init__(self, history):
        super().__init__(history)
        self.settings = Settings()
        self.error = 0
        """No clock is off by more."""
        self._reserved = {}
        self._highest = 0

    def on_record(self, journal, entry):
        record = entry.record
        settings = self.settings
        ahead = self.history.now + self.error + settings.lead + settings.promise + SLACK
        times = [commit.commit_ts for commit in record.commits]
        if record.kind == "claim":
            safe = self._reserved.get(journal, 0) + settings.promise
            self._highest = max(self._highest, safe)
            return
        for note in record.notes:
            if isinstance(note, Acquire):
                self._highest = max(self._highest, note.at)
            elif isinstance(note, SetChange):
                self._reserved[note.journal] = max(self._reserved.get(note.journal, 0), record.ts)
        for commit in record.commits:
            self._highest = max(self._highest, commit.start_ts)
        bound = max(ahead, self._highest + SLACK)
        for commit in record.commits:
            if any(write.key.startswith(MARKERS) for write in commit.writes):
                self._check(journal, commit.commit_ts, bound + settings.promise)
                self._highest = max(self._highest, commit.commit_ts)
                bound = max(bound, self._highest + SLACK)
            self._check(journal, commit.commit_ts, bound)
        self._check(journal, max(record.ts, record.reserved - settings.reserve), bound)
        self._reserved[journal] = max(self._reserved.get(journal, 0), record.reserved, record.ts, *times, 0)

    def _check(self, journal, ts, bound):
        if ts > bound:
            raise Violation("C3", f"journal {journal} uses {ts}, at most {bound} is explained")
