"""The worker processes of a region's node (server.runtime.backend), and what they are told of the region."""

from __future__ import annotations

import msgspec

from server.runtime import frames
from server.runtime.backend import Backend
from server.runtime.region import worker
from server.runtime.region.config import NodeConfig
from server.runtime.region.node import RegionNode
from server.runtime.router.pool import ProcessorPool


class RegionBackend(Backend):
    """Starts, serves, restarts and stops the query processors of a region's node."""

    def __init__(self, node: RegionNode, count: int, config: NodeConfig) -> None:
        super().__init__(node, node.data, count, node.cancel)
        self._config = config if config.shards else None
        self._here = node.here
        self._clock = config.clock
        self._reason = node.refusal() or ""
        self._page.complete = node.following.complete

    def serving(self, reason: str | None) -> None:
        """Why no transaction may begin; None: it may. Told when it changes."""
        if (reason or "") != self._reason:
            self._reason = reason or ""
            self.tell(frames.Serving(self._reason))

    def _configuration(self, index: int) -> frames.Configure:
        regional = worker.Regional(self._here, self._clock, self._reason, self._config)
        return msgspec.structs.replace(super()._configuration(index), regional=worker.encode(regional))


class RegionPool(RegionBackend, ProcessorPool):
    """The same for query processors that come and go, before which a router owns the clients' sockets."""
