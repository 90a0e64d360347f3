"""What must hold between the parts of a topology. Each problem is one line with its place in the file."""

import itertools
import math
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from server.runtime.clocks.choice import ClockChoice
from server.runtime.net.faults import MAX_MS
from server.runtime.net.identity import NAME
from server.runtime.topology.model import LEAST_QUOTA_MIB, NODE_ROLES, Journal, Node, Shard, Topology

Place = Callable[[str, int], str]
"""Of the table of that kind and index."""
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MOST_DRIFT_PPM = 100_000


def problems(topology: Topology, place: Place) -> list[str]:
    """All of them, in the order of the file's parts."""
    return [
        *_head(topology),
        *_regions(topology, place),
        *_nodes(topology, place),
        *_roles(topology),
        *_sockets(topology, place),
        *_journals(topology, place),
        *_shards(topology, place),
        *_distances(topology, place),
        *_clocks(topology, place),
    ]


def _head(topology: Topology) -> Iterator[str]:
    if not NAME.fullmatch(topology.cluster):
        yield f"cluster must be a name of small letters, digits and hyphens, not {topology.cluster!r}"
    for key, name in (("admin", topology.passwords.admin), ("etcd", topology.passwords.etcd)):
        if name is not None and not VARIABLE.fullmatch(name):
            yield f"passwords: {key} must be the name of an environment variable"


def _regions(topology: Topology, place: Place) -> Iterator[str]:
    yield from _names("region", topology.region_names, "name", place)
    active = len(topology.active_regions)
    witnesses = len(topology.regions) - active
    # Three votes with one to spare, or one region that is all or nothing: two votes could only lose more.
    if (active, witnesses) not in ((1, 0), (2, 1)):
        yield (
            f"region: one active region alone, or two and a witness; here are {active} active and {witnesses} witness"
        )


def _names(kind: str, names: tuple[str, ...], key: str, place: Place) -> Iterator[str]:
    for index, name in enumerate(names):
        if not NAME.fullmatch(name):
            yield f"{place(kind, index)}: {key} must be of small letters, digits and hyphens, not {name!r}"
        elif name in names[:index]:
            yield f"{place(kind, index)}: {key} {name!r} is there already"


def _nodes(topology: Topology, place: Place) -> Iterator[str]:
    yield from _names("node", tuple(node.id for node in topology.nodes), "id", place)
    for index, node in enumerate(topology.nodes):
        for problem in _node(topology, node):
            yield f"{place('node', index)}: {problem}"


def _node(topology: Topology, node: Node) -> Iterator[str]:
    if node.region not in topology.region_names:
        yield f"there is no region {node.region!r}"
    elif node.region == topology.witness:
        yield f"region {node.region!r} is the witness: it has members of etcd, and no nodes"
    if not node.host:
        yield "host is empty"
    for key, port in (("port", node.port), ("clients", node.clients)):
        if port is not None and not 1 <= port <= 65535:
            yield f"{key} must be 1 to 65535, not {port}"
    if not node.roles:
        yield f"roles is empty: some of {', '.join(NODE_ROLES)}"
    elif len(set(node.roles)) < len(node.roles):
        yield "a role is there twice"
    if ("router" in node.roles) != (node.clients is not None):
        yield "a router, and nobody else, needs clients: the port for SQL"


def _roles(topology: Topology) -> Iterator[str]:
    for region in topology.active_regions:
        for role in NODE_ROLES:
            if not topology.nodes_of(region, role):
                yield f"node: region {region!r} has no {role}"


def _sockets(topology: Topology, place: Place) -> Iterator[str]:
    """Two of us cannot listen at the same address."""
    taken: dict[tuple[str, int], str] = {}
    for where, host, port in _listening(topology, place):
        first = taken.setdefault((host, port), where)
        if first != where:
            yield f"{where}: {host}:{port} is taken by {first}"


def _listening(topology: Topology, place: Place) -> Iterator[tuple[str, str, int]]:
    for index, node in enumerate(topology.nodes):
        where = place("node", index)
        yield f"{where}: port", node.host, node.port
        if node.clients is not None:
            yield f"{where}: clients", node.host, node.clients
    for index, journal in enumerate(topology.journals):
        for region, url in journal.etcd.items():
            parts = _url(url)
            if parts is not None:
                yield f"{place('journal', index)}: etcd.{region}", *parts


def _url(url: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    is_right = parts.scheme in ("http", "https") and host and port and parts.path in ("", "/")
    return (
        (host, port)
        if is_right and host is not None and port is not None and parts.username is None
        else None
    )


def _journals(topology: Topology, place: Place) -> Iterator[str]:
    if not topology.journals:
        yield "journal: there is none"
    numbers = [journal.number for journal in topology.journals]
    for index, journal in enumerate(topology.journals):
        where = place("journal", index)
        if journal.number < 0:
            yield f"{where}: number must be 0 or more"
        elif journal.number in numbers[:index]:
            yield f"{where}: number {journal.number} is there already"
        for problem in _journal(topology, journal):
            yield f"{where}: {problem}"


def _journal(topology: Topology, journal: Journal) -> Iterator[str]:
    if journal.leader not in topology.active_regions:
        yield f"leader must be an active region, not {journal.leader!r}"
    if journal.quota_mib < LEAST_QUOTA_MIB:
        yield f"quota_mib must be {LEAST_QUOTA_MIB} or more, not {journal.quota_mib}"
    for region in topology.region_names:
        if region not in journal.etcd:
            yield f"etcd has no member in region {region!r}"
    for region, url in journal.etcd.items():
        if region not in topology.region_names:
            yield f"etcd: there is no region {region!r}"
        if _url(url) is None:
            yield f"etcd.{region} must be http(s)://HOST:PORT, not {url!r}"


def _shards(topology: Topology, place: Place) -> Iterator[str]:
    shards = topology.shards
    if not shards:
        yield "shard: there is none"
    elif shards[0].low:
        yield f'{place("shard", 0)}: the first one must begin at low = ""'
    for index, (before, shard) in enumerate(itertools.pairwise(shards), 1):
        if before.low >= shard.low:
            yield f"{place('shard', index)}: low must be above {before.low.hex()!r}, where the one before begins"
    numbers = [journal.number for journal in topology.journals]
    for index, shard in enumerate(shards):
        if shard.journal not in numbers:
            yield f"{place('shard', index)}: there is no journal {shard.journal}"
        for problem in _replicas(topology, shard):
            yield f"{place('shard', index)}: {problem}"


def _replicas(topology: Topology, shard: Shard) -> Iterator[str]:
    for region in topology.active_regions:
        if not shard.replicas.get(region):
            yield f"replicas has no node in region {region!r}"
    for region, nodes in shard.replicas.items():
        if region not in topology.active_regions:
            yield f"replicas: {region!r} is not an active region"
            continue
        stores = [node.id for node in topology.nodes_of(region, "storage")]
        for place, node in enumerate(nodes):
            if node not in stores:
                yield f"replicas.{region}: {node!r} is not a storage node there"
            elif node in nodes[:place]:
                yield f"replicas.{region}: {node!r} is there twice"


def _distances(topology: Topology, place: Place) -> Iterator[str]:
    seen: set[frozenset[str]] = set()
    for index, distance in enumerate(topology.distances):
        where, pair = place("distance", index), frozenset(distance.between)
        for region in distance.between:
            if region not in topology.region_names:
                yield f"{where}: there is no region {region!r}"
        if len(pair) < 2 or pair in seen:
            yield f"{where}: between must be two regions, each pair once"
        seen.add(pair)
        if not 0 <= distance.ms <= MAX_MS:
            yield f"{where}: ms must be 0 to {MAX_MS:.0f}"


def _clocks(topology: Topology, place: Place) -> Iterator[str]:
    choices = [("clock", topology.clock)]
    for index, region in enumerate(topology.regions):
        if region.clock is not None:
            choices.append((f"{place('region', index)}: clock", region.clock))
    for index, node in enumerate(topology.nodes):
        if node.clock is not None:
            choices.append((f"{place('node', index)}: clock", node.clock))
    for where, choice in choices:
        for problem in _clock(choice):
            yield f"{where}: {problem}"
    used = {topology.clock_of(node).source for node in topology.nodes if node.region in topology.region_names}
    if "shared" in used and len(used) > 1:
        yield "clock: shared means one machine: all nodes have it, or none"


def _clock(choice: ClockChoice) -> Iterator[str]:
    if not 0 < choice.limit_ms < math.inf:
        yield "limit_ms must be above 0"
    if (choice.source == "constant") != (choice.bound_ms is not None):
        yield 'bound_ms is for source = "constant", which needs it'
    elif choice.bound_ms is not None and not 0 <= choice.bound_ms <= choice.limit_ms:
        yield "bound_ms must be 0 to limit_ms"
    if (choice.source == "shared") != (choice.directory is not None):
        yield 'directory is for source = "shared", which needs it'
    if not 0 <= choice.drift_ppm <= MOST_DRIFT_PPM:
        yield f"drift_ppm must be 0 to {MOST_DRIFT_PPM}"
    if not 1 <= choice.port <= 65535:
        yield "port must be 1 to 65535"
