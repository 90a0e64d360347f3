"""From an operator's command to whoever can do it: the running server, or this process under the lock.

What this process needs to do it itself is imported where it does.
"""

import asyncio
import contextlib
import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from server.errors import PgError
from server.runtime import control
from server.runtime.requests import (
    AuditJournal,
    CutSnapshot,
    DropCluster,
    ListClusters,
    NewCluster,
    ReadJournal,
    Refused,
    Request,
    SetPassword,
)

if TYPE_CHECKING:
    from journal.lmdb_log import LmdbLog

Show = Callable[[Any], None]
STANDARD_OUTPUT = 1
RECEIVED_BYTES = 1 << 16


def perform(data: Path, request: Request, show: Show) -> None:
    """Do what is asked, with one `show` per JSON object of the answer.

    Raises `Refused`, `InUse` when the directory is locked and nobody answers, `WORLD_ERRORS`, `OSError`.
    """
    if not data.is_dir():
        raise Refused(f"no data directory: {data}")
    connected = connect(data)
    if connected is not None:
        with connected:
            follows = isinstance(request, ReadJournal) and request.follow
            ask(connected, request, show, STANDARD_OUTPUT if follows else None)
        return
    if (data / "storage").exists() and not (data / "journal").exists():
        raise Refused(f"{data} is a region's node's, which does not run; its journals are elsewhere")
    try:
        asyncio.run(_perform_here(data, request, show))
    except PgError as error:
        raise Refused(error.message) from error


def connect(data: Path) -> socket.socket | None:
    """A connection to the server's control socket; None when there is none."""
    connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with control.address(data) as path:
            connecting.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        connecting.close()
        return None
    return connecting


def ask(connected: socket.socket, request: msgspec.Struct, show: Show, output: int | None = None) -> None:
    """Send a request and read its answer; raises `Refused` with the server's reason.

    `output`: the descriptor of a pipe whose reader is watched meanwhile. Raises BrokenPipeError when it is gone.
    """
    connected.sendall(msgspec.json.encode(request) + b"\n")
    with connected.makefile("rb") as answer:
        for line in answer if output is None else _watching(connected, output):
            reply = json.loads(line)
            if "line" in reply:
                show(reply["line"])
            elif "error" in reply:
                raise Refused(reply["error"])
            else:
                return
    raise Refused("the server ended before its answer did")


def _watching(connected: socket.socket, output: int) -> Iterator[bytes]:
    """The lines that come, for as long as somebody reads `output`, also when none come for long."""
    poll = select.poll()
    poll.register(connected, select.POLLIN)
    poll.register(output, 0)  # what is wrong with it is told in any case
    parts: list[bytes] = []
    while True:
        if any(descriptor == output for descriptor, _event in poll.poll()):
            raise BrokenPipeError("nobody reads the output any more")
        data = connected.recv(RECEIVED_BYTES)
        if not data:
            return
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = b"".join([*parts, lines[0]])
            parts.clear()
            yield from lines
        parts.append(rest)


async def _perform_here(data: Path, request: Request, show: Show) -> None:
    async def emit(line: Any) -> None:
        show(line)

    from server.runtime.operations import Operations
    from server.runtime.stores import Stores, lock_directory

    if isinstance(request, ReadJournal) and request.follow:
        raise Refused("--follow needs a running server")
    if isinstance(request, SetPassword | CutSnapshot | NewCluster | DropCluster | ListClusters):
        await _perform_with_node(data, request, emit)
    elif isinstance(request, AuditJournal) or (isinstance(request, ReadJournal) and request.records):
        with lock_directory(data), contextlib.closing(_open_journal(data)) as journal:
            await Operations(journal).perform(request, emit)
    else:
        with contextlib.closing(Stores.open(data, clock=time.time_ns)) as stores:
            await Operations(stores.journal, stores).perform(request, emit)


async def _perform_with_node(data: Path, request: Request, emit: Any) -> None:
    """What writes, or needs the journal's owner: a node without a listener."""
    from server.runtime.node import Node
    from server.runtime.operations import Operations

    failures: list[BaseException] = []
    node = Node(data, broken=failures.append)
    await node.start()
    try:
        await Operations(node.journal, node.stores, node).perform(request, emit)
    finally:
        await node.stop()
        if not failures:
            node.close()


def _open_journal(data: Path) -> "LmdbLog":
    """The journal alone; the audit itself finds what is damaged before the last record."""
    if not (data / "journal" / "data.mdb").exists():
        raise Refused(f"no journal in {data}")
    from journal.lmdb_log import LmdbLog

    return LmdbLog.open(data / "journal", verify_from=1 << 62)
