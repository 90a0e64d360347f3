"""How a row becomes bytes: one msgpack array, a column per attribute number (format on disk, ARCHITECTURE).

    row      = msgpack array [column 1, column 2, ...], in order of attribute number
    column   = nil | bool | int | float64 | str | bin | array | ext 1: a str as zlib of its UTF-8, where it is long

    SQL type                          stored as
    boolean                           bool
    smallint, integer, bigint         int
    date                              int, days since 2000-01-01
    time, timestamp, timestamptz      int, microseconds since midnight, or since 2000-01-01 (UTC)
    real, double precision            float64
    text, varchar, char               str (UTF-8)
    bytea, uuid                       bin (a uuid has 16 bytes)
    numeric                           str, its decimal text with its scale: `1.50`, `NaN`, `-Infinity`
    interval                          array [months, days, microseconds]

A row may be shorter than its table: columns that ALTER TABLE ADD COLUMN appended later are absent, and
`unpack` returns the columns that are there. A row is never empty bytes: an empty body is a tombstone
(storage.mvcc).
"""

import zlib
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

_COMPRESSED = 1
_FASTEST = 1
"""zlib's level: whoever waits for the statement waits for this."""


def _extended(code: int, data: memoryview) -> str:
    if code != _COMPRESSED:
        raise msgspec.DecodeError(f"a column of kind {code}")
    try:
        return zlib.decompress(data).decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise msgspec.DecodeError(str(error)) from error


pack: Callable[[Sequence[object]], bytes] = msgspec.msgpack.Encoder().encode
"""Columns -> row. One encoder for the process; it keeps no state between calls."""

unpack: Callable[[bytes], list[object]] = msgspec.msgpack.Decoder(list[object], ext_hook=_extended).decode
"""Row -> the columns that it holds. Raises `msgspec.DecodeError` for bytes that are no row."""

unpack_stored: Callable[[bytes], list[object]] = msgspec.msgpack.Decoder(list[object]).decode
"""The same with what is compressed left as it is: `pack` takes it back."""


def shrink(columns: list[object], longest: int, which: Sequence[bool] | None = None) -> None:
    """Compress texts of more than `longest` bytes, where `which` allows it, in place; not those that would grow."""
    for place, value in enumerate(columns):
        if isinstance(value, str) and len(value) * 4 > longest and (which is None or which[place]):
            data = value.encode()
            if len(data) > longest and len(small := zlib.compress(data, _FASTEST)) < len(data):
                columns[place] = msgspec.msgpack.Ext(_COMPRESSED, small)


def size(column: object) -> int:
    """Bytes of a text or bytea as it is stored; of anything else 0, which is never long."""
    if isinstance(column, msgspec.msgpack.Ext):
        return memoryview(column.data).nbytes
    return (
        len(column.encode()) if isinstance(column, str) else len(column) if isinstance(column, bytes) else 0
    )


@cache
def reader(width: int) -> Callable[[bytes], Any]:
    """Row -> an object with its first `width` columns as c0, c1, ...; those that the row does not have are None.

    What stands behind them is passed over, not decoded. Raises `msgspec.DecodeError` as `unpack`.
    """
    columns = [(f"c{place}", Any, None) for place in range(width)]
    shape = msgspec.defstruct(f"First{width}", columns, array_like=True, gc=False)
    return msgspec.msgpack.Decoder(shape, ext_hook=_extended).decode


def numeric_to_column(value: Decimal) -> str:
    """The stored text of a numeric, scale kept; never in exponent form (PostgreSQL 8.1.2)."""
    return format(value, "f") if value.is_finite() else _SPECIAL[str(value)]


def numeric_from_column(text: str) -> Decimal:
    """The numeric that `numeric_to_column` stored."""
    return Decimal(text)


_SPECIAL = {"NaN": "NaN", "Infinity": "Infinity", "-Infinity": "-Infinity"}
