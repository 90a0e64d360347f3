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
from server.sql.access import TableAccess, access
from server.sql.index_parts import OWN, canonical, strip_relabels
from server.sql.plan_walk import CHILDREN, children, walk
from server.sql.tree import Expr


def deciding(statement: tree.Statement, first: int, cluster: int) -> frozenset[int]:
    """Indexes of parameters from `first` on, the lifted literals, whose values decide; of the cluster's tables."""
    found: set[int] = set()
    nodes: list[Any] | None = None
    for rel in _tables(statement):
        wholes, operands, tested = _patterns(access(rel.table, cluster))
        if not wholes and not operands and not tested:
            continue
        nodes = nodes or list(walk(statement))
        for node in nodes:
            if type(node) in _EXPRESSIONS and any(var.rel == rel.id for var in _variables(node)):
                found.update(_deciding(canonical(node, rel.id), wholes, operands, tested))
    return frozenset(index for index in found if index >= first)


def is_key(expr: Expr, table: Table, cluster: int) -> bool:
    """Whether an expression over `Var(0)` is a key of an index of the table once its parameters have values."""
    found = strip_relabels(canonical(expr, 0))
    column = found.column if type(found) is tree.Var else None
    if table.primary_key is not None and any(key.column - 1 == column for key in table.primary_key.keys):
        return True
    places = (place for index in access(table, cluster).indexes for place in index.places)
    return any(place == column if isinstance(place, int) else _resembles(place, found) for place in places)


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


def _patterns(reach: TableAccess) -> tuple[list[Expr], list[Expr], list[Expr]]:
    """Key expressions, what predicates compare, and what they only ask to be NULL or not, of the table's indexes."""
    wholes: list[Expr] = []
    operands: list[Expr] = []
    tested: list[Expr] = []
    for each in reach.indexes:
        if each.index.state != "valid":
            continue
        wholes += [place for place in each.places if not isinstance(place, int)]
        if each.predicate is not None:
            operands += _compared(each.predicate)
            tested += [node.arg for node in walk(each.predicate) if _asks_null(node)]
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
