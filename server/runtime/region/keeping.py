"""What a region keeps of its journals, and what may go (J7, DESIGN §7).

    every few seconds   measure the journals' room
                        due? cut a snapshot: two are kept; what lies behind the older one's mark nobody needs here
                        tell every node that mark
    for a journal       all nodes in service told theirs? checkpoint, trim up to the least of them, compact
    that is led here

A region that is out of service is not waited for: when it returns and what it needs was trimmed, it loads a snapshot of
the other region (server.runtime.region.restoring). A journal of which three quarters of the quota are used takes no new
transactions: 53100, before etcd would refuse the records that are decided already (server.runtime.region.admission).
While there is such a journal everything here hurries.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from journal.crossbar import Crossbar, Mark
from journal.journal import Entry
from journal.record import Position, Timestamp
from journal.snapshot import KEPT, Snapshot, SnapshotDamaged
from journal.trimming import Trimming
from server.runtime.region import snapshots
from server.runtime.region.admission import Admission
from server.runtime.region.carrier import Carrier, Room, Unreachable
from server.runtime.region.following import Following
from server.runtime.region.owning import Kept
from server.runtime.snapshots import write_in_slices

log = logging.getLogger("opendsql.keeping")

EVERY_PART = 8
RELIEVE_REST = 20
NOTHING = Mark((), (0, 0, 0, 0), ())
"""Of a node that needs everything."""


@dataclass(frozen=True, slots=True)
class KeepingSettings:
    """When a snapshot is due, and how often is looked."""

    every_bytes: int = 64 << 20
    """Used in the journals since the last one; an eighth of a quota if that is less."""
    every_s: float = 600.0
    """If anything was committed since."""
    tight_s: float = 30.0
    """If a journal is half full."""
    hurry_s: float = 2.0
    """If transactions are refused for want of room; rest between two snapshots, and the most between two looks."""
    relieve_s: float = 10.0
    """Between two tries to give freed space back, and never less than `RELIEVE_REST` times what the last one took."""
    tick_s: float = 5.0
    least_tick_s: float = 0.25
    """If there is reason to look earlier."""


class Keeping:
    """One per node. For the event loop's thread."""

    def __init__(
        self,
        directory: Path,
        journals: list[int],
        following: Following,
        carriers: Mapping[int, Carrier],
        *,
        leads: Callable[[int], bool],
        checkpoint: Callable[[int], None],
        nodes: int = 1,
        largest: int = 10 << 20,
        others: Callable[[], list[str]],
        tell: Callable[[Mark], None],
        clock: Callable[[], Timestamp],
        settings: KeepingSettings | None = None,
    ) -> None:
        """`leads`: whether a journal's owner is in this region, which restates at `checkpoint`. So many `nodes` take
        transactions, of at most `largest` bytes; `others` are those in service beside this one; `tell` sends to every
        node, perhaps in vain."""
        self.settings = settings or KeepingSettings()
        self.rooms: dict[int, Room] = {}
        self.admission = Admission(nodes, largest, self._look_soon)
        self.first: dict[int, Position] = {}
        """Per journal the oldest position kept, as far as is known."""
        self.cut = 0
        """Snapshots cut by this process."""
        self.last_error = ""
        self.rounds = 0
        self.trimmed = 0
        """Records that this process let go."""
        self.relieved = 0
        """How often this process had the members give freed space back."""
        self._directory = directory
        self._journals = journals
        self._following = following
        self._carriers = carriers
        self._leads = leads
        self._checkpoint = checkpoint
        self._others = others
        self._tell = tell
        self._clock = clock
        self._trimming = Trimming()
        self._needs: dict[str, Mark] = {}
        self._found = snapshots.listed(directory)
        self._cut_at = time.monotonic()
        self._cut_ts: Timestamp = self._found[0].place.complete if self._found else 0
        self._used_then: int | None = None
        self._relieve_at = -math.inf
        self._soon = asyncio.Event()
        self._wants_room = False
        """Transactions were refused since the last look."""
        self._is_cutting = False

    # --- what others ask

    @property
    def needed(self) -> Mark:
        """What lies behind it is needed by nobody of this node."""
        return self._found[-1].place.mark if len(self._found) == KEPT else NOTHING

    @property
    def newest(self) -> snapshots.Found | None:
        """For a region that lost what it had."""
        return self._found[0] if self._found else None

    def kept(self) -> Kept:
        """From where an owner learns what was committed: bounded work, whatever the journals hold."""
        if not self._found:
            return Kept(Crossbar(self._journals), 0, None)
        place = self._found[-1].place
        return Kept(Crossbar([], place.mark), place.complete, place.mark)

    def see(self, journal: int, entries: list[Entry]) -> None:
        """Records of `journal`, each once and in order."""
        for entry in entries:
            self._trimming.see(journal, entry)

    def heard(self, node: str, mark: Mark) -> None:
        """What that node needs."""
        self._needs[node] = mark

    # --- the loop

    async def run(self) -> None:
        """May be cancelled at any moment; a snapshot that is being written is given up."""
        settings = self.settings
        while True:
            await self.step()
            tick_s = min(settings.tick_s, settings.hurry_s) if self._is_hurried else settings.tick_s
            await asyncio.sleep(min(settings.least_tick_s, tick_s))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._soon.wait(), max(0.0, tick_s - settings.least_tick_s))

    async def step(self) -> None:
        """One round."""
        self.rounds += 1
        try:
            await self._measure()
            if self._is_due():
                await self.cut_snapshot()
            self._tell(self.needed)
            for journal in self._journals:
                await self._trim(journal)
        except Unreachable as error:
            log.info("journals are not looked after error=%s", error)

    def _look_soon(self) -> None:
        self._soon.set()

    @property
    def _is_hurried(self) -> bool:
        return bool(self.admission.full) or self._wants_room

    async def _measure(self) -> None:
        self._soon.clear()
        self._wants_room = self.admission.has_refused
        self.admission.measuring()
        for journal, carrier in self._carriers.items():
            self.rooms[journal] = await carrier.measure()
            first = (await carrier.anchor()).position + 1
            self.first[journal] = first
            self._trimming.trimmed(journal, first)
        self.admission.measured(self.rooms)
        self._used_then = self._used if self._used_then is None else min(self._used_then, self._used)

    @property
    def _used(self) -> int:
        return sum(room.in_use for room in self.rooms.values())

    def _is_due(self) -> bool:
        settings, waited_s = self.settings, time.monotonic() - self._cut_at
        every_bytes = min(settings.every_bytes, *(room.quota // EVERY_PART for room in self.rooms.values()))
        if self._used - (self._used_then or 0) >= every_bytes:
            return True
        if self._is_hurried and waited_s >= settings.hurry_s:
            return True
        if waited_s >= settings.tight_s and any(room.is_tight for room in self.rooms.values()):
            return True
        return waited_s >= settings.every_s and self._following.replica.applied_ts > self._cut_ts

    async def cut_snapshot(self) -> Snapshot | None:
        """What was written; nothing while a range is on its way, or without space: `last_error`."""
        following = self._following
        mark = following.mark
        if self._is_cutting:
            self.last_error = "one is being written"
            return None
        if mark is None or not self._trimming.may_rebuild_from(mark):
            self.last_error = "a range is on its way, or nothing was applied yet"
            return None
        place = snapshots.Place(following.shard.complete, mark)
        self._is_cutting = True
        try:
            writer, items = snapshots.begin(self._directory, following.replica, place, self._clock())
            try:
                await write_in_slices(writer, items, following.replica.release)
                written = await asyncio.to_thread(writer.finish)
            except BaseException:
                writer.abandon()
                raise
            self._found = await asyncio.to_thread(snapshots.prune, self._directory)
        except (OSError, SnapshotDamaged) as error:
            self.last_error = str(error)
            log.error("no snapshot reason=%s", error)
            return None
        finally:
            self._is_cutting = False
            self._cut_at = time.monotonic()
        self.last_error = ""
        self.cut += 1
        self._cut_ts = place.complete
        self._used_then = self._used
        log.info("snapshot complete=%d rows=%d bytes=%d", place.complete, written.items, written.size)
        return written

    async def _trim(self, journal: int) -> None:
        carrier, trimming = self._carriers[journal], self._trimming
        if not self._leads(journal):
            return
        marks = [self.needed, *(self._needs.get(node, NOTHING) for node in self._others())]
        goal = min(dict(mark.positions).get(journal, 0) for mark in marks)
        first = self.first[journal]
        if goal >= first and trimming.restated(journal) <= goal:
            self._checkpoint(journal)  # seen once it is durable: the next round trims
        upto = trimming.upto(journal, marks)
        before = first
        while first <= upto:
            reached = await carrier.trim(upto)
            if reached <= first:
                break
            self.trimmed += reached - first
            first = self.first[journal] = reached
            await asyncio.sleep(0)
        if first > before:
            trimming.trimmed(journal, first)
            await carrier.compact()
            log.info("journal trimmed journal=%d first=%d", journal, first)
        await self._relieve(journal)

    async def _relieve(self, journal: int) -> None:
        """Freed pages count against etcd's quota until they are given back, which stops a member for a moment.

        So it is done where transactions are refused, and if it helps. A journal that is full takes none anyway: then
        also while a member is missing, though the others have no majority for that moment.
        """
        room = self.rooms[journal]
        begun = time.monotonic()
        helps = room.in_use * 2 < room.quota and room.size - room.in_use > room.quota // EVERY_PART
        if begun < self._relieve_at or not self._is_hurried or not helps:
            return
        try:
            self.rooms[journal] = await self._carriers[journal].relieve(
                1 if journal in self.admission.full else 0
            )
            self.relieved += 1
            log.info(
                "journal relieved journal=%d before=%d after=%s", journal, room.size, self.rooms[journal]
            )
        finally:
            took_s = time.monotonic() - begun
            self._relieve_at = begun + took_s + max(self.settings.relieve_s, RELIEVE_REST * took_s)
            self._look_soon()
