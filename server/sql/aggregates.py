"""Aggregates whose state is a running value: count, sum, avg, min, max and others (chapter 9.21)."""

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from server.sql import fn_float, fn_interval, fn_numeric
from server.sql.fn_compare import comparisons
from server.sql.fn_integer import out_of_range
from server.sql.functions import Aggregate, parse_signature, register_aggregate
from server.sql.type_array import Array
from server.sql.types import Type

Step = Callable[..., Any]


def define(
    signature: str,
    step: Step,
    *,
    init: Callable[..., Any] | None = None,
    final: Callable[..., Any] | None = None,
    strict: bool = True,
    fast: str | None = None,
    kind: str = "n",
    direct: int = 0,
    env: bool = False,
    types: bool = False,
) -> Aggregate:
    """Register the aggregate `oid name(args) result`; without `init` the first value is the state."""
    facts = parse_signature(signature)
    return register_aggregate(
        Aggregate(
            oid=facts.oid,
            name=facts.name,
            args=facts.args,
            result=facts.result,
            init=init or _nothing,
            step=step if init else first_is_state(step),
            final=final or _itself,
            strict_step=strict,
            kind=kind,
            variadic="variadic" in facts.flags,
            direct_args=direct,
            needs_env=env,
            needs_types=types,
            fast=fast,
        )
    )


def _nothing() -> None:
    return None


def _itself(state: Any, env: Any) -> Any:
    return state


def first_is_state(step: Step) -> Step:
    """A strict transition without initial value: NULL until the first value, which becomes the state."""

    def run(state: Any, value: Any) -> Any:
        return value if state is None else step(state, value)

    return run


def zero() -> int:
    """The initial state of counts."""
    return 0


define("2803 count() int8", lambda state: state + 1, init=zero, strict=False, fast="count")
define("2147 count(any) int8", lambda state, value: state + 1, init=zero, fast="count")


def bigint(state: int | None, env: Any) -> int | None:
    """A sum that must fit into bigint; 22003."""
    if state is not None and not -(1 << 63) <= state < 1 << 63:
        raise out_of_range("bigint")
    return state


def as_numeric(state: int | None, env: Any) -> Decimal | None:
    """An integer sum as numeric."""
    return None if state is None else Decimal(state)


define("2108 sum(int4) int8", operator.add, final=bigint, fast="sum")
define("2109 sum(int2) int8", operator.add, final=bigint, fast="sum")
define("2107 sum(int8) numeric", operator.add, final=as_numeric, fast="sum")
define("2114 sum(numeric) numeric", fn_numeric.add)
define("2111 sum(float8) float8", fn_float.add)
define("2110 sum(float4) float4", fn_float.single(fn_float.add))
define("2113 sum(interval) interval", fn_interval.add)

# --- avg ------------------------------------------------------------------------------------------------


def pair() -> list[Any]:
    """[number of values, their sum]"""
    return [0, 0]


def average_step(state: list[Any], value: int) -> list[Any]:
    """One integer more."""
    state[0] += 1
    state[1] += value
    return state


def average_integer(state: list[Any], env: Any) -> Decimal | None:
    """sum / count as numeric."""
    return fn_numeric.divide(Decimal(state[1]), Decimal(state[0])) if state[0] else None


for _signature in ("2102 avg(int2) numeric", "2101 avg(int4) numeric", "2100 avg(int8) numeric"):
    define(_signature, average_step, init=pair, final=average_integer, fast="avg")


def _numeric_step(state: list[Any], value: Decimal) -> list[Any]:
    state[0] += 1
    state[1] = value if state[0] == 1 else fn_numeric.add(state[1], value)
    return state


def _numeric_average(state: list[Any], env: Any) -> Decimal | None:
    return fn_numeric.divide(state[1], Decimal(state[0])) if state[0] else None


def _interval_step(state: list[Any], value: Any) -> list[Any]:
    state[0] += 1
    state[1] = value if state[0] == 1 else fn_interval.add(state[1], value)
    return state


def _interval_average(state: list[Any], env: Any) -> Any:
    return fn_interval.divide(state[1], float(state[0])) if state[0] else None


define("2103 avg(numeric) numeric", _numeric_step, init=pair, final=_numeric_average)
define("2106 avg(interval) interval", _interval_step, init=pair, final=_interval_average)

# --- min, max -------------------------------------------------------------------------------------------

_MAX = """
    2115 max(int8) int8
    2116 max(int4) int4
    2117 max(int2) int2
    2118 max(oid) oid
    2119 max(float4) float4
    2120 max(float8) float8
    2122 max(date) date
    2123 max(time) time
    2124 max(timetz) timetz
    2126 max(timestamp) timestamp
    2127 max(timestamptz) timestamptz
    2128 max(interval) interval
    2129 max(text) text
    2130 max(numeric) numeric
    2244 max(bpchar) bpchar
    3564 max(inet) inet
    """
_MIN = """
    2131 min(int8) int8
    2132 min(int4) int4
    2133 min(int2) int2
    2134 min(oid) oid
    2135 min(float4) float4
    2136 min(float8) float8
    2138 min(date) date
    2139 min(time) time
    2140 min(timetz) timetz
    2142 min(timestamp) timestamp
    2143 min(timestamptz) timestamptz
    2144 min(interval) interval
    2145 min(text) text
    2146 min(numeric) numeric
    2245 min(bpchar) bpchar
    3565 min(inet) inet
    """


def _extreme(compared: Type, largest: bool) -> Step:
    """The later of two equal values, as PostgreSQL's larger and smaller functions have it."""
    _, _, less, *_ = comparisons(compared)
    if largest:
        return lambda state, value: state if less(value, state) else value
    return lambda state, value: state if less(state, value) else value


def _define_extremes() -> None:
    facts = {"max": _MAX, "min": _MIN}
    for name, text in facts.items():
        for line in text.strip().splitlines():
            kind = parse_signature(line.strip()).args[0]
            if kind.name == "anyarray":
                continue
            plain = kind.sort_key is None
            define(line.strip(), _extreme(kind, name == "max"), fast=name if plain else None)


_define_extremes()


def _array_extreme(largest: bool) -> Callable[..., Any]:
    def step(state: Any, value: Array) -> Any:
        types, held = state
        key = types[0].element.sort_key
        if held is None or (
            (value.order(key) > held.order(key)) == largest and value.order(key) != held.order(key)
        ):
            return types, value
        return state

    return step


def _with_types(types: Any) -> tuple[Any, None]:
    return types, None


for _signature, _largest in (("2050 max(anyarray) anyarray", True), ("2051 min(anyarray) anyarray", False)):
    define(
        _signature, _array_extreme(_largest), init=_with_types, final=lambda state, env: state[1], types=True
    )

# --- boolean and bitwise --------------------------------------------------------------------------------

define("2517 bool_and(bool) bool", lambda state, value: state and value)
define("2519 every(bool) bool", lambda state, value: state and value)
define("2518 bool_or(bool) bool", lambda state, value: state or value)

for _name in ("int2", "int4", "int8"):
    _facts = {
        "int2": ("2236 bit_and(int2) int2", "2237 bit_or(int2) int2", "6164 bit_xor(int2) int2"),
        "int4": ("2238 bit_and(int4) int4", "2239 bit_or(int4) int4", "6165 bit_xor(int4) int4"),
        "int8": ("2240 bit_and(int8) int8", "2241 bit_or(int8) int8", "6166 bit_xor(int8) int8"),
    }[_name]
    define(_facts[0], operator.and_)
    define(_facts[1], operator.or_)
    define(_facts[2], operator.xor)

define("6291 any_value(anyelement) anyelement", lambda state, value: state)
