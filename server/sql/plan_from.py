"""FROM and WHERE: conditions go far down, joins are ordered greedily, subqueries become joins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from server.sql import tree, types
from server.sql.codegen import Emitter, Unit
from server.sql.exec_join import AgainJoin, HashJoin, LoopJoin
from server.sql.exec_node import Node, Single
from server.sql.explain import condition_lines
from server.sql.plan_path import comparable
from server.sql.plan_scan import TableScan, filtered
from server.sql.plan_walk import conjuncts, expr_rels, free_rels, has_node, is_volatile
from server.sql.tree import Expr

if TYPE_CHECKING:
    from server.sql.plan import Planner, Scope

Source = Node | TableScan


@dataclass(slots=True, eq=False)
class Item:
    """Something that joins: a relation or a joined subtree; `kind` semi and anti only filter the others."""

    rels: set[int]
    make: Callable[[list[Expr]], Source]
    """(conditions on its own columns) -> the source."""
    kind: str = "inner"
    filters: list[Expr] = field(default_factory=list)
    conditions: list[Expr] = field(default_factory=list)
    """Of a semi or anti item: how it joins."""
    depends: set[int] = field(default_factory=set)
    scope: "Scope | None" = None
    """Of a lateral item: it is run again per row; its parameters."""
    source: Source | None = None


class FromPlanner:
    """Plans FROM and WHERE of one query."""

    def __init__(self, planner: "Planner", query: tree.Query, outer: "Scope") -> None:
        self.planner, self.query, self.outer = planner, query, outer
        self.rels = {rel.id: rel for rel in query.rels}
        self.hidden: set[int] = set()
        """Relations of this query whose columns come through `outer`, inside a lateral group."""

    def plan(self) -> Source:
        """The source of all rows that pass WHERE."""
        where = [self.planner.fold(expr) for expr in conjuncts(self.query.where)]
        if any(type(expr) is tree.Const and not expr.value for expr in where):
            return self._never()
        where = [expr for expr in where if not (type(expr) is tree.Const and expr.value is True)]
        if self.query.from_ is None:
            return filtered(Single(), where, self.outer)
        items, more = self._flatten(self.query.from_, where)
        return self._join(items, more)

    def _never(self) -> Node:
        made = Single(never=True)
        made.layout = {(rel, column): 0 for rel in self.rels for column in self.planner.needed.get(rel, ())}
        return made

    # --- the join tree ---

    def _flatten(self, node: tree.Join | int, conditions: Sequence[Expr]) -> tuple[list[Item], list[Expr]]:
        """The items of a group of inner joins, and all its conditions."""
        if isinstance(node, int):
            return [self._relation(node)], list(conditions)
        if node.kind == "inner":
            own = [self.planner.fold(expr) for expr in conjuncts(node.condition)]
            left, more = self._flatten(node.left, [*conditions, *own])
            right, more = self._flatten(node.right, more)
            return [*left, *right], more
        return self._outer_join(node, list(conditions))

    def _rels_in(self, node: tree.Join | int) -> set[int]:
        if isinstance(node, int):
            return {node}
        return self._rels_in(node.left) | self._rels_in(node.right)

    def _outer_join(self, node: tree.Join, above: list[Expr]) -> tuple[list[Item], list[Expr]]:
        left, right = self._rels_in(node.left), self._rels_in(node.right)
        kind = node.kind
        if kind in ("right", "full") and any(rejects_null(expr, left) for expr in above):
            kind = "inner" if kind == "right" else "left"
        if kind in ("left", "full") and any(rejects_null(expr, right) for expr in above):
            kind = "inner" if kind == "left" else "right"
        if kind != node.kind:
            return self._flatten(tree.Join(kind, node.left, node.right, node.condition), above)
        sides = (node.right, node.left) if kind == "right" else (node.left, node.right)
        if kind == "right":
            left, right = right, left
        pushed = (
            []
            if kind == "full"
            else [e for e in above if self._inside(expr_rels(e), left) and not is_volatile(e)]
        )
        rest = [expr for expr in above if not any(expr is other for other in pushed)]
        own = [self.planner.fold(expr) for expr in conjuncts(node.condition)]
        inner = []
        if kind != "full":
            inner = [e for e in own if self._inside(expr_rels(e), right) and not is_volatile(e)]
            own = [expr for expr in own if not any(expr is other for other in inner)]

        def make(filters: list[Expr]) -> Source:
            left_items, left_conditions = self._flatten(sides[0], pushed)
            source = self._join(left_items, left_conditions)
            right_items, right_conditions = self._flatten(sides[1], inner)
            if len(right_items) == 1 and not right_items[0].depends:
                item = right_items[0]
                item.filters = right_conditions
            else:
                item = self._group_item(right, right_items, right_conditions)
            item.kind = "full" if kind == "full" else "left"
            return self._filter(self._add(source, left, item, own), filters)

        return [Item(left | right, make)], rest

    def _group_item(self, rels: set[int], items: list[Item], conditions: list[Expr]) -> Item:
        depends = {rel for item in items for rel in item.depends} - rels
        if not depends:
            return Item(rels, lambda filters: self._filter(self._join(items, conditions), filters))
        made = Item(rels, lambda filters: inside(filters), depends=depends)

        def inside(filters: list[Expr]) -> Source:
            """The group is run again per outer row: its members find outer columns in its scope."""
            outer, hidden = self.outer, self.hidden
            made.scope = self.outer = outer.below(depends)
            self.hidden = hidden | depends
            for item in items:
                item.depends -= depends
            try:
                source = self._filter(self._join(items, conditions), filters)
                return source.node() if isinstance(source, TableScan) else source
            finally:
                self.outer, self.hidden = outer, hidden

        return made

    def _inside(self, used: set[int], rels: set[int]) -> bool:
        """Whether an expression's local relations are all in `rels` (and there are some)."""
        local = used & self.rels.keys()
        return bool(local) and local <= rels

    # --- relations ---

    def _relation(self, rel_id: int) -> Item:
        rel = self.rels[rel_id]
        if isinstance(rel, tree.TableRel):
            needed = self.planner.needed.setdefault(rel_id, set())
            catalog = self.planner.catalog
            return Item({rel_id}, lambda filters: TableScan(rel, catalog, filters, needed, self.outer))
        made = Item({rel_id}, lambda filters: make(filters), depends=self._depends(rel))

        def make(filters: list[Expr]) -> Source:
            if made.depends:
                made.scope = self.outer.below(self.rels.keys() - {rel_id} - self.hidden)
            return self.planner.relation(rel, filters, made.scope or self.outer)

        return made

    def _depends(self, rel: tree.Rel) -> set[int]:
        if isinstance(rel, tree.QueryRel):
            found = free_rels(rel.query)
        elif isinstance(rel, tree.FunctionRel):
            found = {used for call in rel.calls for used in expr_rels(call)}
        elif isinstance(rel, tree.ValuesRel):
            found = {used for row in rel.rows for expr in row for used in expr_rels(expr)}
        else:
            found = set()
        return found & (self.rels.keys() - {rel.id})

    # --- joining ---

    def _filter(self, source: Source, filters: Sequence[Expr]) -> Source:
        if not filters:
            return source
        if isinstance(source, TableScan):
            return source.with_filters(filters, self.outer)
        return filtered(source, filters, self.outer)

    def _join(self, items: list[Item], conditions: Sequence[Expr]) -> Source:
        """Join a group: each condition as early as its relations are there."""
        rels = {rel for item in items for rel in item.rels}
        waiting: list[Expr] = []
        last: list[Expr] = []
        for expr in conditions:
            semi = self._as_semi_join(expr, rels)
            if semi is not None:
                items.append(semi)
            elif is_volatile(expr):
                last.append(expr)
            else:
                waiting.append(expr)
        waiting = self._push(items, waiting, rels)
        current, joined = self._first(items)
        while items:
            item = self._next(items, joined, waiting)
            items.remove(item)
            if item.kind == "inner":
                joined |= item.rels
            own = [expr for expr in waiting if (expr_rels(expr) & rels) <= joined]
            waiting = [expr for expr in waiting if not (expr_rels(expr) & rels) <= joined]
            if item.kind != "inner":
                # What is no condition of a semi or anti join: of an anti join it would keep the rows that fail it.
                current, own = self._filter(current, own), []
            current = self._add(current, joined - item.rels, item, own)
        return self._filter(current, [*waiting, *last])

    def _push(self, items: list[Item], conditions: list[Expr], rels: set[int]) -> list[Expr]:
        """Give every condition on one item to that item; the others remain."""
        rest = []
        for expr in conditions:
            used = expr_rels(expr) & rels
            place = next(
                (item for item in items if item.kind == "inner" and used and used <= item.rels), None
            )
            if place is not None:
                place.filters.append(expr)
            else:
                rest.append(expr)
        for item in items:
            if item.kind == "inner" and not item.depends:
                item.source = item.make(item.filters)
        return rest

    def _first(self, items: list[Item]) -> tuple[Source, set[int]]:
        ready = [item for item in items if item.source is not None]
        best = min(ready, key=lambda item: item.source.rows if item.source is not None else 0.0)
        items.remove(best)
        assert best.source is not None
        return best.source, set(best.rels)

    def _next(self, items: list[Item], joined: set[int], waiting: Sequence[Expr]) -> Item:
        """The item to join next: filters first, then connected small ones, then what is left in order."""

        def rank(item: Item) -> tuple[int, float]:
            if not (item.depends <= joined):
                return 9, 0.0
            if item.kind != "inner":
                used = {rel for expr in item.conditions for rel in expr_rels(expr)} & self.rels.keys()
                return (0, 0.0) if used <= joined else (8, 0.0)
            linked = any(
                expr_rels(e) & item.rels
                and expr_rels(e) & joined
                and (expr_rels(e) & self.rels.keys()) <= joined | item.rels
                for e in waiting
            )
            rows = item.source.rows if item.source is not None else 100.0
            return (1 if linked else 2, rows)

        return min(items, key=rank)

    def _add(self, left: Source, joined: set[int], item: Item, conditions: Sequence[Expr]) -> Node:
        """`left` joined with `item`."""
        outer_node = left.node() if isinstance(left, TableScan) else left
        conditions = [*conditions, *item.conditions]
        if item.depends:
            return self._add_lateral(outer_node, item, conditions)
        right = item.source if item.source is not None else item.make(item.filters)
        pairs, rest = self._equalities(conditions, outer_node, item.rels)
        if isinstance(right, TableScan) and item.kind != "full":
            looked_up = self._look_up(outer_node, joined, right, item, conditions)
            if looked_up is not None:
                return looked_up
        node = right.node() if isinstance(right, TableScan) else right
        details = condition_lines("Hash Cond" if pairs else "Join Filter", conditions)
        condition = self.condition(rest, outer_node, node)
        if not pairs:
            return LoopJoin(item.kind, outer_node, node, condition, details)
        left_key = self._key([pair[0] for pair in pairs], outer_node)
        right_key = self._key([pair[1] for pair in pairs], node)
        return HashJoin(item.kind, outer_node, node, left_key, right_key, condition, details)

    def _add_lateral(self, left: Node, item: Item, conditions: Sequence[Expr]) -> Node:
        right = item.make(item.filters)
        node = right.node() if isinstance(right, TableScan) else right
        condition = self.condition(conditions, left, node)
        slots = item.scope.taken(left.layout) if item.scope is not None else []
        return AgainJoin(item.kind, left, node, slots, condition, condition_lines("Join Filter", conditions))

    def _look_up(
        self, left: Node, joined: set[int], right: TableScan, item: Item, conditions: Sequence[Expr]
    ) -> Node | None:
        """A join by key lookups per left row, when an index serves the conditions and that is cheaper."""
        usable = [expr for expr in conditions if not has_node(expr, tree.SubLink)]
        if not usable:
            return None
        scope = self.outer.below({rel for rel, _ in left.layout})
        inner = right.with_filters(usable, scope)
        inner.outer = scope
        used = [sarg for sarg in inner.path.equal if any(sarg.source is expr for expr in usable)]
        if not used or left.rows * inner.path.cost > right.path.cost + left.rows * 0.3 + 50:
            return None
        node = inner.node()
        rest = [expr for expr in conditions if not any(expr is other for other in usable)]
        condition = self.condition(rest, left, node)
        return AgainJoin(
            item.kind, left, node, scope.taken(left.layout), condition, condition_lines("Join Filter", rest)
        )

    def _equalities(
        self, conditions: Sequence[Expr], left: Node, right: set[int]
    ) -> tuple[list[tuple[Expr, Expr]], list[Expr]]:
        """(left side, right side) of every hashable equality, and the other conditions."""
        left_rels = {rel for rel, _ in left.layout} | (self.rels.keys() - right)
        pairs, rest = [], []
        for expr in conditions:
            pair = None
            if (
                type(expr) is tree.Call
                and expr.operator == "="
                and len(expr.args) == 2
                and expr.function.strict
            ):
                one, two = expr.args
                for a, b in ((one, two), (two, one)):
                    rels_a, rels_b = expr_rels(a), expr_rels(b)
                    if rels_b and rels_b <= right and not (rels_a & right) and rels_a & left_rels:
                        pair = (a, b)
            if pair is not None and hashable(pair[0].type, pair[1].type) and not has_node(expr, tree.SubLink):
                pairs.append(pair)
            else:
                rest.append(expr)
        return pairs, rest

    def _key(self, exprs: Sequence[Expr], node: Node) -> Callable[[Any, Any], Any]:
        unit = Unit()
        sources = {key: f"r[{position}]" for key, position in node.layout.items()}
        emitter = Emitter(unit, sources, self.outer)
        lines, parts = [], []
        for number, expr in enumerate(exprs):
            code = emitter.value(expr)
            lines.append(f"v{number} = {code.src}")
            if code.nullable:
                lines.append(f"if v{number} is None: return None")
            convert = expr.type.sort_key
            parts.append(f"v{number}" if convert is None else f"{unit.bind(convert)}(v{number})")
        lines.append(f"return {parts[0] if len(parts) == 1 else '(' + ', '.join(parts) + ')'}")
        return unit.finish("r, c", lines)

    def condition(
        self, conditions: Sequence[Expr], left: Node, right: Node
    ) -> Callable[[Any, Any, Any], Any] | None:
        """(left row, right row, ctx) -> whether they satisfy `conditions`; None when there are none."""
        if not conditions:
            return None
        unit = Unit()
        sources = {key: f"q[{position}]" for key, position in right.layout.items()}
        sources.update({key: f"r[{position}]" for key, position in left.layout.items()})
        emitter = Emitter(unit, sources, self.outer, signature="r, q, c", looped=True)
        test = " and ".join(emitter.true(expr) for expr in conditions)
        return unit.finish("r, q, c", [f"return {test}"])

    # --- subqueries as joins ---

    def _as_semi_join(self, expr: Expr, rels: set[int]) -> Item | None:
        """EXISTS, NOT EXISTS and IN as an item that filters the others; None where that is not safe."""
        negated = False
        link = expr
        if type(link) is tree.BoolExpr and link.op == "not":
            link, negated = link.args[0], True
        if type(link) is not tree.SubLink or is_volatile(link.query):
            return None
        if link.kind == "exists":
            return self._exists(link.query, rels, negated)
        if link.kind == "any" and link.equalities and not negated and not free_rels(link.query):
            if not ({rel for test, _, _ in link.equalities for rel in expr_rels(test)} & rels):
                return None
            query, output = link.query, link.output_rel
            return Item(
                {output},
                lambda filters: self.planner.subquery(query, output, self.outer),
                "semi",
                conditions=conjuncts(link.compare),
            )
        return None

    def _exists(self, query: tree.Query, rels: set[int], negated: bool) -> Item | None:
        plain = not (
            query.grouped
            or query.windows
            or query.distinct_on
            or query.limit is not None
            or query.ctes
            or query.offset is not None
            or query.set_op is not None
            or query.has_set_returning
            or query.locks
        )
        if not plain or query.from_ is None or not free_rels(query) & rels:
            return None
        inner_rels = {rel.id for rel in query.rels}
        own, joining = _split(conjuncts(query.where), lambda e: not (expr_rels(e) - inner_rels))
        inner = tree.Query(
            (), query.rels, query.from_, tree.BoolExpr(types.BOOL, "and", tuple(own)) if own else None
        )
        if free_rels(inner) or not joining or any(has_node(expr, tree.SubLink) for expr in joining):
            return None
        return Item(
            inner_rels,
            lambda filters: self.planner.from_(inner, self.outer),
            "anti" if negated else "semi",
            conditions=joining,
        )


def _split(exprs: Sequence[Expr], test: Callable[[Expr], bool]) -> tuple[list[Expr], list[Expr]]:
    yes: list[Expr] = []
    no: list[Expr] = []
    for expr in exprs:
        (yes if test(expr) else no).append(expr)
    return yes, no


def hashable(left: types.Type, right: types.Type) -> bool:
    """Whether equal values of the two types have equal hash keys."""
    return comparable(left, right) and left is not types.JSON and not types.is_row(left)


def rejects_null(expr: Expr, rels: set[int]) -> bool:
    """Whether the condition can't be TRUE when all columns of `rels` are NULL (a sufficient test)."""
    if type(expr) is tree.BoolExpr:
        if expr.op == "not":
            return gives_null(expr.args[0], rels)
        return (any if expr.op == "and" else all)(rejects_null(arg, rels) for arg in expr.args)
    if type(expr) is tree.NullTest:
        return expr.negated and not expr.row and gives_null(expr.arg, rels)
    if type(expr) is tree.BooleanTest:
        return not expr.negated and expr.value.lower() != "unknown" and gives_null(expr.arg, rels)
    return gives_null(expr, rels)


def gives_null(expr: Expr, rels: set[int]) -> bool:
    """Whether the value is surely NULL when all columns of `rels` are."""
    if type(expr) is tree.Var:
        return expr.rel in rels and expr.column >= 0
    if type(expr) is tree.Call:
        return expr.function.strict and any(gives_null(arg, rels) for arg in expr.args)
    if isinstance(expr, tree.CoerceIO | tree.Relabel | tree.CastCall | tree.ApplyTypmod):
        return gives_null(expr.arg, rels)
    if type(expr) is tree.ArrayOp:
        return expr.function.strict and not expr.all and gives_null(expr.left, rels)
    return False
