"""Subqueries in expressions: run once when they depend on nothing, else remembered by what they read."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from server.errors import PgError
from server.sql import tree
from server.sql.codegen import Code, Emitter, fresh
from server.sql.context import Context, Holding, row_size
from server.sql.exec_node import Node
from server.sql.plan_relation import reads_any
from server.sql.plan_walk import is_volatile
from server.sql.type_array import Array
from server.sql.types import is_row

if TYPE_CHECKING:
    from server.sql.plan import Planner, Scope

MEMO_LIMIT = 4096
"""Remembered results per correlated subquery."""


def emit_sublink(planner: "Planner", scope: "Scope", link: tree.SubLink, emitter: Emitter) -> Code:
    """Source of the value of `link` inside the function that `emitter` writes."""
    inner = scope.below({rel for rel, _ in emitter.sources})
    limited = link.kind in ("exists", "scalar")
    node = planner.select(link.query, inner, limited)
    planner.needs_turns = True
    again = bool(planner.correlated) and reads_any(link.query, planner.correlated)
    if link.kind == "any" or link.kind == "all":
        return _emit_quantified(link, node, inner, emitter, again)
    evaluate = {"exists": _exists, "scalar": _scalar, "array": _array}[link.kind](node)
    return Code(_call(evaluate, link, inner, emitter, again), link.kind == "scalar")


def _call(
    evaluate: Callable[[Context], Any], link: tree.SubLink, inner: "Scope", emitter: Emitter, again: bool
) -> str:
    """Source of a call of `evaluate`; `again`: its result may not be remembered."""
    unit = emitter.unit
    volatile = is_volatile(link.query)
    if not inner.params and not inner.inherited:
        if again:
            return f"{unit.bind(evaluate)}(c)"
        return f"{unit.bind(_once(evaluate))}(c)"
    slots = list(inner.params.values())
    values = "".join(emitter.sources[key] + ", " for key in inner.params)
    inherited = "".join(source + ", " for source in sorted(inner.inherited))
    run = _per_row(evaluate, slots, not volatile and not again)
    return f"{unit.bind(run)}(c, ({values}), ({inherited}))"


def _once(evaluate: Callable[[Context], Any]) -> Callable[[Context], Any]:
    key = fresh()

    def run(c: Context) -> Any:
        memo = c.memo
        if key not in memo:
            memo[key] = evaluate(c)
        return memo[key]

    return run


def _per_row(
    evaluate: Callable[[Context], Any], slots: Sequence[int], remember: bool
) -> Callable[[Context, tuple[Any, ...], tuple[Any, ...]], Any]:
    key = fresh()

    def run(c: Context, values: tuple[Any, ...], inherited: tuple[Any, ...]) -> Any:
        for slot, value in zip(slots, values):
            c.slots[slot] = value
        if not remember:
            return evaluate(c)
        memo = c.memo.get(key)
        if memo is None:
            memo = c.memo[key] = {}
        try:
            known = (values, inherited)
            if known in memo:
                return memo[known]
        except TypeError:
            return evaluate(c)
        found = evaluate(c)
        if len(memo) < MEMO_LIMIT and not any(isinstance(value, float) for value in values):
            memo[known] = found
        return found

    return run


def _rows(node: Node, c: Context) -> Iterator[Any]:
    turn = c.turn
    for batch in node.run(c):
        c.tick()
        if turn is not None:
            turn()
        yield from batch


def _exists(node: Node) -> Callable[[Context], bool]:
    return lambda c: next(_rows(node, c), None) is not None


def _scalar(node: Node) -> Callable[[Context], Any]:
    def run(c: Context) -> Any:
        rows = _rows(node, c)
        first = next(rows, None)
        if first is None:
            return None
        if next(rows, None) is not None:
            raise PgError("21000", "more than one row returned by a subquery used as an expression")
        return first[0]

    return run


def _array(node: Node) -> Callable[[Context], Array]:
    def run(c: Context) -> Array:
        with c.holding() as held:
            return Array([row[0] for row in _held_rows(node, c, held)])

    return run


def _held_rows(node: Node, c: Context, held: Holding) -> Iterator[Any]:
    """The rows, accounted for as long as somebody gathers them; PgError 54000."""
    for row in _rows(node, c):
        held.add(row_size(row))
        yield row


def _all(node: Node) -> Callable[[Context], list[Any]]:
    def run(c: Context) -> list[Any]:
        with c.holding() as held:
            return list(_held_rows(node, c, held))

    return run


# --- ANY and ALL -------------------------------------------------------------------------------------------


def _emit_quantified(link: tree.SubLink, node: Node, inner: "Scope", emitter: Emitter, again: bool) -> Code:
    """x op ANY/ALL (subquery): a hash of the subquery's rows for plain equality, else row by row."""
    assert link.compare is not None
    unit = emitter.unit
    plain = not inner.params and not inner.inherited and not again
    if link.kind == "any" and len(link.equalities) == 1 and plain:
        test, column, _ = link.equalities[0]
        kind = test.type
        if kind is link.query.columns[column].type and kind.name != "json" and not is_row(kind):
            build = _once(_hashed(node, column, kind.sort_key))
            return Code(f"{unit.bind(_probe(build, kind.sort_key))}(c, {emitter.value(test).src})")
    rows = _call(_all(node), link, inner, emitter, again)
    sources = dict(emitter.sources)
    name = unit.temp()
    for position in range(node.width):
        sources[link.output_rel, position] = f"{name}[{position}]"
    signature = f"{name}, {emitter.signature}"
    nested = Emitter(unit, sources, emitter.outer, emitter.not_null, signature, emitter.looped)
    compare = nested.value(link.compare).src
    quantified = _any_row if link.kind == "any" else _all_rows
    return Code(f"{unit.bind(quantified)}({rows}, lambda {name}: {compare})")


def _hashed(
    node: Node, column: int, convert: Callable[[Any], Any] | None
) -> Callable[[Context], tuple[set[Any], bool]]:
    def run(c: Context) -> tuple[set[Any], bool]:
        found: set[Any] = set()
        null = False
        for row in _rows(node, c):
            value = row[column]
            if value is None:
                null = True
                continue
            known = len(found)
            found.add(value if convert is None else convert(value))
            if len(found) > known:
                c.hold(row_size(row))
        return found, null

    return run


def _probe(
    build: Callable[[Context], tuple[set[Any], bool]], convert: Callable[[Any], Any] | None
) -> Callable[..., Any]:
    def run(c: Context, value: Any) -> bool | None:
        found, null = build(c)
        if not found and not null:
            return False
        if value is None:
            return None
        if (value if convert is None else convert(value)) in found:
            return True
        return None if null else False

    return run


def _any_row(rows: Sequence[Any], test: Callable[[Any], Any]) -> bool | None:
    unknown = False
    for row in rows:
        found = test(row)
        if found:
            return True
        unknown = unknown or found is None
    return None if unknown else False


def _all_rows(rows: Sequence[Any], test: Callable[[Any], Any]) -> bool | None:
    unknown = False
    for row in rows:
        found = test(row)
        if found is False:
            return False
        unknown = unknown or found is None
    return None if unknown else True
