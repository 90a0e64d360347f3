"""Roles and privileges: CREATE/ALTER/DROP ROLE, GRANT, REVOKE (dsql-reference §1.8)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from journal.broken import require
from server.catalog.ddl import (
    Change,
    Result,
    find_role,
    find_schema,
    find_table,
    require_owner,
)
from server.catalog.descriptor import SYSTEM_SCHEMAS, Oid, Role, Schema, Table
from server.catalog.privileges import LETTERS, PUBLIC, roles_of
from server.errors import PgError
from server.sql import ast, refusals

_TABLE_PRIVILEGES = "arwdDxt"
_SCHEMA_PRIVILEGES = "UC"
_OPTIONS = {"login": True, "nologin": False}


def role(change: Change, statement: ast.RoleStmt) -> Result:
    """CREATE, ALTER and DROP ROLE."""
    if change.env.user != "admin":
        raise PgError("42501", f"permission denied to {statement.action} role")
    handler = {"create": _create, "alter": _alter, "drop": _drop}[statement.action]
    for name in statement.names:
        handler(change, statement, name)
    return Result(f"{statement.action.upper()} ROLE")


def _options(statement: ast.RoleStmt, role: Role) -> Role:
    for option, value in statement.options:
        name = option.lower()
        if name in ("login", "nologin"):
            role = msgspec.structs.replace(role, login=(name == "login") if value is None else bool(value))
        else:
            require(name in ("inherit", "noinherit"), f"role option {name}")
            role = msgspec.structs.replace(
                role, inherit=(name == "inherit") if value is None else bool(value)
            )
    return role


def _create(change: Change, statement: ast.RoleStmt, name: str) -> None:
    if name in change.catalog.role_names:
        raise PgError("42710", f'role "{name}" already exists')
    if name.startswith("pg_") or name in ("public", "none"):
        raise PgError("42939", f'role name "{name}" is reserved')
    change.put(_options(statement, Role(change.new_oid(), name, login=False)))


def _alter(change: Change, statement: ast.RoleStmt, name: str) -> None:
    found = find_role(change, name)
    if name == "admin":
        raise refusals.SYSTEM_ENTITY.error()
    change.put(_options(statement, found))


def _drop(change: Change, statement: ast.RoleStmt, name: str) -> None:
    if name not in change.catalog.role_names:
        if not statement.if_exists:
            raise PgError("42704", f'role "{name}" does not exist')
        change.notices.append(PgError("00000", f'role "{name}" does not exist, skipping'))
        return
    if name == "admin":
        raise refusals.SYSTEM_ENTITY.error()
    found = find_role(change, name)
    depending = [f"IAM trust with {mapping.arn}" for mapping in found.iam]
    for kind, objects in (("table", change.catalog.tables), ("schema", change.catalog.schemas)):
        for each in objects.values():
            if each.owner == found.oid:
                depending.append(f"owner of {kind} {each.name}")
            if any(grantee == found.oid for grantee, _letters, _grantor in each.acl):
                depending.append(f"privileges for {kind} {each.name}")
    if depending:
        raise PgError(
            "2BP01",
            f'role "{name}" cannot be dropped because some objects depend on it',
            detail="\n".join(depending),
        )
    for other in change.catalog.roles.values():
        if found.oid in other.member_of:
            member_of = tuple(oid for oid in other.member_of if oid != found.oid)
            change.put(msgspec.structs.replace(other, member_of=member_of))
    change.drop(found)


# --- GRANT and REVOKE ---


def grant(change: Change, statement: ast.GrantStmt) -> Result:
    """GRANT and REVOKE on tables and schemas, and of roles."""
    if statement.kind == "role":
        return _grant_roles(change, statement)
    tag = "GRANT" if statement.grant else "REVOKE"
    grantees = [PUBLIC if name == "public" else find_role(change, name).oid for name in statement.grantees]
    if statement.kind == "table":
        letters = _letters(statement, _TABLE_PRIVILEGES, "relation")
        for table in _tables(change, statement):
            require_owner(change.catalog, change.env, table.owner, f"table {table.name}")
            acl = _changed_acl(statement.grant, table.acl, grantees, letters, change.user_oid)
            change.put(msgspec.structs.replace(table, acl=acl))
    else:
        require(statement.kind == "schema", f"GRANT on a {statement.kind}")
        letters = _letters(statement, _SCHEMA_PRIVILEGES, "schema")
        for names in statement.objects:
            if names[-1] in SYSTEM_SCHEMAS:
                raise refusals.SYSTEM_ENTITY.error()
            schema: Schema = find_schema(change.catalog, names[-1])
            require_owner(change.catalog, change.env, schema.owner, f"schema {schema.name}")
            acl = _changed_acl(statement.grant, schema.acl, grantees, letters, change.user_oid)
            change.put(msgspec.structs.replace(schema, acl=acl))
    return Result(tag)


def _tables(change: Change, statement: ast.GrantStmt) -> list[Table]:
    if not statement.all_in_schema:
        return [find_table(change.catalog, change.env, ast.RangeVar(names)) for names in statement.objects]
    schemas = {find_schema(change.catalog, names[-1]).oid for names in statement.objects}
    return [table for table in change.catalog.tables.values() if table.schema_oid in schemas]


def _letters(statement: ast.GrantStmt, allowed: str, noun: str) -> str:
    if not statement.privileges:
        return allowed
    letters = ""
    for privilege, _columns in statement.privileges:
        letter = LETTERS.get(privilege.upper())
        if letter is None:
            raise PgError("42601", f'unrecognized privilege type "{privilege}"')
        if letter not in allowed:
            # USAGE is one of sequences, and a relation may be one.
            shown = "table" if letter == "U" else noun
            raise PgError("0LP01", f"invalid privilege type {privilege.upper()} for {shown}")
        letters += letter
    return letters


Acl = tuple[tuple[Oid, str, Oid], ...]


def _changed_acl(is_grant: bool, acl: Acl, grantees: list[Oid], letters: str, grantor: Oid) -> Acl:
    entries = {grantee: (held, by) for grantee, held, by in acl}
    for grantee in grantees:
        held, by = entries.get(grantee, ("", grantor))
        if is_grant:
            held = "".join(sorted(set(held) | set(letters), key=_order))
        else:
            held = "".join(letter for letter in held if letter not in letters)
        entries.pop(grantee, None)
        if held:
            entries[grantee] = (held, by)
    return tuple((grantee, held, by) for grantee, (held, by) in entries.items())


_order: Callable[[str], int] = "arwdDxtUC".index


def _grant_roles(change: Change, statement: ast.GrantStmt) -> Result:
    granted = [find_role(change, name) for name, _columns in statement.privileges]
    if change.env.user != "admin":
        raise PgError("42501", f'permission denied to grant role "{granted[0].name}"')
    for name in statement.grantees:
        for each in granted:
            member = find_role(change, name)
            if statement.grant and member.oid in roles_of(change.catalog, each.oid, inherited=False):
                raise PgError("0LP01", f'role "{each.name}" is a member of role "{member.name}"')
            kept = tuple(oid for oid in member.member_of if oid != each.oid)
            member_of = (*kept, each.oid) if statement.grant else kept
            change.put(msgspec.structs.replace(member, member_of=member_of))
    return Result("GRANT ROLE" if statement.grant else "REVOKE ROLE")
