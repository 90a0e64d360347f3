"""An adjudicator's shell: claims a journal, then performs what the core wants done (adjudicator.range_owner).

    read to the tail ─▶ claim ─▶ follow the stream of all journals, from what is kept
        ▲                          │  Prepare, Vote, Outcome, Ask  ─▶ core ─▶ Append, ToOwner, ToCoordinator, Announce
        └── refused, superseded ◀──┘

Appends that are in flight are tasks, as many as the core allows at once. A durable record closes times: both are told
the other nodes at once, which is sooner than a carrier's own news, and times every few ms in between. A carrier that
does not answer is asked again with the very same record until it says what became of it; meanwhile nothing is answered
and nothing closed.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from time import perf_counter
from typing import Any, NamedTuple, Protocol

from adjudicator.messages import Aborted
from adjudicator.protocol import (
    Announce,
    Append,
    Effect,
    Message,
    Outcome,
    Prepare,
    Replay,
    ToCoordinator,
    ToOwner,
    Vote,
)
from adjudicator.range_owner import RangeOwner, Settings
from adjudicator.takeover import Takeover
from journal.crossbar import Announcement, Crossbar, Mark
from journal.encoding import Sealed
from journal.journal import Conflict, Tail, Trimmed
from journal.record import Key, Timestamp
from server.runtime.region.carrier import Carrier, Unreachable
from server.runtime.region.lead import Recent
from server.runtime.region.tails import Behind, Follower, Tails
from server.runtime.region.work import Work
from server.runtime.waiting import telling
from server.session.unique import unique_id

log = logging.getLogger("opendsql.owning")

TICK_S = 0.005
RETRY_S = 0.05
REST_S = 0.05
MOST_REST_S = 1.0
"""Between two claims."""
TOLD_BYTES = 64 << 10
"""A record up to this size is told to the other nodes; what is larger they read from the journal."""
LEAD_S = 5.0
TAKEN = 512
"""Items of the stream that the core learns in one turn."""


def rest_s(refusals: int) -> float:
    """After a claim that was refused, the first after `refusals` others: longer each time, and by chance.

    Of two that claim at the same time each refuses the other's; they must not go on at the same pace.
    """
    return min(REST_S * float(1 << min(refusals, 16)), MOST_REST_S) * random.uniform(0.5, 1.0)


class Kept(NamedTuple):
    """From where the stream of all journals can be read."""

    crossbar: Crossbar
    base: Timestamp
    mark: Mark | None


class Sending(Protocol):
    """Where the core's effects go."""

    def to_owner(self, effect: ToOwner) -> None: ...

    def to_coordinator(self, effect: ToCoordinator) -> None: ...

    def announce(self, announcement: Announcement) -> None: ...

    def recorded(self, journal: int, data: bytes) -> None: ...


class Owning:
    """One journal's owner in this process, for as long as `run` runs."""

    def __init__(
        self,
        journal: int,
        name: str,
        carrier: Carrier,
        tails: Tails,
        sending: Sending,
        *,
        settings: Settings,
        initial: list[tuple[Key, Key]],
        kept: Callable[[], Kept],
        earliest: Callable[[], Timestamp],
        broken: Callable[[BaseException], None],
    ) -> None:
        """`initial`: the ranges of a journal that is empty; `earliest`: the early edge of the clock, ns."""
        self.journal = journal
        self.name = name
        self.core: RangeOwner | None = None
        self.work = Work()
        self.appended_bytes = 0
        self.handed_over = 0
        """Ranges given to a journal of the region that writes them."""
        self.append_times = Recent()
        """From handing a record to the carrier until it was durable, ns."""
        self._carrier = carrier
        self._tails = tails
        self._sending = sending
        self._settings = settings
        self._initial = initial
        self._kept = kept
        self._earliest = earliest
        self._broken = broken
        self._follower: Follower | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._flying_since = 0.0
        self._last_owner = ""
        """Whose record was the last that was read before the claim."""
        self._ended = asyncio.Event()
        self._least_epoch = 0
        self._is_announcing = False

    @property
    def is_owner(self) -> bool:
        """Whether the claim was accepted and, as far as is known here, nobody has claimed since."""
        return self.core is not None and not self.core.is_stopped

    @property
    def lead(self) -> int:
        """How far commits are dated ahead, ns."""
        return self._settings.lead

    @property
    def most_lead(self) -> int:
        """Votes of owners with different leads must find a common time within each other's promises (AR §3.6)."""
        return self._settings.promise // 2

    def set_lead(self, lead: int) -> None:
        """Date commits and closed times ahead by `lead` ns from now on; those given out stay as they are."""
        self._settings = self._settings._replace(lead=lead)
        if self.core is not None:
            self.core.settings = self._settings

    async def run(self, is_wanted: Callable[[], bool] = lambda: True) -> None:
        """Claim while `is_wanted`, and own until somebody else does; may be cancelled at any moment."""
        self._ended.clear()
        begun = perf_counter()
        try:
            self.core = await self._claim(is_wanted)
            if self.core is None:
                return
            self.work.claimed(begun, self._last_owner not in ("", self.name))
            log.info(
                "journal claimed journal=%d epoch=%d safe=%d", self.journal, self.core.epoch, self.core.safe
            )
            self._replay()
            self._begin(self._lead(is_wanted))
            while not self._ended.is_set() and not self.core.is_stopped:
                self._perform(self.core.tick(self._earliest()))
                await asyncio.sleep(TICK_S)
        finally:
            await self._leave()

    def receive(self, message: Message) -> None:
        """A message for this journal's owner; its candidate names the epoch that may act on it."""
        core = self.core
        if core is None:
            return
        begun, now = perf_counter(), self._earliest()
        if isinstance(message, Prepare):
            effects = core.prepare(message, now)
        elif isinstance(message, Vote):
            effects = core.vote(message, now)
        elif isinstance(message, Outcome):
            effects = core.outcome(message)
        else:
            effects = core.ask(message, now)
        self.work.adjudicated(begun)
        self._perform(effects)

    def release(self, lo: Key, hi: Key, to: int) -> bool:
        """Hand [lo, hi) to the owner of journal `to`; False when it is not owned here as a whole."""
        core = self.core
        if core is None or not core.ranges.overlapping(lo, hi):
            return False
        self._perform(core.release(lo, hi, to))
        return not core.ranges.overlapping(lo, hi)  # its record may have to wait for others

    async def _lead(self, is_wanted: Callable[[], bool]) -> None:
        """The carrier's leader belongs where the owner is, also after it has failed and come back elsewhere.

        Not while this region may not own: then it gives the lead up.
        """
        is_here = False
        while True:
            if is_wanted():
                was_here, is_here = is_here, await self._carrier.lead()
                if is_here and not was_here:
                    self.append_times.forget()  # they went round by another region
            await asyncio.sleep(LEAD_S)

    def checkpoint(self) -> None:
        """Restate what a successor must know, so that what lies before can be trimmed; not while ranges move."""
        if self.core is not None:
            self._perform(self.core.checkpoint())

    # --- claiming

    async def _claim(self, is_wanted: Callable[[], bool]) -> RangeOwner | None:
        """The new owner; None when the journal has ended, or the claim is not wanted any more."""
        refusals = 0
        while is_wanted():
            try:
                owner = await self._try_claim()
            except Unreachable as error:
                log.info("journal cannot be claimed journal=%d error=%s", self.journal, error)
                await asyncio.sleep(RETRY_S)
                continue
            if not isinstance(owner, Conflict):
                return owner
            await asyncio.sleep(rest_s(refusals))
            refusals += 1
        return None

    async def _try_claim(self) -> RangeOwner | Conflict | None:
        carrier = self._carrier
        anchor = await carrier.anchor()
        takeover = Takeover(self.journal, self.name, self._settings, self._initial, 0, anchor)
        if not await self._read_all(takeover):
            return Conflict(anchor)
        epoch = max(takeover.tail.epoch + 1, self._least_epoch)
        # Whoever was here with this epoch, perhaps this process before an answer was lost, may never claim with it.
        self._least_epoch = epoch + 1
        fenced = await carrier.fence(epoch)
        if isinstance(fenced, Conflict):
            self._least_epoch = max(self._least_epoch, fenced.tail.epoch + 1)
            return fenced
        if not await self._read_all(takeover):
            return Conflict(anchor)
        if takeover.is_ended:
            return None
        sealed = takeover.claim(unique_id(), epoch)
        result = await self._stored(sealed)
        if isinstance(result, Conflict):
            return result
        kept = self._kept()
        return takeover.owner_of(result, kept.base, kept.mark)

    async def _read_all(self, takeover: Takeover) -> bool:
        """Read on to the tail; False: what was to be read next is trimmed."""
        while True:
            entries = await self._carrier.read(takeover.next_position)
            if isinstance(entries, Trimmed):
                return False
            if not entries:
                return True
            takeover.read(entries)
            self._last_owner = entries[-1].record.owner

    async def _stored(self, sealed: Sealed) -> Tail | Conflict:
        """Append the same record until the carrier has said what became of it."""
        while True:
            try:
                return await self._carrier.append(sealed)
            except Unreachable:
                await asyncio.sleep(RETRY_S)

    # --- the stream

    def _replay(self) -> None:
        """Follow the stream of all journals anew, from the oldest that is kept."""
        core = self.core
        assert core is not None
        if self._follower is not None:
            self._tails.leave(self._follower)
        kept = self._kept()
        core.replayed(kept.base, kept.mark)
        self._follower = Follower(kept.crossbar, self._progressed, lambda: self._broken(Behind()))
        self._tails.follow(self._follower)

    def _progressed(self) -> None:
        core, follower = self.core, self._follower
        if core is None or follower is None:
            return
        crossbar = follower.crossbar
        while True:
            items = crossbar.take(TAKEN)
            begun = perf_counter()
            effects = core.feed(items, crossbar.take_notes(), crossbar.complete, self._earliest())
            self.work.adjudicated(begun)
            self._perform(effects)
            if len(items) < TAKEN or follower is not self._follower:
                break
        self._tails.feed(follower)

    # --- performing

    def _perform(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Append):
                self._begin(self._append(effect))
            elif isinstance(effect, Announce):
                self._sending.announce(effect.announcement)
            elif isinstance(effect, Replay):
                self._replay()
            elif isinstance(effect, ToCoordinator):
                self.work.refused += isinstance(effect.answer.verdict, Aborted)
                self._sending.to_coordinator(effect)
            else:
                self._sending.to_owner(effect)

    async def _append(self, effect: Append) -> None:
        core, sealed = self.core, effect.record
        assert core is not None
        begun = time.monotonic_ns()
        while not core.is_stopped:
            result = await self._flown(sealed)
            if isinstance(result, Tail):
                now = time.monotonic_ns()
                self.append_times.add(now - begun, now)
                self.appended_bytes += len(sealed.data)
                self.work.committed += len(effect.entry.record.commits)
                self._tails.appended(self.journal, effect.entry)
                if len(sealed.data) <= TOLD_BYTES:
                    self._sending.recorded(self.journal, sealed.data)
                self._perform(core.appended(result, self._earliest()))
                self._announce_soon()
                return
            core.refused(result.tail)
            if core.is_stopped:
                log.warning(
                    "journal lost journal=%d epoch=%d to=%d", self.journal, core.epoch, result.tail.epoch
                )
                self._ended.set()
                return
            await asyncio.sleep(0)

    async def _flown(self, sealed: Sealed) -> Tail | Conflict:
        """`_stored`, on the clock: as long as any record is in flight, appending is busy."""
        if not self._in_flight:
            self._flying_since = perf_counter()
        self._in_flight += 1
        try:
            return await self._stored(sealed)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self.work.append_s += perf_counter() - self._flying_since

    def _announce_soon(self) -> None:
        """Once for all that became durable in this turn of the loop."""
        if not self._is_announcing:
            self._is_announcing = True
            asyncio.get_running_loop().call_soon(self._announce)

    def _announce(self) -> None:
        self._is_announcing = False
        if self.core is not None and not self.core.is_stopped:
            self._perform(self.core.tick(self._earliest()))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """A task for as long as the journal is owned here."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(telling(self._broken))

    async def _leave(self) -> None:
        if self._follower is not None:
            self._tails.leave(self._follower)
            self._follower = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.core = None
