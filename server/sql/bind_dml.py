"""UPDATE and DELETE, and what INSERT shares with them (PostgreSQL, chapter 6)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from server.catalog.descriptor import Column, Table
from server.sql import ast, refusals, tree
from server.sql.bind_cte import finish_ctes, with_clause
from server.sql.bind_expr import transform, transform_as
from server.sql.bind_from import add_table, lateral_state, transform_from
from server.sql.bind_scalar import column_default, table_checks, table_generated
from server.sql.bind_target import TargetEntry, finish_targets, returning
from server.sql.coerce import ASSIGNMENT, as_boolean, coerce_to_target
from server.sql.scope import NsItem, Scope, error, open_relation
from server.sql.types import BY_OID, RECORD


def bind_dml(scope: Scope, node: ast.Statement) -> tree.Insert | tree.Update | tree.Delete:
    """INSERT, UPDATE or DELETE in its own scope."""
    from server.sql.bind_insert import insert

    if isinstance(node, ast.InsertStmt):
        return insert(scope, node)
    if isinstance(node, ast.UpdateStmt):
        return update(scope, node)
    assert isinstance(node, ast.DeleteStmt)
    return delete(scope, node)


def target_table(scope: Scope, relation: ast.RangeVar, privilege: str) -> tuple[Table, NsItem]:
    """The table that a statement changes, in the scope's relations but not yet in its namespace."""
    table = open_relation(scope, relation)
    if not isinstance(table, Table):
        raise error("42501", f'permission denied: "{relation.names[-1]}" is a system catalog')
    item = add_table(scope, table, relation.alias, relation.at)
    scope.state.need(table.oid, privilege, item.rel)
    return table, item


def column_index(table: Table, name: str, at: int) -> int:
    """A column that a statement assigns to; raises 42703."""
    for index, column in enumerate(table.columns):
        if column.name == name and not column.dropped:
            return index
    raise error("42703", f'column "{name}" of relation "{table.name}" does not exist', at)


def refuse_part(table: Table, index: int, part: str | None, at: int, element_at: int) -> None:
    """42804 when a statement assigns to a field (`part`) or an element (empty): no column is made of any."""
    if part is None:
        return
    column = table.columns[index]
    kind = BY_OID[column.type_oid].display
    if not part:
        message = f"cannot subscript type {kind} because it does not support subscripting"
        raise error("42804", message, element_at)
    message = (
        f'cannot assign to field "{part}" of column "{column.name}" because its type {kind}'
        " is not a composite type"
    )
    raise error("42804", message, at)


def assign(scope: Scope, expr: tree.Expr, column: Column) -> tree.Expr:
    """An assignment cast to a column's type and modifier; raises 42804."""
    kind = BY_OID[column.type_oid]
    made = coerce_to_target(scope, expr, kind, column.typmod, ASSIGNMENT)
    if made is None:
        raise error(
            "42804",
            f'column "{column.name}" is of type {kind.display} but expression is of type {expr.type.display}',
            scope.where(expr),
            hint="You will need to rewrite or cast the expression.",
        )
    return made


def set_list(scope: Scope, table: Table, sets: Sequence[ast.SetClause]) -> list[tuple[int, tree.Expr]]:
    """SET: (attribute index, value under the column's type) as written; raises 42601, 42703, 42804."""
    made: list[tuple[int, tree.Expr]] = []
    for clause in sets:
        values = _sources(scope, table, clause)
        for name, value, at, part in zip(clause.columns, values, clause.places, clause.indirection):
            index = column_index(table, name, at)
            refuse_part(table, index, part, at, at)
            if any(known == index for known, _ in made):
                raise error("42601", f'multiple assignments to same column "{name}"')
            column = table.columns[index]
            if value is None:
                made.append((index, column_default(scope.state, table, index)))
            else:
                made.append((index, assign(scope, value, column)))
    return made


def valued(table: Table, sets: Sequence[ast.SetClause]) -> set[int]:
    """0-based positions of the columns that a bound SET gives anything but DEFAULT."""
    found = set[int]()
    for clause in sets:
        items = clause.expr.items if clause.multiple and isinstance(clause.expr, ast.RowExpr) else None
        for place, name in enumerate(clause.columns):
            if not isinstance(items[place] if items is not None else clause.expr, ast.DefaultMarker):
                found.add(column_index(table, name, -1))
    return found


def refuse_generated(table: Table, given: Collection[int], message: str) -> None:
    """PgError 428C9 where a generated column is among those (0-based) that are `given` a value."""
    for place, column in enumerate(table.columns):
        if column.generated and place in given:
            detail = f'Column "{column.name}" is a generated column.'
            raise error("428C9", message.replace("{}", column.name), detail=detail)


def _sources(scope: Scope, table: Table, clause: ast.SetClause) -> list[tree.Expr | None]:
    """The value per column of one SET item; None for DEFAULT."""
    if not clause.multiple:
        return [_source(scope, clause.expr)]
    if isinstance(clause.expr, ast.RowExpr):
        if len(clause.expr.items) != len(clause.columns):
            raise error("42601", "number of columns does not match number of values", clause.expr.at)
        return [_source(scope, item) for item in clause.expr.items]
    if isinstance(clause.expr, ast.SubLink) and clause.expr.kind == "scalar":
        return _from_subquery(scope, clause, clause.expr)
    message = "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression"
    raise error("0A000", message, clause.expr.at)


def _source(scope: Scope, node: ast.Expr) -> tree.Expr | None:
    return None if isinstance(node, ast.DefaultMarker) else transform(scope, node)


def _from_subquery(scope: Scope, clause: ast.SetClause, node: ast.SubLink) -> list[tree.Expr | None]:
    """(a, b) = (SELECT ...): fields of one scalar subquery whose output is a row."""
    query = scope.state.bind_query(scope, node.query)
    columns = query.columns
    if len(columns) != len(clause.columns):
        raise error("42601", "number of columns does not match number of values", node.at)
    rel = scope.state.new_rel(scope)
    fields = tuple(tree.Var(c.type, rel, i, c.typmod, c.name) for i, c in enumerate(columns))
    row = tree.RowExpr(RECORD, fields, tuple(c.name for c in columns))
    target = tree.Target(row, tree.OutputColumn("row", RECORD))
    outer = tree.Query(targets=(target,), rels=(tree.QueryRel(rel, query, False, "subquery"),), from_=rel)
    link = tree.SubLink(RECORD, "scalar", outer)
    scope.place(link, node.at)
    made: list[tree.Expr | None] = []
    for index, column in enumerate(columns):
        at = scope.where(query.targets[index].expr)
        made.append(scope.place(tree.FieldSelect(column.type, link, index, column.typmod), at))
    return made


def _where(scope: Scope, node: ast.Expr | None) -> tree.Expr | None:
    return as_boolean(scope, transform_as(scope, node, "WHERE"), "WHERE") if node is not None else None


def _join_from(scope: Scope, item: NsItem, items: Sequence[ast.FromItem]) -> tree.Join | int:
    """The target joined with FROM or USING, whose subqueries cannot see the target."""
    lateral_state([item], True, False)
    scope.namespace.append(item)
    other = transform_from(scope, items)
    return item.rel if other is None else tree.Join("inner", item.rel, other, None)


def update(scope: Scope, node: ast.UpdateStmt) -> tree.Update:
    """UPDATE ... SET ... FROM ... WHERE ... RETURNING."""
    refusals.check_node(node)
    ctes = with_clause(scope, node.with_)
    table, item = target_table(scope, node.relation, "UPDATE")
    from_ = _join_from(scope, item, node.from_)
    where = _where(scope, node.where)
    outputs = returning(scope, node.returning)
    scope.kind = "UPDATE"
    sets = set_list(scope, table, node.sets)
    scope.state.accesses[item.rel].updated.update(index + 1 for index, _expr in sets)
    refuse_generated(table, valued(table, node.sets), 'column "{}" can only be updated to DEFAULT')
    entries = [TargetEntry(expr, table.columns[index].name) for index, expr in sets]
    query = tree.Query(
        targets=finish_targets(scope, entries), rels=tuple(scope.rels), from_=from_, where=where
    )
    return tree.Update(
        table=table,
        rel=item.rel,
        query=query,
        columns=tuple(index for index, _ in sets),
        checks=table_checks(scope.state, table, item.rel),
        generated=table_generated(scope.state, table, item.rel),
        returning=outputs,
        ctes=finish_ctes(scope, ctes),
    )


def delete(scope: Scope, node: ast.DeleteStmt) -> tree.Delete:
    """DELETE ... USING ... WHERE ... RETURNING."""
    refusals.check_node(node)
    ctes = with_clause(scope, node.with_)
    table, item = target_table(scope, node.relation, "DELETE")
    from_ = _join_from(scope, item, node.using)
    where = _where(scope, node.where)
    outputs = returning(scope, node.returning)
    query = tree.Query(targets=(), rels=tuple(scope.rels), from_=from_, where=where)
    return tree.Delete(
        table=table, rel=item.rel, query=query, returning=outputs, ctes=finish_ctes(scope, ctes)
    )
