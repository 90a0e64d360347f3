"""GROUP BY, grouping sets; every output is grouped or aggregated (PostgreSQL, chapters 7.2.3, 7.2.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from server.sql import ast, tree
from server.sql.bind_expr import leftmost
from server.sql.bind_order import find_target, require_equality
from server.sql.bind_target import TargetEntry
from server.sql.coerce import settle_unknown
from server.sql.scope import Scope, error
from server.sql.tree_walk import children, map_children, query_expressions

MAX_SETS = 4096
_Sets = list[tuple[int, ...]]


@dataclass(slots=True)
class Grouping:
    """GROUP BY while it is bound: target indexes, and the sets over their places in `keys`."""

    keys: list[int] = field(default_factory=list)
    sets: list[tuple[int, ...]] | None = None

    def place(self, target: int) -> int:
        """The place of a target among the keys."""
        if target not in self.keys:
            self.keys.append(target)
        return self.keys.index(target)


def group_by(scope: Scope, node: ast.SelectStmt, targets: list[TargetEntry]) -> Grouping:
    """The GROUP BY list."""
    made = Grouping()
    has_sets = any(isinstance(item, ast.GroupingSet) for item in node.group_by)
    parts: list[_Sets] = []
    for item in node.group_by:
        if isinstance(item, ast.GroupingSet):
            parts.append(_expand(scope, item, targets, made))
        else:
            parts.append([_plain(scope, item, targets, made)])
    if not has_sets:
        return made
    total = 1
    for part in parts:
        total *= len(part)
        if total > MAX_SETS:
            raise error("54001", f"too many grouping sets present (maximum {MAX_SETS})")
    sets = [tuple(dict.fromkeys(place for one in chosen for place in one)) for chosen in product(*parts)]
    if node.group_distinct:
        sets = list({frozenset(one): one for one in reversed(sets)}.values())[::-1]
    made.sets = sets
    return made


def _plain(scope: Scope, node: ast.Expr, targets: list[TargetEntry], made: Grouping) -> tuple[int, ...]:
    """One expression, or the members of an unmarked row."""
    if isinstance(node, ast.RowExpr) and not node.explicit:
        return tuple(place for item in node.items for place in _plain(scope, item, targets, made))
    index = find_target(scope, node, targets, "GROUP BY")
    targets[index].expr = settle_unknown(scope, targets[index].expr)
    require_equality(targets[index].expr.type, leftmost(node, -1))
    return (made.place(index),)


def _expand(scope: Scope, node: ast.GroupingSet, targets: list[TargetEntry], made: Grouping) -> _Sets:
    """The list of sets that an element of GROUP BY stands for."""
    if node.kind == "empty":
        return [()]
    if node.kind == "sets":
        sets: _Sets = []
        for item in node.items:
            sets += (
                _expand(scope, item, targets, made)
                if isinstance(item, ast.GroupingSet)
                else [_plain(scope, item, targets, made)]
            )
        return sets
    members = [
        _plain(scope, item, targets, made)
        if not isinstance(item, ast.GroupingSet)
        else _expand(scope, item, targets, made)[0]
        for item in node.items
    ]
    if node.kind == "rollup":
        return [sum(members[:count], ()) for count in range(len(members), -1, -1)]
    if len(members) > 12:
        raise error("54011", "CUBE is limited to 12 elements", node.at)
    return [
        sum((member for bit, member in enumerate(members) if mask & (1 << bit)), ())
        for mask in range((1 << len(members)) - 1, -1, -1)
    ]


# --- the rule ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class GroupCheck:
    """Finds ungrouped columns (check_ungrouped_columns_walker)."""

    scope: Scope
    keys: tuple[tree.Expr, ...]
    common: tuple[tree.Expr, ...]
    """The keys that are in every grouping set: they decide functional dependency."""
    direct: bool = False
    """Inside the direct arguments of an ordered-set aggregate."""

    def check(self, expr: tree.Expr, subquery: bool = False) -> None:
        """Raises 42803 at the first column of this level that is neither grouped nor aggregated."""
        if isinstance(expr, (tree.Const, tree.Param)) or any(expr == key for key in self.keys):
            return
        owners = self.scope.state.aggregate_owners
        if isinstance(expr, (tree.AggregateCall, tree.GroupingCall)) and owners.get(id(expr)) is self.scope:
            if isinstance(expr, tree.AggregateCall):
                for arg in expr.direct_args:
                    replace(self, direct=True).check(arg, subquery)
            return
        if isinstance(expr, tree.Var):
            self._variable(expr, subquery)
            return
        for child in children(expr):
            self.check(child, subquery)
        if isinstance(expr, tree.SubLink):
            for inner in query_expressions(expr.query):
                self.check(inner, True)

    def _variable(self, var: tree.Var, subquery: bool) -> None:
        if self.scope.state.owners.get(var.rel) is not self.scope or self._depends(var.rel):
            return
        item = next((item for item in self.scope.items if item.rel == var.rel), None)
        if item is None:
            return
        name = f"{item.name}.{var.name}"
        if var.column == -1:
            name = f"{var.name}.*"
        at = self.scope.where(var)
        if subquery:
            raise error("42803", f'subquery uses ungrouped column "{name}" from outer query', at)
        message = f'column "{name}" must appear in the GROUP BY clause or be used in an aggregate function'
        detail = "Direct arguments of an ordered-set aggregate must use only grouped columns."
        raise error("42803", message, at, detail=detail if self.direct else None)

    def _depends(self, rel: int) -> bool:
        """The primary key of the relation is grouped."""
        found = next((item for item in self.scope.items if item.rel == rel), None)
        if found is None or found.table is None or found.table.primary_key is None:
            return False
        grouped = {key.column for key in self.common if isinstance(key, tree.Var) and key.rel == rel}
        return all(key.column - 1 in grouped for key in found.table.primary_key.keys)


def number_grouping_calls(
    scope: Scope, made: Grouping, keys: Sequence[tree.Expr]
) -> dict[int, tree.GroupingCall]:
    """GROUPING's arguments as places in GROUP BY, by the id of the call that was bound; raises 42803."""
    numbered = {}
    for call, args, _ in scope.grouping:
        places = []
        for arg in args:
            if arg not in keys:
                message = "arguments to GROUPING must be grouping expressions of the associated query level"
                raise error("42803", message, scope.where(arg))
            places.append(list(keys).index(arg))
        numbered[id(call)] = tree.GroupingCall(call.type, tuple(places))
    return numbered


def replace_grouping(expr: tree.Expr, numbered: dict[int, tree.GroupingCall]) -> tree.Expr:
    """The expression with its GROUPING calls numbered."""
    if not numbered:
        return expr
    if id(expr) in numbered:
        return numbered[id(expr)]
    return map_children(expr, lambda child: replace_grouping(child, numbered))


def expressions(query_targets: Sequence[TargetEntry], *others: tree.Expr | None) -> Iterator[tree.Expr]:
    """What the rule is checked on, in the order in which PostgreSQL reports."""
    yield from (entry.expr for entry in query_targets)
    yield from (other for other in others if other is not None)
