"""A7, F1: what a vote promises lies within the voter's durable reservation; what comes later lies above.

A record's own time may lie above the reservation: it is in the journal, so whoever claims that knows of it.
"""

from tests.sim.checkers.base import Checker, Violation


class PromisedTimes(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._reserved = {}
        self._promised = {}

    def on_record(self, journal, entry):
        record = entry.record
        epoch = record.header.epoch
        if record.reserved and record.kind != "claim":
            self._reserved[journal, epoch] = max(self._reserved.get((journal, epoch), 0), record.reserved)
        for commit in record.commits:
            self._check_old(journal, epoch, commit)

    def on_promise(self, journal, epoch, prepare, upto, ts):
        if ts > self._reserved.get((journal, epoch), 0):
            raise Violation("A7", f"vote at {ts} above the reservation", prepare.candidate.txid)
        key = (journal, epoch)
        self._promised[key] = max(self._promised.get(key, 0), upto)

    def _check_old(self, journal, epoch, commit):
        for times, what in ((self._reserved, "reserved"), (self._promised, "promised")):
            for (other, old), upto in times.items():
                if other == journal and old < epoch and commit.commit_ts <= upto:
                    text = f"commit at {commit.commit_ts} in epoch {epoch}, {what} {upto} by {old}"
                    raise Violation("F1", text, commit.txid)
