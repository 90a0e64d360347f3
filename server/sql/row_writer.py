"""Writing rows: constraints, the row, and its index entries, into the transaction's buffer (DESIGN §6.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from journal.record import LockClass
from server.catalog.descriptor import Column, Table
from server.errors import PgError
from server.sql import telling, types
from server.sql.access import PREFIX_LENGTH, Entry, IndexAccess, Row, access
from server.sql.context import Context
from server.sql.env import Env
from server.sql.limits import Limits
from storage import rowcode

BLIND, NON_KEY, EXCLUSIVE = int(LockClass.BLIND), int(LockClass.NON_KEY), int(LockClass.EXCLUSIVE)

Check = tuple[str, Callable[[Row, Context], Any]]
"""A CHECK constraint: its name, and its expression over a row's columns."""
Generated = tuple[tuple[int, ...], Callable[[Row, Context], Sequence[Any]]]
"""The places of generated columns, and their values for a row's other columns."""

_WORTHWHILE = 2_000
"""Bytes of a text that is compressed for the sake of its row, as where PostgreSQL begins to."""
_SHOWN_VALUE = 64
"""Characters of a value in DETAIL (ExecBuildSlotValueDescription)."""


class RowWriter:
    """Inserts, updates and deletes rows of one table; made once per plan."""

    __slots__ = ("_not_null", "_schema", "access", "checks", "generated", "table")

    def __init__(
        self,
        table: Table,
        cluster: int,
        schema: str,
        checks: Sequence[Check] = (),
        generated: Generated | None = None,
    ) -> None:
        self.table = table
        self.access = access(table, cluster)
        self.checks = tuple(checks)
        self.generated = generated
        """None: there are no generated columns. Rows of tables that have some are lists, which `validate` fills in."""
        self._schema = schema
        self._not_null = tuple(
            place for place, column in enumerate(table.columns) if column.not_null and not column.dropped
        )

    # --- the three changes ---

    def insert(self, ctx: Context, row: Row, is_valid: bool = False) -> bytes:
        """Insert a row, that `validate` has seen or not; its key. Raises PgError 23502, 23514, 23505, 54000."""
        if not is_valid:
            self.validate(ctx, row)
        reach = self.access
        txn = ctx.txn
        if reach.key_columns:
            key = reach.key(row)
            if txn.current(key) is not None:
                raise self.duplicate(ctx, None, row)
        else:
            key = reach.hidden_key(txn.new_row_id())
        if not reach.indexes:
            self._put_row(ctx, key, row, EXCLUSIVE)
            return key
        entries = [self._new_entry(ctx, index, row, key) for index in reach.indexes]
        self._put_row(ctx, key, row, EXCLUSIVE)
        for entry in entries:
            if entry is not None:
                self._check_key(ctx, entry, key)
                self._put_entry(ctx, entry)
        return key

    def insert_many(self, ctx: Context, rows: Sequence[list[Any]]) -> list[bytes]:
        """Insert all rows at once; their keys. No keys: none was inserted, `insert` them one after the other."""
        reach, txn = self.access, ctx.txn
        if rows and reach.key_columns and not reach.indexes and self._are_valid(ctx, rows):
            keys = reach.keys(rows)
            values = list(map(reach.pack, rows))
            limits = txn.limits
            small = (
                max(map(len, keys)) - PREFIX_LENGTH <= limits.key_bytes
                and max(map(len, values)) <= limits.column_bytes
            )
            if small and txn.are_free(keys):
                txn.put_rows(keys, values, EXCLUSIVE)
                return keys
        return []

    def _are_valid(self, ctx: Context, rows: Sequence[Row]) -> bool:
        """Whether no constraint fails; which row's error comes first is for `insert` to find."""
        if not self.checks and self.generated is None:
            return not any(None in map(itemgetter(place), rows) for place in self._not_null)
        try:
            for row in rows:
                self.validate(ctx, row)
        except PgError:
            return False
        return True

    def update(self, ctx: Context, key: bytes, old: Row, new: list[Any], changed: Sequence[int]) -> bytes:
        """Replace the row at `key`; `changed` are the 0-based columns that were assigned. Returns the new key."""
        self.validate(ctx, new)
        reach = self.access
        txn = ctx.txn
        changed = self.touched(changed)
        differs = [place for place in changed if not _same(old[place], new[place])]
        new_key = key
        if any(place in reach.key_columns for place in differs):
            new_key = reach.key(new)
            if new_key != key and txn.current(new_key) is not None:
                raise self.duplicate(ctx, None, new)
        is_key_update = any(place in reach.unique_columns for place in differs)
        for index in reach.indexes:
            self._move_entry(ctx, index, old, new, key, new_key)
        if new_key != key:
            txn.count_row(key)
            txn.delete(key, EXCLUSIVE)
        self._put_row(ctx, new_key, new, EXCLUSIVE if is_key_update or new_key != key else NON_KEY)
        return new_key

    def delete(self, ctx: Context, key: bytes, old: Row) -> None:
        """Delete the row at `key` and its index entries."""
        txn = ctx.txn
        txn.count_row(key)
        for index in self.access.indexes:
            entry = _old_entry(index, old, key)
            if entry is not None and self._has_entry(ctx, index, entry, key):
                self._delete_entry(ctx, entry)
        txn.delete(key, EXCLUSIVE)

    # --- constraints ---

    def touched(self, assigned: Sequence[int]) -> Sequence[int]:
        """The columns that may change where these (0-based) are assigned: the generated ones too."""
        return assigned if self.generated is None else (*assigned, *self.generated[0])

    def fill(self, ctx: Context, row: Row) -> None:
        """Set the generated columns of a row. Raises what their expressions raise."""
        if self.generated is not None:
            assert isinstance(row, list)
            places, values = self.generated
            for place, value in zip(places, values(row, ctx)):
                row[place] = value

    def validate(self, ctx: Context, row: Row) -> None:
        """Generated columns, then NOT NULL, then CHECK in order of name (ExecConstraints).

        Raises PgError 23502, 23514, and what the expressions raise.
        """
        if self.generated is not None:
            self.fill(ctx, row)
        for place in self._not_null:
            if row[place] is None:
                column = self.table.columns[place]
                raise PgError(
                    "23502",
                    f'null value in column "{column.name}" of relation "{self.table.name}" '
                    "violates not-null constraint",
                    detail=self._failing(ctx, row),
                    fields={"s": self._schema, "t": self.table.name, "c": column.name},
                )
        for name, check in self.checks:
            if check(row, ctx) is False:
                raise PgError(
                    "23514",
                    f'new row for relation "{self.table.name}" violates check constraint "{name}"',
                    detail=self._failing(ctx, row),
                    fields={"s": self._schema, "t": self.table.name, "n": name},
                )

    def conflicting_key(self, ctx: Context, row: Row, arbiters: Sequence[int]) -> bytes | None:
        """The key of the existing row that `row` would collide with on one of these unique indexes (none: any)."""
        reach = self.access
        txn = ctx.txn
        if reach.key_columns and (not arbiters or self.table.oid in arbiters):
            key = reach.key(row)
            if txn.current(key) is not None:
                return key
        for index in reach.indexes:
            if not index.index.unique or (arbiters and index.index.oid not in arbiters):
                continue
            unique_key = index.unique_key(row)
            there = txn.current(unique_key) if unique_key is not None else None
            if there is not None:
                return reach.row_key_in(there)
        return None

    def duplicate(self, ctx: Context, index: IndexAccess | None, row: Row) -> PgError:
        """23505 for a row whose key is taken; `index` None: the primary key."""
        table = self.table
        if index is None:
            assert table.primary_key is not None
            name, attnums = table.primary_key.name, [key.column for key in table.primary_key.keys]
            columns = [table.columns[attnum - 1] for attnum in attnums]
            values: Sequence[Any] = [row[attnum - 1] for attnum in attnums]
        else:
            name, attnums = index.index.name, index.key_attnums
            columns, values = list(index.key_columns), index.key_values(row)
        tells = telling.may_read(ctx, table, attnums)
        return PgError(
            "23505",
            f'duplicate key value violates unique constraint "{name}"',
            detail=f"Key {key_text(columns, values, ctx.env)} already exists." if tells else None,
            fields={"s": self._schema, "t": table.name, "n": name},
        )

    def _failing(self, ctx: Context, row: Row) -> str | None:
        """As much of the row as the user may read (ExecBuildSlotValueDescription)."""
        attnums = telling.shown_columns(ctx, self.table)
        shown = [
            _shown(column, value, ctx.env, _SHOWN_VALUE)
            for attnum, (column, value) in enumerate(zip(self.table.columns, row), 1)
            if not column.dropped and (attnums is None or attnum in attnums)
        ]
        if attnums is None:
            return f"Failing row contains ({', '.join(shown)})."
        names = ", ".join(self.table.columns[attnum - 1].name for attnum in attnums)
        return f"Failing row contains ({names}) = ({', '.join(shown)})." if attnums else None

    # --- entries ---

    def _new_entry(self, ctx: Context, index: IndexAccess, row: Row, key: bytes) -> Entry | None:
        entry = index.entry(row, key)
        if entry is not None and entry.exclusive and ctx.txn.current(entry.key) is not None:
            raise self.duplicate(ctx, index, row)
        return entry

    def _move_entry(
        self, ctx: Context, index: IndexAccess, old: Row, new: Row, key: bytes, new_key: bytes
    ) -> None:
        before, after = _old_entry(index, old, key), index.entry(new, new_key)
        if before == after:
            return
        owned = before is not None and self._has_entry(ctx, index, before, key)
        stays = before is not None and after is not None and before.key == after.key
        if stays and not owned:
            return
        if after is not None and not stays:
            if after.exclusive and ctx.txn.current(after.key) is not None:
                raise self.duplicate(ctx, index, new)
            self._check_key(ctx, after, new_key)
        if before is not None and owned and not stays:
            self._delete_entry(ctx, before)
        if after is not None:
            self._put_entry(ctx, after)

    def _has_entry(self, ctx: Context, index: IndexAccess, entry: Entry, key: bytes) -> bool:
        """Whether the entry there is not another row's: in a unique index that is not valid, two may have one key."""
        if not entry.exclusive or index.index.state == "valid":
            return True
        there = ctx.txn.current(entry.key)
        return there is None or rowcode.unpack(there)[0] == key[PREFIX_LENGTH:]

    def _put_entry(self, ctx: Context, entry: Entry) -> None:
        ctx.txn.put(entry.key, entry.value, EXCLUSIVE if entry.exclusive else BLIND)

    def _delete_entry(self, ctx: Context, entry: Entry) -> None:
        ctx.txn.delete(entry.key, EXCLUSIVE if entry.exclusive else BLIND)

    def _put_row(self, ctx: Context, key: bytes, row: Row, lock: int) -> None:
        txn = ctx.txn
        limits = txn.limits
        if len(key) - PREFIX_LENGTH > limits.key_bytes:
            raise PgError("54000", "key size too large")
        value = self.access.pack(row)
        if len(value) > limits.column_bytes:
            value = self._fitting(value, limits)
        txn.put_row(key, value, lock)

    def _check_key(self, ctx: Context, entry: Entry, row_key: bytes) -> None:
        """An index's key and the primary key share the limit (dsql-reference §4)."""
        if entry_size(entry, row_key) > ctx.txn.limits.key_bytes:
            raise PgError("54000", "key size too large")

    def _fitting(self, value: bytes, limits: Limits) -> bytes:
        """A long row as it is stored. Raises PgError 54000 (dsql-reference §2.1, §4).

        Limits are those of compressed texts, unless STORAGE says that a column has none; DSQL since 2026-08-26. What
        fits as it is stays as it is.
        """
        may_shrink = [shrinks(column) for column in self.table.columns]
        stored = rowcode.unpack(value)
        rowcode.shrink(stored, limits.column_bytes, may_shrink)
        value = rowcode.pack(stored)
        if len(value) > limits.row_bytes:
            rowcode.shrink(stored, _WORTHWHILE, may_shrink)
            value = rowcode.pack(stored)
        most = limits.column_bytes
        for column, each in zip(self.table.columns, stored):
            if rowcode.size(each) > most:
                name = types.BY_OID[column.type_oid].display
                raise PgError("54000", f"datatype limit greater than {most} bytes not supported for {name}")
        if len(value) > limits.row_bytes:
            raise PgError("54000", "maximum row size exceeded")
        return value


def shrinks(column: Column) -> bool:
    """Whether long values of a column are compressed: texts and json, by default (dsql-reference §2.1)."""
    kind = types.BY_OID[column.type_oid]
    return kind.storage == "x" and column.storage not in ("plain", "external")


def _old_entry(index: IndexAccess, row: Row, key: bytes) -> Entry | None:
    """The entry of a row that is there.

    Rows from before the index may be ones of which its expressions can't be computed: these never get an entry, and
    the index never becomes valid.
    """
    try:
        return index.entry(row, key)
    except PgError:
        if index.index.state == "valid":
            raise
        return None


def entry_size(entry: Entry, row_key: bytes) -> int:
    """Bytes of an entry's own key and its row's key, which a unique entry keeps in its value."""
    size = len(entry.key) - PREFIX_LENGTH
    return size + len(row_key) - PREFIX_LENGTH if entry.exclusive else size


def key_text(columns: Sequence[Column], values: Sequence[Any], env: Env) -> str:
    """A key as PostgreSQL's details show it: `(a, b)=(1, x)`."""
    names = ", ".join(column.name for column in columns)
    shown = ", ".join(_shown(column, value, env) for column, value in zip(columns, values))
    return f"({names})=({shown})"


def _same(before: Any, after: Any) -> bool:
    return before is after or (type(before) is type(after) and before == after)


def _shown(column: Column, value: Any, env: Env, limit: int | None = None) -> str:
    if value is None:
        return "null"
    text = types.BY_OID[column.type_oid].output(value, env)
    if limit is not None and len(text) > limit:
        return text[:limit] + "..."
    return text
