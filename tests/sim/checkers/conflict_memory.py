"""A5, A6: who agrees has forgotten nothing that it must know, and floors fall by a completed rebuild only.

An owner has read the stream up to `complete`. Whatever conflicts and was committed above the transaction's
start and at or below that, it knows, or a floor refuses the transaction.
"""

from tests.sim.checkers.base import Checker, Violation


class ConflictMemory(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._complete = {}
        self._states = {}
        """(journal, epoch) -> [the window's floor, its ranges ...]"""

    def on_owner(self, owner):
        name = (owner.journal, owner.epoch)
        self._complete[name] = owner.complete
        state = [owner.window.floor, *((each.lo, each.hi, each.after, each.floor) for each in owner.ranges)]
        before = self._states.get(name, [0])
        if state != before:
            self._states[name] = state
            if state[0] < before[0]:
                raise Violation("A6", f"owner {name}: the window's floor fell to {state[0]}")
            self._compare(name, before[1:], state[1:], owner.complete)

    def _compare(self, name, before, ranges, complete):
        for lo, hi, _after, floor in ranges:
            for old_lo, old_hi, after, old_floor in before:
                if old_lo < hi and lo < old_hi and floor < old_floor and complete < after:
                    text = (
                        f"owner {name}: the floor of {lo!r} fell to {floor}, read up to {complete} of {after}"
                    )
                    raise Violation("A6", text)

    def on_judgement(self, owner, asked, refusal):
        start_ts = asked.start_ts
        known = self._complete.get((owner.journal, owner.epoch), 0)
        if refusal is not None or known <= start_ts:
            return
        for touch in (*asked.writes, *asked.locks):
            for other in self.history.conflicting(touch.key, touch.lock, start_ts, known):
                if other == asked.txid or self._is_of_successor(owner, other):
                    continue
                text = f"{owner.journal}.{owner.epoch} agrees on {touch.key!r} from {start_ts}, knowing up to {known}"
                raise Violation("A6", text, asked.txid, other)

    def _is_of_successor(self, owner, txid):
        """Those lie above all that this one may still be part of; it takes its journal's records for its own."""
        return self.history.commits[txid][0] == owner.journal and self.history.epochs[txid] > owner.epoch
