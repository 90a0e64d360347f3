"""Functions and operators that evaluate a jsonpath (PostgreSQL, chapter 9.16.1, tables 9.46 and 9.48)."""

from collections.abc import Callable, Iterator
from typing import Any

from server.errors import PgError
from server.sql.context import Context
from server.sql.functions import define
from server.sql.jsonpath.datetime import Datetime
from server.sql.jsonpath.run import Evaluation
from server.sql.jsonpath.tree import JsonPath
from server.sql.sizes import MAX_LENGTH, too_long
from server.sql.type_json import Jsonb

_ARGS = "target:jsonb,path:jsonpath,vars:jsonb,silent:bool"
_DEFAULTS = (Jsonb({}), False)
_Ask = Callable[[Evaluation], Any]


def _exists(run: Evaluation) -> bool | None:
    """Whether the path finds anything; NULL after an error."""
    return run.exists()


def _match(run: Evaluation) -> bool | None:
    """What the predicate says; 22038."""
    items = run.items()
    if len(items) == 1 and (items[0] is None or type(items[0]) is bool):
        return items[0]
    if run.throwing:
        raise PgError("22038", "single boolean result is expected")
    return None


def _query(run: Evaluation) -> Iterator[Jsonb]:
    """Each item."""
    return map(_jsonb, run.items())


def _array(run: Evaluation) -> Jsonb:
    """All items; 54000 where they are longer together than a value may be."""
    items = [_plain(item) for item in run.items()]
    _fit(run, items)
    return Jsonb(items)


def _first(run: Evaluation) -> Jsonb | None:
    """The first item."""
    items = run.items()
    return _jsonb(items[0]) if items else None


def _plain(item: Any) -> Any:
    return item.text() if type(item) is Datetime else item


def _jsonb(item: Any) -> Jsonb:
    return Jsonb(_plain(item))


def _fit(run: Evaluation, items: list[Any]) -> None:
    """What a path finds may be parts of each other, so all of it can be longer than the document."""
    left = MAX_LENGTH
    stack = [iter(items)]
    while stack:
        for item in stack[-1]:
            run.visit()
            kind = type(item)
            left -= len(item) + 2 if kind is str else 2
            if kind is list:
                stack.append(iter(item))
                break
            if kind is dict:
                left -= sum(map(len, item))
                stack.append(iter(item.values()))
                break
        else:
            stack.pop()
        if left < 0:
            raise too_long()


def _asking(ask: _Ask, zoned: bool) -> Callable[..., Any]:
    def call(context: Context, target: Jsonb, path: JsonPath, variables: Jsonb, silent: bool) -> Any:
        return _guarded(ask, Evaluation, path, target.value, variables, silent, zoned, context)

    return call


def _operator(ask: _Ask) -> Callable[..., Any]:
    def call(context: Context, target: Jsonb, path: JsonPath) -> Any:
        return _guarded(ask, Evaluation, path, target.value, None, True, False, context)

    return call


def _guarded(ask: _Ask, make: Callable[..., Evaluation], *args: Any) -> Any:
    try:
        return ask(make(*args))
    except RecursionError:
        raise PgError("54001", "stack depth limit exceeded") from None


_FUNCTIONS = (
    ("exists", _exists, "bool", 4005, 1177),
    ("match", _match, "bool", 4009, 2030),
    ("query", _query, "jsonb set", 4006, 1179),
    ("query_array", _array, "jsonb", 4007, 1180),
    ("query_first", _first, "jsonb", 4008, 2023),
)
"""Name, what it asks, result, oid, and oid of the function that uses the session's time zone."""


def _load() -> None:
    for name, ask, result, oid, zoned_oid in _FUNCTIONS:
        plain, zoned = _asking(ask, False), _asking(ask, True)
        define(f"{oid} jsonb_path_{name}({_ARGS}) {result}", plain, context=True, defaults=_DEFAULTS)
        define(
            f"{zoned_oid} jsonb_path_{name}_tz({_ARGS}) {result} s", zoned, context=True, defaults=_DEFAULTS
        )
    define("4010 jsonb_path_exists_opr(jsonb,jsonpath) bool", _operator(_exists), context=True)
    define("4011 jsonb_path_match_opr(jsonb,jsonpath) bool", _operator(_match), context=True)


_load()
