"""Which member of an etcd cluster is asked, and for how long: no I/O, no clock."""


class Endpoints:
    """Which member to ask: the most preferred one that has not just failed."""

    REST_S = 2.0
    """For so long a member that failed is asked only if all have."""

    def __init__(self, count: int) -> None:
        self._rest_until = [0.0] * count

    def pick(self, now: float) -> int:
        """The index of the member to ask at monotonic time `now`, in seconds."""
        for index, until in enumerate(self._rest_until):
            if until <= now:
                return index
        return self._rest_until.index(min(self._rest_until))

    def failed(self, index: int, now: float) -> None:
        """It gave no answer, or none that helps."""
        self._rest_until[index] = now + self.REST_S

    def answered(self, index: int) -> None:
        """It works."""
        self._rest_until[index] = 0.0


class Attempts:
    """How long one member is given to answer one request before another one is asked.

    A member hands a request on to the one that leads. When that is lost, what is on its way is never answered,
    although the others elect another one within two seconds, and what is asked once they know of the loss waits for the
    new one. So an attempt ends after a few times what answers take; whoever asked asks again. When attempt after
    attempt is lost, for longer than an election, answers may have become slow: then each is given more. In seconds.
    """

    LEAST_S = 0.4
    FACTOR = 4
    """Times what answers take."""
    ENOUGH = 6
    """Lost in a row, each is given twice as long as the one before."""
    BYTES_PER_S = 1 << 20
    """A request is sent at least so fast."""

    def __init__(self, most: float) -> None:
        """`most`: for the first ones, and at most."""
        self._most = most
        self._least = min(self.LEAST_S, most)
        self._usual: float | None = None
        self._lost = 0

    def limit(self, size: int) -> float:
        """For a request of `size` bytes with a small answer."""
        if self._usual is None:
            return self._most
        given = max(self._least, self.FACTOR * self._usual) * 2.0 ** max(0, self._lost - self.ENOUGH)
        return min(self._most, given + size / self.BYTES_PER_S)

    def answered(self, took: float) -> None:
        """A request with a small answer was answered after so long."""
        self._lost = 0
        self._usual = took if self._usual is None else max(took, (7 * self._usual + took) / 8)

    def lost(self) -> None:
        """One was not."""
        self._lost = min(self._lost + 1, 2 * self.ENOUGH)
