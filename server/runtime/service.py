"""What every process has that runs until it is told to end: its build, operators' socket, metrics, and why it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from server.runtime import build
from server.runtime.control import ControlSocket
from server.runtime.stores import WORLD_ERRORS

if TYPE_CHECKING:
    from server.runtime.metrics import Families, MetricsServer


class Service:
    """`stopped` is set when the process is to end; `failure` tells why it must. For the event loop's thread."""

    def __init__(self, log: logging.Logger) -> None:
        self.version = build.version()
        """Of the program, when this process began."""
        self.stopped = asyncio.Event()
        self.failure: BaseException | None = None
        self.control: ControlSocket | None = None
        self.metrics: MetricsServer | None = None
        self._log = log

    def broken(self, error: BaseException) -> None:
        """An invariant is broken, or the journal or the disk failed: answer nobody, end the process."""
        if self.failure is None:
            self.failure = error
            traceback = not isinstance(error, WORLD_ERRORS) and error
            self._log.critical("node stops error=%r", error, exc_info=traceback)
        self.stopped.set()

    async def publish(self, node: str, parts: Sequence[Families], host: str, port: int) -> None:
        """Serve `parts` to Prometheus. Raises OSError, naming the address."""
        # Imported here: who does not ask for metrics does not wait for their library.
        from server.runtime.metrics import Exposition, MetricsServer

        server = MetricsServer(Exposition(node, parts))
        await server.start(host, port)
        self.metrics = server

    async def leave(self) -> None:
        """Operators and Prometheus are cut off."""
        if self.control is not None:
            await self.control.close()
        if self.metrics is not None:
            await self.metrics.stop()
