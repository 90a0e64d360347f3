"""What a region's node does for the storage nodes of its region: feeds them, and gives them their beginning."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from journal.record import Key, Timestamp
from server.runtime.net.asking import Reply
from server.runtime.net.identity import Identity
from server.runtime.net.transport import Transport
from server.runtime.region import wire
from server.runtime.region.node import RegionNode
from server.runtime.storage_node.offering import Offering
from storage.replica import StoredRows


class Supplying:
    """The questions of storage nodes that this node answers. For the event loop's thread."""

    def __init__(
        self,
        transport: Transport,
        data: Path,
        node: Callable[[], RegionNode | None],
        clock: Callable[[], Timestamp],
        broken: Callable[[BaseException], None],
    ) -> None:
        """`node`: None as long as it does not run; what is written for others lies in `data`/ranges."""
        self.offering = Offering(data / "ranges", self._rows, clock, broken)
        self._node = node
        self._region = transport.me.region
        transport.on_ask(wire.FeedWanted, self._near(self._feed))
        transport.on_ask(wire.RangeWanted, self._near(lambda _source, *rest: self.offering.wanted(*rest)))
        transport.on_ask(wire.RangePieceWanted, self._near(lambda _source, *rest: self.offering.piece(*rest)))

    async def stop(self) -> None:
        """Write nothing more."""
        await self.offering.stop()

    def _near(
        self, handler: Callable[[Identity, Any, Reply], None]
    ) -> Callable[[Identity, Any, Reply], None]:
        """For nodes of this region alone: rows and journals do not cross regions for a replica's sake."""

        def handle(source: Identity, message: Any, reply: Reply) -> None:
            if source.region == self._region:
                handler(source, message, reply)
            else:
                reply.refuse(f"{source.node} is of region {source.region}")

        return handle

    def _feed(self, source: Identity, message: wire.FeedWanted, reply: Reply) -> None:
        node = self._node()
        if node is None:
            reply.refuse("the region's node does not run yet")
        else:
            node.feeding.ask(source.node, message, reply)

    def _rows(self, _lo: Key, _hi: Key) -> StoredRows | None:
        node = self._node()
        return None if node is None else node.following.rows
