"""Variance, standard deviation and regression (PostgreSQL: numeric.c, float.c; chapter 9.21)."""

import math
from decimal import Decimal
from typing import Any

from server.sql import fn_numeric
from server.sql.aggregates import define
from server.sql.fn_float import NAN, overflow
from server.sql.numeric import EXACT, rounded_to

# --- integers and numeric: exact sums -------------------------------------------------------------------


def sums() -> list[Any]:
    """[count, sum, sum of squares]"""
    return [0, Decimal(0), Decimal(0)]


def add_value(state: list[Any], value: Any) -> list[Any]:
    """One value more."""
    number = Decimal(value)
    state[0] += 1
    state[1] = EXACT.add(state[1], number)
    state[2] = EXACT.add(state[2], EXACT.multiply(number, number))
    return state


def spread(state: list[Any], sample: bool, root: bool) -> Decimal | None:
    """numeric_stddev_internal: variance or standard deviation."""
    count, total, squares = state
    if count <= (1 if sample else 0):
        return None
    if not (total.is_finite() and squares.is_finite()):
        return Decimal("NaN")
    number = Decimal(count)
    top = EXACT.subtract(EXACT.multiply(number, squares), EXACT.multiply(total, total))
    if top <= 0:
        return Decimal(0)
    bottom = EXACT.multiply(number, number - 1 if sample else number)
    scale = fn_numeric.division_scale(top, bottom)
    variance = fn_numeric.divided(top, bottom, scale)
    return _root(variance, scale) if root else variance


def _root(value: Decimal, scale: int) -> Decimal:
    shifted = int(rounded_to(value.scaleb(2 * scale, context=EXACT), 0))
    return Decimal((math.isqrt(4 * shifted) + 1) // 2).scaleb(-scale, context=EXACT)


# --- floats: Youngs and Cramer --------------------------------------------------------------------------


def moments() -> list[Any]:
    """[count, sum, sum of squared differences]"""
    return [0.0, 0.0, 0.0]


def add_float(state: list[Any], value: float) -> list[Any]:
    """float8_accum; 22003."""
    count, total, squares = state[0] + 1.0, state[1] + value, state[2]
    if state[0] > 0.0:
        difference = value * count - total
        squares += difference * difference / (count * (count - 1.0))
        if math.isinf(total) or math.isinf(squares):
            if not math.isinf(state[1]) and not math.isinf(value):
                raise overflow()
            squares = NAN
    elif not math.isfinite(value):
        squares = NAN
    state[:] = (count, total, squares)
    return state


def average_float(state: list[Any], env: Any) -> float | None:
    """avg of floats."""
    average: float | None = state[1] / state[0] if state[0] else None
    return average


def spread_float(state: list[Any], sample: bool, root: bool) -> float | None:
    """Variance or standard deviation of floats."""
    count = state[0] - 1.0 if sample else state[0]
    if count <= 0.0:
        return None
    variance: float = state[2] / count
    return math.sqrt(variance) if root else variance


define("2104 avg(float4) float8", add_float, init=moments, final=average_float)
define("2105 avg(float8) float8", add_float, init=moments, final=average_float)


def _define_spreads() -> None:
    for line in _SPREAD_FACTS.strip().splitlines():
        text = line.strip()
        name = text.split()[1].split("(")[0]
        sample, root = not name.endswith("_pop"), name.startswith("stddev")
        if "float" in text.split("(")[1].split(")")[0]:
            define(
                text, add_float, init=moments, final=lambda s, env, a=sample, b=root: spread_float(s, a, b)
            )
        else:
            define(text, add_value, init=sums, final=lambda s, env, a=sample, b=root: spread(s, a, b))


_SPREAD_FACTS = """
    2718 var_pop(int8) numeric
    2719 var_pop(int4) numeric
    2720 var_pop(int2) numeric
    2721 var_pop(float4) float8
    2722 var_pop(float8) float8
    2723 var_pop(numeric) numeric
    2641 var_samp(int8) numeric
    2642 var_samp(int4) numeric
    2643 var_samp(int2) numeric
    2644 var_samp(float4) float8
    2645 var_samp(float8) float8
    2646 var_samp(numeric) numeric
    2148 variance(int8) numeric
    2149 variance(int4) numeric
    2150 variance(int2) numeric
    2151 variance(float4) float8
    2152 variance(float8) float8
    2153 variance(numeric) numeric
    2154 stddev(int8) numeric
    2155 stddev(int4) numeric
    2156 stddev(int2) numeric
    2157 stddev(float4) float8
    2158 stddev(float8) float8
    2159 stddev(numeric) numeric
    2724 stddev_pop(int8) numeric
    2725 stddev_pop(int4) numeric
    2726 stddev_pop(int2) numeric
    2727 stddev_pop(float4) float8
    2728 stddev_pop(float8) float8
    2729 stddev_pop(numeric) numeric
    2712 stddev_samp(int8) numeric
    2713 stddev_samp(int4) numeric
    2714 stddev_samp(int2) numeric
    2715 stddev_samp(float4) float8
    2716 stddev_samp(float8) float8
    2717 stddev_samp(numeric) numeric
    """
_define_spreads()

# --- regression: the first argument is Y, the second X ------------------------------------------------------


def regression() -> list[Any]:
    """[count, sum X, Sxx, sum Y, Syy, Sxy]"""
    return [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def add_point(state: list[Any], y: float, x: float) -> list[Any]:
    """float8_regr_accum; 22003."""
    count, sum_x, sxx, sum_y, syy, sxy = state
    before = (sum_x, sum_y)
    count, sum_x, sum_y = count + 1.0, sum_x + x, sum_y + y
    if count > 1.0:
        dx, dy = x * count - sum_x, y * count - sum_y
        scale = 1.0 / (count * (count - 1.0))
        sxx, syy, sxy = sxx + dx * dx * scale, syy + dy * dy * scale, sxy + dx * dy * scale
        if any(map(math.isinf, (sum_x, sxx, sum_y, syy, sxy))):
            wide_x = (
                (math.isinf(sum_x) or math.isinf(sxx)) and not math.isinf(before[0]) and not math.isinf(x)
            )
            wide_y = (
                (math.isinf(sum_y) or math.isinf(syy)) and not math.isinf(before[1]) and not math.isinf(y)
            )
            finite = not any(map(math.isinf, (*before, x, y)))
            if wide_x or wide_y or (math.isinf(sxy) and finite):
                raise overflow()
            sxx, syy, sxy = (NAN if math.isinf(value) else value for value in (sxx, syy, sxy))
    else:
        sxx = NAN if not math.isfinite(x) else sxx
        syy = NAN if not math.isfinite(y) else syy
        sxy = NAN if not (math.isfinite(x) and math.isfinite(y)) else sxy
    state[:] = (count, sum_x, sxx, sum_y, syy, sxy)
    return state


def _corr(n: float, _x: float, sxx: float, _y: float, syy: float, sxy: float) -> float | None:
    return None if sxx == 0 or syy == 0 else sxy / math.sqrt(sxx * syy)


def _r2(n: float, _x: float, sxx: float, _y: float, syy: float, sxy: float) -> float | None:
    if sxx == 0:
        return None
    return 1.0 if syy == 0 else (sxy * sxy) / (sxx * syy)


def _slope(n: float, _x: float, sxx: float, _y: float, syy: float, sxy: float) -> float | None:
    return None if sxx == 0 else sxy / sxx


def _intercept(n: float, x: float, sxx: float, y: float, syy: float, sxy: float) -> float | None:
    return None if sxx == 0 else (y - x * sxy / sxx) / n


def _define_regression(signature: str, compute: Any, least: float = 1.0) -> None:
    define(
        signature, add_point, init=regression,
        final=lambda state, env: compute(*state) if state[0] >= least else None,
    )  # fmt: skip


define("2818 regr_count(float8,float8) int8", lambda state, y, x: state + 1, init=lambda: 0)
_define_regression("2819 regr_sxx(float8,float8) float8", lambda n, x, sxx, y, syy, sxy: sxx)
_define_regression("2820 regr_syy(float8,float8) float8", lambda n, x, sxx, y, syy, sxy: syy)
_define_regression("2821 regr_sxy(float8,float8) float8", lambda n, x, sxx, y, syy, sxy: sxy)
_define_regression("2822 regr_avgx(float8,float8) float8", lambda n, x, sxx, y, syy, sxy: x / n)
_define_regression("2823 regr_avgy(float8,float8) float8", lambda n, x, sxx, y, syy, sxy: y / n)
_define_regression("2827 covar_pop(float8,float8) float8", lambda n, x, sxx, y, syy, sxy: sxy / n)
_define_regression(
    "2828 covar_samp(float8,float8) float8", lambda n, x, sxx, y, syy, sxy: sxy / (n - 1.0), 2.0
)
_define_regression("2829 corr(float8,float8) float8", _corr)
_define_regression("2824 regr_r2(float8,float8) float8", _r2)
_define_regression("2825 regr_slope(float8,float8) float8", _slope)
_define_regression("2826 regr_intercept(float8,float8) float8", _intercept)
