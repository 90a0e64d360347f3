"""H1 from the clients' logs alone: snapshot isolation by timestamps (as Chronos and Aion check it).

Known: start_ts and commit_ts of each transaction, what it read and wrote. Then a read at start_ts finds the value
of the newest commit at or below it, and of two that wrote the same key one began at or after the other's commit. A
transaction whose end nobody knows may have happened: its values are allowed, and asked nothing of.
"""

from bisect import bisect_right, insort
from itertools import pairwise

from tests.sim.checkers.base import Checker, Violation


class ClientHistory(Checker):
    def __init__(self, history):
        super().__init__(history)
        self.log = []

    def on_transaction(self, logged):
        self.log.append(logged)

    def at_end(self, shards):
        check(self.log)


def check(log):
    """Raises `Violation`."""
    written, unknown = {}, {}
    for each in log:
        for key, value in each.writes.items():
            if each.commit_ts is None:
                unknown.setdefault(key, []).append(value)
            elif each.commit_ts:
                insort(
                    written.setdefault(key, []), (each.commit_ts, each.start_ts, value or b"", value is None)
                )
    for key, versions in written.items():
        for (earlier, _start, _value, _gone), (commit_ts, start_ts, _value, _gone) in pairwise(versions):
            if start_ts < earlier:
                raise Violation(
                    "H1", f"{key!r}: began {start_ts}, committed {commit_ts}, another at {earlier}"
                )
    for each in log:
        for key, value in each.reads.items():
            versions = written.get(key, [])
            index = bisect_right(versions, (each.start_ts, 1 << 62))
            newest = None
            if index and not versions[index - 1][3]:
                newest = versions[index - 1][2]
            if value != newest and value not in unknown.get(key, []):
                text = f"{each.client} at {each.start_ts} read {key!r} as {value!r}, known is {newest!r}"
                raise Violation("H1", text)
