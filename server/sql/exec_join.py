"""Joins: by hash, by an inner that is run again per outer row (key lookup, LATERAL), by nested loops.

A joined row is the left row followed by the right one; semi and anti joins give left rows only.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from server.sql.context import Context, Holding
from server.sql.exec_node import BATCH, Node, Rows

KeyOf: TypeAlias = Callable[[Any, Context], Any]
"""(row, ctx) -> hash key; None: a NULL is in it, so nothing equals it."""
Condition: TypeAlias = Callable[[Any, Any, Context], Any]
"""(left row, right row, ctx) -> truthy when they join."""


class Join(Node):
    """What all joins have. kind: inner, left, full, semi, anti."""

    name = "Join"

    def __init__(
        self, kind: str, left: Node, right: Node, condition: Condition | None, details: Sequence[str] = ()
    ) -> None:
        self.kind, self.left, self.right, self.condition, self.details = kind, left, right, condition, details
        self.layout = dict(left.layout)
        self.width = left.width
        if kind in ("inner", "left", "full"):
            for key, position in right.layout.items():
                self.layout[key] = left.width + position
            self.width += right.width
        self.rows = self._estimate()
        self.cost = left.cost + right.cost + 0.01 * self.rows

    def _estimate(self) -> float:
        if self.kind in ("semi", "anti"):
            return max(self.left.rows * 0.5, 1.0)
        rows = max(self.left.rows, self.right.rows)
        return rows if self.kind == "inner" else max(rows, self.left.rows)

    def inputs(self) -> Sequence[Node]:
        return (self.left, self.right)

    def describe(self) -> list[str]:
        word = {"inner": "", "left": " Left", "full": " Full", "semi": " Semi", "anti": " Anti"}[self.kind]
        if self.name == "Nested Loop":
            return [f"Nested Loop{word}{' Join' if word else ''}", *self.details]
        return [f"Hash{word} Join", *self.details]


def collect(node: Node, c: Context, into: Rows, held: Holding) -> Iterator[Rows]:
    """Run `node` to its end into a list, giving heartbeats and accounting for what is held."""
    for rows in node.run(c):
        c.tick()
        into += rows
        held.rows(rows)
        yield []


class HashJoin(Join):
    """Equality join: the right side is hashed, the left one probes."""

    name = "Hash"

    def __init__(
        self,
        kind: str,
        left: Node,
        right: Node,
        left_key: KeyOf,
        right_key: KeyOf,
        condition: Condition | None,
        details: Sequence[str] = (),
    ) -> None:
        super().__init__(kind, left, right, condition, details)
        self.left_key, self.right_key = left_key, right_key
        self.cost = left.cost + right.cost + 0.02 * right.rows + 0.01 * left.rows

    def run(self, c: Context) -> Iterator[Rows]:
        with c.holding() as held:
            yield from self._run(c, held)

    def _run(self, c: Context, held: Holding) -> Iterator[Rows]:
        table: dict[Any, list[Any]] = {}
        rest: Rows = []
        right_key = self.right_key
        for rows in self.right.run(c):
            c.tick()
            for row in rows:
                key = right_key(row, c)
                if key is not None:
                    found = table.get(key)
                    if found is None:
                        table[key] = [row]
                    else:
                        found.append(row)
                elif self.kind == "full":
                    rest.append(row)
            held.rows(rows)
            held.add(64 * len(rows))
            yield []
        if not table and self.kind in ("inner", "semi"):
            return
        probe = {"inner": self._inner, "left": self._outer, "full": self._outer}.get(self.kind, self._semi)
        matched: set[int] = set()
        yield from probe(table, c, matched)
        if self.kind == "full":
            yield from self._unmatched(table, rest, matched)

    def _inner(self, table: dict[Any, list[Any]], c: Context, matched: set[int]) -> Iterator[Rows]:
        key_of, condition, get = self.left_key, self.condition, table.get
        for rows in self.left.run(c):
            c.tick()
            out: Rows = []
            for left in rows:
                for right in get(key_of(left, c), ()):
                    if condition is None or condition(left, right, c):
                        out.append(left + right)
                if len(out) >= BATCH:
                    yield out
                    out = []
                    c.tick()
            yield out

    def _outer(self, table: dict[Any, list[Any]], c: Context, matched: set[int]) -> Iterator[Rows]:
        key_of, condition, get = self.left_key, self.condition, table.get
        nulls = (None,) * self.right.width
        full = self.kind == "full"
        for rows in self.left.run(c):
            c.tick()
            out: Rows = []
            for left in rows:
                count = len(out)
                for right in get(key_of(left, c), ()):
                    if condition is None or condition(left, right, c):
                        out.append(left + right)
                        if full:
                            matched.add(id(right))
                if len(out) == count:
                    out.append(left + nulls)
                if len(out) >= BATCH:
                    yield out
                    out = []
                    c.tick()
            yield out

    def _semi(self, table: dict[Any, list[Any]], c: Context, matched: set[int]) -> Iterator[Rows]:
        key_of, condition, get = self.left_key, self.condition, table.get
        wanted = self.kind == "semi"
        for rows in self.left.run(c):
            c.tick()
            out: Rows = []
            for left in rows:
                found = get(key_of(left, c), ())
                if condition is not None:
                    found = [right for right in found if condition(left, right, c)]
                if bool(found) is wanted:
                    out.append(left)
            yield out

    def _unmatched(self, table: dict[Any, list[Any]], rest: Rows, matched: set[int]) -> Iterator[Rows]:
        nulls = (None,) * self.left.width
        for found in table.values():
            yield [nulls + right for right in found if id(right) not in matched]
        yield [nulls + right for right in rest]


class LoopJoin(Join):
    """The right side is read once into memory and compared with every left row."""

    name = "Nested Loop"

    def _estimate(self) -> float:
        if self.kind in ("semi", "anti"):
            return super()._estimate()
        return max(self.left.rows * self.right.rows * (0.33 if self.condition is not None else 1.0), 1.0)

    def run(self, c: Context) -> Iterator[Rows]:
        with c.holding() as holding:
            held: Rows = []
            yield from collect(self.right, c, held, holding)
            yield from self._compare(held, c)

    def _compare(self, held: Rows, c: Context) -> Iterator[Rows]:
        matched: set[int] = set()
        for rows in self.left.run(c):
            c.tick()
            if not rows:
                yield rows
            for left in rows:
                yield from self._one(left, held, matched, c)
        if self.kind == "full":
            nulls = (None,) * self.left.width
            yield [nulls + right for right in held if id(right) not in matched]

    def _one(self, left: Any, held: Rows, matched: set[int], c: Context) -> Iterator[Rows]:
        condition, kind = self.condition, self.kind
        any_found = False
        for start in range(0, len(held), BATCH):
            part = held[start : start + BATCH]
            c.tick()
            found = part if condition is None else [right for right in part if condition(left, right, c)]
            any_found = any_found or bool(found)
            if kind in ("semi", "anti"):
                if any_found:
                    break
                yield []
                continue
            if kind == "full":
                matched.update(map(id, found))
            yield [left + right for right in found]
        if (kind == "semi" and any_found) or (kind == "anti" and not any_found):
            yield [left]
        elif kind in ("left", "full") and not any_found:
            yield [left + (None,) * self.right.width]


class AgainJoin(Join):
    """The right side is run again for each left row, whose values it reads from slots."""

    name = "Nested Loop"

    def __init__(
        self,
        kind: str,
        left: Node,
        right: Node,
        slots: Sequence[tuple[int, int]],
        condition: Condition | None,
        details: Sequence[str] = (),
    ) -> None:
        super().__init__(kind, left, right, condition, details)
        self.slots = list(slots)
        """(slot, position in the left row)."""
        self.cost = left.cost + left.rows * max(right.cost, 0.1)

    def _estimate(self) -> float:
        if self.kind in ("semi", "anti"):
            return super()._estimate()
        return max(self.left.rows * max(self.right.rows, 1.0), 1.0)

    def run(self, c: Context) -> Iterator[Rows]:
        slots, right, condition, kind = c.slots, self.right, self.condition, self.kind
        pairs = self.slots
        nulls = (None,) * right.width
        whole = kind in ("inner", "left")
        done = 0
        out: Rows = []
        for rows in self.left.run(c):
            for left in rows:
                any_found = False
                for slot, position in pairs:
                    slots[slot] = left[position]
                for batch in right.run(c):
                    if batch:
                        found = (
                            batch if condition is None else [row for row in batch if condition(left, row, c)]
                        )
                        if found:
                            any_found = True
                            if not whole:
                                break
                            out += [left + row for row in found]
                    elif not whole or len(batch) == 0:
                        done += 8
                    if len(out) >= BATCH or done >= BATCH:
                        yield out
                        out, done = [], 0
                        c.tick()
                done += 16
                if kind == "left" and not any_found:
                    out.append(left + nulls)
                elif (kind == "semi" and any_found) or (kind == "anti" and not any_found):
                    out.append(left)
            yield out
            out, done = [], 0
