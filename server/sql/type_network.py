"""inet and cidr: addresses with the width of their network, as text and in binary form (PostgreSQL, chapter 8.9)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from server.errors import PgError
from server.sql.env import Env
from server.sql.type_io import Input, Io, Output, Receive, Send, bad_syntax

MAX_BITS = {4: 32, 6: 128}
"""Bits of an address by the version of IP."""
_FAMILIES = {4: 2, 6: 3}
"""The first byte of the binary form."""
_VERSIONS = {family: version for version, family in _FAMILIES.items()}


@dataclass(frozen=True, slots=True, order=True)
class Inet:
    """A value of inet or cidr. Fields stand in the order that comparisons go by (9.12)."""

    version: int
    """4 or 6"""
    network: int
    """The address without the bits of the host."""
    bits: int
    """How many leading bits name the network."""
    address: int


def make(version: int, bits: int, address: int) -> Inet:
    """The value of an address and the width of its network."""
    return Inet(version, address & ~host_mask(version, bits), bits, address)


def host_mask(version: int, bits: int) -> int:
    """Ones where a network of so many bits numbers its hosts."""
    return (1 << (MAX_BITS[version] - bits)) - 1


def network_of(value: Inet, bits: int) -> Inet:
    """The network of that width around an address."""
    return make(value.version, bits, value.address & ~host_mask(value.version, bits))


# --- reading texts ---------------------------------------------------------------------------------------

_OCTETS = r"([0-9]+(?:\.[0-9]+){0,3})"
_WIDTH = r"(?:/([0-9]+))?"
_HOST = re.compile(_OCTETS + r"\.?" + _WIDTH)
_NETWORK = re.compile(_OCTETS + _WIDTH)
_HEXADECIMAL = re.compile(r"0[xX]([0-9a-fA-F]{1,8})" + _WIDTH)
_WORD = re.compile(r"[0-9a-fA-F]{1,4}")
_WIDTH_6 = re.compile(r"0|[1-9][0-9]{0,2}")
_OCTET_6 = re.compile(r"(?:0|[1-9][0-9]{0,2})?")

Parsed = tuple[int, int]
"""(bits, address)"""


def _octets(text: str) -> list[int] | None:
    """Numbers up to 255 between dots; leading zeros mean nothing."""
    digits = [octet.lstrip("0") or "0" for octet in text.split(".")]
    if any(len(octet) > 3 for octet in digits):
        return None
    octets = [int(octet) for octet in digits]
    return octets if max(octets) <= 255 else None


def _width(digits: str | None) -> int | None:
    """A number of bits as C's int holds it; None: none was given, or -1 came of it."""
    if digits is None:
        return None
    wrapped = int(digits[-32:]) & 0xFFFFFFFF
    # 10 ** 32 is a multiple of 2 ** 32: digits further left do not matter
    value = wrapped - (1 << 32) if wrapped >= 1 << 31 else wrapped
    return None if value == -1 else value


def _address(octets: Sequence[int]) -> int:
    """The address that begins with these octets."""
    return int.from_bytes(bytes(octets) + bytes(4 - len(octets)), "big")


def _host_4(text: str) -> Parsed | None:
    """An address of IPv4: four octets, or as many as the width of its network needs."""
    found = _HOST.fullmatch(text)
    octets = _octets(found[1]) if found else None
    if found is None or octets is None:
        return None
    bits = _width(found[2])
    if bits is None:
        return (32, _address(octets)) if len(octets) == 4 else None
    if not 0 <= bits <= 32 or bits // 8 > len(octets):
        return None
    return bits, _address(octets)


def _network_4(text: str) -> Parsed | None:
    """A network of IPv4, also in hexadecimal; without a width that of its class, but of all octets written."""
    found = _HEXADECIMAL.fullmatch(text)
    if found is not None:
        digits = found[1]
        octets: list[int] | None = list(bytes.fromhex(digits + "0" * (len(digits) % 2)))
    else:
        found = _NETWORK.fullmatch(text)
        octets = _octets(found[1]) if found else None
    if found is None or not octets:
        return None
    bits = _width(found[2])
    if bits is None:
        bits = max(_class_width(octets[0]), 8 * len(octets))
        if bits == 8 and octets[0] == 224:
            bits = 4
    return (bits, _address(octets)) if 0 <= bits <= 32 else None


def _class_width(first: int) -> int:
    """How wide networks were before they could have any width; 224 to 239 are of no such class."""
    if first >= 240:
        return 32
    if first >= 224:
        return 8
    return 24 if first >= 192 else 16 if first >= 128 else 8


def _quad(text: str, has_width: bool) -> list[int] | None:
    """The last two words of an IPv6 address, written as octets; those that are missing are 0."""
    octets = text.split(".")
    if len(octets) > 4 or not all(map(_OCTET_6.fullmatch, octets)) or not (octets[-1] or has_width):
        return None
    numbers = [int(octet or "0") for octet in octets]
    if max(numbers) > 255:
        return None
    address = _address(numbers)
    return [address >> 16, address & 0xFFFF]


def _words(text: str, has_width: bool) -> list[int] | None:
    """The eight words of an IPv6 address."""
    if text.startswith(":"):
        if not text.startswith("::"):
            return None
        text = text[1:]
    words: list[int] = []
    gap = None
    parts = text.split(":")
    for place, part in enumerate(parts):
        is_last = place == len(parts) - 1
        if part == "" and not is_last:
            if gap is not None:
                return None
            gap = len(words)
        elif part == "":
            if not has_width and (place == 0 or parts[place - 1]):
                return None
        elif "." in part:
            quad = _quad(part, has_width) if is_last else None
            if quad is None:
                return None
            words += quad
        elif _WORD.fullmatch(part):
            words.append(int(part, 16))
        else:
            return None
    if len(words) > 8 or (len(words) == 8) != (gap is None):
        return None
    return words if gap is None else words[:gap] + [0] * (8 - len(words)) + words[gap:]


def _any_6(text: str) -> Parsed | None:
    """An address or a network of IPv6."""
    body, slash, width = text.partition("/")
    bits = 128
    if slash:
        if not _WIDTH_6.fullmatch(width) or int(width) > 128:
            return None
        bits = int(width)
    words = _words(body, bool(slash))
    if words is None:
        return None
    return bits, int.from_bytes(b"".join(word.to_bytes(2, "big") for word in words), "big")


def _input(name: str) -> Input:
    is_network = name == "cidr"
    read_4 = _network_4 if is_network else _host_4

    def read(text: str, typmod: int, env: Env) -> Inet:
        version = 6 if ":" in text else 4
        parsed = _any_6(text) if version == 6 else read_4(text)
        if parsed is None:
            raise bad_syntax(name, text)
        value = make(version, *parsed)
        if is_network and value.network != value.address:
            raise PgError(
                "22P02", f'invalid cidr value: "{text}"', detail="Value has bits set to right of mask."
            )
        return value

    return read


# --- writing texts ---------------------------------------------------------------------------------------


def words_of(address: int) -> list[int]:
    """The eight words of an IPv6 address."""
    return [address >> shift & 0xFFFF for shift in range(112, -1, -16)]


def octets_of(address: int) -> list[int]:
    """The four octets of an IPv4 address."""
    return list(address.to_bytes(4, "big"))


def _longest_gap(words: Sequence[int]) -> tuple[int, int]:
    """(start, length) of the first of the longest runs of two zeros and more; (0, 0): there is none."""
    start = length = 0
    place = 0
    while place < len(words):
        end = place
        while end < len(words) and words[end] == 0:
            end += 1
        if end - place > max(length, 1):
            start, length = place, end - place
        place = end + 1
    return start, length


def _text_6(address: int) -> str:
    """Words in hexadecimal, the longest gap as `::`; IPv4 within IPv6 with dots (RFC 5952)."""
    words = words_of(address)
    start, length = _longest_gap(words)
    shown = [f"{word:x}" for word in words]
    if length and start == 0 and (length == 6 or (length == 5 and words[5] == 0xFFFF)):
        shown[6:] = [".".join(map(str, octets_of(address & 0xFFFFFFFF)))]
    if not length:
        return ":".join(shown)
    return ":".join(shown[:start]) + "::" + ":".join(shown[start + length :])


def host_text(value: Inet) -> str:
    """The address alone."""
    if value.version == 6:
        return _text_6(value.address)
    return ".".join(map(str, octets_of(value.address)))


def full_text(value: Inet) -> str:
    """The address and the width of its network."""
    return f"{host_text(value)}/{value.bits}"


def short_text(value: Inet) -> str:
    """The address, and the width where it is not that of one host."""
    return host_text(value) if value.bits == MAX_BITS[value.version] else full_text(value)


def _inet_out(value: Inet, env: Env) -> str:
    return short_text(value)


def _cidr_out(value: Inet, env: Env) -> str:
    return full_text(value)


# --- the binary form -------------------------------------------------------------------------------------


def _send(name: str) -> Send:
    is_network = int(name == "cidr")

    def send(value: Inet, env: Env) -> bytes:
        size = MAX_BITS[value.version] // 8
        head = bytes((_FAMILIES[value.version], value.bits, is_network, size))
        return head + value.address.to_bytes(size, "big")

    return send


def _receive(name: str) -> Receive:
    def receive(data: bytes, typmod: int, env: Env) -> Inet:
        def byte(place: int) -> int:
            if place >= len(data):
                raise PgError("08P01", "no data left in message")
            return data[place]

        version = _VERSIONS.get(byte(0))
        if version is None:
            raise PgError("22P03", f'invalid address family in external "{name}" value')
        if byte(1) > MAX_BITS[version]:
            raise PgError("22P03", f'invalid bits in external "{name}" value')
        byte(2)  # what sent it: either type reads both
        size = MAX_BITS[version] // 8
        if byte(3) != size:
            raise PgError("22P03", f'invalid length in external "{name}" value')
        byte(3 + size)
        value = make(version, data[1], int.from_bytes(data[4 : 4 + size], "big"))
        if name == "cidr" and value.network != value.address:
            detail = "Value has bits set to right of mask."
            raise PgError("22P03", 'invalid external "cidr" value', detail=detail)
        if len(data) > 4 + size:
            raise PgError("22P03", "incorrect binary data format")
        return value

    return receive


def _io(name: str, output: Output) -> Io:
    return Io(_input(name), output, _receive(name), _send(name))


NETWORKS: dict[str, Io] = {"inet": _io("inet", _inet_out), "cidr": _io("cidr", _cidr_out)}
