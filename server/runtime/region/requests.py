"""What the control socket of a node of a region is asked, beside what `opendsql serve` is asked too."""

import msgspec

from journal.record import MARKERS
from server.runtime.net import faults


class Status(msgspec.Struct, tag="status", forbid_unknown_fields=True):
    """What this node knows."""


class Fault(msgspec.Struct, tag="fault", forbid_unknown_fields=True):
    """Change what is done to messages on purpose."""

    change: faults.Change


class ContentHash(msgspec.Struct, tag="hash", forbid_unknown_fields=True):
    """A hash of what the node has of [low, high) as of `ts`, once it is complete to it: one answer per shard."""

    ts: int
    low: bytes = b""
    high: bytes = MARKERS


class MoveRange(msgspec.Struct, tag="move", forbid_unknown_fields=True):
    """Hand a table's keys (or, without one, all keys) to another journal."""

    journal: int
    table: str | None = None
