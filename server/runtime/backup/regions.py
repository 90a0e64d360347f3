"""A region's node, or a cluster on this machine, that begins from a backup: over the journals' real carriers."""

import contextlib
import time
from pathlib import Path

from journal.snapshot import Snapshot
from server.runtime.backup import founding
from server.runtime.region.carrier import Unreachable
from server.runtime.region.config import NodeConfig
from server.runtime.region.etcd_carrier import EtcdCarrier
from server.runtime.region.joining import etcd_tls
from server.runtime.region.place import initial_ranges
from server.runtime.requests import Refused

BEGIN = "begin.snapshot"
"""In the data directory of a cluster on this machine: what it begins from when it is started for the first time."""


async def found_node(config: NodeConfig, file: Path) -> Snapshot:
    """Begin all journals of the cluster, and the empty data directory of the node, from the snapshot `file`.

    Raises what `founding.found_region` does, an unreachable journal as `Refused`.
    """
    ranges = tuple(config.ranges) or initial_ranges({each.number: each.region for each in config.journals})
    tls = etcd_tls(config)
    async with contextlib.AsyncExitStack() as stack:
        carriers = {}
        try:
            for journal in config.journals:
                members = [journal.members[config.region], *journal.members.values()]
                carrier = await EtcdCarrier.open(list(dict.fromkeys(members)), journal.number, tls)
                stack.push_async_callback(carrier.close)
                carriers[journal.number] = carrier
            return await founding.found_region(Path(config.data), file, carriers, ranges, time.time_ns())
        except Unreachable as error:
            raise Refused(f"a journal cannot be reached: {error}") from error
