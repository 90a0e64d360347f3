"""Window functions over sorted partitions, with ROWS, RANGE and GROUPS frames (PostgreSQL, chapter 4.2.8)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from server.errors import PgError
from server.sql.context import Context
from server.sql.exec_node import BATCH, Node, Rows, batches
from server.sql.exec_sort import SortSpec, group_key, sort_in_turns
from server.sql.range_frame import is_negative, ranging

PEERS_PER_TURN = 8192
"""Rows whose peers are found in one turn."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame clause; bounds are `unbounded preceding`, `preceding` (with an offset), `current row` ..."""

    mode: str
    start: str
    start_offset: Callable[..., Any] | None
    end: str
    end_offset: Callable[..., Any] | None
    exclude: str
    ordered: bool
    range_type: Any
    descending: bool

    @property
    def default(self) -> bool:
        """From the partition's start to the current row's last peer."""
        return (
            self.mode == "range"
            and self.start.startswith("unbounded")
            and self.end == "current row"
            and self._all
        )

    @property
    def whole(self) -> bool:
        """The whole partition for every row."""
        unbounded = self.start.startswith("unbounded") and self.end.startswith("unbounded")
        return self._all and (unbounded or (self.default and not self.ordered))

    @property
    def _all(self) -> bool:
        return self.exclude in ("", "no others", "exclude no others")


@dataclass(frozen=True, slots=True)
class WindowJob:
    """One window call: where its arguments and its FILTER's value stand in the widened row."""

    function: Any
    first: int
    count: int
    flag: int | None
    types: tuple[Any, ...]


class Partition:
    """The rows of one partition, sorted, as window functions see them."""

    def __init__(
        self, rows: Sequence[Any], peers: Callable[[Any], Any], frame: Frame, offsets: tuple[Any, Any]
    ) -> None:
        self.rows, self.size, self.spec = rows, len(rows), frame
        self.offsets = offsets
        self.starts: list[int] = []
        """First row of the peer group of each row."""
        self.groups: list[int] = []
        """First row of each peer group."""
        self.group_of: list[int] = []
        self._peers = peers
        self.first = 0
        self.count = 0
        self.order_at = -1
        self.ranging: Any = None
        """For RANGE with an offset: a Ranging."""
        self.keys: list[Any] | None = None

    def find_peers(self, c: Context) -> Iterator[Rows]:
        """To be run first: which rows are equal in the window's order; empty batches in between."""
        last: Any = object()
        for number, row in enumerate(self.rows):
            if number % PEERS_PER_TURN == PEERS_PER_TURN - 1:
                c.tick()
                yield []
            key = self._peers(row) if self.spec.ordered else None
            if number == 0 or key != last:
                self.groups.append(number)
                last = key
            self.starts.append(self.groups[-1])
            self.group_of.append(len(self.groups) - 1)

    def args(self, i: int) -> tuple[Any, ...]:
        """Argument values of row `i`."""
        found: tuple[Any, ...] = self.rows[i][self.first : self.first + self.count]
        return found

    def peer_start(self, i: int) -> int:
        """First peer of row `i`."""
        return self.starts[i]

    def peer_end(self, i: int) -> int:
        """One past the last peer of row `i`."""
        group = self.group_of[i] + 1
        return self.groups[group] if group < len(self.groups) else self.size

    def frame(self, i: int) -> Sequence[int]:
        """Row `i`'s frame after exclusion."""
        start, end = self.bounds(i)
        exclude = self.spec.exclude.removeprefix("exclude ")
        if exclude in ("", "no others") or start >= end:
            return range(start, max(end, start))
        if exclude == "current row":
            return [j for j in range(start, end) if j != i]
        low, high = self.peer_start(i), self.peer_end(i)
        if exclude == "group":
            return [j for j in range(start, end) if not low <= j < high]
        return [j for j in range(start, end) if not low <= j < high or j == i]

    def bounds(self, i: int) -> tuple[int, int]:
        """[start, end) of row `i`'s frame before exclusion."""
        spec = self.spec
        start = self._bound(i, spec.start, self.offsets[0], False)
        end = self._bound(i, spec.end, self.offsets[1], True)
        return max(start, 0), min(end, self.size)

    def _bound(self, i: int, kind: str, offset: Any, end: bool) -> int:
        if kind == "unbounded preceding":
            return 0
        if kind == "unbounded following":
            return self.size
        mode = self.spec.mode
        if kind == "current row":
            if mode == "rows":
                return i + 1 if end else i
            return self.peer_end(i) if end else self.peer_start(i)
        sign = -1 if kind.endswith("preceding") else 1
        if mode == "rows":
            return i + sign * int(offset) + (1 if end else 0)
        if mode == "groups":
            group: int = self.group_of[i] + sign * offset + (1 if end else 0)
            return 0 if group < 0 else self.groups[group] if group < len(self.groups) else self.size
        return self._range_bound(i, sign, offset, end)

    def _range_bound(self, i: int, sign: int, offset: Any, end: bool) -> int:
        """RANGE with an offset: rows whose ordering value is within it; NULLs are peers of NULLs only."""
        value = self.rows[i][self.order_at]
        if value is None:
            return self.peer_end(i) if end else self.peer_start(i)
        if self.keys is None:
            self.keys = self._keys()
        descending, keys = self.spec.descending, self.keys
        edge = self.ranging.edge(value, -sign if descending else sign, offset)
        low, high = self._not_null()
        while low < high:
            middle = (low + high) // 2
            key = keys[middle]
            before = (key > edge if descending else key < edge) or (end and key == edge)
            low, high = (middle + 1, high) if before else (low, middle)
        return low

    def _not_null(self) -> tuple[int, int]:
        low, high = 0, self.size
        while low < high and self.rows[low][self.order_at] is None:
            low += 1
        while high > low and self.rows[high - 1][self.order_at] is None:
            high -= 1
        return low, high

    def _keys(self) -> list[Any]:
        key = self.ranging.key
        column = (row[self.order_at] for row in self.rows)
        return [None if value is None else key(value) for value in column]


class WindowAgg(Node):
    """Sorts by partition and order, then adds one column per job; the columns past `width` are dropped."""

    def __init__(
        self,
        source: Node,
        width: int,
        partition: Sequence[tuple[int, Any]],
        order: Sequence[SortSpec],
        peers: Callable[[Any], Any],
        frame: Frame,
        jobs: Sequence[WindowJob],
        layout: dict[tuple[int, int], int],
    ) -> None:
        self.source, self.kept, self.partition, self.order = source, width, partition, order
        self.peers, self.frame, self.jobs, self.layout = peers, frame, jobs, layout
        self.width, self.rows = width + len(jobs), source.rows
        self.cost = source.cost + 0.05 * source.rows
        self.partition_key = group_key(partition)

    def run(self, c: Context) -> Iterator[Rows]:
        with c.holding() as held:
            rows: Rows = []
            for batch in self.source.run(c):
                c.tick()
                rows += batch
                held.rows(batch)
                held.rows(batch)
                yield []
            yield from self._sorted(rows, c)

    def _sorted(self, rows: Rows, c: Context) -> Iterator[Rows]:
        specs = [(at, False, False, convert) for at, convert in self.partition]
        yield from sort_in_turns(rows, [*specs, *self.order], c)
        offsets = (
            self._offset(self.frame.start_offset, "starting", c),
            self._offset(self.frame.end_offset, "ending", c),
        )
        ordered = ranging(self.frame.range_type, c.env) if self.order else None
        for part in self._split(rows):
            made = Partition(part, self.peers, self.frame, offsets)
            yield from made.find_peers(c)
            if ordered is not None:
                made.order_at, made.ranging = self.order[0][0], ordered
            columns = []
            for job in self.jobs:
                column: list[Any] = []
                yield from self._compute(job, made, c, column)
                columns.append(column)
            kept = self.kept
            for number in range(0, len(part), 256):
                stop = number + 256
                extra = zip(*(column[number:stop] for column in columns))
                yield [row[:kept] + more for row, more in zip(part[number:stop], extra)]

    def _offset(self, value: Callable[..., Any] | None, which: str, c: Context) -> Any:
        if value is None:
            return None
        found = value((), c)
        if found is None:
            raise PgError("22004", f"frame {which} offset must not be null")
        negative = is_negative(found)
        if negative and self.frame.mode != "range":
            raise PgError("22013", f"frame {which} offset must not be negative")
        if negative:
            raise PgError("22013", "invalid preceding or following size in window function")
        return found

    def _split(self, rows: Rows) -> Iterator[Rows]:
        if not self.partition:
            if rows:
                yield rows
            return
        start, last = 0, None
        for number, row in enumerate(rows):
            key = self.partition_key(row)
            if number and key != last:
                yield rows[start:number]
                start = number
            last = key
        if rows:
            yield rows[start:]

    def _compute(self, job: WindowJob, part: Partition, c: Context, into: list[Any]) -> Iterator[Rows]:
        part.first, part.count = job.first, job.count
        if hasattr(job.function, "impl"):
            c.tick()
            into += job.function.impl(part)
            yield []
        elif self.frame.whole or self.frame.default:
            yield from self._running(job, part, c, into)
        else:
            yield from self._framed(job, part, c, into)

    def _running(self, job: WindowJob, part: Partition, c: Context, into: list[Any]) -> Iterator[Rows]:
        """Frames that only grow: one state, read at the end of every peer group."""
        state = _start(job)
        at = 0
        while at < part.size:
            end = part.size if self.frame.whole else part.peer_end(at)
            for piece in batches(part.rows[at:end]):
                c.tick()
                state = _feed(job, state, piece, c.env)
                yield []
            value = job.function.final(state, c.env)
            into += [value] * (end - at)
            at = end

    def _framed(self, job: WindowJob, part: Partition, c: Context, into: list[Any]) -> Iterator[Rows]:
        """Any other frame: recomputed when it does not just grow."""
        state, low, high, work = _start(job), 0, 0, 0
        plain = part.spec._all
        rows: Sequence[Any]
        for i in range(part.size):
            if not plain:
                rows, state = [part.rows[j] for j in part.frame(i)], _start(job)
            else:
                start, end = part.bounds(i)
                end = max(start, end)
                if start != low or end < high:
                    state, low, high = _start(job), start, start
                rows = part.rows[high:end]
                high = end
            if len(rows) <= BATCH:
                state = _feed(job, state, rows, c.env)
            else:
                for piece in batches(rows):
                    c.tick()
                    state = _feed(job, state, piece, c.env)
                    yield []
            into.append(job.function.final(state, c.env))
            work += len(rows) + 16
            if work > 4 * BATCH:
                c.tick()
                yield []
                work = 0

    def inputs(self) -> Sequence[Node]:
        return (self.source,)

    def describe(self) -> list[str]:
        return ["WindowAgg"]


def _start(job: WindowJob) -> Any:
    function = job.function
    return function.init(job.types) if function.needs_types else function.init()


def _feed(job: WindowJob, state: Any, rows: Sequence[Any], env: Any) -> Any:
    function = job.function
    step, strict, first, last, flag = (
        function.step,
        function.strict_step,
        job.first,
        job.first + job.count,
        job.flag,
    )
    lead = (env,) if function.needs_env else ()
    for row in rows:
        args = row[first:last]
        if (flag is not None and not row[flag]) or (strict and any(arg is None for arg in args)):
            continue
        state = step(state, *lead, *args)
    return state
