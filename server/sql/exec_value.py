"""What generated expression code calls: arrays, rows, greatest, least (PostgreSQL 4.2, 8.15, 9.24)."""

from collections.abc import Callable, Sequence
from typing import Any

from server.errors import PgError
from server.sql import types
from server.sql.context import Context
from server.sql.fn_json import element_at
from server.sql.type_array import Array

ABSENT = object()
"""A bound of a slice that was left out."""


def sleep(c: Context, seconds: float) -> str:
    """pg_sleep: whoever drives the plan waits; the value is of type void."""
    c.pause += seconds
    return ""


def map_array(value: Array, function: Callable[[Any], Any]) -> Array:
    """Element by element; NULL elements go through `function` as None."""
    return Array([function(element) for element in value.elements], value.dims, value.lbounds)


def apply_typmod(kind: types.Type, typmod: int, value: Any, explicit: bool) -> Any:
    """Length coercion of a value."""
    return types.apply_typmod(kind, typmod, value, explicit)


def make_array(items: list[Any]) -> Array:
    """ARRAY[...] of scalars."""
    return Array(items)


def nest_arrays(items: list[Array | None]) -> Array:
    """ARRAY[...] of arrays: one dimension more; 2202E when their dimensions differ."""
    first = items[0] if items else None
    dims = first.dims if first is not None else ()
    bounds = first.lbounds if first is not None else ()
    elements: list[Any] = []
    for item in items:
        if (item.dims if item is not None else ()) != dims:
            raise PgError(
                "2202E", "multidimensional arrays must have array expressions with matching dimensions"
            )
        if item is not None:
            elements.extend(item.elements)
    if not dims:
        return Array([])
    return Array(elements, (len(items), *dims), (1, *bounds))


def jsonb_element(value: Any, path: Sequence[str | int | None]) -> Any:
    """What a jsonb holds under keys and indexes; None where it holds nothing."""
    return element_at(value, [None if step is None else str(step) for step in path])


def array_element(value: Array, indexes: Sequence[int | None]) -> Any:
    """value[i][j]...; NULL outside of the bounds or with too few or many subscripts."""
    if len(indexes) != len(value.dims):
        return None
    offset = 0
    for index, length, lower in zip(indexes, value.dims, value.lbounds):
        if index is None or not lower <= index < lower + length:
            return None
        offset = offset * length + index - lower
    return value.elements[offset]


def array_slice(value: Array, lower: Any, upper: Any) -> Array | None:
    """value[lower:upper] in the first dimension; missing bounds are the array's."""
    if lower is None or upper is None:
        return None
    if not value.dims:
        return Array([])
    start = value.lbounds[0]
    first = start if lower is ABSENT else max(lower, start)
    last = start + value.dims[0] - 1 if upper is ABSENT else min(upper, start + value.dims[0] - 1)
    if first > last:
        return Array([])
    stride = len(value.elements) // value.dims[0]
    part = value.elements[(first - start) * stride : (last - start + 1) * stride]
    return Array(part, (last - first + 1, *value.dims[1:]))


def array_any(left: Any, right: Array | None, test: Callable[[Any], Any], strict: bool) -> bool | None:
    """left op ANY (array)."""
    if right is None:
        return None
    if left is None and strict:
        return None if right.elements else False
    unknown = False
    for element in right.elements:
        found = None if element is None and strict else test(element)
        if found:
            return True
        unknown = unknown or found is None
    return None if unknown else False


def array_all(left: Any, right: Array | None, test: Callable[[Any], Any], strict: bool) -> bool | None:
    """left op ALL (array)."""
    if right is None:
        return None
    if left is None and strict:
        return None if right.elements else True
    unknown = False
    for element in right.elements:
        found = None if element is None and strict else test(element)
        if found is False:
            return False
        unknown = unknown or found is None
    return None if unknown else True


HASHED_FROM = 9
"""Elements from which an array is worth a set (PostgreSQL's MIN_ARRAY_SIZE_FOR_HASHED_SAOP)."""


def array_member(
    c: Context,
    key: int,
    convert: Callable[[Any], Any] | None,
    wanted: bool,
    left: Any,
    right: Array | None,
    test: Callable[[Any], Any],
) -> bool | None:
    """left = ANY (array) or, unless `wanted`, left <> ALL (array); `key`: where the Context keeps the array's set.

    An array that comes a second time is searched as a set of its elements under `convert`, the type's sort_key.
    """
    linear = array_any if wanted else array_all
    if right is None or left is None or len(right.elements) < HASHED_FROM:
        return linear(left, right, test, True)
    held, found, null = c.memo.get(key, (None, None, False))
    if held is not right:
        c.memo[key] = right, None, False
        return linear(left, right, test, True)
    if found is None:
        values = [value for value in right.elements if value is not None]
        found = set(values) if convert is None else set(map(convert, values))
        null = len(values) < len(right.elements)
        c.memo[key] = right, found, null
    if (left if convert is None else convert(left)) in found:
        return wanted
    return None if null else not wanted


def greatest(values: Sequence[Any], key: Callable[[Any], Any] | None) -> Any:
    """The greatest that is not NULL."""
    found = [value for value in values if value is not None]
    return max(found, key=key) if found else None


def least(values: Sequence[Any], key: Callable[[Any], Any] | None) -> Any:
    """The least that is not NULL."""
    found = [value for value in values if value is not None]
    return min(found, key=key) if found else None


def row_is_null(value: Any) -> bool:
    """All fields are NULL, or the row is."""
    return value is None or all(field is None for field in value)


def row_is_not_null(value: Any) -> bool:
    """No field is NULL, and the row isn't."""
    return value is not None and all(field is not None for field in value)


Pair = tuple[Any, Any, Callable[[Any, Any], Any], Callable[[Any, Any], Any]]


def row_compare(op: str, pairs: Sequence[Pair]) -> bool | None:
    """(a, b) op (c, d) (PostgreSQL, chapter 9.24.5)."""
    if op == "=" or op == "<>":
        unknown = False
        for left, right, equal, _ in pairs:
            if left is None or right is None:
                unknown = True
            elif not equal(left, right):
                return op == "<>"
        return None if unknown else op == "="
    for left, right, equal, less in pairs:
        if left is None or right is None:
            return None
        if not equal(left, right):
            below = bool(less(left, right))
            return below if op in ("<", "<=") else not below
    return op in ("<=", ">=")
