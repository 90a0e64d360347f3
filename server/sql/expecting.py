"""Which keys the constraints of some rows will look up: asked for at once where rows are in other processes."""

from collections.abc import Iterator, Sequence

from server.errors import PgError
from server.sql.access import IndexAccess, Row, TableAccess


def of_inserted(access: TableAccess, rows: Sequence[Row]) -> Iterator[bytes]:
    """Keys that must be free for `rows` to be inserted. Rows that can't be, for a NULL in their key, have none."""
    for row in rows:
        if access.key_columns:
            if any(row[place] is None for place in access.key_columns):
                continue
            yield access.key(row)
        for index in access.indexes:
            key = _unique_key(index, row)
            if key is not None:
                yield key


def of_updated(access: TableAccess, pairs: Sequence[tuple[Row, Row]]) -> Iterator[bytes]:
    """Keys that must be free for the second row of each pair to take the place of the first."""
    for old, new in pairs:
        places = access.key_columns
        if any(old[place] != new[place] for place in places) and all(
            new[place] is not None for place in places
        ):
            yield access.key(new)
        for index in access.indexes:
            key = _unique_key(index, new)
            if key is not None and key != _unique_key(index, old):
                yield key


def _unique_key(index: IndexAccess, row: Row) -> bytes | None:
    """As `IndexAccess.unique_key`; None too where an expression fails, which is told when the row is written."""
    try:
        return index.unique_key(row)
    except PgError:
        return None
