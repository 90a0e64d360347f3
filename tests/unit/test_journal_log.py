"""The contract of a log, held by every carrier; then what is LMDB's alone."""

import asyncio
import itertools
import resource
import threading
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from journal.broken import Broken
from journal.encoding import Sealed, Undecodable, decode, open_frame, seal
from journal.journal import Conflict, Damaged, Entry, FlushFailed, Full, Log, Tail, Trimmed
from journal.lmdb_log import LmdbLog
from journal.memory_log import MemoryLog
from journal.record import Commit, Header, Lock, LockClass, Record, Write
from tests.blocking_log import BlockingLog
from tests.blocking_log import runner as runner
from tests.etcd import Cluster

A = b"a" * 16
B = b"b" * 16


def group(tail: Tail, count: int = 1, *, epoch: int | None = None, size: int = 10) -> Sealed:
    """A sealed record of `count` commits that follows `tail`."""
    commits = [
        Commit(
            txid=(tail.position + 1).to_bytes(8, "big") + number.to_bytes(8, "big"),
            start_ts=tail.last_ts,
            commit_ts=tail.last_ts + 1 + number,
            writes=[Write(b"k%d" % number, b"v" * size, LockClass.EXCLUSIVE), Write(b"gone", None, 2)],
            locks=[Lock(b"locked", LockClass.KEY_SHARE)],
        )
        for number in range(count)
    ]
    header = Header(tail.position + 1, tail.epoch if epoch is None else epoch, tail.hash)
    return seal(Record(header, "commits", (tail.position + 1).to_bytes(16, "big"), "a", commits))


def filled(log: Log, records: int) -> list[Sealed]:
    """Claim and append until `records` positions exist, all durable; returns what was appended."""
    if log.tail.position == 0:
        assert isinstance(log.claim(0, 1, "a", A), Tail)
    appended = []
    while log.tail.position < records:
        record = group(log.tail, 1 + log.tail.position % 3)
        assert isinstance(log.append(record), Tail)
        appended.append(record)
    log.sync()
    return appended


def entries(log: Log, first: int, limit: int = 256) -> list[Entry]:
    read = log.read(first, limit)
    assert isinstance(read, list)
    return read


@pytest.fixture(params=["memory", "lmdb", "lmdb-unsynced", pytest.param("etcd", marks=pytest.mark.slow)])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Log:
    if request.param == "memory":
        return MemoryLog()
    log: LmdbLog | BlockingLog
    if request.param == "etcd":
        cluster: Cluster = request.getfixturevalue("etcd_cluster")
        runner: asyncio.Runner = request.getfixturevalue("runner")
        log = BlockingLog.open(runner, cluster.endpoints, request.node.name)
    else:
        log = LmdbLog.open(tmp_path, sync=request.param == "lmdb")
    request.addfinalizer(log.close)
    return log


def test_positions_are_dense_and_every_record_names_the_hash_of_the_one_before(log: Log) -> None:
    filled(log, 6)
    read = entries(log, 1)
    assert [entry.record.header.position for entry in read] == [1, 2, 3, 4, 5, 6]
    assert read[0].record.header.previous == bytes(32)
    for before, after in itertools.pairwise(read):
        assert after.record.header.previous == before.hash
    assert log.tail == Tail(6, 1, read[-1].hash, read[-1].record.commits[-1].commit_ts)


def test_what_was_appended_is_read_back_unchanged(log: Log) -> None:
    appended = filled(log, 4)
    assert [decode(record.data)[0] for record in appended] == [e.record for e in entries(log, 2)]
    assert entries(log, 3, 1)[0].record.header.position == 3
    assert entries(log, 5) == []


def test_an_append_that_does_not_know_the_tail_is_refused(log: Log) -> None:
    filled(log, 3)
    tail = log.tail
    stale = group(Tail(1, 1, entries(log, 1)[0].hash, 0), 3)
    assert log.append(stale) == Conflict(tail)
    ahead = group(tail._replace(position=tail.position + 1))
    assert log.append(ahead) == Conflict(tail)
    other_history = group(tail._replace(hash=b"x" * 32))
    assert log.append(other_history) == Conflict(tail)
    assert log.tail == tail


def test_a_superseded_owner_is_fenced(log: Log) -> None:
    filled(log, 3)
    old = log.tail
    claimed = log.claim(3, 2, "b", B)
    assert isinstance(claimed, Tail) and (claimed.position, claimed.epoch) == (4, 2)
    assert log.append(group(old)) == Conflict(claimed)
    assert log.append(group(claimed, epoch=1)) == Conflict(claimed)
    assert log.append(group(claimed, epoch=3)) == Conflict(claimed)
    assert isinstance(log.append(group(claimed)), Tail)


def test_a_claim_needs_the_tail_and_a_higher_epoch_and_is_durable(log: Log) -> None:
    filled(log, 3)
    assert log.claim(2, 2, "b", B) == Conflict(log.tail)
    assert log.claim(3, 1, "b", B) == Conflict(log.tail)
    assert isinstance(log.claim(3, 7, "b", B), Tail)
    assert log.durable == 4
    assert entries(log, 4)[0].record.owner == "b"


def test_a_retried_append_or_claim_is_stored_once_and_answers_the_same(log: Log) -> None:
    filled(log, 2)
    record = group(log.tail)
    first = log.append(record)
    log.append(group(log.tail))
    assert log.append(record) == first
    claimed = log.claim(4, 2, "b", B)
    assert log.claim(4, 2, "b", B) == claimed
    assert log.claim(4, 2, "c", A) == Conflict(log.tail)
    assert log.tail.position == 5


def test_commit_times_increase_from_record_to_record(log: Log) -> None:
    filled(log, 3)
    tail = log.tail
    with pytest.raises(Broken, match="J2"):
        log.append(group(tail._replace(last_ts=tail.last_ts - 1)))
    assert log.tail == tail
    assert isinstance(log.append(group(tail)), Tail)


def test_trimming_keeps_the_anchor_that_proves_the_rest(log: Log) -> None:
    filled(log, 9)
    before = entries(log, 1)
    assert log.trim(5, limit=3) == 4
    assert log.trim(5) == 6
    assert log.trim(5) == 6
    assert log.read(5) == Trimmed(6)
    assert log.anchor.hash == before[4].hash == entries(log, 6)[0].record.header.previous
    assert log.anchor.last_ts == before[4].record.commits[-1].commit_ts
    assert isinstance(log.append(group(log.tail)), Tail)
    with pytest.raises(Broken, match="J7"):
        log.trim(11)


def test_a_log_trimmed_to_its_end_goes_on(log: Log) -> None:
    filled(log, 4)
    tail = log.tail
    assert log.trim(4) == 5
    assert (log.tail, log.anchor) == (tail, tail)
    log.append(group(log.tail))
    log.sync()
    assert entries(log, 5)[0].record.header.previous == tail.hash


@pytest.mark.parametrize("carrier", ["memory", "lmdb"])
def test_an_append_makes_only_what_came_before_it_durable(carrier: str, tmp_path: Path) -> None:
    log: Log = MemoryLog() if carrier == "memory" else LmdbLog.open(tmp_path)
    filled(log, 2)
    for position in (3, 4):
        log.append(group(log.tail))
        assert (log.tail.position, log.durable) == (position, position - 1)
        assert entries(log, 1)[-1].record.header.position == position - 1
    log.sync()
    assert log.durable == 4
    log.append(group(log.tail))
    log.trim(2)
    assert log.durable == 5
    log.close()


def test_a_crash_loses_only_what_was_not_durable() -> None:
    log = MemoryLog()
    filled(log, 3)
    log.append(group(log.tail))
    assert log.crash(keep=1).tail.position == 4
    after = log.crash()
    assert after.tail.position == after.durable == 3
    with pytest.raises(FlushFailed):
        log.append(group(log.tail))


def test_memory_reports_a_damaged_record() -> None:
    log = MemoryLog()
    filled(log, 4)
    log.flip_bit(3, 700)
    with pytest.raises(Damaged) as damaged:
        log.read(1)
    assert damaged.value.position == 3
    with pytest.raises(Damaged):
        log.crash()


def test_memory_after_a_failed_flush_refuses_everything() -> None:
    log = MemoryLog()
    filled(log, 2)
    log.fail_next_flush()
    with pytest.raises(FlushFailed):
        log.append(group(log.tail))
    with pytest.raises(FlushFailed):
        log.sync()
    assert log.crash(keep=1).tail.position == 3


def test_reopening_finds_tail_anchor_and_hash(tmp_path: Path) -> None:
    log = LmdbLog.open(tmp_path)
    filled(log, 7)
    log.trim(3)
    expected = (log.first, log.anchor, log.tail)
    log.close()
    log = LmdbLog.open(tmp_path)
    assert (log.first, log.anchor, log.tail) == expected
    assert log.durable == 7
    log.close()


def store(path: Path, change: Callable[[lmdb.Transaction], object]) -> None:
    """Change the closed journal in `path` behind its back."""
    with lmdb.open(str(path)) as environment, environment.begin(write=True) as transaction:
        change(transaction)


def put(position: int, data: bytes) -> Callable[[lmdb.Transaction], object]:
    return lambda transaction: transaction.put(position.to_bytes(8, "big"), data)


def test_a_flipped_bit_anywhere_in_a_record_is_found_on_open(tmp_path: Path) -> None:
    log = LmdbLog.open(tmp_path)
    record = filled(log, 5)[2]
    log.close()
    for byte in [*range(110), len(record.data) // 2, len(record.data) - 1]:
        data = bytearray(record.data)
        data[byte] ^= 1 << byte % 8
        store(tmp_path, put(4, bytes(data)))
        with pytest.raises(Damaged) as damaged:
            LmdbLog.open(tmp_path)
        assert damaged.value.position == 4
    store(tmp_path, put(4, record.data))
    LmdbLog.open(tmp_path).close()


def test_a_torn_missing_foreign_or_misplaced_record_is_found_on_open(tmp_path: Path) -> None:
    log = LmdbLog.open(tmp_path)
    appended = filled(log, 5)
    log.close()
    elsewhere = LmdbLog.open(tmp_path / "other")
    elsewhere.claim(0, 1, "a", B)
    foreign = group(elsewhere.tail, 2)
    elsewhere.append(foreign)
    foreign = group(elsewhere.tail, 2)
    elsewhere.close()
    damages = [
        put(3, appended[1].data[:-1]),
        put(3, b""),
        put(3, appended[1].data + b"\0"),
        put(3, appended[2].data),
        put(3, foreign.data),
        lambda transaction: transaction.delete((3).to_bytes(8, "big")),
    ]
    for damage in damages:
        store(tmp_path, damage)
        with pytest.raises(Damaged) as damaged:
            LmdbLog.open(tmp_path)
        assert damaged.value.position == 3
        assert ("missing" in str(damaged.value)) == (damage is damages[-1])
        store(tmp_path, put(3, appended[1].data))


def test_opening_may_prove_only_the_records_that_somebody_needs(tmp_path: Path) -> None:
    log = LmdbLog.open(tmp_path)
    filled(log, 6)
    log.close()
    store(tmp_path, put(3, b"x"))
    log = LmdbLog.open(tmp_path, verify_from=4)
    assert log.tail.position == 6
    assert len(entries(log, 4)) == 3
    with pytest.raises(Damaged) as damaged:
        log.read(2)
    assert damaged.value.position == 3
    log.close()


def test_what_is_no_journal_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "garbage").mkdir()
    (tmp_path / "garbage" / "data.mdb").write_bytes(b"x" * 8192)
    with pytest.raises(Damaged):
        LmdbLog.open(tmp_path / "garbage")
    with lmdb.open(str(tmp_path / "other")) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"key", b"value")
    with pytest.raises(Damaged):
        LmdbLog.open(tmp_path / "other")


def test_a_creation_that_was_cut_short_starts_again(tmp_path: Path) -> None:
    (tmp_path / "creating").mkdir()
    (tmp_path / "creating" / "data.mdb").write_bytes(b"\0" * 5000)
    log = LmdbLog.open(tmp_path)
    assert log.tail.position == 0
    assert not (tmp_path / "creating").exists()
    log.close()


def test_a_full_map_refuses_before_anything_is_written_and_goes_on(tmp_path: Path) -> None:
    log = LmdbLog.open(tmp_path, map_size=4 << 20)
    filled(log, 3)
    assert log.space() < 4 << 20
    tail = log.tail
    with pytest.raises(Full):
        log.append(group(tail, size=5 << 20))
    assert log.tail == tail
    log.append(group(tail))
    log.close()
    log = LmdbLog.open(tmp_path)
    assert log.tail.position == 4
    log.close()


def test_a_failed_write_ends_the_log_and_reopening_tells_what_is_there(tmp_path: Path) -> None:
    log = LmdbLog.open(tmp_path)
    filled(log, 3)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(FlushFailed):
            log.append(group(log.tail, size=2 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (log.tail.position, log.durable) == (3, 3)
    for call in (lambda: log.append(group(log.tail)), log.sync, lambda: log.trim(1)):
        with pytest.raises(FlushFailed):
            call()
    log.close()
    log = LmdbLog.open(tmp_path)
    assert log.tail.position == 3
    log.close()


def test_records_of_sixty_four_mebibytes_are_kept(tmp_path: Path) -> None:
    log = LmdbLog.open(tmp_path, sync=False)
    filled(log, 1)
    record = group(log.tail, size=(64 << 20) - 1000)
    log.append(record)
    log.append(group(log.tail))
    read = entries(log, 2)
    assert len(read) == 1 and read[0].hash == record.hash
    log.close()
    with pytest.raises(Broken, match="64 MiB"):
        group(log.tail, size=64 << 20)


def test_one_thread_appends_while_another_reads(tmp_path: Path) -> None:
    log = LmdbLog.open(tmp_path)
    filled(log, 1)

    def append() -> None:
        for _ in range(60):
            log.append(group(log.tail))
        log.sync()

    thread = threading.Thread(target=append)
    thread.start()
    while thread.is_alive():
        durable = log.durable
        assert entries(log, durable)[0].record.header.position == durable
    thread.join()
    assert log.durable == 61
    log.close()


def test_a_version_from_the_future_is_refused() -> None:
    data = bytearray(group(Tail(1, 1, bytes(32), 5)).data)
    data[3] = 3
    with pytest.raises(Undecodable, match="version 3"):
        decode(bytes(data))


def test_the_bytes_of_a_record_are_fixed() -> None:
    writes = [Write(b"key", b"row", LockClass.EXCLUSIVE), Write(b"gone", None, LockClass.BLIND)]
    commit = Commit(b"t" * 16, 5, 7, writes, [Lock(b"parent", LockClass.KEY_SHARE)])
    sealed = seal(Record(Header(2, 3, b"p" * 32), "commits", b"r" * 16, "me", [commit]))
    assert sealed.data[:77] == (
        b"ODJ\x01\x01" + (2).to_bytes(8, "big") + (3).to_bytes(8, "big") + (7).to_bytes(8, "big")
        + b"p" * 32 + b"r" * 16
    )  # fmt: skip
    assert sealed.data[77:-32] == (
        b"\x92\xa2me\x91\x95\xc4\x10" + b"t" * 16 + b"\x05\x07"
        + b"\x92\x93\xc4\x03key\xc4\x03row\x03\x93\xc4\x04gone\xc0\x00"
        + b"\x91\x92\xc4\x06parent\x01"
    )  # fmt: skip
    assert sealed.data[-32:] == sealed.hash == open_frame(sealed.data).hash
    assert (sealed.first_ts, sealed.last_ts, sealed.claim) == (7, 7, False)


def test_a_group_out_of_order_is_not_sealed() -> None:
    commits = [Commit(b"t" * 16, 5, ts, [], []) for ts in (8, 8)]
    with pytest.raises(Broken, match="J2"):
        seal(Record(Header(2, 3, b"p" * 32), "commits", b"r" * 16, "me", commits))
