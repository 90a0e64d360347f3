"""A node's clock: without time nothing begins, and a node that stays without it ends."""

import asyncio
import time

import pytest

from adjudicator.ownership import TOP
from server.errors import PgError
from server.runtime.clocks.interval import Interval, NoTime
from server.runtime.region import edges as module
from server.runtime.region.edges import Edges
from server.runtime.region.membership import Value
from server.runtime.region.node import Place, RegionNode
from tests.regions.in_process import SharedLog


class Clock:
    """Says what it is told to."""

    def __init__(self) -> None:
        self.found: Interval | NoTime = Interval(90, 110)

    def now(self) -> Interval:
        if isinstance(self.found, NoTime):
            raise self.found
        return self.found


def make(lost=None):
    clock = Clock()
    return clock, Edges(clock, "us-east-1", lost or pytest.fail)


def test_the_edges_are_the_clocks():
    clock, edges = make()
    assert (edges.earliest(), edges.latest(), edges.refusal(), edges.bound_ns) == (90, 110, None, 10)
    clock.found = Interval(100, 104)
    assert (edges.earliest(), edges.latest(), edges.bound_ns) == (100, 104, 2)


def test_without_time_the_edges_stand_still_and_the_reason_is_told():
    clock, edges = make()
    edges.earliest()
    clock.found = NoTime("the source is silent")
    assert (edges.earliest(), edges.latest()) == (90, 110)
    assert edges.refusal() == "region us-east-1 does not know the time: the source is silent"
    clock.found = Interval(200, 210)
    assert edges.refusal() is None
    assert edges.earliest() == 200


@pytest.mark.parametrize("is_lasting", [True, False])
def test_a_node_ends_when_it_has_been_without_time_for_long(monkeypatch, is_lasting):
    monkeypatch.setattr(module, "LOOK_S", 0.001)
    monkeypatch.setattr(module, "LOST_S", 0.02 if is_lasting else 30.0)
    lost = []
    clock, edges = make(lost.append)

    async def run():
        await edges.start()
        clock.found = NoTime("readings contradict each other")
        if is_lasting:
            while not lost:
                await asyncio.sleep(0)
        else:
            for _ in range(100):
                await asyncio.sleep(0)
        await edges.stop()

    asyncio.run(asyncio.wait_for(run(), 30))
    assert lost == ([clock.found] if is_lasting else [])


def test_no_transaction_begins_in_a_region_without_time(tmp_path):
    clock, edges = make()

    async def run():
        node = RegionNode(
            Place(
                "e1", "us-east-1", 0, ("us-east-1",), {"e1": "us-east-1"}, {0: "us-east-1"}, ((b"", TOP, 0),)
            ),
            tmp_path,
            {0: SharedLog().seen_from("us-east-1")},
            register=None,
            post=pytest.fail,
            latest=edges.latest,
            earliest=edges.earliest,
            no_time=edges.refusal,
            broken=pytest.fail,
        )
        node.membership.confirmed(Value(1, ("us-east-1",)), time.monotonic(), {})
        assert node.fresh() is not None  # it waits for its storage
        clock.found = NoTime("no reading yet")
        with pytest.raises(PgError, match="does not know the time: no reading yet") as raised:
            node.fresh()
        assert raised.value.sqlstate == "57P03"
        node.close()

    asyncio.run(run())
