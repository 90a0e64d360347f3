"""H2: every list that was read is a prefix of the final one, which holds what was committed, once, in order."""

from tests.sim.checkers.base import Checker, Violation


class ListAppend(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._seen = {}

    def on_observation(self, kind, client, start_ts, values):
        if kind == "list":
            for key, value in values.items():
                self._seen.setdefault(key, []).append(value or b"")

    def at_end(self, shards):
        for key, seen in self._seen.items():
            final = self.history.value(key, 1 << 62) or b""
            parts = final.split(b",")
            if len(set(parts)) != len(parts):
                raise Violation("H2", f"{key!r} holds an element twice")
            for value in seen:
                if not (final + b",").startswith(value + b"," if value else b""):
                    raise Violation("H2", f"{key!r} was read as {value!r} and became {final!r}")
