"""A simulated clock: off by an offset, drifting, jumping, corrected now and then."""


class SimClock:
    """Says (earliest, latest); the truth lies between, unless the run breaks the bound on purpose."""

    def __init__(self, bound, offset):
        self.bound = bound
        self.offset = offset
        self.drift = 0
        """Parts per million."""
        self._since = 0
        self._earliest = 0
        self._latest = 0

    def correct(self, now, offset, drift):
        """Synchronisation, or a jump."""
        self.offset = offset
        self.drift = drift
        self._since = now

    def _reading(self, now):
        return now + self.offset + (now - self._since) * self.drift // 10**6

    def is_bounded(self, now):
        return abs(self._reading(now) - now) <= self.bound

    def earliest(self, now):
        """Never goes back (C2)."""
        self._earliest = max(self._earliest, self._reading(now) - self.bound, 0)
        return self._earliest

    def latest(self, now):
        self._latest = max(self._latest, self._reading(now) + self.bound)
        return self._latest
