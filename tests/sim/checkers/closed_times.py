"""A3: no record at or below a time that was announced as closed behind an earlier position."""

from bisect import bisect_right
from operator import itemgetter

from tests.sim.checkers.base import Checker, Violation


class ClosedTimes(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._records = {}
        self._closed = {}
        self._below = {}

    def on_announce(self, announcement):
        journal, closed = announcement.journal, announcement.closed
        times = self._records.get(journal, [])
        index = bisect_right(times, announcement.position, key=itemgetter(0))
        if index < len(times) and times[index][1] <= closed:
            raise Violation("A3", f"journal {journal} has {times[index]}, closed {closed} later")
        behind = self._closed.setdefault(journal, {})
        behind[announcement.position] = max(behind.get(announcement.position, 0), closed)

    def on_record(self, journal, entry):
        record = entry.record
        ts = record.commits[0].commit_ts if record.commits else record.ts
        if not ts:
            return
        position = record.header.position
        behind = self._closed.setdefault(journal, {})
        for announced in [each for each in behind if each < position]:
            self._below[journal] = max(self._below.get(journal, 0), behind.pop(announced))
        if ts <= self._below.get(journal, 0):
            raise Violation("A3", f"journal {journal}: {position} at {ts}, closed {self._below[journal]}")
        self._records.setdefault(journal, []).append((position, ts))
