"""Whatever the value, its text and its binary form read back as the same value, and storage gives it back."""

import math
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import PgError
from server.sql import types
from server.sql.datetime_calendar import DATE_INFINITY, INFINITY, MIN_DATE, MIN_TIMESTAMP, date_of, days_of
from server.sql.env import Env
from server.sql.interval import Interval
from server.sql.type_array import Array
from server.sql.type_float import to_single
from server.sql.types import Type
from server.sql.zones import fixed_zone

ENVS = [
    Env(),
    Env(datestyle="SQL", intervalstyle="iso_8601", bytea_output="escape"),
    Env(fixed_zone(-12_600), "Postgres", "DMY", "postgres_verbose"),
    Env(fixed_zone(3600), "German", "DMY", "sql_standard"),
]
texts = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20)
numerics = st.decimals(allow_nan=False, allow_infinity=False, places=5) | st.sampled_from(
    [Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity"), Decimal("0.000")]
)
json_values = st.recursive(
    st.none() | st.booleans() | texts | st.decimals(allow_nan=False, allow_infinity=False, places=2),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
VALUES: dict[Type, st.SearchStrategy[Any]] = {
    types.BOOL: st.booleans(),
    types.INT2: st.integers(-(2**15), 2**15 - 1),
    types.INT4: st.integers(-(2**31), 2**31 - 1),
    types.INT8: st.integers(-(2**63), 2**63 - 1),
    types.OID: st.integers(0, 2**32 - 1),
    types.FLOAT8: st.floats(allow_nan=False),
    types.FLOAT4: st.floats(allow_nan=False, width=32),
    types.NUMERIC: numerics,
    types.TEXT: texts,
    types.BYTEA: st.binary(max_size=20),
    types.UUID: st.binary(min_size=16, max_size=16),
    types.DATE: st.integers(MIN_DATE, 2_000_000_000) | st.just(DATE_INFINITY),
    types.TIME: st.integers(0, 86_400_000_000),
    types.TIMETZ: st.tuples(st.integers(0, 86_400_000_000), st.integers(-57_599, 57_599)),
    types.TIMESTAMP: st.integers(MIN_TIMESTAMP, 9_223_371_331_199_999_999) | st.just(INFINITY),
    types.TIMESTAMPTZ: st.integers(MIN_TIMESTAMP + 10**11, 9_223_371_331_199_999_999 - 10**11),
    types.INTERVAL: st.builds(
        Interval, st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.integers(-(10**12), 10**12)
    ),
}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, Decimal) and one.is_nan():
        return isinstance(other, Decimal) and other.is_nan()
    if isinstance(one, Interval):
        return tuple(one) == tuple(other)
    return bool(one == other) and str(one) == str(other)


@pytest.mark.parametrize("found", VALUES, ids=repr)
@settings(max_examples=50)
@given(data=st.data())
def test_text_binary_and_storage_round_trip(found: Type, data: st.DataObject) -> None:
    value = data.draw(VALUES[found])
    env = data.draw(st.sampled_from(ENVS))
    if isinstance(value, Decimal) and value.is_zero():
        value = value.copy_abs()
    text = types.text_encoder(found, env)(value)
    assert text.decode() == found.output(value, env)
    assert same(types.text_decoder(found, -1, env)(text), value)
    binary = types.binary_encoder(found, env)(value)
    assert binary == found.send(value, env)
    assert same(types.binary_decoder(found, -1, env)(binary), value)
    packed = found.pack(value) if found.pack else value
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(packed))
    assert same(found.unpack(stored) if found.unpack else stored, value)


@given(json_values)
def test_jsonb_round_trips_in_canonical_form(value: Any) -> None:
    first = types.JSONB.output(types.Jsonb(value), Env())
    made = types.JSONB.input(first, -1, Env())
    assert types.JSONB.input(types.JSONB.output(made, Env()), -1, Env()) == made
    assert made.order() >= made.order() and hash(made) == hash(types.JSONB.input(first, -1, Env()))


@given(st.lists(st.none() | texts, max_size=8), st.integers(1, 4), st.integers(-3, 3))
def test_text_arrays_round_trip(items: list[str | None], rows: int, low: int) -> None:
    array_type = types.array_of(types.TEXT)
    assert array_type is not None
    value = Array(items * rows, (rows, len(items)) if items else (), (low, 1) if items else ())
    text = array_type.output(value, Env())
    assert array_type.input(text, -1, Env()) == value
    assert array_type.receive(array_type.send(value, Env()), -1, Env()) == value


_bounds = st.none() | st.integers(-(2**31), 2**31 - 2)


@given(st.lists(st.tuples(_bounds, _bounds, st.booleans(), st.booleans()), max_size=6))
def test_multiranges_round_trip_and_are_canonical(
    bounds: list[tuple[int | None, int | None, bool, bool]],
) -> None:
    several = types.MULTIRANGE_OF[types.BY_NAME["int4range"]]
    kind = types.RANGE_KINDS[several]
    ordered = [each for each in bounds if each[0] is None or each[1] is None or each[0] <= each[1]]
    value = kind.multirange([kind.range(*each) for each in ordered])
    assert several.input(several.output(value, Env()), -1, Env()) == value
    assert several.receive(several.send(value, Env()), -1, Env()) == value
    assert all(one.high < other.low for one, other in pairwise(value.ranges))
    assert kind.multirange(reversed(value.ranges)) == value


@given(st.integers(MIN_DATE, 2_000_000_000))
def test_the_calendar_has_an_inverse(days: int) -> None:
    year, month, day = date_of(days)
    assert days_of(year, month, day) == days and 1 <= month <= 12 and 1 <= day <= 31


@given(st.floats(width=64, allow_infinity=False, allow_nan=False))
def test_float4_never_rounds_twice(value: float) -> None:
    single = types.FLOAT4.input(repr(value), -1, Env()) if 1e-37 < abs(value) < 3e38 else 0.0
    assert single == 0.0 or single == to_single(value)


@pytest.mark.parametrize("found", list(types.BY_OID.values()), ids=repr)
@settings(max_examples=20)
@given(text=st.text(max_size=12) | st.from_regex(r"[-+:. 0-9/a-zT{}\[\],\"\\()]{0,20}", fullmatch=True))
def test_bad_input_is_always_a_client_error(found: Type, text: str) -> None:
    for read in (
        lambda: found.input(text, -1, Env()),
        lambda: found.receive(text.encode("utf-8", "replace"), -1, Env()),
    ):
        try:
            read()
        except PgError as error:
            assert len(error.sqlstate) == 5


def test_nan_sorts_last_and_equals_itself() -> None:
    key = types.FLOAT8.sort_key
    assert key is not None and key(math.nan) == key(math.nan) > key(math.inf)
