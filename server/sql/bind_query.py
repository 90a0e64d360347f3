"""SELECT and VALUES (PostgreSQL, chapter 7; transformSelectStmt)."""

from __future__ import annotations

from collections.abc import Sequence

from server.sql import ast, refusals, tree
from server.sql.bind_cte import finish_ctes, with_clause
from server.sql.bind_expr import leftmost, transform_as
from server.sql.bind_from import transform_from
from server.sql.bind_group import (
    GroupCheck,
    Grouping,
    expressions,
    group_by,
    number_grouping_calls,
    replace_grouping,
)
from server.sql.bind_lock import locks
from server.sql.bind_order import check_distinct, distinct_on, limit, order_by
from server.sql.bind_target import TargetEntry, finish_targets, settle_targets, transform_targets
from server.sql.bind_window import windows
from server.sql.coerce import as_boolean, common_type, common_typmod, settle_unknown, to_common_type
from server.sql.scope import NsColumn, NsItem, Scope, error


def bind_query(
    parent: Scope | None, node: ast.Query, scope: Scope | None = None, resolve_unknowns: bool = True
) -> tree.Query:
    """A query in a scope of its own below `parent` (or in the fresh `scope`)."""
    from server.sql.bind_setop import set_operation

    if scope is None:
        assert parent is not None
        scope = Scope(parent.state, parent)
    scope.resolve_unknowns = resolve_unknowns
    if isinstance(node, ast.SetOperation):
        return set_operation(scope, node)
    if isinstance(node, ast.ValuesStmt):
        return values(scope, node)
    return select(scope, node)


def select(scope: Scope, node: ast.SelectStmt) -> tree.Query:
    """A plain SELECT."""
    refusals.check_node(node)
    ctes = with_clause(scope, node.with_)
    scope.window_defs += node.windows
    from_ = transform_from(scope, node.from_)
    targets = transform_targets(scope, node.targets, "SELECT")
    where = _condition(scope, node.where, "WHERE")
    having = _condition(scope, node.having, "HAVING")
    keys = order_by(scope, node.order_by, targets)
    grouping = group_by(scope, node, targets)
    distinct, on = _distinct(scope, node, targets, keys)
    offset = limit(scope, node.offset, "OFFSET")
    count = limit(scope, node.limit, "LIMIT")
    if node.with_ties and not node.order_by:
        raise error("42601", "WITH TIES cannot be specified without ORDER BY clause")
    made_windows = windows(scope)
    if scope.resolve_unknowns:
        settle_targets(scope, targets)
    grouped = bool(node.group_by) or having is not None or bool(scope.aggregates) or bool(scope.grouping)
    row_locks = locks(scope, node, grouped)
    if grouped:
        targets, having = _check_grouping(scope, grouping, targets, having, made_windows)
    return tree.Query(
        targets=finish_targets(scope, targets),
        rels=tuple(scope.rels),
        from_=from_,
        where=where,
        group_by=tuple(targets[index].expr for index in grouping.keys),
        grouping_sets=tuple(grouping.sets) if grouping.sets is not None else None,
        grouped=grouped,
        having=having,
        windows=made_windows,
        distinct=distinct,
        distinct_on=on,
        order_by=keys,
        limit=count,
        with_ties=node.with_ties,
        offset=offset,
        ctes=finish_ctes(scope, ctes),
        locks=row_locks,
        has_set_returning=scope.has_set_returning,
    )


def _condition(scope: Scope, node: ast.Expr | None, kind: str) -> tree.Expr | None:
    return as_boolean(scope, transform_as(scope, node, kind), kind) if node is not None else None


def _distinct(
    scope: Scope, node: ast.SelectStmt, targets: list[TargetEntry], keys: Sequence[tuple[int, bool, bool]]
) -> tuple[bool, tuple[int, ...]]:
    if node.distinct is False:
        return False, ()
    if node.distinct is True:
        for entry in targets:
            entry.expr = settle_unknown(scope, entry.expr) if not entry.hidden else entry.expr
        check_distinct(scope, targets, keys)
        return True, ()
    return False, distinct_on(scope, node.distinct, targets, keys)


def _check_grouping(
    scope: Scope,
    grouping: Grouping,
    targets: list[TargetEntry],
    having: tree.Expr | None,
    made_windows: Sequence[tree.Window],
) -> tuple[list[TargetEntry], tree.Expr | None]:
    """Every output is grouped or aggregated; GROUPING calls get their numbers."""
    if scope.aggregates and scope.self_reference:
        message = "aggregate functions are not allowed in a recursive query's recursive term"
        raise error("42P19", message, scope.where(scope.aggregates[0]))
    keys = tuple(targets[index].expr for index in grouping.keys)
    common = keys
    if grouping.sets is not None:
        shared = set.intersection(*(set(one) for one in grouping.sets)) if grouping.sets else set()
        common = tuple(key for place, key in enumerate(keys) if place in shared)
    numbered = number_grouping_calls(scope, grouping, keys)
    check = GroupCheck(scope, keys, common)
    for expr in expressions(targets):
        check.check(expr)
    for window in made_windows:
        for expr in (*window.partition_by, *(key.expr for key in window.order_by)):
            check.check(expr)
    for expr in expressions((), having):
        check.check(expr)
    if numbered:
        targets = [TargetEntry(replace_grouping(t.expr, numbered), t.name, t.hidden) for t in targets]
        having = replace_grouping(having, numbered) if having is not None else None
    return targets, having


# --- VALUES ------------------------------------------------------------------------------------------------


def values(scope: Scope, node: ast.ValuesStmt) -> tree.Query:
    """VALUES (...), (...) as a query: columns `column1`, ... of their common types."""
    ctes = with_clause(scope, node.with_)
    rows = values_rows(scope, node.rows)
    columns = tuple(
        tree.OutputColumn(
            f"column{index + 1}", expr.type, common_typmod([row[index] for row in rows], expr.type)
        )
        for index, expr in enumerate(rows[0])
    )
    rel = scope.state.new_rel(scope)
    scope.rels.append(tree.ValuesRel(rel, tuple(tuple(row) for row in rows), columns, "*VALUES*"))
    shown = [
        NsColumn(column.name, tree.Var(column.type, rel, index, column.typmod, column.name))
        for index, column in enumerate(columns)
    ]
    item = NsItem("*VALUES*", shown, rel)
    scope.items.append(item)
    scope.namespace.append(item)
    targets = [TargetEntry(column.expr, column.name) for column in shown]
    keys = order_by(scope, node.order_by, targets)
    offset = limit(scope, node.offset, "OFFSET")
    count = limit(scope, node.limit, "LIMIT")
    if node.locking:
        raise error("0A000", f"FOR {node.locking[0].strength.upper()} cannot be applied to VALUES")
    return tree.Query(
        targets=finish_targets(scope, targets),
        rels=tuple(scope.rels),
        from_=rel,
        order_by=keys,
        limit=count,
        with_ties=node.with_ties,
        offset=offset,
        ctes=finish_ctes(scope, ctes),
    )


def values_rows(scope: Scope, rows: Sequence[Sequence[ast.Expr]]) -> list[list[tree.Expr]]:
    """The rows bound and brought to common types column by column; raises 42601, 42804."""
    made: list[list[tree.Expr]] = []
    for row in rows:
        made.append([transform_as(scope, expr, "VALUES") for expr in row])
        if len(row) != len(rows[0]):
            raise error("42601", "VALUES lists must all be the same length", leftmost(row[0], -1))
    for index in range(len(rows[0])):
        column = [bound[index] for bound in made]
        target = common_type(scope, column, "VALUES")
        for bound in made:
            bound[index] = to_common_type(scope, bound[index], target, "VALUES")
    return made
