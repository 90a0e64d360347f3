"""FOREIGN KEY constraints: making and dropping them (dsql-reference §1.3, §1.4; tablecmds.c of PostgreSQL)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import msgspec

from server.catalog import privileges
from server.catalog.ddl import Change, choose_constraint_name, constraint_names, find_table
from server.catalog.descriptor import ForeignKey, Index, Oid, Table
from server.errors import PgError
from server.sql import ast, types
from server.sql.foreign_types import is_comparable
from server.sql.index_parts import is_plain

MOST_COLUMNS = 32
"""INDEX_MAX_KEYS of PostgreSQL."""


def with_foreign_keys(change: Change, table: Table, constraints: Sequence[ast.Constraint]) -> Table:
    """The table with these constraints; the tables that they refer to are changed. Raises PgError."""
    for constraint in constraints:
        table = _with_one(change, table, constraint)
    return table


def _with_one(change: Change, table: Table, constraint: ast.Constraint) -> Table:
    assert constraint.references is not None
    parent = _parent(change, table, constraint.references)
    name = _name(change, table, constraint)
    columns = _attnums(table, constraint.columns)
    delete_action, set_names = constraint.on_delete or ("no action", ())
    set_columns = _attnums(table, set_names)
    for attnum, set_name in zip(set_columns, set_names):
        if attnum not in columns:
            raise PgError(
                "42P10",
                f'column "{set_name}" referenced in ON DELETE SET action must be part of foreign key',
            )
    index, parent_columns = _parent_key(parent, constraint.ref_columns)
    if not privileges.may_columns(change.catalog, change.user_oid, parent, "REFERENCES", parent_columns):
        raise privileges.table_denied(parent)
    _check_generated(table, columns, constraint)
    if len(columns) != len(parent_columns):
        raise PgError("42830", "number of referencing and referenced columns for foreign key disagree")
    _check_types(name, table, columns, parent, parent_columns)
    made = ForeignKey(
        change.new_oid(),
        name,
        columns,
        parent.oid,
        parent_columns,
        index.oid,
        on_delete=delete_action,
        on_update=(constraint.on_update or ("no action", ()))[0],
        set_columns=set_columns,
        full=constraint.match == "full",
        deferrable=bool(constraint.deferrable),
        deferred=constraint.initially_deferred,
        validated=not constraint.not_valid,
    )
    table = msgspec.structs.replace(table, foreign_keys=(*table.foreign_keys, made))
    if parent.oid == table.oid:
        return _referred(table, table.oid)
    change.put(_referred(parent, table.oid))
    return table


def _check_generated(table: Table, columns: Sequence[int], constraint: ast.Constraint) -> None:
    """PgError 42601 for actions that would write a generated column."""
    if not any(table.columns[attnum - 1].generated for attnum in columns):
        return
    update, delete = (action[0] if action else "" for action in (constraint.on_update, constraint.on_delete))
    for event, action, refused in (("UPDATE", update, ("cascade",)), ("DELETE", delete, ())):
        if action in ("set null", "set default", *refused):
            message = f"invalid ON {event} action for foreign key constraint containing generated column"
            raise PgError("42601", message)


def _referred(parent: Table, child: Oid) -> Table:
    return msgspec.structs.replace(parent, referenced_by=tuple(sorted({*parent.referenced_by, child})))


def _parent(change: Change, table: Table, relation: ast.RangeVar) -> Table:
    """The referenced table, which may be the one that is being made."""
    names = relation.names
    schema = change.catalog.schemas[table.schema_oid].name
    is_new = table.oid not in change.catalog.tables
    if is_new and names[-1] == table.name and names[:-1] in ((), (schema,)):
        return table
    try:
        found = find_table(change.catalog, change.env, replace(relation, at=-1))
    except PgError as error:
        if error.sqlstate == "42809":
            error.message = f'cannot open relation "{names[-1]}"'
            error.detail = "This operation is not supported for indexes."
        raise
    return table if found.oid == table.oid else found


def _name(change: Change, table: Table, constraint: ast.Constraint) -> str:
    taken = constraint_names(table)
    if constraint.name is None:
        parts = (table.name, *constraint.columns)
        return choose_constraint_name(change.catalog, table.schema_oid, parts, "fkey", taken)
    if constraint.name in taken:
        raise PgError("42710", f'constraint "{constraint.name}" for relation "{table.name}" already exists')
    return constraint.name


def _attnums(table: Table, names: Sequence[str]) -> tuple[int, ...]:
    found: list[int] = []
    for name in names:
        attnum = next(
            (at for at, each in enumerate(table.columns, 1) if each.name == name and not each.dropped), None
        )
        if attnum is None:
            raise PgError("42703", f'column "{name}" referenced in foreign key constraint does not exist')
        if len(found) >= MOST_COLUMNS:
            raise PgError("54011", f"cannot have more than {MOST_COLUMNS} keys in a foreign key")
        found.append(attnum)
    return tuple(found)


def _parent_key(parent: Table, names: Sequence[str]) -> tuple[Index, tuple[int, ...]]:
    """The unique index that the key is looked up in, and the referenced columns as they were named."""
    if not names:
        if parent.primary_key is None:
            raise PgError("42704", f'there is no primary key for referenced table "{parent.name}"')
        return parent.primary_key, tuple(key.column for key in parent.primary_key.keys)
    columns = _attnums(parent, names)
    if len(set(columns)) != len(columns):
        raise PgError("42830", "foreign key referenced-columns list must not contain duplicates")
    for index in parent.all_indexes:
        usable = index.unique and index.state == "valid" and is_plain(index)
        if usable and {key.column for key in index.keys} == set(columns):
            return index, columns
    raise PgError(
        "42830", f'there is no unique constraint matching given keys for referenced table "{parent.name}"'
    )


def _check_types(
    name: str, table: Table, columns: Sequence[int], parent: Table, parent_columns: Sequence[int]
) -> None:
    for attnum, parent_attnum in zip(columns, parent_columns):
        column, key = table.columns[attnum - 1], parent.columns[parent_attnum - 1]
        kind, key_kind = types.BY_OID[column.type_oid], types.BY_OID[key.type_oid]
        if not is_comparable(kind, key_kind):
            raise PgError(
                "42804",
                f'foreign key constraint "{name}" cannot be implemented',
                detail=f'Key columns "{column.name}" and "{key.name}" are of incompatible types: '
                f"{kind.display} and {key_kind.display}.",
            )


# --- dropping ---


def without_foreign_keys(change: Change, table: Table, dropped: Collection[Oid]) -> Table:
    """The table without these constraints; the tables that they referred to are changed, unless they are gone."""
    kept = tuple(key for key in table.foreign_keys if key.oid not in dropped)
    gone = {key.parent for key in table.foreign_keys} - {key.parent for key in kept}
    table = msgspec.structs.replace(table, foreign_keys=kept)
    for oid in gone:
        parent = table if oid == table.oid else change.catalog.tables.get(oid)
        if parent is None:
            continue
        left = tuple(child for child in parent.referenced_by if child != table.oid)
        parent = msgspec.structs.replace(parent, referenced_by=left)
        if oid == table.oid:
            table = parent
        else:
            change.put(parent)
    return table


def release(change: Change, leaving: Sequence[Table]) -> None:
    """Tables are about to be dropped: nothing refers to them any more, and they to nothing. Raises PgError."""
    oids = {table.oid for table in leaving}
    for child, _key in change.catalog.references_to(leaving, oids):
        child = change.catalog.tables[child.oid]
        change.put(
            without_foreign_keys(change, child, [key.oid for key in child.foreign_keys if key.parent in oids])
        )
    for table in leaving:
        table = change.catalog.tables[table.oid]
        if any(key.parent not in oids for key in table.foreign_keys):
            change.put(without_foreign_keys(change, table, [key.oid for key in table.foreign_keys]))
