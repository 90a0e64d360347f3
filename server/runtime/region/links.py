"""The network between the etcd members of `opendsql cluster`, all of which run on one machine.

Members of different regions must be as far apart as the operator says, and a region that is cut off must lose its
members too. So what a member advertises to its peers is the address of a link: a relay that holds bytes back for
half of the round trip and swallows them while the pair of regions is cut, as a network does, without closing
anything. Who speaks is in the header that etcd's peers send with their first request on a connection.

    member (us-east-1) ──▶ link of the member in us-west-2 ──▶ its peer port
                           source: X-Server-From, delay and cut: server.runtime.net.faults
"""

import asyncio
import contextlib
import logging
import re
from collections import deque
from collections.abc import Callable

from server.runtime.net.faults import Faults

log = logging.getLogger("opendsql.links")

_FROM = re.compile(rb"\r\nx-server-from:[ \t]*([0-9a-f]{1,16})\r\n", re.IGNORECASE)
_HEADER_BYTES = 64
CHUNK_BYTES = 64 << 10
HELD_BYTES = 16 << 20
"""On its way in one direction of a connection; more is not read from the sender."""
LOOK_S = 0.02
"""How soon a connection that was cut is closed after the regions were joined again."""


class PeerLink:
    """Relays to one member's peer port. For the event loop's thread."""

    def __init__(
        self, region: str, port: int, faults: Faults, region_of: Callable[[str], str | None]
    ) -> None:
        """`region` and `port` of the member behind it; `region_of` a member's id, in hex."""
        self.region = region
        self.port = port
        self._faults = faults
        self._region_of = region_of
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, port: int) -> None:
        """Listen on `port` of the loopback interface."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", port)

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._relay(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other: asyncio.StreamWriter | None = None
        try:
            there, other = await asyncio.open_connection("127.0.0.1", self.port)
            sender = _Sender()

            def pair() -> tuple[str, str]:
                # Looked up each time: the first connections come before the members' ids are known.
                return self._region_of(sender.id) or self.region, self.region

            forth = _Lane(self._faults, pair, other, sender.look)
            back = _Lane(self._faults, lambda: pair()[::-1], writer)
            pumps = [forth.read(reader), forth.write(), back.read(there), back.write()]
            await _first_end([asyncio.ensure_future(pump) for pump in pumps])
        except OSError:
            pass
        finally:
            for each in (writer, other):
                if each is not None:
                    each.transport.abort()


class _Sender:
    """Who is at the other end of a connection."""

    def __init__(self) -> None:
        self.id = ""
        """The member's, in hex; "" until a request has named it."""
        self._kept = b""

    def look(self, data: bytes) -> None:
        """Bytes of requests."""
        if self.id:
            return
        found = _FROM.search(self._kept + data)
        self._kept = data[-_HEADER_BYTES:]
        if found is not None:
            self.id = found[1].decode().lower()
            self._kept = b""


class _Lane:
    """One direction of a connection."""

    def __init__(
        self,
        faults: Faults,
        pair: Callable[[], tuple[str, str]],
        writer: asyncio.StreamWriter,
        look: Callable[[bytes], None] | None = None,
    ) -> None:
        self._faults = faults
        self._look = look
        self._pair = pair
        self._writer = writer
        self._held: deque[tuple[float, bytes]] = deque()
        self._held_bytes = 0
        self._changed = asyncio.Event()
        self._is_lost = False
        """Something was swallowed: what follows would make no sense."""

    def put(self, data: bytes) -> None:
        """Bytes set out."""
        if self._look is not None:
            self._look(data)
        now = asyncio.get_running_loop().time()
        self._held.append((now + self._faults.delay_s(*self._pair()), data))
        self._held_bytes += len(data)
        self._changed.set()

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Until the sender ends."""
        while data := await reader.read(CHUNK_BYTES):
            self.put(data)
            while self._held_bytes > HELD_BYTES:
                await asyncio.sleep(LOOK_S)
        while self._held:
            await asyncio.sleep(LOOK_S)

    async def write(self) -> None:
        """Let the bytes arrive; returns when the connection can't be used any more."""
        loop = asyncio.get_running_loop()
        while True:
            while not self._held:
                self._changed.clear()
                await self._changed.wait()
            due, data = self._held[0]
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            if self._faults.is_cut(*self._pair()):
                self._is_lost = True
            if self._is_lost:
                await self._swallow()
                return
            self._held.popleft()
            self._held_bytes -= len(data)
            self._writer.write(data)
            await self._writer.drain()

    async def _swallow(self) -> None:
        while self._faults.is_cut(*self._pair()):
            self._held.clear()
            self._held_bytes = 0
            await asyncio.sleep(LOOK_S)


async def _first_end(tasks: list["asyncio.Future[None]"]) -> None:
    """Wait until one has ended, then end the others."""
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await task
