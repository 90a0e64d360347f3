"""Which regions live: one value in the store that all three regions share, changed by compare-and-set (AR §3.18).

Problem. When the link between the two regions fails and both still reach the witness, each may believe that it is
the one to go on. Elections of single journals could then end half here and half there.

Rule. One value {epoch, active regions}. A region serves only while it is in the value and has had that confirmed,
by a write that a majority took, within `confirmed`. One that has not heard of the other for `silence` proposes the
value without it; the first proposal wins, and the other region learns that it is out, or learns nothing and stops
by itself. So the side that reaches the witness goes on, and never both alone.

    us-east-1   confirmed ─── hears nothing of us-west-2 ─── proposes {2, [us-east-1]}, serves on, takes journals over
    us-west-2   cut off: not confirmed ─── answers 57P03 ─── ... healed: out of the value; reads on until complete,
                proposes {3, both}, serves

Safety does not hang on it: a region that is cut off misses the other journal's closed times, so it becomes complete
for no new time, and its appends find no quorum or a claim (AR §3.18). The value makes it fail fast, and makes one
side take the journals over.

A region that is out does not wait for one that is dead. The first proposal may have won in the moment before its own
region failed; so each sees in the store whether the others still confirm. Where all that are in the value do so no
longer, and are not heard, one that is out proposes itself alone.

An eviction is not proposed sooner than `settled` after the last change of the value, so that a bad link does not
make the regions throw each other out in turns.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

Seconds = float
"""Of a monotonic clock."""


class Value(msgspec.Struct, frozen=True, array_like=True):
    """What is stored."""

    epoch: int
    active: tuple[str, ...]
    """In the order of the topology."""


class Confirmed(NamedTuple):
    """What a confirmation found: the value in force (None: none yet), and the last sign of life of other regions."""

    value: Value | None
    signs: Mapping[str, bytes]


class Timing(NamedTuple):
    """Seconds."""

    confirmed: Seconds = 2.0
    """A region that was not confirmed for so long answers nobody."""
    silence: Seconds = 1.0
    """The other region is taken for lost."""
    settled: Seconds = 2.0
    """Between two changes that throw a region out."""
    returning: Seconds = 0.5
    """A region that was out is heard of for so long before it is back."""


def timing_for(silence: Seconds) -> Timing:
    """The rest in proportion: a region must have stopped by itself about when the other one goes on without it."""
    return Timing(confirmed=2 * silence, silence=silence, settled=2 * silence)


class Membership:
    """One region's view. Synchronous; `now` of a monotonic clock comes in."""

    def __init__(self, me: str, active: tuple[str, ...], timing: Timing | None = None) -> None:
        """`active`: the regions that are no witness, in the order of the topology; `me` is one of them."""
        self.me = me
        self.regions = active
        self.timing = timing if timing is not None else Timing()
        self.value: Value | None = None
        """The newest value that was read."""
        self._confirmed_at: Seconds | None = None
        self._changed_at: Seconds = 0.0
        self._heard_at: dict[str, Seconds] = {}
        self._heard_since: dict[str, Seconds] = {}
        self._began_at: Seconds | None = None
        self._signs: dict[str, tuple[bytes, Seconds]] = {}
        """Region -> its last sign of life in the store, and when it was first seen."""

    # --- what comes in

    def confirmed(self, value: Value | None, asked_at: Seconds, signs: Mapping[str, bytes]) -> None:
        """A majority has answered a write that was sent at `asked_at`, with what `Confirmed` says."""
        if self._began_at is None:
            self._began_at = asked_at
        if value is not None and (self.value is None or value.epoch > self.value.epoch):
            self.value = value
            self._changed_at = asked_at
        self._confirmed_at = asked_at
        for region, sign in signs.items():
            if region not in self._signs or self._signs[region][0] != sign:
                self._signs[region] = sign, asked_at

    def heard(self, region: str, now: Seconds) -> None:
        """Something came from that region."""
        if now - self._heard_at.get(region, -1e9) > self.timing.silence:
            self._heard_since[region] = now
        self._heard_at[region] = now

    # --- what follows

    def is_active(self, region: str) -> bool:
        """Whether the region is in the newest value."""
        return self.value is not None and region in self.value.active

    def refusal(self, now: Seconds) -> str | None:
        """Why this region may not answer, or None: it may."""
        if not self._is_confirmed(now):
            return f"region {self.me} has lost the majority of the regions"
        if not self.is_active(self.me):
            return f"region {self.me} was taken out of service and is catching up"
        return None

    def owner_of(self, preferred: str) -> str | None:
        """The region that leads a journal which is led from `preferred` when that one is active."""
        if self.value is None or not self.value.active:
            return None
        return preferred if preferred in self.value.active else self.value.active[0]

    def proposal(self, now: Seconds, is_complete: bool) -> Value | None:
        """The value to put in place of the present one, if it still is; None: it is right.

        `is_complete`: storage here has read everything that was readable a moment ago.
        """
        if not self._is_confirmed(now):
            return None
        value = self.value
        if value is None:
            return Value(1, self.regions)
        if self.me not in value.active:
            if all(self._is_dead(region, now) for region in value.active):
                return Value(value.epoch + 1, (self.me,))
            return self._return(value, now) if is_complete else None
        lost = tuple(region for region in value.active if region != self.me and self._is_lost(region, now))
        if lost and now - self._changed_at >= self.timing.settled:
            return Value(value.epoch + 1, tuple(region for region in value.active if region not in lost))
        return None

    # --- the rules

    def _return(self, value: Value, now: Seconds) -> Value | None:
        """A region comes back when those that serve have been heard for a while, or when nobody serves."""
        for region in value.active:
            since = self._heard_since.get(region)
            if since is None or self._is_lost(region, now) or now - since < self.timing.returning:
                return None
        back = (*value.active, self.me)
        return Value(value.epoch + 1, tuple(region for region in self.regions if region in back))

    def _is_confirmed(self, now: Seconds) -> bool:
        """Counted from when the write was sent: what the majority said may be as old."""
        return self._confirmed_at is not None and now - self._confirmed_at < self.timing.confirmed

    def _is_dead(self, region: str, now: Seconds) -> bool:
        """It is not heard, and has confirmed nothing for so long that it answers nobody."""
        sign = self._signs.get(region)
        patience = self.timing.confirmed + self.timing.silence
        return sign is not None and now - sign[1] > patience and self._is_lost(region, now)

    def _is_lost(self, region: str, now: Seconds) -> bool:
        """Nothing was heard of it; at the beginning it gets a little longer to start."""
        heard = self._heard_at.get(region)
        if heard is None:
            began = self._began_at if self._began_at is not None else now
            return now - began > 5 * self.timing.silence
        return now - heard > self.timing.silence
