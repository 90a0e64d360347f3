"""A region's node enters the default cluster where an older release has made it without an id."""

import asyncio

from server.catalog import clusters
from tests.region_nodes import EAST, WEST, Nodes
from tests.unit.test_keeping import commit


def test_a_node_gets_ready_beside_one_of_an_older_release_that_leads(tmp_path):
    async def work():
        async with Nodes(tmp_path) as nodes:
            for write in clusters.founding({"": clusters.make_id(bytes(16))}, 0):
                await commit(nodes.nodes[EAST], write.key, None)
            await nodes.stop(WEST)
            west = await nodes.start(WEST)
            assert nodes.nodes[EAST].leads_catalog and not west.leads_catalog
            assert clusters.is_registered(west.versions, west.start_ts())

    asyncio.run(work())
