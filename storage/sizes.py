"""What each cluster's rows occupy: counted as they are written, so that asking costs nothing (dsql-reference §4).

The measure. Of every row, index entry and catalog row that is not deleted, the newest version: the bytes of its
key, of its stored row (texts in it may be compressed) and 8 of its time. A cluster is the first 4 bytes of a key.
It does not depend on when old versions are trimmed, on how full LMDB's pages are, or on how many replicas there
are: replicas that hold the same rows give the same number.

    put k=v           + len(k) + 8 + len(v)        there was none, or a tombstone
    put k=w           + len(w) - len(v)
    delete k          - (len(k) + 8 + len(w))

Format on disk: in `meta`, `size` + cluster -> bytes (8 bytes BE), in the LMDB transaction that writes
the rows. An environment that has rows and no such entry was written before they were kept: it is counted once.
"""

from collections import defaultdict
from collections.abc import Mapping
from itertools import chain

from storage import longkey, mvcc
from storage.lmdb_engine import Engine, Transaction

CLUSTER = 4
"""Leading bytes of a key that name its cluster."""
STAMP = 8
"""Bytes of commit_ts before a stored row."""
_NAME = b"size"

Growth = defaultdict[bytes, int]
"""By cluster: bytes, more or fewer."""


def replaced(growth: Growth, key: bytes, old: bytes | None, new: bytes) -> None:
    """Note in `growth` that the version `new` of `key` takes the place of `old`; both begin with their times."""
    before = 0 if old is None or len(old) == STAMP else len(key) + len(old)
    growth[key[:CLUSTER]] += (0 if len(new) == STAMP else len(key) + len(new)) - before


class Sizes:
    """Of one environment, kept by its one writer."""

    def __init__(self, engine: Engine, txn: Transaction) -> None:
        """As of the snapshot `txn`."""
        self._meta = engine.meta
        self._bytes = _stored(engine, txn)
        self._is_stored = bool(self._bytes)
        if not self._bytes:
            self._bytes = _counted(engine, txn)

    def of(self, cluster: bytes) -> int:
        """Bytes of the cluster with this number (4 bytes BE)."""
        return self._bytes.get(cluster, 0)

    def write(self, txn: Transaction, growth: Mapping[bytes, int]) -> None:
        """Let the transaction store what follows from `growth`; `adopt` once it has committed."""
        clusters = growth if self._is_stored else {**self._bytes, **growth}
        for cluster in clusters:
            size = self.of(cluster) + growth.get(cluster, 0)
            if size:
                txn.put(_NAME + cluster, size.to_bytes(8, "big"), db=self._meta)
            else:
                txn.delete(_NAME + cluster, db=self._meta)

    def adopt(self, growth: Mapping[bytes, int]) -> None:
        """What was written is committed."""
        self._is_stored = True
        for cluster, more in growth.items():
            size = self.of(cluster) + more
            if size:
                self._bytes[cluster] = size
            else:
                self._bytes.pop(cluster, None)


def _stored(engine: Engine, txn: Transaction) -> dict[bytes, int]:
    cursor = txn.cursor(engine.meta)
    found = {}
    if cursor.set_range(_NAME):
        for name, value in cursor.iternext():
            if not name.startswith(_NAME):
                break
            found[name[len(_NAME) :]] = int.from_bytes(value, "big")
    return found


def _counted(engine: Engine, txn: Transaction) -> dict[bytes, int]:
    """By one walk over everything."""
    growth: Growth = defaultdict(int)
    short = txn.cursor(engine.current).iternext()
    for key, version in chain(short, longkey.ascend(txn, engine.long, b"", mvcc.END)):
        replaced(growth, key, None, version)
    return {cluster: size for cluster, size in growth.items() if size}
