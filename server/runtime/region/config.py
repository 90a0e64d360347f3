"""What one node of a cluster is told when it starts: `opendsql cluster` and a topology both end here."""

from pathlib import Path
from typing import Any

import msgspec

from journal.record import Key
from server.pgwire.sigv4 import Trust
from server.runtime.clocks.choice import ClockChoice
from server.runtime.router.settings import Settings as Routing
from server.runtime.topology.model import NODE_ROLES, QUOTA_MIB, NodeRole
from server.sql.limits import Limits
from server.testing.options import Testing

PROMISE_MS = 500
"""Three to five times the longest round trip of a cluster (AR §3.6)."""


STORAGE_ALONE: tuple[NodeRole, ...] = ("storage",)
"""The roles of a storage node: it speaks with nodes of its region alone, and has no part in commits."""


class NodeAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node, and where the others reach it."""

    node: str
    region: str
    host: str
    port: int
    roles: tuple[NodeRole, ...] = NODE_ROLES

    @property
    def is_head(self) -> bool:
        """Whether it confirms its region's membership and answers its sessions: one node of each region does."""
        return "router" in self.roles


class Journal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One journal: the region that leads it when all is well, and its etcd members."""

    number: int
    region: str
    members: dict[str, str]
    """Region -> host:port of the member there."""
    names: dict[str, str]
    """Region -> the member's name."""
    quota_mib: int = QUOTA_MIB


class RoundTrip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Injected: milliseconds between two regions."""

    a: str
    b: str
    ms: float


class ShardPlaces(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys [lo, hi), and the nodes of the region that have them."""

    lo: Key
    hi: Key | None
    """None: all from `lo` on."""
    replicas: tuple[str, ...]


class NodeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One node."""

    cluster: str
    node: str
    region: str
    data: str
    host: str
    port: int
    """For clients; 0: any free one."""
    certificates: str
    """The directory with ca.pem and nodes/ (server.runtime.net.identity)."""
    nodes: list[NodeAddress]
    """All of them, this one too, in an order that is the same everywhere."""
    regions: list[str]
    """The active ones, in the order of the topology."""
    witness: str
    journals: list[Journal]
    clock: ClockChoice
    listen: str = ""
    """For the other nodes; empty: at the address by which they reach this one."""
    ranges: list[tuple[Key, Key, int]] = []
    """(lo, hi, journal) before anything moved; empty: all keys belong to the first journal."""
    shards: list[ShardPlaces] = []
    """Of this region, in the order of their keys; empty: its node has everything and reads it itself."""
    etcd_tls: bool = False
    """etcd's members are reached by TLS, with this node's certificate."""
    promise_ms: int = PROMISE_MS
    """How long an owner is bound by its vote. Never less than it was: whoever takes over reckons with it."""
    workers: int = 0
    """Processes beside the node's own that serve clients."""
    router: Routing | None = None
    """The node's own process accepts all connections, and the others serve sessions while these have work."""
    metrics: tuple[str, int] | None = None
    """Host and port at which Prometheus may ask."""
    silence_s: float = 1.0
    """After so long without a word the other region is taken for lost."""
    follows_writers: bool = True
    """Ranges go by themselves to the region that writes them (server.runtime.region.moving)."""
    round_trips: list[RoundTrip] = []
    surface: str | None = None
    """The day whose DSQL it is; None: the newest."""
    testing: Testing = msgspec.field(default_factory=Testing)
    limits: Limits = msgspec.field(default_factory=Limits)
    auth: str = "trust"
    admin_verifier: str | None = None
    trust: Trust | None = None
    """Whose tokens are accepted (--auth iam)."""
    tls_required: bool = False
    tls_names: list[str] = []
    """What clients may call this node beside `host`."""

    @property
    def roles(self) -> tuple[NodeRole, ...]:
        """Of this node."""
        return next(each.roles for each in self.nodes if each.node == self.node)


def encode(config: NodeConfig) -> bytes:
    """As `load` reads it."""
    return msgspec.json.encode(config, enc_hook=str)


def load(path: Path) -> NodeConfig:
    """Raises OSError, ValueError with a text for the operator."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=NodeConfig, dec_hook=_path)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path}: {error}") from error


def _path(kind: type, value: Any) -> Any:
    """JSON has no paths. Raises what the kind raises for a value that is none."""
    return kind(value)
