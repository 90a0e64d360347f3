"""ALTER TABLE and its actions in PostgreSQL's order, RENAME and SET SCHEMA (dsql-reference §1.4)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from server.catalog import ddl_columns, ddl_constraints, ddl_owner, stored
from server.catalog.ddl import (
    JOB_COLUMNS,
    Change,
    Result,
    constraint_names,
    find_schema,
    find_table,
    lookup,
    require_create,
    require_owner,
)
from server.catalog.ddl_index import attnum
from server.catalog.ddl_schema import refuse_reserved_schema
from server.catalog.ddl_table import refuse_system_name
from server.catalog.descriptor import Table
from server.errors import PgError
from server.sql import ast, index_parts, refusals

_NO_OPS = frozenset(
    {f"{word} trigger {which}" for word in ("enable", "disable") for which in ("all", "user")}
)
"""There are no triggers; dumps switch them off and on (dsql-reference §1.4)."""

_DROP, _ADD_COLUMN, _OF_COLUMNS, _ADD_INDEX, _ADD_OTHER, _MISC = range(6)
_Action = Callable[[Change, Table, ast.AlterCmd], None]


def _nothing(_change: Change, _table: Table, _command: ast.AlterCmd) -> None:
    """What is accepted and has no effect."""


_ACTIONS: dict[str, tuple[int, _Action]] = {
    "add column": (_ADD_COLUMN, ddl_columns.add_column),
    "drop column": (_DROP, ddl_columns.drop_column),
    "set default": (_ADD_OTHER, ddl_columns.set_default),
    "drop default": (_DROP, ddl_columns.drop_default),
    "drop not null": (_DROP, ddl_columns.drop_not_null),
    "drop expression": (_DROP, ddl_columns.drop_expression),
    "drop identity": (_DROP, ddl_columns.drop_identity),
    "set identity": (_OF_COLUMNS, ddl_columns.set_identity),
    "set storage": (_MISC, ddl_columns.set_storage),
    "add constraint": (_ADD_OTHER, ddl_constraints.add_constraint),
    "alter constraint": (_MISC, ddl_constraints.alter_constraint),
    "drop constraint": (_DROP, ddl_constraints.drop_constraint),
    "owner": (_MISC, ddl_owner.table),
    **dict.fromkeys(_NO_OPS, (_MISC, _nothing)),
}
"""By action: its pass and what it does. Actions of one statement run pass by pass, as in PostgreSQL (ATPrepCmd)."""


def alter_table(change: Change, statement: ast.AlterTableStmt) -> Result:
    """ALTER TABLE: the actions that server/sql/refusals.py does not refuse."""
    catalog = change.catalog
    if statement.if_exists and lookup(catalog, change.env, statement.relation.names) is None:
        shown = statement.relation.names[-1]
        change.notices.append(PgError("00000", f'relation "{shown}" does not exist, skipping'))
        return Result("ALTER TABLE")
    table = find_table(catalog, change.env, ast.RangeVar(statement.relation.names))
    require_owner(catalog, change.env, table.owner, f"table {table.name}")
    if statement.asynchronous:
        (command,) = statement.commands
        assert command.name is not None
        job_id = ddl_constraints.validate_constraint(change, table, command.name)
        return Result("ALTER TABLE", JOB_COLUMNS, [(job_id,)])
    for command in sorted(statement.commands, key=_pass):
        _ACTIONS[command.action][1](change, change.catalog.tables[table.oid], command)
    change.put(change.catalog.tables[table.oid])  # DDL moves the version, also where it found nothing to do
    return Result("ALTER TABLE")


def _pass(command: ast.AlterCmd) -> int:
    if command.constraint is not None and command.constraint.using_index is not None:
        return _ADD_INDEX
    return _ACTIONS[command.action][0]


def set_schema(change: Change, statement: ast.AlterObjectSchemaStmt) -> Result:
    """ALTER TABLE ... SET SCHEMA: the table with its indexes. Raises PgError 42P01, 3F000, 42501, 42P07."""
    result = Result("ALTER TABLE")
    if statement.if_exists and lookup(change.catalog, change.env, statement.names) is None:
        shown = statement.names[-1]
        change.notices.append(PgError("00000", f'relation "{shown}" does not exist, skipping'))
        return result
    table = find_table(change.catalog, change.env, ast.RangeVar(statement.names))
    require_owner(change.catalog, change.env, table.owner, f"table {table.name}")
    schema = find_schema(change.catalog, statement.schema)
    require_create(change.catalog, change.env, schema)
    if schema.oid != table.schema_oid:
        for name in (table.name, *(index.name for index in table.all_indexes)):
            if (schema.oid, name) in change.catalog.relation_names:
                raise PgError("42P07", f'relation "{name}" already exists in schema "{schema.name}"')
    change.put(msgspec.structs.replace(table, schema_oid=schema.oid))
    return result


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
        change.put(stored.renamed(change.env, change.catalog, table, statement.new_name))
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
    renamed = stored.reworded(change.env, change.catalog, table, renamed)
    indexes = tuple(index_parts.reworded(table, renamed, index) for index in table.indexes)
    return msgspec.structs.replace(renamed, indexes=indexes)


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
