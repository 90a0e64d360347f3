"""How far commits and closed times are dated ahead, from what appends and messages take (AR §3.3).

    owner        append ────── durable ─ announce ─┐
                 now           + append            └───────▶ adopted elsewhere
    commit_ts =  now + lead                                  + append + delivery <= now + lead: no read waits

A commit's record and the closed times around it must be everywhere before their time comes. So the lead is what three
of four recent appends took and what three of four deliveries took, together enough for nine of ten records, and a
little for the loop's own delays. More would delay every COMMIT for the sake of a read that happens to begin just when
a late record is due, and waits for it. Where no session is, nobody reads: such a region tells no deliveries, and the
first transactions of its first session may wait for a record on its way.

While a journal rests, closed times come once per tick; a tick then stands for the append. Clocks that differ make a
delivery look longer or shorter, which is what reads see. Synchronous; `now` comes in. All times and durations in ns.
"""

from collections import deque
from collections.abc import Iterable

from journal.record import Position, Timestamp

MS = 10**6
SAMPLES = 512
AGE = 4 * 10**9
"""A sample counts no longer, once there are younger ones."""
UNREAD = 10 * 10**9
"""So long after its last session a region's reads are expected again at any moment."""
SLACK = MS
FEW = 8
"""Of fewer samples one alone, perhaps the first of a cold process, would be their upper quarter: the median counts."""
_WAITING = 64


class Recent:
    """The last samples of a duration."""

    def __init__(self) -> None:
        self._samples: deque[tuple[Timestamp, int]] = deque(maxlen=SAMPLES)

    def add(self, duration: int, now: Timestamp) -> None:
        """One more."""
        self._samples.append((now, duration))

    def forget(self) -> None:
        """What was measured says nothing about what comes."""
        self._samples.clear()

    def p75(self, now: Timestamp) -> int:
        """Three of four took no longer; 0 when nothing was measured."""
        samples = self._samples
        while len(samples) > 1 and samples[0][0] < now - AGE:
            samples.popleft()
        if not samples:
            return 0
        durations = sorted(duration for _at, duration in samples)
        count = len(durations)
        return durations[count * 3 // 4 if count >= FEW else (count - 1) // 2]


class Deliveries:
    """How long records take from being durable until they and their closed times count here, per journal.

    One sample per record: the closed times in between, of which there are many more, have no record to wait for.
    """

    def __init__(self) -> None:
        self._recent: dict[int, Recent] = {}
        self._waiting: dict[int, deque[tuple[Position, Timestamp]]] = {}
        """Sent for positions that were not read yet."""
        self._newest: dict[int, Position] = {}
        self._read_at: Timestamp = -UNREAD

    def announced(
        self, journal: int, position: Position, sent: Timestamp, read: Position, now: Timestamp
    ) -> None:
        """A closed time came that counts once `position` was read, as `read` was."""
        if position <= self._newest.get(journal, 0):
            return
        self._newest[journal] = position
        if position <= read:
            self._add(journal, now - sent, now)
        else:
            self._waiting.setdefault(journal, deque(maxlen=_WAITING)).append((position, sent))

    def read(self, journal: int, position: Position, now: Timestamp) -> None:
        """Everything up to `position` was read."""
        waiting = self._waiting.get(journal)
        while waiting and waiting[0][0] <= position:
            self._add(journal, now - waiting.popleft()[1], now)

    def p75(self, now: Timestamp) -> dict[int, int]:
        """By journal."""
        return {journal: recent.p75(now) for journal, recent in self._recent.items()}

    def told(self, is_read: bool, now: Timestamp) -> dict[int, int]:
        """What owners are to allow for; nothing while no session is here (`is_read`), nor was lately."""
        if is_read:
            self._read_at = now
        return self.p75(now) if now - self._read_at <= UNREAD else {}

    def _add(self, journal: int, duration: int, now: Timestamp) -> None:
        self._recent.setdefault(journal, Recent()).add(max(0, duration), now)


def lead_of(append: int, deliveries: Iterable[int], tick: int, most: int) -> int:
    """The lead of a journal; `deliveries` as its readers measure them, at most `most`."""
    return min(max(append, tick) + max(deliveries, default=0) + SLACK, most)
