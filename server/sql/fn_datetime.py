"""Operators and constructors of dates and times (PostgreSQL: date.c, timestamp.c; chapter 9.9)."""

import math
import time
from collections.abc import Iterator
from typing import Any

from server.errors import PgError
from server.sql.datetime_calendar import (
    DATE_INFINITY,
    END_DATE,
    END_TIMESTAMP,
    INFINITY,
    MIN_DATE,
    MIN_TIMESTAMP,
    MINUS_INFINITY,
    UNIX_EPOCH_DAYS,
    US_DAY,
    US_HOUR,
    US_MINUTE,
    US_SECOND,
    date_of,
    days_of,
    is_valid_julian,
    month_days,
)
from server.sql.fn_compare import six
from server.sql.fn_interval import (
    ENDLESS,
    ENDLESS_DATES,
    justify_hours,
    minus,
    moment_of,
    overlaps_times,
    timestamp_out_of_range,
)
from server.sql.functions import define, sql
from server.sql.interval import Interval, checked
from server.sql.zone_names import find_offset, local_in_zone, moment_in_zone

UNIX_EPOCH = UNIX_EPOCH_DAYS * US_DAY


def in_range(value: int) -> int:
    """A timestamp within PostgreSQL's limits; 22008."""
    if MIN_TIMESTAMP <= value < END_TIMESTAMP:
        return value
    raise timestamp_out_of_range()


def date_to_timestamp(value: int) -> int:
    """Midnight; infinite dates stay; 22008."""
    if value in ENDLESS_DATES:
        return INFINITY if value == DATE_INFINITY else MINUS_INFINITY
    result = value * US_DAY
    if not MIN_TIMESTAMP <= result < END_TIMESTAMP:
        raise PgError("22008", "date out of range for timestamp")
    return result


def date_to_moment(env: Any, value: int) -> int:
    """Local midnight."""
    result = date_to_timestamp(value)
    return result if result in ENDLESS else moment_of(env, result)


# --- comparisons across types; a date beyond timestamp's range is still compared --------------------------


def _wide(value: int) -> int:
    if value in ENDLESS_DATES:
        return INFINITY if value == DATE_INFINITY else MINUS_INFINITY
    return min(value * US_DAY, INFINITY - 1)


def _moment_of_timestamp(env: Any, value: int) -> int:
    return value if value in ENDLESS else moment_of(env, value)


def _wide_moment(env: Any, value: int) -> int:
    wide = _wide(value)
    return wide if wide in ENDLESS or wide >= END_TIMESTAMP else moment_of(env, wide)


_OPERATIONS = ("eq", "ne", "lt", "le", "gt", "ge")
_PLAIN_ORDER = six(lambda left, right: left == right, lambda left, right: left < right)


_CROSS = """
date timestamp 2340 2343 2338 2339 2341 2342
date timestamptz 2353 2356 2351 2352 2354 2355
timestamp date 2366 2369 2364 2365 2367 2368
timestamptz date 2379 2382 2377 2378 2380 2381
timestamp timestamptz 2522 2525 2520 2521 2523 2524
timestamptz timestamp 2529 2532 2527 2528 2530 2531
"""
"""Types, then the oids of =, <>, <, <=, >, >=."""


def _cross() -> None:
    """date, timestamp and timestamptz compared with each other."""
    for line in _CROSS.strip().splitlines():
        left, right, *oids = line.split()
        for name, compare, oid in zip(_OPERATIONS, _PLAIN_ORDER, oids):
            called = f"{left}_{name}_{right}"
            facts = f"{oid} {called}({left},{right}) bool"
            if "timestamptz" not in (left, right):
                define(facts, _with(compare, *((_wide, None) if left == "date" else (None, _wide))))
            else:
                key = _wide_moment if "date" in (left, right) else _moment_of_timestamp
                keys = (key, None) if right == "timestamptz" else (None, key)
                define(facts + " s", _with_env(compare, *keys), env=True)


def _with(compare: Any, left_key: Any, right_key: Any) -> Any:
    if left_key is not None:
        return lambda left, right: compare(left_key(left), right)
    return lambda left, right: compare(left, right_key(right))


def _with_env(compare: Any, left_key: Any, right_key: Any) -> Any:
    if left_key is not None:
        return lambda env, left, right: compare(left_key(env, left), right)
    return lambda env, left, right: compare(left, right_key(env, right))


_cross()

# --- dates ----------------------------------------------------------------------------------------------


@sql("1140 date_mi(date,date) int4")
def date_difference(left: int, right: int) -> int:
    """Days; 22008 for infinite dates."""
    if left in ENDLESS_DATES or right in ENDLESS_DATES:
        raise PgError("22008", "cannot subtract infinite dates")
    return left - right


@sql("1141 date_pli(date,int4) date")
def date_plus_days(value: int, days: int) -> int:
    """22008"""
    if value in ENDLESS_DATES:
        return value
    result = value + days
    if not MIN_DATE <= result < END_DATE:
        raise PgError("22008", "date out of range")
    return result


define("1142 date_mii(date,int4) date", lambda value, days: date_plus_days(value, -days))
define("2550 integer_pl_date(int4,date) date", lambda days, value: date_plus_days(value, days))
define(
    """
    1138 date_larger(date,date) date
    2036 timestamp_larger(timestamp,timestamp) timestamp
    1196 timestamptz_larger(timestamptz,timestamptz) timestamptz
    1377 time_larger(time,time) time
    """,
    max,
)
define(
    """
    1139 date_smaller(date,date) date
    2035 timestamp_smaller(timestamp,timestamp) timestamp
    1195 timestamptz_smaller(timestamptz,timestamptz) timestamptz
    1378 time_smaller(time,time) time
    """,
    min,
)
define(
    "1379 timetz_larger(timetz,timetz) timetz",
    lambda left, right: max(left, right, key=lambda v: (v[0] + v[1] * US_SECOND, v[1])),
)
define(
    "1380 timetz_smaller(timetz,timetz) timetz",
    lambda left, right: min(left, right, key=lambda v: (v[0] + v[1] * US_SECOND, v[1])),
)


@sql("1272 datetime_pl(date,time) timestamp")
def date_plus_time(value: int, clock: int) -> int:
    """22008"""
    start = date_to_timestamp(value)
    return start if start in ENDLESS else in_range(start + clock)


@sql("1297 datetimetz_pl(date,timetz) timestamptz")
def date_plus_timetz(value: int, clock: tuple[int, int]) -> int:
    """22008"""
    if value in ENDLESS_DATES:
        return date_to_timestamp(value)
    return in_range(value * US_DAY + clock[0] + clock[1] * US_SECOND)


define("1296 timedate_pl(time,date) timestamp", lambda clock, value: date_plus_time(value, clock))
define("1298 timetzdate_pl(timetz,date) timestamptz", lambda clock, value: date_plus_timetz(value, clock))

# --- timestamps -----------------------------------------------------------------------------------------


def shifted(local: int, months: int, days: int) -> int:
    """A local time so many months (the day clipped to the month's length) and days later; 22008."""
    date, clock = divmod(local, US_DAY)
    if months:
        year, month, day = date_of(date)
        year, month = divmod(year * 12 + month - 1 + months, 12)
        if not -4713 <= year <= 294_277:
            raise timestamp_out_of_range()
        date = days_of(year, month + 1, min(day, month_days(year, month + 1)))
    return in_range((date + days) * US_DAY + clock)


@sql("2032 timestamp_pl_interval(timestamp,interval) timestamp")
def timestamp_plus(value: int, span: Interval) -> int:
    """Months, then days, then time; 22008."""
    if value in ENDLESS:
        return value
    if span.months or span.days:
        value = shifted(value, span.months, span.days)
    return in_range(value + span.us)


define(
    "2071 date_pl_interval(date,interval) timestamp",
    lambda value, span: timestamp_plus(date_to_timestamp(value), span),
)
define(
    "2072 date_mi_interval(date,interval) timestamp",
    lambda value, span: timestamp_plus(date_to_timestamp(value), minus(span)),
)
define(
    "2546 interval_pl_date(interval,date) timestamp",
    lambda span, value: timestamp_plus(date_to_timestamp(value), span),
)
define(
    "2033 timestamp_mi_interval(timestamp,interval) timestamp",
    lambda value, span: timestamp_plus(value, minus(span)),
)
define(
    "2548 interval_pl_timestamp(interval,timestamp) timestamp",
    lambda span, value: timestamp_plus(value, span),
)


@sql(
    """
    1189 timestamptz_pl_interval(timestamptz,interval) timestamptz s
    6221 date_add(timestamptz,interval) timestamptz s
    """,
    env=True,
)
def moment_plus(env: Any, value: int, span: Interval) -> int:
    """Months and days in the session's local time; 22008."""
    return _moment_plus(env.zone, value, span)


def _moment_plus(zone: Any, value: int, span: Interval) -> int:
    if value in ENDLESS:
        return value
    if span.months or span.days:
        local = shifted(value + zone.at(value)[0] * US_SECOND, span.months, span.days)
        value = in_range(local - zone.local(local) * US_SECOND)
    return in_range(value + span.us)


@sql(
    """
    1190 timestamptz_mi_interval(timestamptz,interval) timestamptz s
    6223 date_subtract(timestamptz,interval) timestamptz s
    """,
    env=True,
)
def moment_minus(env: Any, value: int, span: Interval) -> int:
    """22008"""
    return moment_plus(env, value, minus(span))


define(
    "2549 interval_pl_timestamptz(interval,timestamptz) timestamptz s",
    lambda env, span, value: moment_plus(env, value, span),
    env=True,
)


@sql("""
    2031 timestamp_mi(timestamp,timestamp) interval
    1188 timestamptz_mi(timestamptz,timestamptz) interval
    """)
def timestamp_difference(left: int, right: int) -> Interval:
    """Days and time; 22008."""
    if left in ENDLESS or right in ENDLESS:
        raise PgError("22008", "cannot subtract infinite timestamps")
    return justify_hours(checked(0, 0, left - right))


# --- times ----------------------------------------------------------------------------------------------

define("1690 time_mi_time(time,time) interval", lambda left, right: Interval(0, 0, left - right))
define("1747 time_pl_interval(time,interval) time", lambda value, span: (value + span.us) % US_DAY)
define("1748 time_mi_interval(time,interval) time", lambda value, span: (value - span.us) % US_DAY)
define("1848 interval_pl_time(interval,time) time", lambda span, value: (value + span.us) % US_DAY)
define(
    "1749 timetz_pl_interval(timetz,interval) timetz",
    lambda value, span: ((value[0] + span.us) % US_DAY, value[1]),
)
define(
    "1750 timetz_mi_interval(timetz,interval) timetz",
    lambda value, span: ((value[0] - span.us) % US_DAY, value[1]),
)
define(
    "2547 interval_pl_timetz(interval,timetz) timetz",
    lambda span, value: ((value[0] + span.us) % US_DAY, value[1]),
)


def _time_plus(value: int | None, span: Interval | None) -> int | None:
    return None if value is None or span is None else (value + span.us) % US_DAY


def _timestamp_plus(value: int | None, span: Interval | None) -> int | None:
    return None if value is None or span is None else timestamp_plus(value, span)


@sql("1309 overlaps(time,interval,time,interval) bool called")
def _overlaps_1(start1: Any, span1: Any, start2: Any, span2: Any) -> bool | None:
    return overlaps_times(start1, _time_plus(start1, span1), start2, _time_plus(start2, span2))


@sql("1310 overlaps(time,time,time,interval) bool called")
def _overlaps_2(start1: Any, end1: Any, start2: Any, span2: Any) -> bool | None:
    return overlaps_times(start1, end1, start2, _time_plus(start2, span2))


@sql("1311 overlaps(time,interval,time,time) bool called")
def _overlaps_3(start1: Any, span1: Any, start2: Any, end2: Any) -> bool | None:
    return overlaps_times(start1, _time_plus(start1, span1), start2, end2)


@sql("2042 overlaps(timestamp,interval,timestamp,interval) bool called")
def _overlaps_4(start1: Any, span1: Any, start2: Any, span2: Any) -> bool | None:
    return overlaps_times(start1, _timestamp_plus(start1, span1), start2, _timestamp_plus(start2, span2))


@sql("2043 overlaps(timestamp,timestamp,timestamp,interval) bool called")
def _overlaps_5(start1: Any, end1: Any, start2: Any, span2: Any) -> bool | None:
    return overlaps_times(start1, end1, start2, _timestamp_plus(start2, span2))


@sql("2044 overlaps(timestamp,interval,timestamp,timestamp) bool called")
def _overlaps_6(start1: Any, span1: Any, start2: Any, end2: Any) -> bool | None:
    return overlaps_times(start1, _timestamp_plus(start1, span1), start2, end2)


# --- constructors ---------------------------------------------------------------------------------------


def _seconds(second: float) -> str:
    """C's %02g"""
    if second != second:
        return "NaN"
    if math.isinf(second):
        return "Infinity" if second > 0 else "-Infinity"
    return f"{second:g}".rjust(2, "0")


def _date_error(year: int, month: int, day: int) -> PgError:
    return PgError("22008", f"date field value out of range: {year}-{month:02d}-{day:02d}")


@sql("3846 make_date(year:int4,month:int4,day:int4) date")
def make_date(year: int, month: int, day: int) -> int:
    """A negative year is BC; 22008."""
    calendar_year = year + 1 if year < 0 else year
    valid = year != 0 and 1 <= month <= 12 and -4714 <= calendar_year <= 5_874_897
    if not valid or not 1 <= day <= month_days(calendar_year, month):
        raise _date_error(calendar_year, month, day)
    days = days_of(calendar_year, month, day)
    if not MIN_DATE <= days < END_DATE:
        raise PgError("22008", f"date out of range: {year}-{month:02d}-{day:02d}")
    return days


@sql("3847 make_time(hour:int4,min:int4,sec:float8) time")
def make_time(hour: int, minute: int, second: float) -> int:
    """Seconds rounded to µs; 24:00:00 and a second of 60 are allowed; 22008."""
    us = round(second * US_SECOND) if abs(second) < 1e6 else -1
    total = hour * US_HOUR + minute * US_MINUTE + us
    if not (0 <= hour <= 24 and 0 <= minute < 60 and 0 <= us <= 60 * US_SECOND and total <= US_DAY):
        raise PgError("22008", f"time field value out of range: {hour}:{minute:02d}:{_seconds(second)}")
    return total


@sql("3461 make_timestamp(year:int4,month:int4,mday:int4,hour:int4,min:int4,sec:float8) timestamp")
def make_timestamp(year: int, month: int, day: int, hour: int, minute: int, second: float) -> int:
    """22008"""
    calendar_year = year + 1 if year < 0 else year
    if year in (0, -(1 << 31)) or not 1 <= month <= 12 or not 1 <= day <= month_days(calendar_year, month):
        raise _date_error(year, month, day)
    if not is_valid_julian(calendar_year, month):
        raise PgError("22008", f"date out of range: {year}-{month:02d}-{day:02d}")
    clock = make_time(hour, minute, second)
    value = days_of(calendar_year, month, day) * US_DAY + clock
    if not MIN_TIMESTAMP <= value < END_TIMESTAMP:
        shown = f"{year}-{month:02d}-{day:02d} {hour}:{minute:02d}:{_seconds(second)}"
        raise PgError("22008", f"timestamp out of range: {shown}")
    return value


@sql(
    "3462 make_timestamptz(year:int4,month:int4,mday:int4,hour:int4,min:int4,sec:float8) timestamptz s",
    env=True,
)
def make_timestamptz(env: Any, *fields: Any) -> int:
    """In the session's zone; 22008."""
    return in_range(moment_of(env, make_timestamp(*fields)))


@sql(
    "3463 make_timestamptz(year:int4,month:int4,mday:int4,hour:int4,min:int4,sec:float8,"
    "timezone:text) timestamptz s"
)
def make_timestamptz_in_zone(*fields: Any) -> int:
    """In the named zone; 22008, 22023."""
    return in_range(moment_in_zone(fields[6], make_timestamp(*fields[:6])))


@sql(
    "3464 make_interval(years:int4,months:int4,weeks:int4,days:int4,hours:int4,mins:int4,"
    "secs:float8) interval",
    defaults=(0, 0, 0, 0, 0, 0, 0.0),
)
def make_interval(
    years: int, months: int, weeks: int, days: int, hours: int, mins: int, secs: float
) -> Interval:
    """22008"""
    if not math.isfinite(secs):
        raise PgError("22008", "interval out of range")
    us = hours * US_HOUR + mins * US_MINUTE + round(secs * US_SECOND)
    return checked(years * 12 + months, weeks * 7 + days, us)


@sql("1158 to_timestamp(float8) timestamptz")
def to_timestamp(seconds: float) -> int:
    """From seconds since 1970; 22008."""
    if math.isinf(seconds):
        return INFINITY if seconds > 0 else MINUS_INFINITY
    if seconds != seconds:
        raise PgError("22008", "timestamp cannot be NaN")
    value = (
        round((seconds + UNIX_EPOCH_DAYS * 86_400.0) * US_SECOND) if abs(seconds) < 1e14 else END_TIMESTAMP
    )
    if not MIN_TIMESTAMP <= value < END_TIMESTAMP:
        raise PgError("22008", f'timestamp out of range: "{seconds:g}"')
    return value


define("1373 isfinite(date) bool", lambda value: value not in ENDLESS_DATES)
define(
    """
    2048 isfinite(timestamp) bool
    1389 isfinite(timestamptz) bool
    """,
    lambda value: value not in ENDLESS,
)
define("1390 isfinite(interval) bool", lambda value: True)

# --- now ------------------------------------------------------------------------------------------------

define(
    """
    1299 now() timestamptz s
    2647 transaction_timestamp() timestamptz s
    """,
    lambda env: env.now,
    env=True,
)


@sql("2649 clock_timestamp() timestamptz v")
def clock_timestamp() -> int:
    """The wall clock."""
    return time.time_ns() // 1000 + UNIX_EPOCH


@sql("2648 statement_timestamp() timestamptz s", env=True)
def statement_timestamp(env: Any) -> int:
    """When the statement began."""
    return int(env.now if env.statement_now is None else env.statement_now)


# --- zones ----------------------------------------------------------------------------------------------


@sql("2069 timezone(text,timestamp) timestamptz")
def timestamp_at_zone(name: str, value: int) -> int:
    """The moment of a local time in the zone; 22023."""
    return value if value in ENDLESS else in_range(moment_in_zone(name, value))


@sql("1159 timezone(text,timestamptz) timestamp")
def moment_at_zone(name: str, value: int) -> int:
    """The local time in the zone at a moment; 22023."""
    return value if value in ENDLESS else in_range(local_in_zone(name, value))


def _zone_of_interval(span: Interval) -> int:
    if span.months or span.days:
        from server.sql.interval_encode import interval_out

        shown = interval_out(span, _plain_env())
        raise PgError("22023", f'interval time zone "{shown}" must not include months or days')
    return span.us // US_SECOND if span.us >= 0 else -(-span.us // US_SECOND)


def _plain_env() -> Any:
    from server.sql.env import Env

    return Env()


@sql("2070 timezone(interval,timestamp) timestamptz")
def timestamp_at_offset(span: Interval, value: int) -> int:
    """22023"""
    return value if value in ENDLESS else in_range(value - _zone_of_interval(span) * US_SECOND)


@sql("1026 timezone(interval,timestamptz) timestamp")
def moment_at_offset(span: Interval, value: int) -> int:
    """22023"""
    return value if value in ENDLESS else in_range(value + _zone_of_interval(span) * US_SECOND)


@sql("2038 timezone(interval,timetz) timetz")
def timetz_at_offset(span: Interval, value: tuple[int, int]) -> tuple[int, int]:
    """22023"""
    west = -_zone_of_interval(span)
    return (value[0] + (value[1] - west) * US_SECOND) % US_DAY, west


@sql("2037 timezone(text,timetz) timetz s", env=True)
def timetz_at_zone(env: Any, name: str, value: tuple[int, int]) -> tuple[int, int]:
    """With the zone's offset at the transaction's start; 22023."""
    west = -find_offset(name, env.now)
    return (value[0] + (value[1] - west) * US_SECOND) % US_DAY, west


# --- series ---------------------------------------------------------------------------------------------


def _direction(step: Interval) -> int:
    span = step.span
    if span == 0:
        raise PgError("22023", "step size cannot equal zero")
    return 1 if span > 0 else -1


@sql("938 generate_series(timestamp,timestamp,interval) timestamp set")
def timestamp_series(start: int, stop: int, step: Interval) -> Iterator[int]:
    """start, start + step, ... up to and including stop; 22023."""
    direction = _direction(step)

    def run() -> Iterator[int]:
        current = start
        while current <= stop if direction > 0 else current >= stop:
            yield current
            current = timestamp_plus(current, step)

    return run()


@sql("939 generate_series(timestamptz,timestamptz,interval) timestamptz s set", env=True)
def moment_series(env: Any, start: int, stop: int, step: Interval) -> Iterator[int]:
    """Steps of months and days in the session's zone; 22023."""
    return _moment_series(env.zone, start, stop, step)


def _moment_series(zone: Any, start: int, stop: int, step: Interval) -> Iterator[int]:
    direction = _direction(step)

    def run() -> Iterator[int]:
        current = start
        while current <= stop if direction > 0 else current >= stop:
            yield current
            current = _moment_plus(zone, current, step)

    return run()
