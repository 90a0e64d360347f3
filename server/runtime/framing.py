"""Frames on a stream: a length (4 bytes LE), then that many bytes. All of one turn of the loop leave in one write.

What is in a frame is its user's: processes of one node (server.runtime.frames), nodes (server.runtime.net.link).
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec

encode = msgspec.msgpack.Encoder().encode
PREFIX = 4
"""Bytes of a frame's length."""


class Framed(asyncio.Protocol):
    """One end of a connection; `frame_received` is its user's.

    `limit` is a frame's size in bytes: a longer one ends the connection. `ended` is called once, with the
    reason, when nothing can be received any more; `congested` and `resumed` are called when the peer stops
    reading and when it reads again.
    """

    def __init__(self, limit: int, ended: Callable[[str], None]) -> None:
        self._limit = limit
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._kept = bytearray()
        self._needed = PREFIX
        self._out_bytes = 0
        self._is_paused = False
        self.resumed: Callable[[], None] = _nothing
        self.congested: Callable[[], None] = _nothing

    def frame_received(self, frame: memoryview) -> str | None:
        """Take a frame, which lies in a buffer that nobody changes; a reason ends the connection."""
        raise NotImplementedError

    def send_frame(self, data: bytes) -> None:
        """Send with everything else of this turn; after the end nothing."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out += (len(data).to_bytes(PREFIX, "little"), data)
        self._out_bytes += len(data)

    @property
    def is_congested(self) -> bool:
        """Whether the peer does not read fast enough, or this turn has much to send already."""
        return self._is_paused or self._out_bytes > self._limit

    @property
    def unsent_bytes(self) -> int:
        """What the system has not taken yet."""
        waiting = 0 if self._transport is None else self._transport.get_write_buffer_size()
        return self._out_bytes + waiting

    def hold(self) -> None:
        """Receive nothing until `go_on`."""
        if self._transport is not None:
            self._transport.pause_reading()

    def go_on(self) -> None:
        """Receive again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        data = b"".join(self._out)
        self._out.clear()
        was_full, self._out_bytes = self._out_bytes > self._limit, 0
        if self._transport is not None:
            self._transport.write(data)
            if was_full and not self._is_paused:
                self.resumed()

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=2 * self._limit)

    def data_received(self, data: bytes) -> None:
        if self._kept:
            self._kept += data
            if len(self._kept) < self._needed:
                return
            data = bytes(self._kept)
            self._kept.clear()
        view, place, end = memoryview(data), 0, len(data)
        self._needed = PREFIX
        while end - place >= PREFIX:
            size = int.from_bytes(view[place : place + PREFIX], "little")
            if size > self._limit:
                self._fail(f"a frame of {size} bytes")
                return
            if end - place - PREFIX < size:
                self._needed = PREFIX + size
                break
            place += PREFIX
            reason = self.frame_received(view[place : place + size])
            if reason is not None:
                self._fail(reason)
                return
            place += size
        self._kept += view[place:]

    def pause_writing(self) -> None:
        self._is_paused = True
        self.congested()

    def resume_writing(self) -> None:
        self._is_paused = False
        self.resumed()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._finish("end of connection")

    def _fail(self, reason: str) -> None:
        self.close()
        self._finish(reason)

    def _finish(self, reason: str) -> None:
        ended, self._ended = self._ended, _ignore
        ended(reason)


class Messages(Framed):
    """Frames that are messages (msgpack); `received` gets each. One that can't be read ends the connection."""

    def __init__(
        self,
        decode: Callable[[Any], Any],
        limit: int,
        received: Callable[[Any], None],
        ended: Callable[[str], None],
    ) -> None:
        super().__init__(limit, ended)
        self._decode = decode
        self._received = received

    def send(self, message: msgspec.Struct) -> None:
        """Send with everything else of this turn; after the end nothing."""
        self.send_frame(encode(message))

    def frame_received(self, frame: memoryview) -> str | None:
        try:
            message = self._decode(frame)
        except msgspec.MsgspecError as error:
            return str(error)
        self._received(message)
        return None


def _nothing() -> None:
    pass


def _ignore(_reason: str) -> None:
    pass
