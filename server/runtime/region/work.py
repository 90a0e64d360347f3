"""How much an owner of a journal has done, and how long each of its serial parts was at it: counted, never interpreted.

Whoever scrapes divides by the interval: the share of a part is its headroom (server.runtime.busy is `serve`'s).
"""

from time import perf_counter


class Work:
    """Of one journal's owner in this process."""

    __slots__ = ("adjudicate_s", "append_s", "claim_s", "claims", "committed", "refused", "takeovers")

    def __init__(self) -> None:
        self.claims = 0
        self.takeovers = 0
        """Claims of a journal that another process had claimed last."""
        self.committed = 0
        """Transactions that were decided here and are durable."""
        self.refused = 0
        """Answers to coordinators that say no: conflicts, and what is to be tried again."""
        self.claim_s = 0.0
        """From the wish to own a journal until it could vote."""
        self.adjudicate_s = 0.0
        """In the core, with messages and the stream."""
        self.append_s = 0.0
        """While at least one record was in flight."""

    def claimed(self, begun: float, has_taken_over: bool) -> None:
        """A claim was accepted."""
        self.claims += 1
        self.takeovers += has_taken_over
        self.claim_s += perf_counter() - begun

    def adjudicated(self, begun: float) -> None:
        """The core returns that was called at `begun`."""
        self.adjudicate_s += perf_counter() - begun
