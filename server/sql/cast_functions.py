"""What the casts of pg_cast do to values (PostgreSQL, chapters 8 and 9)."""

import math
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from server.errors import PgError
from server.sql import numeric
from server.sql.datetime_calendar import (
    DATE_INFINITY,
    DATE_MINUS_INFINITY,
    END_TIMESTAMP,
    INFINITY,
    MIN_TIMESTAMP,
    MINUS_INFINITY,
    US_DAY,
    US_SECOND,
)
from server.sql.env import Env
from server.sql.interval import Interval
from server.sql.type_float import float4_in, float8_in, to_single
from server.sql.type_json import Jsonb
from server.sql.type_mac import narrowed, widened
from server.sql.type_network import Inet, full_text, network_of
from server.sql.type_range import Multirange, Range
from server.sql.type_table import Type
from server.sql.type_text import truncate_name

_NAMES = {"int2": ("smallint", 15), "int4": ("integer", 31), "int8": ("bigint", 63)}


def identity(value: Any, env: Env) -> Any:
    """The value as it is."""
    return value


def _out_of_range(kind: str) -> PgError:
    return PgError("22003", f"{_NAMES[kind][0]} out of range")


def _fit(value: int, kind: str) -> int:
    limit = 1 << _NAMES[kind][1]
    if -limit <= value < limit:
        return value
    raise _out_of_range(kind)


def to_int2(value: int, env: Env) -> int:
    """22003"""
    return _fit(value, "int2")


def to_int4(value: int, env: Env) -> int:
    """22003"""
    return _fit(value, "int4")


def int8_to_oid(value: int, env: Env) -> int:
    """22003"""
    if 0 <= value < 1 << 32:
        return value
    raise PgError("22003", "OID out of range")


def int_to_oid(value: int, env: Env) -> int:
    """The same 32 bits without a sign."""
    return value & 0xFFFFFFFF


def oid_to_int4(value: int, env: Env) -> int:
    """The same 32 bits with a sign."""
    return value - (1 << 32) if value >= 1 << 31 else value


def bool_to_int(value: bool, env: Env) -> int:
    """1 or 0"""
    return int(value)


def int_to_bool(value: int, env: Env) -> bool:
    """Not zero"""
    return value != 0


def bool_to_text(value: bool, env: Env) -> str:
    """The whole word, unlike output."""
    return "true" if value else "false"


def trim(value: str, env: Env) -> str:
    """bpchar's padding is no part of a text."""
    return value.rstrip(" ")


def text_to_char(value: str, env: Env) -> str:
    """The first byte, or \\ooo."""
    from_octal = len(value) == 4 and value[0] == "\\" and all(c in "01234567" for c in value[1:])
    code = int(value[1:], 8) & 255 if from_octal else (value.encode()[0] if value else 0)
    return chr(code).strip("\0")


def text_to_name(value: str, env: Env) -> str:
    """At most 63 bytes."""
    return truncate_name(value)


def bpchar_to_name(value: str, env: Env) -> str:
    """Without padding, at most 63 bytes."""
    return truncate_name(value.rstrip(" "))


def text_to_regclass(value: str, env: Env) -> int:
    """The relation of that name."""
    return env.reg_input("regclass", value)


def char_to_int(value: str, env: Env) -> int:
    """The byte with a sign."""
    code = ord(value) if value else 0
    return code - 256 if code > 127 else code


def int_to_char(value: int, env: Env) -> str:
    """22003"""
    if not -128 <= value <= 127:
        raise PgError("22003", '"char" out of range')
    return chr(value & 255).strip("\0")


def int_to_float8(value: int, env: Env) -> float:
    """The nearest double."""
    return float(value)


def int_to_float4(value: int, env: Env) -> float:
    """The nearest float4, rounded once."""
    double = float(value)
    if int(double) == value:
        return to_single(double)
    return float4_in(str(value), -1, env)


def int_to_numeric(value: int, env: Env) -> Decimal:
    """Exact"""
    return Decimal(value)


def _float_to_int(kind: str) -> Callable[[float, Env], int]:
    def convert(value: float, env: Env) -> int:
        if math.isfinite(value):
            return _fit(round(value), kind)
        raise _out_of_range(kind)

    return convert


float_to_int2, float_to_int4, float_to_int8 = map(_float_to_int, ("int2", "int4", "int8"))


def float8_to_float4(value: float, env: Env) -> float:
    """22003 when it becomes infinite or zero."""
    single = to_single(value)
    if math.isinf(single) and not math.isinf(value):
        raise PgError("22003", "value out of range: overflow")
    if single == 0.0 and value != 0.0:
        raise PgError("22003", "value out of range: underflow")
    return single


def _float_to_numeric(value: float, digits: int) -> Decimal:
    if math.isfinite(value):
        return numeric.parse(f"{value:.{digits}g}")
    return numeric.NAN if value != value else numeric.INFINITY if value > 0 else numeric.NEGATIVE_INFINITY


def float8_to_numeric(value: float, env: Env) -> Decimal:
    """15 digits"""
    return _float_to_numeric(value, 15)


def float4_to_numeric(value: float, env: Env) -> Decimal:
    """6 digits"""
    return _float_to_numeric(value, 6)


def _numeric_to_int(kind: str) -> Callable[[Decimal, Env], int]:
    name = _NAMES[kind][0]

    def convert(value: Decimal, env: Env) -> int:
        if not value.is_finite():
            raise PgError("0A000", f"cannot convert {'NaN' if value.is_nan() else 'infinity'} to {name}")
        if value and value.adjusted() > 20:
            raise _out_of_range(kind)
        return _fit(int(value.to_integral_value(ROUND_HALF_UP)), kind)

    return convert


numeric_to_int2, numeric_to_int4, numeric_to_int8 = map(_numeric_to_int, ("int2", "int4", "int8"))


def numeric_to_float8(value: Decimal, env: Env) -> float:
    """By way of text; 22003."""
    return float8_in(numeric.render(value), -1, env)


def numeric_to_float4(value: Decimal, env: Env) -> float:
    """By way of text; 22003."""
    return float4_in(numeric.render(value), -1, env)


def _timestamp(value: int) -> int:
    if MIN_TIMESTAMP <= value < END_TIMESTAMP:
        return value
    raise PgError("22008", "timestamp out of range")


def date_to_timestamp(value: int, env: Env) -> int:
    """Midnight; 22008."""
    if value in (DATE_INFINITY, DATE_MINUS_INFINITY):
        return INFINITY if value > 0 else MINUS_INFINITY
    if value * US_DAY >= END_TIMESTAMP:
        raise PgError("22008", "date out of range for timestamp")
    return value * US_DAY


def date_to_timestamptz(value: int, env: Env) -> int:
    """Midnight in the session's zone; 22008."""
    if value in (DATE_INFINITY, DATE_MINUS_INFINITY):
        return INFINITY if value > 0 else MINUS_INFINITY
    local = value * US_DAY
    utc = local - env.zone.local(local) * US_SECOND
    if not MIN_TIMESTAMP <= utc < END_TIMESTAMP or local >= END_TIMESTAMP:
        raise PgError("22008", "date out of range for timestamp")
    return utc


def timestamp_to_date(value: int, env: Env) -> int:
    """The day"""
    if value in (INFINITY, MINUS_INFINITY):
        return DATE_INFINITY if value > 0 else DATE_MINUS_INFINITY
    return value // US_DAY


def timestamp_to_time(value: int, env: Env) -> int | None:
    """The time of day; NULL for infinity."""
    return None if value in (INFINITY, MINUS_INFINITY) else value % US_DAY


def timestamp_to_timestamptz(value: int, env: Env) -> int:
    """The moment at which the session's clock shows it; 22008."""
    if value in (INFINITY, MINUS_INFINITY):
        return value
    return _timestamp(value - env.zone.local(value) * US_SECOND)


def timestamptz_to_timestamp(value: int, env: Env) -> int:
    """What the session's clock shows; 22008."""
    if value in (INFINITY, MINUS_INFINITY):
        return value
    return _timestamp(value + env.zone.at(value)[0] * US_SECOND)


def timestamptz_to_date(value: int, env: Env) -> int:
    """The day by the session's clock."""
    return timestamp_to_date(timestamptz_to_timestamp(value, env), env)


def timestamptz_to_time(value: int, env: Env) -> int | None:
    """The time by the session's clock; NULL for infinity."""
    return timestamp_to_time(timestamptz_to_timestamp(value, env), env)


def timestamptz_to_timetz(value: int, env: Env) -> tuple[int, int] | None:
    """The time and offset of the session's clock; NULL for infinity."""
    if value in (INFINITY, MINUS_INFINITY):
        return None
    east = env.zone.at(value)[0]
    return (value + east * US_SECOND) % US_DAY, -east


def time_to_interval(value: int, env: Env) -> Interval:
    """The span since midnight."""
    return Interval(0, 0, value)


def time_to_timetz(value: int, env: Env) -> tuple[int, int]:
    """With today's offset of the session's zone."""
    today = (env.now + env.zone.at(env.now)[0] * US_SECOND) // US_DAY
    return value, -env.zone.local(today * US_DAY + value)


def timetz_to_time(value: tuple[int, int], env: Env) -> int:
    """Without the zone"""
    return value[0]


def interval_to_time(value: Interval, env: Env) -> int:
    """The part of a day"""
    return value.us % US_DAY


_JSON_KINDS = {
    dict: "object", list: "array", str: "string", bool: "boolean", Decimal: "numeric", type(None): "null",
}  # fmt: skip
_FROM_NUMERIC: dict[str, Callable[[Decimal, Env], Any]] = {
    "numeric": identity, "int2": numeric_to_int2, "int4": numeric_to_int4, "int8": numeric_to_int8,
    "float4": numeric_to_float4, "float8": numeric_to_float8,
}  # fmt: skip
JSON_TARGETS = {
    "bool": "boolean", "numeric": "numeric", "int2": "smallint", "int4": "integer", "int8": "bigint",
    "float4": "real", "float8": "double precision",
}  # fmt: skip
"""What jsonb is cast to, and the names in the error's text."""


def jsonb_to(kind: str) -> Callable[[Jsonb, Env], Any]:
    """From a jsonb number or boolean; 22023."""
    wanted = bool if kind == "bool" else Decimal

    def convert(value: Jsonb, env: Env) -> Any:
        held = value.value
        if not isinstance(held, wanted):
            found = _JSON_KINDS[type(held)]
            raise PgError("22023", f"cannot cast jsonb {found} to type {JSON_TARGETS[kind]}")
        return _FROM_NUMERIC[kind](held, env) if isinstance(held, Decimal) else held

    return convert


def through_text(source: Type, target: Type) -> Callable[[Any, Env], Any]:
    """The source's output into the target's input."""
    write, read = source.output, target.input

    def convert(value: Any, env: Env) -> Any:
        return read(write(value, env), -1, env)

    return convert


def inet_to_cidr(value: Inet, env: Env) -> Inet:
    """Without the bits of the host."""
    return network_of(value, value.bits)


def inet_to_text(value: Inet, env: Env) -> str:
    """Always with the width of the network, unlike output."""
    return full_text(value)


def macaddr_to_macaddr8(value: bytes, env: Env) -> bytes:
    """ff:fe in the middle."""
    return widened(value)


def macaddr8_to_macaddr(value: bytes, env: Env) -> bytes:
    """Without ff:fe in the middle; 22003."""
    return narrowed(value)


def to_multirange(value: Range, env: Env) -> Multirange:
    """The multirange with one range, or none if that is empty."""
    return value.kind.multirange([value])
