"""Booleans, integers and identifiers: text and binary forms (PostgreSQL, chapters 8.1, 8.6, 8.12, 8.19)."""

import re
import struct
from typing import Any

from server.errors import PgError
from server.sql.env import Env
from server.sql.type_io import SPACES, Input, Io, Receive, Send, bad_syntax, fixed

_TRUE = {"t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"}
_FALSE = {"f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"}
_DIGITS = re.compile(
    r"([+-]?)(?:0[xX]((?:_?[0-9a-fA-F])+)|0[oO]((?:_?[0-7])+)|0[bB]((?:_?[01])+)|([0-9](?:_?[0-9])*))"
)


def out_of_range(name: str, text: str) -> PgError:
    """The number does not fit the type (22003)."""
    return PgError("22003", f'value "{text}" is out of range for type {name}')


def bool_in(text: str, typmod: int, env: Env) -> bool:
    """A unique prefix of true, false, yes, no, on, off; 1 or 0."""
    word = text.strip(SPACES).lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise bad_syntax("boolean", text)


def bool_out(value: bool, env: Env) -> str:
    """t or f"""
    return "t" if value else "f"


def _int_slow(text: str, name: str, limit: int) -> int:
    """pg_strtoint*: bases, underscores, and an overflow seen before the garbage after it."""
    stripped = text.strip(SPACES)
    found = _DIGITS.match(stripped)
    if found is None:
        raise bad_syntax(name, text)
    sign, *bodies = found.groups()
    base, body = next((base, body) for base, body in zip((16, 8, 2, 10), bodies) if body)
    digits = body.replace("_", "")
    if len(digits.lstrip("0")) > 64 or int(digits[:-1] or "0", base) > limit // base:
        raise out_of_range(name, text)
    if found.end() != len(stripped):
        raise bad_syntax(name, text)
    value = int(digits, base)
    value = -value if sign == "-" else value
    if not -limit <= value < limit:
        raise out_of_range(name, text)
    return value


def int_input(name: str, limit: int) -> Input:
    """Integers from -limit to limit - 1; `name` as error texts give it."""

    def read(text: str, typmod: int, env: Env) -> int:
        if text.isdigit() and text.isascii() and len(text) < 20:
            value = int(text)
            if value < limit:
                return value
            raise out_of_range(name, text)
        return _int_slow(text, name, limit)

    return read


def number_out(value: int, env: Env) -> str:
    """Decimal digits."""
    return int.__repr__(value)


def _reader(layout: str) -> Receive:
    read = fixed(layout)

    def receive(data: bytes, typmod: int, env: Env) -> Any:
        return read(data)[0]

    return receive


def _writer(layout: str) -> Send:
    pack = struct.Struct(layout).pack

    def send(value: Any, env: Env) -> bytes:
        return pack(value)

    return send


_UNSIGNED = re.compile(r"([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)")


def unsigned_input(name: str, bits: int) -> Input:
    """C's strtoul with base 0, as oid, xid and xid8 are read: -1 is the greatest value."""

    def read(text: str, typmod: int, env: Env) -> int:
        stripped = text.strip(SPACES)
        found = _UNSIGNED.match(stripped)
        if found is None:
            raise bad_syntax(name, text)
        sign, digits = found.groups()
        base = 16 if digits[:2] in ("0x", "0X") else 10
        if base == 10 and len(digits) > 1 and digits[0] == "0":
            octal = re.match(r"[0-7]*", digits)
            digits, base = (octal[0] if octal else "0"), 8
        value = int(digits, base)
        if found.start(2) + len(digits) != len(stripped):
            raise bad_syntax(name, text)
        value = -value if sign == "-" else value
        if not -(1 << (bits - 1)) <= value < 1 << bits:
            raise out_of_range(name, text)
        return value & ((1 << bits) - 1)

    return read


_byte, _unsigned_byte = (fixed(layout, "no data left in message") for layout in ("!b", "!B"))
_sixteen, _block_offset = fixed("!16s"), fixed("!IH")


def _bool_recv(data: bytes, typmod: int, env: Env) -> bool:
    return bool(_byte(data)[0])


def char_in(text: str, typmod: int, env: Env) -> str:
    """The first byte, or \\ooo."""
    data = text.encode()
    if len(data) == 4 and data[0] == 92 and all(48 <= c <= 55 for c in data[1:]):
        return chr(int(data[1:], 8) & 255).strip("\0")
    return chr(data[0]).strip("\0") if data else ""


def char_out(value: str, env: Env) -> str:
    """The character; a byte above 127 in octal."""
    return value if value < "\x80" else f"\\{ord(value):03o}"


def _char_recv(data: bytes, typmod: int, env: Env) -> str:
    return chr(_unsigned_byte(data)[0]).strip("\0")


def _char_send(value: str, env: Env) -> bytes:
    return bytes((ord(value or "\0"),))


_UUID = re.compile(r"([0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4}")


def uuid_in(text: str, typmod: int, env: Env) -> bytes:
    """32 hexadecimal digits, a hyphen allowed after every fourth, braces around."""
    body = text[1:-1] if text[:1] == "{" and text[-1:] == "}" else text
    if not _UUID.fullmatch(body):
        raise bad_syntax("uuid", text)
    return bytes.fromhex(body.replace("-", ""))


def uuid_out(value: bytes, env: Env) -> str:
    """Lower case in five groups."""
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _uuid_recv(data: bytes, typmod: int, env: Env) -> bytes:
    return bytes(_sixteen(data)[0])


def _bytes_send(value: bytes, env: Env) -> bytes:
    return value


_TID = re.compile(r"[^(,]*\(\s*(\d+),\s*(\d+)\).*", re.ASCII | re.DOTALL)


def tid_in(text: str, typmod: int, env: Env) -> tuple[int, int]:
    """(block,offset)"""
    found = _TID.fullmatch(text)
    if found is None or int(found[1]) >= 1 << 32 or int(found[2]) >= 1 << 16:
        raise bad_syntax("tid", text)
    return int(found[1]), int(found[2])


def tid_out(value: tuple[int, int], env: Env) -> str:
    """(block,offset)"""
    return f"({value[0]},{value[1]})"


def _tid_recv(data: bytes, typmod: int, env: Env) -> tuple[int, int]:
    block, offset = _block_offset(data)
    return block, offset


def _tid_send(value: tuple[int, int], env: Env) -> bytes:
    return struct.pack("!IH", *value)


def _void_in(text: Any, typmod: int, env: Env) -> str:
    return ""


def _void_out(value: Any, env: Env) -> str:
    return ""


def _void_send(value: Any, env: Env) -> bytes:
    return b""


def _integer(name: str, bits: int, layout: str) -> Io:
    return Io(int_input(name, 1 << (bits - 1)), number_out, _reader(layout), _writer(layout), "int")


def _unsigned(name: str, bits: int, layout: str, key_kind: str | None = None) -> Io:
    return Io(unsigned_input(name, bits), number_out, _reader(layout), _writer(layout), key_kind)


def reg_io(kind: str) -> Io:
    """An oid that is written as the name of an object of the catalog (chapter 8.19)."""

    def read(text: str, typmod: int, env: Env) -> int:
        if text == "-":
            return 0
        if text.isdigit() and text.isascii():
            value = int(text)
            if value >= 1 << 32:
                raise out_of_range("oid", text)
            return value
        return env.reg_input(kind, text)

    def write(value: int, env: Env) -> str:
        return env.reg_output(kind, value) if value else "-"

    return Io(read, write, _reader("!I"), _writer("!I"))


SCALARS: dict[str, Io] = {
    "bool": Io(bool_in, bool_out, _bool_recv, _writer("!?"), "bool"),
    "int2": _integer("smallint", 16, "!h"),
    "int4": _integer("integer", 32, "!i"),
    "int8": _integer("bigint", 64, "!q"),
    "oid": _unsigned("oid", 32, "!I", "int"),
    "xid": _unsigned("xid", 32, "!I"),
    "cid": _unsigned("cid", 32, "!I"),
    "xid8": _unsigned("xid8", 64, "!Q"),
    "tid": Io(tid_in, tid_out, _tid_recv, _tid_send),
    "char": Io(char_in, char_out, _char_recv, _char_send, "text"),
    "uuid": Io(uuid_in, uuid_out, _uuid_recv, _bytes_send, "uuid"),
    "void": Io(_void_in, _void_out, _void_in, _void_send),
    **{
        kind: reg_io(kind)
        for kind in (
            *("regclass", "regtype", "regproc", "regprocedure", "regnamespace", "regrole"),
            *("regconfig", "regdictionary"),
        )
    },
}
