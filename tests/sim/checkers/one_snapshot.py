"""Q1: whatever a transaction asks for, it asks for at its one start_ts."""

from tests.sim.checkers.base import Checker, Violation


class OneSnapshot(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._times = {}

    def on_read(self, name, read, answer):
        ts = self._times.setdefault(read.reader, read.ts)
        if ts != read.ts:
            raise Violation("Q1", f"one transaction reads at {ts} and at {read.ts}")

    on_scan = on_read
