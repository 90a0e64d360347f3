"""Relations of FROM other than tables: subqueries, VALUES, functions, CTEs, catalog relations."""

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from server.sql import tree
from server.sql.codegen import Emitter, Unit, compile_expr, fresh, tuple_source
from server.sql.exec_node import Node
from server.sql.exec_source import (
    FunctionScan,
    Recursive,
    Rename,
    Shared,
    Spool,
    ValuesScan,
    VirtualScan,
    WorkTable,
)
from server.sql.plan_walk import conjuncts, free_rels, is_volatile, rewrite, variables, walk
from server.sql.tree import Expr
from server.sql.types import BOOL, is_row

if TYPE_CHECKING:
    from server.sql.plan import Planner, Scope


def renamed(node: Node, rel: int) -> Node:
    """`node` whose columns are called (rel, 0), (rel, 1) ... by position."""
    return Rename(node, {(rel, position): position for position in range(node.width)})


def push_down(query: tree.Query, rel: int, filters: Sequence[Expr]) -> tuple[tree.Query, list[Expr]]:
    """The subquery `rel` under those of `filters` that may run inside of it, and the others.

    Inside is safe when each output row stands for one row of FROM (or for equal ones: DISTINCT) and nothing
    volatile is computed.
    """
    shown = [target.expr for target in query.targets if not target.hidden]
    blocked = (
        query.grouped
        or query.windows
        or query.distinct_on
        or query.set_op is not None
        or query.limit is not None
        or query.offset is not None
        or query.has_set_returning
        or any(is_volatile(expr) for expr in shown)
    )
    if blocked:
        return query, list(filters)
    inside: list[Expr] = []
    outside: list[Expr] = []

    def change(node: Any) -> Any:
        return shown[node.column] if type(node) is tree.Var and node.rel == rel and node.column >= 0 else None

    for expr in filters:
        if is_volatile(expr) or any(var.rel == rel and var.column < 0 for var in variables(expr)):
            outside.append(expr)
        else:
            inside.append(rewrite(expr, change))
    if not inside:
        return query, outside
    parts = [*conjuncts(query.where), *inside]
    return replace(query, where=tree.BoolExpr(BOOL, "and", tuple(parts))), outside


def plan_relation(planner: "Planner", rel: tree.Rel, outer: "Scope") -> Node:
    """The source of a relation's rows."""
    if isinstance(rel, tree.QueryRel):
        return planner.subquery(rel.query, rel.id, outer)
    if isinstance(rel, tree.ValuesRel):
        return _values(rel, outer)
    if isinstance(rel, tree.FunctionRel):
        return _function(rel, outer)
    if isinstance(rel, tree.VirtualRel):
        layout = {(rel.id, position): position for position in range(len(rel.columns))}
        return VirtualScan(rel.rows, layout, rel.name)
    if isinstance(rel, tree.CteRel):
        return renamed(planner.ctes[rel.cte](), rel.id)
    raise AssertionError(rel)


def _values(rel: tree.ValuesRel, outer: "Scope") -> Node:
    rows: list[Callable[[Any], tuple[Any, ...]]] = []
    for exprs in rel.rows:
        if all(isinstance(expr, tree.Const | tree.Param) for expr in exprs):
            rows.append(_direct(exprs))
            continue
        unit = Unit()
        rows.append(unit.finish("c", [f"return {tuple_source(Emitter(unit, {}, outer), exprs)}"]))
    layout = {(rel.id, position): position for position in range(len(rel.columns))}
    return ValuesScan(rows, layout)


def _direct(exprs: Sequence[Expr]) -> Callable[[Any], tuple[Any, ...]]:
    """A row of constants and parameters: to compile each of 100,000 rows would take seconds."""
    picks = [
        (expr.index, None) if isinstance(expr, tree.Param) else (-1, getattr(expr, "value", None))
        for expr in exprs
    ]
    return lambda c: tuple([value if index < 0 else c.params[index] for index, value in picks])


def _function(rel: tree.FunctionRel, outer: "Scope") -> Node:
    parts = [(_call(call, outer), width, _spread(call)) for call, width in zip(rel.calls, rel.widths)]
    width = sum(rel.widths) + rel.ordinality
    layout = {(rel.id, position): position for position in range(width)}
    return FunctionScan(parts, rel.ordinality, layout, width, _name(rel))


def _name(rel: tree.FunctionRel) -> str:
    call = rel.calls[0]
    return str(call.function.name) if isinstance(call, tree.Call | tree.SetReturning) else rel.alias


def _spread(call: Expr) -> bool:
    """Whether each value is a row of several columns."""
    function = getattr(call, "function", None)
    return (function is not None and len(function.out_columns) > 1) or is_row(call.type)


def _call(call: Expr, outer: "Scope") -> Callable[[Any], Any]:
    """ctx -> an iterable of the values that one function of FROM gives."""
    if isinstance(call, tree.SetReturning):
        return set_values(call, {}, outer)
    value = compile_expr(call, {}, outer)
    return lambda c: (value((), c),)


def set_values(call: tree.SetReturning, layout: Any, outer: "Scope") -> Callable[..., Any]:
    """(ctx) or, over a layout, (ctx, row) -> an iterable of values; empty for a NULL argument if strict."""
    function = call.function
    unit = Unit()
    args = tuple_source(Emitter(unit, {key: f"r[{at}]" for key, at in layout.items()}, outer), call.args)
    lines = [f"args = {args}"]
    if function.strict:
        lines.append("if any(a is None for a in args): return ()")
    lead = function.lead
    if function.needs_types:
        lead.append(unit.bind(tuple(arg.type for arg in call.args)))
    lines.append(f"return {unit.bind(function.impl)}({', '.join([*lead, '*args'])})")
    return unit.finish("c, r=()", lines)


# --- CTEs ------------------------------------------------------------------------------------------------


def plan_ctes(planner: "Planner", ctes: Sequence[tree.Cte], outer: "Scope") -> None:
    """Make every CTE of a query readable through `planner.ctes`."""
    for cte in ctes:
        if cte.id in planner.ctes:
            continue
        if isinstance(cte.query, tree.Query) and (
            free_rels(cte.query) or reads_any(cte.query, planner.correlated)
        ):
            planner.correlated.add(cte.id)
        if not isinstance(cte.query, tree.Query):
            from server.sql.dml import modifying_cte

            planner.ctes[cte.id] = modifying_cte(planner, cte, outer)
            continue
        if cte.recursive and cte.query.set_op is not None and _names_itself(cte):
            planner.ctes[cte.id] = _recursive(planner, cte, outer)
            continue
        inline = cte.materialized is not True and not is_volatile(cte.query)
        if inline and (cte.uses <= 1 or cte.materialized is False):
            planner.ctes[cte.id] = _inline(planner, cte.query, outer)
        else:
            planner.ctes[cte.id] = _spooled(planner.select(cte.query, outer))


def _names_itself(cte: tree.Cte) -> bool:
    return reads_any(cte.query, {cte.id})


def reads_any(query: Any, ctes: Set[int]) -> bool:
    """Whether one of `ctes` is referred to anywhere in `query`."""
    return any(type(node) is tree.CteRel and node.cte in ctes for node in _rels(walk(query)))


def _rels(nodes: Iterator[Any]) -> Iterator[Any]:
    for node in nodes:
        if type(node) is tree.Query:
            yield from node.rels


def _inline(planner: "Planner", query: tree.Query, outer: "Scope") -> Callable[[], Node]:
    return lambda: planner.select(query, outer)


def _spooled(node: Node) -> Callable[[], Node]:
    spool = Spool(node, fresh())
    return lambda: Shared(spool)


def _recursive(planner: "Planner", cte: tree.Cte, outer: "Scope") -> Callable[[], Node]:
    """WITH RECURSIVE: the working table is what the recursive part reads (PostgreSQL, chapter 7.8.2)."""
    query = cte.query
    assert isinstance(query, tree.Query) and query.set_op is not None
    operation = query.set_op
    first = planner.select(operation.left, outer)
    key = fresh()
    planner.ctes[cte.id] = lambda: WorkTable(key, first.width)
    again = planner.select(operation.right, outer)
    types = [target.expr.type for target in query.targets if not target.hidden]
    converts = [kind.sort_key for kind in types]
    node = Recursive(first, again, key, None if operation.all else converts)
    del planner.ctes[cte.id]
    return _spooled(node)
