"""A question to another node, from both ends: what the asker waits for, and how the answer gets back."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from server.runtime.net.traffic import Loss
from server.session.work import Wait


class Failure(Exception):
    """What became of a question that has no answer. Except for `Lost`, the peer may have acted on it."""


class Lost(Failure):
    """It did not leave."""

    def __init__(self, loss: Loss) -> None:
        super().__init__(loss.value)
        self.loss = loss


class Expired(Failure):
    """No answer came in time."""


class Ended(Failure):
    """The connection ended before the answer."""


class Refused(Failure):
    """The peer says why it gives none."""


class Asking(Protocol):
    """The connection that carried a question."""

    def forget(self, question: "Question") -> None: ...


class Answering(Protocol):
    """The connection that brought a question."""

    def reply(self, number: int, message: Any) -> Loss | None: ...

    def refuse(self, number: int, reason: str) -> None: ...


class Question(Wait[Any]):
    """What was asked: fires with the answer, or fails with a `Failure`."""

    __slots__ = ("_link", "_timer", "number")

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self._link: Asking | None = None
        self._timer: asyncio.TimerHandle | None = None

    def withdraw(self) -> None:
        """The answer is not wanted any more; the peer is told."""
        link = self._link
        if link is not None:
            self.settle()
            link.forget(self)
        self.abandon()

    def begin(self, link: "Asking", number: int, timer: asyncio.TimerHandle) -> None:
        """It was sent."""
        self._link, self.number, self._timer = link, number, timer

    def settle(self) -> None:
        """No more is to be expected of the connection."""
        if self._timer is not None:
            self._timer.cancel()
        self._link = self._timer = None


class Reply:
    """The way back to whoever asked; `deadline` is the loop's time after which nobody waits."""

    __slots__ = ("_link", "_number", "deadline", "is_withdrawn", "withdrawn")

    def __init__(self, link: "Answering", number: int, deadline: float) -> None:
        self._link = link
        self._number = number
        self.deadline = deadline
        self.is_withdrawn = False
        """Whether the answer would be in vain."""
        self.withdrawn: Callable[[], None] | None = None
        """Called when it becomes so."""

    def answer(self, message: Any) -> Loss | None:
        """Once; why it will not arrive, if that is known. In vain when withdrawn."""
        return self._link.reply(self._number, message)

    def refuse(self, reason: str) -> None:
        """Instead of an answer."""
        self._link.refuse(self._number, reason)

    def withdraw(self) -> None:
        """Nobody waits any more."""
        self.is_withdrawn = True
        told, self.withdrawn = self.withdrawn, None
        if told is not None:
            told()
