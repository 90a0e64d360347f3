"""A4: of two conflicting transactions, the later one began at or after the commit of the earlier."""

from bisect import insort

from journal.record import MARKERS
from tests.sim.checkers.base import Checker, Violation

CONFLICTS = {(1, 3), (3, 1), (2, 2), (2, 3), (3, 2), (3, 3)}


class FirstCommitter(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._by_key = {}

    def on_record(self, journal, entry):
        for commit in entry.record.commits:
            for touch in (*commit.writes, *commit.locks):
                if touch.lock and not touch.key.startswith(MARKERS):
                    self._add(touch.key, (commit.commit_ts, commit.start_ts, touch.lock, commit.txid))

    def _add(self, key, mine):
        others = self._by_key.setdefault(key, [])
        for other in reversed(others):
            if other[0] <= mine[1]:
                break
            early, late = sorted((mine, other))
            if late[1] < early[0] and mine[3] != other[3] and (mine[2], other[2]) in CONFLICTS:
                text = f"{key!r}: began {late[1]}, committed {late[0]}; another committed {early[0]}"
                raise Violation("A4", text, mine[3], other[3])
        insort(others, mine)
