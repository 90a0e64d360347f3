"""What `opendsql cluster` is asked for, and what of it stays the same as long as its data directory does."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from journal.record import Key
from server.runtime.region import local_splits
from server.runtime.region.config import PROMISE_MS, NodeAddress, ShardPlaces
from server.runtime.region.local_etcd import Ports, free_ports
from server.runtime.region.local_requests import PLAN
from server.runtime.router.settings import Settings as Routing
from server.runtime.topology.model import QUOTA_MIB, NodeRole
from server.sql.limits import Limits
from server.testing.options import Testing

HOST = "127.0.0.1"
PROMISE_ROUND_TRIPS = 5
JOURNALS = 2


class Plan(msgspec.Struct, forbid_unknown_fields=True):
    """What stays the same."""

    cluster: str
    regions: list[str]
    witness: str
    client_ports: dict[str, int]
    """Region -> port for clients; 0: any free one each time."""
    node_ports: dict[str, int]
    """Region -> port of its node for the other nodes."""
    etcd_ports: dict[str, dict[str, Ports]]
    """Journal -> region -> ports."""
    promise_ms: int = PROMISE_MS
    """Of the owners, for the longest distance that there ever was."""
    splits: list[Key] = []
    """Where all shards but the first begin."""
    are_splits_measured: bool = False
    """They were found from rows; else they may be found at the next start."""
    part_ports: dict[str, int] = {}
    """Node -> port, of all that are not the node of their region."""


@dataclass(slots=True)
class Options:
    """What the command line says."""

    data: Path
    regions: list[str] = field(default_factory=lambda: ["us-east-1", "us-west-2"])
    witness: str = "us-east-2"
    port: int = 5432
    rtt_ms: float = 0.0
    clock_error_ms: float = 0.0
    """One region's clock is so far ahead, the other one's behind; both know that they may be."""
    workers: int = 0
    """Per region, beside the node's own process."""
    metrics: tuple[str, int] | None = None
    """Of the first region's node; the second one's is the next port."""
    silence_s: float = 1.0
    follows_writers: bool = True
    journals: int | None = None
    """None: as many as there are, or two."""
    adjudicators: int = 0
    """Per region, beside the node's own process."""
    shards: int = 0
    """0: each region's node has all rows, and no other process has any."""
    replicas: int = 2
    """Of each shard, per region."""
    splits: list[Key] | None = None
    """Where all shards but the first begin; None: see server.runtime.region.local_splits."""
    router: Routing | None = None
    """Each region's endpoint hands sessions to its workers, which come and go."""
    quota_mib: int = QUOTA_MIB
    """Of each member of etcd."""
    testing: Testing = field(default_factory=Testing)
    limits: Limits = field(default_factory=Limits)
    surface: str | None = None


class Failed(Exception):
    """The cluster can't be run; the text is for the operator."""


def plan_of(options: Options) -> Plan:
    """The data directory's plan, made at the first start. Raises `Failed`."""
    path = options.data / PLAN
    regions, witness = options.regions, options.witness
    if len(regions) != 2 or len({*regions, witness}) != 3:
        raise Failed("a cluster has two regions and a witness, with three names")
    if path.exists():
        try:
            plan = msgspec.json.decode(path.read_bytes(), type=Plan)
        except msgspec.DecodeError as error:
            raise Failed(f"{path}: {error}") from error
        if (plan.regions, plan.witness) != (regions, witness):
            raise Failed(f"{options.data} holds the regions {', '.join([*plan.regions, plan.witness])}")
        if options.journals not in (None, len(plan.etcd_ports)):
            raise Failed(f"{options.data} holds {len(plan.etcd_ports)} journals, and none can be added")
    else:
        plan = _new_plan(regions, witness, options.journals or JOURNALS)
    plan.promise_ms = max(plan.promise_ms, int(PROMISE_ROUND_TRIPS * options.rtt_ms))
    plan.client_ports = {
        region: options.port + number if options.port else 0 for number, region in enumerate(regions)
    }
    if options.shards:
        _split(plan, options)
    _add_parts(plan, [name for name, _region, _roles in parts_of(options)])
    path.write_bytes(msgspec.json.encode(plan))
    return plan


def parts_of(options: Options) -> list[tuple[str, str, tuple[NodeRole, ...]]]:
    """(node, region, roles) of the processes beside the regions' nodes."""
    adjudicators: list[tuple[str, str, tuple[NodeRole, ...]]] = [
        (f"{region}-adjudicator-{number}", region, ("adjudicator",))
        for region in options.regions
        for number in range(1, options.adjudicators + 1)
    ]
    stores: list[tuple[str, str, tuple[NodeRole, ...]]] = [
        (name, region, ("storage",))
        for region in options.regions
        for shard in range(options.shards)
        for name in _replicas(region, shard, options)
    ]
    return adjudicators + stores


def shards_of(plan: Plan, options: Options, region: str) -> list[ShardPlaces]:
    """Which of the region's processes have which keys."""
    if not options.shards:
        return []
    los, his = [b"", *plan.splits], [*plan.splits, None]
    return [
        ShardPlaces(lo, hi, tuple(_replicas(region, shard, options)))
        for shard, (lo, hi) in enumerate(zip(los, his, strict=True))
    ]


def _replicas(region: str, shard: int, options: Options) -> list[str]:
    return [f"{region}-storage-{shard + 1}-{number}" for number in range(1, options.replicas + 1)]


def _split(plan: Plan, options: Options) -> None:
    """Decide on the splits: as they are wanted, else as they were, unless they can be measured only now."""
    if options.splits is not None:
        plan.splits, plan.are_splits_measured = options.splits, True
        return
    if len(plan.splits) == options.shards - 1 and plan.are_splits_measured:
        return
    storage = options.data / options.regions[0] / "node" / "storage"
    found = local_splits.measured(storage, options.shards)
    plan.splits, plan.are_splits_measured = found or local_splits.by_tables(options.shards), found is not None


def addresses(plan: Plan, options: Options) -> list[NodeAddress]:
    """All nodes. Those of the regions come first: their numbers stay the same when others are added."""
    heads = [NodeAddress(f"{region}-node", region, HOST, plan.node_ports[region]) for region in plan.regions]
    parts = [
        NodeAddress(name, region, HOST, plan.part_ports[name], roles)
        for name, region, roles in parts_of(options)
    ]
    return heads + parts


def leader_of(plan: Plan, journal: int) -> str:
    """The region that leads it when all is well: they take turns."""
    return plan.regions[journal % len(plan.regions)]


def names(regions: str) -> Sequence[str]:
    """Regions as the command line lists them."""
    return [name.strip() for name in regions.split(",") if name.strip()]


def _new_plan(regions: list[str], witness: str, journals: int) -> Plan:
    sites = [*regions, witness]
    ports = iter(free_ports(len(regions) + 3 * len(sites) * journals))
    return Plan(
        "local",
        regions,
        witness,
        {},
        {region: next(ports) for region in regions},
        {
            str(journal): {name: Ports(next(ports), next(ports), next(ports)) for name in sites}
            for journal in range(journals)
        },
    )


def _add_parts(plan: Plan, parts: Iterable[str]) -> None:
    """Ports for those that were not there before, beside all that are planned already."""
    wanted = [name for name in parts if name not in plan.part_ports]
    taken = {*plan.node_ports.values(), *plan.part_ports.values()}
    taken.update(port for members in plan.etcd_ports.values() for each in members.values() for port in each)
    free = [port for port in free_ports(len(wanted) + len(taken)) if port not in taken]
    plan.part_ports.update(zip(wanted, free))
