"""Where backups lie: folders of small objects, in a directory or in an S3-compatible store.

/backups/bank              a directory: one folder per backup, files of their owner alone
s3://bucket/bank           the same as objects below a prefix (server.runtime.backup.s3)
"""

import shutil
from pathlib import Path
from typing import Protocol

from journal.directories import flush_directory
from server.runtime.certificates import write_private


class PlaceError(Exception):
    """The place can't be reached, read or written; the text is for the operator."""


class Missing(PlaceError):
    """There is no such object."""


class Place(Protocol):
    """What a backup needs. All methods raise `PlaceError`."""

    def folders(self) -> list[str]:
        """Names of folders, which may be backups."""

    def put(self, folder: str, name: str, data: bytes) -> None:
        """Store an object; it is there as a whole or not at all, and durable when this returns."""

    def get(self, folder: str, name: str, limit: int) -> bytes:
        """An object of at most `limit` bytes. Raises `Missing` too."""

    def remove(self, folder: str, first: str) -> None:
        """Remove a folder with all that is in it, the object `first` before all others."""


class Directory:
    """A `Place` in the file system."""

    def __init__(self, path: Path) -> None:
        """`path` need not exist."""
        self._path = path

    def folders(self) -> list[str]:
        try:
            return [each.name for each in self._path.iterdir() if each.is_dir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise PlaceError(str(error)) from error

    def put(self, folder: str, name: str, data: bytes) -> None:
        try:
            directory = self._path / folder
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(directory / name, data)
            for each in (directory, self._path):
                flush_directory(each)
        except OSError as error:
            raise PlaceError(str(error)) from error

    def get(self, folder: str, name: str, limit: int) -> bytes:
        path = self._path / folder / name
        try:
            with path.open("rb") as file:
                data = file.read(limit + 1)
        except FileNotFoundError as error:
            raise Missing(f"{path} is missing") from error
        except OSError as error:
            raise PlaceError(str(error)) from error
        if len(data) > limit:
            raise PlaceError(f"{path} is larger than {limit} bytes")
        return data

    def remove(self, folder: str, first: str) -> None:
        try:
            (self._path / folder / first).unlink(missing_ok=True)
            shutil.rmtree(self._path / folder)
        except OSError as error:
            raise PlaceError(str(error)) from error


def open_place(text: str, endpoint_url: str | None = None) -> Place:
    """The place that an operator names. Raises `PlaceError`."""
    if text.startswith("s3://"):
        # Imported here: who keeps backups in a directory needs no library for it.
        from server.runtime.backup import s3

        return s3.open_bucket(text, endpoint_url)
    if "://" in text:
        raise PlaceError(f"{text}: a directory or s3://BUCKET/PREFIX is wanted")
    if endpoint_url is not None:
        raise PlaceError("--endpoint-url is for s3:// only")
    return Directory(Path(text))
