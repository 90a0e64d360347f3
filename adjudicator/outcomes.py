"""What became of this journal's transactions, for whoever lost an answer (AR §3.8), in bounded memory."""

from collections import deque

from journal.record import Timestamp


class Outcomes:
    """txid -> commit_ts of what is durable. Forgets the oldest first, and says so."""

    def __init__(self, limit: int) -> None:
        """At most `limit` outcomes of about 150 bytes; 0: none."""
        self._limit = limit
        self._by_txid: dict[bytes, Timestamp] = {}
        self._in_order: deque[tuple[Timestamp, bytes]] = deque()
        self.gone_upto: Timestamp = 0
        """What took effect at or below it may be unknown; a transaction that is unknown and began at or above it
        did not take effect in an epoch that is over."""

    def __len__(self) -> int:
        return len(self._by_txid)

    def get(self, txid: bytes) -> Timestamp | None:
        """The time at which the transaction took effect, if that is remembered."""
        return self._by_txid.get(txid)

    def add(self, txid: bytes, commit_ts: Timestamp) -> None:
        """A record of this journal is durable; in order of commit_ts."""
        if not self._limit:
            self.skipped(commit_ts)
            return
        self._by_txid[txid] = commit_ts
        self._in_order.append((commit_ts, txid))
        if len(self._in_order) > self._limit:
            self._forget_oldest()

    def skipped(self, upto: Timestamp) -> None:
        """Records up to this time were not read."""
        self.gone_upto = max(self.gone_upto, upto)

    def forget(self, horizon: Timestamp) -> None:
        """Nobody asks any more for what took effect below `horizon`."""
        while self._in_order and self._in_order[0][0] < horizon:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        commit_ts, txid = self._in_order.popleft()
        self._by_txid.pop(txid, None)
        self.skipped(commit_ts)
