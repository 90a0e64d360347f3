"""to_char of timestamps and intervals (PostgreSQL: formatting.c; chapter 9.8)."""

import re
from functools import lru_cache
from typing import Any, NamedTuple

from server.errors import PgError
from server.sql.datetime_calendar import (
    EPOCH_JULIAN,
    US_DAY,
    US_HOUR,
    US_MINUTE,
    US_SECOND,
    date_of,
    days_of,
    weekday,
)
from server.sql.fn_datetime_parts import iso_week, iso_week_start
from server.sql.fn_interval import ENDLESS
from server.sql.fn_to_char_number import ordinal
from server.sql.functions import sql
from server.sql.interval import Interval
from server.sql.sizes import template_fits

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
_KEYS = [
    "A.D.",
    "A.M.",
    "AD",
    "AM",
    "B.C.",
    "BC",
    "CC",
    "DAY",
    "DDD",
    "DD",
    "DY",
    "Day",
    "Dy",
    "D",
    "FF1",
    "FF2",
    "FF3",
    "FF4",
    "FF5",
    "FF6",
    "FX",
    "HH24",
    "HH12",
    "HH",
    "IDDD",
    "ID",
    "IW",
    "IYYY",
    "IYY",
    "IY",
    "I",
    "J",
    "MI",
    "MM",
    "MONTH",
    "MON",
    "MS",
    "Month",
    "Mon",
    "OF",
    "P.M.",
    "PM",
    "Q",
    "RM",
    "SSSSS",
    "SSSS",
    "SS",
    "TZH",
    "TZM",
    "TZ",
    "US",
    "WW",
    "W",
    "Y,YYY",
    "YYYY",
    "YYY",
    "YY",
    "Y",
    "a.d.",
    "a.m.",
    "ad",
    "am",
    "b.c.",
    "bc",
    "cc",
    "day",
    "ddd",
    "dd",
    "dy",
    "d",
    "ff1",
    "ff2",
    "ff3",
    "ff4",
    "ff5",
    "ff6",
    "fx",
    "hh24",
    "hh12",
    "hh",
    "iddd",
    "id",
    "iw",
    "iyyy",
    "iyy",
    "iy",
    "i",
    "j",
    "mi",
    "mm",
    "month",
    "mon",
    "ms",
    "of",
    "p.m.",
    "pm",
    "q",
    "rm",
    "sssss",
    "ssss",
    "ss",
    "tzh",
    "tzm",
    "tz",
    "us",
    "ww",
    "w",
    "y,yyy",
    "yyyy",
    "yyy",
    "yy",
    "y",
]
KEYWORD = "|".join(re.escape(key) for key in sorted(_KEYS, key=lambda key: -len(key)))
"""A pattern for the keywords of templates, longer ones first."""
_NODE = re.compile(
    rf'"((?:[^"\\]|\\.)*)"?|((?:FM|fm|TM|tm)*)({KEYWORD})(TH|th|SP|sp)?|\\(["\\])|(.)', re.DOTALL
)


class Node(NamedTuple):
    """A piece of a template: a keyword with its prefix FM and its ending, or literal text (key empty)."""

    key: str
    fill: bool
    ending: str
    text: str


@lru_cache(maxsize=512)
def nodes(template: str) -> tuple[Node, ...]:
    """The template's pieces; 54000."""
    template_fits(template)
    made = []
    for quoted, prefix, key, ending, escaped, other in _NODE.findall(template):
        if key:
            made.append(Node(key, "FM" in prefix.upper(), ending, ""))
        elif escaped or other:
            made.append(Node("", False, "", escaped or other))
        else:
            made.append(Node("", False, "", re.sub(r"\\(.)", r"\1", quoted)))
    return tuple(made)


class Parts(NamedTuple):
    """The fields that templates show."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    us: int
    days: int
    """Days since 2000-01-01."""
    is_interval: bool
    zone: str
    east: int


def _number(value: int, width: int, fill: bool) -> str:
    """C's %0*d, wider by the sign."""
    if fill:
        return str(value)
    return f"{value:0{width if value >= 0 else width + 1}d}"


def _cased(word: str, key: str) -> str:
    if key.isupper() or key[:2].isupper():
        return word.upper()
    return word.lower() if key.islower() else word


def _clock(key: str, p: Parts, fill: bool) -> str | None:
    """Fields of the time of day."""
    if key in ("HH", "HH12"):
        hour = abs(p.hour) % 12 or 12
        return _number(hour if p.hour >= 0 or hour == 12 else -hour, 2, fill)
    plain = {"HH24": p.hour, "MI": p.minute, "SS": p.second}
    if key in plain:
        return _number(plain[key], 2, fill)
    if key in ("MS", "US"):
        return _number(p.us // 1000 if key == "MS" else p.us, 3 if key == "MS" else 6, False)
    if key.startswith("FF"):
        digits = int(key[2])
        return _number(p.us // 10 ** (6 - digits), digits, False)
    if key in ("SSSS", "SSSSS"):
        return str(p.hour * 3600 + p.minute * 60 + p.second)
    return None


def _year(key: str, p: Parts, fill: bool) -> str | None:
    """Years and centuries."""
    year = p.year
    if key.startswith("I") and not p.is_interval:
        year = iso_week(p.days)[0]
    shown = year if p.is_interval or year > 0 else -(year - 1)
    letters = key.lstrip("I") if key != "I" else "Y"
    if key == "Y,YYY":
        return f"{shown // 1000},{shown % 1000:03d}"
    if key in ("YYYY", "IYYY"):
        return _number(shown, 4, fill)
    if key in ("YYY", "IYY", "YY", "IY", "Y", "I"):
        width = len(letters) + (1 if key in ("IYY", "IY") else 0)
        return _number(shown % 10**width, width, fill)
    if key == "CC":
        century = _century(year, p.is_interval)
        return _number(century, 2, fill) if -99 <= century <= 99 else str(century)
    return None


def _century(year: int, is_interval: bool) -> int:
    if is_interval:
        return year // 100 if year >= 0 else -(-year // 100)
    return (year - 1) // 100 + 1 if year > 0 else -(-year // 100) - 1


def _date(key: str, p: Parts, fill: bool) -> str | None:
    """Days, weeks and months in figures."""
    if key == "MM":
        return _number(p.month, 2, fill)
    if key == "DD":
        return _number(p.day, 2, fill)
    if key == "Q":
        return str((p.month - 1) // 3 + 1) if p.month else ""
    if key == "W":
        return str((p.day - 1) // 7 + 1)
    if key == "J":
        return str(p.days + EPOCH_JULIAN)
    if key == "D":
        return str(weekday(p.days) + 1)
    if key == "ID":
        return str(weekday(p.days) or 7)
    day_of_year = (
        p.days - days_of(p.year, 1, 1) + 1 if not p.is_interval else p.year * 360 + p.month * 30 + p.day
    )
    if key == "DDD":
        return _number(day_of_year, 3, fill)
    if key == "WW":
        return _number((day_of_year - 1) // 7 + 1, 2, fill)
    if key == "IW":
        return _number(iso_week(p.days)[1], 2, fill)
    if key == "IDDD":
        return _number(p.days - iso_week_start(iso_week(p.days)[0], 1) + 1, 3, fill)
    return None


def _words(node: Node, p: Parts) -> str | None:
    """Fields in letters."""
    key, upper = node.key, node.key.upper()
    dots = "." in key
    if upper.replace(".", "") in ("AM", "PM"):
        word = "PM" if p.hour % 24 >= 12 else "AM"
    elif upper.replace(".", "") in ("AD", "BC"):
        _refuse_interval(p)
        word = "BC" if p.year <= 0 else "AD"
    elif upper in ("MONTH", "MON", "DAY", "DY"):
        return _name(node, upper, p)
    elif upper == "RM":
        if not p.month:
            return ""
        roman = ROMAN[p.month - 1] if p.month > 0 else ROMAN[p.month + 12]
        roman = roman if key == "RM" else roman.lower()
        return roman if node.fill else f"{roman:<4}"
    else:
        return _zone(key, upper, p)
    word = word if key.isupper() else word.lower()
    return f"{word[0]}.{word[1]}." if dots else word


def _name(node: Node, upper: str, p: Parts) -> str:
    _refuse_interval(p)
    name = MONTHS[p.month - 1] if upper in ("MONTH", "MON") else DAYS[weekday(p.days)]
    short = upper in ("MON", "DY")
    text = _cased(name[:3] if short else name, node.key)
    return text if short or node.fill else f"{text:<9}"


def _zone(key: str, upper: str, p: Parts) -> str | None:
    if upper not in ("TZ", "TZH", "TZM", "OF"):
        return None
    _refuse_interval(p)
    sign, magnitude = "+" if p.east >= 0 else "-", abs(p.east)
    if upper == "TZ":
        return p.zone if key == "TZ" else p.zone.lower()
    if upper == "TZH":
        return f"{sign}{magnitude // 3600:02d}"
    if upper == "TZM":
        return f"{magnitude // 60 % 60:02d}"
    minutes = f":{magnitude // 60 % 60:02d}" if magnitude // 60 % 60 else ""
    return f"{sign}{magnitude // 3600:02d}{minutes}"


def _refuse_interval(p: Parts) -> None:
    if p.is_interval:
        hint = "Intervals are not tied to specific calendar dates."
        raise PgError("22007", "invalid format specification for an interval value", hint=hint)


_CALENDAR_ONLY = frozenset(("D", "ID"))


def formatted(template: str, p: Parts) -> str:
    """The template filled; 22007."""
    made = []
    for node in nodes(template):
        if not node.key:
            made.append(node.text)
            continue
        upper = node.key.upper()
        if upper in _CALENDAR_ONLY:
            _refuse_interval(p)
        if upper == "FX":
            continue
        words = _words(node, p)
        if words is not None:
            made.append(words)
            continue
        text = _clock(upper, p, node.fill)
        text = text if text is not None else _year(upper, p, node.fill)
        text = text if text is not None else _date(upper, p, node.fill)
        if text and node.ending.upper() == "TH":
            ending = ordinal(text)
            text += ending.upper() if node.ending == "TH" else ending
        made.append(text or "")
    return "".join(made)


def _parts(local: int, zone: str, east: int) -> Parts:
    days, clock = divmod(local, US_DAY)
    year, month, day = date_of(days)
    return Parts(
        year,
        month,
        day,
        clock // US_HOUR,
        clock // US_MINUTE % 60,
        clock // US_SECOND % 60,
        clock % US_SECOND,
        days,
        False,
        zone,
        east,
    )


@sql("2049 to_char(timestamp,text) text s")
def timestamp_to_char(value: int, template: str) -> str | None:
    """NULL for infinite times and empty templates."""
    return formatted(template, _parts(value, "", 0)) if template and value not in ENDLESS else None


@sql("1770 to_char(timestamptz,text) text s", env=True)
def timestamptz_to_char(env: Any, value: int, template: str) -> str | None:
    """In the session's zone."""
    if not template or value in ENDLESS:
        return None
    east, _, abbreviation = env.zone.at(value)
    return formatted(template, _parts(value + east * US_SECOND, abbreviation, east))


def _quotient(value: int, unit: int) -> tuple[int, int]:
    whole = abs(value) // unit
    whole = whole if value >= 0 else -whole
    return whole, value - whole * unit


@sql("1768 to_char(interval,text) text s")
def interval_to_char(value: Interval, template: str) -> str | None:
    """22007 for fields of the calendar."""
    if not template:
        return None
    year, month = _quotient(value.months, 12)
    hour, rest = _quotient(value.us, US_HOUR)
    minute, rest = _quotient(rest, US_MINUTE)
    second, us = _quotient(rest, US_SECOND)
    return formatted(
        template, Parts(year, month, value.days, hour, minute, second, us, value.days, True, "", 0)
    )
