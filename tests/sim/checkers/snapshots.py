"""S5, S6: a snapshot is what a replay of all journals gives at its time, and its mark is where the tail begins."""

from tests.sim.checkers.base import Checker, Violation


class Snapshots(Checker):
    def on_snapshot(self, shard, snapshot):
        complete = snapshot.complete
        expected = self.history.rows(shard.lo, shard.hi, complete)
        if list(snapshot.rows) != expected:
            raise Violation("S5", f"the snapshot at {complete} differs from a replay")
        positions = dict(snapshot.mark.positions)
        for step in self.history.stream:
            ts, journal, position, _number = step
            is_passed = step <= snapshot.mark.last or (
                journal in positions and position <= positions[journal]
            )
            if ts > complete and is_passed:
                raise Violation("S5", f"the tail of the snapshot at {complete} leaves {step} out")
            if ts <= complete and not is_passed and journal in positions:
                raise Violation("S5", f"the snapshot at {complete} holds {step}, and so does its tail")
