"""Operators, row comparisons, IN, BETWEEN and ANY/ALL over arrays (PostgreSQL, 9.24, 9.25 and 10.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from server.errors import PgError
from server.sql import ast, tree
from server.sql.bind_expr import binds, located, number, transform
from server.sql.coerce import coerce_type, common_type, settle_unknown, to_common_type
from server.sql.functions import Function, Operator
from server.sql.grammar_base import NotLiftable
from server.sql.like_prefix import fixed_prefix
from server.sql.plan_walk import rewrite_up, variables
from server.sql.resolve import can_coerce, resolve_operator
from server.sql.scope import Scope, error, is_unknown
from server.sql.tree_walk import contains_var
from server.sql.types import BOOL, UNKNOWN, array_of, is_row

NO_OPERATOR = (
    "No operator matches the given name and argument types. You might need to add explicit type casts."
)
ROW_OPERATORS = frozenset({"=", "<>", "<", "<=", ">", ">="})


def resolve(
    scope: Scope, name: str, left: tree.Expr | None, right: tree.Expr, at: int
) -> tuple[Operator, tree.Expr | None, tree.Expr]:
    """The operator, and its operands under its argument types; raises 42883, 42725."""
    with located(at):
        operator, types, _result = resolve_operator(name, left.type if left is not None else None, right.type)
    if left is not None:
        left = coerce_type(scope, left, types[0])
    return operator, left, coerce_type(scope, right, types[-1])


def make_op(
    scope: Scope, name: str, left: tree.Expr | None, right: tree.Expr, at: int, schema: str | None = None
) -> tree.Expr:
    """An operator applied to bound operands."""
    if schema not in (None, "pg_catalog"):
        raise _no_such_schema(scope, schema or "", name, left, right, at)
    with located(at):
        operator, types, result = resolve_operator(name, left.type if left is not None else None, right.type)
    args = (left, right) if left is not None else (right,)
    made = tuple(coerce_type(scope, arg, kind) for arg, kind in zip(args, types))
    if name in ("~~", "^@"):
        _keep_prefix(scope, made)
    return scope.place(tree.Call(result, operator.function, made, operator=name), at)


def _keep_prefix(scope: Scope, args: Sequence[tree.Expr]) -> None:
    """A pattern that was lifted out stays in the statement where an index can use its beginning."""
    state, pattern = scope.state, args[-1]
    if not isinstance(pattern, tree.Param) or pattern.index < len(state.param_types):
        return
    if not fixed_prefix(state.lifted[pattern.index - len(state.param_types)][1])[0]:
        return
    from server.sql.deciding import is_key  # which binds the keys' texts

    places = {(var.rel, var.column): state.origins.get((var.rel, var.column)) for var in variables(args[0])}
    oids = {origin[0] if origin is not None else 0 for origin in places.values()}
    if len(oids) != 1 or len({rel for rel, _ in places}) != 1:
        return
    table = state.catalog.tables.get(oids.pop())
    if table is None:
        return

    def change(node: Any) -> Any:
        origin = places[node.rel, node.column] if type(node) is tree.Var else None
        return node if origin is None else replace(node, rel=0, column=origin[1] - 1)

    if is_key(rewrite_up(args[0], change), table, state.catalog.cluster):
        raise NotLiftable


def _no_such_schema(
    scope: Scope, schema: str, name: str, left: tree.Expr | None, right: tree.Expr, at: int
) -> PgError:
    """Operators live in pg_catalog only."""
    if schema not in scope.state.catalog.schema_names:
        return error("3F000", f'schema "{schema}" does not exist', at)
    sides = f"{left.type.display} {schema}.{name}" if left is not None else f"{schema}.{name}"
    return error(
        "42883",
        f"operator does not exist: {sides} {right.type.display}",
        at,
        hint=NO_OPERATOR,
    )


@binds(ast.Op)
def op(scope: Scope, node: ast.Op) -> tree.Expr:
    if node.left is None:
        negative = _negative_number(node)
        if negative is not None:
            return negative
        return make_op(scope, node.name, None, transform(scope, node.right), node.at, node.schema)
    if (
        isinstance(node.left, ast.RowExpr)
        and isinstance(node.right, ast.SubLink)
        and node.right.kind == "scalar"
    ):
        from server.sql.bind_sublink import row_sublink

        return row_sublink(scope, node)
    if isinstance(node.left, ast.RowExpr) and isinstance(node.right, ast.RowExpr):
        left, right = transform(scope, node.left), transform(scope, node.right)
        assert isinstance(left, tree.RowExpr) and isinstance(right, tree.RowExpr)
        return row_op(scope, node.name, left.items, right.items, node.at)
    left = transform(scope, node.left)
    return make_op(scope, node.name, left, transform(scope, node.right), node.at, node.schema)


def _negative_number(node: ast.Op) -> tree.Expr | None:
    """A minus before a numeric literal belongs to the literal (gram.y's doNegate)."""
    if node.name not in ("-", "+") or node.schema is not None:
        return None
    arg = node.right
    if isinstance(arg, ast.ParamRef) and arg.lifted:
        return None
    if node.name == "-" and isinstance(arg, ast.Literal) and arg.kind in ("integer", "float"):
        return number(arg.text[1:] if arg.text.startswith("-") else "-" + arg.text)
    return None


# --- rows --------------------------------------------------------------------------------------------------


def row_op(
    scope: Scope, name: str, left: Sequence[tree.Expr], right: Sequence[tree.Expr], at: int
) -> tree.Expr:
    """A comparison of two rows of known width (PostgreSQL, 9.25.5)."""
    if len(left) != len(right):
        raise error("42601", "unequal number of entries in row expressions", at)
    if not left:
        raise error("0A000", "cannot compare rows of zero length", at)
    if len(left) == 1:
        return make_op(scope, name, left[0], right[0], at)
    if name not in ROW_OPERATORS:
        for a, b in zip(left, right):
            row_member(scope, name, a, b, at)
        raise error(
            "0A000",
            f"could not determine interpretation of row comparison operator {name}",
            at,
            hint="Row comparison operators must be associated with btree operator families.",
        )
    if name in ("=", "<>"):
        members = tuple(row_member(scope, name, a, b, at) for a, b in zip(left, right))
        return tree.BoolExpr(BOOL, "and" if name == "=" else "or", members)
    return _row_compare(scope, name, left, right, at)


def row_member(scope: Scope, name: str, left: tree.Expr, right: tree.Expr, at: int) -> tree.Expr:
    made = make_op(scope, name, left, right, at)
    if made.type is not BOOL:
        message = f"row comparison operator must yield type boolean, not type {made.type.display}"
        raise error("42804", message, at)
    return made


def _row_compare(
    scope: Scope, name: str, left: Sequence[tree.Expr], right: Sequence[tree.Expr], at: int
) -> tree.Expr:
    lefts, rights, equal, less = [], [], [], []
    for a, b in zip(left, right):
        operator, made_a, made_b = resolve(scope, "<", a, b, at)
        same, *_ = resolve(scope, "=", made_a, made_b, at)
        assert made_a is not None
        lefts.append(made_a)
        rights.append(made_b)
        equal.append(same.function)
        less.append(operator.function)
    return tree.RowCompare(BOOL, name, tuple(lefts), tuple(rights), tuple(equal), tuple(less))


# --- IS DISTINCT FROM, NULLIF ------------------------------------------------------------------------------


def _equality(
    scope: Scope, left: tree.Expr, right: tree.Expr, at: int, construct: str
) -> tuple[Function, tree.Expr, tree.Expr]:
    operator, made_left, made_right = resolve(scope, "=", left, right, at)
    if operator.result is not BOOL:
        raise error("42804", f"{construct} requires = operator to yield boolean", at)
    assert made_left is not None
    return operator.function, made_left, made_right


@binds(ast.DistinctTest)
def distinct_test(scope: Scope, node: ast.DistinctTest) -> tree.Expr:
    """A comparison in which NULL is a value; with the word NULL also where the type has no = (PostgreSQL, 9.2).

    A row of NULLs is a value too: unlike IS NOT NULL, IS DISTINCT FROM NULL does not look at the fields.
    """
    for this, other in ((node.left, node.right), (node.right, node.left)):
        if isinstance(this, ast.Literal) and this.kind == "null":
            return tree.NullTest(BOOL, transform(scope, other), not node.negated)
    left, right = transform(scope, node.left), transform(scope, node.right)
    if isinstance(left, tree.RowExpr) and isinstance(right, tree.RowExpr):
        if len(left.items) != len(right.items):
            raise error("42601", "unequal number of entries in row expressions", node.at)
        tests = tuple(
            tree.DistinctTest(BOOL, *_equality(scope, a, b, node.at, "IS DISTINCT FROM"), negated=False)
            for a, b in zip(left.items, right.items)
        )
        differs: tree.Expr = tree.BoolExpr(BOOL, "or", tests) if tests else tree.Const(BOOL, False)
        return tree.BoolExpr(BOOL, "not", (differs,)) if node.negated else differs
    return tree.DistinctTest(
        BOOL, *_equality(scope, left, right, node.at, "IS DISTINCT FROM"), negated=node.negated
    )


@binds(ast.NullIf)
def null_if(scope: Scope, node: ast.NullIf) -> tree.Expr:
    left, right = transform(scope, node.left), transform(scope, node.right)
    equal, compare_left, compare_right = _equality(scope, left, right, node.at, "NULLIF")
    return tree.NullIf(
        compare_left.type, equal, compare_left, compare_right, compare_left, compare_left.typmod
    )


# --- BETWEEN, IN, ANY --------------------------------------------------------------------------------------


@binds(ast.Between)
def between(scope: Scope, node: ast.Between) -> tree.Expr:
    """Bound as the comparisons that it abbreviates, each with operands of its own (PostgreSQL, 9.2)."""
    at = node.at

    def compare(operator: str, bound: ast.Expr) -> ast.Expr:
        return ast.Op(operator, node.arg, bound, at=at)

    def inside(low: ast.Expr, high: ast.Expr) -> ast.Expr:
        if node.negated:
            return ast.BoolExpr("or", (compare("<", low), compare(">", high)), at)
        return ast.BoolExpr("and", (compare(">=", low), compare("<=", high)), at)

    made = inside(node.low, node.high)
    if node.symmetric:
        joined = "and" if node.negated else "or"
        made = ast.BoolExpr(joined, (made, inside(node.high, node.low)), at)
    return transform(scope, made)


@binds(ast.InList)
def in_list(scope: Scope, node: ast.InList) -> tree.Expr:
    """One ANY over an array where the types agree, comparisons joined by OR (AND for NOT IN) otherwise."""
    name, joined = ("<>", "and") if node.negated else ("=", "or")
    left = transform(scope, node.arg)
    items = [transform(scope, item) for item in node.items]
    parts: list[tree.Expr] = []
    plain = [item for item in items if not contains_var(item)]
    rest = items
    if len(plain) > 1 and not is_row(left.type):
        made = _in_array(scope, name, left, plain, node)
        if made is not None:
            parts.append(made)
            rest = [item for item in items if contains_var(item)]
    for item in rest:
        if isinstance(left, tree.RowExpr) and isinstance(item, tree.RowExpr):
            parts.append(row_op(scope, name, left.items, item.items, node.at))
        else:
            if parts:
                left = transform(scope, node.arg)
            parts.append(make_op(scope, name, left, item, node.at))
    return parts[0] if len(parts) == 1 else tree.BoolExpr(BOOL, joined, tuple(parts))


def _in_array(
    scope: Scope, name: str, left: tree.Expr, items: Sequence[tree.Expr], node: ast.InList
) -> tree.Expr | None:
    """None when the items and the left side have no common type that has arrays."""
    try:
        common = common_type(scope, [left, *items], "IN")
    except PgError:
        return None
    array = array_of(common)
    if array is None or is_row(common) or not all(can_coerce(item.type, common, "i") for item in items):
        return None
    try:
        operator, types, _result = resolve_operator(name, left.type, common)
    except PgError:
        return None
    wanted = array_of(types[1])
    if wanted is None:
        return None
    made = tuple(to_common_type(scope, item, common, "IN") for item in items)
    right = coerce_type(scope, tree.ArrayExpr(array, made), wanted)
    left = coerce_type(scope, left, types[0])
    return tree.ArrayOp(BOOL, operator.function, left, right, node.negated, name)


@binds(ast.ArrayOp)
def array_op(scope: Scope, node: ast.ArrayOp) -> tree.Expr:
    left, right = transform(scope, node.left), transform(scope, node.right)
    if is_unknown(right):
        element = UNKNOWN
    elif right.type.element is not None:
        element = right.type.element
    else:
        raise error("42809", "op ANY/ALL (array) requires array on right side", node.at)
    with located(node.at):
        operator, types, result = resolve_operator(node.operator, left.type, element)
    if result is not BOOL:
        raise error("42809", "op ANY/ALL (array) requires operator to yield boolean", node.at)
    array = array_of(types[1])
    if array is None:
        raise error("42704", f"could not find array type for data type {types[1].display}", node.at)
    left = coerce_type(scope, settle_unknown(scope, left) if types[0] is UNKNOWN else left, types[0])
    return tree.ArrayOp(
        BOOL, operator.function, left, coerce_type(scope, right, array), node.all, node.operator
    )


def refuse_lifted(node: ast.Expr) -> None:
    """A lifted literal cannot stand where its value has a meaning at bind time."""
    if isinstance(node, ast.ParamRef) and node.lifted:
        raise NotLiftable
