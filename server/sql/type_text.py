"""Character and byte strings: text, varchar, bpchar, name, bytea (PostgreSQL, chapters 8.3, 8.4)."""

import re

from server.errors import PgError
from server.sql.env import Env
from server.sql.sizes import MAX_VALUES, scannable, too_long
from server.sql.type_io import Io

NAME_BYTES = 63


def limit_varchar(value: str, length: int, explicit: bool) -> str:
    """At most `length` characters: blanks beyond go silently, all else only in an explicit cast (22001)."""
    if len(value) <= length:
        return value
    if not explicit and value[length:].strip(" "):
        raise PgError("22001", f"value too long for type character varying({length})")
    return value[:length]


def limit_bpchar(value: str, length: int, explicit: bool) -> str:
    """Exactly `length` characters, padded with blanks; longer ones as `limit_varchar` (22001)."""
    if len(value) <= length:
        return value.ljust(length)
    if not explicit and value[length:].strip(" "):
        raise PgError("22001", f"value too long for type character({length})")
    return value[:length]


def text_in(text: str, typmod: int, env: Env) -> str:
    """The text itself."""
    return text


def text_out(value: str, env: Env) -> str:
    """The text itself."""
    return value


def decode(data: bytes) -> str:
    """UTF-8 without NUL (22021)."""
    try:
        text = str(data, "utf-8")
    except UnicodeDecodeError as error:
        bad = data[error.start : error.start + _claimed(data[error.start])]
        shown = " ".join(f"0x{byte:02x}" for byte in bad)
        raise PgError("22021", f'invalid byte sequence for encoding "UTF8": {shown}') from None
    if "\0" in text:
        raise PgError("22021", 'invalid byte sequence for encoding "UTF8": 0x00')
    return text


def _claimed(first: int) -> int:
    """How many bytes a character that begins so has (pg_utf_mblen)."""
    if first & 0xE0 == 0xC0:
        return 2
    if first & 0xF0 == 0xE0:
        return 3
    return 4 if first & 0xF8 == 0xF0 else 1


def text_recv(data: bytes, typmod: int, env: Env) -> str:
    """UTF-8"""
    return decode(data)


def text_send(value: str, env: Env) -> bytes:
    """UTF-8"""
    return value.encode()


def _varchar_in(text: str, typmod: int, env: Env) -> str:
    return limit_varchar(text, typmod - 4, False) if typmod >= 4 else text


def _varchar_recv(data: bytes, typmod: int, env: Env) -> str:
    return _varchar_in(decode(data), typmod, env)


def _bpchar_in(text: str, typmod: int, env: Env) -> str:
    return limit_bpchar(text, typmod - 4, False) if typmod >= 4 else text


def _bpchar_recv(data: bytes, typmod: int, env: Env) -> str:
    return _bpchar_in(decode(data), typmod, env)


def bpchar_key(value: str) -> str:
    """Trailing blanks do not count."""
    return value.rstrip(" ")


def truncate_name(text: str) -> str:
    """At most 63 bytes, whole characters."""
    if len(text) <= NAME_BYTES // 4:
        return text
    return text.encode()[:NAME_BYTES].decode(errors="ignore")


def _name_in(text: str, typmod: int, env: Env) -> str:
    return truncate_name(text)


def _name_recv(data: bytes, typmod: int, env: Env) -> str:
    text = decode(data)
    if len(data) > NAME_BYTES:
        raise PgError("42622", "identifier too long", detail="Identifier must be less than 64 characters.")
    return text


_ESCAPES = re.compile(rb"\\(\\|[0-3][0-7]{2})?")
_UNPRINTABLE = re.compile(rb"[^\x20-\x7e]|\\")


def _unescape(found: "re.Match[bytes]") -> bytes:
    body: bytes | None = found[1]
    if body is None:
        raise PgError("22P02", "invalid input syntax for type bytea")
    return body if body == b"\\" else bytes((int(body, 8),))


_HEX_SPACES = " \n\t\r"


def hex_decode(text: str) -> bytes:
    """Hexadecimal pairs, white space between them (22023)."""
    try:
        if not any(space in text for space in "\v\f"):
            return bytes.fromhex(text)
    except ValueError:
        pass
    pending = False
    for char in text:
        if char in _HEX_SPACES and not pending:
            continue
        if char not in "0123456789abcdefABCDEF":
            raise PgError("22023", f'invalid hexadecimal digit: "{char}"')
        pending = not pending
    raise PgError("22023", "invalid hexadecimal data: odd number of digits")


def bytea_in(text: str, typmod: int, env: Env) -> bytes:
    """\\x and hexadecimal, or the escape format (chapter 8.4)."""
    if text.startswith("\\x"):
        return hex_decode(text[2:])
    if text.count("\\") > MAX_VALUES:
        raise too_long()
    return _ESCAPES.sub(_unescape, text.encode())


def bytea_out(value: bytes, env: Env) -> str:
    """As bytea_output says."""
    if env.bytea_output == "hex":
        return "\\x" + value.hex()
    scannable(len(value))
    return _UNPRINTABLE.sub(_escape, value).decode("ascii")


def _escape(found: "re.Match[bytes]") -> bytes:
    char = found[0]
    return b"\\\\" if char == b"\\" else b"\\%03o" % char[0]


def _bytes_recv(data: bytes, typmod: int, env: Env) -> bytes:
    return bytes(data)


def _bytes_send(value: bytes, env: Env) -> bytes:
    return value


TEXTS: dict[str, Io] = {
    "text": Io(text_in, text_out, text_recv, text_send, "text"),
    "varchar": Io(_varchar_in, text_out, _varchar_recv, text_send, "text"),
    "bpchar": Io(_bpchar_in, text_out, _bpchar_recv, text_send, "text", bpchar_key),
    "name": Io(_name_in, text_out, _name_recv, text_send, "text"),
    "unknown": Io(text_in, text_out, text_recv, text_send),
    "cstring": Io(text_in, text_out, text_recv, text_send),
    "pg_node_tree": Io(text_in, text_out, text_recv, text_send),
    "bytea": Io(bytea_in, bytea_out, _bytes_recv, _bytes_send),
}
