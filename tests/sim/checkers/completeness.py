"""X2, X3: what a shard calls complete never goes back, no record appears at or below it, and it is the least of
the closed times of all journals that count at that time."""

from journal.crossbar import FOREVER
from journal.record import SetChange
from tests.sim.checkers.base import Checker, Violation


class Completeness(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._complete = {}
        self._highest = 0
        self._found = {}
        """What a process that starts has from its disk, or from a snapshot."""
        self._counts = {}
        """journal -> [from, to): the times at which a reader must have it."""

    def on_complete(self, name, shard, closed):
        complete = shard.complete
        if complete < self._complete.get(name, 0):
            raise Violation("X2", f"{name} went back to {complete}")
        if name not in self._complete and complete <= self._highest:
            self._found[name] = complete
        self._complete[name] = complete
        self._highest = max(self._highest, complete)
        if complete == self._found.get(name):
            return
        for journal, upto in closed.items():
            if complete > upto:
                raise Violation("X2", f"{name} complete to {complete}, journal {journal} closed at {upto}")
        for journal, (since, until) in self._counts.items():
            if since < complete < until and journal not in closed:
                raise Violation("X3", f"{name} is complete to {complete} without journal {journal}")

    def on_record(self, journal, entry):
        for note in entry.record.notes:
            if isinstance(note, SetChange):
                self._change(note, entry.record.ts)
        for commit in entry.record.commits:
            if commit.commit_ts <= self._highest:
                text = (
                    f"journal {journal} commits at {commit.commit_ts}, a shard is complete to {self._highest}"
                )
                raise Violation("X2", text, commit.txid)

    def _change(self, note, ts):
        """The first of several equal changes counts."""
        since, until = self._counts.get(note.journal, (0, FOREVER))
        if note.is_added:
            self._counts.setdefault(note.journal, (ts, FOREVER))
        elif until == FOREVER:
            self._counts[note.journal] = (since, ts)
