"""Storage of a region: all journals as one stream, applied to the replica here (DESIGN §3, §8).

    Tails ──▶ Crossbar ──parts──▶ Shard ──▶ LMDB: rows, completeness and mark of a part in one step
                 └── closed times rise between parts: `complete`, in memory, and stored with a mark once a second

A process that was killed goes on at the stored mark. Everything at or below `complete` is applied; a read at a later
time must wait (S1). A part for which there is no room is kept and tried again (DESIGN §8): meanwhile `complete` stands.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from journal.crossbar import Crossbar, Item, Mark
from journal.record import MARKERS, Commit, Timestamp
from server.runtime.region.tails import Follower, Tails
from storage.replica import NoSpace, Replica, StoredRows
from storage.shard import Bounds, Shard

log = logging.getLogger("opendsql.following")

PART = 256
"""Items applied in one step."""
MARK_NS = 10**9
"""So long after the last step a mark is stored without one: what lies behind it is read again after a kill."""
SPACE_RETRY_S = 0.5


class Part(NamedTuple):
    """Taken from the crossbar: what is applied in one step."""

    items: list[Item]
    commits: list[Commit]
    complete: Timestamp
    mark: Mark


class Following:
    """The one writer of a region's replica. For the event loop's thread."""

    def __init__(
        self,
        replica: Replica,
        tails: Tails,
        journals: Sequence[int],
        *,
        clock: Callable[[], Timestamp],
        applying: Callable[[list[Commit]], bytes | None],
        applied: Callable[[list[Commit]], None],
        progressed: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        """`applying` is told the commits of a step and gives what is stored beside the rows (None: as it was);
        `applied`: they are visible; `progressed`: `complete` has risen; `lost`: what comes next was trimmed."""
        self.replica = replica
        self.rows = StoredRows(replica)
        self.shard = Shard(self.rows, b"", MARKERS, Bounds(retention=replica.retention_ns))
        self.complete: Timestamp = self.shard.complete
        self.is_out_of_space = False
        self.apply_s = 0.0
        """Seconds in which parts were applied."""
        self.taken: Callable[[Part], None] | None = None
        """Told each part before it is applied."""
        self._tails = tails
        self._clock = clock
        self._applying = applying
        self._applied = applied
        self._progressed = progressed
        self._marked_at: Timestamp = 0
        self._part: Part | None = None
        """Could not be applied yet."""
        self.crossbar = Crossbar(list(journals), self.shard.rows.mark)
        self.follower = Follower(self.crossbar, self._take, lost)

    @property
    def mark(self) -> Mark | None:
        """From where a process that was killed would go on."""
        return self.shard.rows.mark

    def start(self) -> None:
        """Begin where the replica stands."""
        self._tails.follow(self.follower)

    def _take(self) -> None:
        if self._part is not None:
            return
        crossbar = self.crossbar
        crossbar.take_notes()
        while items := crossbar.take(PART):
            part = part_of(items, crossbar)
            if self.taken is not None:
                self.taken(part)
            if not self._apply(part):
                return
        self._rise(crossbar.complete)
        if self._clock() - self._marked_at >= MARK_NS and crossbar.complete >= self.shard.complete:
            self._apply(part_of([], crossbar))
        self._tails.feed(self.follower)

    def _apply(self, part: Part) -> bool:
        """One step; False: there is no room, it is tried again."""
        now = self._clock()
        begun = time.perf_counter()
        extra = self._applying(part.commits)
        try:
            self.shard.feed(part.items, part.complete, part.mark, now, extra)
        except NoSpace as error:
            if not self.is_out_of_space:
                log.error("storage has no room error=%s", error)
            self.is_out_of_space = True
            self._part = part
            asyncio.get_running_loop().call_later(SPACE_RETRY_S, self._apply_again)
            return False
        finally:
            self.apply_s += time.perf_counter() - begun
        self._part = None
        self.is_out_of_space = False
        self._marked_at = now
        if part.commits:
            self._applied(part.commits)
        self._rise(part.complete)
        return True

    def _apply_again(self) -> None:
        part = self._part
        if part is not None and self._apply(part):
            self._take()

    def _rise(self, complete: Timestamp) -> None:
        if complete > self.complete:
            self.complete = complete
            self._progressed()


def part_of(items: list[Item], crossbar: Crossbar) -> Part:
    """What `items`, which have just been taken from `crossbar`, mean for storage."""
    kept = [item._replace(content=_own(item.content)) for item in items if isinstance(item.content, Commit)]
    commits = [item.content for item in kept if isinstance(item.content, Commit)]
    return Part(kept, commits, crossbar.complete, crossbar.mark())


def _own(commit: Commit) -> Commit:
    """Without the markers of changed tables, which are the adjudicators' business."""
    if any(write.key.startswith(MARKERS) for write in commit.writes):
        writes = [write for write in commit.writes if not write.key.startswith(MARKERS)]
        return msgspec.structs.replace(commit, writes=writes)
    return commit
