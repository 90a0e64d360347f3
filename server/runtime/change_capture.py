"""`opendsql journal --format cdc`: the journal as a stream of DSQL's CDC records, from any time on, resumable.

    position   a commit time, ns since 1970: everything up to it has been sent, nothing after it
    sent       per commit its records; then, if they are wanted, {"position": ...}
    waited for the reader: a record is made when the one before was taken; nothing is held for who is slow

Whoever stops continues behind the last position, or behind `source.ts_ns` of the last transaction that came whole. What
the reader has not taken when the journal is trimmed behind it is lost to it, and it is told so: the journal does not
wait for readers.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from journal.journal import Entry, Trimmed
from journal.lmdb_log import LmdbLog
from journal.record import Commit, Position, Timestamp
from server.catalog import clusters
from server.runtime import change_records
from server.runtime.change_feed import Change, ChangeFeed, Other
from server.runtime.requests import Emit, ReadJournal, Refused
from server.runtime.waiting import Turns
from storage.replica import Replica

LARGE = 1 << 20
"""Characters of a row, of which none is more than six bytes of JSON, above which its record is cut beside the loop."""
FOLLOW_S = 0.05
READ_RECORDS = 64
SLICE_S = 0.002

ReadRecords = Callable[[Position, int], Awaitable[list[Entry] | Trimmed]]
"""Records from a position on, so many at most."""


class Capture:
    """Sends what commits did, given in order of time."""

    def __init__(self, replica: Replica, request: ReadJournal, emit: Emit, region: str = "") -> None:
        """`region`: by whose ids clusters go. Raises `Refused` for a cluster that is none of the server's."""
        self._replica = replica
        self._region = region
        self._feed = ChangeFeed(replica)
        self._emit = emit
        self._tells_positions = request.positions
        self._told: Timestamp = 0
        self._ids: dict[int, str] = {}
        self._only = self._number_of(request.cluster) if request.cluster is not None else None
        self._lost: set[int] = set()
        """Tables of which nothing is known."""

    async def commit(self, commit: Commit) -> None:
        """The records of one commit."""
        turns = Turns(SLICE_S)
        for step in self._feed.steps(commit):
            if isinstance(step, Other):
                await self._other(step, commit)
            elif self._only in (None, step.cluster):
                await self._change(step, commit)
            await turns.give()

    async def reached(self, position: Timestamp) -> None:
        """Everything up to `position` has been sent."""
        if self._tells_positions and position > self._told:
            self._told = position
            await self._emit({"position": position})

    async def _change(self, change: Change, commit: Commit) -> None:
        made = change_records.record(change, commit, time.time_ns(), self._id(change.cluster))
        values = (change.after or change.before or {}).values()
        if sum(len(value) for value in values if isinstance(value, str)) < LARGE:
            await self._emit(made)
            return
        for each in await asyncio.to_thread(lambda: list(change_records.pieces(change, made, commit))):
            await self._emit(each)

    async def _other(self, step: Other, commit: Commit) -> None:
        """Rows that were written to a table of which nothing is known: not without a word."""
        relation = step.facts.get("relation", 0)
        if step.kind != "unknown" or step.write.value is None or relation in self._lost:
            return
        self._lost.add(relation)
        await self._emit(
            {
                "warning": f"what the commit at {commit.commit_ts} wrote to relation {relation} is left out:"
                " it was dropped, and the history does not reach back to its columns"
            }
        )

    def _id(self, number: int) -> str:
        if number not in self._ids:
            found = clusters.every(self._replica, self._replica.applied_ts, self._region)
            self._ids |= {cluster.number: cluster_id for cluster_id, cluster in found}
        return self._ids.get(number, str(number))

    def _number_of(self, cluster_id: str) -> int:
        found = clusters.find(self._replica, self._replica.applied_ts, cluster_id, self._region)
        if found is None:
            raise Refused(f"there is no cluster {cluster_id}")
        return found.number


async def capture(journal: LmdbLog, replica: Replica, request: ReadJournal, emit: Emit) -> None:
    """Of the one journal of a data directory, to its end or as long as it is followed. Raises `Refused`, `LogError`."""
    sent = Capture(replica, request, emit)
    after = beginning(request, replica.applied_ts, journal.anchor.last_ts, time.time_ns())

    async def read(first: Position, limit: int) -> list[Entry] | Trimmed:
        end = replica.applied_position
        limit = min(limit, end - first + 1)
        return await asyncio.to_thread(journal.read, first, limit) if limit > 0 else []

    position = request.start
    if position is None:
        position = await first_after(read, journal.first, replica.applied_position + 1, after)
    await sent.reached(after)
    while True:
        entries = await read(position, READ_RECORDS)
        if isinstance(entries, Trimmed):
            raise trimmed(journal.anchor.last_ts)
        for entry in entries:
            for commit in entry.record.commits:
                if commit.commit_ts > after:
                    await sent.commit(commit)
            if entry.record.commits:
                after = max(after, entry.record.commits[-1].commit_ts)
                await sent.reached(after)
        if entries:
            position = entries[-1].record.header.position + 1
        elif request.follow:
            await asyncio.sleep(FOLLOW_S)
        else:
            return


def beginning(request: ReadJournal, newest: Timestamp, oldest: Timestamp, now: Timestamp) -> Timestamp:
    """The position behind which a reader begins; `oldest`: the first one of which all that follows is kept.

    Raises `Refused` for one that is not.
    """
    if request.from_now:
        return newest
    if request.position is None:
        return oldest if request.start is None else 0
    if request.position > max(newest, now):
        raise Refused(f"position {request.position} is still to come: the newest is {newest}")
    if oldest and request.position < oldest:  # 0: nothing was ever trimmed
        raise trimmed(oldest, request.position)
    return request.position


def trimmed(oldest: Timestamp | None, wanted: Timestamp | None = None) -> Refused:
    """What follows `wanted`, or what the reader wants next, is not kept any more; `oldest`: if it is known."""
    what = f"what follows position {wanted}" if wanted is not None else "what is to be read next"
    end = "" if oldest is None else f": the oldest position is {oldest}"
    return Refused(f"{what} is no longer in the journal{end}")


async def first_after(read: ReadRecords, first: Position, end: Position, ts: Timestamp) -> Position:
    """The first position in [first, end) from which on there are commits later than `ts`; else `end`.

    Times increase with the positions, and some records have none. Raises `Refused` if it is trimmed meanwhile.
    """
    while first < end:
        middle = (first + end) // 2
        place, newest = middle, None
        while newest is None and place < end:
            entries = await read(place, 1)
            if isinstance(entries, Trimmed):
                raise trimmed(None)
            if not entries:
                break
            newest = newest_time(entries[0])
            place += 1
        if newest is not None and newest <= ts:
            first = place
        else:
            end = middle
    return first


def newest_time(entry: Entry) -> Timestamp | None:
    """That of a record's last commit, or of its notes; None: it has none."""
    record = entry.record
    if record.commits:
        return record.commits[-1].commit_ts
    return record.ts or None
