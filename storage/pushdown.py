"""What a shard does for its readers on the way, as data: a condition, the columns that are needed, a count.

    Pushed(test=Both((Compare(2, ">", 10), Null(4, False))), columns=(0, 2))
        rows whose third column is above 10 and whose fifth is not NULL, with the first and the third column

Columns are places in the stored array (storage.rowcode); one that a row does not have is NULL. A comparison with NULL
is never true, and so is none whose operand is NULL. Values compare as Python compares what is stored, so that only
those columns may be named of which that is true in SQL too; floats as PostgreSQL orders them, NaN above all. The reader
applies its whole condition again, to these rows and to those that only its transaction has: this is a reduction.

Bytes that say nothing of the kind are no request: `check` says so. Work is bounded by the size of the test, which is
bounded, and by the rows that one scan looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any, TypeAlias

import msgspec

from storage import rowcode
from storage.shard import Row

MOST_TESTS = 256
"""In one condition, each value of a list counted."""
DEEPEST = 16
MOST_COLUMNS = 2000

Values: TypeAlias = Sequence[Any]
Check: TypeAlias = Callable[[Values], bool]


class Compare(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """`column op value`."""

    column: int
    op: str
    value: Any
    """As it is stored: bool, int, float, str or bytes."""


class Among(msgspec.Struct, frozen=True, array_like=True, tag="i"):
    """The column has one of these values."""

    column: int
    values: tuple[Any, ...]


class Null(msgspec.Struct, frozen=True, array_like=True, tag="n"):
    """The column is NULL, or is not."""

    column: int
    is_null: bool


class Both(msgspec.Struct, frozen=True, array_like=True, tag="a"):
    """All of them."""

    tests: tuple[Test, ...]


class Either(msgspec.Struct, frozen=True, array_like=True, tag="o"):
    """One of them; none: never."""

    tests: tuple[Test, ...]


Test: TypeAlias = Compare | Among | Null | Both | Either


class Pushed(msgspec.Struct, frozen=True, array_like=True):
    """What becomes of the rows."""

    test: Test | None = None
    """None: all pass."""
    columns: tuple[int, ...] | None = None
    """Those that are needed, the others are NULL; None: all of them."""
    counts: bool = False
    """How many rows pass, in decimal digits, as one row; none if it is none."""


encode: Callable[[Pushed], bytes] = msgspec.msgpack.Encoder().encode
COUNT = encode(Pushed(counts=True))
_decode = msgspec.msgpack.Decoder(Pushed).decode
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": eq, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge,
}  # fmt: skip


def measure(test: Test) -> tuple[int, int]:
    """How many parts a condition has, and how deep they lie in each other: see `MOST_TESTS` and `DEEPEST`."""
    if isinstance(test, Both | Either):
        parts = [measure(each) for each in test.tests]
        return 1 + sum(size for size, _depth in parts), 1 + max((depth for _size, depth in parts), default=0)
    return max(len(test.values), 1) if isinstance(test, Among) else 1, 1


class BadRequest(ValueError):
    """Bytes that no reader of this version sends."""


class StoredPushdown:
    """Over rows as SQL stores them: a `storage.shard.Pushdown`."""

    def run(self, pushed: bytes, rows: Iterable[Row]) -> Iterator[Row]:
        """What becomes of `rows`. Raises `BadRequest`."""
        return _made(pushed)(rows)


def check(pushed: bytes) -> None:
    """Raises `BadRequest`."""
    _made(pushed)


@lru_cache(maxsize=256)
def _made(pushed: bytes) -> Callable[[Iterable[Row]], Iterator[Row]]:
    try:
        wanted = _decode(pushed)
        size, depth = (0, 0) if wanted.test is None else measure(wanted.test)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadRequest(str(error)) from None
    if size > MOST_TESTS or depth > DEEPEST + 1:
        raise BadRequest("a condition of too many parts")
    check = None if wanted.test is None else _compiled(wanted.test)
    if wanted.counts:
        return lambda rows: _counted(rows, check)
    if wanted.columns is None:
        return lambda rows: _passing(rows, check)
    if len(wanted.columns) > MOST_COLUMNS or not all(0 <= each < MOST_COLUMNS for each in wanted.columns):
        raise BadRequest("columns")
    kept = frozenset(wanted.columns)
    width = max(kept, default=-1) + 1
    return lambda rows: _pruned(rows, check, kept, width)


def _passing(rows: Iterable[Row], check: Check | None) -> Iterator[Row]:
    unpack = rowcode.unpack
    return iter(rows) if check is None else (row for row in rows if check(unpack(row[2])))


def _counted(rows: Iterable[Row], check: Check | None) -> Iterator[Row]:
    first, count = b"", 0
    for key, _ts, _value in _passing(rows, check):
        first = first or key
        count += 1
    if count:
        yield first, 0, b"%d" % count


def _pruned(rows: Iterable[Row], check: Check | None, kept: frozenset[int], width: int) -> Iterator[Row]:
    unpack, pack = rowcode.unpack, rowcode.pack
    for key, ts, value in rows:
        values = unpack(value)
        if check is None or check(values):
            pruned = pack([each if place in kept else None for place, each in enumerate(values[:width])])
            if len(pruned) > len(value):  # a text was compressed, and is to stay so
                values = rowcode.unpack_stored(value)
                pruned = pack([each if place in kept else None for place, each in enumerate(values[:width])])
            yield key, ts, pruned


def _compiled(test: Test) -> Check:
    """A test as a function of a row's values. Raises `BadRequest`."""
    values = test.values if isinstance(test, Among) else [test.value] if isinstance(test, Compare) else []
    if not all(isinstance(value, bool | int | float | str | bytes) for value in values):
        raise BadRequest("a value")
    if isinstance(test, Both):
        return _all([_compiled(each) for each in test.tests])
    if isinstance(test, Either):
        return _any([_compiled(each) for each in test.tests])
    if not 0 <= test.column < MOST_COLUMNS:
        raise BadRequest("a column")
    if isinstance(test, Null):
        return _null(test.column, test.is_null)
    if isinstance(test, Among):
        return _among(test.column, test.values)
    if test.op not in _OPERATORS:
        raise BadRequest("an operator")
    return _compare(test.column, _OPERATORS[test.op], test.value)


def _all(checks: Sequence[Check]) -> Check:
    if len(checks) == 1:
        return checks[0]
    if len(checks) == 2:
        first, second = checks
        return lambda values: first(values) and second(values)
    return lambda values: all(check(values) for check in checks)


def _any(checks: Sequence[Check]) -> Check:
    if len(checks) == 2:
        first, second = checks
        return lambda values: first(values) or second(values)
    return lambda values: any(check(values) for check in checks)


def _null(column: int, is_null: bool) -> Check:
    return lambda values: (column >= len(values) or values[column] is None) == is_null


def _compare(column: int, operator: Callable[[Any, Any], bool], value: Any) -> Check:
    wanted = _ordered(value)

    def check(values: Values) -> bool:
        found = values[column] if column < len(values) else None
        return found is not None and operator(found, value)

    def check_float(values: Values) -> bool:
        found = values[column] if column < len(values) else None
        return found is not None and operator(_ordered(found), wanted)

    return check_float if type(value) is float else check


def _among(column: int, among: Sequence[Any]) -> Check:
    wanted = frozenset(map(_ordered, among))

    def check(values: Values) -> bool:
        found = values[column] if column < len(values) else None
        return found is not None and _ordered(found) in wanted

    return check


def _ordered(value: Any) -> Any:
    """Something that compares as the value does in SQL."""
    return (value != value, 0.0 if value != value else value) if type(value) is float else value
