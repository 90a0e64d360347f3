"""Functions of bytea, digests, encodings and uuid (varlena.c, encode.c, cryptohashfuncs.c; 9.5, 9.14)."""

import base64
import binascii
import hashlib
import uuid

from server.errors import PgError
from server.sql.fn_text import slice_bounds
from server.sql.functions import define, sql
from server.sql.sizes import bytes_fit, scannable
from server.sql.type_text import hex_decode

define(
    """
    2010 length(bytea) int4
    720 octet_length(bytea) int4
    """,
    len,
    source="len({0})",
)
define("1810 bit_length(bytea) int4", lambda value: 8 * len(value))
define("6163 bit_count(bytea) int8", lambda value: int.from_bytes(value, "big").bit_count())
define("2011 byteacat(bytea,bytea) bytea", lambda left, right: bytes_fit(left + right))
define("2014 position(bytea,bytea) int4", lambda value, part: value.find(part) + 1)
define("2311 md5(text) text", lambda value: hashlib.md5(value.encode(), usedforsecurity=False).hexdigest())
define("2321 md5(bytea) text", lambda value: hashlib.md5(value, usedforsecurity=False).hexdigest())
define("3419 sha224(bytea) bytea", lambda value: hashlib.sha224(value).digest())
define("3420 sha256(bytea) bytea", lambda value: hashlib.sha256(value).digest())
define("3421 sha384(bytea) bytea", lambda value: hashlib.sha384(value).digest())
define("3422 sha512(bytea) bytea", lambda value: hashlib.sha512(value).digest())
define("3432 gen_random_uuid() uuid v", lambda: uuid.uuid4().bytes)


@sql("""
    2086 substr(bytea,int4) bytea
    2085 substr(bytea,int4,int4) bytea
    2013 substring(bytea,int4) bytea
    2012 substring(bytea,int4,int4) bytea
    """)
def substring(value: bytes, start: int, length: int | None = None) -> bytes:
    """Bytes from `start`, counted from 1; 22011."""
    begin, end = slice_bounds(start, length)
    return value[begin:end]


@sql("""
    752 overlay(bytea,bytea,int4) bytea
    749 overlay(bytea,bytea,int4,int4) bytea
    """)
def overlay(value: bytes, new: bytes, start: int, length: int | None = None) -> bytes:
    """`length` bytes from `start` replaced; 22011."""
    length = len(new) if length is None else length
    if start <= 0:
        raise PgError("22011", "negative substring length not allowed")
    if start + length > (1 << 31) - 1:
        raise PgError("22003", "integer out of range")
    return substring(value, 1, start - 1) + new + substring(value, start + length)


define("2015 btrim(bytea,bytea) bytea", lambda value, chars: value.strip(chars) if chars else value)
define("6195 ltrim(bytea,bytea) bytea", lambda value, chars: value.lstrip(chars) if chars else value)
define("6196 rtrim(bytea,bytea) bytea", lambda value, chars: value.rstrip(chars) if chars else value)


def _index(value: bytes, index: int, size: int) -> None:
    if not 0 <= index < size:
        raise PgError("2202E", f"index {index} out of valid range, 0..{size - 1}")


@sql("721 get_byte(bytea,int4) int4")
def get_byte(value: bytes, index: int) -> int:
    """2202E"""
    _index(value, index, len(value))
    return value[index]


@sql("722 set_byte(bytea,int4,int4) bytea")
def set_byte(value: bytes, index: int, byte: int) -> bytes:
    """2202E"""
    _index(value, index, len(value))
    return value[:index] + bytes((byte & 255,)) + value[index + 1 :]


@sql("723 get_bit(bytea,int8) int4")
def get_bit(value: bytes, index: int) -> int:
    """Bits count from the least significant of the first byte; 2202E."""
    _index(value, index, 8 * len(value))
    return value[index // 8] >> index % 8 & 1


@sql("724 set_bit(bytea,int8,int4) bytea")
def set_bit(value: bytes, index: int, bit: int) -> bytes:
    """2202E, 22023"""
    _index(value, index, 8 * len(value))
    if bit not in (0, 1):
        raise PgError("22023", "new bit must be 0 or 1")
    byte = value[index // 8] & ~(1 << index % 8) | bit << index % 8
    return value[: index // 8] + bytes((byte,)) + value[index // 8 + 1 :]


def _unknown_encoding(name: str) -> PgError:
    return PgError("22023", f'unrecognized encoding: "{name}"')


@sql("1946 encode(bytea,text) text")
def encode(value: bytes, name: str) -> str:
    """hex, base64 (lines of 76) or escape; 22023."""
    kind = name.lower()
    if kind == "hex":
        return value.hex()
    if kind == "base64":
        text = base64.b64encode(value).decode()
        return "\n".join(text[i : i + 76] for i in range(0, len(text), 76)) or ""
    if kind == "escape":
        scannable(len(value))
        return "".join(
            f"\\{byte:03o}" if byte == 0 or byte > 127 else "\\\\" if byte == 92 else chr(byte)
            for byte in value
        )
    raise _unknown_encoding(name)


@sql("1947 decode(text,text) bytea")
def decode(text: str, name: str) -> bytes:
    """The reverse of `encode`; 22023."""
    kind = name.lower()
    if kind == "hex":
        return hex_decode(text)
    if kind == "base64":
        scannable(len(text))
        return _decode_base64(text)
    if kind == "escape":
        scannable(len(text))
        return _decode_escape(text.encode())
    raise _unknown_encoding(name)


_SYMBOLS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def _decode_base64(text: str) -> bytes:
    kept = [char for char in text if char not in " \t\n\r"]
    end = 0
    for at, char in enumerate(kept):
        if char == "=":
            if not end:
                if at % 4 < 2:
                    raise PgError("22023", 'unexpected "=" while decoding base64 sequence')
                end = at
        elif char not in _SYMBOLS:
            raise PgError("22023", f'invalid symbol "{char}" found while decoding base64 sequence')
    if len(kept) % 4:
        hint = "Input data is missing padding, is truncated, or is otherwise corrupted."
        raise PgError("22023", "invalid base64 end sequence", hint=hint)
    return binascii.a2b_base64("".join(kept))


def _decode_escape(data: bytes) -> bytes:
    made = bytearray()
    at = 0
    while at < len(data):
        if data[at] != 92:
            made.append(data[at])
            at += 1
        elif data[at + 1 : at + 2] == b"\\":
            made.append(92)
            at += 2
        elif (
            len(data) >= at + 4
            and 48 <= data[at + 1] <= 51
            and all(48 <= d <= 55 for d in data[at + 2 : at + 4])
        ):
            made.append(int(data[at + 1 : at + 4], 8))
            at += 4
        else:
            raise PgError("22P02", "invalid input syntax for type bytea")
    return bytes(made)


def _check_encoding(name: str, role: str) -> None:
    if name.lower().replace("-", "").replace("_", "") not in ("utf8", "unicode"):
        raise PgError("22023", f'invalid {role} encoding name "{name}"')


@sql("1714 convert_from(bytea,name) text s")
def convert_from(value: bytes, name: str) -> str:
    """Only UTF8; 22021, 22023."""
    _check_encoding(name, "source")
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        length = {0xC0: 2, 0xE0: 3, 0xF0: 4}.get(value[error.start] & 0xF0, 1)
        shown = " ".join(f"0x{byte:02x}" for byte in value[error.start : error.start + length])
        raise PgError("22021", f'invalid byte sequence for encoding "UTF8": {shown}') from None
    if "\0" in text:
        raise PgError("22021", 'invalid byte sequence for encoding "UTF8": 0x00')
    return text


@sql("1717 convert_to(text,name) bytea s")
def convert_to(value: str, name: str) -> bytes:
    """Only UTF8; 22023."""
    _check_encoding(name, "destination")
    return value.encode()
