"""Anonymous row types: text, binary form and order of row values (PostgreSQL, chapter 8.16)."""

import struct
from collections.abc import Callable, Sequence
from typing import Any

from server.errors import PgError
from server.sql.env import Env
from server.sql.type_io import Io

_SPECIAL = frozenset('(),"\\ \t\n\r\v\f')


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


RECORDS: dict[str, Io] = {"record": _io(lambda value: value.fields)}
"""Type record itself: each value knows the types of its fields."""
