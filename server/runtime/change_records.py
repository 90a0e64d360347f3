"""Records of DSQL's change data capture (its user guide, "Understanding CDC records", 2026-07-08).

    {"type": "full", "op": "u", "before": null, "after": {"id": 1, "name": "x"},
     "source": {"version": "1.0", "ts_ms": ..., "ts_ns": ..., "txId": "...", "schema": "public", "table": "t",
                "db": "postgres", "cluster": "..."}, "ts_ms": ..., "ts_ns": ...}

`source` has the commit's time, the record itself the time at which it was made. A record of more than `MOST_BYTES`
comes in several: one of type `chunked` names for each image the fragments that its JSON was cut into, at characters,
and their CRC32C. Here the fragments come first. A fragment's chunk_id follows from the transaction and the row, so
that it is the same one however often the record is read.
"""

import base64
import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from journal.record import Commit, Timestamp

if TYPE_CHECKING:
    from server.runtime.change_feed import Change

MOST_BYTES = 9 << 20
"""Of a record as JSON, before it is cut; and of a fragment's text as JSON."""
_ENVELOPE = 1024
"""Bytes of a fragment beside its text, generously."""
_encode = msgspec.json.Encoder().encode


def record(change: "Change", commit: Commit, now: Timestamp, cluster: str | None = None) -> dict[str, Any]:
    """The record of a change, made at `now` (ns since 1970), of whatever size."""
    source = {
        "version": "1.0",
        **times(commit.commit_ts),
        "txId": base32(commit.txid),
        "schema": change.schema,
        "table": change.table,
        "db": "postgres",
        "cluster": cluster or str(change.cluster),
    }
    made = {"type": "full", "op": change.op, "before": change.before, "after": change.after, "source": source}
    return {**made, **times(now)}


def pieces(
    change: "Change", made: dict[str, Any], commit: Commit, most: int = MOST_BYTES
) -> Iterator[dict[str, Any]]:
    """`made`, the record of `change`; or fragments and then the record that refers to them."""
    if len(_encode(made)) <= most:
        yield made
        return
    chunked = {}
    for name in ("before", "after"):
        image = made[name]
        if image is not None and len(text := _encode(image)) > most // 2:
            digest = hashlib.blake2b(name.encode() + commit.txid + change.key, digest_size=16).digest()
            parts = list(_cut(text.decode(), most - _ENVELOPE))
            for index, part in enumerate(parts):
                yield {"type": "fragment", "chunk_id": base32(digest), "index": index, "data": part}
            crc = str(crc32c(text))
            chunked[name] = {"chunk_id": base32(digest), "total_fragments": len(parts), "crc32c": crc}
            made = {**made, name: None}
    head = {name: made[name] for name in ("op", "before", "after", "source")}
    yield {"type": "chunked", **head, "chunked": chunked, "ts_ms": made["ts_ms"], "ts_ns": made["ts_ns"]}


def _cut(text: str, most: int) -> Iterator[str]:
    """`text` in parts of which each is of at most `most` bytes as a JSON string: at least one character."""
    place, step = 0, max(most // 2, 1)
    while place < len(text):
        end = place + step
        while end - place > 1 and len(_encode(text[place:end])) > most:
            end = place + (end - place + 1) // 2
        yield text[place:end]
        place = end


def times(ts: Timestamp) -> dict[str, int]:
    """A time as records have it, in milliseconds and in nanoseconds since 1970."""
    return {"ts_ms": ts // 1_000_000, "ts_ns": ts}


def base32(data: bytes) -> str:
    """16 bytes as 26 letters and digits."""
    return base64.b32encode(data).decode().rstrip("=").lower()


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC = _crc_table()


def crc32c(data: bytes) -> int:
    """Castagnoli's (RFC 3720, appendix B.4); about 0.1 s per MiB."""
    crc, table = 0xFFFFFFFF, _CRC
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
