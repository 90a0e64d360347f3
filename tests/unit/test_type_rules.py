"""Rules of types that need no PostgreSQL to be told right from wrong."""

import pytest

from server.errors import PgError
from server.sql import types
from server.sql.casts import find_cast
from server.sql.env import Env
from server.sql.interval import Interval
from server.sql.zones import find_zone, fixed_zone


def refused(call: object) -> PgError:
    assert callable(call)
    with pytest.raises(PgError) as caught:
        call()
    return caught.value


def test_intervals_compare_by_their_span() -> None:
    assert Interval(1, 0, 0) == Interval(0, 30, 0) and hash(Interval(1, 0, 0)) == hash(Interval(0, 30, 0))
    assert Interval(0, 1, 0) > Interval(0, 0, 86_399_999_999) and Interval(0, 0, -1) < Interval(0, 0, 0)


def test_only_an_explicit_cast_cuts_text() -> None:
    assert types.apply_typmod(types.VARCHAR, 7, "abcd", True) == "abc"
    error = refused(lambda: types.apply_typmod(types.VARCHAR, 7, "abcd", False))
    assert (error.sqlstate, error.message) == ("22001", "value too long for type character varying(3)")


def test_numeric_overflow_tells_the_limit() -> None:
    found, typmod = types.lookup_type_name(("numeric",), ["5", "2"])
    error = refused(lambda: found.input("1000", typmod, Env()))
    assert (error.sqlstate, error.message) == ("22003", "numeric field overflow")
    wanted = "A field with precision 5, scale 2 must round to an absolute value less than 10^3."
    assert error.detail == wanted


def test_a_local_time_in_a_gap_and_in_an_overlap() -> None:
    zone = find_zone("america/new_york")
    assert zone is not None
    gap, overlap = (
        types.TIMESTAMP.input(text, -1, Env()) for text in ("2020-03-08 02:30", "2020-11-01 01:30")
    )
    assert (zone.local(gap), zone.local(overlap)) == (-18_000, -18_000)


def test_fixed_zones_have_posix_names() -> None:
    assert (fixed_zone(-28_800).name, fixed_zone(19_800).name) == ("<-08>+08", "<+05:30>-05:30")


def test_the_context_of_a_cast_counts() -> None:
    assert find_cast(types.INT8, types.INT4, "i") is None
    assert find_cast(types.INT8, types.INT4, "a") is not None
    assert find_cast(types.INT4, types.BOOL, "a") is None
    assert find_cast(types.INT4, types.TEXT, "i") is None
    by_text = find_cast(types.INT4, types.TEXT, "a")
    assert by_text is not None and by_text.method == "io"
    assert find_cast(types.UUID, types.INT4, "e") is None


def test_rows_print_with_their_fields_types() -> None:
    row = types.record_of((types.INT4, types.TEXT, types.DATE, types.TEXT))
    assert row.output((1, 'a "b"', 0, None), Env()) == '(1,"a ""b""",2000-01-01,)'


def test_now_and_today_are_the_transactions_start() -> None:
    env = Env(now=types.TIMESTAMP.input("2020-05-06 23:30", -1, Env()), zone=fixed_zone(3600))
    shown = [
        types.TIMESTAMP.output(types.TIMESTAMP.input(text, -1, env), env)
        for text in ("now", "today", "tomorrow")
    ]
    assert shown == ["2020-05-07 00:30:00", "2020-05-07 00:00:00", "2020-05-08 00:00:00"]


def test_names_need_a_catalog() -> None:
    error = refused(lambda: types.REGCLASS.input("t", -1, Env()))
    assert (error.sqlstate, error.message) == ("42P01", 'relation "t" does not exist')
    env = Env(reg_input=lambda kind, text: 42, reg_output=lambda kind, oid: f"{kind}:{oid}")
    assert types.REGCLASS.output(types.REGCLASS.input("t", -1, env), env) == "regclass:42"
