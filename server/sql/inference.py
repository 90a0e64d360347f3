"""Which unique indexes an ON CONFLICT clause means (infer_arbiter_indexes of PostgreSQL)."""

from __future__ import annotations

from server.catalog.descriptor import Index, Table
from server.sql import tree
from server.sql.implication import implies
from server.sql.index_parts import canonical, key_expression, predicate_of
from server.sql.plan_walk import conjuncts
from server.sql.tree import Expr


class Inference:
    """The columns, expressions and condition of an inference clause."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.columns: set[int] = set()
        """attnums."""
        self._expressions: list[Expr] = []
        self._clauses: list[Expr] = []

    def add(self, expr: Expr, rel: int) -> None:
        """An expression over `rel`; a column in brackets is a column."""
        if isinstance(expr, tree.Var) and expr.column >= 0:
            self.columns.add(expr.column + 1)
        else:
            self._expressions.append(canonical(expr, rel))

    def limit(self, condition: Expr, rel: int) -> None:
        """WHERE: rows that may conflict satisfy it."""
        self._clauses = [canonical(part, rel) for part in conjuncts(condition)]

    def infers(self, index: Index) -> bool:
        """Whether the index has these keys, in any order, and holds all rows that satisfy the condition."""
        table = self._table
        if {key.column for key in index.keys if key.expression is None} != self.columns:
            return False
        computed = [
            canonical(key_expression(table, key), 0) for key in index.keys if key.expression is not None
        ]
        if any(expr not in computed for expr in self._expressions):
            return False
        if any(expr not in self._expressions for expr in computed):
            return False
        predicate = predicate_of(table, index)
        return predicate is None or implies(self._clauses, canonical(predicate, 0))
