"""SQL/JSON: the constructors and IS JSON (PostgreSQL 16, chapter 9.16.1; parse_expr.c)."""

from __future__ import annotations

from server.sql import ast, json_construct, tree
from server.sql.bind_aggregate import owned_call, window_call
from server.sql.bind_expr import binds, transform
from server.sql.bind_order import sort_key
from server.sql.coerce import coerce_type, settle_unknown
from server.sql.functions import Function
from server.sql.scope import Scope, error
from server.sql.types import BOOL, BYTEA, JSON, JSONB, TEXT, Type

_TO_BYTES = Function(0, "convert_to", (TEXT,), BYTEA, lambda text: text.encode())


@binds(ast.IsJson)
def is_json(scope: Scope, node: ast.IsJson) -> tree.Expr:
    arg = settle_unknown(scope, transform(scope, node.arg))
    kind = arg.type
    if kind.category != "S" and kind not in (JSON, JSONB, BYTEA):
        raise error("42804", f"cannot use type {kind.display} in IS JSON predicate", -1)
    return tree.Call(BOOL, json_construct.is_json_function(node.kind, node.unique), (arg,))


@binds(ast.JsonCall)
def json_call(scope: Scope, node: ast.JsonCall) -> tree.Expr:
    args: list[tree.Expr] = []
    for item in node.items:
        if item.key is not None:
            args.append(settle_unknown(scope, transform(scope, item.key)))
        args.append(_value(scope, item))
    wanted = _returning(scope, node)
    jsonb = wanted is JSONB or (wanted is None and any(arg.type is JSONB for arg in args))
    made = _made(scope, node, args, jsonb)
    if wanted is None or wanted is made.type:
        return made
    if wanted.category == "S":
        return coerce_type(scope, made, wanted, context="e")
    if wanted is BYTEA:
        return tree.Call(BYTEA, _TO_BYTES, (coerce_type(scope, made, TEXT, context="e"),))
    raise error("42846", f"cannot cast type json to {wanted.display}", -1)


def _value(scope: Scope, item: ast.JsonItem) -> tree.Expr:
    """A value; with FORMAT JSON it is JSON already."""
    value = transform(scope, item.value)
    if not item.format_json or value.type in (JSON, JSONB):
        return settle_unknown(scope, value)
    return coerce_type(scope, value, JSON, context="e")


def _returning(scope: Scope, node: ast.JsonCall) -> Type | None:
    from server.sql.bind_expr import resolve_type

    return resolve_type(scope, node.returning)[0] if node.returning is not None else None


def _made(scope: Scope, node: ast.JsonCall, args: list[tree.Expr], jsonb: bool) -> tree.Expr:
    if node.name == "json_object":
        function = json_construct.object_function(jsonb, node.absent, node.unique)
        return tree.Call(function.result, function, tuple(args))
    if node.name == "json_array":
        function = json_construct.array_function(jsonb, node.absent)
        return tree.Call(function.result, function, tuple(args))
    entry = (
        json_construct.array_aggregate(jsonb, node.absent)
        if node.name == "json_arrayagg"
        else json_construct.object_aggregate(jsonb, node.absent, node.unique)
    )
    call = node.call
    assert call is not None
    if call.over is not None:
        return window_call(scope, call, entry, tuple(args), entry.result)
    keys = tuple(
        sort_key(scope, item, settle_unknown(scope, transform(scope, item.expr))) for item in call.order_by
    )
    return owned_call(scope, call, tree.AggregateCall(entry.result, entry, tuple(args), False, keys))
