"""SQL/JSON: the constructors and IS JSON (PostgreSQL 16, chapter 9.16.1; parse_expr.c)."""

from __future__ import annotations

from server.sql import ast, json_construct, tree
from server.sql.bind_aggregate import owned_call, window_call
from server.sql.bind_expr import binds, transform
from server.sql.bind_order import sort_key
from server.sql.coerce import apply_typmod, coerce_type, settle_unknown
from server.sql.functions import Function
from server.sql.scope import Scope, error
from server.sql.type_text import decode
from server.sql.types import BOOL, BYTEA, JSON, JSONB, TEXT, Type

_FROM_BYTES = Function(0, "convert_from", (BYTEA,), TEXT, decode)
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
    wanted, typmod = _returning(scope, node)
    jsonb = wanted is JSONB or (wanted is None and any(arg.type is JSONB for arg in args))
    made = _made(scope, node, args, jsonb)
    if wanted is None or wanted is made.type:
        return made
    if wanted.category == "S":
        return apply_typmod(scope, coerce_type(scope, made, wanted, context="e"), typmod, True)
    if wanted is BYTEA:
        return tree.Call(BYTEA, _TO_BYTES, (coerce_type(scope, made, TEXT, context="e"),))
    raise error("42846", f"cannot cast type json to {wanted.display}", -1)


def _value(scope: Scope, item: ast.JsonItem) -> tree.Expr:
    """A value; with FORMAT JSON it is JSON already. Raises 42804, 22023."""
    value = settle_unknown(scope, transform(scope, item.value))
    format_ = item.format_json
    if format_ is None:
        return value
    name = _encoding(format_)
    if name is not None and value.type is not BYTEA:
        raise error("42804", "JSON ENCODING clause is only allowed for bytea input type", format_.at)
    if value.type in (JSON, JSONB):
        return value
    if value.type is BYTEA:
        if name not in (None, "UTF8"):
            raise error("22023", f'invalid source encoding name "{name}"', -1)
        value = tree.Call(TEXT, _FROM_BYTES, (value,))
    if value.type.category != "S":
        message = "cannot use non-string types with explicit FORMAT JSON clause"
        raise error("42804", message, format_.at)
    return coerce_type(scope, value, JSON, context="e")


def _encoding(format_: ast.JsonFormat) -> str | None:
    """The ENCODING that a FORMAT clause names; 22023."""
    if format_.encoding is None:
        return None
    if format_.encoding.upper() not in ("UTF8", "UTF16", "UTF32"):
        raise error("22023", f"unrecognized JSON encoding: {format_.encoding}", -1)
    return format_.encoding.upper()


def _returning(scope: Scope, node: ast.JsonCall) -> tuple[Type | None, int]:
    """The type and modifier of RETURNING; raises 0A000, 22023."""
    from server.sql.bind_expr import resolve_type

    if node.returning is None:
        return None, -1
    kind, typmod = resolve_type(scope, node.returning)
    format_ = node.returning_format
    if format_ is not None:
        name = _encoding(format_)
        if name is not None and kind is not BYTEA:
            raise error("0A000", "cannot set JSON encoding for non-bytea output types", format_.at)
        if name not in (None, "UTF8"):
            hint = "Only UTF8 JSON encoding is supported."
            raise error("0A000", "unsupported JSON encoding", format_.at, hint=hint)
    return kind, typmod


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
