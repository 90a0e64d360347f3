"""Work: what a session does that does not end at once, as a generator that its driver resumes."""

from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Slice:
    """The type of `SLICE`: the work has used its budget and wants to go on after the others had a turn."""

    __slots__ = ()


SLICE = Slice()


class Wait(Generic[T]):
    """One outcome that somebody else (the committer, the background executor) will deliver, once.

    Not a future: no loop, no task, one callback, called inline by `finish` or `fail`. The owner of the
    generator sets `callback`; it takes it back (None) when it no longer cares.
    """

    __slots__ = ("callback", "done", "error", "result")

    def __init__(self) -> None:
        self.callback: Callable[[], None] | None = None
        self.done = False
        self.result: T | None = None
        self.error: BaseException | None = None

    def finish(self, result: T) -> None:
        """Deliver `result` and resume whoever waits."""
        self.result = result
        self._fire()

    def fail(self, error: BaseException) -> None:
        """Deliver `error`: it is raised where the work reads its `value`."""
        self.error = error
        self._fire()

    def abandon(self) -> None:
        """Nobody wants the outcome any more."""
        self.callback = None
        self.done = True

    def value(self) -> T:
        """The result; raises the error that was delivered instead. Call it after the `yield`."""
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]

    def _fire(self) -> None:
        self.done = True
        callback, self.callback = self.callback, None
        if callback is not None:
            callback()


Work = Generator[Slice | Wait[Any], None, None]
"""Yields `SLICE`, or a `Wait` (resumed by `next` once it is done; already done ones cost no turn)."""
