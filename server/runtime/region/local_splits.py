"""Where the shards of `opendsql cluster` begin when nobody says so.

A key begins with the id of its table or index, and then the values of its columns. Where rows will lie among these is
known to nobody before they are there: serial numbers lie close together, uuids everywhere. So the splits are measured:
when a cluster is started that has rows, they are cut into parts of as many bytes each. Before, a new cluster's shards
begin at the ids that its first tables will get, so that tables lie apart, but each of them in one shard.
"""

from collections.abc import Iterator
from pathlib import Path

from journal.record import MARKERS, Key
from server.catalog.descriptor import DEFAULT_CLUSTER, FIRST_USER_OID
from storage import keycode
from storage.replica import Reader

IDS_PER_TABLE = 2
"""A table's own, and its primary key's."""
LEAST_ROWS = 1000
"""Fewer say nothing about where the next ones will be."""
MOST_ROWS = 1_000_000
"""Looked at, from the first on: a second or two."""
BATCH = 1024


def by_tables(shards: int) -> list[Key]:
    """Where all but the first of `shards` begin in a new cluster."""
    ids = (FIRST_USER_OID + IDS_PER_TABLE * number for number in range(1, shards))
    return [keycode.prefix(DEFAULT_CLUSTER, number) for number in ids]


def measured(storage: Path, shards: int) -> list[Key] | None:
    """Keys that cut the rows of users which a replica in `storage` has into equal parts; None: there are too few.

    Nobody has to run there.
    """
    if not (storage / "data.mdb").exists():
        return None
    reader = Reader.open(storage)
    try:
        count = total = 0
        for _key, size in _ends(reader):
            count, total = count + 1, size
        if count < max(LEAST_ROWS, shards):
            return None
        splits: list[Key] = []
        for key, size in _ends(reader):
            if len(splits) < shards - 1 and size * shards > total * (len(splits) + 1):
                splits.append(key)
        return splits if len(splits) == shards - 1 else None
    finally:
        reader.close()


def _ends(reader: Reader) -> Iterator[tuple[Key, int]]:
    """Each row's key, and the bytes of all rows up to it."""
    size = 0
    ts, _position, _extra = reader.refresh()
    following: Key | None = keycode.prefix(DEFAULT_CLUSTER, FIRST_USER_OID)
    left = MOST_ROWS
    while following is not None and left > 0:
        rows, following = reader.scan_items(following, MARKERS, ts, BATCH)
        left -= len(rows)
        for key, row in rows:
            size += len(key) + len(row)
            yield key, size
