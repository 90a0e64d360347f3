"""Row values and row types: text, binary form and order (PostgreSQL, chapter 8.16)."""

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from server.errors import PgError
from server.sql.env import Env
from server.sql.type_io import LEFTOVER, SPACES, UNENDED, Io, in_part, quoted_item

_SPECIAL = frozenset('(),"\\ \t\n\r\v\f')


class Record(tuple[Any, ...]):
    """A row value that knows the types and the names of its fields."""

    __slots__ = ()
    fields: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        oids = ", ".join(str(field.oid) for field in self.fields)
        return f"Record([{oids}], {super().__repr__()})"


@lru_cache(512)
def record_class(fields: tuple[Any, ...], names: tuple[str, ...] = ()) -> type[Record]:
    """The class of row values whose fields have these types; without names they are f1, f2 ..."""
    names = names or tuple(f"f{place}" for place in range(1, len(fields) + 1))
    return type("Record", (Record,), {"fields": fields, "names": names, "__slots__": ()})


def _quote(text: str) -> str:
    if text and not _SPECIAL.intersection(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'


def _write(fields: Sequence[Any], value: tuple[Any, ...], env: Env) -> str:
    texts = ("" if v is None else _quote(t.output(v, env)) for t, v in zip(fields, value))
    return "(" + ",".join(texts) + ")"


def _send(fields: Sequence[Any], value: tuple[Any, ...], env: Env) -> bytes:
    parts = [struct.pack("!i", len(fields))]
    for field, item in zip(fields, value):
        parts.append(struct.pack("!I", field.oid))
        if item is None:
            parts.append(b"\xff\xff\xff\xff")
        else:
            data = field.send(item, env)
            parts += (struct.pack("!i", len(data)), data)
    return b"".join(parts)


def _order(fields: Sequence[Any], value: tuple[Any, ...]) -> tuple[Any, ...]:
    keys = (field.sort_key for field in fields)
    return tuple((1,) if v is None else (0, v if k is None else k(v)) for k, v in zip(keys, value))


# --- reading ---------------------------------------------------------------------------------------------


def _malformed(text: str, detail: str) -> PgError:
    return PgError("22P02", f'malformed record literal: "{text}"', detail=detail)


def _read(text: str, width: int) -> list[str | None]:
    """record_in: the texts of a row's fields; PgError 22P02."""
    place = len(text) - len(text.lstrip(SPACES))
    if text[place : place + 1] != "(":
        raise _malformed(text, "Missing left parenthesis.")
    place += 1
    found: list[str | None] = []
    for number in range(width):
        if number:
            if text[place : place + 1] != ",":
                raise _malformed(text, "Too few columns.")
            place += 1
        item, place = quoted_item(text, place, (",", ")"), lambda: _malformed(text, UNENDED))
        found.append(item)
    if text[place : place + 1] != ")":
        raise _malformed(text, "Too many columns.")
    if text[place + 1 :].strip(SPACES):
        raise _malformed(text, "Junk after right parenthesis.")
    return found


def _receive(made: type[Record], typmods: Sequence[int], data: bytes, env: Env) -> Record:
    """record_recv; PgError 42804, 08P01, 22P03."""
    if len(data) < 4:
        raise PgError("08P01", "insufficient data left in message")
    count = int.from_bytes(data[:4], "big", signed=True)
    if count != len(made.fields):
        raise PgError("42804", f"wrong number of columns: {count}, expected {len(made.fields)}")
    place = 4
    items: list[Any] = []
    for number, (field, typmod) in enumerate(zip(made.fields, typmods), 1):
        if len(data) < place + 8:
            raise PgError("08P01", "insufficient data left in message")
        oid, size = struct.unpack_from("!Ii", data, place)
        place += 8
        if oid != field.oid:
            message = (
                f"binary data has type {oid} instead of expected {field.oid} ({field.display})"
                f" in record column {number}"
            )
            raise PgError("42804", message)
        if size < -1 or place + size > len(data):
            raise PgError("08P01", "insufficient data left in message")
        try:
            items.append(None if size == -1 else field.receive(data[place : place + size], typmod, env))
        except PgError as error:
            raise in_part(error, f"record column {number}") from None
        place += max(size, 0)
    if place != len(data):
        raise PgError("22P03", LEFTOVER)
    return made(items)


def _refuse(data: Any, typmod: int, env: Env) -> Any:
    raise PgError("0A000", "input of anonymous composite types is not implemented")


def _io(fields_of: Callable[[Any], Sequence[Any]]) -> Io:
    return Io(
        _refuse,
        lambda value, env: _write(fields_of(value), value, env),
        _refuse,
        lambda value, env: _send(fields_of(value), value, env),
        None,
        lambda value: _order(fields_of(value), value),
    )


def fixed_record_io(fields: tuple[Any, ...]) -> Io:
    """The functions of the row type with these fields."""
    return _io(lambda value: fields)


def named_record_io(made: type[Record], typmods: Sequence[int]) -> Io:
    """The functions of a table's row type, which also reads."""

    def read(text: str, typmod: int, env: Env) -> Record:
        texts = _read(text, len(made.fields))
        return made(
            None if item is None else field.input(item, modifier, env)
            for item, field, modifier in zip(texts, made.fields, typmods)
        )

    def receive(data: bytes, typmod: int, env: Env) -> Record:
        return _receive(made, typmods, data, env)

    return fixed_record_io(made.fields)._replace(input=read, receive=receive)


RECORDS: dict[str, Io] = {"record": _io(lambda value: value.fields)}
"""Type record itself: each value knows the types of its fields."""
