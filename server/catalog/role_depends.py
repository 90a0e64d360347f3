"""What depends on a role, so that it can't be dropped: as pg_shdepend lists it, and as DROP ROLE tells it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from server.catalog import ddl_depend
from server.catalog.ddl import Change
from server.catalog.descriptor import Acl, Catalog, Oid, Role

KINDS = {
    "table": "relations",
    "sequence": "sequences",
    "function": "functions",
    "type": "types",
    "schema": "schemas",
}
"""Kinds of objects with default privileges, as messages name them."""


class Dependence(NamedTuple):
    """That an object needs a role."""

    oid: Oid
    attnum: int
    catalog: str
    """The relation of the object: pg_class, pg_namespace, pg_default_acl, pg_auth_members."""
    kind: str
    """o: the role owns it; a: it is in its access list."""
    role: Oid


def dependences(catalog: Catalog) -> Iterator[Dependence]:
    """All of them, in the order of objects."""
    yield from sorted(_all(catalog), key=lambda each: (each.oid, each.attnum, each.kind == "a"))


def _all(catalog: Catalog) -> Iterator[Dependence]:
    for schema in catalog.schemas.values():
        yield Dependence(schema.oid, 0, "pg_namespace", "o", schema.owner)
        yield from _in_list(schema.oid, 0, "pg_namespace", schema.acl, schema.owner)
    for table in catalog.tables.values():
        yield Dependence(table.oid, 0, "pg_class", "o", table.owner)
        yield from _in_list(table.oid, 0, "pg_class", table.acl, table.owner)
        for attnum, column in enumerate(table.columns, 1):
            yield from _in_list(table.oid, attnum, "pg_class", column.acl, table.owner)
    for each in catalog.default_acls.values():
        yield Dependence(each.oid, 0, "pg_default_acl", "o", each.role)
        yield from _in_list(each.oid, 0, "pg_default_acl", each.acl, each.role)
    for role in catalog.roles.values():
        for membership in role.memberships:
            yield Dependence(membership.oid, 0, "pg_auth_members", "o", membership.grantor)


def _in_list(oid: Oid, attnum: int, catalog: str, entries: Acl, owner: Oid) -> Iterator[Dependence]:
    roles = {role for grantee, _letters, grantor in entries for role in (grantee, grantor)}
    for role in sorted(roles - {0, owner}):
        yield Dependence(oid, attnum, catalog, "a", role)


def on(change: Change, role: Role) -> list[str]:
    """What depends on the role, in PostgreSQL's words; IAM users and roles that may connect as it are DSQL's."""
    found = [(mapping.oid, f"IAM trust with {mapping.arn}") for mapping in role.iam]
    for each in dependences(change.catalog):
        if each.role == role.oid and not _goes_along(change.catalog, each, role):
            what = "owner of" if each.kind == "o" and each.catalog != "pg_auth_members" else "privileges for"
            found.append((each.oid, f"{what} {_described(change, each)}"))
    return [text for _oid, text in sorted(found, key=lambda pair: pair[0])]


def _goes_along(catalog: Catalog, each: Dependence, role: Role) -> bool:
    """Memberships of the role and in it are dropped with it."""
    if each.catalog != "pg_auth_members":
        return False
    member, membership = _membership(catalog, each.oid)
    return role.oid in (member, membership)


def _membership(catalog: Catalog, oid: Oid) -> tuple[Oid, Oid]:
    """(member, role)."""
    return next(
        (member.oid, each.role)
        for member in catalog.roles.values()
        for each in member.memberships
        if each.oid == oid
    )


def _described(change: Change, each: Dependence) -> str:
    catalog = change.catalog
    if each.catalog == "pg_namespace":
        return f"schema {catalog.schemas[each.oid].name}"
    if each.catalog == "pg_class":
        table = catalog.tables[each.oid]
        shown = f"table {ddl_depend.shown(change, table.oid)}"
        return f"column {table.columns[each.attnum - 1].name} of {shown}" if each.attnum else shown
    if each.catalog == "pg_auth_members":
        member, role = _membership(catalog, each.oid)
        return f"membership of role {catalog.roles[member].name} in role {catalog.roles[role].name}"
    held = catalog.default_acls[each.oid]
    text = f"default privileges on new {KINDS[held.kind]} belonging to role {catalog.roles[held.role].name}"
    return f"{text} in schema {catalog.schemas[held.schema_oid].name}" if held.schema_oid else text
