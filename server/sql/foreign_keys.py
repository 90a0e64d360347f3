"""A foreign key between two tables, compiled: which parent a row means, which key a parent offers, who refers to it.

Both sides meet in one form, the bytes of the key in the parent's unique index: equal bytes are equal keys, whatever
the types of the columns. MATCH SIMPLE: a row with a NULL among its columns refers to nothing; MATCH FULL: one with
nothing but NULLs (PostgreSQL, CREATE TABLE).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from server.catalog.descriptor import Catalog, ForeignKey, Index, IndexKey, Oid, Table
from server.sql import tree, types
from server.sql.access import IndexAccess, Row, TableAccess, access
from server.sql.context import Context
from server.sql.foreign_types import Convert, converter, is_same
from server.sql.implication import implies
from server.sql.index_parts import OWN
from storage import keycode

SCAN = 256
Found = tuple[bytes, list[Any]]
"""A row's key and its columns."""


class Link:
    """One foreign key of `child`."""

    __slots__ = (
        "_assigned",
        "_convert",
        "_encode",
        "_index",
        "_offered",
        "_path",
        "child",
        "child_access",
        "key",
        "parent",
        "parent_access",
        "places",
    )

    def __init__(self, child: Table, key: ForeignKey, catalog: Catalog) -> None:
        parent = catalog.tables[key.parent]
        self.child, self.key, self.parent = child, key, parent
        self.child_access, self.parent_access = (
            access(child, catalog.cluster),
            access(parent, catalog.cluster),
        )
        self.places = tuple(attnum - 1 for attnum in key.columns)
        index = self._index_of_parent()
        self._index = None if index.primary else self._access_of(index)
        attnums = [each.column for each in index.keys]
        places = [self.places[key.parent_columns.index(attnum)] for attnum in attnums]
        columns = [parent.columns[attnum - 1] for attnum in attnums]
        self._offered = [attnum - 1 for attnum in attnums]
        self._encode = _encoder([types.BY_OID[each.type_oid] for each in columns], self._key_prefix())
        pairs = [
            (types.BY_OID[child.columns[place].type_oid], types.BY_OID[column.type_oid])
            for place, column in zip(places, columns)
        ]
        self._convert: Convert
        if all(is_same(*pair) for pair in pairs):
            self._convert = _columns(places)
        else:
            self._convert = converter(child.columns, places, [(kind, -1) for _, kind in pairs], catalog)
        self._assigned: Convert | None = None
        self._path = _path(self.child_access, key, parent)

    def _index_of_parent(self) -> Index:
        return next(index for index in self.parent.all_indexes if index.oid == self.key.parent_index)

    def _access_of(self, index: Index) -> IndexAccess:
        return next(each for each in self.parent_access.indexes if each.index.oid == index.oid)

    def _key_prefix(self) -> Callable[[Sequence[Any]], bytes]:
        return self.parent_access.key_prefix if self._index is None else self._index.key_prefix

    # --- the key that both sides mean ---

    def refers(self, row: Row) -> bool:
        """Whether the row must have a parent, or breaks the rule of MATCH FULL."""
        if self.key.full:
            return any(row[place] is not None for place in self.places)
        return self.is_whole(row)

    def is_whole(self, row: Row) -> bool:
        """Whether none of the row's columns is NULL, so that there is a key that it wants."""
        return all(row[place] is not None for place in self.places)

    def wanted(self, row: Row, ctx: Context) -> bytes:
        """The key of the parent that a child's whole row refers to."""
        return self._encode(self._convert(row, ctx))

    def refers_to(self, row: Row, key: bytes | None, ctx: Context) -> bool:
        """Whether a child's row refers to the parent's row that offers this key."""
        return self.is_whole(row) and self.wanted(row, ctx) == key

    def offered(self, row: Row) -> bytes | None:
        """The key by which others refer to a parent's row; None: a NULL in it, nobody can."""
        values = [row[place] for place in self._offered]
        return None if None in values else self._encode(values)

    def parent_of(self, ctx: Context, key: bytes) -> bytes | None:
        """The key of the parent's row with that key, None: there is none."""
        found: bytes | None = ctx.txn.current(key)
        if found is None or self._index is None:
            return None if found is None else key
        return self.parent_access.row_key_in(found)

    def assigned(self, row: Row, ctx: Context, catalog: Catalog) -> tuple[Any, ...]:
        """What ON UPDATE CASCADE assigns to the child's columns for a parent's row. Raises PgError."""
        if self._assigned is None:
            columns = [self.child.columns[place] for place in self.places]
            targets = [(types.BY_OID[column.type_oid], column.typmod) for column in columns]
            places = [attnum - 1 for attnum in self.key.parent_columns]
            self._assigned = converter(self.parent.columns, places, targets, catalog)
        return self._assigned(row, ctx)

    # --- who refers to a parent's row ---

    @property
    def is_indexed(self) -> bool:
        """Whether an index of the child leads to the rows of one key."""
        return self._path is not None

    def children(self, ctx: Context, parent: Row) -> Iterator[Found | None]:
        """The child's rows that refer to the parent's row, by the index; None between batches."""
        assert self._path is not None
        key = self.offered(parent)
        for found in self._path(ctx, parent):
            if found is None:
                yield None
            elif self.refers_to(found[1], key, ctx):
                yield found

    def all_children(self, ctx: Context) -> Iterator[tuple[bytes, Found] | None]:
        """Every whole row of the child, with the key that it wants; None between batches."""
        reach = self.child_access
        for found in _rows_between(ctx, reach, reach.lo, reach.hi):
            if found is None:
                yield None
            elif self.is_whole(found[1]):
                yield self.wanted(found[1], ctx), found


def _columns(places: Sequence[int]) -> Convert:
    if len(places) == 1:
        place = places[0]
        return lambda row, ctx: (row[place],)
    values = itemgetter(*places)
    return lambda row, ctx: values(row)


def _encoder(kinds: Sequence[types.Type], encode: Callable[[Sequence[Any]], bytes]) -> Callable[[Any], bytes]:
    """As `encode`, which takes values in the form that is encoded."""
    converters = [kind.sort_key if kind.key_kind == "text" else None for kind in kinds]
    if not any(converters):
        return encode
    return lambda values: encode(
        [value if convert is None else convert(value) for value, convert in zip(values, converters)]
    )


# --- the child's rows by an index ---

Path = Callable[[Context, Row], Iterator[Found | None]]


def _path(reach: TableAccess, key: ForeignKey, parent: Table) -> Path | None:
    """How to the child's rows for a parent's row: by the key or index that most of the columns lead; None: by none."""
    table = reach.table
    usable = {
        attnum: parent_attnum - 1
        for attnum, parent_attnum in zip(key.columns, key.parent_columns)
        if is_same(
            types.BY_OID[table.columns[attnum - 1].type_oid],
            types.BY_OID[parent.columns[parent_attnum - 1].type_oid],
        )
    }
    best: tuple[int, IndexAccess | None] = (0, None)
    if table.primary_key is not None:
        best = (_leading(table.primary_key.keys, usable), None)
    for index in reach.indexes:
        count = _leading(index.index.keys, usable)
        if index.index.state == "valid" and count > best[0] and _holds_all(index, key, table):
            best = (count, index)
    count, found = best
    if not count:
        return None
    primary = table.primary_key.keys if table.primary_key is not None else ()
    keys = (found.index.keys if found is not None else primary)[:count]
    kinds = [types.BY_OID[table.columns[each.column - 1].type_oid] for each in keys]
    encode = _encoder(kinds, reach.key_prefix if found is None else found.key_prefix)
    places = [usable[each.column] for each in keys]

    def rows(ctx: Context, row: Row) -> Iterator[Found | None]:
        lo = encode([row[place] for place in places])
        if found is None:
            return _rows_between(ctx, reach, lo, keycode.successor(lo))
        return _rows_of_entries(ctx, reach, lo, keycode.successor(lo))

    return rows


def _holds_all(index: IndexAccess, key: ForeignKey, table: Table) -> bool:
    """Whether every row that refers to a parent has an entry: a partial index may leave out those with a NULL."""
    if index.predicate is None:
        return True
    columns = [(attnum - 1, table.columns[attnum - 1]) for attnum in key.columns]
    present = [
        tree.NullTest(
            types.BOOL, tree.Var(types.BY_OID[column.type_oid], OWN, place, column.typmod), negated=True
        )
        for place, column in columns
    ]
    return implies(present, index.predicate)


def _leading(keys: Sequence[IndexKey], usable: dict[int, int]) -> int:
    """How many of an index's first columns are among the foreign key's."""
    count = 0
    while count < len(keys) and keys[count].column in usable:
        count += 1
    return count


def _rows_between(ctx: Context, reach: TableAccess, lo: bytes, hi: bytes) -> Iterator[Found | None]:
    start: bytes | None = lo
    while start is not None:
        items, start = ctx.txn.scan_items(start, hi, SCAN)
        for row_key, raw in items:
            yield row_key, reach.unpack(raw)
        yield None


def _rows_of_entries(ctx: Context, reach: TableAccess, lo: bytes, hi: bytes) -> Iterator[Found | None]:
    start: bytes | None = lo
    while start is not None:
        entries, start = ctx.txn.scan_items(start, hi, SCAN)
        row_keys = [reach.row_key_in(entry) for _key, entry in entries]
        for row_key, raw in zip(row_keys, ctx.txn.get_many(row_keys)):
            if raw is not None:
                yield row_key, reach.unpack(raw)
        yield None


# --- the links of a table ---

_cache: dict[tuple[int, Oid], Link] = {}
_CACHE_SIZE = 4096


def link_of(child: Table, key: ForeignKey, catalog: Catalog) -> Link:
    """The foreign key compiled, made once for as long as both tables stay as they are."""
    at = (catalog.cluster, key.oid)
    found = _cache.get(at)
    if found is None or found.child is not child or found.parent is not catalog.tables[key.parent]:
        if len(_cache) >= _CACHE_SIZE:
            _cache.clear()
        found = _cache[at] = Link(child, key, catalog)
    return found


def links_from(table: Table, catalog: Catalog) -> tuple[Link, ...]:
    """The table's own foreign keys, in the order in which they were made."""
    return tuple(link_of(table, key, catalog) for key in table.foreign_keys)


def links_to(table: Table, catalog: Catalog) -> tuple[Link, ...]:
    """The foreign keys that refer to the table, in the order in which they were made."""
    found = [link_of(child, key, catalog) for child, key in catalog.references_to([table])]
    return tuple(sorted(found, key=lambda each: each.key.oid))


def tables_behind(catalog: Catalog, changed: Sequence[Oid]) -> list[Oid]:
    """Tables whose foreign keys say what becomes of changes to `changed`: who refers to them, and so on."""
    found: dict[Oid, None] = {}
    waiting = list(changed)
    while waiting:
        table = catalog.tables.get(waiting.pop())
        if table is not None:
            new = [oid for oid in table.referenced_by if oid not in found]
            found.update(dict.fromkeys(new))
            waiting += new
    return list(found)
