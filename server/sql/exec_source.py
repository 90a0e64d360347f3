"""Rows from elsewhere than tables: VALUES, functions, the catalog, spools, recursion, set operations."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice, repeat
from typing import Any

from server.sql.context import Context, Holding, row_size
from server.sql.exec_node import BATCH, Node, Rows, batches
from server.sql.exec_sort import group_key

Convert = Callable[[Any], Any] | None


class Rename(Node):
    """The same rows under other names."""

    def __init__(self, source: Node, layout: dict[tuple[int, int], int]) -> None:
        self.source, self.layout = source, layout
        self.width, self.rows, self.cost = source.width, source.rows, source.cost
        self.run = source.run  # type: ignore[method-assign]

    def inputs(self) -> Sequence[Node]:
        return self.source.inputs()

    def describe(self) -> list[str]:
        return self.source.describe()


class ValuesScan(Node):
    """VALUES: one function per row."""

    def __init__(
        self, makers: Sequence[Callable[[Context], Any]], layout: dict[tuple[int, int], int]
    ) -> None:
        self.makers, self.layout, self.width = makers, layout, len(layout)
        self.rows, self.cost = len(makers), 0.01 * len(makers)

    def run(self, c: Context) -> Iterator[Rows]:
        for part in batches(self.makers):
            c.tick()
            yield [make(c) for make in part]

    def describe(self) -> list[str]:
        return ["Values Scan"]


class VirtualScan(Node):
    """A relation computed from the catalog."""

    def __init__(
        self, read: Callable[[Any], Sequence[Any]], layout: dict[tuple[int, int], int], name: str
    ) -> None:
        self.read, self.layout, self.width, self.name = read, layout, len(layout), name
        self.rows, self.cost = 100, 10.0

    def run(self, c: Context) -> Iterator[Rows]:
        yield from batches(list(self.read(c.env)))

    def describe(self) -> list[str]:
        return [f"Seq Scan on {self.name}"]


FunctionPart = tuple[Callable[[Any], Any], int, bool]
"""(ctx -> iterable of values, columns, whether a value is a row of them)."""


class FunctionScan(Node):
    """Functions in FROM, side by side, streaming; the shorter ones are filled with NULL."""

    def __init__(
        self,
        parts: Sequence[FunctionPart],
        ordinality: bool,
        layout: dict[tuple[int, int], int],
        width: int,
        name: str,
    ) -> None:
        self.parts, self.ordinality, self.layout, self.width, self.name = (
            parts,
            ordinality,
            layout,
            width,
            name,
        )
        self.rows, self.cost = 100, 1.0

    def run(self, c: Context) -> Iterator[Rows]:
        if len(self.parts) == 1 and not self.ordinality:
            values, width, spread = self.parts[0]
            rows = iter(values(c))
            made: Iterator[Any] = (_row(value, width) for value in rows) if spread else zip(rows)
        else:
            made = self._side_by_side(c)
        while True:
            c.tick()
            batch = list(islice(made, BATCH))
            yield batch
            if len(batch) < BATCH:
                return

    def _side_by_side(self, c: Context) -> Iterator[Any]:
        sources = []
        for values, width, spread in self.parts:
            rows = ((_row(value, width) if spread else (value,)) for value in values(c))
            sources.append(list(rows) if len(self.parts) > 1 else rows)
        if len(self.parts) == 1:
            for number, row in enumerate(sources[0], 1):
                yield (*row, number)
            return
        length = max(len(rows) for rows in sources if isinstance(rows, list))
        padded = [
            chain(rows, repeat((None,) * part[1], length - len(rows)))
            for rows, part in zip(sources, self.parts)
            if isinstance(rows, list)
        ]
        for number, pieces in enumerate(zip(*padded), 1):
            row = tuple(chain.from_iterable(pieces))
            yield (*row, number) if self.ordinality else row

    def describe(self) -> list[str]:
        return [f"Function Scan on {self.name}"]


def _row(value: Any, width: int) -> Any:
    if value is None:
        return (None,) * width
    if type(value) is tuple and len(value) == width:
        return value
    return tuple(value) if isinstance(value, tuple) or width > 1 else (value,)


class Spool(Node):
    """Rows kept once per statement, read as far as somebody asked."""

    def __init__(self, source: Node, key: int) -> None:
        self.source, self.key = source, key
        self.layout, self.width, self.rows, self.cost = source.layout, source.width, source.rows, source.cost

    def run(self, c: Context) -> Iterator[Rows]:
        state = c.memo.get(self.key)
        if state is None:
            state = c.memo[self.key] = ([], self.source.run(c))
        held, source = state
        at = 0
        while True:
            while at < len(held):
                yield held[at]
                at += 1
            batch = next(source, None)
            if batch is None:
                return
            if batch:
                c.hold(row_size(batch[0]) * len(batch))
                held.append(batch)
            else:
                yield batch


class Shared(Node):
    """A reference to a spool."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.layout, self.width, self.rows = spool.layout, spool.width, spool.rows
        self.cost = spool.cost
        self.run = spool.run  # type: ignore[method-assign]

    def inputs(self) -> Sequence[Node]:
        return (self.spool.source,)

    def describe(self) -> list[str]:
        return ["CTE Scan"]


class Forget(Node):
    """Starts its source with fresh spools: those that depend on the outer row."""

    def __init__(self, source: Node, keys: Sequence[int]) -> None:
        self.source, self.keys = source, keys
        self.layout, self.width, self.rows, self.cost = source.layout, source.width, source.rows, source.cost

    def run(self, c: Context) -> Iterator[Rows]:
        for key in self.keys:
            c.memo.pop(key, None)
        return self.source.run(c)

    def inputs(self) -> Sequence[Node]:
        return self.source.inputs()

    def describe(self) -> list[str]:
        return self.source.describe()


class WorkTable(Node):
    """What the recursive part of a CTE reads: the rows of the round before."""

    def __init__(self, key: int, width: int) -> None:
        self.key, self.width, self.layout, self.rows, self.cost = key, width, {}, 100, 1.0

    def run(self, c: Context) -> Iterator[Rows]:
        yield from batches(c.memo[self.key])

    def describe(self) -> list[str]:
        return ["WorkTable Scan"]


class Recursive(Node):
    """WITH RECURSIVE; `converts`: how values compare, to drop duplicates (UNION), None for UNION ALL."""

    def __init__(self, first: Node, again: Node, key: int, converts: Sequence[Convert] | None) -> None:
        self.first, self.again, self.key = first, again, key
        self.layout, self.width, self.rows = first.layout, first.width, first.rows * 10
        self.cost = first.cost + 10 * again.cost
        self.distinct = group_key(list(enumerate(converts))) if converts is not None else None

    def run(self, c: Context) -> Iterator[Rows]:
        with c.holding() as held:
            yield from self._run(c, held)

    def _run(self, c: Context, held: Holding) -> Iterator[Rows]:
        seen: set[Any] = set()
        source = self.first
        while True:
            work: Rows = []
            for rows in source.run(c):
                c.tick()
                if self.distinct is not None:
                    rows = self._new(rows, seen)
                work += rows
                if seen:
                    held.rows(rows)
                yield rows
            if not work:
                return
            c.memo[self.key] = work
            source = self.again

    def _new(self, rows: Rows, seen: set[Any]) -> Rows:
        assert self.distinct is not None
        fresh = []
        for row in rows:
            key = self.distinct(row)
            if key not in seen:
                seen.add(key)
                fresh.append(row)
        return fresh

    def inputs(self) -> Sequence[Node]:
        return (self.first, self.again)

    def describe(self) -> list[str]:
        return ["Recursive Union"]


class Append(Node):
    """UNION ALL."""

    def __init__(self, sources: Sequence[Node]) -> None:
        self.sources = sources
        self.layout, self.width = sources[0].layout, sources[0].width
        self.rows, self.cost = sum(s.rows for s in sources), sum(s.cost for s in sources)

    def run(self, c: Context) -> Iterator[Rows]:
        for source in self.sources:
            yield from source.run(c)

    def inputs(self) -> Sequence[Node]:
        return self.sources

    def describe(self) -> list[str]:
        return ["Append"]


class SetOperation(Node):
    """INTERSECT and EXCEPT, with or without ALL."""

    def __init__(self, op: str, all_: bool, left: Node, right: Node, converts: Sequence[Convert]) -> None:
        self.op, self.all, self.left, self.right = op, all_, left, right
        self.layout, self.width, self.rows = left.layout, left.width, left.rows
        self.cost = left.cost + right.cost
        self.key = group_key(list(enumerate(converts)))

    def run(self, c: Context) -> Iterator[Rows]:
        with c.holding() as held:
            yield from self._run(c, held)

    def _run(self, c: Context, held: Holding) -> Iterator[Rows]:
        counts: dict[Any, int] = {}
        key_of = self.key
        for rows in self.right.run(c):
            c.tick()
            for row in rows:
                key = key_of(row)
                counts[key] = counts.get(key, 0) + 1
            held.rows(rows)
            yield []
        intersect = self.op == "intersect"
        seen: set[Any] = set()
        for rows in self.left.run(c):
            c.tick()
            out = []
            for row in rows:
                key = key_of(row)
                there = counts.get(key, 0)
                if not self.all:
                    if key in seen or bool(there) is not intersect:
                        continue
                    seen.add(key)
                elif there:
                    counts[key] = there - 1
                    if not intersect:
                        continue
                elif intersect:
                    continue
                out.append(row)
            yield out

    def inputs(self) -> Sequence[Node]:
        return (self.left, self.right)

    def describe(self) -> list[str]:
        return [f"HashSetOp {self.op.capitalize()}{' All' if self.all else ''}"]


class ProjectSet(Node):
    """Set-returning functions in a select list: they advance together, the shorter ones give NULL."""

    def __init__(
        self,
        source: Node,
        functions: Sequence[Callable[..., Any]],
        layout: dict[tuple[int, int], int],
        width: int,
    ) -> None:
        """Each row of `source` followed by one value per function (ctx, row) -> iterable."""
        self.source, self.functions, self.layout, self.width = source, functions, layout, width
        self.rows, self.cost = source.rows * 100, source.cost

    def run(self, c: Context) -> Iterator[Rows]:
        missing = object()
        out: Rows = []
        for rows in self.source.run(c):
            for row in rows:
                sources = [iter(function(c, row)) for function in self.functions]
                while True:
                    values = [next(source, missing) for source in sources]
                    if all(value is missing for value in values):
                        break
                    out.append(row + tuple(None if value is missing else value for value in values))
                    if len(out) >= BATCH:
                        c.tick()
                        yield out
                        out = []
            yield out
            out = []

    def inputs(self) -> Sequence[Node]:
        return (self.source,)

    def describe(self) -> list[str]:
        return ["ProjectSet"]
