"""Journals and the regions' one shared value on etcd, as the shells of a region use them (AR §5.2, §3.18)."""

import asyncio
import contextlib
from collections.abc import Sequence

import msgspec

from journal.encoding import Sealed
from journal.etcd_client import EtcdClient, Lost, Tls, TlsSource
from journal.etcd_core import Pressure, Space
from journal.etcd_log import QUOTA, EtcdLog
from journal.etcd_log import Unreachable as LogUnreachable
from journal.etcd_wire import EQUAL, Answer, get, is_absent, put, transaction, value_is
from journal.journal import Ambiguous, Conflict, Entry, Full, LogError, Tail, Trimmed
from journal.record import Position
from server.runtime.region.carrier import Room, Unreachable
from server.runtime.region.membership import Confirmed, Value
from server.session.unique import unique_id

WAIT_S = 1.0
"""How long a reader at the tail waits for news before it looks by itself."""


class EtcdCarrier:
    """`server.runtime.region.carrier.Carrier` over one `EtcdLog`."""

    def __init__(
        self,
        log: EtcdLog,
        journal: int,
        everywhere: Sequence[str],
        tls: Tls | TlsSource | None,
        quota: int = QUOTA,
    ) -> None:
        """`everywhere`: all members, for what only the one that leads can do, and for what is true of all."""
        self.log = log
        self._journal = journal
        self._everywhere = everywhere
        self._tls = tls
        self._quota = quota
        self._all: EtcdLog | None = None
        self._opening = asyncio.Lock()
        self.member = ""
        """The name of the member of this region."""
        self.others: Sequence[str] = ()
        """The names of the other members; the first one that can leads when this region gives up."""

    @classmethod
    async def open(
        cls,
        endpoints: Sequence[str],
        journal: int,
        tls: Tls | TlsSource | None = None,
        everywhere: Sequence[str] = (),
        quota: int = QUOTA,
    ) -> "EtcdCarrier":
        """`endpoints` (host:port), the nearest first, and those `everywhere`; bytes that each holds at most.

        Raises `Unreachable`, LogError.
        """
        try:
            log = await EtcdLog.open(endpoints, str(journal), tls=tls, quota=quota)
            return cls(log, journal, everywhere, tls, quota)
        except LogUnreachable as error:
            raise Unreachable(str(error)) from error

    async def close(self) -> None:
        """Give the connections back."""
        if self._all is not None:
            await self._all.close()
        await self.log.close()

    async def anchor(self) -> Tail:
        """The record just below the first that is kept."""
        try:
            await self.log.refresh()
        except LogUnreachable as error:
            raise Unreachable(str(error)) from error
        return self.log.anchor

    async def fence(self, epoch: int) -> Tail | Conflict:
        """Nobody of a lower epoch appends any more."""
        outcome = await self.log.fence(epoch, unique_id())
        if isinstance(outcome, Ambiguous):
            raise Unreachable("no quorum answers")
        return outcome

    async def lead(self) -> bool:
        """The owner is here now: so should be the member that leads, or each append goes round by it."""
        with contextlib.suppress(LogError):
            if await self.log.lead(self.member):
                return True
            if self._everywhere:
                return await (await self._of_all()).lead(self.member)
        return False

    async def give_up_lead(self) -> None:
        """A member that leads by the witness's vote is of no use to a region that it can't reach itself."""
        with contextlib.suppress(LogError):
            await self.log.hand_over(self.others)

    async def append(self, record: Sealed) -> Tail | Conflict:
        """Durable at a quorum when it returns a tail. A record that etcd has no room for is as one that waits."""
        try:
            outcome = await self.log.append(record)
        except Full as error:
            raise Unreachable(str(error)) from error
        if isinstance(outcome, Ambiguous):
            raise Unreachable("no quorum answers")
        return outcome

    async def read(self, first: Position, limit: int = 256) -> list[Entry] | Trimmed:
        """What the nearest member that answers has."""
        try:
            return await self.log.read(first, limit)
        except LogUnreachable as error:
            raise Unreachable(str(error)) from error

    async def changed(self, position: Position) -> None:
        """Returns when a record behind `position` seems to be there, or after `WAIT_S`."""
        await self.log.wait(position + 1, WAIT_S)

    async def trim(self, upto: Position) -> Position:
        """Drop records at positions <= `upto`."""
        try:
            return await self.log.trim(upto)
        except (LogUnreachable, Full) as error:
            raise Unreachable(str(error)) from error

    async def measure(self) -> Room:
        """Of all members that answer: each has a quota of its own, and one that has no room stops all of them."""
        try:
            return _room(await (await self._of_all()).measure())
        except LogUnreachable as error:
            raise Unreachable(str(error)) from error

    async def compact(self) -> None:
        """Let etcd forget what was trimmed."""
        try:
            await self.log.compact()
        except LogUnreachable as error:
            raise Unreachable(str(error)) from error

    async def relieve(self, missing: int) -> Room:
        """Compact and defragment all members, one after the other, while all but `missing` of them answer."""
        try:
            return _room(await (await self._of_all()).relieve(missing))
        except LogUnreachable as error:
            raise Unreachable(str(error)) from error

    async def _of_all(self) -> EtcdLog:
        """A handle on all members. Raises as `EtcdLog.open`."""
        async with self._opening:
            if self._all is None and self._everywhere:
                journal = str(self._journal)
                self._all = await EtcdLog.open(self._everywhere, journal, tls=self._tls, quota=self._quota)
        return self._all or self.log


def _room(space: Space) -> Room:
    return Room(space.size, space.in_use, space.quota, space.pressure >= Pressure.ALARM)


class EtcdRegister:
    """The value of `server.runtime.region.membership` in etcd, and a sign of life per region."""

    def __init__(
        self,
        endpoints: Sequence[str],
        cluster: str,
        region: str,
        others: Sequence[str],
        tls: Tls | TlsSource | None = None,
    ) -> None:
        self._client = EtcdClient(endpoints, tls)
        self._others = others
        self._key = f"opendsql/{cluster}/regions".encode()
        self._alive = f"opendsql/{cluster}/alive/{region}".encode()
        self._others_alive = [f"opendsql/{cluster}/alive/{other}".encode() for other in others]

    async def close(self) -> None:
        """Give the connection back."""
        await self._client.close()

    async def confirm(self) -> Confirmed:
        """Write a sign of life, so that a majority has to take part, and read all else in the same step."""
        reads = [get(self._key), *map(get, self._others_alive)]
        answer = await self._transact(transaction([], [put(self._alive, unique_id()), *reads]))
        _put, stored, *signs = answer.found
        value = msgspec.msgpack.decode(stored[0].value, type=Value) if stored else None
        return Confirmed(value, {other: sign[0].value for other, sign in zip(self._others, signs) if sign})

    async def replace(self, old: Value | None, new: Value) -> None:
        """Put `new` in place of `old`, or do nothing if that is not the value any more; `confirm` tells."""
        compare = is_absent(self._key) if old is None else value_is(self._key, EQUAL, _pack(old))
        await self._transact(transaction([compare], [put(self._key, _pack(new))]))

    async def _transact(self, request: bytes) -> Answer:
        try:
            return await self._client.transact(request)
        except (Lost, LogError) as error:
            raise Unreachable(str(error)) from error


def _pack(value: Value) -> bytes:
    return msgspec.msgpack.encode(value)
