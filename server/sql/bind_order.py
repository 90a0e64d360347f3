"""ORDER BY, DISTINCT, LIMIT: names, positions and expressions (PostgreSQL, chapters 7.3.3, 7.5, 7.6)."""

from __future__ import annotations

from collections.abc import Sequence

from server.errors import PgError
from server.sql import ast, tree
from server.sql.bind_expr import leftmost, transform_as
from server.sql.bind_operator import refuse_lifted
from server.sql.bind_target import TargetEntry, figure_name
from server.sql.coerce import as_type, settle_unknown
from server.sql.resolve import resolve_operator
from server.sql.scope import Scope, error, find_column
from server.sql.tree_walk import walk
from server.sql.types import INT8, Type, is_row

_ordered: dict[Type, bool] = {}


def _has(operator: str, kind: Type) -> bool:
    try:
        resolve_operator(operator, kind, kind)
    except PgError:
        return False
    return True


def require_order(kind: Type, at: int) -> None:
    """42883 when the type has no ordering."""
    if kind not in _ordered:
        compared = kind.element if kind.element is not None and kind.category == "A" else kind
        _ordered[kind] = is_row(compared) or _has("<", compared)
    if not _ordered[kind]:
        raise error(
            "42883",
            f"could not identify an ordering operator for type {kind.display}",
            at,
            hint="Use an explicit ordering operator or modify the query.",
        )


def require_equality(kind: Type, at: int) -> None:
    """42883 when values of the type cannot be compared."""
    compared = kind.element if kind.element is not None and kind.category == "A" else kind
    if not is_row(compared) and not _has("=", compared):
        raise error("42883", f"could not identify an equality operator for type {kind.display}", at)


def sort_key(scope: Scope, item: ast.SortBy, expr: tree.Expr) -> tree.SortKey:
    """One ordering; nulls come last ascending, first descending, unless it says otherwise."""
    descending, nulls_first = direction(scope, item, expr)
    return tree.SortKey(expr, descending, nulls_first)


def direction(scope: Scope, item: ast.SortBy, expr: tree.Expr) -> tuple[bool, bool]:
    """(descending, nulls first) of a sort item; raises 42883, 42809."""
    descending = item.descending
    if item.using is not None:
        if item.using not in ("<", ">"):
            raise error(
                "42809",
                f"operator {item.using} is not a valid ordering operator",
                item.at,
                hint='Ordering operators must be "<" or ">" members of btree operator families.',
            )
        descending = item.using == ">"
    require_order(expr.type, leftmost(item.expr, -1))
    return descending, descending if item.nulls_first is None else item.nulls_first


# --- finding the target that a clause names ----------------------------------------------------------------


def find_target(scope: Scope, node: ast.Expr, targets: list[TargetEntry], clause: str) -> int:
    """The index of the target that a clause means, by SQL-92's rules, then SQL-99's; may add a hidden one."""
    refuse_lifted(node)
    if isinstance(node, ast.ColumnRef) and len(node.names) == 1 and not node.star:
        name = node.names[0]
        hidden_by_column = clause == "GROUP BY" and find_column(scope, name, node.at) is not None
        if not hidden_by_column:
            index = _by_name(targets, name, clause, node.at)
            if index is not None:
                return _plain(scope, targets[index], clause, index)
    position = _position(node, clause)
    if position is not None:
        if 1 <= position <= len(targets) and not targets[position - 1].hidden:
            return _plain(scope, targets[position - 1], clause, position - 1)
        raise error("42P10", f"{clause} position {position} is not in select list", node.at)
    return add_target(scope, transform_as(scope, node, clause), node, targets)


def _plain(scope: Scope, entry: TargetEntry, clause: str, index: int) -> int:
    """The target's index; GROUP BY may not name an output that aggregates (checkTargetlistEntrySQL92)."""
    if clause == "GROUP BY":
        for part in walk(entry.expr):
            if isinstance(part, tree.AggregateCall) and scope.state.aggregate_owners.get(id(part)) is scope:
                raise error("42803", "aggregate functions are not allowed in GROUP BY", scope.where(part))
            if isinstance(part, tree.WindowCall):
                raise error("42P20", "window functions are not allowed in GROUP BY", scope.where(part))
    return index


def _by_name(targets: Sequence[TargetEntry], name: str, clause: str, at: int) -> int | None:
    found: int | None = None
    for index, entry in enumerate(targets):
        if entry.hidden or entry.name != name:
            continue
        if found is None:
            found = index
        elif targets[found].expr != entry.expr:
            raise error("42702", f'{clause} "{name}" is ambiguous', at)
    return found


def _position(node: ast.Expr, clause: str) -> int | None:
    """A constant as a sort item is the position of a target."""
    sign = 1
    at = node.at
    if (
        isinstance(node, ast.Op)
        and node.left is None
        and node.name == "-"
        and isinstance(node.right, ast.Literal)
    ):
        node, sign = node.right, -1
        if node.kind not in ("integer", "float"):
            return None
    if not isinstance(node, ast.Literal):
        return None
    if node.kind != "integer" or int(node.text) > 2**31 - 1:
        raise error("42601", f"non-integer constant in {clause}", at)
    return sign * int(node.text)


def add_target(scope: Scope, expr: tree.Expr, node: ast.Expr, targets: list[TargetEntry]) -> int:
    """The target equal to the expression, else a new hidden one (findTargetlistEntrySQL99)."""
    for index, entry in enumerate(targets):
        if entry.expr == expr:
            return index
    targets.append(TargetEntry(expr, figure_name(scope, node), hidden=True))
    return len(targets) - 1


# --- the clauses -------------------------------------------------------------------------------------------


def order_by(
    scope: Scope, items: Sequence[ast.SortBy], targets: list[TargetEntry]
) -> tuple[tuple[int, bool, bool], ...]:
    """ORDER BY as (target, descending, nulls first)."""
    keys: list[tuple[int, bool, bool]] = []
    for item in items:
        index = find_target(scope, item.expr, targets, "ORDER BY")
        targets[index].expr = settle_unknown(scope, targets[index].expr)
        key = (index, *direction(scope, item, targets[index].expr))
        if not any(known == index for known, _, _ in keys):
            keys.append(key)
    return tuple(keys)


def check_distinct(
    scope: Scope, targets: Sequence[TargetEntry], keys: Sequence[tuple[int, bool, bool]]
) -> None:
    """SELECT DISTINCT: every type compares, and ORDER BY names only outputs; raises 42883, 42P10."""
    for index, _, _ in keys:
        if targets[index].hidden:
            message = "for SELECT DISTINCT, ORDER BY expressions must appear in select list"
            raise error("42P10", message, scope.where(targets[index].expr))
    for entry in targets:
        if not entry.hidden:
            require_equality(entry.expr.type, scope.where(entry.expr))


def distinct_on(
    scope: Scope,
    nodes: Sequence[ast.Expr],
    targets: list[TargetEntry],
    keys: Sequence[tuple[int, bool, bool]],
) -> tuple[int, ...]:
    """DISTINCT ON (...): its expressions are the first ones of ORDER BY; raises 42P10."""
    places: dict[int, int] = {}
    for node in nodes:
        index = find_target(scope, node, targets, "DISTINCT ON")
        targets[index].expr = settle_unknown(scope, targets[index].expr)
        require_equality(targets[index].expr.type, scope.where(targets[index].expr))
        places.setdefault(index, leftmost(node, -1))
    chosen = list(places)
    skipped = False
    matched = 0
    for index, _, _ in keys:
        if index not in chosen:
            skipped = True
        elif skipped:
            message = "SELECT DISTINCT ON expressions must match initial ORDER BY expressions"
            raise error("42P10", message, places[index])
        else:
            matched += 1
    if skipped and matched < len(chosen):
        ordered = {index for index, _, _ in keys}
        stray = next(index for index in chosen if index not in ordered)
        message = "SELECT DISTINCT ON expressions must match initial ORDER BY expressions"
        raise error("42P10", message, places[stray])
    return tuple(chosen)


def limit(scope: Scope, node: ast.Expr | None, clause: str) -> tree.Expr | None:
    """LIMIT or OFFSET: a bigint without variables of this level; raises 42804, 42P10."""
    if node is None:
        return None
    expr = as_type(scope, transform_as(scope, node, clause), INT8, clause)
    for part in walk(expr):
        if isinstance(part, tree.Var) and scope.state.owners.get(part.rel) is scope:
            raise error("42P10", f"argument of {clause} must not contain variables", scope.where(part))
    return expr
