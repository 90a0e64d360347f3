"""INSERT: target lists, DEFAULT, VALUES and SELECT sources, ON CONFLICT (PostgreSQL, INSERT)."""

from __future__ import annotations

from collections.abc import Sequence

from server.catalog.descriptor import Index, Table
from server.sql import ast, tree
from server.sql.bind_cte import finish_ctes, with_clause
from server.sql.bind_dml import (
    assign,
    column_index,
    refuse_generated,
    refuse_part,
    set_list,
    target_table,
    valued,
)
from server.sql.bind_expr import transform_as
from server.sql.bind_missing import missing_column
from server.sql.bind_scalar import column_default, table_checks, table_generated
from server.sql.bind_setop import convert
from server.sql.bind_target import TargetEntry, finish_targets, returning
from server.sql.coerce import as_boolean, settle_unknown
from server.sql.grammar_base import NotLiftable
from server.sql.index_parts import key_columns
from server.sql.inference import Inference
from server.sql.scope import NsColumn, NsItem, Scope, error
from server.sql.tree_walk import walk
from server.sql.types import BY_OID, UNKNOWN

Row = list[tree.Expr | None]
"""The values of a row in the order of the target list; None is DEFAULT."""


def insert(scope: Scope, node: ast.InsertStmt) -> tree.Insert:
    """INSERT INTO ... ON CONFLICT ... RETURNING."""
    ctes = with_clause(scope, node.with_)
    table, item = target_table(scope, node.relation, "INSERT")
    columns = _target_columns(table, node.columns)
    source, source_rel, values = _source(scope, table, columns, node)
    count = _width(source, node)
    scope.state.accesses[item.rel].inserted.update(index + 1 for index, _at in columns[:count])
    scope.namespace = [item]
    conflict = _on_conflict(scope, table, item, node.on_conflict) if node.on_conflict is not None else None
    scope.namespace = [item]
    outputs = returning(scope, node.returning)
    _refuse_values(table, columns[:count], node)
    return tree.Insert(
        table=table,
        rel=item.rel,
        source=source,
        source_rel=source_rel,
        values=values,
        checks=table_checks(scope.state, table, item.rel),
        generated=table_generated(scope.state, table, item.rel),
        on_conflict=conflict,
        returning=outputs,
        ctes=finish_ctes(scope, ctes),
    )


def _refuse_values(table: Table, columns: Sequence[tuple[int, int]], node: ast.InsertStmt) -> None:
    """PgError 428C9 where a generated column is given anything but DEFAULT (rewriteTargetListIU)."""
    rows = node.source.rows if isinstance(node.source, ast.ValuesStmt) else None
    given = {
        index
        for place, (index, _at) in enumerate(columns)
        if rows is None or any(not isinstance(row[place], ast.DefaultMarker) for row in rows)
    }
    refuse_generated(table, given, 'cannot insert a non-DEFAULT value into column "{}"')
    if node.on_conflict is not None:
        given = valued(table, node.on_conflict.sets)
        refuse_generated(table, given, 'column "{}" can only be updated to DEFAULT')


def _width(source: tree.Query | tree.ValuesRel | None, node: ast.InsertStmt) -> int:
    """How many columns get values that were given."""
    if source is not None:
        return len(source.columns)
    return len(node.source.rows[0]) if isinstance(node.source, ast.ValuesStmt) else 0


def _target_columns(table: Table, targets: Sequence[ast.ResTarget]) -> list[tuple[int, int]]:
    """(attribute index, where it was named) per target; all columns when none are named."""
    if not targets:
        return [(index, -1) for index, column in enumerate(table.columns) if not column.dropped]
    made: list[tuple[int, int]] = []
    for target in targets:
        index = column_index(table, target.name or "", target.at)
        if any(known == index for known, _ in made):
            raise error("42701", f'column "{target.name}" specified more than once', target.at)
        refuse_part(table, index, target.indirection, target.at, -1)
        made.append((index, target.at))
    return made


Source = tuple[tree.Query | tree.ValuesRel | None, int, tuple[tree.Expr, ...]]


def _source(scope: Scope, table: Table, columns: Sequence[tuple[int, int]], node: ast.InsertStmt) -> Source:
    """(source, its relation id, one expression per table column)."""
    query = node.source
    if query is None:
        return None, -1, _all_columns(scope, table, {})
    if isinstance(query, ast.ValuesStmt) and not _has_clauses(query):
        if len(query.rows) == 1:
            row = _checked_row(scope, table, columns, node, query.rows[0], "VALUES single")
            if scope.has_set_returning:
                return _sets(scope, table, row)
            return None, -1, _all_columns(scope, table, dict(row))
        return _values(scope, table, columns, node, query)
    return _select(scope, table, columns, node, query)


def _has_clauses(query: ast.ValuesStmt) -> bool:
    return (
        bool(query.order_by or query.locking or query.with_)
        or query.limit is not None
        or query.offset is not None
    )


def _all_columns(scope: Scope, table: Table, given: dict[int, tree.Expr]) -> tuple[tree.Expr, ...]:
    """One value per table column: the given one, else the default."""
    return tuple(
        given[index] if index in given else column_default(scope.state, table, index)
        for index in range(len(table.columns))
    )


def _check_width(
    scope: Scope,
    columns: Sequence[tuple[int, int]],
    places: Sequence[int],
    node: ast.InsertStmt,
    row: Sequence[ast.Expr],
) -> None:
    """42601 when there are more expressions than targets, or fewer although the targets were named."""
    if len(places) > len(columns):
        raise error("42601", "INSERT has more expressions than target columns", places[len(columns)])
    if node.columns and len(places) < len(columns):
        hint = None
        if len(row) == 1 and isinstance(row[0], ast.RowExpr) and len(row[0].items) == len(columns):
            hint = (
                "The insertion source is a row expression containing the same number of columns expected "
                "by the INSERT. Did you accidentally use extra parentheses?"
            )
        message = "INSERT has more target columns than expressions"
        raise error("42601", message, columns[len(places)][1], hint=hint)


def _checked_row(
    scope: Scope,
    table: Table,
    columns: Sequence[tuple[int, int]],
    node: ast.InsertStmt,
    row: Sequence[ast.Expr],
    kind: str,
) -> list[tuple[int, tree.Expr]]:
    """One VALUES row: (attribute index, value under the column's type)."""
    bound: Row = [
        None if isinstance(expr, ast.DefaultMarker) else transform_as(scope, expr, kind) for expr in row
    ]
    places = [expr.at if made is None else scope.where(made) for expr, made in zip(row, bound)]
    _check_width(scope, columns, places, node, row)
    made_row = []
    for (index, _), value in zip(columns, bound):
        made = (
            column_default(scope.state, table, index)
            if value is None
            else assign(scope, value, table.columns[index])
        )
        made_row.append((index, made))
    return made_row


def _sets(scope: Scope, table: Table, row: Sequence[tuple[int, tree.Expr]]) -> Source:
    """One row with set-returning functions: a SELECT without FROM, as many rows as they give."""
    entries = [TargetEntry(expr, table.columns[index].name) for index, expr in row]
    query = tree.Query(targets=finish_targets(scope, entries), has_set_returning=True)
    rel = scope.state.new_rel(scope)
    given: dict[int, tree.Expr] = {
        index: tree.Var(expr.type, rel, place, expr.typmod) for place, (index, expr) in enumerate(row)
    }
    return query, rel, _all_columns(scope, table, given)


def _values(
    scope: Scope,
    table: Table,
    columns: Sequence[tuple[int, int]],
    node: ast.InsertStmt,
    query: ast.ValuesStmt,
) -> Source:
    """Several rows: a relation whose columns have the target columns' types."""
    width = len(query.rows[0])
    rows = []
    for row in query.rows:
        if len(row) != width:
            raise error("42601", "VALUES lists must all be the same length", row[0].at if row else -1)
        rows.append(_checked_row(scope, table, columns, node, row, "VALUES"))
    used = [index for index, _ in columns[:width]]
    outputs = tuple(
        tree.OutputColumn(
            table.columns[index].name, BY_OID[table.columns[index].type_oid], table.columns[index].typmod
        )
        for index in used
    )
    rel = scope.state.new_rel(scope)
    relation = tree.ValuesRel(rel, tuple(tuple(expr for _, expr in row) for row in rows), outputs, "*VALUES*")
    given: dict[int, tree.Expr] = {
        index: tree.Var(output.type, rel, place, output.typmod, output.name)
        for place, (index, output) in enumerate(zip(used, outputs))
    }
    return relation, rel, _all_columns(scope, table, given)


def _select(
    scope: Scope, table: Table, columns: Sequence[tuple[int, int]], node: ast.InsertStmt, source: ast.Query
) -> Source:
    """INSERT ... SELECT: untyped literals of the select list take the target columns' types."""
    query = scope.state.bind_query(scope, source, resolve_unknowns=False)
    shown = [target for target in query.targets if not target.hidden]
    _check_width(scope, columns, [scope.where(target.expr) for target in shown], node, ())
    types = [
        BY_OID[table.columns[index].type_oid] if target.expr.type is UNKNOWN else target.expr.type
        for (index, _), target in zip(columns, shown)
    ]
    query = convert(scope, query, types, "INSERT")
    rel = scope.state.new_rel(scope)
    given: dict[int, tree.Expr] = {}
    for place, ((index, _), output, target) in enumerate(zip(columns, query.columns, shown)):
        var = tree.Var(output.type, rel, place, output.typmod, output.name)
        scope.place(var, scope.where(target.expr))
        given[index] = assign(scope, var, table.columns[index])
    return query, rel, _all_columns(scope, table, given)


# --- ON CONFLICT -------------------------------------------------------------------------------------------


def _on_conflict(scope: Scope, table: Table, item: NsItem, node: ast.OnConflict) -> tree.ConflictAction:
    if node.action == "update" and not node.target and node.constraint is None:
        raise error(
            "42601",
            "ON CONFLICT DO UPDATE requires inference specification or constraint name",
            node.at,
            hint="For example, ON CONFLICT (column_name).",
        )
    arbiters = _arbiters(scope, table, item, node)
    _read_arbiters(scope, table, item, arbiters)
    if node.action != "update":
        return tree.ConflictAction(arbiters, False)
    scope.state.need(table.oid, "UPDATE", item.rel)
    rel = scope.state.new_rel(scope)
    scope.state.accesses[rel] = scope.state.accesses[item.rel]
    excluded = _excluded(table, rel)
    scope.items.append(excluded)
    scope.namespace = [item, excluded]
    where = None
    if node.where is not None:
        where = as_boolean(scope, transform_as(scope, node.where, "WHERE"), "WHERE")
    before, scope.kind = scope.kind, "UPDATE"
    sets = set_list(scope, table, node.sets)
    scope.kind = before
    scope.state.accesses[rel].updated.update(index + 1 for index, _expr in sets)
    return tree.ConflictAction(arbiters, True, rel, tuple(sets), where)


def _read_arbiters(scope: Scope, table: Table, item: NsItem, arbiters: Sequence[int]) -> None:
    """Whoever names what may conflict reads it: SELECT on these columns (transformOnConflictArbiter)."""
    for oid, index in _unique_indexes(table):
        if oid in arbiters:
            scope.state.need(table.oid, "SELECT", item.rel)
            for key in index.keys:
                scope.state.accesses[item.rel].selected.update(key_columns(table, key))


def _excluded(table: Table, rel: int) -> NsItem:
    columns = [
        NsColumn(column.name, tree.Var(BY_OID[column.type_oid], rel, index, column.typmod, column.name))
        for index, column in enumerate(table.columns)
        if not column.dropped
    ]
    return NsItem("excluded", columns, rel, has_alias=True)


def _unique_indexes(table: Table) -> list[tuple[int, Index]]:
    """(arbiter oid, index) of everything unique: the table's own oid stands for the primary key."""
    primary = [(table.oid, table.primary_key)] if table.primary_key is not None else []
    return primary + [
        (index.oid, index) for index in table.indexes if index.unique and index.state == "valid"
    ]


def _arbiters(scope: Scope, table: Table, item: NsItem, node: ast.OnConflict) -> tuple[int, ...]:
    """The indexes that an inference clause or a constraint's name means; raises 42P10, 42704, 42703."""
    if node.constraint is not None:
        for oid, unique in _unique_indexes(table):
            if unique.name == node.constraint and (unique.constraint or unique.primary):
                return (oid,)
        raise error("42704", f'constraint "{node.constraint}" for table "{table.name}" does not exist')
    if not node.target:
        return ()
    wanted = Inference(table)
    for element in node.target:
        if element.name is not None:
            wanted.columns.add(_inferred(scope, table, element.name, element.at) + 1)
        else:
            assert element.expr is not None
            wanted.add(_fixed(scope, element.expr, "index expression"), item.rel)
    if node.target_where is not None:
        wanted.limit(_fixed(scope, node.target_where, "index predicate"), item.rel)
    matching = tuple(oid for oid, index in _unique_indexes(table) if wanted.infers(index))
    if not matching:
        raise error(
            "42P10", "there is no unique or exclusion constraint matching the ON CONFLICT specification"
        )
    return matching


def _fixed(scope: Scope, node: ast.Expr, kind: str) -> tree.Expr:
    """An expression of the inference clause: its literals are part of the plan."""
    made = settle_unknown(scope, transform_as(scope, node, kind))
    lifted = len(scope.state.param_types)
    if any(isinstance(part, tree.Param) and part.index >= lifted for part in walk(made)):
        raise NotLiftable
    return made


def _inferred(scope: Scope, table: Table, name: str, at: int) -> int:
    for index, column in enumerate(table.columns):
        if column.name == name and not column.dropped:
            return index
    raise missing_column(scope, None, name, at)
