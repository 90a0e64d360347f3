"""A session of a region: a transaction begins only when the region may serve and is complete to the present.

While the region may not serve, a statement in an open block gets the reason too, though its snapshot is as good as
ever: nothing could come of it. What ends the block is let through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from server.errors import PgError
from server.session import planning, suspending
from server.session.host import Host
from server.session.session import SqlSession
from server.session.work import Wait, Work
from server.sql import ast

SHORT = 200
"""Characters of a text that may be nothing but COMMIT or ROLLBACK; while a region serves no text is looked at."""


class RegionHost(Host, Protocol):
    """A host whose storage may be behind."""

    def fresh(self) -> Wait[None] | None:
        """None, or what a transaction has to wait for before it begins. Raises PgError 57P03."""
        ...

    def refusal(self) -> str | None:
        """Why nothing may be answered here, or None: it may."""
        ...


class RegionSession(SqlSession):
    """See `SqlSession`. Each message that may begin a transaction waits for its time before it is looked at."""

    def __init__(
        self,
        node: RegionHost,
        user: str,
        database: str,
        options: Mapping[str, str],
        out: list[bytes],
        known: tuple[int, bytes, int | None] | None = None,
    ) -> None:
        super().__init__(node, user, database, options, out, known)
        self._region = node

    def query(self, sql: str) -> Work | None:
        """Run every statement of `sql`."""
        self._check_served(lambda: _parsed(sql))
        return self._when_fresh(super().query, sql)

    def parse(self, name: str, sql: str, oids: Sequence[int]) -> Work | None:
        """Make a prepared statement."""
        self._check_served(lambda: _parsed(sql))
        return self._when_fresh(super().parse, name, sql, oids)

    def bind(
        self,
        portal: str,
        statement: str,
        formats: Sequence[int],
        values: Sequence[bytes | None],
        result_formats: Sequence[int],
    ) -> Work | None:
        """Make a portal."""
        self._check_served(lambda: [self.statement(statement).parsed])
        return self._when_fresh(super().bind, portal, statement, formats, values, result_formats)

    def execute(self, portal: str, max_rows: int) -> Work | None:
        """Run a portal."""
        self._check_served(lambda: [self._portal(portal).prepared.parsed])
        return self._when_fresh(super().execute, portal, max_rows)

    def _check_served(self, statements: Callable[[], Sequence[ast.ParsedStatement | None]]) -> None:
        """PgError 57P03 in a block, unless the statements end it."""
        if self.status == b"T" and (reason := self._region.refusal()) is not None:
            found = statements()
            if not found or not all(map(_ends_block, found)):
                raise PgError("57P03", reason)

    def _when_fresh(self, call: Callable[..., Work | None], *arguments: Any) -> Work | None:
        if self.txn is None:
            wait = self._region.fresh()
            if wait is not None:
                return self._later(wait, call, arguments)
        return call(*arguments)

    def _later(self, wait: Wait[None], call: Callable[..., Work | None], arguments: tuple[Any, ...]) -> Work:
        yield from self.wait_for(wait)
        work = call(*arguments)
        if work is not None:
            yield from work


class RegionBereft(RegionSession, suspending.Bereft):
    """One whose transaction was lost with the process that ran it."""


KINDS = suspending.Kinds(RegionSession, RegionBereft)


def _parsed(sql: str) -> Sequence[ast.ParsedStatement]:
    """Nothing for a long text. Raises PgError 42601."""
    return planning.parsed_query(sql)[0] if len(sql) <= SHORT else ()


def _ends_block(parsed: ast.ParsedStatement | None) -> bool:
    statement = parsed.statement if parsed is not None else None
    return isinstance(statement, ast.TransactionStmt) and statement.kind in ("commit", "rollback")
