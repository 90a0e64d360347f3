"""The owners of journals in one process, and how what they say reaches the others (DESIGN §3, §6).

    Prepare, Vote, Outcome, Ask ──▶ received ──▶ Owning of that journal and epoch
    its effects ──▶ the owner of another journal: here, or at the node that announced last as its owner
                ──▶ the query processor: the node whose number the commit has
                ──▶ every node: closed times, records

A region's node has them, and so has an adjudicator, which has nothing else (server.runtime.adjudicator_node). Who of a
region is to own a journal is decided elsewhere (server.runtime.region.assigning); here it is only asked.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from adjudicator.protocol import Prepare, ToCoordinator, ToOwner
from journal.crossbar import Announcement
from journal.record import Timestamp
from server.runtime.region import wire
from server.runtime.region.carrier import Carrier
from server.runtime.region.lead import lead_of
from server.runtime.region.moving import Moving
from server.runtime.region.owning import TICK_S, Kept, Owning
from server.runtime.region.place import NUMBERS_PER_NODE, Place, settings_for
from server.runtime.region.routing import Routing
from server.runtime.region.tails import Tails

RETRY_S = 0.1


class Owners:
    """One `Owning` per journal, whether it is owned here or not. A `Sending`. For the event loop's thread."""

    def __init__(
        self,
        place: Place,
        carriers: Mapping[int, Carrier],
        tails: Tails,
        routing: Routing,
        post: Callable[[str, object], object],
        *,
        kept: Callable[[], Kept],
        earliest: Callable[[], Timestamp],
        answered: Callable[[wire.Answered], None],
        closed: Callable[[Announcement], None],
        broken: Callable[[BaseException], None],
    ) -> None:
        """`post(node, message)` sends to another node, perhaps in vain; `answered` gets the answers to this node's own
        commits, `closed` what owners here announce."""
        self._place = place
        self._routing = routing
        self._post = post
        self._earliest = earliest
        self._answered = answered
        self._closed = closed
        self.by_journal = {
            journal: Owning(
                journal,
                place.node,
                carrier,
                tails,
                self,
                settings=settings_for(place),
                initial=[(lo, hi) for lo, hi, owner in place.initial if owner == journal],
                kept=kept,
                earliest=earliest,
                broken=broken,
            )
            for journal, carrier in carriers.items()
        }
        self.moving = Moving(place, routing, self.by_journal)

    @property
    def owned(self) -> list[int]:
        """The journals whose owner is here."""
        return [journal for journal, owning in self.by_journal.items() if owning.is_owner]

    async def own(self, journal: int, is_wanted: Callable[[int], bool]) -> None:
        """Claim the journal whenever that is wanted and it is not owned here. Ends by being cancelled."""
        while True:
            if is_wanted(journal):
                await self.by_journal[journal].run(partial(is_wanted, journal))
            await asyncio.sleep(RETRY_S)

    def set_leads(self, told: Iterable[Mapping[int, int]]) -> None:
        """As far ahead as appends and deliveries take (AR §3.3); `told` by the nodes in service: journal -> ns."""
        told = list(told)
        for journal, owning in self.by_journal.items():
            append = owning.append_times.p75(time.monotonic_ns())
            if owning.is_owner and append:
                deliveries = [each.get(journal, 0) for each in told]
                owning.set_lead(lead_of(append, deliveries, int(TICK_S * 1e9), owning.most_lead))

    def received(self, effect: ToOwner) -> None:
        """A message for an owner here."""
        owning = self.by_journal[effect.journal]
        if isinstance(effect.message, Prepare):
            self.moving.prepared(effect.message)
        if owning.core is not None and effect.epoch in (0, owning.core.epoch):
            owning.receive(effect.message)

    # --- what the cores want sent

    def to_owner(self, effect: ToOwner) -> None:
        """To wherever that owner is; lost when nobody knows."""
        node = self._routing.node_of(effect.journal, effect.epoch)
        if node == self._place.node:
            asyncio.get_running_loop().call_soon(self.received, effect)
        elif node is not None:
            self._post(node, wire.to_owner(effect))

    def to_coordinator(self, effect: ToCoordinator) -> None:
        """To the node whose number it is."""
        number = effect.coordinator // NUMBERS_PER_NODE
        message = wire.answered(effect)
        if number == self._place.number:
            asyncio.get_running_loop().call_soon(partial(self._answered, message))
            return
        names = list(self._place.nodes)
        if number < len(names):
            self._post(names[number], message)

    def announce(self, announcement: Announcement) -> None:
        """To everybody."""
        self._closed(announcement)
        self.post_all(wire.Closed(announcement, self._earliest()))

    def recorded(self, journal: int, data: bytes) -> None:
        """To everybody else: what an owner here knows to be durable."""
        self.post_all(wire.Recorded(journal, data))

    def post_all(self, message: object) -> None:
        """To every other node."""
        for node in self._place.nodes:
            if node != self._place.node:
                self._post(node, message)
