"""Walking and rewriting bound expressions and queries."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

from server.sql import tree
from server.sql.tree import Expr, Query

CHILDREN: dict[type, tuple[str, ...]] = {
    tree.Call: ("args",),
    tree.CoerceIO: ("arg",),
    tree.Relabel: ("arg",),
    tree.CastCall: ("arg",),
    tree.CastArray: ("arg", "element"),
    tree.ApplyTypmod: ("arg",),
    tree.BoolExpr: ("args",),
    tree.NullTest: ("arg",),
    tree.BooleanTest: ("arg",),
    tree.DistinctTest: ("left", "right"),
    tree.Case: ("arg", "whens", "default"),
    tree.Coalesce: ("args",),
    tree.MinMax: ("args",),
    tree.NullIf: ("left", "right", "compare_left"),
    tree.ArrayExpr: ("items",),
    tree.RowExpr: ("items",),
    tree.RowCompare: ("left", "right"),
    tree.Subscript: ("arg", "lower", "upper"),
    tree.FieldSelect: ("arg",),
    tree.ArrayOp: ("left", "right"),
    tree.SubLink: ("compare", "equalities"),
    tree.AggregateCall: ("args", "direct_args", "filter", "order_by"),
    tree.WindowCall: ("args", "filter"),
    tree.SetReturning: ("args",),
    tree.SortKey: ("expr",),
    tree.Target: ("expr",),
    tree.Window: ("partition_by", "order_by", "start", "end"),
    tree.Join: ("left", "right", "condition"),
    tree.ValuesRel: ("rows",),
    tree.FunctionRel: ("calls",),
    tree.QueryRel: ("query",),
    tree.SetOp: ("left", "right"),
    tree.Cte: ("query",),
    tree.Query: (
        "targets",
        "rels",
        "from_",
        "where",
        "group_by",
        "having",
        "windows",
        "limit",
        "offset",
        "set_op",
        "ctes",
    ),
    tree.Insert: ("source", "values", "checks", "generated", "on_conflict", "returning", "ctes"),
    tree.ConflictAction: ("sets", "where"),
    tree.Update: ("query", "checks", "generated", "returning", "ctes"),
    tree.Delete: ("query", "returning", "ctes"),
}
"""The attributes of a node that may hold nodes (alone, in tuples, or in tuples of tuples)."""


def _nodes(value: Any) -> Iterator[Any]:
    if type(value) is tuple:
        for item in value:
            yield from _nodes(item)
    elif value is not None and type(value) in _KINDS:
        yield value


_LEAVES = {tree.Const, tree.Param, tree.Var, tree.ElementRef, tree.CaseArg, tree.GroupingCall}
_KINDS = set(CHILDREN) | _LEAVES


def children(node: Any) -> Iterator[Any]:
    """The nodes directly below `node`; a SubLink's query is not among them."""
    for name in CHILDREN.get(type(node), ()):
        yield from _nodes(getattr(node, name))


def walk(node: Any, queries: bool = True) -> Iterator[Any]:
    """`node` and everything below it; with `queries` also what stands in the queries of its SubLinks."""
    stack = [node]
    while stack:
        found = stack.pop()
        yield found
        kind = type(found)
        if kind in _LEAVES:
            continue
        for name in CHILDREN.get(kind, ()):
            value = getattr(found, name)
            if type(value) is tuple:
                _push(stack, value)
            elif type(value) in _KINDS:
                stack.append(value)
        if queries and kind is tree.SubLink:
            stack.append(found.query)


def _push(stack: list[Any], items: tuple[Any, ...]) -> None:
    for item in items:
        if type(item) in _KINDS:
            stack.append(item)
        elif type(item) is tuple:
            _push(stack, item)


def _rebuild(value: Any, change: Callable[[Any], Any]) -> Any:
    """A field's value with `change` applied to every node directly in it."""
    if type(value) is tuple:
        made = tuple([_rebuild(item, change) for item in value])
        return value if all(a is b for a, b in zip(made, value)) else made
    if value is not None and type(value) in _KINDS:
        return change(value)
    return value


def _with_children(node: Any, change: Callable[[Any], Any]) -> Any:
    """`node` with every child `change`d; the very same node when nothing is different."""
    if type(node) in _LEAVES:
        return node
    names = CHILDREN.get(type(node), ())
    if type(node) is tree.SubLink:
        names = (*names, "query")
    made = {}
    for name in names:
        old = getattr(node, name)
        new = _rebuild(old, change)
        if new is not old:
            made[name] = new
    return replace(node, **made) if made else node


def rewrite_up(node: Any, change: Callable[[Any], Any]) -> Any:
    """`node` with `change` applied to everything in it from the leaves up."""

    def up(found: Any) -> Any:
        return change(_with_children(found, up))

    return up(node)


def rewrite(node: Any, change: Callable[[Any], Any]) -> Any:
    """`node` with `change` applied top-down: a node it gives stands, None lets the children follow.

    It goes into the queries of SubLinks.
    """
    changed = change(node)
    if changed is not None:
        return changed
    return _with_children(node, lambda child: rewrite(child, change))


def variables(node: Any) -> Iterator[tree.Var]:
    """All Vars in and below `node`, in SubLinks too."""
    for found in walk(node):
        if type(found) is tree.Var:
            yield found


def rels_of(node: Any) -> set[int]:
    """Ids of the relations that `node` reads (those that its own subqueries define are among them)."""
    return {var.rel for var in variables(node)}


def defined_rels(query: Query) -> set[int]:
    """Ids that `query` or anything in it defines."""
    found: set[int] = set()
    for node in walk(query):
        if type(node) is tree.Query:
            found.update(rel.id for rel in node.rels)
            if node.set_op is not None:
                found.add(node.set_op.output_rel)
        elif type(node) is tree.SubLink:
            found.add(node.output_rel)
        elif type(node) in (tree.Insert, tree.Update, tree.Delete):
            found.add(node.rel)
            if type(node) is tree.Insert:
                found.add(node.source_rel)
                if node.on_conflict is not None:
                    found.add(node.on_conflict.excluded_rel)
    return found


def free_rels(query: Query) -> set[int]:
    """Ids of outer relations that `query` depends on."""
    return rels_of(query) - defined_rels(query)


def expr_rels(expr: Expr | None) -> set[int]:
    """Relations outside of its own SubLinks that an expression depends on."""
    if expr is None:
        return set()
    found = rels_of(expr)
    for node in walk(expr):
        if type(node) is tree.SubLink:
            found -= defined_rels(node.query)
            found.discard(node.output_rel)
    return found


def conjuncts(expr: Expr | None) -> list[Expr]:
    """The parts of an AND, flat."""
    if expr is None:
        return []
    if type(expr) is tree.BoolExpr and expr.op == "and":
        return [part for arg in expr.args for part in conjuncts(arg)]
    return [expr]


def is_volatile(node: Any) -> bool:
    """Whether a volatile function is called in it."""
    return any(_volatility(found) == "v" for found in walk(node))


def _volatility(node: Any) -> str:
    kind = type(node)
    if kind is tree.Call or kind is tree.SetReturning or kind is tree.ArrayOp:
        return str(node.function.volatility)
    return "i"


def has_node(node: Any, *kinds: type) -> bool:
    """Whether a node of one of `kinds` is in it, not counting subqueries."""
    return any(type(found) in kinds for found in walk(node, queries=False))


def is_statement_constant(expr: Expr) -> bool:
    """Whether it has one value for a whole statement: nothing volatile, no relation, no subquery."""
    nodes = walk(expr, queries=False)
    return not any(type(node) in _NOT_CONSTANT or _volatility(node) == "v" for node in nodes)


_NOT_CONSTANT = {
    tree.Var,
    tree.SubLink,
    tree.CaseArg,
    tree.ElementRef,
    tree.AggregateCall,
    tree.WindowCall,
    tree.SetReturning,
    tree.GroupingCall,
}

for _kind, _names in CHILDREN.items():
    assert set(_names) <= {field.name for field in fields(_kind)}, _kind
