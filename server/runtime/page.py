"""A page of memory that all processes of a node share: one writer per word, anybody reads.

    word 0         the journal position applied last, written after the replica's commit and before any
                   client is answered: a reader that finds the word unchanged has the newest snapshot
    word 1         in a region: the time up to which everything is applied, written after word 0
    word 2         the points at which injections wait (server.testing.injections)
    word 3 + i     sessions of process i

A word is 8 aligned bytes. A torn read could at worst make a changed word look changed in another way.
"""

import mmap
import os
import tempfile

import msgspec

MAX_PROCESSES = 128
SIZE = 8 * (3 + MAX_PROCESSES)

encode_catalog_versions = msgspec.msgpack.Encoder().encode
decode_catalog_versions = msgspec.msgpack.Decoder(dict[int, int]).decode
"""What stands beside the rows of every LMDB snapshot: cluster -> commit_ts of its catalog's last change. A
cluster that is missing has not changed since the writing process began."""


class SharedPage:
    """The page behind a file descriptor that a child process inherits."""

    def __init__(self, descriptor: int) -> None:
        """Map the file; the descriptor is then no longer needed here."""
        self._words = memoryview(mmap.mmap(descriptor, SIZE)).cast("Q")
        self.descriptor = descriptor

    @classmethod
    def create(cls) -> "SharedPage":
        """A new page of zeros, in a file without a name."""
        with tempfile.TemporaryFile() as file:
            file.truncate(SIZE)
            return cls(os.dup(file.fileno()))

    @property
    def position(self) -> int:
        """The journal position applied last."""
        return self._words[0]

    @position.setter
    def position(self, position: int) -> None:
        self._words[0] = position

    @property
    def complete(self) -> int:
        """Everything at or below this time is applied, ns since 1970."""
        return self._words[1]

    @complete.setter
    def complete(self, ts: int) -> None:
        self._words[1] = ts

    @property
    def armed(self) -> int:
        """The points at which injections wait."""
        return self._words[2]

    @armed.setter
    def armed(self, points: int) -> None:
        self._words[2] = points

    def session_count(self) -> int:
        """Sessions of all processes."""
        return sum(self._words[3:])

    def add_sessions(self, index: int, change: int) -> None:
        """Process `index` has more or fewer sessions."""
        self._words[3 + index] += change

    def clear_sessions(self, index: int) -> None:
        """Process `index` is gone."""
        self._words[3 + index] = 0
