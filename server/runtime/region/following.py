"""Storage of a region: all journals as one stream, applied to the replica here (DESIGN §3, §8).

What is applied and where the stream stands are written in one step, so that a process that was killed goes on where it
was. Everything at or below `complete` is applied; a read at a later time must wait (S1).
"""

from collections.abc import Callable, Sequence

import msgspec

from journal.broken import require
from journal.crossbar import Crossbar, Item, Mark
from journal.record import MARKERS, Commit, Timestamp
from server.runtime.region.tails import Follower, Tails
from storage.replica import Replica

PART = 256
"""Items applied in one step."""
NO_HASH = bytes(32)
_pack = msgspec.msgpack.Encoder().encode
_unpack_mark = msgspec.msgpack.Decoder(Mark).decode


class Following:
    """The one writer of a region's replica. For the event loop's thread."""

    def __init__(
        self,
        replica: Replica,
        tails: Tails,
        journals: Sequence[int],
        *,
        clock: Callable[[], Timestamp],
        applying: Callable[[list[Commit]], None],
        applied: Callable[[list[Commit]], None],
        progressed: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        """`applying` and `applied` are told the commits, in order; `progressed`: `complete` may have risen."""
        self.replica = replica
        self.complete: Timestamp = 0
        self._tails = tails
        self._clock = clock
        self._applying = applying
        self._applied = applied
        self._progressed = progressed
        stored = replica.extra()
        self.crossbar = Crossbar(list(journals), _unpack_mark(stored) if stored else None)
        self.follower = Follower(self.crossbar, self._take, lost)

    def start(self) -> None:
        """Begin where the replica stands."""
        self._tails.follow(self.follower)

    def _take(self) -> None:
        crossbar = self.crossbar
        crossbar.take_notes()
        while items := crossbar.take(PART):
            self._apply(items)
        require(crossbar.complete >= self.complete, "X2: complete never goes back")
        if crossbar.complete > self.complete:
            self.complete = crossbar.complete
            self._progressed()
        self._tails.feed(self.follower)

    def _apply(self, items: Sequence[Item]) -> None:
        commits = [_own(item.content) for item in items if isinstance(item.content, Commit)]
        self._applying(commits)
        position = self.replica.applied_position + 1
        self.replica.apply(commits, position, NO_HASH, self._clock(), _pack(self.crossbar.mark()))
        self._applied(commits)


def _own(commit: Commit) -> Commit:
    """Without the markers of changed tables, which are the adjudicators' business."""
    if any(write.key.startswith(MARKERS) for write in commit.writes):
        writes = [write for write in commit.writes if not write.key.startswith(MARKERS)]
        return msgspec.structs.replace(commit, writes=writes)
    return commit
