"""Arithmetic of intervals, justify_*, age and OVERLAPS (PostgreSQL: timestamp.c; chapter 9.9)."""

from collections.abc import Callable
from typing import Any

from server.errors import PgError
from server.sql.datetime_calendar import DATE_INFINITY, DATE_MINUS_INFINITY, US_DAY, date_of, month_days
from server.sql.datetime_calendar import INFINITY as TIME_INFINITY
from server.sql.datetime_calendar import MINUS_INFINITY as TIME_MINUS_INFINITY
from server.sql.fn_integer import division_by_zero
from server.sql.functions import define, sql
from server.sql.interval import Interval, checked

DAY_S = 86_400.0
_INT4 = 1 << 31
ENDLESS = frozenset((TIME_INFINITY, TIME_MINUS_INFINITY))
ENDLESS_DATES = frozenset((DATE_INFINITY, DATE_MINUS_INFINITY))


def out_of_range() -> PgError:
    """22008"""
    return PgError("22008", "interval out of range")


def timestamp_out_of_range() -> PgError:
    """22008"""
    return PgError("22008", "timestamp out of range")


@sql("1169 interval_pl(interval,interval) interval")
def add(left: Interval, right: Interval) -> Interval:
    """Field by field; 22008."""
    return checked(left.months + right.months, left.days + right.days, left.us + right.us)


@sql("1170 interval_mi(interval,interval) interval")
def subtract(left: Interval, right: Interval) -> Interval:
    """Field by field; 22008."""
    return checked(left.months - right.months, left.days - right.days, left.us - right.us)


@sql("1168 interval_um(interval) interval")
def minus(value: Interval) -> Interval:
    """Field by field; 22008."""
    return checked(-value.months, -value.days, -value.us)


def _rounded_us(value: float) -> float:
    """TSROUND"""
    return round(value * 1_000_000) / 1_000_000


def _whole(value: float) -> int:
    if value != value or not -_INT4 <= value < _INT4:
        raise out_of_range()
    return int(value)


def _scaled(value: Interval, scale: Callable[[float], float]) -> Interval:
    """Every field scaled, fractions of months and days cascading down."""
    months, days = scale(value.months), scale(value.days)
    whole_months, whole_days = _whole(months), _whole(days)
    month_days_ = _rounded_us((months - whole_months) * 30)
    seconds = _rounded_us((days - whole_days + month_days_ - int(month_days_)) * DAY_S)
    if abs(seconds) >= DAY_S:
        carried = int(seconds / DAY_S)
        whole_days += carried
        seconds -= carried * DAY_S
    whole_days += int(month_days_)
    us = scale(value.us) + seconds * 1_000_000
    if us != us or not -(2.0**63) <= us < 2.0**63:
        raise out_of_range()
    return checked(whole_months, whole_days, round(us))


@sql("1618 interval_mul(interval,float8) interval")
def multiply(value: Interval, factor: float) -> Interval:
    """22008"""
    return _scaled(value, lambda field: field * factor)


@sql("1624 mul_d_interval(float8,interval) interval")
def multiply_from_left(factor: float, value: Interval) -> Interval:
    """22008"""
    return multiply(value, factor)


@sql("1326 interval_div(interval,float8) interval")
def divide(value: Interval, factor: float) -> Interval:
    """22012, 22008"""
    if factor == 0:
        raise division_by_zero()
    return _scaled(value, lambda field: field / factor)


def _carry(value: int, unit: int) -> tuple[int, int]:
    """Whole units towards zero, and the rest."""
    whole = abs(value) // unit
    whole = whole if value >= 0 else -whole
    return whole, value - whole * unit


@sql("1175 justify_hours(interval) interval")
def justify_hours(value: Interval) -> Interval:
    """24-hour periods become days."""
    whole, us = _carry(value.us, US_DAY)
    days = value.days + whole
    if days > 0 and us < 0:
        days, us = days - 1, us + US_DAY
    elif days < 0 and us > 0:
        days, us = days + 1, us - US_DAY
    return checked(value.months, days, us)


@sql("1295 justify_days(interval) interval")
def justify_days(value: Interval) -> Interval:
    """30-day periods become months."""
    whole, days = _carry(value.days, 30)
    months = value.months + whole
    if months > 0 and days < 0:
        months, days = months - 1, days + 30
    elif months < 0 and days > 0:
        months, days = months + 1, days - 30
    return checked(months, days, value.us)


@sql("2711 justify_interval(interval) interval")
def justify_interval(value: Interval) -> Interval:
    """Both, with one sign throughout."""
    months, days, us = value
    if (days > 0 and us > 0) or (days < 0 and us < 0):
        whole, days = _carry(days, 30)
        months += whole
    whole, us = _carry(us, US_DAY)
    days += whole
    whole, days = _carry(days, 30)
    months += whole
    if months > 0 and (days < 0 or (days == 0 and us < 0)):
        months, days = months - 1, days + 30
    elif months < 0 and (days > 0 or (days == 0 and us > 0)):
        months, days = months + 1, days - 30
    if days > 0 and us < 0:
        days, us = days - 1, us + US_DAY
    elif days < 0 and us > 0:
        days, us = days + 1, us - US_DAY
    return checked(months, days, us)


def local_of(env: Any, moment: int) -> int:
    """The session's local time at a UTC moment."""
    return moment + int(env.zone.at(moment)[0]) * 1_000_000


def moment_of(env: Any, local: int) -> int:
    """The UTC moment of a local time of the session."""
    return local - int(env.zone.local(local)) * 1_000_000


@sql("2058 age(timestamp,timestamp) interval")
def age(left: int, right: int) -> Interval:
    """The difference in years, months, days and time (timestamp_age); 22008."""
    if left in ENDLESS or right in ENDLESS:
        raise timestamp_out_of_range()
    flipped = left < right
    early, late = (left, right) if flipped else (right, left)
    early_days, early_us = divmod(early, US_DAY)
    late_days, late_us = divmod(late, US_DAY)
    year, month, day = (b - a for a, b in zip(date_of(early_days), date_of(late_days)))
    us = late_us - early_us
    if us < 0:
        us, day = us + US_DAY, day - 1
    first_year, first_month, _ = date_of(left // US_DAY if flipped else right // US_DAY)
    while day < 0:
        day += month_days(first_year, first_month)
        month -= 1
    months = year * 12 + month
    return checked(-months, -day, -us) if flipped else checked(months, day, us)


@sql("1199 age(timestamptz,timestamptz) interval", env=True)
def age_with_zone(env: Any, left: int, right: int) -> Interval:
    """age of the local times."""
    if left in ENDLESS or right in ENDLESS:
        raise timestamp_out_of_range()
    return age(local_of(env, left), local_of(env, right))


def _today(env: Any) -> int:
    local = local_of(env, env.now)
    return local - local % US_DAY


define("2059 age(timestamp) interval s", lambda env, value: age(_today(env), value), env=True)
define(
    "1386 age(timestamptz) interval s",
    lambda env, value: age_with_zone(env, moment_of(env, _today(env)), value),
    env=True,
)


def overlaps(starts: tuple[Any, Any], ends: tuple[Any, Any]) -> bool | None:
    """SQL's OVERLAPS of two periods with NULLs: each is given by two ends in any order."""
    first, second = _ordered(*starts), _ordered(*ends)
    if first is None or second is None:
        return None
    (start1, end1), (start2, end2) = first, second
    if start1 > start2:
        start1, end1, start2, end2 = start2, end2, start1, end1
    elif start1 == start2:
        return None if end1 is None or end2 is None else True
    if end1 is not None and start2 < end1:
        return True
    return None if end1 is None or end2 is None else False


def _ordered(start: Any, end: Any) -> tuple[Any, Any] | None:
    """(earlier, later or None); None when both are NULL."""
    if start is None:
        return None if end is None else (end, None)
    if end is None:
        return start, None
    return (end, start) if start > end else (start, end)


@sql("""
    2041 overlaps(timestamp,timestamp,timestamp,timestamp) bool called
    1308 overlaps(time,time,time,time) bool called
    """)
@sql("1304 overlaps(timestamptz,timestamptz,timestamptz,timestamptz) bool called")
def overlaps_times(start1: Any, end1: Any, start2: Any, end2: Any) -> bool | None:
    """Of times that Python's order compares."""
    return overlaps((start1, end1), (start2, end2))


def timetz_key(value: tuple[int, int]) -> tuple[int, int]:
    """The UTC time, then the zone."""
    return value[0] + value[1] * 1_000_000, value[1]


@sql("1271 overlaps(timetz,timetz,timetz,timetz) bool called")
def overlaps_timetz(*values: tuple[int, int] | None) -> bool | None:
    """Of times with zones."""
    keys = [None if value is None else timetz_key(value) for value in values]
    return overlaps((keys[0], keys[1]), (keys[2], keys[3]))


define(
    "1198 interval_larger(interval,interval) interval", lambda left, right: left if left > right else right
)
define(
    "1197 interval_smaller(interval,interval) interval", lambda left, right: left if left < right else right
)
