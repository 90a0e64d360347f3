"""CREATE TABLE (LIKE source INCLUDING ...): what of the source the new table gets (transformTableLikeClause)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from server.catalog import privileges, stored
from server.catalog.ddl import Change, find_relation
from server.catalog.descriptor import Check, Column, Index, Table
from server.catalog.system_relation import RELATIONS
from server.errors import PgError
from server.sql import ast, refusals, tree, types
from server.sql.bind import bind_scalar
from server.sql.bind_scalar import bind_generated
from server.sql.parse import parse_expression
from server.sql.tree_walk import walk

_OPTIONS = frozenset(
    {
        "comments", "compression", "constraints", "defaults", "identity", "generated", "indexes", "statistics",
        "storage",
    }
)  # fmt: skip
"""What ALL means. Of compression, identity and statistics no table here has any."""


@dataclass(frozen=True, slots=True)
class Source:
    """A table that another one is made like, and what of it is copied."""

    table: Table
    options: frozenset[str]
    places: Mapping[int, int]
    """attnums in the new table by attnums in `table`."""


def source_of(change: Change, clause: ast.LikeClause, columns: int) -> Source:
    """The source of a LIKE clause that `columns` of the new table stand before. Raises PgError 42P01, 42809, 42501."""
    relation = clause.relation
    _refuse_system(change, relation.names)
    try:
        table, index = find_relation(change.catalog, change.env, relation.names, relation.at)
    except PgError as error:
        error.position = relation.at + 1
        raise
    if index is not None:
        raise PgError(
            "42809",
            f'relation "{index.name}" is invalid in LIKE clause',
            detail="This operation is not supported for indexes.",
            position=relation.at + 1,
        )
    if not privileges.may(change.catalog, change.user_oid, table, "SELECT"):
        raise privileges.table_denied(table)
    options = set[str]()
    for including, what in clause.options:
        meant = _OPTIONS if what == "all" else {what}
        options = options | meant if including else options - meant
    live = (attnum for attnum, column in enumerate(table.columns, 1) if not column.dropped)
    return Source(table, frozenset(options), {attnum: to for to, attnum in enumerate(live, columns + 1)})


def _refuse_system(change: Change, names: ast.Names) -> None:
    """PgError 0A000 for a relation of the system: its types are not those of columns."""
    path = names[-2:-1] or ("pg_catalog",)
    if (path[0], names[-1]) in RELATIONS:
        raise refusals.SYSTEM_ENTITY.error()


def columns_of(change: Change, source: Source) -> list[Column]:
    """The source's columns: NOT NULL always, the rest as the options say."""
    return [_column(change, source, attnum) for attnum in source.places]


def _column(change: Change, source: Source, attnum: int) -> Column:
    column, options = source.table.columns[attnum - 1], source.options
    wanted = "generated" if column.generated else "defaults"
    value = None
    if wanted in options and column.default is not None:
        # As text without the source's name, which generated columns may have been written with.
        value = column.default
        if column.generated:
            bound = bind_generated(source.table, attnum - 1, change.env, change.catalog)
            target = (types.BY_OID[column.type_oid], column.typmod)
            purpose = f"generated:{column.name}"
            value = stored.lasting_text(bound, change.catalog, source.table, target, purpose)
    return msgspec.structs.replace(
        column,
        default=value,
        generated=column.generated and value is not None,
        storage=column.storage if "storage" in options else None,
        comment=column.comment if "comments" in options else None,
        acl=(),
    )


def checks_of(change: Change, source: Source, name: str, taken: Collection[str]) -> list[Check]:
    """The source's CHECK constraints under their names, valid: there are no rows. Raises PgError 42710, 0A000.

    `name`: the new table's; `taken`: names of constraints that it has.
    """
    if "constraints" not in source.options:
        return []
    made = []
    for check in source.table.checks:
        bound = bind_scalar(
            parse_expression(check.expression), source.table, change.env, change.catalog, None, "check"
        )
        if any(isinstance(part, tree.Var) and part.column == -1 for part in walk(bound)):
            detail = (
                f'Constraint "{check.name}" contains a whole-row reference to table "{source.table.name}".'
            )
            raise PgError("0A000", "cannot convert whole-row table reference", detail=detail)
        if check.name in taken:
            raise PgError("42710", f'constraint "{check.name}" for relation "{name}" already exists')
        made.append(
            msgspec.structs.replace(
                check,
                oid=change.new_oid(),
                expression=stored.lasting_text(
                    bound, change.catalog, source.table, (types.BOOL, -1), "check"
                ),
                validated=True,
                comment=check.comment if "comments" in source.options else None,
            )
        )
    return made


def indexes_of(source: Source) -> list[Index]:
    """The source's indexes over the new table's columns, still with their old numbers and names; all are valid."""
    if "indexes" not in source.options:
        return []
    places = source.places
    return [
        msgspec.structs.replace(
            index,
            keys=tuple(msgspec.structs.replace(key, column=places.get(key.column, 0)) for key in index.keys),
            include=tuple(places[attnum] for attnum in index.include),
            state="valid",
            comment=index.comment if "comments" in source.options else None,
            constraint_comment=None,
        )
        for index in sorted(source.table.all_indexes, key=lambda index: index.oid)
    ]
