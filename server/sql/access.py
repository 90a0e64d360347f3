"""Where a table's rows and index entries live: their keys and values (format on disk, ARCHITECTURE).

    row          prefix(cluster, table oid) + encoded primary key      -> msgpack array of all columns by attnum
                 without a primary key: prefix + 16 hidden bytes
    index entry  prefix(cluster, index oid) + encoded keys             -> msgpack array [row key without prefix,
                 + row key without prefix, unless the entry is unique     keys..., included columns...]

A key is a column's value or what an expression computes; a row that a partial index's predicate leaves out has none.
An entry of a unique index is unique by its key alone, except that one with a NULL in its key (nulls being
distinct) carries the row key too. A dropped column is nil in rows that are written after it was dropped.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from server.catalog.descriptor import Column, Index, Table
from server.sql import refusals, tree, types
from server.sql.codegen import compile_expr, compile_row
from server.sql.index_parts import (
    canonical,
    is_plain,
    key_expression,
    key_type,
    predicate_of,
    steady_context,
    strip_relabels,
)
from server.sql.index_parts import key_columns as key_attnums
from server.sql.index_parts import key_text as index_key_text
from server.sql.tree import Expr
from storage import keycode, rowcode

Row: TypeAlias = Sequence[Any]
Converter: TypeAlias = Callable[[Any], Any]

Place: TypeAlias = int | Expr
"""What a key is of: a column from 0, or an expression in its canonical form (server.sql.index_parts)."""

PREFIX_LENGTH = 8
_NO_KEY = b"\0" * PREFIX_LENGTH
_LONG = 1 << 20
"""Bytes of an included text that is compressed, as in its row."""


def key_kind(column: Column) -> str:
    """The key encoding of a column; PgError 0A000 when its type can't be part of a key (dsql-reference §1.5)."""
    found = types.BY_OID[column.type_oid]
    if found.key_kind is None:
        raise refusals.KEY_TYPE.error(found.display)
    return found.key_kind


def _key_values(columns: Sequence[Column], positions: Sequence[int]) -> Callable[[Row], Sequence[Any]]:
    """A function from a row to the values of its key columns, in the form that is encoded."""
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


class Entry(NamedTuple):
    """What a row has in an index."""

    key: bytes
    value: bytes
    exclusive: bool
    """The key is the entry's alone; else the row's own key is part of it."""


class IndexAccess:
    """A secondary index: the entry that a row has in it, if its predicate lets it have one.

    What its expressions compute stands behind the row's columns while an entry is made. They depend on the row alone,
    so an entry can be found again from the row for as long as it is there.
    """

    __slots__ = (
        "_compute",
        "_encode",
        "_pack",
        "_predicate",
        "_steady",
        "_stored",
        "_table",
        "_values",
        "hi",
        "index",
        "key_columns",
        "kinds",
        "lo",
        "nulls_first",
        "places",
        "predicate",
    )

    def __init__(self, table: Table, index: Index, cluster: int) -> None:
        self._table = table
        self.index = index
        self.lo = keycode.prefix(cluster, index.oid)
        self.hi = keycode.successor(self.lo)
        expressions = [key_expression(table, key) for key in index.keys if key.expression is not None]
        columns, positions = _with_computed(table, index)
        self.key_columns = tuple(columns[position] for position in positions)
        """One per key; an expression's is made up, with its text as its name."""
        self.kinds = tuple(map(key_kind, self.key_columns))
        self.places = tuple(_places(positions, len(table.columns), expressions))
        """What each key is of."""
        layout = {(0, place): place for place in range(len(table.columns))}
        self._steady = steady_context()
        self._compute = compile_row(expressions, layout) if expressions else None
        predicate = predicate_of(table, index)
        self.predicate = None if predicate is None else canonical(predicate, 0)
        self._predicate = None if predicate is None else compile_expr(predicate, layout)
        self.nulls_first = tuple(key.nulls_first for key in index.keys)
        self._encode = keycode.encoder(self.kinds, self.nulls_first)
        self._values = _key_values(columns, positions)
        stored = positions + [attnum - 1 for attnum in index.include]
        self._stored = tuple((position, types.BY_OID[columns[position].type_oid].pack) for position in stored)
        self._pack = rowcode.pack

    def key_prefix(self, values: Sequence[Any]) -> bytes:
        """The bytes that all entries with these leading key values begin with."""
        return self.lo + self._encode(values)

    def entry(self, row: Row, row_key: bytes) -> Entry | None:
        """The entry of `row`, whose own key is `row_key`; None: the predicate keeps it out.

        Raises what the expressions raise of the row: PgError.
        """
        if self._predicate is not None and self._predicate(row, self._steady) is not True:
            return None
        if self._compute is not None:
            row = [*row, *self._compute(row, self._steady)]
        suffix = row_key[PREFIX_LENGTH:]
        values = self._values(row)
        key = self.lo + self._encode(values)
        index = self.index
        exclusive = index.unique and (index.nulls_not_distinct or None not in values)
        if not exclusive:
            key += suffix
        stored: list[Any] = [suffix]
        for position, pack in self._stored:
            value = row[position]
            stored.append(value if pack is None or value is None else pack(value))
        packed = self._pack(stored)
        if len(packed) > _LONG:
            rowcode.shrink(stored, _LONG)
            packed = self._pack(stored)
        return Entry(key, packed, exclusive)

    def key_values(self, row: Row) -> list[Any]:
        """The values of a row's keys."""
        if self._compute is not None:
            row = [*row, *self._compute(row, self._steady)]
        return [row[position] for position, _pack in self._stored[: len(self.kinds)]]

    @property
    def key_attnums(self) -> list[int]:
        """The columns that the keys are made of, from 1."""
        return sorted({attnum for key in self.index.keys for attnum in key_attnums(self._table, key)})

    def unique_key(self, row: Row) -> bytes | None:
        """The key of the row's entry where that must be unique by it alone."""
        if not self.index.unique:
            return None
        entry = self.entry(row, _NO_KEY)
        return entry.key if entry is not None and entry.exclusive else None


def _with_computed(table: Table, index: Index) -> tuple[list[Column], list[int]]:
    """The table's columns and one more for each expression; which of them are the keys, from 0."""
    columns, positions = list(table.columns), []
    for key in index.keys:
        if key.expression is None:
            positions.append(key.column - 1)
            continue
        kind, typmod = key_type(table, key)
        positions.append(len(columns))
        columns.append(Column(index_key_text(table, key, True), kind.oid, typmod))
    return columns, positions


def _places(positions: Sequence[int], width: int, expressions: Sequence[Expr]) -> Iterator[Place]:
    for position in positions:
        if position < width:
            yield position
            continue
        found = strip_relabels(canonical(expressions[position - width], 0))
        yield found.column if isinstance(found, tree.Var) else found


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
        self._values = _key_values(table.columns, self.key_columns)
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
            if index.unique and is_plain(index):
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
