"""How long each serial part of the commit pipeline works, and which tables conflict: counted, never interpreted.

Whoever scrapes (server.runtime.metrics) divides by the interval: the share of a serial part is its headroom.
"""

from time import perf_counter, thread_time

INDEXES = 4096
"""Tables and indexes whose conflicts are counted apart; later ones are counted together under b""."""
SIZES = 12
PREFIX = 8
"""A key's cluster and index id (storage.keycode)."""


class Busy:
    """Seconds of work since the start, by part. Each part is one thread's at a time."""

    __slots__ = (
        "apply_s",
        "blocked_s",
        "conflicts_by_index",
        "decide_s",
        "flush_s",
        "group_commits",
        "group_sizes",
        "too_old",
    )

    def __init__(self) -> None:
        self.decide_s = 0.0
        self.flush_s = 0.0
        """Appending and syncing, on whatever thread."""
        self.blocked_s = 0.0
        """What inline flushes kept the loop waiting without using the processor."""
        self.apply_s = 0.0
        self.too_old = 0
        """Commits refused because what was committed after their start is no longer known (A5, A11)."""
        self.group_commits = 0
        self.group_sizes = [0] * SIZES
        """Groups of at most 1, 2, 4 ... commits; the last are all larger ones."""
        self.conflicts_by_index: dict[bytes, int] = {}

    def decided(self, begun: float) -> None:
        """A round of decisions ends that began at `begun`."""
        self.decide_s += perf_counter() - begun

    def flushed(self, begun: float) -> None:
        """A flush ends."""
        self.flush_s += perf_counter() - begun

    def flushed_inline(self, begun: float, begun_cpu: float) -> None:
        """A flush on the loop's thread ends; `begun_cpu` is that thread's `thread_time`."""
        seconds = perf_counter() - begun
        self.flush_s += seconds
        self.blocked_s += max(seconds - (thread_time() - begun_cpu), 0.0)

    def applied(self, begun: float, commits: int) -> None:
        """A group is applied."""
        self.apply_s += perf_counter() - begun
        if commits:
            self.group_commits += commits
            self.group_sizes[min((commits - 1).bit_length(), SIZES - 1)] += 1

    def conflicted(self, key: bytes) -> None:
        """A commit lost because of `key`; of no single key when it was too old."""
        if not key:
            self.too_old += 1
            return
        counts, index = self.conflicts_by_index, key[:PREFIX]
        if index not in counts and len(counts) >= INDEXES:
            index = b""
        counts[index] = counts.get(index, 0) + 1
