"""How large values may become while a statement runs (DESIGN §11: no scalar work stops the node).

PostgreSQL ends at 1 GB and answers interrupts on the way; here one call of a function cannot be interrupted, so
what it may read and make is bounded: anything that a column holds (1 MiB) fits several times.
"""

from collections.abc import Sequence

from server.errors import PgError

MAX_LENGTH = 10 << 20
"""Characters or bytes of a text, bytea or json that a function makes: as much as a message holds."""
MAX_SCANNED = 1 << 20
"""Characters of what is read one by one in Python: the largest column."""
MAX_VALUES = 1 << 19
"""Values and escapes of a JSON text that is made into values, escapes of a bytea: as many as `MAX_SCANNED` characters
can hold."""
MAX_TEMPLATE = 2_000
"""Characters of a formatting template (to_char and its like)."""
MAX_ELEMENTS = 1 << 20
"""Elements of an array."""
MAX_RANGES = 1 << 15
"""Ranges of a multirange: they are read, sorted and merged in one call."""


def too_long() -> PgError:
    """54000"""
    return PgError("54000", "requested length too large")


def text_fits(value: str) -> str:
    """The text; 54000 beyond MAX_LENGTH."""
    if len(value) > MAX_LENGTH:
        raise too_long()
    return value


def bytes_fit(value: bytes) -> bytes:
    """The bytes; 54000 beyond MAX_LENGTH."""
    if len(value) > MAX_LENGTH:
        raise too_long()
    return value


def text_joined(pieces: Sequence[str], separator: str = "") -> str:
    """All of them; 54000 beyond MAX_LENGTH."""
    if sum(map(len, pieces)) + len(separator) * len(pieces) > MAX_LENGTH:
        raise too_long()
    return separator.join(pieces)


def bytes_joined(pieces: Sequence[bytes]) -> bytes:
    """All of them; 54000 beyond MAX_LENGTH."""
    if sum(map(len, pieces)) > MAX_LENGTH:
        raise too_long()
    return b"".join(pieces)


def scannable(size: int) -> None:
    """54000 beyond MAX_SCANNED."""
    if size > MAX_SCANNED:
        raise too_long()


def json_scannable(text: str) -> None:
    """54000 for a JSON text beyond MAX_LENGTH, or with more values than MAX_VALUES.

    A long text compresses well enough for a column, so its length says little; the work is in its values.
    """
    text_fits(text)
    if len(text) > MAX_SCANNED and sum(map(text.count, ",:[{\\")) > MAX_VALUES:
        raise too_long()


def template_fits(template: str) -> None:
    """54000 beyond MAX_TEMPLATE."""
    if len(template) > MAX_TEMPLATE:
        raise PgError("54000", "formatting template is too long")


def elements_fit(count: int) -> None:
    """54000 beyond MAX_ELEMENTS."""
    if count > MAX_ELEMENTS:
        raise PgError("54000", f"array size exceeds the maximum allowed ({MAX_ELEMENTS})")


def ranges_fit(count: int) -> None:
    """54000 beyond MAX_RANGES."""
    if count > MAX_RANGES:
        raise PgError("54000", f"multirange size exceeds the maximum allowed ({MAX_RANGES})")
