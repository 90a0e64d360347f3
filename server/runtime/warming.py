"""What a process that serves sessions does before it takes them: what a first statement would else wait for.

Storage is read through, modules are loaded that are loaded when they are needed, the machinery of the grammar, the
binder, the planner and compiled expressions has run once, and plans of system relations are there. Nothing is
written and no session is counted.
"""

from __future__ import annotations

import logging
from typing import Any, cast

from server.errors import PgError
from server.runtime.waiting import outcome
from server.runtime.worker import WorkerNode
from server.session.host import Host
from server.session.session import SqlSession
from server.session.work import Slice, Work

log = logging.getLogger("opendsql.warming")

STATEMENTS = (
    "SELECT 1",
    "SHOW timezone",
    "BEGIN",
    "SELECT c.relname, n.nspname, count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind = 'r' AND n.nspname <> 'x' GROUP BY c.relname, n.nspname ORDER BY 3 DESC, 1 LIMIT 10",
    "SELECT now(), upper('a') || lower('B'), 1.5::numeric + 2, CASE WHEN true THEN 1 END, "
    "(SELECT max(oid) FROM pg_type WHERE typname = 'int4')",
    "COMMIT",
)
READ_TABLES = 4
"""Tables of users of which a row is read."""


class _Aside:
    """The host as it is, but whoever enters is nobody."""

    def __init__(self, host: WorkerNode) -> None:
        self._host = host
        self.begun = self.open_transactions = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)

    def enter(self, _session: SqlSession, _process_id: int | None = None) -> int:
        return 0

    def leave(self, session: SqlSession) -> None:
        pass


async def warm(host: WorkerNode) -> None:
    """Run `STATEMENTS`, and read a row of some tables, in a session of the host's usual kind.

    What fails is written down and no reason not to serve: a region that is cut off, for one.
    """
    session = host.kinds.usual(cast(Host, _Aside(host)), "admin", "postgres", {}, [])
    try:
        for text in (*STATEMENTS, *_reads(session)):
            await _run(session.query(text))
            session.out.clear()
    except PgError as error:
        log.info("warming up failed error=%s", error.message)
    finally:
        session.close()
        host.waited = host.refused = 0  # of clients, of whom none is here yet


def _reads(session: SqlSession) -> list[str]:
    catalog = session.catalog
    tables = [each for each in catalog.tables.values() if each.primary_key is not None][:READ_TABLES]
    names = [(catalog.schemas[each.schema_oid].name, each.name) for each in tables]
    return [f"SELECT * FROM {_quoted(schema)}.{_quoted(name)} LIMIT 1" for schema, name in names]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def _run(work: Work | None) -> None:
    for wanted in work or ():
        if not isinstance(wanted, Slice) and not wanted.done:
            await outcome(wanted)
