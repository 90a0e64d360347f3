"""Column references, whole rows, stars and fields of rows (PostgreSQL, chapters 4.2.1 and 8.16.3)."""

from __future__ import annotations

from collections.abc import Sequence

from server.catalog.descriptor import Table
from server.sql import ast, tree
from server.sql.bind_expr import binds, leftmost, transform
from server.sql.bind_missing import missing_column, missing_item
from server.sql.scope import (
    NsItem,
    Scope,
    check_lateral,
    column_of,
    column_var,
    error,
    find_column,
    find_item,
)
from server.sql.types import RECORD, TEXT, RowType, is_row, row_type

NO_COLUMNS = {"DEFAULT": "cannot use column reference in DEFAULT expression"}


@binds(ast.ColumnRef)
def column_ref(scope: Scope, node: ast.ColumnRef) -> tree.Expr:
    if scope.kind in NO_COLUMNS:
        raise error("0A000", NO_COLUMNS[scope.kind], node.at)
    names = node.names
    if node.star:
        return _star_as_row(scope, node)
    if len(names) == 1:
        found = find_column(scope, names[0], node.at)
        if found is not None:
            return found
        item = find_item(scope, None, names[0], node.at)
        if item is not None:
            return whole_row(scope, item[1], node.at)
        raise missing_column(scope, None, names[0], node.at)
    schema, relation, name = _qualified(scope, names, node.at)
    level_item = find_item(scope, schema, relation, node.at)
    if level_item is None:
        raise missing_item(scope, schema, relation, node.at)
    column = column_of(level_item[1], name, node.at)
    if column is not None:
        return column_var(scope, level_item[1], column, node.at)
    field = _field_as_function(scope, level_item[1], name, node.at)
    if field is not None:
        return field
    raise missing_column(scope, relation, name, node.at)


def _star_as_row(scope: Scope, node: ast.ColumnRef) -> tree.Expr:
    """`t.*` where one value is wanted is the whole row."""
    names = node.names[:-1] if node.names[-1:] == ("*",) else node.names
    schema, relation, _ = _qualified(scope, (*names, "*"), node.at)
    found = find_item(scope, schema, relation, node.at)
    if found is None:
        raise missing_item(scope, schema, relation, node.at)
    return whole_row(scope, found[1], node.at)


def _field_as_function(scope: Scope, item: NsItem, name: str, at: int) -> tree.Expr | None:
    """`t.text`: functional notation for a cast of the whole row, the only function of rows by that name."""
    if name != "text" or item.is_join:
        return None
    return tree.CoerceIO(TEXT, whole_row(scope, item, at))


def _qualified(scope: Scope, names: ast.Names, at: int) -> tuple[str | None, str, str]:
    """(schema, relation, column) of a dotted name; raises for a foreign database and for too many dots."""
    if len(names) > 4:
        raise error("42601", f"improper qualified name (too many dotted names): {'.'.join(names)}", at)
    if len(names) == 4:
        if names[0] != getattr(scope.state.env, "database", "postgres"):
            raise error("0A000", f"cross-database references are not implemented: {'.'.join(names)}", at)
        names = names[1:]
    return (names[0] if len(names) == 3 else None), names[-2], names[-1]


def whole_row(scope: Scope, item: NsItem, at: int) -> tree.Expr:
    """The row of a FROM item as one value; the value itself for a function that returns a scalar."""
    if item.scalar_function:
        return column_var(scope, item, item.columns[0], at)
    made: tree.Expr
    if item.rel >= 0 and not item.is_join:
        kind = row_type(item.table) if isinstance(item.table, Table) else RECORD
        made = tree.Var(kind, item.rel, -1, -1, item.name)
    else:
        columns = item.columns
        made = tree.RowExpr(RECORD, tuple(c.expr for c in columns), tuple(c.name for c in columns))
    scope.state.reads(made)
    return scope.place(made, at)


def row_columns(scope: Scope, expr: tree.Expr) -> list[tree.OutputColumn] | None:
    """The fields of a row value; None when they are not known."""
    if isinstance(expr, tree.RowExpr):
        names = expr.names or tuple(f"f{i + 1}" for i in range(len(expr.items)))
        return [tree.OutputColumn(name, item.type, item.typmod) for name, item in zip(names, expr.items)]
    item = _item_of(scope, expr)
    if item is not None:
        return [tree.OutputColumn(c.name, c.expr.type, c.expr.typmod) for c in item.columns]
    if isinstance(expr.type, RowType):
        return [tree.OutputColumn(*field) for field in expr.type.fields]
    if isinstance(expr, tree.Var):
        return scope.state.record_columns.get((expr.rel, expr.column))
    if isinstance(expr, (tree.Call, tree.SetReturning)) and expr.function.out_columns:
        return [tree.OutputColumn(name, kind) for name, kind in expr.function.out_columns]
    if isinstance(expr, tree.SubLink) and expr.kind == "scalar":
        return row_columns(scope, expr.query.targets[0].expr)
    return None


def _item_of(scope: Scope, expr: tree.Expr) -> NsItem | None:
    """The FROM item whose whole row this is."""
    if not isinstance(expr, tree.Var) or expr.column != -1:
        return None
    owner = scope.state.owners.get(expr.rel)
    return next((item for item in owner.items if item.rel == expr.rel), None) if owner is not None else None


@binds(ast.FieldSelect)
def field_select(scope: Scope, node: ast.FieldSelect) -> tree.Expr:
    if node.star:
        raise error("42601", 'row expansion via "*" is not supported here', node.at)
    arg = transform(scope, node.arg)
    at = leftmost(node.arg, -1)
    item = _item_of(scope, arg)
    if item is not None:
        member = column_of(item, node.name, at)
        if member is None:
            raise missing_column(scope, item.name, node.name, at)
        return column_var(scope, item, member, at)
    if not is_row(arg.type):
        message = (
            f"column notation .{node.name} applied to type {arg.type.display}, which is not a composite type"
        )
        raise error("42809", message, at)
    for index, column in enumerate(row_columns(scope, arg) or ()):
        if column.name == node.name:
            if isinstance(arg, tree.RowExpr):
                return arg.items[index]
            return tree.FieldSelect(column.type, arg, index, column.typmod)
    if isinstance(arg.type, RowType):
        raise error("42703", f'column "{node.name}" not found in data type {arg.type.display}', at)
    raise error("42703", f'could not identify column "{node.name}" in record data type', at)


# --- stars -------------------------------------------------------------------------------------------------


def star_columns(scope: Scope, node: ast.ColumnRef) -> list[tuple[str, tree.Expr]]:
    """What `*` or `t.*` stands for; raises 42601 without FROM, 42P01 for an unknown table."""
    names = node.names[:-1] if node.names and node.names[-1] == "*" else node.names
    if not names:
        return _all_columns(scope, node.at)
    schema, relation, _ = _qualified(scope, (*names, "*"), node.at)
    found = find_item(scope, schema, relation, node.at)
    if found is None:
        raise missing_item(scope, schema, relation, node.at)
    shown = [column for column in found[1].columns if column.starred]
    return [(column.name, column_var(scope, found[1], column, node.at)) for column in shown]


def _all_columns(scope: Scope, at: int) -> list[tuple[str, tree.Expr]]:
    columns: list[tuple[str, tree.Expr]] = []
    visible = False
    for item in scope.namespace:
        if not item.columns_visible:
            continue
        visible = True
        if item.lateral_only:
            check_lateral(scope, item, at)
        shown = [column for column in item.columns if column.starred]
        columns += [(column.name, column_var(scope, item, column, at)) for column in shown]
    if not visible:
        raise error("42601", "SELECT * with no tables specified is not valid", at)
    return columns


def field_columns(scope: Scope, node: ast.FieldSelect) -> list[tuple[str, tree.Expr]]:
    """What `(row).*` stands for."""
    arg = transform(scope, node.arg)
    columns = row_columns(scope, arg) if is_row(arg.type) else None
    if columns is None:
        if is_row(arg.type):
            raise error("42601", "record type has not been registered", node.at)
        raise error("42809", f"type {arg.type.display} is not composite")
    if isinstance(arg, tree.RowExpr):
        return [(column.name, item) for column, item in zip(columns, arg.items)]
    item = _item_of(scope, arg)
    if item is not None:
        return [(column.name, column_var(scope, item, column, node.at)) for column in item.columns]
    return [(c.name, tree.FieldSelect(c.type, arg, i, c.typmod)) for i, c in enumerate(columns)]


def expand_stars(scope: Scope, nodes: Sequence[ast.Expr]) -> list[tree.Expr]:
    """The expressions of a row or of function arguments, stars expanded."""
    made: list[tree.Expr] = []
    for node in nodes:
        if isinstance(node, ast.ColumnRef) and node.star:
            made += [expr for _, expr in star_columns(scope, node)]
        elif isinstance(node, ast.FieldSelect) and node.star:
            made += [expr for _, expr in field_columns(scope, node)]
        else:
            made.append(transform(scope, node))
    return made
