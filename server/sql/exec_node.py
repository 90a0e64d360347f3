"""The form of every operator of a plan: a layout of its rows and an iterator of batches (DESIGN §11)."""

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any, NamedTuple, TypeAlias

from server.sql.context import Context

Rows: TypeAlias = list[tuple[Any, ...]]
BATCH = 256
"""Rows per batch, and input rows that an operator consumes between two turns."""


_FIRST = 8
_SHORT_S, _LONG_S = 0.001, 0.004


class Pace:
    """How many rows one turn takes: fewer where a row costs milliseconds, so that a turn stays short."""

    __slots__ = ("_began", "step")

    def __init__(self, most: int = BATCH) -> None:
        self.step = min(_FIRST, most)
        self._began = 0.0

    def parts(self, rows: Any) -> Iterator[Any]:
        """Slices of a batch; the caller has worked on one when it calls `worked`."""
        at = 0
        while at < len(rows):
            part = rows[at : at + self.step] if at or len(rows) > self.step else rows
            at += len(part)
            self._began = perf_counter()
            yield part

    def worked(self, most: int = BATCH) -> None:
        """The work on a part is done; what follows may be another's turn."""
        spent = perf_counter() - self._began
        if spent > _LONG_S:
            self.step = max(self.step // 8, 1)
        elif spent < _SHORT_S:
            self.step = min(self.step * 4, most)


class Part(NamedTuple):
    """Something below an operator that EXPLAIN shows and that is no operator: what storage does."""

    head: str
    details: "Lines"
    rows: float
    passes: bool = True
    """It gives as many rows as the operator."""


Lines: TypeAlias = Sequence[str | Part]
"""The head of an operator, then its properties and parts."""


class Node:
    """An operator. `run` yields batches of at most about 256 rows, empty ones as heartbeats."""

    layout: dict[tuple[int, int], int]
    """(relation, column) -> position in the row."""
    width: int
    rows: float
    """Estimated number of rows."""
    cost: float = 0.0

    def run(self, c: Context) -> Iterator[Rows]:
        """The rows; each call starts afresh, with the outer values that `c.slots` holds."""
        raise NotImplementedError

    def inputs(self) -> Sequence["Node"]:
        """Operators below, for EXPLAIN."""
        return ()

    def describe(self) -> list[str]:
        """The line of EXPLAIN, then its properties."""
        return [type(self).__name__]

    def details_of(self, verbose: bool) -> Lines:
        """As `describe`, with what only EXPLAIN VERBOSE shows."""
        return self.describe()


def batches(rows: Sequence[Any]) -> Iterator[Any]:
    """Slices of BATCH rows."""
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]


class Mapped(Node):
    """Filter or projection: `function(rows, c)` per batch."""

    def __init__(
        self,
        source: Node,
        function: Callable[[Any, Context], Rows],
        layout: dict[tuple[int, int], int],
        width: int,
        label: str,
        rows: float,
        details: Sequence[str] = (),
        small: bool = False,
    ) -> None:
        self.source, self.function, self.layout, self.width = source, function, layout, width
        self.label, self.rows, self.details = label, rows, details
        self.cost = source.cost + 0.0025 * source.rows
        self.step = 8 if small else BATCH
        """Input rows per turn: few where each may run a subquery."""

    def run(self, c: Context) -> Iterator[Rows]:
        function, pace = self.function, Pace(self.step)
        for rows in self.source.run(c):
            if not rows:
                yield rows
            for part in pace.parts(rows):
                c.tick()
                out = function(part, c)
                pace.worked(self.step)
                yield out

    def inputs(self) -> Sequence[Node]:
        return (self.source,)

    def describe(self) -> list[str]:
        return [self.label, *self.details]


class Single(Node):
    """One row without columns: a query without FROM; `never` makes it none."""

    def __init__(self, never: bool = False) -> None:
        self.layout, self.width, self.rows, self.cost = {}, 0, 0 if never else 1, 0.01
        self.never = never

    def run(self, c: Context) -> Iterator[Rows]:
        if not self.never:
            yield [()]

    def describe(self) -> list[str]:
        return ["Result", *(["One-Time Filter: false"] if self.never else [])]
