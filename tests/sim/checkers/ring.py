"""H4: the ring's cells hold each value once, whatever rotates them (FoundationDB's cycle)."""

from tests.sim.checkers.base import Checker, Violation


class Ring(Checker):
    def on_observation(self, kind, client, start_ts, values):
        if kind == "ring" and sorted(values) != sorted(values.values()):
            raise Violation("H4", f"{client} at {start_ts}: the ring holds {sorted(values.values())}")
