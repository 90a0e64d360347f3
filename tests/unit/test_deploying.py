"""What a topology means for the node that is started from it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from server.runtime.net import identity
from server.runtime.region.config import ShardPlaces
from server.runtime.region.place import place_of
from server.runtime.topology import deploying
from server.runtime.topology.model import Distance, Node, NodeRole, Passwords, Topology
from server.runtime.topology.reading import BadTopology, load, parse
from tests.serving_process import ROOT, opendsql

FILE = ROOT / "docker" / "regions.toml"


@pytest.fixture
def topology() -> Topology:
    return load(FILE)


def config(topology: Topology, name: str = "us-west-2", listen: str = ""):
    return deploying.node_config(topology, name, Path("data"), "0.0.0.0", listen)


def problems(topology: Topology, name: str = "us-west-2") -> list[str]:
    with pytest.raises(BadTopology) as raised:
        config(topology, name)
    return raised.value.problems


def test_a_node_is_told_its_place_and_the_others(topology):
    found = config(topology, listen="::")
    assert (found.cluster, found.node, found.region, found.witness) == (
        "compose",
        "us-west-2",
        "us-west-2",
        "us-east-2",
    )
    assert (found.host, found.port, found.listen) == ("0.0.0.0", 5432, "::")
    assert [(each.node, each.host, each.port) for each in found.nodes] == [
        ("us-east-1", "us-east-1", 7400),
        ("us-west-2", "us-west-2", 7400),
    ]
    assert Path(found.data).is_absolute()


def test_journals_are_reached_by_tls_and_members_are_called_by_their_region(topology):
    found = config(topology)
    assert found.etcd_tls
    first, second = found.journals
    assert (first.region, second.region) == ("us-east-1", "us-west-2")
    assert second.members["us-east-2"] == "us-east-2-journal-1:2379"
    assert second.names["us-east-2"] == "us-east-2"


def test_shards_say_who_decides_at_first(topology):
    first = topology.shards[0]
    split = replace(topology, shards=(replace(first, high=b"k"), replace(first, low=b"k", journal=1)))
    assert config(split).ranges == [(b"", b"k", 0), (b"k", b"\xff\xff", 1)]


def test_distances_are_injected(topology):
    far = replace(topology, distances=(Distance(("us-east-1", "us-west-2"), 60.0),))
    (found,) = config(far).round_trips
    assert (found.a, found.b, found.ms) == ("us-east-1", "us-west-2", 60.0)


def part(topology: Topology, name: str, *roles: NodeRole) -> Node:
    """A node of the second region beside its router."""
    return replace(topology.nodes[1], id=name, host=name, clients=None, roles=roles)


def stored(topology: Topology, *names: str) -> Topology:
    """With these storage nodes in the second region, which have all of its rows."""
    (shard,) = topology.shards
    there = replace(shard, replicas={**shard.replicas, "us-west-2": names})
    return replace(
        topology,
        nodes=(*(part(topology, name, "storage") for name in names), *topology.nodes),
        shards=(replace(there, high=b"k"), replace(there, low=b"k")),
    )


def test_a_storage_node_is_told_its_shards_and_the_regions_nodes_come_first(topology):
    several = stored(topology, "store-1", "store-2")
    found = config(several, "store-2")
    assert [each.node for each in found.nodes] == ["us-east-1", "us-west-2", "store-1", "store-2"]
    assert found.roles == ("storage",)
    assert found.shards == [
        ShardPlaces(b"", b"k", ("store-1", "store-2")),
        ShardPlaces(b"k", None, ("store-1", "store-2")),
    ]
    assert config(several, "us-west-2").shards == found.shards
    assert config(several, "us-east-1").shards == []


def test_an_adjudicator_is_told_whom_it_hears_and_which_journals_there_are(topology):
    several = replace(topology, nodes=(part(topology, "judge", "adjudicator"), *topology.nodes))
    found = config(several, "judge")
    place = place_of(found)
    assert (place.region, place.head, place.adjudicators) == ("us-west-2", "us-west-2", ("judge",))
    assert place_of(config(several, "us-west-2")).adjudicators == ("judge",)
    assert place_of(config(several, "us-east-1")).adjudicators == ()
    assert [each.region for each in found.journals] == ["us-east-1", "us-west-2"]
    assert place.preference() == [1, 0]


def test_a_region_has_its_rows_in_one_way(topology):
    several = stored(topology, "store-1")
    mixed = tuple(
        replace(each, replicas={**each.replicas, "us-west-2": ("store-1", "us-west-2")})
        for each in several.shards
    )
    assert problems(replace(several, shards=mixed)) == [
        "shard: the replicas of region 'us-west-2' are all 'us-west-2', or storage nodes alone"
    ]
    both = replace(several, nodes=(*several.nodes, part(topology, "both", "storage", "adjudicator")))
    assert problems(both) == ["node 'both': without router it is of the role storage or adjudicator alone"]
    idle = replace(several, nodes=(*several.nodes, part(topology, "idle", "storage")))
    assert problems(idle) == ["node 'idle' is a replica of no shard"]


def test_what_cannot_be_run_is_told(topology):
    assert problems(topology, "west") == ["there is no node 'west': us-east-1, us-west-2"]
    first, second = topology.nodes
    assert problems(replace(topology, nodes=(first, second, replace(second, id="w2")))) == [
        "region 'us-west-2' has 2 routers: one node has all roles, others may have one"
    ]
    assert problems(replace(topology, nodes=(first, replace(second, roles=("router", "query"))))) == [
        "node 'us-west-2' lacks adjudicator, storage: a router has all roles"
    ]
    assert problems(replace(topology, passwords=Passwords(etcd="SECRET"))) == [
        "passwords: etcd is not used: nodes show their certificates"
    ]


def test_journals_in_clear_are_for_one_machine_alone():
    text = FILE.read_text()
    assert problems(parse(text.replace("https://", "http://"), FILE.parent)) == [
        "journal: http is for members on this machine alone: https"
    ]
    assert problems(parse(text.replace("https://us-east-1-", "http://us-east-1-"), FILE.parent)) == [
        "journal: etcd's members are all reached by https, or all by http",
        "journal: http is for members on this machine alone: https",
    ]


def test_certificates_are_made_for_nodes_and_for_members(tmp_path):
    file = tmp_path / "topology.toml"
    file.write_text(FILE.read_text().replace('"/certificates"', '"made"'))
    done = opendsql("topology", "certificates", str(file))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path}/made: 2 nodes, members of etcd in 3 regions\n"
    for name in ("us-east-1", "us-west-2"):
        identity.load_issued(tmp_path / "made", name)
    made = tmp_path / "made" / "etcd"
    assert {path.name for path in made.iterdir()} == {
        f"{region}.{kind}" for region in load(FILE).region_names for kind in ("pem", "key")
    }
    assert (made / "us-east-2.key").stat().st_mode & 0o777 == 0o600
    before = (made / "us-east-2.pem").read_bytes()
    assert opendsql("topology", "certificates", str(file)).returncode == 0
    assert (made / "us-east-2.pem").read_bytes() == before


def test_a_member_s_certificate_names_its_hosts(topology):
    assert deploying.etcd_hosts(topology)["us-east-2"] == (
        "us-east-2-journal-0",
        "us-east-2-journal-1",
        "localhost",
        "127.0.0.1",
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--node", "west"), "there is no node 'west'"),
        (("--node", "us-east-1", "--host", "0.0.0.0"), "--auth password"),
        (("--node", "us-east-1", "--auth", "password"), "--password-file or OPENDSQL_PASSWORD"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(monkeypatch, options, text):
    monkeypatch.delenv("OPENDSQL_PASSWORD", raising=False)
    done = opendsql("node", "start", str(FILE), *options)
    assert done.returncode == 2
    assert text in done.stderr


def test_the_topology_in_the_documentation_can_be_run():
    text = (ROOT / "docs" / "regions.md").read_text()
    (example,) = re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    found = config(parse(example, FILE.parent))
    assert found.etcd_tls
    assert found.clock.source == "chrony"
