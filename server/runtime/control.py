"""The control socket: operators' commands to a running server, in its data directory (DESIGN §12).

    data/control     a unix socket that only the owner may use
    request          one line of JSON: {"type": "journal", "start": 7, "follow": true}
    answer           lines of JSON: {"line": ...} any number of times, then {"end": true} or {"error": "..."}

Bounded: a few connections at a time, short requests, and an answer written only as fast as it is read.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec

from journal.broken import Broken
from journal.journal import LogError
from server.errors import PgError
from server.runtime.requests import Emit, Refused, Request
from storage.replica import TooOld

log = logging.getLogger("opendsql.control")

NAME = "control"
MAX_REQUEST = 64 << 10
MAX_CONNECTIONS = 16
REQUEST_S = 10.0

decode_request = msgspec.json.Decoder(Request).decode
encode = msgspec.json.Encoder().encode


@contextlib.contextmanager
def address(data: Path) -> Iterator[str]:
    """The socket's address, also where the directory's path is too long for one."""
    descriptor = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)


class Operations(Protocol):
    """What operators can ask for."""

    async def perform(self, request: Any, emit: Emit) -> None:
        """Do it; raises `Refused` and what is wrong with the world."""


class ControlSocket:
    """Serves `operations` to local operators."""

    def __init__(
        self,
        data: Path,
        operations: Operations,
        broken: Callable[[BaseException], None],
        decode: Callable[[bytes], Any] = decode_request,
    ) -> None:
        """`decode` reads a request; raises msgspec.DecodeError."""
        self._data = data
        self._decode = decode
        self._operations = operations
        self._broken = broken
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Listen; whoever holds the directory's lock owns the name. Raises `OSError`."""
        (self._data / NAME).unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            with address(self._data) as path:
                listening.bind(path)
        finally:
            os.umask(before)
        self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=MAX_REQUEST)

    async def close(self) -> None:
        """Cut everybody off and remove the socket."""
        if self._server is not None:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            (self._data / NAME).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if len(self._tasks) > MAX_CONNECTIONS:
                writer.write(_error("too many operators"))
                return
            await self._answer(reader, writer)
            await writer.drain()
        except Broken as error:
            self._broken(error)
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            log.info("an operator's connection ended early")
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def emit(line: Any) -> None:
            writer.write(b'{"line":' + encode(line) + b"}\n")
            await writer.drain()

        try:
            line = await asyncio.wait_for(reader.readline(), REQUEST_S)
            request = self._decode(line)
        except (ValueError, msgspec.DecodeError) as error:
            writer.write(_error(f"bad request: {error}"))
            return
        work = asyncio.ensure_future(self._operations.perform(request, emit))
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                return
            work.result()
            writer.write(b'{"end":true}\n')
        except ConnectionError:
            raise  # the operator is gone: nobody to tell
        except (Refused, PgError, OSError, LogError, TooOld) as error:
            writer.write(_error(str(error)))
        finally:
            for each in (work, gone):
                each.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)


def _error(text: str) -> bytes:
    return encode({"error": text}) + b"\n"
