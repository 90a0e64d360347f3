"""CREATE, ALTER and DROP ROLE (dsql-reference §1.8)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from journal.broken import require
from server.catalog import ddl_membership, role_depends
from server.catalog.ddl import Change, Result, find_role
from server.catalog.descriptor import Oid, Role
from server.catalog.store import ADMIN_OID
from server.errors import PgError
from server.sql import ast, refusals

_MEMBERS = ("in role", "role", "admin", "add user", "drop user")


def role(change: Change, statement: ast.RoleStmt) -> Result:
    """CREATE, ALTER and DROP ROLE. Raises PgError 2BP01, 42501, 42704, 42710, 42939, 0LP01."""
    action = statement.action
    if action == "alter" and _members(statement):
        _alter_group(change, statement)
        return Result("ALTER ROLE")
    if any(option == "reset" for option, _value in statement.options):
        _reset(change, statement)
        return Result("ALTER ROLE")
    if change.env.user != "admin":
        raise _denied(change, statement)
    handler = {"create": _create, "alter": _alter, "drop": _drop}[action]
    for name in statement.names:
        handler(change, statement, name)
    return Result(f"{action.upper()} ROLE")


def _denied(change: Change, statement: ast.RoleStmt) -> PgError:
    """Nobody but admin has the attribute CREATEROLE."""
    action = statement.action
    options = "attribute and the ADMIN option on"
    detail = {
        "create": "attribute may create roles",
        "alter": f'{options} role "{statement.names[0]}" may alter this role',
        "drop": f"{options} the target roles may drop roles",
    }[action]
    if action == "alter":
        find_role(change, statement.names[0])
    text = f"Only roles with the CREATEROLE {detail}."
    return PgError("42501", f"permission denied to {action} role", detail=text)


def _options(statement: ast.RoleStmt, role: Role) -> Role:
    known = set[str]()
    for (option, _value), at in zip(statement.options, statement.places):
        if option in known:
            raise PgError("42601", "conflicting or redundant options", position=at + 1)
        known.add(option)
    given = {option: value for option, value in statement.options if option not in _MEMBERS}
    require(given.keys() <= {"login", "inherit"}, f"role options {given}")
    return msgspec.structs.replace(role, **given)


def _members(statement: ast.RoleStmt) -> list[tuple[str, Sequence[str]]]:
    """The options that name other roles."""
    return [
        (option, value)
        for option, value in statement.options
        if option in _MEMBERS and isinstance(value, tuple)
    ]


def _create(change: Change, statement: ast.RoleStmt, name: str) -> None:
    _refuse_reserved(name)
    if name in change.catalog.role_names:
        raise PgError("42710", f'role "{name}" already exists')
    made = _options(statement, Role(change.new_oid(), name, login=False))
    change.put(made)
    given = dict(_members(statement))
    for group in given.get("in role", ()):
        ddl_membership.add(change, find_role(change, group), [made.oid], ADMIN_OID, {})
    for option, options in (("admin", {"admin": True}), ("role", dict[str, bool]())):
        members = [find_role(change, each).oid for each in given.get(option, ())]
        ddl_membership.add(change, change.catalog.roles[made.oid], members, ADMIN_OID, options)


def _refuse_reserved(name: str) -> None:
    if name.startswith("pg_"):
        detail = 'Role names starting with "pg_" are reserved.'
        raise PgError("42939", f'role name "{name}" is reserved', detail=detail)


def _alter(change: Change, statement: ast.RoleStmt, name: str) -> None:
    found = find_role(change, name)
    if found.oid == ADMIN_OID:
        raise refusals.SYSTEM_ENTITY.error()
    change.put(_options(statement, found))


def _reset(change: Change, statement: ast.RoleStmt) -> None:
    """ALTER ROLE RESET (§1.8 RN): no role has a setting of its own, since SET is refused, so it changes nothing.

    As in PostgreSQL the parameter's name is not looked at then, and a role may do it to itself.
    """
    if not statement.names:
        detail = "Only roles with the SUPERUSER attribute may alter settings globally."
        raise PgError("42501", "permission denied to alter setting", detail=detail)
    found = find_role(change, statement.names[0])
    if change.env.user not in ("admin", found.name):
        raise _denied(change, statement)
    if found.oid == ADMIN_OID:
        raise refusals.SYSTEM_ENTITY.error()
    change.put(found)


def _alter_group(change: Change, statement: ast.RoleStmt) -> None:
    """ALTER GROUP ADD USER and DROP USER: the old words for GRANT and REVOKE."""
    found = find_role(change, statement.names[0])
    for option, names in _members(statement):
        if not ddl_membership.is_admin_of(change.catalog, change.user_oid, found.oid):
            detail = f'Only roles with the ADMIN option on role "{found.name}" may add members.'
            raise PgError("42501", "permission denied to alter role", detail=detail)
        members = [find_role(change, each).oid for each in names]
        grantor = ddl_membership.grantor_of(change, found, None, True)
        if option == "add user":
            ddl_membership.add(change, found, members, grantor, {})
        else:
            ddl_membership.remove(change, found, members, grantor, {}, cascade=False)


def rename(change: Change, statement: ast.RenameStmt) -> Result:
    """ALTER ROLE RENAME TO, which DSQL has since 2026-04-24."""
    name, new_name = statement.names[-1], statement.new_name
    found = find_role(change, name)
    if found.oid == ADMIN_OID:
        raise refusals.SYSTEM_ENTITY.error()
    if found.name == change.env.user:
        raise PgError("0A000", "session user cannot be renamed")
    _refuse_reserved(new_name)
    if new_name in change.catalog.role_names:
        raise PgError("42710", f'role "{new_name}" already exists')
    if change.env.user != "admin":
        of = f'the ADMIN option on role "{name}" may rename this role'
        detail = f"Only roles with the CREATEROLE attribute and {of}."
        raise PgError("42501", "permission denied to rename role", detail=detail)
    change.put(msgspec.structs.replace(found, name=new_name))
    return Result("ALTER ROLE")


# --- DROP ROLE ---


def _drop(change: Change, statement: ast.RoleStmt, name: str) -> None:
    if name not in change.catalog.role_names and statement.if_exists:
        change.notices.append(PgError("00000", f'role "{name}" does not exist, skipping'))
        return
    found = find_role(change, name)
    if found.oid == ADMIN_OID:
        raise refusals.SYSTEM_ENTITY.error()
    depending = role_depends.on(change, found)
    if depending:
        raise PgError(
            "2BP01",
            f'role "{name}" cannot be dropped because some objects depend on it',
            detail="\n".join(depending),
        )
    _leave(change, found.oid)
    change.drop(found)


def _leave(change: Change, oid: Oid) -> None:
    """Nobody is a member of a role that is gone."""
    for other in change.catalog.roles.values():
        kept = tuple(each for each in other.memberships if each.role != oid)
        if len(kept) < len(other.memberships):
            change.put(msgspec.structs.replace(other, memberships=kept))
