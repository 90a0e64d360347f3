"""When a query processor is replaced: every few minutes, one at a time, drained first.

What is done every day works on the day when it is needed, and a process that grew old in some way ends early.

    old enough ──▶ START a successor ──it takes sessions──▶ DRAIN the old one ──no session left──▶ END it
                     └─ it does not start                     └─ some stay too long ─▶ PUT OFF: it goes on
"""

from collections.abc import Callable, Sequence, Sized
from enum import Enum, auto
from typing import Generic, NamedTuple, Protocol, TypeVar

from server.runtime.router.settings import JITTER, Settings


class Renewable(Protocol):
    """A processor."""

    renew_at: float
    """When it is to be replaced."""

    @property
    def sessions(self) -> Sized: ...

    @property
    def is_ready(self) -> bool: ...

    @property
    def is_leaving(self) -> bool: ...


P = TypeVar("P", bound=Renewable)


class Act(Enum):
    """What is to be done with a processor that is to be replaced."""

    START = auto()
    DRAIN = auto()
    END = auto()
    PUT_OFF = auto()


class Step(NamedTuple, Generic[P]):
    """See `Act`; `processor` is the old one."""

    act: Act
    processor: P


class Renewal(Generic[P]):
    """See the module's text. Times are seconds of one monotonic clock."""

    def __init__(self, settings: Settings, chance: Callable[[], float]) -> None:
        """`chance`: from 0 to 1, evenly."""
        self._settings = settings
        self._chance = chance
        self.old: P | None = None
        """The one that is being replaced."""
        self.successor: P | None = None
        """The one that was started for it: whoever performs START says which."""
        self.is_draining = False
        self._until = 0.0

    def due(self, now: float) -> float:
        """When a processor that starts now is to be replaced."""
        return now + self._settings.renew_s * (1 + JITTER * (2 * self._chance() - 1))

    def step(self, now: float, processors: Sequence[P]) -> Step[P] | None:
        """What is to be done now with one of `processors`, which are those that run; None: nothing."""
        if self.old is not None and (self.old not in processors or self.old.is_leaving):
            self.old = self.successor = None
            self.is_draining = False
        if self.old is None:
            return self._begin(now, processors)
        if not self.old.sessions:
            return self._end(Act.END)
        if self.is_draining:
            return self._end(Act.PUT_OFF) if now > self._until else None
        if self.successor is None or self.successor not in processors:
            return self._end(Act.PUT_OFF)
        return self._drain(now) if self.successor.is_ready else None

    def _begin(self, now: float, processors: Sequence[P]) -> Step[P] | None:
        due = [each for each in processors if each.is_ready and not each.is_leaving and each.renew_at <= now]
        if not due:
            return None
        old = min(due, key=lambda each: each.renew_at)
        others = [each for each in processors if each is not old and not each.is_leaving]
        has_successor = len(others) >= self._settings.processors  # the last one's renewal was put off
        if old.sessions and has_successor and not all(each.is_ready for each in others):
            return None
        self.old = old
        if not old.sessions:
            return self._end(Act.END)
        return self._drain(now) if has_successor else Step(Act.START, old)

    def _drain(self, now: float) -> Step[P]:
        assert self.old is not None
        self.is_draining = True
        self._until = now + self._settings.drain_s
        return Step(Act.DRAIN, self.old)

    def _end(self, act: Act) -> Step[P]:
        assert self.old is not None
        old, self.old, self.successor = self.old, None, None
        self.is_draining = False
        return Step(act, old)
