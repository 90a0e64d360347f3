"""A8: while a promise is unresolved, its owner votes for nothing and commits nothing that conflicts up to its end."""

from typing import NamedTuple

from tests.sim.checkers.base import CONFLICTS, Checker, Violation


class _Promise(NamedTuple):
    candidate: object
    start_ts: int
    upto: int
    touches: list


class InDoubt(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._open = {}
        """(journal, epoch) -> candidate -> promise"""
        self._complete = {}

    def on_owner(self, owner):
        self._complete[owner.journal, owner.epoch] = owner.complete

    def on_judgement(self, owner, asked, refusal):
        if refusal is None:
            name = (owner.journal, owner.epoch)
            for other in self._unresolved(name):
                if other.upto > asked.start_ts:
                    self._check(name, other, asked.txid, (*asked.writes, *asked.locks), "agrees on")

    def on_promise(self, journal, epoch, prepare, upto, ts):
        mine = _Promise(prepare.candidate, prepare.start_ts, upto, prepare.touches)
        self._open.setdefault((journal, epoch), {})[prepare.candidate] = mine

    def on_attempt(self, journal, epoch, candidate):
        promises = self._open.get((journal, epoch), {})
        for other in [c for c in promises if c.txid == candidate.txid and c.attempt < candidate.attempt]:
            del promises[other]

    def on_outcome(self, journal, epoch, candidate):
        self._open.get((journal, epoch), {}).pop(candidate, None)

    def on_decision(self, journal, epoch, candidate, commit_ts):
        self._open.get((journal, epoch), {}).pop(candidate, None)

    def on_record(self, journal, entry):
        name = (journal, entry.record.header.epoch)
        for commit in entry.record.commits:
            for other in self._unresolved(name):
                if other.start_ts < commit.commit_ts <= other.upto and commit.start_ts < other.upto:
                    touches = [*commit.writes, *commit.locks]
                    self._check(name, other, commit.txid, touches, "commits")

    def _unresolved(self, name):
        """Those that neither a message nor the stream has ended."""
        promises = self._open.get(name)
        if not promises:
            return []
        complete = self._complete.get(name, 0)
        for candidate, promise in list(promises.items()):
            commit = self.history.commits.get(candidate.txid)
            if promise.upto <= complete or (commit is not None and commit[1].commit_ts <= complete):
                del promises[candidate]
        return list(promises.values())

    def _check(self, name, other, txid, touches, what):
        if other.candidate.txid == txid:
            return
        for touch in touches:
            for promised in other.touches:
                if touch.key == promised.key and (touch.lock, promised.lock) in CONFLICTS:
                    text = f"owner {name} {what} {touch.key!r}, promised to another up to {other.upto}"
                    raise Violation("A8", text, txid, other.candidate.txid)
