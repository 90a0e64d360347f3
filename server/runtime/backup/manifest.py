"""What a backup is: a snapshot file in pieces, and a manifest that is written last (DESIGN §7).

    20261128T214455.123456789Z/00000000         pieces of the file, in order, each below PIECE_BYTES
    20261128T214455.123456789Z/00000001
    20261128T214455.123456789Z/manifest.json    what they must be

The name is the moment at which the snapshot was begun, so names sort by age. What has no manifest is no backup: its
writer is still at work, or ended early.
"""

import re
import time
from collections.abc import Iterable, Sequence
from hashlib import sha256

import msgspec

from journal.record import Timestamp

VERSION = 1
PIECE_BYTES = 8 << 20
MANIFEST = "manifest.json"
MANIFEST_BYTES = 64 << 20
"""Of a manifest at most: some terabytes in pieces."""
LEFT_OVER_NS = 24 * 3600 * 10**9
"""A backup without a manifest that was begun so long ago is written by nobody any more."""

_FORMAT = "opendsql backup"
_NAME = re.compile(r"\d{8}T\d{6}\.\d{9}Z")


class BackupDamaged(Exception):
    """A backup is not what its manifest says, or has none that can be read; the text is for the operator."""


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """One piece of the file."""

    size: int
    sha256: str
    """Hexadecimal."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A whole backup. Times are nanoseconds since 1970."""

    format: str = _FORMAT
    version: int = VERSION
    name: str
    build: str
    """Of OpenDSQL, that wrote it."""
    source: str
    """`serve` or `region`: of what the snapshot was cut."""
    complete: Timestamp
    """Everything committed up to it is in the backup, nothing later."""
    created_ns: int
    rows: int
    size: int
    sha256: str
    """Of the whole file."""
    pieces: list[Piece]


def name_of(created_ns: int) -> str:
    """The name of a backup whose snapshot was begun then."""
    seconds, fraction = divmod(created_ns, 10**9)
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(seconds))}.{fraction:09}Z"


def is_name(text: str) -> bool:
    """Whether a folder of that name may be a backup."""
    return _NAME.fullmatch(text) is not None


def piece_name(number: int) -> str:
    """The name of a piece within its backup."""
    return f"{number:08}"


def encode(manifest: Manifest) -> bytes:
    """As it is stored: JSON, for people too."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1)


def decode(name: str, data: bytes) -> Manifest:
    """The manifest of the backup `name`. Raises `BackupDamaged`."""
    try:
        found = msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BackupDamaged(f"{name}: its manifest cannot be read: {error}") from error
    if found.format != _FORMAT or found.version != VERSION:
        raise BackupDamaged(
            f"{name}: {found.format} of version {found.version}; this program knows {VERSION}"
        )
    sizes = [piece.size for piece in found.pieces]
    is_right = found.name == name == name_of(found.created_ns) and sum(sizes) == found.size
    if not is_right or any(not 0 < size <= PIECE_BYTES for size in sizes):
        raise BackupDamaged(f"{name}: its manifest contradicts itself")
    return found


def check_piece(name: str, number: int, piece: Piece, data: bytes) -> None:
    """Raises `BackupDamaged` unless `data` is that piece."""
    if len(data) != piece.size or sha256(data).hexdigest() != piece.sha256:
        raise BackupDamaged(f"{name}: piece {number} is not what was written")


def expired(whole: Iterable[str], keep: int) -> list[str]:
    """Of the names of whole backups those that go when the `keep` newest stay."""
    return sorted(whole, reverse=True)[keep:]


def left_over(unfinished: Sequence[str], now_ns: int) -> list[str]:
    """Of the names without a manifest those that nobody writes any more."""
    return [name for name in unfinished if name < name_of(now_ns - LEFT_OVER_NS)]
