"""The `id` that .keyvalue() gives to an object: where PostgreSQL's binary form of the document has it.

An id is the number of the document (0: the one queried, 1: the variables, then those that .keyvalue() made) times
10^10 and the object's offset in the document. The layout is jsonb's (PostgreSQL: jsonb.h, numeric.h).
"""

import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

from server.sql.env import Env
from server.sql.numeric import numeric_send

Visit: TypeAlias = Callable[[], None]
"""Called for every value: others may get a turn."""
_DOCUMENT = 10_000_000_000
_HEADER = 4
"""Bytes of a container's head, and of the entry of each of its items."""
_SHORT_SCALE, _SHORT_WEIGHTS = 63, range(-64, 64)
_numeric_head = struct.Struct("!hhHH").unpack_from
_env = Env()


def unshared(value: Any, visit: Visit) -> Any:
    """A copy of a document in which no container stands twice, so that each has a place of its own."""
    visit()
    if type(value) is dict:
        return {key: unshared(item, visit) for key, item in value.items()}
    if type(value) is list:
        return [unshared(item, visit) for item in value]
    return value


class Places:
    """The ids of objects by identity; documents are kept as long as this is."""

    __slots__ = ("_documents", "_ids", "_visit", "_waiting")

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._ids: dict[int, int] = {}
        self._documents: list[Any] = []
        self._waiting: list[tuple[Any, int]] = []

    def add(self, document: Any, number: int) -> None:
        """A document of that number, without shared containers."""
        self._documents.append(document)
        self._waiting.append((document, number))

    def id_of(self, value: Any) -> Decimal:
        """The id of an object in one of the documents."""
        while self._waiting:
            document, number = self._waiting.pop()
            if isinstance(document, (dict, list)):
                self._place(document, 0, number * _DOCUMENT)
        return Decimal(self._ids[id(value)])

    def _place(self, value: Any, start: int, base: int) -> int:
        """Notes the container that begins at `start`, and those inside; where it ends."""
        self._ids[id(value)] = base + start
        count = len(value)
        if isinstance(value, dict):
            at = start + _HEADER + 2 * count * _HEADER + sum(len(key.encode()) for key in value)
            items: Any = value.values()
        else:
            at = start + _HEADER + count * _HEADER
            items = value
        for item in items:
            self._visit()
            kind = type(item)
            if kind is str:
                at += len(item.encode())
            elif kind is Decimal:
                at = _aligned(at) + _numeric_size(item)
            elif kind is dict or kind is list:
                at = self._place(item, _aligned(at), base)
        return at


def _aligned(at: int) -> int:
    return -(-at // 4) * 4


def _numeric_size(value: Decimal) -> int:
    """Bytes of a numeric in memory: length, head of 2 or 4 bytes, digits in base 10000."""
    count, weight, _, scale = _numeric_head(numeric_send(value, _env))
    is_short = scale <= _SHORT_SCALE and weight in _SHORT_WEIGHTS
    return 4 + (2 if is_short else 4) + 2 * int(count)
