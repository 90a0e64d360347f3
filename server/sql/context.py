"""What a running statement sees: its transaction's reads, parameters, settings, and its budget."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from server.catalog.descriptor import Catalog
from server.errors import PgError
from server.sql.tree import Access

QUERY_MEMORY = 128 << 20
"""Bytes that the sorts, hashes and spools of one statement may hold (dsql-reference §4)."""


class Reads(Protocol):
    """A transaction's read side: its snapshot, overlaid with its own writes. Ranges are [lo, hi).

    The second value of scans and counts is where to go on: the next `lo` (`hi` when reversed), or None.
    """

    @property
    def is_remote(self) -> bool:
        """Whether `scan_pushed` saves more than it costs: the rows are in another process."""
        ...

    def get(self, key: bytes) -> bytes | None: ...

    def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None]: ...

    def scan(
        self, lo: bytes, hi: bytes, limit: int = 256, reverse: bool = False
    ) -> tuple[list[bytes], bytes | None]: ...

    def scan_items(
        self, lo: bytes, hi: bytes, limit: int = 256, reverse: bool = False
    ) -> tuple[list[tuple[bytes, bytes]], bytes | None]: ...

    def scan_pushed(
        self, lo: bytes, hi: bytes, limit: int, reverse: bool, pushed: bytes
    ) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
        """Of what storage makes of the rows (storage.pushdown), and all rows that the transaction wrote."""
        ...

    def count(self, lo: bytes, hi: bytes, limit: int = 4096) -> tuple[int, bytes | None]: ...

    def lock(self, key: bytes, lock_class: int) -> None: ...


class Context:
    """One execution of one statement; plans keep nothing between executions."""

    __slots__ = (
        "accesses",
        "affected",
        "cancelled",
        "catalog",
        "env",
        "memo",
        "memory",
        "memory_limit",
        "params",
        "pause",
        "slots",
        "turn",
        "txn",
    )

    def __init__(
        self,
        txn: Reads,
        params: Sequence[Any] = (),
        env: Any = None,
        catalog: Catalog | None = None,
        memory_limit: int = QUERY_MEMORY,
        accesses: tuple[Access, ...] = (),
    ) -> None:
        self.txn: Any = txn
        self.params = params
        self.env = env
        self.catalog = catalog
        self.accesses = accesses
        """What the user needed privileges for: columns that it gave may be shown to it."""
        self.slots: dict[int, Any] = {}
        """Values of an outer row that inner plans read."""
        self.memo: dict[int, Any] = self.slots
        """Once per statement: constant expressions, results of subqueries, spools. Its keys never meet those
        of `slots`, so both are one dictionary."""
        self.affected = 0
        """Rows that the statement modified."""
        self.cancelled = False
        self.pause = 0.0
        """Seconds that the driver waits before the next batch (pg_sleep); it sets it back to 0."""
        self.turn: Callable[[], None] | None = None
        """Called once per batch by what runs inside an expression: it may give the others a turn (turns.py)."""
        self.memory = 0
        self.memory_limit = memory_limit

    def tick(self) -> None:
        """Called once per batch by everything that loops; PgError 57014 when the statement was cancelled."""
        if self.cancelled:
            raise PgError("57014", "canceling statement due to user request")

    def breathe(self) -> bool:
        """Called now and then by one call of a function that takes long: a turn for others, and 57014.

        False: there is nobody who could give it; the caller has to limit what it does.
        """
        self.tick()
        if self.turn is None:
            return False
        self.turn()
        return True

    def holding(self) -> "Holding":
        """What one operator holds; given back when it ends or is abandoned."""
        return Holding(self)

    def hold(self, size: int) -> None:
        """Account for `size` more bytes; PgError 54000 over the limit (dsql-reference §4)."""
        self.memory += size
        if self.memory > self.memory_limit:
            limit = self.memory_limit >> 10
            raise PgError("54000", f"query requires more than allowed temp space of {limit} KB to execute")


class Holding:
    """The memory that an operator accounts for while its `with` block lasts."""

    __slots__ = ("context", "size")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.size = 0

    def __enter__(self) -> "Holding":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.memory -= self.size

    def add(self, size: int) -> None:
        """More bytes; PgError 54000 over the limit."""
        self.size += size
        self.context.hold(size)

    def rows(self, rows: Sequence[Any]) -> None:
        """As many rows as the batch has, each about as large as its first."""
        if rows:
            self.add(row_size(rows[0]) * len(rows))

    def drop(self) -> None:
        """Nothing is held any more."""
        self.context.memory -= self.size
        self.size = 0


def row_size(row: Sequence[Any]) -> int:
    """Roughly the bytes that a row takes in memory."""
    size = 56 + 40 * len(row)
    for value in row:
        if type(value) is str or type(value) is bytes:
            size += len(value)
    return size
