"""One of many adjudicators: owns key ranges and one journal, votes, decides, announces closed times.

Problem. A transaction may touch keys of several owners, owners fail and are replaced while old ones still
talk, and messages are lost, doubled and late. Still the first committer must win on every key, each
transaction must lie in exactly one journal, and nothing may appear at a time that was declared closed.

    query processor       owner 1 (decider)            owner 2
        | Prepare ------------>|                          |
        | Prepare ------------------------------------->  | judges its keys, promises up to 330
        |                      | judges its keys          |
        |                      |<------- Vote(130..330) --|
        |                      | commit_ts = max of times <= min of promises
        |                      | append one record        |
        |<-- Committed(130) ---| durable                  |
        |                      |-------- Outcome(130) --->| knows; the promise ends

One owner alone is the same with one vote. What makes it safe is stated at each small method whose name is a
rule; the simulation switches them off one at a time and must notice (tests/sim/mutants.py).

    too old      began below what is known of a range (after a take-over or a move)     AR §3.5
    reservation  times that are voted for or announced lie below a durable bound        AR §3.3
    promise      a conflicting vote in doubt blocks, until the stream decides           AR §3.6
    closed       announced times lie below every append in flight                       AR §3.3
    epoch        a candidate is decided by the epoch that it names, once                AR §3.6

Time. `now` is the early edge of this owner's clock (AR §3.2), in ns. No rule of isolation depends on it.
Effects are returned in the order in which they must happen. Sources: AR §1.6, §1.7, §3.2 to §3.8, §3.12,
§3.13, §3.15; DESIGN §6.
"""

from collections.abc import Sequence

from adjudicator.adjudicator import Adjudicator, Settings, highest
from adjudicator.coordination import DEAD, Candidacy, Coordination
from adjudicator.messages import Aborted, CommitRequest, Committed, Reason
from adjudicator.moves import Moves
from adjudicator.outcomes import Outcomes
from adjudicator.ownership import Range, covers
from adjudicator.protocol import (
    Announce,
    Answer,
    Append,
    Ask,
    Candidate,
    Effect,
    Outcome,
    Prepare,
    Replay,
    ToCoordinator,
    ToOwner,
    Vote,
)
from journal.appender import Appender, Control
from journal.crossbar import FOREVER, Announcement, Item, Mark
from journal.journal import Tail
from journal.record import (
    MARKERS,
    Acquire,
    Adopted,
    Checkpoint,
    Commit,
    End,
    Key,
    Lock,
    LockClass,
    Note,
    Owned,
    Position,
    Release,
    SetChange,
    Timestamp,
    Write,
)


class RangeOwner(Adjudicator):
    """The adjudicator of one journal in one epoch. Made by `adjudicator.takeover`."""

    def __init__(
        self, journal: int, appender: Appender, safe: Timestamp, base: Timestamp, settings: Settings
    ) -> None:
        """`safe`: everything of earlier epochs lies at or below it; `base`: from where the stream is kept."""
        super().__init__(appender, safe, base, settings)
        self.journal = journal
        self.epoch = appender.epoch
        self.coordination = Coordination()
        self.outcomes = Outcomes(settings.outcomes)
        """Of this journal, durable."""
        self.moves = Moves(journal)
        self.complete: Timestamp = 0
        """The stream was read up to it."""
        self.is_ended = False
        self.horizon: Timestamp = base
        """Messages about transactions that began below it are refused: what was decided on them is forgotten."""
        self._learned_ts: Timestamp = 0
        """The newest commit on keys of this owner or with its vote, whoever decided it."""
        self._has_acquired = False
        """Since the claim: then what this owner decided before may concern keys that it did not own."""
        self._undelivered: dict[bytes, Prepare] = {}

    # --- messages

    def prepare(self, message: Prepare, now: Timestamp) -> list[Effect]:
        """Vote; a candidate without other participants is decided at once."""
        candidate = message.candidate
        if self.is_stopped:
            return []
        if candidate.journal != self.journal:
            vote = self._vote(message, now)
            return [ToOwner(candidate.journal, candidate.epoch, vote), *self._flush()]
        if not self._is_mine(candidate):
            return []
        if self.coordination.decision(candidate) is not None:
            return self._repeat(message)
        if len(message.participants) == 1 and not message.markers:
            return self._decide_alone(message, now)
        candidacy = self.coordination.open(message, now)
        if self.journal not in candidacy.votes:
            self.coordination.add(self._vote(message, now), now)
        return self._decide_if_ready(candidate, candidacy, now)

    def vote(self, message: Vote, now: Timestamp) -> list[Effect]:
        """A participant's vote on a candidate of this owner."""
        if self.is_stopped or not self._is_mine(message.candidate):
            return []
        decision = self.coordination.decision(message.candidate)
        if decision == DEAD:
            return [ToOwner(message.journal, message.epoch, Outcome(message.candidate, DEAD))]
        if decision is not None:
            return []
        candidacy = self.coordination.add(message, now)
        return self._decide_if_ready(message.candidate, candidacy, now)

    def outcome(self, message: Outcome) -> list[Effect]:
        """What became of a candidate that this owner voted for; only its decider says so."""
        promise = self.promises.get(message.candidate)
        if promise is not None:
            if message.commit_ts:
                self._learn_promised(
                    promise.touches, promise.written, message.commit_ts, message.candidate.txid
                )
            self.promises.end(message.candidate)
        return []

    def ask(self, message: Ask, now: Timestamp) -> list[Effect]:
        """An outcome that got lost (AR §3.8): answered for good, or not at all yet."""
        candidate = message.candidate
        if self.is_stopped and not self.is_ended:
            return []
        if candidate.journal != self.journal or candidate.epoch > self.epoch:
            return []
        commit_ts = self.outcomes.get(candidate.txid)
        if commit_ts is not None:
            return [_answer(message.coordinator, candidate, Committed(commit_ts))]
        if candidate.epoch < self.epoch and message.start_ts < self.outcomes.gone_upto:
            return []
        effects: list[Effect] = []
        if candidate.epoch == self.epoch:
            decision = self.coordination.decision(candidate)
            if decision is None:
                effects = self._abandon(candidate, None, now)
            elif decision != DEAD:
                return []
        return [*effects, _answer(message.coordinator, candidate, Aborted(Reason.BUSY, b""))]

    # --- the journal and the stream

    def appended(self, tail: Tail, now: Timestamp) -> list[Effect]:
        """The record in flight is durable."""
        effects: list[Effect] = []
        for record in self.appender.appended(tail):
            if self._undelivered or self.settings.outcomes:
                for commit in record.commits:
                    effects += self._committed(commit)
            for note in record.notes:
                effects += self._noted(note, record.header.position)
        return [*effects, *self._flush()]

    def refused(self, tail: Tail) -> None:
        """An append was refused, the journal being at `tail`. A higher epoch: somebody else claimed it, and this
        one appends, votes and answers nothing more (J5). Otherwise the record came before its predecessor."""
        if tail.epoch > self.epoch:
            self.is_stopped = True

    def feed(
        self,
        items: Sequence[Item],
        notes: Sequence[tuple[int, Position, Note]],
        complete: Timestamp,
        now: Timestamp,
    ) -> list[Effect]:
        """The next part of the stream of all journals, complete up to `complete`."""
        for journal, position, note in notes:
            self._acquire(self.moves.read(journal, position, note))
        remembers = not self._has_acquired and not self.promises.by_candidate
        for ts, journal, _position, _number, content in items:
            if isinstance(content, Commit):
                # What it decided itself it knows, while it owns no more than it did and promised nothing on it.
                if not remembers or journal != self.journal or ts <= self.safe:
                    self._learn(journal, content)
            elif any(isinstance(note, End) for note in content):
                self._acquire(self.moves.end(journal))
        self.promises.settle(self._settled_upto(complete, now))
        for each in self.ranges:
            if each.floor > self.base and self._is_rebuilt(each, complete):
                self.ranges.rebuilt(each, self.base)
        self.complete = max(self.complete, complete)
        self.window.age(complete)
        if complete - self.settings.retention > self.horizon:
            self.horizon = complete - self.settings.retention
            self.coordination.forget(self.horizon)
            self.outcomes.forget(self.horizon)
        return self._flush()

    def replayed(self, base: Timestamp, mark: Mark | None = None) -> None:
        """The stream begins anew, from what is kept: above `base`, at `mark` (None: at the beginning).

        What was missed raises all floors to `base`; releases before the mark were acquired in what is not read.
        """
        self.base = base
        if mark is not None:
            self.moves.resume(dict(mark.positions).get(self.journal, 0))
        if base > self.complete:
            for each in self.ranges:
                each.floor = max(each.floor, self._missed_floor(base))

    def tick(self, now: Timestamp) -> list[Effect]:
        """Renew the reservation, give up on candidates without votes, announce; every few ms."""
        if self.is_stopped:
            return []
        self._reserve(now)
        effects: list[Effect] = []
        for candidate in self.coordination.stale(now - self.settings.promise):
            effects += self._abandon(candidate, Aborted(Reason.BUSY, b""), now)
        effects += self._flush()
        self.closed = max(self.closed, self._closable(now))
        effects.append(Announce(self._announcement()))
        return effects

    # --- ranges and the set of journals

    def release(self, lo: Key, hi: Key, to: int) -> list[Effect]:
        """Hand [lo, hi) to the owner of journal `to` (AR §3.12); nothing when it is not owned as a whole."""
        after = [each.after for each in self.ranges.overlapping(lo, hi)]
        if self.is_stopped or not self.moves.may_go_to(to) or not self.ranges.remove(lo, hi):
            return []
        self.moves.begin()
        self.appender.add_control(Control([Release(lo, hi, max(self._used_upto(), *after), to)]))
        return self._flush()

    def checkpoint(self) -> list[Effect]:
        """Restate what a successor must know, so that the journal can be trimmed; not while ranges move."""
        if self.is_stopped or self.moves.is_busy or not self._may_restate():
            return []
        notes: list[Note] = [Checkpoint()]
        notes += [Owned(each.lo, each.hi, each.after) for each in self.ranges]
        notes += [Adopted(*each) for each in sorted(self.moves.acquired.items())]
        self.appender.add_control(Control(notes))
        return self._flush()

    def change_set(self, journal: int, is_added: bool, now: Timestamp, after: Timestamp = 0) -> list[Effect]:
        """Add or remove a journal, in the journal that always counts (AR §3.4).

        `after`: the time of the `End` of a journal that is removed.
        """
        ts = max(now, self.last_ts + 1, self.closed + 1, self._above_end(after))
        if self.is_stopped:
            return []
        self.last_ts = ts
        self.appender.add_control(Control([SetChange(journal, is_added)], ts))
        return self._flush()

    def end(self, now: Timestamp) -> list[Effect]:
        """End this journal; nothing while it owns ranges, hands some over, or candidates are open."""
        ts = max(now, self.last_ts + 1, self.closed + 1)
        if self.is_stopped or self.moves.is_closing or not self._may_end():
            return []
        self.last_ts = ts
        self.moves.is_closing = self._closes()
        self.appender.add_control(Control([End()], ts))
        return self._flush()

    # --- judging

    def _vote(self, message: Prepare, now: Timestamp) -> Vote:
        candidate = message.candidate
        old = self.promises.get(candidate)
        if old is not None:
            ts = old.upto - self.settings.promise
            return Vote(candidate, self.journal, self.epoch, ts, old.upto, None, self._covered(message))
        self.promises.supersede(candidate)
        owned = self._concerned(message)
        if isinstance(owned, Aborted):
            return Vote(candidate, self.journal, self.epoch, refusal=owned)
        floor, after = highest(owned)
        refusal = self._refusal(_asked(message, [], message.touches), max(floor, self.horizon))
        ts = self._time(message, after, now)
        if refusal is None and not self._may_vote(ts):
            refusal = Aborted(Reason.BUSY, b"")
        if refusal is not None:
            return Vote(candidate, self.journal, self.epoch, refusal=refusal)
        upto = ts + self.settings.promise
        self.promises.add(message, upto)
        return Vote(candidate, self.journal, self.epoch, ts, upto, None, self._covered(message))

    def _covered(self, message: Prepare) -> list[tuple[Key, Key]]:
        pieces = [piece for each in message.markers for piece in self.ranges.overlapping(each.lo, each.hi)]
        return [(piece.lo, piece.hi) for piece in pieces]

    def _concerned(self, message: Prepare) -> list[Range] | Aborted:
        """The ranges that the message is about, or that one of its keys is not owned here."""
        keys = [touch.key for touch in message.touches]
        owned = self._owned([*keys, *(check.key for check in message.checks), *message.guards])
        if not isinstance(owned, Aborted):
            for marker in message.markers:
                owned += self.ranges.overlapping(marker.lo, marker.hi)
        return owned

    def _time(self, message: Prepare, after: Timestamp, now: Timestamp) -> Timestamp:
        """The earliest time for this candidate here."""
        ts = max(now + self.settings.lead, message.start_ts + 1, self._not_before(after))
        if message.markers:
            ts = max(ts, self._not_before_checks(message, now))
        return self._next_time(ts, message.start_ts) if message.candidate.journal == self.journal else ts

    # --- deciding

    def _decide_if_ready(self, candidate: Candidate, candidacy: Candidacy, now: Timestamp) -> list[Effect]:
        if not self.coordination.ready(candidacy):
            return self._flush()
        body = candidacy.body
        assert body is not None
        votes = list(candidacy.votes.values())
        refusal = next((vote.refusal for vote in votes if vote.refusal is not None), None)
        if refusal is not None:
            return [*self._abandon(candidate, refusal, now), *self._flush()]
        pieces = [piece for vote in votes for piece in vote.covered]
        for marker in body.markers:
            if not covers(pieces, marker.lo, marker.hi):
                return self._abandon(candidate, Aborted(Reason.MOVED, marker.lo), now)
        commit_ts = max(self.last_ts + 1, self.closed + 1, *(vote.ts for vote in votes))
        if not self._is_promised(commit_ts, votes):
            return self._abandon(candidate, Aborted(Reason.BUSY, b""), now)
        return [*self._commit(body, commit_ts), *self._flush()]

    def _decide_alone(self, message: Prepare, now: Timestamp) -> list[Effect]:
        """A candidate without other participants needs no vote and no promise: `decide` is the vote."""
        candidate = message.candidate
        self.promises.supersede(candidate)
        self.coordination.open(message, now)
        if self._is_too_old(message.start_ts, self.horizon):
            return self._abandon(candidate, Aborted(Reason.TOO_OLD, b""), now)
        asked = _asked(message, message.writes, message.locks)
        commit = self._judge(asked, [check.key for check in message.checks], now)
        if isinstance(commit, Aborted):
            return [*self._abandon(candidate, commit, now), *self._flush()]
        return [*self._hand_in(message, commit), *self._flush()]

    def _commit(self, body: Prepare, commit_ts: Timestamp) -> list[Effect]:
        self._give_out(commit_ts, body.start_ts)
        markers = [marker.marker for marker in body.markers]
        self._learn_promised(body.touches, markers, commit_ts, body.candidate.txid)
        writes = [*body.writes, *(Write(key, b"", LockClass.EXCLUSIVE) for key in markers)]
        return self._hand_in(body, Commit(body.candidate.txid, body.start_ts, commit_ts, writes, body.locks))

    def _hand_in(self, body: Prepare, commit: Commit) -> list[Effect]:
        self.coordination.decide(body.candidate, commit.commit_ts, commit.start_ts)
        self.promises.end(body.candidate)
        self._undelivered[commit.txid] = body
        if not self._needs_record(commit):
            return self._committed(commit)
        self.appender.add(commit, _size_of(commit))
        return []

    def _committed(self, commit: Commit) -> list[Effect]:
        """Durable: now, and not before, others may hear of it."""
        self.outcomes.add(commit.txid, commit.commit_ts)
        body = self._undelivered.pop(commit.txid, None)
        if body is None:
            return []
        answer = _answer(body.coordinator, body.candidate, Committed(commit.commit_ts))
        return [answer, *self._tell(body, commit.commit_ts)]

    def _abandon(self, candidate: Candidate, refusal: Aborted | None, now: Timestamp) -> list[Effect]:
        """Decide that the candidate never takes effect, and end the promises made to it."""
        candidacy = self.coordination.open_or_none(candidate)
        body = candidacy.body if candidacy is not None else None
        self.coordination.decide(candidate, DEAD, body.start_ts if body is not None else now)
        self.promises.end(candidate)
        if body is None:
            return []
        effects: list[Effect] = []
        if refusal is not None:
            effects.append(_answer(body.coordinator, candidate, refusal))
        return [*effects, *self._tell(body, DEAD)]

    def _repeat(self, message: Prepare) -> list[Effect]:
        """A Prepare that was delivered once more meets the first decision."""
        candidate = message.candidate
        commit_ts = self.outcomes.get(candidate.txid)
        if commit_ts is not None:
            return [_answer(message.coordinator, candidate, Committed(commit_ts))]
        if self.coordination.decision(candidate) == DEAD:
            return [_answer(message.coordinator, candidate, Aborted(Reason.BUSY, b""))]
        return []

    def _tell(self, body: Prepare, commit_ts: Timestamp) -> list[Effect]:
        others = [journal for journal in body.participants if journal != self.journal]
        return [ToOwner(journal, 0, Outcome(body.candidate, commit_ts)) for journal in others]

    # --- learning

    def _learn(self, journal: int, commit: Commit) -> None:
        """A record of any journal: what it did to keys of this owner."""
        if self._learns_from(journal):
            writes = [write for write in commit.writes if self._concerns(write.key)]
            locks = [lock for lock in commit.locks if self._concerns(lock.key)]
            if writes or locks:
                self.window.record(writes, locks, commit.commit_ts, commit.txid)
                self._learned_ts = max(self._learned_ts, commit.commit_ts)
        if self.promises.seen(commit.txid):
            self._learned_ts = max(self._learned_ts, commit.commit_ts)

    def _concerns(self, key: Key) -> bool:
        return key.startswith(MARKERS) or self.ranges.find(key) is not None

    def _learn_promised(
        self, touches: list[Lock], markers: list[Key], commit_ts: Timestamp, txid: bytes
    ) -> None:
        marked = [Lock(key, LockClass.EXCLUSIVE) for key in markers]
        self.window.record((), [*touches, *marked], commit_ts, txid)
        self._learned_ts = max(self._learned_ts, commit_ts)

    def _acquire(self, acquisitions: list[Acquire]) -> None:
        for each in acquisitions:
            self.appender.add_control(Control([each]))

    def _noted(self, note: Note, position: Position) -> list[Effect]:
        """A note of this owner's own is durable."""
        self._acquire(self.moves.durable(position, note))
        if isinstance(note, Acquire):
            self._has_acquired = True
            self.ranges.add(note.lo, note.hi, note.at, self._floor_of(note))
            return self._history_of(note)
        if isinstance(note, End):
            self.closed = FOREVER
            self.is_stopped = self.is_ended = True
        return []

    def _reserve(self, now: Timestamp) -> None:
        base = max(now, self.safe, self.last_ts)
        if self.settings.reserve and self.appender.reserving < base + self.settings.reserve // 2:
            self.appender.reserve(base + self.settings.reserve)

    def _flush(self) -> list[Effect]:
        effects: list[Effect] = []
        while not self.is_stopped and (record := self.appender.next()) is not None:
            effects.append(Append(record, self.appender.newest))
        return effects

    def _announcement(self) -> Announcement:
        return Announcement(self.journal, self.epoch, self.appender.tail.position, self.closed)

    # --- the rules

    def _may_vote(self, ts: Timestamp) -> bool:
        """A7: a vote's time lies within the durable reservation, or a successor could not know of it.

        The time of a record need not: the claim of a successor follows the tail, so either it has read the
        record, and stays above it, or the record is refused for ever. So nobody who votes for nobody needs a
        reservation, and a lone commit after an idle hour needs no flush but its own.
        """
        return ts <= self.appender.reserved

    def _not_before_checks(self, message: Prepare, now: Timestamp) -> Timestamp:
        """K1 from the other side: above every promise to a transaction that checked the marker.

        A promise ends when its candidate is decided, so also above everything that was decided here or with a
        vote of this owner: such a time may lie ahead of the clock. With several participants every one of them
        dates the change ahead by the length of a promise: else the one with such a promise alone would, and the
        others' promises would end before its time.
        """
        ahead = now + self.settings.promise if len(message.participants) > 1 else 0
        decided = self._decided_upto() + 1
        return max(ahead, decided, *(self.promises.checked_upto(each.marker) + 1 for each in message.markers))

    def _decided_upto(self) -> Timestamp:
        """K1: nothing that checked a marker here and was decided lies above."""
        return max(self.last_ts, self._learned_ts)

    def _settled_upto(self, complete: Timestamp, now: Timestamp) -> Timestamp:
        """A promise is forgotten when the stream proves that its record is in or never comes (AR §3.6)."""
        return complete

    def _is_mine(self, candidate: Candidate) -> bool:
        """A vote counts only at the epoch that the candidate names (AR §3.6)."""
        return candidate.journal == self.journal and candidate.epoch == self.epoch

    def _is_promised(self, commit_ts: Timestamp, votes: list[Vote]) -> bool:
        """A7: a participant's promise holds no longer than it said."""
        return all(commit_ts <= vote.upto for vote in votes)

    def _needs_record(self, commit: Commit) -> bool:
        """DESIGN §6.2: locks alone are appended too; the append is the fence."""
        return True

    def _learns_from(self, journal: int) -> bool:
        """A key's history lies in all journals (AR §3.5)."""
        return True

    def _is_rebuilt(self, each: Range, complete: Timestamp) -> bool:
        """Late decisions on old votes must be in before the memory is trusted (AR §3.5)."""
        return complete >= each.after

    def _floor_of(self, note: Acquire) -> Timestamp:
        """A range that was moved is as unknown as after a take-over."""
        return note.at

    def _missed_floor(self, base: Timestamp) -> Timestamp:
        """A5: nothing is known of what was trimmed before it was read."""
        return base

    def _history_of(self, note: Acquire) -> list[Effect]:
        """What was committed on the range before: the stream must pass again to lower its floor."""
        return [Replay()]

    def _used_upto(self) -> Timestamp:
        """A released range is given away above every time used or promised on it (AR §3.12).

        Also above what others decided with promises of this owner that have ended: the new owner rebuilds up to
        this time only.
        """
        return max(self.safe, self.last_ts, self._learned_ts, self.promises.latest())

    def _may_restate(self) -> bool:
        """J7: until this epoch has a reservation of its own, the claim alone says how far the ones before went."""
        return self.appender.reserved > 0 or not self.settings.reserve

    def _may_end(self) -> bool:
        """F2: what comes or goes would be lost with this journal."""
        return not self.moves.is_busy and not len(self.ranges) and not len(self.coordination)

    def _closes(self) -> bool:
        """F2: what is released to this journal from now on stays with its giver."""
        return True

    def _above_end(self, ended: Timestamp) -> Timestamp:
        """X3: at the very time of the end a reader could pass the removal first."""
        return ended + 1

    def _closable(self, now: Timestamp) -> Timestamp:
        """A3: what may be closed: reserved durably, and below everything in flight (AR §3.3)."""
        return min(self._reserved_close(now), self._below_pending())

    def _reserved_close(self, now: Timestamp) -> Timestamp:
        return min(now + self.settings.lead, self.appender.reserved or self.safe)

    def _below_pending(self) -> Timestamp:
        oldest = self.appender.oldest_pending
        return oldest - 1 if oldest else FOREVER


def _asked(message: Prepare, writes: list[Write], locks: list[Lock]) -> CommitRequest:
    markers = [check.marker for check in message.checks]
    return CommitRequest(message.candidate.txid, message.start_ts, writes, locks, markers, message.guards)


def _size_of(commit: Commit) -> int:
    return sum(len(write.key) + len(write.value or b"") for write in commit.writes)


def _answer(coordinator: int, candidate: Candidate, verdict: Committed | Aborted) -> ToCoordinator:
    return ToCoordinator(coordinator, Answer(candidate, verdict))


__all__ = ["RangeOwner", "Settings"]
