"""How the loop meets what it waits for: a Wait, which knows no loop, and tasks that nobody awaits."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from server.session.work import Wait

T = TypeVar("T")

SLICE_S = 0.001
"""Seconds that work in the background may take before it gives a turn."""


class Turns:
    """Turns for others in the middle of a task's work, by the time that it takes."""

    __slots__ = ("_slice_s", "_until")

    def __init__(self, slice_s: float | None = None) -> None:
        """`slice_s`: None: `SLICE_S`."""
        self._slice_s = SLICE_S if slice_s is None else slice_s
        self._until = time.monotonic() + self._slice_s

    async def give(self) -> None:
        """A turn of the loop, if the slice is over."""
        if time.monotonic() > self._until:
            await asyncio.sleep(0)
            self._until = time.monotonic() + self._slice_s


async def outcome(wait: Wait[T]) -> T:
    """The result of `wait`, once it is done; raises the error that was delivered instead."""
    if not wait.done:
        done = asyncio.get_running_loop().create_future()
        wait.callback = lambda: None if done.done() else done.set_result(None)
        try:
            await done
        finally:
            wait.callback = None
    return wait.value()


def telling(broken: Callable[[BaseException], None]) -> Callable[[asyncio.Task[Any]], None]:
    """A done callback of a task: `broken` gets what it raised, if it was not cancelled."""

    def ended(task: asyncio.Task[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            broken(error)

    return ended
