"""CREATE SCHEMA, alone and with the objects in it (dsql-reference §1.6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from server.catalog import ddl_defaults
from server.catalog.ddl import Change, Result, find_role, run
from server.catalog.descriptor import SYSTEM_SCHEMAS, Role, Schema
from server.errors import PgError
from server.sql import ast


def refuse_reserved_schema(name: str) -> None:
    """PgError 42939."""
    if name.startswith("pg_"):
        raise PgError(
            "42939",
            f'unacceptable schema name "{name}"',
            detail='The prefix "pg_" is reserved for system schemas.',
        )


def create_schema(change: Change, statement: ast.CreateSchemaStmt) -> Result:
    """CREATE SCHEMA; only admin may (dsql-reference §1.6). With elements since 2026-04-24: all of it is one DDL.

    Raises PgError 42501, 54000, 42939, 42P06, 42P15, and what the elements raise.
    """
    catalog = change.catalog
    if change.env.user != "admin":
        raise PgError("42501", "permission denied for database postgres")
    limit = change.txn.limits.schemas
    if len(catalog.schemas) - 1 >= limit:
        raise PgError("54000", f"more than {limit} schemas not allowed")
    owner = change.catalog.roles[change.user_oid]
    if statement.authorization is not None:
        owner = find_role(change, statement.authorization)
    name = statement.name or owner.name
    refuse_reserved_schema(name)
    if name in catalog.schema_names or name in SYSTEM_SCHEMAS:
        if not statement.if_not_exists:
            raise PgError("42P06", f'schema "{name}" already exists')
        change.notices.append(PgError("42P06", f'schema "{name}" already exists, skipping'))
        return Result("CREATE SCHEMA")
    granted = ddl_defaults.acl_of_new(catalog, "schema", owner.oid)
    change.put(Schema(change.new_oid(), name, owner.oid, granted))
    _make_elements(change, list(_elements(name, statement.elements)), name, owner)
    return Result("CREATE SCHEMA")


def _elements(name: str, elements: Sequence[ast.Statement]) -> Iterator[ast.Statement]:
    """What is made in the schema, in PostgreSQL's order: tables as they stand, then what is granted.

    PgError 42P15 for a table of another schema, before anything is made (transformCreateSchemaStmtElements).
    """
    grants = []
    for element in elements:
        if isinstance(element, ast.CreateStmt):
            yield replace(element, relation=_named(name, element.relation))
        else:
            grants.append(element)
    yield from grants


def _named(schema: str, relation: ast.RangeVar) -> ast.RangeVar:
    given = relation.names[-2] if len(relation.names) > 1 else schema
    if given != schema:
        message = f"CREATE specifies a schema ({given}) different from the one being created ({schema})"
        raise PgError("42P15", message)
    return replace(relation, names=(schema, relation.names[-1]))


def _make_elements(change: Change, elements: Sequence[ast.Statement], schema: str, owner: Role) -> None:
    """The schema's owner makes them, and looks for names in the new schema first (CreateSchemaCommand)."""
    outside = change.env
    try:
        for element in elements:
            change.env = outside.inside(owner.name, schema, change.catalog)
            run(change, element)
    finally:
        change.env = outside
