"""The crossbar: many journals as one stream in the order of time, and how far that stream is complete.

Problem. A transaction lies whole in one journal, but a reader at time t needs all of them up to t, in one
order, and must know that nothing at or below t can still appear anywhere.

Rule. Each journal has a closed time: nothing at or below it will follow what was read. It rises with the
records themselves (times increase with position) and with announcements beside the log, (position p, time c):
"behind p nothing at or below c". One that arrives before p was read waits for it, or records between would be
passed over. The stream is complete up to the smallest closed time of the journals that count; items up to
there come out ordered by (time, journal, position), and no earlier one can come later (X1, X2).

    journal 0   10 ---- 30 -------------- closed 45
    journal 1   ---- 20 --------- closed 35              complete 35: 10, 20, 30 come out; 40 waits
    journal 2   ------------------------- 40, closed 40

The set of journals changes in band (AR §3.4): a `SetChange` in a journal that always counts adds journal j at
its own time T, so whoever is complete beyond T knows of j, and j uses times above T only. A journal ends with
an `End` record; from there on its closed time is unbounded.

Reading. The caller asks `wanted`, reads, and hands in records. A bounded number of items is held per journal:
a reader that does not take what is complete is not given more (back-pressure). `mark` is the place to resume
from: a vector of positions and the last item that came out; what lies at or below it is skipped.
Sources: AR §1.9, §3.3, §3.4, §3.10; invariants X1 to X3.
"""

from collections import deque
from typing import NamedTuple

import msgspec

from journal.broken import Broken, require
from journal.journal import Entry
from journal.record import Commit, End, Note, Position, SetChange, Timestamp

FOREVER: Timestamp = 1 << 62
"""The closed time of a journal that has ended."""
HELD = 4096
"""Items held per journal before no more are read."""
_ANNOUNCED = 64
_X2 = "X2: no record at or below an adopted closed time"


class Announcement(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Beside the log: behind `position` nothing at or below `closed` will follow in `journal` (AR §3.3)."""

    journal: int
    epoch: int
    position: Position
    closed: Timestamp


class Item(NamedTuple):
    """One step of the stream; the tuple's order is the stream's order."""

    ts: Timestamp
    """commit_ts; for notes the time of their record."""
    journal: int
    position: Position
    number: int
    """Within the record."""
    content: Commit | list[Note]


class Mark(NamedTuple):
    """Where a reader stands: everything at or below `last` came out."""

    positions: tuple[tuple[int, Position], ...]
    """Per journal that counts, the position up to which it need not be read again."""
    last: tuple[Timestamp, int, Position, int]
    closed: tuple[tuple[int, Timestamp], ...]
    hashes: tuple[tuple[int, bytes], ...] = ()
    """Per journal the hash of the record at its position, where that is known: what follows must name it (J1)."""


class _Lane:
    """One journal of the merge."""

    def __init__(self, position: Position, closed: Timestamp, digest: bytes | None = None) -> None:
        self.position = position
        self.hash = digest
        """Of the record at `position`."""
        self.closed = closed
        self.items: deque[Item] = deque()
        self.notes = 0
        """How many of the items are not commits."""
        self.announced: list[tuple[Position, Timestamp]] = []


class Crossbar:
    """Merges journals for one subscriber. Synchronous; holds no journal itself."""

    def __init__(self, journals: list[int], mark: Mark | None = None) -> None:
        """`journals`: the set in force at the beginning; or go on at `mark`."""
        self._lanes: dict[int, _Lane] = {}
        self._notes: list[tuple[int, Position, Note]] = []
        self._last: tuple[Timestamp, int, Position, int] = (0, 0, 0, 0)
        self.complete: Timestamp = 0
        """Everything at or below it came out of `take`."""
        if mark is None:
            self._lanes = {journal: _Lane(0, 0) for journal in sorted(journals)}
            return
        closed, hashes = dict(mark.closed), dict(mark.hashes)
        self._lanes = {j: _Lane(position, closed[j], hashes.get(j)) for j, position in mark.positions}
        self._last = mark.last

    @property
    def journals(self) -> list[int]:
        """Those that count, ended ones included until they are removed."""
        return sorted(self._lanes)

    def wanted(self) -> list[tuple[int, Position]]:
        """The journals to read from, each with its next position; full ones are left out."""
        return [
            (journal, lane.position + 1)
            for journal, lane in sorted(self._lanes.items())
            if len(lane.items) < HELD
        ]

    def feed(self, journal: int, entries: list[Entry]) -> None:
        """Take in records of `journal` in order; raises `Broken` on a gap or a time that was closed (X2)."""
        lane = self._lanes.get(journal)
        if lane is None:
            return
        for entry in entries:
            record = entry.record
            position = record.header.position
            if position <= lane.position:
                continue
            require(position == lane.position + 1, "X1: a journal is read without gaps")
            is_next = lane.hash is None or record.header.previous == lane.hash
            require(is_next, "J1: a record names the hash of the one that was read before")
            lane.position = position
            lane.hash = entry.hash
            if record.commits:
                self._take_in_commits(lane, journal, position, record.commits)
            elif record.ts:
                self._take_in_notes(lane, Item(record.ts, journal, position, 0, record.notes))
            else:
                self._notes += [(journal, position, note) for note in record.notes]
        if lane.announced:
            self._adopt(lane)

    def announce(self, announcement: Announcement) -> None:
        """Take in a closed time; it counts once its position was read."""
        lane = self._lanes.get(announcement.journal)
        if lane is None:
            return
        position, closed = announcement.position, announcement.closed
        if self._may_adopt(lane.position, position):
            lane.closed = max(lane.closed, closed)
        elif lane.announced and lane.announced[-1][0] == position:
            lane.announced[-1] = (position, max(closed, lane.announced[-1][1]))
        else:
            lane.announced.append((position, closed))
            del lane.announced[:-_ANNOUNCED]

    def closed(self, journal: int) -> Timestamp:
        """Up to where `journal` itself is known; 0 when it does not count."""
        lane = self._lanes.get(journal)
        return lane.closed if lane is not None else 0

    def take_notes(self) -> list[tuple[int, Position, Note]]:
        """Notes without a time (journal, position, note), as soon as they were read; after a resume once more."""
        notes, self._notes = self._notes, []
        return notes

    def take(self, limit: int = 1024) -> list[Item]:
        """The next items in order, about `limit`; all of one time come together, and `complete` covers them."""
        if len(self._lanes) == 1:
            (only,) = self._lanes.values()
            if not only.notes and len(only.items) <= limit:
                return self._take_all(only)
        items: list[Item] = []
        while True:
            upto = self._bound()
            lane = self._first(upto)
            if lane is None:
                self.complete = max(self.complete, upto)
                return items
            if len(items) >= limit and (not items or lane.items[0].ts > items[-1].ts):
                return items
            self._take_run(lane, upto, max(limit - len(items), 1), items)

    def _take_run(self, lane: _Lane, upto: Timestamp, limit: int, items: list[Item]) -> None:
        """Items of one journal, at least the first, as far as no other one's comes between."""
        others = [each.items[0] for each in self._lanes.values() if each.items and each is not lane]
        other = min(others) if others else None
        held = lane.items
        require(held[0][:4] > self._last, "X1: the stream is ordered by (time, journal, position)")
        before = len(items)
        while held and len(items) - before < limit:
            item = held[0]
            if item[0] > upto or (other is not None and item > other):
                break
            items.append(held.popleft())
            if not isinstance(content := item[4], Commit):
                lane.notes -= 1
                self._change_set(item.ts, content)
                break
        last = items[-1]
        self._last = last[:4]
        if len(items) - before > 1:
            self.complete = max(self.complete, items[-2].ts)
        following = self._first(self._bound())
        if following is None or following.items[0].ts > last.ts:
            self.complete = max(self.complete, last.ts)

    def _take_all(self, lane: _Lane) -> list[Item]:
        """All commits of the only journal: its closed time covers what was read of it."""
        items = list(lane.items)
        if items:
            require(items[0][:4] > self._last, "X1: the stream is ordered by (time, journal, position)")
            self._last = items[-1][:4]
            lane.items.clear()
        self.complete = max(self.complete, lane.closed)
        return items

    def mark(self) -> Mark:
        """Where to resume so that nothing is lost or comes out twice."""
        positions, closed, hashes = [], [], []
        for journal, lane in sorted(self._lanes.items()) if len(self._lanes) > 1 else self._lanes.items():
            held = lane.items
            positions.append((journal, held[0].position - 1 if held else lane.position))
            closed.append((journal, self._closed_at_mark(lane)))
            if lane.hash is not None and not held:
                hashes.append((journal, lane.hash))
        return Mark(tuple(positions), self._last, tuple(closed), tuple(hashes))

    def _closed_at_mark(self, lane: _Lane) -> Timestamp:
        """What follows the mark may lie above `complete`; an end that was read is not read again."""
        if lane.closed == FOREVER and not lane.items:
            return FOREVER
        return min(lane.closed, self.complete)

    def _take_in_commits(self, lane: _Lane, journal: int, position: Position, commits: list[Commit]) -> None:
        last, closed, add = self._last, lane.closed, lane.items.append
        for number, commit in enumerate(commits):
            ts = commit.commit_ts
            if ts <= last[0] and (ts, journal, position, number) <= last:
                continue
            if ts <= closed:
                raise Broken(_X2)
            closed = ts
            add(Item(ts, journal, position, number, commit))
        lane.closed = closed

    def _take_in_notes(self, lane: _Lane, item: Item) -> None:
        if item[:4] > self._last:
            require(item.ts > lane.closed, _X2)
            lane.closed = item.ts
            lane.items.append(item)
            lane.notes += 1
        assert not isinstance(item.content, Commit)
        if any(isinstance(note, End) for note in item.content):
            lane.closed = FOREVER

    def _adopt(self, lane: _Lane) -> None:
        waiting = []
        for position, closed in lane.announced:
            if self._may_adopt(lane.position, position):
                lane.closed = max(lane.closed, closed)
            else:
                waiting.append((position, closed))
        lane.announced = waiting

    def _may_adopt(self, consumed: Position, announced: Position) -> bool:
        """A closed time speaks of what follows its position, so that must have been read (AR §3.3)."""
        return consumed >= announced

    def _bound(self) -> Timestamp:
        return min((lane.closed for lane in self._lanes.values()), default=0)

    def _first(self, upto: Timestamp) -> _Lane | None:
        best: _Lane | None = None
        for lane in self._lanes.values():
            if lane.items and lane.items[0].ts <= upto and (best is None or lane.items[0] < best.items[0]):
                best = lane
        return best

    def _change_set(self, ts: Timestamp, notes: list[Note]) -> None:
        for note in notes:
            if not isinstance(note, SetChange):
                continue
            if note.is_added:
                self._lanes.setdefault(note.journal, _Lane(0, ts))
            elif (lane := self._lanes.get(note.journal)) is not None:
                require(lane.closed == FOREVER and not lane.items, "X3: a journal is removed after its end")
                del self._lanes[note.journal]
