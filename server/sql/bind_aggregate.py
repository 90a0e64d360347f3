"""Aggregates and window calls: where they may stand, and in which query (PostgreSQL, 4.2.7, 4.2.8)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from server.sql import ast, tree
from server.sql.aggregate_hypothetical import HYPOTHETICAL, Ordering
from server.sql.aggregate_hypothetical import ordered as ordered_aggregate
from server.sql.bind_call import call_name, pass_arguments
from server.sql.bind_expr import binds, transform, transform_as
from server.sql.bind_order import sort_key
from server.sql.coerce import as_boolean, common_type, settle_unknown, to_common_type
from server.sql.functions import Aggregate, WindowFunction
from server.sql.resolve import Match, signature
from server.sql.scope import Scope, error
from server.sql.tree_walk import deep_walk, walk
from server.sql.types import INT4, Type

_OWN_WORDING = {
    "JOIN/ON": "JOIN conditions",
    "FROM FUNCTION": "functions in FROM",
    "FROM SUBSELECT": "FROM clause of their own query level",
    "CHECK": "check constraints",
    "DEFAULT": "DEFAULT expressions",
    "index expression": "index expressions",
    "column generation expression": "column generation expressions",
    "index predicate": "index predicates",
    "CALL": "CALL arguments",
    "COPY FROM WHERE": "COPY FROM WHERE conditions",
    "window RANGE": "window RANGE",
    "window ROWS": "window ROWS",
    "window GROUPS": "window GROUPS",
}
AGGREGATES_ALLOWED = frozenset(
    {"SELECT", "HAVING", "ORDER BY", "DISTINCT ON", "window PARTITION BY", "window ORDER BY"}
)
WINDOWS_ALLOWED = frozenset({"SELECT", "ORDER BY", "DISTINCT ON"})


def owner_of(scope: Scope, parts: Iterable[tree.Expr]) -> Scope:
    """The query to which an aggregate belongs: the innermost one that a variable or aggregate in it names."""
    levels = list(scope.chain())
    best: int | None = None
    for part in parts:
        for inner in deep_walk(part):
            level = _level_of(scope, levels, inner)
            if level is not None and (best is None or level < best):
                best = level
    return levels[best] if best is not None else scope


def _level_of(scope: Scope, levels: Sequence[Scope], expr: tree.Expr) -> int | None:
    if isinstance(expr, tree.Var):
        owner = scope.state.owners.get(expr.rel)
    elif isinstance(expr, (tree.AggregateCall, tree.GroupingCall)):
        owner = scope.state.aggregate_owners.get(id(expr))
    else:
        return None
    return levels.index(owner) if owner in levels else None


def _check_inside(scope: Scope, owner: Scope, parts: Iterable[tree.Expr]) -> None:
    """No aggregate of the same level, no window call, no set-returning function inside an aggregate."""
    for part in parts:
        for inner in deep_walk(part):
            if isinstance(inner, tree.AggregateCall) and scope.state.aggregate_owners.get(id(inner)) is owner:
                raise error("42803", "aggregate function calls cannot be nested", scope.where(inner))
        for inner in walk(part):
            if isinstance(inner, tree.WindowCall):
                message = "aggregate function calls cannot contain window function calls"
                raise error("42803", message, scope.where(inner))
            if isinstance(inner, tree.SetReturning):
                raise error(
                    "0A000",
                    "aggregate function calls cannot contain set-returning function calls",
                    scope.where(inner),
                    hint="You might be able to move the set-returning function into a LATERAL FROM item.",
                )


def _check_kind(owner: Scope, what: str, at: int) -> None:
    if owner.kind in AGGREGATES_ALLOWED:
        return
    place = _OWN_WORDING.get(owner.kind, owner.kind.removesuffix(" single"))
    raise error("42803", f"{what} are not allowed in {place}", at)


def aggregate_call(
    scope: Scope,
    node: ast.FuncCall,
    entry: Aggregate,
    match: Match,
    args: list[tree.Expr],
    ordered: list[tree.Expr],
) -> tree.Expr:
    """An aggregate, plain or over a window; raises 42809, 42803, 42P10."""
    name = call_name(node)
    _check_form(node, entry, name)
    passed = pass_arguments(scope, match, [*args, *ordered])
    if node.over is not None:
        if node.distinct:
            raise error("0A000", "DISTINCT is not implemented for window functions", node.at)
        if node.order_by:
            raise error("0A000", "aggregate ORDER BY is not implemented for window functions", node.at)
        return window_call(scope, node, entry, passed, match.result)
    direct: tuple[tree.Expr, ...] = ()
    keys: list[tree.SortKey] = []
    if node.within_group:
        direct, passed = passed[: len(args)], passed[len(args) :]
        keys = [sort_key(scope, item, expr) for item, expr in zip(node.order_by, passed)]
    else:
        passed, keys = _order(scope, node, passed)
    if node.distinct:
        _check_distinct(scope, node, passed, keys)
    return owned_call(
        scope, node, tree.AggregateCall(match.result, entry, passed, node.distinct, tuple(keys), direct)
    )


def owned_call(scope: Scope, node: ast.FuncCall, call: tree.AggregateCall) -> tree.Expr:
    """The call with its FILTER, checked and given to the query that computes it."""
    condition = None
    if node.filter is not None:
        condition = as_boolean(scope, transform_as(scope, node.filter, "FILTER"), "FILTER")
    keys = [key.expr for key in call.order_by]
    inside = [*call.direct_args, *call.args, *keys, *([condition] if condition is not None else [])]
    owner = owner_of(scope, inside)
    _check_inside(scope, owner, inside)
    _check_kind(owner, "aggregate functions", node.at)
    made = replace(call, filter=condition)
    scope.state.aggregate_owners[id(made)] = owner
    owner.aggregates.append(made)
    return made


def is_hypothetical(node: ast.FuncCall) -> bool:
    """Whether it calls a hypothetical-set aggregate: a window function of the same name takes no arguments."""
    known = node.names[-1] in HYPOTHETICAL and node.names[:-1] in ((), ("pg_catalog",))
    return known and (node.within_group or (bool(node.args) and node.over is None))


def hypothetical_call(
    scope: Scope, node: ast.FuncCall, args: Sequence[tree.Expr], ordered: Sequence[tree.Expr]
) -> tree.Expr:
    """rank(...) WITHIN GROUP (ORDER BY ...) and the like; raises 42809, 42883, 42804."""
    name = node.names[-1]
    if not node.within_group:
        raise error("42809", f"WITHIN GROUP is required for ordered-set aggregate {name}", node.at)
    if node.over is not None:
        raise error("0A000", f"OVER is not supported for ordered-set aggregate {name}", node.at)
    if len(args) != len(ordered):
        shown = signature(name, [arg.type for arg in (*args, *ordered)])
        hint = (
            f"To use the hypothetical-set aggregate {name}, the number of hypothetical direct arguments (here"
            f" {len(args)}) must match the number of ordering columns (here {len(ordered)})."
        )
        raise error("42883", f"function {shown} does not exist", node.at, hint=hint)
    rows, given, orderings = [], [], []
    for item, column, arg in zip(node.order_by, ordered, args):
        common = common_type(scope, [column, arg], "WITHIN GROUP")
        rows.append(to_common_type(scope, column, common, "WITHIN GROUP"))
        given.append(to_common_type(scope, arg, common, "WITHIN GROUP"))
        key = sort_key(scope, item, rows[-1])
        orderings.append(Ordering(key.descending, key.nulls_first, common.sort_key))
    entry = ordered_aggregate(name, tuple(orderings))
    call = tree.AggregateCall(entry.result, entry, tuple(rows), direct_args=tuple(given))
    return owned_call(scope, node, call)


def _check_form(node: ast.FuncCall, entry: Aggregate, name: str) -> None:
    if entry.kind == "n" and node.within_group:
        message = f"{name} is not an ordered-set aggregate, so it cannot have WITHIN GROUP"
        raise error("42809", message, node.at)
    if entry.kind != "n":
        kind = "ordered-set" if entry.kind == "o" else "hypothetical-set"
        if not node.within_group:
            raise error("42809", f"WITHIN GROUP is required for {kind} aggregate {name}", node.at)
        if node.over is not None:
            raise error("0A000", f"OVER is not supported for {kind} aggregate {name}", node.at)
        return
    if not node.args and not node.star:
        raise error("42809", f"{name}(*) must be used to call a parameterless aggregate function", node.at)


def _order(
    scope: Scope, node: ast.FuncCall, args: tuple[tree.Expr, ...]
) -> tuple[tuple[tree.Expr, ...], list[tree.SortKey]]:
    """ORDER BY inside an aggregate: an expression equal to an argument is that argument."""
    keys = []
    for item in node.order_by:
        expr = settle_unknown(scope, transform(scope, item.expr))
        expr = next((arg for arg in args if arg == expr or _under_cast(arg) == expr), expr)
        keys.append(sort_key(scope, item, expr))
    return args, keys


def _under_cast(expr: tree.Expr) -> tree.Expr:
    return (
        expr.arg
        if isinstance(expr, (tree.Relabel, tree.CastCall, tree.CoerceIO)) and not expr.explicit
        else expr
    )


def _check_distinct(
    scope: Scope, node: ast.FuncCall, args: Sequence[tree.Expr], keys: Sequence[tree.SortKey]
) -> None:
    if not args:
        raise error("42601", "DISTINCT aggregates must have at least one argument", node.at)
    for key in keys:
        if not any(key.expr == arg for arg in args):
            message = "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list"
            raise error("42P10", message, scope.where(key.expr))


def window_call(
    scope: Scope,
    node: ast.FuncCall,
    entry: WindowFunction | Aggregate,
    args: tuple[tree.Expr, ...],
    result: Type,
) -> tree.Expr:
    """A call with OVER."""
    name = call_name(node)
    if isinstance(entry, WindowFunction):
        if node.over is None:
            raise error("42809", f"window function {name} requires an OVER clause", node.at)
        _refuse_decorations(node)
    condition = None
    if node.filter is not None:
        condition = as_boolean(scope, transform_as(scope, node.filter, "FILTER"), "FILTER")
    for arg in args:
        for inner in walk(arg):
            if isinstance(inner, tree.WindowCall):
                raise error("42P20", "window function calls cannot be nested", scope.where(inner))
            if isinstance(inner, tree.SetReturning):
                raise error(
                    "0A000",
                    "window function calls cannot contain set-returning function calls",
                    scope.where(inner),
                    hint="You might be able to move the set-returning function into a LATERAL FROM item.",
                )
    _check_window_kind(scope, node.at)
    assert node.over is not None
    return tree.WindowCall(result, entry, args, _window_index(scope, node.over), condition)


def _refuse_decorations(node: ast.FuncCall) -> None:
    """A pure window function takes none of an aggregate's clauses; raises 0A000."""
    refused = [
        (node.distinct, "DISTINCT is not implemented for window functions"),
        (bool(node.order_by), "aggregate ORDER BY is not implemented for window functions"),
        (node.filter is not None, "FILTER is not implemented for non-aggregate window functions"),
    ]
    for present, message in refused:
        if present:
            raise error("0A000", message, node.at)


def _check_window_kind(scope: Scope, at: int) -> None:
    if scope.kind in WINDOWS_ALLOWED:
        return
    if scope.kind.startswith("window "):
        place = "window definitions"
    else:
        place = _OWN_WORDING.get(scope.kind, scope.kind.removesuffix(" single"))
    raise error("42P20", f"window functions are not allowed in {place}", at)


def _window_index(scope: Scope, definition: ast.WindowDef) -> int:
    """The query's window of an OVER clause; equal ones are shared."""
    plain = replace(definition, at=-1)
    if plain == ast.WindowDef(base=definition.base) and definition.base is not None:
        for index, known in enumerate(scope.window_defs):
            if known.name == definition.base:
                return index
        raise error("42704", f'window "{definition.base}" does not exist', definition.at)
    for index, known in enumerate(scope.window_defs):
        if known.name is None and replace(known, at=-1) == plain:
            return index
    scope.window_defs.append(definition)
    return len(scope.window_defs) - 1


@binds(ast.Grouping)
def grouping(scope: Scope, node: ast.Grouping) -> tree.Expr:
    """GROUPING(...): its arguments become indexes once GROUP BY is known."""
    if len(node.args) > 31:
        raise error("54023", "GROUPING must have fewer than 32 arguments", node.at)
    args = tuple(transform(scope, arg) for arg in node.args)
    owner = owner_of(scope, args)
    _check_kind(owner, "grouping operations", node.at)
    made = tree.GroupingCall(INT4, (len(owner.grouping),))
    owner.grouping.append((made, args, node.at))
    scope.state.aggregate_owners[id(made)] = owner
    return made
