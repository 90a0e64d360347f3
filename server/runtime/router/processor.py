"""A query-processor process, seen from the router."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from server.runtime.framing import Messages
from server.runtime.router import messages
from server.runtime.router.routed import Place, Routed

if TYPE_CHECKING:
    from server.runtime.router.router import Router

log = logging.getLogger("opendsql.router")


class Processor:
    """One query-processor process, seen from the router."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self.index = self.pid = 0
        self.sessions: dict[int, Routed] = {}
        self.is_ready = False
        self.is_draining = False
        """No session comes here any more, and those that are here leave as soon as they can."""
        self.is_leaving = False
        self.renew_at = 0.0
        self.empty_since = time.monotonic()
        self.talk = Messages(messages.decode_to_router, messages.FRAME_LIMIT, self._receive, self._ended)

    @property
    def state(self) -> str:
        """In one word, for operators."""
        if self.is_leaving:
            return "ending"
        if self.is_draining:
            return "draining"
        return "serving" if self.is_ready else "starting"

    def take(self, routed: Routed) -> None:
        """Serve the session from now on, beginning with the input that waits."""
        counts = self._router.counts
        routed.place, routed.processor = Place.HERE, self
        routed.sent = routed.done = 0
        routed.is_resting = False
        self.sessions[routed.process_id] = routed
        if not routed.is_greeted:
            routed.is_greeted = True
            counts.entered += 1
            who = routed.process_id, routed.secret, routed.user, routed.database, routed.options
            self.talk.send(messages.Enter(*who))
        else:
            assert routed.kept is not None
            counts.resumed += 1
            counts.moved += routed.last is not self
            kept_s = time.monotonic() - routed.asked_at
            self.talk.send(messages.Resume(routed.process_id, routed.kept, kept_s, routed.is_bereft))
            routed.keep(None)
            routed.is_bereft = False
        routed.last = self
        if routed.relay.held:
            routed.hold(True)
        self._send_pending(routed)

    def input(self, routed: Routed, data: bytes) -> None:
        """Input from the client."""
        routed.sent += len(data)
        routed.is_staying = False
        routed.touched = time.monotonic()
        self.talk.send(messages.Input(routed.process_id, data))

    def ask(self, routed: Routed) -> None:
        """Ask for the state of a session that is at rest."""
        routed.place, routed.asked_at = Place.LEAVING, time.monotonic()
        self.talk.send(messages.Suspend(routed.process_id))

    def forget(self, routed: Routed) -> None:
        """The session is not here any more."""
        routed.place, routed.processor = Place.AWAY, None
        del self.sessions[routed.process_id]
        if not self.sessions:
            self.empty_since = time.monotonic()
            if self.is_draining:
                self._router.renew_later()

    def leave(self) -> None:
        """End the process, which has no sessions."""
        self.is_leaving = True
        self.talk.send(messages.Leave())

    def _send_pending(self, routed: Routed) -> None:
        pending, routed.pending = routed.pending, []
        routed.pending_bytes = 0
        for data in pending:
            self.input(routed, data)

    def _receive(self, message: messages.ToRouter) -> None:
        if isinstance(message, messages.Ready):
            self.is_ready = True
            self._router.started(self)
            return
        routed = self.sessions.get(message.session)
        if routed is None:
            return  # its client has left meanwhile
        if isinstance(message, messages.Output):
            self._output(routed, message)
        elif isinstance(message, messages.Suspended):
            self.forget(routed)
            routed.keep(message.state)
            self._router.counts.suspended += 1
            if routed.pending:
                self._router.want(routed)
        elif isinstance(message, messages.Stays):
            self._router.counts.stayed += 1
            routed.place, routed.is_staying = Place.HERE, True
            self._send_pending(routed)
        else:
            self.forget(routed)
            routed.relay.ended(message.data)

    def _output(self, routed: Routed, message: messages.Output) -> None:
        routed.done = message.done
        routed.is_resting, routed.is_in_block = message.is_at_rest, message.is_in_block
        routed.touched = time.monotonic()
        base = message.base
        if base is not None:
            has_room = self._router.kept_bytes + len(base) <= self._router.settings.kept_bytes
            routed.keep(base if base and has_room else None)
        routed.relay.answered(message.data, message.is_part)
        if self.is_draining and routed.may_be_asked:
            self.ask(routed)

    def drain(self) -> None:
        """Serve no session for longer than its exchange takes."""
        self.is_draining = True
        for routed in list(self.sessions.values()):
            if routed.may_be_asked:
                self.ask(routed)

    def _ended(self, reason: str) -> None:
        log.info("query processor's socket ended index=%d pid=%d reason=%s", self.index, self.pid, reason)
        self._router.died(self)
