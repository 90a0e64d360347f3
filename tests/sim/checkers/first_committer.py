"""A4: of two conflicting transactions, the later one began at or after the commit of the earlier."""

from journal.record import MARKERS
from tests.sim.checkers.base import CONFLICTS, Checker, Violation


class FirstCommitter(Checker):
    def on_record(self, journal, entry):
        for commit in entry.record.commits:
            for touch in (*commit.writes, *commit.locks):
                if touch.lock and not touch.key.startswith(MARKERS):
                    self._check(touch.key, (commit.commit_ts, commit.start_ts, touch.lock, commit.txid))

    def _check(self, key, mine):
        for other in reversed(self.history.touches[key]):
            if other[0] <= mine[1]:
                return
            early, late = sorted((mine, other))
            if late[1] < early[0] and mine[3] != other[3] and (mine[2], other[2]) in CONFLICTS:
                text = f"{key!r}: began {late[1]}, committed {late[0]}; another committed {early[0]}"
                raise Violation("A4", text, mine[3], other[3])
