"""The clocks that a node may be given: they read the machine, server.runtime.clocks.interval does the arithmetic.

    clockbound    the daemon's shared memory
    chrony        chronyd's own report, by UDP on this machine
    constant      a bound that the operator wrote down and answers for
    shared        every node is on this machine: one oscillator, no error between them

The kernel's own estimate (maxerror) is never enough: it grows and is reset without regard to the truth.
"""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

from server.runtime.clocks import chrony, clockbound
from server.runtime.clocks.interval import (
    Clock,
    Interval,
    IntervalClock,
    Monotonic,
    NoTime,
    Ns,
    Reading,
)

POLL_S = {"clockbound": 0.1, "chrony": 1.0}
ANSWER_S = 0.5
LIMIT_NS = 50_000_000
"""A bound above this is as good as none: a read would wait for twice as long."""
DECLARED_DRIFT_PPB = 1000
"""What an oscillator may gain between corrections; chrony's and ClockBound's own assumption."""
SILENCE_NS = 1000 * 10**9
"""What chrony said is not trusted for longer, however slowly the bound grows; as ClockBound does with it."""
_PAIR_TRIES = 8
_PAIR_NS = 20_000

Read: TypeAlias = Callable[[], Ns]


class Pair(NamedTuple):
    """Wall clock and oscillator, read at about the same moment; `gap` is how far they may be apart."""

    at: Ns
    real: Ns
    gap: Ns


def oscillator() -> Ns:
    """CLOCK_BOOTTIME: never stepped, and it goes on while the machine sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def read_pair(real: Read = time.time_ns, at: Read = oscillator) -> Pair:
    """Read both; again if something came between."""
    best: Pair | None = None
    for _ in range(_PAIR_TRIES):
        before = at()
        found = Pair(before, real(), at() - before)
        if best is None or found.gap < best.gap:
            best = found
        if best.gap <= _PAIR_NS:
            break
    assert best is not None
    return best


class _Polled:
    """A clock whose source is asked again and again."""

    def __init__(self, limit_ns: Ns) -> None:
        self.core = IntervalClock(limit_ns)
        self._task: asyncio.Task[None] | None = None
        self._read = asyncio.Event()

    def now(self) -> Interval:
        return self.core.now(oscillator())

    def start(self) -> None:
        """Begin to read the source."""
        self._task = asyncio.get_running_loop().create_task(self._poll())

    async def stop(self) -> None:
        """Read no more; the interval widens until it is of no use."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def wait(self) -> Interval:
        """The first interval that can be had: YugabyteDB's way, wait and do not fail (AR §3.2)."""
        while True:
            try:
                return self.now()
            except NoTime:
                self._read.clear()
                await self._read.wait()

    async def _poll(self) -> None:
        raise NotImplementedError


class ClockBoundClock(_Polled):
    """By ClockBound."""

    def __init__(
        self,
        path: Path = clockbound.DEFAULT_PATH,
        vmclock: Path = clockbound.VMCLOCK_PATH,
        limit_ns: Ns = LIMIT_NS,
    ) -> None:
        super().__init__(limit_ns)
        self._path = path
        self._vmclock = vmclock

    async def _poll(self) -> None:
        while True:
            self.refresh()
            self._read.set()
            await asyncio.sleep(POLL_S["clockbound"])

    def refresh(self) -> None:
        """Read the shared memory once."""
        try:
            self.core.add(self._reading())
        except NoTime as error:
            self.core.lose(str(error))

    def _reading(self) -> Reading:
        segment = clockbound.read(self._path)
        if segment.is_marker_checked and clockbound.hypervisor_marker(self._vmclock) != segment.marker:
            raise NoTime("ClockBound: the machine was disrupted and the daemon has not noticed yet")
        pair = read_pair()
        monotonic = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        bound = segment.bound_at(monotonic) + pair.gap
        void_after = pair.at + segment.void_after - monotonic
        return Reading(pair.at, pair.real, bound, segment.drift_ppb, void_after, segment.marker)


class ChronyClock(_Polled):
    """By chronyd's report. Without an answer the interval widens; a refusal or no synchronisation ends it."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = chrony.PORT,
        declared_drift_ppb: int = DECLARED_DRIFT_PPB,
        limit_ns: Ns = LIMIT_NS,
    ) -> None:
        super().__init__(limit_ns)
        self._address = (host, port)
        self._declared = declared_drift_ppb
        self._sequence = int.from_bytes(os.urandom(4), "big")
        self.unanswered = 0

    async def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                transport, answers = await loop.create_datagram_endpoint(
                    lambda: _Answers(loop), remote_addr=self._address
                )
            except OSError:
                self.unanswered += 1
            else:
                await self._ask(transport, answers)
                transport.close()
            self._read.set()
            await asyncio.sleep(POLL_S["chrony"])

    async def _ask(self, transport: asyncio.DatagramTransport, answers: "_Answers") -> None:
        self._sequence = (self._sequence + 1) % (1 << 32)
        asked = oscillator()
        transport.sendto(chrony.request(self._sequence))
        answers.sequence = self._sequence
        try:
            pair, tracking = await asyncio.wait_for(answers.found, ANSWER_S)
            drift = tracking.drift_ppb(self._declared)
            # The report is as old as the question at most: what drifts meanwhile is added.
            bound = tracking.bound() + pair.gap + (pair.at - asked) * drift // 10**9 + 1
            self.core.add(Reading(pair.at, pair.real, bound, drift, pair.at + SILENCE_NS))
        except (TimeoutError, OSError):
            self.unanswered += 1
        except NoTime as error:
            self.core.lose(str(error))


class _Answers(asyncio.DatagramProtocol):
    """Waits for one reply."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.found: asyncio.Future[tuple[Pair, chrony.Tracking]] = loop.create_future()
        self.sequence = 0

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self.found.done():
            return
        try:
            tracking = chrony.parse(data, self.sequence)
        except NoTime as error:
            self.found.set_exception(error)
            return
        if tracking is not None:
            self.found.set_result((read_pair(), tracking))

    def error_received(self, exc: Exception) -> None:
        if not self.found.done():
            self.found.set_exception(exc)


class ConstantClock:
    """The wall clock is never more than `bound_ns` off: somebody answers for that."""

    def __init__(self, bound_ns: Ns, read: Read = time.time_ns) -> None:
        self._bound = bound_ns
        self._read = read
        self._never_before = Monotonic()

    def now(self) -> Interval:
        real = self._read()
        return self._never_before.next(real - self._bound, real + self._bound)


class SharedClock:
    """One oscillator for all nodes of this machine, and one offset that they share (`shared_offset`)."""

    def __init__(self, offset_ns: Ns, read: Read = oscillator) -> None:
        self._offset = offset_ns
        self._read = read

    def now(self) -> Interval:
        now = self._read() + self._offset
        return Interval(now, now)


def shared_offset(directory: Path) -> Ns:
    """From the oscillator to the time since 1970, the same for all processes that name the same directory.

    The first one after the machine's start writes `clock-BOOT`; a step of the wall clock changes nothing until
    the next start. Raises OSError, ValueError if somebody else wrote the file.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    path = directory / f"clock-{boot}"
    if not path.exists():
        pair = read_pair()
        descriptor, temporary = tempfile.mkstemp(dir=directory, prefix="clock-new-")
        with open(descriptor, "w") as file:
            file.write(f"{pair.real - pair.at}\n")
        # A link is made whole or not at all, and only if nobody else was first.
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        os.unlink(temporary)
    return int(path.read_text())


__all__ = ["ChronyClock", "Clock", "ClockBoundClock", "ConstantClock", "SharedClock", "shared_offset"]
