"""Distance and damage between regions, made on purpose: round-trip times and cuts (DESIGN §9).

A node delays and drops what it sends itself, so every node of a cluster is told the same. Half of a round trip
lies on each direction; the order of a connection's messages is kept, also when the time changes. A cut loses
messages without a word, those on their way too, and lets no new connection come up. A cut of one direction soon
silences the other one, as with TCP: what is never answered is dead.
"""

from typing import TypeAlias

import msgspec


class SetRoundTrip(msgspec.Struct, frozen=True, tag="rtt", forbid_unknown_fields=True):
    """From now on a round trip between two regions takes `ms` milliseconds longer than the network itself."""

    a: str
    b: str
    ms: float


class Cut(msgspec.Struct, frozen=True, tag="cut", forbid_unknown_fields=True):
    """Nothing gets from `a` to `b` any more (None: to any other region), nor back unless `one_way`."""

    a: str
    b: str | None = None
    one_way: bool = False


class Heal(msgspec.Struct, frozen=True, tag="heal", forbid_unknown_fields=True):
    """No cut between `a` and `b` in any direction; None stands for every region."""

    a: str | None = None
    b: str | None = None


Change: TypeAlias = SetRoundTrip | Cut | Heal

MAX_MS = 60_000.0


class BadChange(ValueError):
    """The change names a region that there is not, or a time that cannot be."""


class Faults:
    """What one node does to its messages. A synchronous core."""

    def __init__(self, regions: tuple[str, ...]) -> None:
        self._regions = regions
        self._one_way_s: dict[tuple[str, str], float] = {}
        self._cut: set[tuple[str, str]] = set()

    def delay_s(self, source: str, target: str) -> float:
        """How long a message stays on its way, in seconds."""
        return self._one_way_s.get((source, target), 0.0)

    def is_cut(self, source: str, target: str) -> bool:
        """Whether messages from `source` to `target` are lost."""
        return (source, target) in self._cut

    def may_connect(self, a: str, b: str) -> bool:
        """Whether a new connection can come up: both directions are needed."""
        return (a, b) not in self._cut and (b, a) not in self._cut

    def apply(self, change: Change) -> None:
        """Raises `BadChange`."""
        for region in (change.a, change.b):
            if region is not None and region not in self._regions:
                raise BadChange(f"there is no region {region}")
        if isinstance(change, SetRoundTrip):
            self._set_round_trip(change)
        elif isinstance(change, Cut):
            for other in self._regions if change.b is None else (change.b,):
                if other != change.a:
                    self._cut.add((change.a, other))
                    if not change.one_way:
                        self._cut.add((other, change.a))
        else:
            self._cut = {pair for pair in self._cut if not _concerns(change, pair)}

    def cuts(self) -> list[tuple[str, str]]:
        """The directions that are cut: (from, to), in order."""
        return sorted(self._cut)

    def round_trips_ms(self) -> dict[tuple[str, str], float]:
        """By pair of regions, in both orders."""
        return {pair: 2000.0 * seconds for pair, seconds in self._one_way_s.items()}

    def _set_round_trip(self, change: SetRoundTrip) -> None:
        if not 0.0 <= change.ms <= MAX_MS:
            raise BadChange(f"a round trip takes 0 to {MAX_MS:.0f} ms")
        for pair in ((change.a, change.b), (change.b, change.a)):
            self._one_way_s[pair] = change.ms / 2000.0


def _concerns(change: Heal, pair: tuple[str, str]) -> bool:
    if change.a is None or change.b is None:
        region = change.a or change.b
        return region is None or region in pair
    return set(pair) == {change.a, change.b}
