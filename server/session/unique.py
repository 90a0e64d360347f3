"""Ids that nothing else ever has: of transactions, and of rows without a primary key."""

import itertools
import os
import struct

_process = os.urandom(8)
_sequence = itertools.count(1)
_pack_id = struct.Struct(">8sQ").pack


def unique_id() -> bytes:
    """16 bytes that no other transaction or hidden row key ever has: 8 random ones per process, then a count."""
    return _pack_id(_process, next(_sequence))
