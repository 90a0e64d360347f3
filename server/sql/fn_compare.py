"""Comparison functions of every type: the order is the type's sort_key or, without one, Python's own."""

import operator
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from server.errors import PgError
from server.sql.functions import define
from server.sql.type_array import Array
from server.sql.type_record import Record
from server.sql.types import BY_NAME, Type

# left right, then oid:name of =, <>, <, <=, >, >=
_FACTS = """
bool bool 60:booleq 84:boolne 56:boollt 1691:boolle 57:boolgt 1692:boolge
char char 61:chareq 70:charne 1246:charlt 72:charle 73:chargt 74:charge
name name 62:nameeq 659:namene 655:namelt 656:namele 657:namegt 658:namege
int2 int2 63:int2eq 145:int2ne 64:int2lt 148:int2le 146:int2gt 151:int2ge
int4 int4 65:int4eq 144:int4ne 66:int4lt 149:int4le 147:int4gt 150:int4ge
text text 67:texteq 157:textne 740:text_lt 741:text_le 742:text_gt 743:text_ge
int2 int4 158:int24eq 164:int24ne 160:int24lt 166:int24le 162:int24gt 168:int24ge
int4 int2 159:int42eq 165:int42ne 161:int42lt 167:int42le 163:int42gt 169:int42ge
oid oid 184:oideq 185:oidne 716:oidlt 717:oidle 1638:oidgt 1639:oidge
name text 240:nameeqtext 245:namenetext 241:namelttext 242:nameletext 244:namegttext 243:namegetext
text name 247:texteqname 252:textnename 248:textltname 249:textlename 251:textgtname 250:textgename
float4 float4 287:float4eq 288:float4ne 289:float4lt 290:float4le 291:float4gt 292:float4ge
float8 float8 293:float8eq 294:float8ne 295:float8lt 296:float8le 297:float8gt 298:float8ge
float4 float8 299:float48eq 300:float48ne 301:float48lt 302:float48le 303:float48gt 304:float48ge
float8 float4 305:float84eq 306:float84ne 307:float84lt 308:float84le 309:float84gt 310:float84ge
int8 int8 467:int8eq 468:int8ne 469:int8lt 471:int8le 470:int8gt 472:int8ge
int8 int4 474:int84eq 475:int84ne 476:int84lt 478:int84le 477:int84gt 479:int84ge
oidvector oidvector 679:oidvectoreq 619:oidvectorne 677:oidvectorlt 678:oidvectorle 681:oidvectorgt 680:oidvectorge
int4 int8 852:int48eq 853:int48ne 854:int48lt 856:int48le 855:int48gt 857:int48ge
macaddr macaddr 830:macaddr_eq 835:macaddr_ne 831:macaddr_lt 832:macaddr_le 833:macaddr_gt 834:macaddr_ge
macaddr8 macaddr8 4113:macaddr8_eq 4118:macaddr8_ne 4114:macaddr8_lt 4115:macaddr8_le 4116:macaddr8_gt 4117:macaddr8_ge
inet inet 920:network_eq 925:network_ne 921:network_lt 922:network_le 923:network_gt 924:network_ge
bpchar bpchar 1048:bpchareq 1053:bpcharne 1049:bpcharlt 1050:bpcharle 1051:bpchargt 1052:bpcharge
date date 1086:date_eq 1091:date_ne 1087:date_lt 1088:date_le 1089:date_gt 1090:date_ge
time time 1145:time_eq 1106:time_ne 1102:time_lt 1103:time_le 1104:time_gt 1105:time_ge
timestamptz timestamptz 1152:timestamptz_eq 1153:timestamptz_ne 1154:timestamptz_lt 1155:timestamptz_le 1157:timestamptz_gt 1156:timestamptz_ge
interval interval 1162:interval_eq 1163:interval_ne 1164:interval_lt 1165:interval_le 1167:interval_gt 1166:interval_ge
timetz timetz 1352:timetz_eq 1353:timetz_ne 1354:timetz_lt 1355:timetz_le 1357:timetz_gt 1356:timetz_ge
numeric numeric 1718:numeric_eq 1719:numeric_ne 1722:numeric_lt 1723:numeric_le 1720:numeric_gt 1721:numeric_ge
int2 int8 1850:int28eq 1851:int28ne 1852:int28lt 1854:int28le 1853:int28gt 1855:int28ge
int8 int2 1856:int82eq 1857:int82ne 1858:int82lt 1860:int82le 1859:int82gt 1861:int82ge
bytea bytea 1948:byteaeq 1953:byteane 1949:bytealt 1950:byteale 1951:byteagt 1952:byteage
timestamp timestamp 2052:timestamp_eq 2053:timestamp_ne 2054:timestamp_lt 2055:timestamp_le 2057:timestamp_gt 2056:timestamp_ge
uuid uuid 2956:uuid_eq 2959:uuid_ne 2954:uuid_lt 2955:uuid_le 2958:uuid_gt 2957:uuid_ge
jsonb jsonb 4043:jsonb_eq 4038:jsonb_ne 4039:jsonb_lt 4041:jsonb_le 4040:jsonb_gt 4042:jsonb_ge
tsvector tsvector 3618:tsvector_eq 3619:tsvector_ne 3616:tsvector_lt 3617:tsvector_le 3621:tsvector_gt 3620:tsvector_ge
tsquery tsquery 3664:tsquery_eq 3665:tsquery_ne 3662:tsquery_lt 3663:tsquery_le 3667:tsquery_gt 3666:tsquery_ge
xid xid 68:xideq 3308:xidneq - - - -
"""  # noqa: E501

_SYMBOLS = ("==", "!=", "<", "<=", ">", ">=")
_PYTHON: tuple[Callable[[Any, Any], bool], ...] = (
    operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge,
)  # fmt: skip
Less: TypeAlias = Callable[[Any, Any], bool]


def _float_less(left: float, right: float) -> bool:
    return left < right or (right != right and left == left)


def _float_equal(left: float, right: float) -> bool:
    return left == right or (left != left and right != right)


def _numeric_less(left: Decimal, right: Decimal) -> bool:
    try:
        return left < right
    except InvalidOperation:
        return right.is_nan() and not left.is_nan()


def _numeric_equal(left: Decimal, right: Decimal) -> bool:
    return left == right or (left.is_nan() and right.is_nan())


def six(equal: Less, less: Less) -> tuple[Less, ...]:
    """=, <>, <, <=, >, >= of a total order given by two of them."""
    return (
        equal,
        lambda left, right: not equal(left, right),
        less,
        lambda left, right: not less(right, left),
        lambda left, right: less(right, left),
        lambda left, right: not less(left, right),
    )


def by_key(key: Callable[[Any], Any]) -> tuple[Less, ...]:
    """=, <>, <, <=, >, >= of values that `key` maps to an order of Python's."""

    def make(compare: Less) -> Less:
        return lambda left, right: compare(key(left), key(right))

    return tuple(make(compare) for compare in _PYTHON)


def three_way(key: Callable[[Any], Any]) -> Callable[[Any, Any], int]:
    """-1, 0 or 1, of the same."""

    def compare(left: Any, right: Any) -> int:
        first, second = key(left), key(right)
        return int(first > second) - int(first < second)

    return compare


_FLOAT = six(_float_equal, _float_less)
_NUMERIC = six(_numeric_equal, _numeric_less)


def comparisons(compared: Type) -> tuple[Less, ...]:
    """=, <>, <, <=, >, >= of a scalar type."""
    if compared.name in ("float4", "float8"):
        return _FLOAT
    if compared.name == "numeric":
        return _NUMERIC
    if compared.name == "jsonb":
        return six(operator.eq, operator.lt)
    return _PYTHON if compared.sort_key is None else by_key(compared.sort_key)


def _load() -> None:
    for line in _FACTS.strip().splitlines():
        left, right, *functions = line.split()
        impls = comparisons(BY_NAME[left])
        for index, function in enumerate(functions):
            if function == "-":
                continue
            oid, name = function.split(":")
            source = f"({{0}} {_SYMBOLS[index]} {{1}})" if impls is _PYTHON else None
            define(f"{oid} {name}({left},{right}) bool", impls[index], source=source)


_load()


def _records(compare: Less) -> Less:
    """Field by field up to the first that differs; 42804 where types or their number differ (record_cmp)."""

    def run(left: Record, right: Record) -> bool:
        for place, (mine, other, a, b) in enumerate(zip(left.fields, right.fields, left, right), 1):
            if mine is not other:
                message = (
                    f"cannot compare dissimilar column types {mine.display} and {other.display}"
                    f" at record column {place}"
                )
                raise PgError("42804", message)
            first, second = _field_key(mine, a), _field_key(mine, b)
            if first != second:
                return compare(first, second)
        if len(left) != len(right):
            raise PgError("42804", "cannot compare record types with different numbers of columns")
        return compare(0, 0)

    return run


def _field_key(kind: Type, value: Any) -> tuple[Any, ...]:
    if value is None:
        return (1,)
    return (0, value if kind.sort_key is None else kind.sort_key(value))


def _array(compare: Less) -> Callable[..., bool]:
    def run(types: tuple[Type, ...], left: Array, right: Array) -> bool:
        element = types[0].element
        key = element.sort_key if element is not None else None
        return compare(left.order(key), right.order(key))

    return run


_NAMES = ("eq", "ne", "lt", "le", "gt", "ge")
_ARRAY_OIDS = (744, 390, 391, 393, 392, 396)
_RECORD_OIDS = (2981, 2982, 2983, 2985, 2984, 2986)

for _index, _name in enumerate(_NAMES):
    define(
        f"{_ARRAY_OIDS[_index]} array_{_name}(anyarray,anyarray) bool", _array(_PYTHON[_index]), types=True
    )
    define(f"{_RECORD_OIDS[_index]} record_{_name}(record,record) bool", _records(_PYTHON[_index]))
