"""Whether an expression has one value for ever (PostgreSQL, chapter 38.7; contain_mutable_functions)."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from server.sql import tree
from server.sql.functions import Function
from server.sql.tree_walk import walk
from server.sql.types import Type

_STABLE_INPUT = frozenset({"aclitem", "date", "interval", "time", "timestamp", "timestamptz", "timetz"})
_STABLE_OUTPUT = frozenset({"aclitem", "date", "interval", "timestamp", "timestamptz"})
"""Types whose text depends on settings: facts of pg_proc, of typinput and typoutput."""
_STABLE_CASTS = frozenset(
    {
        ("text", "regclass"), ("varchar", "regclass"), ("date", "timestamptz"), ("time", "timetz"),
        ("timestamp", "timestamptz"), ("timestamptz", "date"), ("timestamptz", "time"),
        ("timestamptz", "timestamp"), ("timestamptz", "timetz"),
    }
)  # fmt: skip
"""Casts with a function that is not immutable: facts of pg_cast and pg_proc."""

_INLINED = frozenset({"textanycat", "anytextcat"})
"""`||` of a text and something else: stable, but PostgreSQL looks at the casts that it is made of."""


def is_immutable(expr: tree.Expr) -> bool:
    """Whether it calls nothing that depends on settings, the catalog, time or chance."""
    return not any(_is_mutable(part) for part in walk(expr))


def _is_mutable(node: Any) -> bool:
    if isinstance(node, tree.CoerceIO):
        return _depends(node.arg.type, _STABLE_OUTPUT) or _depends(node.type, _STABLE_INPUT)
    if isinstance(node, tree.CastCall):
        return (node.arg.type.name, node.type.name) in _STABLE_CASTS
    if isinstance(node, tree.Call) and node.function.name in _INLINED:
        return any(_depends(arg.type, _STABLE_OUTPUT) for arg in node.args)
    return any(
        function.volatility != "i"
        for each in fields(node)
        for function in _functions(getattr(node, each.name))
    )


def _functions(value: object) -> tuple[Function, ...]:
    if isinstance(value, Function):
        return (value,)
    return tuple(each for each in value if isinstance(each, Function)) if isinstance(value, tuple) else ()


def _depends(kind: Type, stable: frozenset[str]) -> bool:
    """Arrays, ranges, rows and names of objects are read and shown by functions that are stable."""
    return kind.name in stable or kind.category == "A" or kind.kind in "cmpr" or kind.name.startswith("reg")
