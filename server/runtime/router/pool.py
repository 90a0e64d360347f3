"""The query processors of a node: started when the router wants one, never again by themselves."""

from __future__ import annotations

import asyncio
import logging
import socket
from functools import partial

from server.runtime.backend import Backend, Front, Peer
from server.runtime.desk import NodeDesk
from server.runtime.page import MAX_PROCESSES
from server.runtime.router.router import Launched
from server.runtime.router.suspended import suspended_of

log = logging.getLogger("opendsql.pool")


class ProcessorPool(Backend):
    """What a node does for its workers, for processes that come and go."""

    MODULE = "server.runtime.router.query_processor"

    async def start(self, front: Front) -> None:
        """Nothing runs until somebody works."""
        self._front = front
        self._page.position = self._node.versions.applied_position
        desk = self._node.desk
        assert isinstance(desk, NodeDesk)
        desk.suspended = partial(suspended_of, self._node.sessions)

    async def launch(self) -> Launched:
        """A new query processor. Raises OSError."""
        index = next((number for number in range(1, MAX_PROCESSES) if number not in self._peers), 0)
        if not index:
            raise OSError(f"{MAX_PROCESSES} processes run already")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                peer = await self._spawn(index, theirs.fileno())
        except BaseException:
            ours.close()
            raise
        peer.accepting.add_done_callback(lambda done: done.exception())
        keeper = asyncio.create_task(self._reap(peer))
        self._keepers.append(keeper)
        keeper.add_done_callback(self._keepers.remove)
        assert peer.process is not None
        return Launched(index, peer.process.pid, ours)

    async def _reap(self, peer: Peer) -> None:
        assert peer.process is not None
        code = await peer.process.wait()
        self._forget(peer)
        log.log(
            logging.ERROR if code else logging.INFO,
            "query processor ended index=%d pid=%d code=%d",
            *(peer.index, peer.process.pid, code),
        )
