"""The journals as this process reads them: each once, for everybody here who follows them (DESIGN §3).

One task per journal reads on at the tail and keeps the last records. A follower has a crossbar of its own and
takes from what is kept; one that is farther behind (a new owner that rebuilds, a replica that returns) reads
the part before from the carrier itself, bounded by its crossbar's back-pressure.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Mapping

from journal.crossbar import Announcement, Crossbar
from journal.encoding import Undecodable, decode
from journal.journal import Entry, LogError, Trimmed
from journal.record import Position
from server.runtime.region.carrier import Carrier, Unreachable
from server.runtime.waiting import telling

log = logging.getLogger("opendsql.tails")

KEPT_RECORDS = 4096
KEPT_COMMITS = 200_000
PART_RECORDS = 16
"""Records handed to a crossbar before it is asked again whether it wants more."""
RETRY_S = 0.05
"""Rest after the carrier could not be reached."""


class Behind(LogError):
    """What is to be read next was trimmed: the process begins anew (server.runtime.region.restoring)."""

    def __init__(self) -> None:
        super().__init__("what is to be read next was trimmed: a snapshot is needed")


class Follower:
    """One reader of all journals."""

    def __init__(self, crossbar: Crossbar, progressed: Callable[[], None], lost: Callable[[], None]) -> None:
        """`progressed` is called after records or closed times came in; `lost`: what it needs was trimmed."""
        self.crossbar = crossbar
        self.progressed = progressed
        self.lost = lost
        self.fetching: dict[int, asyncio.Task[None]] = {}
        """Journals of which it reads an older part."""


class JournalTail:
    """One journal: its newest records."""

    def __init__(self, journal: int, carrier: Carrier) -> None:
        self.journal = journal
        self.carrier = carrier
        self.entries: deque[Entry] = deque()
        self.next: Position = 1
        """The position that is read next; `entries` end before it."""
        self._commits = 0

    @property
    def kept_from(self) -> Position:
        """The position of the first record that is kept."""
        return self.next - len(self.entries)

    def add(self, entries: list[Entry]) -> None:
        """The next records."""
        self.entries.extend(entries)
        self.next += len(entries)
        self._commits += sum(len(entry.record.commits) for entry in entries)
        while len(self.entries) > KEPT_RECORDS or (self._commits > KEPT_COMMITS and len(self.entries) > 1):
            self._commits -= len(self.entries.popleft().record.commits)

    def restart(self, position: Position) -> None:
        """Go on at `position`: what lies between was trimmed before it was read."""
        self.entries.clear()
        self._commits = 0
        self.next = position

    def since(self, position: Position, limit: int) -> list[Entry]:
        """Kept records from `position` on, which is not before `kept_from`."""
        start = position - self.kept_from
        return [self.entries[place] for place in range(start, min(start + limit, len(self.entries)))]


class Tails:
    """All journals, and their followers in this process. For the event loop's thread."""

    def __init__(
        self,
        carriers: Mapping[int, Carrier],
        seen: Callable[[int, list[Entry]], None],
        first: Mapping[int, Position],
        broken: Callable[[BaseException], None],
    ) -> None:
        """`seen` gets every record once, in order per journal; `first`: per journal where to begin (else 1);
        `broken` what a follower or a journal raises that is no `Unreachable`."""
        self._broken = broken
        self._tails = {
            journal: JournalTail(journal, carrier) for journal, carrier in sorted(carriers.items())
        }
        for journal, position in first.items():
            self._tails[journal].restart(position)
        self._seen = seen
        self._followers: list[Follower] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._fed: dict[int, asyncio.Event] = {}
        self._announced: dict[int, Announcement] = {}
        self.unreachable: dict[int, str] = {}
        """Journals that can't be read at the moment, and why."""

    def start(self) -> None:
        """Begin to read."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._read_on(tail)) for tail in self._tails.values()]
        for task in self._tasks:
            task.add_done_callback(telling(self._broken))

    async def stop(self) -> None:
        """Read no more."""
        tasks = [*self._tasks, *(task for each in self._followers for task in each.fetching.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def follow(self, follower: Follower) -> None:
        """From now on it is fed."""
        self._followers.append(follower)
        for announcement in self._announced.values():
            follower.crossbar.announce(announcement)
        self._feed(follower)

    def leave(self, follower: Follower) -> None:
        """Feed it no more."""
        if follower in self._followers:
            self._followers.remove(follower)
        for task in follower.fetching.values():
            task.cancel()
        follower.fetching.clear()

    def announce(self, announcement: Announcement) -> None:
        """A closed time, from an owner here or elsewhere."""
        before = self._announced.get(announcement.journal)
        if before is not None and before.closed > announcement.closed:
            return
        self._announced[announcement.journal] = announcement
        for follower in list(self._followers):
            follower.crossbar.announce(announcement)
            follower.progressed()

    def appended(self, journal: int, entry: Entry) -> None:
        """An owner here has appended this record: it need not be read back, if it is the next."""
        tail = self._tails[journal]
        if entry.record.header.position == tail.next:
            self._arrived(tail, [entry])

    def told(self, journal: int, data: bytes) -> None:
        """An owner elsewhere has appended this record, with its hash: likewise, if it follows what was read.

        What does not, or can't be read, is left to the carrier, which says so.
        """
        with contextlib.suppress(Undecodable):
            tail, (record, digest) = self._tails[journal], decode(data)
            last = tail.entries[-1].hash if tail.entries else None
            if record.header.position == tail.next and record.header.previous == last:
                self._arrived(tail, [Entry(record, digest)])

    def position(self, journal: int) -> Position:
        """How far `journal` was read."""
        return self._tails[journal].next - 1

    def feed(self, follower: Follower) -> None:
        """Its crossbar has room again."""
        self._feed(follower)

    # --- reading

    async def _read_on(self, tail: JournalTail) -> None:
        while True:
            try:
                wanted = tail.next
                entries = await tail.carrier.read(wanted)
                self.unreachable.pop(tail.journal, None)
                if isinstance(entries, Trimmed):
                    tail.restart(entries.first)
                elif tail.next != wanted:
                    continue  # what an owner here appended came in meanwhile
                elif entries:
                    self._arrived(tail, entries)
                else:
                    await tail.carrier.changed(wanted - 1)
            except Unreachable as error:
                if tail.journal not in self.unreachable:
                    log.warning("journal cannot be read journal=%d error=%s", tail.journal, error)
                self.unreachable[tail.journal] = str(error)
                await asyncio.sleep(RETRY_S)

    def _arrived(self, tail: JournalTail, entries: list[Entry]) -> None:
        tail.add(entries)
        self._seen(tail.journal, entries)
        for follower in list(self._followers):
            self._feed(follower)

    def _feed(self, follower: Follower) -> None:
        was_fed = False
        while self._feed_part(follower):
            was_fed = True
        if was_fed:
            follower.progressed()

    def _feed_part(self, follower: Follower) -> bool:
        """Hand on a part of what is kept, as far as the crossbar has room; False: there was nothing to hand on."""
        crossbar = follower.crossbar
        is_fed = False
        for journal, position in crossbar.wanted():
            tail = self._tails.get(journal)
            if tail is None or position >= tail.next or journal in follower.fetching:
                continue
            if position >= tail.kept_from:
                crossbar.feed(journal, tail.since(position, PART_RECORDS))
                is_fed = True
            else:
                task = asyncio.get_running_loop().create_task(self._fetch(follower, tail, position))
                task.add_done_callback(telling(self._broken))
                follower.fetching[journal] = task
        return is_fed

    async def _fetch(self, follower: Follower, tail: JournalTail, position: Position) -> None:
        """Read one older part for one follower; `_feed` asks for the next."""
        entries: list[Entry] | Trimmed = []
        while True:
            try:
                entries = await tail.carrier.read(position)
                break
            except Unreachable:
                await asyncio.sleep(RETRY_S)
        follower.fetching.pop(tail.journal, None)
        if isinstance(entries, Trimmed):
            follower.lost()
            return
        follower.crossbar.feed(tail.journal, entries)
        follower.progressed()
        self._feed(follower)
