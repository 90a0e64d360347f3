"""GRANT and REVOKE of roles: who is a member of whom, on whose word (PostgreSQL 16, user.c; dsql-reference §1.8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from server.catalog import acl, privileges
from server.catalog.ddl import Change, Result, find_role
from server.catalog.descriptor import Catalog, Membership, Oid, Role
from server.catalog.store import ADMIN_OID
from server.errors import PgError
from server.sql import ast

_FIELDS = {"admin": "admin", "inherit": "inherit", "set": "may_set"}


def grant(change: Change, statement: ast.GrantStmt) -> Result:
    """GRANT role TO role, REVOKE role FROM role. Raises PgError 0LP01, 2BP01, 42501, 42601, 42704."""
    options = options_of(statement.options)
    by = None if statement.granted_by is None else find_role(change, statement.granted_by)
    members = [find_role(change, name).oid for name in statement.grantees]
    for name, columns in statement.privileges:
        if columns:
            raise PgError("0LP01", "column names cannot be included in GRANT/REVOKE ROLE")
        role = find_role(change, name)
        require_admin(change, role, statement.grant)
        grantor = grantor_of(change, role, by, statement.grant)
        if statement.grant:
            add(change, role, members, grantor, options)
        else:
            remove(change, role, members, grantor, options, statement.cascade)
    return Result("GRANT ROLE" if statement.grant else "REVOKE ROLE")


def options_of(given: Iterable[tuple[str, bool, int]]) -> dict[str, bool]:
    """WITH ADMIN, INHERIT, SET by the fields of a membership; raises PgError 42601."""
    found = {}
    for word, value, at in given:
        if word not in _FIELDS:
            raise PgError("42601", f'unrecognized role option "{word}"', position=at + 1)
        found[_FIELDS[word]] = value
    return found


# --- who may ---


def require_admin(change: Change, role: Role, is_grant: bool) -> None:
    """PgError 42501 unless the user is admin, or may grant the role on."""
    if is_admin_of(change.catalog, change.user_oid, role.oid):
        return
    verb = "grant" if is_grant else "revoke"
    raise PgError(
        "42501",
        f'permission denied to {verb} role "{role.name}"',
        detail=f'Only roles with the ADMIN option on role "{role.name}" may {verb} this role.',
    )


def is_admin_of(catalog: Catalog, user: Oid, role: Oid) -> bool:
    """Whether the user may grant the role: with the ADMIN option, itself or as a member of a role that has it."""
    roles = privileges.roles_of(catalog, user, "member")
    return ADMIN_OID in roles or any(
        each.role == role and each.admin for oid in roles for each in catalog.roles[oid].memberships
    )


def _best_admin(catalog: Catalog, user: Oid, role: Oid) -> Oid | None:
    """The role itself, or the nearest of those whose privileges it has, that holds the ADMIN option."""
    for oid in privileges.roles_of(catalog, user):
        if oid != role and any(each.role == role and each.admin for each in catalog.roles[oid].memberships):
            return oid
    return None


def grantor_of(change: Change, role: Role, by: Role | None, is_grant: bool) -> Oid:
    """In whose name the membership is given or taken away (check_role_grantor)."""
    catalog, user = change.catalog, change.user_oid
    if by is None:
        if privileges.privileged(catalog, user) is acl.EVERY:
            return ADMIN_OID
        best = _best_admin(catalog, user, role.oid)
        if best is None:
            raise PgError("XX000", "no possible grantors")
        return best
    if by.oid not in privileges.privileged(catalog, user):
        done = "grant privileges as" if is_grant else "revoke privileges granted by"
        raise PgError(
            "42501",
            f'permission denied to {done} role "{by.name}"',
            detail=f'Only roles with privileges of role "{by.name}" may {done} this role.',
        )
    if is_grant and by.oid != ADMIN_OID and _best_admin(catalog, by.oid, role.oid) != by.oid:
        raise PgError(
            "42501",
            f'permission denied to grant privileges as role "{by.name}"',
            detail=f'The grantor must have the ADMIN option on role "{role.name}".',
        )
    return by.oid


# --- granting ---


def add(change: Change, role: Role, members: Sequence[Oid], grantor: Oid, options: dict[str, bool]) -> None:
    """Make `members` members of the role, or change how they are (AddRoleMems)."""
    for oid in members:
        if oid in privileges.roles_of(change.catalog, role.oid, "member"):
            member = change.catalog.roles[oid]
            raise PgError("0LP01", f'role "{role.name}" is a member of role "{member.name}"')
    if options.get("admin") and grantor != ADMIN_OID:
        _refuse_circle(change.catalog, role, members, grantor)
    for oid in members:
        _add_one(change, role, change.catalog.roles[oid], grantor, options)


def _refuse_circle(catalog: Catalog, role: Role, members: Sequence[Oid], grantor: Oid) -> None:
    """The ADMIN option may not rest on itself: without those of `members` the grantor must still have it."""
    plan = _Plan(catalog, role.oid)
    for grant_ in list(plan.grants):
        if grant_.member in members:
            plan.take(grant_, None, cascade=True)
    if not any(each.member == grantor and each.is_admin for each in plan.left()):
        raise PgError("0LP01", "ADMIN option cannot be granted back to your own grantor")


def _add_one(change: Change, role: Role, member: Role, grantor: Oid, options: dict[str, bool]) -> None:
    there = next(
        (each for each in member.memberships if (each.role, each.grantor) == (role.oid, grantor)), None
    )
    if there is None:
        made = Membership(change.new_oid(), role.oid, grantor, inherit=member.inherit)
        made = msgspec.structs.replace(made, **options)
        change.put(msgspec.structs.replace(member, memberships=(*member.memberships, made)))
        return
    changed = msgspec.structs.replace(there, **options)
    if changed == there:
        text = (
            f'role "{member.name}" has already been granted membership in role "{role.name}" '
            f'by role "{change.catalog.roles[grantor].name}"'
        )
        change.notices.append(PgError("00000", text))
        return
    kept = tuple(changed if each is there else each for each in member.memberships)
    change.put(msgspec.structs.replace(member, memberships=kept))


# --- revoking ---


@dataclass(slots=True, eq=False)
class _Grant:
    """One membership in the role at hand, and what becomes of it."""

    member: Oid
    membership: Membership
    is_gone: bool = False
    without: set[str] = field(default_factory=set)
    """Fields of options that are taken away."""

    @property
    def is_admin(self) -> bool:
        return self.membership.admin and not self.is_gone and "admin" not in self.without


class _Plan:
    """What a revocation takes away, and from whom (plan_recursive_revoke)."""

    def __init__(self, catalog: Catalog, role: Oid) -> None:
        self.grants = [
            _Grant(member.oid, each)
            for member in catalog.roles.values()
            for each in member.memberships
            if each.role == role
        ]

    def left(self) -> Iterator[_Grant]:
        return (each for each in self.grants if not each.is_gone)

    def take(self, grant_: _Grant, option: str | None, *, cascade: bool) -> None:
        """The membership or one of its options; what rests on it goes too, or 2BP01."""
        if grant_.is_gone:
            return
        had = grant_.is_admin
        if option is None:
            grant_.is_gone = True
        else:
            grant_.without.add(option)
        if not had or grant_.is_admin:
            return
        if any(each.member == grant_.member and each.is_admin for each in self.grants):
            return
        for each in self.grants:
            if each.membership.grantor == grant_.member and not each.is_gone:
                if not cascade:
                    raise acl.dependent_privileges()
                self.take(each, None, cascade=True)


def remove(
    change: Change, role: Role, members: Sequence[Oid], grantor: Oid, options: dict[str, bool], cascade: bool
) -> None:
    """Take memberships away, or one option of them (DelRoleMems)."""
    plan = _Plan(change.catalog, role.oid)
    for oid in members:
        found = [each for each in plan.grants if each.member == oid and each.membership.grantor == grantor]
        if not found:
            names = [change.catalog.roles[each].name for each in (oid, grantor)]
            text = (
                f'role "{names[0]}" has not been granted membership in role "{role.name}" '
                f'by role "{names[1]}"'
            )
            change.notices.append(PgError("01000", text, severity="WARNING"))
            continue
        for option in options or (None,):
            plan.take(found[0], option, cascade=cascade)
    for oid in dict.fromkeys(each.member for each in plan.grants if each.is_gone or each.without):
        member = change.catalog.roles[oid]
        kept = [each for each in member.memberships if each.role != role.oid]
        kept += [
            msgspec.structs.replace(each.membership, **dict.fromkeys(each.without, False))
            for each in plan.left()
            if each.member == oid
        ]
        change.put(msgspec.structs.replace(member, memberships=tuple(kept)))
