"""S1, S4, Q1, H1 for ranges: scans give all rows of their range and time, in order, and no phantom appears later."""

from tests.sim.checkers.base import Checker, Violation
from tests.sim.rows import Filters


class Ranges(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._scanned = {}
        """(lo, hi) -> the highest time at which it was read."""

    def on_scan(self, name, scan, answer):
        if answer.refused is not None:
            return
        lo, hi, following = scan.lo, scan.hi, answer.following
        if following is not None:
            lo, hi = (following, hi) if scan.reverse else (lo, following)
        expected = self._expected(lo, hi, scan.ts, scan.pushed, scan.reverse)
        if list(answer.rows) != expected:
            raise Violation("S1", f"{name} scanned {scan}: {answer.rows}, should be {expected}")
        self._scanned[lo, hi] = max(self._scanned.get((lo, hi), 0), scan.ts)

    def on_range(self, client, start_ts, request, rows):
        lo, hi, limit, pushed, reverse = request
        if pushed == b"#":
            count = sum(int(value) for _key, _ts, value in rows)
            if count != len(self.history.rows(lo, hi, start_ts)):
                raise Violation("H1", f"{client} at {start_ts} counted {count} rows in {lo!r} to {hi!r}")
            return
        expected = self._expected(lo, hi, start_ts, pushed, reverse)
        if rows != (expected[:limit] if limit else expected):
            raise Violation("H1", f"{client} at {start_ts} got {rows} of {request}, should be {expected}")

    def on_observation(self, kind, client, start_ts, values):
        if kind == "phantom":
            raise Violation("H1", f"{client} at {start_ts} finds other rows than before: {sorted(values)}")

    def on_record(self, journal, entry):
        for commit in entry.record.commits:
            for write in commit.writes:
                for (lo, hi), ts in self._scanned.items():
                    if lo <= write.key < hi and commit.commit_ts <= ts:
                        text = (
                            f"{write.key!r} written at {commit.commit_ts}, its range was read at {ts} before"
                        )
                        raise Violation("S4", text, commit.txid)

    def _expected(self, lo, hi, ts, pushed, reverse):
        rows = self.history.rows(lo, hi, ts)
        if reverse:
            rows = rows[::-1]
        return list(Filters().run(pushed, rows)) if pushed else rows
