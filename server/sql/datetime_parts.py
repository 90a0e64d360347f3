"""The parts of date and time texts: numbers, fractions, clocks, numeric zones (PostgreSQL, appendix B.1)."""

import re
from dataclasses import dataclass

from server.sql.datetime_calendar import US_DAY, US_HOUR, US_MINUTE, US_SECOND, days_of
from server.sql.datetime_fields import DateTimeError

INT_MAX = 2**31 - 1
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)


@dataclass(slots=True)
class Moment:
    """What a text said. `special` is infinity, -infinity, epoch or empty; `west` is in seconds."""

    year: int = 0
    month: int = 0
    day: int = 0
    hour: int = 0
    minute: int = 0
    second: int = 0
    us: int = 0
    west: int = 0
    special: str = ""

    @property
    def time_us(self) -> int:
        """µs since midnight."""
        return self.hour * US_HOUR + self.minute * US_MINUTE + self.second * US_SECOND + self.us

    @property
    def local_us(self) -> int:
        """µs since 2000-01-01 of the local clock."""
        return days_of(self.year, self.month, self.day) * US_DAY + self.time_us


def integer(text: str, reason: str = "overflow") -> tuple[int, str]:
    """C's strtoint: the leading number (0 when there is none) and the rest; beyond int32 an error."""
    found = _INTEGER.match(text)
    if found is None:
        return 0, text
    value = int(found[0])
    if not -INT_MAX - 1 <= value <= INT_MAX:
        raise DateTimeError(reason)
    return value, text[found.end() :]


def fraction(text: str) -> float:
    """The number `.ddd`."""
    if text == ".":
        return 0.0
    if not text[1:].isdigit():
        raise DateTimeError
    return float(text)


def fraction_us(text: str) -> int:
    """`.ddd` seconds in µs, half to even."""
    return round(fraction(text) * 1_000_000)


def decode_zone(text: str) -> int:
    """Seconds west of `+hh[[:]mm[:ss]]`."""
    if text[:1] not in ("+", "-"):
        raise DateTimeError
    hour, rest = integer(text[1:], "displacement")
    minute = second = 0
    if rest[:1] == ":":
        minute, rest = integer(rest[1:], "displacement")
        if rest[:1] == ":":
            second, rest = integer(rest[1:], "displacement")
    elif not rest and len(text) > 3:
        hour, minute = divmod(hour, 100)
    if not 0 <= hour <= 15 or not 0 <= minute < 60 or not 0 <= second < 60:
        raise DateTimeError("displacement")
    if rest:
        raise DateTimeError
    east = hour * 3600 + minute * 60 + second
    return east if text[0] == "-" else -east


def decode_clock(text: str, minute_to_second: bool = False) -> tuple[int, int, int, int]:
    """(hour, minute, second, µs) of h:m[:s[.f]] or m:s.f; the hour is not limited."""
    head, _, _ = text.partition(":")
    if not head.isdigit():
        raise DateTimeError
    hour = int(head)
    if hour > 2**63 - 1:
        raise DateTimeError("overflow")
    minute, rest = integer(text[len(head) + 1 :])
    second = us = 0
    if not rest:
        if minute_to_second:
            hour, minute, second = 0, hour, minute
    elif rest[0] == ".":
        us = fraction_us(rest)
        hour, minute, second = 0, hour, minute
    elif rest[0] == ":":
        second, rest = integer(rest[1:])
        if rest:
            if rest[0] != ".":
                raise DateTimeError
            us = fraction_us(rest)
    else:
        raise DateTimeError
    if hour < 0 or not 0 <= minute <= 59 or not 0 <= second <= 60 or us > US_SECOND:
        raise DateTimeError("overflow")
    return hour, minute, second, us


def time_overflows(moment: Moment) -> bool:
    """Beyond 24:00:00."""
    return (
        not 0 <= moment.hour <= 24
        or not 0 <= moment.minute <= 59
        or not 0 <= moment.second <= 60
        or moment.time_us > US_DAY
    )
