"""Q6: only transactions that wrote or locked something are judged."""

from tests.sim.checkers.base import Checker, Violation


class ReadOnly(Checker):
    def on_commit(self, write_set):
        if not write_set.writes and not write_set.locks:
            raise Violation("Q6", "a transaction that only read was sent to be judged", write_set.txid)
