"""Which transactions are open in all processes of a node: asked of each, and waited for, but not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from server.runtime import frames
from server.session.work import Wait
from server.testing.desk import Running

PATIENCE_S = 1.0
"""A process that has not answered by then is busy, and its transactions are missing."""


@dataclass(slots=True)
class _Count:
    missing: set[int]
    wait: Wait[list[Running]] = field(default_factory=Wait)
    found: list[Running] = field(default_factory=list)


class Census:
    """The counts under way."""

    def __init__(self, tell: Callable[[frames.TellRunning], None]) -> None:
        """`tell` sends to every process."""
        self._tell = tell
        self._counts: dict[int, _Count] = {}
        self._last = 0

    def ask(self, processes: Iterable[int]) -> Wait[list[Running]]:
        """The open transactions of these processes."""
        self._last += 1
        number = self._last
        count = self._counts[number] = _Count(set(processes))
        self._tell(frames.TellRunning(number))
        asyncio.get_running_loop().call_later(PATIENCE_S, self._finish, number)
        self._look(number)
        return count.wait

    def told(self, number: int, index: int, running: list[Running]) -> None:
        """The answer of one process; a late one says nothing."""
        count = self._counts.get(number)
        if count is not None and index in count.missing:
            count.missing.discard(index)
            count.found += running
            self._look(number)

    def gone(self, index: int) -> None:
        """A process has ended."""
        for number, count in list(self._counts.items()):
            count.missing.discard(index)
            self._look(number)

    def _look(self, number: int) -> None:
        if not self._counts[number].missing:
            self._finish(number)

    def _finish(self, number: int) -> None:
        count = self._counts.pop(number, None)
        if count is not None:
            count.wait.finish(count.found)
