"""The query processor's side of a commit with several adjudicators (AR §1.7, §3.6 to §3.8).

One object commits one transaction: it asks every owner of a touched key at once, and then only listens to the
decider. What it tells the client is true for ever:

    Committed    the record is durable, and the clock is past commit_ts on its early edge (Q4): any later BEGIN
                 anywhere sees it
    Aborted      no record with this transaction id will ever appear (Q5)
    Unknown      neither could be learned in time; the client gets a lost connection, never a guess

"Busy" and "moved" are repeated here without the client's knowledge, with the same writes and start_ts. A
repetition is a new candidate, and is made only when the decider has said that the last one is dead: a
transaction that was repeated on a mere time-out could take effect twice (A9). When no answer comes, the
present owner of the decider's journal is asked; it finds the record in the log, or buries the candidate.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias
from zlib import crc32

import msgspec

from adjudicator.messages import Aborted, Committed, Reason
from adjudicator.protocol import Answer, Ask, Candidate, Check, Marker, Message, Prepare, ToOwner
from journal.record import Key, Lock, Timestamp, Write


class Routing(Protocol):
    """The map of ranges: a hint; a wrong one is refused by the owner, never obeyed (AR §1.1)."""

    def journal_of(self, key: Key) -> int:
        """The journal whose owner decides on `key`."""

    def journals_of(self, lo: Key, hi: Key) -> list[int]:
        """Those whose owners have a part of [lo, hi)."""

    def epoch_of(self, journal: int) -> int:
        """The epoch of its present owner."""


class WriteSet(msgspec.Struct, frozen=True, gc=False):
    """What a transaction wants to commit: at least one write or lock (Q6)."""

    txid: bytes
    start_ts: Timestamp
    writes: list[Write]
    locks: list[Lock] = []
    checks: list[Check] = []
    guards: list[Key] = []
    markers: list[Marker] = []


class Patience(NamedTuple):
    """Durations, ns, and repetitions."""

    answer: Timestamp = 400 * 10**6
    """Until the outcome is asked for."""
    backoff: Timestamp = 8 * 10**6
    """Before a repetition, growing, with a share that depends on the transaction."""
    attempts: int = 8
    unknown: Timestamp = 8 * 10**9
    """From COMMIT to `Unknown`."""


class Unknown(NamedTuple):
    """Nobody could say."""


Result: TypeAlias = Committed | Aborted | Unknown


class Coordinator:
    """Commits one transaction. Synchronous; `now` is the early edge of this node's clock, ns."""

    def __init__(
        self,
        number: int,
        write_set: WriteSet,
        routing: Routing,
        patience: Patience | None = None,
        is_far: Callable[[int], bool] = lambda _journal: False,
    ) -> None:
        """`number`: where answers are sent; `is_far`: whether a journal is owned in another region."""
        self.number = number
        self.write_set = write_set
        self.result: Result | None = None
        """What to tell the client; None: not yet."""
        self.commit_ts: Timestamp = 0
        """Known to be durable, perhaps not yet to be acknowledged."""
        self.attempt = 0
        self._routing = routing
        self._is_far = is_far
        self._patience = patience if patience is not None else Patience()
        self._candidate: Candidate | None = None
        self._since: Timestamp = 0
        self._deadline: Timestamp = 0
        self._repeat_at: Timestamp = 0

    def begin(self, now: Timestamp) -> list[ToOwner]:
        """COMMIT."""
        self._since = now
        return self._prepare(now)

    def answer(self, message: Answer, now: Timestamp) -> list[ToOwner]:
        """The decider's word, or that of its successor."""
        if self.result is not None or self.commit_ts or message.candidate != self._candidate:
            return []
        verdict = message.verdict
        if isinstance(verdict, Committed):
            self.commit_ts = verdict.commit_ts
            return self.tick(now)
        if verdict.reason in (Reason.BUSY, Reason.MOVED):
            if self.attempt >= self._patience.attempts:
                self.result = Aborted(Reason.CONFLICT, verdict.key)
                return []
            self._candidate = None
            self._repeat_at = now + self._pause()
            return []
        self.result = verdict
        return []

    def tick(self, now: Timestamp) -> list[ToOwner]:
        """Time has passed: acknowledge, repeat, ask, or give up; every few ms."""
        if self.result is not None:
            return []
        if self.commit_ts:
            if self._may_acknowledge(now):
                self.result = Committed(self.commit_ts)
            return []
        if now > self._since + self._patience.unknown:
            if self._candidate is None:
                self.result = Aborted(Reason.CONFLICT, b"")
            else:
                self.result = Unknown()
            return []
        if self._candidate is None:
            return self._prepare(now) if now >= self._repeat_at else []
        if now < self._deadline:
            return []
        self._deadline = now + self._patience.answer
        return self._after_silence(self._candidate, now)

    # --- asking

    def _prepare(self, now: Timestamp) -> list[ToOwner]:
        self.attempt += 1
        parts = _parts(self.write_set, self._routing)
        decider = max(sorted(parts), key=lambda journal: self._fitness(journal, parts[journal]))
        epochs = {journal: self._routing.epoch_of(journal) for journal in sorted(parts)}
        candidate = Candidate(self.write_set.txid, self.attempt, decider, epochs[decider])
        self._candidate = candidate
        self._deadline = now + self._patience.answer
        participants = tuple(sorted(parts))
        return [
            ToOwner(journal, epochs[journal], self._message(journal, parts[journal], candidate, participants))
            for journal in participants
        ]

    def _fitness(self, journal: int, part: "_Part") -> tuple[bool, int]:
        """To decide. A far owner has all votes when the request and the votes from here reach it, after half a round
        trip; one that is here has the far vote after a whole one, and dates the commit ahead from then on."""
        return bool(part.touches) and self._is_far(journal), len(part.touches)

    def _message(
        self, journal: int, part: "_Part", candidate: Candidate, participants: tuple[int, ...]
    ) -> Message:
        write_set = self.write_set
        is_decider = journal == candidate.journal
        return Prepare(
            candidate,
            write_set.start_ts,
            self.number,
            participants,
            part.touches,
            part.checks,
            part.guards,
            write_set.markers,
            write_set.writes if is_decider else [],
            write_set.locks if is_decider else [],
        )

    def _pause(self) -> Timestamp:
        share = crc32(self.write_set.txid + self.attempt.to_bytes(4, "big")) % 1000
        return self._patience.backoff * self.attempt * (500 + share) // 1000

    # --- the rules

    def _after_silence(self, candidate: Candidate, now: Timestamp) -> list[ToOwner]:
        """A9: no repetition before the last candidate is known to be dead (AR §3.8)."""
        epoch = self._routing.epoch_of(candidate.journal)
        return [ToOwner(candidate.journal, epoch, Ask(candidate, self.number, self.write_set.start_ts))]

    def _may_acknowledge(self, now: Timestamp) -> bool:
        """Q4: commit wait (AR §3.2)."""
        return now >= self.commit_ts


class _Part(NamedTuple):
    touches: list[Lock]
    checks: list[Check]
    guards: list[Key]


def _parts(write_set: WriteSet, routing: Routing) -> dict[int, _Part]:
    """What each owner is asked about."""
    parts: dict[int, _Part] = {}

    def part(journal: int) -> _Part:
        return parts.setdefault(journal, _Part([], [], []))

    for write in write_set.writes:
        part(routing.journal_of(write.key)).touches.append(Lock(write.key, write.lock))
    for lock in write_set.locks:
        part(routing.journal_of(lock.key)).touches.append(lock)
    for check in write_set.checks:
        part(routing.journal_of(check.key)).checks.append(check)
    for key in write_set.guards:
        part(routing.journal_of(key)).guards.append(key)
    for marker in write_set.markers:
        for journal in routing.journals_of(marker.lo, marker.hi):
            part(journal)
    return parts
