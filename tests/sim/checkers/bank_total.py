"""H4: every transaction that reads all accounts finds the same total."""

from tests.sim.checkers.base import Checker, Violation


class BankTotal(Checker):
    def on_observation(self, kind, client, start_ts, values):
        if kind == "bank":
            total = sum(int(value or b"0") for value in values.values())
            if total != 0:
                raise Violation("H4", f"{client} at {start_ts}: the accounts sum up to {total}")
