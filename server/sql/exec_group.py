"""Hash aggregation: groups by key, one dictionary per grouping set."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from server.sql.context import Context, Holding, row_size
from server.sql.exec_node import Node, Pace, Rows, batches
from server.sql.exec_sort import SortSpec, group_key, sort_rows

if TYPE_CHECKING:
    from server.sql.functions import Aggregate

GROUP_BYTES = 250
"""Roughly what a group takes: its key, its state list and entry."""


class Group(Node):
    """Groups `read(c)`'s batches: `steps[i](batch, c, groups)` per grouping set, then `final(state, c)`."""

    def __init__(
        self,
        read: Callable[[Context], Iterator[Any]],
        steps: Sequence[Callable[[Any, Context, dict[Any, Any]], None]],
        final: Callable[[Any, Context], tuple[Any, ...]],
        default: Callable[[Context], list[Any]],
        empty: Sequence[bool],
        layout: dict[tuple[int, int], int],
        sources: Sequence[Node],
        rows: float,
        cost: float,
        details: Sequence[str],
    ) -> None:
        self.read, self.steps, self.final, self.default, self.empty = read, steps, final, default, empty
        self.layout, self.width, self.sources, self.details = layout, len(layout), sources, details
        self.rows = 1 if all(empty) else max(rows * 0.2, 1.0)
        self.cost = cost + 0.02 * rows

    def run(self, c: Context) -> Iterator[Rows]:
        with c.holding() as held:
            yield from self._run(c, held)

    def _run(self, c: Context, held: Holding) -> Iterator[Rows]:
        tables: list[dict[Any, Any]] = [{} for _ in self.steps]
        pairs = list(zip(self.steps, tables))
        groups = 0
        collects = any(map(grows, self.default(c)))
        pace = Pace()
        for values in self.read(c):
            if not values:
                yield []
            for part in pace.parts(values):
                c.tick()
                for step, table in pairs:
                    step(part, c, table)
                pace.worked()
                now = sum(map(len, tables))
                if now != groups:
                    held.add((now - groups) * GROUP_BYTES)
                    groups = now
                if collects:
                    held.add(len(part) * value_size(part[0]))
                yield []
        final = self.final
        for table, empty in zip(tables, self.empty):
            if not table and empty:
                yield [final(self.default(c), c)]
            for states in batches(list(table.values())):
                c.tick()
                yield [final(state, c) for state in states]

    def inputs(self) -> Sequence[Node]:
        return self.sources

    def describe(self) -> list[str]:
        return ["HashAggregate" if self.details else "Aggregate", *self.details]


def grows(state: Any) -> bool:
    """Does an aggregate that begins so keep its rows? Those begin with an empty list."""
    if isinstance(state, tuple):
        return any(map(grows, state))
    return isinstance(state, list) and not state


def value_size(value: Any) -> int:
    """Roughly the bytes of what a group is fed with: a row, or a stored one."""
    return len(value) + 100 if isinstance(value, bytes) else row_size(value)


def collected_final(
    aggregate: "Aggregate", count: int, specs: Sequence[SortSpec], types: tuple[Any, ...]
) -> Callable[[list[Any], Any], Any]:
    """Sort what was collected, then run the transition over the first `count` columns."""

    def run(rows: list[Any], env: Any) -> Any:
        sort_rows(rows, specs)
        return _fold(aggregate, rows, count, env, types)

    return run


def distinct_final(
    aggregate: "Aggregate",
    count: int,
    specs: Sequence[SortSpec],
    keys: Sequence[tuple[int, Callable[[Any], Any] | None]],
    types: tuple[Any, ...],
) -> Callable[[list[Any], Any], Any]:
    """The same over distinct rows."""
    key_of = group_key(keys)

    def run(rows: list[Any], env: Any) -> Any:
        found: dict[Any, Any] = {}
        for row in rows:
            found.setdefault(key_of(row), row)
        kept = list(found.values())
        sort_rows(kept, specs)
        return _fold(aggregate, kept, count, env, types)

    return run


def _fold(aggregate: "Aggregate", rows: Sequence[Any], count: int, env: Any, types: tuple[Any, ...]) -> Any:
    state = aggregate.init(types) if aggregate.needs_types else aggregate.init()  # type: ignore[call-arg]
    step = aggregate.step
    if aggregate.needs_env:
        for row in rows:
            state = step(state, env, *row[:count])
    else:
        for row in rows:
            state = step(state, *row[:count])
    return state
