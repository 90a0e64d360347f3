"""Which process of a region owns which of the journals that the region leads (AR §3.5).

Rule. Each journal has a home among the region's adjudicators, in turn. It is owned there while that process is heard;
else by the next one that is; else by the region's node, if that may. One that falls silent loses its journals at once,
and gets back those whose home it is: after it was heard for `rest`, which doubles with each time that it fell silent
lately, and not sooner than `settled` after they were moved. So a process that dies again and again, perhaps by owning,
moves its journals ever less often.

    adjudicator 1   owns 0 ─── silent ─────────── heard again ─── rest ─── owns 0
    adjudicator 2   owns 2 ─── owns 0 and 2 ─────────────────────────────── owns 2

Nothing here is needed for safety: a journal has one owner because a claim fences everybody before it. Synchronous;
`now` of a monotonic clock comes in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

Seconds = float
"""Of a monotonic clock."""

DOUBLINGS = 6


class Waits(NamedTuple):
    """Seconds."""

    silence: Seconds = 1.0
    """An adjudicator of which nothing is heard for so long owns nothing more."""
    rest: Seconds = 0.5
    """One that fell silent is heard for so long before it owns again; the second time twice as long, and so on."""
    settled: Seconds = 2.0
    """Between two moves of a journal whose owner lives."""
    start: Seconds = 5.0
    """At first those that were not heard yet are waited for."""
    calm: Seconds = 120.0
    """Whoever was heard for so long has never fallen silent."""


def waits_for(silence: Seconds) -> Waits:
    """In proportion to how long a process may be silent."""
    return Waits(silence, silence / 2, 2 * silence, 5 * silence, 120 * silence)


@dataclass(slots=True)
class _Known:
    """Of one adjudicator."""

    heard_at: Seconds
    heard_since: Seconds
    losses: int = 0
    is_lost: bool = False


class Assigning:
    """The view of a region's node."""

    def __init__(
        self,
        me: str,
        adjudicators: Sequence[str],
        order: Sequence[int],
        *,
        may_own: bool = True,
        waits: Waits | None = None,
    ) -> None:
        """`order`: all journals, those first that the region leads when all is well; `may_own`: whether `me` takes a
        journal that no adjudicator can own."""
        self._me = me
        self._adjudicators = tuple(adjudicators)
        self._order = tuple(order)
        self._may_own = may_own
        self._waits = waits or Waits()
        self._known: dict[str, _Known] = {}
        self._holders: dict[int, tuple[str, Seconds]] = {}
        self._began_at: Seconds | None = None
        self.moves = 0
        """Journals that were given to another process than had them."""

    def heard(self, node: str, now: Seconds) -> None:
        """Something came from that adjudicator."""
        known = self._known.get(node)
        if known is None:
            self._known[node] = _Known(now, now)
            return
        self._notice(known, now)
        if known.is_lost:
            known.is_lost, known.heard_since = False, now
        known.heard_at = now

    def assign(self, journals: Sequence[int], now: Seconds) -> None:
        """Decide anew, for the journals that the region leads now; others belong to nobody here."""
        if self._began_at is None:
            self._began_at = now
        for known in self._known.values():
            self._notice(known, now)
        self._holders = {each: held for each, held in self._holders.items() if each in journals}
        for journal in journals:
            self._assign(journal, now)

    def holder(self, journal: int) -> str | None:
        """Who is to own it; None: nobody yet, or nobody in this region."""
        held = self._holders.get(journal)
        return held[0] if held is not None else None

    def held_by(self, node: str) -> list[int]:
        """The journals that the process is to own."""
        return sorted(journal for journal, (holder, _since) in self._holders.items() if holder == node)

    def is_heard(self, node: str, now: Seconds) -> bool:
        """Whether an adjudicator has said something lately."""
        known = self._known.get(node)
        return known is not None and now - known.heard_at <= self._waits.silence

    # --- the rules

    def _assign(self, journal: int, now: Seconds) -> None:
        held, best = self._holders.get(journal), self._best(journal, now)
        if best is None or (held is not None and held[0] == best):
            return
        if held is not None:
            if self._is_alive(held[0], now) and now - held[1] < self._waits.settled:
                return
            self.moves += 1
        self._holders[journal] = best, now

    def _best(self, journal: int, now: Seconds) -> str | None:
        count = len(self._adjudicators)
        first = self._order.index(journal)
        ring = [self._adjudicators[(first + step) % count] for step in range(count)]
        if ring and self._is_awaited(ring[0], now):
            return None
        for node in ring:
            if self._is_fit(node, now):
                return node
        return self._me if self._may_own else None

    def _is_alive(self, node: str, now: Seconds) -> bool:
        return node == self._me or self.is_heard(node, now)

    def _is_fit(self, node: str, now: Seconds) -> bool:
        known = self._known.get(node)
        if known is None or not self.is_heard(node, now):
            return False
        return not known.losses or now - known.heard_since >= self._rest(known.losses)

    def _is_awaited(self, node: str, now: Seconds) -> bool:
        """It may still be starting, as this process is."""
        began_at = self._began_at if self._began_at is not None else now
        return node not in self._known and now - began_at < self._waits.start

    def _rest(self, losses: int) -> Seconds:
        return self._waits.rest * float(2 ** min(losses - 1, DOUBLINGS))

    def _notice(self, known: _Known, now: Seconds) -> None:
        if not known.is_lost and now - known.heard_at > self._waits.silence:
            known.is_lost = True
            known.losses += 1
        elif not known.is_lost and now - known.heard_since >= self._waits.calm:
            known.losses = 0
