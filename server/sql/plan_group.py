"""Grouping and aggregates: one generated loop from stored values (or rows) to group states (DESIGN §11)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from server.sql import tree
from server.sql.codegen import Emitter, Unit
from server.sql.exec_group import Group, collected_final, distinct_final
from server.sql.exec_node import Node
from server.sql.exec_scan import FIRST_UNDER_LIMIT, Accumulate, Scan
from server.sql.exec_sort import Limit
from server.sql.explain import expr_text
from server.sql.plan_scan import TableScan
from server.sql.plan_walk import expr_rels, has_node, rewrite, walk
from server.sql.tree import Expr
from server.sql.types import BOOL

if TYPE_CHECKING:
    from server.sql.plan import Planner, Scope

Slot = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Replaced:
    """What stands above the grouping: keys, aggregates and carried columns are columns of its result."""

    exprs: list[Expr]
    of: Callable[[Any], Any]


KEY_MARK = -1
"""Relation of the Vars that stand for constant keys of grouping sets: (KEY_MARK, number of the key)."""


def with_key_marks(planner: "Planner", query: tree.Query) -> tree.Query:
    """`query` with the targets that are constant keys of grouping sets told from other constants.

    A key is NULL in the sets without it. Where a constant key is only part of a target, PostgreSQL 16 has put
    the constant in before it looks for keys.
    """
    if not query.grouping_sets:
        return query
    keys = list(query.group_by)
    constant = [type(planner.fold(key)) is tree.Const for key in keys]

    def marked(expr: Expr) -> Expr:
        place = keys.index(expr) if expr in keys else -1
        return tree.Var(expr.type, KEY_MARK, place, expr.typmod) if place >= 0 and constant[place] else expr

    return replace(query, targets=tuple(replace(each, expr=marked(each.expr)) for each in query.targets))


class Grouping:
    """What one grouping computes, and the source of it."""

    def __init__(self, planner: "Planner", query: tree.Query, exprs: Sequence[Expr]) -> None:
        self.planner, self.query = planner, query
        self.rel = planner.new_rel()
        self.keys = [planner.fold(expr) for expr in query.group_by]
        self.rels = {rel.id for rel in query.rels}
        having = [planner.fold(query.having)] if query.having is not None else []
        roots = [*exprs, *query.windows, *having]
        self.calls: list[tree.AggregateCall] = []
        self.groupings: list[tree.GroupingCall] = []
        for root in roots:
            self._find(root, False)
        self.carried: list[tree.Var] = []
        for root in roots:
            for node in walk(self.replace(root)):
                if type(node) is tree.Var and node.rel in self.rels and node not in self.carried:
                    self.carried.append(node)
        self.sets = query.grouping_sets or (tuple(range(len(self.keys))),)

    def _find(self, node: Any, inside: bool) -> None:
        for found in walk(node, queries=False):
            if type(found) is tree.AggregateCall and (not inside or expr_rels_of(found) & self.rels):
                if found not in self.calls:
                    self.calls.append(found)
            elif type(found) is tree.GroupingCall and not inside and found not in self.groupings:
                self.groupings.append(found)
            elif type(found) is tree.SubLink:
                for below in walk(found.query):
                    if type(below) is tree.AggregateCall:
                        self._find(below, True)

    def replace(self, node: Any, inside: bool = False) -> Any:
        """`node` over the grouping's result; `inside` a subquery count(*) is the subquery's own."""
        first = len(self.keys)
        carried = getattr(self, "carried", [])
        rel = self.rel

        def change(found: Any) -> Any:
            if type(found) is tree.Query and not inside:
                return self.replace(found, True)
            if inside and type(found) is tree.GroupingCall:
                return None
            if type(found) is tree.AggregateCall and inside and not expr_rels_of(found) & self.rels:
                return None
            if type(found) is tree.AggregateCall and found in self.calls:
                return tree.Var(found.type, rel, first + len(carried) + self.calls.index(found), found.typmod)
            if type(found) is tree.Var and found.rel == KEY_MARK:
                return tree.Var(found.type, rel, found.column, found.typmod)
            if type(found) is tree.GroupingCall:
                at = first + len(carried) + len(self.calls) + self.groupings.index(found)
                return tree.Var(found.type, rel, at)
            if type(found) in _WHOLE:
                return None
            if found in self.keys and type(found) is not tree.Const:
                return tree.Var(
                    found.type, rel, self.keys.index(found), found.typmod, getattr(found, "name", "")
                )
            if type(found) is tree.Var and found in carried:
                return tree.Var(found.type, rel, first + carried.index(found), found.typmod, found.name)
            return None

        return rewrite(node, change)

    @property
    def width(self) -> int:
        """Columns of the result."""
        return len(self.keys) + len(self.carried) + len(self.calls) + len(self.groupings)

    def layout(self) -> dict[tuple[int, int], int]:
        """Where the result's columns are."""
        return {(self.rel, position): position for position in range(self.width)}


_WHOLE = {tree.SortKey, tree.Window, tree.Target}


def expr_rels_of(call: tree.AggregateCall) -> set[int]:
    """Relations that an aggregate's arguments read."""
    found: set[int] = set()
    for arg in (*call.args, *(key.expr for key in call.order_by)):
        found |= expr_rels(arg)
    return found


def plan_group(
    planner: "Planner", query: tree.Query, exprs: Sequence[Expr], source: Any, outer: "Scope"
) -> tuple[Node, Replaced]:
    """The grouping over `source`, and `exprs` over its result."""
    made = Grouping(planner, query, exprs)
    replaced = Replaced([made.replace(expr) for expr in exprs], made.replace)
    if isinstance(source, TableScan):
        node = _by_index_end(made, source, outer)
        if node is not None:
            return node, replaced
        if _only_counts(made):
            counted = source.count(made.layout())
            if counted is not None:
                return counted, replaced
    return _group(made, source, outer), replaced


def _only_counts(made: Grouping) -> bool:
    if made.keys or made.carried or made.groupings or not made.calls or len(made.sets) != 1:
        return False
    return all(
        c.aggregate.name == "count" and not c.args and c.filter is None and not c.distinct for c in made.calls
    )


def _by_index_end(made: Grouping, source: TableScan, outer: "Scope") -> Node | None:
    """min or max of a column that an index orders: only the first row at that end is read."""
    if made.keys or made.carried or made.groupings or len(made.calls) != 1 or len(made.sets) != 1:
        return None
    call = made.calls[0]
    if (
        call.aggregate.fast not in ("min", "max")
        or call.filter is not None
        or type(call.args[0]) is not tree.Var
    ):
        return None
    column = call.args[0].column
    if call.args[0].rel != source.rel.id or column < 0:
        return None
    present = tree.NullTest(BOOL, call.args[0], True)
    found = source if source.rel.table.columns[column].not_null else source.with_filters([present], outer)
    path = found.path
    for nulls_first in (False, True):
        if found.order_by([(column, call.aggregate.fast == "max", nulls_first)], True):
            if not found.path.single:
                node = found.node()
                if isinstance(node, Scan):
                    node.feed.first = FIRST_UNDER_LIMIT
                return _group(made, Limit(node, lambda c: 1, None), outer)
            break
    found.path = path
    return None


def _group(made: Grouping, source: Any, outer: "Scope") -> Node:
    fused = isinstance(source, TableScan) and source.fusable and not _has_sublink(made)
    if not fused and isinstance(source, TableScan):
        source = source.node()
    plain = not made.keys and not made.carried and len(made.sets) == 1 and not made.groupings
    if fused and plain:
        return _accumulate(made, source, outer)
    steps = [_step(made, source, outer, chosen, fused) for chosen in made.sets]
    unit = Unit()
    final = unit.finish(
        "st, c", [f"return {_final(made, unit, Emitter(unit, {}, outer), lambda i: f'st[{i}]')}"]
    )
    default = _default(made, outer)
    empty = [not chosen for chosen in made.sets]
    details = ["Group Key: " + ", ".join(expr_text(key) for key in made.keys)] if made.keys else []
    if fused:
        read = source.feed(_keyed(source)).read
        inputs: Sequence[Node] = (source.node(),)
        rows, cost = source.rows, source.path.cost
    else:
        read, inputs, rows, cost = source.run, (source,), source.rows, source.cost
    return Group(read, steps, final, default, empty, made.layout(), inputs, rows, cost, details)


def _keyed(source: TableScan) -> bool:
    return -2 in source.needed


def _has_sublink(made: Grouping) -> bool:
    parts = [*made.keys, *made.calls]
    return any(has_node(part, tree.SubLink) for part in parts)


def _accumulate(made: Grouping, source: TableScan, outer: "Scope") -> Node:
    lines, unit, emitter, keyed = source.loop([])
    count = len(made.calls)
    names = [f"z{i}" for i in range(count)]
    updates = _updates(made, emitter, lambda i: f"z{i}")
    target = "k, v" if keyed else "v"
    packed = "".join(name + ", " for name in names)
    body = [f"{packed}= out", f"for {target} in values:"]
    body += ["    " + line for line in [*lines, *updates]] + [f"out[:] = ({packed})"]
    loop = unit.finish("values, c, out", body)
    start = _default(made, outer)
    other = Unit()
    final = other.finish(
        "st, c", [f"return {_final(made, other, Emitter(other, {}, outer), lambda i: f'st[{i}]')}"]
    )
    made_feed = source.feed(keyed)
    return Accumulate(made_feed, start, loop, final, made.layout(), source.path.cost * 1.1, source.label())


def _step(
    made: Grouping, source: Any, outer: "Scope", chosen: Sequence[int], fused: bool
) -> Callable[..., Any]:
    """(values or rows, ctx, groups) -> feeds the groups of one grouping set."""
    if fused:
        lines, unit, emitter, keyed = source.loop([])
        target = "k, v" if keyed else "v"
    else:
        unit, lines, target = Unit(), [], "r"
        sources = {key: f"r[{position}]" for key, position in source.layout.items()}
        emitter = Emitter(unit, sources, outer, looped=True)
    keys, names = [], []
    for number, expr in enumerate(made.keys):
        if number not in chosen:
            names.append("None")
            continue
        name = f"y{number}"
        names.append(name)
        lines.append(f"{name} = {emitter.value(expr).src}")
        convert = expr.type.sort_key
        keys.append(
            name if convert is None else f"(None if {name} is None else {unit.bind(convert)}({name}))"
        )
    key = keys[0] if len(keys) == 1 else "(" + "".join(part + ", " for part in keys) + ")"
    initial = [*names, *(emitter.value(var).src for var in made.carried), *_initial(made, unit, chosen)]
    lines += [
        f"key = {key}",
        "st = get(key)",
        "if st is None:",
        f"    st = groups[key] = [{', '.join(initial)}]",
    ]
    first = len(made.keys) + len(made.carried)
    lines += _updates(made, emitter, lambda i: f"st[{first + i}]")
    body = ["get = groups.get", f"for {target} in values:", *("    " + line for line in lines)]
    made_step: Callable[..., Any] = unit.finish("values, c, groups", body)
    return made_step


def _initial(made: Grouping, unit: Unit, chosen: Sequence[int]) -> list[str]:
    """Sources of a new group's states and of its GROUPING values."""
    found = []
    for call in made.calls:
        if _is_collected(call):
            found.append("[]")
        elif call.aggregate.needs_types:
            types = unit.bind(tuple(arg.type for arg in call.args))
            found.append(f"{unit.bind(call.aggregate.init)}({types})")
        else:
            value = call.aggregate.init() if call.aggregate.fast else object
            found.append(
                repr(value) if value is None or type(value) is int else f"{unit.bind(call.aggregate.init)}()"
            )
    for grouping in made.groupings:
        bits = 0
        for key in grouping.keys:
            bits = bits * 2 + (key not in chosen)
        found.append(str(bits))
    return found


def _default(made: Grouping, outer: "Scope") -> Callable[[Any], list[Any]]:
    """ctx -> the state of the empty grouping set before any row."""
    unit = Unit()
    nothing = ["None"] * (len(made.keys) + len(made.carried))
    return unit.finish("c", [f"return [{', '.join([*nothing, *_initial(made, unit, ())])}]"])


def _is_collected(call: tree.AggregateCall) -> bool:
    """Whether all its input is kept and sorted first."""
    return call.distinct or bool(call.order_by) or call.aggregate.kind == "o"


def _updates(made: Grouping, emitter: Emitter, slot: Slot) -> list[str]:
    lines: list[str] = []
    for number, call in enumerate(made.calls):
        own = _update(call, emitter, slot(number), number)
        if call.filter is not None:
            own = [f"if {emitter.true(call.filter)}:", *("    " + line for line in own)]
        lines += own
    return lines


def _update(call: tree.AggregateCall, emitter: Emitter, state: str, number: int) -> list[str]:
    aggregate = call.aggregate
    args = list(call.args) or [key.expr for key in call.order_by]
    if aggregate.kind == "o":
        args = [key.expr for key in call.order_by]
    lines, names, tests = [], [], []
    for place, arg in enumerate(args):
        code = emitter.value(arg)
        name = code.src
        if not code.atom:
            name = f"w{number}_{place}"
            lines.append(f"{name} = {code.src}")
        names.append(name)
        if code.nullable and (aggregate.strict_step or aggregate.kind == "o"):
            tests.append(f"{name} is not None")
    if _is_collected(call):
        keys = [emitter.value(key.expr).src for key in call.order_by] if aggregate.kind != "o" else []
        action = [f"{state}.append(({''.join(name + ', ' for name in [*names, *keys])}))"]
    elif aggregate.fast == "count":
        action = [f"{state} += 1"]
    elif aggregate.fast == "sum":
        action = [f"{state} = {names[0]} if {state} is None else {state} + {names[0]}"]
    elif aggregate.fast in ("min", "max"):
        sign = "<" if aggregate.fast == "min" else ">"
        action = [f"if {state} is None or {names[0]} {sign} {state}: {state} = {names[0]}"]
    else:
        lead = [state, "e"] if aggregate.needs_env else [state]
        action = [f"{state} = {emitter.unit.bind(aggregate.step)}({', '.join([*lead, *names])})"]
    if tests:
        action = [f"if {' and '.join(tests)}:", *("    " + line for line in action)]
    return [*lines, *action]


def _final(made: Grouping, unit: Unit, emitter: Emitter, slot: Slot) -> str:
    """Source of the result row of a state list."""
    first = len(made.keys) + len(made.carried)
    parts = [slot(i) for i in range(first)]
    for number, call in enumerate(made.calls):
        state = slot(first + number)
        aggregate = call.aggregate
        if _is_collected(call):
            state = f"{unit.bind(_sorted(call))}({state}, e)"
        direct = [emitter.value(arg).src for arg in call.direct_args]
        if aggregate.fast is not None and aggregate.fast in ("min", "max"):
            parts.append(state)
        else:
            parts.append(f"{unit.bind(aggregate.final)}({', '.join([state, 'e', *direct])})")
    parts += [slot(first + len(made.calls) + i) for i in range(len(made.groupings))]
    return "(" + "".join(part + ", " for part in parts) + ")"


def _sorted(call: tree.AggregateCall) -> Callable[[list[Any], Any], Any]:
    """(collected rows, env) -> the aggregate's state over them, sorted, and distinct when asked."""
    aggregate = call.aggregate
    if aggregate.kind == "o":
        count = len(call.order_by)
        specs = [(i, k.descending, k.nulls_first, k.expr.type.sort_key) for i, k in enumerate(call.order_by)]
        return collected_final(aggregate, count, specs, tuple(k.expr.type for k in call.order_by))
    count = len(call.args)
    specs = [
        (count + i, k.descending, k.nulls_first, k.expr.type.sort_key) for i, k in enumerate(call.order_by)
    ]
    kinds = tuple(arg.type for arg in call.args)
    if not call.distinct:
        return collected_final(aggregate, count, specs, kinds)
    ordered = {repr(key.expr) for key in call.order_by}
    more = [
        (i, False, False, arg.type.sort_key) for i, arg in enumerate(call.args) if repr(arg) not in ordered
    ]
    keys = [(i, arg.type.sort_key) for i, arg in enumerate(call.args)]
    return distinct_final(aggregate, count, [*specs, *more], keys, kinds)
