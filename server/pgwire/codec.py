"""The hot messages of the protocol, read and built with struct (PostgreSQL chapter 55.7; DESIGN §11).

Readers get the buffer and the body's bounds and return plain tuples; builders return whole messages. The
cold ones (authentication, errors, COPY responses) are built by pygwire, which is also what the tests hold
this module against.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from pygwire import messages as pg

from server.errors import PgError

_U16 = struct.Struct("!H")
_I16 = struct.Struct("!h")
_I32 = struct.Struct("!i")
# Bound once: they are called several times per message.
_unpack_u16 = _U16.unpack_from
_unpack_i16 = _I16.unpack_from
_unpack_i32 = _I32.unpack_from
_unpack_counts = struct.Struct("!HHH").unpack_from
_FIELD = struct.Struct("!IhIhih")
_ROW_HEAD = struct.Struct("!cIH")
_HEAD = struct.Struct("!cI")
_NONE: tuple[()] = ()
_NO_FORMATS = bytes(2)
_FORMATS = {0: (0,), 1: (1,)}
_UNNAMED_ALL = bytes(5)
_NULL = b"\xff\xff\xff\xff"
_LENGTHS = tuple(_I32.pack(n) for n in range(512))
_LENGTH_OF = _I32.pack


class Column(NamedTuple):
    """One field of RowDescription; sizes and modifiers as in pg_type and pg_attribute, `format` 0 or 1."""

    name: str
    table_oid: int
    attribute: int
    type_oid: int
    type_size: int
    type_modifier: int
    format: int


def violation(message: str) -> PgError:
    """A malformed message whose bounds are known: the error is reported and the connection goes on."""
    return PgError("08P01", message)


def text(raw: bytes) -> str:
    """Decode client text; raises 22021 with PostgreSQL's bytes (pg_verify_mbstr, report_invalid_encoding)."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise _invalid_encoding(error) from None


def _invalid_encoding(error: UnicodeDecodeError) -> PgError:
    lead = error.object[error.start]
    size = 1 if lead < 0xC0 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4 if lead < 0xF8 else 1
    shown = " ".join(f"0x{byte:02x}" for byte in error.object[error.start : error.start + size])
    return PgError("22021", f'invalid byte sequence for encoding "UTF8": {shown}')


def _string(buffer: bytes, position: int, end: int) -> tuple[str, int]:
    stop = buffer.find(0, position, end)
    if stop < 0:
        raise violation("invalid string in message")
    return text(buffer[position:stop]), stop + 1


def read_string(buffer: bytes, position: int, end: int) -> str:
    """The single string that is the whole body of Query and CopyFail."""
    value, position = _string(buffer, position, end)
    if position != end:
        raise violation("invalid message format")
    return value


def read_parse(buffer: bytes, position: int, end: int) -> tuple[str, str, tuple[int, ...]]:
    """Statement name, SQL and declared parameter type OIDs."""
    name, position = _string(buffer, position, end)
    sql, position = _string(buffer, position, end)
    count, position = _count(buffer, position, end)
    if position + 4 * count != end:
        raise _size_error(position + 4 * count, end)
    return name, sql, struct.unpack_from(f"!{count}I", buffer, position)


def read_bind(
    buffer: bytes, position: int, end: int
) -> tuple[str, str, Sequence[int], list[bytes | None], Sequence[int]]:
    """Portal, statement, parameter formats, parameter values, result formats.

    Reads may run past `end` into what follows in the buffer; one comparison at the end finds that.
    """
    try:
        stop = buffer.index(0, position, end)
        portal = buffer[position:stop].decode() if stop > position else ""
        position = stop + 1
        stop = buffer.index(0, position, end)
        statement = buffer[position:stop].decode() if stop > position else ""
        # A whole message has at least three counts here; the last one may be that of the result formats.
        few, second, count = _unpack_counts(buffer, stop + 1)
        formats: Sequence[int] = _NONE
        if few == 0:
            count, position = second, stop + 5
        elif few == 1:
            formats, position = _FORMATS.get(second) or _unpack_i16(buffer, stop + 3), stop + 7
        else:
            formats, position = _formats(buffer, stop + 1)
            (count,) = _unpack_u16(buffer, position)
            position += 2
        values: list[bytes | None] = []
        for _ in range(count):
            (size,) = _unpack_i32(buffer, position)
            position += 4
            if size >= 0:
                start = position
                position += size
                values.append(buffer[start:position])
            elif size == -1:
                values.append(None)
            else:
                raise violation("insufficient data left in message")
        if buffer[position:end] == _NO_FORMATS:
            result_formats: Sequence[int] = _NONE
            position += 2
        else:
            result_formats, position = _formats(buffer, position)
    except struct.error:
        raise violation("insufficient data left in message") from None
    except UnicodeDecodeError as error:
        raise _invalid_encoding(error) from None
    except ValueError:
        raise violation("invalid string in message") from None
    if position != end:
        raise _size_error(position, end)
    if len(formats) > 1 and len(formats) != count:
        raise violation(f"bind message has {len(formats)} parameter formats but {count} parameters")
    return portal, statement, formats, values, result_formats


def read_target(buffer: bytes, position: int, end: int, message: str) -> tuple[bool, str]:
    """Body of Describe and Close: whether it names a statement (else a portal), and the name."""
    if end - position == 2 and buffer[position] == 0x50 and buffer[position + 1] == 0:
        return False, ""
    if position >= end:
        raise violation("no data left in message")
    kind = buffer[position]
    name = read_string(buffer, position + 1, end)
    if kind == 0x53:  # S
        return True, name
    if kind == 0x50:  # P
        return False, name
    raise violation(f"invalid {message} message subtype {kind}")


def read_execute(buffer: bytes, position: int, end: int) -> tuple[str, int]:
    """Portal and row limit; 0 (and, as in PostgreSQL, anything negative) means all rows."""
    if buffer[position:end] == _UNNAMED_ALL:
        return "", 0
    portal, position = _string(buffer, position, end)
    if position + 4 != end:
        raise _size_error(position + 4, end)
    (limit,) = _unpack_i32(buffer, position)
    return portal, limit if limit > 0 else 0


def _count(buffer: bytes, position: int, end: int) -> tuple[int, int]:
    if position + 2 > end:
        raise violation("insufficient data left in message")
    return _unpack_u16(buffer, position)[0], position + 2


def _formats(buffer: bytes, position: int) -> tuple[Sequence[int], int]:
    (count,) = _unpack_u16(buffer, position)
    position += 2
    if count == 1:
        return _unpack_i16(buffer, position), position + 2
    if count == 0:
        return _NONE, position
    return struct.unpack_from(f"!{count}h", buffer, position), position + 2 * count


def _size_error(needed: int, end: int) -> PgError:
    return violation("insufficient data left in message" if needed > end else "invalid message format")


PARSE_COMPLETE = b"1\x00\x00\x00\x04"
BIND_COMPLETE = b"2\x00\x00\x00\x04"
CLOSE_COMPLETE = b"3\x00\x00\x00\x04"
NO_DATA = b"n\x00\x00\x00\x04"
PORTAL_SUSPENDED = b"s\x00\x00\x00\x04"
EMPTY_QUERY = b"I\x00\x00\x00\x04"
COPY_DONE = b"c\x00\x00\x00\x04"
READY = {status: b"Z\x00\x00\x00\x05" + status for status in (b"I", b"T", b"E")}
"""ReadyForQuery by the session's status."""


def message(kind: bytes, body: bytes) -> bytes:
    """A whole message: type byte, length, body."""
    return _HEAD.pack(kind, len(body) + 4) + body


def row_description(columns: Iterable[Column]) -> bytes:
    """RowDescription; made once per plan, not per row."""
    fields = [column.name.encode() + b"\0" + _FIELD.pack(*column[1:]) for column in columns]
    return message(b"T", _U16.pack(len(fields)) + b"".join(fields))


def data_row(values: Sequence[bytes | None]) -> bytes:
    """DataRow from encoded values; None is NULL."""
    parts = [b""]
    size = 6
    for value in values:
        if value is None:
            parts.append(_NULL)
            size += 4
            continue
        length = len(value)
        parts.append(_LENGTHS[length] if length < 512 else _LENGTH_OF(length))
        parts.append(value)
        size += length + 4
    parts[0] = _ROW_HEAD.pack(b"D", size, len(values))
    return b"".join(parts)


@lru_cache(256)
def command_complete(tag: str) -> bytes:
    """CommandComplete, for example `SELECT 1`, `INSERT 0 1`. Few tags are most of them."""
    raw = tag.encode()
    return _HEAD.pack(b"C", len(raw) + 5) + raw + b"\0"


def parameter_description(oids: Sequence[int]) -> bytes:
    """ParameterDescription: the type OID of every parameter."""
    return message(b"t", struct.pack(f"!H{len(oids)}I", len(oids), *oids))


def parameter_status(name: str, value: str) -> bytes:
    """ParameterStatus: at start-up, and whenever a reported setting changes."""
    return message(b"S", name.encode() + b"\0" + value.encode() + b"\0")


def copy_data(data: bytes) -> bytes:
    """CopyData with one chunk or row of COPY TO STDOUT."""
    return _HEAD.pack(b"d", len(data) + 4) + data


def copy_in_response(binary: bool, columns: int) -> bytes:
    """CopyInResponse: the client may send CopyData now."""
    return pg.CopyInResponse(overall_format=int(binary), col_formats=[int(binary)] * columns).to_wire()


def copy_out_response(binary: bool, columns: int) -> bytes:
    """CopyOutResponse: CopyData follows."""
    return pg.CopyOutResponse(overall_format=int(binary), col_formats=[int(binary)] * columns).to_wire()


def error_response(error: PgError) -> bytes:
    """ErrorResponse; severity ERROR or FATAL as the error says."""
    return pg.ErrorResponse(fields=_fields(error.severity, error)).to_wire()


def notice_response(notice: PgError, severity: str = "NOTICE") -> bytes:
    """NoticeResponse: the same fields as an error, with severity WARNING, NOTICE, INFO, DEBUG or LOG."""
    return pg.NoticeResponse(fields=_fields(severity, notice)).to_wire()


def _fields(severity: str, error: PgError) -> dict[str, str]:
    fields = {"S": severity, "V": severity, "C": error.sqlstate, "M": error.message}
    optional: Mapping[str, str | None] = {
        "D": error.detail,
        "H": error.hint,
        "P": str(error.position) if error.position else None,
        **error.fields,
    }
    fields.update((code, value) for code, value in optional.items() if value is not None)
    # A NUL or a lone surrogate in a text would break the framing of the whole response.
    return {code: _printable(value) for code, value in fields.items()}


def _printable(value: str) -> str:
    return value.replace("\0", "").encode(errors="replace").decode()
