"""The journal on etcd, which is asynchronous, as a log that the contract's tests can call."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from journal.encoding import Sealed
from journal.etcd_log import EtcdLog
from journal.journal import Entry, Outcome, Tail, Trimmed
from journal.record import Position

_Result = TypeVar("_Result")


class BlockingLog:
    """An `EtcdLog` behind the calls of `journal.journal.Log`, on a loop that runs during a call."""

    def __init__(self, runner: asyncio.Runner, log: EtcdLog) -> None:
        self._runner = runner
        self.log = log

    @classmethod
    def open(cls, runner: asyncio.Runner, endpoints: list[str], journal: str) -> "BlockingLog":
        """Open a journal of that name."""
        return cls(runner, runner.run(EtcdLog.open(endpoints, journal)))

    def run(self, call: "Coroutine[Any, Any, _Result]") -> _Result:
        """Run any other call of the log."""
        return self._runner.run(call)

    @property
    def first(self) -> Position:
        return self.log.first

    @property
    def anchor(self) -> Tail:
        return self.log.anchor

    @property
    def tail(self) -> Tail:
        return self.log.tail

    @property
    def durable(self) -> Position:
        return self.log.durable

    def claim(self, expected: Position, epoch: int, owner: str, request_id: bytes) -> Outcome:
        return self.run(self.log.claim(expected, epoch, owner, request_id))

    def append(self, record: Sealed) -> Outcome:
        return self.run(self.log.append(record))

    def sync(self) -> None:
        self.run(self.log.sync())

    def read(self, first: Position, limit: int = 256) -> list[Entry] | Trimmed:
        return self.run(self.log.read(first, limit))

    def trim(self, upto: Position, limit: int = 1024) -> Position:
        return self.run(self.log.trim(upto, limit))

    def close(self) -> None:
        self.run(self.log.close())


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """A loop for one test."""
    with asyncio.Runner() as runner:
        yield runner
