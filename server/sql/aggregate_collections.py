"""Aggregates that collect: arrays, strings; and ordered-set aggregates (PostgreSQL, chapter 9.21)."""

import math
from typing import Any

from server.errors import PgError
from server.sql import fn_interval
from server.sql.aggregates import define
from server.sql.fn_array import same
from server.sql.sizes import MAX_ELEMENTS, bytes_joined, elements_fit, text_joined
from server.sql.type_array import Array


def _append(state: list[Any], value: Any) -> list[Any]:
    state.append(value)
    if len(state) > MAX_ELEMENTS:
        elements_fit(len(state))
    return state


# --- array_agg, string_agg ------------------------------------------------------------------------------


def _array_of(state: list[Any], env: Any) -> Array | None:
    elements_fit(len(state))
    return Array(state) if state else None


define("2335 array_agg(anynonarray) anyarray", _append, init=list, final=_array_of, strict=False)


def _append_array(state: list[Any], value: Array | None) -> list[Any]:
    if value is None:
        raise PgError("22004", "cannot accumulate null arrays")
    if not value.dims and not state:
        raise PgError("2202E", "cannot accumulate empty arrays")
    if state and state[0].dims != value.dims:
        raise PgError("2202E", "cannot accumulate arrays of different dimensionality")
    state.append(value)
    return state


def _array_of_arrays(state: list[Array], env: Any) -> Array | None:
    if not state:
        return None
    elements_fit(len(state) * len(state[0].elements))
    elements = [item for array in state for item in array.elements]
    return Array(elements, (len(state), *state[0].dims), (1, *state[0].lbounds))


define("4053 array_agg(anyarray) anyarray", _append_array, init=list, final=_array_of_arrays, strict=False)


def _add_piece(state: list[Any], value: Any, separator: Any) -> list[Any]:
    if value is not None:
        if state and separator is not None:
            state.append(separator)
        state.append(value)
    return state


define(
    "3538 string_agg(text,text) text", _add_piece, init=list, strict=False,
    final=lambda state, env: text_joined(state) if state else None,
)  # fmt: skip
define(
    "3545 string_agg(bytea,bytea) bytea", _add_piece, init=list, strict=False,
    final=lambda state, env: bytes_joined(state) if state else None,
)  # fmt: skip

# --- ordered-set: the rows arrive in the order of WITHIN GROUP ----------------------------------------------


def _check_fraction(fraction: float) -> None:
    if fraction < 0 or fraction > 1 or fraction != fraction:
        raise PgError("22003", f"percentile value {fraction:g} is not between 0 and 1")


def _discrete(values: list[Any], fraction: float | None) -> Any:
    if fraction is None:
        return None
    _check_fraction(fraction)
    return values[max(math.ceil(fraction * len(values)), 1) - 1] if values else None


def _float_between(low: float, high: float, part: float) -> float:
    return low + part * (high - low)


def _interval_between(low: Any, high: Any, part: float) -> Any:
    return fn_interval.add(fn_interval.multiply(fn_interval.subtract(high, low), part), low)


def _continuous(values: list[Any], fraction: float | None, between: Any) -> Any:
    if fraction is None:
        return None
    _check_fraction(fraction)
    if not values:
        return None
    place = fraction * (len(values) - 1)
    first, second = math.floor(place), math.ceil(place)
    low, high = values[first], values[second]
    return low if first == second else between(low, high, place - first)


def _each(compute: Any) -> Any:
    """The form that takes an array of fractions."""

    def run(state: list[Any], env: Any, fractions: Array | None) -> Array | None:
        if fractions is None or not state:
            return None
        return Array(
            [compute(state, fraction) for fraction in fractions.elements], fractions.dims, fractions.lbounds
        )

    return run


def _continuous_float(values: list[Any], fraction: float | None) -> Any:
    return _continuous(values, fraction, _float_between)


def _continuous_interval(values: list[Any], fraction: float | None) -> Any:
    return _continuous(values, fraction, _interval_between)


for _signature, _final in (
    ("3974 percentile_cont(float8,float8) float8", lambda state, env, f: _continuous_float(state, f)),
    ("3976 percentile_cont(float8,interval) interval", lambda state, env, f: _continuous_interval(state, f)),
    ("3980 percentile_cont(_float8,float8) _float8", _each(_continuous_float)),
    ("3982 percentile_cont(_float8,interval) _interval", _each(_continuous_interval)),
    ("3972 percentile_disc(float8,anyelement) anyelement", lambda state, env, f: _discrete(state, f)),
    ("3978 percentile_disc(_float8,anyelement) anyarray", _each(_discrete)),
):
    define(_signature, _append, init=list, final=_final, kind="o", direct=1)


def _typed(types: Any) -> tuple[Any, list[Any]]:
    return types, []


def _mode_step(state: tuple[Any, list[Any]], value: Any) -> tuple[Any, list[Any]]:
    state[1].append(value)
    return state


def _mode(state: tuple[Any, list[Any]], env: Any) -> Any:
    """The most frequent value, the first of several."""
    types, values = state
    equal = same(types)
    best: Any = None
    most = run = 0
    for index, value in enumerate(values):
        run = run + 1 if index and equal(values[index - 1], value) else 1
        if run > most:
            most, best = run, value
    return best


define("3984 mode(anyelement) anyelement", _mode_step, init=_typed, final=_mode, kind="o", types=True)
