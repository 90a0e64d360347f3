"""Ranges follow their writers: an owner hands over what another region writes (AR §3.12; which: region.writers).

    Prepare at an owner here ──▶ counted: which region's commit, which keys
    every second             ──▶ Release of what goes to a journal that is led from there; its owner acquires it

The keys of the catalog stay: a schema change concerns all regions alike. For the event loop's thread.
"""

import logging
import time
from collections.abc import Callable, Mapping
from zlib import crc32

from adjudicator.protocol import Prepare
from server.catalog.store import is_catalog_key
from server.runtime.region.owning import Owning
from server.runtime.region.place import NUMBERS_PER_NODE, Place
from server.runtime.region.routing import Routing
from server.runtime.region.writers import PREFIX_BYTES, Leaving, Writers, sampled

log = logging.getLogger("opendsql.moving")

LOOK_S = 1.0


class Moving:
    """Of all owners in one process."""

    def __init__(self, place: Place, routing: Routing, owners: Mapping[int, Owning]) -> None:
        """`owners` by journal, whether it is owned here or not."""
        self._place = place
        self._routing = routing
        self._owners = owners
        self._regions = list(place.nodes.values())
        """By the node's number."""
        self._writers = Writers(place.region)
        self._look_at = 0.0

    def prepared(self, message: Prepare) -> None:
        """A commit is to be decided or voted on here; one that is repeated was counted."""
        if not self._place.follows_writers:
            return
        number = message.coordinator // NUMBERS_PER_NODE
        touches = message.touches
        if message.candidate.attempt > 1 or not touches or number >= len(self._regions):
            return
        if not is_catalog_key(touches[0].key):
            keys = [each.key for each in sampled(touches)]
            self._writers.wrote(keys, self._regions[number], time.monotonic_ns())

    def look(self, is_active: Callable[[str], bool]) -> None:
        """Hand over what is due, if it is time to look; `is_active`: whether a region is in service."""
        now = time.monotonic()
        if not self._place.follows_writers or now < self._look_at:
            return
        self._look_at = now + LOOK_S
        spans = self._routing.spans
        owned = [(lo, hi) for lo, hi, journal in spans if self._owners[journal].is_owner]
        for leaving in self._writers.leaving(owned, time.monotonic_ns()):
            target = self._journal_of(leaving)
            if target is not None and is_active(leaving.region):
                self._hand_over(leaving, target)

    def _hand_over(self, leaving: Leaving, target: int) -> None:
        for lo, hi, journal in self._routing.spans:
            start, end, owning = max(lo, leaving.lo), min(hi, leaving.hi), self._owners[journal]
            if start < end and owning.is_owner and owning.release(start, end, target):
                owning.handed_over += 1
                where = (start.hex(), end.hex(), journal, target, leaving.region)
                log.info("range handed over lo=%s hi=%s from=%d to=%d region=%s", *where)

    def _journal_of(self, leaving: Leaving) -> int | None:
        """One that belongs to that region and is owned there now: the same for all of a table."""
        place = self._place
        found = [
            journal
            for journal, region in sorted(place.journals.items())
            if region == leaving.region and self._region_of(journal) == region
        ]
        return found[crc32(leaving.lo[:PREFIX_BYTES]) % len(found)] if found else None

    def _region_of(self, journal: int) -> str | None:
        node = self._routing.node_of(journal, 0)
        return self._place.nodes[node] if node is not None else None
