"""Order-preserving encoding of SQL values in keys (format on disk, fixed).

    key    = cluster (4 bytes BE) | index id (4 bytes BE) | column 1 | column 2 | ...
    column = 01                                   NULL of a column with NULLS FIRST
           | fe                                   NULL of a column with NULLS LAST (PostgreSQL's default)
           | tag | payload                        any other value

    kind     tag  payload
    int      10   8 bytes BE, value + 2^63: smallint, integer, bigint, date, time, timestamp, timestamptz
    float    11   8 bytes BE of IEEE 754; all bits flipped when negative, else the sign bit; -0 as 0; one NaN, greatest
    numeric  12   class: 01 -Infinity, 02 negative, 03 zero, 04 positive, 05 Infinity, 06 NaN; after 02 and 04
                  exponent + 2^23 (3 bytes BE) of 0.ddd x 10^exponent, then the digits without trailing zeros,
                  one more than the digit in each half byte, and a half byte 0 or two; after 02 these bytes
                  are flipped
    text     13   UTF-8, 00 (text has no NUL)
    bytes    14   each 00 as 00 ff, then 00 00
    bool     15   00 or 01
    uuid     16   16 bytes

Comparing keys as bytes compares the columns in order by PostgreSQL's rules (C collation; NaN equal to itself
and greatest; numerics of different scale equal). No encoded column is the beginning of another one of its
kind, so leading columns are a prefix of the key, and the keys with given leading columns are one range.
"""

import math
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeAlias

Kinds: TypeAlias = tuple[str, ...]
"""Of `int`, `float`, `numeric`, `text`, `bytes`, `bool`, `uuid`: one per key column."""
Encoder: TypeAlias = Callable[[Sequence[object]], bytes]

NULL_FIRST, NULL_LAST = b"\x01", b"\xfe"
_VALUES = b"\x02"
"""At or below every tag of a value, above NULL_FIRST."""
_INT, _FLOAT, _NUMERIC, _TEXT, _BYTES, _BOOL, _UUID = range(0x10, 0x17)
_TAGS = {
    "int": _INT,
    "float": _FLOAT,
    "numeric": _NUMERIC,
    "text": _TEXT,
    "bytes": _BYTES,
    "bool": _BOOL,
    "uuid": _UUID,
}
_BIAS = 1 << 63
_ALL = (1 << 64) - 1
_EXPONENT_BIAS = 1 << 23
_NAN = math.copysign(math.nan, 1.0)
_FLIP = bytes(range(255, -1, -1))
_TO_HALF_BYTES = str.maketrans("0123456789", "123456789a")
_FROM_HALF_BYTES = str.maketrans("123456789a", "0123456789")
_tagged_integer = struct.Struct(">BQ").pack
_double = struct.Struct(">d")
_long = struct.Struct(">Q")


def prefix(cluster: int, index_id: int) -> bytes:
    """The first 8 bytes of every key of an index."""
    return cluster.to_bytes(4, "big") + index_id.to_bytes(4, "big")


def encoder(kinds: Kinds, nulls_first: tuple[bool, ...] | None = None, start: bytes = b"") -> Encoder:
    """A function from 1 to len(kinds) leading column values (None: NULL) to `start` and their encoding.

    Built once per index. The function raises `struct.error` for an integer beyond 64 bits and `ValueError`
    for a NUL in text, both of which the types have refused before.
    """
    nulls = [NULL_FIRST if first else NULL_LAST for first in nulls_first or (False,) * len(kinds)]
    if kinds == ("int",):
        return _one_int(nulls[0], start)
    if kinds == ("text",):
        return _one_text(nulls[0], start)
    columns = [_COLUMNS[kind] for kind in kinds]
    if len(kinds) == 1:
        column, null = columns[0], nulls[0]

        def encode_one(values: Sequence[object]) -> bytes:
            (value,) = values
            return start + (null if value is None else column(value))

        return encode_one
    shape = list(zip(columns, nulls))

    def encode(values: Sequence[object]) -> bytes:
        encoded = [null if value is None else column(value) for (column, null), value in zip(shape, values)]
        return start + b"".join(encoded)

    return encode


def decode(kinds: Kinds, data: bytes, offset: int = 8) -> list[object]:
    """The column values of a key from `offset` on (8: after the prefix); or of those it has.

    A numeric comes back equal, without its scale; a float -0 as 0.
    """
    values: list[object] = []
    for kind in kinds:
        if offset == len(data):
            break
        tag = data[offset]
        offset += 1
        if tag == NULL_FIRST[0] or tag == NULL_LAST[0]:
            values.append(None)
            continue
        if tag != _TAGS[kind]:
            raise ValueError(f"key column is not {kind}: tag {tag:#x}")
        value, offset = _PAYLOADS[kind](data, offset)
        values.append(value)
    return values


def successor(start: bytes) -> bytes:
    """The least bytes above everything that begins with `start`, which is not empty or all ff."""
    stripped = start.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,))


def equal_range(start: bytes) -> tuple[bytes, bytes]:
    """[lo, hi) of the keys that begin with `start`: a prefix, or that and leading columns."""
    return start, successor(start)


def null_range(leading: bytes, nulls_first: bool = False) -> tuple[bytes, bytes]:
    """[lo, hi) of the keys whose column after `leading` is NULL."""
    return equal_range(leading + (NULL_FIRST if nulls_first else NULL_LAST))


def between(
    leading: bytes,
    low: bytes | None = None,
    high: bytes | None = None,
    *,
    low_is_open: bool = False,
    high_is_open: bool = False,
) -> tuple[bytes, bytes]:
    """[lo, hi) of the keys that begin with `leading` and whose next column is not NULL and within bounds.

    `low` and `high` are `leading` and the encoded column; None leaves that end open to all values: so `> v`
    is `between(leading, v, low_is_open=True)`, `<= v` is `between(leading, high=v)`. lo >= hi when nothing
    can match.
    """
    lo = leading + _VALUES if low is None else successor(low) if low_is_open else low
    hi = leading + NULL_LAST if high is None else high if high_is_open else successor(high)
    return lo, hi


def _one_int(null: bytes, start: bytes) -> Encoder:
    pack = struct.Struct(f">{len(start)}sBQ").pack

    def encode_int(values: Sequence[object]) -> bytes:
        (value,) = values
        if value is None:
            return start + null
        return pack(start, _INT, value + _BIAS)  # type: ignore[operator]

    return encode_int


def _one_text(null: bytes, start: bytes) -> Encoder:
    lead = start + bytes((_TEXT,))

    def encode_text(values: Sequence[object]) -> bytes:
        (value,) = values
        if value is None:
            return start + null
        if "\0" in value:  # type: ignore[operator]
            raise ValueError("NUL in a text key")
        return lead + value.encode() + b"\0"  # type: ignore[attr-defined, no-any-return]

    return encode_text


def _encode_int(value: int) -> bytes:
    return _tagged_integer(_INT, value + _BIAS)


def _encode_float(value: float) -> bytes:
    # Adding 0 turns -0 into 0; NaNs differ in sign and payload, so all become one.
    (bits,) = _long.unpack(_double.pack(_NAN if value != value else value + 0.0))
    return _tagged_integer(_FLOAT, bits ^ (_ALL if bits & _BIAS else _BIAS))


def _encode_numeric(value: Decimal) -> bytes:
    if not value.is_finite():
        return b"\x12\x06" if value.is_nan() else b"\x12\x05" if value > 0 else b"\x12\x01"
    if not value:
        return b"\x12\x03"
    mantissa, exponent = f"{value.copy_abs():E}".split("E")
    digits = mantissa.replace(".", "").rstrip("0").translate(_TO_HALF_BYTES)
    digits += "0" if len(digits) & 1 else "00"
    magnitude = (int(exponent) + 1 + _EXPONENT_BIAS).to_bytes(3, "big") + bytes.fromhex(digits)
    if value.is_signed():
        return b"\x12\x02" + magnitude.translate(_FLIP)
    return b"\x12\x04" + magnitude


def _encode_text(value: str) -> bytes:
    if "\0" in value:
        raise ValueError("NUL in a text key")
    return b"\x13" + value.encode() + b"\0"


def _encode_bytes(value: bytes) -> bytes:
    return b"\x14" + value.replace(b"\0", b"\0\xff") + b"\0\0"


def _encode_bool(value: bool) -> bytes:
    return b"\x15\x01" if value else b"\x15\x00"


def _encode_uuid(value: bytes) -> bytes:
    if len(value) != 16:
        raise ValueError("a uuid has 16 bytes")
    return b"\x16" + value


_COLUMNS: dict[str, Callable[..., bytes]] = {
    "int": _encode_int,
    "float": _encode_float,
    "numeric": _encode_numeric,
    "text": _encode_text,
    "bytes": _encode_bytes,
    "bool": _encode_bool,
    "uuid": _encode_uuid,
}


def _decode_int(data: bytes, at: int) -> tuple[int, int]:
    return int.from_bytes(data[at : at + 8], "big") - _BIAS, at + 8


def _decode_float(data: bytes, at: int) -> tuple[float, int]:
    bits = int.from_bytes(data[at : at + 8], "big")
    bits ^= _BIAS if bits & _BIAS else _ALL
    return _double.unpack(_long.pack(bits))[0], at + 8


def _decode_numeric(data: bytes, at: int) -> tuple[Decimal, int]:
    kind = data[at]
    if kind not in (2, 4):
        return _NUMERICS[kind], at + 1
    flip = kind == 2
    end = at + 4
    while (data[end] ^ (0xFF if flip else 0)) & 0x0F:
        end += 1
    magnitude = data[at + 1 : end + 1]
    if flip:
        magnitude = magnitude.translate(_FLIP)
    exponent = int.from_bytes(magnitude[:3], "big") - _EXPONENT_BIAS
    digits = magnitude[3:].hex().rstrip("0").translate(_FROM_HALF_BYTES)
    return Decimal(f"{'-' if flip else ''}0.{digits}E{exponent}"), end + 1


_NUMERICS = {1: Decimal("-Infinity"), 3: Decimal(0), 5: Decimal("Infinity"), 6: Decimal("NaN")}


def _decode_text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1


def _decode_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    end = data.index(b"\0", at)
    while data[end + 1]:
        end = data.index(b"\0", end + 2)
    return data[at:end].replace(b"\0\xff", b"\0"), end + 2


def _decode_bool(data: bytes, at: int) -> tuple[bool, int]:
    return data[at] == 1, at + 1


def _decode_uuid(data: bytes, at: int) -> tuple[bytes, int]:
    return data[at : at + 16], at + 16


_PAYLOADS: dict[str, Callable[[bytes, int], tuple[object, int]]] = {
    "int": _decode_int,
    "float": _decode_float,
    "numeric": _decode_numeric,
    "text": _decode_text,
    "bytes": _decode_bytes,
    "bool": _decode_bool,
    "uuid": _decode_uuid,
}
