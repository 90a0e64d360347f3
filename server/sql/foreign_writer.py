"""Writing rows of tables with foreign keys: as `RowWriter`, and each change is noted for the statement's end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from server.catalog.descriptor import Catalog, Oid, Table
from server.sql.access import Row
from server.sql.context import Context
from server.sql.foreign_checks import Checks
from server.sql.foreign_keys import links_from, links_to
from server.sql.row_writer import Check, Generated, RowWriter


def has_foreign_keys(table: Table) -> bool:
    """Whether changes of the table may have to be checked."""
    return bool(table.foreign_keys or table.referenced_by)


class ReferringWriter(RowWriter):
    """The writer of a table that refers to others, or is referred to."""

    __slots__ = ("_catalog", "_from", "_to", "_watched")

    def __init__(
        self,
        table: Table,
        catalog: Catalog,
        schema: str,
        checks: Sequence[Check] = (),
        generated: Generated | None = None,
    ) -> None:
        super().__init__(table, catalog.cluster, schema, checks, generated)
        self._catalog = catalog
        self._from, self._to = links_from(table, catalog), links_to(table, catalog)
        self._watched = frozenset(attnum - 1 for link in self._to for attnum in link.key.parent_columns)

    def insert(self, ctx: Context, row: Row, is_valid: bool = False) -> bytes:
        key = super().insert(ctx, row, is_valid)
        if self._from:
            checks_of(ctx).child_written(self._from, key, row)
        return key

    def insert_many(self, ctx: Context, rows: Sequence[list[Any]]) -> list[bytes]:
        keys = super().insert_many(ctx, rows)
        if keys and self._from:
            checks = checks_of(ctx)
            for key, row in zip(keys, rows):
                checks.child_written(self._from, key, row)
        return keys

    def update(self, ctx: Context, key: bytes, old: Row, new: list[Any], changed: Sequence[int]) -> bytes:
        new_key = super().update(ctx, key, old, new, changed)
        if not self._watched.isdisjoint(self.touched(changed)):
            checks_of(ctx).parent_changed(self._to, old, new)
        if self._from:
            checks_of(ctx).child_updated(self._from, (key, new_key), old, new)
        return new_key

    def delete(self, ctx: Context, key: bytes, old: Row) -> None:
        super().delete(ctx, key, old)
        if self._to:
            checks_of(ctx).parent_changed(self._to, old, None)

    def defaults(self, ctx: Context, places: Sequence[int]) -> list[Any]:
        """The defaults of these columns, NULL where there is none."""
        from server.sql.dml import ColumnDefaults

        row: list[Any] = [None] * len(self.table.columns)
        others = [place for place in range(len(row)) if place not in places]
        ColumnDefaults(self.table, self._catalog, ctx.env, others).fill(row, ctx)
        return [row[place] for place in places]


def checks_of(ctx: Context) -> Checks:
    """The transaction's checks, made when it first needs some."""
    found = ctx.txn.checks
    if found is None:
        found = ctx.txn.checks = new_checks()
    checks: Checks = found
    return checks


def new_checks() -> Checks:
    """Of a transaction that has none yet."""
    return Checks(_writer)


def _writer(table: Oid, ctx: Context) -> ReferringWriter:
    """The writer of a table that an action changes; it has foreign keys."""
    from server.sql.dml import table_writer

    made = table_writer(ctx.txn.catalog.tables[table], ctx.txn.catalog, ctx.env)
    assert isinstance(made, ReferringWriter)
    return made
