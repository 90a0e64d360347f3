"""ALTER DEFAULT PRIVILEGES: what is granted on objects when they are made (PostgreSQL, chapter 5.7; aclchk.c).

DSQL has it since 2026-04-24 (dsql-reference §1.8, §11).
"""

from __future__ import annotations

import msgspec

from server.catalog import acl, privileges
from server.catalog.acl import Items
from server.catalog.ddl import Change, Result, find_role, find_schema
from server.catalog.ddl_grant import Wanted, letters_of, wanted_of
from server.catalog.descriptor import Acl, Catalog, DefaultAcl, Oid
from server.errors import PgError
from server.sql import ast


def alter(change: Change, statement: ast.AlterDefaultPrivilegesStmt) -> Result:
    """ALTER DEFAULT PRIVILEGES. Raises PgError 0LP01, 2BP01, 3F000, 42501, 42601, 42704."""
    if statement.repeated_at >= 0:
        raise PgError("42601", "conflicting or redundant options", position=statement.repeated_at + 1)
    action = statement.action
    wanted = wanted_of(change, action)
    if any(columns for _word, columns in action.privileges):
        raise PgError("0LP01", "default privileges cannot be set for columns")
    letters = letters_of(action.privileges, action.kind)
    if letters is None:
        letters = acl.ALL[action.kind]
    if action.kind == "table" and "U" in letters:
        raise PgError("0LP01", "invalid privilege type USAGE for relation")
    if action.kind == "schema" and statement.schemas:
        raise PgError("0LP01", "cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS")
    roles = [find_role(change, name).oid for name in statement.roles] or [change.user_oid]
    for role in roles:
        if role not in privileges.privileged(change.catalog, change.user_oid):
            raise PgError("42501", "permission denied to change default privileges")
        schemas = [find_schema(change.catalog, name).oid for name in statement.schemas]
        for schema in schemas or [0]:
            _set(change, wanted, role, schema, action.kind, letters)
    return Result("ALTER DEFAULT PRIVILEGES")


def _set(change: Change, wanted: Wanted, role: Oid, schema: Oid, kind: str, letters: str) -> None:
    """One list: of a role's objects of a kind, in one schema or in all."""
    there = _find(change.catalog, role, schema, kind)
    default: Items = () if schema else acl.default(kind, role)
    before = default if there is None else there.acl
    made = acl.in_order(wanted.applied(before, letters, role, role, change))
    if made == acl.in_order(default):
        if there is not None:
            change.drop(there)
    elif there is None:
        change.put(DefaultAcl(change.new_oid(), role, schema, kind, made))
    else:
        change.put(msgspec.structs.replace(there, acl=made))


def _find(catalog: Catalog, role: Oid, schema: Oid, kind: str) -> DefaultAcl | None:
    wanted = (role, schema, kind)
    found = catalog.default_acls.values()
    return next((each for each in found if (each.role, each.schema_oid, each.kind) == wanted), None)


def acl_of_new(catalog: Catalog, kind: str, owner: Oid, schema: Oid = 0) -> Acl:
    """What a new object's list is, to be stored (get_user_default_acl): none while it is the default of all."""
    everywhere = _find(catalog, owner, 0, kind)
    here = _find(catalog, owner, schema, kind) if schema else None
    if everywhere is None and here is None:
        return ()
    default = acl.default(kind, owner)
    items = acl.merged(
        default if everywhere is None else everywhere.acl, () if here is None else here.acl, owner
    )
    made = acl.in_order(items)
    return () if made == acl.in_order(default) else acl.to_store(made, owner)


def leave_schema(change: Change, schema: Oid) -> None:
    """The default privileges in a schema that is dropped go with it."""
    for each in list(change.catalog.default_acls.values()):
        if each.schema_oid == schema:
            change.drop(each)
