"""A9: a transaction lies in one journal, once."""

from tests.sim.checkers.base import Checker, Violation


class OneRecord(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._places = {}

    def on_record(self, journal, entry):
        for commit in entry.record.commits:
            place = (journal, entry.record.header.position)
            if commit.txid in self._places:
                raise Violation("A9", f"in {self._places[commit.txid]} and {place}", commit.txid)
            self._places[commit.txid] = place
