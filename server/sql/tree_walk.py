"""Walking bound expressions: their direct parts, and questions about everything inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

from server.sql import tree

LEAVES = (tree.Const, tree.Param, tree.Var, tree.CaseArg, tree.ElementRef)
PLAIN = frozenset(
    {"type", "typmod", "function", "aggregate", "func", "equal", "less", "at", "operator", "names", "query"}
)
"""Fields that hold no expressions of the same query level."""


_PARTS: dict[type, tuple[str, ...]] = {}


def _parts(kind: Any) -> tuple[str, ...]:
    known = _PARTS.get(kind)
    if known is None:
        known = _PARTS[kind] = tuple(field.name for field in fields(kind) if field.name not in PLAIN)
    return known


def _expressions(value: object) -> Iterator[tree.Expr]:
    if isinstance(value, tuple):
        for item in value:
            yield from _expressions(item)
    elif isinstance(value, tree.SortKey):
        yield value.expr
    elif hasattr(value, "typmod") and not isinstance(value, tree.OutputColumn):
        yield value  # type: ignore[misc]


def children(expr: tree.Expr) -> Iterator[tree.Expr]:
    """The direct parts of an expression; a subquery's own expressions are not among them."""
    if isinstance(expr, LEAVES):
        return
    for name in _parts(type(expr)):
        yield from _expressions(getattr(expr, name))


def walk(expr: tree.Expr) -> Iterator[tree.Expr]:
    """The expression and everything below it, subqueries not entered."""
    yield expr
    for child in children(expr):
        yield from walk(child)


def _rewritten(value: object, change: Callable[[tree.Expr], tree.Expr]) -> Any:
    if isinstance(value, tuple):
        return tuple(_rewritten(item, change) for item in value)
    if isinstance(value, tree.SortKey):
        return replace(value, expr=change(value.expr))
    if hasattr(value, "typmod") and not isinstance(value, tree.OutputColumn):
        return change(value)  # type: ignore[arg-type]
    return value


def map_children(expr: tree.Expr, change: Callable[[tree.Expr], tree.Expr]) -> tree.Expr:
    """The expression with `change` applied to its direct parts."""
    if isinstance(expr, LEAVES):
        return expr
    new = {name: _rewritten(getattr(expr, name), change) for name in _parts(type(expr))}
    return replace(expr, **new)


def query_expressions(query: tree.Statement) -> Iterator[tree.Expr]:
    """Every expression of a query, of its FROM items and of its subqueries in FROM and WITH."""
    if not isinstance(query, tree.Query):
        yield from (target.expr for target in query.returning)
        for cte in query.ctes:
            yield from query_expressions(cte.query)
        if isinstance(query, tree.Insert):
            yield from query.values
            if isinstance(query.source, tree.Query):
                yield from query_expressions(query.source)
        else:
            yield from query_expressions(query.query)
        return
    yield from (target.expr for target in query.targets)
    yield from (
        clause for clause in (query.where, query.having, query.limit, query.offset) if clause is not None
    )
    yield from query.group_by
    for window in query.windows:
        yield from window.partition_by
        yield from (key.expr for key in window.order_by)
    yield from _join_conditions(query.from_)
    for rel in query.rels:
        if isinstance(rel, tree.QueryRel):
            yield from query_expressions(rel.query)
        elif isinstance(rel, tree.ValuesRel):
            yield from (expr for row in rel.rows for expr in row)
        elif isinstance(rel, tree.FunctionRel):
            yield from rel.calls
    for cte in query.ctes:
        yield from query_expressions(cte.query)
    if query.set_op is not None:
        yield from query_expressions(query.set_op.left)
        yield from query_expressions(query.set_op.right)


def _join_conditions(join: tree.Join | int | None) -> Iterator[tree.Expr]:
    if isinstance(join, tree.Join):
        if join.condition is not None:
            yield join.condition
        yield from _join_conditions(join.left)
        yield from _join_conditions(join.right)


def deep_walk(expr: tree.Expr) -> Iterator[tree.Expr]:
    """Like walk, entering subqueries."""
    for part in walk(expr):
        yield part
        if isinstance(part, tree.SubLink):
            for inner in query_expressions(part.query):
                yield from deep_walk(inner)


def contains_var(expr: tree.Expr) -> bool:
    """It names a column (of any level)."""
    return any(isinstance(part, tree.Var) for part in walk(expr))
