"""The functions that pg_cast names: facts of pg_cast and pg_proc for the casts of `server.sql.casts`."""

from server.sql.types import BY_NAME

# source:target:function's name:its oid
_FACTS = """
int2:int4:int4:313 int2:int8:int8:754 int4:int8:int8:481 oid:int8:int8:1288 name:text:text:406
name:varchar:varchar:1401 name:bpchar:bpchar:408 float4:float8:float8:311 char:text:text:946
char:bpchar:bpchar:860 char:varchar:text:946 bool:int4:int4:2558 int4:bool:bool:2557 bool:text:text:2971
bool:varchar:text:2971 bool:bpchar:text:2971 bpchar:text:text:401 bpchar:varchar:text:401
bpchar:name:name:409 text:char:char:944 varchar:char:char:944 bpchar:char:char:944 text:name:name:407
varchar:name:name:1400 text:regclass:regclass:1079 varchar:regclass:regclass:1079 char:int4:int4:77
int4:char:char:78 int2:float4:float4:236 int4:float4:float4:318 int8:float4:float4:652
int2:float8:float8:235 int4:float8:float8:316 int8:float8:float8:482 int2:numeric:numeric:1782
int4:numeric:numeric:1740 int8:numeric:numeric:1781 int4:int2:int2:314 int8:int2:int2:714 int8:int4:int4:480
int8:oid:oid:1287 int8:regclass:oid:1287 int8:regtype:oid:1287 int8:regproc:oid:1287
int8:regprocedure:oid:1287 int8:regnamespace:oid:1287 int8:regrole:oid:1287 int2:oid:int4:313
int2:regclass:int4:313 int2:regtype:int4:313 int2:regproc:int4:313 int2:regprocedure:int4:313
int2:regnamespace:int4:313 int2:regrole:int4:313 regclass:int8:int8:1288 regtype:int8:int8:1288
regproc:int8:int8:1288 regprocedure:int8:int8:1288 regnamespace:int8:int8:1288 regrole:int8:int8:1288
float4:int2:int2:238 float8:int2:int2:237 float4:int4:int4:319 float8:int4:int4:317 float4:int8:int8:653
float8:int8:int8:483 float8:float4:float4:312 float4:numeric:numeric:1742 float8:numeric:numeric:1743
numeric:int2:int2:1783 numeric:int4:int4:1744 numeric:int8:int8:1779 numeric:float4:float4:1745
numeric:float8:float8:1746 date:timestamp:timestamp:2024 date:timestamptz:timestamptz:1174
timestamp:date:date:2029 timestamp:time:time:1316 timestamp:timestamptz:timestamptz:2028
timestamptz:date:date:1178 timestamptz:time:time:2019 timestamptz:timestamp:timestamp:2027
timestamptz:timetz:timetz:1388 time:interval:interval:1370 time:timetz:timetz:2047 timetz:time:time:2046
interval:time:time:1419 jsonb:bool:bool:3556 jsonb:numeric:numeric:3449 jsonb:int2:int2:3450
jsonb:int4:int4:3451 jsonb:int8:int8:3452 jsonb:float4:float4:3453 jsonb:float8:float8:2580
xid8:xid:xid:5071 inet:cidr:cidr:1715 inet:text:text:730 inet:varchar:text:730 inet:bpchar:text:730
cidr:text:text:730 cidr:varchar:text:730 cidr:bpchar:text:730
macaddr:macaddr8:macaddr8:4123 macaddr8:macaddr:macaddr:4124
int4range:int4multirange:int4multirange:4281 numrange:nummultirange:nummultirange:4284
tsrange:tsmultirange:tsmultirange:4287 tstzrange:tstzmultirange:tstzmultirange:4290
daterange:datemultirange:datemultirange:4293 int8range:int8multirange:int8multirange:4296
"""


def _load() -> tuple[dict[tuple[int, int], int], dict[int, tuple[str, int, int]]]:
    of_cast: dict[tuple[int, int], int] = {}
    made: dict[int, tuple[str, int, int]] = {}
    for word in _FACTS.split():
        source, target, name, oid = word.split(":")
        types = BY_NAME[source].oid, BY_NAME[target].oid
        of_cast[types] = int(oid)
        made.setdefault(int(oid), (name, *types))
    return of_cast, made


CAST_FUNCTIONS, FUNCTIONS = _load()
"""(source oid, target oid) to the function's oid; the function's oid to its name, argument and result type."""
