"""COPY's binary format: bytes to the fields of rows and back (PostgreSQL, COPY, Binary Format)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

from server.errors import PgError
from server.sql.copy_format import MAX_LINE
from server.sql.env import Env
from server.sql.types import Type, binary_encoder

RawFields = list[bytes | None]

SIGNATURE = b"PGCOPY\n\xff\r\n\0"
HEADER = SIGNATURE + bytes(8)
"""The signature, no flags, and no extension of the header."""
TRAILER = b"\xff\xff"

_FLAGS_END = len(SIGNATURE) + 4
_WITH_OIDS = 1 << 16
_CRITICAL = 0xFFFF0000
_int16, _int32 = struct.Struct("!h"), struct.Struct("!i")
_NULL = _int32.pack(-1)


class BinaryReader:
    """Splits the binary format into rows of `width` fields; feed it chunks cut anywhere."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._held = bytearray()
        self._has_header = False
        self._to_skip = 0
        """Bytes of the header's extension that are still to come."""
        self._has_ended = False
        """The trailer was seen."""
        self.failure: PgError | None = None
        """What is wrong with the data after the rows last given: 22P04, 54000."""
        self.partial: RawFields | None = None
        """The fields before the failure, when it is inside a row."""

    @property
    def has_begun(self) -> bool:
        """Whether the header is over: a failure before it is none of a row."""
        return self._has_header and not self._to_skip

    def feed(self, data: bytes, last: bool = False) -> list[RawFields]:
        """The rows that are whole now, up to the first failure. `last`: no more data comes."""
        self._held += data
        rows: list[RawFields] = []
        try:
            if self._header(last):
                self._rows(rows, last)
        except PgError as failure:
            self.failure = failure
        return rows

    def _header(self, last: bool) -> bool:
        """Whether the header is over (ReceiveCopyBinaryHeader)."""
        held = self._held
        if not self._has_header:
            size = len(held)
            if held[: len(SIGNATURE)] != SIGNATURE and (last or size >= len(SIGNATURE)):
                raise PgError("22P04", "COPY file signature not recognized")
            if size < _FLAGS_END:
                return self._wait(last, "missing flags")
            (flags,) = _int32.unpack_from(held, len(SIGNATURE))
            if flags & _WITH_OIDS:
                raise _header_error("WITH OIDS")
            if flags & _CRITICAL:
                raise PgError("22P04", "unrecognized critical flags in COPY file header")
            if size < len(HEADER):
                return self._wait(last, "missing length")
            (length,) = _int32.unpack_from(held, _FLAGS_END)
            if length < 0:
                raise _header_error("missing length")
            self._has_header, self._to_skip = True, length
            del held[: len(HEADER)]
        if self._to_skip:
            skipped = min(self._to_skip, len(held))
            del held[:skipped]
            self._to_skip -= skipped
            if self._to_skip:
                return self._wait(last, "wrong length")
        return True

    @staticmethod
    def _wait(last: bool, missing: str) -> bool:
        """False until more data comes."""
        if last:
            raise _header_error(missing)
        return False

    def _rows(self, rows: list[RawFields], last: bool) -> None:
        """Take whole rows from what is held; end of data in place of a row ends it as the trailer does."""
        held = self._held
        place, size = 0, len(held)
        while not self._has_ended and place + 2 <= size:
            (count,) = _int16.unpack_from(held, place)
            if count == -1:
                self._has_ended = True
                place += 2
                break
            if count != self._width:
                raise PgError("22P04", f"row field count is {count}, expected {self._width}")
            fields, following = self._fields(held, place + 2, last)
            if following < 0:
                break
            rows.append(fields)
            place = following
        del held[:place]
        if self._has_ended and held:
            raise PgError("22P04", "received copy data after EOF marker")
        if len(held) > MAX_LINE:
            raise PgError("54000", "maximum row size exceeded")

    def _fields(self, held: bytearray, place: int, last: bool) -> tuple[RawFields, int]:
        """One row's fields, and where the next row begins; -1: it is not whole yet."""
        fields: RawFields = []
        size = len(held)
        for _number in range(self._width):
            if place + 4 > size:
                return self._cut(fields, last)
            (length,) = _int32.unpack_from(held, place)
            place += 4
            if length < 0:
                if length != -1:
                    raise self._inside(fields, PgError("22P04", "invalid field size"))
                fields.append(None)
                continue
            if length > MAX_LINE:
                raise self._inside(fields, PgError("54000", "maximum row size exceeded"))
            if place + length > size:
                return self._cut(fields, last)
            fields.append(bytes(held[place : place + length]))
            place += length
        return fields, place

    def _cut(self, fields: RawFields, last: bool) -> tuple[RawFields, int]:
        if last:
            raise self._inside(fields, PgError("22P04", "unexpected EOF in COPY data"))
        return fields, -1

    def _inside(self, fields: RawFields, failure: PgError) -> PgError:
        self.partial = fields
        return failure


def _header_error(what: str) -> PgError:
    return PgError("22P04", f"invalid COPY file header ({what})")


def binary_writer(column_types: Sequence[Type], env: Env) -> Callable[[Sequence[Any]], bytes]:
    """A function from a row's values to its bytes."""
    encoders = [binary_encoder(kind, env) for kind in column_types]
    count = _int16.pack(len(encoders))
    pack = _int32.pack

    def write(row: Sequence[Any]) -> bytes:
        parts = [count]
        for value, encode in zip(row, encoders):
            if value is None:
                parts.append(_NULL)
            else:
                field = encode(value)
                parts += (pack(len(field)), field)
        return b"".join(parts)

    return write
