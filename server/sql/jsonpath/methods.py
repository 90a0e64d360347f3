"""The item methods of jsonpath (PostgreSQL, chapter 9.16.2, table 9.50)."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from server.errors import PgError
from server.sql import fn_numeric, numeric
from server.sql.cast_functions import float8_to_numeric
from server.sql.env import Env
from server.sql.fn_json import kind_of
from server.sql.jsonpath.datetime import Datetime, read
from server.sql.jsonpath.keyvalue import unshared
from server.sql.jsonpath.template import template
from server.sql.jsonpath.tree import Steps
from server.sql.type_float import float8_in

if TYPE_CHECKING:
    from server.sql.jsonpath.run import Evaluation, Found

_env = Env()


def _type(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    name = value.type_name if isinstance(value, Datetime) else kind_of(value)
    return run.then(steps, at, name, found)


def _size(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    if type(value) is not list and not run.lax:
        if not run.ignoring:
            raise run.fail("22039", "jsonpath item method .size() can only be applied to an array")
        return False
    return run.then(steps, at, Decimal(len(value) if type(value) is list else 1), found)


_ROUNDINGS: dict[str, Callable[[Decimal], Decimal]] = {
    "abs": fn_numeric.abs_,
    "ceiling": fn_numeric.ceiling,
    "floor": fn_numeric.floor,
}


def _rounded(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    if type(value) is list and unwrap:
        return run.each(iter(value), steps, at, found, False)
    op = steps[at].op
    if type(value) is not Decimal:
        raise run.fail("22036", f"jsonpath item method .{op}() can only be applied to a numeric value")
    return run.then(steps, at, run.number(_ROUNDINGS[op], value), found)


_DOUBLE = "jsonpath item method .double()"


def _double(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    if type(value) is list and unwrap:
        return run.each(iter(value), steps, at, found, False)
    if type(value) is Decimal:
        text, wrong = (
            numeric.render(value),
            f"numeric argument of {_DOUBLE} is out of range for type double precision",
        )
    elif type(value) is str:
        text, wrong = (
            value,
            f"string argument of {_DOUBLE} is not a valid representation of a double precision number",
        )
    else:
        raise run.fail("22036", f"{_DOUBLE} can only be applied to a string or numeric value")
    try:
        double = float8_in(text, -1, _env)
    except PgError:
        double = math.nan
    if not math.isfinite(double):
        raise run.fail("22036", wrong)
    made = value if type(value) is Decimal else float8_to_numeric(double, _env)
    return run.then(steps, at, made, found)


def _datetime(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    if type(value) is list and unwrap:
        return run.each(iter(value), steps, at, found, False)
    if type(value) is not str:
        raise run.fail("22031", "jsonpath item method .datetime() can only be applied to a string")
    args = steps[at].args
    given = template(args[0][0].value) if args else None
    try:
        made = read(value, given)
    except PgError as error:
        if run.throwing:
            raise
        raise run.fail(error.sqlstate, error.message) from None
    return run.then(steps, at, made, found)


def _keyvalue(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    if type(value) is list and unwrap:
        return run.each(iter(value), steps, at, found, False)
    if type(value) is not dict:
        raise run.fail("2203C", "jsonpath item method .keyvalue() can only be applied to an object")
    is_last = at + 1 == len(steps)
    if found is None and is_last:
        return bool(value)
    assert run.places is not None
    result = False
    place = run.places.id_of(value) if value else None
    for key, held in value.items():
        run.visit()
        made = {"id": place, "key": key, "value": held}
        if not is_last and run.path.keyvalues > 1:
            made["value"] = unshared(held, run.visit)
            run.places.add(made, run.next_document)
        run.next_document += 1
        result = run.then(steps, at, made, found)
        if result and found is None:
            return True
    return result


STEPS: dict[str, Callable[..., bool]] = {
    "type": _type,
    "size": _size,
    "double": _double,
    "abs": _rounded,
    "ceiling": _rounded,
    "floor": _rounded,
    "datetime": _datetime,
    "keyvalue": _keyvalue,
}
