"""Which transactions a node still takes, so that what is decided always finds room in etcd (AR §5.2).

    0 ───────── 1/2 ──────── 3/4 ─────────────── 15/16 ── quota
        take        trim         take none            what is no commit: claims, checkpoints, signs of life

Between two measurements each node takes at most its share of what lies between 3/4 and 15/16, and nothing if the last
one found 3/4. So all together never fill more than 15/16: what ended before the last measurement of all was seen by it,
and was less than 3/4, and what was not is within somebody's share. A transaction counts from its COMMIT until the first
measurement that begins after its end. A share is never less than the largest transaction: where that is more than the
quota has there, transactions are refused earlier.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from journal.record import Key
from server.runtime.region.carrier import Room

FULL, TOP = 12, 15
"""Sixteenths of the quota: where no more is taken, and what taking never exceeds."""
FIXED_BYTES = 2048
"""What a commit takes beside its bytes: record, head, pages that are filled in part."""
MEASURE_AT = 32
"""A measurement is due when this fraction of a quota was taken since the last one."""
MOST_PENDING = 4096


class Ends(Protocol):
    """A transaction under way."""

    @property
    def done(self) -> bool: ...


def cost_of(size: int) -> int:
    """Bytes of etcd's file, at most, for a transaction of `size` bytes: pages are left a fifth empty."""
    return size + size // 4 + FIXED_BYTES


class Admission:
    """One per node. Without clock and I/O."""

    def __init__(self, nodes: int, largest: int, due: Callable[[], None]) -> None:
        """So many `nodes` take transactions, of at most `largest` bytes; `due`: a measurement is wanted soon."""
        self.full: set[int] = set()
        """Journals that take no new transactions whatever their size."""
        self.refused = 0
        """Transactions since the start."""
        self.has_refused = False
        """Since the last measurement began."""
        self._nodes = nodes
        self._largest = cost_of(largest)
        self._due = due
        self._left: dict[int, int] = {}
        self._pending: list[tuple[Ends, int]] = []
        """With their costs."""
        self._taken = 0
        self._soon = 1 << 62

    def measuring(self) -> None:
        """A measurement begins: what has ended by now it will see."""
        self._pending = [each for each in self._pending if not each[0].done]
        self._taken = 0
        self.has_refused = False

    def measured(self, rooms: Mapping[int, Room]) -> None:
        """It has ended."""
        self._left = {journal: self._share(room.quota) for journal, room in rooms.items()}
        self.full = {
            journal
            for journal, room in rooms.items()
            if room.size >= room.quota * TOP // 16 - self._nodes * self._left[journal]
        }
        self._soon = min((room.quota // MEASURE_AT for room in rooms.values()), default=self._soon)
        self._charge(sum(cost for _wait, cost in self._pending))

    def may_take(
        self, size: int, keys: Callable[[], Iterable[Key]], journal_of: Callable[[Key], int]
    ) -> bool:
        """Whether the journals of a transaction of `size` bytes have room for it."""
        if not self._left or (not self.full and cost_of(size) <= min(self._left.values())):
            return True
        if all(self._has_room(journal, size) for journal in set(map(journal_of, keys()))):
            return True
        self.refused += 1
        self.has_refused = True
        self._due()
        return False

    def take(self, wait: Ends, size: int) -> None:
        """A transaction is under way. Which of its journals gets it is not known yet: it counts for all."""
        cost = cost_of(size)
        self._pending.append((wait, cost))
        self._charge(cost)
        self._taken += cost
        if self._taken >= self._soon or len(self._pending) % MOST_PENDING == 0:
            self._due()

    def _share(self, quota: int) -> int:
        return max(quota * (TOP - FULL) // 16 // self._nodes, self._largest)

    def _has_room(self, journal: int, size: int) -> bool:
        return journal not in self.full and cost_of(size) <= self._left.get(journal, 0)

    def _charge(self, cost: int) -> None:
        for journal in self._left:
            self._left[journal] -= cost
