"""How far commits and closed times are dated ahead, from what appends and messages take (AR §3.3).

    owner        append ────── durable ─ announce ─┐
                 now           + append            └───────▶ adopted elsewhere
    commit_ts =  now + lead                                  + append + delivery <= now + lead: no read waits

A commit's record and the closed times around it must be everywhere before their time comes. So the lead is the p90 of
recent appends and that of recent deliveries (few need both), and a little for the loop's own delays. While a journal
rests, closed times come once per tick; a tick then stands for the append. Clocks that differ make a delivery look
longer or shorter, which is what reads see. Synchronous; `now` comes in. All times and durations in ns.
"""

from collections import deque
from collections.abc import Iterable

from journal.record import Position, Timestamp

MS = 10**6
SAMPLES = 512
AGE = 10 * 10**9
"""A sample counts no longer, once there are younger ones."""
SLACK = 2 * MS
_WAITING = 64


class Recent:
    """The last samples of a duration."""

    def __init__(self) -> None:
        self._samples: deque[tuple[Timestamp, int]] = deque(maxlen=SAMPLES)

    def add(self, duration: int, now: Timestamp) -> None:
        """One more."""
        self._samples.append((now, duration))

    def p90(self, now: Timestamp) -> int:
        """Nine of ten took no longer; 0 when nothing was measured."""
        samples = self._samples
        while len(samples) > 1 and samples[0][0] < now - AGE:
            samples.popleft()
        if not samples:
            return 0
        durations = sorted(duration for _at, duration in samples)
        return durations[len(durations) * 9 // 10]


class Deliveries:
    """How long closed times take from their owners until they count here, per journal."""

    def __init__(self) -> None:
        self._recent: dict[int, Recent] = {}
        self._waiting: dict[int, deque[tuple[Position, Timestamp]]] = {}
        """Sent for positions that were not read yet."""

    def announced(
        self, journal: int, position: Position, sent: Timestamp, read: Position, now: Timestamp
    ) -> None:
        """A closed time came that counts once `position` was read, as `read` was."""
        if position <= read:
            self._add(journal, now - sent, now)
        else:
            self._waiting.setdefault(journal, deque(maxlen=_WAITING)).append((position, sent))

    def read(self, journal: int, position: Position, now: Timestamp) -> None:
        """Everything up to `position` was read."""
        waiting = self._waiting.get(journal)
        while waiting and waiting[0][0] <= position:
            self._add(journal, now - waiting.popleft()[1], now)

    def p90(self, now: Timestamp) -> dict[int, int]:
        """By journal."""
        return {journal: recent.p90(now) for journal, recent in self._recent.items()}

    def _add(self, journal: int, duration: int, now: Timestamp) -> None:
        self._recent.setdefault(journal, Recent()).add(max(0, duration), now)


def lead_of(append: int, deliveries: Iterable[int], tick: int, most: int) -> int:
    """The lead of a journal; `deliveries` as its readers measure them, at most `most`."""
    return min(max(append, tick) + max(deliveries, default=0) + SLACK, most)
