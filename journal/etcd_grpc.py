"""One connection to one member of etcd over gRPC, and what gRPC's errors mean.

The only module that imports gRPC. It is loaded when the first client is made and not before: the package is an
extra, and costs 70 ms and 20 MB that one machine does not need.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import grpc
import grpc.aio

from journal.etcd_client import BATCH, Compacted, Lost, Refused, Tls, TokenSpent
from journal.etcd_core import INLINE
from journal.journal import Full

_ROOM = 1 << 20
_OPTIONS = [
    ("grpc.max_send_message_length", INLINE + _ROOM),
    ("grpc.max_receive_message_length", BATCH * INLINE + _ROOM),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
]


class Channel:
    """Connects by itself, and again."""

    def __init__(self, endpoint: str, tls: Tls | None) -> None:
        if tls is None:
            self._channel = grpc.aio.insecure_channel(endpoint, options=_OPTIONS)
        else:
            credentials = grpc.ssl_channel_credentials(tls.authority, tls.key, tls.certificate)
            self._channel = grpc.aio.secure_channel(endpoint, credentials, options=_OPTIONS)

    async def call(
        self, method: str, request: bytes, limit_s: float, metadata: Sequence[tuple[str, str]]
    ) -> bytes:
        """One request; raises `Lost`, `Full`, `Refused`, `TokenSpent`, `Compacted`."""
        try:
            answer: bytes = await self._channel.unary_unary(method)(
                request, timeout=limit_s, metadata=tuple(metadata)
            )
        except grpc.aio.AioRpcError as error:
            raise _meaning(error) from error
        return answer

    async def stream(
        self, method: str, request: bytes, metadata: Sequence[tuple[str, str]]
    ) -> AsyncGenerator[bytes, None]:
        """What is answered to one request for as long as the stream lasts; raises `Lost`."""
        call = self._channel.stream_stream(method)(metadata=tuple(metadata))
        try:
            await call.write(request)
            async for data in call:
                yield data
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise Lost(str(error)) from error
        finally:
            call.cancel()

    async def close(self, grace_s: float | None = None) -> None:
        """Give the connection back, once what is asked was answered or `grace_s` are over."""
        await self._channel.close(grace_s)


def _meaning(error: grpc.aio.AioRpcError) -> Exception:
    """etcd's error as ours."""
    code = error.code()
    details = error.details() or ""
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "database space exceeded" in details:
        return Full(details)
    if code is grpc.StatusCode.OUT_OF_RANGE and "has been compacted" in details:
        return Compacted(details)
    if "invalid auth token" in details or "revision in header is old" in details:
        return TokenSpent(details)
    definite = (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNIMPLEMENTED,
    )
    if code in definite:
        return Refused(f"{code.name}: {details}")
    return Lost(f"{code.name}: {details}")
