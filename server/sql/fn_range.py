"""Functions and operators of ranges, and those of multiranges that are the same (PostgreSQL, chapter 9.20).

Both kinds of values say where they begin and end (`low`, `high`) and how they are made (`kind`).
"""

from typing import Any, TypeAlias

from server.errors import PgError
from server.sql.cast_functions import numeric_to_float8
from server.sql.fn_compare import by_key, three_way
from server.sql.fn_numeric import subtract
from server.sql.functions import define, sql
from server.sql.type_range import Multirange, Range, RangeKind, adjoin, in_order
from server.sql.types import RANGE_KINDS

Ranged: TypeAlias = Range | Multirange

# --- constructors ----------------------------------------------------------------------------------------

# oids of the constructors with two and with three arguments, typname
_CONSTRUCTORS = """
3840 3841 int4range
3844 3845 numrange
3933 3934 tsrange
3937 3938 tstzrange
3941 3942 daterange
3945 3946 int8range
"""
_FLAGS = {"[]": (True, True), "[)": (True, False), "(]": (False, True), "()": (False, False)}


def _constructor(kind: RangeKind) -> Any:
    def construct(lower: Any, upper: Any, flags: str | None = "[)") -> Range:
        if flags is None:
            raise PgError("22000", "range constructor flags argument must not be null")
        if flags not in _FLAGS:
            hint = 'Valid values are "[]", "[)", "(]", and "()".'
            raise PgError("42601", "invalid range bound flags", hint=hint)
        return kind.range(lower, upper, *_FLAGS[flags])

    return construct


def _define_constructors() -> None:
    kinds = {made.name: (made, kind) for made, kind in RANGE_KINDS.items()}
    for line in _CONSTRUCTORS.strip().splitlines():
        two, three, name = line.split()
        made, kind = kinds[name]
        of = kind.subtype.name
        define(
            f"""
            {two} {made.name}({of},{of}) {made.name} called
            {three} {made.name}({of},{of},text) {made.name} called
            """,
            _constructor(kind),
        )


_define_constructors()

# --- bounds ----------------------------------------------------------------------------------------------


@sql("""
    3848 lower(anyrange) anyelement
    4235 lower(anymultirange) anyelement
    """)
def lower(value: Ranged) -> Any:
    """The lower bound; NULL where there is none, or it is infinite."""
    first = _first(value)
    return first.lower if first is not None else None


@sql("""
    3849 upper(anyrange) anyelement
    4236 upper(anymultirange) anyelement
    """)
def upper(value: Ranged) -> Any:
    """The upper bound; NULL where there is none, or it is infinite."""
    last = _last(value)
    return last.upper if last is not None else None


def _first(value: Ranged) -> Range | None:
    """The range with the lower bound; None: it is empty."""
    if value.is_empty:
        return None
    return value.ranges[0] if isinstance(value, Multirange) else value


def _last(value: Ranged) -> Range | None:
    """The range with the upper bound; None: it is empty."""
    if value.is_empty:
        return None
    return value.ranges[-1] if isinstance(value, Multirange) else value


@sql("""
    3850 isempty(anyrange) bool
    4237 isempty(anymultirange) bool
    """)
def is_empty(value: Ranged) -> bool:
    """It holds nothing."""
    return value.is_empty


@sql("""
    3851 lower_inc(anyrange) bool
    4238 lower_inc(anymultirange) bool
    """)
def lower_inc(value: Ranged) -> bool:
    """There is a lower bound, and it belongs to the range."""
    first = _first(value)
    return first is not None and first.lower_inc


@sql("""
    3852 upper_inc(anyrange) bool
    4239 upper_inc(anymultirange) bool
    """)
def upper_inc(value: Ranged) -> bool:
    """There is an upper bound, and it belongs to the range."""
    last = _last(value)
    return last is not None and last.upper_inc


@sql("""
    3853 lower_inf(anyrange) bool
    4240 lower_inf(anymultirange) bool
    """)
def lower_inf(value: Ranged) -> bool:
    """There is no lower bound."""
    first = _first(value)
    return first is not None and first.lower is None


@sql("""
    3854 upper_inf(anyrange) bool
    4241 upper_inf(anymultirange) bool
    """)
def upper_inf(value: Ranged) -> bool:
    """There is no upper bound."""
    last = _last(value)
    return last is not None and last.upper is None


# --- order -----------------------------------------------------------------------------------------------

_ORDER = (
    ("3855 range_eq", "4244 multirange_eq"), ("3856 range_ne", "4245 multirange_ne"),
    ("3871 range_lt", "4274 multirange_lt"), ("3872 range_le", "4275 multirange_le"),
    ("3874 range_gt", "4277 multirange_gt"), ("3873 range_ge", "4276 multirange_ge"),
)  # fmt: skip

for (_of_range, _of_multirange), _compare in zip(_ORDER, by_key(in_order)):
    define(f"{_of_range}(anyrange,anyrange) bool", _compare)
    define(f"{_of_multirange}(anymultirange,anymultirange) bool", _compare)


define("3870 range_cmp(anyrange,anyrange) int4", three_way(in_order))
define("4273 multirange_cmp(anymultirange,anymultirange) int4", three_way(in_order))


# --- position --------------------------------------------------------------------------------------------


def _neither_is_empty(left: Ranged, right: Ranged) -> bool:
    return not (left.is_empty or right.is_empty)


@sql("""
    3863 range_before(anyrange,anyrange) bool
    4258 range_before_multirange(anyrange,anymultirange) bool
    4259 multirange_before_range(anymultirange,anyrange) bool
    4260 multirange_before_multirange(anymultirange,anymultirange) bool
    """)
def before(left: Ranged, right: Ranged) -> bool:
    """All of `left` is below all of `right`."""
    return _neither_is_empty(left, right) and left.high < right.low


@sql("""
    3864 range_after(anyrange,anyrange) bool
    4261 range_after_multirange(anyrange,anymultirange) bool
    4262 multirange_after_range(anymultirange,anyrange) bool
    4263 multirange_after_multirange(anymultirange,anymultirange) bool
    """)
def after(left: Ranged, right: Ranged) -> bool:
    """All of `left` is above all of `right`."""
    return before(right, left)


@sql("""
    3865 range_overleft(anyrange,anyrange) bool
    4264 range_overleft_multirange(anyrange,anymultirange) bool
    4265 multirange_overleft_range(anymultirange,anyrange) bool
    4266 multirange_overleft_multirange(anymultirange,anymultirange) bool
    """)
def over_left(left: Ranged, right: Ranged) -> bool:
    """`left` does not end behind `right`."""
    return _neither_is_empty(left, right) and left.high <= right.high


@sql("""
    3866 range_overright(anyrange,anyrange) bool
    4267 range_overright_multirange(anyrange,anymultirange) bool
    4268 multirange_overright_range(anymultirange,anyrange) bool
    4269 multirange_overright_multirange(anymultirange,anymultirange) bool
    """)
def over_right(left: Ranged, right: Ranged) -> bool:
    """`left` does not begin before `right`."""
    return _neither_is_empty(left, right) and left.low >= right.low


@sql("""
    3862 range_adjacent(anyrange,anyrange) bool
    4255 range_adjacent_multirange(anyrange,anymultirange) bool
    4257 multirange_adjacent_range(anymultirange,anyrange) bool
    4256 multirange_adjacent_multirange(anymultirange,anymultirange) bool
    """)
def adjacent(left: Ranged, right: Ranged) -> bool:
    """One ends where the other begins."""
    return _neither_is_empty(left, right) and (adjoin(left.high, right.low) or adjoin(right.high, left.low))


@sql("3857 range_overlaps(anyrange,anyrange) bool")
def overlaps(left: Range, right: Range) -> bool:
    """They have something in common."""
    return _neither_is_empty(left, right) and left.low <= right.high and right.low <= left.high


@sql("3859 range_contains(anyrange,anyrange) bool")
@sql("4541 range_contains_multirange(anyrange,anymultirange) bool")
def contains(whole: Range, part: Ranged) -> bool:
    """All of `part` is in `whole`."""
    return part.is_empty or (not whole.is_empty and whole.low <= part.low and part.high <= whole.high)


@sql("3861 range_contained_by(anyrange,anyrange) bool")
@sql("4542 multirange_contained_by_range(anymultirange,anyrange) bool")
def contained(part: Ranged, whole: Range) -> bool:
    """`contains` the other way round."""
    return contains(whole, part)


@sql("3858 range_contains_elem(anyrange,anyelement) bool")
def contains_element(whole: Range, element: Any) -> bool:
    """The value is in the range."""
    return not whole.is_empty and whole.low <= whole.kind.place(element) <= whole.high


define(
    "3860 elem_contained_by_range(anyelement,anyrange) bool",
    lambda element, whole: contains_element(whole, element),
)

# --- arithmetic ------------------------------------------------------------------------------------------


@sql("3867 range_union(anyrange,anyrange) anyrange")
def union(left: Range, right: Range) -> Range:
    """All that is in one of them; 22000 with a gap between them."""
    if _neither_is_empty(left, right) and not overlaps(left, right) and not adjacent(left, right):
        raise PgError("22000", "result of range union would not be contiguous")
    return merge(left, right)


@sql("4057 range_merge(anyrange,anyrange) anyrange")
def merge(left: Range, right: Range) -> Range:
    """The smallest range that has both."""
    if left.is_empty or right.is_empty:
        return right if left.is_empty else left
    return left.kind.union(left, right)


@sql("3868 range_intersect(anyrange,anyrange) anyrange")
def intersect(left: Range, right: Range) -> Range:
    """What is in both."""
    if not overlaps(left, right):
        return left.kind.empty
    first = left if left.low >= right.low else right
    return left.kind.spanning(first, left if left.high <= right.high else right)


@sql("3869 range_minus(anyrange,anyrange) anyrange")
def minus(left: Range, right: Range) -> Range:
    """What is in `left` alone; 22000 where that is two ranges."""
    if left.is_empty or right.is_empty:
        return left
    if left.low < right.low and left.high > right.high:
        raise PgError("22000", "result of range difference would not be contiguous")
    if not overlaps(left, right):
        return left
    if right.low <= left.low and left.high <= right.high:
        return left.kind.empty
    return up_to(left, right) if left.low < right.low else from_end(left, right)


def up_to(left: Range, right: Range) -> Range:
    """What is in `left` before `right` begins, which it does within it."""
    return left.kind.range(left.lower, right.lower, left.lower_inc, not right.lower_inc)


def from_end(left: Range, right: Range) -> Range:
    """What is in `left` after `right` has ended, which it does within it."""
    return left.kind.range(right.upper, left.upper, not right.upper_inc, left.upper_inc)


# --- what pg_range names ---------------------------------------------------------------------------------

define("3914 int4range_canonical(int4range) int4range", lambda value: value)
define("3915 daterange_canonical(daterange) daterange", lambda value: value)
define("3928 int8range_canonical(int8range) int8range", lambda value: value)
define(
    """
    3922 int4range_subdiff(int4,int4) float8
    3923 int8range_subdiff(int8,int8) float8
    3925 daterange_subdiff(date,date) float8
    """,
    lambda left, right: float(left) - float(right),
)
define(
    """
    3929 tsrange_subdiff(timestamp,timestamp) float8
    3930 tstzrange_subdiff(timestamptz,timestamptz) float8
    """,
    lambda left, right: (float(left) - float(right)) / 1_000_000,
)
define(
    "3924 numrange_subdiff(numeric,numeric) float8",
    lambda env, left, right: numeric_to_float8(subtract(left, right), env), env=True,
)  # fmt: skip

CANONICAL = {"int4": 3914, "date": 3915, "int8": 3928}
DIFFERENCE = {
    "int4": 3922,
    "int8": 3923,
    "numeric": 3924,
    "date": 3925,
    "timestamp": 3929,
    "timestamptz": 3930,
}
"""By the subtype's name: the functions in pg_range.rngcanonical and rngsubdiff."""
