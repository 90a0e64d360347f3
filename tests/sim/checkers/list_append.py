"""H2, H3: no cycle in what clients saw of the lists that snapshot isolation forbids (tests.sim.elle).

At the end one more reader, which saw everything, says how the lists ended.
"""

from tests.sim import elle
from tests.sim.checkers.base import Checker, Violation
from tests.sim.workloads import LISTS


class ListAppend(Checker):
    def __init__(self, history):
        super().__init__(history)
        self.is_bounded = True
        self._txns = []
        self._last = 0

    def on_begin(self, client, start_ts, at, is_bounded):
        self.is_bounded = is_bounded

    def on_transaction(self, logged):
        self._last = max(self._last, logged.ended)
        ops = [
            elle.Read(key, _elements(value)) for key, value in sorted(logged.reads.items()) if key in LISTS
        ]
        for key, value in sorted(logged.writes.items()):
            if key in LISTS:
                ops.append(elle.Append(key, _elements(value)[-1]))
        if not ops:
            return
        outcome = "ok"
        if logged.commit_ts is None:
            outcome = "info"
        elif logged.writes and not logged.commit_ts:
            outcome = "fail"
        name = f"{logged.client}#{len(self._txns)}"
        self._txns.append(elle.Txn(name, tuple(ops), logged.began, logged.ended, outcome))

    def at_end(self, shards):
        final = tuple(
            elle.Read(key, _elements(shard.rows.get(key, shard.complete)))
            for key in LISTS
            for shard in shards[::2]
            if shard.lo <= key < shard.hi
        )
        txns = [*self._txns, elle.Txn("final", final, self._last + 1, self._last + 1)]
        found = elle.check(txns, self.is_bounded)
        if found:
            by_name = {txn.name: txn for txn in txns}
            raise Violation("H2", f"{found[0].kind}: {[by_name.get(name) for name in found[0].txns]}")


def _elements(value):
    return tuple(value.split(b",")) if value else ()
