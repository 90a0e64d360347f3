"""A session of a region: a transaction begins only when the region may serve and is complete to the present."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from server.session.host import Host
from server.session.session import SqlSession
from server.session.work import Wait, Work


class RegionHost(Host, Protocol):
    """A host whose storage may be behind."""

    def fresh(self) -> Wait[None] | None:
        """None, or what a transaction has to wait for before it begins. Raises PgError 57P03."""
        ...


class RegionSession(SqlSession):
    """See `SqlSession`. Each message that may begin a transaction waits for its time before it is looked at."""

    def __init__(
        self, node: RegionHost, user: str, database: str, options: Mapping[str, str], out: list[bytes]
    ) -> None:
        super().__init__(node, user, database, options, out)
        self._region = node

    def query(self, sql: str) -> Work | None:
        """Run every statement of `sql`."""
        return self._when_fresh(super().query, sql)

    def parse(self, name: str, sql: str, oids: Sequence[int]) -> Work | None:
        """Make a prepared statement."""
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
        return self._when_fresh(super().bind, portal, statement, formats, values, result_formats)

    def execute(self, portal: str, max_rows: int) -> Work | None:
        """Run a portal."""
        return self._when_fresh(super().execute, portal, max_rows)

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
