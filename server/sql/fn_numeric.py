"""Arithmetic of numeric with PostgreSQL's scale rules (PostgreSQL: numeric.c; chapter 9.3)."""

import math
from collections.abc import Iterator
from decimal import ROUND_05UP, ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Context, Decimal
from functools import lru_cache

from server.errors import PgError
from server.sql.fn_compare import comparisons
from server.sql.fn_integer import division_by_zero
from server.sql.functions import define, sql
from server.sql.numeric import EXACT, NAN, checked, overflow, rounded_to
from server.sql.types import NUMERIC

MIN_SIGNIFICANT = 16
"""NUMERIC_MIN_SIG_DIGITS"""
MAX_DISPLAY_SCALE = 1000
MAX_RESULT_SCALE = 2000
ZERO, ONE = Decimal(0), Decimal(1)
_LESS = comparisons(NUMERIC)[2]


def scale_of(value: Decimal) -> int:
    """The display scale of a finite value."""
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return -exponent


def weight_and_digit(value: Decimal) -> tuple[int, int]:
    """Weight and first digit in base 10000 of a finite value; (0, 0) for zero."""
    if not value:
        return 0, 0
    adjusted = value.adjusted()
    weight = adjusted // 4
    digits = value.as_tuple().digits[: adjusted - 4 * weight + 1]
    first = int("".join(map(str, digits))) * 10 ** (adjusted - 4 * weight + 1 - len(digits))
    return weight, first


@lru_cache(maxsize=4096)
def sticky(precision: int) -> Context:
    """A context whose results can be rounded once more without double rounding."""
    return Context(prec=precision, Emax=EXACT.Emax, Emin=EXACT.Emin, rounding=ROUND_05UP, traps=[])


def clamp_scale(scale: int, *at_least: int) -> int:
    """Between the greatest of the display scales (0 too) and the largest display scale."""
    return min(max(scale, 0, *at_least), MAX_DISPLAY_SCALE)


def division_scale(left: Decimal, right: Decimal) -> int:
    """select_div_scale: at least 16 significant digits and the scales of both."""
    left_weight, left_digit = weight_and_digit(left)
    right_weight, right_digit = weight_and_digit(right)
    quotient_weight = left_weight - right_weight - (left_digit <= right_digit)
    return clamp_scale(MIN_SIGNIFICANT - 4 * quotient_weight, scale_of(left), scale_of(right))


def divided(left: Decimal, right: Decimal, scale: int) -> Decimal:
    """The quotient of finite values, rounded half away from zero at `scale`."""
    precision = max(left.adjusted() - right.adjusted() + 1, 0) + max(scale, 0) + 3
    return rounded_to(sticky(precision).divide(left, right), scale)


@sql("1724 numeric_add(numeric,numeric) numeric")
def add(left: Decimal, right: Decimal) -> Decimal:
    """The larger scale; Infinity - Infinity is NaN."""
    value = EXACT.add(left, right)
    return value if value.adjusted() < 131_072 else checked(value)


@sql("1725 numeric_sub(numeric,numeric) numeric")
def subtract(left: Decimal, right: Decimal) -> Decimal:
    """The larger scale."""
    value = EXACT.subtract(left, right)
    return value if value.adjusted() < 131_072 else checked(value)


@sql("1726 numeric_mul(numeric,numeric) numeric")
def multiply(left: Decimal, right: Decimal) -> Decimal:
    """The sum of the scales, at most 16,383."""
    return checked(EXACT.multiply(left, right))


@sql("1727 numeric_div(numeric,numeric) numeric")
def divide(left: Decimal, right: Decimal) -> Decimal:
    """The scale of select_div_scale; 22012."""
    if left.is_finite() and right.is_finite():
        if not right:
            raise division_by_zero()
        return checked(divided(left, right, division_scale(left, right)))
    if left.is_nan() or right.is_nan() or (left.is_infinite() and right.is_infinite()):
        return NAN
    if left.is_infinite():
        if not right:
            raise division_by_zero()
        return left if right > 0 else EXACT.minus(left)
    return ZERO


@sql("""
    1729 numeric_mod(numeric,numeric) numeric
    1728 mod(numeric,numeric) numeric
    """)
def modulo(left: Decimal, right: Decimal) -> Decimal:
    """The sign of the dividend, the larger scale; 22012."""
    if left.is_nan() or right.is_nan():
        return NAN
    if left.is_infinite():
        if not right:
            raise division_by_zero()
        return NAN
    if right.is_infinite():
        return left
    if not right:
        raise division_by_zero()
    return (
        EXACT.add(abs_(EXACT.remainder(left, right)), ZERO) if left >= 0 else _negative_remainder(left, right)
    )


def _negative_remainder(left: Decimal, right: Decimal) -> Decimal:
    value = EXACT.remainder(left, right)
    return value if value else value.copy_abs()


@sql("""
    1973 div(numeric,numeric) numeric
    1980 numeric_div_trunc(numeric,numeric) numeric
    """)
def divide_truncated(left: Decimal, right: Decimal) -> Decimal:
    """The integer quotient towards zero; 22012."""
    if not (left.is_finite() and right.is_finite()):
        return divide(left, right)
    if not right:
        raise division_by_zero()
    value = EXACT.divide_int(left, right)
    return value.copy_abs() if not value else value.quantize(ONE, context=EXACT)


@sql("1771 numeric_uminus(numeric) numeric")
def minus(value: Decimal) -> Decimal:
    """Zero has no sign."""
    return value.copy_negate() if value else value


define("1915 numeric_uplus(numeric) numeric", lambda value: value, source="({0})")


@sql("""
    1705 abs(numeric) numeric
    1704 numeric_abs(numeric) numeric
    """)
def abs_(value: Decimal) -> Decimal:
    """Without its sign."""
    return value.copy_abs()


@sql("1706 sign(numeric) numeric")
def sign(value: Decimal) -> Decimal:
    """-1, 0, 1 or NaN."""
    if value.is_nan():
        return NAN
    return Decimal((value > 0) - (value < 0))


def _to_integer(value: Decimal, rounding: str) -> Decimal:
    if not value.is_finite():
        return value
    result = value.quantize(ONE, rounding=rounding, context=EXACT)
    return result if result else ZERO


@sql("""
    1711 ceil(numeric) numeric
    2167 ceiling(numeric) numeric
    """)
def ceiling(value: Decimal) -> Decimal:
    """Scale 0."""
    return _to_integer(value, ROUND_CEILING)


@sql("1712 floor(numeric) numeric")
def floor(value: Decimal) -> Decimal:
    """Scale 0."""
    return _to_integer(value, ROUND_FLOOR)


@sql("""
    1708 round(numeric) numeric
    1707 round(numeric,int4) numeric
    """)
def round_(value: Decimal, scale: int = 0) -> Decimal:
    """Half away from zero; a negative scale rounds before the point."""
    if not value.is_finite():
        return value
    return checked(rounded_to(value, max(min(scale, MAX_RESULT_SCALE), -MAX_RESULT_SCALE)))


@sql("""
    1710 trunc(numeric) numeric
    1709 trunc(numeric,int4) numeric
    """)
def truncate(value: Decimal, scale: int = 0) -> Decimal:
    """Towards zero."""
    if not value.is_finite():
        return value
    scale = max(min(scale, MAX_RESULT_SCALE), -MAX_RESULT_SCALE)
    result = value.quantize(Decimal((0, (1,), -scale)), rounding=ROUND_DOWN, context=EXACT)
    if scale < 0:
        result = result.quantize(ONE, context=EXACT)
    return result if result else result.copy_abs()


@sql("3281 scale(numeric) int4")
def scale_function(value: Decimal) -> int | None:
    """The display scale; NULL for NaN and Infinity."""
    return scale_of(value) if value.is_finite() else None


@sql("5042 min_scale(numeric) int4")
def min_scale(value: Decimal) -> int | None:
    """The fewest decimals that show the value exactly."""
    if not value.is_finite():
        return None
    return max(0, scale_of(EXACT.create_decimal(value).normalize(EXACT))) if value else 0


@sql("5043 trim_scale(numeric) numeric")
def trim_scale(value: Decimal) -> Decimal:
    """Without trailing zeros after the point."""
    scale = min_scale(value)
    return value if scale is None else value.quantize(Decimal((0, (1,), -scale)), context=EXACT)


_COMMON_DIGITS = 16_000
"""Euclid's algorithm takes quadratic time."""


def _whole(value: Decimal, scale: int) -> int:
    whole = value.scaleb(scale, context=EXACT)
    if whole.adjusted() > _COMMON_DIGITS:
        raise PgError("54000", "numeric has too many digits for a common divisor")
    return int(whole)


@sql("5048 gcd(numeric,numeric) numeric")
def gcd(left: Decimal, right: Decimal) -> Decimal:
    """Of the values in units of the larger scale."""
    if not (left.is_finite() and right.is_finite()):
        return NAN
    scale = max(scale_of(left), scale_of(right))
    return Decimal(math.gcd(_whole(left, scale), _whole(right, scale))).scaleb(-scale, context=EXACT)


@sql("5049 lcm(numeric,numeric) numeric")
def lcm(left: Decimal, right: Decimal) -> Decimal:
    """Of the values in units of the larger scale."""
    if not (left.is_finite() and right.is_finite()):
        return NAN
    scale = max(scale_of(left), scale_of(right))
    return checked(Decimal(math.lcm(_whole(left, scale), _whole(right, scale))).scaleb(-scale, context=EXACT))


@sql("1376 factorial(int8) numeric")
def factorial(value: int) -> Decimal:
    """n!; 22003 above 32177."""
    if value < 0:
        raise PgError("22003", "factorial of a negative number is undefined")
    if value > 32_177:
        raise overflow()
    return _product(1, value)


def _product(low: int, high: int) -> Decimal:
    """low * ... * high by halves: decimal multiplies long numbers of equal length fast."""
    if high - low < 256:
        return Decimal(math.prod(range(low, high + 1)))
    middle = (low + high) // 2
    return EXACT.multiply(_product(low, middle), _product(middle + 1, high))


@sql("1767 numeric_larger(numeric,numeric) numeric")
def larger(left: Decimal, right: Decimal) -> Decimal:
    """The greater one; NaN is greatest."""
    return left if _LESS(right, left) else right


@sql("1766 numeric_smaller(numeric,numeric) numeric")
def smaller(left: Decimal, right: Decimal) -> Decimal:
    """The lesser one."""
    return left if _LESS(left, right) else right


@sql("2170 width_bucket(numeric,numeric,numeric,int4) int4")
def width_bucket(operand: Decimal, low: Decimal, high: Decimal, count: int) -> int:
    """The equal-width bucket between the bounds; 0 below, count + 1 above; 2201G."""
    if count <= 0:
        raise PgError("2201G", "count must be greater than zero")
    if operand.is_nan() or low.is_nan() or high.is_nan():
        raise PgError("2201G", "operand, lower bound, and upper bound cannot be NaN")
    if low.is_infinite() or high.is_infinite():
        raise PgError("2201G", "lower and upper bounds must be finite")
    if low == high:
        raise PgError("2201G", "lower bound cannot equal upper bound")
    if low < high:
        below, above, part, whole = operand < low, operand >= high, operand, low
    else:
        below, above, part, whole = operand > low, operand <= high, low, operand
    if below:
        return 0
    if above:
        if count == (1 << 31) - 1:
            raise PgError("22003", "integer out of range")
        return count + 1
    distance = EXACT.subtract(part, whole)
    span = EXACT.subtract(high, low).copy_abs()
    return int(EXACT.divide_int(EXACT.multiply(distance, Decimal(count)), span)) + 1


@sql("""
    3260 generate_series(numeric,numeric) numeric set
    3259 generate_series(numeric,numeric,numeric) numeric set
    """)
def generate_series(start: Decimal, stop: Decimal, step: Decimal = ONE) -> Iterator[Decimal]:
    """start, start + step, ... up to and including stop."""
    for name, value in (("start", start), ("stop", stop), ("step", step)):
        if not value.is_finite():
            noun = f"{name} value" if name != "step" else "step size"
            raise PgError("22023", f"{noun} cannot be {'NaN' if value.is_nan() else 'infinity'}")
    if not step:
        raise PgError("22023", "step size cannot equal zero")
    return _series(start, stop, step)


def _series(start: Decimal, stop: Decimal, step: Decimal) -> Iterator[Decimal]:
    current = start
    while current <= stop if step > 0 else current >= stop:
        yield current
        current = EXACT.add(current, step)
