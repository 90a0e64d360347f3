"""Where foreign keys meet the session: what waits for COMMIT, and SET CONSTRAINTS."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from server.catalog.descriptor import SYSTEM_SCHEMAS, Catalog, Check, ForeignKey, Index, Oid
from server.errors import PgError
from server.session.portal import SLICE_S
from server.session.transaction import Transaction
from server.session.work import SLICE, Work
from server.sql import ast
from server.sql.context import Context
from server.sql.foreign_writer import checks_of

if TYPE_CHECKING:
    from server.session.session import SqlSession


def settle(session: SqlSession, txn: Transaction) -> Work:
    """COMMIT: check what was deferred. Raises PgError 23503."""
    checks = txn.checks
    if checks is not None and checks.deferred:
        ctx = session.new_context(txn, ())
        yield from in_turns(ctx, checks.settle_deferred(ctx))
        session.ctx = None


def in_turns(ctx: Context, steps: Iterator[list[Any]]) -> Work:
    """Work that is no plan, with a turn for the others every slice. Raises PgError."""
    until = time.monotonic() + SLICE_S
    for _heartbeat in steps:
        if time.monotonic() > until:
            yield SLICE
            until = time.monotonic() + SLICE_S
        ctx.tick()


def set_constraints(session: SqlSession, txn: Transaction, statement: ast.ConstraintsSetStmt) -> Work:
    """SET CONSTRAINTS in a transaction block. Raises PgError 42704, 42809, 23503."""
    keys = [oid for names in statement.names for oid in _found(session, txn.catalog, names)]
    ctx = session.new_context(txn, ())
    checks = checks_of(ctx)
    checks.set_mode(keys, statement.deferred)
    if not statement.deferred:
        chosen = set(keys)
        yield from in_turns(ctx, checks.settle_deferred(ctx, lambda oid: not chosen or oid in chosen))
    session.ctx = None


def _found(session: SqlSession, catalog: Catalog, names: ast.Names) -> list[Oid]:
    """The foreign keys of a name, all in the first schema of search_path that has some."""
    schemas = names[-2:-1] or session.env.search_path
    if len(names) > 1 and names[-2] not in catalog.schema_names and names[-2] not in SYSTEM_SCHEMAS:
        raise PgError("3F000", f'schema "{names[-2]}" does not exist')
    for schema in schemas:
        oid = catalog.schema_names.get(schema)
        there = [key for name, key in _constraints(catalog, oid) if name == names[-1]]
        if there:
            found = [key.oid for key in there if isinstance(key, ForeignKey) and key.deferrable]
            if len(found) != len(there):
                raise PgError("42809", f'constraint "{names[-1]}" is not deferrable')
            return found
    raise PgError("42704", f'constraint "{".".join(names)}" does not exist')


def _constraints(
    catalog: Catalog, schema: Oid | None
) -> Iterator[tuple[str, ForeignKey] | tuple[str, Check] | tuple[str, Index]]:
    """All constraints of the schema's tables, by their names."""
    for table in catalog.tables.values():
        if table.schema_oid == schema:
            yield from ((key.name, key) for key in table.foreign_keys)
            yield from ((check.name, check) for check in table.checks)
            yield from ((index.name, index) for index in table.all_indexes if index.constraint)
