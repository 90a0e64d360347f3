"""How a region's node has its journals owned: by itself, or by its adjudicators, which it tells what to own (AR §3.5).

    every 0.2 s    node ── lease: journals, regions in service, from where to rebuild ──▶ each adjudicator
                   node ◀── owns: journals ────────────────────────────────────────────── each adjudicator

A lease says what to claim; it does not end what is owned: that does the next owner's claim. An adjudicator that hears
nothing goes on owning and claims nothing anew (server.runtime.adjudicator_node). So while a region's node is started
again its commits go on, and nothing is owned by a region that was taken out of service for long: the other one claims.
"""

import time
from collections.abc import Callable

from server.runtime.region import wire
from server.runtime.region.assigning import Assigning, waits_for
from server.runtime.region.membership import Membership
from server.runtime.region.owning import Kept
from server.runtime.region.place import Place

ALIVE_S = 0.2
"""Between two signs of life, and two leases."""


class Leasing:
    """Of a region's node. For the event loop's thread."""

    def __init__(
        self,
        place: Place,
        membership: Membership,
        post: Callable[[str, object], object],
        *,
        owned: Callable[[], list[int]],
        kept: Callable[[], Kept],
    ) -> None:
        """`owned` by this process; `kept`: from where owners rebuild."""
        self._place = place
        self._membership = membership
        self._post = post
        self._owned = owned
        self._kept = kept
        self._adjudicators = place.adjudicators
        self._told: dict[str, frozenset[int]] = {}
        """By adjudicator: what it owns."""
        self.assigning = Assigning(
            place.node,
            place.adjudicators,
            place.preference(),
            may_own=place.has("adjudicator"),
            waits=waits_for(membership.timing.silence),
        )

    def heard(self, node: str) -> None:
        """Something came from that node."""
        if node in self._adjudicators:
            self.assigning.heard(node, time.monotonic())

    def told(self, node: str, message: wire.Owns) -> None:
        """What an adjudicator of this region owns."""
        if node in self._adjudicators:
            self._told[node] = frozenset(message.journals)
            self.heard(node)

    def is_mine(self, journal: int) -> bool:
        """Whether this process is to own the journal."""
        self._assign()
        return self.assigning.holder(journal) == self._place.node

    def leads(self, journal: int) -> bool:
        """Whether a process of this region owns the journal, as far as is known."""
        now = time.monotonic()
        return journal in self._owned() or any(
            journal in owned for node, owned in self._told.items() if self.assigning.is_heard(node, now)
        )

    def renew(self) -> None:
        """Tell every adjudicator of this region what is its."""
        if not self._adjudicators:
            return
        self._assign()
        value, kept = self._membership.value, self._kept()
        active = value.active if value is not None else ()
        for node in self._adjudicators:
            journals = tuple(self.assigning.held_by(node))
            self._post(node, wire.Lease(journals, active, kept.base, kept.mark))

    def _assign(self) -> None:
        now = time.monotonic()
        led: list[int] = []
        if self._membership.refusal(now) is None:
            led = [
                journal
                for journal, preferred in self._place.journals.items()
                if self._membership.owner_of(preferred) == self._place.region
            ]
        self.assigning.assign(led, now)
