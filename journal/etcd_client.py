"""The members of one etcd cluster, asked one after the other: fail-over and authentication. No rule lives here.

An answer is what etcd said, `Refused` and `Full` are what it will not do, and everything else is `Lost`: the
request may have taken effect, or may yet. Nothing is repeated here.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from journal import etcd_wire as wire
from journal.broken import require
from journal.etcd_members import Attempts, Endpoints
from journal.journal import Full, LogError

if TYPE_CHECKING:
    from journal.etcd_grpc import Channel

BATCH = 32
"""Records in one answer at most, each of at most `INLINE` bytes: 32 MiB."""
ATTEMPT_S = 2.0
"""One request to one member at most; then another one is asked."""

_Read = TypeVar("_Read")


class Lost(Exception):
    """No answer, or one that leaves open what became of the request."""


class Refused(LogError):
    """etcd will not do this for us: wrong credentials, no permission, a request that it does not understand."""


class TokenSpent(Refused):
    """The request was turned away for its token alone, before anything was done."""


class Compacted(LogError):
    """History up to that revision is gone already."""


class Tls(NamedTuple):
    """PEM files' contents; without `key` and `certificate` the client does not identify itself."""

    authority: bytes
    key: bytes | None = None
    certificate: bytes | None = None


TlsSource: TypeAlias = Callable[[], Tls | None]
"""Gives the same object as long as nothing was renewed."""


class EtcdClient:
    """Asks the members `endpoints` (host:port), the nearest first."""

    def __init__(
        self,
        endpoints: Sequence[str],
        tls: Tls | TlsSource | None = None,
        user: tuple[str, str] | None = None,
        attempt_s: float = ATTEMPT_S,
    ) -> None:
        """`user`: name and password. Must be called while the loop runs that will use it.

        A source is asked before every request; when it gives another `Tls`, connections are made anew with it.
        """
        # A child that is started by fork and exec would run gRPC's handlers in between, without its threads, and
        # crash now and then.
        os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
        from journal.etcd_grpc import Channel

        require(endpoints, "a cluster has members")
        self._connect = Channel
        self._names = list(endpoints)
        self._source: TlsSource = tls if callable(tls) else lambda: tls
        self._tls = self._source()
        self._channels = [Channel(endpoint, self._tls) for endpoint in endpoints]
        self._closing: set[asyncio.Task[None]] = set()
        self._endpoints = Endpoints(len(endpoints))
        self._user = user
        self._token = ""
        self._attempt_s = attempt_s
        self._attempts = Attempts(attempt_s)

    @property
    def count(self) -> int:
        """How many members are known."""
        return len(self._channels)

    async def close(self) -> None:
        """Give the connections back."""
        for channel in self._channels:
            await channel.close()
        await asyncio.gather(*self._closing)

    async def transact(self, request: bytes, *, has_large_answer: bool = False) -> wire.Answer:
        """One attempt at the member that is due; raises `Lost`, `Full`, `Refused`."""
        if has_large_answer:
            return await self._ask(wire.TXN, request, wire.answer)
        now = asyncio.get_running_loop().time
        begun = now()
        try:
            answer = await self._ask(wire.TXN, request, wire.answer, self._attempts.limit(len(request)))
        except Lost:
            self._attempts.lost()
            raise
        self._attempts.answered(now() - begun)
        return answer

    async def compact(self, revision: int) -> None:
        """Forget history up to `revision`, unless that is forgotten already; raises as `transact`."""
        try:
            await self._ask(wire.COMPACT, wire.compaction(revision), bytes)
        except Compacted:
            return

    async def members(self) -> list[wire.Member]:
        """The cluster's members; raises as `transact`."""
        return await self._ask(wire.MEMBERS, b"", wire.members)

    async def disarm(self) -> None:
        """Take back every member's alarm for want of space; raises as `transact`."""
        for member in await self.members():
            await self._ask(wire.ALARM, wire.disarm(member.id), bytes)

    async def status(self, index: int) -> wire.Status | None:
        """A member about itself; None when it does not answer. Raises `Refused`."""
        try:
            return wire.status(await self._call(index, wire.STATUS, b"", self._attempt_s))
        except (Lost, Full):
            return None

    async def statuses(self) -> list[wire.Status | None]:
        """All members about themselves, in the order of the endpoints; raises `Refused`."""
        return list(await asyncio.gather(*map(self.status, range(self.count))))

    async def defragment(self, index: int, limit_s: float) -> None:
        """Make one member rewrite its file, during which it serves nobody; raises as `transact`."""
        await self._call(index, wire.DEFRAGMENT, b"", limit_s)

    async def move_leader(self, index: int, target: int) -> None:
        """Make the member at `index`, which leads, hand over to the member `target`; raises as `transact`."""
        await self._call(index, wire.MOVE_LEADER, wire.move_leader(target), self._attempt_s * 2)

    async def watch(self, key: bytes) -> AsyncGenerator[wire.News, None]:
        """What a member says of `key`, from now on; ends by `Lost` or `Refused`."""
        index = self._pick()
        metadata = (*await self._metadata(index), ("hasleader", "true"))
        try:
            async with aclosing(self._channel(index).stream(wire.WATCH, wire.watch(key), metadata)) as stream:
                async for data in stream:
                    news = wire.news(data)
                    if news.is_canceled:
                        break
                    yield news
        except Lost:
            self._failed(index)
            raise
        self._failed(index)
        raise Lost("the watch ended")

    def _pick(self) -> int:
        return self._endpoints.pick(asyncio.get_running_loop().time())

    def _failed(self, index: int) -> None:
        self._endpoints.failed(index, asyncio.get_running_loop().time())

    def doubt(self) -> None:
        """What the member that is due answered can't be trusted: ask another one next."""
        self._failed(self._pick())

    async def _ask(
        self, method: str, request: bytes, read: Callable[[bytes], _Read], limit_s: float | None = None
    ) -> _Read:
        index = self._pick()
        try:
            data = await self._call(index, method, request, limit_s or self._attempt_s)
        except Lost:
            self._failed(index)
            raise
        self._endpoints.answered(index)
        return read(data)

    async def _call(self, index: int, method: str, request: bytes, limit_s: float) -> bytes:
        """Ask one member, with a fresh token if the old one has run out."""
        channel = self._channel(index)
        try:
            return await channel.call(method, request, limit_s, await self._metadata(index))
        except TokenSpent:
            self._token = ""
        return await channel.call(method, request, limit_s, await self._metadata(index))

    def _channel(self, index: int) -> "Channel":
        tls = self._source()
        if tls is not self._tls:
            old, self._tls = self._channels, tls
            self._channels = [self._connect(endpoint, tls) for endpoint in self._names]
            for channel in old:
                closing = asyncio.get_running_loop().create_task(channel.close(self._attempt_s))
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
        return self._channels[index]

    async def _metadata(self, index: int) -> tuple[tuple[str, str], ...]:
        if self._user is None:
            return ()
        if not self._token:
            request = wire.credentials(*self._user)
            data = await self._channel(index).call(wire.AUTHENTICATE, request, self._attempt_s, ())
            self._token = wire.token(data)
        return (("token", self._token),)
