"""An adjudicator: owns the journals that its region's node tells it to, and follows all of them; stores nothing.

    region's node ── lease ──▶ claim what is named (server.runtime.region.owning), rebuild from the mark that it tells
                  ◀── owns ─── several times a second
    any node      ── prepare, vote, outcome, ask ──▶ the owner here ── answers, closed times, records ──▶ every node

It has no state of its own: a process that is killed and started again claims what it is told to, and rebuilds. If it is
not, the region's node gives its journals to another process.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial

from adjudicator.protocol import ToOwner
from journal.crossbar import Announcement
from journal.record import Timestamp
from server.runtime.adjudicator_node.leased import Leased
from server.runtime.region import wire
from server.runtime.region.carrier import Carrier
from server.runtime.region.leasing import ALIVE_S
from server.runtime.region.owners import Owners
from server.runtime.region.place import Place
from server.runtime.region.routing import Routing
from server.runtime.region.tails import Tails
from server.runtime.waiting import telling


class AdjudicatorNode:
    """See the module's text. For the event loop's thread."""

    def __init__(
        self,
        place: Place,
        carriers: Mapping[int, Carrier],
        post: Callable[[str, object], object],
        *,
        earliest: Callable[[], Timestamp],
        broken: Callable[[BaseException], None],
        lease_s: float = 1.0,
    ) -> None:
        """`post(node, message)` sends to another node, perhaps in vain; `earliest`: the early edge of the clock, ns;
        a lease lasts for `lease_s`."""
        self.place = place
        self.broken = broken
        self._post = post
        self.routing = Routing(place.initial)
        self.tails = Tails(carriers, self.routing.see, {}, broken)
        self.leased = Leased(list(place.journals), lease_s)
        self._owners = Owners(
            place,
            carriers,
            self.tails,
            self.routing,
            post,
            kept=self.leased.kept,
            earliest=earliest,
            answered=lambda _message: None,
            closed=partial(self.closed, place.node),
            broken=broken,
        )
        self.owners = self._owners.by_journal
        self._reported: dict[str, dict[int, int]] = {}
        """By node: how long closed times take until they count there."""
        self._tasks: list[asyncio.Task[None]] = []

    # --- start and end

    async def start(self) -> None:
        """Begin to read, and to own what is told."""
        self.tails.start()
        loop = asyncio.get_running_loop()
        loops = [self._live(), *(self._owners.own(journal, self._is_wanted) for journal in self.owners)]
        self._tasks = [loop.create_task(each) for each in loops]
        for task in self._tasks:
            task.add_done_callback(telling(self.broken))

    async def stop(self) -> None:
        """End what runs here; the journals go on with another owner."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.tails.stop()

    def _is_wanted(self, journal: int) -> bool:
        return self.leased.is_wanted(journal, time.monotonic())

    async def _live(self) -> None:
        while True:
            self._post(self.place.head, wire.Owns(tuple(self._owners.owned)))
            nodes = self.place.nodes
            self._owners.set_leads(
                told for node, told in self._reported.items() if self.leased.is_active(nodes[node])
            )
            self._owners.moving.look(self.leased.is_active)
            await asyncio.sleep(ALIVE_S)

    # --- what other nodes say

    def received(self, effect: ToOwner) -> None:
        """A message for an owner here."""
        self._owners.received(effect)

    def lease(self, source: str, message: wire.Lease) -> None:
        """What to own; only the node that speaks for this region says so."""
        if source == self.place.head:
            self.leased.granted(message, time.monotonic())

    def alive(self, source: str, message: wire.Alive) -> None:
        """A node that storage and sessions depend on lives."""
        self._reported[source] = message.deliveries

    def closed(self, node: str, announcement: Announcement) -> None:
        """A closed time of the owner at that node."""
        self.routing.announced(node, announcement)
        self.tails.announce(announcement)

    def told(self, message: wire.Recorded) -> None:
        """A record, from its owner's node."""
        self.tails.told(message.journal, message.data)

    def checkpoint(self, source: str, message: wire.CheckpointWanted) -> None:
        """The region's node wants the journal trimmed; nothing when its owner is not here."""
        if source == self.place.head and message.journal in self.owners:
            self.owners[message.journal].checkpoint()

    def release(self, message: wire.ReleaseWanted) -> wire.Released:
        """Hand a range to another journal; the answer says whether that is under way."""
        owning = self.owners.get(message.journal)
        is_begun = message.to in self.owners and owning is not None
        return wire.Released(
            is_begun and owning is not None and owning.release(message.lo, message.hi, message.to)
        )
