"""Versions of rows in memory: a `storage.shard.Rows`."""

from bisect import bisect_right, insort
from operator import itemgetter

_ts = itemgetter(0)


class MemoryRows:
    """Per key its versions, oldest first."""

    def __init__(self):
        self._versions = {}
        self._superseded = []

    def apply(self, commit_ts, writes):
        for write in writes:
            versions = self._versions.setdefault(write.key, [])
            if versions:
                self._superseded.append((commit_ts, write.key))
            insort(versions, (commit_ts, write.value), key=_ts)

    def get(self, key, ts):
        versions = self._versions.get(key, ())
        index = bisect_right(versions, ts, key=_ts)
        return versions[index - 1][1] if index else None

    def visible(self, ts):
        for key in sorted(self._versions):
            versions = self._versions[key]
            index = bisect_right(versions, ts, key=_ts)
            if index and versions[index - 1][1] is not None:
                yield key, versions[index - 1][0], versions[index - 1][1]

    def trim(self, before):
        horizon = 0
        kept = []
        for ts, key in self._superseded:
            if ts > before:
                kept.append((ts, key))
                continue
            versions = self._versions[key]
            del versions[: max(0, bisect_right(versions, ts, key=_ts) - 1)]
            horizon = max(horizon, ts)
        self._superseded = kept
        return horizon
