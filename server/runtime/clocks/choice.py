"""Which clock a node is given."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from server.runtime.clocks import chrony, clockbound, sources
from server.runtime.clocks.interval import Clock

Source: TypeAlias = Literal["clockbound", "chrony", "constant", "shared"]
SOURCES: tuple[Source, ...] = ("clockbound", "chrony", "constant", "shared")


@dataclass(frozen=True, slots=True)
class ClockChoice:
    """A source and what it needs; milliseconds, parts per million."""

    source: Source
    limit_ms: float = sources.LIMIT_NS / 1e6
    """A bound above it is none."""
    bound_ms: float | None = None
    """`constant`: how wrong the wall clock may be at most; the operator answers for it."""
    directory: Path | None = None
    """`shared`: where all nodes of the machine find their common offset."""
    path: Path = clockbound.DEFAULT_PATH
    """`clockbound`: its segment."""
    port: int = chrony.PORT
    """`chrony`: of its command protocol on this machine."""
    drift_ppm: float = sources.DECLARED_DRIFT_PPB / 1000
    """`chrony`: what the oscillator may gain between corrections."""
    error_ms: float = 0.0
    """`constant`: what the wall clock is wrong on purpose, for `opendsql cluster` and tests; within the bound."""


def make(choice: ClockChoice) -> Clock:
    """The clock; those that poll have `start` and `stop`. Raises OSError, ValueError."""
    limit = round(choice.limit_ms * 1e6)
    if choice.source == "clockbound":
        return sources.ClockBoundClock(choice.path, limit_ns=limit)
    if choice.source == "chrony":
        drift = round(choice.drift_ppm * 1000)
        return sources.ChronyClock(port=choice.port, declared_drift_ppb=drift, limit_ns=limit)
    if choice.source == "constant":
        if choice.bound_ms is None:
            raise ValueError("a constant clock needs its bound")
        error = round(choice.error_ms * 1e6)
        return sources.ConstantClock(round(choice.bound_ms * 1e6), lambda: time.time_ns() + error)
    if choice.directory is None:
        raise ValueError("a shared clock needs the directory that its nodes share")
    return sources.SharedClock(sources.shared_offset(choice.directory))
