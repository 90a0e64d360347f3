"""Interval texts: PostgreSQL's own, SQL's and ISO 8601's (PostgreSQL, chapter 8.5.4)."""

import re
from typing import ClassVar

from server.errors import PgError
from server.sql.datetime_calendar import US_DAY, US_HOUR, US_MINUTE, US_SECOND
from server.sql.datetime_fields import TOKEN_LENGTH, DateTimeError, Kind, parse_error, split
from server.sql.datetime_parts import decode_clock, fraction
from server.sql.env import Env
from server.sql.interval import (
    DAY_HOUR,
    DAY_MINUTE,
    FIELD_BITS,
    FULL_RANGE,
    HOUR_MINUTE,
    MINUTE_SECOND,
    YEAR_MONTH,
    Interval,
    apply_typmod,
    split_typmod,
)

_WORDS = {
    "century": "c cent centuries century",
    "day": "d day days",
    "decade": "dec decade decades decs",
    "hour": "h hour hours hr hrs",
    "millennium": "mil millennia millennium mils",
    "millisecond": "millisecon ms msec mseconds msecs",
    "microsecond": "microsecon us usec useconds usecs",
    "minute": "m min mins minute minutes",
    "month": "mon mons month months",
    "quarter": "qtr quarter",
    "second": "s sec second seconds secs",
    "week": "w week weeks",
    "year": "y year years yr yrs",
}
UNITS = {word: unit for unit, words in _WORDS.items() for word in words.split()}
_TIME_UNITS = {
    "microsecond": 1, "millisecond": 1000, "second": US_SECOND, "minute": US_MINUTE, "hour": US_HOUR,
}  # fmt: skip
_DAY_UNITS = {"day": 1, "week": 7}
_YEAR_UNITS = {"year": 1, "decade": 10, "century": 100, "millennium": 1000}
_RIGHTMOST = {
    FIELD_BITS["year"]: "year", FIELD_BITS["month"]: "month", YEAR_MONTH: "month", FIELD_BITS["day"]: "day",
    FIELD_BITS["hour"]: "hour", DAY_HOUR: "hour", FIELD_BITS["minute"]: "minute", HOUR_MINUTE: "minute",
    DAY_MINUTE: "minute",
}  # fmt: skip
_INT = re.compile(r"[+-]?\d+", re.ASCII)
_ISO_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|-?0[xX][0-9a-fA-F]+", re.ASCII)


class _Sum:
    """An interval being added up, with PostgreSQL's limits of each part."""

    __slots__ = ("days", "months", "us", "years")

    def __init__(self) -> None:
        self.years = self.months = self.days = self.us = 0

    def _check(self) -> None:
        limit = 2**31
        parts = (self.years, self.months, self.days)
        if any(not -limit <= part < limit for part in parts) or not -(2**63) <= self.us < 2**63:
            raise DateTimeError("overflow")

    def add_us(self, value: int, part: float, scale: int) -> None:
        self.us += value * scale
        if part:
            part *= scale
            whole = int(part)
            part -= whole
            self.us += whole + (1 if part > 0.5 else -1 if part < -0.5 else 0)
        self._check()

    def add_days(self, value: int, part: float, scale: int) -> None:
        self.days += value * scale
        self._fraction_days(part, scale if scale > 1 else 0)

    def _fraction_days(self, part: float, scale: int) -> None:
        if part:
            if scale:
                part *= scale
                self.days += int(part)
                part -= int(part)
            self.add_us(0, part, US_DAY)
        self._check()

    def add_months(self, value: int, part: float) -> None:
        self.months += value
        self._fraction_days(part, 30)

    def add_years(self, value: int, part: float, scale: int) -> None:
        self.years += value * scale
        self.months += round(part * scale * 12)
        self._check()

    def add(self, unit: str, value: int, part: float) -> None:
        """`value` and a fraction of it in `unit`."""
        if unit in _TIME_UNITS:
            self.add_us(value, part, _TIME_UNITS[unit])
        elif unit in _DAY_UNITS:
            self.add_days(value, part, _DAY_UNITS[unit])
        elif unit == "month":
            self.add_months(value, part)
        elif unit in _YEAR_UNITS:
            self.add_years(value, part, _YEAR_UNITS[unit])
        else:
            raise DateTimeError

    def negate(self) -> None:
        self.years, self.months, self.days, self.us = -self.years, -self.months, -self.days, -self.us
        self._check()


def _clock(text: str, range_: int) -> int:
    hour, minute, second, us = decode_clock(text, range_ == MINUTE_SECOND)
    total = hour * US_HOUR + minute * US_MINUTE + second * US_SECOND + us
    if total >= 2**63:
        raise DateTimeError("overflow")
    return total


class _Decoder:
    """DecodeInterval: fields from right to left, so that units come before their values."""

    def __init__(self, fields: list[tuple[str, Kind]], range_: int, env: Env) -> None:
        self.fields = fields
        self.range = range_
        self.sum = _Sum()
        self.unit = ""
        self.ago = False
        signs = [text[0] for text, _ in fields if text[0] in "+-"]
        first_minus = bool(fields) and fields[0][0][0] == "-"
        self.negative = env.intervalstyle == "sql_standard" and first_minus and len(signs) == 1

    def run(self) -> _Sum:
        seen: set[str] = set()
        for text, kind in reversed(self.fields):
            given = self._field(text, kind)
            if given & seen:
                raise DateTimeError
            seen |= given
        if not seen:
            raise DateTimeError
        if self.ago:
            self.sum.negate()
        return self.sum

    def _time(self, text: str, negative: bool) -> set[str]:
        us = _clock(text, self.range)
        if negative or (self.negative and us > 0):
            us = -us
        self.sum.us = us
        self.unit = "day"
        return {"hour", "minute", "second", "millisecond", "microsecond"}

    def _field(self, text: str, kind: Kind) -> set[str]:
        if kind is Kind.TIME:
            return self._time(text, False)
        if kind is Kind.TZ and ":" in text[1:]:
            try:
                return self._time(text[1:], text[0] == "-")
            except DateTimeError:
                pass
        if kind in (Kind.STRING, Kind.SPECIAL):
            return self._word(text)
        if not self.unit:
            self.unit = _RIGHTMOST.get(self.range, "second")
        value, part = self._value(text)
        if self.negative:
            value, part = -abs(value), -abs(part)
        unit = self.unit
        self.sum.add(unit, value, part)
        if unit == "hour":
            self.unit = "day"
        if unit == "second" and part:
            return {"second", "millisecond", "microsecond"}
        return {unit}

    def _value(self, text: str) -> tuple[int, float]:
        found = _INT.match(text)
        value, rest = (int(found[0]), text[found.end() :]) if found else (0, text)
        if not -(2**63) <= value < 2**63:
            raise DateTimeError("overflow")
        if rest[:1] == "-":
            months = _INT.match(rest[1:])
            count = int(months[0]) if months else 0
            if not 0 <= count < 12:
                raise DateTimeError("overflow")
            if len(rest) > 1 and (months is None or months.end() != len(rest) - 1):
                raise DateTimeError
            self.unit = "month"
            return value * 12 + (-count if text[0] == "-" else count), 0.0
        if rest[:1] == ".":
            part = fraction(rest)
            return value, -part if text[0] == "-" else part
        if rest:
            raise DateTimeError
        return value, 0.0

    def _word(self, text: str) -> set[str]:
        key = text[:TOKEN_LENGTH]
        if key == "ago":
            self.ago = True
        elif key not in UNITS:
            raise DateTimeError
        self.unit = UNITS.get(key, key)
        return set()


class _Iso:
    """DecodeISO8601Interval: P1Y2M3DT4H5M6S, and the forms P0001-02-03T04:05:06 and P00010203T040506."""

    _DATE_UNITS: ClassVar = {"Y": "year", "M": "month", "W": "week", "D": "day"}
    _TIME_UNITS: ClassVar = {"H": "hour", "M": "minute", "S": "second"}

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 1
        self.sum = _Sum()
        self.in_date = True
        self.have_field = False

    def run(self) -> _Sum:
        text = self.text
        if len(text) < 2 or text[0] != "P":
            raise DateTimeError
        while self.at < len(text):
            if text[self.at] == "T":
                self._start_time()
                continue
            start = self.at
            value, part = self._number()
            unit = self._next()
            units = self._DATE_UNITS if self.in_date else self._TIME_UNITS
            if unit in units:
                self.sum.add(units[unit], value, part)
                self.have_field = True
            elif self._alternative(start, value, part, unit):
                break
        return self.sum

    def _start_time(self) -> None:
        self.in_date, self.have_field = False, False
        self.at += 1

    def _next(self) -> str:
        unit = self.text[self.at : self.at + 1]
        self.at += 1
        return unit

    def _number(self) -> tuple[int, float]:
        found = _ISO_NUMBER.match(self.text, self.at)
        if found is None:
            raise DateTimeError
        self.at = found.end()
        value = float.fromhex(found[0]) if "x" in found[0].lower() else float(found[0])
        if not -1.0e15 <= value <= 1.0e15:
            raise DateTimeError("overflow")
        return int(value), value - int(value)

    def _width(self, start: int) -> int:
        found = re.compile(r"-?([0-9]*)").match(self.text, start)
        return len(found[1]) if found else 0

    def _alternative(self, start: int, value: int, part: float, unit: str) -> bool:
        """True: the text ends here."""
        if unit not in (("", "T", "-") if self.in_date else ("", ":")):
            raise DateTimeError
        basic = self._width(start) == (8 if self.in_date else 6) and not self.have_field
        if unit in ("", "T") and basic:
            self._basic(value, part)
            if unit == "T":
                self.at -= 1
                self._start_time()
            return unit == ""
        if self.have_field:
            raise DateTimeError
        names = ("year", "month", "day") if self.in_date else ("hour", "minute", "second")
        separator = "-" if self.in_date else ":"
        self.sum.add(names[0], value, part)
        return self._extended(names[1:], separator, unit)

    def _extended(self, names: tuple[str, ...], separator: str, unit: str) -> bool:
        for name in (*names, ""):
            if unit == "":
                return True
            if unit == "T" and separator == "-":
                self.at -= 1
                self._start_time()
                return False
            if unit != separator or not name:
                raise DateTimeError
            self.sum.add(name, *self._number())
            unit = self._next()
        return False

    def _basic(self, value: int, part: float) -> None:
        sign = -1 if value < 0 else 1
        high, low = divmod(abs(value), 10_000)
        middle, low = divmod(low, 100)
        if self.in_date:
            self.sum.add("year", sign * high, 0.0)
            self.sum.add("month", sign * middle, 0.0)
            self.sum.add("day", sign * low, part)
        else:
            self.sum.add("hour", sign * high, 0.0)
            self.sum.add("minute", sign * middle, 0.0)
            self.sum.add("second", sign * low, part / US_SECOND)


def interval_in(text: str, typmod: int, env: Env) -> Interval:
    """Any of the styles; 22007, 22008, 22015."""
    range_ = split_typmod(typmod)[0] if typmod >= 0 else FULL_RANGE
    try:
        try:
            found = _Decoder(split(text, 256), range_, env).run()
        except DateTimeError as error:
            if error.reason != "format":
                raise
            found = _Iso(text).run()
    except DateTimeError as error:
        if error.reason == "overflow":
            error = DateTimeError("interval")
        raise parse_error(error, "interval", text) from None
    months = found.years * 12 + found.months
    if not -(2**31) <= months < 2**31:
        raise PgError("22008", "interval out of range")
    return apply_typmod(Interval(months, found.days, found.us), typmod)
