"""What a process of a node counts, told to the node's own process, which publishes it (frames.Report).

A report every second, and the last one when the process ends; what a process that is killed counted since is lost.
What those that ended had counted stays in the sums, so that a sum never falls.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, fields, replace
from typing import Protocol

from server.pgwire.connection import Counters
from server.runtime.frames import Report
from server.runtime.framing import Messages
from server.runtime.hosting import SessionHost

REPORT_S = 1.0


class Reporter:
    """One process's. For the event loop's thread, whose time it tells."""

    def __init__(self, frames: Messages, node: SessionHost, counters: Counters) -> None:
        self._frames = frames
        self._node = node
        self._counters = counters

    def start(self) -> None:
        """Tell, now and every `REPORT_S`."""
        self.tell()
        asyncio.get_running_loop().call_later(REPORT_S, self.start)

    def tell(self) -> None:
        """Tell now."""
        node = self._node
        tried = node.waited, node.refused
        self._frames.send(
            Report(time.thread_time(), node.begun, node.open_transactions, *tried, replace(self._counters))
        )


@dataclass(slots=True)
class Reports:
    """What one process told last, and how busy it was between its last two reports; for whoever is told."""

    last: Report = field(default_factory=lambda: Report(0.0, 0, 0, 0, 0, Counters()))
    busy_share: float = 0.0
    """Of its event loop's thread; 1 is its end."""
    _at: float | None = None

    def take(self, report: Report, now: float) -> None:
        """`now`: monotonic seconds."""
        if self._at is not None and now > self._at:
            self.busy_share = (report.busy_s - self.last.busy_s) / (now - self._at)
        self.last, self._at = report, now


class Counting(Protocol):
    """Whoever has processes that report."""

    @property
    def reports(self) -> list[Report]:
        """Of the processes that run."""
        ...

    @property
    def ended(self) -> Report:
        """The sum of those that ended."""
        ...


def total(counting: Counting) -> Report:
    """The sum of all processes, those that ended included."""
    found = counting.ended
    for each in counting.reports:
        found = added(found, each)
    return found


def added(a: Report, b: Report) -> Report:
    """The sums."""
    return Report(
        a.busy_s + b.busy_s,
        a.begun + b.begun,
        a.open_transactions + b.open_transactions,
        a.waited + b.waited,
        a.refused + b.refused,
        counted(a.connections, b.connections),
    )


def counted(a: Counters, b: Counters) -> Counters:
    """The sums."""
    return Counters(*(getattr(a, each.name) + getattr(b, each.name) for each in fields(Counters)))


def at_its_end(report: Report) -> Report:
    """What remains of a process's counts: nothing of it is open."""
    connections = replace(report.connections, open=0)
    return Report(report.busy_s, report.begun, 0, report.waited, report.refused, connections)
