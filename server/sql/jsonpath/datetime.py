"""Dates and times inside a jsonpath: .datetime(), their comparison and text (PostgreSQL, chapter 9.16.2)."""

from typing import Any, NamedTuple

from server.errors import PgError
from server.sql.cast_functions import time_to_timetz
from server.sql.datetime_calendar import (
    END_DATE,
    END_TIMESTAMP,
    EPOCH_JULIAN,
    MIN_DATE,
    MIN_TIMESTAMP,
    US_DAY,
    US_HOUR,
    US_MINUTE,
    US_SECOND,
    date_of,
    days_of,
    is_valid_julian,
    month_days,
)
from server.sql.datetime_encode import clock_text, date_out, datetime_text, offset_text
from server.sql.env import Env
from server.sql.fn_datetime_parts import iso_week_start
from server.sql.jsonpath.template import Fields, Reader, Template, format_error, template
from server.sql.type_datetime import round_time, round_timestamp, timetz_key

_ISO = Env()
_NAMES = {
    "date": "date",
    "time": "time without time zone",
    "timetz": "time with time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
}
_CLOCKS_TRIED = tuple(f"HH24:MI:SS{rest}" for rest in (".USTZH:TZM", ".USTZH", "TZH:TZM", "TZH", ".US", ""))
_FORMATS = (
    "yyyy-mm-dd",
    *_CLOCKS_TRIED,
    *(f"yyyy-mm-dd {clock}" for clock in _CLOCKS_TRIED),
    *(f'yyyy-mm-dd"T"{clock}' for clock in _CLOCKS_TRIED),
)
"""What .datetime() without a template tries, one after the other."""


class Datetime(NamedTuple):
    """A date or time with its type's name; `west`: seconds of the zone in which it was written."""

    kind: str
    value: Any
    west: int = 0

    @property
    def type_name(self) -> str:
        """As .type() shows it."""
        return _NAMES[self.kind]

    def text(self) -> str:
        """As JSON has it: ISO 8601."""
        if self.kind == "date":
            return date_out(self.value, _ISO)
        if self.kind == "time":
            return clock_text(self.value)
        if self.kind == "timetz":
            return clock_text(self.value[0]) + _zone_text(self.value[1])
        local = self.value - self.west * US_SECOND
        text, era, _ = datetime_text(local, _ISO, None, "").partition(" BC")
        zone = _zone_text(self.west) if self.kind == "timestamptz" else ""
        return text.replace(" ", "T", 1) + zone + era


def _zone_text(west: int) -> str:
    text = offset_text(west)
    return text if ":" in text else text + ":00"


def read(text: str, given: Template | None) -> Datetime:
    """The datetime that a text holds by the template, or by one of the standard ones.

    Raises PgError 22007, 22008, 22009, 0A000: it does not fit the template; 22031: no standard one fits.
    """
    if given is not None:
        return _read(text, given)
    for known in _FORMATS:
        try:
            return _read(text, template(known))
        except PgError:
            continue
    hint = "Use a datetime template argument to specify the input data format."
    raise PgError("22031", f'datetime format is not recognized: "{text}"', hint=hint)


def _read(text: str, by: Template) -> Datetime:
    fields = Reader(text, by.pieces).run()
    made = _Moment(fields, text)
    west = _west(fields, text)
    digits = fields["precision"] or -1
    if by.dated and by.timed:
        local = made.timestamp("timestamptz" if by.zoned else "timestamp")
        if not by.zoned:
            return Datetime("timestamp", round_timestamp(local, digits))
        moment = local + west * US_SECOND
        if not MIN_TIMESTAMP <= moment < END_TIMESTAMP:
            raise PgError("22008", "timestamptz out of range")
        return Datetime("timestamptz", round_timestamp(moment, digits), west)
    if by.dated:
        if by.zoned:
            raise format_error("datetime format is zoned but not timed")
        return Datetime("date", made.date())
    if by.timed:
        clock = round_time(made.clock, digits)
        return Datetime("timetz", (clock, west), west) if by.zoned else Datetime("time", clock)
    raise format_error("datetime format is not dated and not timed")


def _overflow(text: str) -> PgError:
    return PgError("22008", f'date/time field value out of range: "{text}"')


def _west(fields: Fields, text: str) -> int:
    """Seconds west of UTC; 22009."""
    if not fields["zone_sign"]:
        return 0
    hour, minute = fields["zone_hour"], fields["zone_minute"]
    if not (0 <= hour <= 15 and 0 <= minute < 60):
        raise PgError("22009", f'time zone displacement out of range: "{text}"')
    return -fields["zone_sign"] * (hour * 3600 + minute * 60)


class _Moment:
    """Year, month, day and time of what was read (do_to_timestamp); 22007, 22008."""

    def __init__(self, fields: Fields, text: str) -> None:
        self.fields = fields
        self.text = text
        hour, minute, second = self._time()
        self.year, self.month, self.day = 0, 1, 1
        self.given: set[str] = set()
        """Which of them are to be checked."""
        self._set_year()
        self._set_day()
        us = fields["ms"] * 1000 + fields["us"]
        self._check_date()
        if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60 and 0 <= us < US_SECOND):
            raise _overflow(text)
        self.clock = hour * US_HOUR + minute * US_MINUTE + second * US_SECOND + us

    def _time(self) -> tuple[int, int, int]:
        fields = self.fields
        seconds = abs(fields["day_second"])
        sign = -1 if fields["day_second"] < 0 else 1
        hour, minute, second = (sign * part for part in (seconds // 3600, seconds // 60 % 60, seconds % 60))
        hour, minute = fields["hour"] or hour, fields["minute"] or minute
        if fields["half_day"]:
            if not 1 <= hour <= 12:
                hint = "Use the 24-hour clock, or give an hour between 1 and 12."
                raise format_error(f'hour "{hour}" is invalid for the 12-hour clock', hint=hint)
            hour = hour % 12 + 12 * fields["pm"]
        return hour, minute, fields["second"] or second

    def _set_year(self) -> None:
        fields = self.fields
        year, century = fields["year"], fields["century"]
        if not year and not century:
            return
        self.given.add("year")
        before = bool(fields["bc"])
        century = -century if before else century
        if not year:
            self.year = (century - 1) * 100 + 1 if century >= 0 else century * 100 + 1
        elif century and fields["year_digits"] <= 2:
            rest = int(f"{year}"[-2:]) if year >= 0 else -int(f"{-year}"[-2:])
            if rest:
                self.year = rest + (century - 1) * 100 if century >= 0 else (century + 1) * 100 - rest + 1
            else:
                self.year = century * 100 + (century < 0)
        else:
            self.year = -year if before else year
            self.year += self.year < 0

    def _set_day(self) -> None:
        fields = self.fields
        if fields["julian"]:
            self._set_date(fields["julian"] - EPOCH_JULIAN)
        year_day, day = fields["year_day"], fields["day"]
        if fields["week"] and fields["iso_week"]:
            weekday = fields["weekday"]
            after = 0 if not weekday else weekday - 2 if weekday > 1 else 6
            self._set_date(iso_week_start(self.year, fields["week"]) + after)
        elif fields["week"]:
            year_day = (fields["week"] - 1) * 7 + 1
        if fields["month_week"]:
            day = (fields["month_week"] - 1) * 7 + 1
        if day:
            self.day = day
            self.given.add("day")
        if fields["month"]:
            self.month = fields["month"]
            self.given.add("month")
        if year_day and (self.month <= 1 or self.day <= 1):
            self._set_year_day(year_day)

    def _set_date(self, days: int) -> None:
        self.year, self.month, self.day = date_of(days)
        self.given |= {"year", "month", "day"}

    def _set_year_day(self, year_day: int) -> None:
        if not self.year and not self.fields["bc"]:
            raise format_error("cannot calculate day of year without year information")
        if self.fields["iso_week"]:
            self._set_date(iso_week_start(self.year, 1) + year_day - 1)
            return
        month, before = 1, 0
        while month <= 12 and year_day > before + month_days(self.year, month):
            before += month_days(self.year, month)
            month += 1
        if self.month <= 1:
            self.month = month
        if self.day <= 1:
            self.day = year_day - before
        self.given |= {"month", "day"}

    def _check_date(self) -> None:
        given = self.given
        wrong = "month" in given and not 1 <= self.month <= 12
        wrong = wrong or ("day" in given and not 1 <= self.day <= 31)
        if wrong or (len(given) == 3 and self.day > month_days(self.year, self.month)):
            raise _overflow(self.text)

    def date(self) -> int:
        """Days since 2000-01-01; 22008."""
        if is_valid_julian(self.year, self.month):
            days = days_of(self.year, self.month, self.day)
            if MIN_DATE <= days < END_DATE:
                return days
        raise PgError("22008", f'date out of range: "{self.text}"')

    def timestamp(self, kind: str) -> int:
        """µs since 2000-01-01; 22008."""
        if is_valid_julian(self.year, self.month):
            value = days_of(self.year, self.month, self.day) * US_DAY + self.clock
            if kind == "timestamptz" or MIN_TIMESTAMP <= value < END_TIMESTAMP:
                return value
        raise PgError("22008", f"{kind} out of range")


# --- comparison ------------------------------------------------------------------------------------------


def compared(left: Datetime, right: Datetime, zoned: bool, env: Env) -> int | None:
    """-1, 0 or 1; None: they can't be compared.

    0A000 where the session's time zone decides, unless `zoned`.
    """
    if (left.kind in _CLOCKS) != (right.kind in _CLOCKS):
        return None
    mixed = left.kind != right.kind and ("z" in left.kind) != ("z" in right.kind)
    if mixed and not zoned:
        without, with_ = (left.kind, right.kind) if "z" in right.kind else (right.kind, left.kind)
        message = f"cannot convert value from {without} to {with_} without time zone usage"
        raise PgError("0A000", message, hint="Use *_tz() function for time zone support.")
    one, other = _order(left, mixed, env), _order(right, mixed, env)
    return int(one > other) - int(one < other)


_CLOCKS = ("time", "timetz")


def _order(value: Datetime, with_zone: bool, env: Env) -> Any:
    """What is compared; `with_zone`: the other one has a zone, this may lack it."""
    if value.kind == "timetz":
        return timetz_key(value.value)
    if value.kind == "time":
        return timetz_key(time_to_timetz(value.value, env)) if with_zone else value.value
    if value.kind == "timestamptz":
        return value.value
    local = value.value * US_DAY if value.kind == "date" else value.value
    if with_zone and local < END_TIMESTAMP:
        return local - int(env.zone.local(local)) * US_SECOND
    return local
