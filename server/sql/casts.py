"""pg_cast: which casts exist, in which context and how each is done (chapters 10.3, 53.10)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from server.sql import cast_functions as f
from server.sql.env import Env
from server.sql.type_table import BY_NAME, MULTIRANGE_OF, Type

CastFunction: TypeAlias = Callable[[Any, Env], Any]


@dataclass(frozen=True, slots=True)
class Cast:
    """One way from a type to another. `func` None: the value stays as it is."""

    source: Type
    target: Type
    context: str
    """i implicit, a assignment, e explicit only"""
    method: str
    """binary, function or io"""
    func: CastFunction | None


CASTS: dict[tuple[int, int], Cast] = {}
"""The entries of pg_cast but those from a type to itself (length coercions: `types.apply_typmod`)."""

_REGS = (
    *("regclass", "regtype", "regproc", "regprocedure", "regnamespace", "regrole"),
    *("regconfig", "regdictionary"),
)

# source target context, for the casts that leave the value as it is
_BINARY = """
text varchar i, varchar text i, text bpchar i, varchar bpchar i, regproc regprocedure i,
regprocedure regproc i, pg_node_tree text i, cidr inet i
"""
# source target context, for the casts that pg_cast does with a function and Python need not
_SAME = """
int2 int4 i, int2 int8 i, int4 int8 i, oid int8 a, name text i, name varchar a, name bpchar a,
float4 float8 i, char text i, char bpchar a, char varchar a
"""

_FUNCTIONS: list[tuple[str, str, str, CastFunction]] = [
    ("bool", "int4", "e", f.bool_to_int),
    ("int4", "bool", "e", f.int_to_bool),
    *(("bool", name, "a", f.bool_to_text) for name in ("text", "varchar", "bpchar")),
    *(("bpchar", name, "i", f.trim) for name in ("text", "varchar")),
    ("bpchar", "name", "i", f.bpchar_to_name),
    *((name, "char", "a", f.text_to_char) for name in ("text", "varchar", "bpchar")),
    *((name, "name", "i", f.text_to_name) for name in ("text", "varchar")),
    *((name, "regclass", "i", f.text_to_regclass) for name in ("text", "varchar")),
    ("char", "int4", "e", f.char_to_int),
    ("int4", "char", "e", f.int_to_char),
    *((name, "float4", "i", f.int_to_float4) for name in ("int2", "int4", "int8")),
    *((name, "float8", "i", f.int_to_float8) for name in ("int2", "int4", "int8")),
    *((name, "numeric", "i", f.int_to_numeric) for name in ("int2", "int4", "int8")),
    *((name, "int2", "a", f.to_int2) for name in ("int4", "int8")),
    ("int8", "int4", "a", f.to_int4),
    ("int8", "oid", "i", f.int8_to_oid),
    ("int2", "oid", "i", f.int_to_oid),
    *((name, "int2", "a", f.float_to_int2) for name in ("float4", "float8")),
    *((name, "int4", "a", f.float_to_int4) for name in ("float4", "float8")),
    *((name, "int8", "a", f.float_to_int8) for name in ("float4", "float8")),
    ("float8", "float4", "a", f.float8_to_float4),
    ("float4", "numeric", "a", f.float4_to_numeric),
    ("float8", "numeric", "a", f.float8_to_numeric),
    ("numeric", "int2", "a", f.numeric_to_int2),
    ("numeric", "int4", "a", f.numeric_to_int4),
    ("numeric", "int8", "a", f.numeric_to_int8),
    ("numeric", "float4", "i", f.numeric_to_float4),
    ("numeric", "float8", "i", f.numeric_to_float8),
    ("date", "timestamp", "i", f.date_to_timestamp),
    ("date", "timestamptz", "i", f.date_to_timestamptz),
    ("timestamp", "date", "a", f.timestamp_to_date),
    ("timestamp", "time", "a", f.timestamp_to_time),
    ("timestamp", "timestamptz", "i", f.timestamp_to_timestamptz),
    ("timestamptz", "date", "a", f.timestamptz_to_date),
    ("timestamptz", "time", "a", f.timestamptz_to_time),
    ("timestamptz", "timestamp", "a", f.timestamptz_to_timestamp),
    ("timestamptz", "timetz", "a", f.timestamptz_to_timetz),
    ("time", "interval", "i", f.time_to_interval),
    ("time", "timetz", "i", f.time_to_timetz),
    ("timetz", "time", "a", f.timetz_to_time),
    ("interval", "time", "a", f.interval_to_time),
    *(("jsonb", name, "e", f.jsonb_to(name)) for name in f.JSON_TARGETS),
    ("xid8", "xid", "e", f.int_to_oid),
    ("inet", "cidr", "a", f.inet_to_cidr),
    ("macaddr", "macaddr8", "i", f.macaddr_to_macaddr8),
    ("macaddr8", "macaddr", "i", f.macaddr8_to_macaddr),
    *(
        (kind, name, "a", f.inet_to_text)
        for kind in ("inet", "cidr")
        for name in ("text", "varchar", "bpchar")
    ),
    *((made.name, several.name, "e", f.to_multirange) for made, several in MULTIRANGE_OF.items()),
]


def _add(source: str, target: str, context: str, method: str, func: CastFunction | None) -> None:
    made = Cast(BY_NAME[source], BY_NAME[target], context, method, func)
    CASTS[made.source.oid, made.target.oid] = made


def add_reg_casts(name: str) -> None:
    """The casts that every type of names of objects has: to and from oid and the integers."""
    _add("oid", name, "i", "binary", None)
    _add(name, "oid", "i", "binary", None)
    _add("int8", name, "i", "function", f.int8_to_oid)
    _add("int2", name, "i", "function", f.int_to_oid)
    _add(name, "int8", "a", "function", f.identity)
    _add("int4", name, "i", "binary", f.int_to_oid)
    _add(name, "int4", "a", "binary", f.oid_to_int4)


def _load() -> None:
    for text, method in ((_BINARY, "binary"), (_SAME, "function")):
        for entry in text.replace("\n", " ").split(","):
            source, target, context = entry.split()
            _add(source, target, context, method, None)
    _add("int4", "oid", "i", "binary", f.int_to_oid)
    _add("oid", "int4", "a", "binary", f.oid_to_int4)
    for name in _REGS:
        add_reg_casts(name)
    for source, target, context, func in _FUNCTIONS:
        _add(source, target, context, "function", func)
    _add("json", "jsonb", "a", "io", f.through_text(BY_NAME["json"], BY_NAME["jsonb"]))
    _add("jsonb", "json", "a", "io", f.through_text(BY_NAME["jsonb"], BY_NAME["json"]))


_load()
_ORDER = {"i": 0, "a": 1, "e": 2}
_by_io: dict[tuple[Type, Type, str], Cast] = {}


def find_cast(source: Type, target: Type, context: str) -> Cast | None:
    """The way from `source` to `target` in a context i, a or e, or None (find_coercion_pathway).

    Without an entry in pg_cast everything goes to a string type in an assignment, and a string type to
    everything in an explicit cast, by way of text. Arrays are cast element by element: the caller does it.
    """
    if source is target:
        return Cast(source, target, "i", "binary", None)
    found = CASTS.get((source.oid, target.oid))
    if found is not None:
        return found if _ORDER[context] >= _ORDER[found.context] else None
    if target.name == "anyarray" and source.category == "A":
        return Cast(source, target, "i", "binary", None)
    if source.category == "A" and target.category == "A":
        vector = source.name in ("int2vector", "oidvector") and target.element is source.element
        return Cast(source, target, "i", "binary", None) if vector else None
    if target.kind == "p":
        return None
    to_string = target.category == "S" and context in "ae"
    if not to_string and not (source.category == "S" and context == "e"):
        return None
    key = (source, target, "a" if to_string else "e")
    if key not in _by_io:
        _by_io[key] = Cast(source, target, key[2], "io", f.through_text(source, target))
    return _by_io[key]


def as_text(kind: Type, value: Any, env: Env) -> str:
    """What the cast to text makes of a value: of some types, such as bool and inet, not what their output does."""
    cast = find_cast(kind, BY_NAME["text"], "a")
    func = cast.func if cast is not None else None
    text: str = value if func is None else func(value, env)
    return text
