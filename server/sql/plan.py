"""From a bound query to a compiled plan; plans are made once and run many times (DESIGN §5, §11)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from server.catalog.descriptor import Catalog
from server.errors import PgError
from server.sql import refusals, tree, types
from server.sql.codegen import Code, Emitter, Layout, compile_row, fold, fresh
from server.sql.context import Context
from server.sql.exec_node import Node, Rows
from server.sql.plan_from import FromPlanner, Source
from server.sql.plan_relation import plan_relation, push_down, renamed
from server.sql.plan_scan import filtered, project
from server.sql.plan_select import SelectPlanner
from server.sql.plan_sublink import emit_sublink
from server.sql.plan_walk import rewrite_up, walk
from server.sql.tree import Expr
from server.sql.turns import with_turns


class Scope:
    """The columns of outer rows that an inner plan reads: each gets a slot in Context.slots.

    Slots belong to the construct that runs the inner plan (a subquery in an expression, a join that runs its
    inner again), so that two of them never overwrite each other's while both are under way.
    """

    def __init__(self, planner: "Planner", parent: "Scope | None", rels: Iterable[int]) -> None:
        self.planner, self.parent, self.rels = planner, parent, set(rels)
        self.params: dict[tuple[int, int], int] = {}
        self.inherited: set[str] = set()
        """Sources of values that come from further out."""

    def below(self, rels: Iterable[int]) -> "Scope":
        """A scope for a plan that is run per row of `rels`."""
        return Scope(self.planner, self, rels)

    def variable(self, var: tree.Var) -> str:
        """Source of an outer column; the slot is made on first use."""
        if var.rel in self.rels:
            key = (var.rel, var.column)
            if key not in self.params:
                self.params[key] = fresh()
            return f"s[{self.params[key]}]"
        if self.parent is None:
            raise AssertionError(f"no source for column {var.column} of relation {var.rel}")
        source = self.parent.variable(var)
        self.inherited.add(source)
        return source

    def sublink(self, link: tree.SubLink, emitter: Emitter) -> Code:
        """Source of a subquery's value."""
        return emit_sublink(self.planner, self, link, emitter)

    def taken(self, layout: Layout) -> list[tuple[int, int]]:
        """(slot, position in the outer row) of every column that was used."""
        return [(slot, layout[key]) for key, slot in self.params.items()]


_CALLS = (tree.Call, tree.SetReturning, tree.ArrayOp)


class Planner:
    """What one statement's plans share: the catalog, which columns are read, its CTEs."""

    def __init__(
        self, catalog: Catalog, ctes: Sequence[tree.Cte] = (), cte_nodes: dict[int, Any] | None = None
    ) -> None:
        self.catalog = catalog
        self.cluster = catalog.cluster
        self.needed: dict[int, set[int]] = {}
        """Relation -> columns that anything in the statement reads."""
        self.ctes: dict[int, Any] = dict(cte_nodes or {})
        """Unique id -> how references to it read it (plan_relation)."""
        self.modifying: list[Any] = []
        """Spools of data-modifying CTEs, which run to their end in any case."""
        self.needs_turns = False
        """An expression of the statement may run long: it runs a subquery, or a function that gives turns."""
        self.correlated: set[int] = set()
        """CTEs that read an outer row: what refers to them is not remembered."""
        self._last_rel = -1000
        self.top = Scope(self, None, ())

    def new_rel(self) -> int:
        """An id for computed columns."""
        self._last_rel -= 1
        return self._last_rel

    def read(self, *nodes: Any) -> None:
        """Note the columns that `nodes` read."""
        for node in nodes:
            for found in walk(node):
                if type(found) is tree.Var:
                    self.needed.setdefault(found.rel, set()).add(found.column)
                elif type(found) in _CALLS and found.function.needs_context:
                    self.needs_turns = True

    def fold(self, expr: Expr) -> Expr:
        """Constants folded."""
        return fold(expr)

    def from_(self, query: tree.Query, outer: Scope) -> Source:
        """FROM and WHERE of a query."""
        return FromPlanner(self, query, outer).plan()

    def select(
        self, query: tree.Query, outer: Scope, limited: bool = False, extra: Sequence[Expr] = ()
    ) -> Node:
        """A whole query; its columns are (rel, i) for one new relation, its visible targets, then `extra`."""
        return SelectPlanner(self, query, outer, limited, extra).plan()

    def subquery(self, query: tree.Query, rel: int, outer: Scope, limited: bool = False) -> Node:
        """A query whose columns are called (rel, 0), (rel, 1) ..."""
        return renamed(self.select(query, outer, limited), rel)

    def relation(self, rel: tree.Rel, filters: Sequence[Expr], outer: Scope) -> Node:
        """A relation of FROM that is no table, under `filters`."""
        if isinstance(rel, tree.QueryRel):
            query, filters = push_down(rel.query, rel.id, filters)
            rel = replace(rel, query=query)
        node = filtered(plan_relation(self, rel, outer), filters, outer)
        if -1 not in self.needed.get(rel.id, ()):
            return node
        keys = sorted(node.layout, key=lambda key: node.layout[key])
        there = tree.Const(types.BOOL, True)
        kept = [tree.Var(types.UNKNOWN, *key) for key in keys]
        return project(node, [*kept, there], [*keys, (rel.id, -1)], outer)


class Plan:
    """A compiled query. `run` yields batches of rows; `point`, where there is one, gives all rows at once."""

    __slots__ = ("columns", "locks", "node", "point", "spools", "turns")

    def __init__(
        self,
        columns: tuple[tree.OutputColumn, ...],
        node: Node,
        point: Callable[[Context], list[tuple[Any, ...]]] | None,
        spools: Sequence[Node] = (),
        locks: bool = False,
        turns: bool = False,
    ) -> None:
        self.columns, self.node, self.point = columns, node, point
        self.turns = turns
        """An expression may run long: it needs a stack of its own."""
        self.spools = spools
        self.locks = locks
        """It locks rows."""

    def run(self, ctx: Context) -> Iterator[Rows]:
        """Batches of at most about 256 rows; empty ones are heartbeats. Raises PgError."""
        run = self._run_all if self.spools else self.node.run
        return with_turns(run, ctx) if self.turns else run(ctx)

    def _run_all(self, ctx: Context) -> Iterator[Rows]:
        """Data-modifying CTEs first, to their end; the query reads what they returned."""
        for spool in self.spools:
            for _batch in spool.run(ctx):
                yield []
        yield from self.node.run(ctx)
        if ctx.txn.checks is not None:
            yield from ctx.txn.checks.settle(ctx)

    def rows(self, ctx: Context) -> Rows:
        """All rows, without turns for others."""
        if self.point is not None:
            return self.point(ctx)
        found: Rows = []
        for batch in self.node.run(ctx):
            found += batch
        return found

    @property
    def root(self) -> Node:
        """The topmost operator."""
        return self.node


def prepare(node: Any) -> Any:
    """A bound tree in which equal expressions are equal, without positions in the text.

    Whole rows of relations that are no tables become row constructors.
    """
    queries = [found for found in walk(node) if type(found) is tree.Query]
    columns = {rel.id: _columns(rel) for query in queries for rel in query.rels}
    extended = {rel for query in queries for rel in _null_extended(query.from_, False)}

    def change(found: Any) -> Any:
        if type(found) is tree.Var and found.column == -1 and columns.get(found.rel):
            return _whole_row(found, columns[found.rel], found.rel in extended)
        return replace(found, at=-1) if type(found) is tree.Call and found.at != -1 else found

    return rewrite_up(node, change)


def _whole_row(var: tree.Var, columns: Sequence[tree.OutputColumn], extended: bool) -> Expr:
    """The row of a relation that is no table; on the inner side of an outer join it can be NULL.

    There the relation has a column -1 that tells a row from none (Planner.relation).
    """
    items = tuple(tree.Var(c.type, var.rel, i, c.typmod, c.name) for i, c in enumerate(columns))
    row = tree.RowExpr(var.type, items, tuple(item.name for item in items))
    if not extended:
        return row
    there = tree.NullTest(types.BOOL, tree.Var(types.BOOL, var.rel, -1), True)
    return tree.Case(var.type, None, ((there, row),), None)


def _null_extended(join: tree.Join | int | None, inner: bool) -> Iterator[int]:
    """The relations of a join tree whose columns an outer join may set to NULL."""
    if isinstance(join, tree.Join):
        yield from _null_extended(join.left, inner or join.kind in ("right", "full"))
        yield from _null_extended(join.right, inner or join.kind in ("left", "full"))
    elif inner and join is not None:
        yield join


def _columns(rel: tree.Rel) -> tuple[tree.OutputColumn, ...]:
    """The columns of a relation that is no table."""
    if isinstance(rel, tree.TableRel):
        return ()
    return rel.query.columns if isinstance(rel, tree.QueryRel) else rel.columns


def plan_query(
    query: tree.Query, catalog: Catalog, extra: Sequence[Expr] = (), planner: Planner | None = None
) -> Plan:
    """Plan a query. `extra`: expressions over its relations that each row carries after the visible targets.

    For DML: Var(rel, -2) is the row's key, Var(rel, -3) the list of its attributes.
    PgError 54001 when it is nested too deeply.
    """
    try:
        query = prepare(query)
        outermost = planner is None
        planner = planner or Planner(catalog)
        planner.read(query, *extra)
        for lock in _locks(query):
            planner.needed.setdefault(lock.rel, set()).add(-2)
        node, point = SelectPlanner(planner, query, planner.top, False, extra).plan_with_point()
        if query.locks:
            refusals.check_lock(point is not None, len(query.rels))
        spools = tuple(planner.modifying) if outermost else ()
        turns = planner.needs_turns
        return Plan(query.columns, node, None if spools or turns else point, spools, bool(query.locks), turns)
    except RecursionError:
        raise PgError("54001", "stack depth limit exceeded") from None


def _locks(query: tree.Query) -> Iterator[tree.RowLock]:
    for node in walk(query):
        if type(node) is tree.Query:
            yield from node.locks


def compile_expressions(
    exprs: Sequence[Expr], layout: Layout, catalog: Catalog, planner: Planner | None = None
) -> Callable[[Sequence[Any], Context], tuple[Any, ...]]:
    """(row, ctx) -> the expressions' values; they may contain subqueries (INSERT ... VALUES, RETURNING)."""
    exprs = [prepare(expr) for expr in exprs]
    planner = planner or Planner(catalog)
    planner.read(*exprs)
    return compile_row([fold(expr) for expr in exprs], layout, planner.top)
