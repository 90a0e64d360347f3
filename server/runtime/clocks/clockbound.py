"""ClockBound's shared memory: the bound that its daemon keeps for this machine's clock.

    /var/run/clockbound/shm0 (layout 2), shm (layout 1); native byte order

    0   magic      two 32-bit numbers        48  bound             64 bits, ns
    8   size       32 bits                   56  disruption marker 64 bits   (layout 2 only: the rest moves up)
    12  layout     16 bits                   64  drift             32 bits, parts per billion
    14  generation 16 bits, odd: in change   68  status            32 bits: 0 unknown, 1 synchronised,
    16  as of      seconds, ns (64 bits)                           2 free running, 3 disrupted
    32  void after seconds, ns (64 bits)     72  whether to look at the marker of the hypervisor, 8 bits

Times are those of CLOCK_MONOTONIC_COARSE. In layout 1 a reserved number lies between drift and status. The
hypervisor's marker stands in /dev/vmclock0 (little endian): when it is not the daemon's, the machine was moved
or restored and the daemon has not yet noticed.
"""

import mmap
import os
import struct
from pathlib import Path
from typing import NamedTuple

from server.runtime.clocks.interval import MAX_DRIFT_PPB, NoTime, Ns

DEFAULT_PATH = Path("/var/run/clockbound/shm0")
VMCLOCK_PATH = Path("/dev/vmclock0")
MAGIC = (0x414D5A4E, 0x43420200)
VMCLOCK_MAGIC = 0x4B4C4356
SECOND = 1_000_000_000
BLUR_NS = 10_000_000
"""The coarse clock may be a tick ahead of what was read before it."""
STATUS = {0: "unknown", 3: "disrupted"}
TRIES = 1000
_HEAD = struct.Struct("=2IIHH")
_BODIES = {1: struct.Struct("=4qqIIi"), 2: struct.Struct("=4qqQIiB")}
_VMCLOCK = struct.Struct("<IIHBBIQ")
_LARGEST = 128


class Segment(NamedTuple):
    """A consistent reading of the shared memory; ns."""

    as_of: Ns
    void_after: Ns
    bound: Ns
    drift_ppb: int
    status: int
    marker: int = 0
    is_marker_checked: bool = False

    def bound_at(self, monotonic: Ns) -> Ns:
        """The bound of CLOCK_REALTIME now. Raises `NoTime`."""
        if self.status in STATUS or self.status not in (1, 2):
            raise NoTime(f"ClockBound: the clock is {STATUS.get(self.status, self.status)}")
        if not 0 <= self.drift_ppb <= MAX_DRIFT_PPB or self.bound < 0:
            raise NoTime("ClockBound: numbers that cannot be")
        age = monotonic - self.as_of
        if age < -BLUR_NS:
            raise NoTime("ClockBound: a reading of the future")
        if monotonic > self.void_after:
            raise NoTime("ClockBound: its daemon is silent")
        return self.bound - (-max(age, 0) * self.drift_ppb // SECOND)


def parse(data: bytes) -> Segment | None:
    """The segment; None while it is being changed. Raises `NoTime` if it is not one that is known here."""
    if len(data) < _HEAD.size:
        raise NoTime("ClockBound: its segment is not there yet")
    first, second, size, layout, generation = _HEAD.unpack_from(data)
    if (first, second) != MAGIC:
        raise NoTime("ClockBound: not its segment")
    body = _BODIES.get(layout)
    if body is None:
        raise NoTime(f"ClockBound: layout {layout} is not known")
    if size < _HEAD.size + body.size or len(data) < _HEAD.size + body.size:
        raise NoTime("ClockBound: its segment is too short")
    if generation == 0:
        raise NoTime("ClockBound: its segment is not there yet")
    if generation % 2:
        return None
    fields = body.unpack_from(data, _HEAD.size)
    as_of, void_after = fields[0] * SECOND + fields[1], fields[2] * SECOND + fields[3]
    if layout == 1:
        bound, drift, _reserved, status = fields[4:]
        return Segment(as_of, void_after, bound, drift, status)
    bound, marker, drift, status, is_checked = fields[4:]
    return Segment(as_of, void_after, bound, drift, status, marker, is_checked != 0)


def read(path: Path) -> Segment:
    """The segment as it is now. Raises `NoTime`.

    The generation becomes odd before anything changes. So two equal copies with an even one are whole: had the
    first been taken during a change, the second would have another generation. The file is opened each time,
    because a daemon that starts anew may replace it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            for _ in range(TRIES):
                data = os.pread(descriptor, _LARGEST, 0)
                segment = parse(data)
                if segment is not None and os.pread(descriptor, _LARGEST, 0) == data:
                    return segment
        finally:
            os.close(descriptor)
    except OSError as error:
        raise NoTime(f"ClockBound: {path}: {error.strerror}") from error
    raise NoTime("ClockBound: its segment is always being changed")


def hypervisor_marker(path: Path) -> int:
    """The marker that counts the disruptions of this virtual machine. Raises `NoTime`."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), _VMCLOCK.size, prot=mmap.PROT_READ) as memory:
            for _ in range(TRIES):
                data = memory[: _VMCLOCK.size]
                magic, _size, version, _counter, _type, sequence, marker = _VMCLOCK.unpack(data)
                if magic != VMCLOCK_MAGIC or version == 0:
                    raise NoTime(f"{path} is not the hypervisor's clock")
                if sequence % 2 == 0 and memory[: _VMCLOCK.size] == data:
                    return int(marker)
    except (OSError, ValueError) as error:
        raise NoTime(f"{path}: {error}") from error
    raise NoTime(f"{path} is always being changed")
