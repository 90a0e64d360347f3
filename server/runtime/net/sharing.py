"""What all connections of a node share: who it is, its bounds, its faults, its counters, its handlers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from server.runtime.net import wire
from server.runtime.net.asking import Reply
from server.runtime.net.faults import Faults
from server.runtime.net.identity import Identity
from server.runtime.net.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Settings:
    """Bytes, counts and seconds."""

    frame_bytes: int = 12 << 20
    """A transaction's 10 MiB and what belongs to it."""
    queue_bytes: int = 64 << 20
    """Unsent, per connection."""
    questions: int = 16_384
    """Open at once, per connection."""
    ping_s: float = 0.5
    silent_pings: int = 4
    """So many in a row without a sign of life, and the connection is dead."""
    connect_s: float = 3.0
    """For TCP, TLS and the greeting, beyond three injected round trips."""
    renew_s: float = 240.0
    """A connection's life; up to a quarter more or less, by chance."""
    drain_s: float = 10.0
    """How long an old connection may wait for its last answers."""
    rest_s: float = 0.02
    rest_most_s: float = 1.0
    """Between two tries to connect: doubled each time, and up to half less, by chance."""


PostHandler = Callable[[Identity, Any], None]
AskHandler = Callable[[Identity, Any, Reply], None]


@dataclass(slots=True)
class Net:
    """What all connections of a node share."""

    me: Identity
    vocabulary: wire.Vocabulary
    faults: Faults
    settings: Settings
    broken: Callable[[BaseException], None]
    build: str = ""
    """Of OpenDSQL, which the others are told."""
    traffic: Traffic = field(default_factory=Traffic)
    known: Mapping[str, Identity] = field(default_factory=dict)
    """By id: who may connect."""
    posts: dict[type, PostHandler] = field(default_factory=dict)
    asks: dict[type, AskHandler] = field(default_factory=dict)


def backoff(settings: Settings, failures: int, chance: float) -> float:
    """Seconds before the next try, after so many failures in a row; `chance` from 0 to 1 takes up to half off."""
    rest = min(settings.rest_s * 2 ** min(failures, 30), settings.rest_most_s)
    return float(rest * (1 - chance / 2))
