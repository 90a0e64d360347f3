"""Functions that tell of the catalog: definitions, visibility, comments, sizes (PostgreSQL, chapter 9.26)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from server.catalog import names, procedures, system_text
from server.catalog.descriptor import Catalog, Index, Oid, Table
from server.catalog.system_relation import BY_OID as SYSTEM_BY_OID
from server.catalog.system_relation import RELATIONS
from server.catalog.system_static import variadic_oid
from server.catalog.system_tables import PG_CLASS_OID
from server.errors import PgError
from server.sql import functions, numeric, types
from server.sql.bind import bind_scalar
from server.sql.deparse import deparse
from server.sql.functions import define, sql
from server.sql.keywords import quote_ident
from server.sql.parse import parse_expression
from server.sql.types import Array, Type, format_type

_EPOCH_US = 946_684_800_000_000
"""2000-01-01 in microseconds since 1970."""
_STARTED_US = time.time_ns() // 1000 - _EPOCH_US


# --- definitions ---


@sql("1081 format_type(oid,int4) text s called")
def _format_type(oid: Oid | None, typmod: int | None) -> str | None:
    """A type's name with its modifier; ??? for an oid without type."""
    if oid is None:
        return None
    if oid == 0:
        return "-"
    return format_type(oid, typmod) if oid in types.BY_OID else "???"


@sql("1716 pg_get_expr(pg_node_tree,oid) text s\n2509 pg_get_expr(pg_node_tree,oid,bool) text s", env=True)
def get_expr(env: Any, text: str, relation: Oid, pretty: bool = False) -> str | None:
    """A stored expression; NULL when its table is gone."""
    table = env.catalog.tables.get(relation)
    if table is None and relation != 0:
        return None
    if not pretty:
        return text
    if isinstance(text, system_text.DefaultText) and table is not None:
        return system_text.default_text(env.catalog, table, text.attnum, pretty)
    bound = bind_scalar(parse_expression(text), table, env, env.catalog, None, "call")
    return deparse(bound, table, pretty)


def find_index(env: Any, oid: Oid) -> tuple[Table, Index] | None:
    """An index with its table; None: there is none of that oid."""
    catalog: Catalog = env.catalog
    return catalog.find_index(oid)


@sql("1643 pg_get_indexdef(oid) text s\n2507 pg_get_indexdef(oid,int4,bool) text s", env=True)
def get_indexdef(env: Any, oid: Oid, column: int = 0, pretty: bool = False) -> str | None:
    """CREATE INDEX, or the name of one column; in pretty form the schema only where it is needed."""
    found = find_index(env, oid)
    if found is None:
        return None
    if column:
        return system_text.index_column(*found, column, pretty) or ""
    qualified = not pretty or not names.relation_is_visible(env, found[0].oid)
    return system_text.index_definition(env.catalog, *found, qualified=qualified, pretty=pretty)


@sql("1387 pg_get_constraintdef(oid) text s\n2508 pg_get_constraintdef(oid,bool) text s", env=True)
def get_constraintdef(env: Any, oid: Oid, pretty: bool = False) -> str | None:
    """A constraint as it stands in CREATE TABLE."""
    found = find_index(env, oid)
    if found is not None:
        return system_text.key_definition(*found) if found[1].constraint else None
    for table in env.catalog.tables.values():
        for check in table.checks:
            if check.oid == oid:
                return system_text.check_definition(env.catalog, table, check, pretty)
        for key in table.foreign_keys:
            if key.oid == oid:
                return system_text.foreign_key_definition(env, table, key)
    return None


def _nothing(*args: Any) -> None:
    """NULL: there is no object of the kind asked for."""


define(
    """
    1641 pg_get_viewdef(oid) text s
    2506 pg_get_viewdef(oid,bool) text s
    3159 pg_get_viewdef(oid,int4) text s
    1573 pg_get_ruledef(oid) text s
    2504 pg_get_ruledef(oid,bool) text s
    1662 pg_get_triggerdef(oid) text s
    2730 pg_get_triggerdef(oid,bool) text s
    3352 pg_get_partkeydef(oid) text s
    3415 pg_get_statisticsobjdef(oid) text s
    6174 pg_get_statisticsobjdef_columns(oid) text s
    3808 pg_get_function_arg_default(oid,int4) text s
    6197 pg_get_function_sqlbody(oid) text s
    3034 pg_relation_filepath(regclass) text s
    3448 pg_collation_actual_version(oid) text v
    """,
    _nothing,
)


@sql("1665 pg_get_serial_sequence(text,text) text s", env=True)
def get_serial_sequence(env: Any, relation: str, column: str) -> None:
    """No column owns a sequence; 42P01, 42703."""
    table = env.catalog.tables.get(names.INPUTS["regclass"](env, relation))
    if table is None or all(each.name != column or each.dropped for each in table.columns):
        raise PgError("42703", f'column "{column}" of relation "{relation}" does not exist')


@sql("1642 pg_get_userbyid(oid) name s", env=True)
def get_userbyid(env: Any, oid: Oid) -> str:
    role = env.catalog.roles.get(oid)
    return role.name if role is not None else f"unknown (OID={oid})"


# --- functions as SQL ---


def _listed(
    args: Iterable[Type], arg_names: tuple[str, ...], defaults: tuple[object, ...], variadic: bool
) -> list[str]:
    kinds = list(args)
    shown = []
    for place, kind in enumerate(kinds):
        words = ["VARIADIC"] if variadic and place == len(kinds) - 1 else []
        if arg_names and arg_names[place]:
            words.append(arg_names[place])
        words.append(kind.display)
        given = place - (len(kinds) - len(defaults))
        if given >= 0:
            words.append(f"DEFAULT {_default(kind, defaults[given])}")
        shown.append(" ".join(words))
    return shown


def _default(kind: Type, value: object) -> str:
    if value is None:
        return f"NULL::{kind.display}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else f"'{value}'::{kind.display}"


def _arguments(oid: Oid, defaults: bool) -> str | None:
    if oid in procedures.BY_OID:
        return procedures.shown_arguments(procedures.BY_OID[oid], defaults)
    entry = functions.FUNCTION_BY_OID.get(oid)
    if entry is None:
        place = names.function_place(oid)
        return None if place is None else ", ".join(_listed(place[1], (), (), False))
    shown = _listed(
        entry.args,
        entry.arg_names,
        entry.default_values if defaults else (),
        entry.variadic and variadic_oid(entry.args) > 0,
    )
    if defaults:
        shown += [f"OUT {name} {kind.display}" for name, kind in entry.out_columns]
    return ", ".join(shown)


@sql("2162 pg_get_function_arguments(oid) text s")
def get_function_arguments(oid: Oid) -> str | None:
    """As in CREATE FUNCTION, with defaults."""
    return _arguments(oid, True)


@sql("2232 pg_get_function_identity_arguments(oid) text s")
def get_function_identity_arguments(oid: Oid) -> str | None:
    """As ALTER FUNCTION needs them."""
    return _arguments(oid, False)


@sql("2165 pg_get_function_result(oid) text s")
def get_function_result(oid: Oid) -> str | None:
    entry = (
        functions.FUNCTION_BY_OID.get(oid)
        or functions.AGGREGATE_BY_OID.get(oid)
        or functions.WINDOW_FUNCTION_BY_OID.get(oid)
    )
    if entry is None:
        return None
    is_set = isinstance(entry, functions.Function) and entry.returns_set
    return f"SETOF {entry.result.display}" if is_set else entry.result.display


_VOLATILITY = {"i": " IMMUTABLE", "s": " STABLE", "v": ""}


@sql("2098 pg_get_functiondef(oid) text s")
def get_functiondef(oid: Oid) -> str | None:
    """CREATE FUNCTION for a built-in function; 42809 for an aggregate."""
    entry = functions.FUNCTION_BY_OID.get(oid)
    if entry is None:
        if oid in functions.AGGREGATE_BY_OID:
            raise PgError("42809", f'"{functions.AGGREGATE_BY_OID[oid].name}" is an aggregate function')
        return None
    facts = f"{_VOLATILITY[entry.volatility]} PARALLEL SAFE{' STRICT' if entry.strict else ''}"
    return (
        f"CREATE OR REPLACE FUNCTION pg_catalog.{quote_ident(entry.name)}({_arguments(oid, True)})\n"
        f" RETURNS {get_function_result(oid)}\n LANGUAGE internal\n{facts}\n"
        f"AS $function${entry.name}$function$\n"
    )


# --- visibility ---


@sql("2079 pg_table_is_visible(oid) bool s", env=True)
def table_is_visible(env: Any, oid: Oid) -> bool | None:
    """Whether the bare name means it; NULL for no relation."""
    return names.relation_is_visible(env, oid)


def _visible_in(relation: str) -> Callable[[Any, Oid], bool | None]:
    """Objects of pg_catalog: always visible."""

    def run(env: Any, oid: Oid) -> bool | None:
        return True if any(row[0] == oid for row in RELATIONS["pg_catalog", relation].rows(env)) else None

    return run


for _line, _relation in (
    ("2083 pg_opclass_is_visible(oid) bool s", "pg_opclass"),
    ("3829 pg_opfamily_is_visible(oid) bool s", "pg_opfamily"),
    ("3815 pg_collation_is_visible(oid) bool s", "pg_collation"),
    ("2093 pg_conversion_is_visible(oid) bool s", "pg_conversion"),
    ("3403 pg_statistics_obj_is_visible(oid) bool s", "pg_statistic_ext"),
    ("3756 pg_ts_parser_is_visible(oid) bool s", "pg_ts_parser"),
    ("3757 pg_ts_dict_is_visible(oid) bool s", "pg_ts_dict"),
    ("3768 pg_ts_template_is_visible(oid) bool s", "pg_ts_template"),
    ("3758 pg_ts_config_is_visible(oid) bool s", "pg_ts_config"),
):
    define(_line, _visible_in(_relation), env=True)
define("2080 pg_type_is_visible(oid) bool s", lambda oid: True if oid in types.BY_OID else None)
define("2081 pg_function_is_visible(oid) bool s", names.function_is_visible, env=True)
define(
    "2082 pg_operator_is_visible(oid) bool s", lambda oid: True if oid in functions.OPERATOR_BY_OID else None
)


# --- comments ---


def _comment(env: Any, oid: Oid, class_oid: Oid | None, attnum: int = 0) -> str | None:
    """The comment on an object of a catalog, or of any one."""
    return next(
        (
            text
            for object_, class_, sub, text in RELATIONS["pg_catalog", "pg_description"].rows(env)
            if object_ == oid and class_oid in (None, class_) and sub == attnum
        ),
        None,
    )


@sql("1215 obj_description(oid,name) text s", env=True)
def obj_description(env: Any, oid: Oid, relation: str) -> str | None:
    """The comment on an object of the catalog that is named."""
    found = RELATIONS.get(("pg_catalog", relation))
    return _comment(env, oid, found.oid) if found is not None else None


@sql("1348 obj_description(oid) text s", env=True)
def any_description(env: Any, oid: Oid) -> str | None:
    """The comment on an object, of whatever catalog it is."""
    return _comment(env, oid, None)


@sql("1216 col_description(oid,int4) text s", env=True)
def col_description(env: Any, oid: Oid, attnum: int) -> str | None:
    """The comment on a column."""
    return _comment(env, oid, PG_CLASS_OID, attnum)


@sql("1993 shobj_description(oid,name) text s", env=True)
def shobj_description(env: Any, oid: Oid, relation: str) -> str | None:
    """The comment on an object of all databases: a role."""
    found = RELATIONS.get(("pg_catalog", relation))
    rows = RELATIONS["pg_catalog", "pg_shdescription"].rows(env)
    return next(
        (text for object_, class_, text in rows if found and object_ == oid and class_ == found.oid), None
    )


# --- names to oids ---


def _to(kind: str) -> Callable[[Any, str], Oid | None]:
    """As the type's input, but NULL when there is no such object."""

    def run(env: Any, text: str) -> Oid | None:
        if text == "-" or text.isdigit():
            return int(text) if text.isdigit() else 0
        try:
            return names.INPUTS[kind](env, text)
        except PgError as error:
            if error.sqlstate in ("42P01", "42704", "42883", "42725", "3F000"):
                return None
            raise

    return run


for _oid, _kind in (
    (3495, "regclass"), (3493, "regtype"), (3494, "regproc"), (3479, "regprocedure"), (4086, "regnamespace"),
    (4093, "regrole"), (3492, "regoper"), (3476, "regoperator"), (4195, "regcollation"),
):  # fmt: skip
    define(f"{_oid} to_{_kind}(text) {_kind} s", _to(_kind), env=True)


@sql("6121 pg_relation_is_publishable(regclass) bool s", env=True)
def relation_is_publishable(env: Any, oid: Oid) -> bool | None:
    """Users' tables are; NULL for no relation."""
    if oid in env.catalog.tables:
        return True
    return False if oid in SYSTEM_BY_OID or find_index(env, oid) is not None else None


# --- sizes: rows of all tables share one store, so that no table has a size of its own ---

define(
    """
    2325 pg_relation_size(regclass) int8 v
    2332 pg_relation_size(regclass,text) int8 v
    2286 pg_total_relation_size(regclass) int8 v
    2997 pg_table_size(regclass) int8 v
    2998 pg_indexes_size(regclass) int8 v
    2324 pg_database_size(oid) int8 v
    2168 pg_database_size(name) int8 v
    2322 pg_tablespace_size(oid) int8 v
    2323 pg_tablespace_size(name) int8 v
    """,
    _nothing,
)
_UNITS = (
    ("bytes", 10 * 1024, False, 0), ("kB", 20 * 1024 - 1, True, 10), ("MB", 20 * 1024 - 1, True, 20),
    ("GB", 20 * 1024 - 1, True, 30), ("TB", 20 * 1024 - 1, True, 40), ("PB", 20 * 1024 - 1, True, 50),
)  # fmt: skip
"""Unit, up to which number it is used, whether the number is rounded, its power of two (dbsize.c)."""


def _quotient(value: int, divisor: int) -> int:
    return value // divisor if value >= 0 else -(-value // divisor)


@sql("2288 pg_size_pretty(int8) text")
def size_pretty(size: int) -> str:
    """A number of bytes for people."""
    for place, (unit, limit, rounded, bits) in enumerate(_UNITS):
        if place == len(_UNITS) - 1 or abs(size) < limit:
            if rounded:
                size = _quotient(size + (1 if size > 0 else -1), 2)
            return f"{size} {unit}"
        following = _UNITS[place + 1]
        shift = following[3] - bits - following[2] + rounded
        size = _quotient(size, 1 << shift)
    raise AssertionError("the last unit has no limit")


@sql("3166 pg_size_pretty(numeric) text")
def size_pretty_numeric(size: Decimal) -> str:
    """Any number of bytes; fractions count below 10 kB only."""
    if size.is_finite() and abs(size) >= _UNITS[0][1]:
        return size_pretty(int(size))
    return f"{numeric.render(size)} bytes"


# --- encodings ---

_ENCODING_NAMES = """
SQL_ASCII EUC_JP EUC_CN EUC_KR EUC_TW EUC_JIS_2004 UTF8 MULE_INTERNAL LATIN1 LATIN2 LATIN3 LATIN4 LATIN5
LATIN6 LATIN7 LATIN8 LATIN9 LATIN10 WIN1256 WIN1258 WIN866 WIN874 KOI8R WIN1251 WIN1252 ISO_8859_5
ISO_8859_6 ISO_8859_7 ISO_8859_8 WIN1250 WIN1253 WIN1254 WIN1255 WIN1257 KOI8U SJIS BIG5 GBK UHC GB18030
JOHAB SHIFT_JIS_2004
"""
_ENCODINGS = _ENCODING_NAMES.split()
_ENCODING_NUMBERS = {
    "".join(char for char in name.lower() if char.isalnum()): number for number, name in enumerate(_ENCODINGS)
} | {"unicode": 6}


@sql("1597 pg_encoding_to_char(int4) name s")
def encoding_to_char(number: int) -> str:
    """Empty for a number that is none."""
    return _ENCODINGS[number] if 0 <= number < len(_ENCODINGS) else ""


@sql("1264 pg_char_to_encoding(name) int4 s")
def char_to_encoding(name: str) -> int:
    """-1 for a name that is none."""
    return _ENCODING_NUMBERS.get("".join(char for char in name.lower() if char.isalnum()), -1)


# --- the session and the server ---

define("810 pg_client_encoding() name s", lambda: "UTF8")
define("2026 pg_backend_pid() int4 s", lambda env: env.session.process_id, env=True)
define("2560 pg_postmaster_start_time() timestamptz s", lambda: _STARTED_US)
define("2034 pg_conf_load_time() timestamptz s", lambda: _STARTED_US)
define("3810 pg_is_in_recovery() bool v", lambda: False)
define("2854 pg_my_temp_schema() oid s", lambda: 0)
define("2855 pg_is_other_temp_schema(oid) bool s", lambda oid: False)
define("13910 dsql_major_version() int4 s", lambda: 1, schema="sys")
define("13911 current_session_id() text s", lambda env: env.session.session_id, env=True, schema="sys")
define("3163 pg_trigger_depth() int4 s", lambda: 0)
define("315 pg_jit_available() bool v", lambda: False)
define("2561 pg_blocking_pids(int4) _int4 v", lambda pid: Array([]))
define("3035 pg_listening_channels() text s set", lambda: ())
define("3778 pg_tablespace_location(oid) text s", lambda oid: "")
define("2196 inet_client_addr() inet s\n2198 inet_server_addr() inet s", _nothing)
define("2197 inet_client_port() int4 s\n2199 inet_server_port() int4 s", _nothing)


@sql("2289 pg_options_to_table(options_array:_text) record s set", out="option_name text,option_value text")
def options_to_table(options: Array) -> list[tuple[str, str | None]]:
    """name=value pairs as rows."""
    pairs = (option.partition("=") for option in options.elements)
    return [(name, value if equals else None) for name, equals, value in pairs]


# --- partitions: there are none ---

define(
    "3425 pg_partition_ancestors(partitionid:regclass) regclass v set", lambda oid: (), out="relid regclass"
)
define("3424 pg_partition_root(regclass) regclass", _nothing)
define(
    "3423 pg_partition_tree(rootrelid:regclass) record v set", lambda oid: (),
    out="relid regclass,parentrelid regclass,isleaf bool,level int4",
)  # fmt: skip


@sql(
    "2856 pg_timezone_names() record s set", env=True,
    out="name text,abbrev text,utc_offset interval,is_dst bool",
)  # fmt: skip
def timezone_names(env: Any) -> Sequence[tuple[Any, ...]]:
    """What the view of that name shows."""
    return RELATIONS["pg_catalog", "pg_timezone_names"].rows(env)
