"""What `serve` and a region's node have towards clients, however they are started."""

import asyncio
import logging

from server.runtime.endpoint import Endpoint
from server.runtime.gate import CatalogGate
from server.runtime.serving import Options
from server.sql.limits import Limits


class Bare(Endpoint):
    """Nobody gets a session here."""

    def __init__(self, limits):
        super().__init__(logging.getLogger("tests"), limits)
        self.gate = CatalogGate("trust", lambda: None)


def test_the_limits_on_connections_are_the_listeners(tmp_path):
    async def work():
        endpoint = Bare(Limits(connections=7, connection_age_s=120.0))
        await endpoint.listen(Options(port=0), tmp_path)
        assert endpoint.port > 0
        assert endpoint.listener.limits.connections == 7
        assert endpoint.listener.limits.lifetime_seconds == 120.0
        await endpoint.leave()

    asyncio.run(work())


def test_a_broken_endpoint_ends_and_keeps_its_first_reason(tmp_path):
    async def work():
        endpoint = Bare(Limits())
        await endpoint.listen(Options(port=0), tmp_path)
        first = OSError("first")
        endpoint.broken(first)
        endpoint.broken(OSError("second"))
        assert endpoint.failure is first
        assert endpoint.stopped.is_set()
        await endpoint.leave()
        await endpoint.listener.shutdown()

    asyncio.run(work())
