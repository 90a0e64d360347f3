"""Before a node of a region opens its storage: can it go on from there, or where else does it begin (DESIGN §8)?

    storage's mark is kept by all journals        go on
    else the newest snapshot here that is         wipe, load it, go on at its mark
    else one of a node of the other region        fetch it in pieces, the same
    else, if nothing was trimmed                  read the journals from the beginning

What stands behind the beginning of a journal can't be read: a mark is kept if all journals hold what follows it. Owners
need a snapshot's mark too, once anything is trimmed. While nobody can be asked this waits: nothing is served meanwhile.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from journal.crossbar import Mark
from journal.record import Position
from journal.snapshot import SnapshotDamaged
from server.runtime.net.asking import Failure
from server.runtime.region import snapshots, wire
from server.runtime.region.carrier import Carrier, Unreachable
from server.runtime.stores import Unrecoverable
from server.runtime.waiting import outcome
from server.session.work import Wait
from storage.lmdb_engine import Unreadable
from storage.replica import Replica

log = logging.getLogger("opendsql.restoring")

RETRY_S = 0.5
ANSWER_S = 5.0
PIECE_BYTES = 256 << 10


class Asking(Protocol):
    """The other nodes."""

    @property
    def others(self) -> list[str]:
        """Their ids."""

    def ask(self, node: str, message: object) -> Wait[Any]:
        """Its answer; fails with a `Failure`."""


async def restore(data: Path, carriers: Mapping[int, Carrier], asking: Asking) -> None:
    """Returns when storage and snapshots in `data` are such that all can begin. Raises `Unrecoverable`, OSError."""
    anchors = {journal: await _anchor(carrier) for journal, carrier in carriers.items()}
    directory = data / "snapshots"
    for each in snapshots.listed(directory):
        if not is_kept(each.place.mark, anchors):
            each.path.unlink()
    mark = await asyncio.to_thread(_mark_of, data / "storage")
    is_useful = mark is not None and is_kept(mark, anchors)
    is_trimmed = any(anchors.values())
    if is_useful and (snapshots.listed(directory) or not is_trimmed):
        return
    found = await asyncio.to_thread(_newest_whole, directory)
    while found is None and is_trimmed:
        found = await _fetched(directory, anchors, asking)
        if found is None:
            await asyncio.sleep(RETRY_S)
    if not is_useful and (found is not None or mark is not None):
        log.warning("storage is made again from=%s", found.path if found is not None else "the journals")
        await asyncio.to_thread(_make, data / "storage", found)


def is_kept(mark: Mark | None, anchors: Mapping[int, Position]) -> bool:
    """Whether the journals, whose last trimmed positions are `anchors`, hold all that follows `mark`."""
    positions = dict(mark.positions) if mark is not None else {}
    return all(positions.get(journal, 0) >= anchor for journal, anchor in anchors.items())


async def _anchor(carrier: Carrier) -> Position:
    while True:
        try:
            return (await carrier.anchor()).position
        except Unreachable as error:
            log.info("a journal is waited for error=%s", error)
            await asyncio.sleep(RETRY_S)


def _mark_of(path: Path) -> Mark | None:
    """Where storage stands; None: there is none that can be used."""
    try:
        replica = Replica.open(path)
    except Unreadable as error:
        log.warning("storage cannot be read reason=%s", error)
        return None
    try:
        return replica.mark()
    finally:
        replica.close()


def _make(path: Path, found: snapshots.Found | None) -> None:
    Replica.wipe(path)
    replica = Replica.open(path)
    try:
        if found is not None:
            snapshots.load(found.path, replica)
    finally:
        replica.close()


def _newest_whole(directory: Path) -> snapshots.Found | None:
    for each in snapshots.listed(directory):
        if snapshots.is_whole(each.path):
            return each
        log.warning("a damaged snapshot is removed path=%s", each.path)
        each.path.unlink()
    return None


async def _fetched(
    directory: Path, anchors: Mapping[int, Position], asking: Asking
) -> snapshots.Found | None:
    """A snapshot of another node; None: not now. Raises `Unrecoverable` when all say that they have none."""
    have_none = 0
    for node in asking.others:
        try:
            offer: wire.SnapshotOffer = await outcome(asking.ask(node, wire.SnapshotWanted()))
            if not offer.size:
                have_none += 1
                continue
            path = await _pieces(directory, node, offer, asking)
        except (Failure, SnapshotDamaged) as error:
            log.info("no snapshot from node=%s error=%s", node, error)
            continue
        found = next((each for each in snapshots.listed(directory) if each.path == path), None)
        if found is not None and is_kept(found.place.mark, anchors):
            return found
    if have_none == len(asking.others):
        raise Unrecoverable("the journals were trimmed, and no node has a snapshot")
    return None


async def _pieces(directory: Path, node: str, offer: wire.SnapshotOffer, asking: Asking) -> Path:
    """Raises `Failure`, `SnapshotDamaged`."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{offer.number:020}.snapshot"
    await receive(
        path, offer.size, lambda offset: asking.ask(node, wire.SnapshotPieceWanted(offer.number, offset))
    )
    log.info("snapshot fetched node=%s bytes=%d", node, offer.size)
    return path


async def receive(path: Path, size: int, ask: Callable[[int], Wait[Any]]) -> None:
    """A snapshot file of `size` bytes whose parts `ask` asks for, by offset. Raises `Failure`, `SnapshotDamaged`."""
    writing = path.with_suffix(".writing")
    with writing.open("wb") as file:
        while (offset := file.tell()) < size:
            piece: wire.SnapshotPiece = await outcome(ask(offset))
            if not piece.data:
                raise SnapshotDamaged("it is gone there")
            file.write(piece.data)
    if not await asyncio.to_thread(snapshots.is_whole, writing):
        raise SnapshotDamaged("it did not arrive whole")
    writing.rename(path)


def newest(directory: Path) -> snapshots.Found | None:
    """Of the snapshots there."""
    return next(iter(snapshots.listed(directory)), None)


def offer_of(found: snapshots.Found | None) -> wire.SnapshotOffer:
    """What a node says that is asked for its newest snapshot."""
    if found is None:
        return wire.SnapshotOffer(0, 0)
    return wire.SnapshotOffer(snapshots.number_of(found.place.mark), found.path.stat().st_size)


def piece_of(directory: Path, wanted: wire.SnapshotPieceWanted) -> wire.SnapshotPiece:
    """A part of one of its files; empty when that is gone."""
    try:
        with (directory / f"{wanted.number:020}.snapshot").open("rb") as file:
            file.seek(wanted.offset)
            return wire.SnapshotPiece(file.read(PIECE_BYTES))
    except FileNotFoundError:
        return wire.SnapshotPiece(b"")
