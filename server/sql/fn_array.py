"""Functions and operators of arrays (PostgreSQL: array_userfuncs.c, arrayfuncs.c; chapter 9.19)."""

import random
from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

from server.errors import PgError
from server.sql.functions import define, sql
from server.sql.sizes import MAX_ELEMENTS, elements_fit, text_joined
from server.sql.type_array import Array, too_many_dimensions
from server.sql.types import Type

Types = Sequence[Type]
_INT4_MAX = (1 << 31) - 1


def equality(types: Types) -> Callable[[Any, Any], bool]:
    """Equality of the elements of the first argument's array type; NULLs are the caller's."""
    element = types[0].element or types[0]
    key = element.sort_key
    if key is None:
        return lambda left, right: bool(left == right)
    return lambda left, right: bool(key(left) == key(right))


def same(types: Types) -> Callable[[Any, Any], bool]:
    """Equality under which NULL equals NULL."""
    equal = equality(types)
    return lambda left, right: left is right if left is None or right is None else equal(left, right)


define("748 array_ndims(anyarray) int4", lambda value: len(value.dims) or None)
define("3179 cardinality(anyarray) int4", lambda value: len(value.elements))


@sql("2176 array_length(anyarray,int4) int4")
def array_length(value: Array, dimension: int) -> int | None:
    """NULL for a dimension that is not there."""
    return value.dims[dimension - 1] if 0 < dimension <= len(value.dims) else None


@sql("2091 array_lower(anyarray,int4) int4")
def array_lower(value: Array, dimension: int) -> int | None:
    """The lower bound."""
    return value.lbounds[dimension - 1] if 0 < dimension <= len(value.dims) else None


@sql("2092 array_upper(anyarray,int4) int4")
def array_upper(value: Array, dimension: int) -> int | None:
    """The upper bound."""
    if not 0 < dimension <= len(value.dims):
        return None
    return value.lbounds[dimension - 1] + value.dims[dimension - 1] - 1


@sql("747 array_dims(anyarray) text")
def array_dims(value: Array) -> str | None:
    """[1:3][1:2]"""
    if not value.dims:
        return None
    return "".join(f"[{low}:{low + size - 1}]" for low, size in zip(value.lbounds, value.dims))


def _bound_check(bound: int) -> None:
    if not -_INT4_MAX - 1 <= bound <= _INT4_MAX:
        raise PgError("22003", "integer out of range")


@sql("378 array_append(anycompatiblearray,anycompatible) anycompatiblearray called")
def array_append(value: Array | None, element: Any) -> Array:
    """At the end of a one-dimensional or empty array; 22000."""
    if value is None or not value.dims:
        return Array([element], (1,), (1,))
    if len(value.dims) != 1:
        raise PgError("22000", "argument must be empty or one-dimensional array")
    _bound_check(value.lbounds[0] + value.dims[0])
    elements_fit(value.dims[0] + 1)
    return Array([*value.elements, element], (value.dims[0] + 1,), value.lbounds)


@sql("379 array_prepend(anycompatible,anycompatiblearray) anycompatiblearray called")
def array_prepend(element: Any, value: Array | None) -> Array:
    """At the front; the lower bound stays; 22000."""
    if value is None or not value.dims:
        return Array([element], (1,), (1,))
    if len(value.dims) != 1:
        raise PgError("22000", "argument must be empty or one-dimensional array")
    elements_fit(value.dims[0] + 1)
    return Array([element, *value.elements], (value.dims[0] + 1,), value.lbounds)


def _incompatible(detail: str) -> PgError:
    return PgError("2202E", "cannot concatenate incompatible arrays", detail=detail)


@sql("383 array_cat(anycompatiblearray,anycompatiblearray) anycompatiblearray called")
def array_cat(left: Array | None, right: Array | None) -> Array | None:
    """Arrays of equal depth, or one with the elements of the other; 2202E."""
    if left is None or right is None:
        return right if left is None else left
    if not left.dims or not right.dims:
        return right if not left.dims else left
    depth, other = len(left.dims), len(right.dims)
    if abs(depth - other) > 1:
        raise _incompatible(f"Arrays of {depth} and {other} dimensions are not compatible for concatenation.")
    elements_fit(len(left.elements) + len(right.elements))
    elements = left.elements + right.elements
    if depth == other:
        if left.dims[1:] != right.dims[1:] or left.lbounds[1:] != right.lbounds[1:]:
            detail = "Arrays with differing element dimensions are not compatible for concatenation."
            raise _incompatible(detail)
        return Array(elements, (left.dims[0] + right.dims[0], *left.dims[1:]), left.lbounds)
    outer, inner = (left, right) if depth > other else (right, left)
    if outer.dims[1:] != inner.dims or outer.lbounds[1:] != inner.lbounds:
        detail = "Arrays with differing dimensions are not compatible for concatenation."
        raise _incompatible(detail)
    return Array(elements, (outer.dims[0] + 1, *inner.dims), outer.lbounds)


@sql("3277 array_position(anycompatiblearray,anycompatible) int4 called", types=True)
@sql("3278 array_position(anycompatiblearray,anycompatible,int4) int4 called", types=True)
def array_position(types: Types, value: Array | None, element: Any, start: int | None = 0) -> int | None:
    """The subscript of the first equal element; 0A000, 22004."""
    if value is None:
        return None
    _one_dimension(value)
    if len(types) == 3 and start is None:
        raise PgError("22004", "initial position must not be null")
    equal = same(types)
    low = value.lbounds[0] if value.dims else 1
    for index, item in enumerate(value.elements):
        if (len(types) < 3 or low + index >= (start or 0)) and equal(item, element):
            return low + index
    return None


def _one_dimension(value: Array) -> None:
    if len(value.dims) > 1:
        raise PgError("0A000", "searching for elements in multidimensional arrays is not supported")


@sql("3279 array_positions(anycompatiblearray,anycompatible) _int4 called", types=True)
def array_positions(types: Types, value: Array | None, element: Any) -> Array | None:
    """All subscripts of equal elements; 0A000."""
    if value is None:
        return None
    _one_dimension(value)
    equal = same(types)
    low = value.lbounds[0] if value.dims else 1
    return Array([low + index for index, item in enumerate(value.elements) if equal(item, element)])


@sql("3167 array_remove(anycompatiblearray,anycompatible) anycompatiblearray called", types=True)
def array_remove(types: Types, value: Array | None, element: Any) -> Array | None:
    """Without the equal elements; 0A000."""
    if value is None:
        return None
    if len(value.dims) > 1:
        raise PgError("0A000", "removing elements from multidimensional arrays is not supported")
    equal = same(types)
    kept = [item for item in value.elements if not equal(item, element)]
    return (
        value
        if len(kept) == len(value.elements)
        else Array(kept, (len(kept),), value.lbounds)
        if kept
        else Array([])
    )


@sql(
    "3168 array_replace(anycompatiblearray,anycompatible,anycompatible) anycompatiblearray called", types=True
)
def array_replace(types: Types, value: Array | None, old: Any, new: Any) -> Array | None:
    """Equal elements replaced."""
    if value is None:
        return None
    equal = same(types)
    return Array([new if equal(item, old) else item for item in value.elements], value.dims, value.lbounds)


def _key(types: Types) -> Callable[[Any], Any]:
    element = types[0].element
    return (element.sort_key if element is not None else None) or (lambda item: item)


def contains(types: Types, whole: Array, part: Array) -> bool:
    """Every element of `part` is in `whole`; a NULL is in nothing."""
    key = _key(types)
    held = {key(item) for item in whole.elements if item is not None}
    return all(item is not None and key(item) in held for item in part.elements)


define("2748 arraycontains(anyarray,anyarray) bool", contains, types=True)
define(
    "2749 arraycontained(anyarray,anyarray) bool",
    lambda types, part, whole: contains(types, whole, part),
    types=True,
)


@sql("2747 arrayoverlap(anyarray,anyarray) bool", types=True)
def overlap(types: Types, left: Array, right: Array) -> bool:
    """They share an element that is not NULL."""
    key = _key(types)
    held = {key(item) for item in left.elements if item is not None}
    return any(item is not None and key(item) in held for item in right.elements)


@sql("395 array_to_string(anyarray,text) text s", env=True, types=True)
@sql("384 array_to_string(anyarray,text,text) text s called", env=True, types=True)
def array_to_string(
    env: Any, types: Types, value: Array | None, separator: str | None, null: str | None = None
) -> str | None:
    """The elements' texts; NULLs are left out or shown as `null`."""
    if value is None or separator is None:
        return None
    element = types[0].element
    assert element is not None
    write = element.output
    texts = (null if item is None else write(item, env) for item in value.elements)
    kept = [text for text in texts if text is not None]
    return text_joined(kept, separator)


@sql("2331 unnest(anyarray) anyelement set")
def unnest(value: Array) -> Iterator[Any]:
    """The elements as rows."""
    return iter(value.elements)


@sql("""
    1192 generate_subscripts(anyarray,int4) int4 set
    1191 generate_subscripts(anyarray,int4,bool) int4 set
    """)
def generate_subscripts(value: Array, dimension: int, backwards: bool = False) -> Iterator[int]:
    """The subscripts of a dimension."""
    if not 0 < dimension <= len(value.dims):
        return iter(())
    low = value.lbounds[dimension - 1]
    subscripts = range(low, low + value.dims[dimension - 1])
    return reversed(subscripts) if backwards else iter(subscripts)


@sql("""
    1193 array_fill(anyelement,_int4) anyarray called
    1286 array_fill(anyelement,_int4,_int4) anyarray called
    """)
def array_fill(element: Any, sizes: Array | None, bounds: Array | None = None) -> Array:
    """An array of equal elements; 22004, 2202E, 54000."""
    if sizes is None:
        raise PgError("22004", "dimension array or low bound array cannot be null")
    return _filled(element, sizes, Array([1] * len(sizes.elements)) if bounds is None else bounds)


def _filled(element: Any, sizes: Array, bounds: Array) -> Array:
    detail = "Dimension array must be one dimensional."
    if len(sizes.dims) > 1:
        raise PgError("2202E", "wrong number of array subscripts", detail=detail)
    if None in sizes.elements:
        raise PgError("22004", "dimension values cannot be null")
    count = len(sizes.elements)
    if count > 6:
        raise too_many_dimensions(count)
    if len(bounds.dims) > 1:
        raise PgError("2202E", "wrong number of array subscripts", detail=detail)
    if None in bounds.elements:
        raise PgError("22004", "dimension values cannot be null")
    if len(bounds.elements) != count:
        detail = "Low bound array has different size than dimensions array."
        raise PgError("2202E", "wrong number of array subscripts", detail=detail)
    size = prod(sizes.elements)
    if any(one < 0 for one in sizes.elements) or size > MAX_ELEMENTS:
        raise PgError("54000", f"array size exceeds the maximum allowed ({MAX_ELEMENTS})")
    if not size or not count:
        return Array([])
    for one, low in zip(sizes.elements, bounds.elements):
        if low + one > _INT4_MAX:
            raise PgError("54000", f"array lower bound is too large: {low}")
    return Array([element] * size, tuple(sizes.elements), tuple(bounds.elements))


@sql("6172 trim_array(anyarray,int4) anyarray")
def trim_array(value: Array, count: int) -> Array:
    """Without the last `count` elements of the first dimension; 2202E."""
    size = value.dims[0] if value.dims else 0
    if not 0 <= count <= size:
        raise PgError("2202E", f"number of elements to trim must be between 0 and {size}")
    kept = size - count
    if not kept:
        return Array([])
    stride = len(value.elements) // size
    return Array(value.elements[: kept * stride], (kept, *value.dims[1:]), (1,) * len(value.dims))


def _subarrays(value: Array) -> list[list[Any]]:
    size = value.dims[0]
    stride = len(value.elements) // size
    return [value.elements[i * stride : (i + 1) * stride] for i in range(size)]


@sql("6215 array_shuffle(anyarray) anyarray v")
def array_shuffle(value: Array) -> Array:
    """The first dimension in random order."""
    if not value.dims:
        return value
    parts = _subarrays(value)
    random.shuffle(parts)
    return Array([item for part in parts for item in part], value.dims, value.lbounds)


@sql("6216 array_sample(anyarray,int4) anyarray v")
def array_sample(value: Array, count: int) -> Array:
    """`count` random items of the first dimension; 22023."""
    size = value.dims[0] if value.dims else 0
    if not 0 <= count <= size:
        raise PgError("22023", f"sample size must be between 0 and {size}")
    if not count:
        return Array([])
    parts = random.sample(_subarrays(value), count)
    return Array([item for part in parts for item in part], (count, *value.dims[1:]), (1,) * len(value.dims))


@sql("3218 width_bucket(anycompatible,anycompatiblearray) int4", types=True)
def width_bucket(types: Types, operand: Any, thresholds: Array) -> int:
    """The number of sorted thresholds at or below the operand; 2202E, 22004."""
    if len(thresholds.dims) > 1:
        raise PgError("2202E", "thresholds must be one-dimensional array")
    if None in thresholds.elements:
        raise PgError("22004", "thresholds array must not contain NULLs")
    key = types[0].sort_key or (lambda item: item)
    left, right = 0, len(thresholds.elements)
    while left < right:
        middle = (left + right) // 2
        if key(operand) < key(thresholds.elements[middle]):
            right = middle
        else:
            left = middle + 1
    return left


define(
    "515 array_larger(anyarray,anyarray) anyarray",
    lambda types, a, b: a if a.order(_key(types)) > b.order(_key(types)) else b,
    types=True,
)
define(
    "516 array_smaller(anyarray,anyarray) anyarray",
    lambda types, a, b: a if a.order(_key(types)) < b.order(_key(types)) else b,
    types=True,
)
