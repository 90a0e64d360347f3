"""Roots, powers, exponentials and logarithms of numeric with PostgreSQL's result scales (numeric.c)."""

import math
from decimal import Decimal

from server.errors import PgError
from server.sql.fn_integer import division_by_zero
from server.sql.fn_numeric import (
    MAX_DISPLAY_SCALE,
    MAX_RESULT_SCALE,
    MIN_SIGNIFICANT,
    ONE,
    ZERO,
    clamp_scale,
    divided,
    scale_of,
    sticky,
    weight_and_digit,
)
from server.sql.functions import sql
from server.sql.numeric import EXACT, INFINITY, NAN, NEGATIVE_INFINITY, checked, overflow, rounded_to

_LOG10_E = 0.434294481903252
_LN_10 = 2.302585092994046
_GUARD = 12
_MANY = 400
"""Digits beyond which the rest of a logarithm's argument does not show in its result."""


def _zero(scale: int) -> Decimal:
    return Decimal((0, (0,), -scale))


def _truncating_half(value: int) -> int:
    return int(value / 2)


@sql("""
    1731 numeric_sqrt(numeric) numeric
    1730 sqrt(numeric) numeric
    """)
def sqrt(value: Decimal) -> Decimal:
    """At least 16 significant digits; 2201F."""
    if value.is_nan():
        return NAN
    if value < 0:
        raise PgError("2201F", "cannot take square root of a negative number")
    if value.is_infinite():
        return value
    weight, _ = weight_and_digit(value)
    scale = clamp_scale(MIN_SIGNIFICANT - (_truncating_half((weight + 1) * 4) - 1), scale_of(value))
    precision = max(weight * 2 + 4, 1) + scale + _GUARD
    root = rounded_to(sticky(precision).sqrt(value), scale)
    half = Decimal((0, (5,), -scale - 1))
    if root and _squared(EXACT.subtract(root, half)) > value:
        return EXACT.subtract(root, half * 2)
    return EXACT.add(root, half * 2) if _squared(EXACT.add(root, half)) <= value else root


def _squared(value: Decimal) -> Decimal:
    return EXACT.multiply(value, value)


def _double(value: Decimal) -> float:
    return float(value)


def _exp(value: Decimal, scale: int) -> Decimal:
    """exp_var: zero far below, 22003 far above."""
    estimate = _double(value)
    if abs(estimate) >= MAX_RESULT_SCALE * 3:
        if estimate > 0:
            raise overflow()
        return _zero(scale)
    precision = max(int(estimate * _LOG10_E) + 1, 1) + scale + _GUARD
    return rounded_to(sticky(precision).exp(value), scale)


@sql("""
    1733 numeric_exp(numeric) numeric
    1732 exp(numeric) numeric
    """)
def exp(value: Decimal) -> Decimal:
    """At least 16 significant digits."""
    if not value.is_finite():
        return ZERO if value == NEGATIVE_INFINITY else value
    estimate = max(min(_double(value) * _LOG10_E, MAX_RESULT_SCALE), -MAX_RESULT_SCALE)
    return checked(_exp(value, clamp_scale(MIN_SIGNIFICANT - int(estimate), scale_of(value))))


def _leading(value: Decimal) -> tuple[float, int]:
    """About the first 8 digits and the power of ten that they are multiplied with."""
    adjusted = value.adjusted()
    digits = value.as_tuple().digits[:17]
    return float(int("".join(map(str, digits)))), adjusted - len(digits) + 1


def ln_weight(value: Decimal) -> int:
    """estimate_ln_dweight: about the decimal weight of ln(value)."""
    if value <= 0:
        return 0
    if Decimal("0.9") <= value <= Decimal("1.1"):
        rest = EXACT.subtract(value, ONE)
        if not rest:
            return 0
        weight, digit = weight_and_digit(rest.copy_abs())
        return weight * 4 + int(math.log10(digit))
    digits, power = _leading(value)
    return int(math.log10(abs(math.log(digits) + power * _LN_10)))


def _check_logarithm(value: Decimal) -> None:
    if value < 0:
        raise PgError("2201E", "cannot take logarithm of a negative number")
    if not value:
        raise PgError("2201E", "cannot take logarithm of zero")


def _ln(value: Decimal, digits: int) -> Decimal:
    """ln with `digits` significant digits, at most about 1,100.

    Very close to 1 it is its series: the general way would work with as many digits as the distance has zeros.
    """
    context = sticky(max(digits, 1) + _MANY)
    rest = EXACT.subtract(value, ONE)
    if rest and rest.adjusted() < -_MANY:
        rest = context.plus(rest)
        square = context.multiply(rest, rest)
        cube = context.divide(context.multiply(square, rest), Decimal(3))
        return context.add(context.subtract(rest, context.divide(square, Decimal(2))), cube)
    return sticky(max(digits, 1)).ln(context.plus(value))


@sql("""
    1735 numeric_ln(numeric) numeric
    1734 ln(numeric) numeric
    """)
def ln(value: Decimal) -> Decimal:
    """At least 16 significant digits; 2201E."""
    if value.is_nan():
        return NAN
    _check_logarithm(value)
    if value.is_infinite():
        return value
    scale = clamp_scale(MIN_SIGNIFICANT - ln_weight(value), scale_of(value))
    return rounded_to(_ln(value, scale + 8 + _GUARD), scale)


@sql("""
    1737 numeric_log(numeric,numeric) numeric
    1736 log(numeric,numeric) numeric
    """)
def log(base: Decimal, value: Decimal) -> Decimal:
    """The logarithm to any base; 2201E, 22012."""
    if base.is_nan() or value.is_nan():
        return NAN
    if base.is_infinite() or value.is_infinite():
        _check_logarithm(min(base, value))
    _check_logarithm(base)
    _check_logarithm(value)
    if base.is_infinite():
        return NAN if value.is_infinite() else ZERO
    if value.is_infinite():
        return INFINITY
    scale = clamp_scale(
        MIN_SIGNIFICANT - (ln_weight(value) - ln_weight(base)), scale_of(base), scale_of(value)
    )
    precision = scale + 8 + 2 * _GUARD
    divisor = _ln(base, precision)
    if not divisor:
        raise division_by_zero()
    return divided(_ln(value, precision), divisor, scale)


@sql("""
    1741 log(numeric) numeric
    1481 log10(numeric) numeric
    """)
def log10(value: Decimal) -> Decimal:
    """log(10, value)"""
    return log(Decimal(10), value)


def _integral(value: Decimal) -> bool:
    return value.is_infinite() or value == value.to_integral_value()


def _check_power(base: Decimal, exponent: Decimal) -> None:
    if not base and exponent < 0:
        raise PgError("2201F", "zero raised to a negative power is undefined")
    if base < 0 and not _integral(exponent):
        message = "a negative number raised to a non-integer power yields a complex result"
        raise PgError("2201F", message)


def _special_power(base: Decimal, exponent: Decimal) -> Decimal:
    """NaN and Infinity as POSIX pow has them."""
    if base.is_nan():
        return ONE if not exponent.is_nan() and not exponent else NAN
    if exponent.is_nan():
        return ONE if base == 1 else NAN
    _check_power(base, exponent)
    if base == 1 or not exponent:
        return ONE
    if not base:
        return ZERO
    if exponent.is_infinite():
        if base == -1:
            return ONE
        return INFINITY if (abs(base) > 1) == (exponent > 0) else ZERO
    if exponent < 0:
        return ZERO
    odd = exponent.to_integral_value() == exponent and EXACT.remainder(exponent, Decimal(2)) != 0
    return NEGATIVE_INFINITY if base < 0 and odd else INFINITY


@sql("""
    1739 numeric_power(numeric,numeric) numeric
    2169 power(numeric,numeric) numeric
    1738 pow(numeric,numeric) numeric
    """)
def power(base: Decimal, exponent: Decimal) -> Decimal:
    """At least 16 significant digits; 2201F, 22003."""
    if not (base.is_finite() and exponent.is_finite()):
        return _special_power(base, exponent)
    _check_power(base, exponent)
    if _integral(exponent) and -(1 << 31) <= exponent < 1 << 31:
        return checked(_integer_power(base, int(exponent), scale_of(exponent)))
    if not base:
        return _zero(MIN_SIGNIFICANT)
    return checked(_real_power(base, exponent))


def _integer_power(base: Decimal, exponent: int, exponent_scale: int) -> Decimal:
    """power_var_int"""
    estimate = 0.0
    if base:
        digits, place = _leading(base)
        estimate = exponent * (math.log10(digits) + place)
    if estimate > 131_072:
        raise overflow()
    if estimate + 1 < -MAX_DISPLAY_SCALE:
        return _zero(MAX_DISPLAY_SCALE)
    scale = clamp_scale(MIN_SIGNIFICANT - int(estimate), scale_of(base), exponent_scale)
    if exponent == 0:
        return rounded_to(ONE, scale)
    if not base:
        return _zero(scale)
    precision = max(1 + scale + int(estimate), 1) + int(math.log(abs(exponent))) + _GUARD
    return rounded_to(sticky(precision).power(base, exponent), scale)


def _real_power(base: Decimal, exponent: Decimal) -> Decimal:
    """power_var for exponents that are no small integers."""
    magnitude = base.copy_abs()
    logarithm = _ln(magnitude, 20)
    estimate = _double(sticky(20).multiply(logarithm, exponent))
    if abs(estimate) > MAX_RESULT_SCALE * 3.01:
        if estimate > 0:
            raise overflow()
        return _zero(MAX_DISPLAY_SCALE)
    weight = estimate * _LOG10_E
    scale = clamp_scale(MIN_SIGNIFICANT - int(weight), scale_of(base), scale_of(exponent))
    digits = max(scale + int(weight), 0) + _GUARD + max(exponent.adjusted(), 0) + 8
    value = _exp(EXACT.multiply(_ln(magnitude, digits), exponent), scale)
    odd = base < 0 and EXACT.remainder(exponent, Decimal(2)) != 0
    return value.copy_negate() if odd and value else value
