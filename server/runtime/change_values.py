"""Stored column values as DSQL's change data capture has them in JSON (its user guide, "Understanding CDC records").

smallint ... bigint, oid, boolean      number, true or false
real, double precision                 number; "NaN", "Infinity", "-Infinity"
numeric                                string, with its scale; the same three
text, varchar                          string; char(n) without its trailing spaces
bytea                                  string, base64
uuid, json, jsonb                      string
date                                   days since 1970; infinite: as far from 1970 as PostgreSQL's own number
time, timetz                           microseconds since midnight; of timetz in UTC
timestamp, timestamptz                 microseconds since 1970; infinite: two numbers of their own
interval                               microseconds, a month of 30.4375 days
NULL, and what 64 bits can't hold      null
"""

import base64
import math
import uuid
from collections.abc import Callable
from typing import Any

from server.catalog.descriptor import Column, Oid
from server.sql import types
from server.sql.datetime_calendar import INFINITY, MINUS_INFINITY
from server.sql.env import Env
from server.sql.types import BY_OID

_EPOCH_DAYS = 10_957
"""From 1970-01-01 to 2000-01-01."""
_DAY_US = 86_400_000_000
_EPOCH_US = _EPOCH_DAYS * _DAY_US
_MONTH_US = 2_629_800_000_000
TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY = 9_223_372_036_825_200_000, -9_223_372_036_832_400_000
_MOST = 2**63 - 1
_ENV = Env()


def json_value(column: Column, stored: Any) -> Any:
    """A stored value (storage.rowcode) as JSON has it."""
    if stored is None:
        return None
    kind = BY_OID[column.type_oid]
    convert = _CONVERTERS.get(kind.oid)
    if convert is not None:
        return convert(stored)
    if isinstance(stored, bool | int | str) and kind.pack is None:
        return stored
    return kind.output(stored if kind.unpack is None else kind.unpack(stored), _ENV)


def _float8(value: float) -> float | str:
    return value if math.isfinite(value) else _special(value)


def _float4(value: float) -> float | str:
    return float(types.FLOAT4.output(value, _ENV)) if math.isfinite(value) else _special(value)


def _special(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _bytea(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _uuid(value: bytes) -> str:
    return str(uuid.UUID(bytes=value))


def _bpchar(value: str) -> str:
    return value.rstrip(" ")


def _date(value: int) -> int:
    return value + _EPOCH_DAYS


def _timetz(value: list[int]) -> int:
    microseconds, west_s = value
    return (microseconds + west_s * 1_000_000) % _DAY_US


def _timestamp(value: int) -> int | None:
    if value in (INFINITY, MINUS_INFINITY):
        return TIMESTAMP_INFINITY if value > 0 else TIMESTAMP_MINUS_INFINITY
    return _bounded(value + _EPOCH_US)


def _interval(value: list[int]) -> int | None:
    months, days, microseconds = value
    return _bounded(months * _MONTH_US + days * _DAY_US + microseconds)


def _bounded(value: int) -> int | None:
    return value if -_MOST <= value <= _MOST else None


_CONVERTERS: dict[Oid, Callable[[Any], Any]] = {
    types.BYTEA.oid: _bytea,
    types.UUID.oid: _uuid,
    types.NUMERIC.oid: str,
    types.FLOAT4.oid: _float4,
    types.FLOAT8.oid: _float8,
    types.BPCHAR.oid: _bpchar,
    types.DATE.oid: _date,
    types.TIMETZ.oid: _timetz,
    types.TIMESTAMP.oid: _timestamp,
    types.TIMESTAMPTZ.oid: _timestamp,
    types.INTERVAL.oid: _interval,
}
