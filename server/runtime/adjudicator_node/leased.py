"""What an adjudicator was told to own, and for how long that holds (server.runtime.region.leasing).

A lease that ran out ends nothing: whoever owns goes on until another owner's claim is met. It only says that nothing is
claimed anew, for the region's node may have given the journal to another process, or be out of service with its region.
Synchronous; `now` of a monotonic clock comes in.
"""

from collections.abc import Sequence

from journal.crossbar import Crossbar
from server.runtime.region.owning import Kept
from server.runtime.region.wire import Lease

Seconds = float
"""Of a monotonic clock."""


class Leased:
    """The last lease."""

    def __init__(self, journals: Sequence[int], lasts: Seconds) -> None:
        """`journals`: all there are in the beginning; a lease lasts for `lasts`."""
        self._journals = list(journals)
        self._lasts = lasts
        self._lease = Lease((), ())
        self._granted_at: Seconds | None = None

    def granted(self, lease: Lease, now: Seconds) -> None:
        """In place of the one before."""
        self._lease = lease
        self._granted_at = now

    def is_running(self, now: Seconds) -> bool:
        """Whether there is a lease that has not run out."""
        return self._granted_at is not None and now - self._granted_at < self._lasts

    def is_wanted(self, journal: int, now: Seconds) -> bool:
        """Whether the journal is to be claimed."""
        return self.is_running(now) and journal in self._lease.journals

    def is_active(self, region: str) -> bool:
        """Whether the region was in service when the lease was given."""
        return region in self._lease.active

    def kept(self) -> Kept:
        """From where an owner learns what was committed; nothing is claimed before the first lease has told."""
        lease = self._lease
        if lease.mark is None:
            return Kept(Crossbar(self._journals), lease.base, None)
        return Kept(Crossbar([], lease.mark), lease.base, lease.mark)
