"""Which nodes of a cluster have to do with each other."""

from server.runtime.clocks.choice import ClockChoice
from server.runtime.region.config import NodeAddress, NodeConfig, ShardPlaces
from server.runtime.region.joining import peers_of
from server.runtime.region.place import place_of

REGIONS = ("east", "west")
STORES = ("s1-1", "s1-2", "s2-1")


def nodes():
    heads = [NodeAddress(region, region, "h", 1) for region in REGIONS]
    parts = [
        NodeAddress(f"{region}-{name}", region, "h", 1, (role,))
        for region in REGIONS
        for name, role in (*((each, "storage") for each in STORES), ("a", "adjudicator"))
    ]
    return heads + parts


def config(node):
    region = node.split("-")[0]
    shards = [
        ShardPlaces(b"", b"k", (f"{region}-s1-1", f"{region}-s1-2")),
        ShardPlaces(b"k", None, (f"{region}-s2-1",)),
    ]
    return NodeConfig(
        cluster="c",
        node=node,
        region=region,
        data="",
        host="h",
        port=0,
        certificates="",
        nodes=nodes(),
        regions=list(REGIONS),
        witness="w",
        journals=[],
        clock=ClockChoice("constant", bound_ms=1),
        ranges=[(b"", b"\xff\xff", 0)],
        shards=shards,
    )


def peers(node):
    return {each.node for each in peers_of(config(node))}


def test_a_storage_node_speaks_with_its_regions_node_and_the_other_replicas():
    assert peers("east-s1-1") == {"east", "east-s1-2"}
    assert peers("east-s2-1") == {"east"}


def test_all_others_speak_with_each_other_and_a_regions_node_with_its_storage():
    assert peers("east") == {"west", "east-a", "west-a", *(f"east-{each}" for each in STORES)}
    assert peers("east-a") == {"east", "west", "west-a"}


def test_who_speaks_with_whom_is_mutual():
    names = [each.node for each in nodes()]
    for node in names:
        for other in peers(node):
            assert node in peers(other)


def test_storage_nodes_have_no_place_among_those_that_commit():
    place = place_of(config("west"))
    assert list(place.nodes) == ["east", "west", "east-a", "west-a"]
    assert place.number == 1
