"""J3, Q4: a transaction that was acknowledged is in a journal, at the time that was told."""

from adjudicator.messages import Committed
from tests.sim.checkers.base import Checker, Violation


class Acknowledged(Checker):
    def on_result(self, client, txid, result, at, is_bounded):
        if not isinstance(result, Committed):
            return
        found = self.history.commits.get(txid)
        if found is None:
            raise Violation("J3", "acknowledged, and in no journal", txid)
        if found[1].commit_ts != result.commit_ts:
            raise Violation("J3", f"acknowledged at {result.commit_ts}, is {found[1].commit_ts}", txid)
        if is_bounded and at < result.commit_ts:
            raise Violation("Q4", f"acknowledged at {at}, before its time {result.commit_ts}", txid)
