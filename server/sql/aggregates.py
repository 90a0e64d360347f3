"""Aggregates whose state is a plain running value: count, sum, min, max, and boolean and bitwise ones."""

import operator
from collections.abc import Callable
from typing import Any

from server.sql.fn_integer import out_of_range
from server.sql.functions import Aggregate, parse_signature, register_aggregate

Step = Callable[..., Any]


def define(
    signature: str, step: Step, *, init: Callable[..., Any] | None = None, final: Callable[..., Any] | None = None,
    strict: bool = True, fast: str | None = None, kind: str = "n", direct: int = 0, env: bool = False,
    types: bool = False,
) -> Aggregate:  # fmt: skip
    """Register the aggregate `oid name(args) result`; without `init` the first value is the state."""
    facts = parse_signature(signature)
    return register_aggregate(
        Aggregate(
            facts.oid, facts.name, facts.args, facts.result, init or _nothing, step if init else first_is_state(step),
            final or _itself, strict, kind, "variadic" in facts.flags, direct, env, types, fast,
        )
    )  # fmt: skip


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
    """A sum that must fit into bigint."""
    if state is not None and not -(1 << 63) <= state < 1 << 63:
        raise out_of_range("bigint")
    return state


define("2108 sum(int4) int8", operator.add, final=bigint, fast="sum")
define("2109 sum(int2) int8", operator.add, final=bigint, fast="sum")
