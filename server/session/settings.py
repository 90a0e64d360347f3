"""Settings: what SET, SHOW and start-up options know (dsql-reference §8.3; PostgreSQL chapter 20)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import msgspec

from server.errors import PgError
from server.sql import ast, dates, refusals
from server.sql.env import Env
from server.sql.interval_decode import interval_in
from server.sql.interval_encode import interval_out
from server.sql.parse import parse_expression
from server.sql.refusal import ASSUMED, DOCUMENTED, OBSERVED
from server.sql.type_names import type_modifier
from server.sql.types import INTERVAL
from server.sql.zones import Zone, find_zone, fixed_zone

SERVER_VERSION = "16.15"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `check` turns a value as written into the value that SHOW shows, or raises PgError."""

    name: str
    default: str
    check: Callable[[str], str] | None = None
    """None: SHOW knows it, SET does not (DSQL's allow-list)."""
    description: str = ""
    is_list: bool = False
    is_quoted: bool = False
    """A list of names: SET quotes them where they need it (GUC_LIST_QUOTE)."""
    reported: bool = False
    """A change is told to the client in ParameterStatus."""
    evidence: str = ASSUMED
    """How name and default are known; assumed: they are PostgreSQL's."""
    source: str = "§8.3 INF"
    """Section and source tag of dsql-reference."""
    since: str = dates.PREVIEW
    """From which day on DSQL has it."""


def _invalid(name: str, value: str) -> PgError:
    return PgError("22023", f'invalid value for parameter "{name}": "{value}"')


_TRUE = ("on", "true", "yes", "1")
_FALSE = ("off", "false", "no", "0")


def _boolean(name: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        word = value.lower()
        if word == "o" or not word:
            raise PgError("22023", f'parameter "{name}" requires a Boolean value')
        if any(true.startswith(word) for true in _TRUE):
            return "on"
        if any(false.startswith(word) for false in _FALSE):
            return "off"
        raise PgError("22023", f'parameter "{name}" requires a Boolean value')

    return check


def _application_name(value: str) -> str:
    return "".join(char if " " <= char <= "~" else "?" for char in value)[:63]


def _client_encoding(value: str) -> str:
    if re.sub(r"[^a-z0-9]", "", value.lower()) not in ("utf8", "unicode"):
        raise _invalid("client_encoding", value)
    return "UTF8"


_STYLES = {"iso": "ISO", "sql": "SQL", "postgres": "Postgres", "german": "German"}
_ORDERS = {
    "mdy": "MDY",
    "us": "MDY",
    "noneuropean": "MDY",
    "noneuro": "MDY",
    "dmy": "DMY",
    "euro": "DMY",
    "european": "DMY",
    "ymd": "YMD",
}


def _datestyle(value: str, current: str) -> str:
    """What the value does not name stays as it is (check_datestyle)."""
    style, order = current.split(", ")
    styles: set[str] = set()
    orders: set[str] = set()
    for word in value.lower().replace(",", " ").split():
        if word == "default":
            styles = styles or {"ISO"}
            orders = orders or {"MDY"}
        elif word in _STYLES:
            styles.add(_STYLES[word])
        elif word in _ORDERS:
            orders.add(_ORDERS[word])
        else:
            raise PgError(
                "22023",
                f'invalid value for parameter "DateStyle": "{value}"',
                detail=f'Unrecognized key word: "{word}".',
            )
    if len(styles) > 1 or len(orders) > 1:
        raise PgError(
            "22023",
            f'invalid value for parameter "DateStyle": "{value}"',
            detail='Conflicting "datestyle" specifications.',
        )
    if "German" in styles:
        order = "DMY"
    return f"{(styles or {style}).pop()}, {(orders or {order}).pop()}"


def _intervalstyle(value: str) -> str:
    word = value.lower()
    if word not in ("postgres", "postgres_verbose", "sql_standard", "iso_8601"):
        raise PgError(
            "22023",
            f'invalid value for parameter "intervalstyle": "{value}"',
            hint="Available values: postgres, postgres_verbose, sql_standard, iso_8601.",
        )
    return word


def _extra_float_digits(value: str) -> str:
    try:
        number = int(value)
    except ValueError:
        raise _invalid("extra_float_digits", value) from None
    if not -15 <= number <= 3:
        raise PgError(
            "22023", f'{number} is outside the valid range for parameter "extra_float_digits" (-15 .. 3)'
        )
    return str(number)


def zone_of(value: str) -> Zone:
    """The time zone that TimeZone's value names: a name, an interval or hours east of Greenwich, or POSIX text."""
    text = value.strip()
    if re.match(r"interval\b", text, re.IGNORECASE):
        return _interval_zone(text)
    try:
        hours = float(text)
    except ValueError:
        hours = None
    zone = find_zone(text) if hours is None else fixed_zone(round(hours * 3600))
    if zone is None or (hours is not None and abs(hours) > 167):
        raise _invalid("TimeZone", value)
    return zone


def _interval_zone(text: str) -> Zone:
    """INTERVAL '-08:00' HOUR TO MINUTE: how far east of Greenwich (check_timezone)."""
    found = parse_expression(text)
    if not isinstance(found, ast.TypeCast) or not isinstance(found.arg, ast.Literal):
        raise _invalid("TimeZone", text)
    typmod = type_modifier(INTERVAL, (), found.type.interval_fields)
    offset = interval_in(found.arg.text, typmod, Env())
    detail = None
    if offset.months:
        detail = "Cannot specify months in time zone interval."
    elif offset.days:
        detail = "Cannot specify days in time zone interval."
    elif abs(offset.us) > 167 * 3_600_000_000:
        detail = "UTC timezone offset is out of range."
    if detail is not None:
        shown = f"INTERVAL '{interval_out(offset, Env())}'"
        raise PgError("22023", f'invalid value for parameter "TimeZone": "{shown}"', detail=detail)
    return fixed_zone(int(offset.us / 1_000_000))


def _timezone(value: str) -> str:
    return zone_of(value).name


def _search_path(value: str) -> str:
    parse_path(value)
    return value


_ENABLES = (
    "bitmapscan",
    "hashjoin",
    "indexonlyscan",
    "indexscan",
    "material",
    "mergejoin",
    "nestloop",
    "seqscan",
)

_ALLOWED = (
    Setting("application_name", "", _application_name, "Name of the application.", reported=True),
    Setting("client_encoding", "UTF8", _client_encoding, "Client's character set.", reported=True),
    Setting("DateStyle", "ISO, MDY", str, "Display format of dates.", is_list=True, reported=True),
    Setting("extra_float_digits", "1", _extra_float_digits, "Digits displayed for floats."),
    Setting("IntervalStyle", "postgres", _intervalstyle, "Display format of intervals.", reported=True),
    Setting("TimeZone", "UTC", _timezone, "Time zone of timestamps.", reported=True),
    Setting(
        "search_path", '"$user", public', _search_path, "Schemas searched.", is_list=True, is_quoted=True
    ),
    *(Setting(f"enable_{name}", "on", _boolean(f"enable_{name}"), "Planner hint.") for name in _ENABLES),
    Setting(
        "dsql.enable_batched_nestloop", "on", _boolean("dsql.enable_batched_nestloop"), since="2026-09-11"
    ),
    Setting("disable_sync_create_index", "on", _boolean("disable_sync_create_index")),
)
_OURS = (
    Setting(
        "opendsql.conflict_detail",
        "on",
        _boolean("opendsql.conflict_detail"),
        "Why a commit was refused, in the error's detail.",
        evidence="ours",
        source="docs/testing.md",
    ),
)
"""Settings that DSQL does not have."""
"""What SET, SET LOCAL, RESET, set_config() and start-up options take.

`role` is not among them: the user guide allows SET LOCAL role in a transaction, a cluster refused it in August 2026,
and the newest measurement counts (dsql-reference §1.8, §8.3).
"""
_SHOWN = (
    Setting(
        "server_version", SERVER_VERSION, description="Server version.", evidence=OBSERVED, source="§8.3 GOLD"
    ),
    Setting(
        "server_version_num",
        "160015",
        description="Server version as an integer.",
        evidence=OBSERVED,
        source="§8.3 GOLD",
    ),
    Setting(
        "server_encoding",
        "UTF8",
        description="Character set of the database.",
        evidence=OBSERVED,
        source="§8.3 GOLD",
    ),
    Setting("transaction_isolation", "repeatable read", evidence=OBSERVED, source="§8.3 GOLD"),
    Setting("max_connections", "20", evidence=OBSERVED, source="§8.3 EGUIDE"),
    Setting("integer_datetimes", "on"),
    Setting("standard_conforming_strings", "on"),
    Setting("is_superuser", "off"),
    Setting("in_hot_standby", "off"),
    Setting("default_transaction_read_only", "off"),
    Setting("default_transaction_isolation", "repeatable read"),
    Setting("transaction_read_only", "off"),
    Setting("max_identifier_length", "63"),
    Setting("block_size", "8192"),
    Setting("bytea_output", "hex"),
    Setting("client_min_messages", "notice"),
    Setting("default_table_access_method", "btree_table"),
    Setting("default_tablespace", ""),
    Setting("default_text_search_config", "pg_catalog.simple"),
    Setting("statement_timeout", "0"),
    Setting("lock_timeout", "0"),
    Setting("idle_in_transaction_session_timeout", "0"),
    Setting("row_security", "on"),
    Setting("work_mem", "4MB"),
)
"""What SHOW knows beside them."""

ALL: dict[str, Setting] = {
    **{
        each.name.lower(): replace(each, evidence=DOCUMENTED, source="§8.3 UG:accessing") for each in _ALLOWED
    },
    **{each.name.lower(): each for each in (*_OURS, *_SHOWN)},
}
"""By name in lower case."""


def parse_path(value: str) -> tuple[str, ...]:
    """Names of a search_path value, unquoted and folded as PostgreSQL's SplitIdentifierString does."""
    names = []
    rest = value.strip()
    while rest:
        if rest[0] == '"':
            end = rest.find('"', 1)
            while end != -1 and rest[end + 1 : end + 2] == '"':
                end = rest.find('"', end + 2)
            if end == -1:
                raise PgError("22023", f'invalid value for parameter "search_path": "{value}"')
            names.append(rest[1:end].replace('""', '"'))
            rest = rest[end + 1 :].lstrip()
        else:
            word, comma, rest = rest.partition(",")
            names.append(word.strip().lower())
            rest = comma + rest
        if not rest:
            break
        if rest[0] != ",":
            raise PgError("22023", f'invalid value for parameter "search_path": "{value}"')
        rest = rest[1:].lstrip()
    return tuple(names)


def quote_list(values: tuple[str, ...]) -> str:
    """SET's list as text: each element quoted where it must be (flatten_set_variable_args)."""
    shown = []
    for value in values:
        plain = re.fullmatch(r"[a-z_][a-z0-9_$]*", value)
        shown.append(value if plain else '"' + value.replace('"', '""') + '"')
    return ", ".join(shown)


def found(name: str) -> Setting | None:
    """The setting of that name, where DSQL has it already."""
    setting = ALL.get(name.lower())
    return None if setting is None or dates.is_later(setting.since) else setting


def unsettable(name: str) -> PgError:
    return refusals.SETTING.error(name)


def unrecognized(name: str) -> PgError:
    return PgError("42704", f'unrecognized configuration parameter "{name}"')


class Saved(msgspec.Struct, frozen=True, array_like=True):
    """What `Settings` holds."""

    boot: dict[str, str]
    values: dict[str, str]
    before: dict[str, str | None] | None
    local: dict[str, str | None]


class Settings:
    """A session's settings: values that differ from the default, and what SET LOCAL must restore."""

    __slots__ = ("_before", "_boot", "_local", "_values", "changed")

    def __init__(self, boot: Mapping[str, str]) -> None:
        """`boot`: start-up options; they become the values that RESET restores. Raises PgError."""
        self._boot: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._before: dict[str, str | None] | None = None
        self._local: dict[str, str | None] = {}
        self.changed: set[str] = set()
        for name, value in boot.items():
            self._boot[name.lower()] = self._checked(name, value)

    def _checked(self, name: str, value: str) -> str:
        setting = found(name)
        if setting is None or setting.check is None:
            raise unsettable(name)
        if setting.name == "DateStyle":
            return _datestyle(value, self[name])
        return setting.check(value)

    def get(self, name: str) -> str | None:
        """The value that SHOW shows; None for a name nobody knows."""
        key = name.lower()
        value = self._values.get(key)
        if value is None:
            value = self._boot.get(key)
        if value is None and (setting := found(key)) is not None:
            value = setting.default
        return value

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise unrecognized(name)
        return value

    def set(self, name: str, value: str | None, *, local: bool = False) -> None:
        """SET (value None: to the default); `local`: until the end of the transaction. Raises PgError."""
        key = name.lower()
        checked = self._checked(name, value) if value is not None else None
        if value is None:
            setting = found(key)
            if setting is None or setting.check is None:
                raise unsettable(name)
        self._set(key, checked, local)

    def _set(self, key: str, checked: str | None, local: bool) -> None:
        if self._before is not None:
            self._before.setdefault(key, self._values.get(key))
            if local:
                self._local.setdefault(key, self._values.get(key))
            else:
                self._local.pop(key, None)
        self._assign(key, checked)

    def set_characteristics(self, read_only: bool) -> None:
        """SET SESSION CHARACTERISTICS: what later transactions are, though SET does not take the setting's name."""
        self._set("default_transaction_read_only", "on" if read_only else "off", local=False)

    def reset_all(self) -> None:
        for key in list(self._values):
            if self._before is not None:
                self._before.setdefault(key, self._values[key])
                self._local.pop(key, None)
            self._assign(key, None)

    def _assign(self, key: str, value: str | None) -> None:
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value
        self.changed.add(key)

    def saved(self) -> Saved:
        """Everything, for `restore`, when the session knows of all that has `changed`."""
        return Saved(self._boot, self._values, self._before, self._local)

    def saved_without_transaction(self) -> Saved:
        """As `saved`, if the transaction at hand were rolled back."""
        values = dict(self._values)
        for key, value in (self._before or {}).items():
            if value is None:
                values.pop(key, None)
            else:
                values[key] = value
        return Saved(self._boot, values, None, {})

    def restore(self, saved: Saved) -> None:
        """Be as the settings that were `saved`."""
        self._boot, self._values = saved.boot, saved.values
        self._before, self._local = saved.before, saved.local

    def begin(self) -> None:
        """A transaction starts: an abort restores what is in force now."""
        self._before = {}

    def end(self, committed: bool) -> None:
        """SET LOCAL ends with the transaction; everything set in it is undone by an abort."""
        undo = self._local if committed else self._before
        self._before = None
        if undo:
            for key, value in undo.items():
                self._assign(key, value)
        if self._local:
            self._local = {}
