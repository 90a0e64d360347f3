"""Constraints of a table that is there: ADD, ALTER, VALIDATE and DROP CONSTRAINT (dsql-reference §1.4, §6).

A constraint that is added NOT VALID holds for whatever is written from the commit on that adds it: that commit changes
the table's descriptor, and of a foreign key the parent's too, so a transaction that began before and wrote one of them
fails with OC001. What was there before is for VALIDATE CONSTRAINT, a job (server/runtime/validating.py).
"""

from __future__ import annotations

import msgspec

from server.catalog import ddl_depend, ddl_foreign, ddl_index
from server.catalog.ddl import Change, constraint_names, without_position
from server.catalog.ddl_table import make_check
from server.catalog.descriptor import Check, ForeignKey, Index, Table
from server.errors import PgError
from server.sql import ast, refusals

_NO_KEY = "Cannot create a primary key or unique constraint using such an index."


def missing(table: Table, name: str) -> PgError:
    """42704 for a constraint that is not there."""
    return PgError("42704", f'constraint "{name}" of relation "{table.name}" does not exist')


# --- ADD CONSTRAINT ---


def add_constraint(change: Change, table: Table, command: ast.AlterCmd) -> None:
    """CHECK (since 2026-08-03) and FOREIGN KEY (2026-08-26) with NOT VALID; UNIQUE USING INDEX (2026-04-20)."""
    constraint = command.constraint
    assert constraint is not None
    if constraint.kind == "foreign key":
        change.put(ddl_foreign.with_foreign_keys(change, table, [constraint]))
    elif constraint.using_index is not None:
        _add_unique(change, table, constraint, constraint.using_index)
    else:
        with without_position():
            made = make_check(change, table, constraint, ())
        if made.name in constraint_names(table):
            raise PgError("42710", f'constraint "{made.name}" for relation "{table.name}" already exists')
        change.put(msgspec.structs.replace(table, checks=(*table.checks, made)))


def _add_unique(change: Change, table: Table, constraint: ast.Constraint, index_name: str) -> None:
    """A unique index becomes a constraint of its name, or is renamed to the constraint's (transformIndexConstraint)."""
    index = _usable_index(change, table, constraint, index_name)
    name = constraint.name or index.name
    if name != index.name:
        message = f'ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index "{index.name}" to "{name}"'
        change.notices.append(PgError("00000", message))
        if (table.schema_oid, name) in change.catalog.relation_names:
            raise PgError("42P07", f'relation "{name}" already exists')
    if name in constraint_names(table):
        raise PgError("42710", f'constraint "{name}" for relation "{table.name}" already exists')
    made = msgspec.structs.replace(index, name=name, constraint=True)
    indexes = tuple(made if each is index else each for each in table.indexes)
    change.put(msgspec.structs.replace(table, indexes=indexes))


def _usable_index(change: Change, table: Table, constraint: ast.Constraint, name: str) -> Index:
    """The index by name, in the table's schema. Raises PgError 42704, 42809, 55000."""
    position = constraint.at + 1
    oid = change.catalog.relation_names.get((table.schema_oid, name))
    if oid is None:
        raise PgError("42704", f'index "{name}" does not exist', position=position)
    found = change.catalog.find_index(oid)
    if found is None:
        raise PgError("42809", f'"{name}" is not an index')
    owner, index = found
    if index.constraint:
        message = f'index "{name}" is already associated with a constraint'
        raise PgError("55000", message, position=position)
    if owner.oid != table.oid:
        message = f'index "{name}" does not belong to table "{table.name}"'
        raise PgError("55000", message, position=position)
    if index.state != "valid":
        raise PgError("55000", f'index "{name}" is not valid', position=position)
    if not index.unique:
        raise PgError("42809", f'"{name}" is not a unique index', detail=_NO_KEY, position=position)
    if any(key.expression is not None for key in index.keys):
        raise PgError("42809", f'index "{name}" contains expressions', detail=_NO_KEY, position=position)
    if index.predicate is not None:
        raise PgError("42809", f'"{name}" is a partial index', detail=_NO_KEY, position=position)
    for number, key in enumerate(index.keys, 1):
        if key.nulls_first:
            message = f'index "{name}" column number {number} does not have default sorting behavior'
            raise PgError("42809", message, detail=_NO_KEY, position=position)
    return index


# --- ALTER, VALIDATE CONSTRAINT ---


def alter_constraint(change: Change, table: Table, command: ast.AlterCmd) -> None:
    """ALTER CONSTRAINT, since 2026-08-26: when the checks of a foreign key happen (ATExecAlterConstraint)."""
    given = command.constraint
    assert given is not None and command.name is not None
    found = next((key for key in table.foreign_keys if key.name == command.name), None)
    if found is None:
        if command.name in constraint_names(table):
            message = (
                f'constraint "{command.name}" of relation "{table.name}" is not a foreign key constraint'
            )
            raise PgError("42809", message)
        raise missing(table, command.name)
    changed = msgspec.structs.replace(
        found, deferrable=bool(given.deferrable), deferred=given.initially_deferred
    )
    keys_now = tuple(changed if key is found else key for key in table.foreign_keys)
    change.put(msgspec.structs.replace(table, foreign_keys=keys_now))


def validate_constraint(change: Change, table: Table, name: str) -> str:
    """ALTER TABLE ASYNC ... VALIDATE CONSTRAINT, since 2026-08-03: the id of the job that looks at the rows.

    Also of a constraint that is valid: that job has nothing to do. Raises PgError 42704, 42809.
    """
    checked: list[Check | ForeignKey] = [*table.checks, *table.foreign_keys]
    found = next((each for each in checked if each.name == name), None)
    if found is None:
        if name in constraint_names(table):
            message = (
                f'constraint "{name}" of relation "{table.name}" is not a foreign key or check constraint'
            )
            raise PgError("42809", message)
        raise missing(table, name)
    change.put(table)  # it is DDL: it moves the catalog's version, which also wakes the jobs
    return ddl_index.submit_job(change, ddl_index.VALIDATION, found.oid, name, table.schema_oid, table.oid)


# --- DROP CONSTRAINT ---


def drop_constraint(change: Change, table: Table, command: ast.AlterCmd) -> None:
    """DROP CONSTRAINT, since 2026-07-06; a UNIQUE one's index goes with it.

    Raises PgError 42704, 2BP01 without CASCADE for what foreign keys refer to; 0A000 for the primary key.
    """
    name = command.name
    assert name is not None
    if any(key.name == name for key in table.foreign_keys):
        gone = [key.oid for key in table.foreign_keys if key.name == name]
        change.put(ddl_foreign.without_foreign_keys(change, table, gone))
    elif any(check.name == name for check in table.checks):
        kept = tuple(check for check in table.checks if check.name != name)
        change.put(msgspec.structs.replace(table, checks=kept))
    elif name in constraint_names(table):
        _drop_key(change, table, name, command.cascade)
    elif command.if_exists:
        change.notices.append(PgError("00000", f"{missing(table, name).message}, skipping"))
    else:
        raise missing(table, name)


def _drop_key(change: Change, table: Table, name: str, cascade: bool) -> None:
    index = next(each for each in table.all_indexes if each.constraint and each.name == name)
    if index.primary:
        raise refusals.DROP_KEY.error()
    what = f"constraint {name} on table {ddl_depend.shown(change, table.oid)}"
    ddl_depend.release_index(change, table, index, what, cascade)
    table = change.catalog.tables[table.oid]
    kept = tuple(each for each in table.indexes if each.oid != index.oid)
    change.put(msgspec.structs.replace(table, indexes=kept))
    ddl_index.submit_drop_job(change, index.oid, index.name, table.schema_oid)
