"""How many query processors a router has, and when sessions and processors leave: seconds, counts and bytes."""

from dataclasses import dataclass

JITTER = 0.25
"""Processes that began together are not replaced together."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one router."""

    processors: int = 1
    """At most so many at a time, and one more while another one is replaced."""
    idle_s: float = 1.0
    """A session without input for so long is suspended."""
    retire_s: float = 5.0
    """A processor without sessions for so long ends."""
    renew_s: float = 300.0
    """A processor older than that, give or take `JITTER` of it, is replaced."""
    drain_s: float = 60.0
    """A processor whose sessions do not leave for so long goes on, and is replaced another time."""
    full: int = 64
    """Sessions at every processor from which on another one is started."""
    kept_bytes: int = 1 << 30
    """States and bases of all sessions. Beyond it sessions stay where they are, and have no base."""
    start_s: float = 60.0
    """A processor that takes longer to start is given up."""
