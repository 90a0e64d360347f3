"""Bytes of a record: the format of the log on disk and on the wire, versions 1 and 2.

A record is one frame. Integers are unsigned and big-endian.

    +--------+------+----------------------------------------------------------------------+
    | offset | size | field                                                                |
    +--------+------+----------------------------------------------------------------------+
    |      0 |    3 | magic, "ODJ"                                                         |
    |      3 |    1 | version, 1 or 2                                                      |
    |      4 |    1 | kind: 1 commits, 2 claim, 3 control (version 2)                      |
    |      5 |    8 | position                                                             |
    |     13 |    8 | epoch                                                                |
    |     21 |    8 | last_ts: newest commit_ts in the log up to and including this record |
    |     29 |   32 | hash of the record before (zeros before the first)                   |
    |     61 |   16 | request id                                                           |
    |     77 |    n | body: msgpack [owner, [commit, ...]], and in version 2 the fields    |
    |        |      | reserved, [note, ...], ts behind them                                |
    | 77 + n |   32 | hash of this record: BLAKE2b-256 of everything before                |
    +--------+------+----------------------------------------------------------------------+

    commit = [txid, start_ts, commit_ts, [[key, value or nil, lock class], ...], [[key, lock class], ...]]

Version 2 is written only for what version 1 cannot say: reservations, ranges and the set of journals.
The hash is both the checksum of the frame and its link in the chain: it covers the hash of the record before,
so whoever trusts the hash at one position can prove every record down to the oldest that is kept (J1).
A reader refuses a version that it does not know; a new version never changes the first four bytes.
"""

import struct
from hashlib import blake2b
from operator import lt
from typing import NamedTuple

import msgspec

from journal.broken import require
from journal.record import Commit, Header, Note, Position, Record, Timestamp

VERSION = 2
HASH_SIZE = 32
NO_HASH = bytes(HASH_SIZE)
"""What the first record of a log names as the hash of the record before."""
MAX_RECORD = 64 << 20
"""Bytes; a longer record is refused when it is sealed (the caller bounds its groups)."""

_MAGIC = b"ODJ"
_HEAD = struct.Struct(">3sBBQQQ32s16s")
_KINDS = {"commits": 1, "claim": 2, "control": 3}
_KIND_NAMES = {number: name for name, number in _KINDS.items()}


class Undecodable(Exception):
    """These bytes are not a whole, unaltered record of a version that we know."""


class Sealed(NamedTuple):
    """A record as bytes, with what the log must know to judge it without decoding it again."""

    position: Position
    epoch: int
    claim: bool
    first_ts: Timestamp
    """The oldest time inside; 0 for a claim and for a control record without a time."""
    last_ts: Timestamp
    previous: bytes
    request_id: bytes
    hash: bytes
    data: bytes


class Frame(NamedTuple):
    """The verified fixed part of a stored record; its body is decoded on demand."""

    position: Position
    epoch: int
    claim: bool
    last_ts: Timestamp
    previous: bytes
    request_id: bytes
    hash: bytes

    def is_claim_of(self, epoch: int, request_id: bytes) -> bool:
        """Whether this is that very claim: asked when its answer was lost (J6)."""
        return self.claim and self.epoch == epoch and self.request_id == request_id


class Head(NamedTuple):
    """The fixed part of a stored record, read without a look at the rest: nothing is verified."""

    position: Position
    epoch: int
    is_plain: bool
    """Commits and nothing else: no reservation, no notes."""
    last_ts: Timestamp
    previous: bytes


class _Body(msgspec.Struct, frozen=True, array_like=True, gc=False):
    owner: str
    commits: list[Commit]


class _LongBody(_Body, frozen=True, array_like=True, gc=False):
    reserved: Timestamp = 0
    notes: list[Note] = []
    ts: Timestamp = 0


_encode_body = msgspec.msgpack.Encoder().encode
_decode_body = msgspec.msgpack.Decoder(_LongBody).decode


def seal(record: Record, last_ts: Timestamp = 0) -> Sealed:
    """Encode `record`; one without a time of its own is given the newest time before it as `last_ts`.

    Raises `Broken` when the commits are not in order of commit_ts (J2) or the frame exceeds `MAX_RECORD`.
    """
    header = record.header
    commits = record.commits
    first_ts = 0
    if commits:
        times = [commit.commit_ts for commit in commits]
        require(all(map(lt, times, times[1:])), "J2: commits of a group in order of commit_ts")
        first_ts, last_ts = times[0], times[-1]
    elif record.ts:
        first_ts = last_ts = record.ts
    claim = record.kind == "claim"
    require((record.kind == "commits") == bool(commits), "J4: a record is either commits or something else")
    is_long = bool(record.reserved or record.notes or record.ts or record.kind == "control")
    head = _HEAD.pack(
        _MAGIC,
        VERSION if is_long else 1,
        _KINDS[record.kind],
        header.position,
        header.epoch,
        last_ts,
        header.previous,
        record.request_id,
    )
    body = _Body(record.owner, commits)
    if is_long:
        body = _LongBody(record.owner, commits, record.reserved, record.notes, record.ts)
    frame = head + _encode_body(body)
    digest = blake2b(frame, digest_size=HASH_SIZE).digest()
    data = frame + digest
    require(len(data) <= MAX_RECORD, "a record is at most 64 MiB")
    return Sealed(
        header.position,
        header.epoch,
        claim,
        first_ts,
        last_ts,
        header.previous,
        record.request_id,
        digest,
        data,
    )


def open_frame(data: bytes) -> Frame:
    """Check magic, version and hash of `data` and return its fixed part; raises `Undecodable`."""
    if len(data) < _HEAD.size + HASH_SIZE:
        raise Undecodable("too short")
    magic, version, kind, position, epoch, last_ts, previous, request_id = _HEAD.unpack_from(data)
    if magic != _MAGIC:
        raise Undecodable("not a journal record")
    if not 1 <= version <= VERSION:
        raise Undecodable(f"record of version {version}; this program knows up to {VERSION}")
    view = memoryview(data)
    digest = blake2b(view[:-HASH_SIZE], digest_size=HASH_SIZE).digest()
    if digest != view[-HASH_SIZE:]:
        raise Undecodable("wrong hash")
    if kind not in _KIND_NAMES:
        raise Undecodable(f"unknown kind {kind}")
    return Frame(position, epoch, _KIND_NAMES[kind] == "claim", last_ts, previous, request_id, digest)


def read_head(data: bytes | memoryview) -> Head:
    """What the fixed part says; raises `Undecodable` for anything but a record."""
    if len(data) < _HEAD.size + HASH_SIZE:
        raise Undecodable("too short")
    magic, version, kind, position, epoch, last_ts, previous, _request_id = _HEAD.unpack_from(data)
    if magic != _MAGIC:
        raise Undecodable("not a journal record")
    return Head(position, epoch, version == 1 and kind == _KINDS["commits"], last_ts, previous)


def decode(data: bytes) -> tuple[Record, bytes]:
    """Return the record and its hash; raises `Undecodable` unless every bit is as it was sealed."""
    frame = open_frame(data)
    try:
        body = _decode_body(memoryview(data)[_HEAD.size : -HASH_SIZE])
    except msgspec.DecodeError as error:
        raise Undecodable(str(error)) from error
    header = Header(frame.position, frame.epoch, frame.previous)
    kind = "claim" if frame.claim else "commits" if body.commits else "control"
    record = Record(
        header, kind, frame.request_id, body.owner, body.commits, body.reserved, body.notes, body.ts
    )
    return record, frame.hash
