"""One node of a topology on a machine of its own: what the file means for the process that is started there."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from adjudicator.ownership import TOP
from server.runtime.region.config import Journal, NodeAddress, NodeConfig, RoundTrip, ShardPlaces
from server.runtime.topology.model import NODE_ROLES, Node, Topology
from server.runtime.topology.reading import BadTopology

PARTS = (("storage",), ("adjudicator",))
"""The roles of a process beside its region's node."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def node_config(topology: Topology, name: str, data: Path, host: str, listen: str) -> NodeConfig:
    """What the node `name` is told: it serves clients at `host`, and other nodes at `listen` (empty: its own host).

    The name of etcd's member in a region is the region's. Raises `BadTopology` if the file has no such node, or
    asks for what cannot be run yet.
    """
    found = list(_problems(topology, name))
    if found:
        raise BadTopology(found)
    node = topology.node(name)
    assert topology.witness is not None
    return NodeConfig(
        cluster=topology.cluster,
        node=name,
        region=node.region,
        data=str(data.absolute()),
        host=host,
        port=node.clients or 0,
        certificates=str(topology.certificates),
        nodes=_addresses(topology),
        regions=list(topology.active_regions),
        witness=topology.witness,
        journals=[
            Journal(
                each.number,
                each.leader,
                {region: urlsplit(url).netloc for region, url in each.etcd.items()},
                {region: region for region in each.etcd},
                each.quota_mib,
            )
            for each in topology.journals
        ],
        clock=topology.clock_of(node),
        listen=listen,
        ranges=[
            (each.low, TOP if each.high is None else each.high, each.journal) for each in topology.shards
        ],
        shards=_shards(topology, node.region),
        etcd_tls=_schemes(topology) == {"https"},
        round_trips=[RoundTrip(*each.between, each.ms) for each in topology.distances],
    )


def _addresses(topology: Topology) -> list[NodeAddress]:
    """The regions' nodes come first: their numbers stay the same when others are added."""
    nodes = sorted(topology.nodes, key=lambda each: "router" not in each.roles)
    return [NodeAddress(each.id, each.region, each.host, each.port, each.roles) for each in nodes]


def _shards(topology: Topology, region: str) -> list[ShardPlaces]:
    """Where the rows of a region lie, if that is not its node."""
    head = topology.nodes_of(region, "router")[0].id
    if any(head in shard.replicas[region] for shard in topology.shards):
        return []
    return [ShardPlaces(each.low, each.high, each.replicas[region]) for each in topology.shards]


def etcd_hosts(topology: Topology) -> dict[str, tuple[str, ...]]:
    """Region -> the hosts of etcd's members there, and the loopback ones, as certificates name them."""
    found: dict[str, tuple[str, ...]] = {}
    for region in topology.region_names:
        urls = [urlsplit(journal.etcd[region]).hostname for journal in topology.journals]
        found[region] = tuple(dict.fromkeys([*filter(None, urls), "localhost", "127.0.0.1"]))
    return found


def _schemes(topology: Topology) -> set[str]:
    return {urlsplit(url).scheme for journal in topology.journals for url in journal.etcd.values()}


def _problems(topology: Topology, name: str) -> Iterator[str]:
    if name not in [node.id for node in topology.nodes]:
        yield f"there is no node {name!r}: {', '.join(node.id for node in topology.nodes)}"
    if topology.witness is None:
        yield "a region alone cannot be run from a topology: two and a witness, or opendsql serve"
    for region in topology.active_regions:
        yield from _region_problems(topology, region)
    for node in topology.nodes:
        yield from _node_problems(topology, node)
    if topology.passwords.etcd is not None:
        yield "passwords: etcd is not used: nodes show their certificates"
    if len(_schemes(topology)) > 1:
        yield "journal: etcd's members are all reached by https, or all by http"
    hosts = {urlsplit(url).hostname for journal in topology.journals for url in journal.etcd.values()}
    if "http" in _schemes(topology) and not hosts <= set(LOOPBACK):
        yield "journal: http is for members on this machine alone: https"


def _region_problems(topology: Topology, region: str) -> Iterator[str]:
    heads = [node.id for node in topology.nodes_of(region, "router")]
    if len(heads) != 1:
        yield f"region {region!r} has {len(heads)} routers: one node has all roles, others may have one"
        return
    places = {node for shard in topology.shards for node in shard.replicas[region]}
    if heads[0] in places and len(places) > 1:
        yield f"shard: the replicas of region {region!r} are all {heads[0]!r}, or storage nodes alone"


def _node_problems(topology: Topology, node: Node) -> Iterator[str]:
    if "router" in node.roles:
        missing = [role for role in NODE_ROLES if role not in node.roles]
        if missing:
            yield f"node {node.id!r} lacks {', '.join(missing)}: a router has all roles"
    elif node.roles not in PARTS:
        yield f"node {node.id!r}: without router it is of the role storage or adjudicator alone"
    elif node.roles == ("storage",) and not any(
        node.id in shard.replicas[node.region] for shard in topology.shards
    ):
        yield f"node {node.id!r} is a replica of no shard"
