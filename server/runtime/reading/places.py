"""Which storage nodes of a region have which keys: the map of shards, as a query processor has it."""

from bisect import bisect_right
from collections.abc import Callable, Sequence

from journal.broken import require
from journal.record import MARKERS, Key
from server.runtime.region.config import ShardPlaces


class ShardMap:
    """The shards of a region, which cover all keys of rows; `server.session.reader.Places` with nodes as numbers.

    The replicas of a shard take turns in being asked first; those that can't be reached come last.
    """

    def __init__(self, shards: Sequence[ShardPlaces], is_connected: Callable[[str], bool]) -> None:
        """Raises `Broken` for shards that leave keys out, or overlap."""
        self._shards = sorted(shards, key=lambda shard: shard.lo)
        ends = [MARKERS if shard.hi is None else shard.hi for shard in self._shards]
        self._los = [shard.lo for shard in self._shards]
        require([b"", *ends[:-1]] == self._los and ends[-1] >= MARKERS, "shards cover every key, once")
        require(all(shard.replicas for shard in shards), "every shard has a replica")
        self._his = ends
        self.nodes = sorted({node for shard in shards for node in shard.replicas})
        """By their numbers."""
        self._replicas = [tuple(map(self.nodes.index, shard.replicas)) for shard in self._shards]
        self._is_connected = is_connected
        self._turn = 0

    @property
    def is_reachable(self) -> bool:
        """Whether each shard has a replica that can be asked now."""
        is_up = [self._is_connected(node) for node in self.nodes]
        return all(any(is_up[number] for number in replicas) for replicas in self._replicas)

    def shard_of(self, key: Key) -> int:
        """The shard that holds `key`."""
        return bisect_right(self._los, key) - 1

    def pieces(self, lo: Key, hi: Key) -> list[tuple[Key, Key, int]]:
        """[lo, hi) cut at the bounds of shards: (lo, hi, shard), in key order."""
        found = []
        shard = self.shard_of(lo)
        while lo < hi and shard < len(self._shards):
            found.append((lo, min(hi, self._his[shard]), shard))
            lo = self._his[shard]
            shard += 1
        return found

    def replicas(self, shard: int) -> list[int]:
        """Its replicas, in the order in which to ask them."""
        numbers = self._replicas[shard]
        if len(numbers) == 1:
            return list(numbers)
        self._turn += 1
        first = self._turn % len(numbers)
        turned = numbers[first:] + numbers[:first]
        return sorted(turned, key=lambda number: not self._is_connected(self.nodes[number]))
