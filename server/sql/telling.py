"""What the DETAIL of an error may tell of a row: only what its user may read (PostgreSQL, execMain.c)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from server.catalog import privileges
from server.catalog.descriptor import Catalog, Table
from server.sql.context import Context


def may_read(ctx: Context, table: Table, attnums: Iterable[int]) -> bool:
    """Whether the user has SELECT on the table, or on each of these columns."""
    catalog: Catalog = ctx.txn.catalog
    oid = catalog.role_names.get(getattr(ctx.env, "user", "admin"))
    return oid is None or privileges.may_columns(catalog, oid, table, "SELECT", attnums)


def shown_columns(ctx: Context, table: Table) -> Sequence[int] | None:
    """Which columns of a row that fails are shown, by attnum; None: all of them.

    Without SELECT on the table these are what the statement gives and what may be read alone.
    """
    if may_read(ctx, table, [attnum for attnum, each in enumerate(table.columns, 1) if not each.dropped]):
        return None
    given = {
        attnum
        for access in ctx.accesses
        if access.table == table.oid
        for attnum in access.inserted | access.updated
    }
    return [
        attnum
        for attnum, column in enumerate(table.columns, 1)
        if not column.dropped and (attnum in given or may_read(ctx, table, [attnum]))
    ]
