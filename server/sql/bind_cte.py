"""WITH: plain, recursive and data-modifying items (PostgreSQL, chapter 7.8; parse_cte.c)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from server.sql import ast, bind_search, tree
from server.sql.ast_walk import children, references
from server.sql.scope import CteEntry, Scope, error
from server.sql.types import format_type, is_row

DML = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt)


def with_clause(scope: Scope, node: ast.WithClause | None) -> tuple[tree.Cte, ...]:
    """Bind the WITH list into the scope; raises 42712, 42P19, 0A000."""
    if node is None:
        return ()
    names = [cte.name for cte in node.ctes]
    for index, cte in enumerate(node.ctes):
        if cte.name in names[:index]:
            raise error("42712", f'WITH query name "{cte.name}" specified more than once', cte.at)
        if isinstance(cte.query, DML) and scope.parent is not None:
            message = "WITH clause containing a data-modifying statement must be at the top level"
            raise error("0A000", message, cte.at)
    order = _dependency_order(node.ctes) if node.recursive else list(node.ctes)
    made: dict[str, tree.Cte] = {}
    scope.future_ctes = set(names)
    for cte in order:
        entry = CteEntry(scope.state.next_cte, cte.name, None)
        scope.state.next_cte += 1
        first = scope.state.next_rel
        if not node.recursive:
            made[cte.name] = _plain(scope, cte, entry)
            scope.future_ctes.discard(cte.name)
        else:
            scope.future_ctes.discard(cte.name)
            recursive = any(True for _ in references(cte.query, cte.name))
            made[cte.name] = _recursive(scope, cte, entry) if recursive else _plain(scope, cte, entry)
        scope.state.cte_rels[entry.id] = range(first, scope.state.next_rel)
    return tuple(made[cte.name] for cte in order)


def finish_ctes(scope: Scope, ctes: Sequence[tree.Cte]) -> tuple[tree.Cte, ...]:
    """The items with how often each is used: known once the statement below WITH is bound.

    A query that nobody uses does not run, so nobody asks whether its user may read what it reads.
    """
    uses = {entry.id: entry.uses for entry in scope.ctes.values()}
    for cte in ctes:
        if not uses.get(cte.id, 0) and isinstance(cte.query, tree.Query):
            for rel in scope.state.cte_rels[cte.id]:
                scope.state.accesses.pop(rel, None)
    return tuple(replace(cte, uses=uses.get(cte.id, 0)) for cte in ctes)


def _dependency_order(ctes: Sequence[ast.CommonTableExpr]) -> list[ast.CommonTableExpr]:
    """WITH RECURSIVE: items may name later ones, but not one another in a circle (TopologicalSort)."""
    names = {cte.name for cte in ctes}
    needs = {
        cte.name: {name for name in names - {cte.name} if any(True for _ in references(cte.query, name))}
        for cte in ctes
    }
    waiting = list(ctes)
    order: list[ast.CommonTableExpr] = []
    while waiting:
        done = {cte.name for cte in order}
        ready = next((cte for cte in waiting if needs[cte.name] <= done), None)
        if ready is None:
            raise error("0A000", "mutual recursion between WITH items is not implemented", waiting[0].at)
        waiting.remove(ready)
        order.append(ready)
    return order


def _plain(scope: Scope, cte: ast.CommonTableExpr, entry: CteEntry) -> tree.Cte:
    query = bind_item(scope, cte)
    if cte.search is not None or cte.cycle is not None:
        raise error("42601", "WITH query is not recursive", cte.at)
    if isinstance(query, tree.Query):
        columns: tuple[tree.OutputColumn, ...] = query.columns
        entry.fields = [_fields(scope, target) for target in query.targets if not target.hidden]
    else:
        columns = tuple(target.column for target in query.returning)
        entry.returns_nothing = not query.returning
    entry.columns = _renamed(cte, columns)
    scope.ctes[cte.name] = entry
    return tree.Cte(entry.id, cte.name, query, materialized=cte.materialized)


def bind_item(scope: Scope, cte: ast.CommonTableExpr) -> tree.Statement:
    """The query of a WITH item, in a scope below the statement's."""
    if isinstance(cte.query, DML):
        from server.sql.bind_dml import bind_dml

        return bind_dml(Scope(scope.state, scope), cte.query)
    if not isinstance(cte.query, (ast.SelectStmt, ast.ValuesStmt, ast.SetOperation)):
        raise error("42601", "unexpected utility statement in WITH", cte.at)
    return scope.state.bind_query(scope, cte.query)


def _renamed(cte: ast.CommonTableExpr, columns: Sequence[tree.OutputColumn]) -> tuple[tree.OutputColumn, ...]:
    if len(cte.columns) > len(columns):
        available, given = len(columns), len(cte.columns)
        message = f'WITH query "{cte.name}" has {available} columns available but {given} columns specified'
        raise error("42P10", message, cte.at)
    names = [*cte.columns, *(column.name for column in columns[len(cte.columns) :])]
    return tuple(replace(column, name=name) for column, name in zip(columns, names))


# --- recursion ---------------------------------------------------------------------------------------------


def _recursive(scope: Scope, cte: ast.CommonTableExpr, entry: CteEntry) -> tree.Cte:
    """`non-recursive-term UNION [ALL] recursive-term`; the first one gives names and types."""
    from server.sql.bind_setop import combine

    node = cte.query
    at = next(references(node, cte.name)).at
    if isinstance(node, DML):
        raise error(
            "42P19", f'recursive query "{cte.name}" must not contain data-modifying statements', cte.at
        )
    if not isinstance(node, ast.SetOperation) or node.op != "union":
        if isinstance(node, ast.SetOperation):
            check_placement(node, cte.name)
        form = "non-recursive-term UNION [ALL] recursive-term"
        message = f'recursive query "{cte.name}" does not have the form {form}'
        raise error("42P19", message, cte.at)
    _check_form(node, cte.name)
    for found in references(node.left, cte.name):
        message = f'recursive reference to query "{cte.name}" must not appear within its non-recursive term'
        raise error("42P19", message, found.at)
    check_placement(node.right, cte.name)
    inner = Scope(scope.state, scope)
    ctes = with_clause(inner, node.with_)
    plain_left = left = scope.state.bind_query(inner, node.left)
    names = [column.name for column in _renamed(cte, left.columns)]
    added = bind_search.added_columns(cte)
    if added:
        bind_search.check_columns(cte, names)
        left = scope.state.bind_query(inner, bind_search.first_term(cte, node.left, names))
    entry.columns = _renamed(cte, left.columns)
    entry.fields = [_fields(inner, target) for target in left.targets if not target.hidden]
    entry.starred = len(names)
    entry.binding = True
    scope.ctes[cte.name] = entry
    right = scope.state.bind_query(inner, node.right, resolve_unknowns=False)
    if added:
        combine(inner, node, plain_left, right)
        bind_search.check_names(cte, names)
        again = bind_search.recursive_term(cte, node.right, names)
        right = scope.state.bind_query(inner, again, resolve_unknowns=False)
    entry.binding = False
    query = replace(combine(inner, node, left, right), ctes=finish_ctes(inner, ctes))
    _check_types(scope, cte, left, query, at)
    return tree.Cte(entry.id, cte.name, query, recursive=True, materialized=cte.materialized)


def _fields(scope: Scope, target: tree.Target) -> list[tree.OutputColumn] | None:
    from server.sql.bind_column import row_columns

    return row_columns(scope, target.expr) if is_row(target.expr.type) else None


def _check_form(node: ast.SetOperation, name: str) -> None:
    clauses = [
        (node.order_by[0].expr if node.order_by else None, "ORDER BY"),
        (node.offset, "OFFSET"),
        (node.limit, "LIMIT"),
    ]
    for clause, what in clauses:
        if clause is not None:
            raise error("0A000", f"{what} in a recursive query is not implemented", getattr(clause, "at", -1))
    if node.locking:
        raise error("0A000", "FOR UPDATE/SHARE in a recursive query is not implemented")


def check_placement(node: object, name: str) -> None:
    """42P19 where the recursive term names the query in a place that the iteration does not support."""
    seen: list[ast.RangeVar] = []
    _place(node, name, None, seen)


def _place(node: object, name: str, within: str | None, seen: list[ast.RangeVar]) -> None:
    """Walk with the reason why a reference here is refused (checkWellFormedRecursionWalker)."""
    if isinstance(node, ast.RangeVar):
        if node.names != (name,):
            return
        if within is not None:
            message = f'recursive reference to query "{name}" must not appear within {within}'
            raise error("42P19", message, node.at)
        if seen:
            raise error(
                "42P19", f'recursive reference to query "{name}" must not appear more than once', node.at
            )
        seen.append(node)
        return
    if isinstance(node, ast.SubLink):
        _place(node.test, name, within, seen)
        _place(node.query, name, within or "a subquery", seen)
    elif isinstance(node, ast.JoinExpr):
        outer = within or "an outer join"
        _place(node.left, name, outer if node.kind in ("right", "full") else within, seen)
        _place(node.right, name, outer if node.kind in ("left", "full") else within, seen)
        _place(node.on, name, within, seen)
    elif isinstance(node, ast.SetOperation) and node.op != "union":
        left: str | None = within or ("INTERSECT" if node.op == "intersect" and node.all else within)
        right: str | None = within or node.op.upper()
        if node.op == "intersect" and not node.all:
            left, right = within, within
        _place(node.left, name, left, seen)
        _place(node.right, name, right if node.op == "except" else left, seen)
    else:
        with_ = getattr(node, "with_", None)
        if with_ is not None and any(cte.name == name for cte in with_.ctes):
            return
        for child in children(node):
            _place(child, name, within, seen)


def _check_types(
    scope: Scope, cte: ast.CommonTableExpr, left: tree.Query, query: tree.Query, at: int
) -> None:
    """The recursive term may not widen a column; raises 42804."""
    for index, (first, whole) in enumerate(zip(left.columns, query.columns)):
        if first.type is whole.type and first.typmod == whole.typmod:
            continue
        first_target = left.targets[index]
        raise error(
            "42804",
            f'recursive query "{cte.name}" column {index + 1} has type {_shown(first)} '
            f"in non-recursive term but type {_shown(whole)} overall",
            scope.where(first_target.expr),
            hint="Cast the output of the non-recursive term to the correct type.",
        )


def _shown(column: tree.OutputColumn) -> str:
    return format_type(column.type.oid, column.typmod)
