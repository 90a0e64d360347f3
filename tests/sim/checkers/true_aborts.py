"""Q5, A11: reasons for aborts are true, or false in a known way, counted and bounded.

Q5: after a 40001 no record with that transaction id ever appears. A11: an owner refuses with

    CONFLICT   for a conflicting commit after start_ts, durable or decided here (true), or one whose key shares
               a slot of the blurred memory (false)
    SCHEMA     for a write of the marker after start_ts, or of one in its slot
    TOO_OLD    below a floor of its
    BUSY       for a promise in doubt, or without a reservation; a client whose repetitions are used up hears
               CONFLICT (false)

A refusal that names a winner names a transaction that did commit what is in the way, after start_ts.
"""

from zlib import crc32

from adjudicator.messages import Aborted, Committed, Reason
from journal.record import LockClass
from tests.sim.checkers.base import CONFLICTS, Checker, Violation


class TrueAborts(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._aborted = {}
        self._decided = {}
        """(journal, epoch) -> [(commit_ts, txid)], durable or not."""
        self._refused = {}
        """txid -> whether its CONFLICT is true."""
        self.finished = 0
        self.false_aborts = 0
        """Conflicts without a conflicting commit: in doubt for too long, or remembered by hash only."""
        self.blurred = 0
        """Those remembered by hash."""

    def on_decision(self, journal, epoch, candidate, commit_ts):
        if commit_ts:
            self._decided.setdefault((journal, epoch), []).append((commit_ts, candidate.txid))

    def on_judgement(self, owner, asked, refusal):
        if refusal is None:
            return
        reason, key = refusal.reason, refusal.key
        txid, start_ts = asked.txid, asked.start_ts
        if reason == Reason.TOO_OLD:
            floors = [each.floor for each in owner.ranges]
            if start_ts >= max([*floors, owner.window.floor]):
                raise Violation("A11", f"{start_ts} is too old for {owner.journal}, above all floors", txid)
        elif reason in (Reason.CONFLICT, Reason.SCHEMA):
            locks = [touch.lock for touch in (*asked.writes, *asked.locks) if touch.key == key]
            locks += [LockClass.NON_KEY] if key in asked.guards or reason == Reason.SCHEMA else []
            is_true = any(self._conflicts(owner, key, lock, start_ts) for lock in locks)
            if not is_true and not any(self._shares_slot(owner, key, lock, start_ts) for lock in locks):
                text = f"{owner.journal}.{owner.epoch} refuses {key!r} from {start_ts} for nothing"
                raise Violation("A11", text, txid)
            if refusal.winner and not any(self._won(owner, refusal, lock, start_ts) for lock in locks):
                text = f"{owner.journal}.{owner.epoch} names a winner of {key!r} that is none"
                raise Violation("A11", text, txid)
            self._refused[txid] = self._refused.get(txid, False) or is_true

    def on_result(self, client, txid, result, at, is_bounded):
        if isinstance(result, Committed):
            self.finished += 1
        if not isinstance(result, Aborted):
            return
        if txid in self.history.commits:
            raise Violation("Q5", "aborted, and in a journal", txid)
        self._aborted[txid] = result
        self.finished += 1
        if result.reason == Reason.CONFLICT and not self._refused.get(txid, False):
            self.false_aborts += 1
            self.blurred += txid in self._refused

    def on_record(self, journal, entry):
        for commit in entry.record.commits:
            if commit.txid in self._aborted:
                raise Violation("Q5", "aborted, and then in a journal", commit.txid)

    def at_end(self, shards):
        if self.false_aborts > 20 + self.finished // 4:
            raise Violation("A11", f"{self.false_aborts} false conflicts of {self.finished} transactions")

    def _conflicts(self, owner, key, lock, start_ts):
        if any(self.history.conflicting(key, lock, start_ts)):
            return True
        return any(
            commit_ts > start_ts and self._touches(txid, key, lock)
            for commit_ts, txid in self._decided.get((owner.journal, owner.epoch), ())
        )

    def _won(self, owner, refusal, lock, start_ts):
        key, won_at, winner = refusal.key, refusal.won_at, refusal.winner
        if won_at <= start_ts:
            return False
        decided = (won_at, winner) in self._decided.get((owner.journal, owner.epoch), ())
        if decided and self._touches(winner, key, lock):
            return True
        return any(
            (ts, txid) == (won_at, winner) and (lock, its) in CONFLICTS
            for ts, _start, its, txid in self.history.touches.get(key, ())
        )

    def _touches(self, txid, key, lock):
        write_set = self.history.write_sets[txid]
        touched = [(each.key, each.lock) for each in (*write_set.writes, *write_set.locks)]
        touched += [(each.marker, LockClass.EXCLUSIVE) for each in write_set.markers]
        return any(other == key and (lock, its) in CONFLICTS for other, its in touched)

    def _shares_slot(self, owner, key, lock, start_ts):
        """Whether a conflicting class was committed on a key of the same slot."""
        slots = owner.settings.slots
        if not slots or start_ts >= owner.window.blurred_upto:
            return False
        slot = crc32(key) % slots
        return any(
            crc32(other) % slots == slot and any(self.history.conflicting(other, lock, start_ts))
            for other in self.history.touches
        )
