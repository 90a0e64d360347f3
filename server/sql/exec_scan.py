"""Reading tables: feeds of stored values by range, by key and through an index, and the loop over them.

No storage cursor outlives a batch: a scan goes on by seeking its next key (DESIGN §8).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from server.sql.context import Context
from server.sql.exec_node import BATCH, Lines, Node, Pace, Rows
from storage import rowcode

Range: TypeAlias = tuple[bytes, bytes]
Bounds: TypeAlias = Callable[[Context], list[Range]]
Pushed: TypeAlias = Callable[[Context], bytes]
"""What goes along with a scan, if the rows are in another process (server.sql.pushing)."""
MakePushed: TypeAlias = Callable[[], Pushed | None]
"""Compiles that, once, when rows are read from another process; None: nothing goes along."""
Loop: TypeAlias = Callable[[Any, Context, list[Any]], None]
"""(stored values or (key, value) pairs, ctx, out): appends what passes."""

Label: TypeAlias = Callable[[bool], Lines]
"""(verbose) -> EXPLAIN's lines."""

LATER = 4 * BATCH
"""Values that a scan reads at once when it has gone on for long; each time costs three seeks."""
FIRST_UNDER_LIMIT = 16
"""Values in the first batch of a scan that a LIMIT may stop."""
_decode: Callable[[bytes], list[Any]] = rowcode.unpack


class Feed:
    """Where stored values come from. With `keyed` it yields (key, value) pairs."""

    __slots__ = ("bounds", "first", "index_name", "keyed", "reverse")

    def __init__(self, bounds: Bounds, keyed: bool = False, reverse: bool = False) -> None:
        self.bounds = bounds
        self.keyed = keyed
        self.reverse = reverse
        self.first = BATCH
        """Values in the first batch: few when a LIMIT may stop soon."""

    def read(self, c: Context) -> Iterator[list[Any]]:
        """Batches of stored values."""
        raise NotImplementedError


class RangeFeed(Feed):
    """Key ranges, in key order."""

    __slots__ = ("make_pushed",)

    def __init__(
        self,
        bounds: Bounds,
        keyed: bool = False,
        reverse: bool = False,
        make_pushed: MakePushed | None = None,
    ) -> None:
        super().__init__(bounds, keyed, reverse)
        self.make_pushed = make_pushed

    def read(self, c: Context) -> Iterator[list[Any]]:
        reverse = self.reverse
        scan = c.txn.scan_items if self.keyed else c.txn.scan
        if self.make_pushed is not None and c.txn.is_remote:
            pushed = self.make_pushed()
            if pushed is not None:
                scan = _pushing(c, pushed(c), self.keyed)
        size = self.first
        ranges = self.bounds(c)
        for lo, hi in reversed(ranges) if reverse else ranges:
            at: bytes | None = hi if reverse else lo
            while at is not None:
                c.tick()
                values, at = scan(lo, at, size, True) if reverse else scan(at, hi, size)
                yield values
                size = min(size * 4, LATER)


def _pushing(c: Context, pushed: bytes, keyed: bool) -> Callable[..., Any]:
    """A scan with which `pushed` goes along."""

    def scan(lo: bytes, hi: bytes, limit: int, reverse: bool = False) -> tuple[list[Any], bytes | None]:
        items, more = c.txn.scan_pushed(lo, hi, limit, reverse, pushed)
        return items if keyed else [value for _key, value in items], more

    return scan


class KeyFeed(Feed):
    """Whole keys: each range's `lo` is one."""

    __slots__ = ()

    def read(self, c: Context) -> Iterator[list[Any]]:
        get_many, keyed = c.txn.get_many, self.keyed
        keys = [lo for lo, _ in self.bounds(c)]
        if self.reverse:
            keys.reverse()
        for start in range(0, len(keys), BATCH):
            c.tick()
            part = keys[start : start + BATCH]
            values = get_many(part)
            if keyed:
                yield [pair for pair in zip(part, values) if pair[1] is not None]
            else:
                yield [value for value in values if value is not None]


class IndexFeed(Feed):
    """Rows that the entries of a secondary index point to, in the index's order."""

    __slots__ = ("entries", "table_lo")

    def __init__(self, entries: Feed, table_lo: bytes, keyed: bool) -> None:
        super().__init__(entries.bounds, keyed)
        self.entries = entries
        self.table_lo = table_lo

    def read(self, c: Context) -> Iterator[list[Any]]:
        get_many, lo = c.txn.get_many, self.table_lo
        self.entries.first = self.first
        for entries in self.entries.read(c):
            keys = [lo + _decode(entry)[0] for entry in entries]
            if self.keyed:
                yield [pair for pair in zip(keys, get_many(keys)) if pair[1] is not None]
            else:
                yield [value for value in get_many(keys) if value is not None]


class Fused(Node):
    """A scan that runs inside its reader, for EXPLAIN."""

    def __init__(self, label: Label, cost: float) -> None:
        self.label, self.cost = label, cost
        self.layout, self.width, self.rows = {}, 0, 1.0

    def details_of(self, verbose: bool) -> Lines:
        return self.label(verbose)


class PointScan(Node):
    """At most one row, found by straight code; `label` makes EXPLAIN's lines."""

    def __init__(
        self, point: Callable[[Context], Rows], width: int, cost: float, label: Label, locks: bool
    ) -> None:
        self.point, self.width, self.cost, self.label, self.locks = point, width, cost, label, locks
        self.layout, self.rows = {}, 1.0

    def run(self, c: Context) -> Iterator[Rows]:
        yield self.point(c)

    def inputs(self) -> Sequence[Node]:
        return (Fused(self.label, self.cost),) if self.locks else ()

    def details_of(self, verbose: bool) -> Lines:
        return ["LockRows"] if self.locks else self.label(verbose)


class Scan(Node):
    """A table through a feed, with filter and projection in one generated loop."""

    def __init__(
        self,
        feed: Feed,
        loop: Loop,
        layout: dict[tuple[int, int], int],
        width: int,
        rows: float,
        cost: float,
        label: Label,
    ) -> None:
        self.feed, self.loop, self.layout, self.width = feed, loop, layout, width
        self.rows, self.cost, self.label = rows, cost, label

    def run(self, c: Context) -> Iterator[Rows]:
        loop, pace = self.loop, Pace()
        for values in self.feed.read(c):
            if not values:
                yield []
            for part in pace.parts(values):
                c.tick()
                out: Rows = []
                loop(part, c, out)
                pace.worked()
                yield out

    def details_of(self, verbose: bool) -> Lines:
        return self.label(verbose)


class Accumulate(Node):
    """A plain aggregate over a table, fused with its scan: one row.

    `start(c)` makes the state, `loop(values, c, state)` feeds it, `final(state, c)` gives the row.
    """

    def __init__(
        self,
        feed: Feed,
        start: Callable[[Context], list[Any]],
        loop: Loop,
        final: Callable[[list[Any], Context], tuple[Any, ...]],
        layout: dict[tuple[int, int], int],
        cost: float,
        label: Label,
    ) -> None:
        self.feed, self.start, self.loop, self.final = feed, start, loop, final
        self.layout, self.width, self.rows, self.cost = layout, len(layout), 1, cost
        self.scan = Fused(label, cost)

    def run(self, c: Context) -> Iterator[Rows]:
        state = self.start(c)
        loop, pace = self.loop, Pace()
        for values in self.feed.read(c):
            if not values:
                yield []
            for part in pace.parts(values):
                c.tick()
                loop(part, c, state)
                pace.worked()
                yield []
        yield [self.final(state, c)]

    def inputs(self) -> Sequence[Node]:
        return (self.scan,)

    def describe(self) -> list[str]:
        return ["Aggregate"]


class Count(Node):
    """count(*) of key ranges: nothing is decoded."""

    def __init__(self, bounds: Bounds, layout: dict[tuple[int, int], int], cost: float, label: Label) -> None:
        self.bounds, self.layout, self.width = bounds, layout, len(layout)
        self.rows, self.cost, self.scan = 1, cost, Fused(label, cost)

    def run(self, c: Context) -> Iterator[Rows]:
        count = c.txn.count
        total = 0
        for lo, hi in self.bounds(c):
            at: bytes | None = lo
            while at is not None:
                c.tick()
                found, at = count(at, hi, 4096)
                total += found
                yield []
        yield [(total,) * self.width]

    def inputs(self) -> Sequence[Node]:
        return (self.scan,)

    def describe(self) -> list[str]:
        return ["Aggregate"]
