"""A child process that is told on its socket what it is to be (server.runtime.frames.Configure)."""

import asyncio
from collections.abc import Callable

from server.runtime import frames


class Described:
    """From the socket to whatever the main process describes on it. Made on the running loop."""

    def __init__(self) -> None:
        self.configured: asyncio.Future[frames.Configure | None] = asyncio.get_running_loop().create_future()
        """None: the main process ended first."""
        self._early: list[frames.ToWorker] = []
        self._receive: Callable[[frames.ToWorker], None] | None = None
        self._fail: Callable[[str], None] | None = None

    def begin(self, receive: Callable[[frames.ToWorker], None], fail: Callable[[str], None]) -> None:
        """It exists now: `receive` gets what came meanwhile and what comes, `fail` the reason of the end."""
        self._receive, self._fail = receive, fail
        for message in self._early:
            receive(message)
        self._early.clear()

    def receive(self, message: frames.ToWorker) -> None:
        """A message of the main process."""
        if isinstance(message, frames.Configure):
            self.configured.set_result(message)
        elif self._receive is None:
            self._early.append(message)
        else:
            self._receive(message)

    def ended(self, reason: str) -> None:
        """The socket has ended."""
        if self._fail is not None:
            self._fail(reason)
        elif not self.configured.done():
            self.configured.set_result(None)
