"""X1, J8: what readers of the journals get is the one order of everything, without a gap, and the same bytes."""

from bisect import bisect_right

from tests.sim.checkers.base import Checker, Violation


class Stream(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._last = {}

    def on_resumed(self, name, mark):
        self._last[name] = mark.last if mark is not None else (0, 0, 0, 0)

    def on_items(self, name, items, complete):
        stream = self.history.stream
        index = bisect_right(stream, self._last.get(name, (0, 0, 0, 0)))
        end = index + len(items)
        if items:
            got = [item[:4] for item in items]
            if got != stream[index:end]:
                raise Violation("X1", f"{name} got {got}, should be {stream[index:end]}")
            self._last[name] = got[-1]
        if end < len(stream) and stream[end][0] <= complete:
            raise Violation("X1", f"{name} is complete to {complete}, without {stream[end]}")

    def on_tail(self, name, journal, entries):
        mine = self.history.entries[journal]
        for entry in entries:
            position = entry.record.header.position
            if entry.hash != mine[position - 1].hash:
                raise Violation("J8", f"{name} reads other bytes at {position} of journal {journal}")
