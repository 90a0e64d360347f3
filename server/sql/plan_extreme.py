"""min and max of an indexed column: the first row from one end of the index (PostgreSQL: planagg.c)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from server.sql import tree
from server.sql.access import access
from server.sql.index_parts import strip_relabels
from server.sql.plan_path import computed_keys, place_of
from server.sql.plan_scan import TableScan
from server.sql.plan_walk import conjuncts, has_node, is_volatile, rewrite, walk
from server.sql.tree import Expr
from server.sql.types import BOOL, INT8

if TYPE_CHECKING:
    from server.sql.plan import Planner, Scope


def with_extremes(planner: "Planner", query: tree.Query, outer: "Scope") -> tree.Query:
    """`query` with each min and max as a subquery that reads one row, where an index has them at its end.

    That is so when the query aggregates one table whole and computes nothing else; otherwise it stays as it is.
    """
    rel = query.rels[0] if len(query.rels) == 1 else None
    plain = not (query.group_by or query.grouping_sets or query.windows or query.has_set_returning)
    if not query.grouped or not plain or not isinstance(rel, tree.TableRel) or query.from_ != rel.id:
        return query
    roots = [*(target.expr for target in query.targets), *conjuncts(query.having)]
    where = conjuncts(query.where)
    if any(has_node(expr, tree.SubLink) for expr in [*roots, *where]) or any(map(is_volatile, where)):
        return query
    calls = [node for root in roots for node in walk(root) if type(node) is tree.AggregateCall]
    found: dict[tree.AggregateCall, tree.SubLink] = {}
    for call in calls:
        made = _end_of_index(planner, query, rel, where, call, outer)
        if made is None:
            return query
        found[call] = made

    def change(node: Any) -> Any:
        return found.get(node) if type(node) is tree.AggregateCall else None

    if not found:
        return query
    targets = tuple(replace(target, expr=rewrite(target.expr, change)) for target in query.targets)
    having = rewrite(query.having, change) if query.having is not None else None
    return replace(query, targets=targets, rels=(), from_=None, where=having, having=None, grouped=False)


def _end_of_index(
    planner: "Planner",
    query: tree.Query,
    rel: tree.TableRel,
    where: Sequence[Expr],
    call: tree.AggregateCall,
    outer: "Scope",
) -> tree.SubLink | None:
    """SELECT column FROM table WHERE ... AND column IS NOT NULL ORDER BY column LIMIT 1."""
    if (
        call.aggregate.name not in ("min", "max")
        or len(call.args) != 1
        or call.filter is not None
        or call.distinct
    ):
        return None
    column = strip_relabels(call.args[0])
    place = place_of(column, rel.id, computed_keys(access(rel.table, planner.catalog.cluster)))
    if place is None:
        return None
    down = call.aggregate.name == "max"
    there = tree.NullTest(BOOL, column, True)
    conditions = [planner.fold(expr) for expr in where] + [there]
    scan = TableScan(rel, planner.catalog, conditions, planner.needed.setdefault(rel.id, set()), outer)
    if not scan.order_by([(place, down, down)], True):
        return None
    value = tree.Target(call.args[0], tree.OutputColumn(call.aggregate.name, call.type))
    order = tree.Target(column, tree.OutputColumn("order", column.type), hidden=True)
    subquery = tree.Query(
        targets=(value, order),
        rels=query.rels,
        from_=query.from_,
        where=tree.BoolExpr(BOOL, "and", (*where, there)),
        order_by=((1, down, down),),
        limit=tree.Const(INT8, 1),
    )
    return tree.SubLink(call.type, "scalar", subquery)
