"""numeric: Decimal with its display scale, text and base-10000 binary forms (PostgreSQL, chapter 8.1.2)."""

import re
import struct
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_HALF_UP, Context, Decimal

from server.errors import PgError
from server.sql.env import Env
from server.sql.type_io import LEFTOVER, SPACES, Io, bad_syntax

EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, rounding=ROUND_HALF_UP, traps=[])
"""Arithmetic that never rounds; results with endless fractions are the caller's to avoid."""
MAX_WEIGHT_DIGITS = 131_072
MAX_SCALE = 16_383
NAN = Decimal("NaN")
INFINITY = Decimal("Infinity")
NEGATIVE_INFINITY = Decimal("-Infinity")
_NUMBER = re.compile(
    r"([+-]?)(?:(\d(?:_?\d)*)?(?:\.((?:\d(?:_?\d)*)?))?)(?:[eE]([+-]?\d(?:_?\d)*))?", re.ASCII
)
_PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_BASED = re.compile(r"([+-]?)0(?:[xX]((?:_?[0-9a-fA-F])+)|[oO]((?:_?[0-7])+)|[bB]((?:_?[01])+))", re.ASCII)
_HEAD = struct.Struct("!hhHH")
_SPECIALS = {"nan": NAN, "inf": INFINITY, "infinity": INFINITY}
_SIGNS = {0xC000: NAN, 0xD000: INFINITY, 0xF000: NEGATIVE_INFINITY}


def overflow() -> PgError:
    """22003: beyond what numeric can hold."""
    return PgError("22003", "value overflows numeric format")


def checked(value: Decimal) -> Decimal:
    """A result within numeric's limits: at most 16,383 decimals, 131,072 digits before the point (22003)."""
    if not value.is_finite():
        return value
    exponent = value.as_tuple().exponent
    if value.is_signed() and value.is_zero():
        value = value.copy_abs()
    if isinstance(exponent, int) and exponent > 0:
        value = value.quantize(Decimal(1), context=EXACT)
    elif isinstance(exponent, int) and exponent < -MAX_SCALE:
        value = value.quantize(Decimal((0, (1,), -MAX_SCALE)), context=EXACT)
    if value and value.adjusted() >= MAX_WEIGHT_DIGITS:
        raise overflow()
    return value


def split_typmod(typmod: int) -> tuple[int, int]:
    """(precision, scale) of a numeric typmod."""
    packed = typmod - 4
    return packed >> 16 & 0xFFFF, ((packed & 0x7FF) ^ 1024) - 1024


def make_typmod(precision: int, scale: int) -> int:
    """The typmod of numeric(precision, scale)."""
    return (precision << 16 | scale & 0x7FF) + 4


def apply_typmod(value: Decimal, typmod: int) -> Decimal:
    """Rounded half away from zero to the declared scale; 22003 when it does not fit the precision."""
    if typmod < 4 or value.is_nan():
        return value
    precision, scale = split_typmod(typmod)
    if value.is_infinite():
        raise _field_overflow(precision, scale, "an infinite value")
    rounded = rounded_to(value, scale)
    if rounded and rounded.adjusted() >= precision - scale:
        digits = precision - scale
        power = f"10^{digits}" if digits else "1"
        raise _field_overflow(precision, scale, f"an absolute value less than {power}")
    return rounded


def rounded_to(value: Decimal, scale: int) -> Decimal:
    """Half away from zero at `scale` decimals, which may be negative; the display scale is at least 0."""
    if scale < -MAX_WEIGHT_DIGITS:
        return Decimal(0)
    result = value.quantize(Decimal((0, (1,), -scale)), context=EXACT)
    if scale < 0:
        result = result.quantize(Decimal(1), context=EXACT)
    return result if result else result.copy_abs()


def _field_overflow(precision: int, scale: int, limit: str) -> PgError:
    verb = "cannot hold" if "infinite" in limit else "must round to"
    return PgError(
        "22003",
        "numeric field overflow",
        detail=f"A field with precision {precision}, scale {scale} {verb} {limit}.",
    )


def parse(text: str) -> Decimal:
    """numeric_in without a typmod (22P02, 22003)."""
    if len(text) < 100 and _PLAIN.fullmatch(text):
        plain = Decimal(text)
        return plain if plain else plain.copy_abs()
    body = text.strip(SPACES)
    special = _SPECIALS.get(body.lstrip("+-").lower() if body[1:2] not in ("+", "-") else "")
    if special is not None and not (special.is_nan() and body[0] in "+-"):
        return NEGATIVE_INFINITY if body[0] == "-" else special
    found = _NUMBER.fullmatch(body)
    if found is None or not (found[2] or found[3]):
        return _parse_based(text, body)
    sign, whole, fraction, exponent = found.groups()
    whole, fraction = (whole or "").replace("_", ""), (fraction or "").replace("_", "")
    shift = int((exponent or "0").replace("_", ""))
    if abs(shift) >= (1 << 31) // 2:
        raise overflow()
    scale = len(fraction) - shift
    digits = (whole + fraction).lstrip("0")
    if scale > MAX_SCALE or (digits and len(digits) - scale > MAX_WEIGHT_DIGITS):
        raise overflow()
    if not digits:
        return Decimal((0, (0,), -max(scale, 0)))
    return checked(Decimal(f"{sign}{digits}E{-scale}"))


def _parse_based(text: str, body: str) -> Decimal:
    found = _BASED.fullmatch(body)
    if found is None:
        raise bad_syntax("numeric", text)
    sign, *bodies = found.groups()
    base, digits = next((base, digits) for base, digits in zip((16, 8, 2), bodies) if digits)
    value = Decimal(int(digits.replace("_", ""), base))
    return value.copy_negate() if sign == "-" and value else value


def numeric_in(text: str, typmod: int, env: Env) -> Decimal:
    """Exact; 22P02, 22003."""
    return apply_typmod(parse(text), typmod)


def render(value: Decimal) -> str:
    """The value with all digits of its display scale, never an exponent."""
    if value.is_finite():
        return f"{value:f}" if value or not value.is_signed() else f"{value.copy_negate():f}"
    if value.is_nan():
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def numeric_out(value: Decimal, env: Env) -> str:
    """As numeric_out."""
    return render(value)


def numeric_send(value: Decimal, env: Env) -> bytes:
    """Digits in base 10000 without zeros at either end, weight, sign and display scale."""
    if not value.is_finite():
        sign = 0xC000 if value.is_nan() else 0xD000 if value > 0 else 0xF000
        return _HEAD.pack(0, 0, sign, 0 if value.is_nan() else 0x20)
    text = render(value.copy_abs())
    whole, _, fraction = text.partition(".")
    padded = whole.lstrip("0")
    padded = "0" * (-len(padded) % 4) + padded
    tail = fraction + "0" * (-len(fraction) % 4)
    digits = [int(padded[i : i + 4]) for i in range(0, len(padded), 4)]
    weight = len(digits) - 1
    digits += [int(tail[i : i + 4]) for i in range(0, len(tail), 4)]
    while digits and digits[-1] == 0:
        digits.pop()
    first = 0
    while first < len(digits) and digits[first] == 0:
        first += 1
    digits, weight = digits[first:], weight - first
    sign = 0x4000 if value < 0 else 0
    if not digits:
        weight = 0
    return struct.pack(f"!hhHH{len(digits)}h", len(digits), weight, sign, len(fraction), *digits)


def numeric_recv(data: bytes, typmod: int, env: Env) -> Decimal:
    """The form of `numeric_send`; 22P03."""
    if len(data) < _HEAD.size:
        raise PgError("08P01", "insufficient data left in message")
    count, weight, sign, scale = _HEAD.unpack_from(data)
    if sign not in (0, 0x4000, *_SIGNS):
        raise PgError("22P03", 'invalid sign in external "numeric" value')
    if scale > 0x3FFF:
        raise PgError("22P03", 'invalid scale in external "numeric" value')
    count &= 0xFFFF
    if len(data) < _HEAD.size + 2 * count:
        raise PgError("08P01", "insufficient data left in message")
    if len(data) > _HEAD.size + 2 * count:
        raise PgError("22P03", LEFTOVER)
    digits = struct.unpack_from(f"!{count}h", data, _HEAD.size)
    if any(not 0 <= digit < 10_000 for digit in digits):
        raise PgError("22P03", 'invalid digit in external "numeric" value')
    if sign in _SIGNS:
        return apply_typmod(_SIGNS[sign], typmod)
    number = int("".join(f"{digit:04d}" for digit in digits) or "0")
    value = Decimal(number).scaleb(4 * (weight - count + 1), context=EXACT) if number else Decimal(0)
    value = (
        EXACT.quantize(value, Decimal((0, (1,), -scale))) if _fits(value, scale) else _truncate(value, scale)
    )
    return apply_typmod(checked(value.copy_negate() if sign == 0x4000 and value else value), typmod)


def _fits(value: Decimal, scale: int) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and -exponent <= scale


def _truncate(value: Decimal, scale: int) -> Decimal:
    """A receiver drops digits beyond the display scale."""
    return value.quantize(Decimal((0, (1,), -scale)), rounding="ROUND_DOWN", context=EXACT)


def numeric_key(value: Decimal) -> tuple[int, Decimal]:
    """NaN equals itself and is greater than everything else, Infinity too."""
    return (1, Decimal(0)) if value.is_nan() else (0, value)


NUMERIC: dict[str, Io] = {
    "numeric": Io(
        numeric_in, numeric_out, numeric_recv, numeric_send, "numeric", numeric_key, render, Decimal
    ),
}
