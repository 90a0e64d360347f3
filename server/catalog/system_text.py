"""Stored objects as SQL text: indexes, constraints, defaults (ruleutils.c; dsql-reference §1.5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from server.catalog.descriptor import Catalog, Check, ForeignKey, Index, Oid, Table
from server.catalog.system_relation import SCHEMA_OIDS
from server.sql import index_parts, tree, types
from server.sql.bind import bind_scalar
from server.sql.bind_scalar import bind_generated
from server.sql.deparse import deparse
from server.sql.env import Env
from server.sql.keywords import quote_ident
from server.sql.parse import parse_expression
from server.sql.tree_walk import walk
from server.sql.types import Type

INDEX_METHOD = "btree_index"
TABLE_METHOD = "btree_table"
_SYSTEM_SCHEMA_NAMES = {oid: name for name, oid in SCHEMA_OIDS.items()}


def schema_name(catalog: Catalog, oid: Oid) -> str | None:
    """A schema's name, the system's among them."""
    schema = catalog.schemas.get(oid)
    return schema.name if schema is not None else _SYSTEM_SCHEMA_NAMES.get(oid)


def included(table: Table, index: Index) -> tuple[int, ...]:
    """attnums beside the keys: a primary key holds the whole row, so it includes every other column."""
    if not index.primary:
        return index.include
    keys = {key.column for key in index.keys}
    return tuple(
        attnum for attnum, column in enumerate(table.columns, 1) if attnum not in keys and not column.dropped
    )


def column_names(table: Table, attnums: tuple[int, ...]) -> str:
    """Quoted names with commas between."""
    return ", ".join(quote_ident(table.columns[attnum - 1].name) for attnum in attnums)


def index_definition(
    catalog: Catalog, table: Table, index: Index, qualified: bool, pretty: bool = False
) -> str:
    """CREATE INDEX as pg_get_indexdef prints it; `qualified`: with the table's schema."""
    keys = ", ".join(
        index_parts.key_text(table, key, pretty) + (" NULLS FIRST" if key.nulls_first else "")
        for key in index.keys
    )
    name = quote_ident(table.name)
    if qualified:
        name = f"{quote_ident(catalog.schema_of(table))}.{name}"
    unique = "UNIQUE " if index.unique else ""
    rest = included(table, index)
    shown = f"CREATE {unique}INDEX {quote_ident(index.name)} ON {name} USING {INDEX_METHOD} ({keys})"
    if rest:
        shown += f" INCLUDE ({column_names(table, rest)})"
    shown += " NULLS NOT DISTINCT" if index.nulls_not_distinct else ""
    predicate = predicate_text(table, index, pretty)
    return shown if predicate is None else f"{shown} WHERE {predicate}"


def predicate_text(table: Table, index: Index, pretty: bool = False) -> str | None:
    """A partial index's condition; None: it holds every row."""
    predicate = index_parts.predicate_of(table, index)
    return None if predicate is None else deparse(predicate, table, pretty)


def expressions_text(table: Table, index: Index, pretty: bool = False) -> str | None:
    """The index's expressions with commas between, as pg_get_expr prints pg_index.indexprs; None: it has none."""
    keys = [key for key in index.keys if key.expression is not None]
    return ", ".join(deparse(index_parts.key_expression(table, key), table, pretty) for key in keys) or None


def index_column(table: Table, index: Index, number: int, pretty: bool = False) -> str | None:
    """The column of an index by its place from 1; None beyond the last."""
    if 0 < number <= len(index.keys):
        return index_parts.key_text(table, index.keys[number - 1], pretty)
    rest = included(table, index)
    place = number - len(index.keys)
    return column_names(table, rest[place - 1 : place]) if 0 < place <= len(rest) else None


def index_columns(table: Table, index: Index) -> Iterator[tuple[str, Type, int]]:
    """Name, type and modifier of each column of an index, the included ones last (ConstructTupleDescriptor)."""
    keys = [index_parts.key_name(table, key) for key in index.keys]
    columns = [table.columns[attnum - 1] for attnum in included(table, index)]
    names = index_parts.unique_names([*keys, *(column.name for column in columns)])
    kinds = [index_parts.key_type(table, key) for key in index.keys]
    kinds += [(types.BY_OID[column.type_oid], column.typmod) for column in columns]
    return ((name, kind, typmod) for name, (kind, typmod) in zip(names, kinds))


def key_definition(table: Table, index: Index) -> str:
    """PRIMARY KEY or UNIQUE as pg_get_constraintdef prints it."""
    keys = column_names(table, tuple(key.column for key in index.keys))
    if index.primary:
        return f"PRIMARY KEY ({keys})"
    nulls = " NULLS NOT DISTINCT" if index.nulls_not_distinct else ""
    rest = f" INCLUDE ({column_names(table, index.include)})" if index.include else ""
    return f"UNIQUE{nulls} ({keys}){rest}"


def foreign_key_definition(env: Any, table: Table, key: ForeignKey) -> str:
    """FOREIGN KEY as pg_get_constraintdef prints it."""
    parent = env.catalog.tables[key.parent]
    shown = f"FOREIGN KEY ({column_names(table, key.columns)}) REFERENCES {env.reg_output('regclass', parent.oid)}"
    shown += f"({column_names(parent, key.parent_columns)})" + (" MATCH FULL" if key.full else "")
    for event, action in (("UPDATE", key.on_update), ("DELETE", key.on_delete)):
        if action != "no action":
            shown += f" ON {event} {action.upper()}"
    if key.set_columns:
        shown += f" ({column_names(table, key.set_columns)})"
    shown += " DEFERRABLE" if key.deferrable else ""
    shown += " INITIALLY DEFERRED" if key.deferred else ""
    return shown + ("" if key.validated else " NOT VALID")


def check_definition(catalog: Catalog, table: Table, check: Check, pretty: bool) -> str:
    """CHECK as pg_get_constraintdef prints it."""
    expression = check_text(catalog, table, check, pretty)
    return f"CHECK ({expression})" + ("" if check.validated else " NOT VALID")


def check_text(catalog: Catalog, table: Table, check: Check, pretty: bool = False) -> str:
    """A check's condition."""
    bound = bind_scalar(parse_expression(check.expression), table, Env(), catalog, None, "check")
    return deparse(bound, table, pretty)


class DefaultText(str):
    """A default as a value of type pg_node_tree; what is a text to everybody else still knows its column."""

    attnum: int


def default_tree(catalog: Catalog, table: Table, attnum: int) -> DefaultText | None:
    """What pg_attrdef.adbin holds; None: the column has no default and is not generated."""
    text = default_text(catalog, table, attnum)
    if text is None:
        return None
    made = DefaultText(text)
    made.attnum = attnum
    return made


def default_text(catalog: Catalog, table: Table, attnum: int, pretty: bool = False) -> str | None:
    """A column's default, or what generates it; None: it has neither."""
    column = table.columns[attnum - 1]
    if column.default is None or column.dropped:
        return None
    if column.generated:
        return deparse(bind_generated(table, attnum - 1, Env(), catalog), table, pretty)
    target = (types.BY_OID[column.type_oid], column.typmod)
    parsed = parse_expression(column.default)
    return deparse(bind_scalar(parsed, None, Env(), catalog, target, f"default:{column.name}"), None, pretty)


def columns_in(catalog: Catalog, table: Table, expression: str) -> list[int]:
    """attnums of the columns that a stored expression reads, in the order in which it names them first."""
    bound = bind_scalar(parse_expression(expression), table, Env(), catalog, None, "check")
    found = (part.column + 1 for part in walk(bound) if isinstance(part, tree.Var))
    return list(dict.fromkeys(found))


def generating_columns(catalog: Catalog, table: Table, attnum: int) -> list[int]:
    """attnums of what a generated column is made of; none: it is not generated."""
    if not table.columns[attnum - 1].generated or table.columns[attnum - 1].dropped:
        return []
    bound = bind_generated(table, attnum - 1, Env(), catalog)
    return list(dict.fromkeys(part.column + 1 for part in walk(bound) if isinstance(part, tree.Var)))
