"""OC001: whether what a statement or a transaction relied on has changed in the catalog (DESIGN §6.7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from server.catalog.descriptor import Catalog, Oid, Role, Schema, Table
from server.catalog.privileges import role_oid, roles_of, schemas_of
from server.errors import PgError, schema_changed
from server.session import preparing
from server.session.environment import SessionEnv
from server.session.transaction import Transaction
from server.sql import ast

if TYPE_CHECKING:
    from server.session.session import SqlSession


def meet(
    session: SqlSession, catalog: Catalog, parsed: ast.ParsedStatement, used: Sequence[Oid] | None = None
) -> None:
    """40001 OC001 when an object that the statement uses has changed since the catalog that the session last met.

    The session's own view moves on in any case, so a retry succeeds (dsql-reference §5.3). `used`: the
    statement's objects in that catalog, if they are known.
    """
    old = session.catalog
    if session.txn is not None and session.txn.ddl:
        return
    if used is None and session.node.rebase:
        used = tables_in(old, parsed, session.env)
    user = session.user
    move_on(session, catalog)
    if not session.node.rebase or has_changed(old, catalog, used or (), user):
        raise schema_changed()


def move_on(session: SqlSession, catalog: Catalog) -> None:
    """The session has met the catalog. A role that was renamed meanwhile goes on under its new name."""
    oid = session.catalog.role_names.get(session.user)
    session.catalog = catalog
    role = catalog.roles.get(oid) if oid is not None else None
    if role is not None and role.name != session.user:
        session.user = role.name
        session.apply_settings()


def check_reader(session: SqlSession, txn: Transaction) -> None:
    """A transaction that only read commits locally: 40001 OC001 when what it used has changed meanwhile.

    What was read in the past holds, whatever has changed since.
    """
    current = session.node.catalog(session.cluster)
    if current is txn.catalog or txn.ddl or txn.is_past:
        return
    user = session.user
    move_on(session, current)
    if not session.node.rebase or has_changed(txn.catalog, current, txn.used, user):
        raise schema_changed()


def rely_on(txn: Transaction, used: Sequence[Oid], user: str) -> None:
    """A statement of the transaction uses these tables: its COMMIT asks whether they have changed.

    For a user beside admin the roles and the schemas that let it do so count too.
    """
    txn.used.update(used)
    if user != "admin":
        txn.used.update(schemas_of(txn.catalog, used))
        txn.roles = txn.roles or roles_of(txn.catalog, role_oid(txn.catalog, user))


def has_changed(old: Catalog, new: Catalog, used: Iterable[Oid], user: str) -> bool:
    """Whether one of `used`, as far as `old` has it, or a role of `user` is another one in `new`."""
    for oid in used:
        before = _object(old, oid)
        if before is not None:
            now = _object(new, oid)
            if now is None or now.version != before.version:
                return True
    return user != "admin" and _have_roles_changed(old, new, user)


def _object(catalog: Catalog, oid: Oid) -> Table | Schema | Role | None:
    return catalog.tables.get(oid) or catalog.schemas.get(oid) or catalog.roles.get(oid)


def _have_roles_changed(old: Catalog, new: Catalog, user: str) -> bool:
    oid = old.role_names.get(user)
    if oid is None:
        return False
    for role in roles_of(old, oid):
        now = new.roles.get(role)
        if now is None or now.version != old.roles[role].version:
            return True
    return False


def tables_in(catalog: Catalog, parsed: ast.ParsedStatement, env: SessionEnv) -> Sequence[Oid]:
    """The tables that a statement meant in an older catalog; none when it meant nothing there."""
    try:
        prepared = preparing.prepare(parsed, catalog, env)
    except PgError:
        return []
    return prepared.used
