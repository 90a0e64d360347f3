"""The clusters of one server: rows of cluster 0, which is none itself (DESIGN §8; format on disk, ARCHITECTURE).

    6 directory   key + cluster id -> Cluster        7 counter   one row: [next number, how many there are]

A fresh cluster is one commit: its entry, the counter, which lets of two at the same moment one lose, and the rows
that every cluster begins with. Dropping one is a commit too: its entry says so and its version row goes, so that
whoever still changes its catalog loses. Its other rows are removed in the background, the catalog's first, since
its keys come first: then every transaction that used a table of it loses as well.
"""

import base64
import re
from collections.abc import Iterator

import msgspec

from journal.record import LockClass, Write
from server.catalog import store
from server.catalog.descriptor import DEFAULT_CLUSTER
from server.errors import PgError
from storage import keycode

ID = re.compile(r"[a-z0-9]{26}")
"""dsql-reference §7."""
_NOBODYS, _DIRECTORY, _COUNTER = 0, 6, 7
_COUNTER_KEY = keycode.prefix(_NOBODYS, _COUNTER)
_EXCLUSIVE = int(LockClass.EXCLUSIVE)


class Cluster(msgspec.Struct, frozen=True):
    """An entry of the directory; `created`: nanoseconds since 1970."""

    number: int
    created: int
    is_deleting: bool = False


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Cluster).decode
_decode_counter = msgspec.msgpack.Decoder(tuple[int, int]).decode


def make_id(random: bytes) -> str:
    """The id of 16 random bytes: as many letters and digits as DSQL's have."""
    return base64.b32encode(random).decode().rstrip("=").lower()


def named_by_host(name: str) -> str | None:
    """The id in a host name like `<id>.dsql.us-east-1.on.aws`; None where its first label is none."""
    label, _, rest = name.lower().partition(".")
    return label if rest and ID.fullmatch(label) else None


def find(versions: store.Versions, ts: int, cluster_id: str) -> Cluster | None:
    """The cluster of that id as of `ts`, if there is one and it is not being deleted."""
    value = versions.get(_entry_key(cluster_id), ts) if ID.fullmatch(cluster_id) else None
    found = _decode(value) if value is not None else None
    return found if found is not None and not found.is_deleting else None


def number_of(versions: store.Versions, ts: int, cluster_id: str) -> int:
    """The number of the cluster of that id; PgError FATAL 08006, as for any endpoint that is not the client's."""
    found = find(versions, ts, cluster_id)
    if found is None:
        raise unknown(cluster_id)
    return found.number


def every(versions: store.Versions, ts: int) -> Iterator[tuple[str, Cluster]]:
    """All of them by id, those that are being deleted included."""
    lo = keycode.prefix(_NOBODYS, _DIRECTORY)
    start: bytes | None = lo
    while start is not None:
        items, start = versions.scan_stamped(start, keycode.successor(lo), ts, 256)
        for key, _commit_ts, value in items:
            yield key[len(lo) :].decode(), _decode(value)


def is_registered(versions: store.Versions, ts: int) -> bool:
    """Whether the default cluster has an id: one that an older release made has none yet."""
    return versions.get(_COUNTER_KEY, ts) is not None


def founding(cluster_id: str, now: int) -> list[Write]:
    """The default cluster's entry."""
    return [_entry(cluster_id, Cluster(DEFAULT_CLUSTER, now)), _counter(DEFAULT_CLUSTER + 1, 1)]


def creation(versions: store.Versions, ts: int, cluster_id: str, now: int, limit: int) -> list[Write]:
    """A fresh cluster: what to commit as of `ts`. PgError 53400 when there are `limit` of them."""
    number, count = _counted(versions, ts)
    if count >= limit:
        raise PgError("53400", f"cluster limit of {limit} exceeded")
    entry = _entry(cluster_id, Cluster(number, now))
    return [entry, _counter(number + 1, count + 1), *store.bootstrap(number)]


def deletion(versions: store.Versions, ts: int, cluster_id: str) -> list[Write]:
    """The drop of a cluster: what to commit as of `ts`. PgError 42704, 0A000."""
    found = find(versions, ts, cluster_id)
    if found is None:
        raise PgError("42704", f'cluster "{cluster_id}" does not exist')
    if found.number == DEFAULT_CLUSTER:
        raise PgError("0A000", "the default cluster cannot be dropped")
    entry = _entry(cluster_id, msgspec.structs.replace(found, is_deleting=True))
    return [entry, Write(store.version_key(found.number), None, _EXCLUSIVE)]


def removal(versions: store.Versions, ts: int, cluster_id: str) -> list[Write]:
    """The end of a deletion, once no row is left."""
    number, count = _counted(versions, ts)
    return [Write(_entry_key(cluster_id), None, _EXCLUSIVE), _counter(number, count - 1)]


def unknown(cluster_id: str) -> PgError:
    """The answer to a client who names a cluster that this server does not have."""
    hint = f"There is no cluster {cluster_id[:64]} here."
    return PgError("08006", "unable to accept connection, access denied", hint=hint, severity="FATAL")


def gone() -> PgError:
    """The answer to sessions of a cluster that was dropped, as after DROP DATABASE ... WITH (FORCE)."""
    return PgError("57P01", "terminating connection due to administrator command", severity="FATAL")


def _counted(versions: store.Versions, ts: int) -> tuple[int, int]:
    value = versions.get(_COUNTER_KEY, ts)
    return _decode_counter(value) if value is not None else (DEFAULT_CLUSTER + 1, 1)


def _entry_key(cluster_id: str) -> bytes:
    return keycode.prefix(_NOBODYS, _DIRECTORY) + cluster_id.encode()


def _entry(cluster_id: str, cluster: Cluster) -> Write:
    return Write(_entry_key(cluster_id), _encode(cluster), _EXCLUSIVE)


def _counter(number: int, count: int) -> Write:
    return Write(_COUNTER_KEY, _encode([number, count]), _EXCLUSIVE)
