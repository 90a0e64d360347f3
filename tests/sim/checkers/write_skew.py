"""G2-item: write skew happens without locks, and never with FOR UPDATE."""

from tests.sim.checkers.base import Checker, Violation


class WriteSkew(Checker):
    """A pair of keys of which at least one should stay `1`; transactions clear one after reading both."""

    def __init__(self, history):
        super().__init__(history)
        self.seen = 0

    def on_observation(self, kind, client, start_ts, values):
        if kind in ("skew", "fenced") and all(value == b"0" for value in values.values()):
            if kind == "fenced":
                raise Violation("G2", f"{client} at {start_ts}: FOR UPDATE did not stop write skew")
            self.seen += 1
