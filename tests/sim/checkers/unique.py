"""H4: of two inserts of the same key one commits, and the row is the winner's."""

from tests.sim.checkers.base import Checker, Violation


class Unique(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._winners = {}

    def on_observation(self, kind, client, start_ts, values):
        if kind == "unique":
            for key, value in values.items():
                if self._winners.setdefault(key, value) != value or len(self.history.versions[key]) != 1:
                    raise Violation("H4", f"{key!r} was inserted twice")
