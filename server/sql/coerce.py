"""Coercions: how an expression becomes one of another type (PostgreSQL, chapter 10)."""

from __future__ import annotations

from collections.abc import Sequence

from server.errors import PgError
from server.sql import tree
from server.sql.casts import find_cast
from server.sql.grammar_base import NotLiftable
from server.sql.polymorphic import POLYMORPHIC
from server.sql.resolve import can_coerce, select_common_type
from server.sql.scope import Scope, error
from server.sql.types import (
    ANY,
    ANYCOMPATIBLE,
    ANYCOMPATIBLENONARRAY,
    ANYELEMENT,
    ANYNONARRAY,
    BOOL,
    INTERVAL,
    RECORD,
    TEXT,
    UNKNOWN,
    RowType,
    Type,
    format_type,
    is_row,
)

_AS_GIVEN = frozenset({ANY, ANYELEMENT, ANYNONARRAY, ANYCOMPATIBLE, ANYCOMPATIBLENONARRAY})
"""Types under which every value stays what it is, an untyped one too."""
IMPLICIT, ASSIGNMENT, EXPLICIT = "i", "a", "e"
MODIFIED = frozenset(
    {"varchar", "bpchar", "numeric", "timestamp", "timestamptz", "time", "timetz", "interval"}
)
"""Types with a length coercion function (pg_cast entries from a type to itself)."""


# --- untyped literals and parameters ---------------------------------------------------------------------


def literal_value(scope: Scope, expr: tree.Const, target: Type, typmod: int) -> tree.Const:
    """An untyped literal read by the target type's input; its errors point at the literal."""
    value = expr.value
    if value is not None:
        try:
            value = target.input(str(value), typmod, scope.state.env)
        except PgError as failure:
            if failure.position is None:
                at = scope.where(expr)
                failure.position = at + 1 if at >= 0 else None
            raise
    made = tree.Const(target, value, typmod)
    scope.place(made, scope.where(expr))
    return made


def settle_param(scope: Scope, param: tree.Param, target: Type) -> tree.Param:
    """The first use decides an untyped parameter; raises 42P08 when a later one disagrees."""
    state = scope.state
    if param.index >= len(state.param_types):
        lifted = param.index - len(state.param_types)
        known = state.lifted_types[lifted]
        if known is not UNKNOWN and known is not target:
            raise NotLiftable
        state.lifted_types[lifted] = target
    else:
        known = state.param_types[param.index]
        if known is UNKNOWN:
            state.param_types[param.index] = target
        elif known is not target:
            raise error(
                "42P08",
                f"inconsistent types deduced for parameter ${param.index + 1}",
                scope.where(param),
                detail=f"{known.display} versus {target.display}",
            )
    made = tree.Param(target, param.index)
    scope.place(made, scope.where(param))
    return made


# --- one expression to one type --------------------------------------------------------------------------


def coerce_type(
    scope: Scope, expr: tree.Expr, target: Type, typmod: int = -1, context: str = IMPLICIT
) -> tree.Expr:
    """The expression under type `target`; the caller knows that the coercion exists (`can_coerce`)."""
    source = expr.type
    if source is target or target in _AS_GIVEN:
        return expr
    if source is UNKNOWN:
        if isinstance(expr, tree.Const):
            return literal_value(scope, expr, target, typmod if target is INTERVAL else -1)
        if isinstance(expr, tree.Param):
            return settle_param(scope, expr, target)
        return tree.CoerceIO(target, expr, explicit=context == EXPLICIT)
    if target in POLYMORPHIC or (target is RECORD and is_row(source)):
        return expr
    if isinstance(target, RowType) and source is RECORD:
        return _as_row(scope, expr, target)
    made = _cast(expr, target, context, typmod)
    scope.place(made, scope.where(expr))
    return made


def _as_row(scope: Scope, expr: tree.Expr, target: RowType) -> tree.Expr:
    """A row constructor under a named row type, field by field (coerce_record_to_complex); raises 42846."""
    message = f"cannot cast type record to {target.display}"
    if not isinstance(expr, tree.RowExpr):
        raise error("42846", message, scope.where(expr))
    fields = target.fields
    if len(expr.items) != len(fields):
        detail = f"Input has too {'few' if len(expr.items) < len(fields) else 'many'} columns."
        raise error("42846", message, scope.where(expr), detail=detail)
    items = []
    for place, (item, (_name, kind, typmod)) in enumerate(zip(expr.items, fields), 1):
        made = coerce_to_target(scope, item, kind, typmod, EXPLICIT)
        if made is None:
            detail = f"Cannot cast type {item.type.display} to {kind.display} in column {place}."
            raise error("42846", message, scope.where(item), detail=detail)
        items.append(made)
    row = tree.RowExpr(target, tuple(items), target.made.names)
    scope.place(row, scope.where(expr))
    return row


def _cast(expr: tree.Expr, target: Type, context: str, typmod: int = -1) -> tree.Expr:
    """The node of a cast between two known types."""
    source, explicit = expr.type, context == EXPLICIT
    cast = find_cast(source, target, context)
    if cast is not None and cast.method != "io":
        if cast.func is None:
            return tree.Relabel(target, expr, explicit=explicit)
        return tree.CastCall(target, cast.func, expr, explicit=explicit)
    if (
        source.element is not None
        and target.element is not None
        and source.category == target.category == "A"
    ):
        element = _cast(tree.ElementRef(source.element), target.element, context)
        if isinstance(element, tree.Relabel):
            return tree.Relabel(target, expr, explicit=explicit)
        return tree.CastArray(target, expr, element)
    return tree.CoerceIO(target, expr, explicit=explicit)


def apply_typmod(scope: Scope, expr: tree.Expr, typmod: int, explicit: bool) -> tree.Expr:
    """The length coercion of a type with a modifier; nothing when the expression already has it."""
    if typmod < 0 or expr.typmod == typmod:
        return expr
    kind = expr.type
    if kind.element is not None and kind.element.name in MODIFIED:
        element = tree.ApplyTypmod(kind.element, tree.ElementRef(kind.element), typmod, explicit)
        made: tree.Expr = tree.CastArray(kind, expr, element, typmod)
    elif kind.name in MODIFIED:
        if isinstance(expr, tree.Const) and kind is INTERVAL and expr.value is not None:
            return expr
        made = tree.ApplyTypmod(kind, expr, typmod, explicit)
    else:
        return expr
    scope.place(made, scope.where(expr))
    return made


def coerce_to_target(
    scope: Scope, expr: tree.Expr, target: Type, typmod: int = -1, context: str = ASSIGNMENT
) -> tree.Expr | None:
    """Coercion to a type and modifier; None when there is no such coercion in this context."""
    if not can_coerce(expr.type, target, context):
        return None
    source = expr.type
    made = coerce_type(scope, expr, target, typmod, context)
    if typmod >= 0 and source is UNKNOWN and target is INTERVAL and isinstance(made, tree.Const):
        return made
    return apply_typmod(scope, made, typmod, context == EXPLICIT)


def cast_expression(scope: Scope, expr: tree.Expr, target: Type, typmod: int, at: int) -> tree.Expr:
    """An explicit cast; raises 42846."""
    source = expr.type
    if isinstance(expr, tree.Param) and source is UNKNOWN:
        expr = settle_param(scope, expr, target)
    made = coerce_to_target(scope, expr, target, typmod, EXPLICIT)
    if made is None:
        wanted = target.display if isinstance(target, RowType) else format_type(target.oid, typmod)
        raise error("42846", f"cannot cast type {source.display} to {wanted}", at)
    return made


def as_boolean(scope: Scope, expr: tree.Expr, construct: str) -> tree.Expr:
    """`argument of WHERE must be type boolean`: an implicit coercion to it; no sets."""
    if expr.type is not BOOL:
        made = coerce_to_target(scope, expr, BOOL)
        if made is None:
            message = f"argument of {construct} must be type boolean, not type {expr.type.display}"
            raise error("42804", message, scope.where(expr))
        expr = made
    refuse_set(scope, expr, construct)
    return expr


def as_type(scope: Scope, expr: tree.Expr, target: Type, construct: str) -> tree.Expr:
    """`argument of LIMIT must be type bigint` and the like."""
    if expr.type is not target:
        made = coerce_to_target(scope, expr, target)
        if made is None:
            message = f"argument of {construct} must be type {target.display}, not type {expr.type.display}"
            raise error("42804", message, scope.where(expr))
        expr = made
    refuse_set(scope, expr, construct)
    return expr


def refuse_set(scope: Scope, expr: tree.Expr, construct: str) -> None:
    """42804 when the expression is a set-returning function."""
    if isinstance(expr, tree.SetReturning):
        raise error("42804", f"argument of {construct} must not return a set", scope.where(expr))


def settle_unknown(scope: Scope, expr: tree.Expr) -> tree.Expr:
    """An output whose type is still open becomes text."""
    return coerce_type(scope, expr, TEXT) if expr.type is UNKNOWN else expr


# --- several expressions to one type -----------------------------------------------------------------------


def common_type(scope: Scope, exprs: Sequence[tree.Expr], context: str) -> Type:
    """The type of CASE, VALUES, UNION ... (PostgreSQL, 10.5); raises 42804 at the one that differs."""
    first = exprs[0].type
    if first is not UNKNOWN and all(expr.type is first for expr in exprs):
        return first
    return select_common_type([expr.type for expr in exprs], context, [scope.where(expr) for expr in exprs])


def to_common_type(scope: Scope, expr: tree.Expr, target: Type, context: str) -> tree.Expr:
    """One of them under the common type; raises 42846."""
    if expr.type is target:
        return expr
    if not can_coerce(expr.type, target, IMPLICIT):
        message = f"{context} could not convert type {expr.type.display} to {target.display}"
        raise error("42846", message, scope.where(expr))
    return coerce_type(scope, expr, target)


def common_typmod(exprs: Sequence[tree.Expr], target: Type) -> int:
    """The modifier that all of them share, else -1."""
    typmod = exprs[0].typmod
    if all(expr.type is target and expr.typmod == typmod for expr in exprs):
        return typmod
    return -1
