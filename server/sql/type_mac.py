"""macaddr and macaddr8: hardware addresses, as text and in binary form (PostgreSQL, chapters 8.9.4, 8.9.5).

Values are the six or eight octets.
"""

import re
from collections.abc import Sequence

from server.errors import PgError
from server.sql.env import Env
from server.sql.type_io import SPACES, Io, bad_syntax

_OCTETS = 6
_FILLING = b"\xff\xfe"
"""What stands in the middle of eight octets that were six."""

_NUMBER = re.compile(r"[ \t\n\r\v\f]*([+-]?)(0[xX])?([0-9a-fA-F]*)")
_SHORT_NUMBER = re.compile(r"[ \t\n\r\v\f]*([+-]?)(0[xX])?([0-9a-fA-F]{0,2})")


def _number(text: str, place: int, width: int | None) -> tuple[int, int] | None:
    """A hexadecimal number as C's scanf reads it, of up to `width` characters, and where it ends."""
    found = (_NUMBER if width is None else _SHORT_NUMBER).match(text, place)
    assert found is not None
    sign, prefix, digits = found.groups(default="")
    if width is not None:
        digits = digits[: max(width - len(sign) - len(prefix), 0)]
        if len(sign) + len(prefix) > width:
            # a sign and the zero of 0x fill it
            digits, prefix = "0", ""
    if not digits and not prefix:
        return None
    value = int(digits or "0", 16)
    if value >= 1 << 64:
        value = -1
    elif sign == "-":
        value = -value
    end = found.start(1) + len(sign) + len(prefix) + len(digits)
    return value & 0xFFFFFFFF, end


def _scan(text: str, width: int | None, separators: Sequence[str]) -> list[int] | None:
    """Six numbers, each followed by its separator, and nothing but blanks behind them."""
    place = 0
    numbers = []
    for separator in separators:
        found = _number(text, place, width)
        if found is None:
            return None
        number, place = found
        if not text.startswith(separator, place):
            return None
        place += len(separator)
        numbers.append(number)
    return None if text[place:].strip(SPACES) else numbers


_FORMS: list[tuple[int | None, Sequence[str]]] = [
    (None, [":"] * 5 + [""]),
    (None, ["-"] * 5 + [""]),
    (2, ["", "", ":", "", "", ""]),
    (2, ["", "", "-", "", "", ""]),
    (2, ["", ".", "", ".", "", ""]),
    (2, ["", "-", "", "-", "", ""]),
    (2, [""] * 6),
]
"""Widths of the numbers, and what follows each, in the order in which they are tried."""


def _macaddr_in(text: str, typmod: int, env: Env) -> bytes:
    """Six octets, all separated, by twos, by threes or not at all; 22P02, 22003."""
    for width, separators in _FORMS:
        numbers = _scan(text, width, separators)
        if numbers is not None:
            if max(numbers) > 255:
                raise PgError("22003", f'invalid octet value in "macaddr" value: "{text}"')
            return bytes(numbers)
    raise bad_syntax("macaddr", text)


_PAIR = re.compile(rb"[0-9a-fA-F]{2}")


def _macaddr8_in(text: str, typmod: int, env: Env) -> bytes:
    """Six or eight octets, with one kind of separator behind any of them; 22P02."""
    octets = _octets(text.encode().lstrip(SPACES.encode()))
    if octets is None or len(octets) not in (_OCTETS, 8):
        raise bad_syntax("macaddr8", text)
    return octets if len(octets) == 8 else widened(octets)


def _octets(text: bytes) -> bytes | None:
    made = b""
    spacer = b""
    place = 0
    while place + 1 < len(text):  # one character that is left over is not looked at
        pair = _PAIR.match(text, place)
        if pair is None or len(made) == 8:
            return None
        made += bytes.fromhex(pair[0].decode())
        place += 2
        follows = text[place : place + 1]
        if follows and follows in b":-.":
            if spacer not in (b"", follows):
                return None
            spacer = follows
            place += 1
        if len(made) in (_OCTETS, 8) and text[place : place + 1].isspace():
            return None if text[place:].strip(SPACES.encode()) else made
    return made


def widened(value: bytes) -> bytes:
    """Six octets as eight."""
    return value[:3] + _FILLING + value[3:]


def narrowed(value: bytes) -> bytes:
    """Eight octets as the six that they were; 22003."""
    if value[3:5] != _FILLING:
        raise PgError(
            "22003",
            "macaddr8 data out of range to convert to macaddr",
            hint="Only addresses that have FF and FE as values in the 4th and 5th bytes from the left, for example "
            "xx:xx:xx:ff:fe:xx:xx:xx, are eligible to be converted from macaddr8 to macaddr.",
        )
    return value[:3] + value[5:]


def _out(value: bytes, env: Env) -> str:
    return value.hex(":")


def _send(value: bytes, env: Env) -> bytes:
    return value


def _whole(data: bytes, size: int) -> bytes:
    if len(data) < size:
        raise PgError("08P01", "no data left in message")
    if len(data) > size:
        raise PgError("22P03", "incorrect binary data format")
    return data


def _macaddr_recv(data: bytes, typmod: int, env: Env) -> bytes:
    return _whole(data, _OCTETS)


def _macaddr8_recv(data: bytes, typmod: int, env: Env) -> bytes:
    return widened(data) if len(data) == _OCTETS else _whole(data, 8)


MACS: dict[str, Io] = {
    "macaddr": Io(_macaddr_in, _out, _macaddr_recv, _send),
    "macaddr8": Io(_macaddr8_in, _out, _macaddr8_recv, _send),
}
