"""Which objects a DDL statement uses, for the rule of OC001 (DESIGN §6.7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from server.catalog.ddl import SessionEnv, lookup
from server.catalog.descriptor import Catalog, Oid
from server.errors import PgError
from server.sql import ast

_RELATIONS = frozenset({"table", "index", "column", "constraint"})


def used_objects(statement: Any, catalog: Catalog, env: SessionEnv) -> list[Oid]:
    """The tables, schemas and roles that the statement names and the catalog has, by their oids."""
    return list(dict.fromkeys(_used(statement, catalog, env)))


def _used(statement: Any, catalog: Catalog, env: SessionEnv) -> Iterator[Oid]:
    if isinstance(statement, ast.CreateStmt):
        in_path = [name for name in env.search_path if name in catalog.schema_names]
        yield from _schemas(catalog, statement.relation.names[-2:-1] or in_path[:1])
        yield from _tables(catalog, env, _parents(statement))
    elif isinstance(statement, ast.IndexStmt | ast.AlterTableStmt):
        yield from _tables(catalog, env, [statement.relation.names])
        if isinstance(statement, ast.AlterTableStmt):
            added = [each.constraint for each in statement.commands if each.constraint is not None]
            yield from _tables(catalog, env, [each.references.names for each in added if each.references])
    elif isinstance(statement, ast.VacuumStmt):
        yield from _tables(catalog, env, [relation.names for relation in statement.relations])
    elif isinstance(statement, ast.RenameStmt | ast.CommentStmt):
        yield from _named(catalog, env, statement.kind, [statement.names])
    elif isinstance(statement, ast.AlterObjectSchemaStmt):
        yield from _tables(catalog, env, [statement.names])
        yield from _schemas(catalog, [statement.schema])
    elif isinstance(statement, ast.DropStmt):
        yield from _named(catalog, env, statement.kind, statement.objects)
        if statement.kind == "schema":
            yield from _inside(catalog, statement.objects)
    elif isinstance(statement, ast.CreateSchemaStmt):
        yield from _schemas(catalog, [statement.name] if statement.name is not None else [])
        yield from _roles(catalog, [statement.authorization] if statement.authorization is not None else [])
        for element in statement.elements:
            if isinstance(element, ast.CreateStmt):
                yield from _tables(catalog, env, _parents(element))
            else:
                yield from _used(element, catalog, env)
    elif isinstance(statement, ast.RoleStmt):
        yield from _roles(catalog, statement.names)
    elif isinstance(statement, ast.IamGrantStmt):
        yield from _roles(catalog, [statement.role])
    elif isinstance(statement, ast.GrantStmt):
        yield from _roles(catalog, statement.grantees)
        if statement.kind == "role":
            yield from _roles(catalog, [name for name, _columns in statement.privileges])
        if statement.all_in_schema:
            yield from _inside(catalog, statement.objects)
        else:
            yield from _named(catalog, env, statement.kind, statement.objects)
    elif isinstance(statement, ast.AlterDefaultPrivilegesStmt):
        yield from _roles(catalog, [*(statement.roles or [env.user]), *statement.action.grantees])
        yield from _schemas(catalog, statement.schemas)
    elif isinstance(statement, ast.AlterOwnerStmt):
        yield from _named(catalog, env, statement.kind, [statement.names])
        yield from _roles(catalog, [statement.owner])


def _named(catalog: Catalog, env: SessionEnv, kind: str, objects: Iterable[ast.Names]) -> Iterator[Oid]:
    if kind == "schema":
        yield from _schemas(catalog, [names[-1] for names in objects])
    elif kind == "role":
        yield from _roles(catalog, [names[-1] for names in objects])
    elif kind in _RELATIONS:
        yield from _tables(catalog, env, objects)


def _tables(catalog: Catalog, env: SessionEnv, objects: Iterable[ast.Names]) -> Iterator[Oid]:
    """An index is part of its table."""
    for names in objects:
        try:
            oid = lookup(catalog, env, names)
        except PgError:
            continue  # in a schema that the user could not use then
        if oid is not None:
            yield catalog.index_tables.get(oid, oid)


def _parents(statement: ast.CreateStmt) -> Iterator[ast.Names]:
    """The tables that its foreign keys refer to, and those that it is made like."""
    for element in statement.elements:
        if isinstance(element, ast.LikeClause):
            yield element.relation.names
        constraints = element.constraints if isinstance(element, ast.ColumnDef) else (element,)
        for each in constraints:
            if isinstance(each, ast.Constraint) and each.references is not None:
                yield each.references.names


def _schemas(catalog: Catalog, names: Iterable[str]) -> Iterator[Oid]:
    return (catalog.schema_names[name] for name in names if name in catalog.schema_names)


def _roles(catalog: Catalog, names: Iterable[str]) -> Iterator[Oid]:
    return (catalog.role_names[name] for name in names if name in catalog.role_names)


def _inside(catalog: Catalog, schemas: Iterable[ast.Names]) -> Iterator[Oid]:
    """The tables of these schemas."""
    held = set(_schemas(catalog, [names[-1] for names in schemas]))
    yield from held
    yield from (table.oid for table in catalog.tables.values() if table.schema_oid in held)
