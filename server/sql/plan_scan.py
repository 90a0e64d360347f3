"""A table that is still to be read: its candidate paths, and the generated loops over the chosen one."""

from collections.abc import Callable, Sequence, Set
from functools import cache, partial
from typing import Any

from server.catalog.descriptor import Catalog
from server.sql import tree, types
from server.sql.access import Place
from server.sql.codegen import Emitter, Outer, Unit, tuple_source
from server.sql.exec_node import Mapped, Node
from server.sql.exec_scan import Count, Feed, Label, Pushed, Scan
from server.sql.explain import condition_lines
from server.sql.plan_path import Path, bounds, feed, paths, stored_columns
from server.sql.plan_walk import has_node
from server.sql.pushing import pushed
from server.sql.scan_text import scan_lines
from server.sql.tree import Expr
from storage import keycode, rowcode

KEY_COLUMN = -2
ROW_COLUMN = -3
"""The physical row: the list of all attributes, for DML."""

Keys = Sequence[tuple[int, int]]
Order = Sequence[tuple[Place, bool, bool]]


class TableScan:
    """One table of FROM with the conditions that concern only it (and what is known outside of it)."""

    def __init__(
        self, rel: tree.TableRel, catalog: Catalog, filters: Sequence[Expr], needed: set[int], outer: Outer
    ) -> None:
        self.rel, self.outer, self.needed, self.catalog = rel, outer, needed, catalog
        self.filters = list(filters)
        self.late = [expr for expr in filters if has_node(expr, tree.SubLink)]
        """Filters with subqueries run above the scan, few rows per turn."""
        self.early = [expr for expr in filters if not has_node(expr, tree.SubLink)]
        self.paths = paths(rel, catalog.cluster, self.early, needed)
        self.path = min(self.paths, key=lambda path: path.cost)

    @property
    def rows(self) -> float:
        """Estimated rows."""
        return max(self.path.rows * 0.5 ** len(self.late), 1.0)

    def with_filters(self, more: Sequence[Expr], outer: Outer) -> "TableScan":
        """The same scan under more conditions."""
        return TableScan(self.rel, self.catalog, [*self.filters, *more], self.needed, outer)

    def order_by(self, wanted: Order, limited: bool) -> bool:
        """Choose a path whose order is `wanted` (place, descending, nulls first), if one is worth it."""
        best = None
        for path in self.paths:
            for reverse in (False, True):
                path.reverse = reverse
                if _gives(path, wanted):
                    cost = path.cost * (0.1 if limited and not path.equal else 1.0)
                    if best is None or cost < best[0]:
                        best = cost, path, reverse
            path.reverse = False
        if best is None or best[0] > self.path.cost * 3:
            return False
        self.path = best[1]
        self.path.reverse = best[2]
        return True

    # --- building ---

    def node(self) -> Node:
        """The scan with every needed column as its output."""
        columns = sorted(self.needed)
        return self.build(
            [self._var(column) for column in columns], [(self.rel.id, column) for column in columns]
        )

    def _var(self, column: int) -> tree.Var:
        if column < 0:
            return tree.Var(types.RECORD if column == -1 else types.BYTEA, self.rel.id, column)
        found = self.rel.table.columns[column]
        return tree.Var(types.BY_OID[found.type_oid], self.rel.id, column, found.typmod, found.name)

    @property
    def fusable(self) -> bool:
        """Whether everything above may run inside the scan's loop."""
        return not self.late

    def build(self, exprs: Sequence[Expr], keys: Keys) -> Node:
        """The scan that gives `exprs` under the names `keys`."""
        if self.late or any(has_node(expr, tree.SubLink) for expr in exprs):
            return self._build_late(exprs, keys)
        lines, unit, emitter, keyed = self.loop(exprs)
        body = [*lines, f"append({tuple_source(emitter, exprs)})"]
        loop = _finish_loop(unit, body, keyed, ["append = out.append"], [])
        made = self.feed(keyed)
        layout = {key: position for position, key in enumerate(keys)}
        return Scan(made, loop, layout, len(keys), self.path.rows, self.path.cost, self.label(exprs))

    def feed(self, keyed: bool) -> Feed:
        """What reads the path."""
        needed = frozenset(self.needed)  # those of the statement may become more
        return feed(self.path, self.outer, keyed, cache(partial(_pushed, self.path, needed)))

    def _build_late(self, exprs: Sequence[Expr], keys: Keys) -> Node:
        below = TableScan(self.rel, self.catalog, self.early, self.needed, self.outer)
        below.path = self.path
        return project(filtered(below.node(), self.late, self.outer), exprs, keys, self.outer)

    def loop(self, exprs: Sequence[Expr]) -> tuple[list[str], Unit, Emitter, bool]:
        """The head of the loop's body up to the filter: what follows runs for rows that pass."""
        unit = Unit()
        needed = set(self.needed)
        keyed = KEY_COLUMN in needed
        lines, sources = self._decode(unit, needed)
        names = ["k"] if keyed else []
        names += ["r"] if any(column != KEY_COLUMN for column in needed) else []
        names += [source for source in sources.values() if source.startswith("x")]
        emitter = Emitter(unit, sources, self.outer, self._not_null(), ", ".join([*names, "c"]), looped=True)
        if self.path.residual:
            tests = " and ".join(emitter.true(expr) for expr in self.path.residual)
            lines.append(f"if not ({tests}): continue")
        return lines, unit, emitter, keyed

    def _not_null(self) -> frozenset[tuple[int, int]]:
        table = self.rel.table
        found = {i for i, column in enumerate(table.columns) if column.not_null}
        if table.primary_key is not None:
            found |= {key.column - 1 for key in table.primary_key.keys}
        return frozenset((self.rel.id, column) for column in found) | {
            (self.rel.id, KEY_COLUMN),
            (self.rel.id, -1),
        }

    def _decode(self, unit: Unit, needed: set[int]) -> tuple[list[str], dict[tuple[int, int], str]]:
        rel, table = self.rel.id, self.rel.table
        sources: dict[tuple[int, int], str] = {(rel, KEY_COLUMN): "k"}
        if needed & {-1, ROW_COLUMN}:
            lines = [f"r = {unit.bind(self.path.access.unpack)}(v)"]
            for column in range(len(table.columns)):
                sources[rel, column] = f"r[{column}]"
            live = [i for i, column in enumerate(table.columns) if not column.dropped]
            made = unit.bind(types.row_type(table).made)
            sources[rel, -1] = f"{made}((" + "".join(f"r[{i}], " for i in live) + "))"
            sources[rel, ROW_COLUMN] = "r"
            return lines, sources
        positions = _positions(self.path, needed)
        columns = sorted(column for column in needed if column >= 0)
        if not columns:
            return [], sources
        width = max(positions[column] for column in columns) + 1
        lines = [f"r = {unit.bind(rowcode.reader(width))}(v)"]
        for column in columns:
            stored = f"r.c{positions[column]}"
            convert = types.BY_OID[table.columns[column].type_oid].unpack
            sources[rel, column] = stored
            if convert is not None:
                lines += [
                    f"x{column} = {stored}",
                    f"if x{column} is not None: x{column} = {unit.bind(convert)}(x{column})",
                ]
                sources[rel, column] = f"x{column}"
        return lines, sources

    def count(self, layout: dict[tuple[int, int], int]) -> Node | None:
        """count(*) without decoding, when no filter remains."""
        path = self.path
        if path.residual or self.late or path.unique or KEY_COLUMN in self.needed:
            return None
        return Count(bounds(path, self.outer), layout, path.cost * 0.3, self.label())

    def point(
        self,
        exprs: Sequence[Expr],
        locks: Sequence[int] = (),
        skip: Callable[[Any], bool] | None = None,
    ) -> Callable[[Any], list[tuple[Any, ...]]] | None:
        """Straight-line code for at most one row, found by its whole key, which it locks in the classes `locks`.

        None where the key is not known whole. `skip` tells before the read that no row is wanted.
        """
        path = self.path
        if not path.single or self.late or any(has_node(expr, tree.SubLink) for expr in exprs):
            return None
        lines, unit, emitter, _ = self.loop(exprs)
        head = [] if skip is None else [f"if {unit.bind(skip)}(c): return []"]
        head += self._point_key(unit)
        body = [line.replace(": continue", ": return []") for line in lines]
        body += [f"c.txn.lock(k, {lock_class})" for lock_class in locks]
        return unit.finish("c", [*head, *body, f"return [{tuple_source(emitter, exprs)}]"])

    def _point_key(self, unit: Unit) -> list[str]:
        path = self.path
        emitter = Emitter(unit, {}, self.outer)
        lines, names = [], []
        for number, sarg in enumerate(path.equal):
            code = emitter.value(sarg.expr)
            convert = sarg.type
            name = code.src
            if not code.atom:
                name = f"a{number}"
                lines.append(f"{name} = {code.src}")
            if code.nullable:
                lines.append(f"if {name} is None: return []")
            if convert.sort_key is not None and convert.key_kind == "text":
                name = f"{unit.bind(convert.sort_key)}({name})"
            names.append(name)
        joined = "".join(name + ", " for name in names)
        holder: Any = path.index or path.access
        encode = keycode.encoder(holder.kinds, tuple(key.nulls_first for key in path.keys), holder.lo)
        lines += [
            f"k = {unit.bind(encode)}(({joined}))",
            "v = c.txn.get(k)",
            "if v is None: return []",
        ]
        if path.index is not None and not (path.index_only and KEY_COLUMN not in self.needed):
            lines += [
                f"k = {unit.bind(path.access.lo)} + {unit.bind(rowcode.unpack)}(v)[0]",
                "v = c.txn.get(k)",
                "if v is None: return []",
            ]
        return lines

    def label(self, exprs: Sequence[Expr] = ()) -> Label:
        """What makes EXPLAIN's lines of the scan that gives `exprs`."""
        path, rel, needed = self.path, self.rel, self.needed
        return lambda verbose: scan_lines(path, rel, self.catalog, needed, exprs, verbose)


def _positions(path: Path, needed: Set[int]) -> dict[int, int]:
    """Column -> position in the stored array."""
    if path.index is None or not path.index_only or KEY_COLUMN in needed:
        return {column: column for column in range(len(path.table.columns))}
    return stored_columns(path.index.index)


def _pushed(path: Path, needed: Set[int]) -> Pushed | None:
    """What goes along with a read of `path` from another process."""
    places, kept = _positions(path, needed), None
    if not needed & {-1, ROW_COLUMN}:
        wanted = {column for column in needed if column >= 0}
        columns = path.table.columns
        if not all(types.BY_OID[columns[each].type_oid].by_value for each in places if each not in wanted):
            kept = sorted(places[column] for column in wanted)
    return pushed(path.rel, path.residual, places, kept)


def _finish_loop(
    unit: Unit, body: Sequence[str], keyed: bool, before: Sequence[str], after: Sequence[str]
) -> Any:
    target = "k, v" if keyed else "v"
    lines = [*before, f"for {target} in values:", *("    " + line for line in body), *after]
    return unit.finish("values, c, out", lines)


def _gives(path: Path, wanted: Order) -> bool:
    """Whether rows of `path` come in the order `wanted`."""
    if path.single:
        return True
    fixed = path.fixed
    asked = [key for key in wanted if key[0] not in fixed]
    given = path.order()
    if len(asked) > len(given):
        return False
    for want, have in zip(asked, given):
        place = have[0]
        strict = isinstance(place, int) and path.table.columns[place].not_null
        nullable = not strict and path.index is not None
        if want[0] != have[0] or want[1] != have[1] or (nullable and want[2] != have[2]):
            return False
    return True


def filtered(source: Node, filters: Sequence[Expr], outer: Outer) -> Node:
    """`source` under a conjunction."""
    if not filters:
        return source
    small = any(has_node(expr, tree.SubLink) for expr in filters)
    unit = Unit()
    sources = {key: f"r[{position}]" for key, position in source.layout.items()}
    emitter = Emitter(unit, sources, outer, looped=True)
    test = " and ".join(emitter.true(expr) for expr in filters)
    lines = ["out = []", "for r in rows:", f"    if {test}: out.append(r)", "return out"]
    rows = max(source.rows * 0.33 ** min(len(filters), 3), 1.0)
    function = unit.finish("rows, c", lines)
    details = condition_lines("Filter", filters)
    return Mapped(source, function, source.layout, source.width, "Filter", rows, details, small)


def project(source: Node, exprs: Sequence[Expr], keys: Keys, outer: Outer) -> Node:
    """`source` with the columns `exprs` under the names `keys`."""
    layout = {key: position for position, key in enumerate(keys)}
    if all(type(expr) is tree.Var for expr in exprs):
        order = [source.layout.get((expr.rel, expr.column)) for expr in exprs if type(expr) is tree.Var]
        if order == list(range(source.width)):
            source.layout = layout
            return source
    small = any(has_node(expr, tree.SubLink) for expr in exprs)
    unit = Unit()
    sources = {key: f"r[{position}]" for key, position in source.layout.items()}
    emitter = Emitter(unit, sources, outer, looped=True)
    row = tuple_source(emitter, exprs)
    lines = ["out = []", "for r in rows:", f"    out.append({row})", "return out"]
    return Mapped(source, unit.finish("rows, c", lines), layout, len(exprs), "Result", source.rows, (), small)
