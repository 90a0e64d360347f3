"""The carrier's decisions against transactions applied in any order, lost, repeated and late."""

import random

import pytest

from journal.appender import claim_record
from journal.broken import Broken
from journal.encoding import Sealed, decode, open_frame, seal
from journal.etcd_core import (
    INLINE,
    Doubt,
    EtcdCore,
    Plan,
    Pressure,
    Retry,
    flaws,
    frame_of,
    joined,
    open_stub,
    space,
    tail_of,
    unfit,
    unpack,
)
from journal.etcd_wire import Malformed, Status, fields, message, put, transaction
from journal.journal import EMPTY, Ambiguous, Conflict, Damaged, Tail, Trimmed
from journal.record import Commit, Header, Record, Write
from tests.fake_etcd import FakeEtcd

ID = b"i" * 16


def commits(tail: Tail, size: int = 10, ts: int = 0, name: bytes = b"") -> Sealed:
    """A record of one commit that follows `tail`."""
    commit = Commit(ID, 0, ts or tail.last_ts + 10, [Write(name or b"k", b"v" * size, 3)], [])
    header = Header(tail.position + 1, tail.epoch, tail.hash)
    return seal(Record(header, "commits", name.rjust(16), "a", [commit]))


def control(tail: Tail, last_ts: int) -> Sealed:
    """A record without a time."""
    header = Header(tail.position + 1, tail.epoch, tail.hash)
    return seal(Record(header, "control", ID, "a", [], 5), last_ts)


class Handle:
    """A core and the store, one call after the other."""

    def __init__(self, store: FakeEtcd) -> None:
        self.store = store
        self.core = EtcdCore("j")
        self.core.opened(store.transact(self.core.opening()))

    def stage(self, record: Sealed) -> Plan:
        plan = self.core.append(record)
        self.core.sent(record)
        for request in plan.staging:
            self.store.transact(request)
        return plan

    def append(self, record: Sealed) -> object:
        plan = self.stage(record)
        return self.core.judge(record, plan, self.store.transact(plan.decide))

    def claim(self, epoch: int) -> Tail:
        claimed = self.append(claim_record(self.core.tail, epoch, "a", ID, [], 0))
        assert isinstance(claimed, Tail)
        return claimed

    def fence(self, epoch: int, request_id: bytes = ID) -> Tail | Conflict:
        return self.core.raised(epoch, request_id, self.store.transact(self.core.raising(epoch, request_id)))


@pytest.fixture
def store() -> FakeEtcd:
    return FakeEtcd()


@pytest.fixture
def owner(store: FakeEtcd) -> Handle:
    handle = Handle(store)
    handle.claim(1)
    return handle


def test_an_append_whose_answer_was_lost_answers_as_stored(owner: Handle, store: FakeEtcd) -> None:
    record = commits(owner.core.tail)
    store.transact(owner.stage(record).decide)
    assert owner.append(record) == tail_of(record)
    assert len(store.keys("r")) == 2


def test_a_record_that_overtakes_the_one_before_is_sent_again(owner: Handle) -> None:
    first = commits(owner.core.tail)
    second = commits(tail_of(first))
    early = owner.stage(first)
    assert owner.append(second) is Retry.AHEAD
    assert owner.store.transact(early.decide).succeeded
    assert owner.append(second) == tail_of(second)


def test_etcd_alone_refuses_a_time_that_does_not_increase(owner: Handle, store: FakeEtcd) -> None:
    """A handle that does not know the record before can't check J2 itself."""
    tail = owner.append(commits(owner.core.tail))
    assert isinstance(tail, Tail)
    for record in (commits(tail, ts=tail.last_ts), control(tail, tail.last_ts - 1)):
        stranger = Handle(store)
        stranger.core.tail = EMPTY
        plan = stranger.core.append(record)
        answer = store.transact(plan.decide)
        assert not answer.succeeded
        with pytest.raises(Broken, match="J2"):
            stranger.core.judge(record, plan, answer)
    assert stranger.append(control(tail, tail.last_ts)) == Tail(
        3, 1, control(tail, tail.last_ts).hash, tail.last_ts
    )


def test_what_contradicts_the_known_tail_is_not_even_sent(owner: Handle) -> None:
    tail = owner.append(commits(owner.core.tail))
    assert isinstance(tail, Tail)
    with pytest.raises(Broken, match="J2"):
        owner.core.append(commits(tail, ts=tail.last_ts))
    with pytest.raises(Broken, match="J2"):
        owner.core.append(control(tail, tail.last_ts + 1))


def test_a_fence_stops_the_old_owner_at_once_and_outruns_it(owner: Handle, store: FakeEtcd) -> None:
    first = commits(owner.core.tail)
    second = commits(tail_of(first))
    assert owner.append(first) == tail_of(first)
    late = owner.stage(second)
    heir = Handle(store)
    assert heir.fence(2) == tail_of(first)
    assert heir.fence(2) == tail_of(first), "its own fence, whose answer was lost"
    assert not store.transact(late.decide).succeeded
    assert owner.append(second) == Conflict(tail_of(first))
    claimed = heir.claim(2)
    assert owner.append(second) == Conflict(claimed)


def test_one_of_two_claimants_of_an_epoch_wins(owner: Handle, store: FakeEtcd) -> None:
    one, two = Handle(store), Handle(store)
    tail = owner.core.tail
    assert one.fence(2, b"1" * 16) == tail
    assert two.fence(2, b"2" * 16) == Conflict(tail._replace(epoch=2))
    assert one.fence(1) == Conflict(tail._replace(epoch=2))
    assert two.fence(3, b"2" * 16) == tail
    assert one.append(claim_record(tail, 2, "1", ID, [], 0)) == Conflict(tail)
    two.claim(3)
    assert one.fence(2, b"1" * 16) == Conflict(two.core.tail)


def test_claims_without_a_fence_race_for_the_position(owner: Handle, store: FakeEtcd) -> None:
    one, two = Handle(store), Handle(store)
    tail = owner.core.tail
    first, second = (claim_record(tail, 2, name, name.encode() * 16, [], 0) for name in "12")
    assert one.append(first) == tail_of(first)
    assert two.append(second) == Conflict(tail_of(first))
    assert one.append(first) == tail_of(first)
    assert two.append(claim_record(tail_of(first), 2, "2", ID, [], 0)) == Conflict(tail_of(first))


def test_a_claim_of_one_who_has_not_read_the_tail_is_made_again(owner: Handle, store: FakeEtcd) -> None:
    stranger = Handle(store)
    tail = owner.append(commits(owner.core.tail))
    assert isinstance(tail, Tail)
    claim = claim_record(tail, 2, "s", ID, [], 0)
    assert stranger.append(claim) is Retry.AGAIN
    assert stranger.append(claim) == tail_of(claim)


def test_nobody_can_tell_what_became_of_a_position_that_is_trimmed(owner: Handle, store: FakeEtcd) -> None:
    record = commits(owner.core.tail)
    tail = owner.append(record)
    assert isinstance(tail, Tail)
    store.transact(owner.core.trimming(tail))
    assert Handle(store).append(record) == Ambiguous(record.request_id)


def test_a_claim_from_behind_a_trim_does_not_bring_the_log_back(owner: Handle, store: FakeEtcd) -> None:
    late = Handle(store)
    claim = claim_record(late.core.tail, 2, "l", ID, [], 0)
    tail = owner.append(commits(owner.core.tail))
    assert isinstance(tail, Tail)
    store.transact(owner.core.trimming(tail))
    assert late.append(claim) == Ambiguous(ID)
    assert Handle(store).core.tail == tail


def test_nothing_is_written_over_a_record_that_should_not_be_there(owner: Handle, store: FakeEtcd) -> None:
    place = owner.core.layout.record(2)
    store.values[place] = b"other"
    with pytest.raises(Damaged) as damaged:
        owner.append(commits(owner.core.tail))
    assert damaged.value.position == 2
    assert store.values[place] == b"other"


def test_a_log_that_went_back_is_damaged(owner: Handle, store: FakeEtcd) -> None:
    before = dict(store.values)
    owner.append(commits(owner.core.tail))
    store.values = before
    with pytest.raises(Damaged) as damaged:
        owner.core.opened(store.transact(owner.core.looking()))
    assert damaged.value.position == 2


# --- large records


def large(tail: Tail, name: bytes = b"") -> Sealed:
    return commits(tail, 2 * INLINE + 5, name=name)


def test_a_large_record_is_staged_and_read_back(owner: Handle, store: FakeEtcd) -> None:
    record = large(owner.core.tail)
    assert owner.append(record) == tail_of(record)
    assert max(map(len, store.values.values())) == INLINE
    values = owner.core.take(2, 5, store.transact(owner.core.reading(2, 5, local=True)), local=True)
    assert isinstance(values, list)
    stub = open_stub(2, values[0])
    assert stub is not None
    pieces = [
        store.transact(owner.core.piece(stub, number, local=True)).found[0][0].value for number in range(3)
    ]
    assert joined(stub, pieces) == record.data
    assert frame_of(2, values[0]) == open_frame(record.data)
    with pytest.raises(Doubt):
        joined(stub, pieces[:2])
    with pytest.raises(Doubt):
        joined(stub, [pieces[0], pieces[2], pieces[1]])
    with pytest.raises(Doubt):
        open_stub(2, values[0][:-1] + b"?")
    with pytest.raises(Doubt):
        open_stub(3, values[0])


def test_no_record_without_its_pieces(owner: Handle, store: FakeEtcd) -> None:
    record = large(owner.core.tail)
    plan = owner.core.append(record)
    for request in plan.staging[:-1]:
        store.transact(request)
    assert owner.core.judge(record, plan, store.transact(plan.decide)) is Retry.AGAIN
    assert store.keys("r") == [owner.core.layout.record(1)]


def test_pieces_go_when_the_record_lost_its_place(owner: Handle, store: FakeEtcd) -> None:
    record, other = large(owner.core.tail, b"1"), large(owner.core.tail, b"2")
    plan = owner.stage(record)
    assert owner.append(other) == tail_of(other)
    assert len(store.keys("b")) == 6
    answer = store.transact(owner.core.unstaging(record))
    assert not answer.succeeded
    store.transact(owner.core.dropping(record, answer.found[0][0].value))
    assert len(store.keys("b")) == 3
    assert not store.transact(plan.decide).succeeded


def test_an_append_that_comes_late_finds_no_pieces(owner: Handle, store: FakeEtcd) -> None:
    record = large(owner.core.tail)
    plan = owner.stage(record)
    assert store.transact(owner.core.unstaging(record)).succeeded
    assert not store.transact(plan.decide).succeeded
    assert store.keys("b") == []


def test_pieces_of_a_record_that_came_after_all_stay(owner: Handle, store: FakeEtcd) -> None:
    record = large(owner.core.tail)
    plan = owner.stage(record)
    store.transact(plan.decide)
    answer = store.transact(owner.core.unstaging(record))
    assert not answer.succeeded and answer.found[0][0].value == plan.value
    assert len(store.keys("b")) == 3


def test_a_claim_drops_what_the_old_owner_staged_and_its_fence_the_rest(
    owner: Handle, store: FakeEtcd
) -> None:
    record = large(owner.core.tail)
    plan = owner.core.append(record)
    store.transact(plan.staging[0])
    heir = Handle(store)
    heir.claim(2)
    assert store.keys("b") == []
    for request in plan.staging:
        assert not store.transact(request).succeeded
    assert store.keys("b") == []


def test_trimming_drops_pieces_too(owner: Handle, store: FakeEtcd) -> None:
    first = large(owner.core.tail)
    owner.append(first)
    orphan = large(tail_of(first), b"o")
    owner.stage(orphan)
    second = large(tail_of(first))
    owner.append(second)
    owner.core.trimmed(tail_of(first), store.transact(owner.core.trimming(tail_of(first))))
    assert len(store.keys("r")) == 1 and len(store.keys("b")) == 6
    owner.core.trimmed(tail_of(second), store.transact(owner.core.trimming(tail_of(second))))
    assert store.keys("r") == store.keys("b") == []
    assert owner.append(commits(tail_of(second))) == tail_of(commits(tail_of(second)))


# --- reading and trimming


def test_a_hole_or_a_short_answer_is_doubted(owner: Handle, store: FakeEtcd) -> None:
    for _ in range(4):
        owner.append(commits(owner.core.tail))
    core = owner.core
    answer = store.transact(core.reading(1, 10, local=False))
    assert isinstance(core.take(1, 10, answer, local=False), list)
    records = answer.found[2]
    for damaged in (records[:2] + records[3:], records[:-1], records[1:]):
        with pytest.raises(Doubt, match="missing"):
            core.take(1, 10, answer._replace(found=[*answer.found[:2], damaged]), local=False)
    del store.values[core.layout.record(2)]
    with pytest.raises(Doubt) as doubt:
        core.take(1, 3, store.transact(core.reading(1, 3, local=False)), local=False)
    assert doubt.value.damage().position == 2


def test_a_local_answer_from_behind_is_doubted_only_where_we_know_more(
    owner: Handle, store: FakeEtcd
) -> None:
    old = FakeEtcd()
    owner.append(commits(owner.core.tail))
    old.values = dict(store.values)
    for _ in range(3):
        owner.append(commits(owner.core.tail))
    core = owner.core
    with pytest.raises(Doubt):
        core.take(1, 10, old.transact(core.reading(1, 10, local=True)), local=True)
    read = core.take(1, 2, old.transact(core.reading(1, 2, local=True)), local=True)
    assert isinstance(read, list) and len(read) == 2
    other = Handle(old)
    assert other.core.take(3, 10, old.transact(core.reading(3, 10, local=True)), local=True) == []


def test_an_answer_that_a_local_one_has_overtaken_is_old_and_not_a_loss(
    owner: Handle, store: FakeEtcd
) -> None:
    reader = Handle(store).core
    late = store.transact(reader.looking())
    owner.append(commits(owner.core.tail))
    assert isinstance(reader.take(1, 10, store.transact(reader.reading(1, 10, local=True)), local=True), list)
    known = reader.tail
    reader.opened(late)
    assert reader.tail == known


def test_two_who_trim_agree(owner: Handle, store: FakeEtcd) -> None:
    tails = [owner.core.tail]
    for _ in range(4):
        tail = owner.append(commits(owner.core.tail))
        assert isinstance(tail, Tail)
        tails.append(tail)
    other = Handle(store)
    owner.core.trimmed(tails[2], store.transact(owner.core.trimming(tails[2])))
    other.core.trimmed(tails[1], store.transact(other.core.trimming(tails[1])))
    assert owner.core.anchor == other.core.anchor == tails[2]
    assert owner.core.take(3, 5, store.transact(owner.core.reading(3, 5, local=True)), local=True) == Trimmed(
        4
    )
    assert Handle(store).core.anchor == tails[2]


def test_what_is_no_journal_is_damaged(store: FakeEtcd) -> None:
    core = EtcdCore("j")
    store.transact(transaction([], [put(core.layout.head, b"?"), put(core.layout.first, b"?")]))
    with pytest.raises(Damaged):
        core.opened(store.transact(core.opening()))


# --- many owners, any order


class Sender:
    """An owner with a few appends in flight, which repeats what it has no answer to."""

    def __init__(self, store: FakeEtcd, epoch: int, name: bytes) -> None:
        self.handle = Handle(store)
        self.epoch = epoch
        self.name = name
        self.made: list[Sealed] = []
        """Its records in order, the claim first."""
        self.acknowledged: set[int] = set()
        """Positions."""
        self.is_over = False
        self.fenced_at: Tail | None = None

    def fence(self) -> None:
        outcome = self.handle.fence(self.epoch, self.name * 16)
        if isinstance(outcome, Conflict):
            self.is_over = True
            return
        self.fenced_at = outcome
        self.made.append(claim_record(outcome, self.epoch, "o", self.name * 16, [], 0))

    def next(self) -> None:
        """Make the next record, sometimes a large one."""
        before = tail_of(self.made[-1])
        size = INLINE + 1 if len(self.made) % 5 == 3 else 10
        self.made.append(commits(before, size, name=self.name))

    def open(self) -> list[Sealed]:
        """What is not acknowledged."""
        return [record for record in self.made if record.position not in self.acknowledged]

    def answered(self, record: Sealed, outcome: object) -> None:
        if isinstance(outcome, Tail):
            assert outcome == tail_of(record)
            self.acknowledged |= {each.position for each in self.made if each.position <= record.position}
        elif isinstance(outcome, Conflict):
            self.is_over = True


def chain(store: FakeEtcd) -> list[Sealed | bytes]:
    """The hashes in the log; asserts density, links and epochs (J1, J2, J4)."""
    core = Handle(store).core
    previous = EMPTY
    hashes: list[Sealed | bytes] = []
    for position, key in enumerate(store.keys("r"), 1):
        assert key == core.layout.record(position)
        frame = frame_of(position, store.values[key])
        assert frame.previous == previous.hash
        assert frame.epoch > previous.epoch if frame.claim else frame.epoch == previous.epoch
        assert frame.claim or frame.last_ts > previous.last_ts
        stub = open_stub(position, store.values[key])
        if stub is not None:
            pieces = [
                store.values[core.layout.blob(position, stub.hash, n)] for n in range(len(stub.digests))
            ]
            decode(joined(stub, pieces))
        previous = Tail(position, frame.epoch, frame.hash, frame.last_ts)
        hashes.append(frame.hash)
    assert unpack(store.values[core.layout.head]) == previous
    return hashes


@pytest.mark.parametrize("seed", range(60))
def test_in_any_order_nothing_acknowledged_is_lost_and_nobody_writes_behind_a_fence(seed: int) -> None:
    choose = random.Random(seed)
    store = FakeEtcd()
    senders: list[Sender] = []
    wire: list[tuple[Sender, Sealed, Plan, list[bytes]]] = []
    for _step in range(300):
        living = [each for each in senders if not each.is_over]
        if not living or (len(senders) < 6 and choose.random() < 0.02):
            senders.append(Sender(store, len(senders) + 1 - choose.randrange(2), b"%c" % (65 + len(senders))))
            senders[-1].fence()
        elif living and choose.random() < 0.3:
            sender = choose.choice(living)
            if len(sender.open()) < 4 and sender.made:
                sender.next()
        elif living and len(wire) < 12 and choose.random() < 0.5:
            sender = choose.choice(living)
            if sender.open():
                record = choose.choice(sender.open())
                plan = sender.handle.core.append(record)
                sender.handle.core.sent(record)
                wire.append((sender, record, plan, [*plan.staging, plan.decide]))
        elif wire:
            sender, record, plan, requests = choose.choice(wire)
            answer = store.transact(requests[0])
            if choose.random() < 0.15:
                continue
            if len(requests) > 1:
                requests.pop(0)
                continue
            wire.remove((sender, record, plan, requests))
            if choose.random() < 0.7:
                sender.answered(record, sender.handle.core.judge(record, plan, answer))
    hashes = chain(store)
    assert len(hashes) > 5
    for sender in senders:
        for record in sender.made:
            if record.position in sender.acknowledged:
                assert hashes[record.position - 1] == record.hash
        if sender.fenced_at is not None:
            behind = [frame_of(n + 1, store.values[key]) for n, key in enumerate(store.keys("r"))]
            assert all(f.epoch >= sender.epoch for f in behind[sender.fenced_at.position :])


# --- the rest


@pytest.mark.parametrize(
    ("version", "is_fit"),
    [
        *(("3.4.20", False), ("3.4.21", True), ("3.4.23", True), ("3.5.0", False), ("3.5.4", False)),
        *(
            ("3.5.5", True),
            ("3.6.14", True),
            ("3.7.0-rc.1", True),
            ("3.3.27", False),
            ("", False),
            ("x", False),
        ),
    ],
)
def test_versions_that_lose_what_they_acknowledged_are_refused(version: str, is_fit: bool) -> None:
    assert (unfit(version) is None) == is_fit


def test_known_flaws_are_told() -> None:
    assert len(flaws("3.4.23")) == 3
    assert flaws("3.6.14") == []


@pytest.mark.parametrize(
    ("size", "pressure"),
    [(49, Pressure.NONE), (50, Pressure.ALARM), (75, Pressure.BACK), (100, Pressure.FULL)],
)
def test_pressure_is_that_of_the_fullest_member(size: int, pressure: Pressure) -> None:
    statuses = [Status(1, 1, "3.4.23", each, 5, []) for each in (10, size)]
    assert space(statuses, 100) == (size, 5, 100, pressure)


def test_an_alarm_is_full_whatever_the_size() -> None:
    assert space([Status(1, 1, "", 1, 1, ["memberID:1 alarm:NOSPACE "])], 100).pressure is Pressure.FULL


def test_messages_come_back_as_they_were_made() -> None:
    parts: list[tuple[int, int | bytes]] = [
        (1, 0),
        (2, 127),
        (3, 128),
        (4, 2**63),
        (16, b""),
        (64, b"x" * 300),
    ]
    assert list(fields(message(*parts))) == parts
    for data in (b"\x0a\x05abc", b"\x08\x80", b"\x0d\0\0\0\0", b"\x08" + b"\xff" * 11):
        with pytest.raises(Malformed):
            list(fields(data))
