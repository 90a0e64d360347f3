"""H4: no child without its parent, in any snapshot."""

from tests.sim.checkers.base import Checker, Violation

PARENT = b"p-parent"


class ForeignKeys(Checker):
    def on_observation(self, kind, client, start_ts, values):
        if kind == "fk":
            orphans = [key for key, value in values.items() if key != PARENT and value is not None]
            if values[PARENT] is None and orphans:
                raise Violation("H4", f"{client} at {start_ts}: {orphans} without their parent")
