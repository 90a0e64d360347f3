"""The topology of a cluster whose regions are all on this machine, and the file for it (DESIGN §12)."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from server.runtime.clocks.choice import ClockChoice
from server.runtime.topology.model import (
    NODE_ROLES,
    QUOTA_MIB,
    Distance,
    Journal,
    Node,
    NodeRole,
    Region,
    Shard,
    Topology,
)

HOST = "127.0.0.1"


def make(
    cluster: str,
    regions: Sequence[str],
    witness: str | None,
    directory: Path,
    next_port: Callable[[], int],
    *,
    rtt_ms: float = 0.0,
    clients: Sequence[int] = (),
    queries: int = 1,
    stores: int = 1,
    splits: Sequence[bytes] = (),
) -> Topology:
    """One journal led from each region; each shard on every store of each region, decided in turn by the journals.

    The first node of a region is its router, adjudicator, query processor and store; further ones, up to the
    larger of `queries` and `stores`, are the latter two. `next_port` gives a free port each time; `clients` are the
    regions' ports for SQL, else they come from there too. `splits` are the keys at which shards begin, but the
    first. `directory` holds certificates and what the nodes' clocks share.
    """
    names = [*regions, *([witness] if witness is not None else [])]
    sql_ports = dict(zip(regions, clients or [next_port() for _ in regions], strict=True))
    nodes = [
        Node(
            f"{region}-{number}", region, HOST, next_port(), roles, sql_ports[region] if number == 1 else None
        )
        for region in regions
        for number, roles in _roles(queries, stores)
    ]
    journals = [
        Journal(number, region, {name: f"http://{HOST}:{next_port()}" for name in names})
        for number, region in enumerate(regions)
    ]
    replicas = {
        region: tuple(node.id for node in nodes if node.region == region and "storage" in node.roles)
        for region in regions
    }
    lows = [b"", *splits]
    highs = [*splits, None]
    shards = [
        Shard(low, high, journals[place % len(journals)].number, replicas)
        for place, (low, high) in enumerate(zip(lows, highs))
    ]
    pairs = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]] if rtt_ms else []
    return Topology(
        cluster,
        tuple(Region(name, "witness" if name == witness else "active") for name in names),
        tuple(nodes),
        tuple(journals),
        tuple(shards),
        ClockChoice("shared", directory=directory),
        directory / "certificates",
        distances=tuple(Distance(pair, rtt_ms) for pair in pairs),
    )


def _roles(queries: int, stores: int) -> Iterator[tuple[int, tuple[NodeRole, ...]]]:
    yield 1, NODE_ROLES
    for number in range(2, max(queries, stores) + 1):
        roles: list[NodeRole] = []
        if number <= queries:
            roles.append("query")
        if number <= stores:
            roles.append("storage")
        yield number, tuple(roles)


def to_toml(topology: Topology) -> str:
    """The file that is read back as this topology. Its paths are written as they are."""
    lines = [f"cluster = {_text(topology.cluster)}", "", "[clock]", *_clock(topology.clock)]
    lines += ["", "[certificates]", f"directory = {_text(str(topology.certificates))}"]
    lines += ["", "[passwords]", f"admin = {_text(topology.passwords.admin)}"]
    if topology.passwords.etcd is not None:
        lines.append(f"etcd = {_text(topology.passwords.etcd)}")
    for region in topology.regions:
        lines += ["", "[[region]]", f"name = {_text(region.name)}", f"role = {_text(region.role)}"]
        if region.clock is not None:
            lines += ["[region.clock]", *_clock(region.clock)]
    for node in topology.nodes:
        lines += ["", "[[node]]", *_node(node)]
    for journal in topology.journals:
        etcd = ", ".join(f"{_text(region)} = {_text(url)}" for region, url in journal.etcd.items())
        lines += ["", "[[journal]]", f"number = {journal.number}", f"leader = {_text(journal.leader)}"]
        if journal.quota_mib != QUOTA_MIB:
            lines.append(f"quota_mib = {journal.quota_mib}")
        lines.append(f"etcd = {{ {etcd} }}")
    for shard in topology.shards:
        replicas = ", ".join(f"{_text(region)} = {_texts(nodes)}" for region, nodes in shard.replicas.items())
        lines += ["", "[[shard]]", f"low = {_text(shard.low.hex())}", f"journal = {shard.journal}"]
        lines.append(f"replicas = {{ {replicas} }}")
    for distance in topology.distances:
        lines += ["", "[[distance]]", f"between = {_texts(distance.between)}", f"ms = {distance.ms}"]
    return "\n".join(lines) + "\n"


def _node(node: Node) -> Iterator[str]:
    yield f"id = {_text(node.id)}"
    yield f"region = {_text(node.region)}"
    yield f"host = {_text(node.host)}"
    yield f"port = {node.port}"
    if node.clients is not None:
        yield f"clients = {node.clients}"
    yield f"roles = {_texts(node.roles)}"
    if node.clock is not None:
        yield "[node.clock]"
        yield from _clock(node.clock)


def _clock(choice: ClockChoice) -> Iterator[str]:
    yield f"source = {_text(choice.source)}"
    yield f"limit_ms = {choice.limit_ms}"
    if choice.bound_ms is not None:
        yield f"bound_ms = {choice.bound_ms}"
    if choice.directory is not None:
        yield f"directory = {_text(str(choice.directory))}"
    if choice.source == "clockbound":
        yield f"path = {_text(str(choice.path))}"
    if choice.source == "chrony":
        yield f"port = {choice.port}"
        yield f"drift_ppm = {choice.drift_ppm}"


def _text(value: str) -> str:
    # What JSON escapes TOML reads back, and it forbids one character more.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _texts(values: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, values))}]"
