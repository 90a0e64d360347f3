"""Subqueries in expressions (PostgreSQL, chapters 4.2.11 and 9.23; transformSubLink)."""

from __future__ import annotations

from collections.abc import Sequence

from server.sql import ast, tree
from server.sql.bind_expr import binds, transform
from server.sql.bind_operator import row_member, row_op
from server.sql.functions import Function
from server.sql.scope import Scope, error
from server.sql.types import BOOL, array_of

REFUSED = {
    "CHECK": "cannot use subquery in check constraint",
    "DEFAULT": "cannot use subquery in DEFAULT expression",
    "CALL": "cannot use subquery in CALL argument",
    "COPY FROM WHERE": "cannot use subquery in COPY FROM WHERE condition",
    "index expression": "cannot use subquery in index expression",
    "column generation expression": "cannot use subquery in column generation expression",
    "index predicate": "cannot use subquery in index predicate",
}


@binds(ast.SubLink)
def sublink(scope: Scope, node: ast.SubLink) -> tree.Expr:
    if scope.kind in REFUSED:
        raise error("0A000", REFUSED[scope.kind], node.at)
    if node.kind == "exists":
        scope.state.sublink_names[id(node)] = "exists"
        return tree.SubLink(BOOL, "exists", scope.state.bind_query(scope, node.query))
    if node.kind in ("scalar", "array"):
        return _value(scope, node)
    return _comparison(scope, node)


def _value(scope: Scope, node: ast.SubLink) -> tree.Expr:
    query = scope.state.bind_query(scope, node.query)
    if len(query.columns) != 1:
        raise error("42601", "subquery must return only one column", node.at)
    column = query.columns[0]
    if node.kind == "scalar":
        scope.state.sublink_names[id(node)] = column.name
        return tree.SubLink(column.type, "scalar", query, typmod=column.typmod)
    scope.state.sublink_names[id(node)] = "array"
    array = column.type if column.type.category == "A" else array_of(column.type)
    if array is None:
        raise error("42704", f"could not find array type for data type {column.type.display}", node.at)
    return tree.SubLink(array, "array", query)


def _comparison(scope: Scope, node: ast.SubLink) -> tree.Expr:
    """ANY and ALL: a comparison of the left side with each row of the subquery."""
    assert node.test is not None
    left = transform(scope, node.test)
    query = scope.state.bind_query(scope, node.query)
    lefts = left.items if isinstance(left, tree.RowExpr) and isinstance(node.test, ast.RowExpr) else (left,)
    rel, compare = _compare(scope, lefts, query, node.operator or "=", node.at)
    return tree.SubLink(BOOL, node.kind, query, compare, rel, _equalities(scope, compare, rel))


def _compare(
    scope: Scope, lefts: Sequence[tree.Expr], query: tree.Query, operator: str, at: int
) -> tuple[int, tree.Expr]:
    """The comparison over the subquery's columns, which are those of a fresh relation id."""
    columns = query.columns
    if len(lefts) < len(columns):
        raise error("42601", "subquery has too many columns", at)
    if len(lefts) > len(columns):
        raise error("42601", "subquery has too few columns", at)
    rel = scope.state.new_rel(scope)
    outputs = [tree.Var(c.type, rel, index, c.typmod, c.name) for index, c in enumerate(columns)]
    if len(lefts) == 1:
        return rel, row_member(scope, operator, lefts[0], outputs[0], at)
    return rel, row_op(scope, operator, lefts, outputs, at)


def _equalities(scope: Scope, compare: tree.Expr, rel: int) -> tuple[tuple[tree.Expr, int, Function], ...]:
    """(outer expression, column, equality) when every comparison is a plain `=` with a subquery's column."""
    parts = compare.args if isinstance(compare, tree.BoolExpr) and compare.op == "and" else (compare,)
    made = []
    for part in parts:
        if not isinstance(part, tree.Call) or part.operator != "=" or len(part.args) != 2:
            return ()
        right = part.args[1]
        if not isinstance(right, tree.Var) or right.rel != rel:
            return ()
        made.append((part.args[0], right.column, part.function))
    return tuple(made)


def row_sublink(scope: Scope, node: ast.Op) -> tree.Expr:
    """`(a, b) = (SELECT x, y ...)`: a scalar subquery whose output is the comparison; no row gives NULL."""
    assert isinstance(node.left, ast.RowExpr) and isinstance(node.right, ast.SubLink)
    left = transform(scope, node.left)
    assert isinstance(left, tree.RowExpr)
    query = scope.state.bind_query(scope, node.right.query)
    rel, compare = _compare(scope, left.items, query, node.name, node.at)
    target = tree.Target(compare, tree.OutputColumn("?column?", BOOL))
    outer = tree.Query(targets=(target,), rels=(tree.QueryRel(rel, query, False, "subquery"),), from_=rel)
    return tree.SubLink(BOOL, "scalar", outer)
