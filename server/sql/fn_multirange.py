"""Functions and operators of multiranges, and the aggregates of ranges (PostgreSQL, chapters 9.20 and 9.21)."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

from server.errors import PgError
from server.sql import aggregates
from server.sql.fn_range import before, contains, from_end, intersect, overlaps, up_to
from server.sql.functions import define, sql
from server.sql.sizes import ranges_fit
from server.sql.type_array import Array
from server.sql.type_range import Multirange, Range, RangeKind
from server.sql.types import RANGE_KINDS

_low, _high = attrgetter("low"), attrgetter("high")

# --- constructors ----------------------------------------------------------------------------------------

# the first of the three constructors' oids, typname of the range
_CONSTRUCTORS = """
4280 int4range
4283 numrange
4286 tsrange
4289 tstzrange
4292 daterange
4295 int8range
"""


def _constructors(kind: RangeKind) -> tuple[Callable[..., Multirange], ...]:
    """Of nothing, of one range, of an array of ranges."""

    def of_array(ranges: Array) -> Multirange:
        if len(ranges.dims) > 1:
            raise PgError("21000", "multiranges cannot be constructed from multidimensional arrays")
        if None in ranges.elements:
            raise PgError("22004", "multirange values cannot contain null members")
        ranges_fit(len(ranges.elements))
        return kind.multirange(ranges.elements)

    return lambda: kind.nothing, of_range, of_array


@sql("4298 multirange(anyrange) anymultirange")
def of_range(value: Range) -> Multirange:
    """The multirange with one range, or none if that is empty."""
    return value.kind.multirange([value])


def _define_constructors() -> None:
    names = {kind.name: (several.name, kind) for several, kind in RANGE_KINDS.items() if several.kind == "m"}
    for line in _CONSTRUCTORS.strip().splitlines():
        oid, of = line.split()
        name, kind = names[of]
        shapes = f"() {name}", f"({of}) {name}", f"(_{of}) {name} variadic"
        for number, (shape, impl) in enumerate(zip(shapes, _constructors(kind)), int(oid)):
            define(f"{number} {name}{shape}", impl)


_define_constructors()


@sql("1293 unnest(anymultirange) anyrange set")
def unnest(value: Multirange) -> Iterator[Range]:
    """The ranges as rows."""
    return iter(value.ranges)


@sql("4228 range_merge(anymultirange) anyrange")
def merge(value: Multirange) -> Range:
    """The smallest range that has all."""
    return value.kind.empty if value.is_empty else value.kind.spanning(value.ranges[0], value.ranges[-1])


# --- containment and overlap -----------------------------------------------------------------------------


@sql("4249 multirange_contains_elem(anymultirange,anyelement) bool")
def contains_element(whole: Multirange, element: Any) -> bool:
    """The value is in one of the ranges."""
    place = whole.kind.place(element)
    at = bisect_right(whole.ranges, place, key=_low) - 1
    return at >= 0 and place <= whole.ranges[at].high


define(
    "4252 elem_contained_by_multirange(anyelement,anymultirange) bool",
    lambda element, whole: contains_element(whole, element),
)


@sql("4250 multirange_contains_range(anymultirange,anyrange) bool")
def contains_range(whole: Multirange, part: Range) -> bool:
    """All of `part` is in one of the ranges."""
    if part.is_empty:
        return True
    at = bisect_right(whole.ranges, part.low, key=_low) - 1
    return at >= 0 and contains(whole.ranges[at], part)


define(
    "4253 range_contained_by_multirange(anyrange,anymultirange) bool",
    lambda part, whole: contains_range(whole, part),
)


@sql("4251 multirange_contains_multirange(anymultirange,anymultirange) bool")
def contains_multirange(whole: Multirange, part: Multirange) -> bool:
    """All of `part` is in `whole`."""
    return all(contains_range(whole, each) for each in part.ranges)


define(
    "4254 multirange_contained_by_multirange(anymultirange,anymultirange) bool",
    lambda part, whole: contains_multirange(whole, part),
)


@sql("4247 multirange_overlaps_range(anymultirange,anyrange) bool")
def overlaps_range(value: Multirange, other: Range) -> bool:
    """One of the ranges has something in common with it."""
    if other.is_empty:
        return False
    at = bisect_left(value.ranges, other.low, key=_high)
    return at < len(value.ranges) and overlaps(value.ranges[at], other)


define(
    "4246 range_overlaps_multirange(anyrange,anymultirange) bool",
    lambda other, value: overlaps_range(value, other),
)


@sql("4248 multirange_overlaps_multirange(anymultirange,anymultirange) bool")
def overlaps_multirange(left: Multirange, right: Multirange) -> bool:
    """They have something in common."""
    return any(overlaps_range(right, each) for each in left.ranges)


# --- arithmetic ------------------------------------------------------------------------------------------


@sql("4270 multirange_union(anymultirange,anymultirange) anymultirange")
def union(left: Multirange, right: Multirange) -> Multirange:
    """All that is in one of them."""
    if left.is_empty or right.is_empty:
        return right if left.is_empty else left
    return left.kind.multirange([*left.ranges, *right.ranges])


@sql("4272 multirange_intersect(anymultirange,anymultirange) anymultirange")
def intersection(left: Multirange, right: Multirange) -> Multirange:
    """What is in both: a walk over both in order."""
    found: list[Range] = []
    mine = other = 0
    while mine < len(left.ranges) and other < len(right.ranges):
        one, two = left.ranges[mine], right.ranges[other]
        if overlaps(one, two):
            found.append(intersect(one, two))
        if one.high <= two.high:
            mine += 1
        else:
            other += 1
    return left.kind.multirange(found)


@sql("4271 multirange_minus(anymultirange,anymultirange) anymultirange")
def difference(left: Multirange, right: Multirange) -> Multirange:
    """What is in `left` alone: a walk over both in order."""
    found: list[Range] = []
    at = 0
    for each in left.ranges:
        rest = each
        while at < len(right.ranges) and before(right.ranges[at], rest):
            at += 1
        place = at
        while not rest.is_empty and place < len(right.ranges) and overlaps(rest, right.ranges[place]):
            other = right.ranges[place]
            if rest.low < other.low:
                found.append(up_to(rest, other))
            rest = from_end(rest, other) if rest.high > other.high else left.kind.empty
            place += 1
        found.append(rest)
        at = max(at, place - 1)
    return left.kind.multirange(found)


# --- aggregates ------------------------------------------------------------------------------------------


class _Gathered:
    """Ranges so far; merged now and then, so that there are never many more than the result has."""

    def __init__(self) -> None:
        self.ranges: list[Range] = []
        self.limit = 1024
        self.kind: RangeKind | None = None

    def add(self, kind: RangeKind, ranges: tuple[Range, ...]) -> "_Gathered":
        """PgError 54000."""
        self.kind = kind
        self.ranges += ranges
        if len(self.ranges) > self.limit:
            self.ranges = list(kind.multirange(self.ranges).ranges)
            self.limit = max(1024, 2 * len(self.ranges))
        return self

    def result(self) -> Multirange | None:
        """NULL of no rows."""
        return None if self.kind is None else self.kind.multirange(self.ranges)


aggregates.define(
    "4301 range_agg(anyrange) anymultirange",
    lambda state, value: state.add(value.kind, (value,)), init=_Gathered, final=lambda state, env: state.result(),
)  # fmt: skip
aggregates.define(
    "6227 range_agg(anymultirange) anymultirange",
    lambda state, value: state.add(value.kind, value.ranges), init=_Gathered,
    final=lambda state, env: state.result(),
)  # fmt: skip
aggregates.define("4450 range_intersect_agg(anyrange) anyrange", intersect)
aggregates.define("4389 range_intersect_agg(anymultirange) anymultirange", intersection)
