"""Functions and operators of smallint, integer, bigint (PostgreSQL: int.c, int8.c)."""

import math
from collections.abc import Callable, Iterator

from server.errors import PgError
from server.sql.functions import define, sql

_LIMITS = {"int2": (1 << 15, "smallint"), "int4": (1 << 31, "integer"), "int8": (1 << 63, "bigint")}
_WIDER = ("int2", "int4", "int8")


def out_of_range(display: str) -> PgError:
    """22003 of an integer type, by its display name."""
    return PgError("22003", f"{display} out of range")


def division_by_zero() -> PgError:
    """22012"""
    return PgError("22012", "division by zero")


def checked(name: str, compute: Callable[..., int]) -> Callable[..., int]:
    """`compute` with the range check of integer type `name`."""
    limit, display = _LIMITS[name]

    def run(*args: int) -> int:
        value = compute(*args)
        if -limit <= value < limit:
            return value
        raise out_of_range(display)

    return run


def _adder(name: str) -> Callable[[int, int], int]:
    limit, display = _LIMITS[name]

    def add(left: int, right: int) -> int:
        value = left + right
        if -limit <= value < limit:
            return value
        raise out_of_range(display)

    return add


def _subtractor(name: str) -> Callable[[int, int], int]:
    limit, display = _LIMITS[name]

    def subtract(left: int, right: int) -> int:
        value = left - right
        if -limit <= value < limit:
            return value
        raise out_of_range(display)

    return subtract


def _multiplier(name: str) -> Callable[[int, int], int]:
    limit, display = _LIMITS[name]

    def multiply(left: int, right: int) -> int:
        value = left * right
        if -limit <= value < limit:
            return value
        raise out_of_range(display)

    return multiply


def quotient(left: int, right: int) -> int:
    """C's integer division: towards zero."""
    if right == 0:
        raise division_by_zero()
    value = abs(left) // abs(right)
    return value if (left < 0) == (right < 0) else -value


def remainder(left: int, right: int) -> int:
    """C's %: the sign of the dividend."""
    if right == 0:
        raise division_by_zero()
    value = abs(left) % abs(right)
    return -value if left < 0 else value


def shifted_left(bits: int) -> Callable[[int, int], int]:
    """C's << of a signed integer of `bits` bits on x86: the count modulo 32 (64 for bigint)."""
    modulus, half, count_mask = 1 << bits, 1 << (bits - 1), 63 if bits == 64 else 31

    def shift(value: int, count: int) -> int:
        return ((value << (count & count_mask)) + half) % modulus - half

    return shift


def shifted_right(bits: int) -> Callable[[int, int], int]:
    """C's arithmetic >>."""
    count_mask = 63 if bits == 64 else 31
    return lambda value, count: value >> (count & count_mask)


# name left right result: of + - * /
_CROSS = """
176 int2pl(int2,int2) int2
177 int4pl(int4,int4) int4
178 int24pl(int2,int4) int4
179 int42pl(int4,int2) int4
463 int8pl(int8,int8) int8
1274 int84pl(int8,int4) int8
1278 int48pl(int4,int8) int8
837 int82pl(int8,int2) int8
841 int28pl(int2,int8) int8
180 int2mi(int2,int2) int2
181 int4mi(int4,int4) int4
182 int24mi(int2,int4) int4
183 int42mi(int4,int2) int4
464 int8mi(int8,int8) int8
1275 int84mi(int8,int4) int8
1279 int48mi(int4,int8) int8
838 int82mi(int8,int2) int8
942 int28mi(int2,int8) int8
152 int2mul(int2,int2) int2
141 int4mul(int4,int4) int4
170 int24mul(int2,int4) int4
171 int42mul(int4,int2) int4
465 int8mul(int8,int8) int8
1276 int84mul(int8,int4) int8
1280 int48mul(int4,int8) int8
839 int82mul(int8,int2) int8
943 int28mul(int2,int8) int8
153 int2div(int2,int2) int2
154 int4div(int4,int4) int4
172 int24div(int2,int4) int4
173 int42div(int4,int2) int4
466 int8div(int8,int8) int8
1277 int84div(int8,int4) int8
1281 int48div(int4,int8) int8
840 int82div(int8,int2) int8
948 int28div(int2,int8) int8
"""


def _load() -> None:
    for line in _CROSS.strip().splitlines():
        name, result = line.split()[1].split("(")[0], line.split()[-1]
        if name.endswith("pl"):
            define(line, _adder(result))
        elif name.endswith("mi"):
            define(line, _subtractor(result))
        elif name.endswith("mul"):
            define(line, _multiplier(result))
        else:
            define(line, checked(result, quotient))


_load()

for _name, _bits in (("int2", 16), ("int4", 32), ("int8", 64)):
    _facts = {
        "int2": (
            "155 int2mod(int2,int2) int2", "940 mod(int2,int2) int2", "1892 int2and(int2,int2) int2",
            "1893 int2or(int2,int2) int2", "1894 int2xor(int2,int2) int2", "1895 int2not(int2) int2",
            "1896 int2shl(int2,int4) int2", "1897 int2shr(int2,int4) int2", "213 int2um(int2) int2",
            "1911 int2up(int2) int2", "1398 abs(int2) int2", "1253 int2abs(int2) int2",
            "770 int2larger(int2,int2) int2", "771 int2smaller(int2,int2) int2",
        ),
        "int4": (
            "156 int4mod(int4,int4) int4", "941 mod(int4,int4) int4", "1898 int4and(int4,int4) int4",
            "1899 int4or(int4,int4) int4", "1900 int4xor(int4,int4) int4", "1901 int4not(int4) int4",
            "1902 int4shl(int4,int4) int4", "1903 int4shr(int4,int4) int4", "212 int4um(int4) int4",
            "1912 int4up(int4) int4", "1397 abs(int4) int4", "1251 int4abs(int4) int4",
            "768 int4larger(int4,int4) int4", "769 int4smaller(int4,int4) int4",
        ),
        "int8": (
            "945 int8mod(int8,int8) int8", "947 mod(int8,int8) int8", "1904 int8and(int8,int8) int8",
            "1905 int8or(int8,int8) int8", "1906 int8xor(int8,int8) int8", "1907 int8not(int8) int8",
            "1908 int8shl(int8,int4) int8", "1909 int8shr(int8,int4) int8", "462 int8um(int8) int8",
            "1910 int8up(int8) int8", "1396 abs(int8) int8", "1230 int8abs(int8) int8",
            "1236 int8larger(int8,int8) int8", "1237 int8smaller(int8,int8) int8",
        ),
    }[_name]  # fmt: skip
    define(_facts[0], remainder)
    define(_facts[1], remainder)
    define(_facts[2], lambda left, right: left & right, source="({0} & {1})")
    define(_facts[3], lambda left, right: left | right, source="({0} | {1})")
    define(_facts[4], lambda left, right: left ^ right, source="({0} ^ {1})")
    define(_facts[5], lambda value: ~value, source="(~{0})")
    define(_facts[6], shifted_left(_bits))
    define(_facts[7], shifted_right(_bits))
    define(_facts[8], checked(_name, lambda value: -value))
    define(_facts[9], lambda value: value, source="({0})")
    define(_facts[10], checked(_name, abs))
    define(_facts[11], checked(_name, abs))
    define(_facts[12], max)
    define(_facts[13], min)


def _gcd_lcm() -> None:
    for name, gcd_line, lcm_line in (
        ("int4", "5044 gcd(int4,int4) int4", "5046 lcm(int4,int4) int4"),
        ("int8", "5045 gcd(int8,int8) int8", "5047 lcm(int8,int8) int8"),
    ):
        define(gcd_line, checked(name, math.gcd))
        define(lcm_line, checked(name, math.lcm))


_gcd_lcm()


@sql("""
    1067 generate_series(int4,int4) int4 set
    1069 generate_series(int8,int8) int8 set
    1066 generate_series(int4,int4,int4) int4 set
    1068 generate_series(int8,int8,int8) int8 set
    """)
def generate_series(start: int, stop: int, step: int = 1) -> Iterator[int]:
    """start, start + step, ... up to and including stop."""
    if step == 0:
        raise PgError("22023", "step size cannot equal zero")
    return iter(range(start, stop + (1 if step > 0 else -1), step))


def hex_text(bits: int) -> Callable[[int], str]:
    """to_hex of a two's complement integer."""
    return lambda value: f"{value % (1 << bits):x}"


define("2089 to_hex(int4) text", hex_text(32))
define("2090 to_hex(int8) text", hex_text(64))
