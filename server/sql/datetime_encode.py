"""Dates and times as text in the styles of DateStyle (EncodeDateTime; PostgreSQL, chapter 8.5.2)."""

from datetime import date

from server.sql.datetime_calendar import (
    DATE_INFINITY,
    DATE_MINUS_INFINITY,
    DAYS,
    INFINITY,
    MINUS_INFINITY,
    MONTHS,
    US_DAY,
    US_SECOND,
    date_of,
    weekday,
)
from server.sql.env import Env

_ORDINAL = 730_120
_FIRST_DAY, _LAST_DAY = -730_119, 2_921_939
"""The years 1 to 9999, which Python prints by itself."""
_from_ordinal = date.fromordinal


def clock_text(us: int) -> str:
    """hh:mm:ss with as many decimals as needed."""
    second, part = divmod(us, US_SECOND)
    text = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    return text if not part else f"{text}.{part:06d}".rstrip("0")


def offset_text(west: int) -> str:
    """+hh[:mm[:ss]], east positive."""
    minutes, seconds = divmod(abs(west), 60)
    hours, minutes = divmod(minutes, 60)
    sign = "+" if west <= 0 else "-"
    if seconds:
        return f"{sign}{hours:02d}:{minutes:02d}:{seconds:02d}"
    return f"{sign}{hours:02d}:{minutes:02d}" if minutes else f"{sign}{hours:02d}"


def date_out(value: int, env: Env) -> str:
    """As DateStyle says."""
    if value == DATE_INFINITY:
        return "infinity"
    if value == DATE_MINUS_INFINITY:
        return "-infinity"
    if env.datestyle == "ISO" and _FIRST_DAY <= value <= _LAST_DAY:
        return _from_ordinal(value + _ORDINAL).isoformat()
    year, month, day = date_of(value)
    bc = year <= 0
    if bc:
        year = 1 - year
    if env.datestyle == "ISO":
        text = f"{year:04d}-{month:02d}-{day:02d}"
    elif env.datestyle == "German":
        text = f"{day:02d}.{month:02d}.{year:04d}"
    else:
        first, second = (day, month) if env.dateorder == "DMY" else (month, day)
        separator = "/" if env.datestyle == "SQL" else "-"
        text = f"{first:02d}{separator}{second:02d}{separator}{year:04d}"
    return text + " BC" if bc else text


def time_out(value: int, env: Env) -> str:
    """The same in every style."""
    return clock_text(value)


def timetz_out(value: tuple[int, int], env: Env) -> str:
    """The same in every style."""
    return clock_text(value[0]) + offset_text(value[1])


def timestamp_out(value: int, env: Env) -> str:
    """As DateStyle says."""
    if value == INFINITY:
        return "infinity"
    if value == MINUS_INFINITY:
        return "-infinity"
    return datetime_text(value, env, None, "")


def timestamptz_out(value: int, env: Env) -> str:
    """In the session's time zone, as DateStyle says."""
    if value == INFINITY:
        return "infinity"
    if value == MINUS_INFINITY:
        return "-infinity"
    east, _, abbreviation = env.zone.at(value)
    return datetime_text(value + east * US_SECOND, env, -east, abbreviation)


def datetime_text(local: int, env: Env, west: int | None, abbreviation: str) -> str:
    """µs of the local clock as text; `west` None: no zone is printed."""
    days, us = divmod(local, US_DAY)
    if env.datestyle == "ISO" and _FIRST_DAY <= days <= _LAST_DAY:
        text = f"{_from_ordinal(days + _ORDINAL).isoformat()} {clock_text(us)}"
        return text if west is None else text + offset_text(west)
    year, month, day = date_of(days)
    bc = " BC" if year <= 0 else ""
    if bc:
        year = 1 - year
    clock = clock_text(us)
    zone = "" if west is None else offset_text(west)
    if env.datestyle == "ISO":
        return f"{year:04d}-{month:02d}-{day:02d} {clock}{zone}{bc}"
    if zone and abbreviation:
        zone = " " + abbreviation[:10]
    if env.datestyle == "German":
        return f"{day:02d}.{month:02d}.{year:04d} {clock}{zone}{bc}"
    if env.datestyle == "SQL":
        first, second = (day, month) if env.dateorder == "DMY" else (month, day)
        return f"{first:02d}/{second:02d}/{year:04d} {clock}{zone}{bc}"
    name = MONTHS[month - 1]
    order = f"{day:02d} {name}" if env.dateorder == "DMY" else f"{name} {day:02d}"
    if zone and not abbreviation:
        zone = " " + zone
    return f"{DAYS[weekday(days)]} {order} {clock} {year:04d}{zone}{bc}"
