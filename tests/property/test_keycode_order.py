"""Keys compare as their values do, come back as they went in, and are equal only for equal values."""

import math
import struct
from decimal import Decimal
from functools import cmp_to_key

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import keycode

INTS = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)
FLOATS = st.floats() | st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan, -math.nan, 5e-324])
DIGITS = st.text("0123456789", min_size=1, max_size=1000) | st.text("019", min_size=1, max_size=4)
NUMERICS = (
    st.builds(
        lambda s, d, e: Decimal(f"{s}{d}e{e}"), st.sampled_from(["", "-"]), DIGITS, st.integers(-40, 40)
    )
    | st.builds(lambda d, e: Decimal(f"{d}e{e}"), st.integers(-200, 200), st.integers(-2, 2))
    | st.sampled_from([Decimal(text) for text in ("NaN", "Infinity", "-Infinity", "0.00", "-0", "1e131071")])
)
TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8")) | st.text(
    "ab\x01\U0010ffff", max_size=4
)
BYTES = st.binary() | st.lists(st.sampled_from([b"\0", b"\xff", b"a", b"\x01"]), max_size=5).map(b"".join)
VALUES = {
    "int": INTS,
    "float": FLOATS,
    "numeric": NUMERICS,
    "text": TEXTS,
    "bytes": BYTES,
    "bool": st.booleans(),
    "uuid": st.binary(min_size=16, max_size=16),
}


def is_nan(value: object) -> bool:
    return value != value


def compare(kind: str, nulls_first: bool, a: object, b: object) -> int:
    """PostgreSQL's order of two column values, C collation."""
    if a is None or b is None:
        sign = -1 if nulls_first else 1
        return sign * ((a is None) - (b is None))
    if is_nan(a) or is_nan(b):
        return is_nan(a) - is_nan(b)
    if kind == "text":
        a, b = a.encode(), b.encode()
    return (a > b) - (a < b)


@st.composite
def two_rows(draw):
    kinds = tuple(draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4)))
    first = tuple(draw(st.booleans()) for _ in kinds)
    column = [st.none() | VALUES[kind] for kind in kinds]
    a = [draw(values) for values in column]
    b = [draw(st.just(value) | values) for value, values in zip(a, column)]
    return kinds, first, a, b


@settings(max_examples=1500, deadline=None)
@given(two_rows())
def test_keys_compare_as_their_values(rows):
    kinds, first, a, b = rows
    encode = keycode.encoder(kinds, first)
    expected = next((c for c in map(compare, kinds, first, a, b) if c), 0)
    x, y = encode(a), encode(b)
    assert (x > y) - (x < y) == expected


@settings(max_examples=1000, deadline=None)
@given(two_rows())
def test_decode_gives_back_the_values(rows):
    kinds, first, a, _ = rows
    start = keycode.prefix(7, 9)
    decoded = keycode.decode(kinds, keycode.encoder(kinds, first, start)(a))
    assert len(decoded) == len(a)
    for before, after in zip(a, decoded):
        assert type(before) is type(after)
        assert before == after or (is_nan(before) and is_nan(after))


@settings(max_examples=500, deadline=None)
@given(two_rows(), st.integers(0, 3), st.booleans(), st.booleans())
def test_between_holds_exactly_the_matching_keys(rows, at, low_is_open, high_is_open):
    kinds, first, a, b = rows
    at = min(at, len(kinds) - 1)
    encode = keycode.encoder(kinds, first)
    leading = encode(a[:at]) if at else b""
    other = a[:at] + b[at:]
    key, kind = encode(other), kinds[at]
    null_lo, null_hi = keycode.null_range(leading, first[at])
    assert (null_lo <= key < null_hi) == (other[at] is None)
    if a[at] is None:
        return
    bound = encode(a[: at + 1])
    order = None if other[at] is None else compare(kind, False, other[at], a[at])
    lo, hi = keycode.between(leading, bound, low_is_open=low_is_open)
    assert (lo <= key < hi) == (order is not None and (order > 0 or (order == 0 and not low_is_open)))
    lo, hi = keycode.between(leading, high=bound, high_is_open=high_is_open)
    assert (lo <= key < hi) == (order is not None and (order < 0 or (order == 0 and not high_is_open)))
    lo, hi = keycode.between(leading)
    assert (lo <= key < hi) == (order is not None)
    lo, hi = keycode.equal_range(bound)
    assert (lo <= key < hi) == (order == 0)


@given(st.lists(NUMERICS, max_size=30))
@settings(max_examples=200, deadline=None)
def test_numerics_sort_by_value_whatever_their_scale(values):
    encode = keycode.encoder(("numeric",))
    by_key = sorted(values, key=lambda value: encode([value]))
    by_value = sorted(values, key=cmp_to_key(lambda a, b: compare("numeric", False, a, b)))
    assert [encode([v]) for v in by_key] == [encode([v]) for v in by_value]


def test_the_format_on_disk():
    """Bytes that stand on disks: a change here is a new format."""
    start = keycode.prefix(1, 2)
    assert keycode.encoder(("int",), None, start)([-1]).hex() == "0000000100000002" + "107fffffffffffffff"
    cases = {
        ("int", 5): "108000000000000005",
        ("float", 1.5): "11bff8000000000000",
        ("float", -1.5): "114007ffffffffffff",
        ("float", math.nan): "11fff8000000000000",
        ("numeric", Decimal("12.30")): "12048000022340",
        ("numeric", Decimal("-12")): "12027ffffddcff",
        ("numeric", Decimal("0.000")): "1203",
        ("text", "é"): "13c3a900",
        ("bytes", b"a\0"): "146100ff0000",
        ("bool", True): "1501",
        ("uuid", bytes(16)): "16" + "00" * 16,
    }
    for (kind, value), expected in cases.items():
        assert keycode.encoder((kind, "int"))([value]).hex() == expected
        assert keycode.encoder((kind,))([value]).hex() == expected
    assert keycode.encoder(("int",))([None]) == b"\xfe"
    assert keycode.encoder(("text",), (True,))([None]) == b"\x01"


def test_what_no_key_can_hold_is_refused():
    for value in (2**63, -(2**63) - 1):
        with pytest.raises(struct.error):
            keycode.encoder(("int",))([value])
        with pytest.raises(struct.error):
            keycode.encoder(("int", "int"))([value, 1])
    for kinds in (("text",), ("text", "text")):
        with pytest.raises(ValueError):
            keycode.encoder(kinds)(["a\0b"])
    with pytest.raises(ValueError):
        keycode.decode(("text",), keycode.encoder(("int",))([1]), 0)


def test_successor_is_the_least_bound_of_a_prefix():
    assert keycode.successor(b"a\xff\xff") == b"b"
    assert keycode.successor(b"\0\0") == b"\0\x01"
