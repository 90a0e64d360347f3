"""What is known of the true time, from readings with error bounds. A synchronous core (DESIGN §4, AR §3.2).

A reading says: when the local oscillator stood at `at`, the true time lay within `bound` of `real`. From then on
the oscillator may gain or lose `drift_ppb`, and that is all that may happen: what the wall clock does between two
readings is not looked at, so that a step of it moves nothing.

    reading 1     ├────────┤
    later          ├──────────┤            the same, carried on and widened by the drift
    reading 2          ├───────┤
    known              ├──────┤            both are true, so the truth lies where they meet

Two that do not meet cannot both be true: then nothing is known until readings have agreed with each other for a
while. Earliest and latest never go back (C2); if what was handed out turns out to lie in the future, nothing more
is handed out until it does not.
"""

from typing import NamedTuple, Protocol

Ns = int
PPB = 1_000_000_000
MAX_DRIFT_PPB = PPB // 10
"""An oscillator that is worse is a defect."""
SETTLED = 3
"""Readings that must agree after two that did not."""


class Interval(NamedTuple):
    """The true time lies between, both included; nanoseconds since 1970."""

    earliest: Ns
    latest: Ns


class NoTime(Exception):
    """The true time is not known well enough: wait, and hand out no times. The text is for the operator."""


class Clock(Protocol):
    """A source of time."""

    def now(self) -> Interval:
        """Neither end ever goes back. Raises `NoTime`."""


class Reading(NamedTuple):
    """What a source said."""

    at: Ns
    """The oscillator: its origin means nothing."""
    real: Ns
    bound: Ns
    drift_ppb: int
    void_after: Ns | None = None
    """The oscillator's time after which the source does not stand by it."""
    marker: int = 0
    """Changes when the oscillator was disturbed, as by the move of a virtual machine."""


class _Held(NamedTuple):
    at: Ns
    earliest: Ns
    latest: Ns
    drift_ppb: int
    void_after: Ns | None
    marker: int

    def carried(self, at: Ns) -> tuple[Ns, Ns]:
        """The interval at a later time of the oscillator."""
        elapsed = max(at - self.at, 0)
        # The rate is a share of true time, of which only what the oscillator made of it is known.
        widening = -(-elapsed * self.drift_ppb // (PPB - self.drift_ppb))
        return self.earliest + elapsed - widening, self.latest + elapsed + widening


class IntervalClock:
    """Carries one source's readings on. `limit` is half the widest interval that is of use, in ns."""

    def __init__(self, limit: Ns) -> None:
        self.limit = limit
        self.disputes = 0
        """Readings that contradicted what was known."""
        self._held: _Held | None = None
        self._agreed = SETTLED
        self._reason = "no reading yet"
        self._never_before = Monotonic()

    def add(self, reading: Reading) -> None:
        """Take a reading; they come in the oscillator's order. Raises ValueError if it makes no sense."""
        if reading.bound < 0 or not 0 <= reading.drift_ppb <= MAX_DRIFT_PPB:
            raise ValueError(f"not a reading: {reading}")
        real, bound = reading.real, reading.bound
        new = _Held(
            reading.at, real - bound, real + bound, reading.drift_ppb, reading.void_after, reading.marker
        )
        held = self._held
        if held is None or held.marker != new.marker:
            self._held = new
            return
        earliest, latest = held.carried(new.at)
        both = max(earliest, new.earliest), min(latest, new.latest)
        if both[0] > both[1]:
            self.disputes += 1
            self._agreed = 0
            self._held = new
            return
        self._agreed += 1
        drift = max(held.drift_ppb, new.drift_ppb)
        self._held = new._replace(earliest=both[0], latest=both[1], drift_ppb=drift)

    def lose(self, reason: str) -> None:
        """The source itself says that it does not know the time: neither what is held nor how far it drifted."""
        self._held = None
        self._reason = reason

    def now(self, at: Ns) -> Interval:
        """The interval at the oscillator's time `at`. Raises `NoTime`."""
        held = self._held
        if held is None:
            raise NoTime(self._reason)
        if self._agreed < SETTLED:
            raise NoTime("readings contradict each other")
        if held.void_after is not None and at > held.void_after:
            raise NoTime("the source has been silent for too long")
        earliest, latest = held.carried(at)
        if latest - earliest > 2 * self.limit:
            raise NoTime(
                f"the error bound is {(latest - earliest) // 2000} us, above {self.limit // 1000} us"
            )
        return self._never_before.next(earliest, latest)


class Monotonic:
    """Neither end goes back (C2)."""

    def __init__(self) -> None:
        self._earliest = self._latest = 0

    def next(self, earliest: Ns, latest: Ns) -> Interval:
        """Raises `NoTime` while the last earliest lies ahead of `latest`, which is a time not to be trusted."""
        if self._earliest > latest:
            raise NoTime(f"the clock went back by {self._earliest - latest} ns at least")
        self._earliest = max(self._earliest, earliest)
        self._latest = max(self._latest, latest)
        return Interval(self._earliest, self._latest)
