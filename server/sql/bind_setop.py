"""UNION, INTERSECT, EXCEPT (PostgreSQL, chapters 7.4 and 10.5; transformSetOperationStmt)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from server.sql import ast, tree
from server.sql.bind_cte import finish_ctes, with_clause
from server.sql.bind_order import limit, order_by, require_equality
from server.sql.bind_target import TargetEntry, finish_targets, output_column
from server.sql.coerce import common_type, common_typmod, to_common_type
from server.sql.scope import NsColumn, NsItem, Scope, error
from server.sql.types import TEXT, UNKNOWN, Type


def set_operation(scope: Scope, node: ast.SetOperation) -> tree.Query:
    """A set operation with its ORDER BY, LIMIT and WITH."""
    if node.locking:
        strength = node.locking[0].strength.upper()
        raise error("0A000", f"FOR {strength} is not allowed with UNION/INTERSECT/EXCEPT")
    ctes = with_clause(scope, node.with_)
    left, right = (_side(scope, side) for side in (node.left, node.right))
    made = combine(scope, node, left, right)
    targets = [TargetEntry(target.expr, target.column.name) for target in made.targets]
    keys = _order(scope, node, targets)
    offset = limit(scope, node.offset, "OFFSET")
    count = limit(scope, node.limit, "LIMIT")
    if node.with_ties and not node.order_by:
        raise error("42601", "WITH TIES cannot be specified without ORDER BY clause")
    return replace(
        made,
        order_by=keys,
        limit=count,
        offset=offset,
        with_ties=node.with_ties,
        ctes=finish_ctes(scope, ctes),
    )


def _side(scope: Scope, node: ast.Query) -> tree.Query:
    """One side; its columns are known to hints under PostgreSQL's name for it."""
    inner = Scope(scope.state, scope)
    query: tree.Query = scope.state.bind_query(None, node, inner, resolve_unknowns=False)
    if isinstance(node, ast.SetOperation) and not query.order_by and query.limit is None and not query.ctes:
        scope.items += inner.items
    else:
        shown = [NsColumn(t.column.name, t.expr) for t in query.targets if not t.hidden]
        scope.items.append(NsItem(f"*SELECT* {len(scope.items) + 1}", shown))
    return query


def combine(scope: Scope, node: ast.SetOperation, left: tree.Query, right: tree.Query) -> tree.Query:
    """The two sides under common types; raises 42601, 42804."""
    operation = node.op.upper()
    left_exprs, right_exprs = _outputs(left), _outputs(right)
    if len(left_exprs) != len(right_exprs):
        at = scope.where(right_exprs[0]) if right_exprs else -1
        raise error("42601", f"each {operation} query must have the same number of columns", at)
    types = [common_type(scope, [a, b], operation) for a, b in zip(left_exprs, right_exprs)]
    typmods = [common_typmod([a, b], kind) for a, b, kind in zip(left_exprs, right_exprs, types)]
    left = convert(scope, left, types, operation)
    right = convert(scope, right, types, operation)
    if not (node.op == "union" and node.all):
        for expr, kind in zip(left_exprs, types):
            require_equality(kind, scope.where(expr))
    rel = scope.state.new_rel(scope)
    entries = [
        TargetEntry(tree.Var(kind, rel, index, typmod, column.name), column.name)
        for index, (column, kind, typmod) in enumerate(zip(left.columns, types, typmods))
    ]
    for entry, expr in zip(entries, left_exprs):
        scope.place(entry.expr, scope.where(expr))
    made = tree.SetOp(node.op, node.all, left, right, rel)
    return tree.Query(targets=finish_targets(scope, entries), set_op=made)


def _outputs(query: tree.Query) -> list[tree.Expr]:
    return [target.expr for target in query.targets if not target.hidden]


def convert(scope: Scope, query: tree.Query, types: Sequence[Type], context: str) -> tree.Query:
    """A side of a set operation with its outputs under the common types.

    What DISTINCT or ORDER BY compares keeps its own type: the conversion then comes above it.
    """
    shown = [target for target in query.targets if not target.hidden]
    if all(target.expr.type is kind for target, kind in zip(shown, types)):
        return query
    if query.distinct or query.distinct_on or query.order_by or query.grouping_sets is not None:
        settled = _settle(scope, query)
        rel = scope.state.new_rel(scope)
        lower: list[tree.Expr] = [
            tree.Var(column.type, rel, index, column.typmod, column.name)
            for index, column in enumerate(settled.columns)
        ]
        made = [to_common_type(scope, expr, kind, context) for expr, kind in zip(lower, types)]
        targets = tuple(
            tree.Target(expr, output_column(scope, column.name, expr))
            for expr, column in zip(made, settled.columns)
        )
        return tree.Query(targets=targets, rels=(tree.QueryRel(rel, settled, False, "*SELECT*"),), from_=rel)
    converted = iter(types)
    targets = tuple(
        target if target.hidden else _converted(scope, target, next(converted), context)
        for target in query.targets
    )
    return replace(query, targets=targets)


def _converted(scope: Scope, target: tree.Target, kind: Type, context: str) -> tree.Target:
    expr = to_common_type(scope, target.expr, kind, context)
    return replace(target, expr=expr, column=output_column(scope, target.column.name, expr))


def _settle(scope: Scope, query: tree.Query) -> tree.Query:
    """Outputs that are still open become text."""
    targets = tuple(
        _converted(scope, target, TEXT, "UNION") if target.expr.type is UNKNOWN else target
        for target in query.targets
    )
    return replace(query, targets=targets)


def _order(
    scope: Scope, node: ast.SetOperation, targets: list[TargetEntry]
) -> tuple[tuple[int, bool, bool], ...]:
    """ORDER BY names the result's columns only; raises 0A000."""
    if not node.order_by:
        return ()
    shown = [NsColumn(entry.name, entry.expr) for entry in targets]
    item = NsItem("*SELECT*", shown, is_join=True, unnamed=True, rel_visible=False)
    before, scope.namespace = scope.namespace, [item]
    count = len(targets)
    keys = order_by(scope, node.order_by, targets)
    scope.namespace = before
    if len(targets) > count:
        raise error(
            "0A000",
            "invalid UNION/INTERSECT/EXCEPT ORDER BY clause",
            scope.where(targets[count].expr),
            detail="Only result column names can be used, not expressions or functions.",
            hint="Add the expression/function to every SELECT, or move the UNION into a FROM clause.",
        )
    return keys
