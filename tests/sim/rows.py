"""Versions of rows in memory: a `storage.shard.Rows`."""

from bisect import bisect_left, bisect_right, insort
from operator import itemgetter

from journal.record import Write

_ts = itemgetter(0)


class MemoryRows:
    """Per key its versions, oldest first."""

    def __init__(self):
        self._versions = {}
        self._keys = []
        """Sorted."""
        self._superseded = []
        self.complete = 0
        self.mark = None
        self.horizon = 0

    def apply(self, commits, step):
        for commit in commits:
            self._add(commit.commit_ts, commit.writes)
        self.complete = step.complete
        self.mark = step.mark or self.mark

    def load(self, rows, step):
        for key, commit_ts, value in rows:
            self._add(commit_ts, [Write(key, value, 0)])
        self.complete = self.horizon = step.complete
        self.mark = step.mark

    def _add(self, commit_ts, writes):
        for write in writes:
            self.put(write.key, commit_ts, write.value)

    def put(self, key, commit_ts, value):
        """One more version."""
        versions = self._versions.get(key)
        if versions is None:
            versions = self._versions[key] = []
            insort(self._keys, key)
        else:
            self._superseded.append((commit_ts, key))
        insort(versions, (commit_ts, value), key=_ts)

    def versions(self):
        """(key, its versions), in key order."""
        return [(key, list(self._versions[key])) for key in self._keys]

    def versions_of(self, key):
        return list(self._versions.get(key, ()))

    def get(self, key, ts):
        versions = self._versions.get(key, ())
        index = bisect_right(versions, ts, key=_ts)
        return versions[index - 1][1] if index else None

    def visible(self, ts):
        return self._visible(self._keys, ts)

    def scan(self, lo, hi, ts, reverse=False):
        keys = self._keys[bisect_left(self._keys, lo) : bisect_left(self._keys, hi)]
        return self._visible(keys[::-1] if reverse else keys, ts)

    def _visible(self, keys, ts):
        for key in keys:
            versions = self._versions[key]
            index = bisect_right(versions, ts, key=_ts)
            if index and versions[index - 1][1] is not None:
                yield key, versions[index - 1][0], versions[index - 1][1]

    def trim(self, before):
        kept = []
        for ts, key in self._superseded:
            if ts > before:
                kept.append((ts, key))
                continue
            versions = self._versions[key]
            del versions[: max(0, bisect_right(versions, ts, key=_ts) - 1)]
            self.horizon = max(self.horizon, ts)
        self._superseded = kept
        return self.horizon


class Filters:
    """What the simulation pushes down: a `storage.shard.Pushdown`."""

    def run(self, pushed, rows):
        """`#`: how many rows, as one row; else those whose value begins with `pushed`."""
        if pushed != b"#":
            yield from (row for row in rows if row[2].startswith(pushed))
            return
        first, count = None, 0
        for row in rows:
            first = first or row[0]
            count += 1
        if first is not None:
            yield (first, 0, b"%d" % count)
