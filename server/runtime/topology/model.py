"""A cluster on paper: regions, nodes, journals, shards. Immutable; what it says was checked when it was read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from server.runtime.clocks.choice import ClockChoice
from server.runtime.net.identity import Identity
from server.runtime.net.transport import Address

RegionRole: TypeAlias = Literal["active", "witness"]
NodeRole: TypeAlias = Literal["router", "query", "adjudicator", "storage"]
QUOTA_MIB, LEAST_QUOTA_MIB = 2048, 64
"""Of etcd's members; two of the largest transactions have to fit in beside what is there."""
REGION_ROLES: tuple[RegionRole, ...] = ("active", "witness")
NODE_ROLES: tuple[NodeRole, ...] = ("router", "query", "adjudicator", "storage")


@dataclass(frozen=True, slots=True)
class Region:
    """A place that fails by itself. A witness holds a copy of the journals and nothing else of ours."""

    name: str
    role: RegionRole
    clock: ClockChoice | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A process. `port` is for other nodes, `clients` for SQL, if it is a router."""

    id: str
    region: str
    host: str
    port: int
    roles: tuple[NodeRole, ...]
    clients: int | None = None
    clock: ClockChoice | None = None


@dataclass(frozen=True, slots=True)
class Journal:
    """An etcd cluster with a member in every region, led from `leader` while that region lives."""

    number: int
    leader: str
    etcd: Mapping[str, str]
    """Region -> URL of its member."""
    quota_mib: int = QUOTA_MIB
    """As each member was told (--quota-backend-bytes)."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The keys from `low` on and below `high` (None: all), and the storage nodes that have them, per region."""

    low: bytes
    high: bytes | None
    journal: int
    """Whose adjudicator decides on them in the beginning."""
    replicas: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Distance:
    """A round trip that is added between two regions of one machine, in milliseconds."""

    between: tuple[str, str]
    ms: float


@dataclass(frozen=True, slots=True)
class Passwords:
    """Names of environment variables; no password is in the file."""

    admin: str = "OPENDSQL_PASSWORD"
    etcd: str | None = None


@dataclass(frozen=True, slots=True)
class Topology:
    """All of it."""

    cluster: str
    regions: tuple[Region, ...]
    nodes: tuple[Node, ...]
    journals: tuple[Journal, ...]
    shards: tuple[Shard, ...]
    clock: ClockChoice
    """For all that have none of their own."""
    certificates: Path
    passwords: Passwords = Passwords()
    distances: tuple[Distance, ...] = ()

    @property
    def region_names(self) -> tuple[str, ...]:
        """All, the witness too."""
        return tuple(region.name for region in self.regions)

    @property
    def active_regions(self) -> tuple[str, ...]:
        """Those with endpoints."""
        return tuple(region.name for region in self.regions if region.role == "active")

    @property
    def witness(self) -> str | None:
        """The region that only holds the journals."""
        return next((region.name for region in self.regions if region.role == "witness"), None)

    def node(self, name: str) -> Node:
        """The node of that id. Raises KeyError."""
        found = next((node for node in self.nodes if node.id == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def nodes_of(self, region: str, role: NodeRole) -> tuple[Node, ...]:
        """The nodes of a region that have the role."""
        return tuple(node for node in self.nodes if node.region == region and role in node.roles)

    def identity(self, node: Node) -> Identity:
        """As its certificate says it."""
        return Identity(self.cluster, node.region, node.id)

    def addresses(self) -> list[Address]:
        """Where the transport finds each node."""
        return [Address(self.identity(node), node.host, node.port) for node in self.nodes]

    def clock_of(self, node: Node) -> ClockChoice:
        """The node's own, else its region's, else everybody's."""
        region = next(each for each in self.regions if each.name == node.region)
        return node.clock or region.clock or self.clock
