"""One query level: from, where, group, having, windows, targets, distinct, order by, locks, offset, limit."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from server.sql import tree
from server.sql.access import Place, access
from server.sql.codegen import compile_expr
from server.sql.exec_node import Node
from server.sql.exec_scan import FIRST_UNDER_LIMIT, PointScan, Scan
from server.sql.exec_sort import Distinct, Limit, LockRows, Sort, SortSpec, count_of, group_key
from server.sql.exec_source import Append, Forget, ProjectSet, Rename, SetOperation
from server.sql.explain import expr_text
from server.sql.plan_extreme import with_extremes
from server.sql.plan_group import plan_group, with_key_marks
from server.sql.plan_path import computed_keys, place_of
from server.sql.plan_relation import plan_ctes, renamed, set_values
from server.sql.plan_scan import KEY_COLUMN, TableScan, filtered, project
from server.sql.plan_walk import conjuncts, free_rels, is_volatile, rewrite, variables, walk
from server.sql.plan_window import plan_windows
from server.sql.tree import Expr
from server.sql.type_record import record_class
from server.sql.types import BYTEA

if TYPE_CHECKING:
    from server.sql.plan import Planner, Scope
    from server.sql.plan_from import Source

Point = Callable[[Any], list[tuple[Any, ...]]] | None


class SelectPlanner:
    """Plans one query. `limited`: the reader may stop early; `extra`: more expressions."""

    def __init__(
        self, planner: "Planner", query: tree.Query, outer: "Scope", limited: bool, extra: Sequence[Expr]
    ) -> None:
        self.planner, self.query, self.outer = planner, query, outer
        self.limited = limited or query.limit is not None
        self.rel = planner.new_rel()
        self.visible = [i for i, target in enumerate(query.targets) if not target.hidden]
        query = self.query = with_extremes(planner, with_key_marks(planner, query), outer)
        self.exprs: list[Expr] = [planner.fold(target.expr) for target in query.targets]
        self.extra = list(extra)
        self.exprs += self.extra
        self.lock_at = len(self.exprs)
        self.exprs += [tree.Var(BYTEA, lock.rel, KEY_COLUMN) for lock in query.locks]
        self._source: Source | None = None
        self._postponed: dict[int, Expr] = {}
        """Targets that are computed after ORDER BY and LIMIT."""
        self._carried: list[tree.Var] = []
        """Columns that they read."""
        self.ordered = not query.order_by
        """Rows come in the right order already."""

    @property
    def keys(self) -> list[tuple[int, int]]:
        """Names of all computed columns, hidden ones too."""
        computed = len(self.exprs) - len(self._carried)
        carried = [(var.rel, var.column) for var in self._carried]
        return [*((self.rel, position) for position in range(computed)), *carried]

    def plan_with_point(self) -> tuple[Node, Point]:
        """The plan and, when it reads at most one row by its key, the straight code for it."""
        query = self.query
        blocked = query.grouped or query.windows or query.has_set_returning or query.set_op or query.ctes
        if blocked or type(query.from_) is not int:
            return self.plan(), None
        source = self._source = self.planner.from_(query, self.outer)
        shown = [self.exprs[i] for i in self.visible] + self.extra
        if not isinstance(source, TableScan):
            return self.plan(), None
        locks = [lock.lock for lock in query.locks]
        point = source.point(shown, locks, self._skip()) if source.path.single else None
        if point is None:
            return self.plan(), None
        return PointScan(point, len(shown), source.path.cost, source.label(shown), bool(locks)), point

    def _skip(self) -> Callable[[Any], bool] | None:
        """Whether LIMIT and OFFSET leave nothing of a single row; None: they never do."""
        limit, offset = self.query.limit, self.query.offset
        if offset is None and (limit is None or (type(limit) is tree.Const and limit.value == 1)):
            return None
        most, first = self._count(limit, "LIMIT"), self._count(offset, "OFFSET")

        def skip(c: Any) -> bool:
            before = 0 if first is None else first(c)
            return (most is not None and most(c) == 0) or bool(before)

        return skip

    def plan(self) -> Node:
        """The whole query."""
        query = self.query
        before = set(self.planner.ctes)
        plan_ctes(self.planner, query.ctes, self.outer)
        node = self._set_operation() if query.set_op is not None else self._rows()
        node = self._tail(node)
        spools = [
            key
            for cte in query.ctes
            if cte.id not in before and isinstance(cte.query, tree.Query) and free_rels(cte.query)
            for key in _spool_keys(self.planner.ctes[cte.id])
        ]
        return Forget(node, spools) if spools else node

    # --- up to the targets ---

    def _rows(self) -> Node:
        query = self.query
        source = self._source or self.planner.from_(query, self.outer)
        order = self._wanted_order()
        if query.grouped:
            node, replaced = plan_group(self.planner, query, self.exprs, source, self.outer)
            self.exprs = replaced.exprs
            having = [replaced.of(self.planner.fold(expr)) for expr in conjuncts(query.having)]
            node = filtered(node, having, self.outer)
            windows = [replaced.of(window) for window in query.windows]
            return self._finish(node, windows)
        if isinstance(source, TableScan):
            if order is not None and not query.windows and not query.has_set_returning:
                self.ordered = self.ordered or source.order_by(order, self.limited)
            if not query.windows and not query.has_set_returning:
                self._postpone({(source.rel.id, column) for column in source.needed})
                node = source.build(self.exprs, self.keys)
                if self.limited and self.ordered and isinstance(node, Scan):
                    node.feed.first = FIRST_UNDER_LIMIT
                return node
            source = source.node()
        return self._finish(source, list(query.windows))

    def _finish(self, node: Node, windows: list[tree.Window]) -> Node:
        if windows:
            node, self.exprs = plan_windows(self.planner, windows, self.exprs, node, self.outer)
        if self.query.has_set_returning:
            node = self._project_sets(node)
        self._postpone(node.layout.keys())
        return project(node, self.exprs, self.keys, self.outer)

    def _postpone(self, known: Collection[tuple[int, int]]) -> None:
        """Volatile targets wait for ORDER BY and LIMIT, unless these need them (make_sort_input_target).

        Until then a NULL stands for each, and the columns it reads come along as further columns.
        """
        query = self.query
        if (self.ordered and query.limit is None) or query.distinct or query.distinct_on:
            return
        sorted_by = {index for index, _descending, _nulls_first in query.order_by}
        for index in self.visible:
            if index not in sorted_by and is_volatile(self.exprs[index]):
                self._postponed[index] = self.exprs[index]
                self.exprs[index] = tree.Const(query.targets[index].expr.type, None)
        read = {(var.rel, var.column): var for expr in self._postponed.values() for var in variables(expr)}
        self._carried = [var for key, var in read.items() if key in known]
        self.exprs += self._carried

    def _wanted_order(self) -> list[tuple[Place, bool, bool]] | None:
        """ORDER BY as columns of the only table, or keys of its indexes, when it is that."""
        found: list[tuple[Place, bool, bool]] = []
        rel = next((each for each in self.query.rels if each.id == self.query.from_), None)
        if not isinstance(rel, tree.TableRel) or not self.query.order_by:
            return None
        computed = computed_keys(access(rel.table, self.planner.catalog.cluster))
        for index, descending, nulls_first in self.query.order_by:
            place = place_of(self.exprs[index], rel.id, computed)
            if place is None:
                return None
            found.append((place, descending, nulls_first))
        return found if found and not self.query.distinct and not self.query.distinct_on else None

    def _project_sets(self, node: Node) -> Node:
        """Set-returning functions become columns; nested ones level by level from the inside."""
        while True:
            calls: list[tree.SetReturning] = []
            for expr in self.exprs:
                for found in walk(expr, queries=False):
                    if type(found) is tree.SetReturning and found not in calls and not _has_set(found):
                        calls.append(found)
            if not calls:
                return node
            rel = self.planner.new_rel()
            functions = [_rows_of(call, set_values(call, node.layout, self.outer)) for call in calls]
            layout = {**node.layout, **{(rel, i): node.width + i for i in range(len(calls))}}
            node = ProjectSet(node, functions, layout, node.width + len(calls))

            def change(found: Any, calls: list[tree.SetReturning] = calls, rel: int = rel) -> Any:
                if type(found) is tree.SetReturning and found in calls:
                    return tree.Var(found.type, rel, calls.index(found), found.typmod)
                return None

            self.exprs = [rewrite(expr, change) for expr in self.exprs]

    def _set_operation(self) -> Node:
        query = self.query
        operation = query.set_op
        assert operation is not None
        left = self.planner.select(operation.left, self.outer, self.limited and operation.all)
        right = self.planner.select(operation.right, self.outer, self.limited and operation.all)
        converts = [column.type.sort_key for column in operation.left.columns]
        if operation.op == "union":
            node: Node = Append([left, right])
            if not operation.all:
                node = Distinct(node, group_key(list(enumerate(converts))))
        else:
            node = SetOperation(operation.op, operation.all, left, right, converts)
        return project(renamed(node, operation.output_rel), self.exprs, self.keys, self.outer)

    # --- above the targets ---

    def _spec(self, index: int, descending: bool, nulls_first: bool) -> SortSpec:
        return index, descending, nulls_first, self.query.targets[index].expr.type.sort_key

    def _tail(self, node: Node) -> Node:
        query = self.query
        node = Rename(node, {key: position for position, key in enumerate(self.keys)})
        specs = [self._spec(*key) for key in query.order_by]
        if query.distinct_on:
            node = self._distinct_on(node, specs)
        elif query.distinct:
            shown = [(i, query.targets[i].expr.type.sort_key) for i in self.visible]
            node = Distinct(node, group_key(shown))
        limit = self._count(query.limit, "LIMIT")
        offset = self._count(query.offset, "OFFSET")
        if not self.ordered and not query.distinct_on:
            top = None if limit is None or query.with_ties or query.locks else _top(limit, offset)
            details = ["Sort Key: " + ", ".join(self._key_text(*key) for key in query.order_by)]
            node = Sort(node, specs, top, details)
        if query.locks:
            node = LockRows(node, [(self.lock_at + i, lock.lock) for i, lock in enumerate(query.locks)])
        if limit is not None or offset is not None:
            ties = group_key([(spec[0], spec[3]) for spec in specs]) if query.with_ties else None
            skip = None if offset is None else (lambda c: offset(c) or 0)
            node = Limit(node, limit, skip, ties)
        return self._strip(node)

    def _key_text(self, index: int, descending: bool, nulls_first: bool) -> str:
        text = expr_text(self.query.targets[index].expr) + (" DESC" if descending else "")
        if nulls_first != descending:
            text += " NULLS FIRST" if nulls_first else " NULLS LAST"
        return text

    def _distinct_on(self, node: Node, specs: list[SortSpec]) -> Node:
        """The first row, in the query's order, of every group; rows come out in that order."""
        have = {spec[0] for spec in specs}
        extra = [self._spec(index, False, False) for index in self.query.distinct_on if index not in have]
        keys = [(i, self.query.targets[i].expr.type.sort_key) for i in self.query.distinct_on]
        details = [
            "Sort Key: " + ", ".join(expr_text(self.query.targets[spec[0]].expr) for spec in [*specs, *extra])
        ]
        return Distinct(Sort(node, [*specs, *extra], None, details), group_key(keys), "Unique")

    def _count(self, expr: Expr | None, what: str) -> Callable[[Any], int | None] | None:
        if expr is None or (type(expr) is tree.Const and expr.value is None):
            return None
        return count_of(compile_expr(self.planner.fold(expr), {}, self.outer), what)

    def _strip(self, node: Node) -> Node:
        """Only the visible columns, then the extra ones."""
        kept = [*self.visible, *range(len(self.query.targets), len(self.query.targets) + len(self.extra))]
        if kept == list(range(node.width)) and not self._postponed:
            return node
        sources: list[Expr] = [
            self._postponed.get(i) or replace(_var(self.exprs[i]), rel=self.rel, column=i) for i in kept
        ]
        return project(node, sources, [(self.rel, i) for i in range(len(kept))], self.outer)


def _var(expr: Any) -> tree.Var:
    return tree.Var(getattr(expr, "type", BYTEA), 0, 0)


def _rows_of(call: tree.SetReturning, values: Callable[..., Any]) -> Callable[..., Any]:
    """As values of a select list, where a function with several columns gives row values."""
    columns = call.function.out_columns
    if len(columns) < 2:
        return values
    made = record_class(tuple(kind for _, kind in columns), tuple(name for name, _ in columns))
    return lambda c, row: map(made, values(c, row))


def _has_set(call: tree.SetReturning) -> bool:
    return any(type(node) is tree.SetReturning for arg in call.args for node in walk(arg, queries=False))


def _top(
    limit: Callable[[Any], int | None], offset: Callable[[Any], int | None] | None
) -> Callable[[Any], int | None]:
    def count(c: Any) -> int | None:
        found = limit(c)
        if found is None or offset is None:
            return found
        return found + (offset(c) or 0)

    return count


def _spool_keys(make: Callable[[], Node]) -> list[int]:
    node: Any = make()
    spool = getattr(node, "spool", None)
    return [spool.key] if spool is not None else []
