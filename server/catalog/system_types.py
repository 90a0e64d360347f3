"""Facts of pg_type that types do not execute: oids of their functions; types that only the catalog has."""

from __future__ import annotations

import re

from server.errors import PgError
from server.sql import types
from server.sql.casts import CASTS, Cast, add_reg_casts
from server.sql.env import Env
from server.sql.type_io import Io
from server.sql.type_scalar import reg_io
from server.sql.types import Type

# typname input output receive send [modifier input, modifier output]; 0: there is none
_FUNCTIONS = """
bool boolin:1242 boolout:1243 boolrecv:2436 boolsend:2437
bytea byteain:1244 byteaout:31 bytearecv:2412 byteasend:2413
char charin:1245 charout:33 charrecv:2434 charsend:2435
name namein:34 nameout:35 namerecv:2422 namesend:2423
int8 int8in:460 int8out:461 int8recv:2408 int8send:2409
int2 int2in:38 int2out:39 int2recv:2404 int2send:2405
int2vector int2vectorin:40 int2vectorout:41 int2vectorrecv:2410 int2vectorsend:2411
int4 int4in:42 int4out:43 int4recv:2406 int4send:2407
regproc regprocin:44 regprocout:45 regprocrecv:2444 regprocsend:2445
text textin:46 textout:47 textrecv:2414 textsend:2415
oid oidin:1798 oidout:1799 oidrecv:2418 oidsend:2419
tid tidin:48 tidout:49 tidrecv:2438 tidsend:2439
xid xidin:50 xidout:51 xidrecv:2440 xidsend:2441
cid cidin:52 cidout:53 cidrecv:2442 cidsend:2443
oidvector oidvectorin:54 oidvectorout:55 oidvectorrecv:2420 oidvectorsend:2421
json json_in:321 json_out:322 json_recv:323 json_send:324
pg_node_tree pg_node_tree_in:195 pg_node_tree_out:196 pg_node_tree_recv:197 pg_node_tree_send:198
cidr cidr_in:1267 cidr_out:1427 cidr_recv:2498 cidr_send:2499
float4 float4in:200 float4out:201 float4recv:2424 float4send:2425
float8 float8in:214 float8out:215 float8recv:2426 float8send:2427
unknown unknownin:109 unknownout:110 unknownrecv:2416 unknownsend:2417
macaddr macaddr_in:436 macaddr_out:437 macaddr_recv:2494 macaddr_send:2495
macaddr8 macaddr8_in:4110 macaddr8_out:4111 macaddr8_recv:3446 macaddr8_send:3447
inet inet_in:910 inet_out:911 inet_recv:2496 inet_send:2497
bpchar bpcharin:1044 bpcharout:1045 bpcharrecv:2430 bpcharsend:2431 bpchartypmodin:2913 bpchartypmodout:2914
varchar varcharin:1046 varcharout:1047 varcharrecv:2432 varcharsend:2433
  varchartypmodin:2915 varchartypmodout:2916
date date_in:1084 date_out:1085 date_recv:2468 date_send:2469
time time_in:1143 time_out:1144 time_recv:2470 time_send:2471 timetypmodin:2909 timetypmodout:2910
timestamp timestamp_in:1312 timestamp_out:1313 timestamp_recv:2474 timestamp_send:2475 timestamptypmodin:2905
  timestamptypmodout:2906
timestamptz timestamptz_in:1150 timestamptz_out:1151 timestamptz_recv:2476 timestamptz_send:2477
  timestamptztypmodin:2907 timestamptztypmodout:2908
interval interval_in:1160 interval_out:1161 interval_recv:2478 interval_send:2479 intervaltypmodin:2903
  intervaltypmodout:2904
timetz timetz_in:1350 timetz_out:1351 timetz_recv:2472 timetz_send:2473
  timetztypmodin:2911 timetztypmodout:2912
numeric numeric_in:1701 numeric_out:1702 numeric_recv:2460 numeric_send:2461 numerictypmodin:2917
  numerictypmodout:2918
regprocedure regprocedurein:2212 regprocedureout:2213 regprocedurerecv:2446 regproceduresend:2447
regclass regclassin:2218 regclassout:2219 regclassrecv:2452 regclasssend:2453
regtype regtypein:2220 regtypeout:2221 regtyperecv:2454 regtypesend:2455
record record_in:2290 record_out:2291 record_recv:2402 record_send:2403
cstring cstring_in:2292 cstring_out:2293 cstring_recv:2500 cstring_send:2501
any any_in:2294 any_out:2295 0 0
anyarray anyarray_in:2296 anyarray_out:2297 anyarray_recv:2502 anyarray_send:2503
void void_in:2298 void_out:2299 void_recv:3120 void_send:3121
trigger trigger_in:2300 trigger_out:2301 0 0
internal internal_in:2304 internal_out:2305 0 0
anyelement anyelement_in:2312 anyelement_out:2313 0 0
anynonarray anynonarray_in:2777 anynonarray_out:2778 0 0
uuid uuid_in:2952 uuid_out:2953 uuid_recv:2961 uuid_send:2962
anyenum anyenum_in:3504 anyenum_out:3505 0 0
jsonb jsonb_in:3806 jsonb_out:3804 jsonb_recv:3805 jsonb_send:3803
anyrange anyrange_in:3832 anyrange_out:3833 0 0
jsonpath jsonpath_in:4001 jsonpath_out:4003 jsonpath_recv:4002 jsonpath_send:4004
tsvector tsvectorin:3610 tsvectorout:3611 tsvectorrecv:3639 tsvectorsend:3638
tsquery tsqueryin:3612 tsqueryout:3613 tsqueryrecv:3641 tsquerysend:3640
regconfig regconfigin:3736 regconfigout:3737 regconfigrecv:3738 regconfigsend:3739
regdictionary regdictionaryin:3771 regdictionaryout:3772 regdictionaryrecv:3773 regdictionarysend:3774
regnamespace regnamespacein:4084 regnamespaceout:4085 regnamespacerecv:4087 regnamespacesend:4088
regrole regrolein:4098 regroleout:4092 regrolerecv:4094 regrolesend:4095
xid8 xid8in:5070 xid8out:5081 xid8recv:5082 xid8send:5083
anycompatible anycompatible_in:5086 anycompatible_out:5087 0 0
anycompatiblearray anycompatiblearray_in:5088 anycompatiblearray_out:5089 anycompatiblearray_recv:5090
  anycompatiblearray_send:5091
anycompatiblenonarray anycompatiblenonarray_in:5092 anycompatiblenonarray_out:5093 0 0
anycompatiblerange anycompatiblerange_in:5094 anycompatiblerange_out:5095 0 0
anymultirange anymultirange_in:4229 anymultirange_out:4230 0 0
anycompatiblemultirange anycompatiblemultirange_in:4226 anycompatiblemultirange_out:4227 0 0
aclitem aclitemin:1031 aclitemout:1032 0 0
regoper regoperin:2214 regoperout:2215 regoperrecv:2448 regopersend:2449
regoperator regoperatorin:2216 regoperatorout:2217 regoperatorrecv:2450 regoperatorsend:2451
regcollation regcollationin:4193 regcollationout:4194 regcollationrecv:4196 regcollationsend:4197
"""
_ARRAY = "array_in:750 array_out:751 array_recv:2400 array_send:2401"
_RANGE = "range_in:3834 range_out:3835 range_recv:3836 range_send:3837 0 0 range_typanalyze:3916 0"
_MULTIRANGE = (
    "multirange_in:4231 multirange_out:4232 multirange_recv:4233 multirange_send:4234 0 0"
    " multirange_typanalyze:4242 0"
)
_ARRAY_ANALYZE, _ARRAY_SUBSCRIPT = "array_typanalyze:3816", "array_subscript_handler:6179"
_RAW_SUBSCRIPT, _JSONB_SUBSCRIPT = "raw_array_subscript_handler:6180", "jsonb_subscript_handler:6098"

SUPPORT: dict[int, str] = {}
"""Names of the functions that pg_type names, and those of text search that SQL can't call, by oid."""

TEXT_SEARCH = {
    3717: ("prsd_start", "internal int4", "internal"),
    3718: ("prsd_nexttoken", "internal internal internal", "internal"),
    3719: ("prsd_end", "internal", "void"),
    3720: ("prsd_headline", "internal internal tsquery", "internal"),
    3721: ("prsd_lextype", "internal", "internal"),
    3725: ("dsimple_init", "internal", "internal"),
    3726: ("dsimple_lexize", "internal internal internal internal", "internal"),
}
"""The functions of the parser and of the dictionary's template: name, arguments, result."""
SUPPORT.update({oid: name for oid, (name, _, _) in TEXT_SEARCH.items()})


def _load() -> dict[str, tuple[int, ...]]:
    made = {}
    for line in _FUNCTIONS.strip().replace("\n  ", " ").splitlines():
        name, *words = line.split()
        found = tuple(map(_function, words))
        made[name] = found + (0,) * (6 - len(found))
    return made


def _function(word: str) -> int:
    name, colon, oid = word.partition(":")
    if not colon:
        return 0
    SUPPORT[int(oid)] = name
    return int(oid)


_OF_TYPE = _load()
_OF_ARRAYS = tuple(map(_function, _ARRAY.split()))
_OF_RANGES = {"r": tuple(map(_function, _RANGE.split())), "m": tuple(map(_function, _MULTIRANGE.split()))}
_ANALYZE, _SUBSCRIPT = _function(_ARRAY_ANALYZE), _function(_ARRAY_SUBSCRIPT)
_OTHERS = {"name": _function(_RAW_SUBSCRIPT), "jsonb": _function(_JSONB_SUBSCRIPT)} | dict.fromkeys(
    ("int2vector", "oidvector"), _SUBSCRIPT
)


def functions_of(kind: Type) -> tuple[int, ...]:
    """oids: input, output, receive, send, typmodin, typmodout, analyze, subscript."""
    if is_array(kind):
        assert kind.element is not None
        modifiers = _OF_TYPE.get(kind.element.name, (0,) * 6)[4:]
        return (*_OF_ARRAYS, *modifiers, _ANALYZE, _SUBSCRIPT)
    if kind.kind in _OF_RANGES:
        return _OF_RANGES[kind.kind]
    return (*_OF_TYPE.get(kind.name, (0,) * 6), 0, _OTHERS.get(kind.name, 0))


def is_array(kind: Type) -> bool:
    """An array type proper; int2vector and oidvector are not."""
    return kind.element is not None and kind.length == -1 and kind.name.startswith("_")


ACL_ITEM = re.compile(r'\s*("(?:[^"]|"")*"|[^=\s"]*)=([a-zA-Z*]*)/("(?:[^"]|"")*"|[^\s"]+)\s*')


def _acl_in(text: str, typmod: int, env: Env) -> str:
    found = ACL_ITEM.fullmatch(text)
    if found is None:
        raise PgError("22P02", 'missing "=" sign' if "=" not in text else 'a name must follow the "/" sign')
    for role in filter(None, (found[1], found[3])):
        env.reg_input("regrole", role)
    return text.strip()


def _acl_out(value: str, env: Env) -> str:
    return value


def _no_binary(kind: str) -> object:
    def refuse(value: object, *rest: object) -> bytes:
        raise PgError("42883", f"no binary {kind} function available for type aclitem")

    return refuse


ACLITEM = types.register(
    types.make_type(
        Io(_acl_in, _acl_out, _no_binary("input"), _no_binary("output")),  # type: ignore[arg-type]
        1033, "aclitem", "aclitem", 1034, "U", length=16, align="d", storage="p",
    )
)  # fmt: skip
"""A grant as `grantee=privileges/grantor`."""
types.register(types.make_array(ACLITEM))


def _register_reg(oid: int, name: str, array_oid: int) -> None:
    """A type of names of objects, with its casts to and from oid."""
    facts: dict[str, object] = {"length": 4, "by_value": True, "storage": "p"}
    made = types.register(types.make_type(reg_io(name), oid, name, name, array_oid, "N", **facts))
    types.register(types.make_array(made))
    add_reg_casts(name)


_register_reg(2203, "regoper", 2208)
_register_reg(2204, "regoperator", 2209)
_register_reg(4191, "regcollation", 4192)
for _source, _target in (("regoper", "regoperator"), ("regoperator", "regoper")):
    CASTS[types.BY_NAME[_source].oid, types.BY_NAME[_target].oid] = Cast(
        types.BY_NAME[_source], types.BY_NAME[_target], "i", "binary", None
    )
