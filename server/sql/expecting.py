"""Which keys the constraints of some rows will look up: asked for at once where rows are in other processes."""

from collections.abc import Iterator, Sequence

from server.sql.access import PREFIX_LENGTH, IndexAccess, Row, TableAccess

_NO_KEY = b"\0" * PREFIX_LENGTH


def of_inserted(access: TableAccess, rows: Sequence[Row]) -> Iterator[bytes]:
    """Keys that must be free for `rows` to be inserted. Rows that can't be, for a NULL in their key, have none."""
    for row in rows:
        if access.key_columns:
            if any(row[place] is None for place in access.key_columns):
                continue
            yield access.key(row)
        for index in access.indexes:
            if index.is_exclusive(row):
                yield _entry_key(index, row)


def of_updated(access: TableAccess, pairs: Sequence[tuple[Row, Row]]) -> Iterator[bytes]:
    """Keys that must be free for the second row of each pair to take the place of the first."""
    for old, new in pairs:
        places = access.key_columns
        if any(old[place] != new[place] for place in places) and all(
            new[place] is not None for place in places
        ):
            yield access.key(new)
        for index in access.indexes:
            if index.is_exclusive(new) and _entry_key(index, old) != (key := _entry_key(index, new)):
                yield key


def _entry_key(index: IndexAccess, row: Row) -> bytes:
    """The key of the row's entry; of one that is unique by it alone it says nothing of the row's own."""
    return index.entry(row, _NO_KEY)[0]
