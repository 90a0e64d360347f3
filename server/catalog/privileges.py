"""Who may do what (PostgreSQL, chapter 5.7): owners, grants, and membership in roles.

The role admin may do everything, as PostgreSQL's superusers may: DSQL calls it no superuser, but lets it grant itself
every role (dsql-reference §7).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from server.catalog import acl
from server.catalog.acl import EVERY, LETTERS, PUBLIC, Items, Roles
from server.catalog.descriptor import SYSTEM_SCHEMAS, Catalog, Column, Membership, Oid, Schema, Table
from server.catalog.store import ADMIN_OID, PUBLIC_OID
from server.errors import PgError
from server.sql.tree import Access

_PUBLIC_SCHEMA: Items = ((ADMIN_OID, "UC", ADMIN_OID), (PUBLIC, "U", ADMIN_OID))
"""Everybody may use public, and only admin create in it; it can't be granted (dsql-reference §1.8)."""


# --- roles ---


def _inherits(membership: Membership) -> bool:
    return membership.inherit


def _may_set(membership: Membership) -> bool:
    return membership.may_set


def _any(_membership: Membership) -> bool:
    return True


_HOW = {"inherit": _inherits, "set": _may_set, "member": _any}


def roles_of(catalog: Catalog, user: Oid, how: str = "inherit") -> list[Oid]:
    """The role itself and every role that it is a member of, nearest first.

    `how`: inherit, those whose privileges it has; set, those to which it could SET ROLE; member, all.
    """
    counts = _HOW[how]
    found = [user] if user in catalog.roles else []
    for oid in found:
        for membership in catalog.roles[oid].memberships:
            if counts(membership) and membership.role in catalog.roles and membership.role not in found:
                found.append(membership.role)
    return found


def privileged(catalog: Catalog, user: Oid, how: str = "inherit") -> Roles:
    """As `roles_of`, to be asked whether a role is among them; all are for whoever has admin's."""
    roles = roles_of(catalog, user, how)
    return EVERY if ADMIN_OID in roles else roles


def role_oid(catalog: Catalog, user: str) -> Oid:
    """A session's role; PgError 42704 when it was dropped meanwhile."""
    oid = catalog.role_names.get(user)
    if oid is None:
        raise PgError("42704", f'role "{user}" does not exist')
    return oid


def is_owner(catalog: Catalog, user: str, owner: Oid) -> bool:
    """Whether the user has the owner's rights: it is the owner, a member of it, or admin."""
    return owner in privileged(catalog, role_oid(catalog, user))


# --- what objects grant ---


def table_items(table: Table) -> Items:
    """The entries of a table's list."""
    return acl.items_of(table.acl, "table", table.owner)


def schema_items(schema: Schema) -> Items:
    """The entries of a schema's list."""
    if schema.oid == PUBLIC_OID and not schema.acl:
        return _PUBLIC_SCHEMA
    return acl.items_of(schema.acl, "schema", schema.owner)


def may(catalog: Catalog, user: Oid, table: Table, privilege: str) -> bool:
    """Whether the role has the privilege on the whole table."""
    roles = privileged(catalog, user)
    return roles is EVERY or LETTERS[privilege] in acl.held(table_items(table), roles)


def may_columns(catalog: Catalog, user: Oid, table: Table, privilege: str, attnums: Iterable[int]) -> bool:
    """Whether the role has the privilege on the table, or on each of these columns."""
    if may(catalog, user, table, privilege):
        return True
    roles, letter = privileged(catalog, user), LETTERS[privilege]
    return all(_grants(table.columns[attnum - 1], roles, letter) for attnum in attnums)


def _grants(column: Column, roles: Roles, letter: str) -> bool:
    return bool(column.acl) and letter in acl.held(column.acl, roles)


def may_in_schema(catalog: Catalog, user: str, schema: Schema, privilege: str) -> bool:
    """Whether the user has USAGE or CREATE on the schema."""
    if schema.oid == PUBLIC_OID and privilege == "USAGE":
        return True
    roles = privileged(catalog, role_oid(catalog, user))
    return roles is EVERY or LETTERS[privilege] in acl.held(schema_items(schema), roles)


def may_use(catalog: Catalog, user: str, name: str) -> bool:
    """Whether the user may look things up in the schema; also where there is no such schema, or no such user."""
    oid = catalog.schema_names.get(name)
    if user == "admin" or oid is None or oid == PUBLIC_OID or user not in catalog.role_names:
        return True
    return may_in_schema(catalog, user, catalog.schemas[oid], "USAGE")


def schema_denied(name: str, at: int = -1) -> PgError:
    """`at`: the place of the name in the statement, from 0."""
    return PgError("42501", f"permission denied for schema {name}", position=at + 1 if at >= 0 else None)


def require_usage(catalog: Catalog, user: str, name: str, at: int = -1) -> None:
    """PgError 42501 unless the user may look things up in the schema that a name names."""
    if name not in SYSTEM_SCHEMAS and not may_use(catalog, user, name):
        raise schema_denied(name, at)


def usable_path(catalog: Catalog, user: str, path: Sequence[str]) -> Sequence[str]:
    """search_path without the schemas that the user may not use: PostgreSQL passes them over in silence."""
    if user == "admin":
        return path
    return [name for name in path if may_use(catalog, user, name)]


# --- what statements need ---


def check_past(then: Catalog, now: Catalog, user: str, needed: Sequence[Access]) -> None:
    """PgError 42501 unless the user of now may read it as of `then`: by the rule of server.session.past.

    42704: the user was dropped meanwhile.
    """
    oid = role_oid(now, user)
    was = then.roles.get(oid)
    for access in needed:
        table = then.tables.get(access.table)
        if table is None:
            continue
        if was is None or (table.oid not in now.tables and not _owned_throughout(then, now, oid, table)):
            raise table_denied(table)
    if was is not None:
        check(then, was.name, needed, all_=True)
    check(now, user, needed, all_=True)


def _owned_throughout(then: Catalog, now: Catalog, user: Oid, table: Table) -> bool:
    """Whether the role has the rights of the table's owner of then, by its memberships of then and by those of now.

    What was revoked before the table was dropped is known to nobody any more: so no grant of then counts.
    """
    return all(table.owner in privileged(catalog, user) for catalog in (then, now))


def check(catalog: Catalog, user: str, needed: Sequence[Access], *, all_: bool = False) -> None:
    """PgError 42501 unless the user may do all of it (ExecCheckPermissions).

    `all_`: the names were not looked up in this catalog, so whether the user may use the schemas is asked too.
    """
    oid = role_oid(catalog, user)
    roles = privileged(catalog, oid)
    if roles is EVERY:
        return
    for access in needed:
        table = catalog.tables.get(access.table)
        if all_ and table is not None:
            require_usage(catalog, user, catalog.schemas[table.schema_oid].name)
        if table is not None and not _may_access(table, roles, access):
            raise table_denied(table)


def table_denied(table: Table) -> PgError:
    return PgError("42501", f"permission denied for table {table.name}")


def _may_access(table: Table, roles: Roles, access: Access) -> bool:
    """By the table's list, or else by those of the columns, where the privilege is one of columns."""
    missing = acl.without(access.privileges, acl.held(table_items(table), roles))
    columns = {"r": access.selected, "a": access.inserted, "w": access.updated}
    return all(
        letter in columns and _may_in_columns(table, roles, letter, columns[letter]) for letter in missing
    )


def _may_in_columns(table: Table, roles: Roles, letter: str, attnums: frozenset[int]) -> bool:
    """All of these columns, of which 0 stands for all there are; none of them: any column does."""
    live = [attnum for attnum, column in enumerate(table.columns, 1) if not column.dropped]
    if not attnums:
        return any(_grants(table.columns[attnum - 1], roles, letter) for attnum in live)
    if min(attnums) < 0:
        return False  # a system column: nobody grants these
    named = live if 0 in attnums else attnums
    return all(_grants(table.columns[attnum - 1], roles, letter) for attnum in named)


def schemas_of(catalog: Catalog, tables: Iterable[Oid]) -> set[Oid]:
    """The schemas of tables: who may use them may change."""
    return {catalog.tables[oid].schema_oid for oid in tables if oid in catalog.tables}
