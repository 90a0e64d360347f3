"""Records as JSON lines: one line per record, in the order of the log (`opendsql journal`).

    {"position": 7, "epoch": 1, "kind": "commits", "hash": "9f...", "previous": "03...", "request_id":
    "5c...",
     "owner": "node-1", "commits": [{"txid": "aa...", "start_ts": 5, "commit_ts": 8,
     "writes": [{"op": "put", "key": "00...", "value": "93...", "lock": "exclusive"}, {"op": "delete", ...}],
     "locks": [{"key": "00...", "lock": "key_share"}]}]}

A claim and a control record have `"notes": [{"note": "owned", "lo": "", "hi": "ffff", "after": 0}]` besides, and
`reserved` and `ts` where they are not 0.

Bytes are hexadecimal. The log does not know rows: whoever does passes `decode`, which is called for every
commit and returns JSON lines of its own for it (the server's are records in DSQL's CDC form).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import msgspec

from journal.audit import Finding
from journal.journal import Entry
from journal.record import Commit, LockClass, Note, Position, Write

CommitLines: TypeAlias = Callable[[Position, Commit], Iterable[dict[str, Any]]]
"""Makes the lines of one commit at a position."""

_encode = msgspec.json.Encoder().encode
_LOCK_NAMES = {lock.value: lock.name.lower() for lock in LockClass}


def lines(entries: Iterable[Entry], decode: CommitLines | None = None) -> Iterator[str]:
    """One JSON line per record, or what `decode` makes of every commit (claims are then left out)."""
    for entry in entries:
        if decode is None:
            yield _encode(record_object(entry)).decode()
            continue
        for commit in entry.record.commits:
            for line in decode(entry.record.header.position, commit):
                yield _encode(line).decode()


def record_object(entry: Entry) -> dict[str, Any]:
    """The generic form of one record."""
    record = entry.record
    found: dict[str, Any] = {
        "position": record.header.position,
        "epoch": record.header.epoch,
        "kind": record.kind,
        "hash": entry.hash.hex(),
        "previous": record.header.previous.hex(),
        "request_id": record.request_id.hex(),
        "owner": record.owner,
        "commits": [_commit_object(commit) for commit in record.commits],
    }
    if record.notes:
        found["notes"] = [_note_object(note) for note in record.notes]
    if record.reserved:
        found["reserved"] = record.reserved
    if record.ts:
        found["ts"] = record.ts
    return found


def _commit_object(commit: Commit) -> dict[str, Any]:
    return {
        "txid": commit.txid.hex(),
        "start_ts": commit.start_ts,
        "commit_ts": commit.commit_ts,
        "writes": [_write_object(write) for write in commit.writes],
        "locks": [{"key": lock.key.hex(), "lock": _LOCK_NAMES[lock.lock]} for lock in commit.locks],
    }


def _note_object(note: Note) -> dict[str, Any]:
    fields = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in msgspec.structs.asdict(note).items()
    }
    return {"note": type(note).__struct_config__.tag, **fields}


def _write_object(write: Write) -> dict[str, Any]:
    line = {"op": "delete" if write.value is None else "put", "key": write.key.hex()}
    if write.value is not None:
        line["value"] = write.value.hex()
    line["lock"] = _LOCK_NAMES[write.lock]
    return line


def finding_object(finding: Finding) -> dict[str, Any]:
    """As `opendsql audit --json` prints it."""
    return {
        "invariant": finding.invariant,
        "position": finding.position,
        "txid": finding.txid.hex(),
        "text": finding.text,
    }
