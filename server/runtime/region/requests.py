"""What the control socket of a node of a region is asked, beside what `opendsql serve` is asked too."""

import msgspec

from server.runtime.net import faults


class Status(msgspec.Struct, tag="status", forbid_unknown_fields=True):
    """What this node knows."""


class Fault(msgspec.Struct, tag="fault", forbid_unknown_fields=True):
    """Change what is done to messages on purpose."""

    change: faults.Change


class MoveRange(msgspec.Struct, tag="move", forbid_unknown_fields=True):
    """Hand a table's keys (or, without one, all keys) to another journal."""

    journal: int
    table: str | None = None
