"""A client's connection in the router: it logs the client in, then passes bytes both ways.

To the listener it is a connection like any other. From log-in on it waits for whoever serves its session while an
exchange is under way, and for nothing between two exchanges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from server.errors import PgError
from server.pgwire import codec, startup
from server.pgwire.connection import INPUT_THRESHOLD, Connection, Environment
from server.pgwire.session_protocol import Session
from server.session.work import Slice, Wait

if TYPE_CHECKING:
    from server.runtime.router.routed import Routed
    from server.runtime.router.router import Router

TERMINATE = b"X\0\0\0\4"


class Relay(Connection):
    """See the module's text."""

    __slots__ = ("_held", "_parts", "_router", "routed")

    def __init__(self, router: Router, environment: Environment, peer: str, refusal: PgError | None) -> None:
        self._router = router
        self._held = False
        self._parts: list[bytes] = []
        self.routed: Routed | None = None
        super().__init__(environment, peer, refusal)

    # --- what the shell calls ---

    @property
    def held(self) -> bool:
        """Whether the client does not read; whoever answers it is told."""
        return self._held

    @held.setter
    def held(self, held: bool) -> None:
        if held != self._held:
            self._held = held
            if self.routed is not None:
                self.routed.hold(held)

    def receive(self, data: bytes) -> None:
        """Pass on the client's bytes; before log-in as any connection."""
        if self.routed is None:
            super().receive(data)
        elif not self.closing:
            self._pass_on(data)

    def turn(self) -> None:
        """Go on after `waiting`."""
        if self.routed is None:
            super().turn()
        elif not self.closing:
            self.waiting = None if self.routed.is_at_rest else Wait()

    @property
    def congested(self) -> bool:
        """Whether the shell is to stop reading from the socket."""
        if self.routed is None:
            return self.waiting is not None and self.buffered > INPUT_THRESHOLD
        return self.routed.undone_bytes > INPUT_THRESHOLD

    def close(self) -> None:
        """The socket is gone."""
        self._parts.clear()
        super().close()

    def _drop_work(self) -> None:
        super()._drop_work()
        if self.routed is not None:
            self.routed.drop()

    # --- what the router calls ---

    def answered(self, data: bytes, is_part: bool) -> None:
        """Bytes for the client. What is a part is kept until it is whole: an error may come between answers only."""
        self._parts.append(data)
        if not is_part:
            self.out += self._parts
            self._parts.clear()
            self._wake()

    def ended(self, data: bytes) -> None:
        """The session has ended, with these bytes."""
        self._parts.clear()
        self.out.append(data)
        self.closing = True
        self._wake()

    def lost(self) -> None:
        """The process that ran a statement is gone, and what became of the statement is not known."""
        error = PgError("57P02", LOST_RUNNING, severity="FATAL")
        self.ended(codec.error_response(error))

    def _wake(self) -> None:
        self._due = len(self.out)
        waiting = self.waiting
        if isinstance(waiting, Wait) and not waiting.done:
            waiting.finish(None)

    def _pass_on(self, data: bytes) -> None:
        routed = self.routed
        assert routed is not None
        if data == TERMINATE and routed.is_at_rest:
            self.closing = True
            return
        if not isinstance(self.waiting, Slice | Wait):
            self.waiting = Wait()
        routed.pass_on(data)

    # --- log-in ---

    def _open(self, entry: startup.Startup) -> None:
        routed = self._router.enter(self, entry.user, entry.database, entry.options)
        self.routed = routed
        self.session = cast(Session, routed)
        self._environment.counters.entered += 1
        self._environment.counters.open += 1
        self._log_in()
        self.waiting = Wait()
        # Messages are read where the session is.
        rest, self._position = self._buffer[self._position :], len(self._buffer)
        if rest:
            routed.pass_on(rest)


LOST_RUNNING = "terminating connection because the process that ran its statement ended"
