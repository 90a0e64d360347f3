"""RANGE frames with an offset: what is within an offset of a value (PostgreSQL's in_range functions, 4.2.8)."""

from collections.abc import Callable
from typing import Any, NamedTuple

from server.sql import fn_datetime, fn_interval, fn_numeric
from server.sql.datetime_calendar import US_DAY
from server.sql.type_datetime import timetz_key
from server.sql.types import Type


class Ranging(NamedTuple):
    """How a type's values are compared, and where the edge of a range lies."""

    key: Callable[[Any], Any]
    """value -> a key in Python's order"""
    edge: Callable[[Any, int, Any], Any]
    """(value, +1 or -1, offset) -> the key of value ± offset"""


def is_negative(offset: Any) -> bool:
    """Whether an offset may not be used; intervals count a month as 30 days."""
    if not isinstance(offset, tuple):
        return bool(offset < 0)
    months, days, micros = offset
    return bool((months * 30 + days) * US_DAY + micros < 0)


def ranging(kind: Type, env: Any) -> Ranging:
    """For a column of this type; timestamps with time zone move in the session's zone."""
    key = kind.sort_key or _same
    if kind.name == "numeric":
        return Ranging(
            key, lambda v, sign, by: key((fn_numeric.add if sign > 0 else fn_numeric.subtract)(v, by))
        )
    if kind.category == "N":
        return Ranging(key, lambda v, sign, by: key(v + sign * by))
    if kind.name == "date":
        midnight = fn_datetime.date_to_timestamp
        return Ranging(
            midnight, lambda v, sign, by: fn_datetime.timestamp_plus(midnight(v), _signed(by, sign))
        )
    if kind.name == "timestamp":
        return Ranging(key, lambda v, sign, by: fn_datetime.timestamp_plus(v, _signed(by, sign)))
    if kind.name == "timestamptz":
        return Ranging(key, lambda v, sign, by: fn_datetime.moment_plus(env, v, _signed(by, sign)))
    if kind.name == "timetz":
        return Ranging(key, lambda v, sign, by: timetz_key((v[0] + sign * by.us, v[1])))
    if kind.name == "interval":
        return Ranging(key, lambda v, sign, by: key(fn_interval.add(v, _signed(by, sign))))
    return Ranging(key, lambda v, sign, by: v + sign * by.us)


def _same(value: Any) -> Any:
    return value


def _signed(span: Any, sign: int) -> Any:
    return span if sign > 0 else fn_interval.minus(span)
