"""Commits for replicas under test, in one line each."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from journal.record import Commit, Write
from storage.replica import Replica


def commit(ts: int, writes: Mapping[bytes, bytes | None]) -> Commit:
    """A transaction that commits at `ts`; None deletes."""
    return Commit(ts.to_bytes(16, "big"), ts - 1, ts, [Write(k, v, 3) for k, v in writes.items()], [])


def apply(replica: Replica, ts: int, writes: Mapping[bytes, bytes | None], now: int = 0) -> None:
    """Apply that transaction as the next record, whose hash is its time."""
    replica.apply([commit(ts, writes)], replica.applied_position + 1, ts.to_bytes(32, "big"), now)


@contextmanager
def opening(directory: Path) -> Iterator[Callable[..., Replica]]:
    """Opens replicas below it by their names, which are closed in the end."""
    replicas: list[Replica] = []

    def open_one(name: str = "storage", **arguments: int) -> Replica:
        replicas.append(Replica.open(directory / name, **arguments))
        return replicas[-1]

    yield open_one
    for replica in replicas:
        replica.close()
