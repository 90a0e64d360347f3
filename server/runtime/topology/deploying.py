"""One node of a topology on a machine of its own: what the file means for the process that is started there."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from adjudicator.ownership import TOP
from server.runtime.region.config import Journal, NodeAddress, NodeConfig, RoundTrip
from server.runtime.topology.model import NODE_ROLES, Node, Topology
from server.runtime.topology.reading import BadTopology

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
    assert node.clients is not None
    assert topology.witness is not None
    return NodeConfig(
        cluster=topology.cluster,
        node=name,
        region=node.region,
        data=str(data.absolute()),
        host=host,
        port=node.clients,
        certificates=str(topology.certificates),
        nodes=[NodeAddress(each.id, each.region, each.host, each.port) for each in topology.nodes],
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
        etcd_tls=_schemes(topology) == {"https"},
        round_trips=[RoundTrip(*each.between, each.ms) for each in topology.distances],
    )


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
        if len([node for node in topology.nodes if node.region == region]) != 1:
            yield f"region {region!r} has several nodes, which cannot be run yet: one with all roles"
    for node in topology.nodes:
        yield from _node_problems(node)
    if topology.passwords.etcd is not None:
        yield "passwords: etcd is not used: nodes show their certificates"
    if len(_schemes(topology)) > 1:
        yield "journal: etcd's members are all reached by https, or all by http"
    hosts = {urlsplit(url).hostname for journal in topology.journals for url in journal.etcd.values()}
    if "http" in _schemes(topology) and not hosts <= set(LOOPBACK):
        yield "journal: http is for members on this machine alone: https"


def _node_problems(node: Node) -> Iterator[str]:
    missing = [role for role in NODE_ROLES if role not in node.roles]
    if missing:
        yield f"node {node.id!r} lacks {', '.join(missing)}: a node has all roles so far"
