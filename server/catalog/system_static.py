"""pg_catalog of what is built in: types, functions, operators, casts; from what executes (DESIGN §5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from server.catalog import procedures, system_text
from server.catalog.store import ADMIN_OID, PG_CATALOG_OID
from server.catalog.system_casts import CAST_FUNCTIONS
from server.catalog.system_casts import FUNCTIONS as CAST_FUNCTIONS_BY_OID
from server.catalog.system_relation import SCHEMA_OIDS, Values, content, vector
from server.catalog.system_tables import INDEX_METHOD_OID, OPCLASS_OF, TABLE_METHOD_OID
from server.catalog.system_types import SUPPORT, TEXT_SEARCH, functions_of, is_array
from server.sql import casts, fn_range, functions, polymorphic, types
from server.sql.text_search import config, states
from server.sql.types import Array, Type

INTERNAL_LANGUAGE, SQL_LANGUAGE = 12, 14


# --- pg_type ---


@content("pg_type")
def _pg_type(env: Any) -> Iterator[Values]:
    for kind in types.BY_OID.values():
        yield _type(kind, kind)
    for table in env.catalog.tables.values():
        place = {"typnamespace": table.schema_oid, "typowner": table.owner}
        row = types.row_type(table)
        yield _type(row, types.RECORD) | place | {"typname": table.name, "typrelid": table.oid}
        rows = types.array_of(row)
        assert rows is not None
        yield _type(rows, types.BY_NAME["_record"]) | place | {"typname": f"_{table.name}"}


_TYPE_FUNCTIONS = (
    "typinput", "typoutput", "typreceive", "typsend", "typmodin", "typmodout", "typanalyze", "typsubscript",
)  # fmt: skip


def _type(kind: Type, like: Type) -> dict[str, Any]:
    """One row of pg_type, with the functions of `like`."""
    element = kind.element.oid if kind.element is not None else 0
    return {
        "oid": kind.oid, "typname": kind.name, "typnamespace": PG_CATALOG_OID, "typowner": ADMIN_OID,
        "typlen": kind.length, "typbyval": kind.by_value, "typtype": kind.kind,
        "typcategory": kind.category, "typispreferred": kind.preferred, "typisdefined": True,
        "typdelim": ",",
        "typelem": types.CHAR.oid if kind is types.NAME else element, "typarray": kind.array_oid,
        "typalign": kind.align, "typstorage": kind.storage, "typtypmod": -1,
        "typcollation": kind.collation,
    } | dict(zip(_TYPE_FUNCTIONS, functions_of(like), strict=True))  # fmt: skip


# --- pg_proc, pg_aggregate ---


def _proc(oid: int, name: str, kind: str, args: Sequence[Type], result: Type, **facts: Any) -> dict[str, Any]:
    made = {
        "oid": oid, "proname": name, "pronamespace": PG_CATALOG_OID, "proowner": ADMIN_OID,
        "prolang": INTERNAL_LANGUAGE, "procost": 1.0, "prokind": kind, "proparallel": "s", "provolatile": "i",
        "pronargs": len(args), "prorettype": result.oid, "proargtypes": vector(arg.oid for arg in args),
        "prosrc": name,
    }  # fmt: skip
    return made | facts


def variadic_oid(args: Sequence[Type]) -> int:
    """pg_proc.provariadic: what the last argument collects."""
    last = args[-1]
    element = polymorphic.VARIADIC.get(last, last.element)
    return last.oid if last is types.ANY else element.oid if element is not None else 0


def _function(entry: functions.Function) -> Values:
    facts: dict[str, Any] = {
        "pronamespace": SCHEMA_OIDS[entry.schema],
        "provolatile": entry.volatility, "proisstrict": entry.strict, "proretset": entry.returns_set,
        "prorows": 1000.0 if entry.returns_set else 0.0, "pronargdefaults": entry.defaults,
    }  # fmt: skip
    if entry.variadic:
        facts["provariadic"] = variadic_oid(entry.args)
    if entry.arg_names:
        facts["proargnames"] = Array(list(entry.arg_names))
    if entry.out_columns:
        count = len(entry.args)
        names = list(entry.arg_names) if entry.arg_names else [""] * count
        facts["proallargtypes"] = Array(
            [kind.oid for kind in entry.args] + [kind.oid for _, kind in entry.out_columns]
        )
        facts["proargmodes"] = Array(["i"] * count + ["o"] * len(entry.out_columns))
        facts["proargnames"] = Array(names + [name for name, _ in entry.out_columns])
    return _proc(entry.oid, entry.name, "f", entry.args, entry.result, **facts)


def _procedure(entry: procedures.Procedure) -> Values:
    facts: dict[str, Any] = {
        "pronamespace": SCHEMA_OIDS[entry.schema], "provolatile": "v", "proparallel": "u",
        "pronargdefaults": len(entry.args) - entry.needed,
    }  # fmt: skip
    if entry.arg_names:
        facts["proargnames"] = Array(list(entry.arg_names))
    return _proc(entry.oid, entry.name, "p", entry.args, types.VOID, **facts)


@content("pg_proc", "static")
def _pg_proc(env: Any) -> Iterator[Values]:
    for function in functions.FUNCTION_BY_OID.values():
        yield _function(function)
    for aggregate in functions.AGGREGATE_BY_OID.values():
        facts = {"provariadic": variadic_oid(aggregate.args)} if aggregate.variadic else {}
        source = {"prosrc": "aggregate_dummy"}
        yield _proc(aggregate.oid, aggregate.name, "a", aggregate.args, aggregate.result) | source | facts
    for window in functions.WINDOW_FUNCTION_BY_OID.values():
        yield _proc(window.oid, window.name, "w", window.args, window.result)
    yield from map(_procedure, procedures.BY_OID.values())
    yield from _type_functions()
    for oid, (name, given, made) in TEXT_SEARCH.items():
        args = tuple(types.BY_NAME[each] for each in given.split())
        yield _proc(oid, name, "f", args, types.BY_NAME[made], proisstrict=True)
    for oid, (name, argument, result) in CAST_FUNCTIONS_BY_OID.items():
        if oid not in functions.FUNCTION_BY_OID:
            yield _proc(oid, name, "f", (types.BY_OID[argument],), types.BY_OID[result], proisstrict=True)


_OF_RANGES = {"r": types.ANYRANGE, "m": types.ANYMULTIRANGE}
"""What the functions that read and write ranges are declared with, by typtype."""


def _type_functions() -> Iterator[Values]:
    """The functions that read and write types."""
    seen = set(functions.FUNCTION_BY_OID)
    for kind in types.BY_OID.values():
        found = functions_of(kind)
        own = types.ANYARRAY if is_array(kind) else _OF_RANGES.get(kind.kind, kind)
        of_a_type = own is not kind or kind is types.RECORD or kind.name.endswith("range")
        with_modifier = (types.OID, types.INT4) if of_a_type or found[4] else ()
        shapes: tuple[tuple[tuple[Type, ...], Type], ...] = (
            ((types.CSTRING, *with_modifier), own), ((own,), types.CSTRING),
            ((types.INTERNAL, *with_modifier), own), ((own,), types.BYTEA),
            ((types.BY_NAME["_cstring"],), types.INT4), ((types.INT4,), types.CSTRING),
            ((types.INTERNAL,), types.BOOL), ((types.INTERNAL,), types.INTERNAL),
        )  # fmt: skip
        for oid, (args, result) in zip(found, shapes, strict=True):
            if oid and oid not in seen:
                seen.add(oid)
                yield _proc(oid, SUPPORT[oid], "f", args, result, proisstrict=True)


@content("pg_aggregate", "static")
def _pg_aggregate(env: Any) -> Iterator[Values]:
    for aggregate in functions.AGGREGATE_BY_OID.values():
        yield {
            "aggfnoid": aggregate.oid, "aggkind": aggregate.kind, "aggnumdirectargs": aggregate.direct_args,
            "aggfinalmodify": "r", "aggmfinalmodify": "r",
        }  # fmt: skip


# --- pg_operator, pg_cast ---


@content("pg_operator", "static")
def _pg_operator(env: Any) -> Iterator[Values]:
    by_name: dict[tuple[str, Type | None, Type | None], int] = {
        (entry.name, entry.left, entry.right): entry.oid for entry in functions.OPERATOR_BY_OID.values()
    }
    for entry in functions.OPERATOR_BY_OID.values():
        hashes = entry.name == "=" and entry.result is types.BOOL
        yield {
            "oid": entry.oid, "oprname": entry.name, "oprnamespace": PG_CATALOG_OID, "oprowner": ADMIN_OID,
            "oprkind": "l" if entry.left is None else "b", "oprcanhash": hashes, "oprcanmerge": hashes,
            "oprleft": entry.left.oid if entry.left is not None else 0, "oprright": entry.right.oid,
            "oprresult": entry.result.oid, "oprcode": entry.function.oid,
            "oprcom": by_name.get((entry.commutator or "", entry.right, entry.left), 0),
            "oprnegate": by_name.get((entry.negator or "", entry.left, entry.right), 0),
        }  # fmt: skip


_METHODS = {"binary": "b", "function": "f", "io": "i"}


@content("pg_cast", "static")
def _pg_cast(env: Any) -> Iterator[Values]:
    for number, cast in enumerate(casts.CASTS.values()):
        yield {
            "oid": 10100 + number, "castsource": cast.source.oid, "casttarget": cast.target.oid,
            "castfunc": CAST_FUNCTIONS.get((cast.source.oid, cast.target.oid), 0), "castcontext": cast.context,
            "castmethod": _METHODS[cast.method],
        }  # fmt: skip


@content("pg_range", "static")
def _pg_range(env: Any) -> Iterator[Values]:
    for kind, several in types.MULTIRANGE_OF.items():
        assert kind.subtype is not None
        of = kind.subtype.name
        yield {
            "rngtypid": kind.oid, "rngsubtype": kind.subtype.oid, "rngmultitypid": several.oid,
            "rngcollation": kind.subtype.collation, "rngsubopc": OPCLASS_OF[of],
            "rngcanonical": fn_range.CANONICAL.get(of, 0), "rngsubdiff": fn_range.DIFFERENCE[of],
        }  # fmt: skip


# --- access methods, operator classes ---


@content("pg_am", "static")
def _pg_am(env: Any) -> Iterator[Values]:
    yield {"oid": TABLE_METHOD_OID, "amname": system_text.TABLE_METHOD, "amtype": "t"}
    yield {"oid": INDEX_METHOD_OID, "amname": system_text.INDEX_METHOD, "amtype": "i"}


_FAMILIES = {
    "bool_ops": 424, "bpchar_ops": 426, "datetime_ops": 434, "float_ops": 1970, "integer_ops": 1976,
    "numeric_ops": 1988, "oid_ops": 1989, "text_ops": 1994, "time_ops": 1996, "uuid_ops": 2968,
}  # fmt: skip
_FAMILY_OF = {
    "bool": "bool_ops", "bpchar": "bpchar_ops", "date": "datetime_ops", "timestamp": "datetime_ops",
    "timestamptz": "datetime_ops", "float4": "float_ops", "float8": "float_ops", "int2": "integer_ops",
    "int4": "integer_ops", "int8": "integer_ops", "numeric": "numeric_ops", "text": "text_ops",
    "name": "text_ops", "time": "time_ops", "uuid": "uuid_ops", "oid": "oid_ops",
}  # fmt: skip
_STRATEGIES = ("<", "<=", "=", ">=", ">")


@content("pg_opclass", "static")
def _pg_opclass(env: Any) -> Iterator[Values]:
    for name, family in _FAMILY_OF.items():
        yield {
            "oid": OPCLASS_OF[name], "opcmethod": INDEX_METHOD_OID, "opcname": f"{name}_ops",
            "opcnamespace": PG_CATALOG_OID, "opcowner": ADMIN_OID, "opcfamily": _FAMILIES[family],
            "opcintype": types.BY_NAME[name].oid, "opcdefault": True,
        }  # fmt: skip


@content("pg_opfamily", "static")
def _pg_opfamily(env: Any) -> Iterator[Values]:
    for name, oid in _FAMILIES.items():
        yield {
            "oid": oid, "opfmethod": INDEX_METHOD_OID, "opfname": name, "opfnamespace": PG_CATALOG_OID,
            "opfowner": ADMIN_OID,
        }  # fmt: skip


@content("pg_amop", "static")
def _pg_amop(env: Any) -> Iterator[Values]:
    number = 10400
    for entry in functions.OPERATOR_BY_OID.values():
        if entry.name not in _STRATEGIES or entry.left is None:
            continue
        left, right = _FAMILY_OF.get(entry.left.name), _FAMILY_OF.get(entry.right.name)
        if left is None or left != right:
            continue
        number += 1
        yield {
            "oid": number, "amopfamily": _FAMILIES[left], "amoplefttype": entry.left.oid,
            "amoprighttype": entry.right.oid, "amopstrategy": _STRATEGIES.index(entry.name) + 1,
            "amoppurpose": "s", "amopopr": entry.oid, "amopmethod": INDEX_METHOD_OID,
        }  # fmt: skip


# --- collations, languages, places ---


@content("pg_collation", "static")
def _pg_collation(env: Any) -> Iterator[Values]:
    same = {
        "collnamespace": PG_CATALOG_OID,
        "collowner": ADMIN_OID,
        "collisdeterministic": True,
        "collencoding": -1,
    }
    yield same | {"oid": 100, "collname": "default", "collprovider": "d"}
    for oid, name in ((950, "C"), (951, "POSIX")):
        yield same | {
            "oid": oid,
            "collname": name,
            "collprovider": "c",
            "collcollate": name,
            "collctype": name,
        }


@content("pg_language", "static")
def _pg_language(env: Any) -> Iterator[Values]:
    yield {"oid": INTERNAL_LANGUAGE, "lanname": "internal", "lanowner": ADMIN_OID}
    yield {"oid": SQL_LANGUAGE, "lanname": "sql", "lanowner": ADMIN_OID, "lanpltrusted": True}


@content("pg_tablespace", "static")
def _pg_tablespace(env: Any) -> Iterator[Values]:
    for oid, name in ((1663, "pg_default"), (1664, "pg_global")):
        yield {"oid": oid, "spcname": name, "spcowner": ADMIN_OID}


@content("pg_database", "static")
def _pg_database(env: Any) -> Iterator[Values]:
    yield {
        "oid": 5, "datname": "postgres", "datdba": ADMIN_OID, "encoding": 6, "datlocprovider": "c",
        "datallowconn": True, "datconnlimit": -1, "dattablespace": 1663, "datcollate": "C", "datctype": "C",
    }  # fmt: skip


# --- text search ---


_PARSER_FUNCTIONS = {
    "prsstart": 3717,
    "prstoken": 3718,
    "prsend": 3719,
    "prsheadline": 3720,
    "prslextype": 3721,
}
_TEMPLATE_FUNCTIONS = {"tmplinit": 3725, "tmpllexize": 3726}
"""oids of functions that SQL can't call."""


@content("pg_ts_config", "static")
def _pg_ts_config(env: Any) -> Iterator[Values]:
    yield {
        "oid": config.CONFIGURATION, "cfgname": config.NAME, "cfgnamespace": PG_CATALOG_OID,
        "cfgowner": ADMIN_OID, "cfgparser": config.PARSER,
    }  # fmt: skip


@content("pg_ts_config_map", "static")
def _pg_ts_config_map(env: Any) -> Iterator[Values]:
    for number, _ in enumerate(states.TYPES, 1):
        if number not in states.IGNORED:
            yield {
                "mapcfg": config.CONFIGURATION, "maptokentype": number, "mapseqno": 1,
                "mapdict": config.DICTIONARY,
            }  # fmt: skip


@content("pg_ts_dict", "static")
def _pg_ts_dict(env: Any) -> Iterator[Values]:
    yield {
        "oid": config.DICTIONARY, "dictname": config.NAME, "dictnamespace": PG_CATALOG_OID,
        "dictowner": ADMIN_OID, "dicttemplate": config.TEMPLATE,
    }  # fmt: skip


@content("pg_ts_parser", "static")
def _pg_ts_parser(env: Any) -> Iterator[Values]:
    place = {"prsname": config.PARSER_NAME, "prsnamespace": PG_CATALOG_OID}
    yield {"oid": config.PARSER} | place | _PARSER_FUNCTIONS


@content("pg_ts_template", "static")
def _pg_ts_template(env: Any) -> Iterator[Values]:
    place = {"tmplname": config.NAME, "tmplnamespace": PG_CATALOG_OID}
    yield {"oid": config.TEMPLATE} | place | _TEMPLATE_FUNCTIONS
