"""Window definitions: copies of named windows, and frames (PostgreSQL, chapter 4.2.8)."""

from __future__ import annotations

from dataclasses import dataclass

from server.sql import ast, tree
from server.sql.bind_expr import located, transform_as
from server.sql.bind_order import direction, require_equality
from server.sql.coerce import as_type, coerce_to_target, coerce_type, settle_unknown
from server.sql.resolve import resolve_operator
from server.sql.scope import Scope, error
from server.sql.tree_walk import contains_var
from server.sql.types import FLOAT8, INT8, INTERVAL, UNKNOWN, Type


@dataclass(slots=True)
class _Done:
    """A window that is bound, with what a copy must know."""

    name: str | None
    window: tree.Window
    has_frame: bool


def windows(scope: Scope) -> tuple[tree.Window, ...]:
    """The query's windows in the order of `scope.window_defs`; raises 42P20, 42704."""
    done: list[_Done] = []
    for definition in scope.window_defs:
        if definition.name is not None and any(other.name == definition.name for other in done):
            raise error("42P20", f'window "{definition.name}" is already defined', definition.at)
        done.append(_window(scope, definition, done))
    return tuple(one.window for one in done)


def _window(scope: Scope, node: ast.WindowDef, done: list[_Done]) -> _Done:
    base = _base(node, done)
    order = _order(scope, node)
    partition = _partition(scope, node)
    if base is not None:
        if node.partition_by:
            raise error("42P20", f'cannot override PARTITION BY clause of window "{node.base}"', node.at)
        if node.order_by and base.window.order_by:
            raise error("42P20", f'cannot override ORDER BY clause of window "{node.base}"', node.at)
        if base.has_frame:
            message = f'cannot copy window "{node.base}" because it has a frame clause'
            plain = not node.order_by and node.frame_mode is None
            hint = "Omit the parentheses in this OVER clause." if plain and node.name is None else None
            raise error("42P20", message, node.at, hint=hint)
        partition = base.window.partition_by
        order = order or base.window.order_by
    mode = node.frame_mode or "range"
    _check_frame(scope, node, mode, order)
    start = (node.start[0], _offset(scope, node.start[1], mode, order, "starting"))
    end = (node.end[0], _offset(scope, node.end[1], mode, order, "ending"))
    window = tree.Window(partition, order, mode, start, end, node.exclude)
    return _Done(node.name, window, node.frame_mode is not None)


def _base(node: ast.WindowDef, done: list[_Done]) -> _Done | None:
    if node.base is None:
        return None
    for other in done:
        if other.name == node.base:
            return other
    raise error("42704", f'window "{node.base}" does not exist', node.at)


def _order(scope: Scope, node: ast.WindowDef) -> tuple[tree.SortKey, ...]:
    keys: list[tree.SortKey] = []
    for item in node.order_by:
        expr = _expression(scope, item.expr, "window ORDER BY")
        descending, nulls_first = direction(scope, item, expr)
        if not any(key.expr == expr for key in keys):
            keys.append(tree.SortKey(expr, descending, nulls_first))
    return tuple(keys)


def _partition(scope: Scope, node: ast.WindowDef) -> tuple[tree.Expr, ...]:
    made: list[tree.Expr] = []
    for item in node.partition_by:
        expr = _expression(scope, item, "window PARTITION BY")
        require_equality(expr.type, scope.where(expr))
        if expr not in made:
            made.append(expr)
    return tuple(made)


def _expression(scope: Scope, node: ast.Expr, kind: str) -> tree.Expr:
    """Names and numbers mean no targets here: SQL-99 rules only."""
    return settle_unknown(scope, transform_as(scope, node, kind))


def _check_frame(scope: Scope, node: ast.WindowDef, mode: str, order: tuple[tree.SortKey, ...]) -> None:
    offset = node.start[1] is not None or node.end[1] is not None
    if mode == "range" and offset and len(order) != 1:
        message = "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column"
        raise error("42P20", message, node.at)
    if mode == "groups" and not order:
        raise error("42P20", "GROUPS mode requires an ORDER BY clause", node.at)


def _offset(
    scope: Scope, node: ast.Expr | None, mode: str, order: tuple[tree.SortKey, ...], which: str
) -> tree.Expr | None:
    if node is None:
        return None
    expr = transform_as(scope, node, f"window {mode.upper()}")
    if mode != "range":
        expr = as_type(scope, expr, INT8, mode.upper())
    else:
        expr = _range_offset(scope, expr, order[0].expr.type)
    if contains_var(expr):
        raise error("42P10", f"argument of {mode.upper()} must not contain variables", scope.where(expr))
    return expr


def _range_offset(scope: Scope, expr: tree.Expr, ordered: Type) -> tree.Expr:
    """The offset's type is what can be added to the ordering column (in_range functions)."""
    if expr.type is UNKNOWN and ordered.category == "N":
        return coerce_type(scope, expr, ordered)
    by_time = ordered.category == "D" or ordered.name in ("interval", "time", "timetz")
    wanted = INTERVAL if by_time else _numeric_offset(ordered)
    if wanted is None:
        message = f"RANGE with offset PRECEDING/FOLLOWING is not supported for column type {ordered.display}"
        raise error("0A000", message, scope.where(expr))
    made = coerce_to_target(scope, expr, wanted, -1, "i")
    if made is None:
        raise error(
            "0A000",
            "RANGE with offset PRECEDING/FOLLOWING is not supported for column type "
            f"{ordered.display} and offset type {expr.type.display}",
            scope.where(expr),
            hint="Cast the offset value to an appropriate type.",
        )
    with located(scope.where(expr)):
        resolve_operator("+", ordered, made.type)
    return made


def _numeric_offset(ordered: Type) -> Type | None:
    if ordered.name in ("int2", "int4", "int8"):
        return INT8
    if ordered.name == "float4":
        return FLOAT8
    return ordered if ordered.name in ("float8", "numeric") else None
