"""Sort, top-N, LIMIT, DISTINCT, row locks: operators on ordered rows."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from server.errors import PgError
from server.sql.context import Context
from server.sql.exec_node import BATCH, Node, Rows, batches

SortSpec = tuple[int, bool, bool, Callable[[Any], Any] | None]
"""Position, descending, nulls first, the type's sort key."""


class _Descending:
    """A key that sorts the other way round."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __lt__(self, other: "_Descending") -> bool:
        return bool(other.key < self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and bool(self.key == other.key)


def sort_key(specs: Sequence[SortSpec]) -> Callable[[Any], Any]:
    """A key function that orders rows by `specs` when compared by <."""
    lines = ["def key(r):"]
    parts = []
    names: dict[str, Any] = {"D": _Descending}
    for number, (position, descending, nulls_first, convert) in enumerate(specs):
        names[f"f{number}"] = convert
        null, other = ("0", "1") if nulls_first else ("1", "0")
        value = f"f{number}(v{number})" if convert is not None else f"v{number}"
        if descending:
            value = f"D({value})"
        lines.append(f"    v{number} = r[{position}]")
        parts.append(f"(({null},) if v{number} is None else ({other}, {value}))")
    lines.append(f"    return {parts[0] if len(parts) == 1 else '(' + ', '.join(parts) + ')'}")
    exec("\n".join(lines), names)
    made: Callable[[Any], Any] = names["key"]
    return made


def sort_rows(rows: list[Any], specs: Sequence[SortSpec]) -> None:
    """Sort in place, stable: one pass per key from the last to the first."""
    for position, descending, nulls_first, convert in reversed(specs):
        nulls = [row for row in rows if row[position] is None]
        if nulls:
            rows[:] = [row for row in rows if row[position] is not None]
        if convert is None:
            rows.sort(key=lambda row, at=position: row[at], reverse=descending)  # type: ignore[misc]
        else:
            rows.sort(key=lambda row, at=position, to=convert: to(row[at]), reverse=descending)  # type: ignore[misc]
        if nulls:
            rows[:] = nulls + rows if nulls_first else rows + nulls


AT_ONCE = 20_000
"""Rows that are sorted in one go; 8,192 more take some milliseconds each."""
RUN = 8192


def sort_in_turns(rows: list[Any], specs: Sequence[SortSpec], c: Context) -> Iterator[Rows]:
    """As `sort_rows`, with empty batches in between: runs are sorted, then merged."""
    if len(rows) <= AT_ONCE:
        sort_rows(rows, specs)
        return
    runs = []
    for start in range(0, len(rows), RUN):
        run = rows[start : start + RUN]
        sort_rows(run, specs)
        runs.append(run)
        c.tick()
        yield []
    merged = heapq.merge(*runs, key=sort_key(specs))
    rows.clear()
    for number, row in enumerate(merged):
        rows.append(row)
        if number % 1024 == 0:
            c.tick()
            yield []


class Sort(Node):
    """All rows in order; with `top` only the first so many (ctx -> count or None) are kept."""

    def __init__(
        self,
        source: Node,
        specs: Sequence[SortSpec],
        top: Callable[[Context], int | None] | None,
        details: Sequence[str],
    ) -> None:
        self.source, self.specs, self.top, self.details = source, list(specs), top, details
        self.layout, self.width, self.rows = source.layout, source.width, source.rows
        self.cost = source.cost + 0.02 * source.rows
        self.key = sort_key(specs) if specs else None

    def run(self, c: Context) -> Iterator[Rows]:
        with c.holding() as held:
            top = self.top(c) if self.top is not None else None
            rows: Rows = []
            limit = None if top is None else max(4 * top, 4 * BATCH)
            for batch in self.source.run(c):
                c.tick()
                rows += batch
                held.rows(batch)
                if limit is not None and top is not None and len(rows) > limit:
                    rows = heapq.nsmallest(top, rows, key=self.key)
                    held.drop()
                yield []
            yield from sort_in_turns(rows, self.specs, c)
            yield from batches(rows if top is None else rows[:top])

    def inputs(self) -> Sequence[Node]:
        return (self.source,)

    def describe(self) -> list[str]:
        return ["Sort", *self.details]


class Limit(Node):
    """OFFSET and LIMIT; `ties` keeps the peers of the last row."""

    def __init__(
        self,
        source: Node,
        limit: Callable[[Context], int | None] | None,
        offset: Callable[[Context], int] | None,
        ties: Callable[[Any], Any] | None = None,
    ) -> None:
        self.source, self.limit, self.offset, self.ties = source, limit, offset, ties
        self.layout, self.width, self.cost = source.layout, source.width, source.cost
        self.rows = min(source.rows, 100)

    def run(self, c: Context) -> Iterator[Rows]:
        limit = self.limit(c) if self.limit is not None else None
        skip = self.offset(c) if self.offset is not None else 0
        if limit == 0:
            return
        last: Any = None
        for rows in self.source.run(c):
            if skip:
                dropped = min(skip, len(rows))
                skip -= dropped
                rows = rows[dropped:]
            if limit is None or len(rows) < limit:
                if limit is not None:
                    limit -= len(rows)
                yield rows
                continue
            if self.ties is None:
                yield rows[:limit]
                return
            key = self.ties
            if limit > 0:
                last = key(rows[limit - 1])
            kept = max(limit, 0)
            while kept < len(rows) and key(rows[kept]) == last:
                kept += 1
            yield rows[:kept]
            if kept < len(rows):
                return
            limit = 0

    def inputs(self) -> Sequence[Node]:
        return (self.source,)

    def describe(self) -> list[str]:
        return ["Limit"]


def count_of(value: Callable[[Any, Context], Any], what: str) -> Callable[[Context], int | None]:
    """A LIMIT or OFFSET: None is no limit; 2201W, 2201X when it is negative."""
    sqlstate = "2201W" if what == "LIMIT" else "2201X"

    def read(c: Context) -> int | None:
        found: int | None = value((), c)
        if found is not None and found < 0:
            raise PgError(sqlstate, f"{what} must not be negative")
        return found

    return read


class Distinct(Node):
    """First rows by key: DISTINCT, or DISTINCT ON over sorted rows."""

    def __init__(self, source: Node, key: Callable[[Any], Any], label: str = "HashAggregate") -> None:
        self.source, self.key, self.label = source, key, label
        self.layout, self.width = source.layout, source.width
        self.rows, self.cost = max(source.rows * 0.5, 1.0), source.cost + 0.01 * source.rows

    def run(self, c: Context) -> Iterator[Rows]:
        seen: set[Any] = set()
        key = self.key
        with c.holding() as held:
            for rows in self.source.run(c):
                c.tick()
                out = []
                for row in rows:
                    found = key(row)
                    if found not in seen:
                        seen.add(found)
                        out.append(row)
                held.rows(out)
                yield out

    def inputs(self) -> Sequence[Node]:
        return (self.source,)

    def describe(self) -> list[str]:
        return [self.label]


class LockRows(Node):
    """FOR UPDATE, FOR KEY SHARE: locks what it lets through; (position of the key, class) per relation."""

    def __init__(self, source: Node, locks: Sequence[tuple[int, int]]) -> None:
        self.source, self.locks = source, list(locks)
        self.layout, self.width, self.rows, self.cost = source.layout, source.width, source.rows, source.cost

    def run(self, c: Context) -> Iterator[Rows]:
        lock = c.txn.lock
        for rows in self.source.run(c):
            for row in rows:
                for position, lock_class in self.locks:
                    if row[position] is not None:
                        lock(row[position], lock_class)
                yield [row]
            yield []

    def inputs(self) -> Sequence[Node]:
        return (self.source,)

    def describe(self) -> list[str]:
        return ["LockRows"]


def group_key(positions: Sequence[tuple[int, Callable[[Any], Any] | None]]) -> Callable[[Any], Any]:
    """A hashable key of a row's columns; NULLs are equal, values are equal as their type says."""
    if not positions:
        return lambda row: ()
    if len(positions) == 1 and positions[0][1] is None:
        only = positions[0][0]
        return lambda row: row[only]
    names: dict[str, Any] = {}
    parts = []
    for number, (position, convert) in enumerate(positions):
        names[f"f{number}"] = convert
        value = f"r[{position}]"
        parts.append(value if convert is None else f"(None if {value} is None else f{number}({value}))")
    exec(f"def key(r):\n    return ({', '.join(parts)},)", names)
    made: Callable[[Any], Any] = names["key"]
    return made
