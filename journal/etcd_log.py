"""The journal on a cluster of etcd: performs what `journal.etcd_core` asks for, over `journal.etcd_client`.

The calls of `journal.journal.Log`, as coroutines of one loop; a record that was appended is durable, so `sync` has
nothing to do. One cluster keeps one journal or a few, each under its name. Several processes may open the same one:
whoever appends is decided by the log itself.

    log = await EtcdLog.open(["a:2379", "b:2379", "w:2379"], "0")     # the nearest member first
    outcome = await log.append(record)     # Tail, Conflict, or Ambiguous: append the very same record again
    if await log.wait(position): entries = await log.read(position)

Lost answers. Every request can be repeated: a record that took effect answers as our own (J6). So a lost answer
is repeated, at the next member, until etcd answers or the limit passes; only then `Ambiguous` is said. A refusal
that follows a lost answer proves nothing about the lost one, and counts as lost too.

Several appends may be in flight (AR §3.17). etcd takes them in any order; one that overtakes the record before it is
refused, waits here for that one's answer, and is sent again. Those behind it are held back until it is, and then
follow at once: sent earlier, each would be refused in its turn, for as long as there is something to append.

Reads ask the nearest member alone. What it answers is committed, proved by density and hashes, and compared with
the tail that we know of; otherwise the quorum is asked, at every member in turn, before anything is called damaged.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import aclosing, suppress
from typing import TypeVar

from journal.appender import claim_record
from journal.broken import require
from journal.encoding import Sealed
from journal.etcd_client import ATTEMPT_S, BATCH, EtcdClient, Lost, Refused, Tls, TlsSource
from journal.etcd_core import (
    Doubt,
    EtcdCore,
    Plan,
    Pressure,
    Retry,
    Space,
    flaws,
    frame_of,
    joined,
    open_stub,
    space,
    tail_of,
    unfit,
    unpack,
)
from journal.etcd_wire import Answer, Status
from journal.journal import (
    Ambiguous,
    Conflict,
    Damaged,
    Entry,
    Full,
    LogError,
    Outcome,
    Tail,
    Trimmed,
    checked,
)
from journal.record import Position

QUOTA = 2 << 30
"""Bytes that a member may hold (etcd's --quota-backend-bytes), etcd's own default."""
LIMIT_S = 10.0
"""A call gives up after it."""
IN_FLIGHT = 16
"""Appends whose answers are awaited at most."""
READ_BYTES = 8 << 20
"""A read ends after the record with which it has returned this many bytes."""
DEFRAGMENT_S = 120.0

_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.25

_Result = TypeVar("_Result")


class Unreachable(LogError):
    """No member that has a quorum answered in time; nothing was changed by this call."""


class Unfit(LogError):
    """A member runs a version of etcd that loses what it acknowledged."""


class _Flight:
    """An append whose answer is awaited."""

    def __init__(self) -> None:
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        """Whether the record became part of the log."""
        self.on_wire = asyncio.Event()
        """It is sent, and not refused for having overtaken another; or it is done."""

    def end(self, is_appended: bool) -> None:
        """The answer is there, or given up."""
        self.done.set_result(is_appended)
        self.on_wire.set()


class EtcdLog:
    """One process's handle on one journal in one etcd cluster."""

    def __init__(self, client: EtcdClient, journal: str, quota: int, limit_s: float) -> None:
        self._client = client
        self._core = EtcdCore(journal)
        self._quota = quota
        self._limit_s = limit_s
        self._flights: dict[bytes, _Flight] = {}
        """By hash of the record."""
        self._doubtful: dict[bytes, Position] = {}
        """By hash: records that an earlier call had to leave open."""
        self._link = self._core.anchor
        """The last record read, to which the next one must be linked."""
        self._known: Position = 0
        """What a watch has told of: a hint."""
        self._moved = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        self.space = Space(0, 0, quota, Pressure.NONE)
        """As `measure` found it last; the owner asks it before it takes a transaction."""
        self.warnings: list[str] = []
        """What an operator must know of the versions found."""

    @classmethod
    async def open(
        cls,
        endpoints: Sequence[str],
        journal: str,
        *,
        tls: Tls | TlsSource | None = None,
        user: tuple[str, str] | None = None,
        quota: int = QUOTA,
        limit_s: float = LIMIT_S,
        attempt_s: float = ATTEMPT_S,
    ) -> "EtcdLog":
        """Open or create `journal` on the members `endpoints` (host:port), the nearest first.

        Raises `Unreachable`, `Unfit`, `Refused`, `Damaged` (also for what is no journal of this format).
        """
        log = cls(EtcdClient(endpoints, tls, user, attempt_s), journal, quota, limit_s)
        try:
            until = log._until()
            await log._meet(until)
            answer = await log._settle(log._core.looking(), until)
            if not log._core.is_made(answer):
                answer = await log._settle(log._core.opening(), until)
            log._core.opened(answer)
        except (Lost, LogError) as error:
            await log.close()
            if isinstance(error, Lost):
                raise Unreachable(str(error)) from error
            raise
        log._link = log._core.anchor
        return log

    @property
    def first(self) -> Position:
        """The oldest position that is kept, as far as we know."""
        return self._core.anchor.position + 1

    @property
    def anchor(self) -> Tail:
        """The record just below `first`, from which the chain is proved."""
        return self._core.anchor

    @property
    def tail(self) -> Tail:
        """The newest record that we know of; `refresh` asks."""
        return self._core.tail

    @property
    def durable(self) -> Position:
        """The last position known to survive any crash of a minority: that of `tail`."""
        return self._core.tail.position

    async def close(self) -> None:
        """Stop watching and give the connections back; no call is under way any more."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
        await self._client.close()

    async def sync(self) -> None:
        """Nothing to do: etcd answers when a quorum has flushed."""

    async def refresh(self) -> Tail:
        """Ask the quorum where the log ends; raises `Unreachable`."""
        try:
            self._core.opened(await self._settle(self._core.looking(), self._until()))
        except Lost as error:
            raise Unreachable(str(error)) from error
        return self._core.tail

    async def claim(self, expected: Position, epoch: int, owner: str, request_id: bytes) -> Outcome:
        """Take the log over behind `expected`, as the log's interface has it; raises as `append`.

        An owner that goes on appending can outrun this; `fence` stops it first.
        """
        tail = await self.refresh()
        if expected == tail.position:
            return await self.append(claim_record(tail, epoch, owner, request_id, [], 0))
        try:
            finding = self._core.finding(expected + 1)
            answer = await self._settle(finding, self._until(), has_large_answer=True)
        except Lost as error:
            raise Unreachable(str(error)) from error
        stored = answer.found[0]
        if stored:
            frame = frame_of(expected + 1, stored[0].value)
            if frame.is_claim_of(epoch, request_id):
                return Tail(frame.position, frame.epoch, frame.hash, frame.last_ts)
        return Conflict(tail)

    async def fence(self, epoch: int, request_id: bytes) -> Outcome:
        """From now on refuse whoever is of a lower epoch; the answer is the tail, which only we can move.

        The claim of `epoch` must follow it. `Conflict`: another claimant was first, with the epoch in its tail.
        """
        try:
            answer = await self._settle(self._core.raising(epoch, request_id), self._until())
        except Lost:
            return Ambiguous(request_id)
        return self._core.raised(epoch, request_id, answer)

    async def append(self, record: Sealed) -> Outcome:
        """Append after position `record.position - 1`; the same record again changes nothing (J6).

        Raises `Full` before anything was written, `Refused`, and `Broken` for a record that contradicts the one
        that it follows.
        """
        until = self._until()
        if record.hash in self._flights:
            await asyncio.wait([self._flights[record.hash].done], timeout=self._limit_s)
        require(len(self._flights) < IN_FLIGHT, "a few appends are in flight")
        before = self._flights.get(record.previous)
        flight = self._flights[record.hash] = _Flight()
        is_appended = False
        try:
            outcome = await self._append(record, flight, before, until)
            is_appended = isinstance(outcome, Tail)
            return outcome
        except Lost:
            tail = self._core.tail.position
            self._doubtful = {key: at for key, at in self._doubtful.items() if at > tail}
            self._doubtful[record.hash] = record.position
            return Ambiguous(record.request_id)
        finally:
            if self._flights.get(record.hash) is flight:
                del self._flights[record.hash]
            self._core.settled(record)
            flight.end(is_appended)

    async def read(self, first: Position, limit: int = 256) -> list[Entry] | Trimmed:
        """Records from `first` on, at most `limit` and about 8 MiB; none at the end.

        Raises `Damaged`, `Unreachable`.
        """
        entries: list[Entry] = []
        size = 0
        while len(entries) < limit and size < READ_BYTES:
            count = min(BATCH, limit - len(entries))
            batch = await self._batch(first + len(entries), count)
            if isinstance(batch, Trimmed):
                return entries or batch
            for entry, length in batch:
                entries.append(entry)
                size += length
            if len(batch) < count:
                break
        return entries

    async def wait(self, position: Position, limit_s: float) -> bool:
        """Wait until there seems to be a record at `position`; False: none came within `limit_s`.

        A hint for a reader that would otherwise ask again and again; only `read` tells.
        """
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())
        until = asyncio.get_running_loop().time() + limit_s
        while max(self._known, self.durable) < position:
            left = until - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            self._moved.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), left)
        return True

    async def trim(self, upto: Position, limit: int = 1024) -> Position:
        """Drop up to `limit` records at positions <= `upto`, as the log's interface has it; returns `first`.

        Raises `Unreachable`, `Full`, `Damaged`.
        """
        core = self._core
        if upto > self.durable:
            await self.refresh()
        require(upto <= self.durable, "J7: only durable records are trimmed")
        last = min(upto, core.anchor.position + limit)
        if last <= core.anchor.position:
            return self.first
        try:
            answer = await self._settle(core.finding(last), self._until(), has_large_answer=True)
            if not answer.found[0]:
                await self.refresh()
                return self.first
            frame = frame_of(last, answer.found[0][0].value)
            tail = Tail(last, frame.epoch, frame.hash, frame.last_ts)
            core.trimmed(tail, await self._settle(core.trimming(tail), self._until()))
        except Lost as error:
            raise Unreachable(str(error)) from error
        except Doubt as doubt:
            raise doubt.damage() from doubt
        return self.first

    # --- the cluster

    async def measure(self) -> Space:
        """Ask all members how full they are, and whether their versions are fit; raises `Unreachable`, `Unfit`."""
        statuses = await self._statuses()
        for status in statuses:
            if why := unfit(status.version):
                raise Unfit(why)
        self.warnings = sorted({text for status in statuses for text in flaws(status.version)})
        self.space = space(statuses, self._quota)
        return self.space

    async def compact(self) -> None:
        """Let etcd forget what was overwritten and trimmed so far; raises `Unreachable`."""
        try:
            answer = await self._settle(self._core.looking(), self._until())
            await self._client.compact(answer.revision)
        except Lost as error:
            raise Unreachable(str(error)) from error

    async def defragment(self, missing: int = 0) -> None:
        """Give freed space back, one member after the other, who leads last; raises `Unreachable`.

        Each member serves nobody meanwhile: off-peak, and only while all members answer, but so many that may be
        `missing`. They are left as they are; with one of three missing there is no quorum while another is busy.
        """
        statuses = await self._client.statuses()
        order = sorted(
            range(len(statuses)),
            key=lambda index: (status := statuses[index]) is not None and status.member == status.leader,
        )
        for index in order:
            answers = await self._client.statuses()
            if answers.count(None) > missing:
                raise Unreachable("a member does not answer: the others are left as they are")
            if answers[index] is None:
                continue
            try:
                await self._client.defragment(index, DEFRAGMENT_S)
            except Lost as error:
                raise Unreachable(str(error)) from error

    async def relieve(self, missing: int = 0) -> Space:
        """Compact, `defragment`, and take the alarm back that stopped all writes, if there is room again.

        Raises `Unreachable`, `Unfit`.
        """
        await self.compact()
        await self.defragment(missing)
        measured = space([status._replace(alarms=[]) for status in await self._statuses()], self._quota)
        if measured.pressure < Pressure.FULL:
            try:
                await self._client.disarm()
            except Lost as error:
                raise Unreachable(str(error)) from error
        return await self.measure()

    async def lead(self, name: str) -> bool:
        """Let the member of that name lead, which is its region's; False: it can't now. Raises `Unreachable`."""
        try:
            members = await self._client.members()
        except Lost as error:
            raise Unreachable(str(error)) from error
        target = next((member.id for member in members if member.name == name), 0)
        statuses = await self._client.statuses()
        leads = [index for index, each in enumerate(statuses) if each and each.member == each.leader]
        if not target or not leads or all(each is None or each.member != target for each in statuses):
            return False
        leader = statuses[leads[0]]
        if leader is not None and leader.member == target:
            return True
        try:
            await self._client.move_leader(leads[0], target)
        except Lost:
            return False
        return True

    async def hand_over(self, names: Sequence[str]) -> bool:
        """If the nearest member leads, let the first of those named lead that can; False: none does for it.

        Raises `Refused`.
        """
        with suppress(Lost):
            status = await self._client.status(0)
            if status is None or status.member != status.leader:
                return False
            ids = {member.name: member.id for member in await self._client.members()}
            for name in names:
                with suppress(Lost):
                    await self._client.move_leader(0, ids.get(name, 0))
                    return True
        return False

    # --- how

    def _until(self) -> float:
        return asyncio.get_running_loop().time() + self._limit_s

    async def _meet(self, until: float) -> None:
        """`measure`, as soon as a member answers: those of a whole cluster may only just be starting."""
        pause = _FIRST_PAUSE_S
        while True:
            try:
                await self.measure()
                return
            except Unreachable:
                if asyncio.get_running_loop().time() + pause >= until:
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _statuses(self) -> list[Status]:
        statuses = [status for status in await self._client.statuses() if status is not None]
        if not statuses:
            raise Unreachable("no member of the cluster answers")
        return statuses

    async def _settle(self, request: bytes, until: float, *, has_large_answer: bool = False) -> Answer:
        """Repeat `request` until etcd answers it; raises `Lost` after `until`, `Full` and `Refused` if certain."""
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE_S
        lost: Lost | None = None
        while True:
            try:
                return await self._client.transact(request, has_large_answer=has_large_answer)
            except Lost as error:
                lost = error
            except (Full, Refused) as error:
                if lost is None:
                    raise
                raise Lost(str(error)) from error
            if loop.time() + pause >= until:
                raise lost
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _append(self, record: Sealed, flight: _Flight, before: _Flight | None, until: float) -> Outcome:
        """Stage, decide, judge, and again while that can help; raises `Lost`."""
        staged = False
        while True:
            plan = self._core.append(record)
            self._core.sent(record)
            try:
                if not staged:
                    staged = await self._stage(plan, until)
                if before is not None:
                    await self._within(before.on_wire.wait(), until)
                flight.on_wire.set()
                answer = await self._settle(plan.decide, until)
            except Full:
                known = await self._despite_full(record, plan, until)
                if known is None:
                    raise
                return known
            outcome = self._core.judge(record, plan, answer)
            if outcome is Retry.AHEAD:
                flight.on_wire.clear()
                if before is None or not await self._within(asyncio.shield(before.done), until):
                    return Conflict(self._core.tail)
                before = None
            elif outcome is Retry.AGAIN:
                staged = False
            elif isinstance(outcome, Conflict) and plan.staging:
                return await self._unstage(record, plan, until) or outcome
            else:
                return outcome

    async def _despite_full(self, record: Sealed, plan: Plan, until: float) -> Outcome | None:
        """What became of a record by an earlier call, now that etcd takes no writes; None: nothing, it is free to go.

        Raises `Lost` while an earlier request may still be on its way.
        """
        answer = await self._settle(self._core.question(record), until)
        outcome = self._core.judge(record, plan._replace(is_question=True), answer)
        if not isinstance(outcome, Retry):
            return outcome
        if record.hash in self._doubtful:
            raise Lost("an earlier append of this record is undecided")
        return await self._unstage(record, plan, until) if plan.staging else None

    async def _within(self, waiting: Awaitable[_Result], until: float) -> _Result:
        """What is waited for; raises `Lost` after `until`."""
        try:
            async with asyncio.timeout_at(until):
                return await waiting
        except TimeoutError as error:
            raise Lost("the record before it has no answer") from error

    async def _stage(self, plan: Plan, until: float) -> bool:
        """Store the pieces, one request at a time, so that heartbeats get through between them."""
        for request in plan.staging:
            answer = await self._settle(request, until)
            if not answer.succeeded:
                return False
        return True

    async def _unstage(self, record: Sealed, plan: Plan, until: float) -> Tail | None:
        """Drop the pieces of a record that did not come; its tail if it came after all."""
        answer = await self._settle(self._core.unstaging(record), until)
        if answer.succeeded:
            return None
        stored = answer.found[0][0].value
        if stored == plan.value:
            return tail_of(record)
        await self._settle(self._core.dropping(record, stored), until)
        return None

    async def _batch(self, first: Position, count: int) -> list[tuple[Entry, int]] | Trimmed:
        """Records with their lengths: from the nearest member, else from the quorum."""
        problem: Damaged | None = None
        for attempt in range(1 + self._client.count):
            try:
                return await self._fetch(first, count, local=attempt == 0)
            except Doubt as doubt:
                problem = doubt.damage()
            except Damaged as damaged:
                problem = damaged
            except Lost as error:
                raise Unreachable(str(error)) from error
            if attempt:
                self._client.doubt()
        raise problem or Damaged(first, "no member has it")

    async def _fetch(self, first: Position, count: int, *, local: bool) -> list[tuple[Entry, int]] | Trimmed:
        """Read, prove and decode; raises `Doubt`, `Damaged`, `Lost`."""
        until = self._until()
        reading = self._core.reading(first, count, local=local)
        answer = await self._settle(reading, until, has_large_answer=True)
        values = self._core.take(first, count, answer, local=local)
        if isinstance(values, Trimmed):
            return values
        previous = next(
            (link.hash for link in (self._link, self._core.anchor) if link.position == first - 1), None
        )
        batch: list[tuple[Entry, int]] = []
        size = 0
        for position, value in enumerate(values, first):
            data = await self._whole(position, value, until, local=local)
            entry = checked(position, data, previous)
            previous = entry.hash
            batch.append((entry, len(data)))
            size += len(data)
            if size >= READ_BYTES:
                break
        if batch:
            header = batch[-1][0].record.header
            self._link = Tail(header.position, header.epoch, batch[-1][0].hash, 0)
        return batch

    async def _whole(self, position: Position, value: bytes, until: float, *, local: bool) -> bytes:
        """The record that `value` is or stands for."""
        stub = open_stub(position, value)
        if stub is None:
            return value
        pieces = []
        for number in range(len(stub.digests)):
            asked = self._core.piece(stub, number, local=local)
            answer = await self._settle(asked, until, has_large_answer=True)
            pieces += [stored.value for stored in answer.found[0]]
        return joined(stub, pieces)

    async def _watch(self) -> None:
        """Keep `_known` up to date, whatever happens to the stream."""
        pause = _FIRST_PAUSE_S
        while True:
            with suppress(Lost, LogError):
                async with aclosing(self._client.watch(self._core.layout.head)) as stream:
                    async for news in stream:
                        pause = _FIRST_PAUSE_S
                        heads = news.values
                        if news.is_created:
                            answer = await self._client.transact(self._core.looking())
                            heads = [answer.found[0][0].value, *heads]
                        self._known = max([self._known, *(unpack(head).position for head in heads)])
                        self._moved.set()
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)
