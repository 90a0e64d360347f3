"""Calls of built-in functions on both sides: ours by the entry's implementation, PostgreSQL's by SQL text."""

import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from server.errors import PgError
from server.sql.context import Context
from server.sql.env import Env
from server.sql.functions import Function, Operator
from server.sql.polymorphic import bind
from server.sql.resolve import common_or_none
from server.sql.types import BY_NAME, Type

MAX_ROWS = 50
ENV = Env()
CONTEXT = Context(None, env=ENV)  # type: ignore[arg-type]

VALUES: dict[str, Sequence[str | None]] = {
    "bool": ("t", "f"),
    "int2": ("0", "1", "-1", "7", "-3", "32767", "-32768"),
    "int4": ("0", "1", "2", "-1", "3", "-7", "10", "2147483647", "-2147483648"),
    "int8": ("0", "1", "-1", "5", "-12", "9223372036854775807", "-9223372036854775808", "4294967296"),
    "oid": ("0", "1", "4294967295"),
    "float4": ("0", "1", "-1.5", "3.4e38", "1e-40", "Infinity", "-Infinity", "NaN", "0.1"),
    "float8": (
        "0",
        "1",
        "-1",
        "0.5",
        "2.5",
        "-3.7",
        "1e308",
        "1e-308",
        "Infinity",
        "-Infinity",
        "NaN",
        "100",
        "-0",
    ),
    "numeric": (
        "0",
        "1",
        "-1",
        "0.00",
        "1.50",
        "-2.5",
        "3.14159",
        "123456789.987654321",
        "0.000001",
        "1e20",
        "-1e-20",
        "NaN",
        "Infinity",
        "-Infinity",
        "2",
        "10",
        "99999999999999999999.5",
    ),
    "text": (
        "",
        "a",
        "abc",
        "Hello World",
        "  pad ",
        "ünïcödé",
        "a,b,c",
        "abcabc",
        "%_\\",
        "x1y22z",
        "日本語",
        "b",
        "1",
        "-",
        "hello world foo",
        "xyxxy",
        "o'clock",
    ),
    "bpchar": ("a  ", "abc", ""),
    "varchar": ("abc", ""),
    "name": ("abc", "pg_type"),
    "char": ("a", "b"),
    "bytea": ("", "\\x00", "\\x61626300ff", "\\xdeadbeef"),
    "uuid": ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000"),
    "date": (
        "2000-01-01",
        "2024-02-29",
        "1999-12-31",
        "infinity",
        "-infinity",
        "0044-03-15 BC",
        "2020-06-30",
    ),
    "time": ("00:00:00", "12:34:56.789", "24:00:00", "23:59:59.999999"),
    "timetz": ("00:00:00+00", "12:34:56.789-08", "23:59:59+05:30"),
    "timestamp": (
        "2000-01-01 00:00:00",
        "2024-02-29 12:34:56.789012",
        "1999-12-31 23:59:59",
        "infinity",
        "-infinity",
        "2001-02-03 04:05:06",
        "2020-12-31 00:00:00",
    ),
    "timestamptz": (
        "2000-01-01 00:00:00+00",
        "2024-03-31 12:34:56.789012+00",
        "infinity",
        "-infinity",
        "1969-07-20 20:17:40+02",
    ),
    "interval": (
        "0",
        "1 day",
        "-1 month 2 days 03:04:05.678",
        "1 year 2 mons",
        "25:00:00",
        "40 days",
        "-00:00:01",
        "100 years",
    ),
    "json": (
        "{}",
        "[]",
        "null",
        '{"a": 1, "b": [1, 2, {"c": null}]}',
        '[1, "x", 2.50, true, null]',
        '"str"',
        "12.0",
    ),
    "jsonb": (
        "{}",
        "[]",
        "null",
        '{"a": 1, "b": [1, 2, {"c": null}]}',
        '[1, "x", 2.50, true, null]',
        '"str"',
        "12.0",
        '{"a":{"b":"x"}}',
        "[3,1,2]",
    ),
    "jsonpath": (
        "$",
        "$.a",
        "strict $.b[*]",
        "$[*] ? (@ > 1)",
        "$.**",
        "$ == 1",
        "$[last].type()",
        "strict $[0].abs()",
        "$.keyvalue()",
        "$v",
    ),
    "inet": (
        "127.0.0.1",
        "10.1.2.3/8",
        "10.0.0.0/8",
        "0.0.0.0/0",
        "255.255.255.255",
        "192.168.0.1/24",
        "::",
        "::1/64",
        "fe80::1/10",
        "::ffff:1.2.3.4",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127",
        "1::2:0:0:0:3",
    ),
    "cidr": (
        "10.0.0.0/8",
        "127.0.0.1/32",
        "0.0.0.0/0",
        "10.1.0.0/15",
        "::/0",
        "1:0:0:2::/64",
        "::1.2.3.0/120",
    ),
    "macaddr": ("08:00:2b:01:02:03", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"),
    "macaddr8": ("08:00:2b:01:02:03:04:05", "08:00:2b:ff:fe:01:02:03", "ff:ff:ff:ff:ff:ff:ff:ff"),
    "_int4": ("{}", "{1,2,3}", "{1,NULL,3}", "{{1,2},{3,4}}", "[0:1]={5,6}", "{3,3,1}"),
    "_text": ("{}", "{a,b}", '{a,NULL,"c d"}', "{{a,b},{c,d}}", "{b,a,b}"),
    "_int2": ("{1,2}",),
    "_int8": ("{1,2}",),
    "_float8": ("{1,2.5}",),
    "tsvector": ("", "a", "a:1 b:2", "abc:1,3A 'a b':2B x1y22z:4", "hello:1C world:2D foo"),
    "tsquery": ("", "a", "a & b", "!a | abc:*", "hello <-> world", "a:A <2> abc:b"),
    "_char": ("{a,b}", "{A,D}", "{}"),
    "_float4": ("{0.1,0.2,0.4,1}", "{0.1,0.2}"),
    "_numeric": ("{1,2.50}", "{NaN}"),
    "int4range": ("empty", "[1,3)", "(,5)", "[3,)", "(,)", "[2,8)", "[8,2147483647)"),
    "int8range": ("empty", "[1,3)"),
    "numrange": ("empty", "[1.0,2.50]", "(2.50,3)", "(,1.0]", "[2,NaN]", "[1.00,2.5]", "(,)"),
    "daterange": ("empty", "[2024-01-01,infinity]"),
    "tsrange": ("empty", "[2024-01-01 00:00,infinity)"),
    "tstzrange": ("empty", "[2024-01-01 00:00+00,)"),
    "_int4range": ('{"[1,3)","[3,5)"}', "{}", '{"[1,3)",NULL}', '{{"[1,3)"},{empty}}'),
    "int4multirange": ("{}", "{[1,3)}", "{(,2),[5,7)}", "{[1,3),[5,8)}", "{[5,)}", "{(,)}", "{[3,5),[8,9)}"),
    "nummultirange": ("{}", "{[1.0,2.50]}", "{(,1.0),(2.5,NaN]}", "{(2.50,3)}", "{[1.00,2.5]}"),
    "record": (),
}

UNITS = (
    "microseconds",
    "milliseconds",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
    "decade",
    "century",
    "millennium",
    "timezone",
    "timezone_hour",
    "timezone_minute",
    "epoch",
    "dow",
    "doy",
    "isodow",
    "isoyear",
    "julian",
    "MON",
    "foo",
)
FIRST_TEXTS: dict[str, Sequence[str]] = {
    "extract": UNITS,
    "date_part": UNITS,
    "date_trunc": UNITS,
    "timezone": ("UTC", "America/New_York", "est", "msk", "Europe/Berlin", "<-03>3", "nowhere"),
}
"""Where the first text argument must mean something."""
PATTERNS = (
    "b",
    "^h",
    "o$",
    "(b)(c)",
    "[a-c]+",
    "l+",
    "\\d+",
    "\\w+",
    ".",
    "",
    "x|y",
    "(a)?b",
    "a*",
    "[[:alpha:]]+",
    "(",
    "*a",
    "[^a]",
    "\\mfoo",
    "(?i)HELLO",
    "a{2}",
    "^$",
    "(.)\\1",
    "o.*?o",
)
TIME_TEMPLATES = (
    "YYYY-MM-DD HH24:MI:SS.MS",
    "Day, DD Month YYYY",
    "FMDay, FMDD FMMonth YYYY",
    "HH12:MI AM",
    "hh:mi p.m.",
    "DDD IDDD J",
    "WW IW IYYY IYY IY I",
    "Q CC W D ID",
    "DDth",
    "Dy Mon dy mon DY MON",
    "US FF3 SSSS",
    "RM rm FMRM",
    "AD b.c.",
    "Y,YYY YYY YY Y",
    '"literal YYYY" YYYY',
    "",
)
NUMBER_TEMPLATES = (
    "999",
    "999.99",
    "FM999.99",
    "0000",
    "S999",
    "999S",
    "999MI",
    "PL999",
    "SG99",
    "999PR",
    "9,999",
    "9G999D99",
    "FM9,999,999",
    "RN",
    "FMRN",
    "99th",
    "9.99EEEE",
    "99V9",
    "FM0.000",
    "FM999.0",
    "FM90.9",
    "B9",
    "L99",
    "999.9999999999",
    "",
)
SECOND_TEXTS = (
    "regexp_",
    "textregex",
    "texticregex",
    "bpcharregex",
    "bpcharicregex",
    "nameregex",
    "nameicregex",
)
"""Functions whose second argument is a pattern; a fourth text argument holds options."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the entry, actual argument types and texts (None: NULL)."""

    entry: Function
    types: tuple[Type, ...]
    texts: tuple[str | None, ...]
    operator: Operator | None = None

    @property
    def sql(self) -> str:
        """The expression in SQL."""
        args = [
            f"NULL::{name(kind)}" if text is None else "'" + text.replace("'", "''") + f"'::{name(kind)}"
            for kind, text in zip(self.types, self.texts)
        ]
        if self.operator is not None:
            if len(args) == 1:
                return f"{self.operator.name} {args[0]}"
            return f"{args[0]} {self.operator.name} {args[1]}"
        if self.entry.variadic and self.entry.args[-1].name != "any":
            args[-1] = "VARIADIC " + args[-1]
        return f'"{self.entry.name}"({", ".join(args)})'


def name(kind: Type) -> str:
    """The type's name as SQL text accepts it."""
    return (
        f'"{kind.element.name}"[]' if kind.element is not None and kind.name[0] == "_" else f'"{kind.name}"'
    )


BINDINGS = (
    {
        "element": "int4", "array": "_int4", "any": "int4", "range": "int4range", "multirange": "int4multirange",
    },
    {"element": "text", "array": "_text", "any": "text"},
    {
        "element": "numeric", "array": "_numeric", "any": "numeric", "range": "numrange",
        "multirange": "nummultirange",
    },
)  # fmt: skip
_POLYMORPHIC = {
    "anyelement": "element",
    "anynonarray": "element",
    "anyarray": "array",
    "anycompatible": "element",
    "anycompatiblearray": "array",
    "anycompatiblenonarray": "element",
    "anyrange": "range",
    "anymultirange": "multirange",
    "any": "any",
}


def argument_types(entry: Function) -> list[tuple[Type, ...]]:
    """Concrete types to call it with."""
    if not any(kind.name in _POLYMORPHIC for kind in entry.args):
        return [entry.args]
    found = []
    for binding in BINDINGS:
        if any(kind.name in _POLYMORPHIC and _POLYMORPHIC[kind.name] not in binding for kind in entry.args):
            continue
        kinds = [binding[_POLYMORPHIC[k.name]] if k.name in _POLYMORPHIC else k.name for k in entry.args]
        found.append(tuple(BY_NAME[kind] for kind in kinds))
    return found


def calls(entry: Function, limit: int, seed: int = 0, operator: Operator | None = None) -> list[Call]:
    """Up to `limit` calls per binding with edge values, chosen by `seed`."""
    choice = random.Random(f"{entry.oid}/{seed}")
    made = []
    for types in argument_types(entry):
        pools = [VALUES.get(kind.name, ()) for kind in types]
        if entry.name in FIRST_TEXTS and types[0].name == "text":
            pools[0] = FIRST_TEXTS[entry.name]
        if entry.name.startswith(SECOND_TEXTS) or (entry.name == "substring" and types[1].name == "text"):
            pools[1] = PATTERNS
            pools[3:] = [("g", "i", "", "n") if k.name == "text" else p for k, p in zip(types[3:], pools[3:])]
            if len(types) == 3 and types[2].name == "text" and "replace" not in entry.name:
                pools[2] = ("g", "i", "", "n", "z")
        if entry.name == "to_char":
            pools[1] = (
                TIME_TEMPLATES
                if types[0].name in ("timestamp", "timestamptz", "interval")
                else NUMBER_TEMPLATES
            )
        if not all(pools) and types:
            continue
        size = 1
        for pool in pools:
            size *= len(pool)
        if size <= limit:
            combinations: Iterable[tuple[str | None, ...]] = itertools.product(*pools)
        else:
            combinations = {tuple(choice.choice(pool) for pool in pools) for _ in range(limit)}
        made += [Call(entry, types, texts, operator) for texts in sorted(combinations)]
        if types:
            made.append(Call(entry, types, (None, *[pool[0] for pool in pools[1:]]), operator))
    return made


def render(kind: Type, value: Any) -> str | None:
    """The value as text."""
    return None if value is None else kind.output(value, ENV)


def result_type(call: Call) -> Type:
    """The result's type after polymorphism."""
    return bind(call.entry.args, call.types, call.entry.result, common_or_none)[1]


def ours(call: Call) -> Any:
    """Rows of texts, or (SQLSTATE, message)."""
    entry = call.entry
    try:
        values = [None if t is None else k.input(t, -1, ENV) for k, t in zip(call.types, call.texts)]
        if entry.strict and None in values:
            return [] if entry.returns_set else [(None,)]
        extra: list[Any] = [CONTEXT] if entry.needs_context else [ENV] if entry.needs_env else []
        if entry.needs_types:
            extra.append(call.types)
        got = entry.impl(*extra, *values)
        if not entry.returns_set:
            return [(render(result_type(call), got),)]
        rows = list(itertools.islice(got, MAX_ROWS))
        if len(entry.out_columns) > 1:
            return [tuple(render(c[1], v) for c, v in zip(entry.out_columns, row)) for row in rows]
        return [(render(result_type(call), value),) for value in rows]
    except PgError as error:
        return error.sqlstate, error.message


def theirs(connection: "psycopg.Connection[Any]", call: Call) -> Any:
    """The same from PostgreSQL."""
    if call.entry.out_columns and call.entry.returns_set:
        text = f"SELECT t.* FROM {call.sql} t LIMIT {MAX_ROWS}"
    else:
        text = f"SELECT {call.sql}" + (f" LIMIT {MAX_ROWS}" if call.entry.returns_set else "")
    try:
        cursor = connection.cursor()
        cursor.execute(text.encode())
        result = cursor.pgresult
        assert result is not None
        return [
            tuple(
                None if (v := result.get_value(row, column)) is None else v.decode()
                for column in range(result.nfields)
            )
            for row in range(result.ntuples)
        ]
    except psycopg.Error as error:
        return error.diag.sqlstate, error.diag.message_primary
