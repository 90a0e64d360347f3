"""What operators ask of a region's node: a role's password and a snapshot, neither without what others committed."""

import asyncio
import contextlib
import datetime
from pathlib import Path

import pytest

from journal.snapshot import read_snapshot
from server.errors import PgError
from server.pgwire import scram
from server.runtime.clocks.choice import ClockChoice
from server.runtime.net import identity
from server.runtime.net.identity import Identity
from server.runtime.region.config import NodeAddress, NodeConfig
from server.runtime.region.serving import RegionServer
from server.runtime.requests import CutSnapshot, Refused, SetPassword
from server.runtime.waiting import outcome
from tests.region_nodes import EAST, WEST, Nodes
from tests.regions.in_process import HANG_S
from tests.unit.test_keeping import FAR, NEAR, commit

FIRST, SECOND = (scram.make_verifier(secret, bytes(16)) for secret in ("first", "second"))


@contextlib.asynccontextmanager
async def serving(tmp_path):
    """Both regions' nodes, and per region how its control socket answers: a list of lines."""
    parties = [Identity("bank", region, region) for region in (EAST, WEST)]
    identity.issue(tmp_path, parties, datetime.datetime.now(datetime.UTC))
    async with Nodes(tmp_path) as nodes:
        servers = {region: server_of(nodes, region) for region in (EAST, WEST)}

        async def ask(region, request):
            lines = []

            async def emit(line):
                lines.append(line)

            await servers[region].perform(request, emit)
            return lines

        yield nodes, ask


def server_of(nodes, region):
    """It never starts: its node is one in this process."""
    found = RegionServer(
        NodeConfig(
            "bank",
            region,
            region,
            str(nodes.data / region),
            "127.0.0.1",
            0,
            str(nodes.data),
            [NodeAddress(each, each, "127.0.0.1", 1) for each in (EAST, WEST)],
            [EAST, WEST],
            "us-east-2",
            [],
            ClockChoice("constant", bound_ms=1.0),
        )
    )
    found.node = nodes.nodes[region]
    return found


async def verifier(node, role="admin"):
    """As a login that begins now finds it."""
    async with asyncio.timeout(HANG_S):
        wait = node.fresh()
        if wait is not None:
            await outcome(wait)
    catalog = node.catalog(node.default_cluster)
    return catalog.roles[catalog.role_names[role]].verifier


async def out_of_service(nodes, region):
    nodes.cut(region)
    async with asyncio.timeout(HANG_S):
        while nodes.nodes[region].refusal() is None:
            await asyncio.sleep(0.01)


def test_a_password_holds_in_both_regions(tmp_path):
    async def work():
        async with serving(tmp_path) as (nodes, ask):
            assert await ask(WEST, SetPassword("admin", FIRST)) == []
            assert [await verifier(node) for node in nodes.nodes.values()] == [FIRST, FIRST]

    asyncio.run(work())


def test_two_who_set_it_at_once_both_do(tmp_path):
    async def work():
        async with serving(tmp_path) as (nodes, ask):
            both = [ask(EAST, SetPassword("admin", FIRST)), ask(WEST, SetPassword("admin", SECOND))]
            assert await asyncio.gather(*both) == [[], []]
            left = [await verifier(node) for node in nodes.nodes.values()]
            assert left in ([FIRST, FIRST], [SECOND, SECOND])

    asyncio.run(work())


def test_nobody_has_no_password(tmp_path):
    async def work():
        async with serving(tmp_path) as (_nodes, ask):
            with pytest.raises(Refused, match='role "nobody" does not exist'):
                await ask(EAST, SetPassword("nobody", FIRST))

    asyncio.run(work())


@pytest.mark.parametrize(
    "request_", [SetPassword("admin", FIRST), CutSnapshot()], ids=["password", "snapshot"]
)
def test_a_region_out_of_service_does_neither(tmp_path, request_):
    async def work():
        async with serving(tmp_path) as (nodes, ask):
            await out_of_service(nodes, EAST)
            with pytest.raises(PgError) as refused:
                await ask(EAST, request_)
            assert refused.value.sqlstate == "57P03"
            assert nodes.nodes[EAST].keeping.cut == 0
            nodes.heal(EAST)

    asyncio.run(work())


def test_a_snapshot_has_what_the_other_region_has_just_acknowledged(tmp_path):
    async def work():
        async with serving(tmp_path) as (nodes, ask):
            times = [await commit(nodes.nodes[WEST], key, b"1") for key in (NEAR, FAR)]
            (cut,) = await ask(EAST, CutSnapshot())
            return times, read_snapshot(Path(cut["path"]))

    times, (head, items) = asyncio.run(work())
    assert head.applied_ts >= max(times)
    assert {NEAR, FAR} <= {item[0] for item in items}
