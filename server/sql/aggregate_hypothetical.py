"""Hypothetical-set aggregates: where a row would stand among those of the group (PostgreSQL, chapter 9.21)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from server.sql.aggregates import define
from server.sql.functions import Aggregate

Row = tuple[Any, ...]


class Ordering(NamedTuple):
    """One column of WITHIN GROUP (ORDER BY ...); `convert` maps values to Python's order, None: they are in it."""

    descending: bool
    nulls_first: bool
    convert: Callable[[Any], Any] | None


def _compare(orderings: Sequence[Ordering], left: Row, right: Row) -> int:
    """-1, 0 or 1: whether `left` comes before `right`."""
    for (descending, nulls_first, convert), a, b in zip(orderings, left, right):
        if a is None or b is None:
            if a is b:
                continue
            return -1 if (a is None) == nulls_first else 1
        if convert is not None:
            a, b = convert(a), convert(b)
        if a != b:
            return -1 if (a < b) != descending else 1
    return 0


def _rank(orderings: Sequence[Ordering], rows: list[Row], given: Row) -> int:
    return 1 + sum(_compare(orderings, row, given) < 0 for row in rows)


def _dense_rank(orderings: Sequence[Ordering], rows: list[Row], given: Row) -> int:
    before = {
        tuple(v if v is None or key.convert is None else key.convert(v) for v, key in zip(row, orderings))
        for row in rows
        if _compare(orderings, row, given) < 0
    }
    return 1 + len(before)


def _percent_rank(orderings: Sequence[Ordering], rows: list[Row], given: Row) -> float:
    return (_rank(orderings, rows, given) - 1) / len(rows) if rows else 0.0


def _cume_dist(orderings: Sequence[Ordering], rows: list[Row], given: Row) -> float:
    return (1 + sum(_compare(orderings, row, given) <= 0 for row in rows)) / (len(rows) + 1)


def _append(rows: list[Row], *row: Any) -> list[Row]:
    rows.append(row)
    return rows


def _unordered(rows: list[Row], env: Any, *given: Any) -> Any:
    raise AssertionError("the binder gives each call its ordering")


_COMPUTE = {
    "rank": _rank, "dense_rank": _dense_rank, "percent_rank": _percent_rank, "cume_dist": _cume_dist,
}  # fmt: skip

HYPOTHETICAL: dict[str, Aggregate] = {
    name: define(
        f"{oid} {name}(any) {result} variadic", _append, init=list, final=_unordered, strict=False, kind="h"
    )
    for oid, name, result in (
        (3986, "rank", "int8"),
        (3992, "dense_rank", "int8"),
        (3988, "percent_rank", "float8"),
        (3990, "cume_dist", "float8"),
    )
}


@lru_cache(256)
def ordered(name: str, orderings: tuple[Ordering, ...]) -> Aggregate:
    """The aggregate of that name over rows in this order: the same object for equal ones."""
    compute = _COMPUTE[name]

    def final(rows: list[Row], env: Any, *given: Any) -> Any:
        return compute(orderings, rows, given)

    return replace(HYPOTHETICAL[name], final=final)
