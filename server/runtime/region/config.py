"""What one node of a cluster is told when it starts: `opendsql cluster` and a topology both end here."""

from pathlib import Path

import msgspec


class NodeAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node, and where the others reach it."""

    node: str
    region: str
    host: str
    port: int


class Journal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One journal: the region that leads it when all is well, and its etcd members."""

    number: int
    region: str
    members: dict[str, str]
    """Region -> host:port of the member there."""
    names: dict[str, str]
    """Region -> the member's name."""


class RoundTrip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Injected: milliseconds between two regions."""

    a: str
    b: str
    ms: float


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
    round_trips: list[RoundTrip] = []
    auth: str = "trust"
    admin_verifier: str | None = None
    tls_required: bool = False


def load(path: Path) -> NodeConfig:
    """Raises OSError, ValueError with a text for the operator."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=NodeConfig)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path}: {error}") from error
