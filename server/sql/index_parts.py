"""Key expressions and predicates of indexes: bound, and in the one form in which expressions are compared.

PostgreSQL, chapters 11.7 and 11.8; expression keys since 2026-08-13, predicates since 2026-09-15 (dsql-reference §11).
A descriptor keeps them as SQL text that means the same under every setting: they are immutable, and their literals
are written with their types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from server.catalog.descriptor import Catalog, Index, IndexKey, Table
from server.errors import PgError
from server.sql import tree, types
from server.sql.bind_scalar import bind_scalar, spread_rows
from server.sql.bind_target import figure_key_name
from server.sql.codegen import compile_expr
from server.sql.context import Context
from server.sql.deparse import deparse
from server.sql.env import Env
from server.sql.keywords import quote_ident
from server.sql.lexer import NAME_BYTES
from server.sql.parse import parse_expression
from server.sql.plan_walk import rewrite_up, variables
from server.sql.resolve import resolve_operator
from server.sql.tree import Expr
from server.sql.types import Type
from server.sql.volatility import is_immutable

OWN = -1
"""The relation of the index's table in what `canonical` makes; relations of statements have ids from 0."""
_NO_CATALOG = Catalog(0, 0, 0, {}, {}, {}, {}, {}, {}, {})
TEXTS = (types.TEXT, types.VARCHAR)
NEGATED = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_FOLDED = (tree.Call, tree.CastCall, tree.CoerceIO, tree.Relabel, tree.ApplyTypmod)


def steady_context() -> Context:
    """What expressions see that depend on nothing but their row."""
    return Context(None, env=Env())  # type: ignore[arg-type]


def strip_relabels(expr: Expr) -> Expr:
    """Through relabellings that leave the btree order alone (varchar and text)."""
    while type(expr) is tree.Relabel and expr.type in TEXTS and expr.arg.type in TEXTS:
        expr = expr.arg
    return expr


# --- one form ---


def canonical(expr: Expr, rel: int) -> Expr:
    """The expression over `Var(OWN)` for the columns of `rel`, so that equal ones are equal trees.

    Where it stood, what its columns were called and whether its casts were written does not count; constants are
    computed, NOT goes down to comparisons, `flag = true` is `flag` (eval_const_expressions of PostgreSQL).
    """

    def change(node: Any) -> Any:
        kind = type(node)
        if kind is tree.Var:
            return tree.Var(node.type, OWN if node.rel == rel else node.rel, node.column, node.typmod)
        if kind is tree.BoolExpr:
            return _negation(node.args[0]) if node.op == "not" else _flat(node)
        if kind is tree.Call:
            node = _plain_flag(replace(node, at=-1))
        elif kind in (tree.CastCall, tree.CoerceIO, tree.Relabel):
            node = replace(node, explicit=True)
        return _computed(node) if type(node) in _FOLDED else node

    made: Expr = rewrite_up(expr, change)
    return made


def _flat(node: tree.BoolExpr) -> Expr:
    """AND in AND and OR in OR are one."""
    args: list[Expr] = []
    for arg in node.args:
        same = isinstance(arg, tree.BoolExpr) and arg.op == node.op
        args += arg.args if same and isinstance(arg, tree.BoolExpr) else [arg]
    return replace(node, args=tuple(args))


def _negation(expr: Expr) -> Expr:
    """NOT of a canonical expression (negate_clause)."""
    if isinstance(expr, tree.BoolExpr):
        if expr.op == "not":
            return expr.args[0]
        op = "or" if expr.op == "and" else "and"
        return tree.BoolExpr(types.BOOL, op, tuple(_negation(arg) for arg in expr.args))
    if isinstance(expr, tree.NullTest) and not expr.row:
        return replace(expr, negated=not expr.negated)
    if isinstance(expr, tree.Const) and expr.type is types.BOOL:
        return expr if expr.value is None else replace(expr, value=not expr.value)
    if isinstance(expr, tree.Call) and expr.operator in NEGATED and len(expr.args) == 2:
        made = comparison(NEGATED[expr.operator], *expr.args)
        if made is not None:
            return made
    element = expr.right.type.element if isinstance(expr, tree.ArrayOp) else None
    if isinstance(expr, tree.ArrayOp) and expr.operator in NEGATED and element is not None:
        made = comparison(NEGATED[expr.operator], expr.left, tree.Const(element, None))
        if made is not None:
            operator = NEGATED[expr.operator]
            return replace(expr, function=made.function, operator=operator, all=not expr.all)
    return tree.BoolExpr(types.BOOL, "not", (expr,))


def comparison(op: str, left: Expr, right: Expr) -> tree.Call | None:
    """`left op right`; None where that operator takes other types than these."""
    try:
        match = resolve_operator(op, left.type, right.type)
    except PgError:
        return None
    function = match[0].function
    same = function.args == (left.type, right.type)
    return tree.Call(types.BOOL, function, (left, right), operator=op) if same else None


def _plain_flag(call: tree.Call) -> Expr:
    """simplify_boolean_equality."""
    if call.operator not in ("=", "<>") or len(call.args) != 2:
        return call
    for flag, value in (call.args, call.args[::-1]):
        if isinstance(value, tree.Const) and value.type is types.BOOL and value.value is not None:
            return flag if value.value is (call.operator == "=") else _negation(flag)
    return call


def _computed(node: Any) -> Expr:
    args = node.args if type(node) is tree.Call else (node.arg,)
    if not all(type(arg) is tree.Const for arg in args) or not is_immutable(node):
        return node  # type: ignore[no-any-return]
    try:
        return tree.Const(node.type, compile_expr(node, {})((), steady_context()), node.typmod)
    except PgError:
        return node  # type: ignore[no-any-return]


# --- the parts of an index ---


def _bound(text: str, table: Table, purpose: str) -> Expr:
    bound = bind_scalar(parse_expression(text), table, Env(), _NO_CATALOG, None, purpose)
    return spread_rows(bound, table, 0)


def key_expression(table: Table, key: IndexKey) -> Expr:
    """What a key that is no column computes, over `Var(0)`, as it was written."""
    assert key.expression is not None
    return _bound(key.expression, table, "index expression")


def predicate_of(table: Table, index: Index) -> Expr | None:
    """The condition under which rows are in the index, over `Var(0)`, as it was written; None: all are."""
    return None if index.predicate is None else _bound(index.predicate, table, "index predicate")


def is_plain(index: Index) -> bool:
    """Whether it holds all rows, and columns are its keys."""
    return index.predicate is None and all(key.expression is None for key in index.keys)


def columns_read(table: Table, index: Index) -> list[int]:
    """attnums of all columns that entries are made of, in the order in which the index names them first."""
    found: dict[int, None] = {}
    for key in index.keys:
        found.update(dict.fromkeys(key_columns(table, key)))
    found.update(dict.fromkeys(predicate_columns(table, index)))
    found.update(dict.fromkeys(index.include))
    return list(found)


def key_columns(table: Table, key: IndexKey) -> list[int]:
    """attnums of the columns that one key is made of."""
    return [key.column] if key.expression is None else _attnums(key_expression(table, key))


def predicate_columns(table: Table, index: Index) -> list[int]:
    """attnums of the columns that the predicate reads."""
    predicate = predicate_of(table, index)
    return [] if predicate is None else _attnums(predicate)


def _attnums(expr: Expr) -> list[int]:
    return sorted({var.column + 1 for var in variables(expr)})


# --- names and text ---


def unique_names(columns: Sequence[str]) -> list[str]:
    """The columns' names as they go into an index's: repeated ones are numbered (ChooseIndexColumnNames)."""
    found: list[str] = []
    for column in columns:
        name, number = column, 0
        while name in found:
            number += 1
            name = column.encode()[: NAME_BYTES - len(str(number))].decode(errors="ignore") + str(number)
        found.append(name)
    return found


def key_text(table: Table, key: IndexKey, pretty: bool = False) -> str:
    """A key as it stands in CREATE INDEX: a column, a call, or anything else in brackets (pg_get_indexdef)."""
    if key.expression is None:
        return quote_ident(table.columns[key.column - 1].name)
    bound = key_expression(table, key)
    shown = deparse(bound, table, pretty)
    return shown if _looks_like_call(bound) else f"({shown})"


def _looks_like_call(expr: Expr) -> bool:
    """looks_like_function of ruleutils.c."""
    if isinstance(expr, tree.Call):
        return expr.operator is None
    return isinstance(expr, tree.Coalesce | tree.MinMax | tree.NullIf)


def key_type(table: Table, key: IndexKey) -> tuple[Type, int]:
    """The type and modifier of a key's values."""
    if key.expression is None:
        column = table.columns[key.column - 1]
        return types.BY_OID[column.type_oid], column.typmod
    expr = key_expression(table, key)
    return expr.type, expr.typmod


def key_name(table: Table, key: IndexKey) -> str:
    """What a key is called among the index's columns, before equal names are numbered."""
    if key.expression is None:
        return table.columns[key.column - 1].name
    return figure_key_name(parse_expression(key.expression))


def lasting_text(bound: Expr, table: Table, purpose: str) -> str:
    """SQL text of a bound expression over `Var(0)` that is read back as the same under every setting.

    `purpose`: "index expression" or "index predicate".
    """
    whole = spread_rows(bound, table, 0)
    text = deparse(whole, table)
    if canonical(_bound(text, table, purpose), 0) != canonical(whole, 0):
        raise PgError("0A000", f"OpenDSQL does not support this {purpose} yet", detail=text)
    return text


def reworded(table: Table, renamed: Table, index: Index) -> Index:
    """The index of a table of which columns were renamed."""
    keys = tuple(_reworded_key(table, renamed, key) for key in index.keys)
    predicate = predicate_of(table, index)
    text = None if predicate is None else deparse(predicate, renamed)
    return msgspec.structs.replace(index, keys=keys, predicate=text)


def _reworded_key(table: Table, renamed: Table, key: IndexKey) -> IndexKey:
    if key.expression is None:
        return key
    return msgspec.structs.replace(key, expression=deparse(key_expression(table, key), renamed))
