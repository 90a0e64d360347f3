"""A process of a region that reads from the region's storage nodes: its connections to them, and what it reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from journal.record import Timestamp
from server.runtime.net.identity import Identity
from server.runtime.net.transport import Address, Transport
from server.runtime.reading.places import ShardMap
from server.runtime.reading.running import Asker, Storage
from server.runtime.reading.versions import RemoteVersions
from server.runtime.region import joining
from server.runtime.region.config import NodeConfig

CONNECT_S = 5.0
LOOK_S = 0.01


def storage_of(
    config: NodeConfig, asker: Asker, earliest: Callable[[], Timestamp], age_limit_s: float
) -> Storage:
    """The storage nodes that `config` names, asked through `asker`."""
    return Storage(
        asker,
        ShardMap(config.shards, asker.is_connected),
        earliest=earliest,
        call_later=asyncio.get_running_loop().call_later,
        age_limit_s=age_limit_s,
    )


class RegionReads:
    """The reads of a process that has no other business with the nodes."""

    def __init__(
        self,
        config: NodeConfig,
        earliest: Callable[[], Timestamp],
        age_limit_s: float,
        broken: Callable[[BaseException], None],
    ) -> None:
        """Raises OSError, ValueError for certificates that are not there, or none."""
        self.transport: Transport = joining.transport_of(config, joining.faults_of(config), broken)
        self.storage = storage_of(config, self.transport, earliest, age_limit_s)
        self.versions = RemoteVersions(self.storage)
        wanted = set(self.storage.shards.nodes)
        self.transport.connect(
            Address(Identity(config.cluster, each.region, each.node), each.host, each.port)
            for each in config.nodes
            if each.node in wanted
        )

    async def start(self) -> None:
        """Returns when a replica of each shard can be asked, or after `CONNECT_S`: reads find out for themselves."""
        loop = asyncio.get_running_loop()
        until = loop.time() + CONNECT_S
        while not self.storage.shards.is_reachable and loop.time() < until:
            await asyncio.sleep(LOOK_S)

    async def stop(self) -> None:
        """End the connections."""
        await self.transport.stop()
