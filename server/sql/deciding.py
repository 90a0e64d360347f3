"""Which lifted literals decide whether an index may be used, so that a plan holds for these values only.

A partial index serves a query whose constants prove its predicate, an expression index one that has the same
constants in the same places. A literal that was lifted out of a statement's text is a parameter, of which nothing is
known: those that could matter are put back, and the plan is remembered with them (server.session.preparing).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from server.catalog.descriptor import Table
from server.sql import tree
from server.sql.index_parts import OWN, canonical, is_plain, key_expression, predicate_of, strip_relabels
from server.sql.plan_walk import CHILDREN, children, walk
from server.sql.tree import Expr


def deciding(statement: tree.Statement, first: int) -> frozenset[int]:
    """Indexes of parameters from `first` on, the lifted literals, whose values decide."""
    found: set[int] = set()
    nodes: list[Any] | None = None
    for rel in _tables(statement):
        wholes, operands, tested = _patterns(rel)
        if not wholes and not operands and not tested:
            continue
        nodes = nodes or list(walk(statement))
        for node in nodes:
            if type(node) in _EXPRESSIONS and any(var.rel == rel.id for var in _variables(node)):
                found.update(_deciding(canonical(node, rel.id), wholes, operands, tested))
    return frozenset(index for index in found if index >= first)


def is_key(expr: Expr, table: Table) -> bool:
    """Whether an expression over `Var(0)` is a key of an index of the table once its parameters have values."""
    found = strip_relabels(canonical(expr, 0))
    for key in (key for index in table.all_indexes for key in index.keys):
        if key.expression is None:
            if type(found) is tree.Var and found.column == key.column - 1:
                return True
        elif _resembles(strip_relabels(canonical(key_expression(table, key), 0)), found):
            return True
    return False


_EXPRESSIONS = frozenset(
    {
        tree.Call, tree.CoerceIO, tree.Relabel, tree.CastCall, tree.CastArray, tree.ApplyTypmod, tree.BooleanTest,
        tree.DistinctTest, tree.Case, tree.Coalesce, tree.MinMax, tree.NullIf, tree.ArrayExpr, tree.RowCompare,
        tree.Subscript, tree.FieldSelect, tree.ArrayOp, tree.NullTest,
    }
)  # fmt: skip


def _tables(statement: tree.Statement) -> Iterator[tree.TableRel]:
    for node in walk(statement):
        if type(node) is tree.Query:
            yield from (rel for rel in node.rels if isinstance(rel, tree.TableRel))


def _variables(node: Any) -> Iterator[tree.Var]:
    return (each for each in walk(node, queries=False) if type(each) is tree.Var)


def _patterns(rel: tree.TableRel) -> tuple[list[Expr], list[Expr], list[Expr]]:
    """Key expressions, what predicates compare, and what they only ask to be NULL or not, of the table's indexes."""
    wholes: list[Expr] = []
    operands: list[Expr] = []
    tested: list[Expr] = []
    for index in rel.table.indexes:
        if index.state != "valid" or is_plain(index):
            continue
        keys = (key for key in index.keys if key.expression is not None)
        wholes += [canonical(key_expression(rel.table, key), 0) for key in keys]
        predicate = predicate_of(rel.table, index)
        if predicate is not None:
            whole = canonical(predicate, 0)
            operands += _compared(whole)
            tested += [node.arg for node in walk(whole) if _asks_null(node)]
    return wholes, operands, tested


def _compared(predicate: Expr) -> Iterator[Expr]:
    """What a condition's constants have to be known with, for a proof of the predicate."""
    if _asks_null(predicate):
        return
    for each in children(predicate):
        if type(predicate) is not tree.BoolExpr and any(True for _ in _variables(each)):
            yield each  # the parts of AND, OR and NOT are compared one by one
        yield from _compared(each)


def _asks_null(node: Any) -> bool:
    """IS [NOT] NULL of something without constants: whatever else a strict condition has, it proves that."""
    return type(node) is tree.NullTest and not any(type(part) is tree.Const for part in walk(node))


def _deciding(expr: Expr, wholes: list[Expr], operands: list[Expr], tested: list[Expr]) -> Iterator[int]:
    """Parameters in an expression that is a key but for its constants, or that tells of what a predicate compares."""
    parts = list(children(expr))
    tells = any(_resembles(pattern, part) for pattern in operands for part in parts)
    if tells or _needs_elements(expr, tested) or any(_resembles(pattern, expr) for pattern in wholes):
        yield from (part.index for part in walk(expr, queries=False) if type(part) is tree.Param)


def _needs_elements(expr: Expr, tested: list[Expr]) -> bool:
    """Whether it is `x op ALL (array)`: it proves that x is not NULL unless the array is empty."""
    if type(expr) is not tree.ArrayOp or not expr.all or type(expr.right) is not tree.Param:
        return False
    return any(pattern == part for pattern in tested for part in walk(expr.left))


def _resembles(pattern: Any, expr: Any) -> bool:
    """Whether the expression is the pattern once parameters have values."""
    if pattern == expr:
        return True
    if type(pattern) is tree.Const:
        nodes = list(walk(expr))
        is_param = any(type(node) is tree.Param for node in nodes)
        return is_param and not any(type(node) is tree.Var and node.rel == OWN for node in nodes)
    if type(pattern) is not type(expr) or type(pattern) not in CHILDREN:
        return False
    mine, others = list(children(pattern)), list(children(expr))
    same = len(mine) == len(others) and all(
        getattr(pattern, field.name) == getattr(expr, field.name)
        for field in fields(pattern)
        if field.name not in CHILDREN[type(pattern)]
    )
    return same and all(map(_resembles, mine, others))
