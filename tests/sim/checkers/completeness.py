"""X2: what a shard calls complete never goes back, and no record appears at or below it."""

from tests.sim.checkers.base import Checker, Violation


class Completeness(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._complete = {}
        self._highest = 0

    def on_complete(self, name, shard, closed):
        if shard.complete < self._complete.get(name, 0):
            raise Violation("X2", f"{name} went back to {shard.complete}")
        self._complete[name] = shard.complete
        self._highest = max(self._highest, shard.complete)
        for journal, upto in closed.items():
            if shard.complete > upto:
                raise Violation(
                    "X2", f"{name} complete to {shard.complete}, journal {journal} closed at {upto}"
                )

    def on_record(self, journal, entry):
        for commit in entry.record.commits:
            if commit.commit_ts <= self._highest:
                text = (
                    f"journal {journal} commits at {commit.commit_ts}, a shard is complete to {self._highest}"
                )
                raise Violation("X2", text, commit.txid)
