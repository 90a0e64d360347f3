"""Records of the journal as changes of rows, in the form of DSQL's CDC records (dsql-reference §10).

    {"type": "full", "op": "u", "before": null, "after": {"id": 1, "name": "x"},
     "source": {"version": "1.0", "ts_ms": ..., "ts_ns": ..., "txId": "...", "schema": "public", "table": "t",
                "db": "postgres", "cluster": "1", "position": 7}, "ts_ms": ..., "ts_ns": ...}

`op` is c (created), u (updated) or d (deleted: `before` has the key, `after` is null). Numeric is a string,
bytea base64, a date days and a timestamp microseconds since 1970, json a string; txId is the transaction's id
in base32. What is no row has a line of a general kind: `claim`, `catalog`, and `unknown` for rows of tables
that are gone.

The log holds post-images only. Whether a row was there before is read from storage while it keeps that time;
for older records it follows from the records read before, and for a row not met before from its lock class:
an UPDATE that leaves unique keys alone says so, anything else counts as created.
"""

import base64
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from journal.journal import Entry
from journal.record import Commit, LockClass, Position, Write
from server.catalog import store
from server.catalog.descriptor import Catalog, Column, Oid, Table
from server.sql import types
from server.sql.access import TableAccess
from server.sql.datetime_calendar import DATE_INFINITY, DATE_MINUS_INFINITY, INFINITY, MINUS_INFINITY
from storage import keycode, rowcode
from storage.replica import Replica

Line = dict[str, Any]

_EPOCH_DAYS = 10_957
"""Days from 1970-01-01 to 2000-01-01."""
_EPOCH_US = _EPOCH_DAYS * 86_400_000_000
_SPACES = {
    store.VERSION: "version",
    store.SCHEMAS: "schema",
    store.TABLES: "table",
    store.ROLES: "role",
    store.JOBS: "job",
}
_decode_table = msgspec.msgpack.Decoder(Table).decode


class ChangeFeed:
    """Turns records, given in order, into lines. Its memory grows with the old keys that it has met."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._catalogs: dict[int, Catalog | None] = {}
        self._tables: dict[tuple[int, Oid], TableAccess | None] = {}
        """As the records read so far left them; None: dropped, or unknown."""
        self._live: dict[bytes, bool] = {}

    def lines(self, entry: Entry) -> Iterator[Line]:
        """The lines of one record."""
        record = entry.record
        position = record.header.position
        if record.kind == "claim":
            yield {
                "type": "claim",
                "position": position,
                "epoch": record.header.epoch,
                "owner": record.owner,
            }
        for commit in record.commits:
            for write in commit.writes:
                line = self._line(position, commit, write)
                if line is not None:
                    yield line

    def _line(self, position: Position, commit: Commit, write: Write) -> Line | None:
        if store.is_catalog_key(write.key):
            return self._catalog_line(position, commit, write)
        cluster, oid = int.from_bytes(write.key[:4], "big"), int.from_bytes(write.key[4:8], "big")
        access = self._table(cluster, oid)
        if access is not None:
            return self._row_line(position, commit, write, access)
        catalog = self._catalog(cluster)
        if (catalog is not None and oid in catalog.index_tables) or self._is_index(cluster, oid):
            return None
        return {**_general("unknown", position, commit, write), "relation": oid}

    # --- the catalog as it was ---

    def _catalog(self, cluster: int) -> Catalog | None:
        if cluster not in self._catalogs:
            ts = self._replica.applied_ts
            self._catalogs[cluster] = store.load(self._replica, cluster, ts, ts)
        return self._catalogs[cluster]

    def _table(self, cluster: int, oid: Oid) -> TableAccess | None:
        if (cluster, oid) not in self._tables:
            catalog = self._catalog(cluster)
            table = catalog.tables.get(oid) if catalog is not None else None
            self._tables[cluster, oid] = TableAccess(table, cluster) if table is not None else None
        return self._tables[cluster, oid]

    def _is_index(self, cluster: int, oid: Oid) -> bool:
        tables = (
            access for access in self._tables.values() if access is not None and access.cluster == cluster
        )
        return any(index.index.oid == oid for access in tables for index in access.indexes)

    def _catalog_line(self, position: Position, commit: Commit, write: Write) -> Line:
        cluster, space = int.from_bytes(write.key[:4], "big"), write.key[7]
        line = _general("catalog", position, commit, write)
        line["object"] = _SPACES.get(space, str(space))
        if space == store.TABLES:
            oid = int.from_bytes(write.key[8:12], "big")
            table = _decode_table(write.value) if write.value is not None else None
            self._tables[cluster, oid] = TableAccess(table, cluster) if table is not None else None
            line["name"] = table.name if table is not None else None
        if space == store.VERSION:
            self._catalogs.pop(cluster, None)
        return line

    # --- rows ---

    def _row_line(self, position: Position, commit: Commit, write: Write, access: TableAccess) -> Line | None:
        existed = self._existed(commit, write)
        if write.value is None:
            if existed is False:
                return None
            op, before, after = "d", _key_columns(access, write.key), None
        else:
            op, before, after = "u" if existed else "c", None, _columns(access.table, write.value)
        table = access.table
        catalog = self._catalog(access.cluster)
        schema = catalog.schemas.get(table.schema_oid) if catalog is not None else None
        times = _times(commit)
        source = {
            "version": "1.0",
            **times,
            "txId": _base32(commit.txid),
            "schema": schema.name if schema is not None else str(table.schema_oid),
            "table": table.name,
            "db": "postgres",
            "cluster": str(access.cluster),
            "position": position,
        }
        return {"type": "full", "op": op, "before": before, "after": after, "source": source, **times}

    def _existed(self, commit: Commit, write: Write) -> bool | None:
        """Whether the row was there before; None: not known of a deleted one."""
        if commit.commit_ts - 1 >= self._replica.horizon:
            return self._replica.get(write.key, commit.commit_ts - 1) is not None
        existed = self._live.get(write.key)
        self._live[write.key] = write.value is not None
        if existed is None and write.value is not None:
            return write.lock == LockClass.NON_KEY
        return existed


def _general(kind: str, position: Position, commit: Commit, write: Write) -> Line:
    op = "delete" if write.value is None else "put"
    identity = {"position": position, "txId": _base32(commit.txid), **_times(commit)}
    return {"type": kind, "op": op, "key": write.key.hex(), **identity}


def _times(commit: Commit) -> Line:
    return {"ts_ms": commit.commit_ts // 1_000_000, "ts_ns": commit.commit_ts}


def _base32(txid: bytes) -> str:
    return base64.b32encode(txid).decode().rstrip("=").lower()


def _columns(table: Table, raw: bytes) -> Line:
    row = rowcode.unpack(raw)
    row.extend([None] * (len(table.columns) - len(row)))
    return {
        column.name: _json(column, value) for column, value in zip(table.columns, row) if not column.dropped
    }


def _key_columns(access: TableAccess, key: bytes) -> Line:
    """The primary key, from the key's bytes; nothing for a hidden key."""
    columns = [access.table.columns[position] for position in access.key_columns]
    values = keycode.decode(access.kinds, key) if columns else []
    return {column.name: _json(column, value) for column, value in zip(columns, values)}


def _json(column: Column, value: Any) -> Any:
    """A stored value (storage.rowcode) as JSON has it."""
    if value is None:
        return None
    convert = _CONVERTERS.get(column.type_oid)
    return value if convert is None else convert(value)


def _number(value: float) -> float | str:
    finite = value == value and value not in (float("inf"), float("-inf"))
    return value if finite else str(Decimal(value))


def _date(value: int) -> int | str:
    return _special(value, DATE_INFINITY, DATE_MINUS_INFINITY) or value + _EPOCH_DAYS


def _timestamp(value: int) -> int | str:
    return _special(value, INFINITY, MINUS_INFINITY) or value + _EPOCH_US


def _special(value: int, highest: int, lowest: int) -> str | None:
    return "infinity" if value == highest else "-infinity" if value == lowest else None


def _numeric(value: str | Decimal) -> str:
    return value if isinstance(value, str) else rowcode.numeric_to_column(value)


def _interval(value: list[int]) -> str:
    return f"P{value[0]}M{value[1]}DT{Decimal(value[2]) / 1_000_000}S"


_CONVERTERS: dict[Oid, Callable[[Any], Any]] = {
    types.BYTEA.oid: lambda value: base64.b64encode(value).decode(),
    types.UUID.oid: lambda value: str(uuid.UUID(bytes=value)),
    types.NUMERIC.oid: _numeric,
    types.FLOAT4.oid: _number,
    types.FLOAT8.oid: _number,
    types.DATE.oid: _date,
    types.TIMESTAMP.oid: _timestamp,
    types.TIMESTAMPTZ.oid: _timestamp,
    types.INTERVAL.oid: _interval,
}
