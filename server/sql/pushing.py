"""What a table scan leaves to the processes that store the rows, where these are others (storage.pushdown).

Of the conditions that no key range serves those go along that are made of comparisons of columns with constants or
parameters, IS [NOT] NULL and IN, joined by AND and OR, on types whose stored values compare as the SQL values do. Under
these a condition that is NULL is as good as false, so that NULL needs no third value there. Columns that nobody needs
stay where they are, if they may be large.

The plan applies its conditions again: what goes along only makes the answer smaller, and rows that the transaction
has written itself have not gone through it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from server.errors import PgError
from server.sql import tree, types
from server.sql.context import Context
from server.sql.implication import FLIPPED
from server.sql.index_parts import strip_relabels
from server.sql.plan_path import comparable
from server.sql.tree import Expr
from storage.pushdown import (
    DEEPEST,
    MOST_TESTS,
    Among,
    Both,
    Compare,
    Either,
    Null,
    Pushed,
    Test,
    encode,
    measure,
)

Maker: TypeAlias = Callable[[Context], Test]
Value: TypeAlias = Callable[[Context], Any]

_COMPARED = frozenset(
    {
        types.BOOL, types.INT2, types.INT4, types.INT8, types.FLOAT4, types.FLOAT8, types.TEXT, types.VARCHAR,
        types.BYTEA, types.UUID, types.DATE, types.TIME, types.TIMESTAMP, types.TIMESTAMPTZ,
    }
)  # fmt: skip
"""Stored as their values, which Python orders as PostgreSQL does (collation C; floats: storage.pushdown)."""
_NEVER, _ALWAYS = Either(()), Both(())


def pushed(
    rel: int,
    conditions: Sequence[Expr],
    places: Mapping[int, int],
    columns: Sequence[int] | None,
) -> Callable[[Context], bytes] | None:
    """What goes along with a scan of `rel`, for the parameters of an execution; None: nothing.

    `places`: column -> place in the stored array. `columns`: the places that are needed; None: all.
    """
    makers = [maker for expr in conditions if (maker := _maker(expr, rel, places)) is not None]
    kept = None if columns is None else tuple(columns)
    if not makers:
        if kept is None:
            return None
        constant = encode(Pushed(None, kept))
        return lambda c: constant
    return lambda c: encode(Pushed(Both(tuple(_affordable(make(c) for make in makers))), kept))


def _affordable(tests: Iterable[Test]) -> Iterator[Test]:
    """Those that a request has room for; the others are left to the plan."""
    left = MOST_TESTS - 1
    for test in tests:
        size, depth = measure(test)
        if size <= left and depth < DEEPEST:
            left -= size
            yield test


def _maker(expr: Expr, rel: int, places: Mapping[int, int]) -> Maker | None:
    """The condition as one that storage decides; None if it is not of that kind."""
    if isinstance(expr, tree.BoolExpr) and expr.op in ("and", "or"):
        return _joined(expr, rel, places)
    if isinstance(expr, tree.NullTest) and not expr.row:
        place = _place(expr.arg, rel, places)
        return None if place is None else _always(Null(place, not expr.negated))
    if isinstance(expr, tree.Var) and expr.type is types.BOOL:
        place = _place(expr, rel, places)
        return None if place is None else _always(Compare(place, "=", True))
    if isinstance(expr, tree.BoolExpr) and expr.op == "not" and isinstance(expr.args[0], tree.Var):
        place = _place(expr.args[0], rel, places)
        return None if place is None else _always(Compare(place, "=", False))
    if isinstance(expr, tree.Call) and expr.operator in FLIPPED and len(expr.args) == 2:
        return _comparison(expr, rel, places)
    if isinstance(expr, tree.ArrayOp) and not expr.all and expr.operator == "=":
        return _membership(expr, rel, places)
    return None


def _joined(expr: tree.BoolExpr, rel: int, places: Mapping[int, int]) -> Maker | None:
    """Of a conjunction what can be decided; of a disjunction all of it or nothing."""
    found = [_maker(arg, rel, places) for arg in expr.args]
    makers = [maker for maker in found if maker is not None]
    if expr.op == "and":
        return (lambda c: Both(tuple(make(c) for make in makers))) if makers else None
    if len(makers) < len(found):
        return None
    return lambda c: Either(tuple(make(c) for make in makers))


def _comparison(expr: tree.Call, rel: int, places: Mapping[int, int]) -> Maker | None:
    assert expr.operator is not None
    left, right = expr.args
    for here, there, op in ((left, right, expr.operator), (right, left, FLIPPED[expr.operator])):
        place, value = _place(here, rel, places), _value(there)
        if place is not None and value is not None and _compares(here, there.type):
            return _compared(place, op, value)
    return None


def _compared(place: int, op: str, value: Value) -> Maker:
    def make(c: Context) -> Test:
        try:
            operand = value(c)
        except PgError:
            return _ALWAYS  # whether that is an error depends on whether there are rows: the plan will tell
        return _NEVER if operand is None else Compare(place, op, operand)

    return make


def _membership(expr: tree.ArrayOp, rel: int, places: Mapping[int, int]) -> Maker | None:
    place, element = _place(expr.left, rel, places), expr.right.type.element
    elements = _elements(expr.right)
    if place is None or elements is None or element is None or not _compares(expr.left, element):
        return None

    def make(c: Context) -> Test:
        try:
            values = elements(c)
        except PgError:
            return _ALWAYS
        return Among(place, tuple(each for each in values if each is not None))

    return make


def _elements(expr: Expr) -> Callable[[Context], Sequence[Any]] | None:
    if isinstance(expr, tree.ArrayExpr):
        values = [_value(item) for item in expr.items]
        known = [value for value in values if value is not None]
        return (lambda c: [value(c) for value in known]) if len(known) == len(values) else None
    array = _value(expr)
    if array is None:
        return None
    return lambda c: () if (held := array(c)) is None else held.elements


def _place(expr: Expr, rel: int, places: Mapping[int, int]) -> int | None:
    """Where a column of the relation is stored."""
    column = strip_relabels(expr)
    if not isinstance(column, tree.Var) or column.rel != rel or column.column < 0:
        return None
    return places.get(column.column)


def _compares(column: Expr, other: types.Type) -> bool:
    kind = strip_relabels(column).type
    return kind in _COMPARED and other in _COMPARED and comparable(kind, other)


def _value(expr: Expr) -> Value | None:
    """A constant or a parameter, perhaps under casts; may raise PgError."""
    expr = strip_relabels(expr)
    if isinstance(expr, tree.Const):
        constant = expr.value
        return lambda c: constant
    if isinstance(expr, tree.Param):
        index = expr.index
        return lambda c: c.params[index]
    if isinstance(expr, tree.CastCall):
        arg, cast = _value(expr.arg), expr.func
        if arg is not None:
            return lambda c: None if (held := arg(c)) is None else cast(held, c.env)
    return None


def _always(test: Test) -> Maker:
    return lambda c: test
