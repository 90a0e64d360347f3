"""The text that descriptors keep of DEFAULT, GENERATED and CHECK (PostgreSQL, chapters 5.2-5.4).

PostgreSQL keeps the bound expression, so its literals mean for ever what they meant to the statement that wrote them.
A text that is read anew by every session is kept as it was written where no setting gave a literal its meaning, and
otherwise with the literals as the bound expression has them.
"""

from __future__ import annotations

import msgspec

from server.catalog.descriptor import Catalog, Check, Column, Table
from server.errors import PgError
from server.sql import ast, types
from server.sql.ast_walk import walk
from server.sql.bind_scalar import bind_scalar, generated_places
from server.sql.deparse import deparse, deparse_lasting
from server.sql.env import Env, WatchedEnv
from server.sql.parse import parse_expression
from server.sql.tree import Expr
from server.sql.types import Type

_Target = tuple[Type, int]


def bind_to_store(
    env: Env, catalog: Catalog, expr: ast.Expr, table: Table | None, target: _Target, purpose: str
) -> tuple[Expr, str | None]:
    """The expression as `bind_scalar` makes it, and the text to keep of it; None: as it was written.

    Raises what `bind_scalar` raises, and PgError 0A000 for what can't be written so that all settings read it alike.
    """
    watched = WatchedEnv(env)
    bound = bind_scalar(expr, table, watched, catalog, target, purpose)
    may_change = watched.is_of_the_settings or _names_schema(expr)
    return bound, lasting_text(bound, catalog, table, target, purpose) if may_change else None


def _names_schema(expr: ast.Expr) -> bool:
    """Whether it says which table a column is of with the schema, which may be renamed, or be another one."""
    return any(isinstance(node, ast.ColumnRef) and len(node.names) > 2 for node in walk(expr))


def lasting_text(bound: Expr, catalog: Catalog, table: Table | None, target: _Target, purpose: str) -> str:
    """Text of a bound expression that every setting reads as the same and shows as this one; without the table's name.

    Raises PgError 0A000 where there is none.
    """
    shown = deparse(bound, table)
    for text in (shown, deparse_lasting(bound, table)):
        try:
            again = bind_scalar(parse_expression(text), table, Env(), catalog, target, purpose)
        except PgError:
            continue
        if deparse(again, table) == shown:
            return text
    raise PgError(
        "0A000", f"OpenDSQL does not support this {purpose.split(':')[0]} expression yet", detail=shown
    )


def renamed(env: Env, catalog: Catalog, table: Table, name: str) -> Table:
    """The table under a new name, without the old one in its stored expressions (`CHECK (old.a > 0)`)."""
    return reworded(env, catalog, table, msgspec.structs.replace(table, name=name))


def reworded(env: Env, catalog: Catalog, table: Table, made: Table) -> Table:
    """`made`, which is `table` with one name changed, with that name in its stored expressions."""
    checks = tuple(_renamed_check(env, catalog, table, made, check) for check in table.checks)
    columns = list(made.columns)
    for place in generated_places(table):
        columns[place] = _renamed_column(env, catalog, table, made, columns[place])
    return msgspec.structs.replace(made, checks=checks, columns=tuple(columns))


def _renamed_check(env: Env, catalog: Catalog, table: Table, made: Table, check: Check) -> Check:
    text = _reworded(env, catalog, table, made, check.expression, (types.BOOL, -1), "check")
    return msgspec.structs.replace(check, expression=text)


def _renamed_column(env: Env, catalog: Catalog, table: Table, made: Table, column: Column) -> Column:
    assert column.default is not None
    target = (types.BY_OID[column.type_oid], column.typmod)
    purpose = f"generated:{column.name}"
    text = _reworded(env, catalog, table, made, column.default, target, purpose)
    return msgspec.structs.replace(column, default=text)


def _reworded(
    env: Env, catalog: Catalog, table: Table, made: Table, text: str, target: _Target, purpose: str
) -> str:
    """The text for the renamed table: the same one where that does not name the table."""
    parsed = parse_expression(text)
    try:
        bound = bind_scalar(parsed, table, env, catalog, target, purpose)
    except PgError:
        return text  # it names what the table was called before another renaming, and may be called again
    shown = deparse(bound, made)
    try:
        again = bind_scalar(parsed, made, env, catalog, target, purpose)
    except PgError:
        return lasting_text(bound, catalog, made, target, purpose)
    return text if deparse(again, made) == shown else lasting_text(bound, catalog, made, target, purpose)
