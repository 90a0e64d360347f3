"""Functions and operators of real and double precision (PostgreSQL: float.c; chapter 9.3)."""

import math
from collections.abc import Callable

from server.errors import PgError
from server.sql.fn_compare import comparisons
from server.sql.fn_integer import division_by_zero
from server.sql.functions import define, sql
from server.sql.type_float import to_single
from server.sql.types import FLOAT8

INF, NAN = math.inf, math.nan
_LESS = comparisons(FLOAT8)[2]


def overflow() -> PgError:
    """22003"""
    return PgError("22003", "value out of range: overflow")


def underflow() -> PgError:
    """22003"""
    return PgError("22003", "value out of range: underflow")


def out_of_domain() -> PgError:
    """22003"""
    return PgError("22003", "input is out of range")


def add(left: float, right: float) -> float:
    """float8pl; 22003."""
    value = left + right
    if (value == INF or value == -INF) and abs(left) != INF and abs(right) != INF:
        raise overflow()
    return value


def subtract(left: float, right: float) -> float:
    """float8mi; 22003."""
    return add(left, -right)


def multiply(left: float, right: float) -> float:
    """float8mul; 22003."""
    value = left * right
    if (value == INF or value == -INF) and abs(left) != INF and abs(right) != INF:
        raise overflow()
    if value == 0.0 and left != 0.0 and right != 0.0:
        raise underflow()
    return value


def divide(left: float, right: float) -> float:
    """float8div; 22012, 22003."""
    if right == 0.0 and left == left:
        raise division_by_zero()
    if right == 0.0:
        return NAN
    value = left / right
    if (value == INF or value == -INF) and abs(left) != INF:
        raise overflow()
    if value == 0.0 and left != 0.0 and abs(right) != INF:
        raise underflow()
    return value


def single(compute: Callable[[float, float], float]) -> Callable[[float, float], float]:
    """The float4 form: the double's result rounded to single, checked once more."""

    def run(left: float, right: float) -> float:
        value = compute(left, right)
        rounded = to_single(value)
        if abs(rounded) == INF and abs(value) != INF:
            raise overflow()
        if rounded == 0.0 and value != 0.0:
            raise underflow()
        return rounded

    return run


for _suffix, _compute in (("pl", add), ("mi", subtract), ("mul", multiply), ("div", divide)):
    _oids = {
        "pl": (218, 204, 281, 285),
        "mi": (219, 205, 282, 286),
        "mul": (216, 202, 279, 283),
        "div": (217, 203, 280, 284),
    }[_suffix]
    define(f"{_oids[0]} float8{_suffix}(float8,float8) float8", _compute)
    define(f"{_oids[1]} float4{_suffix}(float4,float4) float4", single(_compute))
    define(f"{_oids[2]} float48{_suffix}(float4,float8) float8", _compute)
    define(f"{_oids[3]} float84{_suffix}(float8,float4) float8", _compute)

define(
    """
    220 float8um(float8) float8
    206 float4um(float4) float4
    """,
    lambda value: -value,
    source="(-{0})",
)
define(
    """
    1914 float8up(float8) float8
    1913 float4up(float4) float4
    """,
    lambda value: value,
    source="({0})",
)
define(
    """
    1395 abs(float8) float8
    1394 abs(float4) float4
    221 float8abs(float8) float8
    207 float4abs(float4) float4
    """,
    abs,
    source="abs({0})",
)
define(
    """
    223 float8larger(float8,float8) float8
    209 float4larger(float4,float4) float4
    """,
    lambda left, right: left if _LESS(right, left) else right,
)
define(
    """
    224 float8smaller(float8,float8) float8
    211 float4smaller(float4,float4) float4
    """,
    lambda left, right: left if _LESS(left, right) else right,
)


def rounding(compute: Callable[[float], float]) -> Callable[[float], float]:
    """A rounding function that keeps NaN, infinities and the sign of zero."""

    def run(value: float) -> float:
        if value != value or abs(value) >= 2.0**53:
            return value
        return math.copysign(compute(value), value) if compute(value) == 0 else float(compute(value))

    return run


define(
    """
    1342 round(float8) float8
    228 dround(float8) float8
    """,
    rounding(round),
)
define(
    """
    2308 ceil(float8) float8
    2320 ceiling(float8) float8
    """,
    rounding(math.ceil),
)
define("2309 floor(float8) float8", rounding(math.floor))
define(
    """
    1343 trunc(float8) float8
    229 dtrunc(float8) float8
    """,
    rounding(math.trunc),
)


@sql("2310 sign(float8) float8")
def sign(value: float) -> float:
    """-1, 0 or 1."""
    return float((value > 0) - (value < 0)) if value == value else 0.0


@sql("""
    1344 sqrt(float8) float8
    230 dsqrt(float8) float8
    """)
def sqrt(value: float) -> float:
    """2201F"""
    if value < 0:
        raise PgError("2201F", "cannot take square root of a negative number")
    return math.sqrt(value)


@sql("""
    1345 cbrt(float8) float8
    231 dcbrt(float8) float8
    """)
def cbrt(value: float) -> float:
    """The cube root, also of negative numbers."""
    return math.cbrt(value)


@sql("""
    1368 power(float8,float8) float8
    1346 pow(float8,float8) float8
    232 dpow(float8,float8) float8
    """)
def power(base: float, exponent: float) -> float:
    """POSIX pow; 2201F, 22003."""
    if base != base or exponent != exponent:
        return 1.0 if exponent == 0 or base == 1 else NAN
    if base == 0 and exponent < 0:
        raise PgError("2201F", "zero raised to a negative power is undefined")
    if base < 0 and math.floor(exponent) != exponent if abs(exponent) != INF else False:
        message = "a negative number raised to a non-integer power yields a complex result"
        raise PgError("2201F", message)
    try:
        value = math.pow(base, exponent)
    except OverflowError:
        raise overflow() from None
    if value == 0.0 and base != 0.0 and abs(base) != INF and abs(exponent) != INF:
        raise underflow()
    return value


@sql("""
    1347 exp(float8) float8
    233 dexp(float8) float8
    """)
def exp(value: float) -> float:
    """22003"""
    try:
        result = math.exp(value)
    except OverflowError:
        raise overflow() from None
    if result == 0.0 and value != -INF:
        raise underflow()
    return result


def _logarithm(compute: Callable[[float], float]) -> Callable[[float], float]:
    def run(value: float) -> float:
        if value == 0.0:
            raise PgError("2201E", "cannot take logarithm of zero")
        if value < 0:
            raise PgError("2201E", "cannot take logarithm of a negative number")
        return compute(value)

    return run


define(
    """
    1341 ln(float8) float8
    234 dlog1(float8) float8
    """,
    _logarithm(math.log),
)
define(
    """
    1340 log(float8) float8
    1194 log10(float8) float8
    1339 dlog10(float8) float8
    """,
    _logarithm(math.log10),
)
define("1610 pi() float8", lambda: math.pi)
define("1608 degrees(float8) float8", lambda value: divide(value, 0.017453292519943295))
define("1609 radians(float8) float8", lambda value: multiply(value, 0.017453292519943295))


def _bounded(compute: Callable[[float], float]) -> Callable[[float], float]:
    """asin, acos, atanh ...: the argument between -1 and 1."""

    def run(value: float) -> float:
        if value != value:
            return value
        if not -1 <= value <= 1:
            raise out_of_domain()
        return compute(value)

    return run


def _periodic(compute: Callable[[float], float]) -> Callable[[float], float]:
    def run(value: float) -> float:
        if value != value:
            return value
        if abs(value) == INF:
            raise out_of_domain()
        return compute(value)

    return run


def _cot(value: float) -> float:
    tangent = math.tan(value)
    return math.copysign(INF, tangent) if tangent == 0 else 1.0 / tangent


define("1604 sin(float8) float8", _periodic(math.sin))
define("1605 cos(float8) float8", _periodic(math.cos))
define("1606 tan(float8) float8", _periodic(math.tan))
define("1607 cot(float8) float8", _periodic(_cot))
define("1600 asin(float8) float8", _bounded(math.asin))
define("1601 acos(float8) float8", _bounded(math.acos))
define("1602 atan(float8) float8", math.atan)
define("1603 atan2(float8,float8) float8", math.atan2)


def _growing(compute: Callable[[float], float], limit: Callable[[float], float]) -> Callable[[float], float]:
    def run(value: float) -> float:
        try:
            return compute(value)
        except OverflowError:
            return limit(value)

    return run


define("2462 sinh(float8) float8", _growing(math.sinh, lambda value: math.copysign(INF, value)))
define("2463 cosh(float8) float8", _growing(math.cosh, lambda value: INF))
define("2464 tanh(float8) float8", math.tanh)
define("2465 asinh(float8) float8", math.asinh)


@sql("2466 acosh(float8) float8")
def acosh(value: float) -> float:
    """22003 below 1."""
    if value < 1:
        raise out_of_domain()
    return math.acosh(value)


@sql("2467 atanh(float8) float8")
def atanh(value: float) -> float:
    """Infinite at the ends; 22003 beyond."""
    if value < -1 or value > 1:
        raise out_of_domain()
    return math.copysign(INF, value) if abs(value) == 1 else math.atanh(value)


_DEGREE = 0.017453292519943295


def _sind_first(value: float) -> float:
    """sind for 0 to 90, exact at 0, 30 and 90."""
    if value <= 30.0:
        return (math.sin(value * _DEGREE) / math.sin(30.0 * _DEGREE)) / 2.0
    return _cosd_small(90.0 - value)


def _cosd_small(value: float) -> float:
    """cosd for 0 to 60, exact at 0 and 60."""
    return 1.0 - ((1.0 - math.cos(value * _DEGREE)) / (1.0 - math.cos(60.0 * _DEGREE))) / 2.0


def _cosd_first(value: float) -> float:
    """cosd for 0 to 90."""
    if value <= 60.0:
        return _cosd_small(value)
    return (math.sin((90.0 - value) * _DEGREE) / math.sin(30.0 * _DEGREE)) / 2.0


def _sind(value: float) -> float:
    angle, sign_ = math.fmod(value, 360.0), 1
    if angle < 0.0:
        angle, sign_ = -angle, -sign_
    if angle > 180.0:
        angle, sign_ = 360.0 - angle, -sign_
    if angle > 90.0:
        angle = 180.0 - angle
    return sign_ * _sind_first(angle)


def _cosd(value: float) -> float:
    angle, sign_ = abs(math.fmod(value, 360.0)), 1
    if angle > 180.0:
        angle = 360.0 - angle
    if angle > 90.0:
        angle, sign_ = 180.0 - angle, -sign_
    return sign_ * _cosd_first(angle)


def _tand(value: float, cotangent: bool = False) -> float:
    angle, sign_ = math.fmod(value, 360.0), 1
    if angle < 0.0:
        angle, sign_ = -angle, -sign_
    if angle > 180.0:
        angle, sign_ = 360.0 - angle, -sign_
    if angle > 90.0:
        angle, sign_ = 180.0 - angle, -sign_
    if cotangent:
        ratio, unit = _ratio(_cosd_first(angle), _sind_first(angle)), _cosd_first(45.0) / _sind_first(45.0)
    else:
        ratio, unit = _ratio(_sind_first(angle), _cosd_first(angle)), _sind_first(45.0) / _cosd_first(45.0)
    result = sign_ * (ratio / unit)
    return 0.0 if result == 0.0 else result


def _ratio(top: float, bottom: float) -> float:
    return math.copysign(INF, bottom) if bottom == 0.0 else top / bottom


def _asind_first(value: float) -> float:
    if value <= 0.5:
        return (math.asin(value) / math.asin(0.5)) * 30.0
    return 90.0 - (math.acos(value) / math.acos(0.5)) * 60.0


def _acosd_first(value: float) -> float:
    if value <= 0.5:
        return 90.0 - (math.asin(value) / math.asin(0.5)) * 30.0
    return (math.acos(value) / math.acos(0.5)) * 60.0


define("2735 sind(float8) float8", _periodic(_sind))
define("2736 cosd(float8) float8", _periodic(_cosd))
define("2737 tand(float8) float8", _periodic(_tand))
define("2738 cotd(float8) float8", _periodic(lambda value: _tand(value, True)))
define("2731 asind(float8) float8", _bounded(lambda v: _asind_first(v) if v >= 0 else -_asind_first(-v)))
define(
    "2732 acosd(float8) float8", _bounded(lambda v: _acosd_first(v) if v >= 0 else 90.0 + _asind_first(-v))
)
define("2733 atand(float8) float8", lambda value: (math.atan(value) / math.atan(1.0)) * 45.0)
define("2734 atan2d(float8,float8) float8", lambda y, x: (math.atan2(y, x) / math.atan(1.0)) * 45.0)


@sql("320 width_bucket(float8,float8,float8,int4) int4")
def width_bucket(operand: float, low: float, high: float, count: int) -> int:
    """The equal-width bucket between the bounds; 0 below, count + 1 above; 2201G."""
    if count <= 0:
        raise PgError("2201G", "count must be greater than zero")
    if operand != operand or low != low or high != high:
        raise PgError("2201G", "operand, lower bound, and upper bound cannot be NaN")
    if abs(low) == INF or abs(high) == INF:
        raise PgError("2201G", "lower and upper bounds must be finite")
    if low == high:
        raise PgError("2201G", "lower bound cannot equal upper bound")
    rising = low < high
    if operand < low if rising else operand > low:
        return 0
    if operand >= high if rising else operand <= high:
        if count == (1 << 31) - 1:
            raise PgError("22003", "integer out of range")
        return count + 1
    span = high - low
    part = (operand / 2 - low / 2) / (high / 2 - low / 2) if abs(span) == INF else (operand - low) / span
    return min(int(count * part), count - 1) + 1
