"""Who may do what to a table (PostgreSQL, chapter 5.7): owners, grants, and membership in roles."""

from server.catalog.descriptor import Catalog, Oid, Schema, Table
from server.catalog.store import ADMIN_OID, PUBLIC_OID
from server.errors import PgError

LETTERS = {
    "SELECT": "r",
    "INSERT": "a",
    "UPDATE": "w",
    "DELETE": "d",
    "TRUNCATE": "D",
    "REFERENCES": "x",
    "TRIGGER": "t",
    "USAGE": "U",
    "CREATE": "C",
}
PUBLIC = 0
"""The grantee oid of PUBLIC."""


def roles_of(catalog: Catalog, user: Oid, *, inherited: bool = True) -> set[Oid]:
    """The role itself and every role that it is a member of; `inherited`: whose privileges it has (no NOINHERIT)."""
    found: set[Oid] = set()
    waiting = [user]
    while waiting:
        oid = waiting.pop()
        if oid in found or oid not in catalog.roles:
            continue
        found.add(oid)
        if catalog.roles[oid].inherit or not inherited:
            waiting.extend(catalog.roles[oid].member_of)
    return found


def may(catalog: Catalog, user: Oid, table: Table, privilege: str) -> bool:
    """Whether the role has the privilege on the table."""
    roles = roles_of(catalog, user)
    if ADMIN_OID in roles or table.owner in roles:
        return True
    letter = LETTERS[privilege]
    return any(
        letter in letters and (grantee == PUBLIC or grantee in roles)
        for grantee, letters, _grantor in table.acl
    )


def role_oid(catalog: Catalog, user: str) -> Oid:
    """A session's role; PgError 42704 when it was dropped meanwhile."""
    oid = catalog.role_names.get(user)
    if oid is None:
        raise PgError("42704", f'role "{user}" does not exist')
    return oid


def is_owner(catalog: Catalog, user: str, owner: Oid) -> bool:
    """Whether the user has the owner's rights: it is the owner, a member of it, or admin."""
    roles = roles_of(catalog, role_oid(catalog, user))
    return owner in roles or ADMIN_OID in roles


def may_in_schema(catalog: Catalog, user: str, schema: Schema, privilege: str) -> bool:
    """USAGE or CREATE; everybody may use public, and only admin create in it (dsql-reference §1.8)."""
    if schema.oid == PUBLIC_OID and privilege == "USAGE":
        return True
    roles = roles_of(catalog, role_oid(catalog, user))
    if ADMIN_OID in roles or schema.owner in roles:
        return True
    letter = LETTERS[privilege]
    return any(
        letter in letters and (grantee == PUBLIC or grantee in roles)
        for grantee, letters, _grantor in schema.acl
    )


def check(catalog: Catalog, user: str, needed: tuple[tuple[Oid, str], ...]) -> None:
    """PgError 42501 unless the user may do all of it."""
    oid = role_oid(catalog, user)
    for table_oid, privilege in needed:
        table = catalog.tables.get(table_oid)
        if table is None:
            continue
        schema = catalog.schemas[table.schema_oid]
        if not may_in_schema(catalog, user, schema, "USAGE"):
            raise PgError("42501", f"permission denied for schema {schema.name}")
        if not may(catalog, oid, table, privilege):
            raise PgError("42501", f"permission denied for table {table.name}")
