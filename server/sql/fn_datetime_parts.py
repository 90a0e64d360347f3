"""extract, date_part, date_trunc and date_bin (PostgreSQL, chapter 9.9.1 to 9.9.3)."""

from decimal import Decimal
from typing import Any

from server.errors import PgError
from server.sql.datetime_calendar import (
    DATE_INFINITY,
    EPOCH_JULIAN,
    INFINITY,
    US_DAY,
    US_HOUR,
    US_MINUTE,
    US_SECOND,
    date_of,
    days_of,
    weekday,
)
from server.sql.fn_datetime import UNIX_EPOCH, date_to_timestamp, in_range
from server.sql.fn_interval import ENDLESS, ENDLESS_DATES
from server.sql.fn_numeric import add, divide
from server.sql.fn_text import lower
from server.sql.functions import define, sql
from server.sql.interval import Interval, checked
from server.sql.zone_names import named_zone
from server.sql.zones import Zone

_WORDS = {
    "microsecond": "microsecon us usec usecond useconds usecs",
    "millisecond": "millisecon ms msec msecond mseconds msecs",
    "second": "s sec second seconds secs",
    "minute": "m min mins minute minutes",
    "hour": "h hour hours hr hrs",
    "day": "d day days",
    "week": "w week weeks",
    "month": "mon mons month months",
    "quarter": "qtr quarter",
    "year": "y year years yr yrs",
    "decade": "dec decade decades decs",
    "century": "c cent centuries century",
    "millennium": "mil millennia millennium mils",
    "timezone": "timezone",
    "timezone_hour": "timezone_h",
    "timezone_minute": "timezone_m",
    "epoch": "epoch",
    "dow": "dow",
    "doy": "doy",
    "isodow": "isodow",
    "isoyear": "isoyear",
    "julian": "j jd julian",
}
UNITS = {word: unit for unit, words in _WORDS.items() for word in words.split()}
"""Units by their spellings; words are compared by 10 characters."""

TIMESTAMP = "timestamp without time zone"
TIMESTAMPTZ = "timestamp with time zone"
TIME, TIMETZ = "time without time zone", "time with time zone"
_ZONE_UNITS = frozenset(("timezone", "timezone_hour", "timezone_minute"))
_ENDLESS_UNITS = frozenset(("epoch", "julian", "year", "decade", "century", "millennium", "isoyear"))


def not_recognized(text: str, display: str) -> PgError:
    """22023"""
    return PgError("22023", f'unit "{lower(text)}" not recognized for type {display}')


def not_supported(text: str, display: str) -> PgError:
    """0A000"""
    return PgError("0A000", f'unit "{lower(text)}" not supported for type {display}')


def unit_of(text: str, display: str) -> str:
    """The unit; 22023."""
    unit = UNITS.get(lower(text)[:10])
    if unit is None:
        raise not_recognized(text, display)
    return unit


def scaled(value: int, scale: int) -> Decimal:
    """value / 10^scale with that display scale."""
    return Decimal((value < 0, tuple(map(int, str(abs(value)))), -scale))


def iso_week(days: int) -> tuple[int, int]:
    """(ISO year, ISO week) of a date."""
    thursday = days - (weekday(days) + 6) % 7 + 3
    year = date_of(thursday)[0]
    return year, (thursday - days_of(year, 1, 1)) // 7 + 1


def iso_week_start(year: int, week: int) -> int:
    """The Monday of an ISO week."""
    fourth = days_of(year, 1, 4)
    return fourth - (weekday(fourth) + 6) % 7 + (week - 1) * 7


def era_year(year: int) -> int:
    """The year as people count it: no year 0, BC negative."""
    return year if year > 0 else year - 1


def _truncated(value: int, divisor: int) -> int:
    """C's division."""
    return value // divisor if value >= 0 else -(-value // divisor)


def _periods(year: int, unit: str) -> int:
    """decade, century or millennium of a calendar year (0 is 1 BC)."""
    if unit == "decade":
        return year // 10 if year >= 0 else -((8 - (year - 1)) // 10)
    size = 100 if unit == "century" else 1000
    return (year + size - 1) // size if year > 0 else -((size - 1 - (year - 1)) // size)


def clock_part(unit: str, us: int) -> Decimal | None:
    """A field of a time of day; None: not one of a time's units."""
    if unit == "microsecond":
        return Decimal(us % US_MINUTE)
    if unit == "millisecond":
        return scaled(us % US_MINUTE, 3)
    if unit == "second":
        return scaled(us % US_MINUTE, 6)
    if unit == "minute":
        return Decimal(us // US_MINUTE % 60)
    return Decimal(us // US_HOUR) if unit == "hour" else None


def day_part(unit: str, days: int) -> int | None:
    """A field of a date; None: not one of a date's units."""
    year, month, day = date_of(days)
    if unit in ("decade", "century", "millennium"):
        return _periods(year, unit)
    if unit == "week":
        return iso_week(days)[1]
    if unit == "isoyear":
        return era_year(iso_week(days)[0])
    fields = {
        "day": day,
        "month": month,
        "quarter": (month - 1) // 3 + 1,
        "year": era_year(year),
        "dow": weekday(days),
        "isodow": weekday(days) or 7,
        "doy": days - days_of(year, 1, 1) + 1,
        "julian": days + EPOCH_JULIAN,
    }
    return fields.get(unit)


def _endless(unit: str, positive: bool) -> Decimal | None:
    """NULL for fields that come round again, infinite for those that grow."""
    if unit in _ENDLESS_UNITS:
        return Decimal("Infinity" if positive else "-Infinity")
    return None


def _timestamp_part(unit: str, local: int) -> Decimal | None:
    """A field of a local time; epoch is the caller's."""
    days, clock = divmod(local, US_DAY)
    if unit == "julian":
        return add(Decimal(days + EPOCH_JULIAN), divide(Decimal(clock), Decimal(US_DAY)))
    part = day_part(unit, days)
    return Decimal(part) if part is not None else clock_part(unit, clock)


@sql("6202 extract(text,timestamp) numeric")
def extract_timestamp(text: str, value: int) -> Decimal | None:
    """22023, 0A000"""
    unit = unit_of(text, TIMESTAMP)
    if value in ENDLESS:
        return _endless(unit, value == INFINITY)
    if unit == "epoch":
        return scaled(value - UNIX_EPOCH, 6)
    part = _timestamp_part(unit, value)
    if part is None:
        raise not_supported(text, TIMESTAMP)
    return part


@sql("6203 extract(text,timestamptz) numeric s", env=True)
def extract_timestamptz(env: Any, text: str, value: int) -> Decimal | None:
    """In the session's zone; 22023, 0A000."""
    unit = unit_of(text, TIMESTAMPTZ)
    if value in ENDLESS:
        return _endless(unit, value == INFINITY)
    if unit == "epoch":
        return scaled(value - UNIX_EPOCH, 6)
    east = int(env.zone.at(value)[0])
    part = _zone_part(unit, east) if unit in _ZONE_UNITS else _timestamp_part(unit, value + east * US_SECOND)
    if part is None:
        raise not_supported(text, TIMESTAMPTZ)
    return part


def _zone_part(unit: str, east: int) -> Decimal:
    if unit == "timezone":
        return Decimal(east)
    if unit == "timezone_hour":
        return Decimal(_truncated(east, 3600))
    minutes = abs(east) // 60 % 60
    return Decimal(minutes if east >= 0 else -minutes)


@sql("6199 extract(text,date) numeric")
def extract_date(text: str, value: int) -> Decimal | None:
    """22023, 0A000"""
    unit = unit_of(text, "date")
    if unit == "epoch" and value not in ENDLESS_DATES:
        return Decimal((value * US_DAY - UNIX_EPOCH) // US_SECOND)
    if value in ENDLESS_DATES:
        if unit not in _ENDLESS_UNITS and day_part(unit, 0) is None:
            raise not_supported(text, "date")
        return _endless(unit, value == DATE_INFINITY)
    part = day_part(unit, value)
    if part is None:
        raise not_supported(text, "date")
    return Decimal(part)


@sql("6200 extract(text,time) numeric")
def extract_time(text: str, value: int) -> Decimal:
    """22023, 0A000"""
    unit = unit_of(text, TIME)
    part = scaled(value, 6) if unit == "epoch" else clock_part(unit, value)
    if part is None:
        raise not_supported(text, TIME)
    return part


@sql("6201 extract(text,timetz) numeric")
def extract_timetz(text: str, value: tuple[int, int]) -> Decimal:
    """22023, 0A000"""
    unit = unit_of(text, TIMETZ)
    if unit in _ZONE_UNITS:
        return _zone_part(unit, -value[1])
    part = scaled(value[0] + value[1] * US_SECOND, 6) if unit == "epoch" else clock_part(unit, value[0])
    if part is None:
        raise not_supported(text, TIMETZ)
    return part


@sql("6204 extract(text,interval) numeric")
def extract_interval(text: str, value: Interval) -> Decimal:
    """22023, 0A000"""
    unit = unit_of(text, "interval")
    years, months = _truncated(value.months, 12), value.months - 12 * _truncated(value.months, 12)
    if unit == "epoch":
        quarters = 1461 * years + 120 * months + 4 * value.days
        return scaled(quarters * 21_600 * US_SECOND + value.us, 6)
    clock = clock_part(unit, abs(value.us))
    if clock is not None:
        return -clock if value.us < 0 and clock else clock
    fields = {
        "day": value.days,
        "month": months,
        "quarter": _truncated(months, 3) + 1,
        "year": years,
        "decade": _truncated(years, 10),
        "century": _truncated(years, 100),
        "millennium": _truncated(years, 1000),
    }
    if unit not in fields:
        raise not_supported(text, "interval")
    return Decimal(fields[unit])


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


define("2021 date_part(text,timestamp) float8", lambda text, value: _number(extract_timestamp(text, value)))
define(
    "1171 date_part(text,timestamptz) float8 s",
    lambda env, text, value: _number(extract_timestamptz(env, text, value)),
    env=True,
)
define("1385 date_part(text,time) float8", lambda text, value: _number(extract_time(text, value)))
define("1273 date_part(text,timetz) float8", lambda text, value: _number(extract_timetz(text, value)))
define("1172 date_part(text,interval) float8", lambda text, value: _number(extract_interval(text, value)))
define(
    "1384 date_part(text,date) float8",
    lambda text, value: _number(extract_timestamp(text, date_to_timestamp(value))),
)

# --- date_trunc -----------------------------------------------------------------------------------------

_SPECIAL_UNITS = frozenset(("epoch", "dow", "doy", "isodow", "isoyear", "julian"))
_CLOCK_UNITS = {
    "microsecond": 1,
    "millisecond": 1000,
    "second": US_SECOND,
    "minute": US_MINUTE,
    "hour": US_HOUR,
}


def _trunc_unit(text: str, display: str) -> str:
    """date_trunc looks only among an interval's units."""
    unit = unit_of(text, display)
    if unit in _SPECIAL_UNITS:
        raise not_recognized(text, display)
    return unit


def _period_start(year: int, size: int) -> int:
    """The first year of a century or millennium."""
    if year > 0:
        return (year + size - 1) // size * size - size + 1
    return -((size - 1 - (year - 1)) // size) * size + 1


def _truncate(unit: str, local: int) -> int | None:
    """The local time down to a unit; None: not one of date_trunc's units."""
    if unit in _CLOCK_UNITS:
        return local - local % _CLOCK_UNITS[unit]
    days = local // US_DAY
    if unit == "day":
        return days * US_DAY
    if unit == "week":
        return iso_week_start(*iso_week(days)) * US_DAY
    year, month, _ = date_of(days)
    if unit == "month":
        return days_of(year, month, 1) * US_DAY
    if unit == "quarter":
        return days_of(year, 3 * ((month - 1) // 3) + 1, 1) * US_DAY
    starts = {"year": year}
    if unit == "decade":
        starts[unit] = year // 10 * 10 if year > 0 else -((8 - (year - 1)) // 10) * 10
    elif unit in ("century", "millennium"):
        starts[unit] = _period_start(year, 100 if unit == "century" else 1000)
    return days_of(starts[unit], 1, 1) * US_DAY if unit in starts else None


@sql("2020 date_trunc(text,timestamp) timestamp")
def truncate_timestamp(text: str, value: int) -> int:
    """22023, 0A000"""
    if value in ENDLESS:
        return value
    result = _truncate(_trunc_unit(text, TIMESTAMP), value)
    if result is None:
        raise not_supported(text, TIMESTAMP)
    return in_range(result)


def _truncate_in(zone: Zone, text: str, value: int) -> int:
    if value in ENDLESS:
        return value
    unit = _trunc_unit(text, TIMESTAMPTZ)
    east = zone.at(value)[0]
    local = _truncate(unit, value + east * US_SECOND)
    if local is None:
        raise not_supported(text, TIMESTAMPTZ)
    if unit not in _CLOCK_UNITS:
        east = zone.local(local)
    return in_range(local - east * US_SECOND)


@sql("1217 date_trunc(text,timestamptz) timestamptz s", env=True)
def truncate_timestamptz(env: Any, text: str, value: int) -> int:
    """In the session's zone; 22023, 0A000."""
    return _truncate_in(env.zone, text, value)


@sql("1284 date_trunc(text,timestamptz,text) timestamptz")
def truncate_in_zone(text: str, value: int, zone: str) -> int:
    """In the named zone; 22023, 0A000."""
    return value if value in ENDLESS else _truncate_in(named_zone(zone), text, value)


@sql("1218 date_trunc(text,interval) interval")
def truncate_interval(text: str, value: Interval) -> Interval:
    """22023, 0A000"""
    unit = _trunc_unit(text, "interval")
    months, days, us = value
    if unit in _CLOCK_UNITS:
        return checked(months, days, _truncated(us, _CLOCK_UNITS[unit]) * _CLOCK_UNITS[unit])
    if unit == "day":
        return checked(months, days, 0)
    sizes = {"month": 1, "quarter": 3, "year": 12, "decade": 120, "century": 1200, "millennium": 12_000}
    if unit not in sizes:
        error = not_supported(text, "interval")
        if unit == "week":
            error.detail = "Months usually have fractional weeks."
        raise error
    return checked(_truncated(months, sizes[unit]) * sizes[unit], 0, 0)


@sql("""
    6177 date_bin(interval,timestamp,timestamp) timestamp
    6178 date_bin(interval,timestamptz,timestamptz) timestamptz
    """)
def date_bin(stride: Interval, value: int, origin: int) -> int:
    """The start of the stride, counted from `origin`, that holds `value`; 22008, 0A000."""
    if value in ENDLESS:
        return value
    if origin in ENDLESS:
        raise PgError("22008", "origin out of range")
    if stride.months:
        message = "timestamps cannot be binned into intervals containing months or years"
        raise PgError("0A000", message)
    size = stride.days * US_DAY + stride.us
    if size <= 0:
        raise PgError("22008", "stride must be greater than zero")
    return in_range(origin + (value - origin) // size * size)
