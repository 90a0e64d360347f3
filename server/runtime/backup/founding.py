"""A new database that begins from a snapshot: `serve`'s, or that of regions, whichever it was cut of.

    journal 1   claim, at the snapshot's time     trimmed at once: what stands there can be had from a snapshot only
            2   claim, restating the ranges       from here on it is a journal like any other

So the new journals look like old ones of which only the tail is kept, and everything that begins (a replica, an owner,
the other region) takes the way that it takes anyway: a snapshot whose mark is position 1, then the tail (J7). Record 2
reserves the snapshot's time, so no owner uses a time at or below it (F1), and transactions of the old database are not
known: nobody can ask after them here. Both records are made from the snapshot alone; doing it twice changes nothing.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import msgspec

from journal.appender import claim_record
from journal.crossbar import Mark
from journal.directories import flush_directory
from journal.encoding import NO_HASH, Sealed, seal
from journal.journal import EMPTY, Conflict, Tail, Trimmed
from journal.lmdb_log import LmdbLog
from journal.record import TOP, Header, Key, Note, Owned, Record, Timestamp
from journal.snapshot import Head, Item, Snapshot, SnapshotWriter, read_snapshot
from server.runtime.region import snapshots
from server.runtime.region.carrier import Carrier
from server.runtime.requests import Refused
from server.runtime.stores import Unrecoverable, lock_directory

OWNER = "restore"
MAKING = "restoring"
"""Below the data directory, until all is there."""
HOLDINGS = ("journal", "storage", "snapshots", "cluster.json")
"""What a data directory has that is not empty."""
_REQUEST = 16


class Beginning(NamedTuple):
    """The first two records of a journal."""

    first: Sealed
    second: Sealed

    @property
    def anchor(self) -> Tail:
        """What stands before the second, once the first is trimmed."""
        first = self.first
        return Tail(first.position, first.epoch, first.hash, first.last_ts)


def beginning_of(journal: int, ranges: Sequence[tuple[Key, Key]], head: Head) -> Beginning:
    """How `journal`, which owns `ranges`, begins from a snapshot with that head."""
    ts = head.applied_ts
    told = msgspec.msgpack.encode((journal, ts, head.created_ns))
    request = blake2b(told, digest_size=2 * _REQUEST, person=OWNER.encode()).digest()
    notes: list[Note] = [Owned(lo, hi, ts) for lo, hi in ranges]
    start = Record(Header(1, 1, NO_HASH), "claim", request[:_REQUEST], OWNER, [], ts, notes, ts)
    first = seal(start)
    anchor = Tail(1, 1, first.hash, ts)
    return Beginning(first, claim_record(anchor, 2, OWNER, request[_REQUEST:], notes, ts))


def check_empty(data: Path) -> None:
    """Raises `Refused` if `data` holds a database."""
    held = [name for name in HOLDINGS if (data / name).exists()]
    if held:
        raise Refused(f"{data} is not empty: it has {', '.join(held)}")


# --- serve


def found_serve(data: Path, file: Path) -> Snapshot:
    """Make the data directory of a `serve`; it begins from the snapshot `file`, of either kind.

    A process that dies on the way leaves a directory that refuses to start. Raises `Refused`, `InUse`,
    `SnapshotDamaged`, `LogError`, OSError.
    """
    with lock_directory(data):
        check_empty(data)
        making = data / MAKING
        shutil.rmtree(making, ignore_errors=True)
        head, items = read_snapshot(file)
        begins = beginning_of(0, [(b"", TOP)], head)
        _write_journal(making / "journal", begins)
        new = Head(1, 1, begins.first.hash, head.applied_ts, head.applied_ts, head.created_ns)
        written = _write(making / "snapshots", new, _rows(items))
        # A trimmed journal without a snapshot starts nothing; a snapshot without a journal would be passed over.
        for name in ("journal", "snapshots"):
            (making / name).rename(data / name)
        shutil.rmtree(making)
        return written._replace(path=data / "snapshots" / written.path.name)


def _write_journal(path: Path, begins: Beginning) -> None:
    path.mkdir(parents=True)
    log = LmdbLog.open(path)
    try:
        for record in begins:
            if isinstance(log.append(record), Conflict):
                raise Unrecoverable(f"{path} is not empty")
        log.sync()
        log.trim(begins.first.position)
        log.sync()
    finally:
        log.close()


# --- regions


async def found_region(
    data: Path,
    file: Path,
    carriers: Mapping[int, Carrier],
    ranges: Iterable[tuple[Key, Key, int]],
    now: Timestamp,
) -> Snapshot:
    """Put the snapshot `file`, of either kind, into a node's empty `data`, and begin the journals with it.

    The other nodes fetch it, or are given the same backup. `ranges`: who decides on what at first. Raises `Refused`
    if anything is in the way, `InUse`, `SnapshotDamaged`, `Unreachable`, `LogError`, OSError.
    """
    with lock_directory(data):
        check_empty(data)
        head, items = read_snapshot(file)
        if head.applied_ts > now:
            raise Refused("the backup is of a time that has not come by this machine's clock")
        initial = list(ranges)
        begins = {
            journal: beginning_of(journal, [(lo, hi) for lo, hi, owner in initial if owner == journal], head)
            for journal in sorted(carriers)
        }
        written = await _begin_all(data, head, items, carriers, begins)
    return written


async def _begin_all(
    data: Path,
    head: Head,
    items: Iterator[Item],
    carriers: Mapping[int, Carrier],
    begins: Mapping[int, Beginning],
) -> Snapshot:
    # All are looked at before one is changed.
    for journal, begin in begins.items():
        await _check_new(journal, carriers[journal], begin)
    place = _place(head.applied_ts, begins)
    making = data / MAKING
    shutil.rmtree(making, ignore_errors=True)
    number = snapshots.number_of(place.mark)
    new = Head(number, 0, NO_HASH, place.complete, place.complete, head.created_ns)
    first: Item = (snapshots.PLACE, place.complete, snapshots.pack(place))
    written = _write(making, new, _rows(items), [first])
    for journal, begin in begins.items():
        await _begin(journal, carriers[journal], begin)
    making.rename(data / "snapshots")
    return written._replace(path=data / "snapshots" / written.path.name)


def _place(complete: Timestamp, begins: Mapping[int, Beginning]) -> snapshots.Place:
    """Behind the first record of every journal; what follows lies above `complete`."""
    mark = Mark(
        tuple((journal, begin.first.position) for journal, begin in begins.items()),
        (complete, 0, 0, 0),
        tuple((journal, complete) for journal in begins),
        tuple((journal, begin.first.hash) for journal, begin in begins.items()),
    )
    return snapshots.Place(complete, mark)


async def _check_new(journal: int, carrier: Carrier, begin: Beginning) -> None:
    anchor = await carrier.anchor()
    if anchor == begin.anchor:
        return
    if anchor == EMPTY:
        entries = await carrier.read(1, 1)
        if not isinstance(entries, Trimmed) and [each.hash for each in entries] in ([], [begin.first.hash]):
            return
    raise Refused(f"journal {journal} is not empty: a backup is restored into new journals")


async def _begin(journal: int, carrier: Carrier, begin: Beginning) -> None:
    anchor = await carrier.anchor()
    if anchor == EMPTY:
        await _append(journal, carrier, begin.first)
        await carrier.trim(begin.first.position)
    entries = await carrier.read(begin.second.position, 1)
    if not entries:
        await _append(journal, carrier, begin.second)


async def _append(journal: int, carrier: Carrier, record: Sealed) -> None:
    if isinstance(await carrier.append(record), Conflict):
        raise Refused(f"journal {journal} was claimed meanwhile: restore before any node is started")


# --- both


def _rows(items: Iterator[Item]) -> Iterator[Item]:
    """Without the place, of which the new database knows nothing."""
    for item in items:
        if item[0] != snapshots.PLACE:
            yield item


def _write(directory: Path, head: Head, rows: Iterator[Item], before: Sequence[Item] = ()) -> Snapshot:
    writer = SnapshotWriter(directory, head)
    try:
        writer.add(before)
        writer.add(rows)
        written = writer.finish()
    except BaseException:
        writer.abandon()
        raise
    flush_directory(directory.parent)
    return written
