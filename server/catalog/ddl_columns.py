"""Columns of a table that is there: ADD, DROP and ALTER COLUMN (dsql-reference §1.4; tablecmds.c of PostgreSQL)."""

from __future__ import annotations

import msgspec

from server.catalog import ddl_depend, ddl_foreign, ddl_index, ddl_limits, system_text
from server.catalog.ddl import Change, without_position
from server.catalog.ddl_table import (
    SYSTEM_COLUMNS,
    column_storage,
    column_type,
    refuse_system_name,
    with_default,
)
from server.catalog.descriptor import Column, ForeignKey, Index, Oid, Table, dropped_name
from server.errors import PgError
from server.sql import ast, index_parts, refusals, types
from server.sql.bind_scalar import generated_places


def add_column(change: Change, table: Table, command: ast.AlterCmd) -> None:
    """ADD COLUMN: rows that are there read as NULL in it. Raises PgError 42701, 54011, and those of its type."""
    definition = command.column
    assert definition is not None
    refuse_system_name(definition.name)
    found, typmod = column_type(change, definition.type)
    if any(column.name == definition.name and not column.dropped for column in table.columns):
        message = f'column "{definition.name}" of relation "{table.name}" already exists'
        if not command.if_not_exists:
            raise PgError("42701", message)
        change.notices.append(PgError("42701", f"{message}, skipping"))
        return
    made = Column(definition.name, found.oid, typmod, storage=column_storage(found, definition.storage))
    columns = (*table.columns, made)
    ddl_limits.check_columns(change.txn.limits, columns, table.primary_key is not None)
    change.put(msgspec.structs.replace(table, columns=columns))


# --- DROP COLUMN ---


def drop_column(change: Change, table: Table, command: ast.AlterCmd) -> None:
    """DROP COLUMN, since 2026-08-03: its number stays taken, its values stay in the rows and are not read any more.

    Indexes, checks and the table's own foreign keys that name it go with it; foreign keys of others, and columns
    that are generated from it, only with CASCADE.
    Raises PgError 42703, 2BP01; 0A000 for the system's columns and those of the primary key.
    """
    name = command.name
    assert name is not None
    attnum = _find(table, name)
    if attnum is None:
        if name in SYSTEM_COLUMNS:
            raise PgError("0A000", f'cannot drop system column "{name}"')
        absent = PgError("42703", f'column "{name}" of relation "{table.name}" does not exist')
        if not command.if_exists:
            raise absent
        change.notices.append(PgError("00000", f"{absent.message}, skipping"))
        return
    if _is_in_primary_key(table, attnum):
        raise refusals.DROP_KEY_COLUMN.error(name)
    gone = [attnum, *_generated_from(change, table, attnum)]
    shown = ddl_depend.shown(change, table.oid)
    texts = {each: f"column {table.columns[each - 1].name} of table {shown}" for each in gone}
    leaving = {
        index.oid: index for index in table.indexes if any(_holds(table, index, each) for each in gone)
    }

    def needs(key: ForeignKey) -> str | None:
        if key in table.foreign_keys and not set(gone).isdisjoint(key.columns):
            return None
        for each in gone:
            if each in key.parent_columns:
                return texts[each]
        index = leaving.get(key.parent_index)
        return f"index {index.name}" if index is not None else None

    generated = [(texts[each], texts[attnum]) for each in gone[1:]]
    ddl_depend.release(change, table, texts[attnum], command.cascade, needs, generated)
    for each in gone:
        if each != attnum and _is_in_primary_key(table, each):
            raise refusals.DROP_KEY_COLUMN.error(table.columns[each - 1].name)
        _drop_own_keys(change, table.oid, each)
        _mark_dropped(change, change.catalog.tables[table.oid], each)
    for index in leaving.values():
        ddl_index.submit_drop_job(change, index.oid, index.name, table.schema_oid)


def _generated_from(change: Change, table: Table, attnum: int) -> list[int]:
    """attnums of the columns that are generated from this one."""
    return [
        place + 1
        for place in generated_places(table)
        if attnum in system_text.generating_columns(change.catalog, table, place + 1)
    ]


def _is_in_primary_key(table: Table, attnum: int) -> bool:
    return table.primary_key is not None and any(key.column == attnum for key in table.primary_key.keys)


def _holds(table: Table, index: Index, attnum: int) -> bool:
    """Whether the index is made of the column, also in an expression or in its predicate."""
    return attnum in index_parts.columns_read(table, index)


def _drop_own_keys(change: Change, oid: Oid, attnum: int) -> None:
    table = change.catalog.tables[oid]
    gone = [key.oid for key in table.foreign_keys if attnum in key.columns]
    if gone:
        change.put(ddl_foreign.without_foreign_keys(change, table, gone))


def _mark_dropped(change: Change, table: Table, attnum: int) -> None:
    checks = tuple(
        check
        for check in table.checks
        if attnum not in system_text.columns_in(change.catalog, table, check.expression)
    )
    columns = list(table.columns)
    before = columns[attnum - 1]
    columns[attnum - 1] = Column(dropped_name(attnum), before.type_oid, before.typmod, dropped=True)
    kept = tuple(index for index in table.indexes if not _holds(table, index, attnum))
    change.put(msgspec.structs.replace(table, columns=tuple(columns), indexes=kept, checks=checks))


# --- ALTER COLUMN ---


def set_default(change: Change, table: Table, command: ast.AlterCmd) -> None:
    """SET DEFAULT, since 2026-07-06: of rows that are inserted from now on. Raises PgError."""
    attnum = _found(table, command.name)
    _refuse_generated(table, attnum, None)
    assert command.expr is not None
    table = _with_column(
        table, attnum, msgspec.structs.replace(table.columns[attnum - 1], default=command.expr_text)
    )
    with without_position():
        made = with_default(change, table, attnum - 1, command.expr)
    change.put(_with_column(table, attnum, made))


def _refuse_generated(table: Table, attnum: int, hint: str | None) -> None:
    """PgError 42601 for the default of a generated column."""
    column = table.columns[attnum - 1]
    if column.generated:
        message = f'column "{column.name}" of relation "{table.name}" is a generated column'
        raise PgError("42601", message, hint=hint)


def drop_default(change: Change, table: Table, command: ast.AlterCmd) -> None:
    """DROP DEFAULT, since 2026-07-06; of a column without one too."""
    attnum = _found(table, command.name)
    _refuse_generated(table, attnum, "Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead.")
    _put_column(change, table, attnum, msgspec.structs.replace(table.columns[attnum - 1], default=None))


def drop_not_null(change: Change, table: Table, command: ast.AlterCmd) -> None:
    """DROP NOT NULL, since 2026-07-06. Raises PgError 42P16 for a column of the primary key."""
    attnum = _found(table, command.name)
    if _is_in_primary_key(table, attnum):
        raise PgError("42P16", f'column "{command.name}" is in a primary key')
    _put_column(change, table, attnum, msgspec.structs.replace(table.columns[attnum - 1], not_null=False))


def set_storage(change: Change, table: Table, command: ast.AlterCmd) -> None:
    """SET STORAGE, since 2026-05-01. Raises PgError 22023, 0A000."""
    attnum = _found(table, command.name)
    column = table.columns[attnum - 1]
    storage = column_storage(types.BY_OID[column.type_oid], str(command.value))
    _put_column(change, table, attnum, msgspec.structs.replace(column, storage=storage))


def drop_expression(change: Change, table: Table, command: ast.AlterCmd) -> None:
    """DROP EXPRESSION, since 2026-07-06: what is stored stays. PgError 55000, with IF EXISTS a notice instead."""
    attnum = _found(table, command.name)
    column = table.columns[attnum - 1]
    if column.generated:
        _put_column(change, table, attnum, msgspec.structs.replace(column, generated=False, default=None))
    else:
        _refuse_kind(change, table, command, "a stored generated column")


def drop_identity(change: Change, table: Table, command: ast.AlterCmd) -> None:
    """DROP IDENTITY, since 2026-02-13: no column here is one of identity. PgError 55000, a notice with IF EXISTS."""
    _refuse_kind(change, table, command, "an identity column")


def set_identity(change: Change, table: Table, command: ast.AlterCmd) -> None:
    """SET GENERATED, SET of a sequence's option and RESTART, since 2026-02-13: no column is one of identity."""
    _refuse_kind(change, table, command, "an identity column")


def _refuse_kind(change: Change, table: Table, command: ast.AlterCmd, what: str) -> None:
    _found(table, command.name)
    error = PgError("55000", f'column "{command.name}" of relation "{table.name}" is not {what}')
    if not command.if_exists:
        raise error
    change.notices.append(PgError("00000", f"{error.message}, skipping"))


def _put_column(change: Change, table: Table, attnum: int, column: Column) -> None:
    change.put(_with_column(table, attnum, column))


def _with_column(table: Table, attnum: int, column: Column) -> Table:
    columns = list(table.columns)
    columns[attnum - 1] = column
    return msgspec.structs.replace(table, columns=tuple(columns))


def _find(table: Table, name: str) -> int | None:
    return next(
        (at for at, each in enumerate(table.columns, 1) if each.name == name and not each.dropped), None
    )


def _found(table: Table, name: str | None) -> int:
    """A column's number; PgError 42703, 0A000 for the system's."""
    assert name is not None
    attnum = _find(table, name)
    if attnum is None:
        if name in SYSTEM_COLUMNS:
            raise PgError("0A000", f'cannot alter system column "{name}"')
        raise PgError("42703", f'column "{name}" of relation "{table.name}" does not exist')
    return attnum
