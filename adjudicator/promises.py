"""Promises: what an adjudicator voted for and does not know the outcome of (AR §3.6).

A yes vote says: nothing that conflicts will be committed here up to `upto`. Until the outcome is known the
candidate counts as written at `upto`: a conflicting transaction that began at or above `upto` goes on (it has
read past whatever the candidate did), an older one is told to come back. It is never simply forgotten when
its time has passed: the record may be in another owner's journal already and unseen. The promise ends

    by the outcome, from the candidate's own decider and epoch,
    by the record itself in the stream of all journals, or
    when that stream is complete to `upto`: the record was in it, or can never appear.

One-sided touches (AR §3.13): a `check` of a catalog marker does not refuse the schema change, it pushes its
time above `upto`; the schema change refuses checks. A guard is, while in doubt, like a lock.
"""

from collections.abc import Iterable

import msgspec

from adjudicator.messages import CommitRequest
from adjudicator.protocol import Candidate, Prepare
from journal.record import Key, Lock, LockClass, Timestamp, Write

_AGAINST: dict[int, frozenset[int]] = {
    LockClass.BLIND: frozenset(),
    LockClass.KEY_SHARE: frozenset({LockClass.EXCLUSIVE}),
    LockClass.NON_KEY: frozenset({LockClass.NON_KEY, LockClass.EXCLUSIVE}),
    LockClass.EXCLUSIVE: frozenset({LockClass.KEY_SHARE, LockClass.NON_KEY, LockClass.EXCLUSIVE}),
}


class Promise(msgspec.Struct, frozen=True, gc=False):
    """One candidate that was voted for."""

    candidate: Candidate
    upto: Timestamp
    touches: list[Lock]
    checked: list[Key]
    guards: list[Key]
    written: list[Key]
    """Markers."""


class Promises:
    """All promises of one owner that have not ended."""

    def __init__(self) -> None:
        self.by_candidate: dict[Candidate, Promise] = {}
        self._by_key: dict[Key, list[Promise]] = {}

    def __len__(self) -> int:
        return len(self.by_candidate)

    def add(self, prepare: Prepare, upto: Timestamp) -> None:
        """Promise nothing that conflicts with `prepare` up to `upto`."""
        promise = Promise(
            prepare.candidate,
            upto,
            prepare.touches,
            [check.marker for check in prepare.checks],
            prepare.guards,
            [marker.marker for marker in prepare.markers],
        )
        self.by_candidate[prepare.candidate] = promise
        for key in _keys(promise):
            self._by_key.setdefault(key, []).append(promise)

    def get(self, candidate: Candidate) -> Promise | None:
        """The promise to this candidate."""
        return self.by_candidate.get(candidate)

    def supersede(self, candidate: Candidate) -> None:
        """A later attempt of the same transaction shows that the earlier ones are dead."""
        for other in list(self.by_candidate):
            if other.txid == candidate.txid and other.attempt < candidate.attempt:
                self.end(other)

    def blocking(self, asked: CommitRequest) -> Key | None:
        """A key on which an unresolved candidate stands in the way."""
        start_ts = asked.start_ts
        touches: list[Write | Lock] = [*asked.writes, *asked.locks]
        for touch in touches:
            for promise in self._in_doubt(touch.key, start_ts):
                if self._stands_against(promise, touch):
                    return touch.key
        for marker in asked.checks:
            for promise in self._in_doubt(marker, start_ts):
                if self._is_changed_by(promise, marker):
                    return marker
        for key in asked.guards:
            for promise in self._in_doubt(key, start_ts):
                if any(other.key == key and other.lock >= LockClass.NON_KEY for other in promise.touches):
                    return key
        return None

    def checked_upto(self, marker: Key) -> Timestamp:
        """The highest time up to which somebody was promised that `marker` stays as it is."""
        uptos = [each.upto for each in self._by_key.get(marker, ()) if marker in each.checked]
        return max(uptos, default=0)

    def latest(self) -> Timestamp:
        """The highest time up to which anything was promised."""
        return max((promise.upto for promise in self.by_candidate.values()), default=0)

    def end(self, candidate: Candidate) -> Promise | None:
        """The outcome is known; returns the promise, if there was one."""
        promise = self.by_candidate.pop(candidate, None)
        if promise is not None:
            for key in _keys(promise):
                left = [each for each in self._by_key[key] if each is not promise]
                if left:
                    self._by_key[key] = left
                else:
                    del self._by_key[key]
        return promise

    def seen(self, txid: bytes) -> bool:
        """The transaction's record came out of the stream and was learned; whether a promise ended."""
        candidates = [each for each in self.by_candidate if each.txid == txid]
        for candidate in candidates:
            self.end(candidate)
        return bool(candidates)

    def settle(self, upto: Timestamp) -> None:
        """Whatever was to appear at or below `upto` was seen."""
        for candidate in [c for c, promise in self.by_candidate.items() if promise.upto <= upto]:
            self.end(candidate)

    def _in_doubt(self, key: Key, start_ts: Timestamp) -> list[Promise]:
        return [promise for promise in self._by_key.get(key, ()) if promise.upto > start_ts]

    def _is_changed_by(self, promise: Promise, marker: Key) -> bool:
        """Whether the candidate writes the marker, as one of many owners or as a row of its own."""
        if marker in promise.written:
            return True
        return any(each.key == marker and each.lock >= LockClass.NON_KEY for each in promise.touches)

    def _stands_against(self, promise: Promise, touch: Write | Lock) -> bool:
        against = _AGAINST[touch.lock]
        if any(other.key == touch.key and other.lock in against for other in promise.touches):
            return True
        return touch.lock >= LockClass.NON_KEY and touch.key in promise.guards


def _keys(promise: Promise) -> Iterable[Key]:
    keys = [touch.key for touch in promise.touches]
    return dict.fromkeys([*keys, *promise.checked, *promise.guards, *promise.written])
