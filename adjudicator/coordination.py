"""Candidacies of one decider: votes in, one final decision each (AR §1.7, §3.6).

Not an atomic commitment: participants give a time and a promise, the decider may give up at any moment before
its append, and atomicity comes from the single record. What must not happen is that the same candidate is
decided twice with different results: a vote or a Prepare that the network delivers once more must meet the
first decision. So every decision of this epoch is remembered, until its transaction is too old to be accepted
at all; and the decision is only ever made by the epoch that the candidate names.
"""

import msgspec

from adjudicator.protocol import Candidate, Prepare, Vote
from journal.broken import require
from journal.record import Timestamp

DEAD: Timestamp = 0
"""The decision that a candidate never takes effect."""


class Candidacy(msgspec.Struct, gc=False):
    """Votes on one candidate; they may arrive before the Prepare does."""

    since: Timestamp
    body: Prepare | None
    votes: dict[int, Vote]


class Coordination:
    """The candidates that name this journal and epoch as their decider."""

    def __init__(self) -> None:
        self._open: dict[Candidate, Candidacy] = {}
        self._final: dict[Candidate, tuple[Timestamp, Timestamp]] = {}
        """Candidate -> (decided time or DEAD, start_ts for forgetting)."""

    def __len__(self) -> int:
        return len(self._open)

    def decision(self, candidate: Candidate) -> Timestamp | None:
        """The commit_ts decided, `DEAD`, or None while undecided."""
        final = self._final.get(candidate)
        return None if final is None else final[0]

    def open(self, prepare: Prepare, now: Timestamp) -> Candidacy:
        """The candidacy whose body is `prepare`."""
        candidacy = self._open.setdefault(prepare.candidate, Candidacy(now, None, {}))
        candidacy.body = prepare
        return candidacy

    def open_or_none(self, candidate: Candidate) -> Candidacy | None:
        """The candidacy, if one was heard of."""
        return self._open.get(candidate)

    def add(self, vote: Vote, now: Timestamp) -> Candidacy:
        """Take in a vote; the first of each participant counts."""
        candidacy = self._open.setdefault(vote.candidate, Candidacy(now, None, {}))
        candidacy.votes.setdefault(vote.journal, vote)
        return candidacy

    def ready(self, candidacy: Candidacy) -> bool:
        """Whether all voted, or one refused."""
        body = candidacy.body
        if body is None:
            return False
        votes = candidacy.votes
        if any(vote.refusal is not None for vote in votes.values()):
            return True
        return all(journal in votes for journal in body.participants)

    def decide(self, candidate: Candidate, commit_ts: Timestamp, start_ts: Timestamp) -> Candidacy | None:
        """Make the decision, once and for all; raises `Broken` on a second one."""
        require(self.decision(candidate) is None, "A9: a candidate is decided once")
        self._final[candidate] = (commit_ts, start_ts)
        return self._open.pop(candidate, None)

    def stale(self, before: Timestamp) -> list[Candidate]:
        """Undecided candidates that were heard of before `before`."""
        return [candidate for candidate, each in self._open.items() if each.since < before]

    def forget(self, horizon: Timestamp) -> None:
        """Transactions that began below `horizon` are refused: decisions on them need no memory."""
        for candidate in [each for each, final in self._final.items() if final[1] < horizon]:
            del self._final[candidate]
