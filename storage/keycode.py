"""Order-preserving encoding of SQL values in keys (format on disk; see the table below)."""

from collections.abc import Callable, Sequence

Kinds = tuple[str, ...]
"""Of `int`, `float`, `numeric`, `text`, `bytes`, `bool`, `uuid`: one per key column."""


def prefix(cluster: int, index_id: int) -> bytes:
    """The first 8 bytes of every key of an index."""
    return cluster.to_bytes(4, "big") + index_id.to_bytes(4, "big")


def encoder(kinds: Kinds, nulls_first: tuple[bool, ...] | None = None) -> Callable[[Sequence[object]], bytes]:
    """A function from column values (None = NULL) to key bytes without the prefix, built once per shape.

    The returned function also takes fewer values than `kinds`: then it encodes a leading part of the key.
    """
    raise NotImplementedError


def decode(kinds: Kinds, data: bytes, offset: int = 8) -> list[object]:
    """The column values of a key, from `offset` on (8: after the prefix)."""
    raise NotImplementedError


def successor(start: bytes) -> bytes:
    """The least key above every key that begins with `start`: the upper bound of a prefix."""
    raise NotImplementedError


def equal_range(start: bytes) -> tuple[bytes, bytes]:
    """[lo, hi) of all keys that begin with `start` (prefix and leading columns)."""
    return start, successor(start)
