"""S7: at every time each index entry has its row and each row its entries, and a number belongs to one row."""

from tests.sim.checkers.base import Checker, Violation
from tests.sim.workloads import BY_COLOUR, TABLE, UNIQUE


class Index(Checker):
    def on_observation(self, kind, client, start_ts, values):
        if kind == "index":
            self._check(values, f"{client} at {start_ts}")

    def at_end(self, shards):
        """All-seeing: after every commit that touched the table."""
        rows = {}
        for _journal, commit in sorted(self.history.commits.values(), key=lambda each: each[1].commit_ts):
            mine = [write for write in commit.writes if write.key.startswith((TABLE, BY_COLOUR, UNIQUE))]
            for write in mine:
                rows[write.key] = write.value
            if mine:
                self._check(rows, f"at {commit.commit_ts}")

    def _check(self, values, where):
        expected = {}
        rows = {key: value for key, value in values.items() if value is not None}
        for key, value in rows.items():
            if key.startswith(TABLE):
                colour, number, _txid = value.split(b"/")
                expected[BY_COLOUR + colour + b"/" + key] = key
                if UNIQUE + number in expected:
                    raise Violation("S7", f"{where}: two rows have number {number!r}")
                expected[UNIQUE + number] = key
        entries = {key: value for key, value in rows.items() if not key.startswith(TABLE)}
        if entries != expected:
            odd = sorted(set(entries.items()) ^ set(expected.items()))
            raise Violation("S7", f"{where}: entries and rows differ by {odd}")
