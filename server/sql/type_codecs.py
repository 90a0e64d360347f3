"""Length coercion; encoders and decoders made for one type and one set of settings (DESIGN §11)."""

import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from server.sql import interval, numeric
from server.sql.datetime_calendar import INFINITY, MINUS_INFINITY, US_SECOND
from server.sql.datetime_encode import datetime_text
from server.sql.env import Env
from server.sql.type_array import Array
from server.sql.type_datetime import round_time, round_timestamp
from server.sql.type_float import shortest_double
from server.sql.type_record import fixed_record_io
from server.sql.type_table import RECORD, Type, make_type
from server.sql.type_text import decode, limit_bpchar, limit_varchar

Encoder: TypeAlias = Callable[[Any], bytes]
Decoder: TypeAlias = Callable[[bytes], Any]


def _no_change(typmod: int, value: Any, explicit: bool) -> Any:
    return value


def _timetz(typmod: int, value: tuple[int, int], explicit: bool) -> tuple[int, int]:
    return round_time(value[0], typmod), value[1]


_COERCIONS: dict[str, Callable[[int, Any, bool], Any]] = {
    "varchar": lambda typmod, value, explicit: limit_varchar(value, typmod - 4, explicit),
    "bpchar": lambda typmod, value, explicit: limit_bpchar(value, typmod - 4, explicit),
    "numeric": lambda typmod, value, explicit: numeric.apply_typmod(value, typmod),
    "timestamp": lambda typmod, value, explicit: round_timestamp(value, typmod),
    "timestamptz": lambda typmod, value, explicit: round_timestamp(value, typmod),
    "time": lambda typmod, value, explicit: round_time(value, typmod),
    "timetz": _timetz,
    "interval": lambda typmod, value, explicit: interval.apply_typmod(value, typmod),
}


def apply_typmod(type_: Type, typmod: int, value: Any, explicit: bool) -> Any:
    """The value within its type's modifier; too long text is cut only in an explicit cast (22001, 22003)."""
    if typmod < 0 or value is None:
        return value
    if isinstance(value, Array) and type_.element is not None:
        held = type_.element
        elements = [apply_typmod(held, typmod, item, explicit) for item in value.elements]
        return Array(elements, value.dims, value.lbounds)
    return _COERCIONS.get(type_.name, _no_change)(typmod, value, explicit)


def _bool_text(value: bool) -> bytes:
    return b"t" if value else b"f"


def _int_text(value: int) -> bytes:
    return b"%d" % value


def _hex_text(value: bytes) -> bytes:
    return b"\\x" + value.hex().encode()


def _uuid_text(value: bytes) -> bytes:
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}".encode()


def _double_text(value: float) -> bytes:
    return shortest_double(value).encode()


def _numeric_text(value: Any) -> bytes:
    return numeric.render(value).encode()


def _timestamptz_text(env: Env) -> Encoder | None:
    """A zone with a fixed offset needs no look at its rules."""
    zone = env.zone
    if zone.rules is not None:
        return None
    east, abbreviation = zone.fixed or 0, zone.abbreviation

    def encode(value: int) -> bytes:
        if value in (INFINITY, MINUS_INFINITY):
            return b"infinity" if value > 0 else b"-infinity"
        return datetime_text(value + east * US_SECOND, env, -east, abbreviation).encode()

    return encode


_INTEGERS = frozenset(("int2", "int4", "int8", "oid", "xid", "cid", "xid8"))
_STRINGS = frozenset(("text", "varchar", "bpchar", "name", "json", "unknown", "cstring"))


def text_encoder(type_: Type, env: Env) -> Encoder:
    """A function from a value (never None) to its text in UTF-8, for the settings of `env`."""
    name = type_.name
    if name in _INTEGERS:
        return _int_text
    if name in _STRINGS:
        return str.encode
    if name == "bool":
        return _bool_text
    if name == "numeric":
        return _numeric_text
    if name == "uuid":
        return _uuid_text
    if name == "float8" and env.extra_float_digits > 0:
        return _double_text
    if name == "bytea" and env.bytea_output == "hex":
        return _hex_text
    if name == "timestamptz":
        special = _timestamptz_text(env)
        if special is not None:
            return special
    output = type_.output

    def encode(value: Any) -> bytes:
        return output(value, env).encode()

    return encode


_LAYOUTS = {
    "bool": "!?", "int2": "!h", "int4": "!i", "int8": "!q", "oid": "!I", "float4": "!f", "float8": "!d",
    "date": "!i", "time": "!q", "timestamp": "!q", "timestamptz": "!q",
}  # fmt: skip
_PACKERS: dict[str, Encoder] = {name: struct.Struct(layout).pack for name, layout in _LAYOUTS.items()}


def binary_encoder(type_: Type, env: Env) -> Encoder:
    """A function from a value (never None) to its binary form."""
    name = type_.name
    packer = _PACKERS.get(name)
    if packer is not None:
        return packer
    if name in _STRINGS:
        return str.encode
    send = type_.send

    def encode(value: Any) -> bytes:
        return send(value, env)

    return encode


_LIMITS = {"int2": 2**15, "int4": 2**31, "int8": 2**63}


def text_decoder(type_: Type, typmod: int, env: Env) -> Decoder:
    """A function from a text in UTF-8 to a value; PgError as the type's input gives it."""
    read = type_.input
    if type_.name in _LIMITS:
        limit = _LIMITS[type_.name]

        def decode_int(data: bytes) -> Any:
            if data.isdigit() and len(data) < 20:
                value = int(data)
                if value < limit:
                    return value
            return read(decode(data), typmod, env)

        return decode_int
    if type_.name in _STRINGS - {"json", "name"} and typmod < 0:
        return decode

    def decode_text(data: bytes) -> Any:
        return read(decode(data), typmod, env)

    return decode_text


def binary_decoder(type_: Type, typmod: int, env: Env) -> Decoder:
    """A function from a binary form to a value; PgError as the type's receive function gives it."""
    receive = type_.receive
    if type_.name in ("int2", "int4", "int8", "float8"):
        reader = struct.Struct(_LAYOUTS[type_.name])
        unpack, size = reader.unpack, reader.size

        def decode_fixed(data: bytes) -> Any:
            return unpack(data)[0] if len(data) == size else receive(data, typmod, env)

        return decode_fixed

    def decode_binary(data: bytes) -> Any:
        return receive(data, typmod, env)

    return decode_binary


_made: dict[tuple[Type, ...], Type] = {}


def record_of(fields: Sequence[Type]) -> Type:
    """The anonymous row type with these fields (oid 2249): its values are tuples in their order."""
    key = tuple(fields)
    if key not in _made:
        _made[key] = make_type(
            fixed_record_io(key), RECORD.oid, "record", "record", RECORD.array_oid, "P", align="d", kind="p"
        )
    return _made[key]
