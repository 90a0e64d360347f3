"""What statements of one session see beside their transaction: settings, names, identity."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import server.catalog.information
import server.catalog.privilege_functions
import server.session.past  # noqa: F401  (all three register functions that need a session)
from server.catalog import ddl, names
from server.catalog.descriptor import Catalog
from server.pgwire.startup import CLUSTER_OPTION
from server.session.settings import Settings, parse_path, zone_of

if TYPE_CHECKING:
    from server.session.host import Host
    from server.session.session import SqlSession

_EPOCH_US = 946_684_800_000_000
"""2000-01-01 in microseconds since 1970."""


def cluster_of(host: Host, options: Mapping[str, str], number: int | None) -> tuple[int, Mapping[str, str]]:
    """A session's cluster, and the options that are settings. `number`: it is known. PgError FATAL 08006."""
    chosen = options.get(CLUSTER_OPTION)
    if number is None:
        number = host.default_cluster if chosen is None else host.cluster_named(chosen)
    if chosen is not None:
        options = {name: value for name, value in options.items() if name != CLUSTER_OPTION}
    return number, options


class SessionEnv(ddl.SessionEnv):
    """The environment of expressions: made anew when a setting changes, pointed at each new transaction."""

    __slots__ = ("catalog", "database", "key", "read_only", "session", "session_user", "settings")

    def __init__(
        self, settings: Settings, user: str, database: str, catalog: Catalog, session: SqlSession
    ) -> None:
        style, order = settings["DateStyle"].split(", ")
        super().__init__(
            zone=zone_of(settings["TimeZone"]),
            datestyle=style,
            dateorder=order,
            intervalstyle=settings["IntervalStyle"],
            extra_float_digits=int(settings["extra_float_digits"]),
            bytea_output=settings["bytea_output"],
            reg_input=partial(names.reg_input, self),
            reg_output=partial(names.reg_output, self),
        )
        self.settings = settings
        self.user = user
        self.session_user = user
        self.database = database
        self.catalog = catalog
        self.session = session
        self.read_only = settings["default_transaction_read_only"] == "on"
        """What a transaction is that does not say it."""
        path = parse_path(settings["search_path"])
        self.search_path = tuple(user if name == "$user" else name for name in path)
        self.key = (
            user,
            settings["DateStyle"],
            settings["TimeZone"],
            self.intervalstyle,
            self.extra_float_digits,
            self.search_path,
        )
        """What a plan depends on beside its text and the catalog; plans are shared by sessions of equal key."""

    def enter(self, catalog: Catalog, now_ns: int) -> None:
        """A transaction begins: its catalog, and what now() shows."""
        self.catalog = catalog
        self.now = now_ns // 1000 - _EPOCH_US
        self.statement_now = None

    def inside(self, user: str, schema: str, catalog: Catalog) -> SessionEnv:
        made = super().inside(user, schema, catalog)
        assert isinstance(made, SessionEnv)
        made.catalog = catalog
        made.reg_input, made.reg_output = partial(names.reg_input, made), partial(names.reg_output, made)
        return made

    def start_statement(self) -> None:
        """Another statement of the same transaction: what statement_timestamp() shows."""
        self.statement_now = time.time_ns() // 1000 - _EPOCH_US
