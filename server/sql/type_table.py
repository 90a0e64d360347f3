"""PostgreSQL's types as data: facts of pg_type, and functions that read, write, sort and store values.

Values in Python: bool; int for int2/4/8, oid and date (days since 2000-01-01), time (µs), timestamp and
timestamptz (µs since 2000-01-01, UTC); float; Decimal whose exponent is the display scale; str; bytes (also
uuid, macaddr, macaddr8); `Interval`; timetz as (µs, seconds west); `Inet` (also cidr); `Array`; `Range`; `Multirange`;
tuple for record; `Jsonb`; `TsVector`; `TsQuery`; None for NULL.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from server.sql.type_array import array_io, vector_io
from server.sql.type_io import Input, Io, Output, Receive, Send, pseudo
from server.sql.type_range import AFTER, RangeKind, multirange_io, range_io
from server.sql.type_registry import IO


@dataclass(frozen=True, slots=True, eq=False)
class Type:
    """One row of pg_type with its implementation (PostgreSQL, chapter 53.64)."""

    oid: int
    name: str
    """pg_type.typname"""
    display: str
    """What format_type prints without a typmod."""
    array_oid: int
    """The oid of its array type, 0: none."""
    element: "Type | None"
    """What an array (also int2vector, oidvector) holds."""
    category: str
    preferred: bool
    length: int
    """pg_type.typlen: bytes, -1 varlena, -2 C string."""
    input: Input
    """(text, typmod, env) -> value; raises PgError"""
    output: Output
    """(value, env) -> text"""
    receive: Receive
    """(bytes, typmod, env) -> value; raises PgError"""
    send: Send
    """(value, env) -> bytes"""
    sort_key: Callable[[Any], Any] | None
    """None: Python's own order and equality are PostgreSQL's."""
    key_kind: str | None
    """How storage encodes it in a key; None: the type is not indexable."""
    pack: Callable[[Any], Any] | None
    """To msgpack's primitives; None: the value is one."""
    unpack: Callable[[Any], Any] | None
    by_value: bool
    align: str
    storage: str
    kind: str
    """pg_type.typtype: b base, p pseudo, r range, m multirange."""
    collation: int
    subtype: "Type | None"
    """What a range's bounds are, and of a multirange its ranges (pg_range)."""

    def __repr__(self) -> str:
        return f"<Type {self.name}>"


BY_OID: dict[int, Type] = {}
BY_NAME: dict[str, Type] = {}
"""By pg_type.typname; array types are there as _name."""

# oid|typname|display|array oid|category|preferred|length|by value|align|storage|kind|collation
_FACTS = """
16|bool|boolean|1000|B|t|1|t|c|p|b|0
17|bytea|bytea|1001|U|f|-1|f|i|x|b|0
18|char|"char"|1002|Z|f|1|t|c|p|b|0
19|name|name|1003|S|f|64|f|c|p|b|950
20|int8|bigint|1016|N|f|8|t|d|p|b|0
21|int2|smallint|1005|N|f|2|t|s|p|b|0
23|int4|integer|1007|N|f|4|t|i|p|b|0
24|regproc|regproc|1008|N|f|4|t|i|p|b|0
25|text|text|1009|S|t|-1|f|i|x|b|100
26|oid|oid|1028|N|t|4|t|i|p|b|0
27|tid|tid|1010|U|f|6|f|s|p|b|0
28|xid|xid|1011|U|f|4|t|i|p|b|0
29|cid|cid|1012|U|f|4|t|i|p|b|0
114|json|json|199|U|f|-1|f|i|x|b|0
194|pg_node_tree|pg_node_tree|0|Z|f|-1|f|i|x|b|100
650|cidr|cidr|651|I|f|-1|f|i|m|b|0
700|float4|real|1021|N|f|4|t|i|p|b|0
701|float8|double precision|1022|N|t|8|t|d|p|b|0
705|unknown|unknown|0|X|f|-2|f|c|p|p|0
774|macaddr8|macaddr8|775|U|f|8|f|i|p|b|0
829|macaddr|macaddr|1040|U|f|6|f|i|p|b|0
869|inet|inet|1041|I|t|-1|f|i|m|b|0
1042|bpchar|character|1014|S|f|-1|f|i|x|b|100
1043|varchar|character varying|1015|S|f|-1|f|i|x|b|100
1082|date|date|1182|D|f|4|t|i|p|b|0
1083|time|time without time zone|1183|D|f|8|t|d|p|b|0
1114|timestamp|timestamp without time zone|1115|D|f|8|t|d|p|b|0
1184|timestamptz|timestamp with time zone|1185|D|t|8|t|d|p|b|0
1186|interval|interval|1187|T|t|16|f|d|p|b|0
1266|timetz|time with time zone|1270|D|f|12|f|d|p|b|0
1700|numeric|numeric|1231|N|f|-1|f|i|m|b|0
2202|regprocedure|regprocedure|2207|N|f|4|t|i|p|b|0
2205|regclass|regclass|2210|N|f|4|t|i|p|b|0
2206|regtype|regtype|2211|N|f|4|t|i|p|b|0
2249|record|record|2287|P|f|-1|f|d|x|p|0
2275|cstring|cstring|1263|P|f|-2|f|c|p|p|0
2276|any|"any"|0|P|f|4|t|i|p|p|0
2277|anyarray|anyarray|0|P|f|-1|f|d|x|p|0
2278|void|void|0|P|f|4|t|i|p|p|0
2279|trigger|trigger|0|P|f|4|t|i|p|p|0
2281|internal|internal|0|P|f|8|t|d|p|p|0
2283|anyelement|anyelement|0|P|f|4|t|i|p|p|0
2776|anynonarray|anynonarray|0|P|f|4|t|i|p|p|0
2950|uuid|uuid|2951|U|f|16|f|c|p|b|0
3500|anyenum|anyenum|0|P|f|4|t|i|p|p|0
3614|tsvector|tsvector|3643|U|f|-1|f|i|x|b|0
3615|tsquery|tsquery|3645|U|f|-1|f|i|p|b|0
3734|regconfig|regconfig|3735|N|f|4|t|i|p|b|0
3769|regdictionary|regdictionary|3770|N|f|4|t|i|p|b|0
3802|jsonb|jsonb|3807|U|f|-1|f|i|x|b|0
3831|anyrange|anyrange|0|P|f|-1|f|d|x|p|0
4072|jsonpath|jsonpath|4073|U|f|-1|f|i|x|b|0
4537|anymultirange|anymultirange|0|P|f|-1|f|d|x|p|0
4538|anycompatiblemultirange|anycompatiblemultirange|0|P|f|-1|f|d|x|p|0
4089|regnamespace|regnamespace|4090|N|f|4|t|i|p|b|0
4096|regrole|regrole|4097|N|f|4|t|i|p|b|0
5069|xid8|xid8|271|U|f|8|t|d|p|b|0
5077|anycompatible|anycompatible|0|P|f|4|t|i|p|p|0
5078|anycompatiblearray|anycompatiblearray|0|P|f|-1|f|d|x|p|0
5079|anycompatiblenonarray|anycompatiblenonarray|0|P|f|4|t|i|p|p|0
5080|anycompatiblerange|anycompatiblerange|0|P|f|-1|f|d|x|p|0
"""

# oid|typname|array oid|element's typname: arrays of fixed shape that have their own syntax
_VECTORS = """
22|int2vector|1006|int2
30|oidvector|1013|oid
"""

# oid|typname|array oid|multirange's oid|typname|array oid|subtype|align
_RANGES = """
3904|int4range|3905|4451|int4multirange|6150|int4|i
3906|numrange|3907|4532|nummultirange|6151|numeric|i
3908|tsrange|3909|4533|tsmultirange|6152|timestamp|d
3910|tstzrange|3911|4534|tstzmultirange|6153|timestamptz|d
3912|daterange|3913|4535|datemultirange|6155|date|i
3926|int8range|3927|4536|int8multirange|6157|int8|d
"""

MULTIRANGE_OF: dict[Type, Type] = {}
"""By range type."""
RANGE_KINDS: dict[Type, RangeKind] = {}
"""What values of a range type and of its multirange type are made by."""


def make_type(io: Io, oid: int, name: str, display: str, array_oid: int, category: str, **facts: Any) -> Type:
    """A type from its functions and facts; it is not registered."""
    rest: dict[str, Any] = {
        "preferred": False, "length": -1, "by_value": False, "align": "i", "storage": "x",
        "kind": "b", "collation": 0, "element": None, "subtype": None,
    } | facts  # fmt: skip
    return Type(
        oid=oid, name=name, display=display, array_oid=array_oid, category=category, **io._asdict(), **rest
    )


def register(made: Type) -> Type:
    """Put a type into the tables."""
    BY_OID[made.oid] = BY_NAME[made.name] = made
    return made


def make_array(element: Type) -> Type:
    """The array type of `element`."""
    align = "d" if element.align == "d" else "i"
    kind, category = ("p", "P") if element.name == "record" else ("b", "A")
    return make_type(
        array_io(element), element.array_oid, "_" + element.name, element.display + "[]", 0, category,
        align=align, kind=kind, collation=element.collation, element=element,
    )  # fmt: skip


def _load() -> None:
    """Fill the tables from the facts above; arrays follow their elements."""
    for line in _FACTS.strip().splitlines():
        oid, name, display, array, category, preferred, length, by_value, align, storage, kind, collation = (
            line.split("|")
        )
        register(
            make_type(
                IO.get(name) or pseudo(name, display), int(oid), name, display, int(array), category,
                preferred=preferred == "t", length=int(length), by_value=by_value == "t", align=align,
                storage=storage, kind=kind, collation=int(collation),
            )
        )  # fmt: skip
    for line in _VECTORS.strip().splitlines():
        oid, name, array, element = line.split("|")
        held = BY_NAME[element]
        register(make_type(vector_io(held), int(oid), name, name, int(array), "A", storage="p", element=held))
    for line in _RANGES.strip().splitlines():
        _load_range(*line.split("|"))
    for scalar in list(BY_OID.values()):
        if scalar.array_oid:
            register(make_array(scalar))


def _load_range(
    oid: str, name: str, array: str, multi_oid: str, multi: str, multi_array: str, of: str, align: str
) -> None:
    """A range type and its multirange type."""
    subtype = BY_NAME[of]
    kind = RangeKind(name, subtype, AFTER.get(of))
    io = range_io(kind)
    made = make_type(io, int(oid), name, name, int(array), "R", kind="r", align=align, subtype=subtype)
    several = make_type(
        multirange_io(kind, io), int(multi_oid), multi, multi, int(multi_array), "R",
        kind="m", align=align, subtype=made,
    )  # fmt: skip
    MULTIRANGE_OF[register(made)] = register(several)
    RANGE_KINDS[made] = RANGE_KINDS[several] = kind


_load()

BOOL, INT2, INT4, INT8 = BY_NAME["bool"], BY_NAME["int2"], BY_NAME["int4"], BY_NAME["int8"]
FLOAT4, FLOAT8, NUMERIC = BY_NAME["float4"], BY_NAME["float8"], BY_NAME["numeric"]
TEXT, VARCHAR, BPCHAR, CHAR, NAME = (BY_NAME[_] for _ in ("text", "varchar", "bpchar", "char", "name"))
BYTEA, UUID, JSON, JSONB = BY_NAME["bytea"], BY_NAME["uuid"], BY_NAME["json"], BY_NAME["jsonb"]
DATE, TIME, TIMETZ = BY_NAME["date"], BY_NAME["time"], BY_NAME["timetz"]
TIMESTAMP, TIMESTAMPTZ, INTERVAL = BY_NAME["timestamp"], BY_NAME["timestamptz"], BY_NAME["interval"]
OID, XID, XID8, CID, TID = (BY_NAME[_] for _ in ("oid", "xid", "xid8", "cid", "tid"))
REGCLASS, REGTYPE, REGPROC = BY_NAME["regclass"], BY_NAME["regtype"], BY_NAME["regproc"]
REGPROCEDURE, REGNAMESPACE, REGROLE = BY_NAME["regprocedure"], BY_NAME["regnamespace"], BY_NAME["regrole"]
INT2VECTOR, OIDVECTOR = BY_NAME["int2vector"], BY_NAME["oidvector"]
RECORD, VOID, UNKNOWN, CSTRING = (BY_NAME[_] for _ in ("record", "void", "unknown", "cstring"))
ANY, ANYELEMENT, ANYARRAY = BY_NAME["any"], BY_NAME["anyelement"], BY_NAME["anyarray"]
ANYNONARRAY, ANYENUM, ANYRANGE = BY_NAME["anynonarray"], BY_NAME["anyenum"], BY_NAME["anyrange"]
ANYCOMPATIBLE, ANYCOMPATIBLEARRAY = BY_NAME["anycompatible"], BY_NAME["anycompatiblearray"]
ANYCOMPATIBLENONARRAY, ANYCOMPATIBLERANGE = BY_NAME["anycompatiblenonarray"], BY_NAME["anycompatiblerange"]
ANYMULTIRANGE, ANYCOMPATIBLEMULTIRANGE = BY_NAME["anymultirange"], BY_NAME["anycompatiblemultirange"]
INTERNAL, TRIGGER = BY_NAME["internal"], BY_NAME["trigger"]
