"""What chronyd says of its clock, in its own command protocol (version 6, the `tracking` report) over UDP.

    request   version, type 1, 2 unused | command 33, attempt 0 | sequence | 8 unused | zeros up to 104 bytes
    reply     version, type 2, 2 unused | command 33, reply 5, status 0, 6 unused | sequence | 8 unused | report
    report    reference id, its address (20 bytes), stratum, leap status, time of the last update (12 bytes),
              then nine numbers of 32 bits: correction, last offset, its mean, frequency, residual frequency,
              skew (ppm), root delay, root dispersion, update interval (s)
    number    exponent (7 bits), coefficient (25 bits), both signed: coefficient * 2**(exponent - 25)

A request is as long as its reply, so nobody can use chronyd to multiply traffic. The bound is that of AR §3.2:
|correction| + root dispersion + root delay / 2.
"""

import math
import struct
from typing import NamedTuple

from server.runtime.clocks.interval import MAX_DRIFT_PPB, NoTime, Ns

PORT = 323
REQUEST_BYTES = 104
_VERSION, _REQUEST, _REPLY = 6, 1, 2
_TRACKING, _TRACKING_REPLY = 33, 5
_REQUEST_HEAD = struct.Struct("!4B2HI8x")
_REPLY_HEAD = struct.Struct("!4B3H6xI8x")
_REPORT = struct.Struct("!I20xHH12x9I")
_UNSYNCHRONISED = 3
LOCAL_REFERENCE = 0x7F7F0101
"""The clock follows nothing but itself (`local`): its error is zero by definition, and unknown."""


class Tracking(NamedTuple):
    """The parts of a report that tell how wrong the clock may be; seconds, parts per million."""

    reference: int
    stratum: int
    leap: int
    correction: float
    residual_ppm: float
    skew_ppm: float
    root_delay: float
    root_dispersion: float

    def bound(self) -> Ns:
        """The bound of CLOCK_REALTIME when the report was made. Raises `NoTime`."""
        if self.leap == _UNSYNCHRONISED or self.reference == 0 or self.stratum == 0:
            raise NoTime("chrony: the clock is not synchronised")
        if self.reference == LOCAL_REFERENCE:
            raise NoTime("chrony: the clock follows nothing but itself")
        if self.root_dispersion < 0 or self.root_delay < 0:
            raise NoTime("chrony: numbers that cannot be")
        seconds = abs(self.correction) + self.root_dispersion + self.root_delay / 2
        return math.ceil(seconds * 1e9)

    def drift_ppb(self, declared_ppb: int) -> int:
        """How fast the bound grows from there on: what was declared of the oscillator, and what chrony doubts."""
        doubt = math.ceil((abs(self.residual_ppm) + abs(self.skew_ppm)) * 1000)
        return min(declared_ppb + doubt, MAX_DRIFT_PPB)


def request(sequence: int) -> bytes:
    """Asks for a report; the reply repeats `sequence` (32 bits)."""
    head = _REQUEST_HEAD.pack(_VERSION, _REQUEST, 0, 0, _TRACKING, 0, sequence)
    return head.ljust(REQUEST_BYTES, b"\0")


def parse(data: bytes, sequence: int) -> Tracking | None:
    """The report in a reply; None if it is not the reply to `sequence`. Raises `NoTime` for a refusal."""
    if len(data) < _REPLY_HEAD.size:
        return None
    version, kind, _, _, command, reply, status, answered = _REPLY_HEAD.unpack_from(data)
    if kind != _REPLY or answered != sequence or command != _TRACKING:
        return None
    if version != _VERSION:
        raise NoTime(f"chrony: version {version} of its protocol is not known")
    if status != 0 or reply != _TRACKING_REPLY or len(data) < _REPLY_HEAD.size + _REPORT.size:
        raise NoTime(f"chrony: no report, status {status}")
    reference, stratum, leap, *numbers = _REPORT.unpack_from(data, _REPLY_HEAD.size)
    correction, _last, _mean, _frequency, residual, skew, delay, dispersion, _interval = map(_number, numbers)
    return Tracking(reference, stratum, leap, correction, residual, skew, delay, dispersion)


def _number(bits: int) -> float:
    exponent, coefficient = bits >> 25, bits & 0x1FF_FFFF
    if exponent >= 64:
        exponent -= 128
    if coefficient >= 1 << 24:
        coefficient -= 1 << 25
    return math.ldexp(coefficient, exponent - 25)
