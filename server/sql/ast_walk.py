"""Walking the parse tree without knowing its nodes: who mentions which relation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from server.sql import ast

LEAVES = (ast.Literal, ast.ParamRef, ast.ColumnRef, ast.Alias)


_NAMES: dict[type, tuple[str, ...]] = {}


def _names(kind: Any) -> tuple[str, ...]:
    known = _NAMES.get(kind)
    if known is None:
        known = _NAMES[kind] = tuple(
            field.name for field in fields(kind) if field.name not in ("at", "names", "alias")
        )
    return known


def children(node: object) -> Iterator[object]:
    """The direct parts of a parse node."""
    if isinstance(node, tuple):
        yield from node
    elif is_dataclass(node) and not isinstance(node, LEAVES):
        for name in _names(type(node)):
            value = getattr(node, name)
            if isinstance(value, tuple) or is_dataclass(value):
                yield value


def walk(node: object) -> Iterator[object]:
    """The node and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def references(node: object, name: str) -> Iterator[ast.RangeVar]:
    """The FROM items below `node` that mean the WITH item `name`: not those that an inner WITH hides."""
    if isinstance(node, ast.RangeVar):
        if node.names == (name,):
            yield node
        return
    with_ = getattr(node, "with_", None)
    if with_ is not None and any(cte.name == name for cte in with_.ctes):
        if with_.recursive:
            return
        for cte in with_.ctes:
            yield from references(cte.query, name)
            if cte.name == name:
                return
    for child in children(node):
        yield from references(child, name)
