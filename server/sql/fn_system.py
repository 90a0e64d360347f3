"""Session information, settings, random numbers and pg_sleep (PostgreSQL, chapters 9.26 and 9.27)."""

import math
import secrets
from typing import Any

from server.catalog.descriptor import SYSTEM_SCHEMAS
from server.catalog.privileges import usable_path
from server.errors import PgError
from server.sql.functions import define, sql
from server.sql.type_array import Array

VERSION = "PostgreSQL 16"
"""What version() begins with, as Aurora DSQL says (dsql-reference)."""


define("1619 pg_typeof(any) regtype s called", lambda types, value: types[0].oid, types=True)
define("89 version() text s", lambda: VERSION)
define("745 current_user() name s", lambda env: env.user, env=True)
define("746 session_user() name s", lambda env: env.session_user, env=True)
define("861 current_database() name s", lambda env: env.database, env=True)
define("1039 getdatabaseencoding() name s", lambda: "UTF8")


def _visible(env: Any) -> list[str]:
    """Schemas of the search path that there are, and that the user may use."""
    path = usable_path(env.catalog, env.user, env.search_path)
    return [name for name in path if name in env.catalog.schema_names or name in SYSTEM_SCHEMAS]


@sql("1402 current_schema() name s", env=True)
def current_schema(env: Any) -> str | None:
    """The first schema of the search path that exists."""
    return next(iter(_visible(env)), None)


@sql("1403 current_schemas(bool) _name s", env=True)
def current_schemas(env: Any, implicit: bool) -> Array:
    """All of them, with pg_catalog in front when wanted."""
    names = _visible(env)
    return Array(["pg_catalog", *names] if implicit and "pg_catalog" not in names else names)


@sql("2077 current_setting(text) text s", env=True)
def current_setting(env: Any, name: str) -> str:
    """42704"""
    value: str | None = env.settings.get(name)
    if value is None:
        raise PgError("42704", f'unrecognized configuration parameter "{name}"')
    return value


@sql("3294 current_setting(text,bool) text s", env=True)
def current_setting_or_null(env: Any, name: str, missing_ok: bool) -> str | None:
    """NULL for an unknown setting when `missing_ok`."""
    value: str | None = env.settings.get(name)
    return value if missing_ok and value is None else current_setting(env, name)


@sql("2078 set_config(text,text,bool) text v called", env=True)
def set_config(env: Any, name: str | None, value: str | None, local: bool | None) -> str | None:
    """SET as a function; 22004."""
    if name is None:
        raise PgError("22004", "SET requires parameter name")
    env.settings.set(name, value, local=bool(local))
    found: str | None = env.settings.get(name)
    return found


# --- random numbers -------------------------------------------------------------------------------------

_MASK = (1 << 64) - 1


class _Random:
    """xoroshiro128**, seeded as PostgreSQL seeds it (pg_prng.c)."""

    def __init__(self, seed: int) -> None:
        self.seed(seed)

    def seed(self, seed: int) -> None:
        words = []
        for _ in range(2):
            seed = (seed + 0x9E3779B97F4A7C15) & _MASK
            word = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
            word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
            words.append(word ^ (word >> 31))
        self.first, self.second = words

    def next(self) -> int:
        first, second = self.first, self.second ^ self.first
        product = (self.first * 5) & _MASK
        value = (_rotated(product, 7) * 9) & _MASK
        self.first = _rotated(first, 24) ^ second ^ ((second << 16) & _MASK)
        self.second = _rotated(second, 37)
        return value


def _rotated(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK


_random = _Random(secrets.randbits(64))


@sql("1598 random() float8 v")
def random() -> float:
    """0 <= x < 1, 52 random bits."""
    return (_random.next() >> 12) * 2.0**-52


@sql("1599 setseed(float8) void v")
def setseed(seed: float) -> str:
    """The numbers that follow repeat; 22023."""
    if not -1 <= seed <= 1:
        raise PgError("22023", f"setseed parameter {seed:g} is out of allowed range [-1,1]")
    _random.seed(int(((1 << 52) - 1) * seed) & _MASK)
    return ""


@sql("6212 random_normal(mean:float8,stddev:float8) float8 v", defaults=(0.0, 1.0))
def random_normal(mean: float, stddev: float) -> float:
    """A normally distributed number (Box and Muller)."""
    first, second = 1.0 - random(), random()
    return stddev * math.sqrt(-2.0 * math.log(first)) * math.sin(2.0 * math.pi * second) + mean


# --- waiting --------------------------------------------------------------------------------------------


@sql("2626 pg_sleep(float8) void v", sleeps=True)
def pg_sleep(seconds: float) -> float:
    """Seconds to wait; the executor waits, not this function."""
    return max(seconds, 0.0)
