"""Joins: USING and NATURAL merge columns, an alias hides what is inside (PostgreSQL, chapter 7.2.1.1)."""

from __future__ import annotations

from collections.abc import Sequence

from server.sql import ast, tree
from server.sql.bind_expr import transform_as
from server.sql.bind_operator import make_op
from server.sql.coerce import as_boolean, coerce_type, common_type, common_typmod
from server.sql.scope import NsColumn, NsItem, Scope, error
from server.sql.types import BOOL


def join(scope: Scope, node: ast.JoinExpr) -> tuple[tree.Join | int, list[NsItem]]:
    """One JOIN: its tree, and the items that it shows."""
    from server.sql.bind_from import from_item, lateral_state, refuse_duplicates, rename_columns

    left, left_items = from_item(scope, node.left)
    lateral_state(left_items, True, node.kind in ("inner", "left", "cross"))
    before = len(scope.namespace)
    scope.namespace += left_items
    right, right_items = from_item(scope, node.right)
    del scope.namespace[before:]
    refuse_duplicates(left_items, right_items, node.at)
    items = left_items + right_items
    left_columns, right_columns = _columns(left_items), _columns(right_items)
    using = _common_names(left_columns, right_columns) if node.natural else node.using
    condition: tree.Expr | None = None
    merged: list[NsColumn] = []
    if using is not None:
        condition, merged = _using(scope, node, using, left_columns, right_columns)
        left_columns = [column for column in left_columns if column.name not in using]
        right_columns = [column for column in right_columns if column.name not in using]
    elif node.on is not None:
        condition = _on(scope, node.on, items)
    made = tree.Join("inner" if node.kind == "cross" else node.kind, left, right, condition)
    shown = [
        NsColumn(c.name, c.expr, c.table_oid, c.attnum, c.starred)
        for c in [*merged, *left_columns, *right_columns]
    ]
    item = NsItem(
        node.alias.name if node.alias else "unnamed_join",
        shown,
        is_join=True,
        has_alias=node.alias is not None,
        unnamed=node.alias is None,
        rel_visible=node.alias is not None,
    )
    rename_columns(item, node.alias, "join expression")
    if node.alias is not None:
        return made, [item]
    for inner in items:
        inner.columns_visible = False
    return made, [*items, item, *_using_alias(node, merged, items)]


def _using_alias(node: ast.JoinExpr, merged: Sequence[NsColumn], items: Sequence[NsItem]) -> list[NsItem]:
    """JOIN ... USING (...) AS x: x has the merged columns only."""
    if node.using_alias is None:
        return []
    if any(item.rel_visible and item.name == node.using_alias for item in items):
        raise error("42712", f'table name "{node.using_alias}" specified more than once')
    columns = [NsColumn(c.name, c.expr, c.table_oid, c.attnum) for c in merged]
    return [NsItem(node.using_alias, columns, is_join=True, has_alias=True, columns_visible=False)]


def _columns(items: Sequence[NsItem]) -> list[NsColumn]:
    return [column for item in items if item.columns_visible for column in item.columns]


def _common_names(left: Sequence[NsColumn], right: Sequence[NsColumn]) -> ast.Names:
    names = {column.name for column in right}
    return tuple(dict.fromkeys(column.name for column in left if column.name in names))


def _using(
    scope: Scope, node: ast.JoinExpr, using: ast.Names, left: Sequence[NsColumn], right: Sequence[NsColumn]
) -> tuple[tree.Expr | None, list[NsColumn]]:
    """The join's condition and its merged columns."""
    tests: list[tree.Expr] = []
    merged = []
    for index, name in enumerate(using):
        if name in using[:index]:
            raise error("42701", f'column name "{name}" appears more than once in USING clause')
        a, b = _side(left, name, "left"), _side(right, name, "right")
        scope.state.reads(a.expr)
        scope.state.reads(b.expr)
        tests.append(as_boolean(scope, make_op(scope, "=", a.expr, b.expr, -1), "JOIN/USING"))
        merged.append(_merge(scope, node.kind, a, b))
    if not tests:
        return None, merged
    return tests[0] if len(tests) == 1 else tree.BoolExpr(BOOL, "and", tuple(tests)), merged


def _side(columns: Sequence[NsColumn], name: str, side: str) -> NsColumn:
    found = [column for column in columns if column.name == name]
    if not found:
        raise error("42703", f'column "{name}" specified in USING clause does not exist in {side} table')
    if len(found) > 1:
        raise error("42702", f'common column name "{name}" appears more than once in {side} table')
    return found[0]


def _merge(scope: Scope, kind: str, left: NsColumn, right: NsColumn) -> NsColumn:
    """The merged column: the side that cannot be null-extended, or both coalesced for FULL."""
    target = common_type(scope, [left.expr, right.expr], "JOIN/USING")
    typmod = common_typmod([left.expr, right.expr], target)
    a, b = coerce_type(scope, left.expr, target), coerce_type(scope, right.expr, target)
    if kind == "full":
        return NsColumn(left.name, tree.Coalesce(target, (a, b), typmod))
    if kind == "right" or (kind != "left" and a is not left.expr and b is right.expr):
        return NsColumn(left.name, b, right.table_oid, right.attnum)
    return NsColumn(left.name, a, left.table_oid, left.attnum)


def _on(scope: Scope, node: ast.Expr, items: list[NsItem]) -> tree.Expr:
    """ON sees the two sides of its own join only, and outer queries."""
    from server.sql.bind_from import lateral_state

    lateral_state(items, False, True)
    before, scope.namespace = scope.namespace, items
    condition = as_boolean(scope, transform_as(scope, node, "JOIN/ON"), "JOIN/ON")
    scope.namespace = before
    return condition
