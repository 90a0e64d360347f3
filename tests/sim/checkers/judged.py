"""Q2, Q6: only transactions that wrote or locked something are judged, and none that is too old."""

from tests.sim.checkers.base import Checker, Violation

LIMIT = 1500 * 10**6
"""ns; in place of 300 s."""


class Judged(Checker):
    def on_commit(self, write_set):
        if not write_set.writes and not write_set.locks:
            raise Violation("Q6", "a transaction that only read was sent to be judged", write_set.txid)

    def on_age(self, txid, age):
        if age > LIMIT:
            raise Violation("Q2", f"a transaction of {age} ns was sent to be judged", txid)
