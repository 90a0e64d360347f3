"""ALTER TABLE and ALTER SCHEMA ... OWNER TO (PostgreSQL, tablecmds.c: ATExecChangeOwner; dsql-reference §1.4, §1.6)."""

from __future__ import annotations

import msgspec

from server.catalog import acl, privileges
from server.catalog.ddl import Change, Result, find_role, find_schema, require_owner
from server.catalog.descriptor import Oid, Role, Table
from server.errors import PgError
from server.sql import ast, refusals


def table(change: Change, table: Table, command: ast.AlterCmd) -> None:
    """OWNER TO a role that the user could become, and that may create in the table's schema.

    Raises PgError 42501, 42704.
    """
    assert command.name is not None
    new = find_role(change, command.name)
    if new.oid == table.owner:
        return
    _require_set(change, new)
    schema = change.catalog.schemas[table.schema_oid]
    is_admin = privileges.privileged(change.catalog, change.user_oid) is acl.EVERY
    if not is_admin and not privileges.may_in_schema(change.catalog, new.name, schema, "CREATE"):
        raise privileges.schema_denied(schema.name)
    old = table.owner
    columns = tuple(
        msgspec.structs.replace(column, acl=_moved(column.acl, old, new.oid)) if column.acl else column
        for column in table.columns
    )
    moved = acl.renamed_owner(table.acl, old, new.oid)
    change.put(msgspec.structs.replace(table, owner=new.oid, acl=moved, columns=columns))


def _moved(entries: acl.Items, old: Oid, new: Oid) -> acl.Items:
    return tuple(item for item in acl.renamed_owner(entries, old, new) if item[1])


def _require_set(change: Change, role: Role) -> None:
    if role.oid not in privileges.privileged(change.catalog, change.user_oid, "set"):
        raise PgError("42501", f'must be able to SET ROLE "{role.name}"')


def schema(change: Change, statement: ast.AlterOwnerStmt) -> Result:
    """ALTER SCHEMA OWNER TO. Raises PgError 0A000, 3F000, 42501, 42704."""
    name = statement.names[-1]
    if name == "public":
        raise refusals.SYSTEM_ENTITY.error()
    found, new = find_schema(change.catalog, name), find_role(change, statement.owner)
    if new.oid != found.owner:
        require_owner(change.catalog, change.env, found.owner, f"schema {name}")
        _require_set(change, new)
        if change.env.user != "admin":
            raise PgError("42501", "permission denied for database postgres")
        moved = acl.renamed_owner(found.acl, found.owner, new.oid)
        change.put(msgspec.structs.replace(found, owner=new.oid, acl=moved))
    return Result("ALTER SCHEMA")
