"""The conflict window: which key was last committed when, per lock class, in bounded memory (AR §3.15).

Three tiers, from new to old:

    exact     per key and class the last commit_ts: recent commits, at most `exact_keys` touches of a key
    blurred   per hash slot and class the greatest commit_ts of all keys that fell there: fixed size, so
              that two keys may share a slot and an old transaction be aborted for a stranger's commit
    floor     nothing is known at or below it but that something may have been committed there

Nothing is ever dropped silently: a touch moves from exact to blurred, or, without a blurred tier, raises the
floor (A6). Only applied commits move, so that the floor never passes the time at which transactions begin.
"""

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from itertools import islice
from operator import itemgetter
from zlib import crc32

from journal.broken import require
from journal.record import Key, Lock, LockClass, Timestamp, Write

_KEY_SHARE = LockClass.KEY_SHARE.value
_NON_KEY = LockClass.NON_KEY.value
_EXCLUSIVE = LockClass.EXCLUSIVE.value

EXACT_NS = 60 * 10**9
LATE_TOUCHES = 1024
"""The newest commits, through which a winner is looked for first: it is nearly always among them, and one that was
recorded out of order may be found nowhere else. To bisect a long deque costs more: its middle is walked to."""

_time = itemgetter(0)


class Window:
    """Conflict memory; `check` and `record` are the hot path of every commit."""

    def __init__(
        self,
        floor: Timestamp = 0,
        *,
        exact_keys: int = 1_000_000,
        exact_ns: int = EXACT_NS,
        slots: int = 1 << 20,
    ) -> None:
        """The bound on memory: `exact_keys` touches of about 200 bytes and `slots` of 24 bytes."""
        self.floor = floor
        self.blurred_upto: Timestamp = 0
        """The highest commit_ts in the blurred tier."""
        self.early = 0
        """Touches that left the exact tier for want of room, before `exact_ns`."""
        self.forgotten = 0
        """Touches that raised the floor."""
        self._exact_keys = exact_keys
        self._exact_ns = exact_ns
        self._slots = slots
        self._exclusive: dict[Key, Timestamp] = {}
        self._non_key: dict[Key, Timestamp] = {}
        self._key_share: dict[Key, Timestamp] = {}
        self._blurred: tuple[array[int], array[int], array[int]] | None = None
        self._newest: Timestamp = 0
        """No touch is above it."""
        self._touches: deque[tuple[Timestamp, list[Key], bytes]] = deque()
        """Per commit: its time, the keys that it touched, its transaction id."""
        self._touched = 0
        self._since_ageing = 0

    def __len__(self) -> int:
        """Touches in the exact tier."""
        return self._touched

    def conflict(self, touched: Iterable[Write | Lock], start_ts: Timestamp) -> Key | None:
        """The first key on which a conflicting class (AR §1.11) was committed after `start_ts`."""
        if start_ts >= self._newest:
            return None
        exclusive = self._exclusive
        non_key = self._non_key
        for touch in touched:
            lock = touch.lock
            if not lock:
                continue
            key = touch.key
            if exclusive.get(key, 0) > start_ts:
                return key
            if lock >= _NON_KEY:
                if non_key.get(key, 0) > start_ts:
                    return key
                if lock == _EXCLUSIVE and self._key_share.get(key, 0) > start_ts:
                    return key
            if start_ts < self.blurred_upto and self._blurred_since(key, lock, start_ts):
                return key
        return None

    def written(self, keys: Iterable[Key], start_ts: Timestamp) -> Key | None:
        """The first of `keys` that was written (class NON_KEY or EXCLUSIVE) after `start_ts`."""
        if start_ts >= self._newest:
            return None
        for key in keys:
            if self._exclusive.get(key, 0) > start_ts or self._non_key.get(key, 0) > start_ts:
                return key
            if start_ts < self.blurred_upto and self._blurred_since(key, _NON_KEY, start_ts):
                return key
        return None

    def winner(self, key: Key, lock: int, start_ts: Timestamp) -> tuple[bytes, Timestamp]:
        """Who last committed on `key` what conflicts with class `lock`, and when; b"" and 0: no longer known."""
        won_at = self._exclusive.get(key, 0)
        if lock >= _NON_KEY:
            won_at = max(won_at, self._non_key.get(key, 0))
        if lock == _EXCLUSIVE:
            won_at = max(won_at, self._key_share.get(key, 0))
        return (self._author(key, won_at), won_at) if won_at > start_ts else (b"", 0)

    def _author(self, key: Key, commit_ts: Timestamp) -> bytes:
        touches = self._touches
        for ts, keys, txid in islice(reversed(touches), LATE_TOUCHES):
            if ts == commit_ts and key in keys:
                return txid
        place = bisect_left(touches, commit_ts, key=_time)
        while place < len(touches) and touches[place][0] == commit_ts:
            if key in touches[place][1]:
                return touches[place][2]
            place += 1
        return b""

    def record(
        self, writes: Iterable[Write], locks: Iterable[Lock], commit_ts: Timestamp, txid: bytes = b""
    ) -> None:
        """A transaction committed at `commit_ts`, in any order: others decide too, and a replay says it again."""
        if commit_ts <= self._newest:
            self._record_late(writes, locks, commit_ts, txid)
            return
        self._newest = commit_ts
        keys: list[Key] = []
        exclusive = self._exclusive
        for touches in (writes, locks):
            for touch in touches:
                lock = touch.lock
                if lock == _EXCLUSIVE:
                    exclusive[touch.key] = commit_ts
                elif lock == _NON_KEY:
                    self._non_key[touch.key] = commit_ts
                elif lock == _KEY_SHARE:
                    self._key_share[touch.key] = commit_ts
                else:
                    continue
                keys.append(touch.key)
        self._remember(keys, commit_ts, txid)

    def _record_late(
        self, writes: Iterable[Write], locks: Iterable[Lock], commit_ts: Timestamp, txid: bytes
    ) -> None:
        tables = (None, self._key_share, self._non_key, self._exclusive)
        keys: list[Key] = []
        for touches in (writes, locks):
            for touch in touches:
                table = tables[touch.lock]
                if table is not None and commit_ts > table.get(touch.key, 0):
                    table[touch.key] = commit_ts
                    keys.append(touch.key)
        self._remember(keys, commit_ts, txid)

    def _remember(self, keys: list[Key], commit_ts: Timestamp, txid: bytes) -> None:
        if keys:
            self._touches.append((commit_ts, keys, txid))
            self._touched += len(keys)
            self._since_ageing += len(keys)

    def age(self, applied_ts: Timestamp) -> None:
        """Move commits that are applied and too old, or too many, out of the exact tier.

        Works off at most twice what came in since the last call (and a little), so that no call takes long.
        """
        budget = 2 * self._since_ageing + 64
        self._since_ageing = 0
        touches = self._touches
        old = applied_ts - self._exact_ns
        while touches and budget > 0:
            commit_ts, keys, _txid = touches[0]
            if commit_ts > applied_ts or (commit_ts > old and self._touched <= self._exact_keys):
                return
            touches.popleft()
            self._touched -= len(keys)
            budget -= len(keys)
            if commit_ts > old:
                self.early += len(keys)
            self._retire(keys, commit_ts)

    def raise_floor(self, floor: Timestamp) -> None:
        """Transactions that began below `floor` can no longer be judged."""
        require(floor >= self.floor, "A6: the floor never decreases")
        self.floor = floor

    def _retire(self, keys: list[Key], commit_ts: Timestamp) -> None:
        if not self._slots:
            self.forgotten += len(keys)
            self.raise_floor(max(self.floor, commit_ts))
        elif self._blurred is None:
            empty = bytes(8 * self._slots)
            self._blurred = (array("q", empty), array("q", empty), array("q", empty))
        self.blurred_upto = max(self.blurred_upto, commit_ts if self._slots else 0)
        for key in keys:
            for number, table in enumerate((self._key_share, self._non_key, self._exclusive)):
                if table.get(key) == commit_ts:
                    del table[key]
                    if self._blurred is not None:
                        slots = self._blurred[number]
                        slot = crc32(key) % self._slots
                        slots[slot] = max(slots[slot], commit_ts)

    def _blurred_since(self, key: Key, lock: int, start_ts: Timestamp) -> bool:
        require(self._blurred is not None, "a blurred tier exists once something was moved to it")
        assert self._blurred is not None
        key_share, non_key, exclusive = self._blurred
        slot = crc32(key) % self._slots
        if exclusive[slot] > start_ts:
            return True
        if lock >= _NON_KEY and non_key[slot] > start_ts:
            return True
        return lock == _EXCLUSIVE and key_share[slot] > start_ts
