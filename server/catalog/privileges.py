"""Who may do what to a table (PostgreSQL, chapter 5.7): owners, grants, and membership in roles."""

from server.catalog.descriptor import Catalog, Oid, Table
from server.catalog.store import ADMIN_OID
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


def roles_of(catalog: Catalog, user: Oid) -> set[Oid]:
    """The role itself and every role whose privileges it inherits."""
    found: set[Oid] = set()
    waiting = [user]
    while waiting:
        oid = waiting.pop()
        if oid in found or oid not in catalog.roles:
            continue
        found.add(oid)
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


def check(catalog: Catalog, user: str, needed: tuple[tuple[Oid, str], ...]) -> None:
    """PgError 42501 unless the user may do all of it."""
    oid = catalog.role_names.get(user)
    if oid is None:
        raise PgError("42704", f'role "{user}" does not exist')
    for table_oid, privilege in needed:
        table = catalog.tables.get(table_oid)
        if table is not None and not may(catalog, oid, table, privilege):
            raise PgError("42501", f"permission denied for table {table.name}")
