"""What a node has sent, received and lost, exactly: per pair of regions and per name of message."""

from enum import StrEnum
from typing import NamedTuple

from server.runtime.net.wire import KEEP_ALIVE


class Loss(StrEnum):
    """Why a message did not leave, or will not arrive."""

    UNREACHABLE = "unreachable"
    """There is no connection to the node."""
    OVERFLOW = "overflow"
    """Too much waits for the node already."""
    TOO_LARGE = "too_large"
    CUT = "cut"
    """On purpose (server.runtime.net.faults): the sender is not told."""


class Flow(NamedTuple):
    """From one region to another (or the same), one name of message."""

    source: str
    target: str
    name: str


class Count(NamedTuple):
    """`size` is in bytes of frames, before encryption."""

    messages: int = 0
    size: int = 0


class Traffic:
    """Counters from the start of the process."""

    def __init__(self) -> None:
        self.sent: dict[Flow, Count] = {}
        """What was handed to a connection; what a cut lost afterwards is in it."""
        self.received: dict[Flow, Count] = {}
        self.lost: dict[Loss, int] = dict.fromkeys(Loss, 0)
        self.unknown = 0
        """Messages received whose name or fields this build does not know."""
        self.refused = 0
        """Connections of somebody without the right certificate or claim."""
        self.other_version = 0
        """Connections of a node whose version of the protocol this one does not speak."""
        self.connected = 0
        self.renewed = 0
        self.broken_off = 0
        """Connections that ended while in use."""
        self.silent = 0
        """Those among them from which nothing came for too long."""

    def count_sent(self, source: str, target: str, name: str, size: int) -> None:
        """One message of `size` bytes leaves."""
        _count(self.sent, Flow(source, target, name), size)

    def count_received(self, source: str, target: str, name: str, size: int) -> None:
        """One message of `size` bytes has arrived."""
        _count(self.received, Flow(source, target, name), size)

    def messages_between_regions(self) -> int:
        """Messages sent to another region since the start, but for what keeps connections up."""
        return sum(
            count.messages
            for flow, count in self.sent.items()
            if flow.source != flow.target and flow.name not in KEEP_ALIVE
        )


def _count(counts: dict[Flow, Count], flow: Flow, size: int) -> None:
    messages, total = counts.get(flow, (0, 0))
    counts[flow] = Count(messages + 1, total + size)
