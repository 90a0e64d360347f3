"""Expressions that stand alone: DEFAULT, GENERATED, CHECK, index keys (PostgreSQL, chapters 5.2-5.4 and 11.7)."""

from __future__ import annotations

from server.catalog.descriptor import Catalog, Check, Table
from server.sql import ast, tree
from server.sql.bind_expr import resolve_type, transform_as
from server.sql.bind_from import add_table
from server.sql.bind_query import bind_query
from server.sql.coerce import ASSIGNMENT, as_boolean, coerce_to_target, settle_unknown
from server.sql.env import Env
from server.sql.parse import parse_expression
from server.sql.row_type import row_type
from server.sql.scope import Scope, State, error
from server.sql.tree_walk import map_children, walk
from server.sql.types import BY_OID, TEXT, Type
from server.sql.volatility import is_immutable

GENERATION = "column generation expression"
PURPOSES = {
    "default": "DEFAULT",
    "check": "CHECK",
    "index expression": "index expression",
    "generated": GENERATION,
    "index predicate": "index predicate",
    "call": "CALL",
    "copy where": "COPY FROM WHERE",
}
"""What callers name to what messages say."""


def bind_scalar(
    expr: ast.Expr,
    table: Table | None,
    env: Env,
    catalog: Catalog,
    target: tuple[Type, int] | None,
    purpose: str,
    rel: int = 0,
) -> tree.Expr:
    """The bound expression over `Var(rel)` for the columns of `table`.

    `purpose` is one of `PURPOSES`, for DEFAULT and GENERATED with the column's name after a
    colon (`default:price`); `target` is the type and modifier to assign to. Raises what PostgreSQL raises:
    42804, 0A000 (subqueries, sets, columns in DEFAULT), 42803,
    42P20, 42P02, 42P17 (functions of indexes and of generated columns that are not immutable, generated
    columns of generated ones), 42P10.
    """
    word, _, column = purpose.partition(":")
    kind = PURPOSES[word.lower()]
    state = State(catalog, env, [], 0, (), [], bind_query, next_rel=rel)
    scope = Scope(state, None, kind)
    if table is not None:
        scope.namespace.append(add_table(scope, table, None))
    made = transform_as(scope, expr, kind)
    if kind == "CHECK":
        return as_boolean(scope, made, "CHECK")
    if kind == "COPY FROM WHERE":
        return as_boolean(scope, made, "WHERE")
    if kind == GENERATION:
        assert table is not None
        _check_generation(scope, table, made)
    if target is not None:
        return _assigned(scope, made, target, column)
    if kind == "index predicate":
        made = as_boolean(scope, made, "WHERE")
    made = settle_unknown(scope, made)
    if kind.startswith("index ") and not is_immutable(made):
        raise error("42P17", f"functions in {kind} must be marked IMMUTABLE")
    return made


def bind_type(name: ast.TypeName, env: Env, catalog: Catalog) -> tuple[Type, int]:
    """The type and modifier that a type name means, outside a statement; raises 42704."""
    state = State(catalog, env, [], 0, (), [], bind_query)
    return resolve_type(Scope(state, None, "type"), name)


def _check_generation(scope: Scope, table: Table, expr: tree.Expr) -> None:
    """What a generated column may not be made of (check_nested_generated, cookDefault)."""
    for part in walk(expr):
        if not isinstance(part, tree.Var):
            continue
        if part.column == -1:
            detail = "This would cause the generated column to depend on its own value."
            message = f"cannot use whole-row variable in {GENERATION}"
            raise error("42P17", message, scope.where(part), detail=detail)
        column = table.columns[part.column]
        if column.generated:
            detail = "A generated column cannot reference another generated column."
            message = f'cannot use generated column "{column.name}" in {GENERATION}'
            raise error("42P17", message, scope.where(part), detail=detail)
    if not is_immutable(expr):
        raise error("42P17", "generation expression is not immutable")


def _assigned(scope: Scope, expr: tree.Expr, target: tuple[Type, int], column: str) -> tree.Expr:
    kind, typmod = target
    made = coerce_to_target(scope, expr, kind, typmod, ASSIGNMENT)
    if made is None:
        raise error(
            "42804",
            f'column "{column}" is of type {kind.display} '
            f"but default expression is of type {expr.type.display}",
            hint="You will need to rewrite or cast the expression.",
        )
    return made


def column_default(state: State, table: Table, index: int) -> tree.Expr:
    """What DEFAULT means for a column: its bound default, else NULL; a generated one is filled in later."""
    column = table.columns[index]
    kind = BY_OID.get(column.type_oid)
    if column.dropped or kind is None:
        return tree.Const(TEXT, None)
    if column.default is None or column.generated:
        return tree.Const(kind, None, column.typmod)
    parsed = parse_expression(column.default)
    return bind_scalar(
        parsed, None, state.env, state.catalog, (kind, column.typmod), f"default:{column.name}"
    )


def spread_rows(expr: tree.Expr, table: Table, rel: int) -> tree.Expr:
    """The expression with `Var(rel, -1)`, a row of `table` as one value, made of the columns."""
    kind = row_type(table)

    def spread(node: tree.Expr) -> tree.Expr:
        if isinstance(node, tree.Var) and (node.rel, node.column) == (rel, -1):
            live = [(place, column) for place, column in enumerate(table.columns) if not column.dropped]
            columns = (
                tree.Var(BY_OID[each.type_oid], rel, place, each.typmod, each.name) for place, each in live
            )
            return tree.RowExpr(kind, tuple(columns), kind.made.names)
        return map_children(node, spread)

    return spread(expr)


def bind_check(check: Check, table: Table, env: Env, catalog: Catalog, rel: int = 0) -> tree.Expr:
    """A CHECK constraint's condition over the columns of `table`."""
    bound = bind_scalar(parse_expression(check.expression), table, env, catalog, None, "check", rel)
    return spread_rows(bound, table, rel)


def table_checks(state: State, table: Table, rel: int) -> tuple[tuple[str, tree.Expr], ...]:
    """The CHECK constraints over `Var(rel)`, in the order of their names as PostgreSQL checks them."""
    return tuple(
        (check.name, bind_check(check, table, state.env, state.catalog, rel))
        for check in sorted(table.checks, key=lambda check: check.name)
    )


def bind_generated(table: Table, place: int, env: Env, catalog: Catalog, rel: int = 0) -> tree.Expr:
    """The expression of a generated column, over the other columns of `table`, in the column's type."""
    column = table.columns[place]
    assert column.default is not None
    target = (BY_OID[column.type_oid], column.typmod)
    parsed = parse_expression(column.default)
    return bind_scalar(parsed, table, env, catalog, target, f"generated:{column.name}", rel)


def generated_places(table: Table) -> tuple[int, ...]:
    """0-based places of the generated columns."""
    return tuple(
        place for place, column in enumerate(table.columns) if column.generated and not column.dropped
    )


def table_generated(state: State, table: Table, rel: int) -> tuple[tuple[int, tree.Expr], ...]:
    """The generated columns, by their places: their expressions over `Var(rel)`."""
    return tuple(
        (place, bind_generated(table, place, state.env, state.catalog, rel))
        for place in generated_places(table)
    )
