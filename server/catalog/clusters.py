"""The clusters of one server: rows of cluster 0, which is none itself (DESIGN §8; format on disk, ARCHITECTURE).

    6 directory   key + cluster id -> Cluster        7 counter   one row: [next number, how many there are]

A fresh cluster is one commit: its entry, the counter, which lets of two at the same moment one lose, and the rows
that every cluster begins with. Dropping one is a commit too: its entry says so and its version row goes, so that
whoever still changes its catalog loses. Its other rows are removed in the background, the catalog's first, since
its keys come first: then every transaction that used a table of it loses as well.

Of two regions each has an id of its own for the cluster that they share (dsql-reference §9): it has an entry under
each, all of them equal, and an endpoint knows its own alone. Where a cluster has none for the region that is asked,
since it comes from `serve`, from an older release or from other regions, each of its ids means it.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

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


class Here(NamedTuple):
    """Where a server stands: in one of `regions`, or, as `serve`, in none that has a name."""

    region: str = ""
    regions: tuple[str, ...] = ("",)


class Cluster(msgspec.Struct, frozen=True):
    """An entry of the directory; `created`: nanoseconds since 1970."""

    number: int
    created: int
    is_deleting: bool = False
    ids: dict[str, str] = {}
    """By region, where there are several."""

    def id_in(self, region: str, entered: str) -> str:
        """The one to tell in that region; `entered`: whose entry this is."""
        return self.ids.get(region) or (self.ids[min(self.ids)] if self.ids else entered)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Cluster).decode
_decode_counter = msgspec.msgpack.Decoder(tuple[int, int]).decode


def make_id(random: bytes) -> str:
    """The id of 16 random bytes: as many letters and digits as DSQL's have."""
    return base64.b32encode(random).decode().rstrip("=").lower()


def make_ids(here: Here, random: Callable[[int], bytes]) -> dict[str, str]:
    """For a new cluster, by region; `random` gives so many bytes."""
    return {region: make_id(random(16)) for region in here.regions}


def named_by_host(name: str) -> str | None:
    """The id in a host name like `<id>.dsql.us-east-1.on.aws`; None where its first label is none."""
    label, _, rest = name.lower().partition(".")
    return label if rest and ID.fullmatch(label) else None


def find(versions: store.Versions, ts: int, cluster_id: str, region: str) -> Cluster | None:
    """The cluster that has that id in `region` as of `ts`, if there is one and it is not being deleted."""
    value = versions.get(_entry_key(cluster_id), ts) if ID.fullmatch(cluster_id) else None
    found = _decode(value) if value is not None else None
    if found is None or found.is_deleting or found.ids.get(region, cluster_id) != cluster_id:
        return None
    return found


def number_of(versions: store.Versions, ts: int, cluster_id: str, region: str) -> int:
    """Its number; PgError FATAL 08006, as for any endpoint that is not the client's."""
    found = find(versions, ts, cluster_id, region)
    if found is None:
        raise unknown(cluster_id)
    return found.number


def every(versions: store.Versions, ts: int, region: str = "") -> Iterator[tuple[str, Cluster]]:
    """Each once, with the id that it has in `region`, those that are being deleted included."""
    for cluster_id, found in _entries(versions, ts):
        if cluster_id == found.id_in(region, cluster_id):
            yield cluster_id, found


def dropped(versions: store.Versions, ts: int) -> dict[int, list[str]]:
    """Those that are being deleted: by number all their ids, also such as a node of an older release passed over."""
    numbers = {found.number for _id, found in _entries(versions, ts) if found.is_deleting}
    ids: dict[int, list[str]] = {number: [] for number in numbers}
    for cluster_id, found in _entries(versions, ts):
        if found.number in numbers:
            ids[found.number].append(cluster_id)
    return ids


def _entries(versions: store.Versions, ts: int) -> Iterator[tuple[str, Cluster]]:
    lo = keycode.prefix(_NOBODYS, _DIRECTORY)
    start: bytes | None = lo
    while start is not None:
        items, start = versions.scan_stamped(start, keycode.successor(lo), ts, 256)
        for key, _commit_ts, value in items:
            yield key[len(lo) :].decode(), _decode(value)


def is_registered(versions: store.Versions, ts: int) -> bool:
    """Whether the default cluster has an id: one that an older release made has none yet."""
    return versions.get(_COUNTER_KEY, ts) is not None


def founding(ids: Mapping[str, str], now: int) -> list[Write]:
    """The default cluster's entries, by region."""
    return [*_entered(ids, Cluster(DEFAULT_CLUSTER, now)), _counter(DEFAULT_CLUSTER + 1, 1)]


def creation(versions: store.Versions, ts: int, ids: Mapping[str, str], now: int, limit: int) -> list[Write]:
    """A fresh cluster: what to commit as of `ts`. PgError 53400 when there are `limit` of them."""
    number, count = _counted(versions, ts)
    if count >= limit:
        raise PgError("53400", f"cluster limit of {limit} exceeded")
    entries = _entered(ids, Cluster(number, now))
    return [*entries, _counter(number + 1, count + 1), *store.bootstrap(number)]


def deletion(versions: store.Versions, ts: int, cluster_id: str, region: str) -> list[Write]:
    """The drop of a cluster: what to commit as of `ts`. PgError 42704, 0A000."""
    found = find(versions, ts, cluster_id, region)
    if found is None:
        raise PgError("42704", f'cluster "{cluster_id}" does not exist')
    if found.number == DEFAULT_CLUSTER:
        raise PgError("0A000", "the default cluster cannot be dropped")
    entries = _entered(found.ids or {"": cluster_id}, msgspec.structs.replace(found, is_deleting=True))
    return [*entries, Write(store.version_key(found.number), None, _EXCLUSIVE)]


def removal(versions: store.Versions, ts: int, ids: list[str]) -> list[Write]:
    """The end of a deletion, once no row is left; `ids`: all of the cluster."""
    number, count = _counted(versions, ts)
    return [*(Write(_entry_key(each), None, _EXCLUSIVE) for each in ids), _counter(number, count - 1)]


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


def _entered(ids: Mapping[str, str], cluster: Cluster) -> list[Write]:
    value = _encode(msgspec.structs.replace(cluster, ids=dict(ids) if len(ids) > 1 else {}))
    return [Write(_entry_key(each), value, _EXCLUSIVE) for each in ids.values()]


def _counter(number: int, count: int) -> Write:
    return Write(_COUNTER_KEY, _encode([number, count]), _EXCLUSIVE)
