"""What `opendsql serve` can be asked through its control socket, and how it is answered (DESIGN §12).

Nothing but data: whoever asks needs none of what answers.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import msgspec

from journal.record import Position, Timestamp
from server.runtime.injection_requests import InjectionRequest


class Status(msgspec.Struct, tag="status", forbid_unknown_fields=True):
    """`opendsql status`."""


class CutSnapshot(msgspec.Struct, tag="snapshot", forbid_unknown_fields=True):
    """`opendsql snapshot`."""


class SetPassword(msgspec.Struct, tag="password", forbid_unknown_fields=True):
    """`opendsql password`: the password itself stays with whoever typed it."""

    role: str
    verifier: str


class ReadJournal(msgspec.Struct, tag="journal", forbid_unknown_fields=True):
    """`opendsql journal`: rows as changes, or whole records in their general form."""

    start: Position | None = None
    follow: bool = False
    records: bool = False
    journal: int | None = None
    """Which one, where there are several."""
    cdc: bool = False
    """Records of change data capture, and what follows is about these (server.runtime.change_capture)."""
    position: Timestamp | None = None
    """What was committed later than that."""
    from_now: bool = False
    positions: bool = False
    """Say in between how far everything has been sent."""
    cluster: str | None = None
    """Of the cluster of this id alone."""


class AuditJournal(msgspec.Struct, tag="audit", forbid_unknown_fields=True):
    """`opendsql audit`."""


class NewCluster(msgspec.Struct, tag="new_cluster", forbid_unknown_fields=True):
    """`opendsql cluster-new`."""


class DropCluster(msgspec.Struct, tag="drop_cluster", forbid_unknown_fields=True):
    """`opendsql cluster-drop`."""

    id: str


class ListClusters(msgspec.Struct, tag="clusters", forbid_unknown_fields=True):
    """`opendsql cluster-list`."""


ClusterRequest: TypeAlias = NewCluster | DropCluster | ListClusters
CLUSTER_REQUESTS = (NewCluster, DropCluster, ListClusters)
Request: TypeAlias = (
    Status | CutSnapshot | SetPassword | ReadJournal | AuditJournal | ClusterRequest | InjectionRequest
)
Emit: TypeAlias = Callable[[Any], Awaitable[None]]
"""Takes one JSON object, or the text of one; waits while its reader is slow."""


class Refused(Exception):
    """The operation cannot be done; the text is for the operator."""
