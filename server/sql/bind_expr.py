"""Expressions of the parse tree to the bound tree (PostgreSQL, chapter 4.2; parse_expr.c's rules)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, TypeVar

from server.catalog.descriptor import SYSTEM_SCHEMAS, Table
from server.errors import PgError
from server.sql import ast, refusals, tree
from server.sql.coerce import (
    EXPLICIT,
    as_boolean,
    cast_expression,
    coerce_to_target,
    coerce_type,
    common_type,
    common_typmod,
    to_common_type,
)
from server.sql.grammar_base import NotLiftable
from server.sql.resolve import can_coerce
from server.sql.scope import Scope, error, find_relation, is_unknown
from server.sql.types import (
    BOOL,
    INT4,
    INT8,
    JSONB,
    NUMERIC,
    RECORD,
    TEXT,
    UNKNOWN,
    Type,
    array_of,
    is_row,
    lookup_type_name,
    row_type,
)

Handler = Callable[[Scope, Any], tree.Expr]
H = TypeVar("H", bound=Callable[..., tree.Expr])
HANDLERS: dict[type, Handler] = {}
LIFTED_TYPES = {"i": INT4, "I": INT8, "n": NUMERIC, "s": UNKNOWN}


def binds(kind: type) -> Callable[[H], H]:
    """Register the function that binds one kind of parse node."""

    def register(handler: H) -> H:
        HANDLERS[kind] = handler
        return handler

    return register


def transform(scope: Scope, node: ast.Expr) -> tree.Expr:
    """Bind one expression in the scope's current kind (`scope.kind`)."""
    made = HANDLERS[type(node)](scope, node)
    at = node.at
    if at >= 0:
        scope.state.places.setdefault(id(made), (at, made))
    return made


def transform_as(scope: Scope, node: ast.Expr, kind: str) -> tree.Expr:
    """Bind an expression of a clause."""
    before, scope.kind = scope.kind, kind
    try:
        return transform(scope, node)
    finally:
        scope.kind = before


@contextmanager
def located(at: int) -> Iterator[None]:
    """Errors raised inside point at `at` unless they know better."""
    try:
        yield
    except PgError as failure:
        if failure.position is None and at >= 0:
            failure.position = at + 1
        raise


def leftmost(node: object, at: int) -> int:
    """The offset of an expression's first token: the left operand's (exprLocation)."""
    while True:
        place: int = getattr(node, "at", -1)
        if place >= 0 and (at < 0 or place < at):
            at = place
        if isinstance(node, (ast.Op, ast.ArrayOp, ast.DistinctTest)) and node.left is not None:
            node = node.left
        elif isinstance(node, ast.BoolExpr) and node.op != "not":
            node = node.args[0]
        elif isinstance(
            node, (ast.NullTest, ast.BooleanTest, ast.Between, ast.InList, ast.TypeCast, ast.Subscript)
        ):
            node = node.arg
        else:
            return at


# --- constants and parameters ------------------------------------------------------------------------------


@binds(ast.Literal)
def literal(scope: Scope, node: ast.Literal) -> tree.Expr:
    return number(node.text) if node.kind in ("integer", "float") else _other_literal(scope, node)


def number(text: str) -> tree.Const:
    """A numeric literal: int4, int8 when it is too large, else numeric (PostgreSQL, 4.1.2.6)."""
    digits = text.replace("_", "")
    try:
        value = int(digits, 0) if digits.lstrip("-")[:2].lower() in ("0x", "0o", "0b") else int(digits)
    except ValueError:
        return tree.Const(NUMERIC, Decimal(digits))
    if -(2**31) <= value < 2**31:
        return tree.Const(INT4, value)
    if -(2**63) <= value < 2**63:
        return tree.Const(INT8, value)
    return tree.Const(NUMERIC, Decimal(value))


def _other_literal(scope: Scope, node: ast.Literal) -> tree.Const:
    if node.kind == "string":
        return tree.Const(UNKNOWN, node.text)
    if node.kind == "null":
        return tree.Const(UNKNOWN, None)
    if node.kind == "bool":
        return tree.Const(BOOL, node.text.lower() == "true")
    raise refusals.QUERY_TYPE.error("bit")


@binds(ast.ParamRef)
def param_ref(scope: Scope, node: ast.ParamRef) -> tree.Expr:
    state = scope.state
    if node.lifted:
        index = node.number - 1 - len(state.param_types)
        return tree.Param(state.lifted_types[index], node.number - 1)
    if not 1 <= node.number <= state.most_params:
        raise error("42P02", f"there is no parameter ${node.number}", node.at)
    while len(state.param_types) < node.number:
        state.param_types.append(UNKNOWN)
    return tree.Param(state.param_types[node.number - 1], node.number - 1)


@binds(ast.DefaultMarker)
def default_marker(scope: Scope, node: ast.DefaultMarker) -> tree.Expr:
    raise error("42601", "DEFAULT is not allowed in this context", node.at)


# --- types and casts ---------------------------------------------------------------------------------------


def resolve_type(scope: Scope, name: ast.TypeName) -> tuple[Type, int]:
    """The type and modifier that a type name means; raises 42704."""
    if name.setof:
        raise error("42601", "SETOF is not allowed here", name.at)
    refuse_schema(scope, name.names[:-1], name.at)
    modifiers = [_modifier(scope, modifier) for modifier in name.modifiers]
    with located(name.at):
        found, typmod = _named_type(scope, name, modifiers)
    if name.array_bounds:
        array = array_of(found)
        if array is None and found.element is None:
            raise error("42704", f'type "{found.display}[]" does not exist', name.at)
        found = array or found
    return found, typmod


def _named_type(scope: Scope, name: ast.TypeName, modifiers: Sequence[str]) -> tuple[Type, int]:
    try:
        return lookup_type_name(name.names, modifiers, name.interval_fields, bool(name.array_bounds))
    except PgError as failure:
        table = find_relation(scope, name.names) if failure.sqlstate == "42704" else None
        if not isinstance(table, Table):
            raise
        return row_type(table), -1


def refuse_schema(scope: Scope, qualifiers: ast.Names, at: int) -> None:
    """3F000 when a qualified type or function names a schema that is not there."""
    known = scope.state.catalog.schema_names
    if qualifiers and qualifiers[-1] not in SYSTEM_SCHEMAS and qualifiers[-1] not in known:
        raise error("3F000", f'schema "{qualifiers[-1]}" does not exist', at)


def _modifier(scope: Scope, node: ast.Expr) -> str:
    """A type modifier's text: constants and plain names only."""
    if isinstance(node, ast.ParamRef) and node.lifted:
        raise NotLiftable
    if isinstance(node, ast.Literal):
        return node.text
    if (
        isinstance(node, ast.Op)
        and node.left is None
        and node.name == "-"
        and isinstance(node.right, ast.Literal)
    ):
        return "-" + node.right.text
    if isinstance(node, ast.ColumnRef) and len(node.names) == 1:
        return node.names[0]
    raise error("42601", "type modifiers must be simple constants or identifiers", node.at)


@binds(ast.TypeCast)
def type_cast(scope: Scope, node: ast.TypeCast) -> tree.Expr:
    target, typmod = resolve_type(scope, node.type)
    if isinstance(node.arg, ast.ArrayExpr) and target.element is not None and target.category == "A":
        arg = array_expr(scope, node.arg, target)
        scope.place(arg, node.arg.at)
    else:
        arg = transform(scope, node.arg)
    made = cast_expression(scope, arg, target, typmod, node.at)
    if made.type is target and typmod < 0 and made is arg and made.typmod >= 0:
        return tree.Relabel(target, made)
    return made


@binds(ast.Collate)
def collate(scope: Scope, node: ast.Collate) -> tree.Expr:
    """Every text compares by bytes, as in DSQL: the names of that order are accepted and change nothing."""
    arg = transform(scope, node.arg)
    if arg.type is UNKNOWN:
        arg = coerce_type(scope, arg, TEXT)
    if arg.type.collation == 0:
        raise error("42804", f"collations are not supported by type {arg.type.display}", node.at)
    if node.names[-1] not in ("C", "POSIX", "default", "ucs_basic") or node.names[:-1] not in (
        (),
        ("pg_catalog",),
    ):
        name = ".".join(node.names)
        raise error("42704", f'collation "{name}" for encoding "UTF8" does not exist', node.at)
    return arg


# --- boolean constructs ------------------------------------------------------------------------------------


@binds(ast.BoolExpr)
def bool_expr(scope: Scope, node: ast.BoolExpr) -> tree.Expr:
    args = tuple(as_boolean(scope, transform(scope, arg), node.op.upper()) for arg in node.args)
    return tree.BoolExpr(BOOL, node.op, args)


@binds(ast.NullTest)
def null_test(scope: Scope, node: ast.NullTest) -> tree.Expr:
    arg = transform(scope, node.arg)
    return tree.NullTest(BOOL, arg, node.negated, row=is_row(arg.type))


@binds(ast.BooleanTest)
def boolean_test(scope: Scope, node: ast.BooleanTest) -> tree.Expr:
    construct = f"IS {'NOT ' if node.negated else ''}{node.value.upper()}"
    arg = as_boolean(scope, transform(scope, node.arg), construct)
    return tree.BooleanTest(BOOL, arg, node.value.lower(), node.negated)


# --- conditional expressions -------------------------------------------------------------------------------


@contextmanager
def without_sets(scope: Scope, construct: str) -> Iterator[None]:
    """No new set-returning function may appear inside CASE, COALESCE and so on."""
    before, scope.has_set_returning = scope.has_set_returning, False
    yield
    if scope.has_set_returning:
        place = max(
            (at for at, made in scope.state.places.values() if isinstance(made, tree.SetReturning)),
            default=-1,
        )
        raise error(
            "0A000",
            f"set-returning functions are not allowed in {construct}",
            place,
            hint="You might be able to move the set-returning function into a LATERAL FROM item.",
        )
    scope.has_set_returning = before


@binds(ast.Coalesce)
def coalesce(scope: Scope, node: ast.Coalesce) -> tree.Expr:
    with without_sets(scope, "COALESCE"):
        args = [transform(scope, arg) for arg in node.args]
    target = common_type(scope, args, "COALESCE")
    args = [to_common_type(scope, arg, target, "COALESCE") for arg in args]
    return tree.Coalesce(target, tuple(args), common_typmod(args, target))


@binds(ast.MinMax)
def min_max(scope: Scope, node: ast.MinMax) -> tree.Expr:
    name = node.op.upper()
    args = [transform(scope, arg) for arg in node.args]
    target = common_type(scope, args, name)
    args = [to_common_type(scope, arg, target, name) for arg in args]
    return tree.MinMax(target, node.op.lower(), tuple(args), common_typmod(args, target))


@binds(ast.CaseExpr)
def case(scope: Scope, node: ast.CaseExpr) -> tree.Expr:
    from server.sql.bind_operator import make_op

    with without_sets(scope, "CASE"):
        arg = transform(scope, node.arg) if node.arg is not None else None
        if arg is not None and is_unknown(arg):
            arg = coerce_type(scope, arg, TEXT)
        conditions, results = [], []
        for when, then in node.whens:
            condition = transform(scope, when)
            if arg is not None:
                condition = make_op(scope, "=", tree.CaseArg(arg.type, arg.typmod), condition, when.at)
            conditions.append(as_boolean(scope, condition, "CASE/WHEN"))
            results.append(transform(scope, then))
        default = transform(scope, node.default) if node.default is not None else None
    considered = [default or tree.Const(UNKNOWN, None), *results]
    target = common_type(scope, considered, "CASE")
    if default is not None:
        default = to_common_type(scope, default, target, "CASE/ELSE")
    results = [to_common_type(scope, result, target, "CASE/WHEN") for result in results]
    modified = [default if default is not None else tree.Const(target, None), *results]
    return tree.Case(target, arg, tuple(zip(conditions, results)), default, common_typmod(modified, target))


# --- arrays and rows ---------------------------------------------------------------------------------------


@binds(ast.ArrayExpr)
def array_expr(scope: Scope, node: ast.ArrayExpr, wanted: Type | None = None) -> tree.Expr:
    """ARRAY[...]; `wanted` is the array type of a cast around it."""
    items: list[tree.Expr] = []
    nested = False
    for item in node.items:
        if isinstance(item, ast.ArrayExpr):
            made = array_expr(scope, item, wanted)
            scope.place(made, item.at)
            nested = True
        else:
            made = transform(scope, item)
            nested = nested or (made.type.element is not None and made.type.category == "A")
        items.append(made)
    if wanted is not None:
        array, element = wanted, wanted if nested else wanted.element
    else:
        array, element = _array_types(scope, items, nested, node.at)
    if element is None:
        raise error("42704", f"could not find element type for data type {array.display}", node.at)
    made_items = [_array_item(scope, item, element, wanted is not None) for item in items]
    return tree.ArrayExpr(array, tuple(made_items), nested)


def _array_types(scope: Scope, items: Sequence[tree.Expr], nested: bool, at: int) -> tuple[Type, Type]:
    """(array type, type of the items) of an ARRAY[...] without a cast."""
    if not items:
        raise error(
            "42P18",
            "cannot determine type of empty array",
            at,
            hint="Explicitly cast to the desired type, for example ARRAY[]::integer[].",
        )
    element = common_type(scope, items, "ARRAY")
    array = element if nested else array_of(element)
    if array is None:
        raise error("42704", f"could not find array type for data type {element.display}", at)
    return array, element


def _array_item(scope: Scope, item: tree.Expr, element: Type, explicit: bool) -> tree.Expr:
    if not explicit:
        return to_common_type(scope, item, element, "ARRAY")
    made = coerce_to_target(scope, item, element, -1, EXPLICIT)
    if made is None:
        raise error("42846", f"cannot cast type {item.type.display} to {element.display}", scope.where(item))
    return made


@binds(ast.RowExpr)
def row_expr(scope: Scope, node: ast.RowExpr) -> tree.Expr:
    from server.sql.bind_column import expand_stars

    items = expand_stars(scope, node.items)
    if len(items) > 1664:
        raise error("54011", "ROW expressions can have at most 1664 entries", node.at)
    return tree.RowExpr(RECORD, tuple(items), tuple(f"f{i}" for i in range(1, len(items) + 1)))


@binds(ast.Subscript)
def subscript(scope: Scope, node: ast.Subscript) -> tree.Expr:
    """`x[1][2]` is one reference: the inner Subscript nodes keep the array's own type."""
    chain: list[ast.Subscript] = []
    base: ast.Expr = node
    while isinstance(base, ast.Subscript):
        chain.insert(0, base)
        base = base.arg
    arg = transform(scope, base)
    if arg.type is JSONB:
        return _jsonb_subscripts(scope, arg, chain)
    element = arg.type.element
    if element is None:
        message = f"cannot subscript type {arg.type.display} because it does not support subscripting"
        raise error("42804", message, scope.where(arg))
    array, sliced = arg.type, any(part.is_slice for part in chain)
    for index, part in enumerate(chain):
        lower = _subscript_index(scope, part.lower)
        upper = _subscript_index(scope, part.upper)
        result = array if sliced or index < len(chain) - 1 else element
        arg = tree.Subscript(result, arg, lower, upper, part.is_slice, arg.typmod)
        scope.place(arg, part.at)
    return arg


def _subscript_index(scope: Scope, node: ast.Expr | None) -> tree.Expr | None:
    if node is None:
        return None
    index = transform(scope, node)
    made = coerce_to_target(scope, index, INT4)
    if made is None:
        raise error("42804", "array subscript must have type integer", scope.where(index))
    return made


def _jsonb_subscripts(scope: Scope, arg: tree.Expr, chain: list[ast.Subscript]) -> tree.Expr:
    """Keys and indexes of a jsonb, texts or integers (PostgreSQL, chapter 8.14.5); raises 42804."""
    for part in chain:
        if part.is_slice or part.upper is None:
            bound = part.upper if part.upper is not None else part.lower
            at = scope.where(transform(scope, bound)) if bound is not None else -1
            raise error("42804", "jsonb subscript does not support slices", at)
        index = transform(scope, part.upper)
        target = INT4 if not is_unknown(index) and can_coerce(index.type, INT4) else TEXT
        if not can_coerce(index.type, target):
            message = f"subscript type {index.type.display} is not supported"
            hint = "jsonb subscript must be coercible to either integer or text."
            raise error("42804", message, scope.where(index), hint=hint)
        arg = tree.Subscript(JSONB, arg, None, coerce_type(scope, index, target), False)
        scope.place(arg, part.at)
    return arg
