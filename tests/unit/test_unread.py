"""A region without sessions delays no COMMIT (server.runtime.region.lead)."""

import asyncio
import time

from server.runtime.region import lead
from tests.region_nodes import EAST, WEST, Nodes
from tests.unit.test_keeping import until

FAR_AWAY = 80 * lead.MS


def test_a_lead_covers_the_way_to_a_region_while_it_has_sessions(tmp_path, monkeypatch):
    monkeypatch.setattr(lead, "UNREAD", 0)

    async def work():
        async with Nodes(tmp_path) as nodes:
            east, west = nodes.nodes[EAST], nodes.nodes[WEST]
            await until(lambda: east.owners[0].is_owner)
            now, beyond = time.time_ns(), 1 << 60
            west.deliveries.announced(0, beyond, now - FAR_AWAY, beyond, now)
            west.sessions[1] = None
            await until(lambda: east.owners[0].lead > FAR_AWAY)
            west.sessions.clear()
            await until(lambda: east.owners[0].lead < FAR_AWAY)

    asyncio.run(work())
