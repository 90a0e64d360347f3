"""real and double precision: text exactly as PostgreSQL reads and prints it (PostgreSQL, chapter 8.1.3)."""

import math
import re
import struct
from decimal import Decimal
from fractions import Fraction

from server.errors import PgError
from server.sql.env import Env
from server.sql.type_io import SPACES, Io, bad_syntax, fixed

_NUMBER = re.compile(
    r"[+-]?(?:0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?\d+)?"
    r"|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?|nan(?:\([A-Za-z0-9_]*\))?)",
    re.IGNORECASE | re.ASCII,
)
_SINGLE = struct.Struct("!f")
_DOUBLE = struct.Struct("!d")
_EXACT_INTEGERS = 2.0**53


def to_single(value: float) -> float:
    """The nearest float4; infinite when it is too large."""
    try:
        single: float = _SINGLE.unpack(_SINGLE.pack(value))[0]
        return single
    except OverflowError:
        return math.copysign(math.inf, value)


def _exact(text: str) -> Fraction:
    """The number's exact value; huge exponents are the caller's to exclude."""
    lowered = text.lower()
    if "0x" not in lowered:
        return Fraction(Decimal(text))
    mantissa, _, exponent = lowered.replace("0x", "").partition("p")
    whole, _, part = mantissa.partition(".")
    return Fraction(int(whole + part, 16), 1) * Fraction(2) ** (int(exponent or 0) - 4 * len(part))


def _parse_single(text: str, double: float) -> float:
    """strtof: rounded once from the text, not twice by way of a double."""
    single = to_single(double)
    if single == double or math.isinf(single):
        return single
    other = 2 * double - single
    if to_single(other) != other:
        return single
    exact, middle = _exact(text), Fraction(double)
    if exact == middle:
        return single
    return max(single, other) if exact > middle else min(single, other)


def _to_double(text: str) -> float:
    lowered = text.lower()
    if "0x" in lowered:
        try:
            return float.fromhex(text)
        except OverflowError:
            return math.inf
    return math.nan if "nan" in lowered else float(text)


def _parse(text: str, name: str, single: bool) -> float:
    body = text.strip(SPACES)
    found = _NUMBER.match(body)
    if found is None:
        raise bad_syntax(name, text)
    number = found[0]
    value = _to_double(number)
    if single:
        value = _parse_single(number, value)
    special = number.lstrip("+-")[:1] in "iInN"
    if not special and (math.isinf(value) or (value == 0.0 and re.search("[1-9a-fA-F]", _mantissa(number)))):
        raise PgError("22003", f'"{number}" is out of range for type {name}')
    if found.end() != len(body):
        raise bad_syntax(name, text)
    return value


def _mantissa(number: str) -> str:
    lowered = number.lower()
    if "0x" in lowered:
        return lowered.partition("0x")[2].partition("p")[0]
    return lowered.partition("e")[0]


def float8_in(text: str, typmod: int, env: Env) -> float:
    """C's strtod; 22P02, 22003."""
    return _parse(text, "double precision", False)


def float4_in(text: str, typmod: int, env: Env) -> float:
    """C's strtof; 22P02, 22003."""
    return _parse(text, "real", True)


def _special(value: float) -> str:
    if value != value:
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _layout(digits: str, exponent: int, negative: bool, fixed_below: int) -> str:
    """Decimal digits d.ddd x 10^exponent as PostgreSQL's ryu prints them."""
    sign = "-" if negative else ""
    if -4 <= exponent < fixed_below:
        if exponent < 0:
            return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
        if exponent + 1 >= len(digits):
            return sign + digits.ljust(exponent + 1, "0")
        return f"{sign}{digits[: exponent + 1]}.{digits[exponent + 1 :]}"
    point = "." + digits[1:] if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{point}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _scientific(value: float, precision: int) -> tuple[str, int]:
    mantissa, _, exponent = f"{abs(value):.{precision}e}".partition("e")
    return mantissa.replace(".", "").rstrip("0") or "0", int(exponent)


def shortest_double(value: float) -> str:
    """The shortest text that reads back as `value` (extra_float_digits above 0)."""
    if value != value or value in (math.inf, -math.inf):
        return _special(value)
    text = float.__repr__(value)
    if -1e15 < value < 1e15:
        return text[:-2] if text.endswith(".0") else text
    number = Decimal(text).normalize()
    digits, exponent = "".join(map(str, number.as_tuple().digits)), number.adjusted()
    if _on_boundary(value, int(number)):
        digits, exponent = _inside(value, len(digits))
    return _layout(digits, exponent, value < 0, 15)


def _on_boundary(value: float, decimal: int) -> bool:
    """The text lies midway between two doubles: repr relies on round-half-even, PostgreSQL does not."""
    if abs(value) < _EXACT_INTEGERS:
        return False
    magnitude, decimal = abs(value), abs(decimal)
    toward = math.inf if decimal > magnitude else 0.0
    neighbour = math.nextafter(magnitude, toward)
    return not math.isinf(neighbour) and 2 * decimal == int(magnitude) + int(neighbour)


def _inside(value: float, count: int) -> tuple[str, int]:
    for precision in range(count - 1, 17):
        digits, exponent = _scientific(value, precision)
        decimal = int(digits) * 10 ** (exponent - len(digits) + 1)
        if float(decimal) == abs(value) and not _on_boundary(value, decimal):
            return digits, exponent
    return _scientific(value, 16)


def shortest_single(value: float) -> str:
    """The shortest text that reads back as the float4 `value`."""
    if value != value or value in (math.inf, -math.inf):
        return _special(value)
    magnitude = abs(value)
    if magnitude < 1e6 and magnitude == int(magnitude):
        return ("-" if math.copysign(1.0, value) < 0 else "") + str(int(magnitude))
    (bits,) = struct.unpack("!I", _SINGLE.pack(magnitude))
    below = _neighbour(bits - 1)
    above = 2 * magnitude - below if bits + 1 >= 0x7F800000 else _neighbour(bits + 1)
    low, high = (below + magnitude) / 2, (above + magnitude) / 2
    digits, exponent = "", 0
    # Six digits survive float4, so where they suffice, stripping their zeros leaves the shortest.
    for precision in range(0 if not bits & 0x7FFFFF or bits < 0x00800000 else 5, 9):
        digits, exponent = _scientific(magnitude, precision)
        if low < _from_digits(digits, exponent) < high:
            break
        # At a power of two the gap below is half the gap above: the text above may do.
        above_digits = str(int(digits.ljust(precision + 1, "0")) + 1)
        if (
            not bits & 0x7FFFFF
            and len(above_digits) == precision + 1
            and _from_digits(above_digits, exponent) < high
        ):
            digits = above_digits
            break
    return _layout(digits, exponent, value < 0, 6)


def _from_digits(digits: str, exponent: int) -> float:
    return float(f"{digits[0]}.{digits[1:]}e{exponent}")


def _neighbour(bits: int) -> float:
    single: float = _SINGLE.unpack(struct.pack("!I", bits))[0]
    return single


def float8_out(value: float, env: Env) -> str:
    """As extra_float_digits says."""
    if env.extra_float_digits > 0:
        return shortest_double(value)
    if math.isfinite(value):
        return f"{value:.{max(1, 15 + env.extra_float_digits)}g}"
    return _special(value)


def float4_out(value: float, env: Env) -> str:
    """As extra_float_digits says."""
    if env.extra_float_digits > 0:
        return shortest_single(value)
    if math.isfinite(value):
        return f"{value:.{max(1, 6 + env.extra_float_digits)}g}"
    return _special(value)


def float_key(value: float) -> tuple[bool, float]:
    """NaN equals itself and is greater than everything else."""
    return (True, 0.0) if value != value else (False, value)


_read_double, _read_single = fixed("!d"), fixed("!f")


def _float8_recv(data: bytes, typmod: int, env: Env) -> float:
    value: float = _read_double(data)[0]
    return value


def _float4_recv(data: bytes, typmod: int, env: Env) -> float:
    value: float = _read_single(data)[0]
    return value


def _float8_send(value: float, env: Env) -> bytes:
    return _DOUBLE.pack(value)


def _float4_send(value: float, env: Env) -> bytes:
    return _SINGLE.pack(value)


FLOATS: dict[str, Io] = {
    "float8": Io(float8_in, float8_out, _float8_recv, _float8_send, "float", float_key),
    "float4": Io(float4_in, float4_out, _float4_recv, _float4_send, "float", float_key),
}
