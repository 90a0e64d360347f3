"""What the processes of one node say to each other, and how it is framed (DESIGN §11).

    frame      length (4 bytes LE) + message (msgpack: tag, fields)
    worker     Accepting, Submit, WaitForJob, Cancel, Entered, Left   ──▶  main
               ◀──  Configure, Committed, Refused, JobEnded, Cancel, Entered, Left, Stop

All frames of one turn of the loop leave in one write. Both ends are the same program, so a frame that cannot
be read is a defect of the process that sent it.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias, cast

import msgspec

from adjudicator.messages import CommitRequest
from server.runtime.hosting import Entered
from server.sql.limits import Limits

OVERHEAD = 1 << 20
"""What a frame may have beyond the bytes that count for a transaction's limit: names of tables it used."""
_PREFIX = 4


class Left(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """A session has ended."""

    process_id: int


class Cancel(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """A cancel request for a session of another process."""

    process_id: int
    secret: bytes


class Accepting(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """The worker accepts connections."""


class Submit(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """A transaction wants to commit; `size` in bytes, as counted for its limit."""

    number: int
    request: CommitRequest
    size: int


class WaitForJob(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """A session of the worker waits for a job; `JobEnded` answers."""

    number: int
    cluster: int
    job_id: str


class Configure(msgspec.Struct, frozen=True, array_like=True, tag=16):
    """The first thing that a worker is told, on the socket: no secret is on a command line."""

    index: int
    default_cluster: int
    data: str
    host: str
    port: int
    auth: str
    tls_required: bool
    admin_verifier: str | None
    mock_secret: bytes
    rebase: bool
    limits: Limits


class Committed(msgspec.Struct, frozen=True, array_like=True, tag=17):
    """Durable and visible."""

    number: int
    commit_ts: int


class Refused(msgspec.Struct, frozen=True, array_like=True, tag=18):
    """What `Committed` is not: an error for the client."""

    number: int
    sqlstate: str
    message: str
    severity: str


class JobEnded(msgspec.Struct, frozen=True, array_like=True, tag=19):
    """The job that `WaitForJob` named has ended."""

    number: int
    is_completed: bool


class Stop(msgspec.Struct, frozen=True, array_like=True, tag=20):
    """Shut down: running statements get `grace_s` seconds."""

    grace_s: float


ToMain: TypeAlias = Accepting | Submit | WaitForJob | Cancel | Entered | Left
ToWorker: TypeAlias = Configure | Committed | Refused | JobEnded | Cancel | Entered | Left | Stop

encode = msgspec.msgpack.Encoder().encode
decode_to_main = msgspec.msgpack.Decoder(ToMain).decode
decode_to_worker = msgspec.msgpack.Decoder(ToWorker).decode


class Frames(asyncio.Protocol):
    """One end of the socket between main and a worker.

    `received` gets each message; `ended` is called once, with the reason, when nothing can be received any
    more; `congested` and `resumed` are called when it stops reading and when it reads again.
    """

    def __init__(
        self,
        decode: Callable[[Any], Any],
        limit: int,
        received: Callable[[Any], None],
        ended: Callable[[str], None],
    ) -> None:
        self._decode = decode
        self._limit = limit
        self._received = received
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._kept = bytearray()
        self._needed = _PREFIX
        self._out_bytes = 0
        self._is_paused = False
        self.resumed: Callable[[], None] = _nothing
        self.congested: Callable[[], None] = _nothing

    def send(self, message: ToMain | ToWorker) -> None:
        """Send with everything else of this turn; after the end nothing."""
        if not self._out:
            self._loop.call_soon(self._flush)
        data = encode(message)
        self._out += (len(data).to_bytes(_PREFIX, "little"), data)
        self._out_bytes += len(data)

    @property
    def is_congested(self) -> bool:
        """Whether the peer does not read fast enough, or this turn has much to send already."""
        return self._is_paused or self._out_bytes > self._limit

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
        self._needed = _PREFIX
        while end - place >= _PREFIX:
            size = int.from_bytes(view[place : place + _PREFIX], "little")
            if size > self._limit:
                self._fail(f"a frame of {size} bytes")
                return
            if end - place - _PREFIX < size:
                self._needed = _PREFIX + size
                break
            place += _PREFIX
            try:
                message = self._decode(view[place : place + size])
            except msgspec.MsgspecError as error:
                self._fail(str(error))
                return
            place += size
            self._received(message)
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


def _nothing() -> None:
    pass


def _ignore(_reason: str) -> None:
    pass
