"""COMMENT ON (dsql-reference §1.6): a comment lies in its object's descriptor, so it goes and is renamed with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from server.catalog.ddl import (
    Change,
    Result,
    constraint_names,
    find_relation,
    find_role,
    find_schema,
    find_table,
    require_owner,
)
from server.catalog.descriptor import Check, ForeignKey, Index, Schema, Table
from server.catalog.store import ADMIN_OID, PUBLIC_OID
from server.errors import PgError
from server.sql import ast, refusals

_Part = TypeVar("_Part", Index, Check, ForeignKey)


def comment(change: Change, statement: ast.CommentStmt) -> Result:
    """COMMENT ON the kinds of objects that server/sql/refusals.py does not refuse.

    Raises PgError 42P01, 42703, 42704, 42809, 42601, 42501, 3F000; 0A000 for what is the system's.
    """
    text = statement.comment or None  # an empty one is none (CreateComments)
    _KINDS[statement.kind](change, statement, text)
    return Result("COMMENT")


def _on_table(change: Change, statement: ast.CommentStmt, text: str | None) -> None:
    table = find_table(change.catalog, change.env, ast.RangeVar(statement.names))
    require_owner(change.catalog, change.env, table.owner, f"table {table.name}")
    change.put(msgspec.structs.replace(table, comment=text))


def _on_column(change: Change, statement: ast.CommentStmt, text: str | None) -> None:
    """Not in the list of kinds that is known of DSQL, nor among what it refuses: assumed."""
    if not statement.names:
        raise PgError("42601", "column name must be qualified")
    table, index = find_relation(change.catalog, change.env, statement.names)
    name = statement.sub_name
    places = [
        place
        for place, column in enumerate(table.columns)
        if column.name == name
        and not column.dropped
        and (index is None or any(key.column == place + 1 for key in index.keys))
    ]
    if not places:
        shown = ".".join(statement.names)
        raise PgError("42703", f'column "{name}" of relation "{shown}" does not exist')
    require_owner(change.catalog, change.env, table.owner, f"relation {statement.names[-1]}")
    if index is not None:
        raise _not_of_an_index(f'cannot set comment on relation "{index.name}"')
    columns = list(table.columns)
    columns[places[0]] = msgspec.structs.replace(columns[places[0]], comment=text)
    change.put(msgspec.structs.replace(table, columns=tuple(columns)))


def _not_of_an_index(message: str) -> PgError:
    return PgError("42809", message, detail="This operation is not supported for indexes.")


def _on_index(change: Change, statement: ast.CommentStmt, text: str | None) -> None:
    table, index = find_relation(change.catalog, change.env, statement.names)
    if index is None:
        raise PgError("42809", f'"{statement.names[-1]}" is not an index')
    require_owner(change.catalog, change.env, table.owner, f"index {index.name}")
    change.put(_with_index(table, msgspec.structs.replace(index, comment=text)))


def _on_constraint(change: Change, statement: ast.CommentStmt, text: str | None) -> None:
    table, index = find_relation(change.catalog, change.env, statement.names)
    if index is not None:
        raise _not_of_an_index(f'cannot open relation "{index.name}"')
    name = statement.sub_name
    if name not in constraint_names(table):
        raise PgError("42704", f'constraint "{name}" for table "{table.name}" does not exist')
    require_owner(change.catalog, change.env, table.owner, f"relation {table.name}")
    for each in table.all_indexes:
        if each.constraint and each.name == name:
            change.put(_with_index(table, msgspec.structs.replace(each, constraint_comment=text)))
            return
    change.put(
        msgspec.structs.replace(
            table,
            checks=_commented(table.checks, name, text),
            foreign_keys=_commented(table.foreign_keys, name, text),
        )
    )


def _commented(parts: tuple[_Part, ...], name: str, text: str | None) -> tuple[_Part, ...]:
    return tuple(msgspec.structs.replace(each, comment=text) if each.name == name else each for each in parts)


def _with_index(table: Table, made: Index) -> Table:
    """The table with `made` in the place of the index of its number."""
    if made.primary:
        return msgspec.structs.replace(table, primary_key=made)
    indexes = tuple(made if each.oid == made.oid else each for each in table.indexes)
    return msgspec.structs.replace(table, indexes=indexes)


def _on_schema(change: Change, statement: ast.CommentStmt, text: str | None) -> None:
    schema = find_schema(change.catalog, statement.names[-1])
    require_owner(change.catalog, change.env, schema.owner, f"schema {schema.name}")
    _refuse_system(schema)
    change.put(msgspec.structs.replace(schema, comment=text))


def _refuse_system(schema: Schema) -> None:
    """Nothing of public can be changed (dsql-reference §1.8); for COMMENT that is assumed."""
    if schema.oid == PUBLIC_OID:
        raise refusals.SYSTEM_ENTITY.error()


def _on_role(change: Change, statement: ast.CommentStmt, text: str | None) -> None:
    role = find_role(change, statement.names[-1])
    if change.env.user != "admin":
        detail = "The current user must have the CREATEROLE attribute."
        raise PgError("42501", "permission denied", detail=detail)
    if role.oid == ADMIN_OID:
        raise refusals.SYSTEM_ENTITY.error()
    change.put(msgspec.structs.replace(role, comment=text))


_KINDS: dict[str, Callable[[Change, ast.CommentStmt, str | None], None]] = {
    "table": _on_table,
    "column": _on_column,
    "index": _on_index,
    "constraint": _on_constraint,
    "schema": _on_schema,
    "role": _on_role,
}
