"""A client's session, seen from the router: where it is, and what is kept of it meanwhile."""

from __future__ import annotations

import enum
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from server.pgwire.startup import CLUSTER_OPTION
from server.runtime.router import messages

if TYPE_CHECKING:
    from server.runtime.router.processor import Processor
    from server.runtime.router.relay import Relay
    from server.runtime.router.router import Router


class Place(enum.Enum):
    """Where a session is."""

    AWAY = enum.auto()
    HERE = enum.auto()
    LEAVING = enum.auto()


class Routed:
    """A client's session, seen from the router."""

    def __init__(
        self, router: Router, relay: Relay, user: str, database: str, options: dict[str, str]
    ) -> None:
        """Raises PgError 53300."""
        self._router = router
        self.relay = relay
        self.user = user
        self.database = database
        self.options = options
        chosen = options.get(CLUSTER_OPTION)
        census = router.census
        self.cluster = census.default_cluster if chosen is None else census.cluster_named(chosen)
        self.settings: Mapping[str, str] = {"application_name": options.get("application_name", "")}
        self.secret = os.urandom(4)
        self.place = Place.AWAY
        self.processor: Processor | None = None
        self.last: Processor | None = None
        """The one that it is at, or was at last."""
        self.pending: list[bytes] = []
        """Input for when the session is HERE again."""
        self.pending_bytes = 0
        self.sent = 0
        self.done = 0
        """Bytes of input: sent to the processor, and done with there."""
        self.is_greeted = False
        self.is_resting = False
        """What the processor said last; see `is_at_rest`."""
        self.is_in_block = False
        self.is_bereft = False
        """AWAY, and what is kept is the base of a session that was in a block."""
        self.is_staying = False
        """It was asked to leave since its last input, and stays."""
        self.kept: bytes | None = None
        """AWAY: the session's state. HERE: its base, if it is known."""
        self.touched = self.asked_at = time.monotonic()
        self.process_id = router.census.enter(self)

    @property
    def is_at_rest(self) -> bool:
        """Whether everything that the client has sent is answered."""
        return self.is_resting and not self.pending and self.sent == self.done

    @property
    def may_be_asked(self) -> bool:
        """Whether it could leave its processor now."""
        has_room = self._router.kept_bytes < self._router.settings.kept_bytes
        return self.place is Place.HERE and self.is_at_rest and not self.is_staying and has_room

    @property
    def undone_bytes(self) -> int:
        """Input that waits for its turn."""
        return self.pending_bytes + self.sent - self.done

    def pass_on(self, data: bytes) -> None:
        """Input from the client."""
        if self.place is Place.HERE and self.processor is not None:
            self.processor.input(self, data)
            return
        self.pending.append(data)
        self.pending_bytes += len(data)
        if self.place is Place.AWAY:
            self._router.want(self)

    def hold(self, is_held: bool) -> None:
        """The client does not read its answers, or does so again."""
        if self.processor is not None:
            self.processor.talk.send(messages.Hold(self.process_id, is_held))

    def keep(self, data: bytes | None) -> None:
        """Keep this state or base instead of the one before."""
        before, self.kept = self.kept, data
        self._router.kept_bytes += len(data or b"") - len(before or b"")

    def drop(self) -> None:
        """The connection ends: nothing more is to be done."""
        self._router.withdraw(self)
        self.pending.clear()
        self.pending_bytes = 0
        if self.processor is not None:
            self.processor.talk.send(messages.Drop(self.process_id))
            self.processor.forget(self)

    # What is asked of any session

    def cancel(self) -> None:
        """Stop the running statement."""
        if self.processor is not None:
            self.processor.talk.send(messages.Cancel(self.process_id))

    def close(self) -> None:
        """The client is gone."""
        self.drop()
        self.keep(None)
        self._router.sessions -= 1
        self._router.census.leave(self)
