"""The form that every type's input and output functions have."""

import struct
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from server.errors import PgError
from server.sql.env import Env

Input: TypeAlias = Callable[[str, int, Env], Any]
Output: TypeAlias = Callable[[Any, Env], str]
Receive: TypeAlias = Callable[[bytes, int, Env], Any]
Send: TypeAlias = Callable[[Any, Env], bytes]


class Io(NamedTuple):
    """The four functions of a type, how its values sort, and how they are stored where msgpack lacks them."""

    input: Input
    output: Output
    receive: Receive
    send: Send
    key_kind: str | None = None
    sort_key: Callable[[Any], Any] | None = None
    pack: Callable[[Any], Any] | None = None
    unpack: Callable[[Any], Any] | None = None


LEFTOVER = "incorrect binary data format"
"""The message, 22P03, for a binary form with more bytes than the value has: who holds the value says where."""
SPACES = " \t\n\r\v\f"
"""What C's isspace accepts in the C locale."""


def in_part(error: PgError, part: str) -> PgError:
    """The error of a part's receive function, as the whole's reports it (ReadArrayBinary, record_recv)."""
    return PgError("22P03", f"improper binary format in {part}") if error.message == LEFTOVER else error


def bad_syntax(name: str, text: str) -> PgError:
    """The text is no value of the type (22P02)."""
    return PgError("22P02", f'invalid input syntax for type {name}: "{text}"')


UNENDED = "Unexpected end of input."
"""The DETAIL of a text that ends in the middle of a row or range."""


def quoted_item(
    text: str, place: int, ends: tuple[str, ...], unended: Callable[[], PgError]
) -> tuple[str | None, int]:
    """One part of the text of a row or range, from `place` on, and where the character of `ends` behind it is.

    None: there is nothing, not even quotes. Raises `unended()`.
    """
    if text[place : place + 1] in ends:
        return None, place
    parts: list[str] = []
    quoted = False
    while quoted or text[place : place + 1] not in ends:
        if place >= len(text):
            raise unended()
        char = text[place]
        place += 1
        if char == "\\":
            if place >= len(text):
                raise unended()
            parts.append(text[place])
            place += 1
        elif char != '"':
            parts.append(char)
        elif quoted and text[place : place + 1] == '"':
            parts.append('"')
            place += 1
        else:
            quoted = not quoted
    return "".join(parts), place


def fixed(
    layout: str, short: str = "insufficient data left in message"
) -> Callable[[bytes], tuple[Any, ...]]:
    """A reader of one fixed binary layout that fails as pq_getmsg* do (08P01 with the text `short`, 22P03)."""
    reader = struct.Struct(layout)
    size = reader.size
    unpack = reader.unpack

    def read(data: bytes) -> tuple[Any, ...]:
        if len(data) == size:
            return unpack(data)
        if len(data) < size:
            raise PgError("08P01", short)
        raise PgError("22P03", LEFTOVER)

    return read


def pseudo(name: str, display: str) -> Io:
    """A type without values: PostgreSQL's pseudo-types refuse every input and output."""

    def refuse_input(text: Any, typmod: int, env: Env) -> Any:
        raise PgError("0A000", f"cannot accept a value of type {name}")

    def refuse_output(value: Any, env: Env) -> Any:
        raise PgError("0A000", f"cannot display a value of type {name}")

    return Io(refuse_input, refuse_output, refuse_input, refuse_output)
