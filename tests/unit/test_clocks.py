"""Where bounds come from: ClockBound's memory, chrony's report, an operator's word, one machine."""

import asyncio
import os
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from server.runtime.clocks import chrony, clockbound, sources
from server.runtime.clocks.interval import IntervalClock, NoTime, Reading
from server.runtime.clocks.sources import ChronyClock, ClockBoundClock, ConstantClock, SharedClock
from tests.nodes import until

SECOND = 10**9
MS = 10**6
START = 1_700_000_000 * SECOND


# --- the core


def held(limit: int = 10 * MS) -> IntervalClock:
    clock = IntervalClock(limit)
    clock.add(Reading(0, START, MS, 1000, 100 * SECOND))
    return clock


def reason(clock: IntervalClock, at: int) -> str:
    with pytest.raises(NoTime) as found:
        clock.now(at)
    return str(found.value)


def test_the_bound_grows_until_it_is_of_no_use():
    clock = held(limit=MS + 5000)
    assert clock.now(0) == (START - MS, START + MS)
    assert clock.now(SECOND) == (START + SECOND - MS - 1001, START + SECOND + MS + 1001)
    assert "above" in reason(clock, 6 * SECOND)


def test_a_source_is_not_trusted_beyond_its_word():
    clock = held()
    clock.now(100 * SECOND)
    assert "silent" in reason(clock, 100 * SECOND + 1)


def test_two_readings_narrow_the_interval():
    clock = held()
    clock.add(Reading(0, START + MS, MS, 0))
    assert clock.now(0) == (START, START + MS)
    assert clock.now(SECOND) == (START + SECOND - 1001, START + SECOND + MS + 1001), "the worse of the drifts"


def test_contradicting_readings_give_no_time_until_some_agree():
    clock = held()
    off = START + 10 * MS
    for at in range(1, 4):
        clock.add(Reading(at, off + at, MS, 0))
        assert "contradict" in reason(clock, at)
    clock.add(Reading(4, off + 4, MS, 0))
    assert clock.now(4) == (off + 4 - MS, off + 4 + MS)
    assert clock.disputes == 1


def test_a_disturbed_machine_starts_from_its_next_reading():
    clock = held()
    clock.add(Reading(1, START + SECOND, MS, 0, None, marker=1))
    assert clock.now(1) == (START + SECOND - MS, START + SECOND + MS)


def test_what_was_handed_out_in_vain_is_waited_for():
    clock = held()
    clock.now(0)
    clock.lose("disrupted")
    assert reason(clock, 1) == "disrupted"
    clock.add(Reading(2, START - SECOND, MS, 0))
    assert "went back" in reason(clock, 2)
    later = 2 + SECOND
    assert clock.now(later) == (START - MS, START + MS)


@pytest.mark.parametrize("reading", [Reading(0, 0, -1, 0), Reading(0, 0, 0, -1), Reading(0, 0, 0, SECOND)])
def test_a_reading_must_make_sense(reading):
    with pytest.raises(ValueError, match="not a reading"):
        IntervalClock(MS).add(reading)


def test_no_reading_no_time():
    assert reason(IntervalClock(MS), 0) == "no reading yet"


# --- ClockBound


def segment(layout: int = 2, generation: int = 4, status: int = 1, **change: int) -> bytes:
    """A segment that was written now, by the published layout."""
    monotonic = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    as_of = change.get("as_of", monotonic)
    void_after = change.get("void_after", monotonic + 100 * SECOND)
    times = struct.pack("=4q", *divmod(as_of, SECOND), *divmod(void_after, SECOND))
    bound, drift = change.get("bound", 25_000), change.get("drift", 1000)
    if layout == 1:
        body = times + struct.pack("=qIIi4x", bound, drift, 0, status)
    else:
        marker = struct.pack(
            "=qQIiB7x", bound, change.get("marker", 7), drift, status, change.get("checked", 0)
        )
        body = times + marker
    size = change.get("size", 16 + len(body))
    magic = change.get("magic", 0x414D5A4E)
    return struct.pack("=IIIHH", magic, 0x43420200, size, change.get("number", layout), generation) + body


@pytest.mark.parametrize("layout", [1, 2])
def test_both_layouts_are_read(layout):
    found = clockbound.parse(segment(layout, as_of=5 * SECOND + 7, void_after=9 * SECOND + 1, status=2))
    assert found is not None
    assert found[:5] == (5 * SECOND + 7, 9 * SECOND + 1, 25_000, 1000, 2)
    assert (found.marker, found.is_marker_checked) == ((7, False) if layout == 2 else (0, False))
    assert len(segment(layout)) == (72 if layout == 1 else 80)


def test_the_bound_has_grown_since_it_was_written():
    found = clockbound.parse(segment(as_of=SECOND, void_after=9 * SECOND))
    assert found is not None
    assert found.bound_at(SECOND) == 25_000
    assert found.bound_at(3 * SECOND + 1) == 27_001
    assert found.bound_at(SECOND - 5 * MS) == 25_000, "the coarse clock ticks"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "not there yet"),
        (segment(generation=0), "not there yet"),
        (segment(magic=1), "not its segment"),
        (segment(number=3), "layout 3"),
        (segment(size=60), "too short"),
        (segment()[:70], "too short"),
        (segment(status=0), "unknown"),
        (segment(status=3), "disrupted"),
        (segment(status=9), "9"),
        (segment(void_after=0), "silent"),
        (segment(drift=SECOND), "cannot be"),
        (segment(bound=-1), "cannot be"),
        (segment(as_of=1 << 60), "future"),
    ],
    ids=lambda value: value if isinstance(value, str) else "segment",
)
def test_a_segment_without_a_time(tmp_path, data, text):
    path = tmp_path / "shm0"
    path.write_bytes(data)
    clock = ClockBoundClock(path)
    clock.refresh()
    with pytest.raises(NoTime, match=text):
        clock.now()


def test_a_segment_in_change_is_read_again(tmp_path, monkeypatch):
    old, torn, new = segment(bound=1), segment(generation=5), segment(generation=6, bound=3)
    # A copy that is half old, half new, with the old generation: the next one has another.
    mixed = old[:48] + new[48:]
    copies = [torn, mixed, torn, new, new]
    monkeypatch.setattr(os, "pread", lambda *_: copies.pop(0))
    path = tmp_path / "shm0"
    path.touch()
    assert clockbound.read(path) == clockbound.parse(new)
    monkeypatch.setattr(os, "pread", lambda *_: torn)
    with pytest.raises(NoTime, match="always"):
        clockbound.read(path)


def test_clockbound_tells_the_time(tmp_path):
    path = tmp_path / "shm0"
    path.write_bytes(segment())
    clock = ClockBoundClock(path)
    clock.refresh()
    before = time.time_ns()
    earliest, latest = clock.now()
    assert earliest <= before + 100 * MS
    assert earliest <= time.time_ns()
    assert latest - earliest >= 50_000
    path.write_bytes(segment(status=3, generation=6))
    clock.refresh()
    with pytest.raises(NoTime, match="disrupted"):
        clock.now()
    with pytest.raises(NoTime, match="No such file"):
        clockbound.read(tmp_path / "none")


def vmclock(marker: int, sequence: int = 2, magic: int = 0x4B4C4356) -> bytes:
    return struct.pack("<IIHBBIQ", magic, 104, 1, 0, 0, sequence, marker).ljust(104, b"\0")


def test_the_hypervisor_may_know_more_than_the_daemon(tmp_path):
    memory, hypervisor = tmp_path / "shm0", tmp_path / "vmclock0"
    memory.write_bytes(segment(marker=7, checked=1))
    clock = ClockBoundClock(memory, hypervisor)
    for content, text in [
        (None, "vmclock0"),
        (vmclock(8), "disrupted"),
        (vmclock(7, magic=1), "not the hypervisor"),
        (vmclock(7, sequence=1), "always"),
    ]:
        if content is not None:
            hypervisor.write_bytes(content)
        clock.refresh()
        with pytest.raises(NoTime, match=text):
            clock.now()
    hypervisor.write_bytes(vmclock(7))
    clock.refresh()
    clock.now()


# --- chrony

REPLY = bytes.fromhex(
    "06020000002100050000000000000000000012340000000000000000"
    "7f0000017f0000010000000000000000000000000001000000040000000000006b0b1e11173e406a"
    "df493731d8bef460d6d49ae6fcca234ef8a9be7702c3df9ce0ec41bbdecaee140480603e"
).ljust(104, b"\0")
"""What chronyd 4.3 answered; its own tool showed -2.7 us, skew 0.765 ppm, delay 7.041 us, dispersion 3.024 us."""


def reply(**change: int) -> bytes:
    data = bytearray(REPLY)
    for name, (offset, size) in {
        "version": (0, 1),
        "kind": (1, 1),
        "status": (8, 2),
        "sequence": (16, 4),
        "reference": (28, 4),
        "stratum": (52, 2),
        "leap": (54, 2),
        "dispersion": (96, 4),
    }.items():
        if name in change:
            data[offset : offset + size] = change[name].to_bytes(size, "big")
    return bytes(data)


def test_chronys_report_is_understood():
    found = chrony.parse(REPLY, 0x1234)
    assert found is not None
    assert (found.reference, found.stratum, found.leap) == (0x7F000001, 4, 0)
    shown = (found.correction, found.residual_ppm, found.skew_ppm, found.root_delay, found.root_dispersion)
    assert shown == pytest.approx((-2.7237e-06, 0.0207207, 0.765131, 7.041e-06, 3.02389e-06), rel=1e-4)
    assert found.bound() == 9269  # 2723.7 + 3023.9 + 3520.5 ns
    assert found.drift_ppb(1000) == 1786
    assert len(chrony.request(1)) == 104


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (reply(leap=3), "not synchronised"),
        (reply(stratum=0), "not synchronised"),
        (reply(reference=0), "not synchronised"),
        (reply(reference=0x7F7F0101), "itself"),
        (reply(dispersion=0x01FF_FFFF), "cannot be"),
        (reply(version=7), "version 7"),
        (reply(status=2), "status 2"),
        (REPLY[:60], "no report"),
    ],
)
def test_a_report_without_a_bound(data, text):
    with pytest.raises(NoTime, match=text):
        found = chrony.parse(data, 0x1234)
        assert found is not None
        found.bound()


@pytest.mark.parametrize("data", [b"", REPLY[:20], reply(kind=1), reply(sequence=0x1235)])
def test_what_is_not_the_reply_is_ignored(data):
    assert chrony.parse(data, 0x1234) is None


class Chronyd(asyncio.DatagramProtocol):
    """Answers with `report`, or not at all."""

    def __init__(self) -> None:
        self.report: bytes | None = REPLY
        self.asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.asked += 1
        (sequence,) = struct.unpack_from("!I", data, 8)
        if self.report is not None:
            answer = self.report[:16] + sequence.to_bytes(4, "big") + self.report[20:]
            for each in (b"junk", self.report, answer):
                self.transport.sendto(each, addr)  # type: ignore[attr-defined]


def test_what_passes_while_both_clocks_are_read_widens_the_interval(tmp_path, monkeypatch):
    gap = 1_000_000

    def slow() -> sources.Pair:
        return sources.Pair(sources.oscillator(), time.time_ns(), gap)

    monkeypatch.setattr(sources, "read_pair", slow)
    path = tmp_path / "shm0"
    path.write_bytes(segment())
    clock = ClockBoundClock(path)
    clock.refresh()
    earliest, latest = clock.now()
    assert latest - earliest >= 2 * (25_000 + gap)

    async def main() -> None:
        daemon = Chronyd()
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: daemon, local_addr=("127.0.0.1", 0)
        )
        clock = ChronyClock(port=transport.get_extra_info("sockname")[1])
        clock.start()
        earliest, latest = await clock.wait()
        assert latest - earliest >= 2 * (9269 + gap)
        await clock.stop()
        transport.close()

    asyncio.run(main())


def test_the_better_of_several_pairs_is_taken():
    ticks = iter([0, 90_000, 100_000, 101_000])
    assert sources.read_pair(lambda: 7, lambda: next(ticks)) == (100_000, 7, 1000)


def test_chrony_is_asked_again_and_again(monkeypatch):
    monkeypatch.setitem(sources.POLL_S, "chrony", 0.001)

    async def main() -> None:
        daemon = Chronyd()
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: daemon, local_addr=("127.0.0.1", 0)
        )
        clock = ChronyClock(port=transport.get_extra_info("sockname")[1])
        with pytest.raises(NoTime, match="no reading"):
            clock.now()
        clock.start()
        earliest, latest = await clock.wait()
        assert earliest <= time.time_ns()
        assert latest - earliest >= 2 * 9269
        asked = daemon.asked
        await until(lambda: daemon.asked > asked + 3)
        daemon.report = reply(leap=3)
        with pytest.raises(NoTime, match="not synchronised"):
            while True:
                clock.now()
                await asyncio.sleep(0)
        daemon.report = REPLY
        await clock.wait()
        transport.close()
        await until(lambda: clock.unanswered > 2)
        clock.now()  # it widens, that is all
        await clock.stop()

    asyncio.run(main())


# --- the others


def test_a_constant_is_taken_at_its_word_and_never_goes_back():
    readings = [100, 90, 70, 120]
    clock = ConstantClock(20, lambda: readings.pop(0))
    assert clock.now() == (80, 120)
    assert clock.now() == (80, 120), "a step within the bound"
    assert clock.now() == (80, 120)
    assert clock.now() == (100, 140)
    readings.append(50)
    with pytest.raises(NoTime, match="went back"):
        clock.now()


def test_one_machine_has_one_time():
    assert SharedClock(1000, lambda: 5).now() == (1005, 1005)


def test_all_processes_of_a_machine_share_an_offset(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: sources.shared_offset(tmp_path), range(8)))
    assert len(found) == 1
    assert len(list(tmp_path.iterdir())) == 1
    assert abs(SharedClock(found.pop()).now().latest - time.time_ns()) < 60 * SECOND
