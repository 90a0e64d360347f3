"""Functions and operators of inet and cidr (PostgreSQL, chapter 9.12)."""

import operator
from collections.abc import Callable

from server.errors import PgError
from server.sql.functions import define, sql
from server.sql.type_network import (
    MAX_BITS,
    Inet,
    host_mask,
    host_text,
    make,
    network_of,
    octets_of,
    short_text,
    words_of,
)

_INT8 = 1 << 63


def _all_ones(version: int) -> int:
    return (1 << MAX_BITS[version]) - 1


# --- parts and texts -------------------------------------------------------------------------------------

define("711 family(inet) int4", lambda value: value.version)
define("697 masklen(inet) int4", lambda value: value.bits)
define("699 host(inet) text", host_text)
define("598 abbrev(inet) text", short_text)
define("683 network(inet) cidr", lambda value: network_of(value, value.bits))
define("4071 inet_same_family(inet,inet) bool", lambda left, right: left.version == right.version)


@sql("698 broadcast(inet) inet")
def broadcast(value: Inet) -> Inet:
    """The last address of the network."""
    return make(value.version, value.bits, value.network | host_mask(value.version, value.bits))


@sql("696 netmask(inet) inet")
def netmask(value: Inet) -> Inet:
    """Ones where the network's bits are."""
    hosts = host_mask(value.version, value.bits)
    return make(value.version, MAX_BITS[value.version], _all_ones(value.version) ^ hosts)


@sql("1362 hostmask(inet) inet")
def hostmask(value: Inet) -> Inet:
    """Ones where the host's bits are."""
    return make(value.version, MAX_BITS[value.version], host_mask(value.version, value.bits))


def _checked_width(value: Inet, bits: int) -> int:
    """-1 is all of them; 22023."""
    if not -1 <= bits <= MAX_BITS[value.version]:
        raise PgError("22023", f"invalid mask length: {bits}")
    return MAX_BITS[value.version] if bits == -1 else bits


@sql("605 set_masklen(inet,int4) inet")
def set_masklen(value: Inet, bits: int) -> Inet:
    """The same address in a network of another width; 22023."""
    return make(value.version, _checked_width(value, bits), value.address)


@sql("635 set_masklen(cidr,int4) cidr")
def set_cidr_masklen(value: Inet, bits: int) -> Inet:
    """A network of another width, without the bits beyond it; 22023."""
    return network_of(value, _checked_width(value, bits))


@sql("4063 inet_merge(inet,inet) cidr")
def merge(left: Inet, right: Inet) -> Inet:
    """The smallest network that holds both; 22023."""
    _require_same("merge addresses from different families", left, right)
    differing = (left.address ^ right.address).bit_length()
    return network_of(left, min(left.bits, right.bits, MAX_BITS[left.version] - differing))


@sql("599 abbrev(cidr) text")
def abbreviate(value: Inet) -> str:
    """No more of the address than its width needs."""
    address = _text_6(value) if value.version == 6 else _text_4(value)
    return f"{address}/{value.bits}"


def _text_4(value: Inet) -> str:
    return ".".join(map(str, octets_of(value.address)[: (value.bits + 7) // 8])) or "0"


def _skipped(words: list[int]) -> tuple[int, int]:
    """(start, length) of what `::` stands for.

    As in PostgreSQL, a run that is no longer than the longest so far still counts for the run that follows it.
    """
    start = length = run_start = run = 0
    for place, word in enumerate([*words, 1]):
        if word == 0:
            run_start = place if run == 0 else run_start
            run += 1
        elif run > length:
            start, length, run = run_start, run, 0
    return start, length


def _text_6(value: Inet) -> str:
    if value.bits == 0:
        return "::"
    words = words_of(value.address)
    count = max((value.bits + 15) // 16, 2)
    start, length = _skipped(words[:count])
    last = words[7]
    is_mapped = length == 5 and words[5] == 0xFFFF
    is_host = length == 7 and last >> 8 != 0 and last & 0xFF != 1
    with_dots = length != count and start == 0 and (length == 6 or is_mapped or is_host)
    made = ""
    for place, word in enumerate(words[:count]):
        if start <= place < start + length:
            made += ":" * ((place == start) + (place == count - 1))
        elif with_dots and place > 5:
            made += f"{':' if place == 6 else '.'}{word >> 8}"
            if place == 6 or value.bits > 120:
                made += f".{word & 0xFF}"
        else:
            made += f"{':' if made else ''}{word:x}"
    return made


# --- who contains whom -----------------------------------------------------------------------------------


def _contains(compare: Callable[[int, int], bool]) -> Callable[[Inet, Inet], bool]:
    """Whether both agree in the bits of the wider network, and `compare` holds for the numbers of bits."""

    def run(left: Inet, right: Inet) -> bool:
        if left.version != right.version or not compare(left.bits, right.bits):
            return False
        hosts = host_mask(left.version, min(left.bits, right.bits))
        return (left.address ^ right.address) & ~hosts == 0

    return run


define("927 network_sub(inet,inet) bool", _contains(operator.gt))
define("928 network_subeq(inet,inet) bool", _contains(operator.ge))
define("929 network_sup(inet,inet) bool", _contains(operator.lt))
define("930 network_supeq(inet,inet) bool", _contains(operator.le))
define("3551 network_overlap(inet,inet) bool", _contains(lambda left, right: True))
define("3562 network_larger(inet,inet) inet", max)
define("3563 network_smaller(inet,inet) inet", min)


# --- arithmetic ------------------------------------------------------------------------------------------


def _require_same(what: str, left: Inet, right: Inet) -> None:
    if left.version != right.version:
        raise PgError("22023", f"cannot {what}")


def _out_of_range() -> PgError:
    return PgError("22003", "result is out of range")


@sql("2627 inetnot(inet) inet")
def invert(value: Inet) -> Inet:
    """Every bit of the address turned."""
    return make(value.version, value.bits, value.address ^ _all_ones(value.version))


@sql("2628 inetand(inet,inet) inet")
def both(left: Inet, right: Inet) -> Inet:
    """Bit by bit; 22023."""
    _require_same("AND inet values of different sizes", left, right)
    return make(left.version, max(left.bits, right.bits), left.address & right.address)


@sql("2629 inetor(inet,inet) inet")
def either(left: Inet, right: Inet) -> Inet:
    """Bit by bit; 22023."""
    _require_same("OR inet values of different sizes", left, right)
    return make(left.version, max(left.bits, right.bits), left.address | right.address)


@sql("2630 inetpl(inet,int8) inet")
def add(value: Inet, count: int) -> Inet:
    """An address further on; 22003."""
    moved = value.address + count
    if not 0 <= moved <= _all_ones(value.version):
        raise _out_of_range()
    return make(value.version, value.bits, moved)


define("2631 int8pl_inet(int8,inet) inet", lambda count, value: add(value, count))


@sql("2632 inetmi_int8(inet,int8) inet")
def subtract_number(value: Inet, count: int) -> Inet:
    """An address further back; 22003. The least bigint has no opposite: it is itself."""
    return add(value, count if count == -_INT8 else -count)


@sql("2633 inetmi(inet,inet) int8")
def subtract(left: Inet, right: Inet) -> int:
    """How far apart two addresses are; 22023, 22003. Of IPv6 the distance is one of 128 bits with a sign."""
    _require_same("subtract inet values of different sizes", left, right)
    distance = left.address - right.address
    if left.version == 6:
        distance = (distance + (1 << 127)) % (1 << 128) - (1 << 127)
    if not -_INT8 <= distance < _INT8:
        raise _out_of_range()
    return distance
