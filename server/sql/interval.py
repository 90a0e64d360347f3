"""interval: months, days and µs, PostgreSQL's order, and what a typmod does (chapter 8.5.4)."""

from typing import NamedTuple

from server.errors import PgError
from server.sql.datetime_calendar import US_DAY, US_HOUR, US_MINUTE

FULL_RANGE = 0x7FFF
FULL_PRECISION = 0xFFFF
FIELD_BITS = {
    "month": 1 << 1, "year": 1 << 2, "day": 1 << 3, "hour": 1 << 10, "minute": 1 << 11, "second": 1 << 12,
}  # fmt: skip
YEAR_MONTH = FIELD_BITS["year"] | FIELD_BITS["month"]
DAY_HOUR = FIELD_BITS["day"] | FIELD_BITS["hour"]
DAY_MINUTE = DAY_HOUR | FIELD_BITS["minute"]
DAY_SECOND = DAY_MINUTE | FIELD_BITS["second"]
HOUR_MINUTE = FIELD_BITS["hour"] | FIELD_BITS["minute"]
HOUR_SECOND = HOUR_MINUTE | FIELD_BITS["second"]
MINUTE_SECOND = FIELD_BITS["minute"] | FIELD_BITS["second"]


class Fields(NamedTuple):
    """What an interval is stored as; msgpack sees a plain tuple."""

    months: int
    days: int
    us: int


class Interval(Fields):
    """A span of time. Compared as PostgreSQL does: a month is 30 days, a day 24 hours."""

    __slots__ = ()

    @property
    def span(self) -> int:
        """All of it in µs, for comparison."""
        total: int = (self.months * 30 + self.days) * US_DAY + self.us
        return total

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Interval) and self.span == other.span

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.span)

    def __lt__(self, other: tuple[object, ...]) -> bool:
        return isinstance(other, Interval) and self.span < other.span

    def __le__(self, other: tuple[object, ...]) -> bool:
        return isinstance(other, Interval) and self.span <= other.span

    def __gt__(self, other: tuple[object, ...]) -> bool:
        return isinstance(other, Interval) and self.span > other.span

    def __ge__(self, other: tuple[object, ...]) -> bool:
        return isinstance(other, Interval) and self.span >= other.span


def checked(months: int, days: int, us: int) -> Interval:
    """An interval within int32 months and days and int64 µs (22008)."""
    if -(2**31) <= months < 2**31 and -(2**31) <= days < 2**31 and -(2**63) <= us < 2**63:
        return Interval(months, days, us)
    raise PgError("22008", "interval out of range")


def make_typmod(precision: int | None, fields: int = FULL_RANGE) -> int:
    """The typmod of an interval type with a precision, fields, or both."""
    return (fields & FULL_RANGE) << 16 | (FULL_PRECISION if precision is None else precision)


def split_typmod(typmod: int) -> tuple[int, int]:
    """(fields, precision)"""
    return typmod >> 16 & FULL_RANGE, typmod & FULL_PRECISION


def truncated(value: int, unit: int) -> int:
    """Down to a multiple of `unit`, toward zero."""
    return value // unit * unit if value >= 0 else -(-value // unit * unit)


def round_us(us: int, precision: int) -> int:
    """µs at `precision` decimals of a second, half away from zero."""
    unit: int = 10 ** (6 - precision)
    half = unit // 2
    return (us + half) // unit * unit if us >= 0 else -((-us + half) // unit * unit)


def apply_typmod(value: Interval, typmod: int) -> Interval:
    """Drops the fields that the type lacks and rounds the seconds (AdjustIntervalForTypmod)."""
    if typmod < 0:
        return value
    fields, precision = split_typmod(typmod)
    months, days, us = value
    if fields == FIELD_BITS["year"]:
        months, days, us = truncated(months, 12), 0, 0
    elif fields in (FIELD_BITS["month"], YEAR_MONTH):
        days, us = 0, 0
    elif fields == FIELD_BITS["day"]:
        us = 0
    elif fields in (FIELD_BITS["hour"], DAY_HOUR):
        us = truncated(us, US_HOUR)
    elif fields in (FIELD_BITS["minute"], HOUR_MINUTE, DAY_MINUTE):
        us = truncated(us, US_MINUTE)
    if precision != FULL_PRECISION and precision < 6:
        us = round_us(us, precision)
    return checked(months, days, us)
