"""ALTER TABLE ADD COLUMN, DROP CONSTRAINT, RENAME and COMMENT (dsql-reference §1.4)."""

from __future__ import annotations

import msgspec

from journal.broken import require
from server.catalog import ddl_foreign, ddl_limits
from server.catalog.ddl import (
    Change,
    Result,
    constraint_names,
    find_schema,
    find_table,
    lookup,
    require_owner,
)
from server.catalog.ddl_index import attnum
from server.catalog.ddl_table import column_type, refuse_reserved_schema, refuse_system_name
from server.catalog.descriptor import Check, Column, Table
from server.errors import PgError
from server.sql import ast, refusals, types
from server.sql.bind import bind_scalar
from server.sql.deparse import deparse
from server.sql.parse import parse_expression

_NO_OPS = frozenset(
    {f"{word} trigger {which}" for word in ("enable", "disable") for which in ("all", "user")}
)
"""There are no triggers; dumps switch them off and on (dsql-reference §1.4)."""


def alter_table(change: Change, statement: ast.AlterTableStmt) -> Result:
    """ALTER TABLE: the actions that server/sql/refusals.py does not refuse."""
    result = Result("ALTER TABLE")
    catalog = change.catalog
    if statement.if_exists and lookup(catalog, change.env, statement.relation.names) is None:
        shown = statement.relation.names[-1]
        change.notices.append(PgError("00000", f'relation "{shown}" does not exist, skipping'))
        return result
    table = find_table(catalog, change.env, statement.relation)
    require_owner(catalog, change.env, table.owner, f"table {table.name}")
    for command in statement.commands:
        table = _apply(change, table, command)
    change.put(table)
    return result


def _apply(change: Change, table: Table, command: ast.AlterCmd) -> Table:
    if command.action == "add column":
        return _add_column(change, table, command)
    if command.action == "add constraint" and command.constraint and command.constraint.kind == "foreign key":
        return ddl_foreign.with_foreign_keys(change, table, [command.constraint])
    if command.action == "alter constraint":
        return _alter_constraint(table, command)
    require(command.action in _NO_OPS, f"ALTER TABLE {command.action}")
    return table


def _add_column(change: Change, table: Table, command: ast.AlterCmd) -> Table:
    definition = command.column
    assert definition is not None
    refuse_system_name(definition.name)
    found, typmod = column_type(change, definition.type)
    if any(column.name == definition.name and not column.dropped for column in table.columns):
        message = f'column "{definition.name}" of relation "{table.name}" already exists'
        if not command.if_not_exists:
            raise PgError("42701", message)
        change.notices.append(PgError("42701", f"{message}, skipping"))
        return table
    columns = (*table.columns, Column(definition.name, found.oid, typmod, storage=definition.storage))
    ddl_limits.check_columns(change.txn.limits, columns, table.primary_key is not None)
    return msgspec.structs.replace(table, columns=columns)


def _alter_constraint(table: Table, command: ast.AlterCmd) -> Table:
    """ALTER CONSTRAINT: when the checks of a foreign key happen (ATExecAlterConstraint)."""
    given = command.constraint
    assert given is not None
    found = next((key for key in table.foreign_keys if key.name == command.name), None)
    if found is None:
        if command.name in constraint_names(table):
            message = (
                f'constraint "{command.name}" of relation "{table.name}" is not a foreign key constraint'
            )
            raise PgError("42809", message)
        raise PgError("42704", f'constraint "{command.name}" of relation "{table.name}" does not exist')
    changed = msgspec.structs.replace(
        found, deferrable=bool(given.deferrable), deferred=given.initially_deferred
    )
    keys_now = tuple(changed if key is found else key for key in table.foreign_keys)
    return msgspec.structs.replace(table, foreign_keys=keys_now)


# --- RENAME ---


def rename(change: Change, statement: ast.RenameStmt) -> Result:
    """ALTER TABLE ... RENAME [COLUMN | CONSTRAINT], ALTER INDEX RENAME, ALTER SCHEMA RENAME."""
    if statement.kind == "schema":
        return _rename_schema(change, statement)
    tag = "ALTER INDEX" if statement.kind == "index" else "ALTER TABLE"
    oid = lookup(change.catalog, change.env, statement.names)
    shown = ".".join(statement.names)
    if oid is None:
        if not statement.if_exists:
            raise PgError("42P01", f'relation "{shown}" does not exist')
        change.notices.append(PgError("00000", f'relation "{shown}" does not exist, skipping'))
        return Result(tag)
    if oid in change.catalog.index_tables:
        table = change.catalog.tables[change.catalog.index_tables[oid]]
        if statement.kind == "column":
            raise PgError("42809", f'"{shown}" is not a table')
        require_owner(change.catalog, change.env, table.owner, f"index {shown}")
        change.put(_rename_index(change, table, statement.names[-1], statement.new_name))
        return Result(tag)
    table = change.catalog.tables[oid]
    require_owner(change.catalog, change.env, table.owner, f"table {table.name}")
    if statement.kind in ("table", "index"):
        _require_free(change, table, statement.new_name)
        change.put(msgspec.structs.replace(table, name=statement.new_name))
    elif statement.kind == "column":
        change.put(_rename_column(change, table, statement))
    else:
        change.put(_rename_constraint(change, table, statement))
    return Result(tag)


def _require_free(change: Change, table: Table, name: str) -> None:
    if (table.schema_oid, name) in change.catalog.relation_names:
        raise PgError("42P07", f'relation "{name}" already exists')


def _rename_index(change: Change, table: Table, name: str, new_name: str) -> Table:
    _require_free(change, table, new_name)
    if table.primary_key is not None and table.primary_key.name == name:
        return msgspec.structs.replace(
            table, primary_key=msgspec.structs.replace(table.primary_key, name=new_name)
        )
    indexes = tuple(
        msgspec.structs.replace(index, name=new_name) if index.name == name else index
        for index in table.indexes
    )
    return msgspec.structs.replace(table, indexes=indexes)


def _rename_column(change: Change, table: Table, statement: ast.RenameStmt) -> Table:
    assert statement.sub_name is not None
    place = attnum(table, statement.sub_name) - 1
    refuse_system_name(statement.new_name)
    if any(column.name == statement.new_name and not column.dropped for column in table.columns):
        raise PgError("42701", f'column "{statement.new_name}" of relation "{table.name}" already exists')
    columns = list(table.columns)
    columns[place] = msgspec.structs.replace(columns[place], name=statement.new_name)
    renamed = msgspec.structs.replace(table, columns=tuple(columns))
    checks = tuple(_reworded(change, table, renamed, check) for check in table.checks)
    return msgspec.structs.replace(renamed, checks=checks)


def _reworded(change: Change, table: Table, renamed: Table, check: Check) -> Check:
    """The same check with the new names in its text."""
    expr = parse_expression(check.expression)
    bound = bind_scalar(expr, table, change.env, change.catalog, (types.BOOL, -1), "check")
    return msgspec.structs.replace(check, expression=deparse(bound, renamed))


def _rename_constraint(change: Change, table: Table, statement: ast.RenameStmt) -> Table:
    name, new_name = statement.sub_name, statement.new_name
    assert name is not None
    taken = constraint_names(table)
    if name not in taken:
        raise PgError("42704", f'constraint "{name}" for table "{table.name}" does not exist')
    if new_name in taken:
        raise PgError("42710", f'constraint "{new_name}" for relation "{table.name}" already exists')
    if any(index.constraint and index.name == name for index in table.all_indexes):
        return _rename_index(change, table, name, new_name)
    checks = tuple(
        msgspec.structs.replace(check, name=new_name) if check.name == name else check
        for check in table.checks
    )
    foreign_keys = tuple(
        msgspec.structs.replace(key, name=new_name) if key.name == name else key for key in table.foreign_keys
    )
    return msgspec.structs.replace(table, checks=checks, foreign_keys=foreign_keys)


def _rename_schema(change: Change, statement: ast.RenameStmt) -> Result:
    name, new_name = statement.names[-1], statement.new_name
    if name == "public":
        raise refusals.SYSTEM_ENTITY.error()
    schema = find_schema(change.catalog, name)
    require_owner(change.catalog, change.env, schema.owner, f"schema {name}")
    refuse_reserved_schema(new_name)
    if new_name in change.catalog.schema_names:
        raise PgError("42P06", f'schema "{new_name}" already exists')
    change.put(msgspec.structs.replace(schema, name=new_name))
    return Result("ALTER SCHEMA")


def comment(change: Change, statement: ast.CommentStmt) -> Result:
    """COMMENT ON TABLE, the one kind that server/sql/refusals.py does not refuse."""
    table = find_table(change.catalog, change.env, ast.RangeVar(statement.names))
    require_owner(change.catalog, change.env, table.owner, f"table {table.name}")
    change.put(msgspec.structs.replace(table, comment=statement.comment))
    return Result("COMMENT")
