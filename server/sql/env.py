"""What settings and the catalog tell to the input and output of types (PostgreSQL, chapter 20.11)."""

from collections.abc import Callable
from typing import Any, TypeAlias

from server.errors import PgError
from server.sql.zones import UTC, Zone

RegInput: TypeAlias = Callable[[str, str], int]
"""(type name such as regclass, text) -> oid; PgError with PostgreSQL's text when there is no such object."""
RegOutput: TypeAlias = Callable[[str, int], str]
"""(type name, oid) -> the object's name as PostgreSQL prints it (the number itself when there is none)."""


def no_catalog_input(kind: str, text: str) -> int:
    """Without a catalog no name is known."""
    nouns = {
        "regclass": ("42P01", "relation"),
        "regtype": ("42704", "type"),
        "regproc": ("42883", "function"),
        "regprocedure": ("42883", "function"),
        "regnamespace": ("3F000", "schema"),
        "regrole": ("42704", "role"),
        "regconfig": ("42704", "text search configuration"),
        "regdictionary": ("42704", "text search dictionary"),
    }
    sqlstate, noun = nouns.get(kind, ("42704", "object"))
    raise PgError(sqlstate, f'{noun} "{text}" does not exist')


def no_catalog_output(kind: str, oid: int) -> str:
    """Without a catalog an oid has no name."""
    return str(oid)


class Env:
    """The settings that types depend on; a session makes a new one when a setting changes.

    `datestyle` is ISO, SQL, Postgres or German; `dateorder` MDY, DMY or YMD; `intervalstyle` postgres,
    postgres_verbose, sql_standard or iso_8601; `now` is the transaction's start in µs since 2000-01-01 UTC.
    """

    __slots__ = (
        "bytea_output",
        "dateorder",
        "datestyle",
        "extra_float_digits",
        "intervalstyle",
        "now",
        "reg_input",
        "reg_output",
        "statement_now",
        "zone",
    )

    def __init__(
        self,
        zone: Zone = UTC,
        datestyle: str = "ISO",
        dateorder: str = "MDY",
        intervalstyle: str = "postgres",
        extra_float_digits: int = 1,
        bytea_output: str = "hex",
        now: int = 0,
        reg_input: RegInput = no_catalog_input,
        reg_output: RegOutput = no_catalog_output,
    ) -> None:
        self.zone = zone
        self.datestyle = datestyle
        self.dateorder = dateorder
        self.intervalstyle = intervalstyle
        self.extra_float_digits = extra_float_digits
        self.bytea_output = bytea_output
        self.now = now
        self.statement_now: int | None = None
        """The statement's start in the form of `now`; None: it is the transaction's first."""
        self.reg_input = reg_input
        self.reg_output = reg_output


_READ_BY_LITERALS = frozenset(
    {"zone", "datestyle", "dateorder", "intervalstyle", "now", "statement_now", "reg_input"}
)


class WatchedEnv(Env):
    """Another environment, and what has been read from it.

    After `now` a literal is of one moment; after any setting that inputs read it means this only under that setting.
    """

    __slots__ = ("base", "is_of_the_moment", "is_of_the_settings")

    def __init__(self, base: Env) -> None:
        self.base = base
        self.is_of_the_moment = False
        self.is_of_the_settings = False

    def __getattr__(self, name: str) -> Any:
        """Comes for every attribute of `Env`: none of them is set here."""
        if name == "now":
            self.is_of_the_moment = True
        if name in _READ_BY_LITERALS:
            self.is_of_the_settings = True
        return getattr(self.base, name)
