"""Type names and modifiers: from SQL to a type with its typmod, and back (PostgreSQL, chapter 8)."""

from collections.abc import Callable, Sequence

from server.errors import PgError
from server.sql import interval, numeric, refusals
from server.sql.env import Env
from server.sql.type_scalar import int_input
from server.sql.type_table import BY_NAME, BY_OID, Type

MAX_LENGTH = 10_485_760
_ALIASES = {
    "int": "int4", "integer": "int4", "smallint": "int2", "bigint": "int8", "real": "float4",
    "double precision": "float8", "decimal": "numeric", "dec": "numeric", "boolean": "bool",
    "character varying": "varchar", "char varying": "varchar", "character": "bpchar",
    "nchar": "bpchar",
    "timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz",
    "time without time zone": "time", "time with time zone": "timetz",
}  # fmt: skip
_UNSUPPORTED = {
    name: name
    for name in (
        "money", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle", "bit", "pg_lsn", "txid_snapshot",
        "pg_snapshot", "gtsvector",
    )
} | {"varbit": "bit varying"}  # fmt: skip
"""PostgreSQL's types that are not here, and how they are shown (dsql-reference §2.3)."""
_FIELD_ORDER = ("year", "month", "day", "hour", "minute", "second")
_integer = int_input("integer", 2**31)
_env = Env()


def _integers(modifiers: Sequence[str]) -> list[int]:
    return [int(_integer(text, -1, _env)) for text in modifiers]


def _length(name: str) -> Callable[[list[int]], int]:
    def encode(values: list[int]) -> int:
        if len(values) != 1:
            raise PgError("22023", "invalid type modifier")
        if values[0] < 1:
            raise PgError("22023", f"length for type {name} must be at least 1")
        if values[0] > MAX_LENGTH:
            raise PgError("22023", f"length for type {name} cannot exceed {MAX_LENGTH}")
        return values[0] + 4

    return encode


def _numeric(values: list[int]) -> int:
    if len(values) not in (1, 2):
        raise PgError("22023", "invalid NUMERIC type modifier")
    precision, scale = values[0], values[1] if len(values) == 2 else 0
    digits, decimals = refusals.numeric_digits()
    if not 1 <= precision <= digits:
        raise PgError("22023", f"NUMERIC precision {precision} must be between 1 and {digits}")
    if not -decimals <= scale <= decimals:
        raise PgError("22023", f"NUMERIC scale {scale} must be between -{decimals} and {decimals}")
    return numeric.make_typmod(precision, scale)


def _precision(name: str, suffix: str) -> Callable[[list[int]], int]:
    def encode(values: list[int]) -> int:
        if len(values) != 1:
            raise PgError("22023", "invalid type modifier")
        if values[0] < 0:
            raise PgError("22023", f"{name}({values[0]}){suffix} precision must not be negative")
        return min(values[0], 6)

    return encode


_ENCODERS: dict[str, Callable[[list[int]], int]] = {
    "varchar": _length("varchar"),
    "bpchar": _length("char"),
    "numeric": _numeric,
    "timestamp": _precision("TIMESTAMP", ""),
    "timestamptz": _precision("TIMESTAMP", " WITH TIME ZONE"),
    "time": _precision("TIME", ""),
    "timetz": _precision("TIME", " WITH TIME ZONE"),
}


def _fields_bits(text: str) -> int:
    order = _FIELD_ORDER
    first, _, last = text.lower().partition(" to ")
    names = order[order.index(first) : order.index(last or first) + 1]
    return sum(interval.FIELD_BITS[name] for name in names)


def _interval(values: list[int], fields: str | None) -> int:
    if len(values) > 1:
        raise PgError("22023", "invalid INTERVAL type modifier")
    if values and values[0] < 0:
        raise PgError("22023", f"INTERVAL({values[0]}) precision must not be negative")
    bits = _fields_bits(fields) if fields else interval.FULL_RANGE
    return interval.make_typmod(min(values[0], 6) if values else None, bits)


def refused_type(names: Sequence[str]) -> str | None:
    """How one of PostgreSQL's types that are not here is shown, by its name; None for every other name."""
    is_plain = len(names) == 1 or (len(names) == 2 and names[0] == "pg_catalog")
    return _UNSUPPORTED.get(names[-1]) if is_plain else None


def lookup_type_name(
    names: Sequence[str],
    modifiers: Sequence[str] = (),
    interval_fields: str | None = None,
    array: bool = False,
) -> tuple[Type, int]:
    """The built-in type of that name, alone or in pg_catalog, and its typmod (-1: none).

    Raises PgError 42704: there is no such type; 42601: it takes no modifiers; 22023: they are wrong; 0A000: the
    type is PostgreSQL's but not supported (`array`: named as the element of an array).
    """
    name = names[-1]
    found = None
    if len(names) == 1 or (len(names) == 2 and names[0] == "pg_catalog"):
        found = BY_NAME.get(name) or BY_NAME.get(_ALIASES.get(name, ""))
        if name == "float":
            return _float(modifiers)
        if found is None and name in _UNSUPPORTED:
            raise refusals.QUERY_TYPE.error(_UNSUPPORTED[name] + ("[]" if array else ""))
    if found is None:
        raise PgError("42704", f'type "{".".join(names)}" does not exist')
    if name in ("character", "nchar") and not modifiers:
        return found, 5
    return found, type_modifier(found, modifiers, interval_fields)


def _float(modifiers: Sequence[str]) -> tuple[Type, int]:
    """float(n): n counts bits of the mantissa."""
    if not modifiers:
        return BY_NAME["float8"], -1
    bits = _integers(modifiers)[0]
    if bits < 1:
        raise PgError("22023", "precision for type float must be at least 1 bit")
    if bits > 53:
        raise PgError("22023", "precision for type float must be less than 54 bits")
    return BY_NAME["float4" if bits <= 24 else "float8"], -1


def type_modifier(type_: Type, modifiers: Sequence[str], interval_fields: str | None = None) -> int:
    """The typmod that a type makes of its modifiers' texts; 42601, 22023, 22P02."""
    if type_.name == "interval" and (modifiers or interval_fields):
        return _interval(_integers(modifiers), interval_fields)
    if not modifiers:
        return -1
    held = type_.element if type_.category == "A" and type_.element else type_
    encode = _ENCODERS.get(held.name)
    if encode is None:
        raise PgError("42601", f'type modifier is not allowed for type "{type_.name}"')
    return encode(_integers(modifiers))


def _interval_suffix(typmod: int) -> str:
    bits, precision = interval.split_typmod(typmod)
    fields = ""
    if bits != interval.FULL_RANGE:
        named = [name for name in _FIELD_ORDER if bits & interval.FIELD_BITS[name]]
        fields = " " + (named[0] if len(named) == 1 else f"{named[0]} to {named[-1]}")
    return fields + ("" if precision == interval.FULL_PRECISION else f"({precision})")


def typmod_text(type_: Type, typmod: int) -> str:
    """What stands behind a type's typname for a typmod, such as (10,2)."""
    if typmod < 0:
        return ""
    if type_.name in ("varchar", "bpchar"):
        return f"({typmod - 4})" if typmod > 4 else ""
    if type_.name == "numeric":
        return "({},{})".format(*numeric.split_typmod(typmod)) if typmod >= 4 else ""
    if type_.name == "interval":
        return _interval_suffix(typmod)
    return f"({typmod})" if type_.name in _ENCODERS else ""


def format_type(oid: int, typmod: int | None = None) -> str:
    """The function format_type: the SQL name of a type with its modifier; None is SQL's NULL."""
    if oid == 0:
        return "-"
    found = BY_OID.get(oid)
    if found is None:
        return "???"
    if found.element is not None and found.name.startswith("_"):
        return format_type(found.element.oid, typmod) + "[]"
    if found.name == "bpchar" and typmod is not None and typmod < 0:
        return "bpchar"
    suffix = typmod_text(found, -1 if typmod is None else typmod)
    for ending in (" without time zone", " with time zone"):
        if found.display.endswith(ending):
            return found.display.removesuffix(ending) + suffix + ending
    return found.display + suffix
