"""A session's calls on stacks of their own, so that a read in the middle of a statement can wait (DESIGN §11).

The executor reads by plain calls, wherever it is: a plan, a constraint, COPY, a subquery inside an expression. Where
the rows are in another process such a call has to wait without stopping the loop. So each call of the connection
that may read runs on a greenlet, which is left as it stands:

    connection        stack of the call           (a subquery's own: server.sql.turns)
    ──query──▶ run ──▶ execute ── read ──▶ leave(wait)
    ◀── Wait ────────────────────────────────┘
    ... the answer comes: callback, turn ...
    ── resume ───────────────────────────▶ the read goes on

What the call's own work yields (`SLICE`, the Wait of a COMMIT) passes through in the same way. When the work is
dropped, because the connection is gone, `Abandoned` is raised where the stack was left, and unwinds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Protocol

from greenlet import getcurrent, greenlet

from journal.broken import require
from server.session.session import SqlSession
from server.session.work import Slice, Wait, Work


class Abandoned(BaseException):
    """Nobody wants what the stack was doing. No `Exception`: nothing but the end of the stack catches it."""


class Closing(Protocol):
    """What a stack keeps for its reads."""

    def close(self) -> None: ...


class Stack(greenlet):  # type: ignore[misc]  # greenlet has no types
    """The stack of one call."""

    def __init__(self, call: Callable[..., Work | None], arguments: tuple[Any, ...]) -> None:
        super().__init__()
        self.kept: dict[Any, Closing] = {}
        """Reads that may be gone on with, by whatever they go by; closed at the end."""
        self.expected: dict[tuple[bytes, int], bytes | None] = {}
        """Rows by key and time, read before they are asked for."""
        self._call = call
        self._arguments = arguments
        self._left: greenlet = self
        """Where to go on: it, or a stack above it."""
        self.gr_context = copy_context()

    def run(self) -> None:
        """The call, with its work to the end."""
        work = self._call(*self._arguments)
        if work is None:
            return
        try:
            for step in work:
                self.leave(step)
        finally:
            work.close()

    def leave(self, step: Slice | Wait[Any]) -> None:
        """Leave the stack from where it is; returns when it is resumed."""
        self._left = getcurrent()
        self.parent.switch(step)

    def resume(self) -> Any:
        """Go on, to the next step, or to the end of the call (`dead`). Raises what the call raises."""
        self.parent = getcurrent()
        return self._left.switch()

    def abandon(self) -> None:
        """End it where it stands."""
        self.parent = getcurrent()
        with suppress(Abandoned):
            self._left.throw(Abandoned())
        require(self.dead, "a stack that is abandoned ends")

    def close(self) -> None:
        """The call is over: let go of its reads."""
        kept, self.kept = self.kept, {}
        for each in kept.values():
            each.close()


class ReadWait(Wait[None]):
    """A wait of a read, which a cancel request may end."""

    __slots__ = ()


def stack() -> Stack:
    """The stack of the running call."""
    found = getcurrent()
    while not isinstance(found, Stack):
        require(found is not None, "reads that may have to wait run on a stack that can be left")
        found = found.parent
    return found


class OnStack(SqlSession):
    """A session whose reads may have to wait. To be put before the kind of session that it is."""

    def query(self, sql: str) -> Work | None:
        """Run every statement of `sql`."""
        return self._run(super().query, sql)

    def parse(self, name: str, sql: str, oids: Sequence[int]) -> Work | None:
        """Make a prepared statement."""
        return self._run(super().parse, name, sql, oids)

    def bind(
        self,
        portal: str,
        statement: str,
        formats: Sequence[int],
        values: Sequence[bytes | None],
        result_formats: Sequence[int],
    ) -> Work | None:
        """Make a portal."""
        return self._run(super().bind, portal, statement, formats, values, result_formats)

    def execute(self, portal: str, max_rows: int) -> Work | None:
        """Run a portal."""
        return self._run(super().execute, portal, max_rows)

    def copy_data(self, data: bytes) -> Work | None:
        """Rows, cut anywhere."""
        return self._run(super().copy_data, data)

    def copy_done(self) -> Work | None:
        """The end of the data."""
        return self._run(super().copy_done)

    def _run(self, call: Callable[..., Work | None], *arguments: Any) -> Work | None:
        """`call` on a stack; a Work if it could not end at once."""
        made = Stack(call, arguments)
        try:
            step = made.resume()
        except BaseException:
            made.close()
            raise
        if made.dead:
            made.close()
            return None
        return self._driven(made, step)

    def _driven(self, made: Stack, step: Slice | Wait[Any]) -> Work:
        try:
            while not made.dead:
                if isinstance(step, ReadWait):
                    self._waiting = step
                yield step
                if isinstance(step, ReadWait):
                    self._waiting = None
                step = made.resume()
        finally:
            self._waiting = None
            if not made.dead:
                made.abandon()
            made.close()


__all__ = ["Abandoned", "OnStack", "ReadWait", "Stack", "stack"]
