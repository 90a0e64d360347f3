"""How fast connections may come (dsql-reference §4): a token bucket, without a clock of its own."""


class Rate:
    """At most `burst` at once, and `per_s` in every second of the long run."""

    __slots__ = ("_at", "_burst", "_left", "_per_s")

    def __init__(self, per_s: float, burst: int) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = float(burst)
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Whether one more may come at `now`, in seconds of a clock that does not go back; if so it is counted."""
        if self._at is not None:
            self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
