"""Keys that LMDB cannot hold: a path of chunks instead of one key, in the same order (DESIGN §8).

LMDB's keys have 1 to 511 bytes. A key of 1 to `SHORT` bytes is stored as it is. Any other key (also the empty
one) goes to a database of its own, cut into chunks of `CHUNK` bytes:

    key      = chunk 1 | chunk 2 | ... | chunk n | rest           rest is shorter than a chunk, n = 0, 1, ...
    leaf     = node(chunk 1..n) + rest          -> as in `current`
    junction = node(chunk 1..i-1) + chunk i     -> nothing; says that keys exist below node(chunk 1..i)
    node(x)  = 16 bytes: zeros for no chunk, else BLAKE2b-128 of the chunks

Below one node, leaves and junctions stand in the order of the whole keys: a rest that is a prefix of a chunk
sorts before it, and every key below a junction begins with its chunk. So one descent seeks exactly, also
among millions of keys with the same first two thousand bytes, and the whole key is known from the way down.
This replaces "first bytes plus digest, whole key in the value" of DESIGN §8, where such keys would have to be
sorted at each read.
"""

from collections.abc import Iterator
from hashlib import blake2b

from storage.lmdb_engine import Cursor, Database, Transaction

SHORT = 501
"""The longest key that is stored as it is: 511, less the length and the time in `history`."""
CHUNK = 485
"""`SHORT`, less the node before it."""
ROOT = bytes(16)


def path(key: bytes) -> bytes:
    """Where the leaf of a key is."""
    whole = len(key) // CHUNK * CHUNK
    return node(key[:whole]) + key[whole:]


def node(chunks: bytes) -> bytes:
    """Names the place below which all keys begin with `chunks`, a whole number of chunks."""
    return blake2b(chunks, digest_size=16).digest() if chunks else ROOT


def join(txn: Transaction, long: Database, key: bytes) -> None:
    """Make the junctions above a new leaf."""
    for end in range(CHUNK, len(key) + 1, CHUNK):
        txn.put(node(key[: end - CHUNK]) + key[end - CHUNK : end], b"", db=long)


def prune(txn: Transaction, long: Database, key: bytes) -> None:
    """Remove the junctions above a leaf that went, as far up as nothing else is below them."""
    cursor = txn.cursor(long)
    for end in range(len(key) // CHUNK * CHUNK, 0, -CHUNK):
        below = node(key[:end])
        if cursor.set_range(below) and cursor.key().startswith(below):
            return
        txn.delete(node(key[: end - CHUNK]) + key[end - CHUNK : end], db=long)


def may_hold(txn: Transaction, long: Database, lo: bytes, hi: bytes) -> bool:
    """Whether a key of [lo, hi) may be here; one seek."""
    cursor = txn.cursor(long)
    return cursor.set_range(ROOT + lo[:CHUNK]) and cursor.key() < ROOT + hi


def ascend(
    txn: Transaction, long: Database, lo: bytes, hi: bytes, chunks: bytes = b""
) -> Iterator[tuple[bytes, bytes]]:
    """(whole key, value) of the leaves in [lo, hi) below `chunks`, in order."""
    here = node(chunks)
    cursor = txn.cursor(long)
    at = cursor.set_range(here + _rest(lo, chunks))
    while at:
        stored, value = cursor.item()
        key = chunks + stored[16:]
        if not stored.startswith(here) or key >= hi:
            return
        if len(stored) == len(here) + CHUNK:
            yield from ascend(txn, long, lo, hi, key)
        elif key >= lo:
            yield key, value
        at = cursor.next()


def descend(
    txn: Transaction, long: Database, lo: bytes, hi: bytes, chunks: bytes = b""
) -> Iterator[tuple[bytes, bytes]]:
    """As `ascend`, the last first."""
    here = node(chunks)
    cursor = txn.cursor(long)
    at = _seek_last(cursor, here, hi, chunks)
    while at:
        stored, value = cursor.item()
        key = chunks + stored[16:]
        if not stored.startswith(here):
            return
        if len(stored) == len(here) + CHUNK:
            # Keys below a junction may reach over lo although its chunks are less.
            if key < lo[: len(key)]:
                return
            yield from descend(txn, long, lo, hi, key)
        elif key < lo:
            return
        elif key < hi:
            yield key, value
        at = cursor.prev()


def _rest(bound: bytes, chunks: bytes) -> bytes:
    """Where `bound` falls below `chunks`: before everything, or at what follows the chunks in it."""
    return bound[len(chunks) :][:CHUNK] if bound.startswith(chunks) else b""


def _seek_last(cursor: Cursor, here: bytes, hi: bytes, chunks: bytes) -> bool:
    """Move to the last entry of a node that may be below hi."""
    if hi.startswith(chunks):
        target = here + _rest(hi, chunks)
        if cursor.set_range(target):
            return cursor.key() == target or cursor.prev()
        return cursor.last()
    # Every key below these chunks is less than hi: begin at the node's end.
    return cursor.prev() if cursor.set_range(_after(here)) else cursor.last()


def _after(here: bytes) -> bytes:
    """Above every entry of a node, at or below the first of the next node."""
    return here + b"\xff" * (CHUNK + 1)
