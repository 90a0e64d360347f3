"""The messages of etcd's API that the journal needs, as Protocol Buffers: no I/O, no code generator.

etcd speaks gRPC; gRPC carries bytes, and these functions make and read them. A message is a sequence of fields,
each a number and either an integer or bytes (wire types 0 and 2, the only ones that etcd uses). The numbers are
those of etcdserverpb (rpc.proto of etcd 3.4), which etcd never changes; fields that we do not know are skipped.
A hundred lines replace generated stubs and a runtime whose versions must fit to each other, and to whatever
else is installed beside this.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from journal.journal import LogError

TXN = "/etcdserverpb.KV/Txn"
COMPACT = "/etcdserverpb.KV/Compact"
WATCH = "/etcdserverpb.Watch/Watch"
MEMBERS = "/etcdserverpb.Cluster/MemberList"
STATUS = "/etcdserverpb.Maintenance/Status"
ALARM = "/etcdserverpb.Maintenance/Alarm"
DEFRAGMENT = "/etcdserverpb.Maintenance/Defragment"
MOVE_LEADER = "/etcdserverpb.Maintenance/MoveLeader"
AUTHENTICATE = "/etcdserverpb.Auth/Authenticate"

EQUAL, GREATER, LESS = 0, 1, 2
_VERSION, _CREATE, _VALUE = 0, 1, 3
_DEACTIVATE, _NO_SPACE = 2, 1

Field: TypeAlias = tuple[int, int | bytes]


class Malformed(LogError):
    """These bytes are no message of etcd's."""


class Stored(NamedTuple):
    """A key with its value; empty where only keys were asked for."""

    key: bytes
    value: bytes


class Answer(NamedTuple):
    """What a transaction did; `found` has one list per operation of its branch, empty for puts and deletes."""

    succeeded: bool
    revision: int
    found: list[list[Stored]]


class Status(NamedTuple):
    """One member about itself; sizes in bytes."""

    member: int
    leader: int
    """0 when it knows none."""
    version: str
    size: int
    """Of its file: what the quota is compared with."""
    in_use: int
    alarms: list[str]


class Member(NamedTuple):
    """One member as the cluster lists it."""

    id: int
    name: str


def message(*fields: Field) -> bytes:
    """Encode fields in the order given."""
    parts: list[bytes] = []
    for number, value in fields:
        if isinstance(value, int):
            parts.append(_varint(number << 3) + _varint(value))
        else:
            parts.append(_varint(number << 3 | 2) + _varint(len(value)))
            parts.append(value)
    return b"".join(parts)


def fields(data: bytes) -> Iterator[Field]:
    """Decode a message field by field; raises `Malformed`."""
    position, end = 0, len(data)
    while position < end:
        tag, position = _read_varint(data, position)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, position = _read_varint(data, position)
            yield number, value
        elif kind == 2:
            size, position = _read_varint(data, position)
            if position + size > end:
                raise Malformed("a field ends behind its message")
            yield number, data[position : position + size]
            position += size
        else:
            raise Malformed(f"wire type {kind}")


def put(key: bytes, value: bytes) -> bytes:
    """An operation: store `value`."""
    return message((2, message((1, key), (2, value))))


def delete(key: bytes, end: bytes) -> bytes:
    """An operation: drop the keys in [key, end)."""
    return message((3, message((1, key), (2, end))))


def get(key: bytes, *, local: bool = False) -> bytes:
    """An operation: read one key; `local` answers from the member asked, however late it is."""
    return message((1, message((1, key), (7, int(local)))))


def scan(key: bytes, end: bytes, limit: int, *, local: bool = False, keys_only: bool = False) -> bytes:
    """An operation: read at most `limit` of the keys in [key, end), in order."""
    request = message((1, key), (2, end), (3, limit), (7, int(local)), (8, int(keys_only)))
    return message((1, request))


def value_is(key: bytes, result: int, value: bytes) -> bytes:
    """A comparison with the stored value, byte by byte; false where the key is missing."""
    return message((1, result), (2, _VALUE), (3, key), (7, value))


def is_absent(key: bytes) -> bytes:
    """A comparison: nothing is stored under `key`."""
    return message((1, EQUAL), (2, _CREATE), (3, key), (5, 0))


def is_present(key: bytes) -> bytes:
    """A comparison: something is stored under `key`."""
    return message((1, GREATER), (2, _VERSION), (3, key), (4, 0))


def transaction(compare: Sequence[bytes], success: Sequence[bytes], failure: Sequence[bytes] = ()) -> bytes:
    """A request: `success` if every comparison holds, else `failure`, in one step."""
    parts = [(1, each) for each in compare]
    return message(*parts, *((2, each) for each in success), *((3, each) for each in failure))


def answer(data: bytes) -> Answer:
    """Read the response to a transaction; raises `Malformed`."""
    succeeded = False
    revision = 0
    found: list[list[Stored]] = []
    for number, value in fields(data):
        if number == 1:
            revision = _integer(_bytes(value), 3)
        elif number == 2:
            succeeded = bool(value)
        elif number == 3:
            found.append(_operation(_bytes(value)))
    return Answer(succeeded, revision, found)


def status(data: bytes) -> Status:
    """Read a member's status; raises `Malformed`."""
    integers = {3: 0, 4: 0, 9: 0}
    version = ""
    member = 0
    alarms: list[str] = []
    for number, value in fields(data):
        if number == 1:
            member = _integer(_bytes(value), 2)
        elif number == 2:
            version = _text(value)
        elif number == 8:
            alarms.append(_text(value))
        elif number in integers and isinstance(value, int):
            integers[number] = value
    return Status(member, integers[4], version, integers[3], integers[9], alarms)


def members(data: bytes) -> list[Member]:
    """Read the list of members; raises `Malformed`."""
    listed: list[Member] = []
    for number, value in fields(data):
        if number == 2:
            inner = dict(fields(_bytes(value)))
            identity = inner.get(1, 0)
            listed.append(Member(identity if isinstance(identity, int) else 0, _text(inner.get(2, b""))))
    return listed


def compaction(revision: int) -> bytes:
    """A request: forget what was overwritten or deleted at or before `revision`."""
    return message((1, revision))


def move_leader(target: int) -> bytes:
    """A request to the leader: hand over to the member `target`."""
    return message((1, target))


def disarm(member: int) -> bytes:
    """A request: take back the alarm that the quota raised on a member, if there is one."""
    return message((1, _DEACTIVATE), (2, member), (3, _NO_SPACE))


def credentials(user: str, password: str) -> bytes:
    """A request for a token."""
    return message((1, user.encode()), (2, password.encode()))


def token(data: bytes) -> str:
    """Read the token; raises `Malformed`."""
    return _text(dict(fields(data)).get(2, b""))


def watch(key: bytes) -> bytes:
    """A request: tell of every change of `key` from now on."""
    return message((1, message((1, key))))


class News(NamedTuple):
    """One response of a watch."""

    is_created: bool
    is_canceled: bool
    values: list[bytes]
    """What was put, oldest first."""


def news(data: bytes) -> News:
    """Read one response of a watch; raises `Malformed`."""
    created = canceled = False
    values: list[bytes] = []
    for number, value in fields(data):
        if number == 3:
            created = bool(value)
        elif number == 4:
            canceled = bool(value)
        elif number == 11:
            stored = dict(fields(_bytes(value))).get(2, b"")
            values.append(_stored(_bytes(stored)).value)
    return News(created, canceled, values)


def _operation(data: bytes) -> list[Stored]:
    """What one operation found: only a range finds something."""
    for number, value in fields(data):
        if number == 1:
            return [_stored(_bytes(each)) for inner, each in fields(_bytes(value)) if inner == 2]
    return []


def _stored(data: bytes) -> Stored:
    key = value = b""
    for number, each in fields(data):
        if number == 1:
            key = _bytes(each)
        elif number == 5:
            value = _bytes(each)
    return Stored(key, value)


def _integer(data: bytes, wanted: int) -> int:
    value = dict(fields(data)).get(wanted, 0)
    return value if isinstance(value, int) else 0


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise Malformed("an integer where a message is due")
    return value


def _text(value: int | bytes) -> str:
    return _bytes(value).decode("utf-8", "replace")


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise Malformed("an integer that does not end")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
