"""Where a table's rows and index entries live: their keys and values (format on disk, ARCHITECTURE).

    row          prefix(cluster, table oid) + encoded primary key      -> msgpack array of all columns by attnum
                 without a primary key: prefix + 16 hidden bytes
    index entry  prefix(cluster, index oid) + encoded key columns      -> msgpack array [row key without prefix,
                 + row key without prefix, unless the entry is unique     key columns..., included columns...]

An entry of a unique index is unique by its key alone, except that one with a NULL in its key (nulls being
distinct) carries the row key too. A dropped column is nil in rows that are written after it was dropped.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from server.catalog.descriptor import Column, Index, IndexKey, Table
from server.sql import refusals, types
from storage import keycode, rowcode

Row: TypeAlias = Sequence[Any]
Converter: TypeAlias = Callable[[Any], Any]

PREFIX_LENGTH = 8
_LONG = 1 << 20
"""Bytes of an included text that is compressed, as in its row."""


def key_kind(column: Column) -> str:
    """The key encoding of a column; PgError 0A000 when its type can't be part of a key (dsql-reference §1.5)."""
    found = types.BY_OID[column.type_oid]
    if found.key_kind is None:
        raise refusals.KEY_TYPE.error(found.display)
    return found.key_kind


def _key_values(columns: Sequence[Column], keys: Sequence[IndexKey]) -> Callable[[Row], Sequence[Any]]:
    """A function from a row to the values of its key columns, in the form that is encoded."""
    positions = [key.column - 1 for key in keys]
    converters: list[tuple[int, Converter]] = []
    for place, position in enumerate(positions):
        found = types.BY_OID[columns[position].type_oid]
        if found.sort_key is not None and found.key_kind == "text":
            converters.append((place, found.sort_key))
    if not converters and positions:
        first = positions[0]
        return itemgetter(*positions) if len(positions) > 1 else itemgetter(slice(first, first + 1))

    def convert(row: Row) -> Sequence[Any]:
        values = [row[position] for position in positions]
        for place, converter in converters:
            if values[place] is not None:
                values[place] = converter(values[place])
        return values

    return convert


def _key_of(encode: keycode.Encoder, values: Callable[[Row], Sequence[Any]]) -> Callable[[Row], bytes]:
    return lambda row: encode(values(row))


class IndexAccess:
    """A secondary index: the entry that a row has in it."""

    __slots__ = ("_encode", "_pack", "_stored", "_values", "hi", "index", "kinds", "lo", "nulls_first")

    def __init__(self, table: Table, index: Index, cluster: int) -> None:
        self.index = index
        self.lo = keycode.prefix(cluster, index.oid)
        self.hi = keycode.successor(self.lo)
        self.kinds = tuple(key_kind(table.columns[key.column - 1]) for key in index.keys)
        self.nulls_first = tuple(key.nulls_first for key in index.keys)
        self._encode = keycode.encoder(self.kinds, self.nulls_first)
        self._values = _key_values(table.columns, index.keys)
        stored = [key.column - 1 for key in index.keys] + [attnum - 1 for attnum in index.include]
        self._stored = tuple(
            (position, types.BY_OID[table.columns[position].type_oid].pack) for position in stored
        )
        self._pack = rowcode.pack

    def key_prefix(self, values: Sequence[Any]) -> bytes:
        """The bytes that all entries with these leading key values begin with."""
        return self.lo + self._encode(values)

    def is_exclusive(self, row: Row) -> bool:
        """Whether the row's entry must be unique by its key columns alone."""
        if not self.index.unique:
            return False
        return self.index.nulls_not_distinct or None not in self._values(row)

    def entry(self, row: Row, row_key: bytes) -> tuple[bytes, bytes]:
        """The key and the value of the entry of `row`, whose own key is `row_key`."""
        suffix = row_key[PREFIX_LENGTH:]
        values = self._values(row)
        key = self.lo + self._encode(values)
        if not self.index.unique or (None in values and not self.index.nulls_not_distinct):
            key += suffix
        stored: list[Any] = [suffix]
        for position, pack in self._stored:
            value = row[position]
            stored.append(value if pack is None or value is None else pack(value))
        packed = self._pack(stored)
        if len(packed) > _LONG:
            rowcode.shrink(stored, _LONG)
            packed = self._pack(stored)
        return key, packed


class TableAccess:
    """A table: keys, row bytes and index entries of its rows."""

    __slots__ = (
        "_dropped",
        "_encode",
        "_packers",
        "_unpackers",
        "_values",
        "cluster",
        "hi",
        "indexes",
        "key",
        "key_columns",
        "kinds",
        "lo",
        "pack",
        "table",
        "unique_columns",
        "width",
    )

    def __init__(self, table: Table, cluster: int) -> None:
        self.table = table
        self.cluster = cluster
        self.lo = keycode.prefix(cluster, table.oid)
        self.hi = keycode.successor(self.lo)
        self.width = len(table.columns)
        keys = table.primary_key.keys if table.primary_key is not None else ()
        self.key_columns = tuple(key.column - 1 for key in keys)
        self.kinds = tuple(key_kind(table.columns[position]) for position in self.key_columns)
        self._encode = keycode.encoder(self.kinds, start=self.lo)
        self._values = _key_values(table.columns, keys)
        self.key = _key_of(self._encode, self._values)
        """The key of a row by its primary key; tables without one take `hidden_key`."""
        self._packers = self._converters("pack")
        self._unpackers = self._converters("unpack")
        self._dropped = tuple(place for place, column in enumerate(table.columns) if column.dropped)
        self.pack: Callable[[Row], bytes] = self._pack if self._packers else rowcode.pack
        """Row bytes of the values of all columns."""
        self.indexes = tuple(IndexAccess(table, index, cluster) for index in table.indexes)
        unique = set(self.key_columns)
        for index in table.indexes:
            if index.unique:
                unique.update(key.column - 1 for key in index.keys)
        self.unique_columns = frozenset(unique)
        """0-based: an UPDATE of one of them is a key update (dsql-reference §5.2)."""

    def _converters(self, which: str) -> tuple[tuple[int, Converter], ...]:
        found = []
        for position, column in enumerate(self.table.columns):
            converter = getattr(types.BY_OID[column.type_oid], which)
            if converter is not None and not column.dropped:
                found.append((position, converter))
        return tuple(found)

    def keys(self, rows: Iterable[Row]) -> list[bytes]:
        """`key` of each row."""
        return list(map(self._encode, map(self._values, rows)))

    def key_prefix(self, values: Sequence[Any]) -> bytes:
        """The bytes that the keys of all rows with these leading primary-key values begin with."""
        return self._encode(values)

    def hidden_key(self, unique: bytes) -> bytes:
        """The key of a row of a table without a primary key; `unique` is 16 bytes."""
        return self.lo + unique

    def row_key_in(self, entry: bytes) -> bytes:
        """The row key that an index entry of this value points to."""
        suffix = rowcode.unpack(entry)[0]
        assert isinstance(suffix, bytes)
        return self.lo + suffix

    def _pack(self, row: Row) -> bytes:
        converted = list(row)
        for position, converter in self._packers:
            value = converted[position]
            if value is not None:
                converted[position] = converter(value)
        return rowcode.pack(converted)

    def unpack(self, raw: bytes) -> list[Any]:
        """Values of all columns; those that were dropped or were added after the row was written are NULL."""
        row = rowcode.unpack(raw)
        if len(row) < self.width:
            row.extend([None] * (self.width - len(row)))
        for position in self._dropped:
            row[position] = None
        for position, converter in self._unpackers:
            value = row[position]
            if value is not None:
                row[position] = converter(value)
        return row


_cache: dict[tuple[int, int], TableAccess] = {}
_CACHE_SIZE = 4096


def access(table: Table, cluster: int) -> TableAccess:
    """The access of one state of a table, made once for as long as that state is the newest one used."""
    key = (cluster, table.oid)
    found = _cache.get(key)
    if found is None or found.table is not table:
        if len(_cache) >= _CACHE_SIZE:
            _cache.clear()
        found = _cache[key] = TableAccess(table, cluster)
    return found
