"""A backup's way into its place and out of it: one piece in memory at a time. For any thread; long work."""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple

from journal.snapshot import SnapshotDamaged, read_snapshot, verify_snapshot
from server.runtime.backup import manifest
from server.runtime.backup.manifest import MANIFEST, MANIFEST_BYTES, BackupDamaged, Manifest, Piece
from server.runtime.backup.places import Missing, Place, PlaceError
from server.runtime.region import snapshots


class Listed(NamedTuple):
    """What lies in a place."""

    whole: list[Manifest]
    """Newest first."""
    damaged: list[tuple[str, str]]
    """(name, why its manifest can't be used)"""
    unfinished: list[str]
    """Names without a manifest."""


def write(place: Place, path: Path, build: str) -> Manifest:
    """Store the snapshot file. Raises `SnapshotDamaged`, OSError, `PlaceError`; then there is no backup."""
    with path.open("rb") as file:
        # By its descriptor: the server may remove the name meanwhile.
        same = Path(f"/proc/self/fd/{file.fileno()}")
        snapshot = verify_snapshot(same)
        is_region = is_of_region(same)
        name = manifest.name_of(snapshot.head.created_ns)
        digest = sha256()
        pieces = []
        for number, data in enumerate(_pieces(file)):
            place.put(name, manifest.piece_name(number), data)
            digest.update(data)
            pieces.append(Piece(len(data), sha256(data).hexdigest()))
    written = Manifest(
        name=name,
        build=build,
        source="region" if is_region else "serve",
        complete=snapshot.head.applied_ts,
        created_ns=snapshot.head.created_ns,
        rows=snapshot.items - is_region,
        size=snapshot.size,
        sha256=digest.hexdigest(),
        pieces=pieces,
    )
    place.put(name, MANIFEST, manifest.encode(written))
    return written


def listed(place: Place) -> Listed:
    """All that may be backups; only the manifests are read. Raises `PlaceError`."""
    found = Listed([], [], [])
    for name in sorted(filter(manifest.is_name, place.folders()), reverse=True):
        try:
            found.whole.append(manifest.decode(name, place.get(name, MANIFEST, MANIFEST_BYTES)))
        except Missing:
            found.unfinished.append(name)
        except BackupDamaged as error:
            found.damaged.append((name, str(error)))
    return found


def find(place: Place, name: str | None) -> Manifest:
    """The backup of that name, or the newest. Raises `PlaceError`, `BackupDamaged`."""
    if name is not None:
        if not manifest.is_name(name):
            raise PlaceError(f"{name} is no backup's name")
        try:
            return manifest.decode(name, place.get(name, MANIFEST, MANIFEST_BYTES))
        except Missing as error:
            raise PlaceError(f"there is no backup {name}") from error
    found = listed(place)
    if found.damaged:
        # Never silently an older one in place of the one that was meant.
        raise BackupDamaged(found.damaged[0][1])
    if not found.whole:
        raise PlaceError("there is no backup")
    return found.whole[0]


def pieces_of(place: Place, found: Manifest) -> Iterator[bytes]:
    """The pieces, each checked. Raises `PlaceError`, `BackupDamaged`."""
    for number, piece in enumerate(found.pieces):
        try:
            data = place.get(found.name, manifest.piece_name(number), manifest.PIECE_BYTES)
        except Missing as error:
            raise BackupDamaged(f"{found.name}: piece {number} is missing") from error
        manifest.check_piece(found.name, number, piece, data)
        yield data


def verify(place: Place, found: Manifest) -> None:
    """Read the whole backup. Raises `PlaceError`, `BackupDamaged`."""
    digest = sha256()
    for data in pieces_of(place, found):
        digest.update(data)
    _check_whole(found, digest.hexdigest())


def fetch(place: Place, found: Manifest, path: Path) -> None:
    """Make the snapshot file at `path`, which is whole when this returns.

    Raises `PlaceError`, `BackupDamaged`, OSError.
    """
    digest = sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        for data in pieces_of(place, found):
            digest.update(data)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    _check_whole(found, digest.hexdigest())
    try:
        snapshot = verify_snapshot(path)
        is_region = is_of_region(path)
    except SnapshotDamaged as error:
        raise BackupDamaged(f"{found.name}: {error}") from error
    if (snapshot.head.applied_ts, snapshot.items - is_region) != (found.complete, found.rows):
        raise BackupDamaged(f"{found.name}: its manifest is of another snapshot")


def prune(place: Place, keep: int, now_ns: int) -> list[str]:
    """Remove all but the `keep` newest whole backups, and what writers left long ago; their names.

    Damaged ones stay, for somebody to look at. Raises `PlaceError`.
    """
    found = listed(place)
    gone = manifest.expired([each.name for each in found.whole], keep)
    gone += manifest.left_over(found.unfinished, now_ns)
    for name in gone:
        place.remove(name, MANIFEST)
    return gone


def is_of_region(path: Path) -> bool:
    """Whether a snapshot file says where it stands among the journals of regions. Raises `SnapshotDamaged`."""
    _head, items = read_snapshot(path)
    return next((key for key, _ts, _value in items), None) == snapshots.PLACE


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while data := file.read(manifest.PIECE_BYTES):
        yield data


def _check_whole(found: Manifest, digest: str) -> None:
    if digest != found.sha256:
        raise BackupDamaged(f"{found.name}: its pieces are not in their order")
