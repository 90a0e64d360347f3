"""S1, S4, H1: every answered read is what the journals say of its time, and stays so."""

from tests.sim.checkers.base import Checker, Violation


class SnapshotReads(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._read = {}

    def on_read(self, name, read, answer):
        if answer.refused is not None:
            return
        for key, row in zip(read.keys, answer.rows):
            expected = self.history.value(key, read.ts)
            if row != expected:
                raise Violation("S1", f"{name} read {key!r} at {read.ts}: {row!r}, should be {expected!r}")
            self._read[key] = max(self._read.get(key, 0), read.ts)

    def on_record(self, journal, entry):
        for commit in entry.record.commits:
            for write in commit.writes:
                if commit.commit_ts <= self._read.get(write.key, 0):
                    text = (
                        f"{write.key!r} written at {commit.commit_ts}, read at {self._read[write.key]} before"
                    )
                    raise Violation("S4", text, commit.txid)
