"""What the etcd carrier asks and what the answers mean: no I/O, no clock (DESIGN §7; AR §3.21, §5.2).

Keys of a journal J, all below `opendsql/j/J/`; integers in values are big-endian, 8 bytes:

    head            position, hash (32), epoch, last_ts of the newest record: what the next one must follow
    fence           epoch, request id: records of a lower epoch are refused, those already on their way too
    first           position, hash, epoch, last_ts of the newest trimmed record
    r/<position>    a record (journal.encoding), or the stub of a large one; the position has 20 digits
    b/<position>/<hash>/<number>    the pieces of a large record

An append is one transaction, decided when etcd applies it, on every member alike, so that nobody's belief about
who leads or owns matters. AR §5.2 compares the owner, the absence of the record and the presence of the one
before. One comparison with `head` says more: numbers compare as bytes, so between

    position, hash, epoch   and   position, hash, epoch, first_ts of the record

lie exactly the heads that this record may follow (J1 with the hash, J4, J2). Where the record has no time, and for
a claim, the whole head is compared. `fence` is AR's owner key: a new owner who raises it stops the old one at once,
also one that appends faster than a claim could find the tail; then its claim record cannot be outrun.

A refused append answers with head, fence and whatever stands at its position, read in the same step. That decides:

    our own bytes stand there          stored before; its answer was lost            Tail (J6)
    the record before is not there yet it overtook it, nothing is lost               AHEAD
    something else, a higher fence     another owner                                 Conflict (J5)
    nothing, but the log went on       trimmed meanwhile, nobody can tell any more   Ambiguous

A record longer than `INLINE` is staged first: its pieces, then a stub that names them with their hashes. The append
demands in the same step that every piece is there, and pieces are dropped only in a step that finds another
record, or none, at their position. So a record without its pieces cannot come to be.

Left out. Lease, watch and local reads decide nothing here; a watch wakes a reader up, a local read is proved by
density and hashes, and read again from the quorum on any doubt.
"""

import struct
from collections.abc import Sequence
from enum import Enum, IntEnum
from hashlib import blake2b
from typing import NamedTuple, TypeAlias

import msgspec

from journal.broken import require
from journal.encoding import Frame, Sealed
from journal.etcd_wire import (
    EQUAL,
    GREATER,
    LESS,
    Answer,
    Status,
    Stored,
    delete,
    get,
    is_absent,
    is_present,
    put,
    scan,
    transaction,
    value_is,
)
from journal.journal import EMPTY, Ambiguous, Conflict, Damaged, Fence, Tail, Trimmed, framed
from journal.record import Position

INLINE = 1 << 20
"""Bytes of a record that fits a request (etcd's limit is 1.5 MiB), and of a piece of a larger one."""

_HEAD = struct.Struct(">Q32sQQ")
_STUB = b"ODB\x01"
_DIGEST = 16


class Retry(Enum):
    """What to do with an append that is neither in the log nor lost."""

    AHEAD = "the records before it are still on their way: after them"
    AGAIN = "at once: more is known now, or its pieces are gone"


class Doubt(Exception):
    """What a member answered does not prove itself; the quorum may know better. Else it is damage."""

    def __init__(self, position: Position, why: str) -> None:
        super().__init__(why)
        self.position = position
        self.why = why

    def damage(self) -> Damaged:
        """The same, once the quorum has answered no better."""
        return Damaged(self.position, self.why)


class Stub(msgspec.Struct, frozen=True, array_like=True):
    """Stands for a large record: its fixed part, and its pieces."""

    position: Position
    epoch: int
    last_ts: int
    previous: bytes
    request_id: bytes
    hash: bytes
    size: int
    digests: list[bytes]


class Plan(NamedTuple):
    """How to append one record."""

    staging: list[bytes]
    """Transactions to perform first, in any order."""
    decide: bytes
    value: bytes
    """What stands at the record's position afterwards."""
    is_question: bool
    """`decide` only asks: the record can't follow what we know."""


Judgement: TypeAlias = Tail | Conflict | Ambiguous | Retry


class Layout:
    """The keys of one journal."""

    def __init__(self, journal: str) -> None:
        require(journal and "/" not in journal, "a journal's name has no slash")
        self._prefix = b"opendsql/j/" + journal.encode() + b"/"
        self.head = self._prefix + b"head"
        self.fence = self._prefix + b"fence"
        self.first = self._prefix + b"first"
        self.records = self._prefix + b"r/"
        self.records_end = self._prefix + b"r0"
        self.blobs = self._prefix + b"b/"
        self.blobs_end = self._prefix + b"b0"

    def record(self, position: Position) -> bytes:
        """The key of a record."""
        return self.records + b"%020d" % position

    def blobs_from(self, position: Position) -> bytes:
        """The first key that a piece of a record at `position` or later can have."""
        return self.blobs + b"%020d" % position

    def blobs_of(self, position: Position, record_hash: bytes) -> bytes:
        """What the keys of one record's pieces begin with; `end_of` ends them."""
        return self.blobs_from(position) + b"/" + record_hash.hex().encode() + b"/"

    def blob(self, position: Position, record_hash: bytes, number: int) -> bytes:
        """The key of one piece."""
        return self.blobs_of(position, record_hash) + b"%05d" % number


def end_of(prefix: bytes) -> bytes:
    """The first key behind all that begin with `prefix` (which ends with a slash)."""
    return prefix[:-1] + b"0"


def pack(tail: Tail) -> bytes:
    """The value of `head` and `first`."""
    return _HEAD.pack(tail.position, tail.hash, tail.epoch, tail.last_ts)


def unpack(value: bytes) -> Tail:
    """Read the value of `head` or `first`; raises `Damaged`."""
    if len(value) != _HEAD.size:
        raise Damaged(0, "this is no journal of this format")
    position, digest, epoch, last_ts = _HEAD.unpack(value)
    return Tail(position, epoch, digest, last_ts)


def stub_of(record: Sealed, pieces: Sequence[bytes]) -> bytes:
    """The value that stands for a record in pieces."""
    stub = Stub(
        record.position,
        record.epoch,
        record.last_ts,
        record.previous,
        record.request_id,
        record.hash,
        len(record.data),
        [_digest(piece) for piece in pieces],
    )
    body = _STUB + msgspec.msgpack.encode(stub)
    return body + _digest(body)


def open_stub(position: Position, value: bytes) -> Stub | None:
    """The stub in `value`, or None: it is the record itself. Raises `Doubt`."""
    if not value.startswith(_STUB):
        return None
    body = value[:-_DIGEST]
    if _digest(body) != value[-_DIGEST:]:
        raise Doubt(position, "wrong hash of the stub")
    try:
        stub = msgspec.msgpack.decode(body[len(_STUB) :], type=Stub)
    except msgspec.DecodeError as error:
        raise Doubt(position, str(error)) from error
    if stub.position != position:
        raise Doubt(position, f"it says that it is record {stub.position}")
    return stub


def joined(stub: Stub, pieces: Sequence[bytes]) -> bytes:
    """The record of which these are the pieces; raises `Doubt`."""
    if [_digest(piece) for piece in pieces] != stub.digests:
        raise Doubt(stub.position, "a piece is missing or damaged")
    return b"".join(pieces)


def frame_of(position: Position, value: bytes) -> Frame:
    """The fixed part of the record that `value` is or stands for; raises `Damaged`, `Doubt`."""
    stub = open_stub(position, value)
    if stub is None:
        return framed(position, value)
    return Frame(position, stub.epoch, False, stub.last_ts, stub.previous, stub.request_id, stub.hash)


class EtcdCore:
    """One process's knowledge of one journal on etcd."""

    def __init__(self, journal: str) -> None:
        self.layout = Layout(journal)
        self.tail = EMPTY
        """The newest record that etcd told us of; it is durable."""
        self.anchor = EMPTY
        self._flights: dict[bytes, Tail] = {}
        """By hash: records whose answers are awaited."""
        self._revision = 0

    # --- opening

    def opening(self) -> bytes:
        """A request that makes the journal if it is not there, and reads where it stands either way.

        It writes, so a full cluster refuses it: `looking` first.
        """
        layout = self.layout
        asked = [get(layout.head), get(layout.first)]
        made = [put(layout.head, pack(EMPTY)), put(layout.fence, bytes(24)), put(layout.first, pack(EMPTY))]
        return transaction([is_absent(layout.head)], [*made, *asked], asked)

    def is_made(self, answer: Answer) -> bool:
        """Whether the answer to `looking` found a journal."""
        return bool(answer.found[0])

    def opened(self, answer: Answer) -> None:
        """The answer to `opening`, or to `looking`; raises `Damaged`."""
        head, first = answer.found[-2:]
        self.anchor = max(self.anchor, unpack(_value(first)))
        self._saw(unpack(_value(head)), answer.revision)

    def looking(self) -> bytes:
        """A request for where the journal stands now."""
        return transaction([], [get(self.layout.head), get(self.layout.first)])

    # --- appending

    def append(self, record: Sealed) -> Plan:
        """How to append `record`; raises `Broken` when it contradicts the record that it follows (J2, J4)."""
        layout = self.layout
        pieces: list[bytes] = []
        value = record.data
        if len(record.data) > INLINE:
            require(not record.claim, "a claim fits one request")
            pieces = [record.data[at : at + INLINE] for at in range(0, len(record.data), INLINE)]
            value = stub_of(record, pieces)
        asked = [get(layout.head), get(layout.fence), get(layout.record(record.position))]
        compare = self._follows(record)
        if compare is None:
            return Plan([], self.question(record), value, True)
        blobs = [layout.blob(record.position, record.hash, number) for number in range(len(pieces))]
        success = [put(layout.record(record.position), value), put(layout.head, pack(tail_of(record)))]
        if record.claim:
            success.append(put(layout.fence, _number(record.epoch) + record.request_id))
            success.append(delete(layout.blobs_from(record.position), layout.blobs_end))
        staging = [
            transaction([self._not_fenced(record)], [put(key, piece)])
            for key, piece in zip(blobs, pieces, strict=True)
        ]
        decide = transaction([*compare, *map(is_present, blobs)], success, asked)
        return Plan(staging, decide, value, False)

    def question(self, record: Sealed) -> bytes:
        """What a refused append answers with, without trying; `judge` it by a plan that is a question."""
        layout = self.layout
        return transaction([], [get(layout.head), get(layout.fence), get(layout.record(record.position))])

    def sent(self, record: Sealed) -> None:
        """`record` is on its way; what follows it is judged by it."""
        self._flights[record.hash] = tail_of(record)

    def settled(self, record: Sealed) -> None:
        """Nothing of `record` is on its way any more."""
        self._flights.pop(record.hash, None)

    def judge(self, record: Sealed, plan: Plan, answer: Answer) -> Judgement:
        """What the answer to `plan.decide` means; raises `Broken`, `Damaged`."""
        own = tail_of(record)
        if answer.succeeded and not plan.is_question:
            self._saw(own, answer.revision)
            return own
        head, fence, stored = answer.found
        tail = unpack(_value(head))
        self._saw(tail, answer.revision)
        if stored:
            if tail.position < record.position:
                raise Damaged(record.position, "it lies behind the end of the log")
            return own if stored[0].value == plan.value else Conflict(tail)
        if tail.position >= record.position:
            return Ambiguous(record.request_id)
        if _value(fence) >= _number(record.epoch + 1):
            return Conflict(tail)
        if tail.position < record.position - 1:
            return Retry.AHEAD if tail.epoch <= record.epoch else Conflict(tail)
        if Fence(tail).refuses(record):
            return Conflict(tail)
        Fence(tail).next_tail(record)
        can_fail = record.claim or plan.staging or plan.is_question
        require(can_fail, "J1: etcd refuses only what must not follow its head")
        return Retry.AGAIN

    def unstaging(self, record: Sealed) -> bytes:
        """A request that drops the pieces of `record` if nothing stands at its position.

        Afterwards an append of it that is still on its way can't succeed. The failure branch reads what stands.
        """
        layout = self.layout
        blobs = layout.blobs_of(record.position, record.hash)
        place = layout.record(record.position)
        return transaction([is_absent(place)], [delete(blobs, end_of(blobs))], [get(place)])

    def dropping(self, record: Sealed, other: bytes) -> bytes:
        """The same where `other`, another record, stands at its position."""
        blobs = self.layout.blobs_of(record.position, record.hash)
        place = self.layout.record(record.position)
        return transaction([value_is(place, EQUAL, other)], [delete(blobs, end_of(blobs))])

    # --- claiming

    def raising(self, epoch: int, request_id: bytes) -> bytes:
        """A request that refuses every record below `epoch` from now on, and reads where the log then ends."""
        layout = self.layout
        asked = [get(layout.fence), get(layout.head)]
        lower = value_is(layout.fence, LESS, _number(epoch))
        return transaction([lower], [put(layout.fence, _number(epoch) + request_id), *asked], asked)

    def raised(self, epoch: int, request_id: bytes, answer: Answer) -> Tail | Conflict:
        """The tail behind which only `epoch` or a higher one appends, or the refusal by another claimant.

        The refusal's tail names the epoch that must be exceeded.
        """
        fence, head = (_value(found) for found in answer.found[-2:])
        tail = unpack(head)
        self._saw(tail, answer.revision)
        if fence == _number(epoch) + request_id:
            return tail
        return Conflict(tail._replace(epoch=max(tail.epoch, int.from_bytes(fence[:8], "big"))))

    def finding(self, position: Position) -> bytes:
        """A request for what stands at one position."""
        return transaction([], [get(self.layout.record(position))])

    # --- reading

    def reading(self, first: Position, limit: int, *, local: bool) -> bytes:
        """A request for records from `first` on; `local`: from one member, without asking the quorum."""
        layout = self.layout
        records = scan(layout.record(first), layout.records_end, limit, local=local)
        return transaction([], [get(layout.first, local=local), get(layout.head, local=local), records])

    def take(self, first: Position, limit: int, answer: Answer, *, local: bool) -> list[bytes] | Trimmed:
        """The values from `first` on, dense (J1); raises `Doubt`, also where a local answer is too old."""
        trimmed, head, records = answer.found
        if not head or not trimmed:
            raise Doubt(first, "the journal is not there")
        anchor, tail = unpack(_value(trimmed)), unpack(_value(head))
        if not local:
            self._saw(tail, answer.revision)
        self.anchor = max(self.anchor, anchor)
        if first <= anchor.position:
            return Trimmed(anchor.position + 1)
        if local and tail.position < min(self.tail.position, first + limit - 1):
            raise Doubt(tail.position + 1, "it is missing")
        wanted = max(0, min(limit, tail.position + 1 - first))
        for position, stored in enumerate(records, first):
            if stored.key != self.layout.record(position):
                raise Doubt(position, "it is missing")
        if len(records) != wanted:
            raise Doubt(first + len(records), "it is missing")
        if tail.position > self.tail.position:
            self.tail = tail
            # An answer of the quorum that was on its way meanwhile may be older, and show less.
            self._revision = max(self._revision, answer.revision)
        return [stored.value for stored in records]

    def piece(self, stub: Stub, number: int, *, local: bool) -> bytes:
        """A request for one piece of a large record."""
        return transaction([], [get(self.layout.blob(stub.position, stub.hash, number), local=local)])

    # --- trimming

    def trimming(self, last: Tail) -> bytes:
        """A request that drops the records up to `last`, and their pieces."""
        layout = self.layout
        dropped = [
            put(layout.first, pack(last)),
            delete(layout.records, layout.record(last.position + 1)),
            delete(layout.blobs, layout.blobs_from(last.position + 1)),
        ]
        return transaction(
            [value_is(layout.first, EQUAL, pack(self.anchor))], dropped, [get(layout.head), get(layout.first)]
        )

    def trimmed(self, last: Tail, answer: Answer) -> None:
        """The answer to `trimming`; where it was refused, somebody else had trimmed."""
        if answer.succeeded:
            self.anchor = max(self.anchor, last)
        else:
            self.opened(answer)

    # --- the rest

    def _follows(self, record: Sealed) -> list[bytes] | None:
        """The comparisons under which `record` may be appended; None: it can't follow what we know."""
        layout = self.layout
        before = self._known(record.previous)
        refused = before is None or Fence(before).refuses(record)
        if before is not None and not refused:
            Fence(before).next_tail(record)
        stem = _number(record.position - 1) + record.previous + _number(record.epoch)
        if record.claim:
            if before is None or refused:
                return None
            state = [value_is(layout.head, EQUAL, pack(before))]
        elif record.first_ts:
            until = stem + _number(record.first_ts)
            state = [value_is(layout.head, GREATER, stem), value_is(layout.head, LESS, until)]
        else:
            state = [value_is(layout.head, EQUAL, stem + _number(record.last_ts))]
        return [*state, self._not_fenced(record), is_absent(layout.record(record.position))]

    def _not_fenced(self, record: Sealed) -> bytes:
        return value_is(self.layout.fence, LESS, _number(record.epoch + 1))

    def _known(self, record_hash: bytes) -> Tail | None:
        if record_hash == self.tail.hash:
            return self.tail
        return self._flights.get(record_hash)

    def _saw(self, tail: Tail, revision: int) -> None:
        """Take in a tail that the quorum confirmed when the store was at `revision`; raises `Damaged` (J3)."""
        if revision >= self._revision:
            self._revision = revision
            if tail.position < self.tail.position:
                raise Damaged(tail.position + 1, "it was there and is gone")
        if tail.position > self.tail.position:
            self.tail = tail


class Pressure(IntEnum):
    """How near a cluster's fullest member is to its quota, behind which etcd takes no more writes."""

    NONE = 0
    ALARM = 1
    """Half: trim, compact, tell the operator."""
    BACK = 2
    """Three quarters: no new transactions should be taken; nothing here refuses them."""
    FULL = 3
    """etcd refuses writes, the notes of a trim too: only a larger quota, and then a trim, leads back."""


class Space(NamedTuple):
    """Bytes of the fullest member, against the quota."""

    size: int
    in_use: int
    quota: int
    pressure: Pressure


def space(statuses: Sequence[Status], quota: int) -> Space:
    """The state of the members that answered."""
    size = max((status.size for status in statuses), default=0)
    in_use = max((status.in_use for status in statuses), default=0)
    pressure = Pressure.NONE
    if any("NOSPACE" in alarm for status in statuses for alarm in status.alarms) or size >= quota:
        pressure = Pressure.FULL
    elif size * 4 >= quota * 3:
        pressure = Pressure.BACK
    elif size * 2 >= quota:
        pressure = Pressure.ALARM
    return Space(size, in_use, quota, pressure)


OLDEST = (3, 4, 21)
"""Before it a cluster of one member loses acknowledged writes in a crash (etcd issue 14370)."""
_UNFIT = [((3, 5, 0), (3, 5, 5), "members diverge after a crash, and acknowledged writes are lost (14370)")]
_FLAWS = [
    ((3, 4, 0), (3, 4, 31), "a watch may lose or repeat events, so that readers wake up late"),
    ((3, 4, 20), (3, 6, 0), "a read from the quorum may be stale after a pause of the process (20418)"),
    ((3, 4, 0), (3, 5, 0), "the 3.4 line is no longer maintained"),
]
"""Versions from, and below, with what the carrier does without or an operator must know (AR §5.2)."""


def version_of(text: str) -> tuple[int, ...]:
    """`3.4.23`, also with a suffix, as numbers; what is no number counts as 0."""
    parts = text.split("-")[0].split("+")[0].split(".")[:3]
    return tuple(int(part) if part.isdecimal() else 0 for part in parts)


def unfit(version: str) -> str | None:
    """Why a journal must not be kept on this version of etcd, or None."""
    numbers = version_of(version)
    if numbers < OLDEST:
        return f"etcd {version} is older than {'.'.join(map(str, OLDEST))}"
    for first, fixed, why in _UNFIT:
        if first <= numbers < fixed:
            return f"etcd {version}: {why}"
    return None


def flaws(version: str) -> list[str]:
    """What is known to be wrong with this version, for the operator."""
    numbers = version_of(version)
    return [f"etcd {version}: {what}" for first, fixed, what in _FLAWS if first <= numbers < fixed]


def tail_of(record: Sealed) -> Tail:
    """The tail of the log of which `record` is the newest."""
    return Tail(record.position, record.epoch, record.hash, record.last_ts)


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_DIGEST).digest()


def _value(found: Sequence[Stored]) -> bytes:
    return found[0].value if found else b""
