"""Whether replicas hold the same (S3): a hash of what is visible in a range at a time, made in slices of the loop."""

import asyncio
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

from journal.record import Key, Timestamp
from server.runtime.requests import Refused
from storage.mvcc import Versions

SLICE = 512
"""Rows between two turns of the loop."""


class Digest(NamedTuple):
    """Equal for replicas that are complete to the time."""

    rows: int
    hash: str


WAIT_S = 10.0
LOOK_S = 0.005


async def digest_when_complete(
    versions: Versions, lo: Key, hi: Key, ts: Timestamp, complete: Callable[[], Timestamp]
) -> dict[str, object]:
    """`digest` for operators, once `complete` has come to `ts`. Raises `Refused`, `TooOld`."""
    try:
        async with asyncio.timeout(WAIT_S):
            while complete() < ts:
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise Refused(f"complete to {complete()} only") from None
    found = await digest(versions, lo, hi, ts)
    return {"low": lo.hex(), "high": hi.hex(), "rows": found.rows, "hash": found.hash}


async def digest(versions: Versions, lo: Key, hi: Key, ts: Timestamp) -> Digest:
    """Of the rows of [lo, hi) as of `ts`, with their times. Raises `TooOld`."""
    hashed = blake2b(digest_size=32)
    count = 0
    following: Key | None = lo
    while following is not None:
        rows, following = versions.scan_stamped(following, hi, ts, SLICE)
        versions.release()
        count += len(rows)
        for key, commit_ts, value in rows:
            for part in (key, commit_ts.to_bytes(8, "big"), value):
                hashed.update(len(part).to_bytes(4, "big") + part)
        await asyncio.sleep(0)
    return Digest(count, hashed.hexdigest())
