"""Who writes what: which ranges should be decided on in another region, because that one writes them.

    a commit is to be decided here ──▶ wrote(keys, region, now)      kept: the newest writes of each table, sampled
    every second                   ──▶ leaving(owned, now)           ranges that go, and to which region

    keys of a table     |---------.----.---------|-----.--------.------.--|
    newest writers       east     east   east     west   west     west
                                                  ^ from here on: west, if it is as clear as `PART` asks

A range goes when there are enough writes, and by far the most of them are another region's. It can't go to and fro:
whoever gets a range counts anew, and keeps it for `STAY`. A part of a table goes only where the commits that write it
write nothing else: a commit that has two owners takes longer than one with a single owner far away.

A sample is at most one commit per table and `GAP`, so that a burst of a moment does not count as the steady state.
Synchronous; `now` comes in, ns of a monotonic clock.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from journal.record import Key
from storage import keycode

T = TypeVar("T")

SECOND = 10**9
GAP = SECOND // 40
SAMPLES = 256
"""Per table."""
AGE = 300 * SECOND
"""A sample counts no longer."""
STAY = 20 * SECOND
"""A table is counted for so long before any of it goes."""
ENOUGH = 32
"""Samples of a range that goes."""
MAJORITY = 4
"""So many times as many of them are of the other region as of all others."""
PART, PART_MAJORITY = 64, 63
"""Likewise for a part of what is owned of a table, whose limits follow from the samples."""
MOST_PARTS = 8
"""Of a table, here: it is not divided further."""
MOST_TABLES = 256
"""That are counted; of the others, those that are written while one of these is not."""
LOOKED_AT = 8
"""Keys of one commit: so many at least, if it has them, and fewer than twice as many."""
PREFIX_BYTES = 8
"""Of a key: the table's or index's (storage.keycode)."""


def sampled(touches: Sequence[T]) -> Sequence[T]:
    """Those of one commit that are looked at."""
    return touches[:: max(1, len(touches) // LOOKED_AT)]


class Leaving(NamedTuple):
    """[lo, hi), all of it owned here, is written by `region`."""

    lo: Key
    hi: Key
    region: str


class _Sample(NamedTuple):
    at: int
    key: Key
    region: str
    is_alone: bool
    """Its commit wrote this table only."""

    def speaks_for(self, region: str) -> bool:
        """Whether its key should be decided on there, where a part of a table is concerned."""
        return self.region == region and self.is_alone


class _Table:
    """The newest writes of one table or index."""

    def __init__(self, now: int) -> None:
        self.samples: deque[_Sample] = deque(maxlen=SAMPLES)
        self.parts: list[tuple[Key, Key]] = []
        """What was owned of it here when it was counted from `since` on."""
        self.since = now

    @property
    def newest(self) -> int:
        """When it was last written, as far as that was counted."""
        return self.samples[-1].at if self.samples else self.since


class Writers:
    """Of the ranges that one process owns, for the region that it is in."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._tables: dict[bytes, _Table] = {}

    def __len__(self) -> int:
        return len(self._tables)

    def wrote(self, keys: Iterable[Key], region: str, now: int) -> None:
        """A commit of `region` that writes or locks `keys`, and perhaps more."""
        found = {key[:PREFIX_BYTES]: key for key in keys}
        for prefix, key in found.items():
            table = self._tables.get(prefix)
            if table is None:
                if len(self._tables) >= MOST_TABLES:
                    continue
                table = self._tables[prefix] = _Table(now)
            if not table.samples or now - table.newest >= GAP:
                table.samples.append(_Sample(now, key, region, len(found) == 1))

    def leaving(self, owned: Iterable[tuple[Key, Key]], now: int) -> list[Leaving]:
        """What goes; `owned`: the ranges [lo, hi) that are owned in this process, in order."""
        owned = list(owned)
        found: list[Leaving] = []
        for prefix, table in list(self._tables.items()):
            if now - table.newest > AGE:
                del self._tables[prefix]
                continue
            parts = list(_parts(owned, prefix, keycode.successor(prefix)))
            if parts != table.parts:
                table.parts, table.since = parts, now
                table.samples.clear()
            elif now - table.since >= STAY:
                found += self._leaving(table, now)
        return found

    def _leaving(self, table: _Table, now: int) -> Iterator[Leaving]:
        samples = sorted(
            (sample for sample in table.samples if now - sample.at <= AGE), key=lambda sample: sample.key
        )
        keys = [sample.key for sample in samples]
        for lo, hi in table.parts:
            inside = samples[bisect_left(keys, lo) : bisect_left(keys, hi)]
            region = self._most(inside)
            if region is None:
                continue
            ours = sum(sample.region == region for sample in inside)
            if ours >= ENOUGH and ours >= MAJORITY * (len(inside) - ours):
                yield Leaving(lo, hi, region)
            elif len(table.parts) < MOST_PARTS and (part := _part(inside, region)) is not None:
                others = [sample.key for sample in inside if not sample.speaks_for(region)]
                before, behind = bisect_left(others, part[0]), bisect_right(others, part[1])
                start = others[before - 1] + b"\0" if before else lo
                yield Leaving(start, others[behind] if behind < len(others) else hi, region)

    def _most(self, samples: list[_Sample]) -> str | None:
        counts = Counter(sample.region for sample in samples if sample.region != self._region)
        return max(sorted(counts), key=lambda region: counts[region]) if counts else None


def _parts(owned: list[tuple[Key, Key]], lo: Key, hi: Key) -> Iterator[tuple[Key, Key]]:
    """What of [lo, hi) is owned."""
    for start, end in owned:
        if start < hi and lo < end:
            yield max(start, lo), min(end, hi)


def _part(samples: list[_Sample], region: str) -> tuple[Key, Key] | None:
    """The first and last key of a part that `region` alone writes, the largest by samples (in order); None: none is.

    The largest sum of a run, each sample of another region or of a commit with other tables weighing as much as
    `PART_MAJORITY` of those that speak for it; samples of one key stay together.
    """
    weights: dict[Key, int] = {}
    for sample in samples:
        weight = 1 if sample.speaks_for(region) else -PART_MAJORITY
        weights[sample.key] = weights.get(sample.key, 0) + weight
    best, found = 0, None
    run, first = 0, b""
    for key, weight in weights.items():
        if run <= 0:
            run, first = 0, key
        run += weight
        if run > best:
            best, found = run, (first, key)
    return found if best >= PART else None
