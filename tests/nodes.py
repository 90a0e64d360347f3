"""A node without SQL for tests: plain keys and values through committer, journal and replica."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from adjudicator.messages import CommitRequest
from journal.record import LockClass, Write
from server.runtime.node import Node
from server.runtime.waiting import outcome
from server.session.unique import unique_id
from server.session.work import Wait

T = TypeVar("T")
START_NS = 1_700_000_000 * 10**9


class Clock:
    """A time that stands still unless it is moved, in nanoseconds since 1970."""

    def __init__(self) -> None:
        self.now = START_NS

    def __call__(self) -> int:
        return self.now


class Failures(list[BaseException]):
    """What the node reported as broken."""

    def __call__(self, error: BaseException) -> None:
        self.append(error)


def key(name: str) -> bytes:
    """A key of a table that no catalog names."""
    return b"\0\0\0\1\0\0\x4e\x20" + name.encode()


def submit(node: Node, values: Mapping[str, bytes | None], start_ts: int | None = None) -> Wait[int]:
    """One transaction that writes `values`."""
    writes = [Write(key(name), value, int(LockClass.EXCLUSIVE)) for name, value in values.items()]
    size = sum(len(write.key) + len(write.value or b"") for write in writes)
    begun = node.start_ts() if start_ts is None else start_ts
    return node.committer.submit(CommitRequest(unique_id(), begun, writes, []), size)


async def write(node: Node, values: Mapping[str, bytes | None], start_ts: int | None = None) -> int:
    """Its commit_ts; raises what the client would get."""
    return await outcome(submit(node, values, start_ts))


def read(node: Node, name: str) -> bytes | None:
    """What a transaction that begins now sees."""
    return node.versions.get(key(name), node.start_ts())


def run(
    data: Path,
    work: Callable[[Node], Awaitable[T]],
    failures: Failures | None = None,
    *,
    killed: bool = False,
    **options: Any,
) -> T:
    """Open a node, start it, do `work`, close it; failed or `killed`, it leaves what a crash leaves.

    A node that reports itself broken goes into `failures`; without them, that ends the work and is raised.
    """
    broken = Failures() if failures is None else failures

    async def main() -> T:
        working = asyncio.current_task()
        assert working is not None

        def report(error: BaseException) -> None:
            broken(error)
            if failures is None:
                working.cancel()

        node = Node(data, broken=report, **options)
        try:
            await node.start()
            return await work(node)
        except asyncio.CancelledError:
            if broken:
                raise broken[0] from None
            raise
        finally:
            await node.stop()
            if broken or killed:
                crash(node)
            else:
                node.close()

    return asyncio.run(main())


async def until(condition: Callable[[], object]) -> None:
    """Give the loop its turns until `condition` holds; the test's own timeout ends a wait in vain."""
    while not condition():
        await asyncio.sleep(0.001)


def crash(node: Node) -> None:
    """Let go of the files without syncing or noting anything, as if the process had been killed."""
    node.committer.stopped = True
    node.versions.release()
    node.versions._engine.close()
    node.journal.close()
    node.stores._lock.close()


def places(content: bytes, position: int) -> list[int]:
    """Where a journal's file holds the record at `position`: LMDB leaves copies in pages that it freed."""
    head = b"ODJ\x01." + re.escape(position.to_bytes(8, "big"))
    found = [match.start() for match in re.finditer(head, content, re.DOTALL)]
    assert found
    return found


def flip(data: Path, position: int, byte: int) -> None:
    """Flip a bit in every copy of the record at `position`."""
    path = data / "journal" / "data.mdb"
    content = bytearray(path.read_bytes())
    for place in places(content, position):
        content[place + byte] ^= 4
    path.write_bytes(content)
