"""Expressions as text, for EXPLAIN."""

from collections.abc import Sequence
from typing import Any

from server.sql import tree
from server.sql.deparse import null_words
from server.sql.env import Env
from server.sql.tree import Expr

_ENV = Env()


def condition_lines(label: str, conditions: Sequence[Expr]) -> list[str]:
    """`Filter: (...)` for a conjunction, nothing for an empty one."""
    if not conditions:
        return []
    text = " AND ".join(expr_text(expr) for expr in conditions)
    return [f"{label}: {text if len(conditions) == 1 else f'({text})'}"]


def expr_text(expr: Any) -> str:
    """An expression as SQL text, fully parenthesised."""
    maker = _TEXTS.get(type(expr))
    return maker(expr) if maker is not None else "(...)"


def _const(expr: tree.Const) -> str:
    if expr.value is None:
        return f"NULL::{expr.type.display}"
    text = expr.type.output(expr.value, _ENV)
    if expr.type.name in ("int4", "numeric", "bool"):
        return {"t": "true", "f": "false"}.get(text, text) if expr.type.name == "bool" else text
    quoted = text.replace("'", "''")
    return f"'{quoted}'::{expr.type.display}"


def _call(expr: tree.Call) -> str:
    args = [expr_text(arg) for arg in expr.args]
    if expr.operator is not None:
        return f"({args[0]} {expr.operator} {args[1]})" if len(args) == 2 else f"({expr.operator} {args[0]})"
    return f"{expr.function.name}({', '.join(args)})"


def _bool(expr: tree.BoolExpr) -> str:
    if expr.op == "not":
        return f"(NOT {expr_text(expr.args[0])})"
    return "(" + f" {expr.op.upper()} ".join(expr_text(arg) for arg in expr.args) + ")"


def _cast(expr: Any) -> str:
    return f"({expr_text(expr.arg)})::{expr.type.display}"


def _array_op(expr: tree.ArrayOp) -> str:
    return (
        f"({expr_text(expr.left)} {expr.operator} {'ALL' if expr.all else 'ANY'} ({expr_text(expr.right)}))"
    )


def _null_test(expr: tree.NullTest) -> str:
    return f"({expr_text(expr.arg)} {null_words(expr)})"


def _aggregate(expr: tree.AggregateCall) -> str:
    args = ", ".join(expr_text(arg) for arg in expr.args)
    return f"{expr.aggregate.name}({args or '*'})"


_TEXTS: dict[type, Any] = {
    tree.Const: _const,
    tree.Param: lambda expr: f"${expr.index + 1}",
    tree.Var: lambda expr: expr.name or f"column{expr.column + 1}",
    tree.Call: _call,
    tree.BoolExpr: _bool,
    tree.CoerceIO: _cast,
    tree.Relabel: _cast,
    tree.CastCall: _cast,
    tree.ApplyTypmod: lambda expr: expr_text(expr.arg),
    tree.ArrayOp: _array_op,
    tree.NullTest: _null_test,
    tree.AggregateCall: _aggregate,
    tree.SubLink: lambda expr: "(SubPlan)",
    tree.ArrayExpr: lambda expr: "ARRAY[" + ", ".join(expr_text(item) for item in expr.items) + "]",
    tree.RowExpr: lambda expr: "ROW(" + ", ".join(expr_text(item) for item in expr.items) + ")",
    tree.Coalesce: lambda expr: "COALESCE(" + ", ".join(expr_text(item) for item in expr.args) + ")",
}
