"""Select lists: stars, output names, origins (PostgreSQL, chapter 7.3; parse_target.c's FigureColname)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from server.errors import PgError
from server.sql import ast, tree
from server.sql.bind_column import field_columns, star_columns
from server.sql.bind_expr import transform_as
from server.sql.coerce import settle_unknown
from server.sql.scope import Scope

UNNAMED = "?column?"
MAX_TARGETS = 1664
"""PostgreSQL's MaxTupleAttributeNumber (appendix K)."""


_FIXED: dict[type, str] = {
    ast.NullIf: "nullif",
    ast.ArrayExpr: "array",
    ast.RowExpr: "row",
    ast.Coalesce: "coalesce",
    ast.Grouping: "grouping",
}


@dataclass(slots=True)
class TargetEntry:
    """One output column while its query is being bound."""

    expr: tree.Expr
    name: str
    hidden: bool = False


def figure_name(scope: Scope, node: ast.Expr) -> str:
    """The name of an output column without AS."""
    return _figure(scope.state.sublink_names, node)[0] or UNNAMED


def figure_key_name(node: ast.Expr) -> str:
    """The name of an expression among an index's columns (FigureIndexColname)."""
    return _figure({}, node)[0] or "expr"


def _figure(sublinks: Mapping[int, str], node: ast.Expr) -> tuple[str | None, int]:
    """(name, strength): 2 from a column or function, 1 from a type or CASE."""
    match node:
        case ast.ColumnRef(names=names):
            named = [name for name in names if name != "*"]
            return (named[-1], 2) if named else (None, 0)
        case ast.FuncCall(names=names):
            return names[-1], 2
        case ast.FieldSelect(name=name, star=False):
            return name, 2
        case ast.JsonCall(name=called):
            return called, 2
        case ast.Subscript(arg=arg) | ast.Collate(arg=arg):
            return _figure(sublinks, arg)
        case ast.TypeCast(arg=arg, type=kind):
            inner = _figure(sublinks, arg)
            return inner if inner[1] > 1 else (kind.names[-1], 1)
        case ast.CaseExpr(default=default):
            inner = _figure(sublinks, default) if default is not None else (None, 0)
            return inner if inner[1] > 1 else ("case", 1)
        case ast.SubLink():
            return sublinks.get(id(node)), 2 if id(node) in sublinks else 0
        case ast.MinMax(op=name) | ast.SqlValueFunction(name=name):
            return name.lower(), 2
    fixed = _FIXED.get(type(node))
    return fixed, 2 if fixed else 0


def transform_targets(scope: Scope, targets: Sequence[ast.ResTarget], kind: str) -> list[TargetEntry]:
    """A select or RETURNING list."""
    entries: list[TargetEntry] = []
    before, scope.kind = scope.kind, kind
    for target in targets:
        node = target.expr
        if isinstance(node, ast.ColumnRef) and node.star:
            entries += [TargetEntry(expr, name) for name, expr in star_columns(scope, node)]
        elif isinstance(node, ast.FieldSelect) and node.star:
            entries += [TargetEntry(expr, name) for name, expr in field_columns(scope, node)]
        else:
            assert node is not None
            expr = transform_as(scope, node, kind)
            entries.append(TargetEntry(expr, target.name or figure_name(scope, node)))
    scope.kind = before
    if len(entries) > MAX_TARGETS:
        raise PgError("54011", f"target lists can have at most {MAX_TARGETS} entries")
    return entries


def settle_targets(scope: Scope, entries: Sequence[TargetEntry]) -> None:
    """Outputs whose type is open become text."""
    for entry in entries:
        entry.expr = settle_unknown(scope, entry.expr)


def output_column(scope: Scope, name: str, expr: tree.Expr) -> tree.OutputColumn:
    """How the client sees an expression; a plain column keeps its table and number."""
    table, attnum = 0, 0
    if isinstance(expr, tree.Var):
        table, attnum = scope.state.origins.get((expr.rel, expr.column), (0, 0))
    return tree.OutputColumn(name, expr.type, expr.typmod, table, attnum)


def finish_targets(scope: Scope, entries: Sequence[TargetEntry]) -> tuple[tree.Target, ...]:
    """The bound targets."""
    return tuple(
        tree.Target(entry.expr, output_column(scope, entry.name, entry.expr), entry.hidden)
        for entry in entries
    )


def returning(scope: Scope, targets: Sequence[ast.ResTarget]) -> tuple[tree.Target, ...]:
    """A RETURNING list."""
    entries = transform_targets(scope, targets, "RETURNING")
    settle_targets(scope, entries)
    return finish_targets(scope, entries)
