"""Dates, times and intervals: their input, binary forms and typmods (PostgreSQL, chapter 8.5)."""

import re
import struct
from datetime import date, datetime
from typing import Any

from server.errors import PgError
from server.sql.datetime_calendar import (
    DATE_INFINITY,
    DATE_MINUS_INFINITY,
    END_DATE,
    END_TIMESTAMP,
    INFINITY,
    MIN_DATE,
    MIN_TIMESTAMP,
    MINUS_INFINITY,
    UNIX_EPOCH_DAYS,
    US_DAY,
    US_SECOND,
    days_of,
    is_valid_julian,
)
from server.sql.datetime_decode import decode_datetime, decode_time
from server.sql.datetime_encode import date_out, time_out, timestamp_out, timestamptz_out, timetz_out
from server.sql.datetime_fields import DateTimeError, parse_error
from server.sql.datetime_parts import Moment
from server.sql.env import Env
from server.sql.interval import Interval, checked, round_us
from server.sql.interval import apply_typmod as interval_typmod
from server.sql.interval_decode import interval_in
from server.sql.interval_encode import interval_out
from server.sql.type_io import Io, fixed

_ORDINAL = 730_120


def round_timestamp(value: int, precision: int) -> int:
    """At `precision` decimals of a second, half away from 2000-01-01."""
    if precision < 0 or precision >= 6 or value in (INFINITY, MINUS_INFINITY):
        return value
    return round_us(value, precision)


def round_time(value: int, precision: int) -> int:
    """At `precision` decimals of a second."""
    return round_us(value, precision) if 0 <= precision < 6 else value


def _decoded(text: str, env: Env, name: str) -> Moment:
    try:
        return decode_datetime(text, env)
    except DateTimeError as error:
        raise parse_error(error, name, text) from None


def _simple_date(text: str) -> int | None:
    """The days of exactly YYYY-MM-DD, when Python's calendar takes it."""
    if len(text) == 10 and text[4] == "-" == text[7] and text.isascii():
        try:
            return date.fromisoformat(text).toordinal() - _ORDINAL
        except ValueError:
            return None
    return None


def date_in(text: str, typmod: int, env: Env) -> int:
    """Days since 2000-01-01; 22007, 22008."""
    simple = _simple_date(text)
    if simple is not None:
        return simple
    moment = _decoded(text, env, "date")
    if moment.special:
        ends = {"infinity": DATE_INFINITY, "-infinity": DATE_MINUS_INFINITY, "epoch": UNIX_EPOCH_DAYS}
        return ends[moment.special]
    days = days_of(moment.year, moment.month, moment.day)
    if not is_valid_julian(moment.year, moment.month) or not MIN_DATE <= days < END_DATE:
        raise PgError("22008", f'date out of range: "{text}"')
    return days


def _simple_time(text: str) -> int | None:
    """µs of exactly HH:MM:SS[.ffffff]."""
    if len(text) < 8 or text[2] != ":" or text[5] != ":" or not text.isascii():
        return None
    hour, minute, second = text[:2], text[3:5], text[6:8]
    if not (hour + minute + second).isdigit() or hour > "23" or minute > "59" or second > "59":
        return None
    us = 0
    if len(text) > 8:
        part = text[9:]
        if text[8] != "." or len(part) > 6 or not part.isdigit():
            return None
        us = int(part.ljust(6, "0"))
    return ((int(hour) * 60 + int(minute)) * 60 + int(second)) * US_SECOND + us


_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"([+-](?:0[0-9]|1[0-5])(?::[0-5][0-9])?)?"
)
_EPOCH = datetime(2000, 1, 1)


def _simple_timestamp(text: str) -> tuple[int, int | None] | None:
    """(local µs, seconds east) of YYYY-MM-DD HH:MM:SS[.ffffff][+hh[:mm]], when Python's calendar takes it."""
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    zone = found[1]
    try:
        delta = datetime.fromisoformat(text[: found.start(1)] if zone else text) - _EPOCH
    except ValueError:
        return None
    local = (delta.days * 86_400 + delta.seconds) * US_SECOND + delta.microseconds
    if zone is None:
        return local, None
    offset = int(zone[1:3]) * 3600 + (int(zone[4:]) * 60 if len(zone) > 3 else 0)
    return local, -offset if zone[0] == "-" else offset


_SPECIALS = {"infinity": INFINITY, "-infinity": MINUS_INFINITY, "epoch": UNIX_EPOCH_DAYS * US_DAY}


def _in_range(moment: Moment, value: int, text: str) -> int:
    if not is_valid_julian(moment.year, moment.month) or not MIN_TIMESTAMP <= value < END_TIMESTAMP:
        raise PgError("22008", f'timestamp out of range: "{text}"')
    return value


def timestamp_in(text: str, typmod: int, env: Env) -> int:
    """µs since 2000-01-01; a zone in the text is ignored; 22007, 22008."""
    simple = _simple_timestamp(text)
    if simple is not None:
        value = simple[0]
    else:
        moment = _decoded(text, env, "timestamp")
        if moment.special:
            return _SPECIALS[moment.special]
        value = _in_range(moment, moment.local_us, text)
    return round_timestamp(value, typmod)


def timestamptz_in(text: str, typmod: int, env: Env) -> int:
    """µs since 2000-01-01 UTC; without a zone in the text the session's holds; 22007, 22008."""
    simple = _simple_timestamp(text)
    if simple is not None:
        local, east = simple
        value = local - (env.zone.local(local) if east is None else east) * US_SECOND
    else:
        moment = _decoded(text, env, "timestamp with time zone")
        if moment.special:
            return _SPECIALS[moment.special]
        value = _in_range(moment, moment.local_us + moment.west * US_SECOND, text)
    return round_timestamp(value, typmod)


def time_in(text: str, typmod: int, env: Env) -> int:
    """µs since midnight; 22007, 22008."""
    value = _simple_time(text)
    if value is None:
        value = _time(text, env, "time").time_us
    return round_time(value, typmod)


def timetz_in(text: str, typmod: int, env: Env) -> tuple[int, int]:
    """(µs since midnight, seconds west)"""
    moment = _time(text, env, "time with time zone")
    return round_time(moment.time_us, typmod), moment.west


def _time(text: str, env: Env, name: str) -> Moment:
    try:
        return decode_time(text, env)
    except DateTimeError as error:
        raise parse_error(error, name, text) from None


def timetz_key(value: tuple[int, int]) -> tuple[int, int]:
    """By the moment in UTC, then by the zone."""
    return value[0] + value[1] * US_SECOND, value[1]


_int4, _int8, _int8_int4, _interval = fixed("!i"), fixed("!q"), fixed("!qi"), fixed("!qii")


def _date_recv(data: bytes, typmod: int, env: Env) -> int:
    (value,) = _int4(data)
    if value not in (DATE_INFINITY, DATE_MINUS_INFINITY) and not MIN_DATE <= value < END_DATE:
        raise PgError("22008", "date out of range")
    return int(value)


def _date_send(value: int, env: Env) -> bytes:
    return struct.pack("!i", value)


def _int8_send(value: int, env: Env) -> bytes:
    return struct.pack("!q", value)


def _timestamp_recv(data: bytes, typmod: int, env: Env) -> int:
    (value,) = _int8(data)
    if value not in (INFINITY, MINUS_INFINITY) and not MIN_TIMESTAMP <= value < END_TIMESTAMP:
        raise PgError("22008", "timestamp out of range")
    return round_timestamp(value, typmod)


def _time_recv(data: bytes, typmod: int, env: Env) -> int:
    (value,) = _int8(data)
    if not 0 <= value <= US_DAY:
        raise PgError("22008", "time out of range")
    return round_time(value, typmod)


def _timetz_recv(data: bytes, typmod: int, env: Env) -> tuple[int, int]:
    value, west = _int8_int4(data)
    if not 0 <= value <= US_DAY:
        raise PgError("22008", "time out of range")
    if not -57_599 <= west <= 57_599:
        raise PgError("22009", "time zone displacement out of range")
    return round_time(value, typmod), west


def _timetz_send(value: tuple[int, int], env: Env) -> bytes:
    return struct.pack("!qi", *value)


def _interval_recv(data: bytes, typmod: int, env: Env) -> Interval:
    us, days, months = _interval(data)
    return interval_typmod(checked(months, days, us), typmod)


def _interval_send(value: Interval, env: Env) -> bytes:
    return struct.pack("!qii", value.us, value.days, value.months)


def _interval_unpack(value: Any) -> Interval:
    return Interval(*value)


def _timetz_unpack(value: Any) -> tuple[int, int]:
    return value[0], value[1]


DATETIMES: dict[str, Io] = {
    "date": Io(date_in, date_out, _date_recv, _date_send, "int"),
    "time": Io(time_in, time_out, _time_recv, _int8_send, "int"),
    "timestamp": Io(timestamp_in, timestamp_out, _timestamp_recv, _int8_send, "int"),
    "timestamptz": Io(timestamptz_in, timestamptz_out, _timestamp_recv, _int8_send, "int"),
    "timetz": Io(timetz_in, timetz_out, _timetz_recv, _timetz_send, None, timetz_key, list, _timetz_unpack),
    "interval": Io(
        interval_in, interval_out, _interval_recv, _interval_send, None, None, list, _interval_unpack
    ),
}
