"""What the supervisor of `opendsql cluster` is asked through its control socket, and how its directory is known.

Nothing but data: whoever asks needs none of what answers.
"""

from typing import TypeAlias

import msgspec

PLAN = "cluster.json"
"""The file by which a data directory is one of `opendsql cluster` (server.runtime.region.local_plan)."""


class Status(msgspec.Struct, tag="status", forbid_unknown_fields=True):
    """Everything that is known of the cluster."""


class RegionChange(msgspec.Struct, tag="region", forbid_unknown_fields=True):
    """`action`: cut, kill or heal; a cut is from all others, or from one of them."""

    action: str
    region: str
    other: str | None = None


class NodeKill(msgspec.Struct, tag="node-kill", forbid_unknown_fields=True):
    """kill -9 of one process, by the name that status shows."""

    node: str


class RoundTripChange(msgspec.Struct, tag="rtt", forbid_unknown_fields=True):
    """From now on all regions are `ms` apart."""

    ms: float


class MoveRange(msgspec.Struct, tag="move", forbid_unknown_fields=True):
    """A table's keys (all keys without one) are decided on in `region` from now on."""

    region: str
    table: str | None = None
    journal: int | None = None
    """One of those led from there; None: the first."""


Request: TypeAlias = Status | RegionChange | NodeKill | RoundTripChange | MoveRange
decode = msgspec.json.Decoder(Request).decode
