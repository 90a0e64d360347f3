"""Which types the two sides of a foreign key may have, and how a value of one is read as the other's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from server.catalog.descriptor import Catalog, Column
from server.sql import tree
from server.sql.bind_query import bind_query
from server.sql.coerce import ASSIGNMENT, coerce_to_target
from server.sql.context import Context
from server.sql.env import Env
from server.sql.plan import compile_expressions
from server.sql.resolve import can_coerce
from server.sql.scope import Scope, State
from server.sql.types import BY_OID, Type

Convert = Callable[[Sequence[Any], Context], tuple[Any, ...]]
"""From the row of one table to values of the other's types."""

_FAMILIES = ({"int2", "int4", "int8"}, {"float4", "float8"}, {"text", "varchar", "name"})
"""Types of one operator family, in which equal values are the same Python values."""


def is_same(kind: Type, other: Type) -> bool:
    """Whether equal values of both are the same Python values."""
    return kind is other or any(kind.name in family and other.name in family for family in _FAMILIES)


def is_comparable(kind: Type, key: Type) -> bool:
    """Whether a column of type `kind` may refer to one of type `key` (ATAddForeignKeyConstraint)."""
    return is_same(kind, key) or can_coerce(kind, key)


def converter(
    columns: Sequence[Column], places: Sequence[int], targets: Sequence[tuple[Type, int]], catalog: Catalog
) -> Convert:
    """(row, ctx) -> the columns at `places`, as they are assigned to columns of the `targets`' types and modifiers."""
    scope = Scope(State(catalog, Env(), [], 0, (), [], bind_query), None, "FOREIGN KEY")
    exprs = []
    for place, (kind, typmod) in zip(places, targets):
        column = columns[place]
        var = tree.Var(BY_OID[column.type_oid], 0, place, column.typmod, column.name)
        made = coerce_to_target(scope, var, kind, typmod, ASSIGNMENT)
        exprs.append(made if made is not None else var)
    layout = {(0, place): place for place in range(len(columns))}
    return compile_expressions(exprs, layout, catalog)
