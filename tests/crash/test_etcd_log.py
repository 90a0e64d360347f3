"""The journal on a real cluster of etcd: owners that race, answers that are lost, members that die."""

import asyncio
import datetime
import ipaddress
import itertools
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from journal import etcd_wire
from journal.appender import claim_record
from journal.encoding import Sealed, seal
from journal.etcd_client import EtcdClient, Lost, Refused, Tls
from journal.etcd_core import INLINE, Pressure, tail_of
from journal.etcd_log import EtcdLog, Unfit, Unreachable
from journal.journal import EMPTY, Ambiguous, Conflict, Damaged, Entry, Full, Tail, Trimmed
from journal.record import Commit, Header, Record, Write
from tests.blocking_log import runner as runner
from tests.etcd import NAMES, Cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

ID = b"i" * 16
NEVER_S = 30.0
"""A limit that only a hang reaches."""


def following(tail: Tail, size: int = 100, count: int = 1) -> Sealed:
    """A record of `count` commits that write `size` bytes each."""
    commits = [
        Commit(number.to_bytes(16, "big"), 0, tail.last_ts + 1 + number, [Write(b"k", b"v" * size, 3)], [])
        for number in range(count)
    ]
    header = Header(tail.position + 1, tail.epoch, tail.hash)
    return seal(Record(header, "commits", header.position.to_bytes(16, "big"), "a", commits))


async def settled(log: EtcdLog, record: Sealed) -> Tail | Conflict:
    """Append the very same record until the log has said what became of it."""
    while True:
        outcome = await log.append(record)
        if not isinstance(outcome, Ambiguous):
            return outcome


async def stream(
    log: EtcdLog, tail: Tail, count: int, depth: int, acknowledged: Callable[[Sealed], None]
) -> list[Tail | Conflict]:
    """Append `count` records behind `tail`, `depth` in flight, and call back for each that is acknowledged."""
    room = asyncio.Semaphore(depth)

    async def append(record: Sealed) -> Tail | Conflict:
        outcome = await settled(log, record)
        if isinstance(outcome, Tail):
            acknowledged(record)
        room.release()
        return outcome

    tasks = []
    for _ in range(count):
        await room.acquire()
        record = following(tail)
        tail = tail_of(record)
        tasks.append(asyncio.create_task(append(record)))
    return await asyncio.gather(*tasks)


async def everything(log: EtcdLog) -> list[Entry]:
    """All records from the first one on; the log proves density and links."""
    entries: list[Entry] = []
    while True:
        read = await log.read(len(entries) + 1)
        assert isinstance(read, list)
        if not read:
            break
        entries += read
    for before, after in itertools.pairwise(entries):
        assert after.record.header.previous == before.hash
    assert [entry.record.header.position for entry in entries] == list(range(1, len(entries) + 1))
    return entries


async def claimed(log: EtcdLog) -> Tail:
    """The first claim of a new journal."""
    outcome = await log.claim(0, 1, "a", ID)
    assert isinstance(outcome, Tail)
    return outcome


@pytest.fixture(scope="module")
def mortal() -> Iterator[Cluster]:
    """Three members that tests kill, and bring back before they end."""
    with Cluster() as cluster:
        yield cluster


async def leader_of(log: EtcdLog) -> int:
    """The index of the member that leads."""
    statuses = await log._client.statuses()
    return next(index for index, each in enumerate(statuses) if each and each.member == each.leader)


# --- owners


def test_one_of_two_claims_wins(etcd_cluster: Cluster, runner: asyncio.Runner) -> None:
    async def run() -> None:
        one = await EtcdLog.open(etcd_cluster.endpoints, "race")
        two = await EtcdLog.open(etcd_cluster.endpoints[::-1], "race")
        await claimed(one)
        for epoch in range(2, 12):
            at = (await one.refresh()).position
            outcomes = await asyncio.gather(
                one.claim(at, epoch, "1", b"1" * 16), two.claim(at, epoch, "2", b"2" * 16)
            )
            (won,) = (each for each in outcomes if isinstance(each, Tail))
            assert Conflict(won) in outcomes
        assert len(await everything(two)) == 11
        await one.close()
        await two.close()

    runner.run(run())


def test_an_owner_is_fenced_in_the_middle_of_a_burst(etcd_cluster: Cluster, runner: asyncio.Runner) -> None:
    async def run() -> None:
        old = await EtcdLog.open(etcd_cluster.endpoints, "zombie")
        heir = await EtcdLog.open(etcd_cluster.endpoints[::-1], "zombie")
        acknowledged: list[Sealed] = []
        enough = asyncio.Event()

        def told(record: Sealed) -> None:
            acknowledged.append(record)
            if len(acknowledged) == 20:
                enough.set()

        burst = asyncio.create_task(stream(old, await claimed(old), 200, 4, told))
        await enough.wait()
        fenced = await heir.fence(2, ID)
        assert isinstance(fenced, Tail) and fenced.position < 200
        claim = claim_record(fenced, 2, "b", ID, [], 0)
        assert await heir.append(claim) == tail_of(claim)
        outcomes = await burst
        assert [isinstance(each, Tail) for each in outcomes] == [
            position <= fenced.position for position in range(2, 202)
        ]
        entries = await everything(heir)
        assert [entry.record.header.epoch for entry in entries] == [1] * fenced.position + [2]
        assert {record.hash for record in acknowledged} <= {entry.hash for entry in entries}
        await old.close()
        await heir.close()

    runner.run(run())


def test_one_that_was_overtaken_does_not_make_all_behind_it_go_twice(
    etcd_cluster: Cluster, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        log = await EtcdLog.open(etcd_cluster.endpoints, "overtaken")
        tail = await claimed(log)
        records = []
        for _ in range(4):
            records.append(following(tail))
            tail = tail_of(records[-1])
        transact = log._client.transact
        requests: list[int] = []
        refused, released = asyncio.Event(), asyncio.Event()

        async def reordering(request: bytes, **how: bool) -> etcd_wire.Answer:
            number = next(number for number, record in enumerate(records) if record.data in request)
            requests.append(number)
            if number == 0:
                await released.wait()
            answer = await transact(request, **how)
            if not answer.succeeded:
                refused.set()
            return answer

        monkeypatch.setattr(log._client, "transact", reordering)
        tasks = [asyncio.create_task(log.append(record)) for record in records[:2]]
        await refused.wait()
        tasks += [asyncio.create_task(log.append(record)) for record in records[2:]]
        released.set()
        assert await asyncio.gather(*tasks) == [tail_of(record) for record in records]
        assert requests[:3] == [0, 1, 1], "nothing is sent behind it until it is sent again"
        await log.close()

    runner.run(run())


# --- answers


def test_a_lost_answer_is_found_in_the_log(
    etcd_cluster: Cluster, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        log = await EtcdLog.open(etcd_cluster.endpoints, "lost")
        tail = await claimed(log)
        transact = log._client.transact
        calls = 0

        async def deaf(request: bytes, **how: bool) -> etcd_wire.Answer:
            nonlocal calls
            calls += 1
            answer = await transact(request, **how)
            if calls <= 2:
                raise Lost("the answer was lost")
            return answer

        monkeypatch.setattr(log._client, "transact", deaf)
        record = following(tail)
        assert await log.append(record) == tail_of(record)
        assert calls == 3
        assert len(await everything(log)) == 2
        await log.close()

    runner.run(run())


def test_a_refusal_behind_a_lost_answer_is_not_believed(
    etcd_cluster: Cluster, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        log = await EtcdLog.open(etcd_cluster.endpoints, "doubtful")
        tail = await claimed(log)
        transact = log._client.transact
        answers = [Lost(""), Full("mvcc: database space exceeded")]

        async def refusing(request: bytes, **how: bool) -> etcd_wire.Answer:
            """etcd does what it is asked, and says that it did not."""
            answer = await transact(request, **how)
            if answers:
                raise answers.pop(0)
            return answer

        monkeypatch.setattr(log._client, "transact", refusing)
        record = following(tail)
        assert await log.append(record) == Ambiguous(record.request_id)
        assert await log.append(record) == tail_of(record)
        answers[:] = [Full("")]
        stored = following(tail_of(record))
        assert await log.append(stored) == tail_of(stored), "the first call of all stored it"
        await log.close()

    runner.run(run())


def test_a_record_in_doubt_is_not_called_unwritten_by_a_full_cluster(
    etcd_cluster: Cluster, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        log = await EtcdLog.open(etcd_cluster.endpoints, "undecided", limit_s=0.2)
        tail = await claimed(log)
        transact = log._client.transact
        late: list[bytes] = []

        async def slow(request: bytes, **how: bool) -> etcd_wire.Answer:
            """The request stays on its way."""
            late.append(request)
            raise Lost("")

        async def full(request: bytes, **how: bool) -> etcd_wire.Answer:
            if record.data in request or other.data in request:
                raise Full("")
            return await transact(request, **how)

        record, other = following(tail), following(tail, 200)
        monkeypatch.setattr(log._client, "transact", slow)
        assert await log.append(record) == Ambiguous(record.request_id)
        monkeypatch.setattr(log._client, "transact", full)
        assert await log.append(record) == Ambiguous(record.request_id)
        with pytest.raises(Full):
            await log.append(other)
        assert (await transact(late[0])).succeeded
        assert await log.append(record) == tail_of(record)
        await log.close()

    runner.run(run())


def test_a_wake_up_comes_from_another_process_and_survives_its_member(
    mortal: Cluster, runner: asyncio.Runner
) -> None:
    async def run() -> None:
        writer = await EtcdLog.open(mortal.endpoints[1:], "watched")
        reader = await EtcdLog.open(mortal.endpoints, "watched")
        tail = await claimed(writer)
        assert await reader.wait(1, NEVER_S)
        assert not await reader.wait(2, 0.01)
        waiting = asyncio.create_task(reader.wait(2, NEVER_S))
        record = following(tail)
        await settled(writer, record)
        assert await waiting
        waiting = asyncio.create_task(reader.wait(3, NEVER_S))
        mortal.kill(0)
        await settled(writer, following(tail_of(record)))
        assert await waiting
        assert len(await everything(reader)) == 3
        mortal.restart(0)
        await reader.close()
        await writer.close()

    runner.run(run())


# --- members


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_the_leader_dies_or_freezes_under_appends(
    mortal: Cluster, runner: asyncio.Runner, how: signal.Signals
) -> None:
    async def run() -> None:
        log = await EtcdLog.open(mortal.endpoints, f"leader-{how}", attempt_s=1.0)
        leader = await leader_of(log)
        acknowledged: list[Sealed] = []

        def told(record: Sealed) -> None:
            acknowledged.append(record)
            if len(acknowledged) == 30:
                mortal.signal(leader, how)

        outcomes = await stream(log, await claimed(log), 80, 4, told)
        assert all(isinstance(outcome, Tail) for outcome in outcomes)
        assert len(acknowledged) == 80
        assert await leader_of(log) != leader
        if how is signal.SIGSTOP:
            mortal.signal(leader, signal.SIGCONT)
        else:
            mortal.kill(leader)
            mortal.restart(leader)
        returned = await EtcdLog.open(mortal.endpoints[leader:], f"leader-{how}")
        for each in (log, returned):
            hashes = [entry.hash for entry in await everything(each)]
            assert hashes[1:] == [record.hash for record in sorted(acknowledged)]
        await returned.close()
        await log.close()

    runner.run(run())


def test_without_a_quorum_nothing_is_appended_and_nobody_lies(
    mortal: Cluster, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        log = await EtcdLog.open(mortal.endpoints, "minority", limit_s=1.0, attempt_s=0.4)
        tail = await claimed(log)
        first = following(tail)
        assert await settled(log, first) == tail_of(first)
        mortal.kill(1)
        mortal.kill(2)
        lost = following(tail_of(first))
        assert await log.append(lost) == Ambiguous(lost.request_id)
        assert await log.fence(2, b"2" * 16) == Ambiguous(b"2" * 16)
        with pytest.raises(Unreachable):
            await log.claim(2, 2, "b", ID)
        with pytest.raises(Unreachable):
            await log.trim(1)
        defragmented: list[int] = []

        async def defragment(index: int, _limit_s: float) -> None:
            defragmented.append(index)

        monkeypatch.setattr(log._client, "defragment", defragment)
        with pytest.raises(Unreachable):
            await log.defragment()
        assert defragmented == [], "the last member that works goes on working"
        assert log.durable == 2
        read = await log.read(1)
        assert isinstance(read, list) and [entry.hash for entry in read][1:] == [first.hash]
        mortal.restart(1, wait=False)
        mortal.restart(2)
        outcome = await settled(log, lost)
        assert outcome == tail_of(lost) or isinstance(outcome, Conflict)
        if isinstance(outcome, Conflict):
            assert await log.fence(2, b"2" * 16) == outcome.tail, "the fence, too, may have come late"
        assert len(await everything(log)) == log.durable
        await log.close()

    runner.run(run())


def test_a_member_that_was_away_serves_no_gap(mortal: Cluster, runner: asyncio.Runner) -> None:
    async def run() -> None:
        mortal.kill(0)
        away = await EtcdLog.open(mortal.endpoints, "away")
        tail = await claimed(away)
        assert len(await stream(away, tail, 40, 4, lambda _record: None)) == 40
        mortal.restart(0, wait=False)
        assert len(await everything(away)) == 41
        mortal.kill(0)
        mortal.restart(0)
        late = await EtcdLog.open(mortal.endpoints, "away")
        assert len(await everything(late)) == 41
        await late.close()
        await away.close()

    runner.run(run())


def test_the_leader_is_moved_to_a_named_member(etcd_cluster: Cluster, runner: asyncio.Runner) -> None:
    async def run() -> None:
        log = await EtcdLog.open(etcd_cluster.endpoints, "led")
        for index in (2, 0, 0, 1):
            assert await log.lead(NAMES[index])
            assert await leader_of(log) == index
        assert not await log.lead("nowhere")
        await claimed(log)
        await log.close()
        with pytest.raises(Unreachable):
            await EtcdLog.open(["127.0.0.1:1"], "led", limit_s=0.5, attempt_s=0.3)

    runner.run(run())


def test_a_member_that_leads_hands_over_to_the_first_that_can(
    etcd_cluster: Cluster, runner: asyncio.Runner
) -> None:
    async def run() -> None:
        whole = await EtcdLog.open(etcd_cluster.endpoints, "handed")
        near = await EtcdLog.open(etcd_cluster.endpoints[:1], "handed")
        assert await whole.lead(NAMES[0])
        assert await near.hand_over(["nowhere", NAMES[2], NAMES[1]])
        assert await leader_of(whole) == 2
        assert not await near.hand_over([NAMES[1]])
        assert await leader_of(whole) == 2
        await near.close()
        await whole.close()

    runner.run(run())


def test_a_member_of_an_unfit_version_is_refused(
    etcd_cluster: Cluster, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = EtcdClient.status

    async def status(self: EtcdClient, index: int) -> etcd_wire.Status | None:
        found = await honest(self, index)
        return found and found._replace(version="3.4.20" if index == 2 else found.version)

    async def run() -> None:
        log = await EtcdLog.open(etcd_cluster.endpoints, "old")
        monkeypatch.setattr(EtcdClient, "status", status)
        with pytest.raises(Unfit, match=r"3\.4\.20"):
            await log.measure()
        with pytest.raises(Unfit):
            await EtcdLog.open(etcd_cluster.endpoints, "old")
        await log.close()

    runner.run(run())


# --- size


def test_the_largest_transaction_goes_through(etcd_cluster: Cluster, runner: asyncio.Runner) -> None:
    """DSQL's 10 MiB and what is around them."""

    async def run() -> None:
        log = await EtcdLog.open(etcd_cluster.endpoints, "large")
        small = following(await claimed(log))
        large = following(tail_of(small), 11 << 20)
        after = following(tail_of(large))
        assert len(large.data) > 11 * INLINE
        outcomes = await asyncio.gather(*(settled(log, record) for record in (small, large, after)))
        assert outcomes == [tail_of(record) for record in (small, large, after)]
        reader = await EtcdLog.open(etcd_cluster.endpoints[::-1], "large")
        assert [entry.hash for entry in await everything(reader)][1:] == [
            r.hash for r in (small, large, after)
        ]
        assert await reader.trim(3) == 4
        assert reader.anchor == tail_of(large)
        assert await log.read(3) == Trimmed(4)
        await log.refresh()
        assert log.first == 4
        await reader.close()
        await log.close()

    runner.run(run())


def test_a_large_record_that_lost_its_place_leaves_nothing(
    etcd_cluster: Cluster, runner: asyncio.Runner
) -> None:
    async def run() -> None:
        log = await EtcdLog.open(etcd_cluster.endpoints, "unstaged")
        tail = await claimed(log)
        await settled(log, following(tail))
        assert isinstance(await log.append(following(tail, 3 * INLINE)), Conflict)
        layout = log._core.layout
        pieces = etcd_wire.scan(layout.blobs, layout.blobs_end, 9, keys_only=True)
        answer = await log._client.transact(etcd_wire.transaction([], [pieces]))
        assert answer.found == [[]]
        await log.close()

    runner.run(run())


def test_a_damaged_record_is_read_from_nobody(
    etcd_cluster: Cluster, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        log = await EtcdLog.open(etcd_cluster.endpoints, "damaged")
        record = following(await claimed(log))
        await settled(log, record)
        flipped = record.data[:-1] + bytes([record.data[-1] ^ 1])
        place = etcd_wire.put(log._core.layout.record(2), flipped)
        await log._client.transact(etcd_wire.transaction([], [place]))
        asked: list[int] = []
        transact = log._client.transact

        async def counting(request: bytes, **how: bool) -> etcd_wire.Answer:
            asked.append(log._client._pick())
            return await transact(request, **how)

        monkeypatch.setattr(log._client, "transact", counting)
        with pytest.raises(Damaged) as damaged:
            await log.read(1)
        assert damaged.value.position == 2
        assert asked[0] == 0 and set(asked) == {0, 1, 2}, "the nearest alone, then the quorum by every member"
        await log.close()

    runner.run(run())


QUOTA = 64 << 20
"""A member's file grows by 16 MiB at a time."""


async def filled(log: EtcdLog, tail: Tail, pressure: Pressure) -> tuple[Tail, list[Pressure]]:
    """Append until the pressure is reached; the tail, and every state on the way."""
    seen = [log.space.pressure]
    while seen[-1] < pressure:
        record = following(tail, 1 << 19)
        assert await log.append(record) == tail_of(record)
        tail = tail_of(record)
        seen.append((await log.measure()).pressure)
    return tail, seen


def test_pressure_falls_by_trimming(runner: asyncio.Runner) -> None:
    async def run(cluster: Cluster) -> None:
        log = await EtcdLog.open(cluster.endpoints, "pressed", quota=QUOTA)
        tail, seen = await filled(log, await claimed(log), Pressure.BACK)
        assert sorted(seen) == seen and set(seen) == {Pressure.NONE, Pressure.ALARM, Pressure.BACK}
        assert await log.trim(tail.position - 1) == tail.position
        relieved = await log.relieve()
        assert relieved.pressure is Pressure.NONE and relieved.size < QUOTA / 8
        read = await log.read(tail.position)
        assert isinstance(read, list) and [entry.hash for entry in read] == [tail.hash]
        record = following(tail)
        assert await log.append(record) == tail_of(record)
        await log.close()

    with Cluster(1, ("--quota-backend-bytes", str(QUOTA))) as cluster:
        runner.run(run(cluster))


def test_a_full_cluster_refuses_what_was_not_written_and_goes_on_with_a_larger_quota(
    runner: asyncio.Runner,
) -> None:
    async def fill(cluster: Cluster) -> Tail:
        log = await EtcdLog.open(cluster.endpoints, "full", quota=QUOTA)
        tail, _seen = await filled(log, await claimed(log), Pressure.BACK)
        with pytest.raises(Full):
            while True:
                record = following(tail, 1 << 19)
                assert await log.append(record) == tail_of(record)
                stored, tail = record, tail_of(record)
        assert (await log.measure()).pressure is Pressure.FULL
        assert await log.refresh() == tail
        assert await log.append(stored) == tail, "it was stored before"
        with pytest.raises(Full):
            await log.trim(tail.position)
        await log.close()
        return tail

    async def go_on(cluster: Cluster, tail: Tail) -> None:
        log = await EtcdLog.open(cluster.endpoints, "full", quota=4 * QUOTA)
        assert log.space.pressure is Pressure.FULL and log.tail == tail
        assert (await log.relieve()).pressure is Pressure.NONE
        record = following(tail)
        assert await log.append(record) == tail_of(record)
        assert await log.trim(tail.position) == tail.position + 1
        await log.close()

    with Cluster(1, ("--quota-backend-bytes", str(QUOTA))) as cluster:
        tail = runner.run(fill(cluster))
        cluster.kill(0)
        cluster.options = ("--quota-backend-bytes", str(4 * QUOTA))
        cluster.restart(0, wait=False)
        runner.run(go_on(cluster, tail))


# --- who may ask


def certificate(directory: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "etcd")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = directory / "etcd.pem", directory / "etcd.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


async def enable_authentication(client: EtcdClient) -> None:
    """Make root, and a guest who may do nothing, and let etcd ask for passwords from now on."""
    name, password = (1, b"root"), (2, b"secret")
    await client._call(0, "/etcdserverpb.Auth/UserAdd", etcd_wire.message(name, password), 5.0)
    await client._call(0, "/etcdserverpb.Auth/UserAdd", etcd_wire.message((1, b"guest"), (2, b"g")), 5.0)
    await client._call(0, "/etcdserverpb.Auth/RoleAdd", etcd_wire.message(name), 5.0)
    await client._call(0, "/etcdserverpb.Auth/UserGrantRole", etcd_wire.message(name, (2, b"root")), 5.0)
    await client._call(0, "/etcdserverpb.Auth/AuthEnable", b"", 5.0)


def test_tls_and_passwords(tmp_path: Path, runner: asyncio.Runner) -> None:
    pem, key = certificate(tmp_path)
    mutual = Tls(pem.read_bytes(), key.read_bytes(), pem.read_bytes())
    options = ("--cert-file", str(pem), "--key-file", str(key), "--client-cert-auth")

    async def run(cluster: Cluster) -> None:
        log = await EtcdLog.open(cluster.endpoints, "secret", tls=mutual, attempt_s=10.0)
        tail = await claimed(log)
        await enable_authentication(log._client)
        with pytest.raises(Refused):
            await log.append(following(tail))
        await log.close()
        for tls in (None, Tls(pem.read_bytes())):
            with pytest.raises(Unreachable):
                await EtcdLog.open(cluster.endpoints, "secret", tls=tls, limit_s=0.5, attempt_s=1.0)
        with pytest.raises(Refused):
            await EtcdLog.open(cluster.endpoints, "secret", tls=mutual, user=("root", "wrong"))
        log = await EtcdLog.open(cluster.endpoints, "secret", tls=mutual, user=("root", "secret"))
        record = following(log.tail)
        assert await log.append(record) == tail_of(record)
        log._client._token = "spent.1"
        record = following(log.tail)
        assert await log.append(record) == tail_of(record), "a new token is fetched"
        waiting = asyncio.create_task(log.wait(4, NEVER_S))
        await log.append(following(log.tail))
        assert await waiting
        guest = EtcdClient(cluster.endpoints, mutual, ("guest", "g"))
        with pytest.raises(Lost):
            async with asyncio.timeout(NEVER_S):
                async for _news in guest.watch(b"opendsql/j/secret/head"):
                    pass
        await guest.close()
        await log.close()

    with Cluster(1, (*options, "--trusted-ca-file", str(pem)), scheme="https") as cluster:
        runner.run(run(cluster))


def test_an_empty_journal_is_made_once(etcd_cluster: Cluster, runner: asyncio.Runner) -> None:
    async def run() -> None:
        logs = await asyncio.gather(*(EtcdLog.open(etcd_cluster.endpoints, "new") for _ in range(4)))
        assert [log.tail for log in logs] == [EMPTY] * 4
        for log in logs:
            assert await log.read(1) == []
            await log.close()

    runner.run(run())
