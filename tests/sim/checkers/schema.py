"""K1: no schema change of a table between the start and the commit of a transaction that used it."""

from journal.record import MARKERS
from tests.sim.checkers.base import Checker, Violation


class Schema(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._changes = {}
        self._users = {}

    def on_record(self, journal, entry):
        for commit in entry.record.commits:
            for write in commit.writes:
                if write.key.startswith(MARKERS):
                    self._changes.setdefault(write.key, []).append(commit.commit_ts)
                    for user in self._users.get(write.key, []):
                        self._check(user, write.key, commit.commit_ts)
            write_set = self.history.write_sets.get(commit.txid)
            for check in write_set.checks if write_set else []:
                self._users.setdefault(check.marker, []).append(commit)
                for changed in self._changes.get(check.marker, []):
                    self._check(commit, check.marker, changed)

    def _check(self, commit, marker, changed):
        if commit.start_ts < changed <= commit.commit_ts:
            text = f"{marker!r} changed at {changed}, between {commit.start_ts} and {commit.commit_ts}"
            raise Violation("K1", text, commit.txid)
