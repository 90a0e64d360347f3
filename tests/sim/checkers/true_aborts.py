"""Q5, A11: after a 40001 no record with that transaction id ever appears, and its reason is true."""

from adjudicator.messages import Aborted
from tests.sim.checkers.base import Checker, Violation


class TrueAborts(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._aborted = set()
        self.false_aborts = 0

    def on_result(self, client, txid, result, at, is_bounded):
        if not isinstance(result, Aborted):
            return
        if txid in self.history.commits:
            raise Violation("Q5", "aborted, and in a journal", txid)
        self._aborted.add(txid)

    def on_record(self, journal, entry):
        for commit in entry.record.commits:
            if commit.txid in self._aborted:
                raise Violation("Q5", "aborted, and then in a journal", commit.txid)
