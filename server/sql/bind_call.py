"""Function calls, set-returning ones among them, CURRENT_TIMESTAMP and its kin (PostgreSQL, 4.2.6)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from server.sql import ast, tree
from server.sql.bind_expr import binds, leftmost, located, refuse_schema, transform
from server.sql.casts import find_cast
from server.sql.coerce import apply_typmod, cast_expression, coerce_type, settle_unknown
from server.sql.functions import FUNCTIONS, Aggregate, Function, WindowFunction
from server.sql.resolve import Match, can_coerce, resolve_function
from server.sql.scope import Scope, error
from server.sql.types import (
    ANY,
    BY_NAME,
    DATE,
    RECORD,
    TEXT,
    TIME,
    TIMESTAMP,
    TIMESTAMPTZ,
    TIMETZ,
    UNKNOWN,
    Type,
    array_of,
)

NO_SETS = {
    "JOIN/ON": "JOIN conditions",
    "CHECK": "check constraints",
    "DEFAULT": "DEFAULT expressions",
    "index expression": "index expressions",
    "column generation expression": "column generation expressions",
    "index predicate": "index predicates",
    "CALL": "CALL arguments",
    "COPY FROM WHERE": "COPY FROM WHERE conditions",
    "window frame": "window definitions",
}
"""Kinds whose refusal of set-returning functions has a wording of its own."""
SETS_ALLOWED = frozenset(
    {
        "SELECT",
        "FROM FUNCTION",
        "GROUP BY",
        "ORDER BY",
        "DISTINCT ON",
        "window PARTITION BY",
        "window ORDER BY",
        "VALUES single",
    }
)


def call_name(node: ast.FuncCall) -> str:
    """The function's name as errors show it."""
    return ".".join(node.names)


PROCEDURE = ("sys", "wait_for_job")
"""The only procedure (dsql-reference §6)."""


@binds(ast.FuncCall)
def func_call(scope: Scope, node: ast.FuncCall) -> tree.Expr:
    from server.sql.bind_aggregate import (
        aggregate_call,
        hypothetical_call,
        is_hypothetical,
        window_call,
    )

    args = [transform(scope, arg) for arg in node.args]
    refuse_schema(scope, node.names[:-1], node.at)
    names = [name for name in node.arg_names if name is not None]
    for index, (name, arg) in enumerate(zip(node.arg_names, node.args)):
        if name is None and any(node.arg_names[:index]):
            raise error("42601", "positional argument cannot follow named argument", leftmost(arg, -1))
    for index, name in enumerate(names):
        if name in names[:index]:
            raise error("42601", f'argument name "{name}" used more than once', node.at)
    ordered: list[tree.Expr] = []
    if node.within_group:
        ordered = [transform(scope, key.expr) for key in node.order_by]
    misplaced = len(node.order_by) > 1 and not node.within_group
    types = [arg.type for arg in (*args, *ordered)]
    if is_hypothetical(node):
        return hypothetical_call(scope, node, args, ordered)
    target = _cast_function(node, types)
    if target is not None:
        return cast_expression(scope, args[0], target, -1, node.at)
    if node.names == PROCEDURE and len(args) == 1 and can_coerce(types[0], TEXT, "i"):
        message = "sys.wait_for_job(text) is a procedure"
        raise error("42809", message, node.at, hint="To call a procedure, use CALL.")
    with located(node.at):
        match = resolve_function(node.names, types, names, node.variadic, misplaced)
    if match.kind == "coercion":
        _plain_only(node, "not an aggregate function")
        return cast_expression(scope, args[0], match.result, -1, node.at)
    entry = match.entry
    if isinstance(entry, Function):
        _plain_only(node, "not an aggregate function")
        return _function(scope, node, entry, match, args)
    if isinstance(entry, Aggregate):
        return aggregate_call(scope, node, entry, match, args, ordered)
    assert isinstance(entry, WindowFunction)
    return window_call(scope, node, entry, pass_arguments(scope, match, args), match.result)


def _cast_function(node: ast.FuncCall, types: Sequence[Type]) -> Type | None:
    """The target of `date(x)`, `int4(x)`: casts with a function of their own are known by the type's name."""
    if node != ast.FuncCall(node.names, node.args, at=node.at) or len(types) != 1 or types[0] is UNKNOWN:
        return None
    target = BY_NAME.get(node.names[-1])
    if target is None or target is types[0]:
        return None
    if any(entry.args == tuple(types) for entry in FUNCTIONS.get(node.names[-1], ())):
        return None
    cast = find_cast(types[0], target, "e")
    return target if cast is not None and cast.method == "function" else None


def _plain_only(node: ast.FuncCall, nature: str) -> None:
    """A plain function takes none of an aggregate's decorations; raises 42809."""
    name = call_name(node)
    given = [
        (node.star, f"{name}(*)"),
        (node.distinct, "DISTINCT"),
        (node.within_group, "WITHIN GROUP"),
        (bool(node.order_by), "ORDER BY"),
        (node.filter is not None, "FILTER"),
    ]
    for present, what in given:
        if present:
            raise error("42809", f"{what} specified, but {name} is {nature}", node.at)
    if node.over is not None:
        raise error(
            "42809", f"OVER specified, but {name} is not a window function nor an aggregate function", node.at
        )


def pass_arguments(scope: Scope, match: Match, args: Sequence[tree.Expr]) -> tuple[tree.Expr, ...]:
    """The arguments in the entry's order, coerced, with defaults and the array of a variadic parameter."""
    made: list[tree.Expr] = []
    defaults = iter(match.defaults)
    for kind, position in zip(match.arg_types, match.positions):
        if position is None:
            made.append(tree.Const(kind, next(defaults)))
        elif kind is ANY:
            made.append(_any(scope, args[position]))
        else:
            made.append(coerce_type(scope, args[position], kind))
    if match.collected:
        plain, collected = made[: -match.collected], made[-match.collected :]
        array = array_of(collected[0].type)
        if array is None:
            message = f"could not find array type for data type {collected[0].type.display}"
            raise error("42704", message, scope.where(collected[0]))
        made = [*plain, tree.ArrayExpr(array, tuple(collected))]
    return tuple(made)


def _any(scope: Scope, arg: tree.Expr) -> tree.Expr:
    """An argument of type "any": nothing decides the type of a client's parameter here, a literal is text."""
    if isinstance(arg, tree.Param) and arg.index < len(scope.state.param_types):
        return arg
    return settle_unknown(scope, arg)


def _function(
    scope: Scope, node: ast.FuncCall, entry: Function, match: Match, args: Sequence[tree.Expr]
) -> tree.Expr:
    passed = pass_arguments(scope, match, args)
    scope.state.settles |= entry.settles
    result = RECORD if len(entry.out_columns) > 1 else match.result
    if not entry.returns_set:
        return tree.Call(result, entry, passed)
    check_set_placement(scope, node.at)
    scope.has_set_returning = True
    return tree.SetReturning(result, entry, passed)


def check_set_placement(scope: Scope, at: int) -> None:
    """0A000 where a set-returning function may not stand (check_srf_call_placement)."""
    if scope.kind in SETS_ALLOWED:
        return
    place = NO_SETS.get(scope.kind, scope.kind)
    raise error("0A000", f"set-returning functions are not allowed in {place}", at)


# --- CURRENT_DATE and the like -----------------------------------------------------------------------------

_TIMES: dict[str, Type] = {
    "current_date": DATE,
    "current_time": TIMETZ,
    "current_timestamp": TIMESTAMPTZ,
    "localtime": TIME,
    "localtimestamp": TIMESTAMP,
}
_NAMES = {
    "current_user": "current_user",
    "user": "current_user",
    "current_role": "current_user",
    "session_user": "session_user",
    "current_catalog": "current_database",
    "current_schema": "current_schema",
}


@cache
def _time_function(name: str) -> Function:
    """The transaction's start under the type of CURRENT_DATE and so on."""
    target = _TIMES[name]
    cast = None if target is TIMESTAMPTZ else find_cast(TIMESTAMPTZ, target, "e")
    func = cast.func if cast is not None else None

    def value(env: Any) -> Any:
        return env.now if func is None else func(env.now, env)

    return Function(0, name, (), target, value, volatility="s", needs_env=True)


@binds(ast.SqlValueFunction)
def sql_value_function(scope: Scope, node: ast.SqlValueFunction) -> tree.Expr:
    name = node.name.lower()
    if name in _TIMES:
        made: tree.Expr = tree.Call(_TIMES[name], _time_function(name), ())
        if node.precision is not None and name != "current_date":
            made = apply_typmod(scope, made, min(node.precision, 6), True)
        return made
    with located(node.at):
        match = resolve_function((_NAMES.get(name, name),), [])
    assert isinstance(match.entry, Function)
    return tree.Call(match.result, match.entry, ())
