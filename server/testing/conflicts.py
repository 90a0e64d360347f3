"""Which commits lost to whom: the last thousand, and the keys that were lost most often.

The counts of keys are the Space-Saving sketch (Metwally, Agrawal and El Abbadi, 2005): with `KEYS` counters a key
that lost more than one in `KEYS` of all conflicts is always among them, and a count is too high by at most what
the entry says: that of the key whose counter it took over.
"""

from collections import deque
from heapq import heappop, heappush, heapreplace
from itertools import count

import msgspec

KEPT = 1000
KEYS = 1000
TABLES = 4096
"""That are counted apart; later ones count together as no table."""
KEY_TEXT = 512
"""Characters of a key that are kept."""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """What was lost: a key of a table, perhaps in an index of it; a table, role or schema that was changed."""

    schema: str | None = None
    table: str | None = None
    index: str | None = None
    key: str | None = None


class Lost(msgspec.Struct, frozen=True, array_like=True):
    """One commit that was refused with 40001. Times are nanoseconds since 1970; ids are hexadecimal."""

    at: int
    cluster: int
    code: str
    """OC000 or OC001."""
    place: Place
    process_id: int
    user: str
    application: str
    start_ts: int
    transaction: str
    winner: str | None
    won_at: int | None
    injection: int | None = None
    """The injection that refused it, if it was no other transaction."""


class HotKey(msgspec.Struct, array_like=True):
    """How often a key was lost: between `conflicts - over` and `conflicts` times."""

    cluster: int
    place: Place
    conflicts: int
    over: int
    last: int


class ConflictLog:
    """Bounded; the oldest conflicts, and the coldest keys, go first."""

    def __init__(self, kept: int = KEPT, keys: int = KEYS) -> None:
        self._losses: deque[Lost] = deque(maxlen=kept)
        self._keys: dict[tuple[int, Place], HotKey] = {}
        self._most_keys = keys
        self._coldest: list[tuple[int, int, tuple[int, Place]]] = []
        """A heap of (conflicts, order, key), one entry for each key; its count may have grown since."""
        self._order = count()
        self._tables: dict[tuple[int, str], int] = {}

    def add(self, lost: Lost) -> None:
        """A commit was refused."""
        self._losses.append(lost)
        if lost.injection is None:
            self._count(lost.cluster, lost.place)
        if lost.place.key is None or lost.injection is not None:
            return
        name = (lost.cluster, lost.place)
        found = self._keys.get(name)
        if found is None:
            over = self._make_room()
            found = self._keys[name] = HotKey(lost.cluster, lost.place, over, over, 0)
            heappush(self._coldest, (over, next(self._order), name))
        found.conflicts += 1
        found.last = lost.at

    def _count(self, cluster: int, place: Place) -> None:
        name = (cluster, f"{place.schema}.{place.table}" if place.table is not None else "")
        if name not in self._tables and len(self._tables) >= TABLES:
            name = (cluster, "")
        self._tables[name] = self._tables.get(name, 0) + 1

    def _make_room(self) -> int:
        """What the new key's counter begins with."""
        if len(self._keys) < self._most_keys:
            return 0
        while True:
            known, order, name = self._coldest[0]
            conflicts = self._keys[name].conflicts
            if conflicts == known:
                break
            heapreplace(self._coldest, (conflicts, order, name))
        heappop(self._coldest)
        del self._keys[name]
        return conflicts

    def losses(self, cluster: int) -> list[Lost]:
        """The newest last."""
        return [each for each in self._losses if each.cluster == cluster]

    def by_table(self) -> dict[tuple[int, str], int]:
        """Since the start, by cluster and schema-qualified table; an empty one: no table is at fault."""
        return dict(self._tables)

    def hot_keys(self, cluster: int) -> list[HotKey]:
        """The most contended first."""
        found = [each for each in self._keys.values() if each.cluster == cluster]
        return sorted(found, key=lambda each: -each.conflicts)
