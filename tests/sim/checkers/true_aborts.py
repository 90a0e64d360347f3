"""Q5, A11: after a 40001 no record with that transaction id ever appears; false reasons are counted."""

from adjudicator.messages import Aborted, Reason
from tests.sim.checkers.base import Checker, Violation


class TrueAborts(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._aborted = {}
        self.false_aborts = 0
        """Conflicts without a conflicting commit: in doubt for too long, or remembered by hash only."""

    def on_result(self, client, txid, result, at, is_bounded):
        if not isinstance(result, Aborted):
            return
        if txid in self.history.commits:
            raise Violation("Q5", "aborted, and in a journal", txid)
        self._aborted[txid] = result

    def on_record(self, journal, entry):
        for commit in entry.record.commits:
            if commit.txid in self._aborted:
                raise Violation("Q5", "aborted, and then in a journal", commit.txid)

    def at_end(self, shards):
        newest = {}
        for _journal, commit in self.history.commits.values():
            for touch in (*commit.writes, *commit.locks):
                newest[touch.key] = max(newest.get(touch.key, 0), commit.commit_ts)
        for txid, result in self._aborted.items():
            start_ts = self.history.write_sets[txid].start_ts
            if result.reason == Reason.CONFLICT and newest.get(result.key, 0) <= start_ts:
                self.false_aborts += 1
