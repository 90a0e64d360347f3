"""FOR UPDATE and FOR KEY SHARE: which tables' rows are locked (PostgreSQL, SELECT; dsql-reference §5.2)."""

from __future__ import annotations

from dataclasses import replace

from journal.record import LockClass
from server.sql import ast, refusals, tree
from server.sql.bind_from import named_items
from server.sql.scope import NsItem, Scope, error

LOCKS = {"update": int(LockClass.EXCLUSIVE), "key share": int(LockClass.KEY_SHARE)}


def locks(scope: Scope, node: ast.SelectStmt, grouped: bool) -> tuple[tree.RowLock, ...]:
    """The row locks of a SELECT, those of its subqueries put into them; raises 0A000, 42P01."""
    made: dict[int, int] = {}
    for clause in node.locking:
        refusals.check_node(clause)
        strength = f"FOR {clause.strength.upper()}"
        _refuse_select(node, scope, grouped, strength)
        items = named_items(scope, clause.tables, clause.at, strength) if clause.tables else scope.items
        for item in items:
            _lock_item(scope, item, LOCKS[clause.strength], strength, made, clause)
    return tuple(tree.RowLock(rel, lock) for rel, lock in made.items())


def _lock_item(
    scope: Scope, item: NsItem, lock: int, strength: str, made: dict[int, int], clause: ast.LockingClause
) -> None:
    if item.table is not None:
        made[item.rel] = stronger(made.get(item.rel), lock)
        scope.state.need(item.table.oid, "UPDATE", item.rel)
        return
    for index, rel in enumerate(scope.rels):
        if isinstance(rel, tree.QueryRel) and rel.id == item.rel:
            scope.rels[index] = replace(rel, query=_lock_query(scope, rel.query, lock, strength))
            return
    if clause.tables:
        what = "a join" if item.is_join else "a WITH query" if item.from_cte is not None else "a function"
        raise error("0A000", f"{strength} cannot be applied to {what}", clause.at)


def stronger(known: int | None, lock: int) -> int:
    """Of two locks on one table the exclusive one."""
    return lock if known is None or lock == LockClass.EXCLUSIVE else known


def _lock_query(scope: Scope, query: tree.Query, lock: int, strength: str) -> tree.Query:
    """A lock on a subquery is one on every table in it."""
    reasons = [
        (query.set_op is not None, "with UNION/INTERSECT/EXCEPT"),
        (query.distinct or bool(query.distinct_on), "with DISTINCT clause"),
        (bool(query.group_by), "with GROUP BY clause"),
        (query.having is not None, "with HAVING clause"),
        (query.grouped, "with aggregate functions"),
        (bool(query.windows), "with window functions"),
        (query.has_set_returning, "with set-returning functions in the target list"),
    ]
    _refuse(reasons, strength)
    made = {one.rel: one.lock for one in query.locks}
    rels: list[tree.Rel] = []
    for rel in query.rels:
        if isinstance(rel, tree.TableRel):
            made[rel.id] = stronger(made.get(rel.id), lock)
            scope.state.need(rel.table.oid, "UPDATE", rel.id)
        elif isinstance(rel, tree.QueryRel):
            rel = replace(rel, query=_lock_query(scope, rel.query, lock, strength))
        rels.append(rel)
    return replace(
        query, rels=tuple(rels), locks=tuple(tree.RowLock(rel, held) for rel, held in made.items())
    )


def _refuse_select(node: ast.SelectStmt, scope: Scope, grouped: bool, strength: str) -> None:
    """Rows of tables cannot be told any more (CheckSelectLocking)."""
    reasons = [
        (node.distinct is not False, "with DISTINCT clause"),
        (bool(node.group_by), "with GROUP BY clause"),
        (node.having is not None, "with HAVING clause"),
        (bool(scope.aggregates) or grouped, "with aggregate functions"),
        (bool(scope.window_defs), "with window functions"),
        (scope.has_set_returning, "with set-returning functions in the target list"),
    ]
    _refuse(reasons, strength)


def _refuse(reasons: list[tuple[bool, str]], strength: str) -> None:
    for present, what in reasons:
        if present:
            raise error("0A000", f"{strength} is not allowed {what}")
